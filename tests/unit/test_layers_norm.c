/* Norms and attention against double; the same bits at every level and with every team. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/guarded.h"
#include "support/layer_case.h"
#include "support/levels.h"

/* ---- norms ----------------------------------------------------------------------------------- */

typedef struct norm_shape {
    int images, h, w, c, groups; /* groups 0: layer norm over rows of c */
    bool modulated, in_place;
    limn_activation act;
    float offset; /* added to x: makes the spread small beside the mean */
    const float *x, *modulation;
} norm_shape;

static void load_norm(layer_case *c, limn_loader *ld) {
    const norm_shape *s = c->shape;
    *(limn_norm *)c->loaded = limn_load_norm(ld, "norm", s->c, s->groups, 1e-5);
}

static void run_norm(layer_case *c, limn_exec *e, float *out) {
    const norm_shape *s = c->shape;
    limn_map x = {(float *)(uintptr_t)s->x, s->images, s->h, s->w, s->c}, to = x;
    to.v = out;
    if (s->in_place) {
        if (!limn_exec_measuring(e)) memcpy(out, s->x, c->count * sizeof *out);
        x.v = out;
    }
    if (s->groups > 0)
        limn_group_norm_run(e, c->loaded, &x, s->modulation, s->act, &to);
    else
        limn_layer_norm_run(e, c->loaded, x.v, (size_t)(s->images * s->h * s->w), out);
}

/* The indices of one statistic: an image's group of channels, or a row. */
static void want_group(const layer_case *c, const norm_shape *s, int image, int group) {
    const float *gamma = weights_of(c->file, "norm.weight");
    const float *beta = weights_of(c->file, "norm.bias");
    int width = s->c / s->groups, pixels = s->h * s->w;
    double sum = 0, square = 0, count = (double)pixels * width;
    for (int i = 0; i < pixels * width; i++)
        sum += (double)s->x[(image * pixels + i / width) * s->c + group * width + i % width];
    for (int i = 0; i < pixels * width; i++) {
        double d = (double)s->x[(image * pixels + i / width) * s->c + group * width + i % width] -
                   sum / count;
        square += d * d;
    }
    double rstd = 1 / sqrt(square / count + 1e-5);
    for (int i = 0; i < pixels * width; i++) {
        int channel = group * width + i % width;
        size_t at = (size_t)((image * pixels + i / width) * s->c + channel);
        double y = ((double)s->x[at] - sum / count) * rstd * (double)gamma[channel] +
                   (double)beta[channel];
        const float *m = s->modulation ? s->modulation + image * 2 * s->c : NULL;
        if (m) y = y * (1 + (double)m[channel]) + (double)m[s->c + channel];
        c->want[at] = layer_activated(s->act, y);
    }
}

static void check_norm(norm_shape s, uint64_t *random) {
    char what[120];
    snprintf(what, sizeof what, "%s norm: %d x %d x %d x %d, %d groups",
             s.groups ? "group" : "layer", s.images, s.h, s.w, s.c, s.groups);
    limn_norm norm;
    layer_case c = {.what = what, .load = load_norm, .run = run_norm, .shape = &s};
    c.loaded = &norm;
    c.count = (size_t)(s.images * s.h * s.w * s.c);
    guarded x = guarded_take(c.count, sizeof(float));
    guarded modulation = guarded_take((size_t)(2 * s.images * s.c), sizeof(float));
    random_fill(random, NUMBERS_PLAIN, x.f, x.count);
    random_fill(random, NUMBERS_PLAIN, modulation.f, modulation.count);
    for (size_t i = 0; i < x.count; i++) x.f[i] += s.offset;
    s.x = x.f;
    s.modulation = s.modulated ? modulation.f : NULL;
    c.file = weights_make(random);
    weights_add(c.file, "norm.weight", 1, &s.c);
    weights_add(c.file, "norm.bias", 1, &s.c);
    c.want = layer_doubles(c.count);
    if (s.groups) {
        for (int i = 0; i < s.images * s.groups; i++)
            want_group(&c, &s, i / s.groups, i % s.groups);
    } else { /* a row is an image of one pixel with one group */
        norm_shape row = s;
        row.images = s.images * s.h * s.w;
        row.h = row.w = row.groups = 1;
        for (int i = 0; i < row.images; i++) want_group(&c, &row, i, 0);
    }
    layer_case_check(&c);
    free(c.want);
    weights_free(c.file);
    guarded_free(&x);
    guarded_free(&modulation);
}

static void test_group_norm(void **state) {
    (void)state;
    uint64_t random = 41;
    static const norm_shape shapes[] = {
        {.images = 1, .h = 1, .w = 2, .c = 2, .groups = 1},
        {.images = 2, .h = 5, .w = 7, .c = 32, .groups = 32, .act = LIMN_ACT_SILU},
        {.images = 1, .h = 16, .w = 16, .c = 48, .groups = 16, .in_place = true},
        {.images = 2, .h = 31, .w = 17, .c = 40, .groups = 8, .modulated = true}, /* chunks */
        {.images = 1,
         .h = 40,
         .w = 30,
         .c = 33,
         .groups = 3,
         .act = LIMN_ACT_SILU,
         .modulated = true,
         .in_place = true},
        {.images = 1, .h = 20, .w = 20, .c = 32, .groups = 8, .offset = 100},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_norm(shapes[i], &random);
}

static void test_layer_norm(void **state) {
    (void)state;
    uint64_t random = 42;
    static const norm_shape shapes[] = {
        {.images = 1, .h = 1, .w = 1, .c = 2},
        {.images = 1, .h = 77, .w = 1, .c = 64},
        {.images = 2, .h = 33, .w = 1, .c = 320},
        {.images = 1, .h = 100, .w = 1, .c = 771},
        {.images = 3, .h = 31, .w = 1, .c = 19, .in_place = true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_norm(shapes[i], &random);
}

/* ---- attention ------------------------------------------------------------------------------- */

static void load_nothing(layer_case *c, limn_loader *ld) {
    (void)c;
    (void)ld;
}

/* Three roundings to 8 bits. */
#define INT8_TOLERANCE 0.04

typedef struct attention_shape {
    int batches, queries, tokens, heads, d;
    bool causal, int8;
    float spread;           /* of the queries: large ones make the softmax choose */
    const float *q, *k, *v; /* rows; q's are far apart, k's and v's lie in one table */
    size_t q_stride, kv_stride;
} attention_shape;

static void run_attention(layer_case *c, limn_exec *e, float *out) {
    const attention_shape *s = c->shape;
    size_t mark = limn_arena_mark(e->ws);
    limn_keys keys =
        (s->int8 ? limn_keys_take_int8 : limn_keys_take)(e, s->batches, s->tokens, s->heads, s->d);
    limn_keys_pack(e, s->k, s->v, s->kv_stride, &keys);
    limn_attention_run(e, s->q, s->q_stride, s->queries, &keys, s->causal, out);
    limn_arena_release(e->ws, mark);
}

/* One query of one head. */
static void want_query(const attention_shape *s, int batch, int head, int query, double *out) {
    const float *q = s->q + (size_t)(batch * s->queries + query) * s->q_stride + head * s->d;
    size_t first = (size_t)(batch * s->tokens) * s->kv_stride + (size_t)(head * s->d);
    int seen = s->causal ? query + 1 : s->tokens;
    double *score = layer_doubles((size_t)seen), most = -INFINITY, total = 0;
    for (int t = 0; t < seen; t++) {
        const float *k = s->k + first + (size_t)t * s->kv_stride;
        for (int x = 0; x < s->d; x++) score[t] += (double)q[x] * (double)k[x];
        score[t] /= sqrt(s->d);
        most = fmax(most, score[t]);
    }
    for (int x = 0; x < s->d; x++) out[x] = 0;
    for (int t = 0; t < seen; t++) {
        double weight = exp(score[t] - most);
        total += weight;
        for (int x = 0; x < s->d; x++)
            out[x] += weight * (double)s->v[first + (size_t)t * s->kv_stride + (size_t)x];
    }
    for (int x = 0; x < s->d; x++) out[x] /= total;
    free(score);
}

static void check_attention(attention_shape s, uint64_t *random) {
    char what[120];
    snprintf(what, sizeof what, "attention: %d x %d queries, %d tokens, %d heads of %d%s",
             s.batches, s.queries, s.tokens, s.heads, s.d,
             s.causal ? ", causal"
             : s.int8 ? ", int8"
                      : "");
    layer_case c = {.what = what, .load = load_nothing, .run = run_attention, .shape = &s};
    size_t width = (size_t)(s.heads * s.d);
    c.count = (size_t)(s.batches * s.queries) * width;
    c.tolerance = s.int8 ? INT8_TOLERANCE : 0;
    s.q_stride = width + 5;
    s.kv_stride = 2 * width + 1;
    guarded q = guarded_take((size_t)(s.batches * s.queries) * s.q_stride, sizeof(float));
    guarded kv = guarded_take((size_t)(s.batches * s.tokens) * s.kv_stride, sizeof(float));
    random_fill(random, NUMBERS_PLAIN, q.f, q.count);
    random_fill(random, NUMBERS_PLAIN, kv.f, kv.count);
    for (size_t i = 0; i < q.count && s.spread > 0; i++) q.f[i] *= s.spread;
    s.q = q.f;
    s.k = kv.f;
    s.v = kv.f + width;
    c.file = weights_make(random);
    weights_add(c.file, "nothing", 1, &(int){1});
    c.want = layer_doubles(c.count);
    for (int i = 0; i < s.batches * s.queries * s.heads; i++)
        want_query(&s, i / s.heads / s.queries, i % s.heads, i / s.heads % s.queries,
                   c.want + (size_t)i * (size_t)s.d);
    layer_case_check(&c);
    free(c.want);
    weights_free(c.file);
    guarded_free(&q);
    guarded_free(&kv);
}

static void test_attention(void **state) {
    (void)state;
    uint64_t random = 44;
    static const attention_shape shapes[] = {
        {.batches = 1, .queries = 1, .tokens = 1, .heads = 1, .d = 8},
        {.batches = 2, .queries = 77, .tokens = 77, .heads = 4, .d = 8, .causal = true},
        {.batches = 1, .queries = 33, .tokens = 33, .heads = 3, .d = 24, .causal = true},
        {.batches = 2, .queries = 64, .tokens = 77, .heads = 2, .d = 40}, /* text */
        {.batches = 1, .queries = 131, .tokens = 131, .heads = 2, .d = 64},
        {.batches = 1, .queries = 50, .tokens = 5, .heads = 1, .d = 80},
        {.batches = 1, .queries = 7, .tokens = 300, .heads = 1, .d = 160, .spread = 3},
        {.batches = 1, .queries = 300, .tokens = 1400, .heads = 1, .d = 33},
        {.batches = 1, .queries = 3, .tokens = 1, .heads = 1, .d = 8, .int8 = true},
        {.batches = 2, .queries = 35, .tokens = 67, .heads = 3, .d = 41, .int8 = true},
        {.batches = 1,
         .queries = 31,
         .tokens = 530,
         .heads = 2,
         .d = 40,
         .spread = 2,
         .int8 = true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_attention(shapes[i], &random);
}

/* What is no number stays none in int8 too: a query's in its row, a key's in its head, a value's in
 * its channel. */
static void test_attention_of_nan(void **state) {
    (void)state;
    enum { TOKENS = 300, HEADS = 2, D = 8, WIDTH = HEADS * D };
    static float rows[3][TOKENS * WIDTH], out[TOKENS * WIDTH];
    uint64_t random = 45;
    for (int bad = 0; bad < 3; bad++)
        for (int i = 0; i < level_count(); i++) {
            for (int r = 0; r < 3; r++)
                random_fill(&random, NUMBERS_PLAIN, rows[r], TOKENS * WIDTH);
            rows[bad][270 * WIDTH + D + 3] = i % 2 ? INFINITY : NAN;
            attention_shape s = {1, TOKENS,  TOKENS,  HEADS,   D,     false, true,
                                 0, rows[0], rows[1], rows[2], WIDTH, WIDTH};
            layer_case c = {.shape = &s};
            limn_arena plan = limn_arena_measure(), ws;
            limn_exec e = {.k = level_at(i), .ws = &plan};
            run_attention(&c, &e, out);
            assert_int_equal(limn_arena_open(&ws, plan.peak, NULL), LIMN_OK);
            e.ws = &ws;
            run_attention(&c, &e, out);
            limn_arena_close(&ws);
            for (int at = 0; at < TOKENS * WIDTH; at++) {
                int row = at / WIDTH, head = at % WIDTH / D, x = at % D;
                bool none = head == 1 && (bad == 0 ? row == 270 : bad == 1 || x == 3);
                assert_true(isfinite(out[at]) != none);
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_of_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
