/* The configurations of published U-Nets load, and have as many parameters as published. No
 * weights: the loader's inventions stand for them, and nothing is packed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/unet.h"

#define SD                                                                                         \
    "\"block_out_channels\": [320, 640, 1280, 1280], \"cross_attention_dim\": 768,"                \
    "\"attention_head_dim\": 8, \"down_block_types\": [\"CrossAttnDownBlock2D\","                  \
    "\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"], \"up_block_types\":"    \
    "[\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]"
#define SDXL                                                                                       \
    "\"block_out_channels\": [320, 640, 1280], \"cross_attention_dim\": 2048,"                     \
    "\"attention_head_dim\": [5, 10, 20], \"use_linear_projection\": true,"                        \
    "\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"]," \
    "\"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"],"         \
    "\"addition_embed_type\": \"text_time\", \"addition_time_embed_dim\": 256,"                    \
    "\"projection_class_embeddings_input_dim\": 2816"

/* A U-Net by its configuration, and its parameters in millions. Sources: the models' own cards and
 * papers (Kim et al. 2023, "BK-SDM", table 2); inputs and embeddings that a family adds to its
 * parent's are counted by hand. */
static const struct {
    const char *name, *json;
    double millions;
} published[] = {
    {"SD 1.5", "{" SD "}", 859.52},
    {"SD 1.5 inpainting", "{" SD ", \"in_channels\": 9}", 859.52 + 0.0144},
    {"instruct-pix2pix", "{" SD ", \"in_channels\": 8}", 859.52 + 0.01152},
    {"LCM", "{" SD ", \"time_cond_proj_dim\": 256}", 859.52 + 0.08192},
    {"BK-SDM small", "{" SD ", \"layers_per_block\": 1, \"mid_block_type\": null}", 482.3},
    {"BK-SDM tiny",
     "{\"block_out_channels\": [320, 640, 1280], \"cross_attention_dim\": 768,"
     "\"attention_head_dim\": 8, \"layers_per_block\": 1, \"mid_block_type\": null,"
     "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\","
     "\"CrossAttnDownBlock2D\"], \"up_block_types\": [\"CrossAttnUpBlock2D\","
     "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]}",
     323.4},
    {"SDXL", "{" SDXL ", \"transformer_layers_per_block\": [1, 2, 10]}", 2567.46},
    {"SSD-1B",
     "{" SDXL ", \"transformer_layers_per_block\": [1, [2, 2], [4, 4]],"
     "\"reverse_transformer_layers_per_block\": [[4, 4, 10], [2, 1, 1], 1],"
     "\"mid_block_type\": \"UNetMidBlock2D\"}",
     1331.0},
};

static double millions_of(const char *name, const char *json, limn_unet *unet) {
    limn_error err;
    limn_config *config = NULL;
    limn_arena plan = limn_arena_measure();
    limn_invention invention = {.count = 0};
    limn_loader ld = {
        .k = limn_kernels_pick(), .arena = &plan, .invention = &invention, .err = &err};
    if (limn_config_read((const uint8_t *)json, strlen(json), name, &config, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    limn_unet_load(&ld, config, unet);
    if (ld.status != LIMN_OK) fail_msg("%s: %s", name, err.text);
    limn_config_free(config);
    return (double)invention.parameters / 1e6;
}

static void published_counts(void **state) {
    limn_unet *unet = calloc(1, sizeof *unet);
    (void)state;
    assert_non_null(unet);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        double found = millions_of(published[i].name, published[i].json, unet);
        print_message("  %-20s %.2f million\n", published[i].name, found);
        double ratio = found / published[i].millions;
        if (ratio < 0.995 || ratio > 1.005)
            fail_msg("%s: %.2f million, expected %.2f", published[i].name, found,
                     published[i].millions);
    }
    free(unet);
}

/* What the parts are told of themselves. */
static void inputs(void **state) {
    limn_unet *unet = calloc(1, sizeof *unet);
    (void)state;
    assert_non_null(unet);
    millions_of("LCM", "{" SD ", \"time_cond_proj_dim\": 256}", unet);
    assert_int_equal(unet->guidance_d, 256);
    assert_int_equal(unet->pooled_d + unet->number_d, 0);
    millions_of("SDXL", "{" SDXL "}", unet);
    assert_int_equal(unet->pooled_d, 1280);
    assert_int_equal(unet->number_d, 256);
    assert_int_equal(unet->guidance_d, 0);
    millions_of("SSD-1B", published[7].json, unet);
    assert_int_equal(unet->mid_layers, 1);
    assert_false(unet->mid_attends);
    assert_int_equal(unet->up[0].attention[2].count, 10);
    assert_int_equal(unet->up[1].attention[0].count, 2);
    assert_int_equal(unet->down[2].attention[1].count, 4);
    free(unet);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_counts),
        cmocka_unit_test(inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
