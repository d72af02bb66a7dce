/* CLIP text encoders: token ids -> the conditioning that the denoiser listens to.
 *
 * In: ids [n, positions]. Out: conditioning [n, positions, d] float32 and, for models that use it,
 * a pooled vector [n, d]. Loading fails with a sentence; running cannot fail. Source: Radford et
 * al. 2021, section 2.4; layer order and names as in transformers' CLIPTextModel. */
#ifndef LIMN_TEXT_H
#define LIMN_TEXT_H

#include "layers/layers.h"

#define LIMN_TEXT_LAYERS_MOST    48
#define LIMN_TEXT_POSITIONS_MOST 4096

/* One layer: attention and a two-layer perceptron, each behind a layer norm and added. */
typedef struct limn_text_layer {
    limn_norm norm1, norm2;
    limn_matrix qkv, out, up, down;
} limn_text_layer;

/* A text encoder, loaded. */
typedef struct limn_text {
    int vocabulary, positions, d, heads, layers;
    int end_id; /* where the pooled vector is taken: the first such token; -1 = the first largest */
    limn_activation act;
    const float *tokens, *places; /* [vocabulary, d], [positions, d] */
    limn_text_layer layer[LIMN_TEXT_LAYERS_MOST];
    limn_norm last;
} limn_text;

/* Reads the configuration and the tensors (ld->tensors). Faults stay in ld->status. */
void limn_text_load(limn_loader *ld, const limn_config *config, limn_text *out);

/* Turns ids into conditioning.
 *   ids     [n, positions], each below vocabulary (checked by the tokenizer's maker)
 *   cond    [n, positions, d], written in full: the last hidden state after the final norm
 *   pooled  [n, d], or NULL: that state at the end token */
void limn_text_run(limn_exec *e, const limn_text *m, const int32_t *ids, int n, float *cond,
                   float *pooled);

#endif
