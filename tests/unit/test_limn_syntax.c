/* The prompt syntax in pictures: what changes none of their bits, what is the same as something
 * else, and what recipes say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"

#define SIDE 32

static limn_model *model;

static int open_model(void **state) {
    (void)state;
    limn_error error;
    if (limn_model_open("tests/golden/tiny-sd15", NULL, &model, &error) == LIMN_OK) return 0;
    print_error("%s\n", error.text);
    return -1;
}

static int close_model(void **state) {
    (void)state;
    limn_model_close(model);
    return 0;
}

static limn_request ask(const char *prompt, const char *negative) {
    return (limn_request){.prompt = prompt,
                          .negative = negative,
                          .seed = 3,
                          .steps = 4,
                          .guidance = 6,
                          .width = SIDE,
                          .height = SIDE,
                          .sampler = "euler",
                          .schedule = "model",
                          .rng = "torch"};
}

static limn_picture *draw(const limn_request *q) {
    limn_error error;
    limn_picture *picture = NULL;
    if (limn_render(model, q, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

static bool same_pixels(const limn_request *a, const limn_request *b) {
    limn_picture *x = draw(a), *y = draw(b);
    bool same = memcmp(x->rgb, y->rgb, SIDE * SIDE * 3) == 0;
    limn_picture_free(x);
    limn_picture_free(y);
    return same;
}

/* Whether two prompts give the same pixels; the negative prompt is "blurry". */
static bool same(const char *a, const char *b) {
    limn_request x = ask(a, "blurry"), y = ask(b, "blurry");
    return same_pixels(&x, &y);
}

static void syntax_that_says_the_same_draws_the_same(void **state) {
    (void)state;
    assert_true(same("a (red:1.0) apple", "a red apple"));
    assert_true(same("a [red:green:0] apple", "a green apple"));
    assert_true(same("a [red:green:1.0] apple", "a red apple"));
    assert_true(same("[a red apple|a red apple]", "a red apple"));
    assert_true(same("a red apple AND a green pear :0", "a red apple"));
    assert_true(same("a red apple :0.5 AND a red apple :0.5", "a red apple"));
}

static void test_different(void **state) {
    (void)state;
    static const char *const prompts[] = {
        "a red apple",         "a (red:1.4) apple",       "a (red) apple",
        "a [red] apple",       "a [red:green:2] apple",   "a [red:green:0.25] apple",
        "a [red|green] apple", "a red BREAK apple",       "a \\(red\\) apple",
        "a red AND an apple",  "a red AND an apple :0.5", "a [red::1] apple",
    };
    enum { COUNT = sizeof prompts / sizeof *prompts };
    limn_picture *all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        limn_request q = ask(prompts[i], "blurry");
        all[i] = draw(&q);
        for (int k = 0; k < i; k++)
            if (memcmp(all[i]->rgb, all[k]->rgb, SIDE * SIDE * 3) == 0)
                fail_msg("\"%s\" and \"%s\" gave one picture", prompts[i], prompts[k]);
        bool says = strstr(all[i]->recipe, "\"prompt_syntax\":\"a1111\"") != NULL;
        assert_int_equal(says, i > 0);
    }
    for (int i = 0; i < COUNT; i++) limn_picture_free(all[i]);
}

/* A picture whose prompts have no syntax is the same file with either syntax. */
static void test_untouched(void **state) {
    (void)state;
    limn_request q = ask("an astronaut, riding: a horse!", "blurry | bad"), plain = q;
    plain.prompt_syntax = "plain";
    limn_picture *a = draw(&q), *b = draw(&plain);
    assert_string_equal(a->recipe, b->recipe);
    assert_null(strstr(a->recipe, "syntax"));
    assert_memory_equal(a->rgb, b->rgb, SIDE * SIDE * 3);
    limn_picture_free(a);
    limn_picture_free(b);
}

/* Past 75 tokens a plain prompt is cut, the other goes on; a negative prompt likewise. */
static void a_long_prompt_goes_on(void **state) {
    (void)state;
    char text[2000] = "";
    for (int i = 0; i < 80; i++) strcat(text, "apple ");
    limn_request q = ask(text, "blurry"), plain = q, cut = q, negative = ask("apple", text);
    limn_prompt_check check;
    limn_plan wide, narrow;
    plain.prompt_syntax = "plain";
    assert_int_equal(limn_request_inspect(model, &q, false, &check, NULL), LIMN_OK);
    assert_int_equal(check.tokens, 80);
    assert_int_equal(check.chunks, 2);
    assert_int_equal(check.max_tokens, 150);
    assert_string_equal(check.dropped, "");
    assert_int_equal(limn_request_inspect(model, &plain, false, &check, NULL), LIMN_OK);
    assert_int_equal(check.chunks, 1);
    assert_int_equal(strlen(check.dropped), strlen("apple apple apple apple apple "));
    char *first = strdup(text);
    first[75 * strlen("apple ")] = 0;
    cut.prompt = first;
    assert_true(same_pixels(&cut, &plain));
    assert_false(same_pixels(&cut, &q));
    assert_int_equal(limn_request_plan(model, &q, &wide, NULL), LIMN_OK);
    assert_int_equal(limn_request_plan(model, &cut, &narrow, NULL), LIMN_OK);
    assert_true(wide.gflop > narrow.gflop);
    limn_picture *p = draw(&negative);
    assert_non_null(strstr(p->recipe, "\"prompt_syntax\":\"a1111\""));
    limn_picture_free(p);
    free(first);
}

/* A recipe without the key is plain, whatever its prompt looks like; again gives the same. */
static void test_recipe(void **state) {
    (void)state;
    limn_request q = ask("a (red:1.4) [apple|pear] AND x", "[blurry]"), plain = q;
    plain.prompt_syntax = "plain";
    const limn_request *asked[] = {&q, &plain};
    for (int i = 0; i < 2; i++) {
        limn_picture *p = draw(asked[i]);
        limn_recipe *recipe = NULL;
        assert_int_equal(limn_recipe_read(p, &recipe, NULL), LIMN_OK);
        const limn_request *read = limn_recipe_request(recipe);
        assert_string_equal(read->prompt_syntax, i == 0 ? "a1111" : "plain");
        assert_true(same_pixels(read, asked[i]));
        assert_int_equal(limn_recipe_set(recipe, "prompt_syntax", "A1111", NULL), LIMN_OK);
        assert_true(same_pixels(read, &q));
        assert_int_equal(limn_recipe_set(recipe, "prompt_syntax", "x", NULL), LIMN_E_USAGE);
        limn_recipe_free(recipe);
        limn_picture_free(p);
    }
    assert_false(same_pixels(&q, &plain));
}

/* A1111's own text is A1111's syntax; limn's text says which it was. */
static void test_parameters(void **state) {
    (void)state;
    static const struct {
        const char *text, *syntax;
    } cases[] = {
        {"a (b)\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 5, Version: v1.10.1", "a1111"},
        {"a (b)\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 5, Version: limn 0.1.0", "plain"},
        {"a (b)\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 5, Prompt syntax: a1111, "
         "Version: limn 0.1.0",
         "a1111"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const limn_picture p = {.width = 8, .height = 8, .parameters = cases[i].text};
        limn_recipe *recipe = NULL;
        assert_int_equal(limn_recipe_read(&p, &recipe, NULL), LIMN_OK);
        assert_string_equal(limn_recipe_request(recipe)->prompt_syntax, cases[i].syntax);
        limn_recipe_free(recipe);
    }
}

/* Prompts beyond the limits are refused in advance, and quickly. */
static void prompts_beyond_the_limits_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *piece;
        size_t count;
        const char *sentence;
    } cases[] = {
        {"(", 100000, "brackets"},
        {"apple ", 5000, "more than 64 chunks"},
        {"BREAK ", 70, "more than 64 chunks"},
        {"a AND ", 9, "AND joins"},
        {"[a|b|c|d|e|f|g|h|i|j|k|l][a|b|c|d|e|f|g|h|i|j|k][a|b|c|d|e]", 1, "editing gives"},
        {"[a|b|c|d|e|f|g|h|i|j|k|l][a|b|c|d|e|f|g|h|i|j|k] BREAK a BREAK a", 1, "together more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].piece);
        char *text = calloc(n * cases[i].count + 1, 1);
        for (size_t k = 0; k < cases[i].count; k++) memcpy(text + k * n, cases[i].piece, n);
        limn_request q = ask(text, "");
        limn_plan plan;
        limn_error error;
        q.steps = 1000;
        assert_int_equal(limn_request_plan(model, &q, &plan, &error), LIMN_E_USAGE);
        if (!strstr(error.text, cases[i].sentence)) fail_msg("%s", error.text);
        free(text);
    }
    limn_request q = ask("a", "");
    limn_error error;
    limn_plan plan;
    q.prompt_syntax = "comfy";
    assert_int_equal(limn_request_plan(model, &q, &plan, &error), LIMN_E_USAGE);
    assert_string_equal(error.text,
                        "there is no prompt syntax \"comfy\"; there are a1111 and plain");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_that_says_the_same_draws_the_same),
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_untouched),
        cmocka_unit_test(a_long_prompt_goes_on),
        cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(prompts_beyond_the_limits_are_refused),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
