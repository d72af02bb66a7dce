/* The int8 kernels of every level against whole numbers written out here, bit for bit: odd sizes,
 * unaligned, guarded, with the largest numbers there are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/levels.h"

/* A product c[rows, n] = a[rows, k] b[k, n] in segments of 4 x fours steps of k. */
typedef struct product {
    int rows, n, segments, fours;
    guarded a[LIMN_TILE_SEGMENTS]; /* [rows][4 fours] each */
    int8_t *b;                     /* [k][n] */
    guarded a_scale;
    float *b_scale, *want; /* [n], [rows][n] */
} product;

static int depth_of(const product *p) {
    return 4 * p->fours * p->segments;
}

/* most = 0: from -127 to 127; else that number or its negative. */
static void fill(uint64_t *random, int8_t *x, size_t count, int most) {
    for (size_t i = 0; i < count; i++)
        x[i] = (int8_t)(most ? (random_int(random, 0, 1) ? most : -most)
                             : random_int(random, -127, 127));
}

static product make(uint64_t *random, int rows, int n, int segments, int fours, int most) {
    product p = {.rows = rows, .n = n, .segments = segments, .fours = fours};
    size_t k = (size_t)depth_of(&p), width = 4 * (size_t)fours;
    for (int s = 0; s < segments; s++) {
        p.a[s] = guarded_take((size_t)rows * width, 1);
        fill(random, p.a[s].b, p.a[s].count, most);
    }
    p.b = malloc(k * (size_t)n);
    p.b_scale = malloc((size_t)n * sizeof *p.b_scale);
    p.want = malloc((size_t)(rows * n) * sizeof *p.want);
    assert_true(p.b && p.b_scale && p.want);
    fill(random, p.b, k * (size_t)n, most);
    if (most)
        for (size_t i = 0; i < k * (size_t)n; i++) p.b[i] = (int8_t)(i % 2 ? most : p.b[i]);
    p.a_scale = guarded_take((size_t)rows, sizeof(float));
    random_fill(random, NUMBERS_PLAIN, p.a_scale.f, p.a_scale.count);
    random_fill(random, NUMBERS_PLAIN, p.b_scale, (size_t)n);
    for (size_t r = 0; r < (size_t)rows; r++)
        for (size_t j = 0; j < (size_t)n; j++) {
            int64_t sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += (int64_t)p.a[i / width].b[r * width + i % width] *
                       (int64_t)p.b[i * (size_t)n + j];
            float scale = p.a_scale.f[r] * p.b_scale[j];
            p.want[r * (size_t)n + j] = (float)sum * scale;
        }
    return p;
}

static void release(product *p) {
    for (int s = 0; s < p->segments; s++) guarded_free(&p->a[s]);
    guarded_free(&p->a_scale);
    free(p->b);
    free(p->b_scale);
    free(p->want);
}

/* b as panels of that level, zeros behind the last column. */
static guarded pack(const limn_kernels *k, const product *p) {
    size_t panel = (size_t)k->panel, depth = (size_t)depth_of(p), n = (size_t)p->n;
    guarded packed = guarded_take((n + panel - 1) / panel * panel * depth, 1);
    for (size_t i = 0; i < packed.count; i++) {
        size_t column = i / (panel * depth) * panel + i / 4 % panel;
        size_t row = i / (4 * panel) % (depth / 4) * 4 + i % 4;
        packed.b[i] = (int8_t)(column < n ? p->b[row * n + column] : 0);
    }
    return packed;
}

/* The rows' bytes as that level wants them, or as they were. */
static void flip(const limn_kernels *k, product *p) {
    for (int s = 0; s < p->segments; s++)
        for (size_t i = 0; i < p->a[s].count; i++)
            p->a[s].b[i] = (int8_t)(p->a[s].b[i] ^ k->i8_flip);
}

static void check(const limn_kernels *k, product *p) {
    size_t panel = (size_t)k->panel, n = (size_t)p->n, stride = n + 3;
    size_t width = 4 * (size_t)p->fours;
    guarded packed = pack(k, p), c = guarded_take((size_t)p->rows * stride - 3, sizeof(float));
    guarded scale = guarded_take((n + panel - 1) / panel * panel, sizeof(float));
    guarded start = guarded_take(scale.count, sizeof(int32_t));
    for (size_t j = 0; j < scale.count; j++) {
        int32_t sum = 0;
        for (size_t i = 0; i < (size_t)depth_of(p) && j < n; i++) sum += p->b[i * n + j];
        sum *= -128;
        scale.f[j] = j < n ? p->b_scale[j] : 0;
        memcpy(start.f + j, &sum, sizeof sum);
    }
    flip(k, p);
    for (int row = 0; row < p->rows; row += k->tile_i8_rows)
        for (size_t j = 0; j < n; j += panel) {
            const int8_t *a[LIMN_TILE_SEGMENTS * LIMN_TILE_ROWS_MOST];
            int rows = p->rows - row < k->tile_i8_rows ? p->rows - row : k->tile_i8_rows;
            for (int s = 0; s < p->segments; s++)
                for (int r = 0; r < k->tile_i8_rows; r++) /* rows that are not there: nowhere */
                    a[s * k->tile_i8_rows + r] =
                        r < rows ? p->a[s].b + (size_t)(row + r) * width : NULL;
            k->tile_i8(&(limn_tile_i8){.rows = rows,
                                       .columns = (int)(n - j < panel ? n - j : panel),
                                       .segments = p->segments,
                                       .fours = p->fours,
                                       .a = a,
                                       .b = packed.b + j * (size_t)depth_of(p),
                                       .a_scale = p->a_scale.f + row,
                                       .b_scale = scale.f + j,
                                       .b_start = (const int32_t *)(const void *)(start.f + j),
                                       .c = c.f + (size_t)row * stride + j,
                                       .c_stride = stride});
        }
    for (size_t r = 0; r < (size_t)p->rows; r++) {
        size_t at = floats_differ(p->want + r * n, c.f + r * stride, n);
        if (at < n)
            fail_msg("%s: %d x %d, %d segments of %d fours: [%zu][%zu] is %a, not %a", k->level,
                     p->rows, p->n, p->segments, p->fours, r, at, (double)c.f[r * stride + at],
                     (double)p->want[r * n + at]);
    }
    flip(k, p);
    guarded_free(&packed);
    guarded_free(&c);
    guarded_free(&scale);
    guarded_free(&start);
}

static void check_all(uint64_t *random, int rows, int n, int segments, int fours, int most) {
    product p = make(random, rows, n, segments, fours, most);
    for (int i = 0; i < level_count(); i++) check(level_at(i), &p);
    release(&p);
}

static void test_tile_of_every_shape(void **state) {
    (void)state;
    uint64_t random = 81;
    for (int rows = 1; rows <= 25; rows++)
        for (int n = 1; n <= 67; n += n < 34 ? 3 : 11)
            check_all(&random, rows, n, random_int(&random, 1, 3), random_int(&random, 1, 9), 0);
    for (int segments = 1; segments <= LIMN_TILE_SEGMENTS; segments++)
        check_all(&random, 13, 33, segments, random_int(&random, 1, 40), 0);
}

static void test_tile_of_the_largest(void **state) {
    (void)state;
    uint64_t random = 82;
    for (int fours = 1; fours < 100; fours += 7) check_all(&random, 13, 33, 2, fours, 127);
    check_all(&random, 1, 3, 1, LIMN_I8_DEPTH / 4, 127);
}

/* A column of 127 against rows of 127 and of -127: the sum nearest to int32's ends. */
static void test_tile_of_the_deepest(void **state) {
    (void)state;
    uint64_t random = 83;
    product p = make(&random, 2, 1, 1, LIMN_I8_DEPTH / 4, 127);
    memset(p.b, 127, LIMN_I8_DEPTH);
    memset(p.a[0].b, 127, LIMN_I8_DEPTH);
    memset(p.a[0].b + LIMN_I8_DEPTH, -127, LIMN_I8_DEPTH);
    for (int r = 0; r < 2; r++)
        p.want[r] = (r ? -1.0f : 1.0f) * (float)(127 * 127 * (int64_t)LIMN_I8_DEPTH) *
                    (p.a_scale.f[r] * p.b_scale[0]);
    for (int i = 0; i < level_count(); i++) check(level_at(i), &p);
    release(&p);
}

static void test_most(void **state) {
    (void)state;
    uint64_t random = 84;
    for (int i = 0; i < level_count(); i++) {
        const limn_kernels *k = level_at(i);
        assert_true(k->most(NULL, 0) == 0);
        for (int n = 1; n < 70; n++) {
            guarded x = guarded_take((size_t)n, sizeof(float));
            random_fill(&random, NUMBERS_ANY, x.f, x.count);
            float most = 0;
            for (int j = 0; j < n; j++) most = fmaxf(most, fabsf(x.f[j]));
            assert_true(k->most(x.f, x.count) == most);
            x.f[n / 2] = -INFINITY;
            assert_true(isinf(k->most(x.f, x.count)));
            x.f[n / 3] = NAN;
            assert_true(isnan(k->most(x.f, x.count)));
            guarded_free(&x);
        }
    }
}

static void test_to_i8(void **state) {
    (void)state;
    uint64_t random = 85;
    for (int i = 0; i < level_count(); i++)
        for (int n = 0; n < 70; n++) {
            guarded x = guarded_take((size_t)n, sizeof(float)), out = guarded_take((size_t)n, 1);
            float inverse = (float)random_int(&random, 1, 500) / 16;
            for (int j = 0; j < n; j++) /* halves are ties */
                x.f[j] = j % 3 ? (float)random_int(&random, -254, 254) / 2 / inverse
                               : (float)random_int(&random, -1000, 1000) * 0.127f / inverse;
            uint8_t bits = n % 2 ? 0x80 : 0;
            level_at(i)->to_i8(x.f, x.count, inverse, bits, out.b);
            for (int j = 0; j < n; j++)
                assert_int_equal((int8_t)(out.b[j] ^ bits), (int)rintf(x.f[j] * inverse));
            guarded_free(&x);
            guarded_free(&out);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tile_of_every_shape),
        cmocka_unit_test(test_tile_of_the_largest),
        cmocka_unit_test(test_tile_of_the_deepest),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_to_i8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
