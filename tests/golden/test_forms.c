/* Model folders in other people's forms: the tiny model with one thing changed, drawn or refused.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/file.h"
#include "limn.h"

#define MODEL "tests/golden/tiny-sd15"

static const char *const files[] = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
};

/* A copy of the model in a folder of its own: links, but for the file that is changed. */
typedef struct copy {
    char folder[64];
} copy;

static char *path_in(const copy *c, const char *file) {
    char *path = limn_path_join(c->folder, file);
    assert_non_null(path);
    return path;
}

static copy make_copy(void) {
    copy c = {"/tmp/limn-forms-XXXXXX"};
    char here[2000], from[2400];
    assert_non_null(mkdtemp(c.folder));
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *to = path_in(&c, files[i]), *slash = strrchr(to, '/');
        *slash = '\0';
        mkdir(to, 0777);
        *slash = '/';
        snprintf(from, sizeof from, "%s/" MODEL "/%s", here, files[i]);
        assert_int_equal(symlink(from, to), 0);
        free(to);
    }
    return c;
}

static void remove_copy(const copy *c) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = path_in(c, files[i]);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
        free(path);
    }
    rmdir(c->folder);
}

/* What a test does to a file's bytes: [*size] from malloc, in and out. */
typedef uint8_t *change(uint8_t *bytes, size_t *size, const char *what, const char *with);

static void change_file(const copy *c, const char *file, change *apply, const char *what,
                        const char *with) {
    limn_bytes b;
    limn_error err;
    char *path = path_in(c, file);
    assert_int_equal(limn_file_open(path, &b, &err), LIMN_OK);
    size_t size = b.size;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, b.data, size);
    limn_file_close(&b);
    bytes = apply(bytes, &size, what, with);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(limn_file_write(path, bytes, size, false, &err), LIMN_OK);
    free(bytes);
    free(path);
}

/* Puts `with` in the place of every `what` from byte `first` to byte `last`. */
static uint8_t *replace(uint8_t *bytes, size_t *size, size_t first, size_t *last, const char *what,
                        const char *with) {
    size_t old = strlen(what), new = strlen(with), count = 0;
    for (size_t i = first; i + old <= *last; i++) {
        if (memcmp(bytes + i, what, old) != 0) continue;
        bytes = realloc(bytes, *size + new);
        assert_non_null(bytes);
        memmove(bytes + i + new, bytes + i + old, *size - i - old);
        memcpy(bytes + i, with, new);
        *size = *size + new - old;
        *last = *last + new - old;
        count++;
    }
    assert_true(count > 0);
    return bytes;
}

static uint8_t *replace_text(uint8_t *bytes, size_t *size, const char *what, const char *with) {
    size_t last = *size;
    return replace(bytes, size, 0, &last, what, with);
}

/* The same in the header of a safetensors file, whose length stands before it. */
static uint8_t *replace_name(uint8_t *bytes, size_t *size, const char *what, const char *with) {
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    size_t last = (size_t)length + sizeof length;
    bytes = replace(bytes, size, sizeof length, &last, what, with);
    length = last - sizeof length;
    memcpy(bytes, &length, sizeof length);
    return bytes;
}

/* The last number of a float16 file becomes a NaN. */
static uint8_t *spoil(uint8_t *bytes, size_t *size, const char *what, const char *with) {
    (void)what;
    (void)with;
    bytes[*size - 1] = 0x7e;
    bytes[*size - 2] = 0;
    return bytes;
}

/* A small picture; the caller frees it. */
static limn_picture *draw(const char *folder, const char *prompt, double guidance) {
    limn_model *m = NULL;
    limn_picture *p = NULL;
    limn_request r;
    limn_error err;
    if (limn_model_open(folder, &(limn_open_options){.threads = 1}, &m, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    limn_request_defaults(m, &r);
    r.prompt = prompt;
    r.guidance = guidance;
    r.width = r.height = 64;
    r.steps = 2;
    r.seed = 5;
    if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_model_close(m);
    return p;
}

static bool same(const limn_picture *a, const limn_picture *b) {
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3) == 0;
}

/* Opening the folder, or drawing with it, must fail with LIMN_E_INPUT and a sentence that has
 * `word`. */
static void expect_refusal(const copy *c, const char *word) {
    limn_model *m = NULL;
    limn_picture *p = NULL;
    limn_request r;
    limn_error err = {LIMN_OK, ""};
    limn_status status = limn_model_open(c->folder, &(limn_open_options){.threads = 1}, &m, &err);
    if (status == LIMN_OK) {
        limn_request_defaults(m, &r);
        r.width = r.height = 64;
        r.steps = 1;
        status = limn_render(m, &r, NULL, &p, &err);
    }
    assert_null(p);
    limn_model_close(m);
    if (status != LIMN_E_INPUT || !strstr(err.text, word))
        fail_msg("status %d, \"%s\": expected a refusal that speaks of \"%s\"", status, err.text,
                 word);
}

/* Published VAEs of Stable Diffusion 1 and 2 name their attention's tensors the old way. */
static void test_old_vae_names(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"decoder.mid_block.attentions.0.to_q.", "decoder.mid_block.attentions.0.query."},
        {"decoder.mid_block.attentions.0.to_k.", "decoder.mid_block.attentions.0.key."},
        {"decoder.mid_block.attentions.0.to_v.", "decoder.mid_block.attentions.0.value."},
        {"decoder.mid_block.attentions.0.to_out.0.", "decoder.mid_block.attentions.0.proj_attn."},
    };
    copy c = make_copy();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        change_file(&c, "vae/diffusion_pytorch_model.safetensors", replace_name, names[i][0],
                    names[i][1]);
    limn_picture *a = draw(MODEL, "a cat", 7.5), *b = draw(c.folder, "a cat", 7.5);
    assert_true(same(a, b));
    limn_picture_free(a);
    limn_picture_free(b);
    remove_copy(&c);
}

/* As in diffusers, a guidance scale up to 1 is the prompt alone. */
static void test_guidance_up_to_one(void **state) {
    (void)state;
    limn_picture *one = draw(MODEL, "a cat", 1), *none = draw(MODEL, "a cat", 0);
    limn_picture *other = draw(MODEL, "a green dog", 0);
    assert_true(same(one, none));
    assert_false(same(none, other));
    limn_picture_free(one);
    limn_picture_free(none);
    limn_picture_free(other);
}

static void test_unknown_forms_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *file, *what, *with, *word;
    } cases[] = {
        {"unet/config.json", "\"time_cond_proj_dim\": null", "\"time_cond_proj_dim\": 256",
         "time_embedding.cond_proj.weight\" is missing"},
        {"unet/config.json", "\"num_class_embeds\": null", "\"num_class_embeds\": 10",
         "num_class_embeds"},
        {"unet/config.json", "UNet2DConditionModel", "UNet3DConditionModel", "_class_name"},
        {"unet/config.json", "\"upcast_attention\": false",
         "\"upcast_attention\": false, \"encoder_hid_dim\": 8", "encoder_hid_dim"},
        {"unet/config.json", "\"silu\"", "\"mish\"", "act_fn"},
        {"unet/config.json", "\"norm_num_groups\": 32", "\"norm_num_groups\": 33",
         "norm_num_groups"},
        {"vae/config.json", "\"AutoencoderKL\"", "\"AutoencoderTiny\"",
         "there is no TAESD decoder"},
        {"vae/config.json", "\"AutoencoderKL\"", "\"AutoencoderDC\"", "_class_name"},
        {"vae/config.json", "\"latents_mean\": null", "\"latents_mean\": [0, 0, 0, 0]",
         "latents_mean"},
        {"text_encoder/config.json", "quick_gelu", "relu", "hidden_act"},
        {"text_encoder/config.json", "\"hidden_size\": 32", "\"hidden_size\": 40", "expected"},
        {"scheduler/scheduler_config.json", "\"scaled_linear\"", "\"curly\"", "curly"},
        {"model_index.json", "StableDiffusionPipeline", "StableVideoPipeline", "_class_name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy c = make_copy();
        change_file(&c, cases[i].file, replace_text, cases[i].what, cases[i].with);
        expect_refusal(&c, cases[i].word);
        remove_copy(&c);
    }
}

static void test_a_folder_for_a_file(void **state) {
    (void)state;
    copy c = make_copy();
    char *path = path_in(&c, "unet/config.json");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal(&c, "is a folder");
    assert_int_equal(rmdir(path), 0);
    free(path);
    remove_copy(&c);
}

static void test_not_a_number(void **state) {
    (void)state;
    copy c = make_copy();
    change_file(&c, "unet/diffusion_pytorch_model.safetensors", spoil, NULL, NULL);
    expect_refusal(&c, "not a number");
    remove_copy(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_vae_names),
        cmocka_unit_test(test_guidance_up_to_one),
        cmocka_unit_test(test_unknown_forms_are_refused),
        cmocka_unit_test(test_a_folder_for_a_file),
        cmocka_unit_test(test_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
