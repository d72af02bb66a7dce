/* Reading scheduler_config.json, in diffusers' form. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "denoise/schedule.h"

/* The classes of diffusers whose model is one of alpha-bar, and the sampler that each stands for.
 * Others (flow matching, EDM, consistency models) compute something else. */
static const struct {
    const char *class_name, *sampler;
} classes[] = {
    {"DDIMScheduler", "ddim"},
    {"DDIMParallelScheduler", "ddim"},
    {"DDPMScheduler", "ddpm"},
    {"DDPMParallelScheduler", "ddpm"},
    {"PNDMScheduler", "pndm"},
    {"LMSDiscreteScheduler", "lms"},
    {"EulerDiscreteScheduler", "euler"},
    {"EulerAncestralDiscreteScheduler", "euler_a"},
    {"HeunDiscreteScheduler", "heun"},
    {"DPMSolverMultistepScheduler", "dpmpp_2m"},
    {"DPMSolverSinglestepScheduler", "dpmpp_2s"},
    {"DPMSolverSDEScheduler", "dpmpp_2m_sde"},
    {"KDPM2DiscreteScheduler", "kdpm2"},
    {"KDPM2AncestralDiscreteScheduler", "kdpm2_a"},
    {"DEISMultistepScheduler", "deis"},
    {"UniPCMultistepScheduler", "unipc"},
    {"LCMScheduler", "lcm"},
    {"TCDScheduler", "tcd"},
    {"SASolverScheduler", "unipc"},
};

/* Settings that must have this value, or none: what they would change, limn does not compute. */
static const struct {
    const char *key;
    bool value;
} fixed_switches[] = {
    {"thresholding", false},    {"use_beta_sigmas", false},      {"use_lu_lambdas", false},
    {"use_flow_sigmas", false}, {"use_dynamic_shifting", false}, {"predict_x0", true},
    {"predict_epsilon", true},
};

/* See fixed_switches. */
static const struct {
    const char *key, *value;
} fixed_texts[] = {
    {"interpolation_type", "linear"},
    {"timestep_type", "discrete"},
};

/* Reads a text that must be one of `names` (NULL last); *out becomes its place, or `absent`. */
static limn_status read_name(const limn_config *c, const char *key, const char *const *names,
                             int absent, int *out, limn_error *err) {
    const char *text;
    limn_status status = limn_config_text(c, key, NULL, &text, err);
    if (status != LIMN_OK) return status;
    *out = absent;
    if (text == NULL) return LIMN_OK;
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return LIMN_OK;
        }
    }
    return limn_fail(err, LIMN_E_INPUT, "scheduler: limn does not know the %s \"%s\"", key, text);
}

/* Refuses a configuration that asks for what limn does not compute. */
static limn_status refuse_unknown(const limn_config *c, limn_error *err) {
    for (size_t i = 0; i < sizeof fixed_switches / sizeof fixed_switches[0]; i++) {
        bool want = fixed_switches[i].value, value;
        const char *key = fixed_switches[i].key;
        limn_status status = limn_config_bool(c, key, want, &value, err);
        if (status != LIMN_OK) return status;
        if (value != want) {
            return limn_fail(err, LIMN_E_INPUT, "scheduler: limn does not support %s = %s", key,
                             value ? "true" : "false");
        }
    }
    for (size_t i = 0; i < sizeof fixed_texts / sizeof fixed_texts[0]; i++) {
        const char *names[] = {fixed_texts[i].value, NULL};
        int which;
        limn_status status = read_name(c, fixed_texts[i].key, names, 0, &which, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* The order that one of limn's samplers has, for those whose class may have another. */
static int order_of(const limn_schedule *s, const char *sampler) {
    static const char *const second[] = {"dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "deis"};
    for (size_t i = 0; i < sizeof second / sizeof *second; i++)
        if (strcmp(sampler, second[i]) == 0) return 2;
    return s->solver_order;
}

/* The sampler of the configuration's class; a class that is not one of alpha-bar is refused. */
static limn_status read_class(const limn_config *c, limn_schedule *s, limn_error *err) {
    const char *name;
    limn_status status = limn_config_text(c, "_class_name", NULL, &name, err);
    if (status != LIMN_OK || name == NULL) return status;
    const char *sampler = NULL;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(name, classes[i].class_name) == 0) sampler = classes[i].sampler;
    }
    if (sampler == NULL) {
        return limn_fail(err, LIMN_E_INPUT, "scheduler: limn does not know the _class_name \"%s\"",
                         name);
    }
    static const char *const algorithms[] = {
        "dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver", "deis", NULL};
    int algorithm;
    status = read_name(c, "algorithm_type", algorithms, 0, &algorithm, err);
    if (status != LIMN_OK) return status;
    bool dpm = strcmp(sampler, "dpmpp_2m") == 0;
    if (dpm && (algorithm == 1 || algorithm == 3)) sampler = "dpmpp_2m_sde";
    if (dpm && algorithm == 0 && s->solver_order == 3) sampler = "dpmpp_3m";
    strcpy(s->sampler, sampler);
    /* What limn does not have is run as its nearest kin, and said. */
    bool first_kind =
        (dpm || strcmp(sampler, "dpmpp_2s") == 0) && (algorithm == 2 || algorithm == 3);
    bool other = strcmp(name, "SASolverScheduler") == 0 ||
                 strcmp(name, "DPMSolverSDEScheduler") == 0; /* k-diffusion's DPM++ SDE */
    if (first_kind || other)
        snprintf(s->note, sizeof s->note,
                 "the model's own sampler is %s%s%s, which limn does not have; %s is the nearest",
                 name, first_kind ? " with algorithm_type " : "",
                 first_kind ? algorithms[algorithm] : "", sampler);
    else if (limn_config_has(c, "solver_order") && s->solver_order != order_of(s, sampler))
        snprintf(s->note, sizeof s->note,
                 "the model's own sampler is %s of order %d, limn's %s is of order %d", name,
                 s->solver_order, sampler, order_of(s, sampler));
    return LIMN_OK;
}

/* `n` float32 values from `from` to `to` in the roundings of torch.linspace on x86: from both ends
 * towards the middle, in runs of eight, with fused multiply-add. */
static void spread(float from, float to, int n, float *out) {
    float step = (to - from) / (float)(n - 1);
    for (int i = 0; i < n; i++) {
        int run = i < n / 8 * 8 ? i / 8 * 8 : i;
        float base =
            run < n / 2 ? fmaf(step, (float)run, from) : fmaf(-step, (float)(n - run - 1), to);
        out[i] = fmaf(step, (float)(i - run), base);
    }
}

/* The cosine schedule's alpha-bar at time t in [0, 1] (Nichol and Dhariwal 2021, equation 17). */
static double cosine_alpha_bar(double t) {
    double c = limn_cos((t + 0.008) / 1.008 * 3.14159265358979323846 / 2);
    return c * c;
}

static void fill_cosine(float *betas, int n) {
    for (int i = 0; i < n; i++) {
        double beta = 1 - cosine_alpha_bar((i + 1) / (double)n) / cosine_alpha_bar(i / (double)n);
        betas[i] = (float)(beta < 0.999 ? beta : 0.999);
    }
}

/* The betas of a rule, where the configuration has no list of them. */
static limn_status fill_rule(const limn_config *c, limn_schedule *s, int n, float *betas,
                             limn_error *err) {
    static const char *const rules[] = {"linear", "scaled_linear", "squaredcos_cap_v2", NULL};
    int rule;
    double from, to;
    limn_status status = read_name(c, "beta_schedule", rules, 0, &rule, err);
    if (status == LIMN_OK) {
        status = limn_config_number(c, "beta_start", 0, 1, 0.0001, &from, err);
    }
    if (status == LIMN_OK) status = limn_config_number(c, "beta_end", 0, 1, 0.02, &to, err);
    if (status != LIMN_OK) return status;

    if (rule == 2) {
        fill_cosine(betas, n);
    } else if (rule == 1) {
        spread((float)sqrt(from), (float)sqrt(to), n, betas);
        for (int i = 0; i < n; i++) betas[i] *= betas[i];
    } else {
        spread((float)from, (float)to, n, betas);
    }
    s->cosine = rule == 2;
    return LIMN_OK;
}

/* The betas, from a list or a rule. */
static limn_status read_betas(const limn_config *c, limn_schedule *s, limn_error *err) {
    float betas[LIMN_TRAIN_STEPS_MAX];
    double trained[LIMN_TRAIN_STEPS_MAX];
    int n, count;
    limn_status status =
        limn_config_int(c, "num_train_timesteps", 2, LIMN_TRAIN_STEPS_MAX, 1000, &n, err);
    if (status == LIMN_OK) {
        status = limn_config_numbers(c, "trained_betas", 0, 1, trained, LIMN_TRAIN_STEPS_MAX,
                                     &count, err);
    }
    if (status != LIMN_OK) return status;
    if (count > 0 && count != n) {
        return limn_fail(err, LIMN_E_INPUT,
                         "scheduler: %d trained_betas for num_train_timesteps %d", count, n);
    }
    for (int i = 0; i < count; i++) betas[i] = (float)trained[i];
    if (count == 0) status = fill_rule(c, s, n, betas, err);
    return status == LIMN_OK ? limn_schedule_set_betas(s, betas, n, err) : status;
}

/* Prediction, spacing, and how sigmas are spread. */
static limn_status read_kinds(const limn_config *c, limn_schedule *s, limn_error *err) {
    static const char *const predictions[] = {"epsilon", "v_prediction", "sample",
                                              "original_sample", NULL};
    static const char *const spacings[] = {"leading", "trailing", "linspace", NULL};
    static const char *const finals[] = {"zero", "sigma_min", NULL};
    int prediction, spacing, final;
    bool karras, exponential;
    limn_status status = read_name(c, "prediction_type", predictions, 0, &prediction, err);
    if (status == LIMN_OK) {
        status = read_name(c, "timestep_spacing", spacings, LIMN_UNSAID, &spacing, err);
    }
    if (status == LIMN_OK) status = read_name(c, "final_sigmas_type", finals, 0, &final, err);
    if (status == LIMN_OK) status = limn_config_bool(c, "use_karras_sigmas", false, &karras, err);
    if (status == LIMN_OK) {
        status = limn_config_bool(c, "use_exponential_sigmas", false, &exponential, err);
    }
    if (status != LIMN_OK) return status;
    if (karras && exponential) {
        return limn_fail(err, LIMN_E_INPUT,
                         "scheduler: use_karras_sigmas and use_exponential_sigmas are both true");
    }
    s->prediction = prediction == 3 ? LIMN_PREDICT_SAMPLE : (limn_prediction)prediction;
    s->spacing = (limn_spacing)spacing;
    s->final_sigma_min = final == 1;
    s->sigmas = karras        ? LIMN_SIGMAS_KARRAS
                : exponential ? LIMN_SIGMAS_EXPONENTIAL
                              : LIMN_SIGMAS_SPACED;
    return LIMN_OK;
}

/* What belongs to single samplers. */
static limn_status read_solvers(const limn_config *c, limn_schedule *s, limn_error *err) {
    static const char *const solvers[] = {"midpoint", "heun", "bh1", "bh2", "logrho", NULL};
    static const char *const variances[] = {"fixed_small", "fixed_small_log", "fixed_large",
                                            "fixed_large_log", NULL};
    int solver, variance;
    limn_status status = read_name(c, "solver_type", solvers, 0, &solver, err);
    if (status == LIMN_OK) status = read_name(c, "variance_type", variances, 0, &variance, err);
    if (status == LIMN_OK)
        status = limn_config_int(c, "solver_order", 1, 3, 2, &s->solver_order, err);
    if (status == LIMN_OK) {
        status = limn_config_bool(c, "lower_order_final", true, &s->lower_order_final, err);
    }
    if (status == LIMN_OK) {
        status = limn_config_bool(c, "euler_at_final", false, &s->euler_at_final, err);
    }
    if (status == LIMN_OK) {
        status = limn_config_int(c, "original_inference_steps", 1, s->train_steps, 50,
                                 &s->original_steps, err);
    }
    if (status == LIMN_OK) {
        status =
            limn_config_number(c, "timestep_scaling", 1e-3, 1e6, 10, &s->timestep_scaling, err);
    }
    if (status != LIMN_OK) return status;
    s->solver_heun = solver == 1;
    s->solver_bh1 = solver == 2;
    s->variance_large = variance >= 2;
    if (s->original_steps > s->train_steps) s->original_steps = s->train_steps;
    return LIMN_OK;
}

/* Bounds and offsets. */
static limn_status read_bounds(const limn_config *c, limn_schedule *s, limn_error *err) {
    bool one;
    double range;
    limn_status status =
        limn_config_int(c, "steps_offset", 0, s->train_steps - 1, 0, &s->steps_offset, err);
    if (status == LIMN_OK) status = limn_config_bool(c, "set_alpha_to_one", false, &one, err);
    if (status == LIMN_OK) status = limn_config_bool(c, "clip_sample", false, &s->clip_sample, err);
    if (status == LIMN_OK) {
        status = limn_config_number(c, "clip_sample_range", 1e-3, 1e6, 1, &range, err);
    }
    if (status == LIMN_OK) {
        status = limn_config_number(c, "sigma_min", 1e-9, 1e9, 0, &s->sigma_min, err);
    }
    if (status == LIMN_OK) {
        status = limn_config_number(c, "sigma_max", 1e-9, 1e9, 0, &s->sigma_max, err);
    }
    if (status == LIMN_OK) {
        status = limn_config_number(c, "lambda_min_clipped", -1e300, 1e300, -INFINITY,
                                    &s->lambda_min, err);
    }
    if (status != LIMN_OK) return status;
    if (s->sigma_min > 0 && s->sigma_max > 0 && s->sigma_min >= s->sigma_max) {
        return limn_fail(err, LIMN_E_INPUT, "scheduler: sigma_min %g is not below sigma_max %g",
                         s->sigma_min, s->sigma_max);
    }
    s->set_alpha_to_one = limn_config_has(c, "set_alpha_to_one") ? one : LIMN_UNSAID;
    s->clip_sample_range = (float)range;
    return LIMN_OK;
}

limn_status limn_schedule_load_plain(const limn_config *c, limn_schedule *out, limn_error *err) {
    memset(out, 0, sizeof *out);
    limn_status status = refuse_unknown(c, err);
    if (status == LIMN_OK) status = read_betas(c, out, err);
    if (status == LIMN_OK) status = read_kinds(c, out, err);
    if (status == LIMN_OK) status = read_solvers(c, out, err);
    if (status == LIMN_OK) status = read_bounds(c, out, err);
    return status == LIMN_OK ? read_class(c, out, err) : status;
}

limn_status limn_schedule_load(const limn_config *c, limn_schedule *out, limn_error *err) {
    bool rescale = false;
    limn_status status = limn_schedule_load_plain(c, out, err);
    if (status == LIMN_OK) {
        status = limn_config_bool(c, "rescale_betas_zero_snr", false, &rescale, err);
    }
    if (status == LIMN_OK && rescale) status = limn_schedule_rescale(out, LIMN_E_INPUT, err);
    return status;
}
