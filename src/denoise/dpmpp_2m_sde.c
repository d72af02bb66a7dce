/* SDE-DPM-Solver++(2M): DPM++ 2M on the stochastic equation, with fresh noise in every step. Lu et
 * al. 2022, appendix A (sde-dpmsolver++), h the step in log(alpha / sigma):
 *     x' = sigma'/sigma e^-h x + alpha' (1 - e^-2h) (m0 + D1 / 2) + sigma' sqrt(1 - e^-2h) z
 * diffusers: DPMSolverMultistepScheduler, sde-dpmsolver++, solver_order 2 (midpoint or heun). The
 * noise is drawn at each step, not from a Brownian tree as k-diffusion does. */
#include "base/math.h"
#include "denoise/sampling.h"

static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    limn_dpmpp_keep(run, 2, out, x);
    int i = run->call, order = limn_dpmpp_order(run, 2);
    double sigma = run->now[i], next = run->next[i], alpha = limn_alpha_at(next);
    double shrink = next / sigma, e = (1 - shrink) * (1 + shrink);
    float to_x = (float)(next * alpha / (sigma * limn_alpha_at(sigma)) * shrink);
    float to_m = (float)(alpha * e), fresh = (float)(next * alpha * sqrt(e > 0 ? e : 0)), to_d = 0;
    if (order == 2) {
        double h = limn_log(sigma / next), r = limn_log(run->now[i - 1] / sigma) / h;
        to_d = (float)(alpha * (run->solver_heun ? 1 - e / (2 * h) : e / 2) / r);
    }
    const float *m0 = run->history[i % 2], *m1 = run->history[(i + 1) % 2];
    for (size_t k = 0; k < run->values; k++) {
        float to = to_x * x[k] + to_m * m0[k];
        if (order == 2) to += to_d * (m0[k] - m1[k]);
        x[k] = to + fresh * noise[k];
    }
}

const limn_sampler limn_sampler_dpmpp_2m_sde = {
    .name = "dpmpp_2m_sde",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 2,
    .calls = limn_calls_one,
    .plan = limn_dpmpp_plan,
    .step = step,
    .noisy = limn_noisy_always,
};
