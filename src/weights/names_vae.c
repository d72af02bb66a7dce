/* The VAE's names. LDM counts the decoder's levels from the picture, diffusers from the latent. */
#include <stdio.h>
#include <string.h>

#include "weights/names.h"

#define LEVELS_MOST 16
#define INSIDE_MOST (LIMN_NAME_MOST - 64) /* of the name inside a block */

static const limn_renaming MIDDLE[] = {
    {"block_1", "resnets.0"},
    {"block_2", "resnets.1"},
    {"attn_1", "attentions.0"},
    {NULL, NULL},
};

/* Inside a residual block. */
static const limn_renaming RESNET[] = {{"nin_shortcut", "conv_shortcut"}, {NULL, NULL}};

/* Inside the attention; the second half are diffusers' own names before 2023. */
static const limn_renaming ATTENTION[] = {
    {"norm", "group_norm"},    {"q", "to_q"},     {"k", "to_k"},   {"v", "to_v"},
    {"proj_out", "to_out.0"},  {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"},
    {"proj_attn", "to_out.0"}, {NULL, NULL},
};

/* The name behind "resnets.0." and the like, by a table of the names that differ. */
static void rename_inside(const limn_renaming *table, const char *rest, char *out) {
    const char *tail;
    const limn_renaming *r = limn_renaming_find(table, rest, &tail);
    snprintf(out, INSIDE_MOST, "%s%s", r != NULL ? r->to : rest, r != NULL ? tail : "");
}

/* "encoder" or "decoder", and the name behind it. `levels` is how many the decoder has. */
static void rename_half(bool decoder, int levels, const char *name, char *out) {
    const char *half = decoder ? "decoder" : "encoder", *side = decoder ? "up" : "down";
    const char *rest, *tail;
    char inside[INSIDE_MOST];
    int level, layer;
    const limn_renaming *r =
        strncmp(name, "mid.", 4) == 0 ? limn_renaming_find(MIDDLE, name + 4, &rest) : NULL;
    snprintf(out, LIMN_NAME_MOST, "%s.%s", half, name);
    if (r != NULL && rest[0] == '.') {
        rename_inside(r == &MIDDLE[2] ? ATTENTION : RESNET, rest + 1, inside);
        snprintf(out, LIMN_NAME_MOST, "%s.mid_block.%s.%s", half, r->to, inside);
    } else if (strncmp(name, "mid_block.attentions.0.", 23) == 0) {
        rename_inside(ATTENTION, name + 23, inside);
        snprintf(out, LIMN_NAME_MOST, "%s.mid_block.attentions.0.%s", half, inside);
    } else if (strncmp(name, "norm_out.", 9) == 0) {
        snprintf(out, LIMN_NAME_MOST, "%s.conv_%s", half, name);
    } else if (limn_name_number(name, decoder ? "up." : "down.", &level, &rest)) {
        if (decoder) level = levels - 1 - level;
        if (limn_name_number(rest, "block.", &layer, &tail)) {
            rename_inside(RESNET, tail, inside);
            snprintf(out, LIMN_NAME_MOST, "%s.%s_blocks.%d.resnets.%d.%s", half, side, level, layer,
                     inside);
        } else {
            /* "upsample.conv" and "downsample.conv" become "upsamplers.0.conv" and so on. */
            const size_t word = strcspn(rest, ".");
            snprintf(out, LIMN_NAME_MOST, "%s.%s_blocks.%d.%.*srs.0%s", half, side, level,
                     (int)word, rest, rest + word);
        }
    }
}

/* Inside "mid_block." and behind "down_blocks.I." or "up_blocks.I.": LDM's name, or false. */
static bool original_middle(const char *rest, char *out) {
    const char *tail, *end;
    const limn_renaming *part = limn_renaming_find_back(MIDDLE, rest, &tail);
    if (part == NULL || tail[0] != '.') return false;
    const limn_renaming *r =
        limn_renaming_find_back(part == &MIDDLE[2] ? ATTENTION : RESNET, tail + 1, &end);
    snprintf(out, INSIDE_MOST, "mid.%s.%s%s", part->from, r != NULL ? r->from : tail + 1,
             r != NULL ? end : "");
    return true;
}

static bool original_level(const char *side, int level, const char *rest, char *out) {
    const char *tail, *end;
    int layer;
    if (limn_name_number(rest, "resnets.", &layer, &tail)) {
        const limn_renaming *r = limn_renaming_find_back(RESNET, tail, &end);
        snprintf(out, INSIDE_MOST, "%s.%d.block.%d.%s%s", side, level, layer,
                 r != NULL ? r->from : tail, r != NULL ? end : "");
        return true;
    }
    const char *word = side[0] == 'u' ? "upsample" : "downsample";
    const size_t length = strlen(word);
    if (strncmp(rest, word, length) != 0 || strncmp(rest + length, "rs.0.", 5) != 0) return false;
    snprintf(out, INSIDE_MOST, "%s.%d.%s.%s", side, level, word, rest + length + 5);
    return true;
}

void limn_names_vae_original(const limn_tensors *vae, const char *name, char out[LIMN_NAME_MOST]) {
    const char *rest, *below;
    char inside[INSIDE_MOST];
    int level, levels = 0;
    bool there = false;
    snprintf(out, LIMN_NAME_MOST, "%s", name);
    if (strncmp(name, "encoder.", 8) != 0 && strncmp(name, "decoder.", 8) != 0) return;
    rest = name + 8;
    if (strncmp(rest, "mid_block.", 10) == 0)
        there = original_middle(rest + 10, inside);
    else if (strncmp(rest, "conv_norm_out.", 14) == 0)
        there = snprintf(inside, sizeof inside, "%s", rest + 5) > 0;
    else if (limn_name_number(rest, "down_blocks.", &level, &below))
        there = original_level("down", level, below, inside);
    else if (limn_name_number(rest, "up_blocks.", &level, &below)) {
        while (levels < LEVELS_MOST &&
               limn_name_there(vae, "decoder.up_blocks.%d.resnets.0.norm1.weight", levels))
            levels++;
        there = level < levels && original_level("up", levels - 1 - level, below, inside);
    }
    if (there) snprintf(out, LIMN_NAME_MOST, "%.8s%s", name, inside);
}

limn_status limn_names_vae(const limn_tensors *in, limn_gather *out, limn_error *err) {
    int levels = 0;
    for (int i = 0; i < LEVELS_MOST; i++)
        if (limn_name_there(in, "decoder.up.%d.block.0.norm1.weight", i)) levels = i + 1;
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < in->count && status == LIMN_OK; i++) {
        const limn_tensor *t = &in->items[i];
        char name[LIMN_NAME_MOST];
        const bool decoder = strncmp(t->name, "decoder.", 8) == 0;
        snprintf(name, sizeof name, "%s", t->name);
        if (decoder || strncmp(t->name, "encoder.", 8) == 0)
            rename_half(decoder, levels, t->name + 8, name);
        status = limn_gather_add(out, t, name, err);
    }
    return status;
}
