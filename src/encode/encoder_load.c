/* The encoder's configuration and tensors. */
#include <stdio.h>
#include <string.h>

#include "encode/encoder.h"

/* The two kinds of encoder; *basis says which. */
static void read_kind(limn_loader *ld, const limn_config *c, bool *basis) {
    const char *kind = "", *types[LIMN_VAE_LEVELS_MOST];
    int count = 0;
    *basis = false;
    if (!ld->status) ld->status = limn_config_text(c, "encoder_type", kind, &kind, ld->err);
    if (!ld->status)
        ld->status =
            limn_config_texts(c, "down_block_types", types, LIMN_VAE_LEVELS_MOST, &count, ld->err);
    if (ld->status) return;
    *basis = strcmp(kind, "basis") == 0;
    if (!*basis && *kind)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "vae/config.json: encoder_type \"%s\" is not known (basis)", kind);
    for (int i = 0; i < count && !ld->status; i++)
        if (strcmp(types[i], "DownEncoderBlock2D") != 0)
            limn_load_fail(
                ld, LIMN_E_INPUT,
                "vae/config.json: down_block_types \"%s\" is not known (DownEncoderBlock2D)",
                types[i]);
}

static void read_config(limn_loader *ld, const limn_config *c, const limn_vae *vae, limn_encoder *m,
                        int *groups) {
    int in_c = 3;
    m->latent_c = vae->latent_c;
    m->levels = vae->levels;
    m->layers = vae->layers;
    memcpy(m->channels, vae->channels, sizeof m->channels);
    m->has_mid_attention = vae->has_mid_attention;
    m->act = vae->act;
    m->scale_px = 1 << (m->levels - 1);
    limn_load_int(ld, c, "in_channels", 3, 3, 3, &in_c);
    limn_load_int(ld, c, "norm_num_groups", 1, 1024, 32, groups);
    if (!ld->status)
        ld->status = limn_config_bool(c, "use_quant_conv", true, &m->has_quant, ld->err);
    if (!ld->status && m->scale_px != vae->scale_px)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "vae/config.json: the encoder makes a latent of %d pixels, the decoder %d "
                       "pixels of a latent",
                       m->scale_px, vae->scale_px);
}

/* A convolution over patches that gives the latents as they are. */
static void load_basis(limn_loader *ld, const limn_config *c, const limn_vae *vae,
                       limn_encoder *m) {
    m->latent_c = vae->latent_c;
    m->scale_px = vae->scale_px;
    if (!ld->status)
        ld->status = limn_config_number(c, "posterior_std", 0, 1e3, 0, &m->deviation, ld->err);
    m->basis = limn_load_conv(ld, "basis_encode", m->latent_c, 3, vae->scale_px, vae->scale_px, 0);
}

/* Padding is 0: what the last row and column lack lies outside the picture, where all is 0. */
static void load_down(limn_loader *ld, limn_encoder *m, const limn_resnet_form *form, int i) {
    limn_encoder_level *l = &m->down[i];
    int c = m->channels[i], before = m->channels[i > 0 ? i - 1 : 0];
    char name[120];
    for (int k = 0; k < m->layers; k++) {
        snprintf(name, sizeof name, "encoder.down_blocks.%d.resnets.%d", i, k);
        l->resnet[k] = limn_load_resnet(ld, name, form, k > 0 ? c : before, c);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "encoder.down_blocks.%d.downsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 2, 0);
}

static void load_network(limn_loader *ld, limn_encoder *m, int groups) {
    const limn_resnet_form form = {.groups = groups, .eps = 1e-6, .act = m->act};
    int wide = m->channels[m->levels - 1], twice = 2 * m->latent_c;
    m->conv_in = limn_load_conv(ld, "encoder.conv_in", m->channels[0], 3, 3, 1, 1);
    for (int i = 0; i < m->levels; i++) load_down(ld, m, &form, i);
    m->mid_resnet[0] = limn_load_resnet(ld, "encoder.mid_block.resnets.0", &form, wide, wide);
    if (m->has_mid_attention)
        limn_vae_attention_load(ld, "encoder.mid_block.attentions.0", &form, wide,
                                &m->mid_attention);
    m->mid_resnet[1] = limn_load_resnet(ld, "encoder.mid_block.resnets.1", &form, wide, wide);
    m->norm_out = limn_load_norm(ld, "encoder.conv_norm_out", wide, groups, form.eps);
    m->conv_out = limn_load_conv(ld, "encoder.conv_out", twice, wide, 3, 1, 1);
    if (m->has_quant) m->quant = limn_load_conv(ld, "quant_conv", twice, twice, 1, 1, 0);
}

void limn_encoder_load(limn_loader *ld, const limn_config *config, const limn_vae *vae,
                       limn_encoder *out) {
    int groups = 32;
    bool basis = false;
    *out = (limn_encoder){.loaded = true};
    if (ld->status == LIMN_OK) read_kind(ld, config, &basis);
    if (ld->status == LIMN_OK && basis) load_basis(ld, config, vae, out);
    if (ld->status != LIMN_OK || basis) return;
    read_config(ld, config, vae, out, &groups);
    if (ld->status == LIMN_OK) load_network(ld, out, groups);
}
