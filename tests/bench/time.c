/* Time: medians of runs on a team of threads. */
#include "bench/bench.h"
#include "render/peak.h"

/* A run is at least this long; shorter work is repeated in it. */
#define RUN_S     5e-4
#define RUNS_MOST 64

double bench_now(void) {
    return limn_clock_wall_s();
}

double bench_median(double *x, int count) {
    return limn_median(x, count);
}

/* Work being timed, as the body of a team. */
typedef struct timing {
    const limn_kernels *k;
    limn_arena *ws;
    bench_work *work;
    void *ctx;
    int runs;
    double seconds;
} timing;

static double time_once(timing *t, limn_exec *e, int repeats) {
    double (*clock)(void) = e->team ? limn_clock_wall_s : limn_clock_thread_s;
    double begin = clock();
    for (int i = 0; i < repeats; i++) {
        limn_arena_release(t->ws, 0);
        t->work(e, t->ctx);
    }
    return (clock() - begin) / repeats;
}

static void body(void *ctx, limn_team *team) {
    timing *t = ctx;
    limn_exec e = {.k = t->k, .ws = t->ws, .team = team};
    double first = time_once(t, &e, 1), run[RUNS_MOST];
    int repeats = first < RUN_S ? (int)(RUN_S / (first > 1e-8 ? first : 1e-8)) + 1 : 1;
    int runs = t->runs < RUNS_MOST ? t->runs : RUNS_MOST;
    for (int i = 0; i < runs; i++) run[i] = time_once(t, &e, repeats);
    t->seconds = bench_median(run, runs);
}

double bench_seconds(const bench *b, const limn_kernels *k, int threads, bench_work *work,
                     void *ctx) {
    limn_arena plan = limn_arena_measure(), ws;
    limn_exec measure = {.k = k, .ws = &plan};
    work(&measure, ctx);
    if (limn_arena_open(&ws, plan.peak + LIMN_ALIGN, NULL) != LIMN_OK) return 0;
    timing t = {k, &ws, work, ctx, b->runs, 0};
    limn_team_run(threads, body, &t);
    limn_arena_close(&ws);
    return t.seconds;
}
