/* LoRA files: small corrections of a model's matrices, W' = W + scale x delta.
 *
 * In: safetensors files as kohya's scripts, diffusers, PEFT and LyCORIS write them, and the tensors
 * of a model's components. Out: for each tensor of the model, the corrections that are meant for
 * it, checked: every part is there and has a shape that fits. What is added, and in which order, is
 * in docs/numerics.md; layers/merge.c does it.
 *
 *     limn_loras_open(asked, 2, &loras, err);
 *     limn_loras_bind(loras, components, 3, err);
 *     deltas = limn_loras_of(loras, tensor, &count);
 *     limn_loras_release_files(loras, err);    // what limn_loras_info says stays
 *     limn_loras_close(loras);
 *
 * Names are never taken apart: all the ways in which LoRA files may write a tensor's name are made
 * of the model's own names (lora_names.c), and looked up.
 * What can fail: LIMN_E_MISSING, LIMN_E_IO, LIMN_E_MEMORY; LIMN_E_INPUT where a file is damaged, of
 * a form that limn does not know, of wrong shapes, or holds nothing that fits the model. */
#ifndef LIMN_WEIGHTS_LORA_H
#define LIMN_WEIGHTS_LORA_H

#include "weights/weights.h"

/* How a correction is stored. */
typedef enum limn_lora_form {
    LIMN_LORA_LOW_RANK,  /* up down: LoRA. Hu et al. 2021; or a difference that is there whole */
    LIMN_LORA_HADAMARD,  /* (a1 b1) * (a2 b2), entry by entry: LoHa. Hyeon-Woo et al. 2021 */
    LIMN_LORA_KRONECKER, /* w1 (x) w2, the Kronecker product: LoKr. Edalati et al. 2022 */
} limn_lora_form;

/* One matrix of a correction: `whole`, or the product up down. With a core, which is a convolution
 * between the two, down is what it makes of `down` (Tucker's decomposition):
 *     sum over j of core[i, j, y, x] down[j, c], row i, column (c, y, x). */
typedef struct limn_lora_matrix {
    const limn_tensor *whole;
    const limn_tensor *up, *down, *core; /* core may be NULL */
    bool turned;                         /* up is stored as [rank, n], not as [n, rank] */
    int n, k, rank;                      /* of the product; rank 0 with `whole` */
} limn_lora_matrix;

/* One correction of one tensor. */
typedef struct limn_lora_delta {
    const limn_tensor *target; /* a tensor of the model */
    limn_lora_form form;
    limn_lora_matrix a, b; /* b is not used by LIMN_LORA_LOW_RANK */
    float factor;          /* scale x alpha / rank; a 0 adds nothing */
    int order;             /* which of the files it came from */
    /* DoRA (Liu et al. 2024): V = W + alpha / rank x delta is brought to these magnitudes, one for
     * each row of W, or for each of its input channels; W' = W + scale (magnitude V / |V| - W). */
    const limn_tensor *magnitude; /* NULL: it is none */
    bool by_column;               /* a magnitude for each input channel */
    float scale;
} limn_lora_delta;

/* The LoRA files of a model. */
typedef struct limn_loras limn_loras;

/* A component of a model ("unet", "text_encoder", "text_encoder_2") and its tensors. */
typedef struct limn_lora_component {
    const char *name;
    const limn_tensors *tensors;
} limn_lora_component;

/* Opens and reads `count` files. *out is the caller's, for limn_loras_close. */
limn_status limn_loras_open(const limn_lora *asked, int count, limn_loras **out, limn_error *err);

/* Finds and checks what the files have for these components. */
limn_status limn_loras_bind(limn_loras *l, const limn_lora_component *components, int count,
                            limn_error *err);

/* The corrections of one of the tensors given to limn_loras_bind, in the order of the files; NULL
 * where there are none. A binary search. l may be NULL. */
const limn_lora_delta *limn_loras_of(const limn_loras *l, const limn_tensor *t, int *count);

/* Gives the files back and forgets the corrections. LIMN_E_INPUT where a file was written to since
 * it was opened. */
limn_status limn_loras_release_files(limn_loras *l, limn_error *err);

/* Releases everything. NULL is fine. */
void limn_loras_close(limn_loras *l);

/* How many files there are (0 for NULL), and what is known of each; strings live as long as l. */
int limn_loras_count(const limn_loras *l);
const limn_lora_info *limn_loras_info(const limn_loras *l); /* [count] */

/* ---- for the files of this room -------------------------------------------------------------- */

/* All the names that a LoRA may have for the matrices of some components. */
typedef struct limn_lora_names limn_lora_names;

/* Makes the table, which keeps `components`. *out is the caller's, for limn_lora_names_free.
 * LIMN_E_MEMORY. */
limn_status limn_lora_names_make(const limn_lora_component *components, int count,
                                 limn_lora_names **out, limn_error *err);

/* The tensor that is meant by name[0, length); NULL where there is none. */
const limn_tensor *limn_lora_names_find(const limn_lora_names *names, const char *name,
                                        size_t length);

/* The component that a tensor belongs to which limn_lora_names_find gave. */
const limn_lora_component *limn_lora_names_component(const limn_lora_names *names,
                                                     const limn_tensor *tensor);
/* The biases that belong to such a tensor; NULL where it has none. */
const limn_tensor *limn_lora_names_bias(const limn_lora_names *names, const limn_tensor *tensor);

/* Releases the table. NULL is fine. */
void limn_lora_names_free(limn_lora_names *names);

#endif
