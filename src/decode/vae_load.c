/* The decoder's configuration and tensors. */
#include <stdio.h>
#include <string.h>

#include "decode/vae.h"

/* Keys that change the decoder in ways limn does not compute. */
static void check_fixed(limn_loader *ld, const limn_config *c) {
    static const char *const absent[] = {"latents_mean", "latents_std"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (limn_config_has(c, absent[i]))
            limn_load_fail(ld, LIMN_E_INPUT, "vae/config.json: %s is not known to limn", absent[i]);
    const char *kind = "AutoencoderKL";
    if (!ld->status) ld->status = limn_config_text(c, "_class_name", kind, &kind, ld->err);
    if (!ld->status && strcmp(kind, "AutoencoderKL") != 0)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "vae/config.json: _class_name \"%s\" is not known (AutoencoderKL)", kind);
    const char *act = "silu";
    if (!ld->status) ld->status = limn_config_text(c, "act_fn", act, &act, ld->err);
    if (!ld->status && strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
        limn_load_fail(ld, LIMN_E_INPUT, "vae/config.json: act_fn \"%s\" is not known (silu)", act);
    const char *types[LIMN_VAE_LEVELS_MOST];
    int count = 0;
    if (!ld->status)
        ld->status =
            limn_config_texts(c, "up_block_types", types, LIMN_VAE_LEVELS_MOST, &count, ld->err);
    for (int i = 0; i < count && !ld->status; i++)
        if (strcmp(types[i], "UpDecoderBlock2D") != 0)
            limn_load_fail(ld, LIMN_E_INPUT,
                           "vae/config.json: up_block_types \"%s\" is not known (UpDecoderBlock2D)",
                           types[i]);
}

static void read_numbers(limn_loader *ld, const limn_config *c, limn_vae *m) {
    if (!ld->status)
        ld->status =
            limn_config_number(c, "scaling_factor", 1e-6, 1e6, 0.18215, &m->scaling, ld->err);
    if (!ld->status)
        ld->status = limn_config_number(c, "shift_factor", -1e6, 1e6, 0, &m->shift, ld->err);
    if (!ld->status)
        ld->status = limn_config_bool(c, "use_post_quant_conv", true, &m->has_post_quant, ld->err);
    if (!ld->status)
        ld->status =
            limn_config_bool(c, "mid_block_add_attention", true, &m->has_mid_attention, ld->err);
}

static void read_config(limn_loader *ld, const limn_config *c, limn_vae *m, int *groups) {
    int out_c = 3;
    check_fixed(ld, c);
    if (!ld->status)
        ld->status = limn_config_ints(c, "block_out_channels", 0, 1, 16384, m->channels,
                                      LIMN_VAE_LEVELS_MOST, &m->levels, ld->err);
    if (!ld->status && m->levels == 0)
        limn_load_fail(ld, LIMN_E_INPUT, "vae/config.json: block_out_channels is missing");
    limn_load_int(ld, c, "latent_channels", 1, 256, 4, &m->latent_c);
    limn_load_int(ld, c, "out_channels", 3, 3, 3, &out_c);
    limn_load_int(ld, c, "layers_per_block", 1, LIMN_VAE_LAYERS_MOST, 1, &m->layers);
    limn_load_int(ld, c, "norm_num_groups", 1, 1024, 32, groups);
    limn_load_int(ld, c, "patch_size", 1, 16, 1, &m->patch);
    limn_load_int(ld, c, "basis_patch_size", 0, 64, 0, &m->basis);
    read_numbers(ld, c, m);
    for (int i = 0; i < m->levels && !ld->status; i++)
        if (m->channels[i] % *groups != 0)
            limn_load_fail(ld, LIMN_E_INPUT,
                           "vae/config.json: norm_num_groups %d does not divide %d channels",
                           *groups, m->channels[i]);
    m->scale_px = m->patch << (m->levels > 0 ? m->levels - 1 : 0);
    m->act = LIMN_ACT_SILU;
    if (!ld->status && m->basis != 0 && m->basis != m->scale_px)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "vae/config.json: basis_patch_size is %d, but a latent stands for %d pixels",
                       m->basis, m->scale_px);
}

static void load_mid(limn_loader *ld, limn_vae *m, const limn_resnet_form *form, int c) {
    m->mid_resnet[0] = limn_load_resnet(ld, "decoder.mid_block.resnets.0", form, c, c);
    if (m->has_mid_attention)
        limn_vae_attention_load(ld, "decoder.mid_block.attentions.0", form, c, &m->mid_attention);
    m->mid_resnet[1] = limn_load_resnet(ld, "decoder.mid_block.resnets.1", form, c, c);
}

static void load_up(limn_loader *ld, limn_vae *m, const limn_resnet_form *form, int i) {
    limn_vae_level *l = &m->up[i];
    int c = m->channels[m->levels - 1 - i], before = m->channels[m->levels - (i > 0 ? i : 1)];
    char name[120];
    for (int k = 0; k <= m->layers; k++) {
        snprintf(name, sizeof name, "decoder.up_blocks.%d.resnets.%d", i, k);
        l->resnet[k] = limn_load_resnet(ld, name, form, k > 0 ? c : before, c);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "decoder.up_blocks.%d.upsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 1, 1);
}

void limn_vae_load(limn_loader *ld, const limn_config *config, limn_vae *out) {
    int groups = 32;
    *out = (limn_vae){0};
    if (ld->status == LIMN_OK) read_config(ld, config, out, &groups);
    if (ld->status != LIMN_OK) return;
    const limn_resnet_form form = {.groups = groups, .eps = 1e-6, .act = out->act};
    int wide = out->channels[out->levels - 1], z = out->latent_c;
    if (out->has_post_quant) out->post_quant = limn_load_conv(ld, "post_quant_conv", z, z, 1, 1, 0);
    out->conv_in = limn_load_conv(ld, "decoder.conv_in", wide, z, 3, 1, 1);
    load_mid(ld, out, &form, wide);
    for (int i = 0; i < out->levels; i++) load_up(ld, out, &form, i);
    out->norm_out = limn_load_norm(ld, "decoder.conv_norm_out", out->channels[0], groups, form.eps);
    out->conv_out = limn_load_conv(ld, "decoder.conv_out", 3 * out->patch * out->patch,
                                   out->channels[0], 3, 1, 1);
    if (out->basis > 0)
        out->basis_decode =
            limn_load_linear(ld, "basis_decode", 3 * out->basis * out->basis, z, true);
}

void limn_vae_describe(limn_loader *ld, const limn_config *config, limn_vae *out) {
    int groups = 32;
    *out = (limn_vae){0};
    if (ld->status == LIMN_OK) read_config(ld, config, out, &groups);
    out->basis = 0;
}
