/* DPM2 and DPM2 ancestral: the midpoint method in log(sigma). Karras et al. 2022, appendix D, as
 * k-diffusion's sample_dpm_2 and sample_dpm_2_ancestral: a look half-way (the geometric mean of the
 * two sigmas), and the whole step from its start with the slope found there; the ancestral one goes
 * below the next sigma and adds noise up to it. The last step is Euler's: 2N - 1 calls.
 * diffusers: KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler. */
#include "denoise/sampling.h"

static int calls(int steps) {
    return 2 * steps - 1;
}

/* Where an ancestral step goes before its noise; above 0, since there is a call on the way to it.
 */
static double below(double sigma, double next) {
    float down, up;
    limn_split((float)sigma, (float)next, &down, &up);
    return down > 0 ? (double)down : next * (next / sigma);
}

/* Call 2k begins step k and goes half-way, call 2k + 1 looks there and makes the step. `next` of
 * both is where the step as a whole goes: the next sigma, or below it for the ancestral one. */
static void plan_both(limn_sampling *run, const limn_schedule *s, bool ancestral) {
    limn_steps_sigmas(run, s, true);
    run->init_sigma = limn_steps_init_sigma(run);
    double *t = run->timesteps, *now = run->now, *next = run->next;
    int last = run->calls - 1;
    now[run->steps] = 0;
    for (int k = run->steps - 1; k >= 0; k--) {
        double sigma = now[k], to = k == run->steps - 1 ? 0 : run->now[2 * k + 2];
        double step = s->sigmas == LIMN_SIGMAS_KARRAS ? limn_round_even(t[k]) : t[k];
        double aim = ancestral ? below(sigma, to) : to;
        double middle = (double)(float)sqrt(sigma * aim);
        if (2 * k < last) {
            t[2 * k + 1] = limn_steps_of_sigma(s, middle);
            now[2 * k + 1] = middle;
            next[2 * k + 1] = aim;
        }
        t[2 * k] = step;
        now[2 * k] = sigma;
        next[2 * k] = aim;
    }
}

static void plan(limn_sampling *run, const limn_schedule *s) {
    plan_both(run, s, false);
}

static void plan_ancestral(limn_sampling *run, const limn_schedule *s) {
    plan_both(run, s, true);
}

/* history: x where the step began. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    int call = run->call;
    bool second = call % 2 == 1, last = call == run->calls - 1;
    float *starts = run->history[0], up = 0;
    float sigma = (float)run->now[call], from = (float)run->now[second ? call - 1 : call];
    float to = (float)(second || last ? run->next[call] : run->now[call + 1]);
    if (run->sampler->noisy != NULL && second) {
        float down;
        limn_split(from, (float)run->now[call + 1], &down, &up);
    }
    for (size_t i = 0; i < run->values; i++) {
        float slope = (x[i] - limn_picture_at(run->prediction, sigma, x[i], out[i])) / sigma;
        if (!second) starts[i] = x[i];
        x[i] = starts[i] + slope * (to - from);
        if (up > 0) x[i] += noise[i] * up;
    }
}

static bool noisy(const limn_sampling *run) {
    return run->call % 2 == 1;
}

const limn_sampler limn_sampler_kdpm2 = {
    .name = "kdpm2",
    .spacing = LIMN_SPACING_LINSPACE,
    .history = 1,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = calls,
    .plan = plan,
    .step = step,
};

const limn_sampler limn_sampler_kdpm2_a = {
    .name = "kdpm2_a",
    .spacing = LIMN_SPACING_LINSPACE,
    .history = 1,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = calls,
    .plan = plan_ancestral,
    .step = step,
    .noisy = noisy,
};
