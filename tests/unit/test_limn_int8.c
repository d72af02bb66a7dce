/* Pictures in int8 through the public interface: near those of float32, and the same whatever draws
 * them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"

#define MODEL "weights/vignette"

/* docs/numerics.md states what is measured; this is what may not be undercut. */
#define PSNR_LEAST 35.0

static limn_model *open_as(const char *precision) {
    limn_model *m = NULL;
    limn_error error;
    if (limn_model_open(MODEL, &(limn_open_options){.precision = precision, .threads = 2}, &m,
                        &error) != LIMN_OK)
        fail_msg("%s", error.text);
    return m;
}

static limn_picture *draw(const limn_model *m, const limn_request *r, int threads) {
    limn_picture *p = NULL;
    limn_error error;
    limn_options how = {.threads = threads};
    if (limn_render(m, r, &how, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static size_t bytes_of(const limn_picture *p) {
    return (size_t)p->width * (size_t)p->height * 3;
}

static double psnr(const limn_picture *a, const limn_picture *b) {
    double sum = 0;
    for (size_t i = 0; i < bytes_of(a); i++) sum += pow((double)a->rgb[i] - (double)b->rgb[i], 2);
    return 10 * log10(255.0 * 255.0 * (double)bytes_of(a) / sum);
}

static void test_quality(void **state) {
    (void)state;
    static const char *const prompts[] = {"a lighthouse on a floating island in the clouds",
                                          "two cats on a sofa", "a red apple", "a castle at night"};
    limn_model *exact = open_as("float32"), *small = open_as("int8");
    for (int i = 0; i < 4; i++) {
        limn_request r;
        limn_request_defaults(exact, &r);
        r.prompt = prompts[i];
        r.seed = (uint64_t)i + 1;
        r.steps = 10;
        limn_picture *a = draw(exact, &r, 0), *b = draw(small, &r, 0);
        double db = psnr(a, b);
        print_message("  %-50s %.1f dB\n", r.prompt, db);
        assert_true(db >= PSNR_LEAST && isfinite(db)); /* and it is not float32 after all */
        limn_picture_free(a);
        limn_picture_free(b);
    }
    assert_true(limn_model_describe(small).resident_bytes <
                limn_model_describe(exact).resident_bytes);
    limn_model_close(exact);
    limn_model_close(small);
}

/* The same bytes at every level, on any number of threads. */
static void int8_gives_the_same_bits_at_every_level(void **state) {
    (void)state;
    static const char *const levels[] = {"c", "avx2", "avx512", "neon"};
    const char *before = getenv("LIMN_ISA");
    char *kept = before ? strdup(before) : NULL;
    limn_picture *first = NULL;
    for (int i = 0; i < 4; i++) {
        setenv("LIMN_ISA", levels[i], 1); /* a level that is not here is another that is */
        limn_model *m = open_as("int8");
        limn_request r;
        limn_request_defaults(m, &r);
        r.prompt = "a red apple";
        r.width = 144;
        r.height = 80;
        r.steps = 2;
        limn_picture *p = draw(m, &r, i + 1);
        if (first) {
            assert_memory_equal(first->rgb, p->rgb, bytes_of(p));
            assert_string_equal(first->recipe, p->recipe);
            limn_picture_free(p);
        } else {
            first = p;
        }
        limn_model_close(m);
    }
    limn_picture_free(first);
    if (kept)
        setenv("LIMN_ISA", kept, 1);
    else
        unsetenv("LIMN_ISA");
    free(kept);
}

static void test_recipe(void **state) {
    (void)state;
    limn_model *m = open_as("int8");
    limn_request r;
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_string_equal(limn_model_describe(m).precision, "int8");
    limn_request_defaults(m, &r);
    r.width = r.height = 64;
    r.steps = 1;
    limn_picture *p = draw(m, &r, 0);
    assert_non_null(strstr(p->recipe, "\"precision\":\"int8\""));
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_OK);
    assert_string_equal(limn_recipe_precision(recipe), "int8");
    assert_int_equal(limn_recipe_set(recipe, "precision", "float32", &error), LIMN_OK);
    assert_string_equal(limn_recipe_precision(recipe), "float32");
    assert_int_equal(limn_recipe_set(recipe, "precision", "int4", &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "int4"));
    assert_string_equal(limn_recipe_precision(recipe), "float32");
    limn_recipe_free(recipe);

    /* A1111's text has no place for it. */
    limn_picture foreign = {.width = 64, .height = 64, .parameters = p->parameters};
    assert_int_equal(limn_recipe_read(&foreign, &recipe, &error), LIMN_OK);
    assert_string_equal(limn_recipe_precision(recipe), "float32");
    limn_recipe_free(recipe);
    limn_picture_free(p);
    limn_model_close(m);
}

static void test_unknown(void **state) {
    (void)state;
    static const char *const names[] = {"int4", "", "INT8", "float32 "};
    limn_error error;
    for (int i = 0; i < 4; i++) {
        const limn_open_options how = {.precision = names[i]};
        limn_model *m = NULL;
        assert_int_equal(limn_model_open(MODEL, &how, &m, &error), LIMN_E_USAGE);
        assert_null(m);
        assert_non_null(strstr(error.text, "there are float32 and int8"));
        assert_int_equal(limn_model_open(MODEL, &how, &m, NULL), LIMN_E_USAGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quality),
        cmocka_unit_test(int8_gives_the_same_bits_at_every_level),
        cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
