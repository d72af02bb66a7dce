/* The U-Net's configuration and tensors. */
#include <stdio.h>
#include <string.h>

#include "denoise/unet.h"

/* What the configuration says beside what limn_unet keeps. */
typedef struct form {
    int layers[LIMN_UNET_LEVELS_MOST], heads[LIMN_UNET_LEVELS_MOST], depth[LIMN_UNET_LEVELS_MOST];
    bool down_attends[LIMN_UNET_LEVELS_MOST], up_attends[LIMN_UNET_LEVELS_MOST];
    int groups, down_pad;
    double eps;
    limn_resnet_form resnet;
} form;

/* Keys whose value changes the network in a way that limn does not compute, and the one text that
 * is fine (beside absence and null). */
static const char *const fixed_texts[][2] = {
    {"_class_name", "UNet2DConditionModel"},
    {"time_embedding_type", "positional"},
    {"attention_type", "default"},
    {"mid_block_type", "UNetMidBlock2DCrossAttn"},
    {"encoder_hid_dim_type", NULL},
    {"time_embedding_act_fn", NULL},
    {"timestep_post_act", NULL},
    {"cross_attention_norm", NULL},
};

/* Likewise for switches: only false is fine. */
static const char *const off_switches[] = {
    "center_input_sample",  "dual_cross_attention", "class_embeddings_concat",
    "resnet_skip_time_act", "only_cross_attention", "mid_block_only_cross_attention",
};

/* And for numbers: only the given one is fine. */
static const struct {
    const char *key;
    double value;
} fixed_numbers[] = {
    {"conv_in_kernel", 3},
    {"conv_out_kernel", 3},
    {"mid_block_scale_factor", 1},
    {"resnet_out_scale_factor", 1},
};

/* Keys that must be absent or null. */
static const char *const absent[] = {
    "time_cond_proj_dim",
    "encoder_hid_dim",
    "num_class_embeds",
    "time_embedding_dim",
    "reverse_transformer_layers_per_block",
};

static void refuse(limn_loader *ld, const char *key, const char *value) {
    limn_load_fail(ld, LIMN_E_INPUT,
                   "unet/config.json: %s \"%s\" is a form of U-Net that limn does not know", key,
                   value);
}

static void check_fixed(limn_loader *ld, const limn_config *c) {
    for (size_t i = 0; i < sizeof absent / sizeof *absent && !ld->status; i++)
        if (limn_config_has(c, absent[i])) refuse(ld, absent[i], "given");
    for (size_t i = 0; i < sizeof fixed_texts / sizeof *fixed_texts && !ld->status; i++) {
        const char *key = fixed_texts[i][0], *expected = fixed_texts[i][1], *found = expected;
        ld->status = limn_config_text(c, key, expected, &found, ld->err);
        if (!ld->status && found != expected && (!expected || strcmp(found, expected) != 0))
            refuse(ld, key, found);
    }
    for (size_t i = 0; i < sizeof off_switches / sizeof *off_switches && !ld->status; i++) {
        bool on = false;
        ld->status = limn_config_bool(c, off_switches[i], false, &on, ld->err);
        if (on) refuse(ld, off_switches[i], "true");
    }
    for (size_t i = 0; i < sizeof fixed_numbers / sizeof *fixed_numbers && !ld->status; i++) {
        double v = fixed_numbers[i].value;
        ld->status = limn_config_number(c, fixed_numbers[i].key, v, v, v, &v, ld->err);
    }
}

/* A list of block types; which of them attend to the text. */
static void read_block_types(limn_loader *ld, const limn_config *c, const char *key, int levels,
                             const char *plain, const char *attending, bool *attends) {
    const char *names[LIMN_UNET_LEVELS_MOST];
    int count = 0;
    if (ld->status) return;
    ld->status = limn_config_texts(c, key, names, LIMN_UNET_LEVELS_MOST, &count, ld->err);
    if (!ld->status && count != levels)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "unet/config.json: %s has %d entries, block_out_channels has %d", key, count,
                       levels);
    for (int i = 0; i < levels && !ld->status; i++) {
        attends[i] = strcmp(names[i], attending) == 0;
        if (!attends[i] && strcmp(names[i], plain) != 0) refuse(ld, key, names[i]);
    }
}

/* One number for each level, from a list or a single number. */
static void read_levels(limn_loader *ld, const limn_config *c, const char *key, int levels,
                        int most, int fallback, int *out) {
    int count = 0;
    if (ld->status) return;
    ld->status =
        limn_config_ints(c, key, levels, 1, most, out, LIMN_UNET_LEVELS_MOST, &count, ld->err);
    for (int i = 0; i < levels && count == 0; i++) out[i] = fallback;
}

/* A choice between two texts: *second becomes whether it is the second. */
static void read_choice(limn_loader *ld, const limn_config *c, const char *key, const char *first,
                        const char *other, bool *second) {
    const char *found = first;
    if (ld->status) return;
    ld->status = limn_config_text(c, key, first, &found, ld->err);
    if (ld->status) return;
    *second = other && strcmp(found, other) == 0;
    if (!*second && strcmp(found, first) != 0) refuse(ld, key, found);
}

/* How heads are counted: num_attention_heads where given, else attention_head_dim, which in this
 * family of models is, against its name, the number of heads. */
static void read_heads(limn_loader *ld, const limn_config *c, int levels, int *heads) {
    const char *key =
        limn_config_has(c, "num_attention_heads") ? "num_attention_heads" : "attention_head_dim";
    read_levels(ld, c, key, levels, 256, 8, heads);
}

/* The pooled text's part of the time embedding: alone ("projection"), or with numbers beside it
 * ("text_time", SDXL). */
static void read_added_embedding(limn_loader *ld, const limn_config *c, limn_unet *m) {
    static const char *const keys[][2] = {{"class_embed_type", "projection"},
                                          {"addition_embed_type", "text_time"}};
    static const char width[] = "projection_class_embeddings_input_dim";
    int found = -1, all = 0;
    for (int i = 0; i < 2 && !ld->status; i++) {
        const char *type = NULL;
        ld->status = limn_config_text(c, keys[i][0], NULL, &type, ld->err);
        if (ld->status || !type) continue;
        if (strcmp(type, keys[i][1]) != 0 || found >= 0) refuse(ld, keys[i][0], type);
        found = i;
    }
    if (found < 0 || ld->status) return;
    limn_load_int(ld, c, width, 1, 1 << 20, 0, &all);
    if (found == 1) limn_load_int(ld, c, "addition_time_embed_dim", 2, 65536, 0, &m->number_d);
    m->pooled_d = all - LIMN_UNET_NUMBERS * m->number_d;
    if (!ld->status && (m->pooled_d < 1 || (found == 1 && m->number_d < 2) || m->number_d % 2 != 0))
        limn_load_fail(ld, LIMN_E_INPUT,
                       "unet/config.json: %s \"%s\" with %s %d and addition_time_embed_dim %d",
                       keys[found][0], keys[found][1], width, all, m->number_d);
}

/* Groups must divide the channels they norm, heads the width they share. */
static void check_divisions(limn_loader *ld, const limn_unet *m, const form *f) {
    for (int i = 0; i < m->levels && !ld->status; i++) {
        if (m->channels[i] % f->groups != 0)
            limn_load_fail(ld, LIMN_E_INPUT,
                           "unet/config.json: norm_num_groups %d does not divide %d channels",
                           f->groups, m->channels[i]);
        if (m->channels[i] % f->heads[i] != 0)
            limn_load_fail(ld, LIMN_E_INPUT, "unet/config.json: %d heads do not divide %d channels",
                           f->heads[i], m->channels[i]);
    }
    if (!ld->status && m->channels[0] % 2 != 0)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "unet/config.json: the first of block_out_channels is %d, expected even",
                       m->channels[0]);
}

static void read_config(limn_loader *ld, const limn_config *c, limn_unet *m, form *f) {
    check_fixed(ld, c);
    if (!ld->status)
        ld->status = limn_config_ints(c, "block_out_channels", 0, 1, 16384, m->channels,
                                      LIMN_UNET_LEVELS_MOST, &m->levels, ld->err);
    if (!ld->status && m->levels == 0)
        limn_load_fail(ld, LIMN_E_INPUT, "unet/config.json: block_out_channels is missing");
    limn_load_int(ld, c, "in_channels", 1, 256, 4, &m->in_c);
    limn_load_int(ld, c, "out_channels", 1, 256, 4, &m->out_c);
    limn_load_int(ld, c, "cross_attention_dim", 1, 65536, 1280, &m->context_d);
    limn_load_int(ld, c, "norm_num_groups", 1, 1024, 32, &f->groups);
    limn_load_int(ld, c, "downsample_padding", 1, 1, 1, &f->down_pad);
    read_levels(ld, c, "layers_per_block", m->levels, LIMN_UNET_LAYERS_MOST, 2, f->layers);
    read_levels(ld, c, "transformer_layers_per_block", m->levels, LIMN_UNET_BLOCKS_MOST, 1,
                f->depth);
    read_heads(ld, c, m->levels, f->heads);
    read_block_types(ld, c, "down_block_types", m->levels, "DownBlock2D", "CrossAttnDownBlock2D",
                     f->down_attends);
    read_block_types(ld, c, "up_block_types", m->levels, "UpBlock2D", "CrossAttnUpBlock2D",
                     f->up_attends);
    read_added_embedding(ld, c, m);
    bool swish = false;
    read_choice(ld, c, "act_fn", "silu", "swish", &swish);
    read_choice(ld, c, "resnet_time_scale_shift", "default", "scale_shift", &f->resnet.scale_shift);
    if (!ld->status) ld->status = limn_config_number(c, "norm_eps", 0, 1, 1e-5, &f->eps, ld->err);
    if (!ld->status)
        ld->status = limn_config_bool(c, "flip_sin_to_cos", true, &m->cos_first, ld->err);
    if (!ld->status)
        ld->status = limn_config_number(c, "freq_shift", 0, 1, 0, &m->freq_shift, ld->err);
    if (ld->status) return;
    m->time_d = 4 * m->channels[0];
    m->act = LIMN_ACT_SILU;
    f->resnet = (limn_resnet_form){f->groups, f->eps, m->act, m->time_d, f->resnet.scale_shift};
    check_divisions(ld, m, f);
}

static limn_unet_block load_block(limn_loader *ld, const char *name, int d, int context_d) {
    static const char *const self[] = {"to_q", "to_k", "to_v"}, *const text[] = {"to_k", "to_v"};
    limn_unet_block b = {0};
    bool int8 = ld->int8;
    char part[200];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    b.norm1 = limn_load_norm(ld, PART("norm1"), d, 0, 1e-5);
    b.qkv = limn_load_linears(ld, PART("attn1."), self, 3, d, d, false);
    b.out1 = limn_load_linear(ld, PART("attn1.to_out.0"), d, d, true);
    b.norm2 = limn_load_norm(ld, PART("norm2"), d, 0, 1e-5);
    b.q2 = limn_load_linear(ld, PART("attn2.to_q"), d, d, false);
    ld->int8 = false; /* the text's rows have outliers, and are read once for a picture */
    b.kv2 = limn_load_linears(ld, PART("attn2."), text, 2, d, context_d, false);
    ld->int8 = int8;
    b.out2 = limn_load_linear(ld, PART("attn2.to_out.0"), d, d, true);
    b.norm3 = limn_load_norm(ld, PART("norm3"), d, 0, 1e-5);
    b.ff_in = limn_load_linear(ld, PART("ff.net.0.proj"), 8 * d, d, true);
    b.ff_out = limn_load_linear(ld, PART("ff.net.2"), d, 4 * d, true);
#undef PART
    return b;
}

static void load_transformer(limn_loader *ld, limn_unet *m, const form *f, const char *name,
                             int level, limn_unet_transformer *out) {
    int d = m->channels[level];
    char part[160];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    out->d = d;
    out->heads = f->heads[level];
    out->count = f->depth[level];
    out->norm = limn_load_norm(ld, PART("norm"), d, f->groups, 1e-6);
    out->in = limn_load_linear(ld, PART("proj_in"), d, d, true);
    out->out = limn_load_linear(ld, PART("proj_out"), d, d, true);
#undef PART
    for (int i = 0; i < out->count; i++) {
        snprintf(part, sizeof part, "%s.transformer_blocks.%d", name, i);
        out->block[i] = load_block(ld, part, d, m->context_d);
        out->block[i].context = m->contexts++;
    }
    if (m->contexts > LIMN_UNET_CONTEXTS_MOST)
        limn_load_fail(ld, LIMN_E_INPUT, "unet/config.json: %d transformer blocks, limn takes %d",
                       m->contexts, LIMN_UNET_CONTEXTS_MOST);
}

static void load_down(limn_loader *ld, limn_unet *m, const form *f, int i) {
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
        if (l->attends) load_transformer(ld, m, f, name, i, &l->attention[k]);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "down_blocks.%d.downsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 2, f->down_pad);
}

/* On the way up, each resnet also takes what the way down left at its resolution: the outputs of
 * that level's layers in reverse, and last of all its input. */
static void load_up(limn_loader *ld, limn_unet *m, const form *f, int i) {
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
        if (l->attends) load_transformer(ld, m, f, name, level, &l->attention[k]);
    }
    l->resamples = i + 1 < m->levels;
    snprintf(name, sizeof name, "up_blocks.%d.upsamplers.0.conv", i);
    if (l->resamples) l->resample = limn_load_conv(ld, name, c, c, 3, 1, 1);
}

static void load_mid(limn_loader *ld, limn_unet *m, const form *f) {
    int last = m->levels - 1, c = m->channels[last];
    m->mid_resnet[0] = limn_load_resnet(ld, "mid_block.resnets.0", &f->resnet, c, c);
    load_transformer(ld, m, f, "mid_block.attentions.0", last, &m->mid_attention);
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

void limn_unet_load(limn_loader *ld, const limn_config *config, limn_unet *out) {
    form f = {0};
    *out = (limn_unet){0};
    if (ld->status == LIMN_OK) read_config(ld, config, out, &f);
    if (ld->status != LIMN_OK) return;
    int first = out->channels[0], t = out->time_d;
    bool int8 = ld->int8;
    ld->int8 = false;
    out->time1 = limn_load_linear(ld, "time_embedding.linear_1", t, first, true);
    out->time2 = limn_load_linear(ld, "time_embedding.linear_2", t, t, true);
    if (out->pooled_d > 0) load_added_embedding(ld, out);
    out->conv_in = limn_load_conv(ld, "conv_in", first, out->in_c, 3, 1, 1);
    ld->int8 = int8;
    for (int i = 0; i < out->levels; i++) load_down(ld, out, &f, i);
    load_mid(ld, out, &f);
    for (int i = 0; i < out->levels; i++) load_up(ld, out, &f, i);
    ld->int8 = false;
    out->norm_out = limn_load_norm(ld, "conv_norm_out", first, f.groups, f.eps);
    out->conv_out = limn_load_conv(ld, "conv_out", out->out_c, first, 3, 1, 1);
    ld->int8 = int8;
}
