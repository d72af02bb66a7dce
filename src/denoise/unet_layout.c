/* The U-Net's configuration. */
#include "denoise/unet_layout.h"

#include <string.h>

/* Keys whose value changes the network in a way that limn does not compute, and the one text that
 * is fine (beside absence and null). */
static const char *const fixed_texts[][2] = {
    {"time_embedding_type", "positional"}, {"attention_type", "default"},
    {"encoder_hid_dim_type", NULL},        {"time_embedding_act_fn", NULL},
    {"timestep_post_act", NULL},           {"cross_attention_norm", NULL},
};

/* Likewise for switches: only false is fine. */
static const char *const off_switches[] = {
    "center_input_sample",
    "dual_cross_attention",
    "class_embeddings_concat",
    "resnet_skip_time_act",
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
static const char *const absent[] = {"encoder_hid_dim", "num_class_embeds"};

static void refuse(limn_loader *ld, const limn_config *c, const char *key, const char *value) {
    limn_load_fail(ld, LIMN_E_INPUT, "%s: %s \"%s\" is a form of U-Net that limn does not know",
                   limn_config_name(c), key, value);
}

/* The text of a key must be the expected one (NULL: none at all), or absent, or null. */
static void check_text(limn_loader *ld, const limn_config *c, const char *key,
                       const char *expected) {
    const char *found = expected;
    if (ld->status) return;
    ld->status = limn_config_text(c, key, expected, &found, ld->err);
    if (!ld->status && found != expected && (!expected || strcmp(found, expected) != 0))
        refuse(ld, c, key, found);
}

static void check_fixed(limn_loader *ld, const limn_config *c) {
    for (size_t i = 0; i < sizeof absent / sizeof *absent && !ld->status; i++)
        if (limn_config_has(c, absent[i])) refuse(ld, c, absent[i], "given");
    for (size_t i = 0; i < sizeof fixed_texts / sizeof *fixed_texts; i++)
        check_text(ld, c, fixed_texts[i][0], fixed_texts[i][1]);
    for (size_t i = 0; i < sizeof off_switches / sizeof *off_switches && !ld->status; i++) {
        bool on = false;
        ld->status = limn_config_bool(c, off_switches[i], false, &on, ld->err);
        if (on) refuse(ld, c, off_switches[i], "true");
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
        limn_load_fail(ld, LIMN_E_INPUT, "%s: %s has %d entries, block_out_channels has %d",
                       limn_config_name(c), key, count, levels);
    for (int i = 0; i < levels && !ld->status; i++) {
        attends[i] = strcmp(names[i], attending) == 0;
        if (!attends[i] && strcmp(names[i], plain) != 0) refuse(ld, c, key, names[i]);
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
    if (!*second && strcmp(found, first) != 0) refuse(ld, c, key, found);
}

/* The middle: two resnets round a transformer, one resnet alone (as diffusers builds this type),
 * or, where the key says null, nothing. */
static void read_mid(limn_loader *ld, const limn_config *c, limn_unet_layout *f) {
    static const char key[] = "mid_block_type";
    const char *type = "UNetMidBlock2DCrossAttn";
    if (!ld->status) ld->status = limn_config_text(c, key, type, &type, ld->err);
    if (ld->status || limn_config_is_null(c, key)) return;
    f->mid_attends = strcmp(type, "UNetMidBlock2DCrossAttn") == 0;
    f->mid_layers = f->mid_attends ? 2 : 1;
    if (!f->mid_attends && strcmp(type, "UNetMidBlock2D") != 0) refuse(ld, c, key, type);
    bool texts = false; /* both of its attentions look at the text: no model is known to */
    if (!ld->status && f->mid_attends)
        ld->status = limn_config_bool(c, "mid_block_only_cross_attention", false, &texts, ld->err);
    if (texts) refuse(ld, c, "mid_block_only_cross_attention", "true");
}

/* How many blocks each transformer has. The way up has the way down's numbers in reverse, unless it
 * has a list of its own, which it must where the way down names every layer. */
static void read_depths(limn_loader *ld, const limn_config *c, int levels, limn_unet_layout *f) {
    static const char down[] = "transformer_layers_per_block";
    static const char up[] = "reverse_transformer_layers_per_block";
    int up_layers[LIMN_UNET_LEVELS_MOST];
    bool nested = false, ignored;
    for (int i = 0; i < levels && !ld->status; i++) {
        up_layers[i] = f->layers[levels - 1 - i] + 1;
        for (int k = 0; k <= LIMN_UNET_LAYERS_MOST; k++) f->down_depth[i][k] = 1;
    }
    if (!ld->status)
        ld->status =
            limn_config_table(c, down, levels, f->layers, 0, LIMN_UNET_BLOCKS_MOST,
                              f->down_depth[0], LIMN_UNET_LAYERS_MOST + 1, &nested, ld->err);
    for (int i = 0; i < levels && !ld->status; i++)
        for (int k = 0; k < up_layers[i]; k++) f->up_depth[i][k] = f->down_depth[levels - 1 - i][0];
    if (ld->status) return;
    f->mid_depth = f->down_depth[levels - 1][0];
    if (limn_config_has(c, up))
        ld->status =
            limn_config_table(c, up, levels, up_layers, 0, LIMN_UNET_BLOCKS_MOST, f->up_depth[0],
                              LIMN_UNET_LAYERS_MOST + 1, &ignored, ld->err);
    else if (nested)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: %s has lists in its list, but there is no %s",
                       limn_config_name(c), down, up);
}

/* The width of the text, which may be said for each level but is one. */
static void read_context(limn_loader *ld, const limn_config *c, limn_unet *m) {
    int d[LIMN_UNET_LEVELS_MOST];
    read_levels(ld, c, "cross_attention_dim", m->levels, 65536, 1280, d);
    for (int i = 1; i < m->levels && !ld->status; i++)
        if (d[i] != d[0])
            limn_load_fail(ld, LIMN_E_INPUT,
                           "%s: cross_attention_dim is %d at one level and %d at another",
                           limn_config_name(c), d[0], d[i]);
    if (!ld->status) m->context_d = d[0];
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
        if (strcmp(type, keys[i][1]) != 0 || found >= 0) refuse(ld, c, keys[i][0], type);
        found = i;
    }
    if (found < 0 || ld->status) return;
    limn_load_int(ld, c, width, 1, 1 << 20, 0, &all);
    if (found == 1) limn_load_int(ld, c, "addition_time_embed_dim", 2, 65536, 0, &m->number_d);
    m->pooled_d = all - LIMN_UNET_NUMBERS * m->number_d;
    if (!ld->status && (m->pooled_d < 1 || (found == 1 && m->number_d < 2) || m->number_d % 2 != 0))
        limn_load_fail(ld, LIMN_E_INPUT, "%s: %s \"%s\" with %s %d and addition_time_embed_dim %d",
                       limn_config_name(c), keys[found][0], keys[found][1], width, all,
                       m->number_d);
}

/* Groups must divide the channels they norm, heads the width they share. */
static void check_divisions(limn_loader *ld, const limn_config *c, const limn_unet *m,
                            const limn_unet_layout *f) {
    const char *file = limn_config_name(c);
    for (int i = 0; i < m->levels && !ld->status; i++) {
        if (m->channels[i] % f->groups != 0)
            limn_load_fail(ld, LIMN_E_INPUT, "%s: norm_num_groups %d does not divide %d channels",
                           file, f->groups, m->channels[i]);
        if (m->channels[i] % f->heads[i] != 0)
            limn_load_fail(ld, LIMN_E_INPUT, "%s: %d heads do not divide %d channels", file,
                           f->heads[i], m->channels[i]);
    }
    if (!ld->status && m->channels[0] % 2 != 0)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: the first of block_out_channels is %d, expected even",
                       file, m->channels[0]);
}

static void read_levels_of(limn_loader *ld, const limn_config *c, limn_unet *m,
                           limn_unet_layout *f) {
    if (!ld->status)
        ld->status = limn_config_ints(c, "block_out_channels", 0, 1, 16384, m->channels,
                                      LIMN_UNET_LEVELS_MOST, &m->levels, ld->err);
    if (!ld->status && m->levels == 0)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: block_out_channels is missing", limn_config_name(c));
    read_levels(ld, c, "layers_per_block", m->levels, LIMN_UNET_LAYERS_MOST, 2, f->layers);
    read_heads(ld, c, m->levels, f->heads);
    read_block_types(ld, c, "down_block_types", m->levels, "DownBlock2D", "CrossAttnDownBlock2D",
                     f->down_attends);
    if (!f->half)
        read_block_types(ld, c, "up_block_types", m->levels, "UpBlock2D", "CrossAttnUpBlock2D",
                         f->up_attends);
    read_mid(ld, c, f);
    read_depths(ld, c, m->levels, f);
    if (!ld->status)
        ld->status =
            limn_config_bools(c, "only_cross_attention", m->levels, false, f->only_cross, ld->err);
}

void limn_unet_layout_read(limn_loader *ld, const limn_config *c, limn_unet *m,
                           limn_unet_layout *f) {
    bool swish = false, scale_shift = false;
    int pad = 0;
    double eps = 0;
    check_text(ld, c, "_class_name", f->half ? "ControlNetModel" : "UNet2DConditionModel");
    check_fixed(ld, c);
    read_levels_of(ld, c, m, f);
    read_context(ld, c, m);
    limn_load_int(ld, c, "in_channels", 1, 256, 4, &m->in_c);
    if (!f->half) limn_load_int(ld, c, "out_channels", 1, 256, 4, &m->out_c);
    limn_load_int(ld, c, "norm_num_groups", 1, 1024, 32, &f->groups);
    limn_load_int(ld, c, "downsample_padding", 1, 1, 1, &pad);
    limn_load_int(ld, c, "time_embedding_dim", 1, 65536, 4 * m->channels[0], &m->time_d);
    limn_load_int(ld, c, "time_cond_proj_dim", 4, 65536, 0, &m->guidance_d);
    read_added_embedding(ld, c, m);
    read_choice(ld, c, "act_fn", "silu", "swish", &swish);
    read_choice(ld, c, "resnet_time_scale_shift", "default", "scale_shift", &scale_shift);
    if (!ld->status) ld->status = limn_config_number(c, "norm_eps", 0, 1, 1e-5, &eps, ld->err);
    if (!ld->status)
        ld->status = limn_config_bool(c, "flip_sin_to_cos", true, &m->cos_first, ld->err);
    if (!ld->status)
        ld->status = limn_config_number(c, "freq_shift", 0, 1, 0, &m->freq_shift, ld->err);
    if (ld->status) return;
    m->act = LIMN_ACT_SILU;
    f->resnet = (limn_resnet_form){f->groups, eps, m->act, m->time_d, scale_shift};
    check_divisions(ld, c, m, f);
}
