/* U-Nets of the shapes that the families have beside SD 1.5's, SD 2.1's and SDXL's: each against an
 * independent evaluation in float64 (README.md, "families/"); and configurations that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/denoise.h"
#include "support/golden.h"

/* Relative to the largest value, as for the other U-Nets (test_stages.c). */
#define TOLERANCE 3e-5

/* A network that is loaded out of a configuration and one file. */
typedef struct network {
    char weights_path[120];
    limn_source source;
    limn_tensors *tensors;
    json_t *json; /* the configuration, for a test to change before it loads */
    limn_unet *unet;
    limn_arena weights;
    limn_error err;
} network;

static network network_open(const char *name) {
    network n = {.unet = calloc(1, sizeof *n.unet)};
    char path[120];
    assert_non_null(n.unet);
    snprintf(path, sizeof path, "tests/golden/families/%s.json", name);
    n.json = golden_json(path);
    snprintf(n.weights_path, sizeof n.weights_path, "tests/golden/families/%s.safetensors", name);
    assert_int_equal(limn_source_open(n.weights_path, &n.source, NULL), LIMN_OK);
    n.source.name = name;
    assert_int_equal(limn_safetensors_read(&n.source, &n.tensors, NULL), LIMN_OK);
    return n;
}

/* Both passes of the loader; the status of the first where that fails. */
static limn_status network_load(network *n) {
    char *text = json_dumps(n->json, 0);
    limn_config *config = NULL;
    limn_arena plan = limn_arena_measure();
    limn_loader ld = {
        .k = limn_kernels_pick(), .arena = &plan, .tensors = n->tensors, .err = &n->err};
    assert_int_equal(limn_config_read((const uint8_t *)text, strlen(text), "c", &config, &n->err),
                     LIMN_OK);
    limn_unet_load(&ld, config, n->unet);
    if (ld.status == LIMN_OK) {
        ld.jobs_room = ld.job_count;
        ld.job_count = 0;
        ld.jobs = calloc((size_t)ld.jobs_room, sizeof *ld.jobs);
        assert_int_equal(limn_arena_open(&n->weights, plan.peak, NULL), LIMN_OK);
        ld.arena = &n->weights;
        limn_unet_load(&ld, config, n->unet);
        assert_int_equal(limn_load_pack(&ld, 1), LIMN_OK);
        assert_int_equal(n->weights.peak, plan.peak);
    }
    free(ld.jobs);
    limn_config_free(config);
    free(text);
    return ld.status;
}

static void network_close(network *n) {
    limn_tensors_free(n->tensors);
    limn_source_close(&n->source);
    limn_arena_close(&n->weights);
    json_decref(n->json);
    free(n->unet);
}

/* ---- evaluations ----------------------------------------------------------------------------- */

static const float *tensor_of(const golden *g, const char *tag, const char *name, int shape[8]) {
    char full[80];
    int rank[8];
    snprintf(full, sizeof full, "%s.%s", tag, name);
    golden_shape(g, full, shape ? shape : rank);
    return golden_f32(g, full, NULL);
}

static limn_unet_condition condition_of(const golden *g, const char *tag, const limn_unet *unet) {
    int shape[8];
    const float *cond = tensor_of(g, tag, "in.encoder_hidden_states", shape);
    limn_unet_condition c = {.n = shape[0], .tokens = shape[1], .cond = cond};
    if (unet->number_d > 0) {
        const float *numbers = tensor_of(g, tag, "in.time_ids", NULL);
        c.pooled = tensor_of(g, tag, "in.text_embeds", NULL);
        for (int i = 0; i < LIMN_UNET_NUMBERS; i++) c.numbers[i] = (int)numbers[i];
    }
    if (unet->guidance_d > 0) c.guidance = (double)*tensor_of(g, tag, "in.guidance", NULL);
    return c;
}

/* One evaluation, on a workspace of exactly the measured size. */
static void evaluate(const network *n, const golden *g, const char *tag) {
    int shape[8];
    const float *sample = tensor_of(g, tag, "in.sample", shape);
    limn_arena ws = limn_arena_measure();
    limn_exec e = {.k = limn_kernels_pick(), .ws = &ws};
    limn_map in = {0}, out = {0};
    limn_unet_context context;
    const limn_unet_condition condition = condition_of(g, tag, n->unet);
    double t = (double)*tensor_of(g, tag, "in.timestep", NULL);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) assert_int_equal(limn_arena_open(&ws, ws.peak, NULL), LIMN_OK);
        in = limn_map_take(&e, shape[0], shape[2], shape[3], n->unet->in_c);
        out = limn_map_take(&e, shape[0], shape[2], shape[3], n->unet->out_c);
        if (pass == 1) golden_turn(sample, shape, true, in.v);
        limn_unet_prepare(&e, n->unet, &condition, &context);
        limn_unet_run(&e, n->unet, &in, t, &context, &out);
    }
    size_t count = limn_map_count(&out);
    float *got = malloc(count * sizeof *got);
    assert_non_null(got);
    shape[1] = n->unet->out_c;
    golden_turn(out.v, shape, false, got);
    double error = golden_relative_error(got, tensor_of(g, tag, "out.sample", NULL), count);
    print_message("  %-20s %s %.1e\n", n->source.name, tag, error);
    if (!(error <= TOLERANCE)) fail_msg("relative error %.2g, at most %.2g", error, TOLERANCE);
    free(got);
    limn_arena_close(&ws);
}

static void family(const char *name) {
    network n = network_open(name);
    golden *g = golden_open(n.weights_path);
    if (network_load(&n) != LIMN_OK) fail_msg("%s", n.err.text);
    evaluate(&n, g, "a");
    evaluate(&n, g, "b");
    golden_close(g);
    network_close(&n);
}

/* The guidance scale as an input, and then no second half of the batch. */
static void test_lcm(void **state) {
    (void)state;
    family("lcm");
    network n = network_open("lcm");
    assert_int_equal(limn_denoise_batch(n.unet, 8.5), 2);
    assert_int_equal(network_load(&n), LIMN_OK);
    assert_int_equal(limn_denoise_batch(n.unet, 8.5), 1);
    network_close(&n);
}

/* No middle at all, one layer a level, three levels. */
static void test_bk_tiny(void **state) {
    (void)state;
    family("bk_tiny");
}

/* Numbers of blocks by layer, others on the way up, a middle of one resnet, SDXL's embedding. */
static void test_ssd(void **state) {
    (void)state;
    family("ssd");
}

/* Nine channels; layers, heads and text-only attention by level; a modulating time embedding of a
 * width of its own; sine first; a level that attends on one way only. */
static void test_every_unusual_choice_at_once(void **state) {
    (void)state;
    family("mixed");
}

/* Eight channels and a single level. */
static void test_one_level(void **state) {
    (void)state;
    family("one_level");
}

/* ---- configurations -------------------------------------------------------------------------- */

/* What limn does not compute is refused by name; what changes nothing is not. */
static void test_configurations(void **state) {
    static const struct {
        const char *family, *change, *says; /* says: NULL = it loads all the same */
    } cases[] = {
        {"ssd", "{\"upcast_attention\": true, \"dropout\": 0.1}", NULL},
        {"bk_tiny", "{\"mid_block_only_cross_attention\": true}", NULL},
        {"lcm", "{\"mid_block_only_cross_attention\": true}", "mid_block_only_cross_attention"},
        {"bk_tiny", "{\"num_class_embeds\": 10}", "num_class_embeds"},
        {"bk_tiny", "{\"class_embed_type\": \"timestep\"}", "class_embed_type \"timestep\""},
        {"bk_tiny", "{\"addition_embed_type\": \"image\"}", "addition_embed_type \"image\""},
        {"bk_tiny", "{\"encoder_hid_dim\": 8}", "encoder_hid_dim"},
        {"bk_tiny", "{\"mid_block_type\": \"UNetMidBlock2DSimpleCrossAttn\"}", "mid_block_type"},
        {"bk_tiny", "{\"cross_attention_dim\": [12, 12, 16]}", "cross_attention_dim is 12 at one"},
        {"bk_tiny", "{\"only_cross_attention\": [true, false]}", "only_cross_attention"},
        {"bk_tiny", "{\"attention_head_dim\": 3}", "3 heads do not divide 8 channels"},
        {"bk_tiny",
         "{\"down_block_types\": [\"DownBlock2D\", \"AttnDownBlock2D\", \"DownBlock2D\"]}",
         "AttnDownBlock2D"},
        {"ssd", "{\"reverse_transformer_layers_per_block\": null}", "there is no reverse_"},
        {"ssd", "{\"transformer_layers_per_block\": [1, [1, 1]]}", "transformer_layers_per_block"},
        {"ssd", "{\"transformer_layers_per_block\": [1, [1], 1]}", "transformer_layers_per_block"},
        {"ssd", "{\"transformer_layers_per_block\": 17}", "transformer_layers_per_block"},
        {"ssd", "{\"addition_time_embed_dim\": null}", "text_time"},
        {"ssd", "{\"addition_time_embed_dim\": 8}", "text_time"},
        {"ssd", "{\"class_embed_type\": \"projection\"}", "addition_embed_type"},
        {"lcm", "{\"time_cond_proj_dim\": 3}", "time_cond_proj_dim"},
        {"lcm", "{\"time_cond_proj_dim\": 23}", "time_embedding.cond_proj.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network n = network_open(cases[i].family);
        json_t *change = json_loads(cases[i].change, 0, NULL);
        assert_non_null(change);
        json_object_update(n.json, change);
        limn_status status = network_load(&n);
        assert_int_equal(status, cases[i].says ? LIMN_E_INPUT : LIMN_OK);
        if (cases[i].says && !strstr(n.err.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", n.err.text, cases[i].says);
        json_decref(change);
        network_close(&n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lcm),       cmocka_unit_test(test_bk_tiny),
        cmocka_unit_test(test_ssd),       cmocka_unit_test(test_every_unusual_choice_at_once),
        cmocka_unit_test(test_one_level), cmocka_unit_test(test_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
