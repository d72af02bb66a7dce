/* Threads: every task exactly once, and the contract's floating-point environment in each. */
#include "base/thread.h"

#include "base/team.h"

#include <fenv.h>
#include <float.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MOST = 1000 };

static void count(void *ctx, int i) {
    ((int *)ctx)[i]++;
}

static void every_task_once(void **state) {
    (void)state;
    static const int threads[] = {-1, 0, 1, 2, 3, 8, 100, INT_MAX};
    static const int tasks[] = {0, 1, 2, 7, MOST};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        for (size_t n = 0; n < sizeof tasks / sizeof tasks[0]; n++) {
            int done[MOST] = {0};
            limn_parallel(threads[t], tasks[n], count, done);
            for (int i = 0; i < MOST; i++) assert_int_equal(done[i], i < tasks[n]);
        }
    }
}

/* Rising order where there is one thread. */
static void check_order(void *ctx, int i) {
    int *next = ctx;
    if (*next == i) ++*next;
}

static void one_thread_keeps_the_order(void **state) {
    (void)state;
    int next = 0;
    limn_parallel(1, MOST, check_order, &next);
    assert_int_equal(next, MOST);
}

/* What the environment gives: whether subnormals live, as results and as operands, and how a sum
 * that lies between two doubles is rounded. volatile: the compiler must not compute it. */
typedef struct probe {
    double half, doubled, up, down;
} probe;

static void look(probe *p) {
    volatile double least = DBL_MIN, tiny = 0x1p-1074, one = 1, bit = 0x1p-54;
    p->half = least / 2;
    p->doubled = tiny * 0x1p60;
    p->up = one + bit;
    p->down = -one - bit;
}

static void look_task(void *ctx, int i) {
    look((probe *)ctx + i);
}

static void assert_contract(const probe *p) {
    assert_true(p->half == 0x1p-1023);
    assert_true(p->doubled == 0x1p-1014);
    assert_true(p->up == 1 && p->down == -1);
}

/* Spoils the caller's environment in every way the machine has. */
static void spoil(void) {
    assert_int_equal(fesetround(FE_UPWARD), 0);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
#endif
}

static void tasks_have_the_contract_whatever_the_caller_has(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 8};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        probe p[64], before, after;
        limn_fp_state normal = limn_fp_enter();
        spoil();
        look(&before);
        limn_parallel(threads[t], 64, look_task, p);
        look(&after);
        limn_fp_leave(normal);
        for (int i = 0; i < 64; i++) assert_contract(&p[i]);
        /* The caller has its own back, and it was another. */
        assert_memory_equal(&before, &after, sizeof before);
        assert_true(before.up > 1);
#if defined(__x86_64__)
        assert_true(before.half == 0 && before.doubled == 0);
#endif
    }
}

static void enter_and_leave(void **state) {
    (void)state;
    probe spoilt, inside, outside;
    limn_fp_state normal = limn_fp_enter();
    spoil();
    look(&spoilt);
    limn_fp_state old = limn_fp_enter();
    look(&inside);
    limn_fp_leave(old);
    look(&outside);
    limn_fp_leave(normal);
    assert_contract(&inside);
    assert_memory_equal(&spoilt, &outside, sizeof spoilt);
}

static void default_is_at_least_one(void **state) {
    (void)state;
    assert_in_range(limn_threads_default(), 1, 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(tasks_have_the_contract_whatever_the_caller_has),
        cmocka_unit_test(enter_and_leave),
        cmocka_unit_test(default_is_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
