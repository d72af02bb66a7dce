/* A1111's text, setting by setting: what of it becomes the request's, and what is passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/image.h"

/* Reads a text whose line of settings ends so. The caller frees it. */
static limn_recipe *read_with(const char *settings) {
    char text[700];
    limn_recipe *r = NULL;
    limn_error error;
    snprintf(text, sizeof text, "a cat\nSteps: 9, Sampler: Euler, CFG scale: 2, Seed: 1, %s",
             settings);
    const limn_picture p = {.width = 64, .height = 32, .parameters = text};
    if (limn_recipe_read(&p, &r, &error) != LIMN_OK) fail_msg("%s: %s", settings, error.text);
    return r;
}

/* The numbers of limn_settings that are not 0: "clip_skip=2 strength=0.6". */
static void numbers_of(const limn_request *q, char out[300]) {
    int count;
    size_t used = 0;
    const limn_setting *all = limn_settings(&count);
    out[0] = '\0';
    for (int i = 0; i < count; i++)
        if (limn_setting_get(q, &all[i]) != 0)
            used += (size_t)snprintf(out + used, 300 - used, "%s%s=%g", used ? " " : "",
                                     all[i].name, limn_setting_get(q, &all[i]));
}

static void numbers_are_read(void **state) {
    static const struct {
        const char *settings, *numbers;
    } cases[] = {
        {"Clip skip: 2", "clip_skip=2"},
        {"clip skip: 12, Version: v1.10.1", "clip_skip=12"},
        {"CFG Rescale: 0.7", "guidance_rescale=0.7"},
        {"Image CFG scale: 1.25", "image_guidance=1.25"},
        {"Denoising strength: 0.6", "strength=0.6"},
        {"Denoising strength: 0.6, Hires upscale: 1.5", "upscale=1.5 upscale_strength=0.6"},
        {"Denoising strength: 0.6, Hires upscale: 2, Hires steps: 7, Hires upscaler: Latent",
         "upscale=2 upscale_strength=0.6 upscale_steps=7"},
        {"Denoising strength: 0.3, Clip skip: 3, CFG Rescale: 1, Image CFG scale: 4",
         "guidance_rescale=1 clip_skip=3 strength=0.3 image_guidance=4"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[300];
        limn_recipe *r = read_with(cases[i].settings);
        numbers_of(limn_recipe_request(r), got);
        assert_string_equal(got, cases[i].numbers);
        limn_recipe_free(r);
    }
}

static void other_settings_are_read(void **state) {
    (void)state;
    limn_recipe *r = read_with("Eta DDIM: 0.5, Prompt syntax: plain, Size: 320x192, RNG: CPU");
    const limn_request *q = limn_recipe_request(r);
    assert_true(q->eta == 0.5);
    assert_string_equal(q->prompt_syntax, "plain");
    assert_string_equal(q->rng, "torch");
    assert_int_equal(q->width, 320);
    assert_int_equal(q->height, 192);
    limn_recipe_free(r);
    r = read_with("Version: v1.10.1"); /* whoever else wrote it reads prompts as A1111 does */
    assert_string_equal(limn_recipe_request(r)->prompt_syntax, "a1111");
    limn_recipe_free(r);
}

/* Each beside the rest, which is as it is without it. */
static void the_rest_is_passed_over(void **state) {
    static const char *const settings[] = {"Model hash: 45dee52b",
                                           "VAE: \"a, b: c\"",
                                           "VAE hash: 0123456789",
                                           "ENSD: 31337",
                                           "Variation seed: 5",
                                           "Variation seed strength: 0.5",
                                           "Seed resize from: 512x512",
                                           "Face restoration: CodeFormer",
                                           "Tiling: True",
                                           "Lora hashes: \"x: 0123, y: 45\"",
                                           "TI hashes: \"x: 0123\"",
                                           "ControlNet 0: \"Module: canny, Weight: 0.5\"",
                                           "Hires upscaler: Latent",
                                           "Mask blur: 4",
                                           "Refiner: x [01234567], Refiner switch at: 0.8",
                                           "Sigma noise: 1.01",
                                           "Token merging ratio: 0.5",
                                           "Pad conds: True"};
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char numbers[300];
        limn_recipe *r = read_with(settings[i]);
        const limn_request *q = limn_recipe_request(r);
        numbers_of(q, numbers);
        assert_string_equal(numbers, "");
        assert_string_equal(q->prompt, "a cat");
        assert_string_equal(q->negative, "");
        assert_string_equal(q->sampler, "euler");
        assert_string_equal(q->schedule, "model");
        assert_string_equal(q->rng, "philox");
        assert_true(q->seed == 1 && q->guidance == 2 && q->eta == 0);
        assert_int_equal(q->steps, 9);
        assert_int_equal(q->width, 64);
        assert_int_equal(q->height, 32);
        assert_int_equal(limn_recipe_lora_count(r), 0);
        assert_string_equal(limn_recipe_control_name(r), "");
        assert_string_equal(limn_recipe_model_name(r), "");
        limn_recipe_free(r);
    }
}

/* What is read is held to its range. */
static void out_of_range(void **state) {
    static const char *const settings[] = {"Clip skip: 49",         "Clip skip: 1.5",
                                           "CFG Rescale: 1.5",      "Image CFG scale: 0.5",
                                           "Denoising strength: 2", "Denoising strength: much"};
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char text[200];
        limn_recipe *r = NULL;
        limn_error error;
        snprintf(text, sizeof text, "Steps: 9, Sampler: Euler, CFG scale: 2, Seed: 1, %s",
                 settings[i]);
        const limn_picture p = {.width = 64, .height = 32, .parameters = text};
        if (limn_recipe_read(&p, &r, &error) != LIMN_E_INPUT) fail_msg("%s", settings[i]);
        assert_null(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(other_settings_are_read),
        cmocka_unit_test(the_rest_is_passed_over),
        cmocka_unit_test(out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
