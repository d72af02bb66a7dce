/* A locale that writes 7,5 changes nothing: not what is read, not what is written, not a pixel. The
 * locale is made here, so that none need be installed. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"
#include "prompt/prompt.h"
#include "support/scratch.h"

#define LOCALE "limn-comma"

static limn_model *model;
static bool made;

/* localedef is the C library's own; where there is none, or no list of UTF-8's characters, the
 * tests are skipped. */
static int make_locale(void) {
    static const char source[] = "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\n"
                                 "grouping 3;3\nEND LC_NUMERIC\n";
    char command[1200];
    FILE *f = fopen(scratch_at("source"), "w");
    if (f == NULL || fputs(source, f) < 0 || fclose(f) != 0) return 1;
    snprintf(command, sizeof command, "localedef -c -f UTF-8 -i '%s' '%s' >/dev/null 2>&1",
             scratch_at("source"), scratch_at(LOCALE));
    const int status = system(command); /* not 0: it misses all other categories */
    made = status != -1 && setenv("LOCPATH", scratch_folder(), 1) == 0 &&
           setlocale(LC_NUMERIC, LOCALE) != NULL && localeconv()->decimal_point[0] == ',';
    setlocale(LC_NUMERIC, "C");
    return 0;
}

static int start(void **state) {
    limn_error error;
    if (scratch_make(state) != 0 || make_locale() != 0) return 1;
    if (limn_model_open("tests/golden/tiny-sd15", NULL, &model, &error) == LIMN_OK) return 0;
    fprintf(stderr, "%s\n", error.text);
    return 1;
}

static int end(void **state) {
    limn_model_close(model);
    return scratch_remove(state);
}

/* Whatever a test did, the next begins with C's. */
static int with_comma(void **state) {
    (void)state;
    return made && setlocale(LC_NUMERIC, LOCALE) == NULL;
}

static int with_point(void **state) {
    (void)state;
    return setlocale(LC_NUMERIC, "C") == NULL;
}

static limn_picture *draw(const limn_model *m) {
    limn_request r;
    limn_picture *p = NULL;
    limn_error error;
    limn_request_defaults(m, &r);
    r.prompt = "a (red:1.25) [apple:pear:0.5]";
    r.steps = 2;
    r.width = r.height = 64;
    r.guidance = 7.5;
    r.guidance_rescale = 0.25;
    if (limn_render(m, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static void pictures_and_recipes(void **state) {
    (void)state;
    if (!made) skip();
    limn_model *again;
    limn_error error;
    limn_recipe *recipe;
    if (limn_model_open("tests/golden/tiny-sd15", NULL, &again, &error) != LIMN_OK)
        fail_msg("%s", error.text); /* its configurations hold 0.00085 and 0.18215 */
    limn_picture *comma = draw(again);
    setlocale(LC_NUMERIC, "C");
    limn_picture *point = draw(model);
    setlocale(LC_NUMERIC, LOCALE);
    assert_memory_equal(comma->rgb, point->rgb, 64 * 64 * 3);
    assert_string_equal(comma->recipe, point->recipe);
    assert_string_equal(comma->parameters, point->parameters);
    assert_non_null(strstr(comma->recipe, "\"guidance_scale\":7.5,"));
    assert_non_null(strstr(comma->parameters, "CFG scale: 7.5,"));
    limn_picture told = *comma;
    for (int i = 0; i < 2; i++) { /* limn's own, then A1111's text */
        if (i == 1) told.recipe = NULL;
        if (limn_recipe_read(&told, &recipe, &error) != LIMN_OK) fail_msg("%s", error.text);
        assert_true(limn_recipe_request(recipe)->guidance == 7.5);
        assert_true(limn_recipe_request(recipe)->guidance_rescale == 0.25);
        assert_int_equal(limn_recipe_set(recipe, "eta", "0.25", &error), LIMN_OK);
        assert_int_equal(limn_recipe_set(recipe, "eta", "0,75", &error), LIMN_E_USAGE);
        assert_true(limn_recipe_request(recipe)->eta == 0.25);
        limn_recipe_free(recipe);
    }
    limn_picture_free(comma);
    limn_picture_free(point);
    limn_model_close(again);
}

static void prompt_files(void **state) {
    static const char text[] = "--prompt a --cfg_scale 7.5 --eta 0.25\n"
                               "{\"prompt\": \"a\", \"cfg_scale\": 7.5, \"eta\": \"0.25\"}\n"
                               "--prompt a --cfg_scale 7,5\n";
    (void)state;
    if (!made) skip();
    limn_request base;
    limn_prompt_file f;
    limn_error error;
    limn_request_defaults(model, &base);
    assert_int_equal(
        limn_prompt_file_read("p.txt", text, sizeof text - 1, &base, false, &f, &error), LIMN_OK);
    assert_int_equal(f.count, 3);
    for (int i = 0; i < 2; i++) {
        if (f.lines[i].error) fail_msg("%s", f.lines[i].error->text);
        assert_true(f.lines[i].request.guidance == 7.5 && f.lines[i].request.eta == 0.25);
    }
    assert_string_equal(f.lines[2].error->text,
                        "p.txt:3:24: cfg_scale: expected a number from 0 to 100, found '7,5'");
    limn_prompt_file_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pictures_and_recipes, with_comma, with_point),
        cmocka_unit_test_setup_teardown(prompt_files, with_comma, with_point),
    };
    return cmocka_run_group_tests(tests, start, end);
}
