/* PNDM with linear multistep only (PLMS). Liu et al. 2022, "Pseudo Numerical Methods for Diffusion
 * Models on Manifolds", equations 9 (the transfer), 12 (Adams-Bashforth) and the second-order start
 * of section 3.4: the first step is made, looked at from its end, and made again: N + 1 calls.
 * diffusers: PNDMScheduler with skip_prk_steps, as latent models are run. Each step goes down by
 * train_steps / N, as DDIM's. With v-prediction the history is of v, as there. */
#include "denoise/sampling.h"

static int calls(int steps) {
    return steps > 1 ? steps + 1 : 1;
}

static double alpha_at(const limn_schedule *s, double step) {
    int last = s->train_steps - 1, i = step > last ? last : (int)step;
    if (i < last || !s->zero_terminal_snr) return (double)s->alphas_cumprod[i];
    double sigma = limn_schedule_sigma(s, i); /* an alpha-bar of 0 cannot be divided by */
    return 1 / (sigma * sigma + 1);
}

static void plan(limn_sampling *run, const limn_schedule *s) {
    int n = run->steps;
    double last = limn_steps_last_alpha(s, false);
    bool equal = s->sigmas == LIMN_SIGMAS_SPACED && run->spacing != LIMN_SPACING_SGM;
    limn_steps_alphas(run, s, true, last);
    for (int i = 0; i < n; i++) {
        double t = run->timesteps[i];
        double after = equal ? t - s->train_steps / n : i + 1 < n ? run->timesteps[i + 1] : -1;
        run->now[i] = alpha_at(s, t);
        run->next[i] = after >= 0 ? alpha_at(s, after) : last;
    }
    if (n == 1) return;
    for (int i = n; i > 1; i--) {
        run->timesteps[i] = run->timesteps[i - 1];
        run->now[i] = run->now[i - 1];
        run->next[i] = run->next[i - 1];
    }
    /* Call 1 makes the first step again: it arrives where it looks. */
    double t = run->timesteps[1];
    run->now[1] = equal ? alpha_at(s, t + s->train_steps / n) : run->now[0];
    run->next[1] = alpha_at(s, t);
}

/* Makes the first step of a late run, too, twice. Calls from 2 on each make a step of their own, so
 * that what call i + 1 did is now done by call i, and call i + 1 is left to do it again. */
static void late(limn_sampling *run) {
    int i = run->first;
    if (i + 1 >= run->calls) return; /* the last step alone */
    run->timesteps[i] = run->timesteps[i + 1];
    run->now[i] = run->now[i + 1];
    run->next[i] = run->next[i + 1];
    run->timesteps[i + 1] = run->timesteps[i + 2];
    run->next[i + 1] = run->now[i + 2];
}

/* The slope of a call from its output and those of the last calls, latest first. */
static float blend(int have, const float *e, float out) {
    if (have == 0) return out;
    if (have == 1) return (3.0f * out - e[0]) / 2.0f;
    if (have == 2) return (23.0f * out - 16.0f * e[0] + 5.0f * e[1]) / 12.0f;
    return (float)(1.0 / 24) * (55.0f * out - 59.0f * e[0] + 37.0f * e[1] - 9.0f * e[2]);
}

/* history: the outputs of three calls, by turns, and x where the first step began. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    int call = run->call - run->first;
    int done = call < 2 ? call : call - 1; /* outputs kept so far */
    /* In float32, as there: from noise alone the sample grows by sqrt(b / a), thousands of times,
     * and so does every rounding. */
    float a = (float)run->now[run->call], b = (float)run->next[run->call];
    float alpha = sqrtf(a), sigma = sqrtf(1.0f - a), to_x = sqrtf(b / a);
    float fall = b - a, over = a * sqrtf(1.0f - b) + sqrtf(a * (1.0f - a) * b);
    float *first = run->history[3];
    for (size_t i = 0; i < run->values; i++) {
        float e[3] = {0, 0, 0};
        for (int k = 0; k < 3 && k < done; k++) e[k] = run->history[(done - 1 - k) % 3][i];
        float slope = call == 1 ? (out[i] + e[0]) / 2.0f : blend(done, e, out[i]);
        float from = call == 1 ? first[i] : x[i];
        if (call == 0) first[i] = x[i];
        if (call != 1) run->history[done % 3][i] = out[i];
        slope = limn_noise_of(run->prediction, alpha, sigma, from, slope);
        x[i] = to_x * from - fall * slope / over;
    }
}

const limn_sampler limn_sampler_pndm = {
    .name = "pndm",
    .spacing = LIMN_SPACING_LEADING,
    .history = 4,
    .second_again = true,
    .calls = calls,
    .plan = plan,
    .step = step,
    .late = late,
};
