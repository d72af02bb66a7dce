/* diffusers' names of the U-Net's parts become those of the original layout.
 * Source: CompVis/stable-diffusion, openaimodel.py. */
#include "weights/original.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many tensors prefix.N.suffix there are, N from 0. */
static int count_of(const limn_tensors *t, const char *prefix, const char *suffix) {
    char text[2 * LIMN_ORIGINAL_BYTES];
    for (int i = 0;; i++) {
        snprintf(text, sizeof text, "%s.%d.%s", prefix, i, suffix);
        if (!limn_tensors_find(t, text)) return i;
    }
}

/* How many residual blocks each of the first `level` blocks of one way has ("down" or "up"), with
 * `more` for each, added up. */
static int layers_before(const limn_tensors *t, const char *way, int level, int more) {
    char text[LIMN_ORIGINAL_BYTES];
    int sum = 0;
    for (int i = 0; i < level; i++) {
        snprintf(text, sizeof text, "%s_blocks.%d.resnets", way, i);
        sum += count_of(t, text, "conv1.weight") + more;
    }
    return sum;
}

/* What a residual block's parts are called. */
static const char *resnet_part(const char *part) {
    static const char *const parts[][2] = {
        {"conv1", "in_layers.2"},  {"time_emb_proj", "emb_layers.1"},
        {"conv2", "out_layers.3"}, {"conv_shortcut", "skip_connection"},
        {"norm1", "in_layers.0"},  {"norm2", "out_layers.0"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(part, parts[i][0]) == 0) return parts[i][1];
    return part;
}

/* Splits "resnets.1.conv1" at its number: the number, and what follows it; NULL where it is not of
 * that kind. */
static const char *item_of(const char *text, const char *kind, int *number) {
    size_t length = strlen(kind);
    if (strncmp(text, kind, length) != 0 || text[length] != '.') return NULL;
    char *end;
    long value = strtol(text + length + 1, &end, 10);
    if (end == text + length + 1 || *end != '.' || value < 0 || value > 999) return NULL;
    *number = (int)value;
    return end + 1;
}

/* The names below down_blocks.LEVEL and up_blocks.LEVEL. The way down counts each level's blocks
 * and its downsampler, behind conv_in, which is number 0; the way up counts blocks alone, and the
 * upsampler is a part of the last. */
static bool block_name(const limn_tensors *t, bool down, int level, const char *rest, char *out) {
    int first = down ? 1 + layers_before(t, "down", level, 1) : layers_before(t, "up", level, 0);
    const char *way = down ? "input_blocks" : "output_blocks", *part;
    int item, layers = layers_before(t, down ? "down" : "up", level + 1, 0) -
                       layers_before(t, down ? "down" : "up", level, 0);
    if ((part = item_of(rest, "resnets", &item)))
        snprintf(out, LIMN_ORIGINAL_BYTES, "%s.%d.0.%s", way, first + item, resnet_part(part));
    else if ((part = item_of(rest, "attentions", &item)))
        snprintf(out, LIMN_ORIGINAL_BYTES, "%s.%d.1.%s", way, first + item, part);
    else if (down && strcmp(rest, "downsamplers.0.conv") == 0)
        snprintf(out, LIMN_ORIGINAL_BYTES, "%s.%d.0.op", way, first + layers);
    else if (!down && strcmp(rest, "upsamplers.0.conv") == 0) {
        char attention[LIMN_ORIGINAL_BYTES];
        snprintf(attention, sizeof attention, "up_blocks.%d.attentions", level);
        int at = count_of(t, attention, "norm.weight") > 0 ? 2 : 1;
        snprintf(out, LIMN_ORIGINAL_BYTES, "%s.%d.%d.conv", way, first + layers - 1, at);
    } else
        return false;
    return true;
}

bool limn_original_name(const limn_tensors *t, const char *base, char out[LIMN_ORIGINAL_BYTES]) {
    static const char *const fixed[][2] = {
        {"conv_in", "input_blocks.0.0"},
        {"time_embedding.linear_1", "time_embed.0"},
        {"time_embedding.linear_2", "time_embed.2"},
        {"add_embedding.linear_1", "label_emb.0.0"},
        {"add_embedding.linear_2", "label_emb.0.2"},
        {"class_embedding.linear_1", "label_emb.0.0"},
        {"class_embedding.linear_2", "label_emb.0.2"},
        {"conv_norm_out", "out.0"},
        {"conv_out", "out.2"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(base, fixed[i][0]) == 0)
            return snprintf(out, LIMN_ORIGINAL_BYTES, "%s", fixed[i][1]) > 0;
    int level, item;
    const char *rest, *part;
    if ((rest = item_of(base, "down_blocks", &level))) return block_name(t, true, level, rest, out);
    if ((rest = item_of(base, "up_blocks", &level))) return block_name(t, false, level, rest, out);
    if (strncmp(base, "mid_block.", 10) != 0) return false;
    if ((part = item_of(base + 10, "resnets", &item)))
        return snprintf(out, LIMN_ORIGINAL_BYTES, "middle_block.%d.%s", 2 * item,
                        resnet_part(part)) > 0;
    if ((part = item_of(base + 10, "attentions", &item)))
        return snprintf(out, LIMN_ORIGINAL_BYTES, "middle_block.%d.%s", 1 + 2 * item, part) > 0;
    return false;
}
