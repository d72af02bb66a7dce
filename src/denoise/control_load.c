/* A ControlNet's configuration and tensors. */
#include <stdio.h>
#include <string.h>

#include "denoise/control.h"

/* Channels of the coder from the first convolution on, where the configuration does not say. */
static const int USUAL[] = {16, 32, 96, 256};

/* What the configuration may say beside the U-Net's keys. */
static void check_config(limn_loader *ld, const limn_config *c) {
    const char *file = limn_config_name(c), *order = "rgb";
    bool pools = false;
    if (ld->status) return;
    ld->status = limn_config_bool(c, "global_pool_conditions", false, &pools, ld->err);
    if (pools)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "%s: global_pool_conditions is true: a ControlNet that adds averages "
                       "(\"shuffle\") is of a form that limn does not know",
                       file);
    if (ld->status) return;
    ld->status =
        limn_config_text(c, "controlnet_conditioning_channel_order", order, &order, ld->err);
    if (!ld->status && strcmp(order, "rgb") != 0)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "%s: controlnet_conditioning_channel_order is \"%.50s\", expected \"rgb\"",
                       file, order);
}

static void load_coder(limn_loader *ld, const limn_config *c, limn_control *m) {
    int width[LIMN_CONTROL_HALVINGS_MOST + 1], count = 0, channels = 3;
    limn_control_coder *coder = &m->coder;
    char name[80];
    memcpy(width, USUAL, sizeof USUAL);
    limn_load_int(ld, c, "conditioning_channels", 3, 3, 3, &channels);
    if (ld->status) return;
    ld->status = limn_config_ints(c, "conditioning_embedding_out_channels", 0, 1, 4096, width,
                                  LIMN_CONTROL_HALVINGS_MOST + 1, &count, ld->err);
    if (count == 0) count = sizeof USUAL / sizeof *USUAL;
    coder->halvings = count - 1;
    m->scale_px = 1 << coder->halvings;
    coder->in =
        limn_load_conv(ld, "controlnet_cond_embedding.conv_in", width[0], channels, 3, 1, 1);
    for (int i = 0; i < coder->halvings; i++) {
        snprintf(name, sizeof name, "controlnet_cond_embedding.blocks.%d", 2 * i);
        coder->same[i] = limn_load_conv(ld, name, width[i], width[i], 3, 1, 1);
        snprintf(name, sizeof name, "controlnet_cond_embedding.blocks.%d", 2 * i + 1);
        coder->half[i] = limn_load_conv(ld, name, width[i + 1], width[i], 3, 2, 1);
    }
    coder->out = limn_load_conv(ld, "controlnet_cond_embedding.conv_out", m->copy.channels[0],
                                width[coder->halvings], 3, 1, 1);
}

/* One zero convolution, behind what has c channels. */
static void load_zero(limn_loader *ld, limn_control *m, int c) {
    char name[80];
    snprintf(name, sizeof name, "controlnet_down_blocks.%d", m->zeros);
    m->zero[m->zeros++] = limn_load_linear(ld, name, c, c, true);
}

static void load_zeros(limn_loader *ld, limn_control *m) {
    const limn_unet *copy = &m->copy;
    int last = copy->channels[copy->levels - 1];
    load_zero(ld, m, copy->channels[0]);
    for (int i = 0; i < copy->levels; i++) {
        const limn_unet_level *l = &copy->down[i];
        for (int k = 0; k < l->layers + (l->resamples ? 1 : 0); k++)
            load_zero(ld, m, copy->channels[i]);
    }
    m->zero_mid = limn_load_linear(ld, "controlnet_mid_block", last, last, true);
}

void limn_control_load(limn_loader *ld, const limn_config *config, limn_control *out) {
    memset(out, 0, sizeof *out);
    if (ld->status == LIMN_OK) check_config(ld, config);
    limn_unet_load_half(ld, config, &out->copy);
    if (ld->status == LIMN_OK && out->copy.mid_layers == 0)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: mid_block_type is null, which no ControlNet has",
                       limn_config_name(config));
    if (ld->status != LIMN_OK) return;
    bool int8 = ld->int8;
    ld->int8 = false;
    load_coder(ld, config, out);
    load_zeros(ld, out);
    ld->int8 = int8;
}
