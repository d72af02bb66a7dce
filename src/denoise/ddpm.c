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
    /* In float32, as there: between close steps 1 - a/a' is mostly rounding. */
    float a = (float)run->now[run->call], b = (float)run->next[run->call];
    float ratio = b > 0 ? a / b : 1.0f; /* b is 0 where steps coincide */
    float beta = 1.0f - ratio, variance = (1.0f - b) / (1.0f - a) * beta;
    if (variance < 1e-20f) variance = 1e-20f;
    if (run->variance_large) variance = beta;
    float alpha = sqrtf(a), sigma = sqrtf(1.0f - a), fresh = sqrtf(variance);
    float to_picture = sqrtf(b) * beta / (1.0f - a), to_x = sqrtf(ratio) * (1.0f - b) / (1.0f - a);
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
