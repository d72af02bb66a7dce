/* Trajectory consistency distillation. Zheng et al. 2024, "Trajectory Consistency Distillation",
 * algorithm 4 (strategic stochastic sampling): each step goes down past the next level, to the
 * training step s = (1 - gamma) t', and adds noise up to it again:
 *     x_s = sqrt(a_s) picture + sqrt(1 - a_s) noise,   x' = sqrt(a'/a_s) x_s + sqrt(1 - a'/a_s) z
 * gamma is eta: 0 adds no noise. Steps are LCM's; the last goes to the first training step.
 * diffusers: TCDScheduler. */
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    float share = (float)(1 - run->eta);
    limn_steps_distilled(run, s);
    run->now[run->calls] = (double)s->alphas_cumprod[0];
    for (int i = 0; i < run->calls; i++) {
        float after = i + 1 < run->calls ? (float)run->timesteps[i + 1] : 0.0f;
        run->next[i] = (double)s->alphas_cumprod[(int)floorf(share * after)];
    }
}

static bool noisy(const limn_sampling *run) {
    return run->eta > 0 && run->call + 1 < run->calls;
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    float a = (float)run->now[run->call], b = (float)run->next[run->call];
    float rest = (float)run->now[run->call + 1] / b;
    float alpha = sqrtf(a), sigma = sqrtf(1.0f - a);
    float to_picture = sqrtf(b), to_noise = sqrtf(1.0f - b);
    float kept = sqrtf(rest), fresh = rest < 1 ? sqrtf(1.0f - rest) : 0.0f;
    bool adds = noisy(run);
    for (size_t i = 0; i < run->values; i++) {
        float old = limn_noise_of(run->prediction, alpha, sigma, x[i], out[i]);
        float picture = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
        x[i] = to_picture * picture + to_noise * old;
        if (adds) x[i] = kept * x[i] + fresh * noise[i];
    }
}

const limn_sampler limn_sampler_tcd = {
    .name = "tcd",
    .spacing = LIMN_SPACING_LEADING,
    .eta = true,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
    .noisy = noisy,
};
