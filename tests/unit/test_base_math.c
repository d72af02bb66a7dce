/* The elementary functions: within 1 ulp of the truth (libm's long double), with the same bits on
 * every machine and compiler, and right at the edges. */
#include "base/math.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/sha256.h"

enum { POINTS = 100000 };

/* The i-th of a stream of numbers in [0, 1). */
static double uniform(uint64_t i) {
    return (double)(limn_mix64(i) >> 11) * 0x1p-53;
}

/* A point between a and b: evenly, or where `spread`, evenly in its exponent and of both signs. */
static double point(double a, double b, bool spread, uint64_t i) {
    double u = uniform(2 * i);
    if (!spread) return a + (b - a) * u;
    /* No libm: the points must be the same everywhere. */
    int low = ilogb(a), high = ilogb(b);
    double x = ldexp(1 + uniform(2 * i + 1), low + (int)(u * (high - low)));
    return limn_mix64(i ^ 0x5555) & 1 ? x : -x;
}

/* |got - want| in units of the last place of a double of want's size. */
static double ulps(double got, long double want) {
    double w = (double)want;
    if (got == w || (isnan(got) && isnan(w))) return 0;
    if (!isfinite(got) || !isfinite(w)) return INFINITY;
    int e;
    frexp(w, &e);
    double unit = ldexp(1, e - 53 < -1074 ? -1074 : e - 53);
    return (double)(fabsl((long double)got - want) / (long double)unit);
}

typedef struct range {
    const char *name;
    double (*ours)(double);
    long double (*truth)(long double);
    double a, b;
    bool spread; /* over many sizes, and both signs */
} range;

static const range ranges[] = {
    {"exp", limn_exp, expl, -745.2, 709.7, false},
    {"exp", limn_exp, expl, 1e-20, 1, true},
    {"expm1", limn_expm1, expm1l, -45, 709.7, false},
    {"expm1", limn_expm1, expm1l, -1, 1, false},
    {"expm1", limn_expm1, expm1l, 1e-30, 8, true},
    {"log", limn_log, logl, 0, 4, false},
    {"log", limn_log, logl, 0.99, 1.01, false},
    {"log", limn_log, logl, 0, 1e308, false},
    {"log", limn_log, logl, 0, 1e-307, false},
    {"log1p", limn_log1p, log1pl, -1, 4, false},
    {"log1p", limn_log1p, log1pl, 1e-30, 0.5, true},
    {"log1p", limn_log1p, log1pl, 0, 1e300, false},
    {"sin", limn_sin, sinl, -7, 7, false},
    {"sin", limn_sin, sinl, -1e6, 1e6, false},
    {"sin", limn_sin, sinl, 1e-30, 8, true},
    {"cos", limn_cos, cosl, -7, 7, false},
    {"cos", limn_cos, cosl, -1e6, 1e6, false},
    {"cos", limn_cos, cosl, 1e-30, 8, true},
    {"erf", limn_erf, erfl, -6.5, 6.5, false},
    {"erf", limn_erf, erfl, 0.5, 1.5, false},
    {"erf", limn_erf, erfl, 1e-30, 8, true},
    {"tanh", limn_tanh, tanhl, -22, 22, false},
    {"tanh", limn_tanh, tanhl, 1e-30, 8, true},
};

static void within_one_ulp(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        const range *g = &ranges[r];
        for (uint64_t i = 0; i < POINTS; i++) {
            double x = point(g->a, g->b, g->spread, i);
            double got = g->ours(x), off = ulps(got, g->truth((long double)x));
            if (!(off <= 1)) fail_msg("%s(%a) = %a is %.2f ulp off", g->name, x, got, off);
        }
    }
}

/* Where the reduction of the argument cancels most: beside the multiples of pi/2. */
static void sin_and_cos_beside_their_zeros(void **state) {
    (void)state;
    for (int n = 1; n < 636000; n += 1 + n / 50) {
        double middle = n * 1.57079632679489661923;
        double near[] = {nextafter(middle, 0), middle, nextafter(middle, 1e9)};
        for (int i = 0; i < 3; i++) {
            double off = fmax(ulps(limn_sin(near[i]), sinl((long double)near[i])),
                              ulps(limn_cos(near[i]), cosl((long double)near[i])));
            if (!(off <= 1)) fail_msg("%a is %.2f ulp off", near[i], off);
        }
    }
}

/* Only where long double has the digits that a power needs: x87's 64 bits and more. */
static void pow_within_one_ulp(void **state) {
    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        double x = fabs(point(1e-20, 1e20, true, i));
        double y = (uniform(3 * i) * 138 - 69) / limn_log(x);
        if (fabs(y) > 1e6) continue;
        double off = ulps(limn_pow(x, y), powl((long double)x, (long double)y));
        if (!(off <= 1)) fail_msg("pow(%a, %a) is %.2f ulp off", x, y, off);
    }
    for (int i = 0; i <= 50; i++) assert_true(limn_pow(2, i - 25) == ldexp(1, i - 25));
    assert_true(limn_pow(9, 0.5) == 3);
    assert_true(limn_pow(10, 15) == 1e15);
}

/* The functions of a schedule or a noise, rounded to float32: the nearest float32. */
static void rounds_to_the_right_float(void **state) {
    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        float x = (float)uniform(i);
        assert_true((float)limn_exp(-10 * (double)x) == (float)expl(-10 * (long double)x));
        assert_true((float)limn_cos(1000 * (double)x) == (float)cosl(1000 * (double)x));
        assert_true((float)limn_sin(1000 * (double)x) == (float)sinl(1000 * (double)x));
    }
}

static bool is_negative_zero(double x) {
    return x == 0 && signbit(x);
}

static void edges(void **state) {
    (void)state;
    double (*all[])(double) = {limn_exp, limn_log, limn_log1p, limn_expm1,
                               limn_sin, limn_cos, limn_erf,   limn_tanh};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) assert_true(isnan(all[i](NAN)));

    assert_true(limn_exp(0) == 1 && limn_exp(-0.0) == 1);
    assert_true(limn_exp(INFINITY) == INFINITY && limn_exp(710) == INFINITY);
    assert_true(limn_exp(-INFINITY) == 0 && limn_exp(-746) == 0 && limn_exp(-DBL_MAX) == 0);
    assert_true(limn_exp(-745) > 0);
    assert_true(limn_expm1(-INFINITY) == -1 && limn_expm1(INFINITY) == INFINITY);
    assert_true(is_negative_zero(limn_expm1(-0.0)));

    assert_true(limn_log(1) == 0 && limn_log(0) == -INFINITY && limn_log(-0.0) == -INFINITY);
    assert_true(isnan(limn_log(-1)) && isnan(limn_log(-INFINITY)));
    assert_true(limn_log(INFINITY) == INFINITY);
    assert_true(limn_log1p(-1) == -INFINITY && isnan(limn_log1p(-1.5)));
    assert_true(limn_log1p(INFINITY) == INFINITY && is_negative_zero(limn_log1p(-0.0)));

    assert_true(limn_sin(0) == 0 && is_negative_zero(limn_sin(-0.0)) && limn_cos(0) == 1);
    assert_true(isnan(limn_sin(INFINITY)) && isnan(limn_cos(-INFINITY)));
    assert_true(isnan(limn_sin(2e6)) && isnan(limn_cos(-2e6)));

    assert_true(limn_erf(INFINITY) == 1 && limn_erf(-INFINITY) == -1);
    assert_true(is_negative_zero(limn_erf(-0.0)));
    assert_true(limn_tanh(INFINITY) == 1 && limn_tanh(-INFINITY) == -1);
    assert_true(is_negative_zero(limn_tanh(-0.0)));

    assert_true(limn_pow(0, 2) == 0 && limn_pow(0, -2) == INFINITY && limn_pow(0, 0) == 1);
    assert_true(limn_pow(INFINITY, 2) == INFINITY && limn_pow(INFINITY, -1) == 0);
    assert_true(limn_pow(2, INFINITY) == INFINITY && limn_pow(2, -INFINITY) == 0);
    assert_true(limn_pow(0.5, INFINITY) == 0 && limn_pow(1, INFINITY) == 1);
    assert_true(limn_pow(2, 5000) == INFINITY && limn_pow(2, -5000) == 0);
    assert_true(limn_pow(2, -1074) == 0x1p-1074 && limn_pow(2, 1023) == 0x1p1023);
    assert_true(isnan(limn_pow(-2, 2)) && isnan(limn_pow(NAN, 2)) && isnan(limn_pow(2, NAN)));
}

/* Every bit of every result, in one hash. It may only change together with LIMN_CONTRACT. */
static void bits_are_pinned(void **state) {
    (void)state;
    limn_sha256 h;
    limn_sha256_start(&h);
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        const range *g = &ranges[r];
        for (uint64_t i = 0; i < 4000; i++) {
            double y = g->ours(point(g->a, g->b, g->spread, i));
            uint64_t bits = 0x7ff8000000000000; /* a NaN's sign is the machine's own business */
            if (!isnan(y)) memcpy(&bits, &y, sizeof bits);
            limn_sha256_add(&h, &bits, sizeof bits);
        }
    }
    for (uint64_t i = 0; i < 4000; i++) {
        double y = limn_pow(4 * uniform(2 * i), 20 * uniform(2 * i + 1) - 10);
        limn_sha256_add(&h, &y, sizeof y);
    }
    char hex[65];
    limn_sha256_end(&h, hex);
    assert_string_equal(hex, "69b050dd3cbc6be14cb6fcc4b74d1b0390297edb2693a685af3be071fd231bba");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_one_ulp),
        cmocka_unit_test(sin_and_cos_beside_their_zeros),
        cmocka_unit_test(pow_within_one_ulp),
        cmocka_unit_test(rounds_to_the_right_float),
        cmocka_unit_test(edges),
        cmocka_unit_test(bits_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
