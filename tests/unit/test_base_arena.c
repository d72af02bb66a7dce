/* The arena: a measuring pass tells exactly what the real pass takes, and nothing overflows. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Some work with blocks of odd sizes, some of them given back. Writes every byte that it may. */
static void work(limn_arena *a) {
    static const size_t sizes[] = {1, 63, 64, 65, 0, 1000, 12345};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t mark = limn_arena_mark(a);
        float *x = limn_arena_floats(a, sizes[i]);
        char *y = limn_arena_take(a, sizes[i], 3);
        if (!limn_arena_measuring(a)) {
            assert_non_null(x);
            assert_non_null(y);
            assert_int_equal((uintptr_t)x % LIMN_ALIGN, 0);
            assert_int_equal((uintptr_t)y % LIMN_ALIGN, 0);
            memset(x, 1, sizes[i] * sizeof *x);
            memset(y, 2, sizes[i] * 3);
            for (size_t j = 0; j < sizes[i] * sizeof *x; j++) assert_int_equal(((char *)x)[j], 1);
        }
        if (i % 2) limn_arena_release(a, mark);
    }
}

static void measuring_tells_the_real_peak(void **state) {
    (void)state;
    limn_arena plan = limn_arena_measure(), real;
    assert_true(limn_arena_measuring(&plan));
    work(&plan);
    assert_int_equal(limn_arena_open(&real, plan.peak, NULL), LIMN_OK);
    assert_false(limn_arena_measuring(&real));
    work(&real);
    assert_int_equal(real.peak, plan.peak);
    assert_int_equal(real.used, plan.used);
    /* Not a byte too many: the next block does not fit once the peak is used up. */
    assert_non_null(limn_arena_take(&real, real.size - real.used, 1));
    assert_null(limn_arena_take(&real, 1, 1));
    assert_int_equal(real.peak, SIZE_MAX);
    limn_arena_close(&real);
    assert_null(real.block);
}

static void released_memory_is_handed_out_again(void **state) {
    (void)state;
    limn_arena a;
    assert_int_equal(limn_arena_open(&a, 1000, NULL), LIMN_OK);
    void *first = limn_arena_take(&a, 100, 1);
    size_t mark = limn_arena_mark(&a);
    void *second = limn_arena_take(&a, 100, 1);
    limn_arena_release(&a, mark);
    assert_ptr_equal(limn_arena_take(&a, 200, 1), second);
    assert_ptr_not_equal(first, second);
    limn_arena_close(&a);
}

static void overflow_is_seen(void **state) {
    (void)state;
    static const size_t bad[][2] = {{SIZE_MAX, 2}, {SIZE_MAX / 2, 3}, {SIZE_MAX, 1}};
    for (size_t i = 0; i < 3; i++) {
        limn_arena plan = limn_arena_measure();
        assert_null(limn_arena_take(&plan, bad[i][0], bad[i][1]));
        assert_int_equal(plan.peak, SIZE_MAX);
        limn_arena_take(&plan, 1, 1); /* a later, smaller one does not hide it */
        assert_int_equal(plan.peak, SIZE_MAX);
    }
    limn_arena plan = limn_arena_measure();
    limn_arena_take(&plan, SIZE_MAX / 2, 1);
    limn_arena_take(&plan, SIZE_MAX / 2, 1);
    limn_arena_take(&plan, SIZE_MAX / 2, 1);
    assert_int_equal(plan.peak, SIZE_MAX);
}

static void too_much_memory_is_a_sentence(void **state) {
    (void)state;
    limn_arena a;
    limn_error err;
    assert_int_equal(limn_arena_open(&a, SIZE_MAX, &err), LIMN_E_MEMORY);
    assert_int_equal(limn_arena_open(&a, (size_t)PTRDIFF_MAX + 1, &err), LIMN_E_MEMORY);
    assert_int_equal(err.status, LIMN_E_MEMORY);
    assert_non_null(strstr(err.text, "MB"));
    assert_null(a.block);
    limn_arena_close(&a);
}

static void an_empty_arena_is_not_a_measuring_one(void **state) {
    (void)state;
    limn_arena a;
    assert_int_equal(limn_arena_open(&a, 0, NULL), LIMN_OK);
    assert_false(limn_arena_measuring(&a));
    assert_null(limn_arena_take(&a, 65, 1));
    limn_arena_close(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measuring_tells_the_real_peak),
        cmocka_unit_test(released_memory_is_handed_out_again),
        cmocka_unit_test(overflow_is_seen),
        cmocka_unit_test(too_much_memory_is_a_sentence),
        cmocka_unit_test(an_empty_arena_is_not_a_measuring_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
