/* Linear layers, convolutions and attention at the shapes that occur: with float32 weights for the
 * built-in model, float16 for larger ones, as limn keeps them. */
#include <math.h>
#include <stdlib.h>

#include "bench/bench.h"

/* Work behind one run at the measured peak: shapes that take longer are measured on some of their
 * rows, which are computed as all the others are. */
#define RUN_S 0.01
/* But not on fewer rows than this; 3x3 convolutions not on fewer pixels than make their work on the
 * weights as small a part as it is in the whole. */
#define ROWS_LEAST   384
#define PIXELS_LEAST 4096

/* A call with its operands. */
typedef struct call {
    bench_shape s;
    limn_matrix matrix;
    limn_keys keys;
    float *x, *out, *residual;
} call;

static double least(double a, double b) {
    return a < b ? a : b;
}

/* Fewer rows of the same shape, so that it takes about `gflop`. */
static bench_shape crop(bench_shape s, double gflop, int rows_least) {
    double rows = (double)s.n * s.out_h * s.out_w, part = gflop / bench_gflop(&s);
    if (s.kind == BENCH_ATTENTION) {
        rows = (double)s.n * s.heads * s.h;
        part = gflop / bench_gflop(&s);
    }
    if (part < rows_least / rows) part = rows_least / rows;
    if (part >= 1) return s;
    if (s.kind == BENCH_ATTENTION) {
        int queries = (int)ceil(part * rows);
        while (s.n > 1 && s.n / 2 * s.heads * s.h >= queries) s.n /= 2;
        while (s.heads % 2 == 0 && s.n * s.heads / 2 * s.h >= queries) s.heads /= 2;
        s.h = (int)least(s.h, ceil(queries / (double)(s.n * s.heads)));
        return s;
    }
    int lines = (int)ceil(part * rows / s.out_w);
    if (s.n > 1) lines = (int)least(lines, s.out_h);
    s.n = 1;
    s.out_h = (int)least(lines, s.out_h);
    if (s.up_h != s.h) s.out_h += s.out_h % 2; /* each line is there twice */
    s.up_h = s.out_h * s.stride;
    s.h = s.kind == BENCH_LINEAR || s.w == s.up_w ? s.up_h : s.up_h / 2;
    return s;
}

static void run_call(limn_exec *e, void *ctx) {
    call *c = ctx;
    const bench_shape *s = &c->s;
    const limn_finish finish = {
        .act = s->act, .residual = s->residual ? c->residual : NULL, .gated = s->gated};
    if (s->kind == BENCH_LINEAR) {
        limn_linear_run(e, &c->matrix, c->x, (size_t)s->c, (size_t)s->h, &finish, c->out);
    } else if (s->kind == BENCH_CONV) {
        const limn_conv conv = {c->matrix, s->c, s->kernel, s->stride, s->pad};
        const limn_map x = {c->x, s->n, s->h, s->w, s->c};
        limn_map out = {c->out, s->n, s->out_h, s->out_w, s->out_c};
        limn_conv_run(e, &conv, &x, s->up_h, s->up_w, &finish, &out);
    } else {
        limn_attention_run(e, c->x, (size_t)(s->heads * s->c), s->h, &c->keys, s->causal, c->out);
    }
}

/* Numbers of both signs around 0, none of them odd. */
static float *fill(size_t count) {
    float *x = aligned_alloc(LIMN_ALIGN, (count * sizeof *x / LIMN_ALIGN + 1) * LIMN_ALIGN);
    uint32_t state = 1;
    for (size_t i = 0; x && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return x;
}

/* The same as float16 bits, half a number's place each: 0.5 to 1, of both signs. */
static uint16_t *fill_half(size_t count) {
    uint32_t *x = (uint32_t *)(void *)fill(count / 2 + 1);
    for (size_t i = 0; x && i < count / 2 + 1; i++) x[i] = (x[i] & 0x83ff83ffu) | 0x38003800u;
    return (uint16_t *)(void *)x;
}

static size_t up_to(int n, int panel) {
    return (size_t)((n + panel - 1) / panel * panel);
}

/* Seconds of the shape on these threads, or 0 where there is no memory. */
static double time_call(const bench *b, const limn_kernels *k, int threads, const bench_shape *s,
                        bool half) {
    call c = {.s = *s};
    bool attends = s->kind == BENCH_ATTENTION;
    size_t in = (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c;
    size_t out = (size_t)s->n * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c;
    int depth = s->kernel * s->kernel * s->c;
    size_t weights = up_to(s->out_c, k->panel) * (size_t)depth, batch = 0;
    if (attends) {
        batch = (size_t)s->n * (size_t)s->heads;
        in = out = in * (size_t)s->heads;
        size_t tall = up_to(s->keys, k->panel) * (size_t)s->c;
        weights = batch * (tall + up_to(s->c, k->panel) * (size_t)s->keys);
        batch *= tall;
    }
    c.x = fill(in);
    c.out = fill(out);
    c.residual = s->residual ? fill(out) : NULL;
    half = half && !attends;
    float *packed = half ? NULL : fill(weights), *bias = fill((size_t)s->out_c);
    uint16_t *bits = half ? fill_half(weights) : NULL;
    c.matrix = (limn_matrix){.n = s->out_c, .k = depth, .bias = bias};
    c.matrix.numbers.type = half ? LIMN_F16 : LIMN_F32;
    c.matrix.numbers.at = half ? (void *)bits : packed;
    c.keys = (limn_keys){.k = packed,
                         .v = packed + batch,
                         .n = s->n,
                         .tokens = s->keys,
                         .heads = s->heads,
                         .d = s->c};
    double seconds = 0;
    if (c.x && c.out && (packed || bits) && bias && (c.residual || !s->residual))
        seconds = bench_seconds(b, k, threads, run_call, &c);
    free(c.x);
    free(c.out);
    free(c.residual);
    free(packed);
    free(bits);
    free(bias);
    return seconds;
}

/* What all calls of a network take together, from the rates of its shapes. */
typedef struct total {
    double one, all;
} total;

/* One shape at the level in use: one thread and all; adds to the network's total. */
static void measure(bench *b, const bench_shape *whole, bool half, int times, json_t *o,
                    total *sum) {
    const bench_level *l = &b->level[0];
    int rows = whole->kernel == 3 ? PIXELS_LEAST : ROWS_LEAST;
    bench_shape s = crop(*whole, RUN_S * l->peak_one / (b->quick ? 2 : 1), rows);
    double gflop = bench_gflop(&s), all = bench_gflop(whole) * times;
    double one = gflop / time_call(b, l->k, 1, &s, half);
    double many = gflop / time_call(b, l->k, b->threads, &s, half);
    bench_put(o, "gflops_one", one);
    bench_put(o, "share_one", one / l->peak_one);
    bench_put(o, "gflops", many);
    bench_put(o, "share", many / l->peak_all);
    bench_say(b, " %7.1f %3.0f%% %8.1f %3.0f%%", one, 100 * one / l->peak_one, many,
              100 * many / l->peak_all);
    sum->one += all / one;
    sum->all += all / many;
}

/* The same at a lower level, one thread. */
static void measure_lower(bench *b, int level, const bench_shape *whole, bool half, json_t *o) {
    const bench_level *l = &b->level[level];
    bench_shape s = crop(*whole, RUN_S / 2 * l->peak_one, l->k->tile_rows);
    double rate = bench_gflop(&s) / time_call(b, l->k, 1, &s, half);
    bench_put(o, "gflops_one", rate);
    bench_put(o, "share_one", rate / l->peak_one);
    bench_say(b, " %7.1f %3.0f%%", rate, 100 * rate / l->peak_one);
}

static void say_head(const bench *b, const bench_network *net, int levels) {
    bench_say(b, "%s, %s\n  %-44s %5s %8s %12s %13s", net->name, net->what, "", "calls", "GFLOP",
              b->level[0].k->level, "threads");
    for (int i = 1; i < levels; i++) bench_say(b, " %12s", b->level[i].k->level);
    bench_say(b, "\n");
}

/* Which levels are measured: C, which is there to be read, only on small shapes. */
static int levels_of(const bench *b, const bench_network *net) {
    if (b->quick) return 1;
    return net->built_in ? b->levels : b->levels > 1 ? b->levels - 1 : 1;
}

void bench_products(bench *b, const bench_network *net) {
    total sum = {0, 0};
    int levels = levels_of(b, net);
    json_t *o = bench_object(bench_object(b->report, "kernels"), net->name);
    json_t *list = bench_array(o, "calls");
    say_head(b, net, levels);
    for (int i = 0; i < net->count; i++) {
        const bench_shape *s = &net->shape[i];
        double gflop = bench_gflop(s);
        if (gflop == 0) continue;
        char text[80];
        bench_describe(s, text, sizeof text);
        json_t *entry = json_object(), *of = bench_object(entry, "levels");
        json_object_set_new(entry, "shape", json_string(text));
        json_object_set_new(entry, "calls", json_integer(net->times[i]));
        bench_put(entry, "gflop", gflop * net->times[i]);
        bench_say(b, "  %-44s %5d %8.3f", text, net->times[i], gflop * net->times[i]);
        measure(b, s, !net->built_in, net->times[i], bench_object(of, b->level[0].k->level), &sum);
        for (int l = 1; l < levels; l++)
            measure_lower(b, l, s, !net->built_in, bench_object(of, b->level[l].k->level));
        bench_say(b, "\n");
        json_array_append_new(list, entry);
    }
    bench_put(o, "gflop", net->gflop);
    bench_put(o, "seconds_one", sum.one);
    bench_put(o, "seconds", sum.all);
    bench_put(o, "share_one", net->gflop / sum.one / b->level[0].peak_one);
    bench_put(o, "share", net->gflop / sum.all / b->level[0].peak_all);
    bench_say(b, "  %-44s %5s %8.3f %7.1f %3.0f%% %8.1f %3.0f%%   %.4g s, %.4g s\n\n", "together",
              "", net->gflop, net->gflop / sum.one,
              100 * net->gflop / sum.one / b->level[0].peak_one, net->gflop / sum.all,
              100 * net->gflop / sum.all / b->level[0].peak_all, sum.one, sum.all);
}
