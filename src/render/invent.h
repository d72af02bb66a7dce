/* Models of known architectures without their weights, for measuring. */
#ifndef LIMN_RENDER_INVENT_H
#define LIMN_RENDER_INVENT_H

#include "render/model.h"

/* An architecture: what stands in its configurations, as far as limn reads them, as JSON. */
typedef struct limn_arch {
    const char *name, *text[LIMN_ENCODERS_MOST]; /* NULL = there is no second text encoder */
    const char *unet, *vae;
    int width_px; /* what its pictures are wide and high */
} limn_arch;

/* The architecture of that name. LIMN_E_USAGE, with their names in the sentence. */
limn_status limn_arch_find(const char *name, const limn_arch **out, limn_error *err);

/* What an architecture weighs. */
typedef struct limn_arch_weight {
    uint64_t text, unet, vae; /* numbers in the tensors of each: all encoders, the VAE's decoder */
    int tensors;
    size_t bytes; /* of memory, once packed */
} limn_arch_weight;

/* Lets an architecture's parts find their tensors and count, without any memory for them: `out`
 * becomes a model whose networks can run measuring passes and nothing else. int8: as models are
 * opened with the precision "int8". */
limn_status limn_arch_measure(const limn_arch *arch, const limn_kernels *k, bool int8,
                              limn_model *out, limn_arch_weight *weight, limn_error *err);

/* The same with invented weights, on `threads` threads: a model that can run, but has neither
 * tokenizer nor schedule. *out is the caller's, for limn_model_close. LIMN_E_MEMORY. */
limn_status limn_arch_open(const limn_arch *arch, const limn_kernels *k, bool int8, int threads,
                           limn_model **out, limn_error *err);

#endif
