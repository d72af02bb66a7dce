/* A loaded model, as src/render sees it. */
#ifndef LIMN_RENDER_MODEL_H
#define LIMN_RENDER_MODEL_H

#include "decode/decode.h"
#include "denoise/denoise.h"
#include "encode/encoder.h"
#include "render/hashing.h"
#include "text/embeddings.h"
#include "text/text.h"
#include "tokens/tokens.h"
#include "weights/lora.h"

#include <string.h>

/* Numbers from which matrices that are stored narrowly (layers.h, keep_narrow) stay so: less
 * memory, at the price of converting them as they are used. */
#define LIMN_NARROW_FROM ((uint64_t)100000000)

/* Text encoders that a model may have: SDXL has two. */
#define LIMN_ENCODERS_MOST 2

/* Immutable once open. */
struct limn_model {
    const limn_kernels *kernels;
    int encoders;
    limn_tokenizer
        *tokenizer[LIMN_ENCODERS_MOST]; /* each encoder's own: they may pad differently */
    limn_text text[LIMN_ENCODERS_MOST]; /* of as many positions each */
    bool joined; /* SDXL: the encoders' conditioning is joined along its width, taken before their
                  * last layer and without the final norm */
    bool zeros;  /* with an empty negative prompt, its conditioning is zeros */
    limn_unet unet;
    limn_vae vae;
    limn_taesd taesd; /* where has_taesd: decodes in the VAE's place */
    bool has_taesd;
    limn_encoder encoder; /* not loaded unless it was asked for */
    limn_control control; /* where has_control */
    bool has_control;
    limn_schedule schedule;
    limn_schedule plain_schedule; /* of limn_schedule_load_plain */
    limn_arena weights;           /* all packed weights: one block */
    limn_model_info info;
    char name[256], sampler[32];
    char sha256[65];                        /* there after limn_model_hashed */
    limn_hashing *hashing;                  /* NULL where sha256 was there when it was opened */
    char taesd_name[256], taesd_sha256[65]; /* of a TAESD from outside; "" else */
    char control_name[256];                 /* "" without one */
    char control_sha256[65];                /* there after limn_model_hashed; "" */
    limn_hashing *control_hashing;          /* NULL without a ControlNet */
    bool int8;                              /* whether the U-Net was loaded so */
    limn_embeddings *embeddings;            /* NULL = none */
    limn_loras *loras;                      /* what was merged into it; NULL = nothing */
    char cache[400];                        /* limn_model_info.cache */
    char notes[400];                        /* limn_model_notes */
};

/* Returns when its hashes are there, and fails where one could not be found. */
static inline limn_status limn_model_hashed(const limn_model *m, limn_error *err) {
    limn_status status = limn_hashing_wait(m->hashing, err);
    return status == LIMN_OK ? limn_hashing_wait(m->control_hashing, err) : status;
}

/* The generator that a checked request names. */
static inline limn_rng_kind limn_request_rng(const limn_request *r) {
    return strcmp(r->rng, "philox") == 0 ? LIMN_RNG_PHILOX : LIMN_RNG_TORCH;
}

/* What decodes the model's latents. */
static inline limn_decoder limn_model_decoder(const limn_model *m) {
    return (limn_decoder){.vae = &m->vae, .taesd = m->has_taesd ? &m->taesd : NULL};
}

#endif
