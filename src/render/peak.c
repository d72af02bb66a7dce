#include "render/peak.h"

#include <float.h>
#include <stdlib.h>
#include <time.h>

#include "base/team.h"

/* One try: long enough to be timed, short enough that on a busy machine some are undisturbed. */
#define TRY_S 5e-4

#define SINKS 64

/* Rounds by which a try's length is found. */
#define FIRST_ROUNDS 10000

static double clock_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double limn_clock_wall_s(void) {
    return clock_s(CLOCK_MONOTONIC);
}

double limn_clock_thread_s(void) {
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double limn_median(double *x, int count) {
    qsort(x, (size_t)count, sizeof *x, compare);
    return count % 2 ? x[count / 2] : (x[count / 2 - 1] + x[count / 2]) / 2;
}

/* A rate under way: computing where there is a loop, else reading. */
typedef struct pull {
    const limn_peak *peak;
    long rounds;
    const uint64_t *words;
    size_t count; /* words of each thread */
    int threads;
    double seconds, best;
    volatile float sink[SINKS]; /* what keeps a compiler from leaving the work out */
} pull;

/* What each thread does, once. */
static void pull_once(void *ctx, int thread) {
    pull *p = ctx;
    if (p->peak) {
        p->sink[thread % SINKS] = p->peak->loop(p->rounds, 0.9999f, 1e-4f);
        return;
    }
    const uint64_t *w = p->words + (size_t)thread * p->count;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= p->count; i += 8)
        for (int l = 0; l < 8; l++) sum[l] += w[i + (size_t)l];
    for (int l = 1; l < 8; l++) sum[0] += sum[l];
    p->sink[thread % SINKS] = (float)sum[0];
}

/* The shortest time; every thread does the same amount at the same time. */
static double best_s(pull *p, limn_team *team, int threads, double seconds) {
    double best = DBL_MAX, start = limn_clock_wall_s(), end = start;
    while (end - start < seconds) {
        limn_team_loop(team, threads, pull_once, p); /* wakes the threads, warms up */
        double begin = limn_clock_wall_s();
        limn_team_loop(team, threads, pull_once, p);
        end = limn_clock_wall_s();
        if (end - begin < best) best = end - begin;
    }
    return best > 0 ? best : DBL_MIN;
}

static void run_pull(void *ctx, limn_team *team) {
    pull *p = ctx;
    if (p->peak) {
        p->rounds = FIRST_ROUNDS;
        p->rounds = (long)(FIRST_ROUNDS * (TRY_S / best_s(p, NULL, 1, 0.01))) + 1;
    }
    p->best = best_s(p, team, p->threads, p->seconds);
}

double limn_peak_ops(const limn_peak *peak, int threads, double seconds) {
    pull p = {.peak = peak, .threads = threads, .seconds = seconds};
    limn_team_run(threads, run_pull, &p);
    return (double)p.rounds * peak->ops * threads / p.best;
}

double limn_peak_read_bytes(const uint64_t *words, size_t count, int threads, double seconds) {
    pull p = {.words = words, .count = count / (size_t)threads, .threads = threads};
    p.seconds = seconds;
    limn_team_run(threads, run_pull, &p);
    return (double)p.count * sizeof *words * threads / p.best;
}
