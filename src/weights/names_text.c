/* The text encoders' names: OpenCLIP's become those of transformers' CLIPTextModel, its fused
 * attention three tensors, its projection, which it multiplies from the other side, a transpose. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/names.h"

static const limn_renaming OUTSIDE[] = {
    {"token_embedding", "text_model.embeddings.token_embedding"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"ln_final", "text_model.final_layer_norm"},
    {"embeddings", "text_model.embeddings"}, /* CLIP's as the first merged files have it */
    {"encoder", "text_model.encoder"},
    {"final_layer_norm", "text_model.final_layer_norm"},
    {NULL, NULL},
};

/* Inside a layer. */
static const limn_renaming LAYER[] = {
    {"ln_1", "layer_norm1"}, {"ln_2", "layer_norm2"},   {"attn.out_proj", "self_attn.out_proj"},
    {"mlp.c_fc", "mlp.fc1"}, {"mlp.c_proj", "mlp.fc2"}, {NULL, NULL},
};

/* Names of the projection as OpenCLIP stores it: [width, projected]. */
static const char *const PROJECTIONS[] = {"text_projection", "text_model.text_projection"};

/* What fused matrices are called, and what follows in the parts' names. */
static const limn_renaming FUSED[] = {
    {"attn.in_proj_weight", "weight"},
    {"attn.in_proj_bias", "bias"},
    {"self_attn.in_proj_weight", "weight"},
    {"self_attn.in_proj_bias", "bias"},
    {"self_attn.in_proj.weight", "weight"},
    {"self_attn.in_proj.bias", "bias"},
    {NULL, NULL},
};

/* A tensor [3 d, ...] as three [d, ...], one after the other. */
static limn_status split(const limn_tensors *in, const limn_tensor *t, int layer, const char *what,
                         limn_gather *out, limn_error *err) {
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    if (t->rank < 1 || t->shape[0] % 3 != 0 || t->count / 3 % limn_dtype_block(t->dtype) != 0 ||
        t->scale != NULL) {
        char shape[LIMN_SHAPE_TEXT];
        limn_shape_describe(t->rank, t->shape, shape);
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" of type %s and shape %s cannot be split into the "
                         "attention's three parts",
                         in->file, t->name, limn_dtype_name(t->dtype), shape);
    }
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < 3 && status == LIMN_OK; i++) {
        limn_tensor part = *t;
        char name[LIMN_NAME_MOST];
        part.shape[0] /= 3;
        part.count /= 3;
        part.bytes /= 3;
        part.offset += i * part.bytes;
        snprintf(name, sizeof name, "text_model.encoder.layers.%d.self_attn.%s.%s", layer, names[i],
                 what);
        status = limn_gather_add(out, &part, name, err);
    }
    return status;
}

/* The same numbers, seen as [projected, width]. */
static limn_tensor transpose(const limn_tensor *t) {
    limn_tensor turned = *t;
    if (t->rank != 2) return turned;
    turned.shape[0] = t->shape[1];
    turned.shape[1] = t->shape[0];
    turned.transposed = true;
    return turned;
}

static limn_status add_layer(const limn_tensors *in, const limn_tensor *t, int layer,
                             const char *rest, limn_gather *out, limn_error *err) {
    const char *tail;
    char name[LIMN_NAME_MOST];
    const limn_renaming *fused = limn_renaming_find(FUSED, rest, &tail);
    if (fused != NULL) return split(in, t, layer, fused->to, out, err);
    const limn_renaming *r = limn_renaming_find(LAYER, rest, &tail);
    snprintf(name, sizeof name, "text_model.encoder.layers.%d.%s%s", layer,
             r != NULL ? r->to : rest, r != NULL ? tail : "");
    return limn_gather_add(out, t, name, err);
}

static limn_status add(const limn_tensors *in, const limn_tensor *t, limn_gather *out,
                       limn_error *err) {
    const char *rest;
    int layer;
    for (size_t i = 0; i < sizeof PROJECTIONS / sizeof *PROJECTIONS; i++) {
        if (strcmp(t->name, PROJECTIONS[i]) != 0) continue;
        const limn_tensor turned = transpose(t);
        return limn_gather_add(out, &turned, "text_projection.weight", err);
    }
    if (limn_name_number(t->name, "transformer.resblocks.", &layer, &rest) ||
        limn_name_number(t->name, "text_model.encoder.layers.", &layer, &rest) ||
        limn_name_number(t->name, "encoder.layers.", &layer, &rest))
        return add_layer(in, t, layer, rest, out, err);
    if (strcmp(t->name, "text_model.text_projection.weight") == 0)
        return limn_gather_add(out, t, "text_projection.weight", err);
    const limn_renaming *r = limn_renaming_find(OUTSIDE, t->name, &rest);
    char name[LIMN_NAME_MOST];
    snprintf(name, sizeof name, "%s%s", r != NULL ? r->to : t->name, r != NULL ? rest : "");
    return limn_gather_add(out, t, name, err);
}

limn_status limn_names_text(const limn_tensors *in, limn_gather *out, limn_error *err) {
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < in->count && status == LIMN_OK; i++)
        status = add(in, &in->items[i], out, err);
    return status;
}
