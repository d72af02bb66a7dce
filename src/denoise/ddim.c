/* DDIM. Song, Meng and Ermon 2021, "Denoising Diffusion Implicit Models", equations 12 and 16:
 *     x' = sqrt(a') picture + sqrt(1 - a' - s^2) noise + s z,
 *     s  = eta sqrt((1 - a') / (1 - a)) sqrt(1 - a / a')
 * diffusers: DDIMScheduler. It goes down by train_steps / N from each step, whatever the next one
 * is; with Karras' and other spread sigmas, which it does not have, limn goes to the next one. */
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_alphas(run, s, true, limn_steps_last_alpha(s, true));
}

static bool noisy(const limn_sampling *run) {
    return run->eta > 0;
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    double a = run->now[run->call], b = run->next[run->call];
    double variance = a < b ? (1 - b) / (1 - a) * (1 - a / b) : 0;
    double added = run->eta * sqrt(variance), kept = 1 - b - added * added;
    float alpha = (float)sqrt(a), sigma = (float)sqrt(1 - a);
    float to_picture = (float)sqrt(b), to_noise = (float)sqrt(kept > 0 ? kept : 0);
    float fresh = (float)added;
    for (size_t i = 0; i < run->values; i++) {
        float old = limn_noise_of(run->prediction, alpha, sigma, x[i], out[i]);
        float picture = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
        x[i] = to_picture * limn_clip(run, picture) + to_noise * old;
        if (run->eta > 0) x[i] += fresh * noise[i];
    }
}

const limn_sampler limn_sampler_ddim = {
    .name = "ddim",
    .spacing = LIMN_SPACING_LEADING,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
    .noisy = noisy,
};
