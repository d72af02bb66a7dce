/* The numbers of limn_settings through the public header: ranges, recipes, prompt files; and the
 * deep cache, which is one of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"

#define MODEL "weights/vignette"

static limn_picture *draw(const limn_model *m, int interval, int branch) {
    limn_error error;
    limn_request q;
    limn_picture *picture = NULL;
    limn_request_defaults(m, &q);
    q.prompt = "a red apple";
    q.width = q.height = 128;
    q.steps = 6;
    q.cache_interval = interval;
    q.cache_branch = branch;
    if (limn_render(m, &q, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

static limn_model *open_model(void) {
    limn_error error;
    limn_model *m = NULL;
    if (limn_model_open(MODEL, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

/* Decibels between two pictures of one size. */
static double psnr(const limn_picture *a, const limn_picture *b) {
    size_t n = (size_t)a->width * (size_t)a->height * 3;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += pow((double)a->rgb[i] - (double)b->rgb[i], 2);
    return 10 * log10(255.0 * 255.0 * (double)n / sum);
}

static void test_ranges(void **state) {
    (void)state;
    int count;
    const limn_setting *all = limn_settings(&count);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        limn_request q = {0};
        limn_error error;
        assert_ptr_equal(limn_setting_find(all[i].name), &all[i]);
        assert_int_equal(limn_setting_put(&q, &all[i], all[i].most, &error), LIMN_OK);
        assert_true(limn_setting_get(&q, &all[i]) == all[i].most);
        assert_int_equal(limn_setting_put(&q, &all[i], all[i].most + 1, &error), LIMN_E_USAGE);
        assert_non_null(strstr(error.text, all[i].name));
        assert_int_equal(limn_setting_put(&q, &all[i], -1e9, &error), LIMN_E_USAGE);
        assert_int_equal(limn_setting_put(&q, &all[i], (double)NAN, NULL), LIMN_E_USAGE);
        assert_true(limn_setting_get(&q, &all[i]) == all[i].most);
        if (all[i].whole)
            assert_int_equal(limn_setting_put(&q, &all[i], all[i].most - 0.5, NULL), LIMN_E_USAGE);
        assert_int_equal(limn_setting_put(&q, &all[i], 0, &error), LIMN_OK);
        assert_true(limn_setting_get(&q, &all[i]) == 0);
    }
    assert_null(limn_setting_find("no such setting"));
}

/* The deep cache gives another picture, a near one, and nearer with the larger branch; an interval
 * of one evaluation in six leaves only the outermost layers to the others. */
static void test_deep_cache(void **state) {
    (void)state;
    limn_model *m = open_model();
    limn_picture *whole = draw(m, 0, 0), *near = draw(m, 2, 1), *far = draw(m, 6, 0);
    limn_picture *nothing = draw(m, 0, 1);
    assert_null(strstr(whole->recipe, "cache"));
    assert_string_equal(whole->recipe, nothing->recipe);
    assert_non_null(strstr(near->recipe, "\"cache_interval\":2,\"cache_branch\":1"));
    assert_true(psnr(whole, near) > 20);
    assert_true(psnr(whole, near) > psnr(whole, far));
    assert_true(psnr(whole, far) < 60);
    limn_picture *pictures[] = {whole, near, far, nothing};
    for (int i = 0; i < 4; i++) limn_picture_free(pictures[i]);
    limn_model_close(m);
}

static void test_recipe(void **state) {
    (void)state;
    limn_model *m = open_model();
    limn_picture *picture = draw(m, 3, 1);
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_int_equal(limn_recipe_read(picture, &recipe, &error), LIMN_OK);
    const limn_request *q = limn_recipe_request(recipe);
    assert_int_equal(q->cache_interval, 3);
    assert_int_equal(q->cache_branch, 1);
    assert_int_equal(limn_recipe_set(recipe, "cache_interval", "4", &error), LIMN_OK);
    assert_int_equal(q->cache_interval, 4);
    assert_int_equal(limn_recipe_set(recipe, "cache_interval", "x", &error), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_set(recipe, "cache_interval", "1000", &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "from 2 to 100"));
    limn_picture *again = NULL;
    limn_recipe_set(recipe, "cache_interval", "3", NULL);
    assert_int_equal(limn_render(m, limn_recipe_request(recipe), NULL, &again, &error), LIMN_OK);
    assert_memory_equal(again->rgb, picture->rgb, 128 * 128 * 3);
    limn_picture_free(again);
    limn_recipe_free(recipe);
    limn_picture_free(picture);
    limn_model_close(m);
}

/* A branch that the model does not have, and work that shrinks as the plan says. */
static void test_plan(void **state) {
    (void)state;
    limn_model *m = open_model();
    limn_error error;
    limn_request q;
    limn_plan whole, cached;
    limn_request_defaults(m, &q);
    q.prompt = "x";
    assert_int_equal(limn_request_plan(m, &q, &whole, &error), LIMN_OK);
    q.cache_interval = 5;
    assert_int_equal(limn_request_plan(m, &q, &cached, &error), LIMN_OK);
    assert_true(cached.gflop < 0.6 * whole.gflop);
    assert_true(cached.gflop > 0.2 * whole.gflop);
    q.cache_branch = 2;
    assert_int_equal(limn_request_plan(m, &q, &cached, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "has 0 to 1"));
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_deep_cache),
        cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
