#include "denoise/denoise.h"

#include <math.h>
#include <string.h>

/* A run under way. */
typedef struct loop {
    limn_exec *e;
    const limn_denoise_task *task;
    limn_sampling *run;
    limn_rng rng;
    limn_unet_context context;
    limn_control_context control; /* where the task has one */
    bool controlled;              /* whether it takes part in the evaluation under way */
    size_t context_mark;          /* where the workspace was before both */
    int spoken;                   /* which of the task's conditions it holds */
    limn_map *x;                  /* the sample [1, h, w, c] */
    limn_map in, out;             /* what the U-Net is given and gives, [n, h, w, c] */
    limn_unet_deep deep;
    float *noise; /* as the sample */
    float *room;  /* the same: scratch */
} loop;

int limn_denoise_batch(const limn_unet *unet, double guidance) {
    return guidance <= 1.0 || unet->guidance_d > 0 ? 1 : 2;
}

void limn_denoise_draw(limn_rng *stream, const limn_map *shape, float *room, float *out) {
    size_t pixels = limn_map_pixels(shape), c = (size_t)shape->c;
    limn_rng_normal(stream, room, pixels * c);
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < c; i++) out[p * c + i] = room[i * pixels + p];
}

static bool all_finite(const limn_map *x) {
    for (size_t i = 0; i < limn_map_count(x); i++)
        if (!isfinite(x->v[i])) return false;
    return true;
}

/* Every conditioning sees the same latents, and behind their channels what the task adds. */
static void fill_input(loop *l) {
    const limn_map *extra = l->task->extra;
    size_t pixels = limn_map_pixels(l->x), c = (size_t)l->x->c, more = extra ? (size_t)extra->c : 0;
    size_t first = extra && extra->n > 1 ? (size_t)(extra->n - l->in.n) * pixels : 0;
    limn_sampling_input(l->run, l->x->v, l->room);
    for (size_t i = 0; i < (size_t)l->in.n * pixels; i++) {
        float *to = l->in.v + i * (c + more);
        memcpy(to, l->room + i % pixels * c, c * sizeof *to);
        if (!extra) continue;
        size_t from = extra->n > 1 ? first + i : i % pixels;
        memcpy(to + c, extra->v + from * more, more * sizeof *to);
    }
}

/* What the mask keeps becomes the picture again, at the level of noise before the call `next`. */
static void keep_picture(loop *l, int next) {
    const limn_denoise_start *start = l->task->start;
    size_t c = (size_t)l->x->c;
    if (!start || !start->mask) return;
    bool last = next == limn_sampling_calls(l->run);
    if (!last) limn_sampling_noised(l->run, next, start->picture, start->noise, l->room);
    const float *kept = last ? start->picture : l->room;
    for (size_t i = 0; i < limn_map_count(l->x); i++) {
        float m = start->mask[i / c];
        l->x->v[i] = (1.0f - m) * kept[i] + m * l->x->v[i];
    }
}

static bool caches(const limn_denoise_task *task) {
    return task->cache_interval > 1;
}

/* Whether guidance is on in a step, from 0. */
static bool guided(const limn_denoise_task *task, int step) {
    double to = task->range.to > 0 ? task->range.to : 1;
    return step >= task->range.from * task->steps && step < to * task->steps;
}

/* How many conditionings a step evaluates: the prompt alone where there is no guidance, unless its
 * several parts need the negative prompt to be put together. */
static int rows_of(const limn_denoise_task *task, int step) {
    int n = task->condition->n;
    return n == 2 && !task->weights && !guided(task, step) ? 1 : n;
}

/* Makes the context say what the step, from 0, listens to. */
static void listen(loop *l, int step) {
    const limn_denoise_task *task = l->task;
    int which = task->condition_of_step ? task->condition_of_step[step] : 0;
    int n = rows_of(task, step);
    if (which == l->spoken && n == l->context.n) return;
    limn_unet_condition said = task->condition[which];
    if (n < said.n && !limn_exec_measuring(l->e)) { /* the last row: the prompt */
        size_t row = (size_t)(said.n - n);
        said.cond += row * (size_t)said.tokens * (size_t)task->unet->context_d;
        if (task->unet->pooled_d > 0) said.pooled += row * (size_t)task->unet->pooled_d;
    }
    said.n = n;
    limn_arena_release(l->e->ws, l->context_mark);
    limn_unet_prepare(l->e, task->unet, &said, &l->context);
    if (task->control) limn_unet_prepare(l->e, &task->control->net->copy, &said, &l->control.text);
    if (n != l->in.n) l->deep.filled = false;
    l->in.n = l->out.n = l->deep.map.n = n;
    l->spoken = which;
}

/* Lets the ControlNet into the i-th of n evaluations, or keeps it out. */
static void let_control(loop *l, int i, int n) {
    const limn_denoise_control *c = l->task->control;
    bool on = c && (double)i / n >= c->from && (c->to == 0 || (double)(i + 1) / n <= c->to);
    l->context.control = on ? &l->control : NULL;
    if (on != l->controlled) l->deep.filled = false; /* it holds what the ControlNet said */
    l->controlled = on;
}

/* The U-Net's evaluation in a step, from 0; the deep feature is made anew in every
 * cache_interval-th step, by each of its evaluations. */
static void evaluate(loop *l, int step, double timestep) {
    const limn_unet *unet = l->task->unet;
    if (!caches(l->task)) {
        limn_unet_run(l->e, unet, &l->in, timestep, &l->context, &l->out);
        return;
    }
    if (step % l->task->cache_interval == 0) l->deep.filled = false;
    limn_unet_run_deep(l->e, unet, &l->in, timestep, &l->context, &l->deep, &l->out);
}

/* What the model predicts in a call: in l->out[0]. */
static void predict(loop *l, int call) {
    const limn_denoise_task *task = l->task;
    int first = limn_sampling_first(l->run), calls = limn_sampling_calls(l->run);
    int skipped = task->start ? task->start->skipped : 0;
    int step = skipped + limn_sampling_steps_done(l->run);
    bool on = guided(task, step);
    const limn_guidance g = {.scale = on ? task->guidance : 1,
                             .weights = task->weights,
                             .rescale = on ? task->rescale : 0};
    listen(l, step);
    let_control(l, call - first, calls - first);
    fill_input(l);
    evaluate(l, step, limn_sampling_timestep(l->run, call));
    limn_guide(&l->out, &g);
}

static limn_status one_call(loop *l, int call, limn_error *err) {
    predict(l, call);
    if (l->e->stopped)
        return limn_fail(err, LIMN_E_CANCELLED, "stopped in the step after %d of %d",
                         limn_sampling_steps_done(l->run), l->task->steps);
    if (limn_sampling_wants_noise(l->run)) limn_denoise_draw(&l->rng, l->x, l->room, l->noise);
    limn_sampling_step(l->run, l->out.v, l->noise, l->x->v);
    keep_picture(l, call + 1);
    int done = limn_sampling_steps_done(l->run);
    if (!all_finite(l->x))
        return limn_fail(err, LIMN_E_INPUT,
                         "the model's result is not a number after step %d of %d: its weights are "
                         "damaged, or the guidance scale %g is too high for it",
                         done, l->task->steps, l->task->guidance);
    if (l->task->watch && !l->task->watch(l->task->user, done, l->x))
        return limn_fail(err, LIMN_E_CANCELLED, "stopped after step %d of %d", done,
                         l->task->steps);
    return LIMN_OK;
}

/* The sample before the first call. */
static void begin(loop *l) {
    const limn_denoise_start *start = l->task->start;
    if (start) {
        l->rng = *start->stream;
        memcpy(l->noise, start->noise, limn_map_count(l->x) * sizeof(float));
    } else {
        limn_rng_start(&l->rng, l->task->rng, l->task->seed);
        limn_denoise_draw(&l->rng, l->x, l->room, l->noise);
    }
    if (start && start->picture && !start->from_noise) {
        limn_sampling_noised(l->run, limn_sampling_first(l->run), start->picture, l->noise,
                             l->x->v);
        return;
    }
    float sigma = (float)limn_sampling_init_sigma(l->run);
    for (size_t i = 0; i < limn_map_count(l->x); i++) l->x->v[i] = l->noise[i] * sigma;
}

static limn_status all_calls(loop *l, limn_error *err) {
    if (l->task->start) limn_sampling_skip(l->run, l->task->start->skipped);
    begin(l);
    for (int call = limn_sampling_first(l->run); call < limn_sampling_calls(l->run); call++) {
        limn_status status = one_call(l, call, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* Takes what the calls take, and counts the work of all of them: each kind of call is measured
 * once. */
static void measure_calls(loop *l) {
    const limn_denoise_task *task = l->task;
    int skipped = task->start ? task->start->skipped : 0, steps = task->steps - skipped;
    int calls = limn_sampling_calls_of(task->sampler, steps), before = 0;
    int every = caches(task) ? task->cache_interval : 1;
    double cost[8]; /* of a call: guided or not, whole, controlled; below 0 = not known yet */
    for (int i = 0; i < 8; i++) cost[i] = -1;
    for (int call = 0; call < calls; call++) {
        int step = skipped + (int)((long long)call * steps / calls), n = rows_of(task, step);
        bool controlled = l->controlled;
        listen(l, step);
        let_control(l, call, calls);
        bool whole = step % every == 0 || n != before || controlled != l->controlled;
        double *one = &cost[4 * (n > 1) + 2 * whole + l->controlled], start = l->e->flop;
        before = n;
        if (*one < 0) {
            l->deep.filled = !whole;
            evaluate(l, whole ? 0 : 1, 0);
            *one = l->e->flop - start;
        }
        l->e->flop = start + *one;
    }
    if (task->watch) task->watch(task->user, 0, l->x);
}

limn_status limn_denoise_run(limn_exec *e, const limn_denoise_task *task, limn_map *latents,
                             limn_error *err) {
    size_t mark = limn_arena_mark(e->ws), count = limn_map_count(latents);
    int n = task->condition->n;
    loop l = {.e = e, .task = task, .x = latents};
    limn_status status = limn_sampling_begin(task->schedule, task->sampler, task->steps, task->eta,
                                             count, e->ws, &l.run, err);
    if (status != LIMN_OK) return status;
    l.noise = limn_arena_floats(e->ws, count);
    l.room = limn_arena_floats(e->ws, count);
    l.in = limn_map_take(e, n, latents->h, latents->w, task->unet->in_c);
    l.out = limn_map_take(e, n, latents->h, latents->w, task->unet->out_c);
    if (caches(task)) l.deep = limn_unet_deep_take(e, task->unet, &l.in, task->cache_branch);
    if (task->control)
        l.control = (limn_control_context){.net = task->control->net,
                                           .hint = task->control->hint,
                                           .strength = (float)task->control->strength};
    l.context_mark = limn_arena_mark(e->ws);
    if (limn_exec_measuring(e))
        measure_calls(&l);
    else
        status = all_calls(&l, err);
    limn_arena_release(e->ws, mark);
    return status;
}
