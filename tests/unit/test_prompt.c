/* Prompt files: what lines ask for, what is wrong with them and where, and their seeds. */
#include "base/file.h"
#include "prompt/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What lines do not say, in these tests. */
static const limn_request base = {.prompt = "",
                                  .negative = "blurry",
                                  .seed = 99,
                                  .steps = 20,
                                  .guidance = 4,
                                  .width = 256,
                                  .height = 256,
                                  .sampler = "ddim",
                                  .schedule = "model",
                                  .rng = "torch",
                                  .eta = 0};

static limn_prompt_file read_bytes(const char *text, size_t size) {
    limn_prompt_file f;
    limn_error err = {0};
    if (limn_prompt_file_read("p.txt", text, size, &base, false, &f, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    return f;
}

/* Reads a text that must be one good line. */
static limn_prompt_file read_one(const char *text) {
    limn_prompt_file f = read_bytes(text, strlen(text));
    assert_int_equal(f.count, 1);
    if (f.lines[0].error) fail_msg("%s", f.lines[0].error->text);
    return f;
}

/* Checks that a text is one line with that error. */
static void assert_error(const char *text, const char *sentence) {
    limn_prompt_file f = read_bytes(text, strlen(text));
    assert_int_equal(f.count, 1);
    assert_int_equal(f.failed, 1);
    assert_non_null(f.lines[0].error);
    assert_string_equal(f.lines[0].error->text, sentence);
    assert_int_equal(f.lines[0].error->status, LIMN_E_INPUT);
    limn_prompt_file_free(&f);
}

/* A1111's way to say clip_skip. */
static void test_override_settings(void **state) {
    (void)state;
    limn_prompt_file f = read_one("{\"prompt\": \"a\", \"override_settings\": "
                                  "{\"CLIP_stop_at_last_layers\": 2}}");
    assert_int_equal(f.lines[0].request.clip_skip, 2);
    limn_prompt_file_free(&f);
    f = read_one("{\"prompt\": \"a\", \"override_settings\": {}, \"clip_skip\": 3}");
    assert_int_equal(f.lines[0].request.clip_skip, 3);
    limn_prompt_file_free(&f);
    assert_error("{\"override_settings\": {\"sd_vae\": \"x\"}}",
                 "p.txt:1:23: override_settings: expected an object with CLIP_stop_at_last_layers "
                 "and nothing else, found '{\"sd_vae\": \"x\"}'");
}

/* A1111's second pass, its settings in any order; without it they mean nothing. */
static void test_hires(void **state) {
    (void)state;
    limn_prompt_file f =
        read_one("{\"denoising_strength\": 0.4, \"hr_scale\": 1.5, \"enable_hr\": true,"
                 " \"hr_second_pass_steps\": 9, \"hr_upscaler\": \"Latent\", \"prompt\": \"a\"}");
    assert_int_equal(f.failed, 0);
    const limn_request *r = &f.lines[0].request;
    assert_true(r->upscale == 1.5 && r->upscale_strength == 0.4 && r->upscale_steps == 9);
    assert_true(r->strength == 0);
    limn_prompt_file_free(&f);
    f = read_one("--enable_hr True --denoising_strength 0.4 --prompt a");
    assert_true(f.lines[0].request.upscale == 2);
    limn_prompt_file_free(&f);
    f = read_one("{\"upscale\": 1.5, \"enable_hr\": true, \"denoising_strength\": 0.4}");
    assert_true(f.lines[0].request.upscale == 1.5);
    limn_prompt_file_free(&f);
    f = read_one("{\"enable_hr\": true, \"upscale\": 1.5, \"denoising_strength\": 0.4}");
    assert_true(f.lines[0].request.upscale == 1.5);
    limn_prompt_file_free(&f);
    assert_error("--prompt a --hr_scale 1.5 --hr_scale 3",
                 "p.txt:1:27: hr_scale: this was set before in the same line");
    f = read_one("{\"enable_hr\": false, \"hr_scale\": 2, \"denoising_strength\": 0.7,"
                 " \"hr_upscaler\": \"ESRGAN\", \"prompt\": \"a\"}");
    assert_int_equal(f.failed, 0);
    assert_true(f.lines[0].request.upscale == 0 && f.lines[0].request.upscale_strength == 0);
    limn_prompt_file_free(&f);
}

static void test_plain_lines(void **state) {
    (void)state;
    static const char text[] = "\xEF\xBB\xBF"
                               "a red apple\r\n"
                               "# a comment\n"
                               "\n"
                               "   \t\n"
                               "  # another\n"
                               "\ttwo cats -- in the snow \n"
                               "caf\xC3\xA9, no line feed";
    limn_prompt_file f = read_bytes(text, sizeof text - 1);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.failed, 0);
    assert_string_equal(f.lines[0].request.prompt, "a red apple");
    assert_int_equal(f.lines[0].line, 1);
    assert_string_equal(f.lines[1].request.prompt, "two cats -- in the snow");
    assert_int_equal(f.lines[1].line, 6);
    assert_string_equal(f.lines[2].request.prompt, "caf\xC3\xA9, no line feed");
    assert_int_equal(f.lines[2].line, 7);
    assert_string_equal(f.lines[0].request.negative, "blurry");
    assert_int_equal(f.lines[0].request.steps, 20);
    assert_string_equal(f.lines[0].request.sampler, "ddim");
    assert_int_equal(f.lines[0].pictures, 0);
    limn_prompt_file_free(&f);
    assert_null(f.lines);
}

static void test_empty_files(void **state) {
    (void)state;
    static const char *const texts[] = {"", "\n", "\xEF\xBB\xBF", "# nothing\n\n", " ", "\r\n\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        limn_prompt_file f = read_bytes(texts[i], strlen(texts[i]));
        assert_int_equal(f.count, 0);
        limn_prompt_file_free(&f);
    }
}

static void test_option_line(void **state) {
    (void)state;
    limn_prompt_file f =
        read_one("--prompt \"a \\\"red\\\" apple\" --negative_prompt 'dull \\ dark' --seed 7 "
                 "--steps 12 --cfg_scale 5.5 --sampler_name \"Euler a\" --scheduler Karras "
                 "--width 320 --height=192 --n_iter 3 --batch_size 2 --eta 0.5 --rng philox");
    const limn_request *r = &f.lines[0].request;
    assert_string_equal(r->prompt, "a \"red\" apple");
    assert_string_equal(r->negative, "dull \\ dark");
    assert_true(f.lines[0].has_seed);
    assert_true(r->seed == 7);
    assert_int_equal(r->steps, 12);
    assert_true(r->guidance == 5.5);
    assert_string_equal(r->sampler, "Euler a");
    assert_string_equal(r->schedule, "Karras");
    assert_int_equal(r->width, 320);
    assert_int_equal(r->height, 192);
    assert_int_equal(f.lines[0].pictures, 6);
    assert_true(r->eta == 0.5);
    assert_string_equal(r->rng, "philox");
    limn_prompt_file_free(&f);
}

static void test_option_words(void **state) {
    (void)state;
    /* as in A1111, a prompt goes on to the next option; quotes may part a word */
    limn_prompt_file f = read_one("--prompt a  cat\\'s \"left eye\"' and ear' --size 128x64 "
                                  "--restore_faces false --do_not_save_grid true --negative \"\"");
    assert_string_equal(f.lines[0].request.prompt, "a cat's left eye and ear");
    assert_string_equal(f.lines[0].request.negative, "");
    assert_int_equal(f.lines[0].request.width, 128);
    assert_int_equal(f.lines[0].request.height, 64);
    assert_false(f.lines[0].has_seed);
    limn_prompt_file_free(&f);
    f = read_one("--prompt \"--steps is no option here\"");
    assert_string_equal(f.lines[0].request.prompt, "--steps is no option here");
    limn_prompt_file_free(&f);
}

static void test_json_line(void **state) {
    (void)state;
    limn_prompt_file f = read_one(
        " {\"prompt\": \"a \\\"red\\\" {apple}, \\u00e9\", \"negative_prompt\": \"\", "
        "\"seed\": 18446744073709551615, \"steps\": 12, \"cfg_scale\": 7, "
        "\"sampler_index\": \"Heun\", \"sampler_name\": \"Euler a\", \"scheduler\": null, "
        "\"width\": 320.0, \"height\": 1.92e2, \"eta\": 1, \"rng\": \"philox\", \"styles\": [], "
        "\"alwayson_scripts\": {}, \"s_noise\": 1.0, \"subseed\": -1, \"tiling\": false, "
        "\"save_images\": true, \"batch_size\": 2} ");
    const limn_request *r = &f.lines[0].request;
    assert_string_equal(r->prompt, "a \"red\" {apple}, \xC3\xA9");
    assert_string_equal(r->negative, "");
    assert_true(r->seed == UINT64_MAX);
    assert_int_equal(r->steps, 12);
    assert_true(r->guidance == 7);
    assert_string_equal(r->sampler, "Euler a");
    assert_string_equal(r->schedule, "model");
    assert_int_equal(r->width, 320);
    assert_int_equal(r->height, 192);
    assert_true(r->eta == 1);
    assert_string_equal(r->rng, "philox");
    assert_int_equal(f.lines[0].pictures, 2);
    limn_prompt_file_free(&f);
}

static void test_json_sampler_index(void **state) {
    (void)state;
    limn_prompt_file f = read_one("{\"sampler_name\": \"Euler a\", \"sampler_index\": \"Heun\"}");
    assert_string_equal(f.lines[0].request.sampler, "Euler a");
    limn_prompt_file_free(&f);
    f = read_one("{\"sampler_name\": null, \"sampler_index\": \"Heun\", \"seed\": -1}");
    assert_string_equal(f.lines[0].request.sampler, "Heun");
    assert_false(f.lines[0].has_seed);
    limn_prompt_file_free(&f);
}

/* Who renders says "file:line:column: there is no sampler ..." */
static void test_columns_of_names(void **state) {
    (void)state;
    limn_prompt_file f = read_one("  --prompt \xC3\xA9 --sampler_name 'Euler a' --rng gpu");
    assert_int_equal(f.lines[0].sampler_column, 29);
    assert_int_equal(f.lines[0].schedule_column, 0);
    assert_int_equal(f.lines[0].rng_column, 45);
    limn_prompt_file_free(&f);
    f = read_one("{\"scheduler\": \"Karras\"}");
    assert_int_equal(f.lines[0].schedule_column, 15);
    limn_prompt_file_free(&f);
}

static void test_option_errors(void **state) {
    (void)state;
    assert_error("--prompt x --bogus 3", "p.txt:1:12: there is no setting 'bogus'");
    assert_error("\n  --prompt \xC3\xA9\xC3\xA9 --steps 0",
                 "p.txt:2:23: steps: expected a whole number from 1 to 1000, found '0'");
    assert_error("--steps 2.5",
                 "p.txt:1:9: steps: expected a whole number from 1 to 1000, found '2.5'");
    assert_error("--steps=x",
                 "p.txt:1:9: steps: expected a whole number from 1 to 1000, found 'x'");
    assert_error("--cfg_scale nan",
                 "p.txt:1:13: cfg_scale: expected a number from 0 to 100, found 'nan'");
    assert_error("--cfg_scale 100.5",
                 "p.txt:1:13: cfg_scale: expected a number from 0 to 100, found '100.5'");
    assert_error("--eta 2", "p.txt:1:7: eta: expected a number from 0 to 1, found '2'");
    assert_error("--cache_interval 1",
                 "p.txt:1:18: cache_interval is 1, expected 0 (not used) or a "
                 "whole number from 2 to 100");
    assert_error("--cache_interval 2 --cache_interval 2",
                 "p.txt:1:20: cache_interval: this was set before in the same line");
    assert_error("--seed 18446744073709551616",
                 "p.txt:1:8: seed: expected a whole number of at most 64 bits, or -1, found "
                 "'18446744073709551616'");
    assert_error("--seed -2", "p.txt:1:8: seed: expected a whole number of at most 64 bits, or -1, "
                              "found '-2'");
    assert_error("--width 1e9",
                 "p.txt:1:9: width: expected a whole number from 1 to 65536, found '1e9'");
    assert_error("--size 12", "p.txt:1:8: size: expected WIDTHxHEIGHT, found '12'");
    assert_error("--steps", "p.txt:1:1: --steps: a value should follow");
    assert_error("--steps --seed 3", "p.txt:1:1: --steps: a value should follow");
    assert_error("--steps 3 4", "p.txt:1:11: expected an option like --steps, found '4'");
    assert_error("--steps 3 --steps 4", "p.txt:1:11: steps: this was set before in the same line");
    assert_error("--cfg_scale 3 --guidance 4",
                 "p.txt:1:15: guidance: this was set before in the same line");
    assert_error("--prompt \"a cat", "p.txt:1:10: this quote (\") is not closed");
    assert_error("--prompt cat's", "p.txt:1:13: this quote (') is not closed");
    assert_error("--prompt a\\", "p.txt:1:11: nothing follows this backslash");
    assert_error("--tiling true",
                 "p.txt:1:10: tiling: expected nothing, since limn cannot do this, found 'true'");
    assert_error("--", "p.txt:1:1: --: a value should follow");
}

static void test_json_errors(void **state) {
    (void)state;
    assert_error("{\"prompt\": \"x\", \"bogus\": 3}", "p.txt:1:17: there is no setting 'bogus'");
    assert_error("  {\"a\": {\"b\": [1, \"}\"]}}", "p.txt:1:4: there is no setting 'a'");
    assert_error("{\"steps\": \"many\"}",
                 "p.txt:1:11: steps: expected a whole number from 1 to 1000, found 'many'");
    assert_error("{\"prompt\": 3}", "p.txt:1:12: prompt: expected a text in quotes, found '3'");
    assert_error("{\"styles\": [ \"a\" ]}", "p.txt:1:12: styles: expected nothing, since limn "
                                            "cannot do this, found '[ \"a\" ]'");
    assert_error("{\"enable_hr\": true, \"hr_upscaler\": \"ESRGAN\"}",
                 "p.txt:1:36: hr_upscaler: limn has the upscaler Latent and nothing else here");
}

/* jansson's own sentences may change between versions; their place may not be lost. */
static void test_json_syntax_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *place;
    } bad[] = {
        {"{\"prompt\" \"x\"}", "p.txt:1:1"},
        {"\n  {\"steps\": }", "p.txt:2:1"},
        {"{\"steps\": 1", "p.txt:1:1"},
        {"{\"steps\": 1} x", "p.txt:1:1"},
        {"{\"steps\": 1, \"steps\": 2}", "p.txt:1:"},
        {"{\"prompt\": \"a\\u0000b\"}", "p.txt:1:"},
        {"{", "p.txt:1:"},
        {"{\"cfg_scale\": 1e999}", "p.txt:1:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        limn_prompt_file f = read_bytes(bad[i].text, strlen(bad[i].text));
        assert_int_equal(f.failed, 1);
        assert_memory_equal(f.lines[0].error->text, bad[i].place, strlen(bad[i].place));
        limn_prompt_file_free(&f);
    }
    char deep[3000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"styles\":", 10);
    limn_prompt_file f = read_bytes(deep, sizeof deep);
    assert_int_equal(f.failed, 1);
    limn_prompt_file_free(&f);
}

static void test_bad_lines_stop_no_other(void **state) {
    (void)state;
    static const char text[] = "good\n--bogus 1\nnul\0byte\nbad \xFF\xC3 bytes\n";
    limn_prompt_file f = read_bytes(text, sizeof text - 1);
    assert_int_equal(f.count, 4);
    assert_int_equal(f.failed, 2);
    assert_null(f.lines[0].error);
    assert_string_equal(f.lines[2].error->text, "p.txt:3:4: a NUL byte: this is no line of text");
    assert_null(f.lines[3].error);
    assert_true(f.lines[3].repaired);
    assert_false(f.lines[0].repaired);
    assert_string_equal(f.lines[3].request.prompt, "bad \xEF\xBF\xBD\xEF\xBF\xBD bytes");
    limn_prompt_file_free(&f);
}

static void test_utf16(void **state) {
    (void)state;
    limn_prompt_file f;
    limn_error err = {0};
    assert_int_equal(limn_prompt_file_read("p.txt",
                                           "\xFF\xFE"
                                           "a\0",
                                           4, &base, false, &f, &err),
                     LIMN_E_INPUT);
    assert_string_equal(err.text, "p.txt: expected UTF-8, found UTF-16; save it as UTF-8");
    assert_null(f.lines);
}

static void test_seeds(void **state) {
    (void)state;
    static const char text[] = "a cat\na dog\na cat\n--prompt \"a cow\" --seed 5\n";
    static const char more[] = "a hen\na cat\n\n# hm\n--x y\n a dog \na cat\na cat\n";
    limn_prompt_file f = read_bytes(text, sizeof text - 1);
    limn_prompt_file g = read_bytes(more, sizeof more - 1);
    uint64_t cat = f.lines[0].request.seed, dog = f.lines[1].request.seed;
    assert_true(cat == limn_prompt_seed("a cat", 0));
    assert_true(f.lines[2].request.seed == limn_prompt_seed("a cat", 1));
    assert_true(cat != dog && cat != f.lines[2].request.seed);
    assert_true(f.lines[3].request.seed == 5);
    assert_true(cat <= UINT32_MAX);
    /* other lines came and went: these stay */
    assert_true(g.lines[1].request.seed == cat);
    assert_true(g.lines[3].request.seed == dog);
    assert_true(g.lines[4].request.seed == f.lines[2].request.seed);
    assert_true(g.lines[5].request.seed == limn_prompt_seed("a cat", 2));
    limn_prompt_file_free(&f);
    limn_prompt_file_free(&g);
    /* the value itself is a promise: batches are begun again by later versions */
    assert_true(limn_prompt_seed("a cat", 0) == 0x564abc8a);
}

static void test_base_seed(void **state) {
    (void)state;
    static const char text[] = "a cat\n--prompt x --seed 5\n{\"seed\": -1}";
    limn_prompt_file f;
    limn_error err = {0};
    assert_int_equal(limn_prompt_file_read("p", text, sizeof text - 1, &base, true, &f, &err),
                     LIMN_OK);
    assert_true(f.lines[0].request.seed == 99);
    assert_false(f.lines[0].has_seed);
    assert_true(f.lines[1].request.seed == 5);
    assert_true(f.lines[2].request.seed == 99);
    limn_prompt_file_free(&f);
}

static void test_many_lines(void **state) {
    (void)state;
    enum { LINES = 20000 };
    char *text = malloc(LINES * 16);
    size_t n = 0;
    for (int i = 0; i < LINES; i++) n += (size_t)sprintf(text + n, "thing %d\n", i % 100);
    limn_prompt_file f = read_bytes(text, n);
    assert_int_equal(f.count, LINES);
    assert_string_equal(f.lines[LINES - 1].request.prompt, "thing 99");
    assert_true(f.lines[LINES - 1].request.seed == limn_prompt_seed("thing 99", LINES / 100 - 1));
    limn_prompt_file_free(&f);
    free(text);
}

static void test_examples(void **state) {
    (void)state;
    static const char *const files[] = {"prompts/first.txt", "prompts/islands.txt",
                                        "prompts/counts.jsonl", "prompts/one-thing-many-ways.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        limn_bytes bytes;
        limn_error err = {0};
        if (limn_file_open(files[i], &bytes, &err) != LIMN_OK) fail_msg("%s", err.text);
        limn_prompt_file f = read_bytes((const char *)bytes.data, bytes.size);
        assert_true(f.count >= 5);
        for (size_t k = 0; k < f.count; k++) {
            if (f.lines[k].error) fail_msg("%s: %s", files[i], f.lines[k].error->text);
        }
        limn_prompt_file_free(&f);
        limn_file_close(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hires),
        cmocka_unit_test(test_plain_lines),
        cmocka_unit_test(test_override_settings),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_option_line),
        cmocka_unit_test(test_option_words),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_json_sampler_index),
        cmocka_unit_test(test_columns_of_names),
        cmocka_unit_test(test_option_errors),
        cmocka_unit_test(test_json_errors),
        cmocka_unit_test(test_json_syntax_errors),
        cmocka_unit_test(test_bad_lines_stop_no_other),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_base_seed),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
