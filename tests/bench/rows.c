/* What is done to activations between products: bytes read and written per second, and the time
 * that a value takes. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

/* Numbers in the largest map that is measured: larger ones are cut to so many lines. */
#define NUMBERS_MOST ((size_t)1 << 21)

typedef struct call {
    bench_shape s;
    float *x, *out;
    const float *ones;  /* [16384] */
    const float *small; /* [16384] of both signs */
} call;

/* A norm, through src/layers. */
static void run_layer(limn_exec *e, void *ctx) {
    const call *c = ctx;
    const bench_shape *s = &c->s;
    const limn_norm norm = {s->c, s->heads, 1e-5f, c->ones, c->small};
    if (s->kind == BENCH_GROUP_NORM) {
        const limn_map x = {c->x, s->n, s->h, s->w, s->c};
        limn_map out = {c->out, s->n, s->h, s->w, s->c};
        limn_group_norm_run(e, &norm, &x, NULL, s->act, &out);
    } else {
        limn_layer_norm_run(e, &norm, c->x, (size_t)s->h, c->out);
    }
}

/* A row kernel of src/kernels, over s.h rows of s.c. */
static void run_finish(limn_exec *e, void *ctx) {
    const call *c = ctx;
    size_t d = (size_t)c->s.c;
    for (size_t r = 0; r < (size_t)c->s.h && !limn_exec_measuring(e); r++)
        e->k->finish(c->x + r * d, c->small, c->s.act, NULL, c->s.c, c->out + r * d);
}

static void run_residual(limn_exec *e, void *ctx) {
    const call *c = ctx;
    size_t d = (size_t)c->s.c;
    for (size_t r = 0; r < (size_t)c->s.h && !limn_exec_measuring(e); r++)
        e->k->finish(c->out + r * d, c->small, LIMN_ACT_NONE, c->x + r * d, c->s.c, c->out + r * d);
}

/* Softmax works in place: each row is copied to its place first, which is counted. */
static void run_softmax(limn_exec *e, void *ctx) {
    const call *c = ctx;
    size_t d = (size_t)c->s.c;
    for (size_t r = 0; r < (size_t)c->s.h && !limn_exec_measuring(e); r++) {
        memcpy(c->out + r * d, c->x + r * d, d * sizeof *c->out);
        c->out[r * d] = e->k->softmax(c->out + r * d, c->s.c, 0.125f);
    }
}

static void run_from_f16(limn_exec *e, void *ctx) {
    const call *c = ctx;
    size_t count = (size_t)c->s.h * (size_t)c->s.c;
    if (!limn_exec_measuring(e))
        e->k->from_f16((const uint16_t *)(const void *)c->x, count, c->out);
}

/* One line: at each level with one thread; through src/layers also with all. */
static void measure(bench *b, const char *text, bench_work *work, call *c, double bytes,
                    bool threaded) {
    json_t *entry = json_object(), *of = bench_object(entry, "levels");
    double values = (double)c->s.n * c->s.h * (c->s.w ? c->s.w : 1) * c->s.c;
    json_object_set_new(entry, "shape", json_string(text));
    bench_say(b, "  %-44s", text);
    for (int i = 0; i < (b->quick ? 1 : b->levels); i++) {
        const limn_kernels *k = b->level[i].k;
        json_t *o = bench_object(of, k->level);
        double seconds = bench_seconds(b, k, 1, work, c);
        bench_put(o, "ns_per_value_one", seconds * 1e9 / values);
        bench_put(o, "gbs_one", values * bytes / seconds / 1e9);
        bench_say(b, " %6.3f %5.1f", seconds * 1e9 / values, values * bytes / seconds / 1e9);
        if (i > 0) continue;
        double all = threaded ? bench_seconds(b, k, b->threads, work, c) : 0;
        if (threaded) bench_put(o, "gbs", values * bytes / all / 1e9);
        if (threaded) bench_say(b, " %6.1f", values * bytes / all / 1e9);
        if (!threaded) bench_say(b, " %6s", "");
    }
    bench_say(b, "\n");
    json_array_append_new(bench_array(bench_object(b->report, "kernels"), "rows"), entry);
}

/* The row kernels by themselves, their rows in the second-level cache. */
static void measure_kernels(bench *b, call *c) {
    const struct {
        const char *what;
        bench_work *work;
        int rows, d;
        limn_activation act;
        double bytes;
    } list[] = {
        {"bias, 64 rows of 320", run_finish, 64, 320, LIMN_ACT_NONE, 8},
        {"bias + residual, 64 rows of 320", run_residual, 64, 320, LIMN_ACT_NONE, 12},
        {"bias, silu, 64 rows of 320", run_finish, 64, 320, LIMN_ACT_SILU, 8},
        {"bias, gelu, 64 rows of 320", run_finish, 64, 320, LIMN_ACT_GELU, 8},
        {"bias, quick_gelu, 64 rows of 320", run_finish, 64, 320, LIMN_ACT_QUICK_GELU, 8},
        {"softmax, 64 rows of 32", run_softmax, 64, 32, LIMN_ACT_NONE, 8},
        {"softmax, 64 rows of 77", run_softmax, 64, 77, LIMN_ACT_NONE, 8},
        {"softmax, 48 rows of 256", run_softmax, 48, 256, LIMN_ACT_NONE, 8},
        {"softmax, 16 rows of 4096", run_softmax, 16, 4096, LIMN_ACT_NONE, 8},
        {"float16 to float32, 16384 values", run_from_f16, 16, 1024, LIMN_ACT_NONE, 6},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        c->s = (bench_shape){.n = 1, .h = list[i].rows, .w = 1, .c = list[i].d, .act = list[i].act};
        measure(b, list[i].what, list[i].work, c, list[i].bytes, false);
    }
}

/* Fewer lines of a large map. */
static bench_shape cut(bench_shape s) {
    size_t line = (size_t)(s.w ? s.w : 1) * (size_t)s.c;
    if ((size_t)s.n * (size_t)s.h * line <= NUMBERS_MOST) return s;
    if ((size_t)s.h * line > NUMBERS_MOST) s.h = (int)(NUMBERS_MOST / line);
    s.n = 1;
    return s;
}

static void measure_layers(bench *b, const bench_network *net, call *c) {
    if (b->quick && !net->built_in) return;
    for (int i = 0; i < net->count; i++) {
        c->s = cut(net->shape[i]);
        if (bench_gflop(&c->s) > 0) continue;
        char text[80];
        bench_describe(&net->shape[i], text, sizeof text);
        /* Group norm reads its input twice. */
        measure(b, text, run_layer, c, c->s.kind == BENCH_LAYER_NORM ? 8 : 12, true);
    }
}

void bench_rows(bench *b, const bench_network *nets, int count) {
    enum { ROW = 16384 };
    call c = {.x = malloc(NUMBERS_MOST * sizeof *c.x), .out = malloc(NUMBERS_MOST * sizeof *c.out)};
    float *ones = malloc(ROW * sizeof *ones), *small = malloc(ROW * sizeof *small);
    c.ones = ones;
    c.small = small;
    if (c.x && c.out && ones && small) {
        for (size_t i = 0; i < NUMBERS_MOST; i++)
            c.x[i] = (float)((i * 7919) % 2001) * 2e-3f - 2.0f;
        memcpy(c.out, c.x, NUMBERS_MOST * sizeof *c.out);
        for (int i = 0; i < ROW; i++) ones[i] = 1.0f;
        memcpy(small, c.x, ROW * sizeof *small);
        bench_say(b, "Between products: ns per value and GB/s, 1 thread; GB/s, %d threads\n",
                  b->threads);
        bench_say(b, "  %-44s %12s %6s", "", b->level[0].k->level, "");
        for (int i = 1; i < b->levels && !b->quick; i++)
            bench_say(b, " %12s", b->level[i].k->level);
        bench_say(b, "\n");
        measure_kernels(b, &c);
        for (int i = 0; i < count; i++) measure_layers(b, &nets[i], &c);
        bench_say(b, "\n");
    }
    free(c.x);
    free(c.out);
    free(ones);
    free(small);
}
