/* A run of any sampler: its memory, and the calls that users make. */
#include "denoise/sampler.h"

#include <string.h>

#include "denoise/sampling.h"

static const limn_sampler *const samplers[] = {
    &limn_sampler_euler_a,  &limn_sampler_euler,        &limn_sampler_heun,
    &limn_sampler_dpmpp_2m, &limn_sampler_dpmpp_2m_sde, &limn_sampler_dpmpp_2s,
    &limn_sampler_dpmpp_3m, &limn_sampler_unipc,        &limn_sampler_ddim,
    &limn_sampler_pndm,     &limn_sampler_lms,          &limn_sampler_kdpm2,
    &limn_sampler_kdpm2_a,  &limn_sampler_deis,         &limn_sampler_lcm,
    &limn_sampler_tcd,      &limn_sampler_ddpm,
};

#define COUNT ((int)(sizeof samplers / sizeof samplers[0]))

const limn_sampler *limn_sampler_at(int i) {
    return i >= 0 && i < COUNT ? samplers[i] : NULL;
}

static const limn_sampler *find(const char *name) {
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(name, samplers[i]->name) == 0) return samplers[i];
    }
    return NULL;
}

bool limn_sampling_takes_eta(const char *sampler) {
    const limn_sampler *kind = find(sampler);
    return kind != NULL && kind->eta;
}

static limn_status check(const limn_sampler *sampler, const limn_schedule *s, const char *name,
                         int steps, double eta, limn_error *err) {
    if (sampler == NULL) {
        return limn_fail(err, LIMN_E_USAGE, "there is no sampler \"%s\"", name);
    }
    int most = s->train_steps < 1000 ? s->train_steps : 1000;
    if (steps < 1 || steps > most) {
        return limn_fail(err, LIMN_E_USAGE, "%d steps: expected 1 to %d", steps, most);
    }
    if (!(eta >= 0 && eta <= 1)) {
        return limn_fail(err, LIMN_E_USAGE, "eta %g: expected 0 to 1", eta);
    }
    return LIMN_OK;
}

/* Copies what the samplers read of the schedule. */
static void take_settings(limn_sampling *run, const limn_schedule *s) {
    run->prediction = s->prediction;
    run->spacing = s->spacing == LIMN_SPACING_UNSAID ? run->sampler->spacing : s->spacing;
    run->clip = s->clip_sample;
    run->clip_range = s->clip_sample_range;
    run->variance_large = s->variance_large;
    run->solver_heun = s->solver_heun;
    run->solver_bh1 = s->solver_bh1;
    run->lower_order_final = s->lower_order_final;
    run->euler_at_final = s->euler_at_final;
    run->final_sigma_min = s->final_sigma_min;
    run->solver_order = s->solver_order;
    run->timestep_scaling = s->timestep_scaling;
}

limn_status limn_sampling_begin(const limn_schedule *s, const char *sampler, int steps, double eta,
                                size_t values, limn_arena *ws, limn_sampling **out,
                                limn_error *err) {
    *out = NULL;
    const limn_sampler *kind = find(sampler);
    limn_status status = check(kind, s, sampler, steps, eta, err);
    if (status != LIMN_OK) return status;

    int calls = kind->calls(steps);
    limn_sampling *run = limn_arena_take(ws, 1, sizeof *run);
    double *timesteps = limn_arena_take(ws, (size_t)calls, sizeof(double));
    double *now = limn_arena_take(ws, (size_t)calls + 1, sizeof(double));
    double *next = limn_arena_take(ws, (size_t)calls, sizeof(double));
    float *history[LIMN_HISTORY_MAX] = {NULL};
    bool full = run == NULL || timesteps == NULL || now == NULL || next == NULL;
    for (int i = 0; i < kind->history; i++) {
        history[i] = limn_arena_floats(ws, values);
        full = full || history[i] == NULL;
    }
    if (limn_arena_measuring(ws)) return LIMN_OK;
    if (full) return limn_fail(err, LIMN_E_MEMORY, "no room for the sampler's %zu values", values);

    memset(run, 0, sizeof *run);
    run->sampler = kind;
    run->steps = steps;
    run->calls = calls;
    run->values = values;
    run->eta = eta;
    run->init_sigma = 1;
    run->timesteps = timesteps;
    run->now = now;
    run->next = next;
    for (int i = 0; i < kind->history; i++) {
        run->history[i] = history[i];
        memset(history[i], 0, values * sizeof(float));
    }
    take_settings(run, s);
    kind->plan(run, s);
    *out = run;
    return LIMN_OK;
}

void limn_sampling_skip(limn_sampling *s, int skipped) {
    s->skipped = skipped;
    s->first = s->call = s->calls - s->sampler->calls(s->steps - skipped);
    if (s->sampler->late && skipped > 0) s->sampler->late(s);
}

int limn_sampling_first(const limn_sampling *s) {
    return s->first;
}

int limn_sampling_calls(const limn_sampling *s) {
    return s->calls;
}

void limn_sampling_noised(const limn_sampling *s, int call, const float *picture,
                          const float *noise, float *out) {
    /* A call that makes the step before it again sees what that step led to. */
    bool again = s->sampler->second_again && call == s->first + 1 && call + 1 < s->calls;
    double level = s->now[again ? call + 1 : call];
    float sigma = (float)level, keep = 1, add = sigma;
    if (s->sampler->levels == LIMN_LEVELS_ALPHA) {
        keep = sqrtf((float)level);
        add = sqrtf(1.0f - (float)level);
    } else if (s->sampler->levels == LIMN_LEVELS_SCALED) {
        keep = 1.0f / sqrtf(sigma * sigma + 1.0f);
        add = sigma * keep;
    }
    for (size_t i = 0; i < s->values; i++) out[i] = keep * picture[i] + add * noise[i];
}

int limn_sampling_calls_of(const char *sampler, int steps) {
    const limn_sampler *kind = find(sampler);
    return kind != NULL && steps > 0 ? kind->calls(steps) : 0;
}

double limn_sampling_timestep(const limn_sampling *s, int call) {
    return s->timesteps[call];
}

double limn_sampling_init_sigma(const limn_sampling *s) {
    return s->init_sigma;
}

void limn_sampling_input(const limn_sampling *s, const float *x, float *model_in) {
    if (s->sampler->levels != LIMN_LEVELS_SIGMA) {
        if (model_in != x) memcpy(model_in, x, s->values * sizeof(float));
        return;
    }
    float sigma = (float)s->now[s->call];
    float scale = sqrtf(sigma * sigma + 1.0f);
    for (size_t i = 0; i < s->values; i++) model_in[i] = x[i] / scale;
}

bool limn_sampling_wants_noise(const limn_sampling *s) {
    return s->call < s->calls && s->sampler->noisy != NULL && s->sampler->noisy(s);
}

void limn_sampling_step(limn_sampling *s, const float *model_out, const float *noise, float *x) {
    s->sampler->step(s, model_out, noise, x);
    s->call++;
}

int limn_sampling_steps_done(const limn_sampling *s) {
    /* Calls beyond one a step come early (PNDM) or with each step (Heun): the last is the last. */
    long long done = s->call - s->first, steps = s->steps - s->skipped;
    return (int)(done * steps / (s->calls - s->first));
}
