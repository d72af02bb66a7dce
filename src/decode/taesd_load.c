/* TAESD's shape and tensors.
 *
 * Layers are numbered through, and what has no numbers of its own counts too: the decoder is
 * conv 0, relu 1, blocks, enlarging, conv, blocks, ..., conv. The original files begin with one
 * more, which holds the latents in bounds. */
#include <stdio.h>
#include <string.h>

#include "decode/taesd.h"

/* How a file calls its layers: PREFIX and the number, counted from `from`. */
typedef struct naming {
    const char *prefix;
    int from;
} naming;

static const naming decoders[] = {
    {"decoder.layers.", 0}, {"decoder.", 1}, {"", 1}, {"taesd_decoder.", 1}};

#define NAME_BYTES 100

static const char *layer_name(const naming *n, int layer, const char *behind, char *out) {
    snprintf(out, NAME_BYTES, "%s%d%s", n->prefix, n->from + layer, behind);
    return out;
}

/* ---- the shape ------------------------------------------------------------------------------- */

static void check_fixed(limn_loader *ld, const limn_config *c) {
    const char *kind = "AutoencoderTiny", *act = "relu";
    int two = 2;
    if (!ld->status) ld->status = limn_config_text(c, "_class_name", kind, &kind, ld->err);
    if (!ld->status && strcmp(kind, "AutoencoderTiny") != 0)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "TAESD's config.json: _class_name \"%s\" is not known "
                       "(AutoencoderTiny)",
                       kind);
    if (!ld->status) ld->status = limn_config_text(c, "act_fn", act, &act, ld->err);
    if (!ld->status && strcmp(act, "relu") != 0)
        limn_load_fail(ld, LIMN_E_INPUT, "TAESD's config.json: act_fn \"%s\" is not known (relu)",
                       act);
    limn_load_int(ld, c, "upsampling_scaling_factor", 2, 2, 2, &two);
    limn_load_int(ld, c, "in_channels", 3, 3, 3, &two);
    limn_load_int(ld, c, "out_channels", 3, 3, 3, &two);
}

/* The shape of one half by the configuration; what is not there is as TAESD has it. */
static limn_taesd_form read_form(limn_loader *ld, const limn_config *c, bool encoder) {
    limn_taesd_form f = {.levels = 4, .blocks = {3, 3, 3, 1}};
    if (encoder) f = (limn_taesd_form){.levels = 4, .blocks = {1, 3, 3, 3}};
    int width[LIMN_TAESD_LEVELS_MOST] = {64, 64, 64, 64}, widths = 4, count = f.levels;
    limn_load_int(ld, c, "latent_channels", 1, 256, 4, &f.latent_c);
    if (!ld->status)
        ld->status = limn_config_ints(c, encoder ? "num_encoder_blocks" : "num_decoder_blocks", 0,
                                      0, LIMN_TAESD_BLOCKS_MOST, f.blocks, LIMN_TAESD_LEVELS_MOST,
                                      &count, ld->err);
    if (count > 0) f.levels = count;
    if (!ld->status)
        ld->status = limn_config_ints(
            c, encoder ? "encoder_block_out_channels" : "decoder_block_out_channels", 0, 1, 4096,
            width, LIMN_TAESD_LEVELS_MOST, &widths, ld->err);
    if (widths == 0) widths = f.levels;
    for (int i = 0; i < widths && !ld->status; i++)
        if (width[i] != width[0] || widths != f.levels)
            limn_load_fail(ld, LIMN_E_INPUT,
                           "TAESD's config.json: %d widths for %d levels, expected one for each, "
                           "all equal",
                           widths, f.levels);
    f.width = width[0];
    return f;
}

static bool has_layer(const limn_loader *ld, const naming *n, int layer, const char *behind) {
    char name[NAME_BYTES];
    return limn_load_has(ld, layer_name(n, layer, behind, name));
}

/* How the decoder's layers are called, NULL where the tensors hold none. */
static const naming *find_naming(const limn_loader *ld) {
    if (ld->invention) return &decoders[0];
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
        if (has_layer(ld, &decoders[i], 0, ".weight")) return &decoders[i];
    return NULL;
}

/* The decoder's shape by which tensors there are; wrong ones are found when they are loaded. */
static limn_taesd_form guess_form(limn_loader *ld, const naming *n) {
    limn_taesd_form f = {.levels = 0};
    char name[NAME_BYTES];
    const limn_tensor *first = limn_tensors_find(ld->tensors, layer_name(n, 0, ".weight", name));
    bool sane = first->rank == 4 && first->shape[0] <= 4096 && first->shape[1] <= 256;
    for (int layer = 2; sane; layer++) {
        int blocks = 0;
        while (has_layer(ld, n, layer, ".conv.0.weight")) blocks++, layer++;
        sane = f.levels < LIMN_TAESD_LEVELS_MOST && blocks <= LIMN_TAESD_BLOCKS_MOST;
        if (!sane) break;
        f.blocks[f.levels++] = blocks;
        if (has_layer(ld, n, layer, ".weight")) break; /* nothing enlarges before it: the last */
        sane = has_layer(ld, n, ++layer, ".weight");
    }
    if (!sane)
        limn_load_fail(ld, LIMN_E_INPUT, "%s and what follows is not the decoder of a TAESD", name);
    f.latent_c = (int)first->shape[1];
    f.width = (int)first->shape[0];
    return f;
}

/* ---- the tensors ----------------------------------------------------------------------------- */

static void load_blocks(limn_loader *ld, const naming *n, int *layer, int level,
                        limn_taesd_half *m) {
    char name[NAME_BYTES], behind[20];
    for (int i = 0; i < m->form.blocks[level]; i++, ++*layer)
        for (int k = 0; k < 3; k++) {
            snprintf(behind, sizeof behind, ".conv.%d", 2 * k);
            m->block[level][i].conv[k] = limn_load_conv(ld, layer_name(n, *layer, behind, name),
                                                        m->form.width, m->form.width, 3, 1, 1);
        }
}

static void load_decoder(limn_loader *ld, const naming *n, limn_taesd_half *m) {
    const limn_taesd_form *f = &m->form;
    char name[NAME_BYTES];
    int layer = 2; /* after the first convolution and its activation */
    m->first = limn_load_conv(ld, layer_name(n, 0, "", name), f->width, f->latent_c, 3, 1, 1);
    for (int i = 0; i < f->levels; i++) {
        load_blocks(ld, n, &layer, i, m);
        if (i + 1 == f->levels) break;
        m->between[i] =
            limn_load_conv_bare(ld, layer_name(n, ++layer, "", name), f->width, f->width, 3, 1, 1);
        layer++;
    }
    m->last = limn_load_conv(ld, layer_name(n, layer, "", name), 3, f->width, 3, 1, 1);
}

void limn_taesd_load(limn_loader *ld, const limn_config *config, limn_taesd *out) {
    *out = (limn_taesd){.scaling = 1};
    if (ld->status != LIMN_OK) return;
    const naming *n = find_naming(ld);
    if (!n)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "there is no TAESD decoder in this file: neither decoder.layers.0.weight "
                       "nor 1.weight");
    if (n && config) {
        check_fixed(ld, config);
        out->decoder.form = read_form(ld, config, false);
        if (!ld->status)
            ld->status =
                limn_config_number(config, "scaling_factor", 1e-6, 1e6, 1, &out->scaling, ld->err);
        if (!ld->status)
            ld->status =
                limn_config_number(config, "shift_factor", -1e6, 1e6, 0, &out->shift, ld->err);
    } else if (n) {
        out->decoder.form = guess_form(ld, n);
    }
    if (ld->status != LIMN_OK) return;
    out->latent_c = out->decoder.form.latent_c;
    out->scale_px = 1 << (out->decoder.form.levels - 1);
    load_decoder(ld, n, &out->decoder);
}

void limn_taesd_load_encoder(limn_loader *ld, const limn_config *config, limn_taesd *out) {
    static const naming n = {"encoder.layers.", 0};
    limn_taesd_half *m = &out->encoder;
    char name[NAME_BYTES];
    if (ld->status != LIMN_OK) return;
    m->form = read_form(ld, config, true);
    const limn_taesd_form *f = &m->form;
    if (f->levels != out->decoder.form.levels)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "TAESD's config.json: %d levels to encode, but %d to decode", f->levels,
                       out->decoder.form.levels);
    int layer = 0;
    m->first = limn_load_conv(ld, layer_name(&n, layer++, "", name), f->width, 3, 3, 1, 1);
    for (int i = 0; i < f->levels; i++) {
        if (i > 0)
            m->between[i - 1] = limn_load_conv_bare(ld, layer_name(&n, layer++, "", name), f->width,
                                                    f->width, 3, 2, 1);
        load_blocks(ld, &n, &layer, i, m);
    }
    m->last = limn_load_conv(ld, layer_name(&n, layer, "", name), f->latent_c, f->width, 3, 1, 1);
    out->has_encoder = ld->status == LIMN_OK;
}
