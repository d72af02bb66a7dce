/* DDPM. Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models", equations 6 and 7,
 * between steps t and t' (a/a' for their alpha_t):
 *     x' = sqrt(a') (1 - a/a') / (1 - a) picture + sqrt(a/a') (1 - a') / (1 - a) x + sqrt(v) z,
 *     v  = (1 - a') / (1 - a) (1 - a/a')          (or 1 - a/a', "fixed_large")
 * diffusers: DDPMScheduler. It adds no noise at training step 0. */
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_alphas(run, s, false, 1);
}

static bool noisy(const limn_sampling *run) {
    return run->timesteps[run->call] > 0;
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    double a = run->now[run->call], b = run->next[run->call];
    double ratio = b > 0 ? a / b : 1, beta = 1 - ratio; /* b is 0 where steps coincide */
    double variance = (1 - b) / (1 - a) * beta;
    if (variance < 1e-20) variance = 1e-20;
    if (run->variance_large) variance = beta;
    float alpha = (float)sqrt(a), sigma = (float)sqrt(1 - a);
    float to_picture = (float)(sqrt(b) * beta / (1 - a));
    float to_x = (float)(sqrt(ratio) * (1 - b) / (1 - a));
    float fresh = (float)sqrt(variance);
    bool adds = noisy(run);
    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
        x[i] = to_picture * limn_clip(run, picture) + to_x * x[i];
        if (adds) x[i] += fresh * noise[i];
    }
}

const limn_sampler limn_sampler_ddpm = {
    .name = "ddpm",
    .spacing = LIMN_SPACING_LEADING,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
    .noisy = noisy,
};
