/* Single files: what is made of the published models' names and shapes is what their folders say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "support/published.h"
#include "support/scratch.h"
#include "weights/family.h"
#include "weights/original.h"
#include "weights/weights.h"

static limn_folder *open_marked(published which, int in_c, const char *const *marks,
                                const char *name) {
    limn_error err;
    limn_folder *f;
    const char *path = scratch_at(name);
    published_write_marked(which, in_c, marks, path);
    if (limn_folder_open(path, &f, &err) != LIMN_OK) fail_msg("%s", err.text);
    unlink(path);
    return f;
}

static limn_folder *open_published(published which, int in_c, const char *name) {
    return open_marked(which, in_c, (const char *[]){NULL}, name);
}

static uint64_t parameters(limn_folder *f, const char *component) {
    const limn_tensors *t;
    uint64_t sum = 0;
    assert_int_equal(limn_folder_tensors(f, component, &t, NULL), LIMN_OK);
    for (size_t i = 0; i < limn_tensors_count(t); i++) sum += limn_tensors_at(t, i)->count;
    return sum;
}

/* "key=value key=[a,b] ..." must be what the configuration says. */
static void expect_config(limn_folder *f, const char *file, const char *want) {
    const limn_config *c;
    limn_error err;
    char pairs[600], *state = NULL;
    if (limn_folder_config(f, file, &c, &err) != LIMN_OK) fail_msg("%s", err.text);
    snprintf(pairs, sizeof pairs, "%s", want);
    for (char *pair = strtok_r(pairs, " ", &state); pair; pair = strtok_r(NULL, " ", &state)) {
        char *value = strchr(pair, '='), got[200] = "";
        const char *text = NULL;
        int numbers[8], count = 0;
        double number;
        bool yes;
        *value++ = '\0';
        if (limn_config_text(c, pair, NULL, &text, NULL) == LIMN_OK && text) {
            snprintf(got, sizeof got, "%s", text);
        } else if (*value == '[') {
            assert_int_equal(limn_config_ints(c, pair, 0, 0, 99999, numbers, 8, &count, &err),
                             LIMN_OK);
            size_t n = 0;
            for (int i = 0; i < count; i++)
                n += (size_t)snprintf(got + n, sizeof got - n, "%s%d", i ? "," : "[", numbers[i]);
            snprintf(got + n, sizeof got - n, "]");
        } else if (limn_config_bool(c, pair, false, &yes, NULL) == LIMN_OK) {
            snprintf(got, sizeof got, "%s", yes ? "true" : "false");
        } else if (limn_config_number(c, pair, -1e9, 1e9, 0, &number, NULL) == LIMN_OK) {
            snprintf(got, sizeof got, "%g", number);
        }
        if (strcmp(got, value) != 0) fail_msg("%s: %s is %s, should be %s", file, pair, got, value);
    }
}

/* The numbers of parameters are those that transformers and diffusers count. */
static void stable_diffusion_1(void **state) {
    (void)state;
    limn_folder *f = open_published(PUBLISHED_SD15, 4, "v1-5.safetensors");
    assert_string_equal(limn_folder_name(f), "v1-5");
    assert_true(parameters(f, "unet") == 859520964);
    assert_true(parameters(f, "vae") == 83653863);
    assert_true(parameters(f, "text_encoder") == 123060480);
    expect_config(f, "model_index.json", "_class_name=StableDiffusionPipeline");
    expect_config(f, "unet/config.json",
                  "in_channels=4 out_channels=4 block_out_channels=[320,640,1280,1280] "
                  "layers_per_block=[2,2,2,2] cross_attention_dim=768 "
                  "attention_head_dim=[8,8,8,8] transformer_layers_per_block=[1,1,1,1] "
                  "use_linear_projection=false sample_size=64 "
                  "mid_block_type=UNetMidBlock2DCrossAttn");
    expect_config(f, "vae/config.json",
                  "block_out_channels=[128,256,512,512] layers_per_block=2 latent_channels=4 "
                  "scaling_factor=0.18215 use_post_quant_conv=true mid_block_add_attention=true");
    expect_config(f, "text_encoder/config.json",
                  "vocab_size=49408 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 "
                  "intermediate_size=3072 max_position_embeddings=77 hidden_act=quick_gelu");
    expect_config(f, "scheduler/scheduler_config.json",
                  "_class_name=PNDMScheduler prediction_type=epsilon beta_start=0.00085 "
                  "beta_end=0.012 beta_schedule=scaled_linear steps_offset=1");
    expect_config(f, "tokenizer/special_tokens_map.json", "pad_token=<|endoftext|>");
    limn_folder_close(f);
}

static void its_kin(void **state) {
    (void)state;
    limn_folder *f = open_published(PUBLISHED_SD15, 9, "inpainting.safetensors");
    expect_config(f, "model_index.json", "_class_name=StableDiffusionInpaintPipeline");
    expect_config(f, "unet/config.json", "in_channels=9 out_channels=4");
    limn_folder_close(f);
    f = open_published(PUBLISHED_SD15, 8, "instruct-pix2pix.safetensors");
    expect_config(f, "model_index.json", "_class_name=StableDiffusionInstructPix2PixPipeline");
    limn_folder_close(f);
}

/* The file's biases are zeros, which spread less than a model's that predicts v. */
static void stable_diffusion_2(void **state) {
    (void)state;
    limn_folder *f = open_published(PUBLISHED_SD21, 4, "v2-1.safetensors");
    assert_true(parameters(f, "unet") == 865910724);
    expect_config(f, "unet/config.json",
                  "cross_attention_dim=1024 attention_head_dim=[5,10,20,20] "
                  "use_linear_projection=true sample_size=64");
    expect_config(f, "text_encoder/config.json",
                  "hidden_size=1024 num_hidden_layers=23 num_attention_heads=16 "
                  "intermediate_size=4096 hidden_act=gelu projection_dim=1024");
    expect_config(f, "scheduler/scheduler_config.json", "prediction_type=epsilon");
    expect_config(f, "tokenizer/special_tokens_map.json", "pad_token=!");
    const limn_tensors *t;
    assert_int_equal(limn_folder_tensors(f, "text_encoder", &t, NULL), LIMN_OK);
    const limn_tensor *q =
        limn_tensors_find(t, "text_model.encoder.layers.23.self_attn.v_proj.weight");
    assert_non_null(q);
    assert_int_equal(q->shape[0], 1024);
    assert_true(limn_tensors_find(t, "text_projection.weight")->transposed);
    limn_folder_close(f);

    f = open_published(PUBLISHED_SD21, 4, "sd_turbo.safetensors");
    expect_config(f, "scheduler/scheduler_config.json", "timestep_spacing=trailing");
    limn_folder_close(f);
}

/* Which of Stable Diffusion 2's two kinds a file is: by the spread of one tensor's numbers, unless
 * the file says it. */
static void epsilon_or_v(void **state) {
#define BIAS "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    enum { HALF_0_2 = 0x3266, HALF_0_1 = 0x2e66, HALF_0_08 = 0x2d1f }; /* 0.09 is the bound */
    static const struct {
        published_told told;
        bool v, noted;
    } cases[] = {
        {{.spread = BIAS, .spread_half = HALF_0_2}, true, false},
        {{.spread = BIAS, .spread_half = HALF_0_1}, true, false},
        {{.spread = BIAS, .spread_half = HALF_0_08}, false, false},
        {{.spread = BIAS, .spread_half = HALF_0_2, .prediction = "epsilon"}, false, false},
        {{.prediction = "v"}, true, false},
        {{.missing = BIAS}, true, true},
        {{.missing = BIAS, .prediction = "epsilon"}, false, false},
        {{.missing = BIAS, .prediction = "v"}, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_folder *f;
        limn_error err;
        const char *path = scratch_at("v2-1.safetensors");
        published_write_told(PUBLISHED_SD21, 4, &cases[i].told, path);
        if (limn_folder_open(path, &f, &err) != LIMN_OK) fail_msg("%s", err.text);
        unlink(path);
        expect_config(f, "scheduler/scheduler_config.json",
                      cases[i].v ? "prediction_type=v_prediction" : "prediction_type=epsilon");
        expect_config(f, "unet/config.json", cases[i].v ? "sample_size=96" : "sample_size=64");
        assert_string_equal(limn_folder_note(f),
                            cases[i].noted ? "nothing in this file tells whether it predicts v or "
                                             "epsilon; v is assumed (--prediction epsilon: the "
                                             "other)"
                                           : "");
        limn_folder_close(f);
    }
}

static void stable_diffusion_xl(void **state) {
    (void)state;
    limn_folder *f = open_published(PUBLISHED_SDXL, 4, "sd_xl_base_1.0.safetensors");
    assert_true(parameters(f, "unet") == 2567463684);
    assert_true(parameters(f, "text_encoder") == 123060480);
    assert_true(parameters(f, "text_encoder_2") == 694659840 + 1); /* and logit_scale */
    expect_config(f, "model_index.json", "_class_name=StableDiffusionXLPipeline");
    expect_config(f, "unet/config.json",
                  "block_out_channels=[320,640,1280] transformer_layers_per_block=[1,2,10] "
                  "attention_head_dim=[5,10,20] cross_attention_dim=2048 "
                  "addition_embed_type=text_time addition_time_embed_dim=256 "
                  "projection_class_embeddings_input_dim=2816 sample_size=128");
    expect_config(f, "vae/config.json", "scaling_factor=0.13025");
    expect_config(f, "text_encoder_2/config.json",
                  "hidden_size=1280 num_hidden_layers=32 num_attention_heads=20 "
                  "projection_dim=1280 hidden_act=gelu");
    expect_config(f, "scheduler/scheduler_config.json", "_class_name=EulerDiscreteScheduler");
    expect_config(f, "tokenizer_2/special_tokens_map.json", "pad_token=!");
    limn_folder_close(f);
    f = open_published(PUBLISHED_SDXL, 4, "sd_xl_Turbo_1.0_fp16.safetensors");
    expect_config(f, "scheduler/scheduler_config.json",
                  "_class_name=EulerAncestralDiscreteScheduler timestep_spacing=trailing");
    expect_config(f, "unet/config.json", "sample_size=64");
    limn_folder_close(f);
}

/* Those who train XL further to predict v say so by empty tensors, and likewise that the schedule
 * ends in pure noise: then steps begin there. A file that predicts epsilon cannot have that. */
static void marks_of_prediction(void **state) {
    (void)state;
    static const struct {
        const char *marks[3], *config;
    } cases[] = {
        {{"v_pred"},
         "prediction_type=v_prediction rescale_betas_zero_snr=false timestep_spacing=leading"},
        {{"v_pred", "ztsnr"},
         "prediction_type=v_prediction rescale_betas_zero_snr=true timestep_spacing=trailing"},
        {{"ztsnr"},
         "prediction_type=epsilon rescale_betas_zero_snr=false timestep_spacing=leading"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_folder *f = open_marked(PUBLISHED_SDXL, 4, cases[i].marks, "xl.safetensors");
        expect_config(f, "scheduler/scheduler_config.json", cases[i].config);
        limn_folder_close(f);
    }
}

/* Models of Stable Diffusion's shape that compute something else. */
static void models_of_another_kind(void **state) {
    (void)state;
    static const char *const marks[][2] = {{"edm_mean"}, {"edm_vpred.sigma_max"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *path = scratch_at("xl.safetensors");
        limn_folder *f = NULL;
        limn_error err = {0};
        published_write_marked(PUBLISHED_SDXL, 4, marks[i], path);
        assert_int_equal(limn_folder_open(path, &f, &err), LIMN_E_INPUT);
        assert_non_null(strstr(err.text, "EDM's kind"));
        assert_non_null(strstr(err.text, marks[i][0]));
        unlink(path);
    }
}

/* Families by what tells them apart. */
static void families(void **state) {
    (void)state;
    const limn_traits sd1 = {
        .in_channels = 4, .context = 768, .layers = 2, .deepest = 1, .whole_middle = true};
    const limn_traits xl = {.in_channels = 4,
                            .context = 2048,
                            .layers = 2,
                            .deepest = 10,
                            .whole_middle = true,
                            .text_time = true,
                            .linear = true};
    struct {
        const char *name;
        limn_traits t;
    } cases[] = {
        {"sd1", sd1},         {"bk-sdm", sd1},        {"bk-sdm", sd1},      {"sd1-lcm", sd1},
        {"sd2-v", sd1},       {"sd2", sd1},           {"sdxl", xl},         {"ssd-1b", xl},
        {"sdxl-turbo", xl},   {"sdxl-lightning", xl}, {"sdxl-lcm", xl},     {"sdxl-inpaint", xl},
        {"sd1", sd1},         {"other", sd1},         {"sd-turbo", sd1},    {"sd2-v", sd1},
        {"sdxl-turbo", xl},   {"sdxl-lightning", xl}, {"sd1-inpaint", sd1}, {"sd1-pix2pix", sd1},
        {"sd2-inpaint", sd1}, {"sdxl-pix2pix", xl}};
    cases[1].t.whole_middle = false;
    cases[2].t.layers = 1;
    cases[3].t.guidance_input = true;
    cases[4].t.context = cases[5].t.context = 1024;
    cases[5].t.prediction = 1;
    cases[7].t.deepest = 4;
    cases[8].t.name = "SDXL_Turbo";
    cases[9].t.name = "sdxl_lightning_4step";
    cases[10].t.guidance_input = true;
    cases[11].t.in_channels = 9;
    cases[12].t.name = "turbo-charged"; /* SD 1 has no such family */
    cases[13].t.classes = true;
    /* Distilled ones tell by their scheduler too, whatever they are called. */
    for (int i = 14; i < 18; i++) {
        cases[i].t.from_the_end = true;
        cases[i].t.prediction = 1;
    }
    cases[14].t.context = cases[15].t.context = 1024;
    cases[15].t.prediction = 2;
    cases[16].t.size_px = 512;
    cases[17].t.size_px = 1024;
    cases[18].t.in_channels = cases[20].t.in_channels = 9;
    cases[19].t.in_channels = cases[21].t.in_channels = 8;
    cases[20].t.context = 1024;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(limn_family_find(&cases[i].t)->name, cases[i].name);
    const limn_family *lightning = limn_family_find(&cases[9].t),
                      *turbo = limn_family_find(&cases[8].t);
    assert_int_equal(limn_family_steps(lightning, "sdxl_lightning_8step"), 8);
    assert_int_equal(limn_family_steps(lightning, "SDXL_Lightning_2step_unet"), 2);
    assert_int_equal(limn_family_steps(lightning, "sdxl_lightning"), 4);
    assert_int_equal(limn_family_steps(lightning, NULL), 4);
    assert_int_equal(limn_family_steps(turbo, "turbo_8step"), 1);
}

/* What each family is drawn with where nobody says otherwise: the table of docs/formats.md. */
static void what_families_are_drawn_with(void **state) {
    static const struct {
        const char *name;
        limn_traits traits; /* the least that tells it apart */
        int steps;
        double guidance;
        int size_px;
    } table[] = {
#define SD1 .context = 768, .layers = 2, .whole_middle = true
#define SD2 .context = 1024, .layers = 2, .whole_middle = true
#define XL  .context = 2048, .deepest = 10, .whole_middle = true
        {"sd1", {SD1, .in_channels = 4}, 20, 7.5, 512},
        {"sd1-inpaint", {SD1, .in_channels = 9}, 20, 7.5, 512},
        {"sd1-pix2pix", {SD1, .in_channels = 8}, 20, 7.5, 512},
        {"sd1-lcm", {SD1, .guidance_input = true}, 4, 8.5, 512},
        {"bk-sdm", {.context = 768, .layers = 1, .whole_middle = true}, 25, 7.5, 512},
        {"sd2", {SD2, .prediction = 1}, 20, 7.5, 512},
        {"sd2-v", {SD2, .prediction = 2}, 20, 7.5, 768},
        {"sd2-inpaint", {SD2, .in_channels = 9}, 20, 7.5, 512},
        {"sd-turbo", {SD2, .name = "sd_turbo"}, 1, 1, 512},
        {"sdxl", {XL, .in_channels = 4}, 25, 5, 1024},
        {"sdxl-inpaint", {XL, .in_channels = 9}, 25, 7.5, 1024},
        {"sdxl-pix2pix", {XL, .in_channels = 8}, 25, 3, 768},
        {"sdxl-lcm", {XL, .guidance_input = true}, 4, 8, 1024},
        {"sdxl-turbo", {XL, .name = "sdxl-turbo"}, 1, 1, 512},
        {"sdxl-lightning", {XL, .name = "SDXL-Lightning"}, 4, 1, 1024},
        {"ssd-1b", {.context = 2048, .deepest = 4, .whole_middle = true}, 25, 9, 1024},
#undef SD1
#undef SD2
#undef XL
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const limn_family *f = limn_family_find(&table[i].traits);
        assert_string_equal(f->name, table[i].name);
        if (f->steps != table[i].steps || f->guidance != table[i].guidance ||
            f->size_px != table[i].size_px)
            fail_msg("%s: %d steps, guidance %g, %d px", f->name, f->steps, f->guidance,
                     f->size_px);
    }
}

/* ---- files that are no model ----------------------------------------------------------------- */

static void expect_refused(const char *header, size_t data_bytes, const char *sentence) {
    limn_error err = {0};
    limn_folder *f = NULL;
    byte_list all = {0};
    bytes_add_number(&all, strlen(header), 8);
    bytes_add(&all, header, strlen(header));
    bytes_add_zeros(&all, data_bytes);
    const char *path = scratch_at("x.safetensors");
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(all.data, 1, all.size, file), all.size);
    fclose(file);
    free(all.data);
    const limn_status status = limn_folder_open(path, &f, &err);
    unlink(path);
    if (status != LIMN_E_INPUT || strstr(err.text, sentence) == NULL)
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
}

#define T(name, shape, from, to)                                                                   \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void files_that_are_no_model(void **state) {
    (void)state;
    expect_refused("{" T("a", "[1]", "0", "1") "}", 1,
                   "of its 1 tensors (\"a\"...) none is named like a part");
    expect_refused("{" T("limn.file/../../etc/passwd", "[1]", "0", "1") "}", 1,
                   "its path leads elsewhere");
    expect_refused("{" T("limn.file//x", "[1]", "0", "1") "}", 1, "its path leads elsewhere");
    expect_refused("{" T("limn.file/x", "[1,1]", "0", "1") "}", 1, "its type or shape is another");
    expect_refused("{" T("unet.conv_in.weight", "[1]", "0", "1") "," T(
                       "model.diffusion_model.input_blocks.0.0.weight", "[1]", "1", "2") "}",
                   2, "two tensors of this file are both \"conv_in.weight\"");
    expect_refused("{" T("cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight",
                         "[4]", "0", "4") "}",
                   4, "cannot be split into the attention's three parts");
    expect_refused("{" T("model.diffusion_model.input_blocks.0.0.weight", "[1]", "0", "1") "," T(
                       "model.diffusion_model.input_blocks.0.0.scale_weight", "[1]", "1", "2") "}",
                   2, "float8 weights with scales beside them are not read");
    expect_refused("{" T("scaled_fp8", "[1]", "0", "1") "}", 1, "float8 weights with scales");
    limn_folder *f = NULL;
    limn_error err = {0};
    const char *path = scratch_at("model.ckpt");
    FILE *file = fopen(path, "wb");
    fputs("PK\3\4 archive/data.pkl", file);
    fclose(file);
    assert_int_equal(limn_folder_open(path, &f, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "model.ckpt: this is a Python pickle, which can run any"));
    unlink(path);
}

/* The names that are written into GGUF files: those that the published files have, for the U-Net
 * and the VAE; and every part's can be read again. */
static void published_names_come_back(void **state) {
    (void)state;
    static const struct {
        published which;
        int parts;
    } all[] = {{PUBLISHED_SD15, 3}, {PUBLISHED_SD21, 3}, {PUBLISHED_SDXL, 4}};
    static const limn_part parts[] = {LIMN_PART_UNET, LIMN_PART_VAE, LIMN_PART_TEXT,
                                      LIMN_PART_TEXT_2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        limn_folder *f = open_published(all[i].which, 4, "published.safetensors");
        const limn_tensors *own, *t;
        assert_int_equal(limn_folder_tensors(f, "", &own, NULL), LIMN_OK);
        for (int k = 0; k < all[i].parts; k++) {
            bool returns = false;
            assert_int_equal(limn_folder_tensors(f, limn_part_folder(parts[k]), &t, NULL), LIMN_OK);
            assert_int_equal(limn_original_returns(parts[k], t, &returns, NULL), LIMN_OK);
            assert_true(returns);
            for (size_t n = 0; n < limn_tensors_count(t); n++) {
                char name[LIMN_ORIGINAL_BYTES];
                limn_original_whole_name(parts[k], t, limn_tensors_at(t, n)->name, name);
                assert_in_range(strlen(name), 1, 127);
                if (k < 2 && !limn_tensors_find(own, name)) fail_msg("%s is not published", name);
            }
        }
        limn_folder_close(f);
    }
}

/* ---- several files --------------------------------------------------------------------------- */

static void write_at(const char *name, const void *data, size_t size) {
    char full[200];
    snprintf(full, sizeof full, "%s", scratch_at(name));
    FILE *f = fopen(full, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* Two tensors of one number each, which is `first`, and the next one. */
static void write_shard(const char *name, const char *const tensors[2], float first) {
    char header[300];
    byte_list all = {0};
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
             "\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
             tensors[0], tensors[1]);
    bytes_add_number(&all, strlen(header), 8);
    bytes_add(&all, header, strlen(header));
    for (int i = 0; i < 2; i++, first++) bytes_add(&all, &first, sizeof first);
    write_at(name, all.data, all.size);
    free(all.data);
}

/* The four tensors of both files, each from its own. */
static void expect_all(const limn_folder *f, const limn_tensors *t) {
    static const char *const names[] = {"a", "b", "c", "d"};
    assert_int_equal(limn_tensors_count(t), 4);
    for (int i = 0; i < 4; i++) {
        float x = 0;
        const limn_tensor *one = limn_tensors_find(t, names[i]);
        assert_non_null(one);
        assert_int_equal(limn_tensor_read(one, 0, 1, &x, NULL), LIMN_OK);
        assert_true(x == (float)i);
    }
    assert_int_equal(limn_folder_parameters(f), 4);
    assert_int_equal(limn_folder_file_count(f), 4);
}

static void expect_index(const char *name, const char *map, limn_status want,
                         const char *sentence) {
    limn_error err = {0};
    limn_folder *f;
    const limn_tensors *t = NULL;
    write_at(name, map, strlen(map));
    assert_int_equal(limn_folder_open(scratch_folder(), &f, &err), LIMN_OK);
    const limn_status status = limn_folder_tensors(f, "", &t, &err);
    if (status != want || (want != LIMN_OK && strstr(err.text, sentence) == NULL))
        fail_msg("%s: expected \"%s\", got status %d: %s", name, sentence, status, err.text);
    if (want == LIMN_OK) expect_all(f, t);
    limn_folder_close(f);
    unlink(scratch_at(name));
}

static void weights_in_several_files(void **state) {
    (void)state;
    static const char *const spellings[] = {
        "model.safetensors.index.json",      "diffusion_pytorch_model.safetensors.index.json",
        "model.safetensors.index.fp16.json", "diffusion_pytorch_model.safetensors.index.fp16.json",
        "model.fp16.safetensors.index.json", "diffusion_pytorch_model.fp16.safetensors.index.json",
    };
    static const struct {
        const char *map, *sentence;
        limn_status status;
    } bad[] = {
#define MAP(a, b) "{\"weight_map\":{\"a\":" a ",\"b\":" b "}}"
        {MAP("\"1.safetensors\"", "\"2.safetensors\""),
         "tensor \"b\" should be in 2.safetensors, but is not there", LIMN_E_INPUT},
        {MAP("\"1.safetensors\"", "\"3.safetensors\""),
         "it names \"3.safetensors\", which is not there", LIMN_E_MISSING},
        {MAP("\"1.safetensors\"", "\"../2.safetensors\""), "must be a file's name in this folder",
         LIMN_E_INPUT},
        {MAP("\"1.safetensors\"", "\".2.safetensors\""), "must be a file's name in this folder",
         LIMN_E_INPUT},
        {MAP("\"1.safetensors\"", "\"\""), "must be a file's name in this folder", LIMN_E_INPUT},
        {MAP("\"1.safetensors\"", "2"), "\"b\" has no file", LIMN_E_INPUT},
        {"{\"weight_map\":{}}", "\"weight_map\" must be an object", LIMN_E_INPUT},
        {"{\"weight_map\":[\"1.safetensors\"]}", "\"weight_map\" must be an object", LIMN_E_INPUT},
        {"{\"metadata\":{}}", "\"weight_map\" must be an object", LIMN_E_INPUT},
    };
    write_at("model_index.json", "{}", 2);
    write_shard("1.safetensors", (const char *const[]){"a", "b"}, 0);
    write_shard("2.safetensors", (const char *const[]){"c", "d"}, 2);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        expect_index(spellings[i],
                     "{\"weight_map\":{\"a\":\"1.safetensors\",\"c\":\"2.safetensors\","
                     "\"b\":\"1.safetensors\",\"d\":\"2.safetensors\"}}",
                     LIMN_OK, "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_index(spellings[0], bad[i].map, bad[i].status, bad[i].sentence);
    const char *const names[] = {"model_index.json", "1.safetensors", "2.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(scratch_at(names[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stable_diffusion_1),           cmocka_unit_test(its_kin),
        cmocka_unit_test(stable_diffusion_2),           cmocka_unit_test(epsilon_or_v),
        cmocka_unit_test(stable_diffusion_xl),          cmocka_unit_test(marks_of_prediction),
        cmocka_unit_test(models_of_another_kind),       cmocka_unit_test(families),
        cmocka_unit_test(what_families_are_drawn_with), cmocka_unit_test(files_that_are_no_model),
        cmocka_unit_test(published_names_come_back),    cmocka_unit_test(weights_in_several_files),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove_empty);
}
