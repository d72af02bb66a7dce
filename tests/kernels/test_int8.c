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
    if (most) /* a column's may be one less */
        for (size_t i = 0; i < k * (size_t)n; i++)
            p.b[i] = (int8_t)(i % 2 ? most : p.b[i] < 0 ? -most - 1 : most);
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

/* Every level's rotation is the same bits, right against double, and undone by itself. */
static void test_rotate(void **state) {
    (void)state;
    uint64_t random = 88;
    for (int block = 1; block <= LIMN_ROTATE_MOST; block *= 2) {
        size_t n = 3 * (size_t)block;
        guarded x = guarded_take(n, sizeof(float)), first = guarded_take(n, sizeof(float));
        random_fill(&random, NUMBERS_PLAIN, x.f, n);
        level_at(0)->rotate(x.f, n, block, first.f);
        for (size_t i = 0; i < n; i++) {
            double sum = 0, sizes = 0;
            for (size_t j = 0, run = i / (size_t)block * (size_t)block; j < (size_t)block; j++) {
                double term = (double)x.f[run + j];
                sum += __builtin_parityll(i % (size_t)block & j) ? -term : term;
                sizes += fabs(term);
            }
            assert_true(fabs(sum - (double)first.f[i]) <= 1e-6 * sizes);
        }
        for (int i = 0; i < level_count(); i++) {
            guarded out = guarded_take(n, sizeof(float));
            level_at(i)->rotate(x.f, n, block, out.f);
            assert_int_equal(floats_differ(first.f, out.f, n), n);
            level_at(i)->rotate(out.f, n, block, out.f);
            for (size_t j = 0; j < n; j++)
                assert_true(fabsf(out.f[j] / (float)block - x.f[j]) <= 1e-4f);
            guarded_free(&out);
        }
        guarded_free(&x);
        guarded_free(&first);
    }
}

/* ---- attention ------------------------------------------------------------------------------- */

#define COLUMNS 64
#define ROWS    (LIMN_ATTEND_KEYS + 3)

/* Two blocks of scores in every column, panel by panel: the weights by row and column, and what
 * each state is after both, as bits. */
typedef struct weighed {
    int8_t weight[2][ROWS][COLUMNS];
    float state[4][COLUMNS];
    int32_t start[COLUMNS];
} weighed;

static void weigh(const limn_kernels *k, float (*scores)[ROWS][COLUMNS], const int *keys,
                  weighed *out) {
    memset(out, 0, sizeof *out);
    for (int first = 0; first < COLUMNS; first += k->panel) {
        limn_attend a;
        for (int j = 0; j < k->panel; j++) {
            a.most[j] = -INFINITY;
            a.total[j] = 0;
        }
        for (int b = 0; b < 2; b++) {
            size_t rows = (size_t)(keys[b] + 3) / 4 * 4, panel = (size_t)k->panel;
            guarded s = guarded_take(rows * panel, sizeof(float)),
                    w = guarded_take(rows * panel, 1);
            for (size_t i = 0; i < (size_t)keys[b] * panel; i++)
                s.f[i] = scores[b][i / panel][(size_t)first + i % panel];
            k->weigh(s.f, keys[b], &a, w.b);
            for (size_t i = 0; i < rows * panel; i++)
                out->weight[b][i / panel / 4 * 4 + i % 4][(size_t)first + i / 4 % panel] = w.b[i];
            guarded_free(&s);
            guarded_free(&w);
        }
        size_t bytes = (size_t)k->panel * sizeof(float);
        memcpy(out->state[0] + first, a.most, bytes);
        memcpy(out->state[1] + first, a.total, bytes);
        memcpy(out->state[2] + first, a.before, bytes);
        memcpy(out->state[3] + first, a.now, bytes);
        memcpy(out->start + first, a.start, bytes);
    }
}

/* The reference against double: each weight within a hundredth of a step of being rounded right. */
static void check_weights(float (*scores)[ROWS][COLUMNS], const int *keys, const weighed *w) {
    for (int j = 0; j < COLUMNS; j++) {
        double total = 0, most = fmax((double)w->state[0][j], -1e30);
        for (int b = 0; b < 2; b++) {
            double top = -INFINITY;
            int32_t sum = 0;
            for (int t = 0; t < keys[b]; t++) top = fmax(top, (double)scores[b][t][j]);
            assert_true(top <= most);
            for (int t = 0; t < keys[b]; t++) {
                double want = 255 * exp2((double)scores[b][t][j] - top);
                assert_true(fabs(want - 128 - w->weight[b][t][j]) <= 0.53);
                sum += w->weight[b][t][j] + 128;
            }
            int rows = (keys[b] + 3) / 4 * 4;
            for (int t = keys[b]; t < rows; t++) assert_int_equal(w->weight[b][t][j], -128);
            if (b == 1) assert_int_equal(w->start[j], -128 * (sum - 128 * rows));
            total += sum * exp2(top - most);
        }
        assert_true(fabs(total - (double)w->state[1][j]) <= 1e-5 * total);
    }
}

static void test_weigh(void **state) {
    (void)state;
    static float scores[2][ROWS][COLUMNS];
    static weighed first, other;
    static const int keys[][2] = {{1, 1}, {256, 256}, {256, 3}, {77, 50}, {250, 129}};
    uint64_t random = 86;
    for (size_t n = 0; n < sizeof keys / sizeof *keys; n++) {
        random_fill(&random, NUMBERS_PLAIN, &scores[0][0][0], sizeof scores / sizeof(float));
        for (int i = 0; i < 2 * ROWS * COLUMNS; i++)
            (&scores[0][0][0])[i] *= (float)(1 << i % COLUMNS % 10);
        weigh(level_at(0), scores, keys[n], &first);
        check_weights(scores, keys[n], &first);
        for (int i = 1; i < level_count(); i++) {
            weigh(level_at(i), scores, keys[n], &other);
            assert_memory_equal(&first, &other, sizeof first);
        }
    }
}

static void test_fold(void **state) {
    (void)state;
    uint64_t random = 87;
    for (int i = 0; i < level_count(); i++) {
        const limn_kernels *k = level_at(i);
        size_t panel = (size_t)k->panel;
        guarded sum = guarded_take(7 * panel, sizeof(float)), more = guarded_take(7 * panel, 4);
        guarded offset = guarded_take(7, sizeof(float));
        limn_attend a;
        random_fill(&random, NUMBERS_PLAIN, sum.f, sum.count);
        random_fill(&random, NUMBERS_PLAIN, more.f, more.count);
        random_fill(&random, NUMBERS_PLAIN, offset.f, offset.count);
        random_fill(&random, NUMBERS_PLAIN, a.before, panel);
        random_fill(&random, NUMBERS_PLAIN, a.now, panel);
        float want[7 * LIMN_PANEL_MOST];
        for (size_t at = 0; at < sum.count; at++)
            want[at] = fmaf(sum.f[at], a.before[at % panel],
                            fmaf(offset.f[at / panel], a.now[at % panel], more.f[at]));
        k->fold(sum.f, more.f, offset.f, 7, &a);
        assert_int_equal(floats_differ(want, sum.f, sum.count), sum.count);
        guarded_free(&sum);
        guarded_free(&more);
        guarded_free(&offset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tile_of_every_shape),
        cmocka_unit_test(test_tile_of_the_largest),
        cmocka_unit_test(test_tile_of_the_deepest),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_to_i8),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_weigh),
        cmocka_unit_test(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
