/* Euler's method on the probability flow. Karras et al. 2022, "Elucidating the Design Space of
 * Diffusion-Based Generative Models", algorithm 1 (first order) without churn:
 *     d = (x - picture) / sigma,    x' = x + (sigma' - sigma) d
 * diffusers: EulerDiscreteScheduler. */
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, true);
    limn_steps_chain(run);
    run->init_sigma = limn_steps_init_sigma(run);
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    float sigma = (float)run->now[run->call], next = (float)run->next[run->call];
    float stride = next - sigma;
    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_picture_at(run->prediction, sigma, x[i], out[i]);
        x[i] += (x[i] - picture) / sigma * stride;
    }
}

const limn_sampler limn_sampler_euler = {
    .name = "euler",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
};
