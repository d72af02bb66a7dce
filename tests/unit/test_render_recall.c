/* Text that was encoded for one picture serves the next, and no bit tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/recall.h"

static limn_model *open_model(const char *path) {
    limn_error error;
    limn_model *m = NULL;
    if (limn_model_open(path, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

/* Draws with and without a recall, compares the pixels, and says how many pieces were known. */
static int draw(const limn_model *m, limn_recall *recall, const char *prompt, int clip_skip) {
    limn_error error;
    limn_request q;
    limn_picture *with = NULL, *without = NULL;
    limn_request_defaults(m, &q);
    q.prompt = prompt;
    q.width = q.height = 64;
    q.steps = 2;
    q.clip_skip = clip_skip;
    int before = recall->found;
    if (limn_render_recalling(m, &q, NULL, recall, &with, &error) != LIMN_OK)
        fail_msg("%s", error.text);
    if (limn_render(m, &q, NULL, &without, &error) != LIMN_OK) fail_msg("%s", error.text);
    assert_memory_equal(with->rgb, without->rgb, 64 * 64 * 3);
    limn_picture_free(with);
    limn_picture_free(without);
    return recall->found - before;
}

static void check_model(const char *path) {
    limn_model *m = open_model(path);
    limn_recall recall = {0};
    assert_int_equal(draw(m, &recall, "a red apple", 0), 0);
    assert_int_equal(draw(m, &recall, "a red apple", 0), 2); /* the negative prompt and it */
    assert_int_equal(draw(m, &recall, "a red apple", 2), 0);
    assert_int_equal(draw(m, &recall, "a (red:1.3) apple", 0), 2); /* emphasis comes after */
    char prompt[] = "apple A";
    for (int i = 0; i < LIMN_RECALL_PIECES; i++, prompt[6]++) draw(m, &recall, prompt, 0);
    assert_int_equal(draw(m, &recall, "a red apple", 0), 0); /* it had to make room */
    assert_int_equal(draw(m, &recall, "a red apple", 0), 2);
    limn_recall_free(&recall);
    limn_model_close(m);
}

static void one_encoder(void **state) {
    (void)state;
    check_model("tests/golden/tiny-sd15");
}

static void two_encoders(void **state) {
    (void)state;
    check_model("tests/golden/tiny-sdxl");
}

static void the_built_in_model(void **state) {
    (void)state;
    check_model("weights/vignette");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_encoder),
        cmocka_unit_test(two_encoders),
        cmocka_unit_test(the_built_in_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
