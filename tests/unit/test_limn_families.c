/* What only some families of models take, through the public header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"

#define SIDE 64

static limn_model *open_model(const char *path) {
    limn_error error;
    limn_model *m = NULL;
    if (limn_model_open(path, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

static limn_request request_of(const limn_model *m) {
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.width = r.height = SIDE;
    r.steps = 2;
    return r;
}

static limn_picture *draw(const limn_model *m, const limn_request *r) {
    limn_picture *picture = NULL;
    limn_error error;
    if (limn_render(m, r, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

static bool same_pixels(const limn_picture *a, const limn_picture *b) {
    return memcmp(a->rgb, b->rgb, (size_t)SIDE * SIDE * 3) == 0;
}

/* Each of SDXL's numbers changes the picture; saying what holds anyway does not. */
static void test_sizes(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sdxl");
    const limn_request plain = request_of(m);
    limn_picture *base = draw(m, &plain);
    limn_request said = plain;
    said.original_width = said.original_height = said.target_width = said.target_height = SIDE;
    limn_picture *same = draw(m, &said);
    assert_true(same_pixels(base, same));
    assert_null(strstr(base->recipe, "original"));
    limn_request changed[6] = {plain, plain, plain, plain, plain, plain};
    changed[0].original_width = changed[1].original_height = 300;
    changed[2].crop_x = changed[3].crop_y = 200;
    changed[4].target_width = changed[5].target_height = 500;
    for (int i = 0; i < 6; i++) {
        limn_picture *other = draw(m, &changed[i]), *again = NULL;
        limn_recipe *recipe = NULL;
        assert_false(same_pixels(base, other));
        assert_int_equal(limn_recipe_read(other, &recipe, NULL), LIMN_OK);
        assert_int_equal(limn_render(m, limn_recipe_request(recipe), NULL, &again, NULL), LIMN_OK);
        assert_true(same_pixels(other, again));
        limn_recipe_free(recipe);
        limn_picture_free(other);
        limn_picture_free(again);
    }
    limn_picture_free(base);
    limn_picture_free(same);
    limn_model_close(m);
}

/* A model that does not take them says so. */
static void test_no_sizes(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sd15");
    limn_request r = request_of(m);
    limn_plan plan;
    limn_error error;
    r.crop_y = 8;
    assert_int_equal(limn_request_plan(m, &r, &plan, &error), LIMN_E_USAGE);
    assert_string_equal(error.text, "crop_y is set, but the model tiny-sd15 does not take it: only "
                                    "SDXL's kind does");
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_no_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
