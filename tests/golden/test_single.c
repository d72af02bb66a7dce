/* One model in every container: the picture is the folder's, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "limn.h"
#include "support/scratch.h"
#include "support/single.h"

/* A small picture; the caller frees it. */
static limn_picture *draw(const char *path, const limn_open_options *how) {
    limn_error err;
    limn_model *m;
    limn_picture *p;
    limn_request r;
    if (limn_model_open(path, how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_request_defaults(m, &r);
    r.prompt = "a photograph of an astronaut riding a horse";
    r.negative = "blurry";
    r.seed = 3;
    r.steps = 2;
    r.guidance = 5;
    r.width = r.height = 64;
    if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_model_close(m);
    return p;
}

static void expect_same(const limn_picture *want, const char *path, const limn_open_options *how) {
    limn_picture *p = draw(path, how);
    assert_memory_equal(p->rgb, want->rgb, 64 * 64 * 3);
    limn_picture_free(p);
}

static void expect_refused(const char *path, const limn_open_options *how, limn_status kind,
                           const char *sentence) {
    limn_error err = {0};
    limn_model *m = NULL;
    const limn_status status = limn_model_open(path, how, &m, &err);
    if (status != kind || strstr(err.text, sentence) == NULL)
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
    assert_null(m);
}

static const char *const MODELS[] = {"tests/golden/tiny-sd15", "tests/golden/tiny-sd21",
                                     "tests/golden/tiny-sdxl"};

static void every_container_draws_the_same(void **state) {
    static const struct {
        const char *file;
        single_form form;
    } forms[] = {
        {"ldm.safetensors", {.ldm = true}},
        {"diffusers.safetensors", {.as_f32 = true}},
        {"ldm.gguf", {.gguf = true, .ldm = true}},
        {"diffusers.gguf", {.gguf = true, .as_f32 = true}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        limn_picture *want = draw(MODELS[i], NULL);
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
            single_write(MODELS[i], &forms[k].form, scratch_at(forms[k].file));
            expect_same(want, scratch_at(forms[k].file), NULL);
            unlink(scratch_at(forms[k].file));
        }
        limn_picture_free(want);
    }
}

/* The U-Net alone, as ComfyUI-GGUF writes it, with the rest from elsewhere; and each part alone in
 * a file. */
static void parts_come_from_elsewhere(void **state) {
    (void)state;
    const char *model = MODELS[0];
    limn_picture *want = draw(model, NULL);
    const char *unet = scratch_at("unet.gguf");
    const char *vae = scratch_at("vae.safetensors");
    const char *text = scratch_at("text.gguf");
    single_write(model, &(single_form){.gguf = true, .ldm = true, .bare = true}, unet);
    single_write(model, &(single_form){.ldm = true, .only = "vae"}, vae);
    single_write(model, &(single_form){.gguf = true, .only = "text_encoder"}, text);

    limn_open_options how = {.vae = model, .text_encoder = model, .tokenizer = model};
    expect_same(want, unet, &how);
    how.tokenizer = "tests/golden/tiny-sd15/tokenizer";
    how.text_encoder = "tests/golden/tiny-sd15/text_encoder";
    how.vae = vae;
    expect_same(want, unet, &how);
    how = (limn_open_options){.vae = vae, .text_encoder = text, .tokenizer = "tests/golden/clip"};
    expect_same(want, model, &how);

    single_write(model, &(single_form){.gguf = true, .ldm = true, .bare = true, .no_files = true},
                 unet);
    expect_refused(unet, NULL, LIMN_E_MISSING, "there is no text_encoder in this file");
    expect_refused(unet, &(limn_open_options){.text_encoder = model}, LIMN_E_MISSING,
                   "there is no VAE in this file; name one (--vae FILE or DIR)");
    expect_refused(unet, &(limn_open_options){.text_encoder = model, .vae = vae}, LIMN_E_MISSING,
                   "there is no vocabulary in this file");
    expect_refused(vae, NULL, LIMN_E_INPUT, "this is a VAE alone; --vae takes it");
    expect_refused(model, &(limn_open_options){.vae = text}, LIMN_E_INPUT, "there is no vae in it");
    unlink(unet);
    unlink(vae);
    unlink(text);
    limn_picture_free(want);
}

/* The second of SDXL's text encoders, which a model file may lack, and which may be another. */
static void the_second_encoder_comes_from_elsewhere(void **state) {
    (void)state;
    const char *model = MODELS[2], *first = "tests/golden/tiny-sdxl/text_encoder";
    limn_picture *want = draw(model, NULL);
    const char *unet = scratch_at("unet.safetensors"), *whole = scratch_at("whole.safetensors");
    single_write(model, &(single_form){.ldm = true, .only = "unet"}, unet);
    single_write(model, &(single_form){0}, whole);
    limn_open_options how = {.vae = model, .tokenizer = model, .text_encoder = first};
    expect_refused(unet, &how, LIMN_E_MISSING, "text_encoder_2");
    const char *const places[] = {model, "tests/golden/tiny-sdxl/text_encoder_2", whole};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        how.text_encoder_2 = places[i];
        expect_same(want, unet, &how);
    }
    how = (limn_open_options){.text_encoder_2 = whole};
    expect_same(want, model, &how);
    how = (limn_open_options){.text_encoder = first}; /* which leaves the second as it is */
    expect_same(want, model, &how);
    how.text_encoder_2 = "tests/golden/tiny-sdxl/tokenizer";
    expect_refused(model, &how, LIMN_E_INPUT, "there is no text_encoder_2 in it");
    unlink(unet);
    unlink(whole);
    limn_picture_free(want);
}

/* A file's hash is its own, as A1111 counts it, whatever it is called; with parts from elsewhere it
 * is another. */
static void the_hash_says_which_bytes(void **state) {
    (void)state;
    const char *model = MODELS[1];
    limn_model *m;
    char own[65];
    single_write(model, &(single_form){0}, scratch_at("a.safetensors"));
    FILE *f = fopen(scratch_at("a.safetensors"), "rb");
    assert_non_null(f);
    limn_sha256 hash;
    uint8_t bytes[4096];
    size_t n;
    limn_sha256_start(&hash);
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0) limn_sha256_add(&hash, bytes, n);
    limn_sha256_end(&hash, own);
    fclose(f);
    assert_int_equal(limn_model_open(scratch_at("a.safetensors"), NULL, &m, NULL), LIMN_OK);
    assert_string_equal(limn_model_describe(m).sha256, own);
    assert_string_equal(limn_model_describe(m).name, "a");
    limn_model_close(m);
    const limn_open_options how = {.vae = model};
    assert_int_equal(limn_model_open(scratch_at("a.safetensors"), &how, &m, NULL), LIMN_OK);
    assert_string_not_equal(limn_model_describe(m).sha256, own);
    limn_model_close(m);
    unlink(scratch_at("a.safetensors"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_container_draws_the_same),
        cmocka_unit_test(parts_come_from_elsewhere),
        cmocka_unit_test(the_second_encoder_comes_from_elsewhere),
        cmocka_unit_test(the_hash_says_which_bytes),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove_empty);
}
