/* The machine's own limits: fused multiply-adds that stay in registers, and reading memory. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "render/peak.h"

#define READ_MB 256

static double read_gbs(const bench *b, const uint64_t *words, size_t count, int threads) {
    return limn_peak_read_bytes(words, count, threads, b->quick ? 0.3 : 1) / 1e9;
}

static void say_peak(const bench *b) {
    json_t *peak = bench_object(b->report, "peak"), *levels = bench_object(peak, "levels");
    bench_put(peak, "f32_gflops", b->level[0].peak_all);
    bench_put(peak, "f32_gflops_one", b->level[0].peak_one);
    bench_put(peak, "int8_gops", b->int8_all);
    bench_put(peak, "int8_gops_one", b->int8_one);
    json_object_set_new(peak, "int8_with", json_string(b->int8_with));
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
    bench_say(b, "  int8 by %-20s    %8.1f  %8.1f  GOP/s\n", b->int8_with, b->int8_one,
              b->int8_all);
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
        l->peak_one = limn_peak_ops(&l->k->peak_f32, 1, 0.3) / 1e9;
        double seconds = i > 0 ? 0.3 : b->quick ? 1 : 2;
        l->peak_all = limn_peak_ops(&l->k->peak_f32, b->threads, seconds) / 1e9;
        if (l->peak_all < l->peak_one) l->peak_all = l->peak_one;
    }
    limn_peak bytes_peak = b->level[0].k->peak_int8();
    b->int8_with = bytes_peak.with;
    b->int8_one = limn_peak_ops(&bytes_peak, 1, 0.3) / 1e9;
    b->int8_all = limn_peak_ops(&bytes_peak, b->threads, b->quick ? 0.3 : 1) / 1e9;
    if (b->int8_all < b->int8_one) b->int8_all = b->int8_one;
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
