/* The U-Net's names: LDM's input_blocks, middle_block and output_blocks, numbered through, become
 * diffusers' down_blocks, mid_block and up_blocks, each with its resnets and attentions. A
 * ControlNet has the same names for the half that it copies, and three kinds of its own: the coder
 * of the control image (input_hint_block) and the zero convolutions (zero_convs, middle_block_out).
 */
#include <stdio.h>
#include <string.h>

#include "weights/names.h"

/* Blocks of each kind that are looked for. Numbers may be left out: small U-Nets keep those of the
 * large one that they were cut from. */
#define BLOCKS_MOST 100

/* What a block with a number is. */
typedef struct block {
    int level, layer; /* layer -1: a downsampler */
} block;

/* What the numbers of a file's blocks mean. */
typedef struct block_map {
    block in[BLOCKS_MOST], out[BLOCKS_MOST];
} block_map;

static const limn_renaming OUTSIDE[] = {
    {"input_blocks.0.0", "conv_in"},
    {"time_embed.0", "time_embedding.linear_1"},
    {"time_embed.2", "time_embedding.linear_2"},
    {"time_embed.cond_proj", "time_embedding.cond_proj"},
    {"label_emb.0.0", "add_embedding.linear_1"},
    {"label_emb.0.2", "add_embedding.linear_2"},
    {"out.0", "conv_norm_out"},
    {"out.2", "conv_out"},
    {"middle_block.0", "mid_block.resnets.0"},
    {"middle_block.1", "mid_block.attentions.0"},
    {"middle_block.2", "mid_block.resnets.1"},
    {"middle_block_out.0", "controlnet_mid_block"},
    {"input_hint_block.0", "controlnet_cond_embedding.conv_in"},
    {"input_hint_block.14", "controlnet_cond_embedding.conv_out"},
    {NULL, NULL},
};

/* Inside a residual block. */
static const limn_renaming RESNET[] = {
    {"in_layers.0", "norm1"},
    {"in_layers.2", "conv1"},
    {"emb_layers.1", "time_emb_proj"},
    {"out_layers.0", "norm2"},
    {"out_layers.3", "conv2"},
    {"skip_connection", "conv_shortcut"},
    {NULL, NULL},
};

/* Each level but the last ends in a downsampler on the way down, in an upsampler on the way up. */
static void read_map(const limn_tensors *in, block_map *map) {
    block down = {0, 0}, up = {0, 0};
    for (int i = 1; i < BLOCKS_MOST; i++) {
        if (limn_name_there(in, "input_blocks.%d.0.op.weight", i)) {
            map->in[i] = (block){down.level++, -1};
            down.layer = 0;
        } else if (limn_name_there(in, "input_blocks.%d.0.in_layers.0.weight", i)) {
            map->in[i] = down;
            down.layer++;
        }
    }
    for (int i = 0; i < BLOCKS_MOST; i++) {
        if (!limn_name_there(in, "output_blocks.%d.0.in_layers.0.weight", i)) continue;
        map->out[i] = up;
        up.layer++;
        for (int part = 1; part <= 2; part++) {
            if (!limn_name_there(in, "output_blocks.%d.%d.conv.weight", i, part)) continue;
            up = (block){up.level + 1, 0};
        }
    }
}

/* The name of part `part` of a block, `rest` behind it; what is not known stays behind the block's
 * name as it is, and is nobody's. */
static void name_inside(const char *side, const block *b, int part, const char *rest, char *out) {
    const char *tail;
    const limn_renaming *r = limn_renaming_find(RESNET, rest, &tail);
    if (part == 0 && strncmp(rest, "op.", 3) == 0)
        snprintf(out, LIMN_NAME_MOST, "%s.%d.downsamplers.0.conv.%s", side, b->level, rest + 3);
    else if (part > 0 && strncmp(rest, "conv.", 5) == 0)
        snprintf(out, LIMN_NAME_MOST, "%s.%d.upsamplers.0.%s", side, b->level, rest);
    else if (part == 0 && r != NULL)
        snprintf(out, LIMN_NAME_MOST, "%s.%d.resnets.%d.%s%s", side, b->level, b->layer, r->to,
                 tail);
    else
        snprintf(out, LIMN_NAME_MOST, "%s.%d.attentions.%d.%s", side, b->level, b->layer, rest);
}

/* The coder's convolutions between its first and last, with an activation behind each; and what is
 * behind each block of the way down. */
static bool name_control(const char *name, char *out) {
    const char *rest;
    int number;
    if (limn_name_number(name, "input_hint_block.", &number, &rest) && number % 2 == 0)
        return snprintf(out, LIMN_NAME_MOST, "controlnet_cond_embedding.blocks.%d.%s",
                        number / 2 - 1, rest) > 0;
    if (limn_name_number(name, "zero_convs.", &number, &rest) && strncmp(rest, "0.", 2) == 0)
        return snprintf(out, LIMN_NAME_MOST, "controlnet_down_blocks.%d.%s", number, rest + 2) > 0;
    return false;
}

static void rename_one(const block_map *map, const char *name, char *out) {
    const char *rest, *after, *tail;
    int number, part;
    const limn_renaming *r = limn_renaming_find(OUTSIDE, name, &rest);
    snprintf(out, LIMN_NAME_MOST, "%s", name);
    if (r != NULL) {
        const limn_renaming *inner =
            rest[0] == '.' ? limn_renaming_find(RESNET, rest + 1, &tail) : NULL;
        if (strncmp(name, "middle_block.", 13) == 0 && inner != NULL)
            snprintf(out, LIMN_NAME_MOST, "%s.%s%s", r->to, inner->to, tail);
        else
            snprintf(out, LIMN_NAME_MOST, "%s%s", r->to, rest);
    } else if (name_control(name, out)) {
        return;
    } else if (limn_name_number(name, "input_blocks.", &number, &rest) && number < BLOCKS_MOST &&
               limn_name_number(rest, "", &part, &after)) {
        name_inside("down_blocks", &map->in[number], part, after, out);
    } else if (limn_name_number(name, "output_blocks.", &number, &rest) && number < BLOCKS_MOST &&
               limn_name_number(rest, "", &part, &after)) {
        name_inside("up_blocks", &map->out[number], part, after, out);
    }
}

limn_status limn_names_unet(const limn_tensors *in, limn_gather *out, limn_error *err) {
    block_map map = {0};
    read_map(in, &map);
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < in->count && status == LIMN_OK; i++) {
        const limn_tensor *t = &in->items[i];
        char name[LIMN_NAME_MOST];
        rename_one(&map, t->name, name);
        status = limn_gather_add(out, t, name, err);
    }
    return status;
}
