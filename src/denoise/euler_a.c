/* Euler ancestral: Euler's step to a level below the next one, then fresh noise up to it. From
 * k-diffusion's sample_euler_ancestral:
 *     up = sqrt(s'^2 (s^2 - s'^2) / s^2),    down = sqrt(s'^2 - up^2)
 * diffusers: EulerAncestralDiscreteScheduler, which has no Karras sigmas: limn spreads them as for
 * Euler. */
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, true);
    run->now[run->steps] = 0;
    limn_steps_chain(run);
    run->init_sigma = limn_steps_init_sigma(run);
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    float sigma = (float)run->now[run->call], next = (float)run->next[run->call], down, up;
    limn_split(sigma, next, &down, &up);
    float stride = down - sigma;
    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_picture_at(run->prediction, sigma, x[i], out[i]);
        x[i] += (x[i] - picture) / sigma * stride;
        x[i] += noise[i] * up;
    }
}

const limn_sampler limn_sampler_euler_a = {
    .name = "euler_a",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
    .noisy = limn_noisy_always,
};
