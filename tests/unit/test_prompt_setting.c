/* The settings of a prompt file that limn has under several names, or has not: what is passed over,
 * what is refused, and with which sentence. */
#include "prompt/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static const limn_request base = {.prompt = "",
                                  .negative = "",
                                  .steps = 20,
                                  .guidance = 4,
                                  .width = 256,
                                  .height = 256,
                                  .sampler = "ddim",
                                  .schedule = "model",
                                  .rng = "torch"};

/* Reads one line, and checks its error; NULL: there is none. The caller frees it. */
static limn_prompt_file read_line(const char *text, const char *sentence) {
    limn_prompt_file f;
    limn_error err = {0};
    if (limn_prompt_file_read("p.txt", text, strlen(text), &base, false, &f, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(f.count, 1);
    const char *got = f.lines[0].error ? f.lines[0].error->text : "no error";
    if (strcmp(got, sentence ? sentence : "no error") != 0)
        fail_msg("%s\n  expected: %s\n  found:    %s", text, sentence ? sentence : "no error", got);
    return f;
}

static void says(const char *text, const char *sentence) {
    limn_prompt_file f = read_line(text, sentence);
    limn_prompt_file_free(&f);
}

/* {"NAME": VALUE} is refused, at the value, with the rest of the sentence; NULL: it is not. */
static void says_of_value(const char *name, const char *value, const char *sentence) {
    char line[200], whole[400];
    snprintf(line, sizeof line, "{\"%s\": %s}", name, value);
    snprintf(whole, sizeof whole, "p.txt:1:%zu: %s: %s", strlen(name) + 6, name,
             sentence ? sentence : "");
    says(line, sentence ? whole : NULL);
}

/* ---- what limn has not ----------------------------------------------------------------------- */

static void no_say_in_the_picture(void **state) {
    static const char *const names[] = {"do_not_save_samples",
                                        "do_not_save_grid",
                                        "send_images",
                                        "save_images",
                                        "override_settings_restore_afterwards",
                                        "disable_extra_networks",
                                        "force_task_id"};
    static const char *const values[] = {"true", "\"x\"", "7", "[1]", "{\"a\": 1}", "null"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            says_of_value(names[i], values[k], NULL);
}

static void what_limn_cannot_do(void **state) {
    static const char *const names[] = {"firstphase_width",
                                        "firstphase_height",
                                        "firstpass_image",
                                        "styles",
                                        "subseed",
                                        "subseed_strength",
                                        "seed_resize_from_h",
                                        "seed_resize_from_w",
                                        "restore_faces",
                                        "tiling",
                                        "s_min_uncond",
                                        "s_churn",
                                        "s_tmax",
                                        "s_tmin",
                                        "s_noise",
                                        "refiner_checkpoint",
                                        "refiner_switch_at",
                                        "comments",
                                        "script_name",
                                        "script_args",
                                        "alwayson_scripts",
                                        "infotext"};
    static const char *const nothing[] = {"null", "false", "0",     "-1",       "0.0",      "[]",
                                          "{}",   "\"\"",  "\"0\"", "\"None\"", "\"False\""};
    static const char *const something[][2] = {{"true", "true"}, {"2", "2"},
                                               {"0.5", "0.5"},   {"\"yes\"", "yes"},
                                               {"[1]", "[1]"},   {"{\"a\": 1}", "{\"a\": 1}"}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof nothing / sizeof *nothing; k++)
            says_of_value(names[i], nothing[k], NULL);
        for (size_t k = 0; k < sizeof something / sizeof *something; k++) {
            char sentence[200];
            snprintf(sentence, sizeof sentence,
                     "expected nothing, since limn cannot do this, found '%s'", something[k][1]);
            says_of_value(names[i], something[k][0], sentence);
        }
        const bool one = strcmp(names[i], "s_noise") == 0; /* the noise as it is */
        says_of_value(names[i], "1",
                      one ? NULL : "expected nothing, since limn cannot do this, found '1'");
    }
}

/* A second pass has limn's upscaler, and the first's prompts, sampler and model. */
static void second_passes_that_limn_cannot_do(void **state) {
    static const char *const names[] = {
        "hr_resize_x",  "hr_resize_y", "hr_checkpoint_name", "hr_sampler_name",
        "hr_scheduler", "hr_prompt",   "hr_upscaler",        "hr_negative_prompt"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char line[200], sentence[200];
        snprintf(line, sizeof line, "{\"enable_hr\": true, \"%s\": \"x\"}", names[i]);
        snprintf(sentence, sizeof sentence,
                 "p.txt:1:%zu: %s: limn has the upscaler Latent and nothing else here",
                 strlen(names[i]) + 25, names[i]);
        says(line, sentence);
        snprintf(line, sizeof line, "{\"%s\": \"x\", \"enable_hr\": true}", names[i]);
        snprintf(sentence, sizeof sentence,
                 "p.txt:1:%zu: %s: limn has the upscaler Latent and nothing else here",
                 strlen(names[i]) + 24, names[i]);
        says(line, sentence);
        snprintf(line, sizeof line, "{\"enable_hr\": true, \"%s\": \"\"}", names[i]);
        says(line, NULL);
        snprintf(line, sizeof line, "{\"%s\": \"x\", \"enable_hr\": false}", names[i]);
        says(line, NULL);
    }
    says("{\"enable_hr\": true, \"hr_scale\": 9}",
         "p.txt:1:33: hr_scale: expected a number from 0 to 8, found '9'");
    says("{\"enable_hr\": true, \"denoising_strength\": 1.5}",
         "p.txt:1:43: denoising_strength: expected a number from 0 to 1, found '1.5'");
    says("{\"enable_hr\": true, \"hr_second_pass_steps\": 2.5}",
         "p.txt:1:45: hr_second_pass_steps: expected a whole number from 1 to 1000, found '2.5'");
}

/* ---- what limn has under several names ------------------------------------------------------- */

static void syntaxes(void **state) {
    static const char *const good[][2] = {
        {"\"plain\"", "plain"}, {"\"a1111\"", "a1111"}, {"\"A1111\"", "a1111"}};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char line[100];
        snprintf(line, sizeof line, "{\"prompt_syntax\": %s}", good[i][0]);
        limn_prompt_file f = read_line(line, NULL);
        assert_string_equal(f.lines[0].request.prompt_syntax, good[i][1]);
        limn_prompt_file_free(&f);
    }
    says_of_value("prompt_syntax", "\"comfy\"", "expected a1111 or plain, found 'comfy'");
    says_of_value("prompt_syntax", "7", "expected a1111 or plain, found '7'");
    says_of_value("prompt_syntax", "true", "expected a1111 or plain, found 'true'");
}

static void other_names(void **state) {
    (void)state;
    limn_prompt_file f =
        read_line("{\"sampler\": \"Heun\", \"schedule\": \"Karras\", \"negative\": "
                  "\"dull\", \"guidance\": 6.5, \"negative_2\": \"grey\", "
                  "\"prediction_type\": \"v\", \"prompt_2\": \"b\"}",
                  NULL);
    const limn_request *r = &f.lines[0].request;
    assert_string_equal(r->sampler, "Heun");
    assert_string_equal(r->schedule, "Karras");
    assert_string_equal(r->negative, "dull");
    assert_string_equal(r->negative_2, "grey");
    assert_string_equal(r->prompt_2, "b");
    assert_string_equal(r->prediction, "v_prediction");
    assert_true(r->guidance == 6.5);
    assert_int_equal(f.lines[0].sampler_column, 13);
    assert_int_equal(f.lines[0].schedule_column, 33);
    limn_prompt_file_free(&f);
    static const char *const twice[][2] = {{"sampler", "sampler_name"},
                                           {"schedule", "scheduler"},
                                           {"negative", "negative_prompt"},
                                           {"negative_2", "negative_prompt_2"}};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        char line[100], sentence[200];
        snprintf(line, sizeof line, "--%s x --%s x", twice[i][0], twice[i][1]);
        snprintf(sentence, sizeof sentence, "p.txt:1:%zu: %s: this was set before in the same line",
                 strlen(twice[i][0]) + 6, twice[i][1]);
        says(line, sentence);
    }
    f = read_line("{\"sampler_index\": \"Heun\", \"sampler\": \"Euler\"}", NULL);
    assert_string_equal(f.lines[0].request.sampler, "Euler"); /* the older name says less */
    limn_prompt_file_free(&f);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The pages are never touched. */
static void the_largest_file(void **state) {
    (void)state;
    const size_t most = (size_t)256 << 20;
    limn_prompt_file f;
    limn_error err = {0};
    char *text =
        mmap(NULL, most + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(text != MAP_FAILED);
    assert_int_equal(limn_prompt_file_read("p.txt", text, most + 1, &base, false, &f, &err),
                     LIMN_E_INPUT);
    assert_string_equal(err.text,
                        "p.txt: has 268435457 bytes, a prompt file has at most 268435456");
    assert_null(f.lines);
    munmap(text, most + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_say_in_the_picture),
        cmocka_unit_test(what_limn_cannot_do),
        cmocka_unit_test(second_passes_that_limn_cannot_do),
        cmocka_unit_test(syntaxes),
        cmocka_unit_test(other_names),
        cmocka_unit_test(the_largest_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
