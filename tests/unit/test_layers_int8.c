/* int8 layers against the same whole numbers multiplied in double, and against the float layer
 * within what quantising may cost; the same bits at every level, on any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/product.h"
#include "support/guarded.h"
#include "support/layer_case.h"

/* The error that outliers may cost, relative to the largest result. */
#define OUTLIER_TOLERANCE 1.5e-2

/* A convolution over x [images, h, w, c]; a linear layer is one of kernel 1 over images x 1. */
typedef struct shape {
    int images, h, w, c, n;
    int kernel, stride, pad, up; /* up: enlarged so many times */
    bool linear, residual, gated;
    int outliers; /* 0, or how much larger than the others one channel in 64 is: then the result is
                     held against that of the numbers as they are */
    const float *x, *kept;
} shape;

static int out_size(const shape *s, int size) {
    return (size * s->up + 2 * s->pad - s->kernel) / s->stride + 1;
}

static void load(layer_case *c, limn_loader *ld) {
    const shape *s = c->shape;
    limn_conv *conv = c->loaded;
    ld->int8 = true;
    if (s->linear)
        conv->matrix = limn_load_linear(ld, "layer", s->n, s->c, true);
    else
        *conv = limn_load_conv(ld, "layer", s->n, s->c, s->kernel, s->stride, s->pad);
    ld->int8 = false;
}

static void run(layer_case *c, limn_exec *e, float *out) {
    const shape *s = c->shape;
    const limn_conv *conv = c->loaded;
    limn_finish finish = {.residual = s->kept, .gated = s->gated};
    assert_int_equal(conv->matrix.numbers.type, LIMN_I8);
    if (s->linear) {
        limn_linear_run(e, &conv->matrix, s->x, (size_t)s->c, (size_t)s->h, &finish, out);
        return;
    }
    limn_map x = {(float *)(uintptr_t)s->x, s->images, s->h, s->w, s->c};
    limn_map to = {out, s->images, out_size(s, s->h), out_size(s, s->w), s->n};
    limn_conv_run(e, conv, &x, s->h * s->up, s->w * s->up, &finish, &to);
}

/* Channels that are rotated together: a power of two that divides c. */
static size_t block_of(size_t c) {
    size_t block = 1;
    while (block < 64 && c % (2 * block) == 0) block *= 2;
    return block;
}

/* Rotates the c numbers that are `step` apart by Hadamard's matrix, block by block: neighbours
 * first.
 */
static void rotate(float *x, size_t c, size_t step) {
    for (size_t at = 0, block = block_of(c); at < c; at += block)
        for (size_t h = 1; h < block; h *= 2)
            for (size_t i = at; i < at + block; i++) {
                if ((i - at) & h) continue;
                float a = x[i * step], b = x[(i + h) * step];
                x[i * step] = a + b;
                x[(i + h) * step] = a - b;
            }
}

/* What x[count] becomes: whole numbers, and what a 1 is worth. */
static float quantise(const float *x, size_t count, float *out) {
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, fabsf(x[i]));
    float inverse = most > 0 ? 127.0f / most : 0;
    for (size_t i = 0; i < count; i++) out[i] = rintf(x[i] * inverse);
    return most / 127.0f;
}

/* All that is needed to compute one output: the operands as they are and as whole numbers. */
typedef struct operands {
    const shape *s;
    const float *weight;
    float *rotated_weight, *rotated_x; /* as weight and x */
    float *q_weight, *w_scale;         /* [n][c][taps], [n]: of the rotated ones */
    float *q_x, *x_scale;              /* as x, [images x h x w] */
} operands;

static float *copy(const float *x, size_t count) {
    float *to = malloc(count * sizeof *to);
    assert_non_null(to);
    memcpy(to, x, count * sizeof *to);
    return to;
}

static operands quantise_all(const layer_case *c, const shape *s) {
    operands o = {.s = s, .weight = weights_of(c->file, "layer.weight")};
    size_t taps = (size_t)(s->kernel * s->kernel), depth = (size_t)s->c * taps;
    size_t pixels = (size_t)(s->h * s->w), channels = (size_t)s->c;
    o.rotated_weight = copy(o.weight, depth * (size_t)s->n);
    o.rotated_x = copy(s->x, (size_t)s->images * pixels * channels);
    for (size_t n = 0; n < (size_t)s->n; n++)
        for (size_t t = 0; t < taps; t++) rotate(o.rotated_weight + n * depth + t, channels, taps);
    for (size_t p = 0; p < (size_t)s->images * pixels; p++)
        rotate(o.rotated_x + p * channels, channels, 1);
    o.q_weight = malloc(depth * (size_t)s->n * sizeof(float));
    o.w_scale = malloc((size_t)s->n * sizeof(float));
    o.q_x = malloc((size_t)s->images * pixels * channels * sizeof(float));
    o.x_scale = malloc((size_t)s->images * pixels * sizeof(float));
    assert_true(o.q_weight && o.w_scale && o.q_x && o.x_scale);
    for (size_t n = 0; n < (size_t)s->n; n++)
        o.w_scale[n] = quantise(o.rotated_weight + n * depth, depth, o.q_weight + n * depth);
    size_t run = s->kernel > 1 ? pixels : 1; /* pixels that share a scale */
    for (size_t p = 0; p < (size_t)s->images * pixels; p += run) {
        size_t at = p * channels;
        float scale = quantise(o.rotated_x + at, run * channels, o.q_x + at);
        for (size_t i = 0; i < run; i++) o.x_scale[p + i] = scale;
    }
    return o;
}

/* One output: the product of the rotated whole numbers. *exact is that of the numbers as they are,
 * and *bound how far the two may be apart: half a step of either rotated operand. */
static double product(const operands *o, int image, int y, int x, int n, double *exact,
                      double *bound) {
    const shape *s = o->s;
    int taps = s->kernel * s->kernel;
    double sum = 0, sw = (double)o->w_scale[n], sx = 0;
    *exact = *bound = 0;
    for (int t = 0; t < taps; t++) {
        int sy = y * s->stride + t / s->kernel - s->pad,
            px = x * s->stride + t % s->kernel - s->pad;
        if (sy < 0 || sy >= s->h * s->up || px < 0 || px >= s->w * s->up) continue;
        int pixel = (image * s->h + sy / s->up) * s->w + px / s->up;
        sx = (double)o->x_scale[pixel];
        for (int c = 0; c < s->c; c++) {
            size_t a = (size_t)pixel * (size_t)s->c + (size_t)c;
            size_t b = (size_t)((n * s->c + c) * taps + t);
            double xa = (double)s->x[a], wb = (double)o->weight[b];
            sum += (double)o->q_x[a] * (double)o->q_weight[b];
            *exact += xa * wb;
            xa = fabs((double)o->rotated_x[a]);
            wb = fabs((double)o->rotated_weight[b]);
            *bound += xa * sw / 2 + wb * sx / 2 + sx * sw / 4;
        }
    }
    double block = (double)block_of((size_t)s->c);
    *bound *= 1.0001 / block;
    return sum * sx * sw / block;
}

/* Output n of the pixel `at`, with the bias; exact where there are outliers. */
static double output(const layer_case *c, const operands *o, int at, int n) {
    const shape *s = o->s;
    int h = out_size(s, s->h), w = out_size(s, s->w);
    double exact, bound, sum = product(o, at / w / h, at / w % h, at % w, n, &exact, &bound);
    if (!(fabs(sum - exact) <= bound))
        fail_msg("%s: [%d][%d] is %g off, at most %g", c->what, at, n, sum - exact, bound);
    return (s->outliers ? exact : sum) + (double)weights_of(c->file, "layer.bias")[n];
}

static void want_all(const layer_case *c, const shape *s) {
    operands o = quantise_all(c, s);
    int width = s->gated ? s->n / 2 : s->n;
    for (int i = 0; i < (int)c->count; i++) {
        int at = i / width, n = i % width;
        c->want[i] = output(c, &o, at, n) + (s->kept ? (double)s->kept[i] : 0);
        if (s->gated) c->want[i] *= layer_activated(LIMN_ACT_GELU, output(c, &o, at, n + width));
    }
    free(o.rotated_weight);
    free(o.rotated_x);
    free(o.q_weight);
    free(o.w_scale);
    free(o.q_x);
    free(o.x_scale);
}

static void check(shape s, uint64_t *random) {
    char what[120];
    s.up = s.up ? s.up : 1;
    snprintf(what, sizeof what, "int8: %d x %d x %d x %d to %d, kernel %d, stride %d", s.images,
             s.h, s.w, s.c, s.n, s.kernel, s.stride);
    limn_conv conv;
    layer_case c = {.what = what, .load = load, .run = run, .shape = &s, .loaded = &conv};
    c.tolerance = s.outliers ? OUTLIER_TOLERANCE : 1e-6;
    c.count = (size_t)(s.images * out_size(&s, s.h) * out_size(&s, s.w) * s.n / (s.gated ? 2 : 1));
    guarded x = guarded_take((size_t)(s.images * s.h * s.w * s.c), sizeof(float));
    guarded kept = guarded_take(c.count, sizeof(float));
    random_fill(random, NUMBERS_PLAIN, x.f, x.count);
    random_fill(random, NUMBERS_PLAIN, kept.f, kept.count);
    for (size_t i = 7; s.outliers && i < x.count; i += 64) x.f[i] *= (float)s.outliers;
    if (s.linear) memset(x.f + s.c, 0, (size_t)s.c * sizeof(float)); /* a row of zeros */
    s.x = x.f;
    s.kept = s.residual ? kept.f : NULL;
    c.file = weights_make(random);
    weights_add(c.file, "layer.weight", s.linear ? 2 : 4, (int[]){s.n, s.c, s.kernel, s.kernel});
    weights_add(c.file, "layer.bias", 1, (int[]){s.n});
    c.want = layer_doubles(c.count);
    want_all(&c, &s);
    layer_case_check(&c);
    free(c.want);
    weights_free(c.file);
    guarded_free(&x);
    guarded_free(&kept);
}

static void test_layers(void **state) {
    (void)state;
    uint64_t random = 91;
    check((shape){1, 7, 1, 32, 5, 1, 1, 0, .linear = true}, &random);
    check((shape){1, 99, 1, 301, 67, 1, 1, 0, .linear = true, .residual = true}, &random);
    check((shape){1, 98, 1, 40, 278, 1, 1, 0, .linear = true, .gated = true}, &random);
    check((shape){2, 5, 6, 35, 33, 1, 1, 0, .up = 1}, &random);
    check((shape){2, 9, 10, 33, 40, 3, 1, 1, .residual = true}, &random);
    check((shape){2, 8, 7, 64, 17, 3, 2, 1, .up = 1}, &random);
    check((shape){1, 5, 4, 38, 32, 3, 1, 1, .up = 2}, &random);
}

/* Channels that are 40 times as large as the others. Not rotated, they would cost 2.3e-2 in the
 * linear layer and 3.2e-2 in the convolution. */
static void test_outliers(void **state) {
    (void)state;
    uint64_t random = 93;
    check((shape){1, 40, 1, 320, 64, 1, 1, 0, .linear = true, .outliers = 40}, &random);
    check((shape){2, 8, 8, 64, 32, 3, 1, 1, .outliers = 40}, &random);
}

/* What is not a number stays none; what is too small for a scale is zero. */
static void test_scales(void **state) {
    (void)state;
    float inverse;
    assert_true(limn_i8_scale(254, &inverse) == 2 && inverse == 0.5f);
    assert_true(limn_i8_scale(0, &inverse) == 0 && inverse == 0);
    assert_true(limn_i8_scale(0x1p-140f, &inverse) == 0 && inverse == 0);
    assert_true(isnan(limn_i8_scale(INFINITY, &inverse)) && inverse == 0);
    assert_true(isnan(limn_i8_scale(NAN, &inverse)) && inverse == 0);
}

/* What has few channels stays float, also when int8 is asked for; the loader counts the others. */
static void test_few_channels(void **state) {
    (void)state;
    uint64_t random = 92;
    weights_file *f = weights_make(&random);
    weights_add(f, "a.weight", 2, (int[]){9, 31});
    weights_add(f, "b.weight", 2, (int[]){9, 32});
    limn_arena plan = limn_arena_measure();
    limn_loader ld = {
        .k = limn_kernels_level("c"), .arena = &plan, .tensors = weights_tensors(f), .int8 = true};
    limn_load_linear(&ld, "a", 9, 31, false);
    assert_int_equal(ld.status, LIMN_OK);
    assert_int_equal(ld.int8_count, 0);
    limn_load_linear(&ld, "b", 9, 32, false);
    assert_int_equal(ld.status, LIMN_OK);
    assert_int_equal(ld.int8_count, 1);
    weights_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_few_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
