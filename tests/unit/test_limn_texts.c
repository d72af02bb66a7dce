/* The texts of limn_text_settings: SDXL's second prompt, and what a model is taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "prompt/prompt.h"
#include "render/encode.h"

#define SIDE  64
#define BYTES ((size_t)SIDE * SIDE * 3)
#define LONG                                                                                       \
    "one two three four five six seven eight nine ten eleven twelve one two three four five six "  \
    "seven eight nine ten eleven twelve one two three four five six seven eight nine ten eleven "  \
    "one two three four five six seven eight nine ten eleven twelve one two three four five six "  \
    "seven eight nine ten eleven twelve one two three four five six seven eight nine ten eleven"

static limn_model *open_model(const char *path) {
    limn_error error;
    limn_model *m = NULL;
    if (limn_model_open(path, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

static limn_request ask(const limn_model *m, const char *prompt, const char *second) {
    limn_request q;
    limn_request_defaults(m, &q);
    q.prompt = prompt;
    q.prompt_2 = second;
    q.negative = "blurry";
    q.width = q.height = SIDE;
    q.steps = 2;
    return q;
}

static limn_picture *draw(const limn_model *m, const limn_request *q) {
    limn_error error;
    limn_picture *picture = NULL;
    if (limn_render(m, q, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void test_table(void **state) {
    (void)state;
    int count;
    const limn_text_setting *all = limn_text_settings(&count);
    limn_error error;
    for (int i = 0; i < count; i++) {
        limn_request q = {0};
        const char *value = all[i].choices ? all[i].choices[0] : "any (text)";
        assert_ptr_equal(limn_text_setting_find(all[i].name), &all[i]);
        assert_null(limn_text_setting_get(&q, &all[i]));
        assert_int_equal(limn_text_setting_put(&q, &all[i], value, &error), LIMN_OK);
        assert_string_equal(limn_text_setting_get(&q, &all[i]), value);
        assert_int_equal(limn_text_setting_put(&q, &all[i], "", &error), LIMN_OK);
        assert_null(limn_text_setting_get(&q, &all[i]));
    }
    const limn_text_setting *prediction = limn_text_setting_find("prediction");
    limn_request q = {0};
    limn_text_setting_put(&q, prediction, "V", NULL);
    assert_string_equal(q.prediction, "v_prediction");
    limn_text_setting_put(&q, prediction, "v-prediction", NULL);
    assert_string_equal(q.prediction, "v_prediction");
    limn_text_setting_put(&q, prediction, "eps", NULL);
    assert_string_equal(q.prediction, "epsilon");
    assert_int_equal(limn_text_setting_put(&q, prediction, "x", &error), LIMN_E_USAGE);
    assert_string_equal(error.text,
                        "prediction is 'x', expected epsilon, v_prediction, sample, or model");
    assert_string_equal(q.prediction, "epsilon");
    limn_text_setting_put(&q, prediction, "model", NULL);
    assert_null(q.prediction);
    const limn_text_setting *zero = limn_text_setting_find("zero_snr");
    assert_int_equal(limn_text_setting_put(&q, zero, "o", NULL), LIMN_E_USAGE);
}

/* ---- the second prompt ----------------------------------------------------------------------- */

/* What a request says to the U-Net: the first state's conditioning; the caller frees *memory. */
static limn_unet_condition listen(const limn_model *m, const limn_request *q, void **memory) {
    limn_speech speech;
    limn_error error;
    limn_unet_condition condition = {0};
    limn_arena ws = limn_arena_measure();
    for (int pass = 0; pass < 2; pass++) {
        limn_exec e = {.k = m->kernels, .ws = &ws};
        if (limn_speech_make(m, q, &speech, &error) != LIMN_OK) fail_msg("%s", error.text);
        limn_encode_request(&e, m, q, NULL, &speech);
        condition = speech.conditions[0];
        limn_speech_free(&speech);
        size_t bytes = ws.peak;
        if (pass == 0) assert_int_equal(limn_arena_open(&ws, bytes, &error), LIMN_OK);
    }
    limn_arena *kept = malloc(sizeof *kept);
    *kept = ws;
    *memory = kept;
    return condition;
}

/* The first encoder's columns come from the prompt, the second's and the pooled vector from
 * prompt_2, in each row and chunk. */
static void check_columns(const limn_model *m, const char *first, const char *second) {
    limn_request both = ask(m, first, second), one = ask(m, first, NULL),
                 two = ask(m, second, NULL);
    const limn_request *all[3] = {&both, &one, &two};
    void *memory[3];
    limn_unet_condition c[3];
    both.negative_2 = two.negative = "grey";
    for (int i = 0; i < 3; i++) c[i] = listen(m, all[i], &memory[i]);
    int d = m->unet.context_d, d1 = m->text[0].d, pooled = m->unet.pooled_d;
    assert_int_equal(c[0].n, 2);
    assert_int_equal(c[0].tokens, c[1].tokens > c[2].tokens ? c[1].tokens : c[2].tokens);
    for (int row = 0; row < 2; row++) {
        for (int t = 0; t < c[0].tokens; t++) {
            for (int i = 1; i < 3; i++) {
                if (t >= c[i].tokens) continue;
                size_t from = i == 1 ? 0 : (size_t)d1;
                size_t columns = i == 1 ? (size_t)d1 : (size_t)(d - d1);
                assert_memory_equal(c[0].cond + (size_t)(row * c[0].tokens + t) * (size_t)d + from,
                                    c[i].cond + (size_t)(row * c[i].tokens + t) * (size_t)d + from,
                                    columns * sizeof(float));
            }
        }
        assert_memory_equal(c[0].pooled + row * pooled, c[2].pooled + row * pooled,
                            (size_t)pooled * sizeof(float));
    }
    for (int i = 0; i < 3; i++) {
        limn_arena_close(memory[i]);
        free(memory[i]);
    }
}

static void test_second_prompt(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sdxl");
    check_columns(m, "a red apple", "oil painting");
    check_columns(m, "a (red:1.4) apple", "an [oil] painting");
    check_columns(m, "a red apple", LONG);
    check_columns(m, "a red apple BREAK on a table", "a and b");
    limn_model_close(m);
}

/* Recipes have them where they are used, and give the picture again; editing works in both. */
static void test_second_recipe(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sdxl");
    limn_request plain = ask(m, "a red apple", NULL), same = ask(m, "a red apple", "a red apple");
    limn_request q = ask(m, "a red apple", "oil [painting:photo:1]");
    q.negative_2 = "grey";
    limn_request unedited = ask(m, "a red apple", "oil painting");
    unedited.negative_2 = "grey";
    limn_picture *one = draw(m, &plain), *two = draw(m, &same), *three = draw(m, &q);
    limn_picture *four = draw(m, &unedited), *again = NULL;
    assert_string_equal(one->recipe, two->recipe);
    assert_null(strstr(one->recipe, "_2"));
    assert_memory_equal(one->rgb, two->rgb, BYTES);
    assert_non_null(strstr(three->recipe, "\"prompt_2\":\"oil [painting:photo:1]\","
                                          "\"negative_prompt_2\":\"grey\",\"prompt_syntax\""));
    assert_null(strstr(four->recipe, "prompt_syntax"));
    assert_memory_not_equal(three->rgb, one->rgb, BYTES);
    assert_memory_not_equal(three->rgb, four->rgb, BYTES);
    limn_recipe *recipe = NULL;
    assert_int_equal(limn_recipe_read(three, &recipe, NULL), LIMN_OK);
    assert_int_equal(limn_render(m, limn_recipe_request(recipe), NULL, &again, NULL), LIMN_OK);
    assert_memory_equal(three->rgb, again->rgb, BYTES);
    assert_string_equal(three->recipe, again->recipe);
    assert_int_equal(limn_recipe_set(recipe, "prompt_2", "", NULL), LIMN_OK);
    assert_null(limn_recipe_request(recipe)->prompt_2);
    limn_recipe_free(recipe);
    limn_picture *all[] = {one, two, three, four, again};
    for (int i = 0; i < 5; i++) limn_picture_free(all[i]);
    limn_model_close(m);
}

static void test_one_encoder(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sd15");
    limn_request q = ask(m, "a", "b");
    limn_plan plan;
    limn_error error;
    assert_int_equal(limn_request_plan(m, &q, &plan, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "prompt_2 is set, but the model tiny-sd15 has one text"));
    limn_model_close(m);
}

static void test_prompt_file(void **state) {
    (void)state;
    static const char text[] =
        "--prompt a --prompt_2 two words --negative_2 x --prediction_type v\n"
        "{\"prompt\": \"a\", \"prompt_2\": \"b\", \"negative_prompt_2\": null, \"zero_snr\": "
        "\"off\"}\n"
        "--prompt a --prediction w\n"
        "--prompt a --prompt_2 b --prompt_2 c\n";
    const limn_request base = {.negative_2 = "base"};
    limn_prompt_file f;
    limn_error error;
    assert_int_equal(limn_prompt_file_read("p", text, sizeof text - 1, &base, false, &f, &error),
                     LIMN_OK);
    assert_int_equal(f.count, 4);
    assert_string_equal(f.lines[0].request.prompt_2, "two words");
    assert_string_equal(f.lines[0].request.negative_2, "x");
    assert_string_equal(f.lines[0].request.prediction, "v_prediction");
    assert_string_equal(f.lines[1].request.prompt_2, "b");
    assert_string_equal(f.lines[1].request.negative_2, "base");
    assert_string_equal(f.lines[1].request.zero_snr, "off");
    assert_non_null(strstr(f.lines[2].error->text, "p:3:25: prediction is 'w', expected epsilon"));
    assert_non_null(strstr(f.lines[3].error->text, "p:4:25: prompt_2: this was set before"));
    limn_prompt_file_free(&f);
}

/* ---- what a model is taken for --------------------------------------------------------------- */

/* A schedule by its configuration; plain: as limn_schedule_load_plain has it. */
static void load(const char *prediction, bool zero_snr, bool plain, limn_schedule *out) {
    char text[300];
    limn_config *c;
    snprintf(text, sizeof text,
             "{\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"beta_end\": 0.012,"
             " \"prediction_type\": \"%s\", \"rescale_betas_zero_snr\": %s}",
             prediction, zero_snr ? "true" : "false");
    assert_int_equal(limn_config_read((const uint8_t *)text, strlen(text), "t", &c, NULL), LIMN_OK);
    assert_int_equal((plain ? limn_schedule_load_plain : limn_schedule_load)(c, out, NULL),
                     LIMN_OK);
    limn_config_free(c);
}

/* A model of one kind that is asked to be of another: its schedule is the one whose configuration
 * says so; NULL: it is refused, with the word. */
static void check_asked(const char *own, bool own_zero, const char *prediction,
                        const char *zero_snr, const char *then, bool then_zero, const char *word) {
    static limn_schedule s, plain, expected;
    const limn_request q = {.prediction = prediction, .zero_snr = zero_snr, .schedule = "model"};
    limn_error error;
    load(own, own_zero, false, &s);
    load(own, own_zero, true, &plain);
    limn_status status = limn_schedule_ask(&s, &plain, &q, &error);
    assert_int_equal(status, then ? LIMN_OK : LIMN_E_USAGE);
    if (!then) assert_non_null(strstr(error.text, word));
    if (!then) return;
    load(then, then_zero, false, &expected);
    assert_int_equal(s.prediction, expected.prediction);
    assert_int_equal(s.zero_terminal_snr, expected.zero_terminal_snr);
    assert_memory_equal(s.alphas_cumprod, expected.alphas_cumprod, sizeof s.alphas_cumprod);
}

static void test_schedules(void **state) {
    (void)state;
    static const char e[] = "epsilon", v[] = "v_prediction", x[] = "sample";
    check_asked(e, false, v, NULL, v, false, NULL);
    check_asked(v, false, e, "", e, false, NULL);
    check_asked(v, false, x, NULL, x, false, NULL);
    check_asked(e, false, v, "on", v, true, NULL);
    check_asked(v, false, NULL, "on", v, true, NULL);
    check_asked(v, true, NULL, "off", v, false, NULL);
    check_asked(v, true, e, "off", e, false, NULL);
    check_asked(v, true, NULL, "on", v, true, NULL);
    check_asked(v, true, e, NULL, NULL, false, "--zero-snr off");
    check_asked(e, false, NULL, "on", NULL, false, "zero terminal SNR needs");
    check_asked(e, false, "w", NULL, NULL, false, "there is no prediction \"w\"");
}

/* In the recipe only where it is not what the model says itself. */
static void test_prediction(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-sd15");
    limn_request q = ask(m, "a red apple", NULL), own = q, other = q;
    own.prediction = limn_model_describe(m).prediction;
    own.zero_snr = "off";
    other.prediction = "v";
    other.zero_snr = "on";
    limn_picture *a = draw(m, &q), *b = draw(m, &own), *c = draw(m, &other);
    assert_string_equal(a->recipe, b->recipe);
    assert_memory_equal(a->rgb, b->rgb, BYTES);
    assert_non_null(strstr(c->recipe, "\"prediction\":\"v_prediction\",\"zero_snr\":\"on\""));
    assert_memory_not_equal(a->rgb, c->rgb, BYTES);
    limn_picture *all[] = {a, b, c};
    for (int i = 0; i < 3; i++) limn_picture_free(all[i]);
    other.prediction = "wrong";
    limn_plan plan;
    assert_int_equal(limn_request_plan(m, &other, &plan, NULL), LIMN_E_USAGE);
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_second_prompt),
        cmocka_unit_test(test_second_recipe), cmocka_unit_test(test_one_encoder),
        cmocka_unit_test(test_prompt_file),   cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_prediction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
