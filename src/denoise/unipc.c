/* UniPC. Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of
 * Diffusion Models", algorithms 5 to 8 (data prediction): before each step the last one is made
 * again with the picture that it led to (the corrector), then the step is made from there.
 * With h the step in log(alpha / sigma), r the earlier steps over h, and D the differences of
 * earlier pictures over r:
 *     x' = sigma'/sigma x + alpha' (1 - e^-h) m0 - alpha' B(h) sum(rho D)
 * diffusers: UniPCMultistepScheduler (predict_x0; B(h) "bh2", or "bh1"; solver_order 1 to 3). */
#include "base/math.h"
#include "denoise/sampling.h"

#define ORDERS 3

static void plan(limn_sampling *run, const limn_schedule *s) {
    limn_steps_sigmas(run, s, false);
    limn_steps_chain(run);
    bool spread = s->sigmas != LIMN_SIGMAS_SPACED;
    if (spread && run->final_sigma_min) run->next[run->calls - 1] = run->now[run->calls - 1];
    limn_steps_whole(run, s->sigmas == LIMN_SIGMAS_KARRAS);
}

/* Solves the n equations m rho = b by elimination with pivots; n to 3. */
static void solve(int n, double m[ORDERS][ORDERS], double *b, double *rho) {
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int r = c + 1; r < n; r++) {
            if (fabs(m[r][c]) > fabs(m[pivot][c])) pivot = r;
        }
        for (int k = 0; k < n; k++) {
            double t = m[c][k];
            m[c][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        double t = b[c];
        b[c] = b[pivot];
        b[pivot] = t;
        for (int r = c + 1; r < n; r++) {
            double f = m[r][c] / m[c][c];
            for (int k = c; k < n; k++) m[r][k] -= f * m[c][k];
            b[r] -= f * b[c];
        }
    }
    for (int r = n - 1; r >= 0; r--) {
        rho[r] = b[r];
        for (int k = r + 1; k < n; k++) rho[r] -= m[r][k] * rho[k];
        rho[r] /= m[r][r];
    }
}

/* What one step multiplies: x, the picture m0, and the differences of each earlier picture (and,
 * for the corrector, last of all the new one) to m0. */
typedef struct weights {
    double x, m0, d[ORDERS];
} weights;

/* The weights of the step that call i makes, of that order; the corrector's include the picture at
 * the end of the step. */
static weights weigh(const limn_sampling *run, int i, int order, bool corrector) {
    double sigma = run->now[i], next = run->next[i], alpha = limn_alpha_at(next);
    double e = (next - sigma) / sigma; /* e^-h - 1 */
    weights w = {.x = next * alpha / (sigma * limn_alpha_at(sigma)), .m0 = -alpha * e};
    int unknowns = corrector ? order : order - 1;
    if (unknowns == 0 || !(next < sigma) || next == 0) return w;

    double hh = limn_log(next / sigma), r[ORDERS], b[ORDERS], m[ORDERS][ORDERS], rho[ORDERS];
    for (int k = 0; k < order - 1; k++) r[k] = limn_log(sigma / run->now[i - 1 - k]) / -hh;
    r[order - 1] = 1;
    double big = run->solver_bh1 ? hh : e, phi = e / hh - 1, factorial = 1;
    for (int k = 0; k < order; k++) {
        b[k] = phi * factorial / big;
        factorial *= k + 2;
        phi = phi / hh - 1 / factorial;
        for (int c = 0; c < order; c++) m[k][c] = k == 0 ? 1 : m[k - 1][c] * r[c];
    }
    if (unknowns == 1) {
        rho[0] = 0.5; /* as the paper's code has it, in place of b[0] */
    } else {
        solve(unknowns, m, b, rho);
    }
    for (int k = 0; k < unknowns; k++) w.d[k] = -alpha * big * rho[k] / r[k];
    return w;
}

/* The highest order that call i's step can have: its earlier steps must not be empty. */
static int order_of(const limn_sampling *run) {
    int i = run->call, left = run->calls - i;
    int order = run->solver_order;
    if (run->lower_order_final && order > left) order = left;
    if (!(run->next[i] < run->now[i]) || run->next[i] == 0) return 1;
    return limn_steps_falling(run, order);
}

/* history: pictures of three calls, by turns, and x where the last step began. */
static void step(limn_sampling *run, const float *out, const float *noise, float *x) {
    (void)noise;
    int call = run->call, before = run->order;
    double level = run->now[call];
    float alpha = (float)limn_alpha_at(level), sigma = (float)(level * limn_alpha_at(level));
    weights again = {0};
    if (call > run->first) again = weigh(run, call - 1, before, true);
    run->order = order_of(run);
    weights ahead = weigh(run, call, run->order, false);
    float *kept[ORDERS], *starts = run->history[ORDERS]; /* kept[k]: the picture k calls ago */
    for (int k = 0; k < ORDERS; k++) kept[k] = run->history[(call + ORDERS - k) % ORDERS];

    for (size_t i = 0; i < run->values; i++) {
        float picture = limn_picture_of(run->prediction, alpha, sigma, x[i], out[i]);
        float p[ORDERS + 1] = {picture, kept[1][i], kept[2][i], kept[0][i]};
        float from = x[i];
        if (call > run->first) {
            from = (float)again.x * starts[i] + (float)again.m0 * p[1];
            for (int k = 0; k < before - 1; k++) from += (float)again.d[k] * (p[k + 2] - p[1]);
            from += (float)again.d[before - 1] * (picture - p[1]);
        }
        starts[i] = from;
        kept[0][i] = picture;
        float to = (float)ahead.x * from + (float)ahead.m0 * picture;
        for (int k = 0; k < run->order - 1; k++) to += (float)ahead.d[k] * (p[k + 1] - picture);
        x[i] = to;
    }
}

const limn_sampler limn_sampler_unipc = {
    .name = "unipc",
    .spacing = LIMN_SPACING_LINSPACE,
    .levels = LIMN_LEVELS_SCALED,
    .history = 4,
    .calls = limn_calls_one,
    .plan = plan,
    .step = step,
};
