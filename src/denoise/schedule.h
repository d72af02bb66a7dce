/* The noise schedule: how much of a picture and how much noise there is at each training step, and
 * which of those steps a run of N steps visits.
 *
 *     in    scheduler_config.json (diffusers' form) and what the user typed for --schedule
 *     out   limn_schedule: plain data, copied freely, no pointers
 *
 * Settings that diffusers' schedulers know and that change a picture are read; one that limn cannot
 * follow is refused with LIMN_E_INPUT and a sentence. Where the configuration does not say, the
 * default is that of the diffusers class which the sampler stands for, so that `limn` and
 * `Class.from_config` agree; such fields hold LIMN_UNSAID here.
 * Source: Ho et al. 2020, section 2 (alpha-bar); Lin et al. 2023 (zero terminal SNR, trailing);
 * Karras et al. 2022, equation 5; numbers as in diffusers 0.40. */
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

/* How much noise DDPM adds back. */
typedef enum limn_variance {
    LIMN_VARIANCE_SMALL,
    LIMN_VARIANCE_LARGE,
} limn_variance;

typedef struct limn_schedule {
    int train_steps;                            /* 2 to LIMN_TRAIN_STEPS_MAX */
    float alphas_cumprod[LIMN_TRAIN_STEPS_MAX]; /* alpha-bar, rounded as diffusers rounds */
    limn_prediction prediction;
    limn_spacing spacing;
    bool spacing_chosen; /* by name, so that it holds for samplers with steps of their own (LCM) */
    limn_sigmas sigmas;
    bool cosine;            /* squaredcos_cap_v2 betas: DPM++ then does not round Karras' steps */
    int steps_offset;       /* added to each step of the spacing "leading" */
    int set_alpha_to_one;   /* alpha-bar after the last step is 1, not that of step 0; or UNSAID */
    bool zero_terminal_snr; /* alphas_cumprod are rescaled so that the last is 0 */
    bool final_sigma_min;   /* sampling ends at the smallest sigma, not at 0 */
    double sigma_min;       /* bounds for Karras and exponential; 0 = from the schedule */
    double sigma_max;       /* see sigma_min */
    double lambda_min;      /* DPM++ starts where log(alpha/sigma) reaches it; -infinity = at all */
    bool clip_sample;       /* DDIM, DDPM, LCM, Heun clamp the predicted picture ... */
    float clip_sample_range; /* ... to plus and minus this */
    limn_variance variance;  /* DDPM's */
    bool solver_heun;        /* DPM++'s second-order step: Heun's, not the midpoint's */
    bool solver_bh1;         /* UniPC's B(h): h, not e^h - 1 */
    bool lower_order_final;  /* DPM++, UniPC: the last steps of short runs are first-order */
    bool euler_at_final;     /* DPM++: the last step is first-order */
    int original_steps;      /* LCM: the steps that it was distilled with */
    double timestep_scaling; /* LCM's */
    char sampler[16];        /* the sampler that the configuration's class stands for */
} limn_schedule;

/* Reads a scheduler_config.json. LIMN_E_INPUT for a schedule or setting that limn does not know,
 * with its name and value, and for numbers out of range. On failure *out is undefined. */
limn_status limn_schedule_load(const limn_config *c, limn_schedule *out, limn_error *err);

/* Fills a schedule with diffusers' defaults and these betas, which are n (2 to 4096) values above 0
 * and below 1, rounded to float32. Fails with LIMN_E_INPUT. */
limn_status limn_schedule_from_betas(const double *betas, int n, limn_schedule *out,
                                     limn_error *err);

/* Applies --schedule, a name from limn_schedules. LIMN_E_USAGE for a name that is none, and for a
 * schedule that the model's prediction cannot take. */
limn_status limn_schedule_choose(limn_schedule *s, const char *name, limn_error *err);

#endif
