/* DPM-Solver++(2S), singlestep: two calls make one step of second order, from the start of the
 * first. Lu et al. 2022, algorithm 1. N calls are N/2 such pairs, the last of them two steps of
 * first order (or, for odd N, one). diffusers: DPMSolverSinglestepScheduler, dpmsolver++,
 * solver_order 2 (midpoint or heun); it always spaces as "linspace", so that only a spacing chosen
 * by name changes it. */
#include "base/math.h"
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    if (!s->spacing_chosen) run->spacing = LIMN_SPACING_LINSPACE;
    limn_steps_sigmas(run, s, false);
    limn_steps_chain(run);
    limn_steps_whole(run, s->sigmas == LIMN_SIGMAS_KARRAS);
}

/* Whether the call completes a pair. */
static bool completes(const limn_sampling *run) {
    int i = run->call;
    bool whole = run->final_sigma_min && !run->lower_order_final && run->calls % 2 == 0;
    if (i % 2 == 0 || i == run->first || (i == run->calls - 1 && !whole)) return false;
    return run->now[i] < run->now[i - 1] && run->next[i] < run->now[i] && run->next[i] > 0;
}

/* history: the pictures of two calls, by turns, and x where the pair began. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    limn_dpmpp_keep(run, 2, out, x);
    int i = run->call;
    bool pair = completes(run);
    double sigma = run->now[pair ? i - 1 : i], next = run->next[i], alpha = limn_alpha_at(next);
    double e = (sigma - next) / sigma; /* 1 - e^-h */
    float to_x = (float)(next * alpha / (sigma * limn_alpha_at(sigma)));
    float to_m = (float)(alpha * e), to_d = 0;
    if (pair) {
        double h = limn_log(sigma / next), r = limn_log(sigma / run->now[i]) / h;
        to_d = (float)(alpha * (run->solver_heun ? 1 - e / h : e / 2) / r);
    }
    const float *m0 = run->history[i % 2], *m1 = run->history[(i + 1) % 2];
    float *starts = run->history[2];
    for (size_t k = 0; k < run->values; k++) {
        if (pair) {
            x[k] = to_x * starts[k] + to_m * m1[k] + to_d * (m0[k] - m1[k]);
        } else {
            starts[k] = x[k];
            x[k] = to_x * x[k] + to_m * m0[k];
        }
    }
}

const limn_sampler limn_sampler_dpmpp_2s = {
    .name = "dpmpp_2s",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 3,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
};
