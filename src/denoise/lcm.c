/* Latent consistency models. Luo et al. 2023, "Latent Consistency Models", equation 9 and
 * algorithm 3: each step predicts the picture, skips back over the consistency function's boundary
 * condition, and adds noise again for the next step:
 *     p  = c_out(t) picture + c_skip(t) x,    x' = sqrt(a') p + sqrt(1 - a') z    (p at the end)
 * diffusers: LCMScheduler. Its steps are a part of those the model was distilled with
 * (original_inference_steps); more than these are allowed here and taken from all training steps.
 */
#include "denoise/sampling.h"

/* N of the steps that the model was distilled with, evenly, from the last. */
static void distilled_steps(const limn_schedule *s, int n, double *t) {
    int original = s->original_steps >= n ? s->original_steps : s->train_steps;
    int stride = s->train_steps / original;
    for (int i = 0; i < n; i++) {
        int place = (int)floor(i * (original / (double)n));
        t[i] = (double)(original - place) * stride - 1;
    }
}

void limn_steps_distilled(limn_sampling *run, const limn_schedule *s) {
    limn_steps_alphas(run, s, false, 1);
    if (s->spacing_chosen || s->sigmas != LIMN_SIGMAS_SPACED) return;
    distilled_steps(s, run->steps, run->timesteps);
    for (int i = 0; i < run->steps; i++) {
        run->now[i] = (double)s->alphas_cumprod[(int)run->timesteps[i]];
        if (i > 0) run->next[i - 1] = run->now[i];
    }
}

static bool noisy(const limn_sampling *run) {
    return run->call + 1 < run->calls;
}

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    double a = run->now[run->call], b = run->next[run->call];
    double t = run->timesteps[run->call] * run->timestep_scaling, spread = 0.5 * 0.5;
    float alpha = (float)sqrt(a), sigma = (float)sqrt(1 - a);
    float skip = (float)(spread / (t * t + spread)), take = (float)(t / sqrt(t * t + spread));
    float to_picture = (float)sqrt(b), fresh = (float)sqrt(1 - b);
    bool adds = noisy(run);
    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
        float p = take * limn_clip(run, picture) + skip * x[i];
        x[i] = adds ? to_picture * p + fresh * noise[i] : p;
    }
}

const limn_sampler limn_sampler_lcm = {
    .name = "lcm",
    .spacing = LIMN_SPACING_LEADING,
    .calls = limn_calls_one,
    .plan = limn_steps_distilled,
    .step = step,
    .noisy = noisy,
};
