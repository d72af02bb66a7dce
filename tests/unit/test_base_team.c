/* Teams: every task exactly once, thousands of short loops without a hang, and nothing seen from
 * the loop before or after. */
#include "base/team.h"

#include <fenv.h>
#include <float.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* On a machine that is busy, or whose threads run under a tool, loops wait for the system's clock:
 * a test that has run so long stops early and is content with what it has seen. */
#define ENOUGH_SECONDS 6

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- every task once ------------------------------------------------------------------------- */

enum { MOST = 3000 };

/* Loops of many sizes on one team; counts what each task was told. */
typedef struct counting {
    atomic_int done[MOST];
    int wrong;
} counting;

static void count(void *ctx, int i) {
    counting *c = ctx;
    atomic_fetch_add(&c->done[i], 1);
}

static void count_loops(void *ctx, limn_team *team) {
    static const int tasks[] = {0, 1, 2, 3, 7, 8, 9, 100, MOST, -5, 2, 1, 64};
    counting *c = ctx;
    for (size_t n = 0; n < sizeof tasks / sizeof *tasks; n++) {
        memset(c->done, 0, sizeof c->done);
        limn_team_loop(team, tasks[n], count, c);
        for (int i = 0; i < MOST; i++)
            if (atomic_load(&c->done[i]) != (i < tasks[n])) c->wrong++;
    }
}

static void test_every_task_once(void **state) {
    (void)state;
    static const int threads[] = {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 40};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        static counting c;
        c.wrong = 0;
        limn_team_run(threads[t], count_loops, &c);
        if (c.wrong) fail_msg("%d threads: %d tasks not exactly once", threads[t], c.wrong);
    }
}

/* More tasks than the ticket can number. */
static void count_one(void *ctx, int i) {
    (void)i;
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void count_million(void *ctx, limn_team *team) {
    limn_team_loop(team, 1 << 20, count_one, ctx);
    limn_team_loop(team, (1 << 20) - 1, count_one, ctx);
}

static void test_more_tasks_than_a_ticket_holds(void **state) {
    (void)state;
    atomic_int done = 0;
    limn_team_run(3, count_million, &done);
    assert_int_equal(atomic_load(&done), (1 << 21) - 1);
}

static void test_no_team(void **state) {
    (void)state;
    static counting c;
    limn_team_loop(NULL, 100, count, &c);
    for (int i = 0; i < MOST; i++) assert_int_equal(atomic_load(&c.done[i]), i < 100);
}

/* The body runs on the caller's thread, and gets no team where one would be alone. */
static void look_at_body(void *ctx, limn_team *team) {
    bool *seen = ctx;
    seen[0] = true;
    seen[1] = team != NULL;
}

static void a_team_without_a_loop_ends(void **state) {
    (void)state;
    for (int threads = -1; threads <= 4; threads++) {
        bool seen[2] = {false, false};
        limn_team_run(threads, look_at_body, seen); /* a team without a loop must end as well */
        assert_true(seen[0]);
        assert_int_equal(seen[1], threads > 1);
    }
}

/* ---- many short loops ------------------------------------------------------------------------ */

/* Each loop has its own context, which is spoilt once the loop is over: a task that came late, or
 * twice, or read its neighbour's function, shows. Plain numbers, not atomic: what a loop wrote, the
 * caller and the next loop must see. */
typedef struct short_loop {
    long number; /* the loop's, or -1 */
    long input;
    long output[8];
} short_loop;

typedef struct marathon {
    short_loop loop[2];
    long loops, done, wrong;
    double until;
    atomic_long late; /* tasks that met a loop that was over */
} marathon;

static marathon race;

static void add_task(void *ctx, int i) {
    short_loop *l = ctx;
    if (l->number < 0) atomic_fetch_add(&race.late, 1);
    l->output[i] = l->input + i;
}

static void subtract_task(void *ctx, int i) {
    short_loop *l = ctx;
    if (l->number < 0) atomic_fetch_add(&race.late, 1);
    l->output[i] = l->input - i;
}

static void run_marathon(void *ctx, limn_team *team) {
    marathon *m = ctx;
    for (long n = 0; n < m->loops && (n % 1000 || seconds() < m->until); n++, m->done++) {
        short_loop *l = &m->loop[n % 2];
        int tasks = 2 + (int)(n % 7);
        bool adds = n % 3 == 0;
        l->number = n;
        l->input = n * 10;
        limn_team_loop(team, tasks, adds ? add_task : subtract_task, l);
        for (int i = 0; i < tasks; i++)
            if (l->output[i] != l->input + (adds ? i : -i)) m->wrong++;
        memset(l, 0xff, sizeof *l); /* number becomes -1 */
    }
}

static void test_many_short_loops(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        memset(&race, 0, sizeof race);
        race.loops = 100000;
        race.until = seconds() + (double)ENOUGH_SECONDS / 8;
        limn_team_run(threads, run_marathon, &race);
        if (race.wrong || atomic_load(&race.late))
            fail_msg("%d threads: %ld results wrong, %ld tasks late", threads, race.wrong,
                     atomic_load(&race.late));
        assert_true(race.done >= 1000);
        print_message("  %d threads: %ld loops\n", threads, race.done);
    }
}

/* Pauses between loops, so long that the others fall asleep: they must wake, or the caller must do
 * without them. And tasks so long that the caller falls asleep. */
static void nap(void *ctx, int i) {
    int *slept = ctx;
    if (i % 3 == 0) usleep(300);
    slept[i]++;
}

static void run_naps(void *ctx, limn_team *team) {
    for (int n = 0; n < 40; n++) {
        limn_team_loop(team, 2 + n % 5, nap, ctx);
        usleep(n % 2 ? 300 : 10);
    }
    usleep(500); /* asleep when the team ends */
}

static void test_sleepers_wake(void **state) {
    (void)state;
    for (int threads = 2; threads <= 6; threads += 2) {
        int slept[6] = {0};
        limn_team_run(threads, run_naps, slept);
        for (int i = 0; i < 6; i++) assert_int_equal(slept[i], i < 2 ? 40 : 8 * (6 - i));
    }
}

/* Tasks of very uneven length: sums of different lengths, all needed. */
typedef struct uneven {
    double sum[64];
} uneven;

static void uneven_task(void *ctx, int i) {
    uneven *u = ctx;
    double sum = 0;
    for (int k = 1; k <= (i % 13 == 0 ? 200000 : i); k++) sum += 1.0 / k;
    u->sum[i] = sum;
}

static void run_uneven(void *ctx, limn_team *team) {
    limn_team_loop(team, 64, uneven_task, ctx);
}

static void test_uneven_tasks(void **state) {
    (void)state;
    static uneven alone, together;
    limn_team_run(1, run_uneven, &alone);
    for (int threads = 2; threads <= 8; threads++) {
        memset(&together, 0, sizeof together);
        limn_team_run(threads, run_uneven, &together);
        assert_memory_equal(&alone, &together, sizeof alone);
    }
}

/* Teams one after the other, and two at once from threads of one program's own. */
static void run_pair(void *ctx, int i) {
    static counting c[2];
    (void)ctx;
    c[i].wrong = 0;
    limn_team_run(3, count_loops, &c[i]);
    if (c[i].wrong) atomic_fetch_add((atomic_int *)ctx, 1);
}

static void test_teams_within_a_team(void **state) {
    (void)state;
    atomic_int wrong = 0;
    for (int i = 0; i < 20; i++) limn_parallel(2, 2, run_pair, &wrong);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* ---- floating point -------------------------------------------------------------------------- */

/* What shows the environment; volatile, so that the compiler does not compute it. */
typedef struct probe {
    double half, up;
} probe;

static void look(probe *p) {
    volatile double least = DBL_MIN, one = 1, bit = 0x1p-54;
    p->half = least / 2;
    p->up = one + bit;
}

enum { PROBES = 200 };

static void look_task(void *ctx, int i) {
    look((probe *)ctx + i);
    if (i % 8 == 0) usleep(50); /* so that every thread gets some */
}

static void run_looks(void *ctx, limn_team *team) {
    limn_team_loop(team, PROBES, look_task, ctx);
    look((probe *)ctx + PROBES); /* the body itself */
}

static void spoil(void) {
    assert_int_equal(fesetround(FE_UPWARD), 0);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
#endif
}

static void test_environment_in_every_thread(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        static probe p[PROBES + 1];
        probe before, after;
        memset(p, 0, sizeof p);
        limn_fp_state normal = limn_fp_enter();
        spoil();
        look(&before);
        limn_team_run(threads, run_looks, p);
        look(&after);
        limn_fp_leave(normal);
        for (int i = 0; i <= PROBES; i++) assert_true(p[i].half == 0x1p-1023 && p[i].up == 1);
        assert_memory_equal(&before, &after, sizeof before); /* the caller's is as it was */
        assert_true(before.up > 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once),
        cmocka_unit_test(test_more_tasks_than_a_ticket_holds),
        cmocka_unit_test(test_no_team),
        cmocka_unit_test(a_team_without_a_loop_ends),
        cmocka_unit_test(test_many_short_loops),
        cmocka_unit_test(test_sleepers_wake),
        cmocka_unit_test(test_uneven_tasks),
        cmocka_unit_test(test_teams_within_a_team),
        cmocka_unit_test(test_environment_in_every_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
