/* DPM-Solver++(2M), and the 3M of the same family. Lu et al. 2022, "DPM-Solver++: Fast Solver for
 * Guided Sampling of Diffusion Probabilistic Models", algorithm 2 and equation 9. With lambda =
 * log(alpha / sigma), h the step in it, and m0, m1, m2 the pictures of the last calls:
 *     x' = sigma'/sigma x + alpha' (1 - e^-h) (m0 + D1 / 2),   D1 = h (m0 - m1) / h0
 * diffusers: DPMSolverMultistepScheduler, dpmsolver++, solver_order 2 (midpoint or heun) and 3. */
#include "base/math.h"
#include "denoise/sampling.h"

void limn_dpmpp_plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, false);
    limn_steps_chain(run);
    limn_steps_whole(run, s->sigmas == LIMN_SIGMAS_KARRAS && !s->cosine);
}

int limn_dpmpp_order(const limn_sampling *run, int most) {
    int i = run->call, left = run->calls - i;
    bool brief = run->lower_order_final && run->calls < 15;
    int order = most;
    if (left == 1 && (run->euler_at_final || brief || !run->final_sigma_min)) order = 1;
    if (left == 2 && brief && order > 2) order = 2;
    if (!(run->next[i] < run->now[i]) || run->next[i] == 0) return 1;
    return limn_steps_falling(run, order);
}

void limn_dpmpp_keep(limn_sampling *run, int keep, const float *out, const float *x) {
    double level = run->now[run->call];
    float alpha = (float)limn_alpha_at(level), sigma = (float)(level * limn_alpha_at(level));
    float *kept = run->history[run->call % keep];
    for (size_t i = 0; i < run->values; i++) {
        kept[i] = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
    }
}

/* What a step multiplies: x, the latest picture, and differences of the last ones. */
typedef struct weights {
    float x, m0, d0, d1; /* d0: m0 - m1; d1: m1 - m2 */
} weights;

/* The step's weights. e1 = 1 - e^-h; e2, e3 are what is left of it after two and three terms of the
 * exponential series, over h and h^2. */
static weights weigh(const limn_sampling *run, int order) {
    int i = run->call;
    double sigma = run->now[i], next = run->next[i], alpha = limn_alpha_at(next);
    double e1 = (sigma - next) / sigma;
    weights w = {.x = (float)(next * alpha / (sigma * limn_alpha_at(sigma))),
                 .m0 = (float)(alpha * e1)};
    if (order == 1) return w;
    double h = limn_log(sigma / next), r0 = limn_log(run->now[i - 1] / sigma) / h;
    double e2 = 1 - e1 / h;
    if (order == 2) {
        w.d0 = (float)(alpha * (run->solver_heun ? e2 : e1 / 2) / r0);
        return w;
    }
    double r1 = limn_log(run->now[i - 2] / run->now[i - 1]) / h;
    double e3 = (h - e1) / (h * h) - 0.5;
    /* D1 = s0 + (s0 - s1) r0 / (r0 + r1), D2 = (s0 - s1) / (r0 + r1), for slopes s = d / r. */
    double bend = (e2 * r0 - e3) / (r0 + r1);
    w.d0 = (float)(alpha * (e2 + bend) / r0);
    w.d1 = (float)(alpha * -bend / r1);
    return w;
}

static void advance(limn_sampling *run, int keep, const float *out, float *x) {
    limn_dpmpp_keep(run, keep, out, x);
    weights w = weigh(run, limn_dpmpp_order(run, keep));
    int call = run->call;
    const float *m0 = run->history[call % keep];
    const float *m1 = run->history[(call + keep - 1) % keep];
    const float *m2 = run->history[(call + 2 * keep - 2) % keep];
    for (size_t i = 0; i < run->values; i++) {
        float to = w.x * x[i] + w.m0 * m0[i];
        if (w.d0 != 0) to += w.d0 * (m0[i] - m1[i]);
        if (w.d1 != 0) to += w.d1 * (m1[i] - m2[i]);
        x[i] = to;
    }
}

static void step_2m(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    advance(run, 2, out, x);
}

static void step_3m(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    advance(run, 3, out, x);
}

const limn_sampler limn_sampler_dpmpp_2m = {
    .name = "dpmpp_2m",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 2,
    .calls = limn_calls_one,
    .plan = limn_dpmpp_plan,
    .step = step_2m,
};

const limn_sampler limn_sampler_dpmpp_3m = {
    .name = "dpmpp_3m",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 3,
    .calls = limn_calls_one,
    .plan = limn_dpmpp_plan,
    .step = step_3m,
};
