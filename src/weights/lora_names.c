/* What LoRA files call a model's matrices: every spelling, made of the model's own names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "weights/lora.h"
#include "weights/original.h"

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
    const limn_lora_component *components;
    int component_count;
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
    char base[NAME_BYTES], original[LIMN_ORIGINAL_BYTES];
    if (tensor->rank < 1 || strlen(tensor->name) >= sizeof base) return;
    if (!swap_end(tensor->name, ".weight", "", base)) return;
    bool unet = strcmp(c->name, "unet") == 0;
    add_dotted(names, c->name, base, unet, tensor);
    if (unet) {
        add_joined(names, "lora_unet_", base, true, tensor);
        if (limn_original_name(c->tensors, base, original))
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
    if (names) names->components = components;
    if (names) names->component_count = count;
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

const limn_lora_component *limn_lora_names_component(const limn_lora_names *names,
                                                     const limn_tensor *tensor) {
    for (int i = 0; i < names->component_count; i++)
        if (limn_tensors_find(names->components[i].tensors, tensor->name) == tensor)
            return &names->components[i];
    return NULL;
}

const limn_tensor *limn_lora_names_bias(const limn_lora_names *names, const limn_tensor *tensor) {
    char bias[NAME_BYTES];
    const limn_lora_component *c = limn_lora_names_component(names, tensor);
    if (!c || !swap_end(tensor->name, ".weight", ".bias", bias)) return NULL;
    return limn_tensors_find(c->tensors, bias);
}
