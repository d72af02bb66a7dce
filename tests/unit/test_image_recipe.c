/* Recipes: limn's JSON and A1111's text, written and read, and single settings changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/image.h"

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static limn_request base_request(void) {
    return (limn_request){.prompt = "a fox, running",
                          .negative = "blurry",
                          .seed = 5,
                          .steps = 20,
                          .guidance = 7,
                          .width = 512,
                          .height = 768,
                          .sampler = "dpmpp_2m",
                          .schedule = "karras",
                          .rng = "torch",
                          .eta = 0};
}

static limn_recipe_facts facts_of(const limn_request *r) {
    return (limn_recipe_facts){.request = r,
                               .model_name = "vignette",
                               .model_sha256 = SHA256,
                               .contract = 3,
                               .version = "0.1.0",
                               .precision = "float32"};
}

static char *json_of(const limn_request *r) {
    limn_recipe_facts f = facts_of(r);
    char *json = NULL;
    limn_error error;
    assert_int_equal(limn_recipe_json(&f, &json, &error), LIMN_OK);
    return json;
}

static char *parameters_of(const limn_request *r) {
    limn_recipe_facts f = facts_of(r);
    char *text = NULL;
    limn_error error;
    assert_int_equal(limn_recipe_parameters(&f, &text, &error), LIMN_OK);
    return text;
}

/* Reads a recipe out of a picture of 64 x 32 pixels that carries these texts. */
static limn_status read_from(const char *json, const char *parameters, limn_recipe **out,
                             limn_error *error) {
    limn_picture p = {.width = 64, .height = 32, .recipe = json, .parameters = parameters};
    *out = NULL;
    return limn_recipe_read(&p, out, error);
}

static limn_recipe *must_read(const char *json, const char *parameters) {
    limn_recipe *r;
    limn_error error = {0};
    if (read_from(json, parameters, &r, &error) != LIMN_OK) fail_msg("%s", error.text);
    return r;
}

static void assert_refused(const char *json, const char *parameters, const char *words) {
    limn_recipe *r;
    limn_error error = {0};
    assert_int_equal(read_from(json, parameters, &r, &error), LIMN_E_INPUT);
    assert_null(r);
    if (!strstr(error.text, words)) fail_msg("'%s' does not say '%s'", error.text, words);
}

static void assert_same_request(const limn_request *a, const limn_request *b) {
    assert_string_equal(a->prompt, b->prompt);
    assert_string_equal(a->negative, b->negative);
    assert_true(a->seed == b->seed);
    assert_int_equal(a->steps, b->steps);
    assert_true(a->guidance == b->guidance);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_string_equal(a->sampler, b->sampler);
    assert_string_equal(a->schedule, b->schedule);
    assert_string_equal(a->rng, b->rng);
    assert_true(a->eta == b->eta);
}

/* ---- limn's JSON ----------------------------------------------------------------------------- */

static void test_json_is_exact(void **state) {
    (void)state;
    limn_request r = base_request();
    char *json = json_of(&r);
    assert_string_equal(json,
                        "{\"prompt\":\"a fox, running\",\"negative_prompt\":\"blurry\",\"seed\":5,"
                        "\"steps\":20,\"guidance_scale\":7,\"width\":512,\"height\":768,"
                        "\"sampler\":\"dpmpp_2m\",\"schedule\":\"karras\",\"rng\":\"torch\","
                        "\"eta\":0,\"precision\":\"float32\",\"model\":{\"name\":\"vignette\","
                        "\"sha256\":\"" SHA256 "\"},\"contract\":3,\"version\":\"0.1.0\"}");
    free(json);
}

static void test_taesd(void **state) {
    (void)state;
    limn_request r = base_request();
    limn_recipe_facts f = facts_of(&r);
    limn_error error;
    char *json = NULL, *text = NULL;
    f.taesd_name = "taesd_decoder.safetensors";
    f.taesd_sha256 = SHA256;
    assert_int_equal(limn_recipe_json(&f, &json, &error), LIMN_OK);
    assert_int_equal(limn_recipe_parameters(&f, &text, &error), LIMN_OK);
    assert_non_null(strstr(text, "VAE Decoder: TAESD, "));
    limn_recipe *back = must_read(json, NULL);
    assert_string_equal(limn_recipe_taesd_name(back), f.taesd_name);
    assert_string_equal(limn_recipe_taesd_sha256(back), SHA256);
    assert_int_equal(limn_recipe_set(back, "taesd", "other", &error), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_set(back, "taesd", "none", &error), LIMN_OK);
    assert_string_equal(limn_recipe_taesd_name(back), "");
    limn_recipe_free(back);
    free(json);
    free(text);
    f.taesd_sha256 = "0123";
    assert_int_equal(limn_recipe_json(&f, &json, &error), LIMN_OK);
    assert_refused(json, NULL, "'taesd' has to have a name and a sha256");
    free(json);
    limn_request plain = base_request();
    json = json_of(&plain);
    back = must_read(json, NULL);
    assert_string_equal(limn_recipe_taesd_name(back), "");
    assert_string_equal(limn_recipe_taesd_sha256(back), "");
    limn_recipe_free(back);
    free(json);
}

static void test_json_comes_back(void **state) {
    (void)state;
    static const char *const prompts[] = {
        "",
        "a fox",
        "\xf0\x9f\xa6\x8a caf\xc3\xa9 \xe7\x8c\xab \"quoted\" back\\slash / 100%",
        "two\nlines\r\n\tand a tab",
        "\x01\x1b[31m\x7f\xc2\x85 control",
        "Negative prompt: not one\nSteps: 1, Sampler: x, CFG scale: 2, Seed: 3",
    };
    static const uint64_t seeds[] = {0, 4294967295u, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                     UINT64_MAX};
    static const double numbers[] = {
        0, 1, 7.5, 0.1, 100, 4.000000000000001, 1e-9, 33.333333333333336};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        limn_request r = base_request();
        r.prompt = prompts[i % 6];
        r.negative = prompts[(i + 2) % 6];
        r.seed = seeds[i % 5];
        r.guidance = numbers[i];
        r.eta = i == 2 ? 0.3 : 0;
        r.rng = i % 2 ? "philox" : "torch";
        char *json = json_of(&r);
        assert_null(strpbrk(json, "\n\x1b\x7f"));
        limn_recipe *back = must_read(json, NULL);
        assert_same_request(limn_recipe_request(back), &r);
        assert_string_equal(limn_recipe_model_sha256(back), SHA256);
        assert_string_equal(limn_recipe_model_name(back), "vignette");
        assert_int_equal(limn_recipe_contract(back), 3);
        limn_recipe_free(back);
        free(json);
    }
}

static void test_numbers_are_shortest(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{7, "7"},
                 {7.5, "7.5"},
                 {100, "100"},
                 {0.1, "0.1"},
                 {0.00001, "0.00001"},
                 {1e-6, "1e-06"},
                 {1.0 / 3, "0.3333333333333333"},
                 {12345.678, "12345.678"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        limn_request r = base_request();
        char want[80];
        r.guidance = cases[i].value;
        char *json = json_of(&r);
        snprintf(want, sizeof want, "\"guidance_scale\":%s,", cases[i].text);
        if (!strstr(json, want)) fail_msg("%s lacks %s", json, want);
        free(json);
    }
    limn_request r = base_request();
    limn_recipe_facts f = facts_of(&r);
    char *text = NULL;
    r.guidance = 0.0 / 0.0;
    assert_int_equal(limn_recipe_json(&f, &text, NULL), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_parameters(&f, &text, NULL), LIMN_E_USAGE);
    assert_null(text);
}

static void test_invalid_utf8_does_not_get_in(void **state) {
    (void)state;
    limn_request r = base_request();
    r.prompt = "a\xff\xc3(\xed\xa0\x80z";
    char *json = json_of(&r), *text = parameters_of(&r);
    limn_recipe *back = must_read(json, NULL); /* jansson takes UTF-8 only */
    assert_int_equal(strncmp(limn_recipe_request(back)->prompt, "a\xef\xbf\xbd", 4), 0);
    assert_int_equal(strncmp(text, "a\xef\xbf\xbd", 4), 0);
    limn_recipe_free(back);
    free(json);
    free(text);
}

/* The JSON of base_request with one key's value replaced; NULL takes the key away. */
static char *edited(const char *key, const char *value) {
    limn_request r = base_request();
    char *json = json_of(&r), *out = malloc(strlen(json) + 200), quoted[40];
    assert_non_null(out);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    size_t at = 0;
    while (json[at] && strncmp(json + at, quoted, strlen(quoted)) != 0) at++;
    assert_true(json[at] != '\0');
    size_t end = at + strlen(quoted);
    end += json[end] == '"' ? strcspn(json + end + 1, "\"") + 2 : strcspn(json + end, ",}");
    snprintf(out, strlen(json) + 200, "%.*s%s%s%s", (int)at, json, value ? quoted : "",
             value ? value : "\"x\":1", json + end);
    free(json);
    return out;
}

static void test_bad_json(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *words;
    } cases[] = {
        {"seed", NULL, "'seed' is missing"},
        {"seed", "-1", "seed"},
        {"seed", "1.5", "seed"},
        {"seed", "\"18446744073709551616\"", "seed"},
        {"seed", "99999999999999999999", ""},
        {"steps", "0", "steps"},
        {"steps", "1001", "steps"},
        {"steps", "\"20\"", "expected a number"},
        {"guidance_scale", "-1", "guidance"},
        {"guidance_scale", "1e999", ""},
        {"guidance_scale", "101", "guidance"},
        {"width", "16385", "width"},
        {"height", "0", "height"},
        {"eta", "2", "eta"},
        {"prompt", "5", "expected a text"},
        {"prompt", "[[[]]]", "prompt"},
        {"rng", NULL, "'rng' is missing"},
        {"prompt", "\"a\",\"prompt\":\"b\"", "prompt"},
        {"prompt", "\"\\u0000\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = edited(cases[i].key, cases[i].value);
        assert_refused(json, "x\nSteps: 1", cases[i].words);
        free(json);
    }
    assert_refused("", NULL, "recipe");
    assert_refused("[]", NULL, "recipe");
    assert_refused("{\"prompt\":", NULL, "recipe");
    assert_refused(NULL, NULL, "carries no recipe");
}

/* What a newer limn may write does not make a picture unreadable. */
static void test_unknown_names_are_kept(void **state) {
    (void)state;
    char *json = edited("sampler", "\"restart\",\"new_key\":[1,{\"a\":2}]");
    limn_recipe *r = must_read(json, NULL);
    limn_error error;
    assert_string_equal(limn_recipe_request(r)->sampler, "restart");
    assert_int_equal(limn_recipe_set(r, "sampler", "Euler a", &error), LIMN_OK);
    assert_string_equal(limn_recipe_request(r)->sampler, "euler_a");
    limn_recipe_free(r);
    free(json);
}

/* ---- A1111's text ---------------------------------------------------------------------------- */

static void test_parameters_are_exact(void **state) {
    (void)state;
    limn_request r = base_request();
    limn_recipe_facts f = facts_of(&r);
    char *text = parameters_of(&r);
    assert_string_equal(
        text, "a fox, running\n"
              "Negative prompt: blurry\n"
              "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, "
              "Size: 512x768, Model hash: 0123456789, Model: vignette, RNG: CPU, "
              "Version: limn 0.1.0");
    limn_recipe *told = must_read(NULL, text);
    assert_string_equal(limn_recipe_model_name(told), "vignette");
    assert_string_equal(limn_recipe_model_sha256(told), "0123456789");
    limn_recipe_free(told);
    free(text);
    r.prompt = "";
    r.negative = "";
    r.guidance = 7.5;
    r.eta = 0.5;
    r.rng = "philox";
    r.sampler = "ddim";
    r.schedule = "model";
    r.seed = UINT64_MAX;
    f.model_name = "a: \"b\", c";
    f.model_sha256 = NULL;
    assert_int_equal(limn_recipe_parameters(&f, &text, NULL), LIMN_OK);
    assert_string_equal(text,
                        "Steps: 20, Sampler: DDIM, Schedule type: Automatic, CFG scale: 7.5, "
                        "Seed: 18446744073709551615, Size: 512x768, "
                        "Model: \"a: \\\"b\\\", c\", RNG: NV, Eta DDIM: 0.5, Version: limn 0.1.0");
    limn_recipe *back = must_read(NULL, text);
    assert_same_request(limn_recipe_request(back), &r);
    assert_string_equal(limn_recipe_model_name(back), "a: \"b\", c");
    assert_string_equal(limn_recipe_model_sha256(back), "");
    assert_int_equal(limn_recipe_contract(back), 0);
    limn_recipe_free(back);
    free(text);
}

static void test_parameters_come_back(void **state) {
    (void)state;
    int samplers, schedules;
    const limn_choice *sampler = limn_samplers(&samplers), *schedule = limn_schedules(&schedules);
    for (int i = 0; i < samplers * schedules; i++) {
        limn_request r = base_request();
        r.prompt = "first line,\nsecond: line\n\nfourth \xf0\x9f\xa6\x8a";
        r.negative = i % 2 ? "" : "ugly,\nSteps: many";
        r.sampler = sampler[i % samplers].name;
        r.schedule = schedule[i / samplers].name;
        char *text = parameters_of(&r);
        limn_recipe *back = must_read(NULL, text);
        assert_same_request(limn_recipe_request(back), &r);
        limn_recipe_free(back);
        free(text);
    }
}

/* As A1111 has written it through the years, and programs that write as it does. */
static void test_foreign_parameters(void **state) {
    (void)state;
    limn_recipe *r =
        must_read(NULL, "  girl with a beret, ((eyeshadow)), <lora:x:0.8>\r\n"
                        "second line\n"
                        "Negative prompt: ugly, (bad:1.2)\n"
                        "more: ugly\n"
                        "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7.0, Seed: 965400086, "
                        "Size: 640x512, Model hash: 45dee52b, Clip skip: 2, ENSD: 31337, "
                        "Lora hashes: \"x: 0123, y: 45\", Hires upscaler: Latent\n");
    const limn_request *q = limn_recipe_request(r);
    assert_string_equal(q->prompt, "girl with a beret, ((eyeshadow)), <lora:x:0.8>\nsecond line");
    assert_string_equal(q->negative, "ugly, (bad:1.2)\nmore: ugly");
    assert_string_equal(q->sampler, "dpmpp_2m");
    assert_string_equal(q->schedule, "karras");
    assert_string_equal(q->rng, "philox"); /* A1111's default is not written */
    assert_true(q->guidance == 7 && q->seed == 965400086);
    assert_int_equal(q->width, 640);
    assert_string_equal(limn_recipe_model_name(r), "");
    assert_string_equal(limn_recipe_model_sha256(r), ""); /* 8 digits are another hash */
    limn_recipe_free(r);

    r = must_read(
        NULL, "cat\nSteps: 8, Sampler: DPM++ SDE, Schedule type: Beta, CFG scale: 1.5, Seed: 7, "
              "Model: \"a, b\", Version: v1.10.1");
    q = limn_recipe_request(r);
    assert_string_equal(q->sampler, "DPM++ SDE"); /* kept for who shows it */
    assert_string_equal(q->schedule, "Beta");
    assert_int_equal(q->width, 64); /* the picture's own */
    assert_int_equal(q->height, 32);
    assert_string_equal(limn_recipe_model_name(r), "a, b");
    limn_recipe_free(r);

    static const struct {
        const char *line, *sampler, *schedule, *rng;
    } cases[] = {
        {"Sampler: DPM++ 2M, Schedule type: Automatic", "dpmpp_2m", "karras", "philox"},
        {"Sampler: DPM++ 2M SDE, Schedule type: Automatic", "dpmpp_2m_sde", "exponential",
         "philox"},
        {"Sampler: Euler a, Schedule type: Automatic", "euler_a", "model", "philox"},
        {"Sampler: DPM++ 2M", "dpmpp_2m", "model", "philox"},
        {"sampler: Euler, RNG: CPU", "euler", "model", "torch"},
        {"Sampler: UniPC, RNG: NV", "unipc", "model", "philox"},
        {"Sampler: dpmpp_2m_karras, Version: ComfyUI", "dpmpp_2m", "karras", "torch"},
        {"Sampler: DDIM, Version: limn 0.1.0, Schedule type: Automatic, RNG: CPU", "ddim", "model",
         "torch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "Steps: 9, CFG scale: 2, Seed: 1, Size: 64x64, %s",
                 cases[i].line);
        r = must_read(NULL, text);
        q = limn_recipe_request(r);
        assert_string_equal(q->prompt, "");
        assert_string_equal(q->sampler, cases[i].sampler);
        assert_string_equal(q->schedule, cases[i].schedule);
        assert_string_equal(q->rng, cases[i].rng);
        limn_recipe_free(r);
    }
}

static void test_bad_parameters(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "settings"},
        {"a prompt alone", "settings"},
        {"a prompt\nSteps: 1, Seed: 2", "settings"},
        {"a\nSteps: 20, Sampler: Euler, CFG scale: 7", "Seed"},
        {"a\nSteps: 20, Seed: 1, CFG scale: 7", "Sampler"},
        {"a\nSteps: many, Sampler: Euler, CFG scale: 7, Seed: 1", "steps 'many'"},
        {"a\nSteps: 20, Sampler: Euler, CFG scale: 7 or so, Seed: 1", "7 or so"},
        {"a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: -1", "seed"},
        {"a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 0x9", "size"},
        {"a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: big", "size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(NULL, cases[i].text, cases[i].words);
}

/* Texts made to be slow: a megabyte of each takes no time to speak of. */
static void test_long_parameters(void **state) {
    (void)state;
    static const char *const pieces[] = {"a", "aa:",         "aa:\"", "aa:\"\\", ":",
                                         " ", "aa: \"x\", ", "\n",    "-"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t n = strlen(pieces[i]), count = (1u << 20) / n;
        char *text = malloc(n * count + 1);
        assert_non_null(text);
        for (size_t k = 0; k < count; k++) memcpy(text + k * n, pieces[i], n);
        text[n * count] = '\0';
        assert_refused(NULL, text, "A1111");
        free(text);
    }
}

/* ---- settings -------------------------------------------------------------------------------- */

static void test_set(void **state) {
    (void)state;
    limn_request r = base_request();
    char *json = json_of(&r);
    limn_recipe *recipe = must_read(json, NULL);
    const limn_request *q = limn_recipe_request(recipe);
    static const char *const good[][2] = {
        {"prompt", "a dog"},
        {"negative", "cats"},
        {"negative_prompt", "birds"},
        {"seed", "18446744073709551615"},
        {"steps", "1000"},
        {"guidance_scale", "0"},
        {"guidance", ".5"},
        {"cfg_scale", "1e1"},
        {"width", "64"},
        {"height", "16384"},
        {"size", "256x320"},
        {"sampler", "DPM++ 2M SDE Karras"},
        {"schedule", "SGM uniform"},
        {"rng", "GPU"},
        {"eta", "1"},
    };
    static const char *const bad[][2] = {
        {"seed", "18446744073709551616"},
        {"seed", "-1"},
        {"seed", "0x10"},
        {"seed", ""},
        {"seed", " 1"},
        {"steps", "0"},
        {"steps", "1001"},
        {"steps", "2.5"},
        {"guidance", "nan"},
        {"guidance", "inf"},
        {"guidance", "-0.1"},
        {"guidance", "7.5x"},
        {"guidance", "0x1p3"},
        {"guidance", "100.1"},
        {"guidance", ""},
        {"guidance", "1e"},
        {"width", "0"},
        {"height", "16385"},
        {"size", "256"},
        {"size", "256x"},
        {"size", "x256"},
        {"size", "256x256x3"},
        {"sampler", "best"},
        {"sampler", ""},
        {"schedule", "fast"},
        {"rng", "dice"},
        {"eta", "1.1"},
        {"colour", "red"},
        {"", "1"},
        {"Seed", "1"},
        {"model", "other"},
    };
    limn_error error;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (limn_recipe_set(recipe, good[i][0], good[i][1], &error) != LIMN_OK)
            fail_msg("%s", error.text);
    }
    limn_request want = {.prompt = "a dog",
                         .negative = "birds",
                         .seed = UINT64_MAX,
                         .steps = 1000,
                         .guidance = 10,
                         .width = 256,
                         .height = 320,
                         .sampler = "dpmpp_2m_sde",
                         .schedule = "sgm_uniform",
                         .rng = "philox",
                         .eta = 1};
    assert_same_request(q, &want);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error = (limn_error){0};
        assert_int_equal(limn_recipe_set(recipe, bad[i][0], bad[i][1], &error), LIMN_E_USAGE);
        if (!strstr(error.text, bad[i][1]) && !strstr(error.text, bad[i][0]))
            fail_msg("'%s' does not say '%s'", error.text, bad[i][1]);
        assert_same_request(q, &want); /* and nothing has changed */
    }
    assert_int_equal(limn_recipe_set(recipe, "sampler", "best", &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "euler_a")); /* says which there are */
    assert_int_equal(limn_recipe_set(recipe, "sampler", "DPM++ 2M Karras", &error), LIMN_OK);
    assert_string_equal(q->schedule, "karras");
    limn_recipe_free(recipe);
    limn_recipe_free(NULL);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_exact),
        cmocka_unit_test(test_taesd),
        cmocka_unit_test(test_json_comes_back),
        cmocka_unit_test(test_numbers_are_shortest),
        cmocka_unit_test(test_invalid_utf8_does_not_get_in),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_unknown_names_are_kept),
        cmocka_unit_test(test_parameters_are_exact),
        cmocka_unit_test(test_parameters_come_back),
        cmocka_unit_test(test_foreign_parameters),
        cmocka_unit_test(test_bad_parameters),
        cmocka_unit_test(test_long_parameters),
        cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
