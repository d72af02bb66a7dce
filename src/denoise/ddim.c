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
    /* In float32, as there: with eta 1 and zero terminal SNR the noise that is kept is the rounding
     * error of a difference that should be 0 (and may come out below it). */
    float a = (float)run->now[run->call], b = (float)run->next[run->call];
    float variance = a < b ? (1.0f - b) / (1.0f - a) * (1.0f - a / b) : 0.0f;
    float fresh = (float)run->eta * sqrtf(variance), kept = 1.0f - b - fresh * fresh;
    float alpha = sqrtf(a), sigma = sqrtf(1.0f - a);
    float to_picture = sqrtf(b), to_noise = kept > 0 ? sqrtf(kept) : 0.0f;
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
    .eta = true,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
    .noisy = noisy,
};
