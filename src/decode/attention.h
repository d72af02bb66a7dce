/* The attention in the middle of the VAE, the same in its decoder and its encoder: one head over
 * all pixels. */
#ifndef LIMN_DECODE_ATTENTION_H
#define LIMN_DECODE_ATTENTION_H

#include "layers/resnet.h"

typedef struct limn_vae_attention {
    limn_norm norm;
    limn_matrix qkv, out;
} limn_vae_attention;

/* Loads NAME.group_norm, .to_q, .to_k, .to_v, .to_out.0 (or .query, .key, .value, .proj_attn) of
 * width c. */
void limn_vae_attention_load(limn_loader *ld, const char *name, const limn_resnet_form *form, int c,
                             limn_vae_attention *out);

/* x [n, h, w, c] becomes the block's result, in x's place: x is the workspace's newest block above
 * `mark`, and is slid down to it. */
void limn_vae_attention_run(limn_exec *e, const limn_vae_attention *a, size_t mark, limn_map *x);

#endif
