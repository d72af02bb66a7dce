/* Layers against the same mathematics written out in double; and the same bits at every level, on
 * any number of threads. Weights go the way they go in a model: through a safetensors file and both
 * passes of the loader. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/guarded.h"
#include "support/layer_case.h"

/* ---- linear layers --------------------------------------------------------------------------- */

typedef struct linear_shape {
    int rows, n, k, parts; /* parts: how many layers of n / parts are put together */
    bool bias, own_bias, residual, gated;
    limn_activation act;
    limn_dtype stored;
    const float *x, *own, *kept; /* x's rows are k + 3 apart */
} linear_shape;

/* What cases' weights are stored in, by turns. */
static const limn_dtype types[] = {LIMN_F32, LIMN_F16, LIMN_BF16};

static void load_linear(layer_case *c, limn_loader *ld) {
    static const char *const names[] = {"q", "k", "v"};
    const linear_shape *s = c->shape;
    limn_matrix *m = c->loaded;
    *m = s->parts == 1 ? limn_load_linear(ld, "q", s->n, s->k, s->bias)
                       : limn_load_linears(ld, "", names, s->parts, s->n / s->parts, s->k, s->bias);
    assert_int_equal(m->numbers.type, ld->keep_narrow ? s->stored : LIMN_F32);
}

static void run_linear(layer_case *c, limn_exec *e, float *out) {
    const linear_shape *s = c->shape;
    limn_finish finish = {.bias = s->own, .act = s->act, .residual = s->kept, .gated = s->gated};
    limn_linear_run(e, c->loaded, s->x, (size_t)s->k + 3, (size_t)s->rows,
                    s->own || s->kept || s->act || s->gated ? &finish : NULL, out);
}

static double linear_sum(const layer_case *c, const linear_shape *s, int row, int column) {
    static const char names[] = "qkv";
    int n = s->n / s->parts;
    char name[] = {names[column / n], '.', 'w', 'e', 'i', 'g', 'h', 't', 0};
    const float *w = weights_of(c->file, name) + (size_t)(column % n) * (size_t)s->k;
    const float *x = s->x + (size_t)row * (size_t)(s->k + 3);
    double sum = 0;
    for (int k = 0; k < s->k; k++) sum += (double)x[k] * (double)w[k];
    strcpy(name + 2, "bias");
    if (s->bias) sum += (double)weights_of(c->file, name)[column % n];
    return sum + (s->own ? (double)s->own[column] : 0);
}

static void want_linear(const layer_case *c, const linear_shape *s) {
    int width = s->gated ? s->n / 2 : s->n;
    for (int i = 0; i < s->rows * width; i++) {
        double sum = linear_sum(c, s, i / width, i % width);
        c->want[i] = layer_activated(s->act, sum) + (s->kept ? (double)s->kept[i] : 0);
        if (s->gated)
            c->want[i] *=
                layer_activated(LIMN_ACT_GELU, linear_sum(c, s, i / width, i % width + width));
    }
}

static void check_linear(linear_shape s, uint64_t *random) {
    guarded x = guarded_take((size_t)(s.rows * (s.k + 3)), sizeof(float));
    guarded own = guarded_take((size_t)s.n, sizeof(float));
    guarded kept = guarded_take((size_t)(s.rows * s.n), sizeof(float));
    random_fill(random, NUMBERS_PLAIN, x.f, x.count);
    random_fill(random, NUMBERS_PLAIN, own.f, own.count);
    random_fill(random, NUMBERS_PLAIN, kept.f, kept.count);
    s.x = x.f;
    s.own = s.own_bias ? own.f : NULL;
    s.kept = s.residual ? kept.f : NULL;

    char what[100];
    snprintf(what, sizeof what, "linear: %d rows, %d x %d in %d", s.rows, s.n, s.k, s.parts);
    limn_matrix m;
    layer_case c = {.what = what, .load = load_linear, .run = run_linear, .shape = &s};
    c.file = weights_make(random);
    weights_store(c.file, s.stored);
    for (int i = 0; i < s.parts; i++) {
        char name[] = {"qkv"[i], '.', 'w', 'e', 'i', 'g', 'h', 't', 0};
        weights_add(c.file, name, 2, (int[]){s.n / s.parts, s.k});
        strcpy(name + 2, "bias");
        if (s.bias) weights_add(c.file, name, 1, (int[]){s.n / s.parts});
    }
    c.loaded = &m;
    c.count = (size_t)(s.rows * (s.gated ? s.n / 2 : s.n));
    c.want = layer_doubles(c.count);
    want_linear(&c, &s);
    layer_case_check(&c);
    free(c.want);
    weights_free(c.file);
    guarded_free(&x);
    guarded_free(&own);
    guarded_free(&kept);
}

static void test_linear(void **state) {
    (void)state;
    uint64_t random = 31;
    static const linear_shape shapes[] = {
        {.rows = 1, .n = 1, .k = 1, .parts = 1},
        {.rows = 1, .n = 320, .k = 64, .parts = 1, .bias = true, .act = LIMN_ACT_SILU},
        {.rows = 77, .n = 192, .k = 64, .parts = 3, .bias = true},
        {.rows = 7, .n = 33, .k = 1025, .parts = 1, .residual = true},
        {.rows = 97, .n = 67, .k = 300, .parts = 1, .bias = true, .act = LIMN_ACT_QUICK_GELU},
        {.rows = 130, .n = 50, .k = 257, .parts = 2, .act = LIMN_ACT_GELU, .residual = true},
        {.rows = 20, .n = 31, .k = 256, .parts = 1, .own_bias = true, .act = LIMN_ACT_RELU},
        {.rows = 1, .n = 2, .k = 1, .parts = 1, .gated = true},
        {.rows = 77, .n = 134, .k = 40, .parts = 1, .bias = true, .gated = true},
        {.rows = 98, .n = 576, .k = 300, .parts = 1, .bias = true, .gated = true},
        {.rows = 9,
         .n = 48,
         .k = 40,
         .parts = 1,
         .bias = true,
         .own_bias = true,
         .act = LIMN_ACT_SILU,
         .residual = true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        linear_shape s = shapes[i];
        s.stored = types[i % 3];
        check_linear(s, &random);
    }
}

/* ---- convolutions ---------------------------------------------------------------------------- */

typedef struct conv_shape {
    int images, h, w, c, n;
    int kernel, pad;
    int stride;     /* 0: 1 */
    int up_h, up_w; /* 0: as they are */
    bool own_bias, residual;
    limn_activation act;
    limn_dtype stored;
    const float *x, *own, *kept;
    int out_h, out_w;
} conv_shape;

static void load_conv(layer_case *c, limn_loader *ld) {
    const conv_shape *s = c->shape;
    limn_conv *conv = c->loaded;
    *conv = limn_load_conv(ld, "conv", s->n, s->c, s->kernel, s->stride, s->pad);
    assert_int_equal(conv->matrix.numbers.type, ld->keep_narrow ? s->stored : LIMN_F32);
}

static void run_conv(layer_case *c, limn_exec *e, float *out) {
    const conv_shape *s = c->shape;
    const limn_conv *conv = c->loaded;
    limn_map x = {(float *)(uintptr_t)s->x, s->images, s->h, s->w, s->c};
    limn_map to = {out, s->images, s->out_h, s->out_w, s->n};
    assert_int_equal(limn_conv_size(conv, s->up_h), s->out_h);
    limn_finish finish = {.bias = s->own, .act = s->act, .residual = s->kept};
    limn_conv_run(e, conv, &x, s->up_h, s->up_w, &finish, &to);
}

static double tap_sum(const conv_shape *s, const float *w, int image, int sy, int sx, int tap) {
    if (sy < 0 || sy >= s->up_h || sx < 0 || sx >= s->up_w) return 0;
    int y = sy * s->h / s->up_h, x = sx * s->w / s->up_w; /* nearest neighbour */
    const float *pixel = s->x + (size_t)((image * s->h + y) * s->w + x) * (size_t)s->c;
    double sum = 0;
    for (int c = 0; c < s->c; c++)
        sum += (double)pixel[c] * (double)w[c * s->kernel * s->kernel + tap];
    return sum;
}

static void want_conv(const layer_case *c, const conv_shape *s) {
    const float *weight = weights_of(c->file, "conv.weight"); /* [n, c, kernel, kernel] */
    const float *bias = weights_of(c->file, "conv.bias");
    int taps = s->kernel * s->kernel;
    for (size_t i = 0; i < c->count; i++) {
        int n = (int)(i % (size_t)s->n), at = (int)(i / (size_t)s->n);
        int x = at % s->out_w, y = at / s->out_w % s->out_h, image = at / s->out_w / s->out_h;
        double sum = (double)bias[n];
        for (int tap = 0; tap < taps; tap++)
            sum += tap_sum(s, weight + (size_t)(n * s->c * taps), image,
                           y * s->stride + tap / s->kernel - s->pad,
                           x * s->stride + tap % s->kernel - s->pad, tap);
        if (s->own) sum += (double)s->own[image * s->n + n];
        c->want[i] = layer_activated(s->act, sum) + (s->kept ? (double)s->kept[i] : 0);
    }
}

static void check_conv(conv_shape s, uint64_t *random) {
    if (!s.up_h) s.up_h = s.h, s.up_w = s.w;
    if (!s.stride) s.stride = 1;
    s.out_h = (s.up_h + 2 * s.pad - s.kernel) / s.stride + 1;
    s.out_w = (s.up_w + 2 * s.pad - s.kernel) / s.stride + 1;
    char what[120];
    snprintf(what, sizeof what, "conv: %d x %d x %d x %d to %d, kernel %d, stride %d, pad %d",
             s.images, s.h, s.w, s.c, s.n, s.kernel, s.stride, s.pad);
    limn_conv conv;
    layer_case c = {.what = what, .load = load_conv, .run = run_conv, .shape = &s};
    c.count = (size_t)(s.images * s.out_h * s.out_w * s.n);
    if (s.kernel == 3 && s.c >= 32) c.tolerance = LAYER_WINOGRAD_TOLERANCE;
    guarded x = guarded_take((size_t)(s.images * s.h * s.w * s.c), sizeof(float));
    guarded own = guarded_take((size_t)(s.images * s.n), sizeof(float));
    guarded kept = guarded_take(c.count, sizeof(float));
    random_fill(random, NUMBERS_PLAIN, x.f, x.count);
    random_fill(random, NUMBERS_PLAIN, own.f, own.count);
    random_fill(random, NUMBERS_PLAIN, kept.f, kept.count);
    s.x = x.f;
    s.own = s.own_bias ? own.f : NULL;
    s.kept = s.residual ? kept.f : NULL;
    c.file = weights_make(random);
    weights_store(c.file, s.stored);
    weights_add(c.file, "conv.weight", 4, (int[]){s.n, s.c, s.kernel, s.kernel});
    weights_add(c.file, "conv.bias", 1, (int[]){s.n});
    c.loaded = &conv;
    c.want = layer_doubles(c.count);
    want_conv(&c, &s);
    layer_case_check(&c);
    free(c.want);
    weights_free(c.file);
    guarded_free(&x);
    guarded_free(&own);
    guarded_free(&kept);
}

static void test_conv(void **state) {
    (void)state;
    uint64_t random = 32;
    /* images, h, w, c, n; then the window, and what comes after it */
    static const conv_shape shapes[] = {
        /* 1 x 1 */
        {1, 7, 5, 20, 33, .kernel = 1},
        /* 3 x 3, padded */
        {2, 6, 9, 5, 17, .kernel = 3, .pad = 1},
        /* three channels */
        {1, 9, 6, 3, 40, .kernel = 3, .pad = 1},
        /* stride 2 */
        {2, 9, 8, 12, 20, .kernel = 3, .stride = 2, .pad = 1},
        /* and no padding */
        {1, 8, 11, 7, 10, .kernel = 3, .stride = 2},
        /* taps cut into parts */
        {1, 5, 4, 300, 18, .kernel = 3, .pad = 1},
        /* the same without a window */
        {1, 4, 3, 530, 9, .kernel = 1},
        /* patches */
        {1, 32, 48, 3, 24, .kernel = 16, .stride = 16},
        /* to twice the size */
        {2, 4, 5, 6, 21, .kernel = 3, .pad = 1, .up_h = 8, .up_w = 10},
        /* to odd sizes */
        {1, 4, 6, 6, 21, .kernel = 3, .pad = 1, .up_h = 7, .up_w = 11},
        /* all that can follow */
        {2, 6, 5, 8, 19, .kernel = 3, .pad = 1, .own_bias = true, .residual = true,
         .act = LIMN_ACT_SILU},
        /* Winograd's, from here on */
        {1, 12, 10, 32, 32, .kernel = 3, .pad = 1},
        /* edges of tiles */
        {2, 9, 13, 40, 51, .kernel = 3, .pad = 1, .own_bias = true, .residual = true,
         .act = LIMN_ACT_RELU},
        /* enlarged */
        {1, 5, 6, 33, 97, .kernel = 3, .pad = 1, .up_h = 9, .up_w = 11},
        /* many channels */
        {1, 8, 8, 300, 70, .kernel = 3, .pad = 1, .residual = true},
        /* more than one block */
        {2, 70, 66, 32, 32, .kernel = 3, .pad = 1, .own_bias = true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        conv_shape s = shapes[i];
        s.stored = types[i % 3];
        check_conv(s, &random);
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum { ENTRIES = 5, D = 37 };

static void load_table(layer_case *c, limn_loader *ld) {
    limn_table *table = c->loaded;
    *table = limn_load_table(ld, "table", ENTRIES, D);
    assert_int_equal(table->numbers.type,
                     ld->keep_narrow ? *(const limn_dtype *)c->shape : LIMN_F32);
}

static void run_table(layer_case *c, limn_exec *e, float *out) {
    if (limn_exec_measuring(e)) return;
    for (size_t i = 0; i < ENTRIES; i++) limn_table_row(e->k, c->loaded, i, out + i * D);
}

static void test_table(void **state) {
    (void)state;
    uint64_t random = 33;
    for (int i = 0; i < 3; i++) {
        limn_table table;
        layer_case c = {.what = "table", .load = load_table, .run = run_table, .shape = &types[i]};
        c.loaded = &table;
        c.count = (size_t)ENTRIES * D;
        c.file = weights_make(&random);
        weights_store(c.file, types[i]);
        weights_add(c.file, "table", 2, (int[]){ENTRIES, D});
        c.want = layer_doubles(c.count);
        for (size_t k = 0; k < c.count; k++) c.want[k] = (double)weights_of(c.file, "table")[k];
        layer_case_check(&c);
        free(c.want);
        weights_free(c.file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
