/* Linear multistep (Adams-Bashforth on uneven sigmas). Katherine Crowson's k-diffusion, sample_lms:
 *     x' = x + sum_k c_k d_k,    c_k = integral from sigma to sigma' of the Lagrange polynomial
 * that is 1 at the k-th last sigma, over the last four slopes d.
 * diffusers: LMSDiscreteScheduler (order 4). It integrates numerically; here the two-point Gauss
 * rule, which is exact for these cubics. */
#include "denoise/sampling.h"

#define ORDER 4

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, true);
    run->now[run->steps] = 0;
    limn_steps_chain(run);
    run->init_sigma = limn_steps_init_sigma(run);
}

/* The Lagrange polynomial over the last `order` sigmas that is 1 at the k-th last, at `sigma`. */
static double lagrange(const limn_sampling *run, int order, int k, double sigma) {
    const double *at = run->now + run->call;
    double product = 1;
    for (int j = 0; j < order; j++) {
        if (j != k) product *= (sigma - at[-j]) / (at[-k] - at[-j]);
    }
    return product;
}

/* history: the slopes of four calls, by turns. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    int call = run->call, order = limn_steps_falling(run, ORDER);
    double half = (run->next[call] - run->now[call]) / 2, middle = run->now[call] + half;
    double aside = half * sqrt(1.0 / 3);
    float weight[ORDER];
    for (int k = 0; k < order; k++) {
        weight[k] = (float)(half * (lagrange(run, order, k, middle - aside) +
                                    lagrange(run, order, k, middle + aside)));
    }
    float sigma = (float)run->now[call], *latest = run->history[call % ORDER];
    for (size_t i = 0; i < run->values; i++) {
        latest[i] = (x[i] - limn_picture_at(run->prediction, sigma, x[i], out[i])) / sigma;
        float move = 0;
        for (int k = 0; k < order; k++) {
            move += weight[k] * run->history[(call - k) % ORDER][i];
        }
        x[i] += move;
    }
}

const limn_sampler limn_sampler_lms = {
    .name = "lms",
    .spacing = LIMN_SPACING_LINSPACE,
    .history = ORDER,
    .levels = LIMN_LEVELS_SIGMA,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
};
