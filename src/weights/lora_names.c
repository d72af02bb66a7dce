/* What LoRA files call a model's matrices: every spelling, made of the model's own names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "weights/lora.h"

/* The longest name of a tensor that a LoRA can mean. */
#define NAME_BYTES 256

typedef struct name {
    char *text;
    const limn_tensor *tensor;
} name;

struct limn_lora_names {
    name *items; /* [count], sorted; has room for `room` */
    size_t count, room;
    bool failed; /* memory ran out */
};

/* ---- the table ------------------------------------------------------------------------------- */

static void add(limn_lora_names *names, const char *text, const limn_tensor *tensor) {
    if (names->count == names->room) {
        size_t room = 2 * names->room + 256, bytes;
        name *items =
            limn_mul_ok(room, sizeof *items, &bytes) ? realloc(names->items, bytes) : NULL;
        names->failed = names->failed || !items;
        if (!items) return;
        names->items = items;
        names->room = room;
    }
    char *own = strdup(text);
    names->failed = names->failed || !own;
    if (own) names->items[names->count++] = (name){own, tensor};
}

/* Adds prefix + base, as it is, or with '_' for every '.', as kohya's scripts write it. */
static void add_joined(limn_lora_names *names, const char *prefix, const char *base, bool flat,
                       const limn_tensor *tensor) {
    char text[NAME_BYTES + 64];
    snprintf(text, sizeof text, "%s%s", prefix, base);
    for (char *p = text; flat && *p; p++)
        if (*p == '.') *p = '_';
    add(names, text, tensor);
}

static int compare(const void *a, const void *b) {
    return strcmp(((const name *)a)->text, ((const name *)b)->text);
}

const limn_tensor *limn_lora_names_find(const limn_lora_names *names, const char *text,
                                        size_t length) {
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(names->items[middle].text, text, length);
        if (order == 0 && names->items[middle].text[length]) order = 1;
        if (order == 0) return names->items[middle].tensor;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void limn_lora_names_free(limn_lora_names *names) {
    if (!names) return;
    for (size_t i = 0; i < names->count; i++) free(names->items[i].text);
    free(names->items);
    free(names);
}

/* ---- the U-Net's names in the original (LDM) layout ------------------------------------------ */

/* How many tensors prefix.N.suffix there are, N from 0. */
static int count_of(const limn_tensors *t, const char *prefix, const char *suffix) {
    char text[2 * NAME_BYTES];
    for (int i = 0;; i++) {
        snprintf(text, sizeof text, "%s.%d.%s", prefix, i, suffix);
        if (!limn_tensors_find(t, text)) return i;
    }
}

/* How many residual blocks each of the first `level` blocks of one way has ("down" or "up"), with
 * `more` for each, added up. */
static int layers_before(const limn_tensors *t, const char *way, int level, int more) {
    char text[NAME_BYTES];
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
        snprintf(out, NAME_BYTES, "%s.%d.0.%s", way, first + item, resnet_part(part));
    else if ((part = item_of(rest, "attentions", &item)))
        snprintf(out, NAME_BYTES, "%s.%d.1.%s", way, first + item, part);
    else if (down && strcmp(rest, "downsamplers.0.conv") == 0)
        snprintf(out, NAME_BYTES, "%s.%d.0.op", way, first + layers);
    else if (!down && strcmp(rest, "upsamplers.0.conv") == 0) {
        char attention[NAME_BYTES];
        snprintf(attention, sizeof attention, "up_blocks.%d.attentions", level);
        int at = count_of(t, attention, "norm.weight") > 0 ? 2 : 1;
        snprintf(out, NAME_BYTES, "%s.%d.%d.conv", way, first + layers - 1, at);
    } else
        return false;
    return true;
}

/* The name that a part of the U-Net has in the original layout, into out[NAME_BYTES]; false where
 * there is none. Source: CompVis/stable-diffusion, openaimodel.py. */
static bool ldm_name(const limn_tensors *t, const char *base, char *out) {
    static const char *const fixed[][2] = {
        {"conv_in", "input_blocks.0.0"},
        {"time_embedding.linear_1", "time_embed.0"},
        {"time_embedding.linear_2", "time_embed.2"},
        {"add_embedding.linear_1", "label_emb.0.0"},
        {"add_embedding.linear_2", "label_emb.0.2"},
        {"class_embedding.linear_1", "label_emb.0.0"},
        {"class_embedding.linear_2", "label_emb.0.2"},
        {"conv_out", "out.2"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(base, fixed[i][0]) == 0) return snprintf(out, NAME_BYTES, "%s", fixed[i][1]) > 0;
    int level, item;
    const char *rest, *part;
    if ((rest = item_of(base, "down_blocks", &level))) return block_name(t, true, level, rest, out);
    if ((rest = item_of(base, "up_blocks", &level))) return block_name(t, false, level, rest, out);
    if (strncmp(base, "mid_block.", 10) != 0) return false;
    if ((part = item_of(base + 10, "resnets", &item)))
        return snprintf(out, NAME_BYTES, "middle_block.%d.%s", 2 * item, resnet_part(part)) > 0;
    if ((part = item_of(base + 10, "attentions", &item)))
        return snprintf(out, NAME_BYTES, "middle_block.%d.%s", 1 + 2 * item, part) > 0;
    return false;
}

/* ---- spellings ------------------------------------------------------------------------------- */

/* Replaces the end of `base` where it is `old`; false where it is another. */
static bool swap_end(const char *base, const char *old, const char *new_end, char *out) {
    size_t length = strlen(base), end = strlen(old);
    if (length < end || strcmp(base + length - end, old) != 0) return false;
    snprintf(out, NAME_BYTES, "%.*s%s", (int)(length - end), base, new_end);
    return true;
}

/* diffusers' names, and those of the layers that its older releases put in ("processor" is taken
 * out of them by the reader). */
static void add_dotted(limn_lora_names *names, const char *component, const char *base, bool bare,
                       const limn_tensor *tensor) {
    static const char *const ends[][2] = {
        {".to_out.0", ".to_out"},
        {".self_attn.q_proj", ".self_attn.to_q"},
        {".self_attn.k_proj", ".self_attn.to_k"},
        {".self_attn.v_proj", ".self_attn.to_v"},
        {".self_attn.out_proj", ".self_attn.to_out"},
    };
    char prefix[64], other[NAME_BYTES];
    snprintf(prefix, sizeof prefix, "%s.", component);
    add_joined(names, prefix, base, false, tensor);
    if (bare) add_joined(names, "", base, false, tensor);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!swap_end(base, ends[i][0], ends[i][1], other)) continue;
        add_joined(names, prefix, other, false, tensor);
        if (bare) add_joined(names, "", other, false, tensor);
    }
}

static void add_tensor(limn_lora_names *names, const limn_lora_component *c,
                       const limn_tensor *tensor) {
    char base[NAME_BYTES], original[NAME_BYTES];
    if (tensor->rank < 2 || strlen(tensor->name) >= sizeof base) return;
    if (!swap_end(tensor->name, ".weight", "", base)) return;
    bool unet = strcmp(c->name, "unet") == 0;
    add_dotted(names, c->name, base, unet, tensor);
    if (unet) {
        add_joined(names, "lora_unet_", base, true, tensor);
        if (ldm_name(c->tensors, base, original))
            add_joined(names, "lora_unet_", original, true, tensor);
    } else if (strcmp(c->name, "text_encoder") == 0) {
        add_joined(names, "lora_te_", base, true, tensor);
        add_joined(names, "lora_te1_", base, true, tensor);
    } else {
        add_joined(names, "lora_te2_", base, true, tensor);
    }
}

limn_status limn_lora_names_make(const limn_lora_component *components, int count,
                                 limn_lora_names **out, limn_error *err) {
    limn_lora_names *names = calloc(1, sizeof *names);
    *out = NULL;
    for (int i = 0; i < count && names; i++)
        for (size_t j = 0; j < limn_tensors_count(components[i].tensors) && !names->failed; j++)
            add_tensor(names, &components[i], limn_tensors_at(components[i].tensors, j));
    if (!names || names->failed) {
        limn_lora_names_free(names);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for the names of LoRA layers");
    }
    if (names->count > 0) qsort(names->items, names->count, sizeof *names->items, compare);
    *out = names;
    return LIMN_OK;
}
