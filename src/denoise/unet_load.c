/* The U-Net's tensors. */
#include <stdio.h>

#include "denoise/unet_layout.h"

/* Keys and values of the text, for `prefix`'s attention: never int8, since the text's rows have
 * outliers, and are read once for a picture. */
static limn_matrix load_text_keys(limn_loader *ld, const char *prefix, int d, int context_d) {
    static const char *const names[] = {"to_k", "to_v"};
    bool int8 = ld->int8;
    ld->int8 = false;
    limn_matrix m = limn_load_linears(ld, prefix, names, 2, d, context_d, false);
    ld->int8 = int8;
    return m;
}

static limn_unet_block load_block(limn_loader *ld, const char *name, int d, int context_d,
                                  bool only_cross) {
    static const char *const self[] = {"to_q", "to_k", "to_v"};
    limn_unet_block b = {.only_cross = only_cross};
    char part[200];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    b.norm1 = limn_load_norm(ld, PART("norm1"), d, 0, 1e-5);
    b.qkv = limn_load_linears(ld, PART("attn1."), self, only_cross ? 1 : 3, d, d, false);
    if (only_cross) b.kv1 = load_text_keys(ld, PART("attn1."), d, context_d);
    b.out1 = limn_load_linear(ld, PART("attn1.to_out.0"), d, d, true);
    b.norm2 = limn_load_norm(ld, PART("norm2"), d, 0, 1e-5);
    b.q2 = limn_load_linear(ld, PART("attn2.to_q"), d, d, false);
    b.kv2 = load_text_keys(ld, PART("attn2."), d, context_d);
    b.out2 = limn_load_linear(ld, PART("attn2.to_out.0"), d, d, true);
    b.norm3 = limn_load_norm(ld, PART("norm3"), d, 0, 1e-5);
    b.ff_in = limn_load_linear(ld, PART("ff.net.0.proj"), 8 * d, d, true);
    b.ff_out = limn_load_linear(ld, PART("ff.net.2"), d, 4 * d, true);
#undef PART
    return b;
}

static void load_transformer(limn_loader *ld, limn_unet *m, const limn_unet_layout *f,
                             const char *name, int level, int depth, bool only_cross,
                             limn_unet_transformer *out) {
    int d = m->channels[level];
    char part[160];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    out->d = d;
    out->heads = f->heads[level];
    out->count = depth;
    out->norm = limn_load_norm(ld, PART("norm"), d, f->groups, 1e-6);
    out->in = limn_load_linear(ld, PART("proj_in"), d, d, true);
    out->out = limn_load_linear(ld, PART("proj_out"), d, d, true);
#undef PART
    for (int i = 0; i < out->count; i++) {
        snprintf(part, sizeof part, "%s.transformer_blocks.%d", name, i);
        out->block[i] = load_block(ld, part, d, m->context_d, only_cross);
        out->block[i].context = m->contexts;
        m->contexts += only_cross ? 2 : 1;
    }
    if (m->contexts > LIMN_UNET_CONTEXTS_MOST)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: %d attentions to the text, limn takes %d", name,
                       m->contexts, LIMN_UNET_CONTEXTS_MOST);
}

static void load_down(limn_loader *ld, limn_unet *m, const limn_unet_layout *f, int i) {
    limn_unet_level *l = &m->down[i];
    int c = m->channels[i];
    char name[120];
    l->layers = f->layers[i];
    l->attends = f->down_attends[i];
    for (int k = 0; k < l->layers; k++) {
        int in_c = k > 0 ? c : m->channels[i > 0 ? i - 1 : 0];
        snprintf(name, sizeof name, "down_blocks.%d.resnets.%d", i, k);
        l->resnet[k] = limn_load_resnet(ld, name, &f->resnet, in_c, c);
        snprintf(name, sizeof name, "down_blocks.%d.attentions.%d", i, k);
        if (l->attends)
            load_transformer(ld, m, f, name, i, f->down_depth[i][k], f->only_cross[i],
                             &l->attention[k]);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "down_blocks.%d.downsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 2, 1);
}

/* On the way up, each resnet also takes what the way down left at its resolution: the outputs of
 * that level's layers in reverse, and last of all its input. */
static void load_up(limn_loader *ld, limn_unet *m, const limn_unet_layout *f, int i) {
    limn_unet_level *l = &m->up[i];
    int level = m->levels - 1 - i, c = m->channels[level];
    int before = m->channels[i > 0 ? level + 1 : level];
    char name[120];
    l->layers = f->layers[level] + 1;
    l->attends = f->up_attends[i];
    for (int k = 0; k < l->layers; k++) {
        int skip = k + 1 < l->layers ? c : m->channels[level > 0 ? level - 1 : 0];
        snprintf(name, sizeof name, "up_blocks.%d.resnets.%d", i, k);
        l->resnet[k] = limn_load_resnet(ld, name, &f->resnet, (k > 0 ? c : before) + skip, c);
        snprintf(name, sizeof name, "up_blocks.%d.attentions.%d", i, k);
        if (l->attends)
            load_transformer(ld, m, f, name, level, f->up_depth[i][k], f->only_cross[level],
                             &l->attention[k]);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "up_blocks.%d.upsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 1, 1);
}

static void load_mid(limn_loader *ld, limn_unet *m, const limn_unet_layout *f) {
    int last = m->levels - 1, c = m->channels[last];
    m->mid_layers = f->mid_layers;
    m->mid_attends = f->mid_attends;
    if (m->mid_layers > 0)
        m->mid_resnet[0] = limn_load_resnet(ld, "mid_block.resnets.0", &f->resnet, c, c);
    if (m->mid_attends)
        load_transformer(ld, m, f, "mid_block.attentions.0", last, f->mid_depth, false,
                         &m->mid_attention);
    if (m->mid_layers > 1)
        m->mid_resnet[1] = limn_load_resnet(ld, "mid_block.resnets.1", &f->resnet, c, c);
}

static void load_added_embedding(limn_loader *ld, limn_unet *m) {
    int t = m->time_d, d = m->pooled_d + LIMN_UNET_NUMBERS * m->number_d;
    bool numbers = m->number_d > 0;
    m->class1 = limn_load_linear(
        ld, numbers ? "add_embedding.linear_1" : "class_embedding.linear_1", t, d, true);
    m->class2 = limn_load_linear(
        ld, numbers ? "add_embedding.linear_2" : "class_embedding.linear_2", t, t, true);
}

/* The embeddings and the first convolution: in float32 always. */
static void load_in(limn_loader *ld, limn_unet *m) {
    int first = m->channels[0], t = m->time_d;
    bool int8 = ld->int8;
    ld->int8 = false;
    m->time1 = limn_load_linear(ld, "time_embedding.linear_1", t, first, true);
    m->time2 = limn_load_linear(ld, "time_embedding.linear_2", t, t, true);
    if (m->guidance_d > 0)
        m->guidance = limn_load_linear(ld, "time_embedding.cond_proj", first, m->guidance_d, false);
    if (m->pooled_d > 0) load_added_embedding(ld, m);
    m->conv_in = limn_load_conv(ld, "conv_in", first, m->in_c, 3, 1, 1);
    ld->int8 = int8;
}

/* All that comes before the way up; false, and nothing was loaded, where the configuration is at
 * fault. */
static bool load_half(limn_loader *ld, const limn_config *config, limn_unet_layout *f,
                      limn_unet *out) {
    *out = (limn_unet){0};
    if (ld->status == LIMN_OK) limn_unet_layout_read(ld, config, out, f);
    if (ld->status != LIMN_OK) return false;
    load_in(ld, out);
    for (int i = 0; i < out->levels; i++) load_down(ld, out, f, i);
    load_mid(ld, out, f);
    return true;
}

void limn_unet_load_half(limn_loader *ld, const limn_config *config, limn_unet *out) {
    limn_unet_layout f = {.half = true};
    load_half(ld, config, &f, out);
}

void limn_unet_load(limn_loader *ld, const limn_config *config, limn_unet *out) {
    limn_unet_layout f = {.half = false};
    if (!load_half(ld, config, &f, out)) return;
    int first = out->channels[0];
    for (int i = 0; i < out->levels; i++) load_up(ld, out, &f, i);
    bool int8 = ld->int8;
    ld->int8 = false;
    out->norm_out = limn_load_norm(ld, "conv_norm_out", first, f.groups, f.resnet.eps);
    out->conv_out = limn_load_conv(ld, "conv_out", out->out_c, first, 3, 1, 1);
    ld->int8 = int8;
}
