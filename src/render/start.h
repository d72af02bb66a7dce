/* What a run begins with: a picture's latents, a mask, noise.
 *
 * In: a checked request. Out: what src/denoise needs beside the text, in the workspace. Random
 * numbers are drawn in the order of diffusers' pipelines: for the picture's latents, the noise, the
 * latents of the picture without what the mask covers, and then what the sampler wants. */
#ifndef LIMN_RENDER_START_H
#define LIMN_RENDER_START_H

#include "render/model.h"

/* What a model's U-Net is given behind the latents, told by its number of channels. */
typedef enum limn_unet_kind {
    LIMN_UNET_PLAIN,   /* nothing */
    LIMN_UNET_INPAINT, /* the mask, and the latents of the picture without what it covers */
    LIMN_UNET_EDIT,    /* the latents of the picture: instruct-pix2pix (Brooks et al. 2023) */
} limn_unet_kind;

/* A run's start, and what its U-Net is given behind the latents: c is 0 where that is nothing. */
typedef struct limn_start {
    limn_denoise_start run;
    limn_map extra;
    /* Where an editing model is guided, three conditionings are evaluated: without picture and
     * prompt, with the picture, with both; and these weigh the last two for limn_guide. */
    bool edits;
    float weights[2];
} limn_start;

/* The kind of a model's U-Net. */
limn_unet_kind limn_start_kind(const limn_model *m);

/* The steps that a request leaves out at the start; 0 without a picture to begin with. */
int limn_start_skipped(const limn_request *r);

/* Checks that a picture that is asked for is there (LIMN_E_USAGE), and is the one that it should be
 * (LIMN_E_INPUT). `what` is its option's name. */
limn_status limn_start_check_input(const limn_input *s, const char *what, limn_error *err);

/* Checks the pictures, the mask and the strength of a request; a strength that is not said becomes
 * the one that is meant. LIMN_E_USAGE, and LIMN_E_INPUT where a picture is not the one that a
 * recipe asks for. */
limn_status limn_start_check(const limn_model *m, limn_request *r, limn_error *err);

/* Fills in what a request leaves open, for limn_start_check and for recipes: the strength. */
void limn_start_settle(const limn_model *m, limn_request *r);

/* What the pictures that a request is drawn from take in the caller's memory. */
size_t limn_start_bytes(const limn_request *r);

/* Whether a request needs a start at all; without one, a run begins with noise alone. */
bool limn_start_wanted(const limn_model *m, const limn_request *r);

/* Makes the start of a request for latents of the shape of `latents`. What it points at lies in
 * e->ws; *stream is its stream of random numbers. */
void limn_start_make(limn_exec *e, const limn_model *m, const limn_request *r,
                     const limn_map *latents, limn_rng *stream, limn_start *out);

/* Makes of a condition of the negative prompt and the prompt the three that an editing model is
 * guided by. What it points to lies in e->ws. */
void limn_start_edit(limn_exec *e, const limn_model *m, limn_unet_condition *condition);

#endif
