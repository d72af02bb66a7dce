/* The denoising loop: conditioning + seed -> latents.
 *
 * In: what the text encoder said of the prompt and of the negative prompt, and the settings. Out:
 * latents [h, w, c] at the U-Net's scale. Fails with LIMN_E_CANCELLED, with LIMN_E_INPUT where the
 * model gives what is not a number, and as the sampler does. Allocates nothing but arena blocks. */
#ifndef LIMN_DENOISE_DENOISE_H
#define LIMN_DENOISE_DENOISE_H

#include "base/random.h"
#include "denoise/control.h"
#include "denoise/guide.h"
#include "denoise/sampler.h"
#include "denoise/unet.h"

/* Called after each evaluation with the steps done so far and the noisy latents; false = stop. In a
 * measuring pass it is called once, to take from the workspace what it will take then. */
typedef bool limn_denoise_watch(void *user, int steps_done, const limn_map *latents);

/* The share of the steps in which guidance is on: from <= step / steps < to, steps from 0. Zeroed =
 * all of them. In the others the prompt is evaluated alone. */
typedef struct limn_guidance_range {
    double from, to; /* 0 to 1; to 0 = to the end */
} limn_guidance_range;

/* What a ControlNet has to do with a run. Of n evaluations it takes part in the i-th, from 0, where
 * from <= i / n and (i + 1) / n <= to, as diffusers has it. */
typedef struct limn_denoise_control {
    const limn_control *net;
    const limn_map *hint; /* limn_control_see's, [1, h, w, channels[0]] */
    double strength;      /* above 0; 1 = as it was trained */
    double from, to;      /* shares of the evaluations; to 0 = to the end */
} limn_denoise_control;

/* What a run has beside the text; NULL in a task = it begins with noise alone. All of it is made
 * before the run (src/render/start.c), because the random numbers come in a fixed order. */
typedef struct limn_denoise_start {
    const limn_rng *stream; /* goes on from here: `noise` is drawn already */
    const float *noise;     /* [h, w, c] unit noise */
    const float *picture;   /* [h, w, c] the latents to begin with; NULL = from noise alone */
    int skipped;            /* steps left out at the start, 0 to steps - 1 */
    bool from_noise;        /* begins with noise alone in spite of the picture */
    const float *mask;      /* [h, w] 1 = draw, 0 = keep the picture, which is put back after each
                             * step at its level of noise; NULL = draw everything */
} limn_denoise_start;

/* All that a run needs. */
typedef struct limn_denoise_task {
    const limn_unet *unet;
    const limn_schedule *schedule;
    const char *sampler;
    int steps;
    double eta;
    double guidance; /* up to 1, the negative prompt takes no part */
    limn_guidance_range range;
    double rescale;       /* limn_guidance.rescale */
    const float *weights; /* limn_guidance.weights */
    int cache_interval;   /* above 1: only every such evaluation is a full one (limn_unet_deep) */
    int cache_branch;     /* 0 to limn_unet_branch_most; not read without an interval */
    limn_rng_kind rng;
    uint64_t seed;
    /* The negative prompt's, then the prompts'; where limn_denoise_batch is 1, the prompt's alone.
     * Several where the text changes on the way, all of one n and one number of tokens. */
    const limn_unet_condition *condition;
    const int *condition_of_step; /* [steps] which of them; NULL = the first in every step */
    /* What the U-Net sees behind the latents' channels, for models that take a picture: [1, h, w,
     * k] for every conditioning alike, or [condition->n, h, w, k]; in_c is the latents' channels +
     * k. NULL = nothing. */
    const limn_map *extra;
    const limn_denoise_start *start;     /* NULL: from noise alone */
    const limn_denoise_control *control; /* NULL: none */
    limn_denoise_watch *watch;           /* may be NULL */
    void *user;
} limn_denoise_task;

/* How many conditionings a run evaluates at once: 2 with guidance; 1 up to a scale of 1 (which, as
 * in diffusers, is none), and where the U-Net itself takes the scale (LCM). */
int limn_denoise_batch(const limn_unet *unet, double guidance);

/* One draw of noise in the shape of a map: out [n, h, w, c]. Generators fill [c, h, w], as torch
 * lays latents out; room [h, w, c] is scratch. */
void limn_denoise_draw(limn_rng *stream, const limn_map *shape, float *room, float *out);

/* Runs the task. latents [1, h, w, out_c] is the caller's memory, written in full; its h and w are
 * the picture's size. A measuring pass counts the memory and the work of the whole run.
 */
limn_status limn_denoise_run(limn_exec *e, const limn_denoise_task *task, limn_map *latents,
                             limn_error *err);

#endif
