/* The transforms of Winograd's convolution: every level against "c", bit for bit; and the three
 * together against the convolution that they stand for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/guarded.h"
#include "support/levels.h"

#define CHANNELS_MOST 67

static void check_same(const char *what, const limn_kernels *k, int n, int kind,
                       const guarded *want, guarded *got) {
    size_t at = floats_differ(want->f, got->f, want->count);
    if (at < want->count)
        fail_msg("%s: winograd_%s over %d, numbers of kind %d: [%zu] is %a, not %a", k->level, what,
                 n, kind, at, (double)got->f[at], (double)want->f[at]);
    guarded_free(got);
}

/* 36 pixels of c channels, some of them the same pixel (as padding is). */
static guarded run_input(const limn_kernels *k, const guarded *pixels, int c, size_t stride) {
    const float *pixel[36];
    guarded out = guarded_take(35 * stride + (size_t)c, sizeof(float));
    for (int p = 0; p < 36; p++) pixel[p] = pixels->f + (p < 6 ? 0 : p) * c;
    k->winograd_input(pixel, c, out.f, stride);
    return out;
}

static void check_input(uint64_t *random, int c, int kind) {
    guarded pixels = guarded_take((size_t)(36 * c), sizeof(float));
    random_fill(random, (numbers)kind, pixels.f, pixels.count);
    size_t stride = (size_t)(c + random_int(random, 0, 7));
    guarded want = run_input(level_at(0), &pixels, c, stride);
    for (int i = 1; i < level_count(); i++) {
        guarded got = run_input(level_at(i), &pixels, c, stride);
        check_same("input", level_at(i), c, kind, &want, &got);
    }
    guarded_free(&want);
    guarded_free(&pixels);
}

static void check_weights(uint64_t *random, int n, int kind) {
    size_t tap_stride = (size_t)(n + random_int(random, 0, 7));
    size_t stride = (size_t)(n + random_int(random, 0, 7));
    guarded g = guarded_take(8 * tap_stride + (size_t)n, sizeof(float));
    random_fill(random, (numbers)kind, g.f, g.count);
    guarded want = guarded_take(35 * stride + (size_t)n, sizeof(float));
    level_at(0)->winograd_weights(g.f, tap_stride, n, want.f, stride);
    for (int i = 1; i < level_count(); i++) {
        if (n % level_at(i)->panel) continue;
        guarded got = guarded_take(want.count, sizeof(float));
        level_at(i)->winograd_weights(g.f, tap_stride, n, got.f, stride);
        check_same("weights", level_at(i), n, kind, &want, &got);
    }
    guarded_free(&want);
    guarded_free(&g);
}

static void check_output(uint64_t *random, int n, int kind) {
    size_t stride = (size_t)(n + random_int(random, 0, 7));
    guarded m = guarded_take(35 * stride + (size_t)n, sizeof(float));
    random_fill(random, (numbers)kind, m.f, m.count);
    guarded want = guarded_take((size_t)(16 * n), sizeof(float));
    level_at(0)->winograd_output(m.f, stride, n, want.f);
    for (int i = 1; i < level_count(); i++) {
        if (n % level_at(i)->panel) continue;
        guarded got = guarded_take(want.count, sizeof(float));
        level_at(i)->winograd_output(m.f, stride, n, got.f);
        check_same("output", level_at(i), n, kind, &want, &got);
    }
    guarded_free(&want);
    guarded_free(&m);
}

static void test_levels_agree(void **state) {
    (void)state;
    uint64_t random = 21;
    printf("  levels compared with c:");
    for (int i = 1; i < level_count(); i++) printf(" %s", level_at(i)->level);
    puts("");
    fflush(stdout);
    for (int n = 1; n <= CHANNELS_MOST; n++)
        for (int kind = 0; kind < NUMBERS_KINDS; kind++) {
            check_input(&random, n, kind);
            if (n % 16) continue; /* weights and sums come in whole panels */
            for (int again = 0; again < 5; again++) {
                check_weights(&random, n, kind);
                check_output(&random, n, kind);
            }
        }
}

/* Four by four outputs of one channel in and n out, through the transforms and directly. */
static void test_it_is_a_convolution(void **state) {
    (void)state;
    enum { N = 2 * LIMN_PANEL_MOST }; /* whole panels at any level */
    uint64_t random = 22;
    float d[36], g[9 * N], v[36], u[36 * N], out[16 * N];
    const float *pixel[36];
    double worst = 0; /* where the results are up to 36 */
    for (int round = 0; round < 50; round++) {
        const limn_kernels *k = level_at(round % level_count());
        random_fill(&random, NUMBERS_PLAIN, d, 36);
        random_fill(&random, NUMBERS_PLAIN, g, 9 * N);
        for (int p = 0; p < 36; p++) pixel[p] = d + p;
        k->winograd_input(pixel, 1, v, 1);
        k->winograd_weights(g, N, N, u, N);
        for (int p = 0; p < 36; p++)
            for (int n = 0; n < N; n++) u[p * N + n] *= v[p];
        k->winograd_output(u, N, N, out);
        for (int i = 0; i < 16 * N; i++) { /* [y][x][n] */
            int y = i / N / 4, x = i / N % 4, n = i % N;
            double want = 0;
            for (int tap = 0; tap < 9; tap++)
                want += (double)d[(y + tap / 3) * 6 + x + tap % 3] * (double)g[tap * N + n];
            worst = fmax(worst, fabs(out[i] - want));
        }
    }
    print_message("  error at most %.2g\n", worst);
    assert_true(worst < 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_it_is_a_convolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
