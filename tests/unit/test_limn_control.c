/* ControlNets through the public interface: what they go together with, recipes, faults, and what
 * may not change a pixel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "limn.h"
#include "render/opening.h"
#include "support/control.h"
#include "support/scratch.h"
#include "support/single.h"
#include "support/weights.h"

#define MODEL   "tests/golden/tiny-sd15"
#define PICTURE "tests/golden/pipelines/init.png"
#define MASK    "tests/golden/pipelines/mask.png"

/* ---- pictures -------------------------------------------------------------------------------- */

static limn_model *open_model(const limn_open_options *how) {
    limn_model *m = NULL;
    limn_error error;
    if (limn_model_open(MODEL, how, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

static limn_model *open_controlled(void) {
    return open_model(&(limn_open_options){
        .threads = 2, .control = scratch_at("net.safetensors"), .encoder = true});
}

static limn_picture *load(const char *path) {
    limn_picture *p = NULL;
    assert_int_equal(limn_picture_load(path, &p, NULL), LIMN_OK);
    return p;
}

static limn_request request_of(const limn_model *m, const limn_picture *control) {
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.width = r.height = 64;
    r.steps = 3;
    r.sampler = "euler";
    r.control = (limn_input){.picture = control, .name = "edges.png"};
    return r;
}

static limn_picture *draw_on(const limn_model *m, const limn_request *r, int threads) {
    limn_picture *p = NULL;
    limn_error error;
    const limn_options how = {.threads = threads};
    if (limn_render(m, r, &how, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static bool same_pixels(const limn_picture *a, const limn_picture *b) {
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3) == 0;
}

/* Draws r with its control image, without it and on another number of threads: the ControlNet says
 * something, and the same at every number of threads. */
static void expect_control(const limn_model *m, const limn_request *r, const char *what) {
    limn_request plain = *r;
    plain.control = (limn_input){0};
    limn_picture *with = draw_on(m, r, 1), *again = draw_on(m, r, 2);
    limn_picture *without = draw_on(m, &plain, 1);
    if (same_pixels(with, without)) fail_msg("%s: the ControlNet says nothing", what);
    if (!same_pixels(with, again) || strcmp(with->recipe, again->recipe) != 0)
        fail_msg("%s: another number of threads, another picture", what);
    assert_null(strstr(without->recipe, "control"));
    limn_picture_free(with);
    limn_picture_free(again);
    limn_picture_free(without);
}

static void goes_with_everything(void **state) {
    (void)state;
    limn_model *m = open_controlled();
    limn_picture *image = load(PICTURE), *mask = load(MASK);
    const limn_request plain = request_of(m, image);
    limn_request r = plain;
    expect_control(m, &r, "alone");
    r.width = 96;
    expect_control(m, &r, "another size");
    r = plain;
    r.init.picture = image;
    r.strength = 0.7;
    expect_control(m, &r, "init");
    r.mask.picture = mask;
    expect_control(m, &r, "mask");
    r = plain;
    r.upscale = 1.5;
    r.upscale_steps = 2;
    expect_control(m, &r, "upscale");
    r = plain;
    r.cache_interval = 2;
    r.cache_branch = 1;
    expect_control(m, &r, "cache");
    r.control_from = 0.3;
    r.guidance_to = 0.6;
    expect_control(m, &r, "ranges");
    r = plain;
    r.prompt = "a [red:green:0.5] apple AND a pear";
    r.prompt_syntax = "a1111";
    expect_control(m, &r, "syntax");
    r = plain;
    r.sampler = "heun";
    r.control_to = 0.5;
    expect_control(m, &r, "two evaluations a step");
    limn_model_close(m);

    const limn_open_options int8 = {
        .threads = 2, .control = scratch_at("net.safetensors"), .precision = "int8"};
    m = open_model(&int8);
    r = request_of(m, image);
    expect_control(m, &r, "int8");
    limn_model_close(m);
    limn_picture_free(image);
    limn_picture_free(mask);
}

/* Where it takes no part, the pixels are those of a model that has none. */
static void takes_no_part(void **state) {
    (void)state;
    limn_model *m = open_controlled(), *alone = open_model(NULL);
    limn_picture *image = load(PICTURE);
    limn_request r = request_of(m, image);
    r.control_to = 0.3; /* the first of three ends at 1/3 */
    limn_request plain = request_of(alone, NULL);
    limn_picture *a = draw_on(m, &r, 2), *b = draw_on(alone, &plain, 2);
    assert_true(same_pixels(a, b));
    limn_picture_free(a);
    r.control.picture = NULL; /* opened with one, but not asked for */
    r.control_to = 0;
    a = draw_on(m, &r, 2);
    assert_string_equal(a->recipe, b->recipe);
    limn_picture_free(a);
    limn_picture_free(b);
    limn_picture_free(image);
    limn_model_close(alone);
    limn_model_close(m);
}

/* A LoRA for the U-Net is not merged into the copy, whose layers have the same names. */
/* A ControlNet in a GGUF file is the same, under both kinds of names. */
static void gguf_files_are_read(void **state) {
    (void)state;
    limn_picture *image = load(PICTURE);
    limn_model *m = open_controlled();
    limn_request r = request_of(m, image);
    limn_picture *wanted = draw_on(m, &r, 1);
    limn_model_close(m);
    for (int original = 0; original < 2; original++) {
        control_write(&(control_form){.gguf = true, .original = original == 1, .type = "F16"},
                      scratch_at("net.gguf"));
        m = open_model(&(limn_open_options){.threads = 1, .control = scratch_at("net.gguf")});
        limn_picture *p = draw_on(m, &r, 1);
        assert_true(same_pixels(p, wanted));
        limn_picture_free(p);
        limn_model_close(m);
    }
    limn_picture_free(wanted);
    limn_picture_free(image);
}

static void a_lora_is_not_for_it(void **state) {
    (void)state;
    static const char layer[] =
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
    char name[200];
    uint64_t random = 5;
    weights_file *f = weights_make(&random);
    snprintf(name, sizeof name, "%s.lora_down.weight", layer);
    weights_add(f, name, 2, (const int[2]){2, 32});
    snprintf(name, sizeof name, "%s.lora_up.weight", layer);
    weights_add(f, name, 2, (const int[2]){32, 2});
    const limn_lora lora = {.path = weights_save(f), .scale = 1};
    const limn_open_options how = {
        .threads = 2, .control = scratch_at("net.safetensors"), .loras = &lora, .lora_count = 1};
    limn_model *m = open_model(&how);
    assert_int_equal(limn_model_lora(m, 0).matrices, 1);
    limn_picture *image = load(PICTURE);
    limn_request r = request_of(m, image);
    expect_control(m, &r, "LoRA");
    limn_model_close(m);
    limn_picture_free(image);
    weights_free(f);
}

/* ---- recipes --------------------------------------------------------------------------------- */

static limn_recipe *recipe_of(const limn_picture *p) {
    limn_recipe *recipe = NULL;
    limn_error error;
    if (limn_recipe_read(p, &recipe, &error) != LIMN_OK) fail_msg("%s", error.text);
    return recipe;
}

static void recipes(void **state) {
    (void)state;
    limn_error error;
    limn_model *m = open_controlled();
    limn_picture *image = load(PICTURE), *other = load(MASK), *none = NULL;
    limn_request r = request_of(m, image);
    r.control_strength = 0.8;
    r.control_from = 0.1;
    limn_picture *p = draw_on(m, &r, 2);
    char hex[65], file[65], wanted[300];
    limn_picture_sha256(image, hex);
    assert_int_equal(limn_sha256_file(scratch_at("net.safetensors"), file, NULL), LIMN_OK);
    assert_string_equal(limn_model_describe(m).control_sha256, file);
    snprintf(wanted, sizeof wanted,
             "\"control_image\":{\"file\":\"edges.png\",\"pixels_sha256\":\"%s\"}", hex);
    assert_non_null(strstr(p->recipe, wanted));
    snprintf(wanted, sizeof wanted, "\"control\":{\"name\":\"net\",\"sha256\":\"%s\"}", file);
    assert_non_null(strstr(p->recipe, wanted));
    assert_non_null(strstr(p->recipe, "\"control_strength\":0.8,\"control_from\":0.1,"));
    snprintf(wanted, sizeof wanted,
             "ControlNet 0: \"Module: none, Model: net [%.8s], Weight: 0.8, Guidance Start: 0.1, "
             "Guidance End: 1\"",
             file);
    assert_non_null(strstr(p->parameters, wanted));

    limn_recipe *recipe = recipe_of(p);
    assert_string_equal(limn_recipe_control_name(recipe), "net");
    assert_string_equal(limn_recipe_control_sha256(recipe), file);
    r = *limn_recipe_request(recipe);
    assert_int_equal(limn_render(m, &r, NULL, &none, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "'edges.png' (--control-image), which was not given"));
    r.control.picture = other;
    assert_int_equal(limn_render(m, &r, NULL, &none, &error), LIMN_E_INPUT);
    assert_non_null(strstr(error.text, "another picture"));
    r.control.picture = image;
    limn_picture *again = draw_on(m, &r, 1);
    assert_string_equal(again->recipe, p->recipe);
    assert_true(same_pixels(again, p));
    limn_picture_free(again);

    assert_int_equal(limn_recipe_set(recipe, "control", "net", &error), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_set(recipe, "control", "none", &error), LIMN_OK);
    assert_string_equal(limn_recipe_control_name(recipe), "");
    again = draw_on(m, limn_recipe_request(recipe), 1);
    assert_null(strstr(again->recipe, "control"));
    limn_picture_free(again);
    limn_recipe_free(recipe);
    limn_picture_free(p);
    limn_picture_free(image);
    limn_picture_free(other);
    limn_model_close(m);
}

/* ---- requests that cannot be ----------------------------------------------------------------- */

static void requests_refused(void **state) {
    (void)state;
    limn_error error;
    limn_picture *image = load(PICTURE), *p = NULL;
    limn_model *m = open_model(NULL);
    limn_request r = request_of(m, image);
    assert_int_equal(limn_render(m, &r, NULL, &p, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "without a ControlNet"));
    limn_model_close(m);
    m = open_controlled();
    r.control_from = 0.6;
    r.control_to = 0.4;
    assert_int_equal(limn_render(m, &r, NULL, &p, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "control_from is 0.6, expected at most control_to, 0.4"));
    r.control_from = r.control_to = 0;
    r.control_strength = 11;
    assert_int_equal(limn_render(m, &r, NULL, &p, &error), LIMN_E_USAGE);
    limn_model_close(m);
    limn_picture_free(image);
}

/* The plan counts what the ControlNet does, and the range. */
static void plans(void **state) {
    (void)state;
    limn_model *m = open_controlled();
    limn_picture *image = load(PICTURE);
    limn_request with = request_of(m, image), part = with, without = request_of(m, NULL);
    limn_plan plan[3];
    part.control_to = 0.7; /* two of three evaluations */
    assert_int_equal(limn_request_plan(m, &with, &plan[0], NULL), LIMN_OK);
    assert_int_equal(limn_request_plan(m, &part, &plan[1], NULL), LIMN_OK);
    assert_int_equal(limn_request_plan(m, &without, &plan[2], NULL), LIMN_OK);
    double all = plan[0].gflop - plan[2].gflop, some = plan[1].gflop - plan[2].gflop;
    assert_true(all > 0 && some > 0.6 * all && some < 0.8 * all);
    /* Where the range ends or begins at the border of an evaluation, that takes part or does not.
     */
    for (int later = 0; later < 2; later++) {
        part.steps = with.steps = without.steps = 4;
        part.control_from = later ? 0.5 : 0;
        part.control_to = later ? 0 : 0.5;
        limn_plan border[3];
        assert_int_equal(limn_request_plan(m, &with, &border[0], NULL), LIMN_OK);
        assert_int_equal(limn_request_plan(m, &part, &border[1], NULL), LIMN_OK);
        assert_int_equal(limn_request_plan(m, &without, &border[2], NULL), LIMN_OK);
        double four = border[0].gflop - border[2].gflop, two = border[1].gflop - border[2].gflop;
        assert_true(two > 0.49 * four && two < 0.56 * four);
    }
    assert_true(plan[0].workspace_bytes >= plan[2].workspace_bytes);
    assert_true(plan[0].peak_bytes > plan[2].peak_bytes);
    limn_picture_free(image);
    limn_model_close(m);
}

/* ---- files that are none --------------------------------------------------------------------- */

static void expect_fault(const char *model, const limn_open_options *how, limn_status status,
                         const char *sentence) {
    limn_model *m = NULL;
    limn_error error = {0};
    limn_status found = limn_model_open(model, how, &m, &error);
    if (found != status || !strstr(error.text, sentence))
        fail_msg("%d \"%s\", expected %d \"...%s...\"", (int)found, error.text, (int)status,
                 sentence);
    assert_null(m);
}

static void refuse(const char *control, limn_status status, const char *sentence) {
    expect_fault(MODEL, &(limn_open_options){.threads = 1, .control = control}, status, sentence);
}

static void other_things_are_refused(void **state) {
    (void)state;
    uint64_t random = 3;
    weights_file *lora = weights_make(&random);
    weights_add(lora, "lora_unet_conv_in.lora_down.weight", 2, (const int[2]){2, 36});
    weights_file *nothing = weights_make(&random);
    weights_add(nothing, "adapter.body.0.weight", 2, (const int[2]){2, 2});
    refuse(scratch_at("nowhere"), LIMN_E_MISSING, "nowhere");
    refuse("tests/golden/pipelines", LIMN_E_MISSING, "there is no config.json in this folder");
    refuse(MODEL, LIMN_E_INPUT, "this is a whole model, and no ControlNet");
    refuse(MODEL "/unet", LIMN_E_INPUT,
           "_class_name is \"UNet2DConditionModel\", expected \"ControlNetModel\"");
    refuse(weights_save(lora), LIMN_E_INPUT, "and no ControlNet; --lora FILE takes it");
    refuse(weights_save(nothing), LIMN_E_INPUT, "no ControlNet that limn knows");
    single_write(MODEL, &(single_form){.ldm = true, .no_files = true},
                 scratch_at("model.safetensors"));
    refuse(scratch_at("model.safetensors"), LIMN_E_INPUT,
           "this is a whole model, and no ControlNet");
    expect_fault(scratch_at("net.safetensors"), NULL, LIMN_E_INPUT,
                 "this is a ControlNet, which steers a model; --control takes it");
    control_make_folder(scratch_at("net"), NULL);
    expect_fault(scratch_at("net"), NULL, LIMN_E_INPUT,
                 "this is a ControlNet, which steers a model; --control takes it");
    const limn_lora wrong = {.path = scratch_at("net.safetensors"), .scale = 1};
    expect_fault(MODEL, &(limn_open_options){.loras = &wrong, .lora_count = 1}, LIMN_E_INPUT,
                 "nothing in this LoRA belongs to the model");
    weights_free(lora);
    weights_free(nothing);
}

static void other_forms_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *change, *sentence;
    } changes[] = {
        {"{\"global_pool_conditions\": true}", "config.json: global_pool_conditions is true"},
        {"{\"controlnet_conditioning_channel_order\": \"bgr\"}", "expected \"rgb\""},
        {"{\"_class_name\": \"ControlNetUnionModel\"}", "expected \"ControlNetModel\""},
        {"{\"mid_block_type\": null}", "mid_block_type is null"},
        {"{\"conditioning_channels\": 4}", "\"conditioning_channels\" must be"},
        {"{\"conditioning_embedding_out_channels\": [4, 8, 12, 20]}",
         "controlnet_cond_embedding.blocks.5.weight"},
        {"{\"norm_num_groups\": 31}", "net/config.json: norm_num_groups 31 does not divide"},
        {"{\"encoder_hid_dim\": 8}", "encoder_hid_dim"},
        {"{\"cross_attention_dim\": 24}", "attn2.to_k.weight"},
    };
    static const struct {
        const char *more, *sentence;
    } signs[] = {
        {"lora_controlnet", "this is a Control-LoRA"},
        {"difference", "this is the difference"},
        {"task_embedding", "several kinds of picture at once"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        control_make_folder(scratch_at("net"), changes[i].change);
        refuse(scratch_at("net"), LIMN_E_INPUT, changes[i].sentence);
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        control_write(&(control_form){.more = signs[i].more}, scratch_at("more.safetensors"));
        refuse(scratch_at("more.safetensors"), LIMN_E_INPUT, signs[i].sentence);
    }
    expect_fault("tests/golden/tiny-sd21",
                 &(limn_open_options){.control = scratch_at("net.safetensors")}, LIMN_E_INPUT,
                 "the ControlNet net does not fit the model tiny-sd21: its width of the text "
                 "(cross_attention_dim) is 32, the U-Net's is 24");
}

/* Each number in which a ControlNet must be as the U-Net is; one that is not would be read past its
 * end. */
static void shapes_are_compared(void **state) {
    (void)state;
    limn_error error;
    limn_model *m = calloc(1, sizeof *m);
    limn_opening o = {.m = m, .err = &error};
    const char *component;
    assert_non_null(m);
    strcpy(m->name, "model");
    assert_int_equal(
        limn_folder_open_control(scratch_at("net.safetensors"), &o.control, &component, NULL),
        LIMN_OK);
    limn_unet *copy = &m->control.copy, *unet = &m->unet;
    copy->context_d = unet->context_d = 32;
    copy->levels = unet->levels = 2;
    copy->in_c = unet->in_c = m->vae.latent_c = 4;
    m->control.scale_px = m->vae.scale_px = 8;
    unet->mid_layers = 1;
    for (int i = 0; i < 2; i++) {
        copy->channels[i] = unet->channels[i] = 32;
        copy->down[i].layers = unet->down[i].layers = 2;
    }
    assert_int_equal(limn_open_control_check(&o), LIMN_OK);
    const struct {
        int *number, wrong;
        const char *sentence;
    } cases[] = {
        {&copy->context_d, 24, "cross_attention_dim"},
        {&copy->levels, 3, "number of levels"},
        {&copy->channels[1], 64, "number of channels at level 1"},
        {&copy->down[1].layers, 3, "number of layers at level 1"},
        {&copy->pooled_d, 8, "width of the pooled text"},
        {&copy->in_c, 9, "number of channels in"},
        {&m->control.scale_px, 16, "a latent stands for 16 pixels to it, for 8 to the VAE"},
        {&unet->mid_layers, 0, "its U-Net has no middle"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int right = *cases[i].number;
        *cases[i].number = cases[i].wrong;
        assert_int_equal(limn_open_control_check(&o), LIMN_E_INPUT);
        if (!strstr(error.text, cases[i].sentence)) fail_msg("%s", error.text);
        *cases[i].number = right;
    }
    limn_folder_close(o.control);
    free(m);
}

static size_t model_bytes(const char *precision, const char *control) {
    limn_model *m =
        open_model(&(limn_open_options){.threads = 1, .precision = precision, .control = control});
    limn_request r = request_of(m, NULL);
    limn_plan plan;
    assert_int_equal(limn_request_plan(m, &r, &plan, NULL), LIMN_OK);
    limn_model_close(m);
    return plan.model_bytes;
}

/* With int8, the ControlNet's matrices become int8 as the U-Net's do. */
static void its_matrices_become_int8_too(void **state) {
    (void)state;
    const size_t small =
        model_bytes("int8", scratch_at("net.safetensors")) - model_bytes("int8", NULL);
    const size_t large =
        model_bytes("float32", scratch_at("net.safetensors")) - model_bytes("float32", NULL);
    assert_true(small < large / 2);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "conv_in.bias",
        "time_embedding.linear_2.bias",
        "down_blocks.1.resnets.1.conv2.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_v.weight",
        "controlnet_cond_embedding.conv_out.bias",
        "controlnet_down_blocks.11.weight",
        "controlnet_mid_block.bias",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        control_write(&(control_form){.without = names[i]}, scratch_at("bad.safetensors"));
        refuse(scratch_at("bad.safetensors"), LIMN_E_INPUT, names[i]);
        control_write(&(control_form){.longer = names[i]}, scratch_at("bad.safetensors"));
        refuse(scratch_at("bad.safetensors"), LIMN_E_INPUT, names[i]);
    }
    control_write(&(control_form){.gguf = true, .without = names[0]}, scratch_at("bad.gguf"));
    refuse(scratch_at("bad.gguf"), LIMN_E_INPUT, names[0]);
    limn_bytes whole;
    assert_int_equal(limn_file_open(scratch_at("net.safetensors"), &whole, NULL), LIMN_OK);
    const size_t sizes[] = {0, 4, 8, 300, whole.size / 2, whole.size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(
            limn_file_write(scratch_at("cut.safetensors"), whole.data, sizes[i], true, NULL),
            LIMN_OK);
        refuse(scratch_at("cut.safetensors"), LIMN_E_INPUT, "cut.safetensors");
    }
    limn_file_close(&whole);
}

static int make(void **state) {
    (void)state;
    assert_int_equal(scratch_make(NULL), 0);
    control_write(&(control_form){.original = true, .type = "F16"}, scratch_at("net.safetensors"));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_with_everything),      cmocka_unit_test(takes_no_part),
        cmocka_unit_test(a_lora_is_not_for_it),      cmocka_unit_test(recipes),
        cmocka_unit_test(requests_refused),          cmocka_unit_test(plans),
        cmocka_unit_test(other_things_are_refused),  cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(damaged_files_are_refused), cmocka_unit_test(gguf_files_are_read),
        cmocka_unit_test(shapes_are_compared),       cmocka_unit_test(its_matrices_become_int8_too),
    };
    return cmocka_run_group_tests(tests, make, scratch_remove);
}
