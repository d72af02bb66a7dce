/* alpha-bar and sigma. Computed in the roundings of diffusers (float32 betas, their product carried
 * in double), since the smallest sigma comes from the difference of 1 and a number close to it:
 * half a unit in the last place of alpha-bar is 4e-5 of that sigma. */
#include "denoise/schedule.h"

#include <math.h>
#include <string.h>

/* alpha-bar that stands for 0 where a sigma must be finite: sigma is then 4096. */
#define LEAST_ALPHA 0x1p-24f

/* alpha-bar below this has no use: its sigma is above 1e10. */
#define NO_ALPHA 1e-20f

double limn_schedule_sigma(const limn_schedule *s, int step) {
    float a = s->alphas_cumprod[step];
    if (s->zero_terminal_snr && step == s->train_steps - 1) a = LEAST_ALPHA;
    return (double)sqrtf((1.0f - a) / a);
}

limn_status limn_schedule_set_betas(limn_schedule *s, const float *betas, int n, limn_error *err) {
    double product = 1;
    for (int i = 0; i < n; i++) {
        if (!(betas[i] > 0 && betas[i] < 1)) {
            return limn_fail(err, LIMN_E_INPUT,
                             "scheduler: beta %d is %g, expected above 0 and below 1", i,
                             (double)betas[i]);
        }
        product *= (double)(1.0f - betas[i]);
        s->alphas_cumprod[i] = (float)product;
    }
    float first = s->alphas_cumprod[0], last = s->alphas_cumprod[n - 1];
    if (!(first < 1 && last < first && last > NO_ALPHA)) {
        return limn_fail(
            err, LIMN_E_INPUT,
            "scheduler: the betas take alpha-bar from %g to %g in %d steps, expected a "
            "fall from below 1 to above %g",
            (double)first, (double)last, n, (double)NO_ALPHA);
    }
    s->train_steps = n;
    return LIMN_OK;
}

limn_status limn_schedule_rescale(limn_schedule *s, limn_status kind, limn_error *err) {
    if (s->zero_terminal_snr) return LIMN_OK;
    int n = s->train_steps;
    float first = sqrtf(s->alphas_cumprod[0]), last = sqrtf(s->alphas_cumprod[n - 1]);
    float scale = first / (first - last), before = 0;
    double product = 1;
    for (int i = 0; i < n; i++) {
        float root = (sqrtf(s->alphas_cumprod[i]) - last) * scale;
        float bar = root * root;
        float beta = 1.0f - (i == 0 ? bar : before > 0 ? bar / before : 0.0f);
        product *= (double)(1.0f - beta);
        s->alphas_cumprod[i] = (float)product;
        before = bar;
    }
    if (!(s->alphas_cumprod[0] < 1 && s->alphas_cumprod[n - 2] > NO_ALPHA)) {
        return limn_fail(err, kind, "zero terminal SNR: this model's betas are too small for it");
    }
    s->zero_terminal_snr = true;
    return LIMN_OK;
}

limn_status limn_schedule_zero_snr(limn_schedule *s, limn_status kind, limn_error *err) {
    if (s->zero_terminal_snr) return LIMN_OK;
    if (s->prediction == LIMN_PREDICT_EPSILON)
        return limn_fail(err, kind,
                         "zero terminal SNR needs a model that predicts v or the sample; this one "
                         "predicts the noise (epsilon), which tells nothing where all is noise");
    return limn_schedule_rescale(s, kind, err);
}

/* Takes a spacing by name: it then holds for every sampler. */
static void space(limn_schedule *s, limn_spacing spacing) {
    s->spacing = spacing;
    s->spacing_chosen = true;
    s->sigmas = LIMN_SIGMAS_SPACED;
}

limn_status limn_schedule_choose(limn_schedule *s, const char *name, limn_error *err) {
    if (strcmp(name, "model") == 0) return LIMN_OK;
    if (strcmp(name, "karras") == 0) {
        s->sigmas = LIMN_SIGMAS_KARRAS;
    } else if (strcmp(name, "exponential") == 0) {
        s->sigmas = LIMN_SIGMAS_EXPONENTIAL;
    } else if (strcmp(name, "sgm_uniform") == 0) {
        space(s, LIMN_SPACING_SGM);
    } else if (strcmp(name, "trailing") == 0) {
        space(s, LIMN_SPACING_TRAILING);
    } else if (strcmp(name, "leading") == 0) {
        space(s, LIMN_SPACING_LEADING);
    } else if (strcmp(name, "linspace") == 0) {
        space(s, LIMN_SPACING_LINSPACE);
    } else if (strcmp(name, "zsnr") == 0) {
        limn_status status = limn_schedule_zero_snr(s, LIMN_E_USAGE, err);
        if (status != LIMN_OK) return status;
        s->spacing = LIMN_SPACING_TRAILING;
        s->sigmas = LIMN_SIGMAS_SPACED;
    } else {
        return limn_fail(err, LIMN_E_USAGE, "there is no schedule \"%s\"", name);
    }
    return LIMN_OK;
}

static const char *const predictions[] = {"epsilon", "v_prediction", "sample"};

const char *limn_prediction_name(limn_prediction prediction) {
    return predictions[prediction];
}

/* Takes the model for one that predicts something else. */
static limn_status predict(limn_schedule *s, const char *name, limn_error *err) {
    for (int i = 0; i < (int)(sizeof predictions / sizeof *predictions); i++) {
        if (strcmp(name, predictions[i]) != 0) continue;
        s->prediction = (limn_prediction)i;
        return LIMN_OK;
    }
    return limn_fail(err, LIMN_E_USAGE, "there is no prediction \"%s\"", name);
}

/* Whether the schedule is to end in pure noise. */
static limn_status switch_zero_snr(limn_schedule *s, const limn_schedule *plain, const char *to,
                                   limn_error *err) {
    if (strcmp(to, "on") == 0) return limn_schedule_zero_snr(s, LIMN_E_USAGE, err);
    if (strcmp(to, "off") != 0)
        return limn_fail(err, LIMN_E_USAGE, "zero_snr is \"%s\", expected on or off", to);
    memcpy(s->alphas_cumprod, plain->alphas_cumprod, sizeof s->alphas_cumprod);
    s->zero_terminal_snr = false;
    return LIMN_OK;
}

limn_status limn_schedule_ask(limn_schedule *s, const limn_schedule *plain,
                              const limn_request *request, limn_error *err) {
    const char *prediction = request->prediction, *zero_snr = request->zero_snr;
    limn_status status = LIMN_OK;
    if (prediction && *prediction) status = predict(s, prediction, err);
    if (status == LIMN_OK && zero_snr && *zero_snr)
        status = switch_zero_snr(s, plain, zero_snr, err);
    if (status == LIMN_OK && s->prediction == LIMN_PREDICT_EPSILON && s->zero_terminal_snr)
        status = limn_fail(err, LIMN_E_USAGE,
                           "this model's schedule ends in pure noise, of which epsilon tells "
                           "nothing; with --zero-snr off it does not");
    return status == LIMN_OK ? limn_schedule_choose(s, request->schedule, err) : status;
}
