/* Every kernel of every level that runs here against the level "c", bit for bit.
 *
 * Outputs lie between guards, nothing is aligned to more than its type, sizes are odd, and numbers
 * are of every kind: also those that overflow, vanish, or are none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/levels.h"

#define COLUMNS_MOST 67

static const limn_kernels *reference(void) {
    return level_at(0);
}

static void test_levels(void **state) {
    (void)state;
    assert_string_equal(reference()->level, "c");
    assert_null(limn_kernels_level("sse9"));
#if defined(LIMN_SIMDE)
    assert_non_null(limn_kernels_level("avx512"));
#endif
    printf("  levels compared with c:");
    for (int i = 1; i < level_count(); i++) {
        const limn_kernels *k = level_at(i);
        printf(" %s (tile %d x %d)", k->level, k->tile_rows, k->panel);
        assert_in_range(k->tile_rows, 1, LIMN_TILE_ROWS_MOST);
        assert_in_range(k->panel, 1, LIMN_PANEL_MOST);
    }
    puts(level_count() > 1 ? "" : " none");
    fflush(stdout);
    if (level_count() == 1) skip();
}

/* ---- the matrix tile ------------------------------------------------------------------------- */

/* A product c[rows, n] = a[rows, k] b[k, n], to be done tile by tile at any level. */
typedef struct product {
    int rows, n, k;
    int segments, length[LIMN_TILE_SEGMENTS];
    bool first;
    guarded a[LIMN_TILE_SEGMENTS]; /* [rows][length] each, apart from each other in memory */
    float *b;                      /* [k][n] */
    float *c;                      /* [rows][stride], what the chains go on from */
    size_t stride;
} product;

/* b as panels of that level, zeros behind the last column. */
static guarded pack(const limn_kernels *k, const product *p) {
    size_t panel = (size_t)k->panel, panels = ((size_t)p->n + panel - 1) / panel;
    guarded packed = guarded_take(panels * panel * (size_t)p->k, sizeof(float));
    for (size_t i = 0; i < packed.count; i++) {
        size_t column = i / (panel * (size_t)p->k) * panel + i % panel;
        size_t row = i / panel % (size_t)p->k;
        packed.f[i] = column < (size_t)p->n ? p->b[row * (size_t)p->n + column] : 0.0f;
    }
    return packed;
}

/* One row of tiles, from `row` on. */
static void run_row(const limn_kernels *k, const product *p, const guarded *packed, int row,
                    float *c) {
    const float *a[LIMN_TILE_SEGMENTS * LIMN_TILE_ROWS_MOST];
    int rows = p->rows - row < k->tile_rows ? p->rows - row : k->tile_rows;
    for (int s = 0; s < p->segments; s++)
        for (int r = 0; r < k->tile_rows; r++) /* rows that are not there point nowhere */
            a[s * k->tile_rows + r] = r < rows ? p->a[s].f + (row + r) * p->length[s] : NULL;
    for (int j = 0; j < p->n; j += k->panel)
        k->tile(&(limn_tile){.rows = rows,
                             .columns = p->n - j < k->panel ? p->n - j : k->panel,
                             .segments = p->segments,
                             .length = p->length,
                             .a = a,
                             .b = packed->f + (size_t)j * (size_t)p->k,
                             .c = c + (size_t)row * p->stride + j,
                             .c_stride = p->stride,
                             .first = p->first});
}

/* The product at one level: c and the gaps between its rows. */
static guarded run_product(const limn_kernels *k, const product *p) {
    guarded packed = pack(k, p), c = guarded_take((size_t)p->rows * p->stride, sizeof(float));
    memcpy(c.f, p->c, c.count * sizeof(float));
    for (int row = 0; row < p->rows; row += k->tile_rows) run_row(k, p, &packed, row, c.f);
    guarded_free(&packed);
    return c;
}

static product make_product(uint64_t *random, int rows, int n, int segments, const int *length,
                            bool first, numbers kind) {
    product p = {.rows = rows, .n = n, .segments = segments, .first = first};
    numbers other = random_int(random, 0, 1) ? kind : NUMBERS_PLAIN;
    for (int s = 0; s < segments; s++) {
        p.length[s] = length[s];
        p.k += length[s];
        p.a[s] = guarded_take((size_t)(rows * length[s]), sizeof(float));
        random_fill(random, kind, p.a[s].f, p.a[s].count);
    }
    p.stride = (size_t)(n + random_int(random, 0, 5));
    p.b = malloc((size_t)(p.k * n) * sizeof *p.b);
    p.c = malloc((size_t)rows * p.stride * sizeof *p.c);
    assert_non_null(p.b);
    assert_non_null(p.c);
    random_fill(random, other, p.b, (size_t)(p.k * n));
    random_fill(random, first ? NUMBERS_NAN : other, p.c, (size_t)rows * p.stride);
    return p;
}

static void free_product(product *p) {
    for (int s = 0; s < p->segments; s++) guarded_free(&p->a[s]);
    free(p->b);
    free(p->c);
}

static void check_product(uint64_t *random, int rows, int n, int segments, const int *length,
                          bool first, numbers kind) {
    product p = make_product(random, rows, n, segments, length, first, kind);
    guarded want = run_product(reference(), &p);
    for (int i = 1; i < level_count(); i++) {
        guarded got = run_product(level_at(i), &p);
        size_t at = floats_differ(want.f, got.f, want.count);
        if (at < want.count)
            fail_msg("%s: tile of %d rows, %d columns, %d steps in %d segments, %s, numbers of "
                     "kind %d: c[%zu] is %a, not %a",
                     level_at(i)->level, rows, n, p.k, segments, first ? "first" : "going on",
                     (int)kind, at, (double)got.f[at], (double)want.f[at]);
        guarded_free(&got);
    }
    guarded_free(&want);
    free_product(&p);
}

/* Segments of random lengths, LIMN_TILE_DEPTH steps at most in all. */
static int random_segments(uint64_t *random, int *length) {
    int count = random_int(random, 1, LIMN_TILE_SEGMENTS), left = LIMN_TILE_DEPTH;
    for (int s = 0; s < count; s++) {
        int most = left - (count - s - 1);
        if (random_int(random, 0, 1)) most = most < 9 ? most : 9;
        length[s] = random_int(random, 1, most);
        left -= length[s];
    }
    return count;
}

static void test_tile_of_every_shape(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int rows = 1; rows <= LIMN_TILE_ROWS_MOST + 1; rows++)
        for (int n = 1; n <= COLUMNS_MOST; n++) {
            int length[LIMN_TILE_SEGMENTS];
            int segments = random_segments(&random, length);
            check_product(&random, rows, n, segments, length, n % 2, NUMBERS_PLAIN);
        }
}

static void test_tile_of_every_kind(void **state) {
    (void)state;
    uint64_t random = 2;
    for (int kind = 0; kind < NUMBERS_KINDS; kind++)
        for (int i = 0; i < 40; i++) {
            int length[LIMN_TILE_SEGMENTS], segments = random_segments(&random, length);
            check_product(&random, random_int(&random, 1, LIMN_TILE_ROWS_MOST),
                          random_int(&random, 1, COLUMNS_MOST), segments, length, i % 2,
                          (numbers)kind);
        }
}

/* Every number of segments: one step each, as many as fit, and one segment of every length. */
static void test_tile_segments(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int count = 1; count <= LIMN_TILE_SEGMENTS; count++) {
        int ones[LIMN_TILE_SEGMENTS], wide[LIMN_TILE_SEGMENTS];
        for (int s = 0; s < count; s++) {
            ones[s] = 1;
            wide[s] = LIMN_TILE_DEPTH / count;
        }
        for (int first = 0; first < 2; first++) {
            check_product(&random, 12, 33, count, ones, first, NUMBERS_PLAIN);
            check_product(&random, 12, 33, count, wide, first, NUMBERS_ANY);
        }
    }
    for (int length = 1; length <= LIMN_TILE_DEPTH; length++)
        check_product(&random, 5, 19, 1, &length, length % 3 == 0, NUMBERS_PLAIN);
}

/* A chain that is broken off and gone on with is the same chain: the level "c" by itself, in
 * segments and calls, against fmaf written out. */
static void test_tile_is_one_chain(void **state) {
    (void)state;
    uint64_t random = 4;
    int length[3] = {7, 1, 25};
    for (int i = 0; i < 20; i++) {
        product p = make_product(&random, 3, 5, 3, length, true, NUMBERS_PLAIN);
        guarded want = guarded_take(15, sizeof(float));
        for (int r = 0; r < 3; r++)
            for (int j = 0; j < 5; j++) {
                float sum = 0;
                for (int s = 0, k = 0; s < 3; s++)
                    for (int x = 0; x < length[s]; x++, k++)
                        sum = fmaf(p.a[s].f[r * length[s] + x], p.b[k * 5 + j], sum);
                want.f[r * 5 + j] = sum;
            }
        p.stride = 5;
        guarded whole = run_product(reference(), &p);
        assert_int_equal(floats_differ(want.f, whole.f, 15), 15);
        guarded_free(&whole);
        product part = p; /* the same, one segment a call */
        for (int s = 0, k = 0; s < 3; k += length[s++]) {
            part.segments = 1;
            part.a[0] = p.a[s];
            part.k = part.length[0] = length[s];
            part.b = p.b + k * 5;
            part.first = s == 0;
            guarded c = run_product(reference(), &part);
            memcpy(p.c, c.f, 15 * sizeof(float));
            guarded_free(&c);
        }
        assert_int_equal(floats_differ(want.f, p.c, 15), 15);
        guarded_free(&want);
        free_product(&p);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The widths of rows: all small ones, and some that networks have. */
static int next_width(int c) {
    static const int wide[] = {77, 127, 255, 256, 320, 1001};
    if (c < COLUMNS_MOST) return c + 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (wide[i] > c) return wide[i];
    return 0;
}

static guarded random_floats(uint64_t *random, numbers kind, size_t count) {
    guarded g = guarded_take(count, sizeof(float));
    random_fill(random, kind, g.f, count);
    return g;
}

static void check_same(const char *what, const limn_kernels *k, int width, int kind,
                       const guarded *want, guarded *got) {
    size_t at = floats_differ(want->f, got->f, want->count);
    if (at < want->count)
        fail_msg("%s: %s over %d, numbers of kind %d: [%zu] is %a, not %a", k->level, what, width,
                 kind, at, (double)got->f[at], (double)want->f[at]);
    guarded_free(got);
}

/* One call of finish; in place or not, which must not matter. */
static guarded run_finish(const limn_kernels *k, const guarded *x, const float *bias,
                          limn_activation act, const float *residual, bool in_place) {
    guarded out = guarded_take(x->count, sizeof(float));
    if (in_place) memcpy(out.f, x->f, x->count * sizeof(float));
    k->finish(in_place ? out.f : x->f, bias, act, residual, (int)x->count, out.f);
    return out;
}

static void check_finish(uint64_t *random, int c, int kind) {
    guarded x = random_floats(random, (numbers)kind, (size_t)c);
    guarded bias = random_floats(random, (numbers)kind, (size_t)c);
    guarded residual = random_floats(random, (numbers)kind, (size_t)c);
    for (int act = LIMN_ACT_NONE; act <= LIMN_ACT_RELU; act++)
        for (int with = 0; with < 4; with++) {
            const float *b = with & 1 ? bias.f : NULL, *r = with & 2 ? residual.f : NULL;
            guarded want = run_finish(reference(), &x, b, (limn_activation)act, r, false);
            guarded in_place = run_finish(reference(), &x, b, (limn_activation)act, r, true);
            check_same("finish in place", reference(), c, kind, &want, &in_place);
            for (int i = 1; i < level_count(); i++) {
                guarded got = run_finish(level_at(i), &x, b, (limn_activation)act, r, with & 1);
                check_same("finish", level_at(i), c, kind, &want, &got);
            }
            guarded_free(&want);
        }
    guarded_free(&x);
    guarded_free(&bias);
    guarded_free(&residual);
}

static void test_finish(void **state) {
    (void)state;
    uint64_t random = 5;
    for (int c = 1; c; c = next_width(c))
        for (int kind = 0; kind < NUMBERS_KINDS; kind++) check_finish(&random, c, kind);
}

/* Bias, then activation, then residual. */
static void test_finish_order(void **state) {
    (void)state;
    const float x = -3, bias = 2, residual = 10;
    float out = 0;
    reference()->finish(&x, &bias, LIMN_ACT_RELU, &residual, 1, &out);
    assert_true(out == 10);
    reference()->finish(&x, NULL, LIMN_ACT_NONE, &residual, 1, &out);
    assert_true(out == 7);
}

static void test_geglu(void **state) {
    (void)state;
    uint64_t random = 6;
    for (int c = 1; c; c = next_width(c))
        for (int kind = 0; kind < NUMBERS_KINDS; kind++) {
            guarded x = random_floats(&random, (numbers)kind, (size_t)c);
            guarded gate = random_floats(&random, (numbers)kind, (size_t)c);
            guarded want = guarded_take((size_t)c, sizeof(float));
            reference()->geglu(x.f, gate.f, c, want.f);
            for (int i = 1; i < level_count(); i++) {
                guarded got = guarded_take((size_t)c, sizeof(float));
                level_at(i)->geglu(x.f, gate.f, c, got.f);
                check_same("geglu", level_at(i), c, kind, &want, &got);
            }
            guarded_free(&x);
            guarded_free(&gate);
            guarded_free(&want);
        }
}

/* Scores, of which those from `seen` on are hidden, as causal attention hides them. */
static void check_softmax(uint64_t *random, int n, int kind, int seen, float scale) {
    guarded x = random_floats(random, (numbers)kind, (size_t)n);
    for (int i = seen; i < n; i++) x.f[i] = -INFINITY;
    guarded want = guarded_take((size_t)n, sizeof(float));
    memcpy(want.f, x.f, x.count * sizeof(float));
    float total = reference()->softmax(want.f, n, scale);
    for (int i = 1; i < level_count(); i++) {
        guarded got = guarded_take((size_t)n, sizeof(float));
        memcpy(got.f, x.f, x.count * sizeof(float));
        float sum = level_at(i)->softmax(got.f, n, scale);
        if (floats_differ(&total, &sum, 1) == 0)
            fail_msg("%s: softmax over %d: 1 / sum is %a, not %a", level_at(i)->level, n,
                     (double)sum, (double)total);
        check_same("softmax", level_at(i), n, kind, &want, &got);
    }
    guarded_free(&x);
    guarded_free(&want);
}

static void test_softmax(void **state) {
    (void)state;
    uint64_t random = 7;
    for (int n = 1; n; n = next_width(n))
        for (int kind = 0; kind < NUMBERS_KINDS; kind++) {
            check_softmax(&random, n, kind, n, 0.125f);
            check_softmax(&random, n, kind, random_int(&random, 1, n), 40.0f);
        }
}

/* Equal scores share alike; one that is NaN, wherever it is, is not passed over. */
static void test_softmax_of_equals_and_nan(void **state) {
    (void)state;
    const limn_kernels *k = reference();
    for (int n = 1; n <= COLUMNS_MOST; n++) {
        float x[COLUMNS_MOST];
        for (int i = 0; i < n; i++) x[i] = -77.5f;
        float total = k->softmax(x, n, 3.0f);
        for (int i = 0; i < n; i++) assert_true(x[i] == 1);
        assert_true(total == 1 / (float)n);
        for (int place = 0; place < n; place++) {
            for (int i = 0; i < n; i++) x[i] = i == place ? nanf("5") : 0.5f;
            assert_true(isnan(k->softmax(x, n, 1.0f)) && isnan(x[place]));
        }
    }
}

static void check_layer_norm(uint64_t *random, int d, int kind, float eps) {
    guarded x = random_floats(random, (numbers)kind, (size_t)d);
    guarded gamma = random_floats(random, NUMBERS_PLAIN, (size_t)d);
    guarded beta = random_floats(random, NUMBERS_PLAIN, (size_t)d);
    guarded want = guarded_take((size_t)d, sizeof(float));
    reference()->layer_norm(x.f, d, eps, gamma.f, beta.f, want.f);
    for (int i = 1; i < level_count(); i++)
        for (int in_place = 0; in_place < 2; in_place++) {
            guarded got = guarded_take((size_t)d, sizeof(float));
            if (in_place) memcpy(got.f, x.f, x.count * sizeof(float));
            level_at(i)->layer_norm(in_place ? got.f : x.f, d, eps, gamma.f, beta.f, got.f);
            check_same("layer_norm", level_at(i), d, kind, &want, &got);
        }
    if (kind == NUMBERS_EQUAL) /* no spread: what is left is the rounding of the mean */
        for (int i = 0; i < d; i++) assert_true(fabsf(want.f[i] - beta.f[i]) < 1e-3f);
    guarded_free(&x);
    guarded_free(&gamma);
    guarded_free(&beta);
    guarded_free(&want);
}

static void test_layer_norm(void **state) {
    (void)state;
    uint64_t random = 8;
    for (int d = 1; d; d = next_width(d))
        for (int kind = 0; kind < NUMBERS_KINDS; kind++)
            check_layer_norm(&random, d, kind, kind % 2 ? 1e-5f : 1e-6f);
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Numbers for so many rows of c, `stride` apart: nothing may be read behind the last. */
static guarded random_rows(uint64_t *random, int pixels, int c, size_t stride, int kind) {
    return random_floats(random, (numbers)kind, (size_t)(pixels - 1) * stride + (size_t)c);
}

static void check_column_sums(uint64_t *random, int pixels, int c, int kind) {
    size_t stride = (size_t)(kind % 2 ? 2 * c : c);
    guarded x = random_rows(random, pixels, c, stride, kind);
    guarded sum = guarded_take((size_t)c, sizeof(double));
    guarded square = guarded_take((size_t)c, sizeof(double));
    reference()->column_sums(x.f, stride, pixels, c, sum.d, square.d);
    for (int i = 1; i < level_count(); i++) {
        guarded s = guarded_take((size_t)c, sizeof(double));
        guarded q = guarded_take((size_t)c, sizeof(double));
        level_at(i)->column_sums(x.f, stride, pixels, c, s.d, q.d);
        if (doubles_differ(sum.d, s.d, sum.count) < sum.count ||
            doubles_differ(square.d, q.d, sum.count) < sum.count)
            fail_msg("%s: column_sums of %d pixels of %d, numbers of kind %d", level_at(i)->level,
                     pixels, c, kind);
        guarded_free(&s);
        guarded_free(&q);
    }
    guarded_free(&x);
    guarded_free(&sum);
    guarded_free(&square);
}

static guarded run_scale_shift(const limn_kernels *k, const guarded *x, size_t stride, int pixels,
                               const guarded *scale, const guarded *shift, int act, bool in_place) {
    int c = (int)scale->count;
    guarded out = guarded_take((size_t)(pixels * c), sizeof(float));
    if (in_place) memcpy(out.f, x->f, x->count * sizeof(float));
    k->scale_shift(in_place ? out.f : x->f, stride, pixels, c, scale->f, shift->f,
                   (limn_activation)act, out.f);
    return out;
}

static void check_scale_shift(uint64_t *random, int pixels, int c, int kind) {
    size_t stride = (size_t)(kind % 2 ? 2 * c : c);
    guarded x = random_rows(random, pixels, c, stride, kind);
    guarded scale = random_floats(random, (numbers)kind, (size_t)c);
    guarded shift = random_floats(random, NUMBERS_PLAIN, (size_t)c);
    for (int act = LIMN_ACT_NONE; act <= LIMN_ACT_RELU; act++) {
        bool in_place = act & 1 && stride == (size_t)c;
        guarded want = run_scale_shift(reference(), &x, stride, pixels, &scale, &shift, act, false);
        for (int i = 1; i < level_count(); i++) {
            guarded got =
                run_scale_shift(level_at(i), &x, stride, pixels, &scale, &shift, act, in_place);
            check_same("scale_shift", level_at(i), c, kind, &want, &got);
        }
        guarded_free(&want);
    }
    guarded_free(&x);
    guarded_free(&scale);
    guarded_free(&shift);
}

static void test_columns(void **state) {
    (void)state;
    uint64_t random = 9;
    for (int c = 1; c; c = next_width(c))
        for (int kind = 0; kind < NUMBERS_KINDS; kind++) {
            check_column_sums(&random, c % 2 ? 1 + c % 67 : 256, c, kind);
            check_scale_shift(&random, 1 + c % 5, c, kind);
        }
}

/* ---- float16 and bfloat16 -------------------------------------------------------------------- */

/* What IEEE 754 says of 16 bits: a sign, an exponent, and so many bits of fraction. */
static float value_of(uint16_t h, int bits) {
    int most = (1 << (15 - bits)) - 1, exponent = h >> bits & most, one = 1 << bits;
    int fraction = h & (one - 1);
    float sign = h & 0x8000 ? -1.0f : 1.0f;
    if (exponent == most) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexpf((float)fraction, 1 - most / 2 - bits);
    return sign * ldexpf((float)(one + fraction), exponent - most / 2 - bits);
}

static float half_of(uint16_t h) {
    return value_of(h, 10);
}

static float brain_of(uint16_t h) {
    return value_of(h, 7);
}

static void check_halves(const limn_kernels *k, bool brain, size_t first, size_t n) {
    guarded x = guarded_take(n, sizeof(uint16_t)), out = guarded_take(n, sizeof(float));
    for (size_t i = 0; i < n; i++) x.h[i] = (uint16_t)(first + i);
    (brain ? k->from_bf16 : k->from_f16)(x.h, n, out.f);
    for (size_t i = 0; i < n; i++) {
        float want = (brain ? brain_of : half_of)(x.h[i]);
        if (floats_differ(&want, out.f + i, 1) == 0)
            fail_msg("%s: %sfloat16 %04x is %a, not %a", k->level, brain ? "b" : "", x.h[i],
                     (double)out.f[i], (double)want);
    }
    guarded_free(&x);
    guarded_free(&out);
}

static void test_halves(void **state) {
    (void)state;
    for (int i = 0; i < level_count(); i++) {
        const limn_kernels *k = level_at(i);
        for (int brain = 0; brain < 2; brain++) {
            check_halves(k, brain, 0, 65536);
            for (size_t n = 0; n <= COLUMNS_MOST; n++) check_halves(k, brain, 0x3bf0 + n, n);
        }
    }
}

/* Every integer and every sign of scale, subnormal ones too; a product of NaN is one. */
static void test_q8(void **state) {
    (void)state;
    static const uint16_t scales[] = {0, 0x8000, 1, 0x83ff, 0x2e66, 0xb555, 0x7bff, 0x7c00, 0x7e00};
    enum { SCALES = sizeof scales / sizeof *scales, LINES = 256 };
    for (int i = 0; i < level_count(); i++) {
        const limn_kernels *k = level_at(i);
        const size_t panel = (size_t)k->panel;
        guarded x = guarded_take(LINES * panel, 1);
        guarded scale = guarded_take(panel, sizeof(float));
        guarded out = guarded_take(LINES * panel, sizeof(float));
        for (size_t j = 0; j < LINES * panel; j++) x.b[j] = (int8_t)(j / panel + j);
        for (size_t j = 0; j < panel; j++) scale.f[j] = half_of(scales[j % SCALES]);
        k->from_q8(x.b, scale.f, LINES, out.f);
        for (size_t j = 0; j < LINES * panel; j++) {
            float want = (float)x.b[j] * scale.f[j % panel];
            if (floats_differ(&want, out.f + j, 1) == 0)
                fail_msg("%s: %d x %a is %a", k->level, x.b[j], (double)scale.f[j % panel],
                         (double)out.f[j]);
        }
        guarded_free(&x);
        guarded_free(&scale);
        guarded_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_tile_of_every_shape),
        cmocka_unit_test(test_tile_of_every_kind),
        cmocka_unit_test(test_tile_segments),
        cmocka_unit_test(test_tile_is_one_chain),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_finish_order),
        cmocka_unit_test(test_geglu),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_of_equals_and_nan),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_q8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
