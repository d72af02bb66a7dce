/* The noise schedule: how much of a picture and how much noise there is at each training step.
 *
 *     in    scheduler_config.json (diffusers' form) and what the user typed for --schedule
 *     out   limn_schedule: plain data, copied freely, no pointers
 *
 * Settings that diffusers' schedulers know and that change a picture are read; one that limn cannot
 * follow is refused with LIMN_E_INPUT and a sentence. Where the configuration does not say, the
 * default is that of the diffusers class which the sampler stands for, so that limn and
 * Class.from_config agree; such fields hold LIMN_UNSAID here. One departure: `clip_sample` is false
 * where it is not said, as diffusers' own latent pipelines set it.
 * Source: Ho et al. 2020, section 2 (alpha-bar); Nichol and Dhariwal 2021, section 3.2 (cosine);
 * Lin et al. 2023 (zero terminal SNR, trailing); numbers as in diffusers 0.40. */
#ifndef LIMN_DENOISE_SCHEDULE_H
#define LIMN_DENOISE_SCHEDULE_H

#include "base/error.h"
#include "weights/weights.h"

#define LIMN_TRAIN_STEPS_MAX 4096
#define LIMN_UNSAID          (-1) /* of a setting: the configuration does not say */

/* What the U-Net's output is. */
typedef enum limn_prediction {
    LIMN_PREDICT_EPSILON, /* the noise */
    LIMN_PREDICT_V,       /* sqrt(a) noise - sqrt(1 - a) picture (Salimans and Ho 2022) */
    LIMN_PREDICT_SAMPLE,  /* the picture */
} limn_prediction;

/* Which training steps N steps visit (Lin et al. 2023, table 2). */
typedef enum limn_spacing {
    LIMN_SPACING_UNSAID = LIMN_UNSAID, /* as the sampler's class has it */
    LIMN_SPACING_LEADING,
    LIMN_SPACING_TRAILING,
    LIMN_SPACING_LINSPACE,
    LIMN_SPACING_SGM, /* N + 1 even points from the last step to the first, without the first */
} limn_spacing;

/* How sigmas lie between the largest and the smallest. */
typedef enum limn_sigmas {
    LIMN_SIGMAS_SPACED, /* at the steps that the spacing names */
    LIMN_SIGMAS_KARRAS,
    LIMN_SIGMAS_EXPONENTIAL,
} limn_sigmas;

/* A schedule. */
typedef struct limn_schedule {
    int train_steps;                            /* 2 to LIMN_TRAIN_STEPS_MAX */
    float alphas_cumprod[LIMN_TRAIN_STEPS_MAX]; /* alpha-bar, falling, rounded as diffusers does */
    limn_prediction prediction;
    limn_spacing spacing;
    bool spacing_chosen;     /* by name, so that it holds for samplers with steps of their own */
    limn_sigmas sigmas;      /* how they are spread */
    bool cosine;             /* squaredcos_cap_v2: DPM++ then cuts Karras' steps, not rounds them */
    bool zero_terminal_snr;  /* alphas_cumprod are rescaled so that the last is 0 */
    int steps_offset;        /* added to each step of the spacing "leading" */
    int set_alpha_to_one;    /* 1: alpha-bar after the last step is 1; 0: that of step 0; UNSAID */
    bool final_sigma_min;    /* sampling ends at the smallest sigma, not at 0 */
    double sigma_min;        /* bounds for Karras and exponential; 0 = from the schedule */
    double sigma_max;        /* see sigma_min */
    double lambda_min;       /* DPM++ leaves out steps whose log(alpha / sigma) is below */
    bool clip_sample;        /* DDIM, DDPM, LCM, Heun clamp the predicted picture ... */
    float clip_sample_range; /* ... to plus and minus this */
    bool variance_large;     /* DDPM adds back the larger noise of the two in the paper */
    int solver_order;        /* UniPC's, 1 to 3; 3 makes DPM++ 2M the one of third order */
    bool solver_heun;        /* DPM++'s second-order step is Heun's, not the midpoint's */
    bool solver_bh1;         /* UniPC's B(h) is h, not e^h - 1 */
    bool lower_order_final;  /* DPM++, DEIS, UniPC: lower orders at the end of a short run */
    bool euler_at_final;     /* DPM++: the last step is first-order */
    int original_steps;      /* LCM: the steps it was distilled with */
    double timestep_scaling; /* LCM's boundary condition */
    char sampler[16];        /* the sampler of the configuration's class; "" where it has none */
    char note[160];          /* how that differs from the class, a sentence; "" = not */
} limn_schedule;

/* Reads a scheduler_config.json. LIMN_E_INPUT for a schedule or setting that limn does not know,
 * with its name and value, and for numbers out of range. On failure *out is undefined. */
limn_status limn_schedule_load(const limn_config *c, limn_schedule *out, limn_error *err);

/* The same without rescale_betas_zero_snr: what the model has where zero_snr is "off". */
limn_status limn_schedule_load_plain(const limn_config *c, limn_schedule *out, limn_error *err);

/* Fills alphas_cumprod and train_steps alone, from n (2 to LIMN_TRAIN_STEPS_MAX) betas.
 * LIMN_E_INPUT where they are not above 0 and below 1, or leave no sigma that float32 can hold. */
limn_status limn_schedule_set_betas(limn_schedule *s, const float *betas, int n, limn_error *err);

/* Rescales alpha-bar so that its last value is 0 (Lin et al. 2023, algorithm 1); nothing where it
 * is already. Fails with `kind` where the betas are too small. Whether what the model predicts goes
 * with it is asked when something is drawn: a request may say what that is. */
limn_status limn_schedule_rescale(limn_schedule *s, limn_status kind, limn_error *err);

/* The same for a model whose prediction is known. Fails with `kind` and a sentence where the model
 * predicts epsilon, which says nothing about the picture where there is nothing but noise. */
limn_status limn_schedule_zero_snr(limn_schedule *s, limn_status kind, limn_error *err);

/* Applies what a request says of the schedule: its prediction, zero_snr and schedule. plain is of
 * limn_schedule_load_plain. LIMN_E_USAGE for a name that is none, and for what the prediction
 * cannot take. */
limn_status limn_schedule_ask(limn_schedule *s, const limn_schedule *plain,
                              const limn_request *request, limn_error *err);

/* What the U-Net's output is called: "epsilon", "v_prediction", "sample". */
const char *limn_prediction_name(limn_prediction prediction);

/* Applies --schedule, a name from limn_schedules. LIMN_E_USAGE for a name that is none, and for a
 * schedule that the model's prediction cannot take. */
limn_status limn_schedule_choose(limn_schedule *s, const char *name, limn_error *err);

/* The noise level sigma = sqrt((1 - a) / a) of a training step; 4096 where a is 0, as diffusers has
 * it. step from 0 to train_steps - 1. */
double limn_schedule_sigma(const limn_schedule *s, int step);

#endif
