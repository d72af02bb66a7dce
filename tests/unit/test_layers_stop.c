/* Who wants to stop does not wait for the end of a long layer. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/layers.h"
#include "support/guarded.h"

/* The second time it is asked, and ever after, it says yes. */
static bool stop(void *user) {
    return ++*(int *)user >= 2;
}

/* A layer that writes out[count]. */
typedef struct long_layer {
    void (*run)(limn_exec *e, float *out);
    size_t count;
} long_layer;

/* Runs it on one thread: it is left behind its first task, and the work that is left is not done.
 */
static void check(long_layer l) {
    limn_arena ws;
    limn_error err;
    int asked = 0;
    guarded out = guarded_take(l.count, sizeof(float)), before = guarded_take(1, sizeof(float));
    assert_int_equal(limn_arena_open(&ws, (size_t)64 << 20, &err), LIMN_OK);
    limn_exec e = {.k = limn_kernels_pick(), .ws = &ws, .stop = stop, .user = &asked};
    l.run(&e, out.f);
    assert_true(e.stopped);
    assert_int_equal(asked, 2);
    assert_memory_equal(&out.f[l.count - 1], before.f, sizeof(float)); /* the last is untouched */
    limn_arena_close(&ws);
    guarded_free(&out);
    guarded_free(&before);
}

enum { ROWS = 8192, WIDE = 384 };

static void product(limn_exec *e, float *out) {
    float *x = calloc((size_t)ROWS * WIDE, sizeof *x), *w = calloc((size_t)WIDE * WIDE, sizeof *w);
    assert_true(x && w);
    const limn_matrix m = {.n = WIDE, .k = WIDE, .numbers = {LIMN_F32, .f32 = w}};
    limn_linear_run(e, &m, x, WIDE, ROWS, NULL, out);
    free(w);
    free(x);
}

enum { TOKENS = 2048, HEADS = 2, D = 32 };

static void attend(limn_exec *e, float *out, bool int8) {
    float *x = calloc((size_t)TOKENS * HEADS * D, sizeof *x);
    int asked = -1000; /* packing is not what is looked at */
    void *user = e->user;
    assert_non_null(x);
    e->user = &asked;
    limn_keys keys =
        int8 ? limn_keys_take_int8(e, 1, TOKENS, HEADS, D) : limn_keys_take(e, 1, TOKENS, HEADS, D);
    limn_keys_pack(e, x, x, HEADS * D, &keys);
    e->user = user;
    limn_attention_run(e, x, HEADS * D, TOKENS, &keys, false, out);
    free(x);
}

static void attention(limn_exec *e, float *out) {
    attend(e, out, false);
}

static void attention_int8(limn_exec *e, float *out) {
    attend(e, out, true);
}

static void long_layers_are_left(void **state) {
    (void)state;
    check((long_layer){product, (size_t)ROWS * WIDE});
    check((long_layer){attention, (size_t)TOKENS * HEADS * D});
    check((long_layer){attention_int8, (size_t)TOKENS * HEADS * D});
}

/* A loop of a team: the other threads' tasks do not end before stop has said yes, so that none of
 * them begins a second one. */
enum { TASKS = 64, TEAM = 3 };

typedef struct slow_loop {
    pthread_t caller;
    atomic_int asked, done;
} slow_loop;

static bool stop_loop(void *user) {
    slow_loop *l = user;
    return atomic_fetch_add(&l->asked, 1) >= 1;
}

static void slow_task(void *ctx, int i) {
    slow_loop *l = ctx;
    (void)i;
    while (!pthread_equal(l->caller, pthread_self()) && atomic_load(&l->asked) < 2) sched_yield();
    atomic_fetch_add(&l->done, 1);
}

static void run_slow_loop(void *ctx, limn_team *team) {
    slow_loop *l = ctx;
    limn_arena ws;
    assert_int_equal(limn_arena_open(&ws, 64, NULL), LIMN_OK);
    limn_exec e = {.ws = &ws, .team = team, .stop = stop_loop, .user = l};
    l->caller = pthread_self();
    limn_exec_loop(&e, TASKS, slow_task, l);
    assert_true(e.stopped);
    limn_arena_close(&ws);
}

static void a_team_leaves_too(void **state) {
    (void)state;
    slow_loop l = {.asked = 0};
    limn_team_run(TEAM, run_slow_loop, &l);
    assert_in_range(atomic_load(&l.done), 1, 2 * TEAM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_team_leaves_too),
        cmocka_unit_test(long_layers_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
