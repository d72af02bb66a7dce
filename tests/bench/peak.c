/* The machine's own limits: fused multiply-adds that stay in registers, and reading memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "bench/bench.h"

/* Chains that run side by side: more than a multiplier's latency times the multipliers there are.
 */
#define CHAINS  12
#define READ_MB 256
/* One try: long enough to be timed, short enough that on a busy machine some are undisturbed. */
#define RUN_S 5e-4

/* Each does rounds x CHAINS fused multiply-adds on `lanes` numbers and returns something that
 * depends on all of them. 0.9999 x + 1e-4 stays near 1. */
typedef float fma_loop(long rounds, float factor, float summand);

static float loop_c(long rounds, float factor, float summand) {
    float x[CHAINS] = {0}, sum = 0;
    for (long i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) x[c] = fmaf(x[c], factor, summand);
    for (int c = 0; c < CHAINS; c++) sum += x[c];
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float loop_avx2(long rounds, float factor,
                                                           float summand) {
    __m256 x[CHAINS], a = _mm256_set1_ps(factor), b = _mm256_set1_ps(summand);
    for (int c = 0; c < CHAINS; c++) x[c] = b;
    for (long i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) x[c] = _mm256_fmadd_ps(x[c], a, b);
    for (int c = 1; c < CHAINS; c++) x[0] = _mm256_add_ps(x[0], x[c]);
    return _mm256_cvtss_f32(x[0]);
}

__attribute__((target("avx512f"))) static float loop_avx512(long rounds, float factor,
                                                            float summand) {
    __m512 x[CHAINS], a = _mm512_set1_ps(factor), b = _mm512_set1_ps(summand);
    for (int c = 0; c < CHAINS; c++) x[c] = b;
    for (long i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) x[c] = _mm512_fmadd_ps(x[c], a, b);
    for (int c = 1; c < CHAINS; c++) x[0] = _mm512_add_ps(x[0], x[c]);
    return _mm512_cvtss_f32(x[0]);
}
#elif defined(__aarch64__)
static float loop_neon(long rounds, float factor, float summand) {
    float32x4_t x[CHAINS], a = vdupq_n_f32(factor), b = vdupq_n_f32(summand);
    for (int c = 0; c < CHAINS; c++) x[c] = b;
    for (long i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) x[c] = vfmaq_f32(b, x[c], a);
    for (int c = 1; c < CHAINS; c++) x[0] = vaddq_f32(x[0], x[c]);
    return vgetq_lane_f32(x[0], 0);
}
#endif

static fma_loop *loop_of(const char *level, int *lanes) {
#if defined(__x86_64__)
    if (strcmp(level, "avx2") == 0) return *lanes = 8, loop_avx2;
    if (strcmp(level, "avx512") == 0) return *lanes = 16, loop_avx512;
#elif defined(__aarch64__)
    if (strcmp(level, "neon") == 0) return *lanes = 4, loop_neon;
#else
    (void)level;
#endif
    return *lanes = 1, loop_c;
}

/* One thread's share of a peak: computing or reading. */
typedef struct pull {
    fma_loop *loop;
    long rounds;
    const uint64_t *words;
    size_t count; /* words of each thread */
    volatile float *sink;
} pull;

static void pull_once(const pull *p, int thread) {
    if (p->loop) {
        *p->sink = p->loop(p->rounds, 0.9999f, 1e-4f);
        return;
    }
    const uint64_t *w = p->words + (size_t)thread * p->count;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= p->count; i += 8)
        for (int l = 0; l < 8; l++) sum[l] += w[i + (size_t)l];
    for (int l = 1; l < 8; l++) sum[0] += sum[l];
    *p->sink = (float)sum[0];
}

/* The shortest time of as many tries as `seconds` hold; every thread does the same amount at the
 * same time. On a busy machine it takes many until one has all threads at once. */
static double best_seconds(const pull *p, int threads, double seconds) {
    double best = INFINITY, start = bench_now(), end = start;
    while (end - start < seconds) {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int t = 0; t < threads; t++) pull_once(p, t); /* wakes the threads, warms up */
        double begin = bench_now();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int t = 0; t < threads; t++) pull_once(p, t);
        end = bench_now();
        if (end - begin < best) best = end - begin;
    }
    return best;
}

static double peak_gflops(const char *level, int threads, double seconds) {
    volatile float sink;
    int lanes = 1;
    pull p = {.loop = loop_of(level, &lanes), .rounds = 10000, .sink = &sink};
    double once = best_seconds(&p, 1, 0.01);
    p.rounds = (long)(10000 * (RUN_S / once)) + 1;
    double best = best_seconds(&p, threads, seconds);
    return (double)p.rounds * CHAINS * lanes * 2 * threads / best / 1e9;
}

static double read_gbs(const bench *b, const uint64_t *words, size_t count, int threads) {
    volatile float sink;
    pull p = {.words = words, .count = count / (size_t)threads, .sink = &sink};
    double bytes = (double)p.count * sizeof *words * threads;
    return bytes / best_seconds(&p, threads, b->quick ? 0.3 : 1) / 1e9;
}

static void say_peak(const bench *b) {
    json_t *peak = bench_object(b->report, "peak"), *levels = bench_object(peak, "levels");
    bench_put(peak, "f32_gflops", b->level[0].peak_all);
    bench_put(peak, "f32_gflops_one", b->level[0].peak_one);
    bench_put(peak, "read_gbs", b->read_all);
    bench_put(peak, "read_gbs_one", b->read_one);
    bench_say(b, "Peak                             1 thread  %d threads\n", b->threads);
    for (int i = 0; i < b->levels; i++) {
        const bench_level *l = &b->level[i];
        json_t *o = bench_object(levels, l->k->level);
        bench_put(o, "f32_gflops", l->peak_all);
        bench_put(o, "f32_gflops_one", l->peak_one);
        bench_say(b, "  float32 fma, %-8s           %8.1f  %8.1f  GFLOP/s\n", l->k->level,
                  l->peak_one, l->peak_all);
    }
    bench_say(b, "  reading memory                  %8.1f  %8.1f  GB/s\n", b->read_one,
              b->read_all);
    if (b->level[0].peak_all < 0.75 * b->threads * b->level[0].peak_one)
        bench_say(b,
                  "  %d threads are not %d times one: two share a core, or the machine is busy\n",
                  b->threads, b->threads);
    bench_say(b, "\n");
}

void bench_peak(bench *b) {
    for (int i = 0; i < b->levels; i++) {
        bench_level *l = &b->level[i];
        l->peak_one = peak_gflops(l->k->level, 1, 0.3);
        l->peak_all = peak_gflops(l->k->level, b->threads, i > 0 ? 0.3 : b->quick ? 1 : 2);
        if (l->peak_all < l->peak_one) l->peak_all = l->peak_one;
    }
    size_t bytes = (size_t)READ_MB << 20;
    uint64_t *words = malloc(bytes);
    if (words) {
        memset(words, 1, bytes);
        b->read_one = read_gbs(b, words, bytes / sizeof *words, 1);
        b->read_all = read_gbs(b, words, bytes / sizeof *words, b->threads);
        free(words);
    }
    say_peak(b);
}
