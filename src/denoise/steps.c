/* Which training steps a run visits, and the levels of noise there: numpy's linspace, arange, round
 * and interp as diffusers' set_timesteps calls them, kept inside the schedule at any N. */
#include "base/math.h"
#include "denoise/sampling.h"

int limn_calls_one(int steps) {
    return steps;
}

bool limn_noisy_always(const limn_sampling *run) {
    (void)run;
    return true;
}

double limn_round_even(double x) {
    double down = floor(x), rest = x - down;
    if (rest < 0.5 || (rest == 0.5 && floor(down / 2) * 2 == down)) return down;
    return down + 1;
}

double limn_cut(double x) {
    return floor(x + 1e-3);
}

/* The i-th of n points from `from` to `to`. */
static double linspace(double from, double to, int n, int i) {
    if (n > 1 && i == n - 1) return to;
    return n > 1 ? i * ((to - from) / (n - 1)) + from : from;
}

/* Training steps that the sampler may visit: those whose log(alpha / sigma) is not below the bound
 * of the configuration; at least one. */
static int usable_steps(const limn_schedule *s) {
    int n = s->train_steps;
    while (n > 1 && -limn_log(limn_schedule_sigma(s, n - 1)) < s->lambda_min) n--;
    return n;
}

static double clamp_step(const limn_schedule *s, double step) {
    return step < 0 ? 0 : step > s->train_steps - 1 ? s->train_steps - 1 : step;
}

void limn_steps_spaced(const limn_schedule *s, limn_spacing spacing, bool even, int n,
                       double *out) {
    int usable = even ? s->train_steps : usable_steps(s);
    int points = even ? n : n + 1;
    int ratio = usable / points > 0 ? usable / points : 1;
    double stride = usable / (double)n, delta = (usable - stride) - usable;
    for (int i = 0; i < n; i++) {
        double step;
        if (spacing == LIMN_SPACING_LEADING) {
            step = (double)(points - 1 - i) * ratio + s->steps_offset;
        } else if (spacing == LIMN_SPACING_TRAILING) {
            step = limn_round_even(usable + i * delta) - 1;
        } else if (spacing == LIMN_SPACING_SGM) {
            step = linspace(0, usable - 1, n + 1, n - i);
        } else {
            step = linspace(0, usable - 1, points, points - 1 - i);
        }
        out[i] = clamp_step(s, step);
    }
}

double limn_steps_sigma(const limn_schedule *s, double step) {
    int low = (int)step;
    if (low >= s->train_steps - 1) return limn_schedule_sigma(s, s->train_steps - 1);
    double from = limn_schedule_sigma(s, low), to = limn_schedule_sigma(s, low + 1);
    return (to - from) * (step - low) + from;
}

/* log(sigma) of a training step, rounded to float32 as diffusers has it. */
static double log_sigma(const limn_schedule *s, int step) {
    return (double)(float)limn_log(limn_schedule_sigma(s, step));
}

double limn_steps_of_sigma(const limn_schedule *s, double sigma) {
    double want = limn_log(sigma > 1e-10 ? sigma : 1e-10);
    /* The last training step whose sigma is not above: sigmas rise with the step, but for the very
     * last, whose sigma is cut to 4096 where alpha-bar is 0. */
    int last = s->train_steps - 1, low = 0, above = last;
    while (above - low > 1) {
        int middle = low + (above - low) / 2;
        if (log_sigma(s, middle) <= want) {
            low = middle;
        } else {
            above = middle;
        }
    }
    if (low > last - 1 || log_sigma(s, last) <= want) low = last - 1;
    double from = log_sigma(s, low), to = log_sigma(s, low + 1);
    double share = to != from ? (want - from) / (to - from) : 0;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return (1 - share) * low + share * (low + 1);
}

void limn_steps_spread(const limn_schedule *s, double largest, double smallest, int n,
                       double *out) {
    if (s->sigma_max > 0) largest = s->sigma_max;
    if (s->sigma_min > 0) smallest = s->sigma_min;
    const double rho = 7;
    bool karras = s->sigmas == LIMN_SIGMAS_KARRAS;
    double from = karras ? limn_pow(largest, 1 / rho) : limn_log(largest);
    double to = karras ? limn_pow(smallest, 1 / rho) : limn_log(smallest);
    for (int i = 0; i < n; i++) {
        out[i] = karras ? limn_pow(from + linspace(0, 1, n, i) * (to - from), rho)
                        : limn_exp(linspace(from, to, n, i));
    }
}

void limn_steps_sigmas(limn_sampling *run, const limn_schedule *s, bool even) {
    int n = run->steps;
    double *t = run->timesteps, *sigmas = run->now;
    limn_steps_spaced(s, run->spacing, even, n, t);
    for (int i = 0; i < n; i++) {
        t[i] = even ? (double)(float)t[i] : limn_round_even(t[i]);
        sigmas[i] = limn_steps_sigma(s, t[i]);
    }
    if (s->sigmas != LIMN_SIGMAS_SPACED) {
        double largest = even ? sigmas[0] : limn_schedule_sigma(s, s->train_steps - 1);
        double smallest = even ? sigmas[n - 1] : limn_schedule_sigma(s, 0);
        limn_steps_spread(s, largest, smallest, n, sigmas);
        for (int i = 0; i < n; i++) t[i] = limn_steps_of_sigma(s, sigmas[i]);
    }
    for (int i = 0; i < n; i++) sigmas[i] = (double)(float)sigmas[i];
    sigmas[n] = s->final_sigma_min ? limn_schedule_sigma(s, 0) : 0;
}

double limn_steps_last_alpha(const limn_schedule *s, bool otherwise) {
    bool one = s->set_alpha_to_one == LIMN_UNSAID ? otherwise : s->set_alpha_to_one != 0;
    return one ? 1 : (double)s->alphas_cumprod[0];
}

void limn_steps_alphas(limn_sampling *run, const limn_schedule *s, bool equal, double last) {
    int n = run->steps;
    double *t = run->timesteps;
    if (s->sigmas != LIMN_SIGMAS_SPACED) {
        limn_steps_spread(s, limn_schedule_sigma(s, s->train_steps - 1), limn_schedule_sigma(s, 0),
                          n, t);
        for (int i = 0; i < n; i++) t[i] = limn_steps_of_sigma(s, t[i]);
    } else {
        limn_steps_spaced(s, run->spacing, true, n, t);
    }
    equal = equal && s->sigmas == LIMN_SIGMAS_SPACED && run->spacing != LIMN_SPACING_SGM;
    for (int i = 0; i < n; i++) t[i] = limn_round_even(t[i]);
    for (int i = 0; i < n; i++) {
        double after = equal ? t[i] - s->train_steps / n : i + 1 < n ? t[i + 1] : -1;
        run->now[i] = (double)s->alphas_cumprod[(int)t[i]];
        run->next[i] = after >= 0 ? (double)s->alphas_cumprod[(int)after] : last;
    }
}

void limn_steps_chain(limn_sampling *run) {
    for (int i = 0; i < run->calls; i++) run->next[i] = run->now[i + 1];
}

void limn_steps_whole(limn_sampling *run, bool rounds) {
    for (int i = 0; i < run->calls; i++) {
        const double t = run->timesteps[i];
        run->timesteps[i] = rounds ? limn_round_even(t) : limn_cut(t);
    }
}

int limn_steps_falling(const limn_sampling *run, int most) {
    int calls = run->call - run->first + 1;
    if (most > calls) most = calls;
    for (int k = 1; k < most; k++) {
        if (!(run->now[run->call - k + 1] < run->now[run->call - k])) return k;
    }
    return most;
}

double limn_steps_init_sigma(const limn_sampling *run) {
    if (run->spacing != LIMN_SPACING_LEADING) return run->now[0];
    float sigma = (float)run->now[0];
    return (double)sqrtf(sigma * sigma + 1.0f);
}
