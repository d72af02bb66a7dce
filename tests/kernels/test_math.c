/* exp, erf and what is made of them (src/kernels/plain/math.h), against libm's double: the bounds
 * that the comments and docs/numerics.md state, and what must hold for every float whatever.
 *
 * Every 97th bit pattern, or all 2^32 where LIMN_SOAK is 1 (make soak). */
#include "kernels/plain/math.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/team.h"
#include "base/thread.h"

/* The bounds: exp's in units of the last place, erf's absolute, the others' relative to the larger
 * of 1 and the result. */
#define EXP_ULP     1.02
#define ERF_ERROR   4e-7
#define SILU_ERROR  1.3e-7
#define QUICK_ERROR 1.4e-7
#define GELU_ERROR  1.1e-6

/* exp's edges: 0 below, one value above. */
#define LOW  (-87.33f)
#define HIGH 88.37f

#define TASKS 256
#define BLOCK 1024

/* ---- the functions over many numbers --------------------------------------------------------- */

enum { EXP, ERF, SILU, QUICK, GELU, FUNCTIONS };
static const char *const names[FUNCTIONS] = {"exp", "erf", "silu", "quick_gelu", "gelu"};

typedef struct values {
    float x[BLOCK], y[FUNCTIONS][BLOCK], mirrored[BLOCK]; /* mirrored: erf(-x) */
} values;

static inline __attribute__((always_inline)) void evaluate(values *v) {
    for (int i = 0; i < BLOCK; i++) v->y[EXP][i] = limn_expf(v->x[i]);
    for (int i = 0; i < BLOCK; i++) v->y[ERF][i] = limn_erff(v->x[i]);
    for (int i = 0; i < BLOCK; i++) v->mirrored[i] = limn_erff(-v->x[i]);
    for (int i = 0; i < BLOCK; i++) v->y[SILU][i] = limn_siluf(v->x[i]);
    for (int i = 0; i < BLOCK; i++) v->y[QUICK][i] = limn_quick_geluf(v->x[i]);
    for (int i = 0; i < BLOCK; i++) v->y[GELU][i] = limn_geluf(v->x[i]);
}

static void evaluate_plain(values *v) {
    evaluate(v);
}

#if defined(__x86_64__)
/* The same bits, ten times as fast: with the processor's own fused multiply-add. */
__attribute__((target("avx2,fma"))) static void evaluate_fma(values *v) {
    evaluate(v);
}
#endif

typedef void evaluator(values *v);

static evaluator *fastest(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return evaluate_fma;
#endif
    return evaluate_plain;
}

/* ---- what is right --------------------------------------------------------------------------- */

/* Where the first terms of the series, or the limit, are exact to float's last place and five
 * digits more, they serve: it spares most of the calls. */
static double right_exp(double x) {
    return fabs(x) < 0x1p-30 ? 1 + x : exp(x);
}

static double right_erf(double x) {
    if (fabs(x) > 6) return x < 0 ? -1 : 1;
    return fabs(x) < 0x1p-20 ? 1.1283791670955126 * x : erf(x);
}

static double right_sigmoid_product(double x, double scale) {
    if (fabs(x) > 100) return x < 0 ? 0 : x;
    return fabs(x) < 0x1p-30 ? x / 2 : x / (1 + exp(-scale * x));
}

static double right_gelu(double x) {
    if (x > 9 || x < -14) return x < 0 ? 0 : x;
    return fabs(x) < 0x1p-30 ? x / 2 : 0.5 * x * erfc(-x * 0.70710678118654752);
}

/* A unit in the last place of the float nearest to a positive normal number. */
static double ulp_of(double y) {
    int exponent;
    frexp((double)(float)y, &exponent);
    return ldexp(1, exponent - 24);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* The largest error of one function, and one input at which a fact was found wrong. */
typedef struct found {
    double error[FUNCTIONS];
    float at[FUNCTIONS];
    const char *broken;
    float where;
} found;

typedef struct sweep {
    uint64_t step;
    evaluator *evaluate;
    found of[TASKS];
} sweep;

static void note(found *f, int function, double error, float x) {
    if (error <= f->error[function]) return;
    f->error[function] = error;
    f->at[function] = x;
}

static void expect(found *f, bool fact, const char *words, float x) {
    if (fact || f->broken) return;
    f->broken = words;
    f->where = x;
}

static void check_nan(found *f, const values *v, int i) {
    for (int k = 0; k < FUNCTIONS; k++)
        expect(f, isnan(v->y[k][i]), "every function of NaN is NaN", v->x[i]);
}

/* Facts that hold for every number. */
static void check_facts(found *f, const values *v, int i) {
    float x = v->x[i], e = v->y[EXP][i], s = v->y[SILU][i], g = v->y[GELU][i];
    expect(f, !signbit(e) && e < INFINITY, "exp is finite and not negative", x);
    expect(f, x >= LOW || e == 0, "exp is 0 below its edge", x);
    expect(f, x < LOW || e >= 0x1p-126f, "exp is a normal number from its edge on", x);
    expect(f, x > 0 ? e >= 1 : e <= 1, "exp is on the right side of 1", x);
    expect(f, limn_bits_of(v->y[ERF][i]) == (limn_bits_of(v->mirrored[i]) ^ 0x80000000u),
           "erf is odd", x);
    expect(f, fabsf(v->y[ERF][i]) <= 1 + (float)ERF_ERROR, "erf is about 1 at most", x);
    expect(f, fabsf(x) < 3.925f || fabsf(v->y[ERF][i]) == 1, "erf is 1 from its edge on", x);
    expect(f, x == 0 ? s == 0 : x < 0 ? s <= 0 : s >= 0, "silu has the sign of x", x);
    expect(f, fabsf(s) <= fabsf(x), "silu is between 0 and x", x);
    expect(f, fabsf(v->y[QUICK][i]) <= fabsf(x), "quick_gelu is between 0 and x", x);
    expect(f, x < 5.56f || g == x, "gelu is x where that is far above 0", x);
    expect(f, x > -5.56f || x == -INFINITY || g == 0, "gelu is 0 where x is far below 0", x);
}

static void check_errors(found *f, const values *v, int i) {
    float x = v->x[i];
    if (isinf(x)) return;
    if (x >= LOW && x <= HIGH) {
        double t = right_exp(x);
        note(f, EXP, fabs((double)v->y[EXP][i] - t) / ulp_of(t), x);
    }
    note(f, ERF, fabs((double)v->y[ERF][i] - right_erf(x)), x);
    /* Below, exp stands still: silu is x / 2.4e38, which no network sees (facts only). */
    if (x > -1e30f) {
        double silu = right_sigmoid_product(x, 1), quick = right_sigmoid_product(x, 1.702);
        note(f, SILU, fabs((double)v->y[SILU][i] - silu) / fmax(1, fabs(silu)), x);
        note(f, QUICK, fabs((double)v->y[QUICK][i] - quick) / fmax(1, fabs(quick)), x);
    }
    double gelu = right_gelu(x);
    note(f, GELU, fabs((double)v->y[GELU][i] - gelu) / fmax(1, fabs(gelu)), x);
}

static void sweep_task(void *ctx, int task) {
    sweep *s = ctx;
    found *f = &s->of[task];
    uint64_t share = (UINT64_C(1) << 32) / TASKS, end = share * (uint64_t)(task + 1);
    uint64_t at = (share * (uint64_t)task + s->step - 1) / s->step * s->step;
    values *v = malloc(sizeof *v);
    expect(f, v != NULL, "there is memory", 0);
    while (v && at < end) {
        int count = 0;
        for (; count < BLOCK; count++, at += s->step) /* past the end: some numbers twice */
            v->x[count] = limn_float_of((uint32_t)at);
        s->evaluate(v);
        for (int i = 0; i < count; i++) {
            if (isnan(v->x[i])) {
                check_nan(f, v, i);
                continue;
            }
            check_facts(f, v, i);
            check_errors(f, v, i);
        }
    }
    free(v);
}

static void test_all_floats(void **state) {
    (void)state;
    const char *soak = getenv("LIMN_SOAK");
    sweep *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->step = soak && soak[0] == '1' ? 1 : 97;
    s->evaluate = fastest();
    limn_parallel(limn_threads_default(), TASKS, sweep_task, s);

    found all = {0};
    for (int i = 0; i < TASKS; i++) {
        for (int k = 0; k < FUNCTIONS; k++) note(&all, k, s->of[i].error[k], s->of[i].at[k]);
        expect(&all, !s->of[i].broken, s->of[i].broken, s->of[i].where);
    }
    bool whole = s->step == 1;
    free(s);
    static const double bounds[FUNCTIONS] = {EXP_ULP, ERF_ERROR, SILU_ERROR, QUICK_ERROR,
                                             GELU_ERROR};
    print_message("  %s\n", whole ? "all floats" : "every 97th float");
    for (int k = 0; k < FUNCTIONS; k++)
        print_message("  %-10s error at most %.4g (bound %.2g), at %.9g\n", names[k], all.error[k],
                      bounds[k], (double)all.at[k]);
    if (all.broken) fail_msg("not so at %a: %s", (double)all.where, all.broken);
    for (int k = 0; k < FUNCTIONS; k++)
        if (!(all.error[k] <= bounds[k]))
            fail_msg("%s: error %g at %a, at most %g", names[k], all.error[k], (double)all.at[k],
                     bounds[k]);
}

/* ---- single values --------------------------------------------------------------------------- */

static void test_exact_values(void **state) {
    (void)state;
    assert_true(limn_expf(0.0f) == 1 && limn_expf(-0.0f) == 1);
    assert_true(limn_expf(-INFINITY) == 0);
    assert_true(limn_expf(INFINITY) == limn_expf(HIGH));
    assert_true(limn_expf(HIGH) > 2.39e38f);
    assert_true(limn_expf(nextafterf(LOW, -100)) == 0);
    assert_int_equal(limn_bits_of(limn_erff(0.0f)), 0);
    assert_int_equal(limn_bits_of(limn_erff(-0.0f)), 0x80000000u);
    assert_true(limn_erff(INFINITY) == 1 && limn_erff(-INFINITY) == -1);
    assert_int_equal(limn_bits_of(limn_siluf(-0.0f)), 0x80000000u);
    assert_int_equal(limn_bits_of(limn_geluf(-0.0f)), 0x80000000u);
    assert_true(limn_siluf(INFINITY) == INFINITY && limn_geluf(INFINITY) == INFINITY);
    /* Subnormals are kept: half of one is one. */
    assert_true(limn_siluf(0x1p-140f) == 0x1p-141f && limn_geluf(0x1p-140f) == 0x1p-141f);
}

/* exp never falls where its argument rises: a softmax then keeps the order of its scores. Runs of
 * floats one after the other, from places all over the range. */
static void test_exp_rises(void **state) {
    (void)state;
    static values v;
    for (float from = -88; from < 88.5f; from += 0x1.8p-5f) {
        float x = from;
        for (int i = 0; i < BLOCK; i++, x = nextafterf(x, INFINITY)) v.x[i] = x;
        fastest()(&v);
        for (int i = 1; i < BLOCK; i++)
            if (!(v.y[EXP][i] >= v.y[EXP][i - 1])) fail_msg("exp falls at %a", (double)v.x[i]);
    }
}

/* The compiler's fmaf, in software or in hardware, gives the same bits. */
static void test_levels_agree(void **state) {
    (void)state;
    static values a, b;
    for (uint64_t at = 0; at < UINT64_C(1) << 32; at += 65521 * (uint64_t)BLOCK / 8) {
        for (int i = 0; i < BLOCK; i++)
            a.x[i] = b.x[i] = limn_float_of((uint32_t)(at + (uint64_t)i * 8191));
        evaluate_plain(&a);
        fastest()(&b);
        for (int i = 0; i < BLOCK; i++)
            for (int k = 0; k < FUNCTIONS; k++)
                if (!isnan(a.x[i]) && !(isnan(a.y[k][i]) && isnan(b.y[k][i])) &&
                    limn_bits_of(a.y[k][i]) != limn_bits_of(b.y[k][i]))
                    fail_msg("%s(%a): %a and %a", names[k], (double)a.x[i], (double)a.y[k][i],
                             (double)b.y[k][i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_floats),
        cmocka_unit_test(test_exact_values),
        cmocka_unit_test(test_exp_rises),
        cmocka_unit_test(test_levels_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
