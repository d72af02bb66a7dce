/* Heun's method. Karras et al. 2022, algorithm 1 without churn: Euler's step, a second look at the
 * slope where it ends, and the step again from the start with the mean of both slopes. The last
 * step is Euler's, since there is no slope at sigma 0: 2N - 1 calls. diffusers:
 * HeunDiscreteScheduler. */
#include "denoise/sampling.h"

static int calls(int steps) {
    return 2 * steps - 1;
}

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, true);
    run->init_sigma = limn_steps_init_sigma(run);
    /* Call 2k - 1 looks at the end of the step that call 2k - 2 began; call 2k begins the next. */
    for (int k = run->steps - 1; k > 0; k--) {
        run->timesteps[2 * k] = run->timesteps[2 * k - 1] = run->timesteps[k];
        run->now[2 * k] = run->now[2 * k - 1] = run->now[k];
    }
    for (int i = 0; i < run->calls; i++) {
        bool last = i == run->calls - 1;
        run->next[i] = last ? 0 : run->now[i % 2 == 0 ? i + 1 : i];
    }
}

/* history: the first slope, and x where the step began. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    float *slopes = run->history[0], *starts = run->history[1];
    bool second = run->call % 2 == 1;
    float sigma = (float)run->now[run->call];
    float from = second ? (float)run->now[run->call - 1] : sigma;
    float stride = (second ? sigma : (float)run->next[run->call]) - from;
    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_clip(run, limn_picture_at(run->prediction, sigma, x[i], out[i]));
        float slope = (x[i] - picture) / sigma;
        if (second) {
            x[i] = starts[i] + (slopes[i] + slope) / 2.0f * stride;
        } else {
            slopes[i] = slope;
            starts[i] = x[i];
            x[i] += slope * stride;
        }
    }
}

const limn_sampler limn_sampler_heun = {
    .name = "heun",
    .spacing = LIMN_SPACING_LINSPACE,
    .history = 2,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = calls,
    .plan = plan,
    .step = step,
};
