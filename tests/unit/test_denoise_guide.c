/* Guidance: its arithmetic against the papers' formulas in double, and what its settings do to
 * pictures. */
#include "denoise/guide.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUES 60 /* 3 x 5 x 4 */

/* Some values of about the size of predictions; `row` shifts them. */
static void fill(float *x, int row) {
    for (int i = 0; i < VALUES; i++)
        x[i] = (float)(((i + 1) * (7 + 5 * row)) % 29) / 14.0F - 0.9F + 0.2F * (float)row;
}

static double deviation(const double *x) {
    double mean = 0, sum = 0;
    for (int i = 0; i < VALUES; i++) mean += x[i] / VALUES;
    for (int i = 0; i < VALUES; i++) sum += pow(x[i] - mean, 2);
    return sqrt(sum / (VALUES - 1)); /* as torch.std; the divisor goes out in the ratio */
}

/* diffusers' rescale_noise_cfg, and the composition of Liu et al., in double. */
static void expect(const float *x, int prompts, const limn_guidance *g, double *out) {
    double c[VALUES], guided[VALUES];
    for (int i = 0; i < VALUES; i++) {
        c[i] = x[i];
        for (int k = 0; k < prompts; k++)
            c[i] += (g->weights ? g->weights[k] : 1) * ((double)x[(k + 1) * VALUES + i] - x[i]);
        guided[i] = x[i] + g->scale * (c[i] - x[i]);
    }
    double factor = deviation(c) / deviation(guided);
    for (int i = 0; i < VALUES; i++)
        out[i] = g->rescale * guided[i] * factor + (1 - g->rescale) * guided[i];
}

static void test_formulas(void **state) {
    (void)state;
    static const float weights[] = {1, -0.5F, 0.8F};
    static const struct {
        int prompts;
        limn_guidance g;
    } cases[] = {
        {1, {.scale = 7.5}},
        {1, {.scale = 7.5, .rescale = 0.7}},
        {1, {.scale = 12, .rescale = 1}},
        {3, {.scale = 5, .weights = weights}},
        {2, {.scale = 1, .weights = weights}},
        {2, {.scale = 9, .weights = weights, .rescale = 0.3}},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        float x[4 * VALUES];
        double want[VALUES];
        for (int row = 0; row < 4; row++) fill(x + row * VALUES, row);
        expect(x, cases[n].prompts, &cases[n].g, want);
        limn_map out = {.v = x, .n = cases[n].prompts + 1, .h = 3, .w = 5, .c = 4};
        limn_guide(&out, &cases[n].g);
        for (int i = 0; i < VALUES; i++)
            if (!(fabs(x[i] - want[i]) < 2e-5))
                fail_msg("case %zu: value %d is %g, expected %g", n, i, (double)x[i], want[i]);
    }
}

/* A prediction without any deviation is left as it is. */
static void a_prediction_without_deviation_stays(void **state) {
    (void)state;
    float x[2 * VALUES] = {0};
    limn_map out = {.v = x, .n = 2, .h = 3, .w = 5, .c = 4};
    limn_guide(&out, &(limn_guidance){.scale = 7, .rescale = 1});
    for (int i = 0; i < VALUES; i++) assert_true(x[i] == 0);
}

/* ---- pictures -------------------------------------------------------------------------------- */

static const limn_request base = {.prompt = "a photograph of an astronaut",
                                  .negative = "blurry",
                                  .seed = 3,
                                  .steps = 4,
                                  .guidance = 6,
                                  .width = 64,
                                  .height = 64,
                                  .sampler = "euler",
                                  .schedule = "model",
                                  .rng = "torch"};

static limn_picture *draw(const limn_model *m, const limn_request *q) {
    limn_error error;
    limn_picture *picture = NULL;
    if (limn_render(m, q, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

/* Whether two requests give the same pixels. */
static bool same(const limn_model *m, const limn_request *a, const limn_request *b) {
    limn_picture *x = draw(m, a), *y = draw(m, b);
    bool equal = memcmp(x->rgb, y->rgb, 64 * 64 * 3) == 0;
    limn_picture_free(x);
    limn_picture_free(y);
    return equal;
}

static void test_settings(void **state) {
    (void)state;
    limn_model *m = NULL;
    limn_error error;
    limn_plan whole, part, less;
    assert_int_equal(limn_model_open("tests/golden/tiny-sd15", NULL, &m, &error), LIMN_OK);
    limn_request never = base, alone = base, all = base, half = base, scaled = base, skip = base;
    never.guidance_from = never.guidance_to = 0.5;
    alone.guidance = 1;
    all.guidance_to = 1;
    half.guidance_from = 0.25;
    half.guidance_to = 0.75;
    scaled.guidance_rescale = 0.7;
    skip.clip_skip = 2;
    assert_true(same(m, &never, &alone));
    assert_true(same(m, &all, &base));
    assert_false(same(m, &half, &base));
    assert_false(same(m, &half, &alone));
    assert_false(same(m, &scaled, &base));
    assert_false(same(m, &skip, &base));
    limn_request last = base, deep = half;
    last.clip_skip = 1;
    deep.cache_interval = 3;
    assert_true(same(m, &last, &base));
    assert_false(same(m, &deep, &half));
    /* between all steps guided and none */
    assert_int_equal(limn_request_plan(m, &base, &whole, &error), LIMN_OK);
    assert_int_equal(limn_request_plan(m, &half, &part, &error), LIMN_OK);
    assert_int_equal(limn_request_plan(m, &alone, &less, &error), LIMN_OK);
    assert_true(less.gflop < part.gflop && part.gflop < whole.gflop);
    assert_true(part.workspace_bytes == whole.workspace_bytes);
    /* Each layer of the text encoder that is not listened to is one less to run. */
    last.clip_skip = 3;
    assert_int_equal(limn_request_plan(m, &skip, &part, &error), LIMN_OK);
    assert_int_equal(limn_request_plan(m, &last, &less, &error), LIMN_OK);
    const double first = whole.gflop - part.gflop, second = part.gflop - less.gflop;
    assert_true(first > 0 && fabs(first - second) < 1e-6 * first);
    half.guidance_from = 0.9;
    assert_int_equal(limn_request_plan(m, &half, &part, &error), LIMN_E_USAGE);
    skip.clip_skip = 4;
    assert_int_equal(limn_request_plan(m, &skip, &part, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "has 1 to 3"));
    limn_model_close(m);
}

/* What makes no difference is not in the recipe; what does is, with A1111's names. */
static void test_recipe(void **state) {
    (void)state;
    limn_model *m = NULL;
    assert_int_equal(limn_model_open("tests/golden/tiny-sd15", NULL, &m, NULL), LIMN_OK);
    limn_request q = base;
    q.clip_skip = 1;
    q.guidance_to = 1;
    limn_picture *picture = draw(m, &q);
    assert_null(strstr(picture->recipe, "clip_skip"));
    assert_null(strstr(picture->recipe, "guidance_to"));
    limn_picture_free(picture);
    q.clip_skip = 2;
    q.guidance_rescale = 0.7;
    q.guidance_from = 0.1;
    picture = draw(m, &q);
    assert_non_null(strstr(picture->recipe, "\"clip_skip\":2"));
    assert_non_null(strstr(picture->recipe, "\"guidance_from\":0.1"));
    assert_non_null(strstr(picture->parameters, "CFG Rescale: 0.7, "));
    assert_non_null(strstr(picture->parameters, "Clip skip: 2, "));
    limn_recipe *recipe = NULL;
    assert_int_equal(limn_recipe_read(picture, &recipe, NULL), LIMN_OK);
    assert_true(same(m, limn_recipe_request(recipe), &q));
    limn_recipe_free(recipe);
    limn_picture_free(picture);
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(a_prediction_without_deviation_stays),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_recipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
