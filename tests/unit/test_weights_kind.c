/* Files that are no models by themselves: each gets a sentence of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"
#include "support/weights.h"
#include "weights/kind.h"

/* A file, by its tensors' names (NULL last), and what it is called; "": nothing that limn knows. */
static const struct {
    const char *names[4];
    const char *kind;
} files[] = {
    {{"lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight"}, "LoRA"},
    {{"unet.a.to_q.lora_A.weight", "unet.a.to_q.lora_B.weight"}, "LoRA"},
    {{"unet.a.processor.to_q_lora.down.weight"}, "LoRA"},
    {{"lycoris_a.hada_w1_a", "lycoris_a.hada_w2_a"}, "LoRA"},
    {{"lora_te_x.diff"}, "LoRA"},
    {{"controlnet_cond_embedding.conv_in.weight", "conv_in.weight"}, "ControlNet"},
    {{"control_model.input_blocks.0.0.weight"}, "ControlNet"},
    {{"image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"}, "IP-Adapter"},
    {{"emb_params"}, "embedding"},
    {{"<cat-toy>"}, "embedding"},
    {{"clip_g", "clip_l"}, "embedding"},
    {{"decoder.layers.1.weight", "encoder.layers.0.weight"}, "TAESD"},
    {{"3.conv.0.weight"}, "TAESD"},
    {{"model.diffusion_model.double_blocks.0.img_attn.qkv.weight"}, "transformer"},
    {{"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"}, "transformer"},
    {{"first_stage_model.decoder.conv_in.weight"}, "VAE"},
    {{"text_encoder.text_model.embeddings.token_embedding.weight"}, "text encoder"},
    {{"something.weight"}, ""},
    {{"model.diffusion_model.input_blocks.0.0.weight", "control_model.input_hint_block.0.weight"},
     ""},
};

static void files_are_told(void **state) {
    (void)state;
    const int shape[] = {4, 4};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint64_t random = 1;
        limn_model *m;
        limn_report *r;
        limn_error err;
        char sentence[80];
        weights_file *f = weights_make(&random);
        for (int k = 0; files[i].names[k]; k++) weights_add(f, files[i].names[k], 2, shape);
        const char *path = weights_save(f), *kind = files[i].kind;
        assert_int_not_equal(limn_model_open(path, NULL, &m, &err), LIMN_OK);
        snprintf(sentence, sizeof sentence, "this is %s", kind[0] ? "" : "no model");
        if (kind[0] && !strstr(err.text, sentence)) fail_msg("%s: %s", kind, err.text);
        assert_int_equal(limn_inspect(path, NULL, false, &r, &err), LIMN_OK);
        if (strcmp(r->kind, kind) != 0) fail_msg("%s: \"%s\"", files[i].names[0], r->kind);
        assert_false(r->complete);
        limn_report_free(r);
        weights_free(f);
    }
}

/* The refiner is known by its text's width, 1280, alone; other widths are models. */
static void the_refiner(void **state) {
    (void)state;
    for (int width = 1280; width <= 2048; width += 768) {
        uint64_t random = 1;
        const int square[] = {8, 8, 3, 3}, label[] = {8, 2560}, text[] = {8, width};
        weights_file *f = weights_make(&random);
        weights_add(f, "down_blocks.0.resnets.0.conv1.weight", 4, square);
        weights_add(f, "add_embedding.linear_1.weight", 2, label);
        weights_add(f, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", 2,
                    text);
        const limn_kind *kind = limn_kind_of_unet(weights_tensors(f));
        assert_true((kind != NULL) == (width == 1280));
        if (kind) assert_string_equal(kind->name, "SDXL refiner");
        weights_free(f);
    }
}

/* Where it is given in place of something else, and components' folders. */
static void where_else_it_is_said(void **state) {
    (void)state;
    static const char *const folders[][2] = {
        {"vae", "this is a VAE alone; --vae takes it"},
        {"unet", "this is a U-Net alone; the folder above it is the model"},
        {"text_encoder", "this is a text encoder alone; --text-encoder"},
        {"../tiny-taesd", "this is a TAESD, a small decoder; --taesd takes it"},
    };
    limn_model *m;
    limn_error err;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/golden/tiny-sd15/%s", folders[i][0]);
        assert_int_equal(limn_model_open(path, NULL, &m, &err), LIMN_E_INPUT);
        if (!strstr(err.text, folders[i][1])) fail_msg("%s", err.text);
    }
    uint64_t random = 1;
    const int shape[] = {2, 4};
    weights_file *f = weights_make(&random);
    weights_add(f, "emb_params", 2, shape);
    const limn_open_options how = {.vae = weights_save(f)};
    assert_int_equal(limn_model_open("tests/golden/tiny-sd15", &how, &m, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "there is no vae in it; it is a textual-inversion embedding"));
    weights_free(f);
}

/* A file that does not tell what it predicts: v is assumed, and said. */
static void assumed_predictions(void **state) {
    (void)state;
    const int square[] = {8, 8, 3, 3}, text[] = {8, 1024}, one[] = {8};
    static const char *const bias = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias";
    for (int told = 0; told < 2; told++) {
        uint64_t random = 1;
        limn_folder *folder;
        weights_file *f = weights_make(&random);
        weights_add(f, "unet.down_blocks.0.resnets.0.conv1.weight", 4, square);
        weights_add(f, "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", 2,
                    text);
        char name[100];
        snprintf(name, sizeof name, "unet.%s", bias);
        if (told) weights_add(f, name, 1, one);
        assert_int_equal(limn_folder_open(weights_save(f), &folder, NULL), LIMN_OK);
        bool said = strstr(limn_folder_note(folder), "v is assumed") != NULL;
        assert_true(said == !told);
        limn_folder_close(folder);
        weights_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_told),
        cmocka_unit_test(the_refiner),
        cmocka_unit_test(where_else_it_is_said),
        cmocka_unit_test(assumed_predictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
