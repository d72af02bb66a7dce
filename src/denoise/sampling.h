/* Inside the samplers: a run's state, what one sampler is, and the arithmetic that they share. For
 * the files of src/denoise that implement samplers; users include denoise/sampler.h.
 *
 * A sampler is a row of a const table in its own file: its names, its plan (which steps the U-Net
 * sees, at which levels) and its step. Levels are of the kinds of limn_levels, and each sampler
 * uses one. A run need not begin at call 0 (limn_sampling_skip): what a sampler remembers of
 * earlier calls begins at run->first. */
#ifndef LIMN_DENOISE_SAMPLING_H
#define LIMN_DENOISE_SAMPLING_H

#include <math.h>

#include "denoise/sampler.h"

#define LIMN_HISTORY_MAX 4

/* What a level of noise is, and so what x is. */
typedef enum limn_levels {
    LIMN_LEVELS_ALPHA,  /* a = alpha-bar: x = sqrt(a) picture + sqrt(1 - a) noise. DDIM, PNDM ... */
    LIMN_LEVELS_SIGMA,  /* x = picture + sigma noise; the U-Net is given x / sqrt(sigma^2 + 1).
                         * Euler, Heun ... */
    LIMN_LEVELS_SCALED, /* sigma too, but x is divided by sqrt(sigma^2 + 1). DPM++, UniPC, DEIS */
} limn_levels;

/* One sampler. All pointers but `noisy` and `late` are set. */
typedef struct limn_sampler {
    const char *name;     /* as in choices.c */
    limn_spacing spacing; /* of the diffusers class, where neither configuration nor user says */
    limn_levels levels;
    int history;       /* arrays of x's size that it keeps, up to LIMN_HISTORY_MAX */
    bool eta;          /* whether it reads limn_sampling.eta */
    bool second_again; /* the second call of a run makes the first step again */

    /* Evaluations of the U-Net for that many steps. */
    int (*calls)(int steps);

    /* Fills timesteps, now and next, and init_sigma where it is not 1. */
    void (*plan)(limn_sampling *run, const limn_schedule *s);

    /* As limn_sampling_step; run->call is the call's number. */
    void (*step)(limn_sampling *run, const float *out, const float *noise, float *x);

    /* Whether the current call adds noise; NULL: never. */
    bool (*noisy)(const limn_sampling *run);

    /* Changes the plan of a run that begins at run->first > 0; NULL: nothing to change. */
    void (*late)(limn_sampling *run);
} limn_sampler;

struct limn_sampling {
    const limn_sampler *sampler;
    limn_prediction prediction;
    limn_spacing spacing; /* the one that holds */
    int steps, calls;
    int skipped, first; /* steps and calls left out at the start */
    int call;           /* the current evaluation: first to calls - 1 */
    size_t values;
    double eta;
    double init_sigma;

    /* For each call: what the U-Net is given, the level of x then, the level that is aimed at.
     * `now` has room for one more. */
    double *timesteps, *now, *next;
    float *history[LIMN_HISTORY_MAX]; /* [values] each, NULL beyond sampler->history */

    bool clip; /* the predicted picture is clamped to plus and minus clip_range */
    float clip_range;
    bool variance_large, solver_heun, solver_bh1, lower_order_final, euler_at_final;
    bool final_sigma_min;
    int solver_order, order; /* UniPC: the highest, and that of the last step */
    double timestep_scaling;
};

extern const limn_sampler limn_sampler_ddim;         /* ddim.c */
extern const limn_sampler limn_sampler_ddpm;         /* ddpm.c */
extern const limn_sampler limn_sampler_pndm;         /* pndm.c */
extern const limn_sampler limn_sampler_lcm;          /* lcm.c */
extern const limn_sampler limn_sampler_tcd;          /* tcd.c */
extern const limn_sampler limn_sampler_euler;        /* euler.c */
extern const limn_sampler limn_sampler_euler_a;      /* euler_a.c */
extern const limn_sampler limn_sampler_heun;         /* heun.c */
extern const limn_sampler limn_sampler_dpmpp_2m;     /* dpmpp_2m.c */
extern const limn_sampler limn_sampler_dpmpp_2m_sde; /* dpmpp_2m_sde.c */
extern const limn_sampler limn_sampler_dpmpp_3m;     /* dpmpp_2m.c */
extern const limn_sampler limn_sampler_dpmpp_2s;     /* dpmpp_2s.c */
extern const limn_sampler limn_sampler_lms;          /* lms.c */
extern const limn_sampler limn_sampler_kdpm2;        /* kdpm2.c */
extern const limn_sampler limn_sampler_kdpm2_a;      /* kdpm2.c */
extern const limn_sampler limn_sampler_deis;         /* deis.c */
extern const limn_sampler limn_sampler_unipc;        /* unipc.c */

/* The samplers, in the order in which they are listed; NULL past the end. */
const limn_sampler *limn_sampler_at(int i);

/* ---- steps.c: which steps, which levels ------------------------------------------------------ */

/* x rounded to a whole number, halves to the even one, as numpy and torch round. |x| < 2^51. */
double limn_round_even(double x);

/* x cut to a whole number, as torch casts to integers; what lies below one by rounding alone counts
 * as reaching it. x >= 0. */
double limn_cut(double x);

/* The steps of a spacing, falling, each from 0 to train_steps - 1.
 *   even  true: as the classes that space N steps (DDIM, Euler); false: as those that space N + 1
 *         points and leave out the last (DPM++, UniPC)
 *   out   [n] */
void limn_steps_spaced(const limn_schedule *s, limn_spacing spacing, bool even, int n, double *out);

/* Sigma at a step that need not be whole, linear between the training steps. */
double limn_steps_sigma(const limn_schedule *s, double step);

/* The step whose sigma this is, linear in log(sigma) between the training steps. */
double limn_steps_of_sigma(const limn_schedule *s, double sigma);

/* n sigmas as s->sigmas spreads them from `largest` to `smallest`, or between the configuration's
 * bounds; for Karras and exponential only. Source: Karras et al. 2022, equation 5, rho 7. */
void limn_steps_spread(const limn_schedule *s, double largest, double smallest, int n, double *out);

/* Fills the first N timesteps, and now[N + 1] with their sigmas, rounded to float32, and 0 or the
 * schedule's smallest at the end.
 *   even  see limn_steps_spaced; it also says whether Karras' sigmas go as far as the spacing goes
 *         (true) or as far as the schedule (false) */
void limn_steps_sigmas(limn_sampling *run, const limn_schedule *s, bool even);

/* Fills a run's timesteps, now and next (alpha-bar) for DDIM and DDPM.
 *   equal  each step goes down by train_steps / N whatever the next one is (DDIM), instead of going
 *          to the next one (DDPM)
 *   last   alpha-bar after the last step */
void limn_steps_alphas(limn_sampling *run, const limn_schedule *s, bool equal, double last);

/* alpha-bar after the last step: 1, or that of step 0. `otherwise` is the class's own default. */
double limn_steps_last_alpha(const limn_schedule *s, bool otherwise);

/* Fills a run's timesteps, now and next (alpha-bar) from the steps that a model was distilled with,
 * or as the schedule was chosen to be (lcm.c). */
void limn_steps_distilled(limn_sampling *run, const limn_schedule *s);

/* Fills next from now[calls + 1], for one call a step. */
void limn_steps_chain(limn_sampling *run);

/* Makes the timesteps whole, once all are there: rounded to even, or cut. */
void limn_steps_whole(limn_sampling *run, bool rounds);

/* The highest order, 1 to `most`, of a step from the current call over the calls before it: as many
 * as there were and as have different levels, since slopes between equal ones would divide by 0. */
int limn_steps_falling(const limn_sampling *run, int most);

/* What the samplers on unscaled sigmas multiply the first noise by, from now[0]. */
double limn_steps_init_sigma(const limn_sampling *run);

/* Plans DPM++ (dpmpp_2m.c): sigmas, and whole steps as DPMSolverMultistepScheduler cuts them. */
void limn_dpmpp_plan(limn_sampling *run, const limn_schedule *s);

/* The order of DPM++'s current step, 1 to `most`; lower at the start, at the end of short runs, and
 * where levels coincide (then a higher one would divide by 0). */
int limn_dpmpp_order(const limn_sampling *run, int most);

/* Puts the picture that out predicts into history[call % keep]. x is the sample scaled by
 * 1 / sqrt(sigma^2 + 1), as DPM++ and UniPC have it. */
void limn_dpmpp_keep(limn_sampling *run, int keep, const float *out, const float *x);

/* For x scaled as above: alpha = 1 / sqrt(sigma^2 + 1). */
static inline double limn_alpha_at(double sigma) {
    return 1 / sqrt(sigma * sigma + 1);
}

/* ---- shared arithmetic ----------------------------------------------------------------------- */

/* One call for each step. */
int limn_calls_one(int steps);

/* `true`: noise in every call. */
bool limn_noisy_always(const limn_sampling *run);

/* Clamps a predicted picture where the run clips. */
static inline float limn_clip(const limn_sampling *run, float picture) {
    if (!run->clip) return picture;
    float most = run->clip_range;
    return picture < -most ? -most : picture > most ? most : picture;
}

/* The picture in x = alpha picture + sigma noise, given the U-Net's output; not clipped. alpha is
 * above 0 where the prediction is epsilon. */
static inline float limn_picture_of(limn_prediction p, float alpha, float sigma, float x,
                                    float out) {
    if (p == LIMN_PREDICT_EPSILON) return (x - sigma * out) / alpha;
    if (p == LIMN_PREDICT_V) return alpha * x - sigma * out;
    return out;
}

/* The noise in the same; sigma is above 0. */
static inline float limn_noise_of(limn_prediction p, float alpha, float sigma, float x, float out) {
    if (p == LIMN_PREDICT_EPSILON) return out;
    if (p == LIMN_PREDICT_V) return alpha * out + sigma * x;
    return (x - alpha * out) / sigma;
}

/* The picture in x = picture + sigma noise; x was divided by sqrt(sigma^2 + 1) for the U-Net. */
static inline float limn_picture_at(limn_prediction p, float sigma, float x, float out) {
    if (p == LIMN_PREDICT_EPSILON) return x - sigma * out;
    if (p == LIMN_PREDICT_V) {
        float square = sigma * sigma + 1.0f;
        return out * (-sigma / sqrtf(square)) + x / square;
    }
    return out;
}

/* Splits an ancestral step from sigma to next: down to *down without noise, then up to next with
 * *up times fresh noise; DDPM's posterior (Song et al. 2021, eta 1), in diffusers' float32.
 * Rounding may leave less than 0 under a root: then it is 0. */
static inline void limn_split(float sigma, float next, float *down, float *up) {
    float before = sigma * sigma, after = next * next;
    float rise = after * (before - after) / before;
    *up = rise > 0 ? sqrtf(rise) : 0.0f;
    float rest = after - *up * *up;
    *down = rest > 0 ? sqrtf(rest) : 0.0f;
}

#endif
