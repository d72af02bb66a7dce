/* DEIS, log-rho, of second order. Zhang and Chen 2023, "Fast Sampling of Diffusion Models with
 * Exponential Integrator", equations 14 and 15 with the slope's polynomial in log(sigma):
 *     x'/alpha' = x/alpha + c0 noise0 + c1 noise1,
 *     c0 = integral from sigma to sigma' of (log s - log sigma1) / (log sigma - log sigma1) ds
 * diffusers: DEISMultistepScheduler, solver_order 2. It always ends at the schedule's smallest
 * sigma, not at 0. */
#include "base/math.h"
#include "denoise/sampling.h"

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, false);
    int n = run->steps;
    run->now[n] = limn_schedule_sigma(s, 0);
    limn_steps_chain(run);
    run->final_sigma_min = true;
    run->euler_at_final = false;
    limn_steps_whole(run, s->sigmas == LIMN_SIGMAS_KARRAS);
}

/* The integral from `from` to `to` of (log s - log c) / (log b - log c) ds. */
static double integral(double from, double to, double b, double c) {
    double over = limn_log(b / c);
    return (to * (limn_log(to / c) - 1) - from * (limn_log(from / c) - 1)) / over;
}

/* history: the noises of two calls, by turns. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    int i = run->call, order = limn_dpmpp_order(run, 2);
    double sigma = run->now[i], next = run->next[i], c0 = next - sigma, c1 = 0;
    if (order == 2) {
        double before = run->now[i - 1];
        c0 = integral(sigma, next, sigma, before);
        c1 = integral(sigma, next, before, sigma);
    }
    double alpha = limn_alpha_at(sigma), after = limn_alpha_at(next);
    float here = (float)alpha, deviation = (float)(sigma * alpha), to_x = (float)(after / alpha);
    float to_0 = (float)(after * c0), to_1 = (float)(after * c1);
    float *e0 = run->history[i % 2], *e1 = run->history[(i + 1) % 2];
    for (size_t k = 0; k < run->values; k++) {
        e0[k] = limn_noise_of(run->prediction, here, deviation, x[k], out[k]);
        float to = to_x * x[k] + to_0 * e0[k];
        x[k] = order == 2 ? to + to_1 * e1[k] : to;
    }
}

const limn_sampler limn_sampler_deis = {
    .name = "deis",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 2,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
};
