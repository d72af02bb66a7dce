/* LoRA through the public interface: names, recipes, faults, and what may not change a pixel. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"
#include "support/weights.h"
#include "weights/lora.h"
#include "weights/lora_told.h"

#define MODEL "tests/golden/tiny-sd15"

/* Rank, and the width of the layers below. */
enum { RANK = 2, D = 32 };

/* One layer of the U-Net and one of the text encoder, and their spellings. */
static const struct {
    const char *style, *down, *up;
} spellings[] = {
    {"kohya",
     "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
     "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight"},
    {"kohya, original names",
     "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
     "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight"},
    {"PEFT", "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
     "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight"},
    {"PEFT's own",
     "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
     "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight"},
    {"diffusers, older",
     "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
     "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight"},
};

static limn_status try_open(const limn_lora *loras, int count, const char *precision,
                            limn_model **out, limn_error *error) {
    const limn_open_options how = {
        .threads = 2, .precision = precision, .loras = loras, .lora_count = count};
    return limn_model_open(MODEL, &how, out, error);
}

static limn_model *open_with(const limn_lora *loras, int count) {
    limn_model *m = NULL;
    limn_error error;
    if (try_open(loras, count, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

static limn_picture *draw(const limn_model *m) {
    limn_request r;
    limn_picture *p = NULL;
    limn_error error;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.width = r.height = 64;
    r.steps = 2;
    r.sampler = "euler";
    if (limn_render(m, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static bool same_pixels(const limn_picture *a, const limn_picture *b) {
    return memcmp(a->rgb, b->rgb, 64 * 64 * 3) == 0;
}

static weights_file *make(uint64_t *random, const char *down, const char *up) {
    weights_file *f = weights_make(random);
    weights_add(f, down, 2, (const int[2]){RANK, D});
    weights_add(f, up, 2, (const int[2]){D, RANK});
    return f;
}

static void test_spellings(void **state) {
    (void)state;
    limn_picture *first = NULL, *none;
    limn_model *m = open_with(NULL, 0);
    none = draw(m);
    limn_model_close(m);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        uint64_t random = 5; /* the same numbers under each name */
        weights_file *f = make(&random, spellings[i].down, spellings[i].up);
        m = open_with(&(limn_lora){.path = weights_save(f), .scale = 1.5}, 1);
        limn_lora_info info = limn_model_lora(m, 0);
        assert_int_equal(info.matrices, 1);
        assert_int_equal(info.unknown, 0);
        limn_picture *p = draw(m);
        if (!first) {
            first = p;
            assert_false(same_pixels(first, none));
        } else {
            if (!same_pixels(first, p)) fail_msg("%s", spellings[i].style);
            limn_picture_free(p);
        }
        limn_model_close(m);
        weights_free(f);
    }
    limn_picture_free(first);
    limn_picture_free(none);
}

/* Every spelling leads to the layer of the original program that diffusers made of it.
 * Source: diffusers' scripts/convert_original_stable_diffusion_to_diffusers.py. */
static void test_names(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"lora_unet_conv_in", "conv_in"},
        {"lora_unet_input_blocks_0_0", "conv_in"},
        {"lora_unet_time_embed_2", "time_embedding.linear_2"},
        {"lora_unet_input_blocks_2_0_in_layers_2", "down_blocks.0.resnets.1.conv1"},
        {"lora_unet_input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"},
        {"lora_unet_input_blocks_4_1_proj_in", "down_blocks.1.attentions.0.proj_in"},
        {"lora_unet_input_blocks_11_0_out_layers_3", "down_blocks.3.resnets.1.conv2"},
        {"lora_unet_middle_block_1_proj_out", "mid_block.attentions.0.proj_out"},
        {"lora_unet_middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"},
        {"lora_unet_output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"},
        {"lora_unet_output_blocks_3_0_skip_connection", "up_blocks.1.resnets.0.conv_shortcut"},
        {"lora_unet_output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"},
        {"lora_unet_output_blocks_9_1_transformer_blocks_0_ff_net_0_proj",
         "up_blocks.3.attentions.0.transformer_blocks.0.ff.net.0.proj"},
        {"lora_unet_out_2", "conv_out"},
        {"unet.up_blocks.3.attentions.0.transformer_blocks.0.attn2.to_out",
         "up_blocks.3.attentions.0.transformer_blocks.0.attn2.to_out.0"},
        {"lora_te_text_model_encoder_layers_0_self_attn_q_proj",
         "text_model.encoder.layers.0.self_attn.q_proj"},
        {"lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_model.encoder.layers.0.mlp.fc1"},
        {"text_encoder.text_model.encoder.layers.1.self_attn.to_out",
         "text_model.encoder.layers.1.self_attn.out_proj"},
    };
    static const char *const nothing[] = {"lora_unet_down_blocks_0",
                                          "lora_unet_",
                                          "",
                                          "lora_unet_input_blocks_12_0_op",
                                          "lora_te2_text_model_encoder_layers_0_mlp_fc1",
                                          "lora_unet_conv_in_",
                                          "lora_unet_conv_i"};
    limn_folder *folder;
    limn_error error;
    limn_lora_component parts[2] = {{.name = "unet"}, {.name = "text_encoder"}};
    limn_lora_names *names;
    assert_int_equal(limn_folder_open(MODEL, &folder, &error), LIMN_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(limn_folder_tensors(folder, parts[i].name, &parts[i].tensors, &error),
                         LIMN_OK);
    assert_int_equal(limn_lora_names_make(parts, 2, &names, &error), LIMN_OK);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const limn_tensor *t = limn_lora_names_find(names, pairs[i][0], strlen(pairs[i][0]));
        char want[200];
        snprintf(want, sizeof want, "%s.weight", pairs[i][1]);
        if (!t || strcmp(t->name, want) != 0)
            fail_msg("%s is %s, expected %s", pairs[i][0], t ? t->name : "nothing", want);
    }
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        assert_null(limn_lora_names_find(names, nothing[i], strlen(nothing[i])));
    limn_lora_names_free(names);
    limn_folder_close(folder);
}

static void test_nothing_changes(void **state) {
    (void)state;
    uint64_t random = 6;
    weights_file *f = make(&random, spellings[0].down, spellings[0].up);
    limn_model *without = open_with(NULL, 0),
               *zero = open_with(&(limn_lora){.path = weights_save(f), .scale = 0}, 1);
    limn_picture *a = draw(without), *b = draw(zero);
    assert_true(same_pixels(a, b));
    assert_null(strstr(a->recipe, "loras"));
    assert_null(strstr(a->parameters, "Lora"));
    assert_string_equal(limn_model_describe(without).sha256, limn_model_describe(zero).sha256);
    limn_picture_free(a);
    limn_picture_free(b);
    limn_model_close(without);
    limn_model_close(zero);
    weights_free(f);
}

static void test_recipe(void **state) {
    (void)state;
    uint64_t random = 7;
    weights_file *f = make(&random, spellings[0].down, spellings[0].up);
    weights_file *te =
        make(&random, "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
             "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight");
    const limn_lora asked[] = {{.path = weights_save(f), .scale = 0.5},
                               {.path = weights_save(te), .scale = -1}};
    limn_model *m = open_with(asked, 2);
    limn_picture *p = draw(m);
    limn_recipe *recipe;
    limn_error error;
    char hex[65];
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_OK);
    assert_int_equal(limn_recipe_lora_count(recipe), 2);
    for (int i = 0; i < 2; i++) {
        limn_lora_info said = limn_recipe_lora(recipe, i), is = limn_model_lora(m, i);
        assert_int_equal(limn_sha256_file(asked[i].path, hex, &error), LIMN_OK);
        assert_string_equal(said.sha256, hex);
        assert_string_equal(is.sha256, hex);
        assert_string_equal(said.name, strrchr(asked[i].path, '/') + 1);
        assert_true(said.scale == asked[i].scale);
        assert_int_equal(strlen(is.short_hash), 12);
        assert_non_null(strstr(p->parameters, is.short_hash));
    }
    assert_non_null(strstr(p->parameters, ", Lora hashes: \"limn-test-"));
    assert_int_equal(limn_recipe_set(recipe, "loras", "x", &error), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_set(recipe, "loras", "none", &error), LIMN_OK);
    assert_int_equal(limn_recipe_lora_count(recipe), 0);
    limn_recipe_free(recipe);
    limn_picture_free(p);
    limn_model_close(m);
    weights_free(f);
    weights_free(te);
}

static void test_unknown(void **state) {
    (void)state;
    uint64_t random = 8;
    weights_file *f = make(&random, spellings[0].down, spellings[0].up);
    weights_add(f, "lora_unet_no_such_layer.lora_down.weight", 1, &(int){4});
    weights_add(f, "lora_te_no_such_layer.alpha", 0, NULL);
    limn_model *m = open_with(&(limn_lora){.path = weights_save(f), .scale = 1}, 1);
    limn_lora_info info = limn_model_lora(m, 0);
    assert_int_equal(info.matrices, 1);
    assert_int_equal(info.unknown, 2);
    assert_non_null(strstr(info.unknowns, "lora_unet_no_such_layer.lora_down.weight"));
    limn_model_close(m);
    weights_free(f);
}

static void test_int8(void **state) {
    (void)state;
    uint64_t random = 9;
    weights_file *f = make(&random, spellings[0].down, spellings[0].up);
    const limn_lora asked = {.path = weights_save(f), .scale = 1};
    limn_error error;
    limn_model *m[2];
    for (int i = 0; i < 2; i++)
        if (try_open(&asked, i, "int8", &m[i], &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_picture *a = draw(m[0]), *b = draw(m[1]);
    assert_false(same_pixels(a, b));
    for (int i = 0; i < 2; i++) limn_model_close(m[i]);
    limn_picture_free(a);
    limn_picture_free(b);
    weights_free(f);
}

/* The factor that a LoRA of conv_in, of rank 4, gets from its file's metadata alone. */
static double factor_by(const char *metadata, double scale) {
    char header[700], path[] = "/tmp/limn-lora-XXXXXX";
    static const char zeros[4 * (4 * 36 + 4 * 32)];
    int length = snprintf(header, sizeof header,
                          "{\"__metadata__\":{\"lora_adapter_metadata\":\"%s\"},"
                          "\"unet.conv_in.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[4,4,3,3],"
                          "\"data_offsets\":[0,576]},\"unet.conv_in.lora_B.weight\":{\"dtype\":"
                          "\"F32\",\"shape\":[32,4,1,1],\"data_offsets\":[576,1088]}}",
                          metadata);
    const uint64_t size = (uint64_t)length;
    FILE *f = fdopen(mkstemp(path), "wb");
    assert_non_null(f);
    fwrite(&size, sizeof size, 1, f);
    fwrite(header, 1, size, f);
    fwrite(zeros, 1, sizeof zeros, f);
    fclose(f);
    limn_folder *folder;
    limn_loras *l;
    limn_lora_component unet = {.name = "unet"};
    const limn_lora asked = {.path = path, .scale = scale};
    limn_error error;
    int count;
    assert_int_equal(limn_folder_open(MODEL, &folder, &error), LIMN_OK);
    assert_int_equal(limn_folder_tensors(folder, "unet", &unet.tensors, &error), LIMN_OK);
    limn_status status = limn_loras_open(&asked, 1, &l, &error);
    if (status == LIMN_OK) status = limn_loras_bind(l, &unet, 1, &error);
    double factor = NAN;
    if (status == LIMN_OK)
        factor = (double)limn_loras_of(l, limn_tensors_find(unet.tensors, "conv_in.weight"), &count)
                     ->factor;
    limn_loras_close(l);
    limn_folder_close(folder);
    remove(path);
    return factor;
}

static void test_metadata(void **state) {
    (void)state;
    assert_true(factor_by("{}", 0.5) == 0.5);
    assert_true(factor_by("{\\\"unet.lora_alpha\\\": 2, \\\"unet.r\\\": 4}", 0.5) == 0.25);
    assert_true(factor_by("{\\\"text_encoder.lora_alpha\\\": 2}", 1) == 1);
    assert_true(factor_by("{\\\"unet.lora_alpha\\\": 2, \\\"unet.use_rslora\\\": true}", 1) == 1);
    assert_true(factor_by("{\\\"unet.lora_alpha\\\": 3, \\\"unet.use_rslora\\\": true}", 1) == 1.5);
    assert_true(isnan(factor_by("{\\\"unet.lora_alpha\\\": \\\"x\\\"}", 1)));
}

/* Alphas of single layers: by the whole name, or the end of it; the first that fits counts. */
static void test_patterns(void **state) {
    static const struct {
        const char *patterns;
        double factor; /* NAN: refused */
    } all[] = {
        {"{}", 0.5},
        {"{\\\"conv_in\\\": 8}", 2},
        {"{\\\"^conv_in$\\\": 8}", 2},
        {"{\\\"in\\\": 8}", 0.5},
        {"{\\\"x.conv_in\\\": 8, \\\"conv_out\\\": 12}", 0.5},
        {"{\\\"conv_out\\\": 12, \\\"conv_in\\\": 8, \\\"^conv_in\\\": 4}", 2},
        {"{\\\"conv_.*\\\": 8}", NAN},
        {"{\\\"conv_in\\\": \\\"x\\\"}", NAN},
        {"{\\\"conv_in\\\": -1}", NAN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\\\"unet.lora_alpha\\\": 2, \\\"unet.alpha_pattern\\\": %s, "
                 "\\\"unet.rank_pattern\\\": {\\\"conv_in\\\": 4}}",
                 all[i].patterns);
        const double factor = factor_by(text, 1);
        if (isnan(all[i].factor) ? !isnan(factor) : factor != all[i].factor)
            fail_msg("%s gave %g", all[i].patterns, factor);
    }
    limn_config *told;
    limn_error err;
    static const char text[] =
        "{\"unet.alpha_pattern\": {\"to_q\": 8, \"a\\\\.to_k\": 4, \"^to_v\": 16}}";
    float alpha = 2;
    bool rooted = false;
    assert_int_equal(limn_config_read((const uint8_t *)text, strlen(text), "told", &told, &err),
                     LIMN_OK);
    limn_lora_told_alpha("told", told, "unet", "mid.attn1.to_q.weight", &alpha, &rooted, &err);
    assert_true(alpha == 8);
    limn_lora_told_alpha("told", told, "unet", "a.to_k.weight", &alpha, &rooted, &err);
    limn_lora_told_alpha("told", told, "unet", "a.to_v.weight", &alpha, &rooted, &err);
    assert_true(alpha == 4 && !rooted);
    limn_config_free(told);
}

/* Files that are refused: their tensors, and a part of the sentence. */
static const struct {
    const char *sentence;
    struct {
        const char *name;
        int rank, shape[4];
    } part[4];
} bad[] = {
    {"nothing in this LoRA belongs to the model",
     {{"lora_unet_x.lora_down.weight", 2, {2, 32}}, {"lora_unet_x.lora_up.weight", 2, {32, 2}}}},
    {"has no counterpart", {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}}}},
    {"conv_in.weight of shape [32, 4, 3, 3]",
     {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 1, 1}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}}}},
    {"do not make a correction",
     {{"lora_unet_conv_in.lora_down.weight", 4, {3, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}}}},
    {"do not make a correction",
     {{"lora_unet_conv_in.lokr_w1", 2, {3, 2}}, {"lora_unet_conv_in.lokr_w2", 2, {8, 18}}}},
    {"stands beside another kind",
     {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}},
      {"lora_unet_conv_in.lokr_w1", 2, {3, 2}}}},
    {"stands alone", {{"lora_unet_conv_in.alpha", 0, {0}}}},
    {"do not make a correction",
     {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}},
      {"lora_unet_conv_in.dora_scale", 2, {31, 1}}}},
    {"stands alone", {{"lora_unet_conv_in.dora_scale", 2, {32, 1}}}},
    {"stands beside another kind",
     {{"lora_unet_conv_in.diff", 4, {32, 4, 3, 3}},
      {"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}}}},
    {"do not make a correction", {{"lora_unet_conv_in.diff", 4, {32, 4, 3, 1}}}},
    {"do not make a correction", {{"lora_unet_conv_in.diff_b", 1, {31}}}},
    {"are the same part",
     {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_input_blocks_0_0.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}}}},
    {"must be one number",
     {{"lora_unet_conv_in.lora_down.weight", 4, {2, 4, 3, 3}},
      {"lora_unet_conv_in.lora_up.weight", 4, {32, 2, 1, 1}},
      {"lora_unet_conv_in.alpha", 1, {2}}}},
};

static void test_faults(void **state) {
    (void)state;
    uint64_t random = 10;
    limn_error error;
    limn_model *m = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weights_file *f = weights_make(&random);
        for (int k = 0; k < 4 && bad[i].part[k].name; k++)
            weights_add(f, bad[i].part[k].name, bad[i].part[k].rank, bad[i].part[k].shape);
        const limn_lora asked = {.path = weights_save(f), .scale = 1};
        assert_int_equal(try_open(&asked, 1, NULL, &m, &error), LIMN_E_INPUT);
        if (!strstr(error.text, bad[i].sentence)) fail_msg("%s", error.text);
        assert_ptr_equal(strstr(error.text, asked.path), error.text);
        assert_null(m);
        weights_free(f);
    }
    const limn_lora missing = {.path = "tests/no-such-file.safetensors", .scale = 1};
    assert_int_equal(try_open(&missing, 1, NULL, &m, &error), LIMN_E_MISSING);
    const limn_lora large = {.path = MODEL "/unet/diffusion_pytorch_model.safetensors",
                             .scale = 101};
    assert_int_equal(try_open(&large, 1, NULL, &m, &error), LIMN_E_USAGE);
    const limn_lora none = {.path = large.path, .scale = NAN};
    assert_int_equal(try_open(&none, 1, NULL, &m, &error), LIMN_E_USAGE);
    const limn_lora model = {.path = large.path, .scale = 1};
    assert_int_equal(try_open(&model, 1, NULL, &m, &error), LIMN_E_INPUT);
    assert_non_null(strstr(error.text, "nothing in this LoRA"));
    assert_int_equal(try_open(&model, 65, NULL, &m, &error), LIMN_E_USAGE);
    assert_string_equal(error.text, "65 LoRA files; limn takes up to 64");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_nothing_changes), cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_unknown),         cmocka_unit_test(test_int8),
        cmocka_unit_test(test_metadata),        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
