/* A ControlNet's part in an evaluation.
 *
 * Its way down leaves nothing behind: what a step gives is added to the U-Net's map at once, and
 * the next step's result takes its place, so that the peak is one layer's. */
#include "denoise/control.h"

#include <string.h>

#include "denoise/unet_parts.h"

/* Numbers in a task of an addition. */
#define ADDED_NUMBERS 16384

/* to[i] += scale x from[i modulo period] */
typedef struct addition {
    const float *from;
    float *to, scale;
    size_t count, period;
} addition;

static void add_task(void *ctx, int task) {
    const addition *a = ctx;
    size_t first = (size_t)task * ADDED_NUMBERS, last = first + ADDED_NUMBERS;
    if (last > a->count) last = a->count;
    for (size_t i = first; i < last;) {
        size_t at = i % a->period, run = a->period - at < last - i ? a->period - at : last - i;
        const float *from = a->from + at;
        float *to = a->to + i;
        for (size_t k = 0; k < run; k++) to[k] += a->scale * from[k];
        i += run;
    }
}

/* Adds `from` times scale; where it has one image, to each of `to`. */
static void add(limn_exec *e, const limn_map *from, float scale, limn_map *to) {
    addition a = {.from = from->v,
                  .to = to->v,
                  .scale = scale,
                  .count = limn_map_count(to),
                  .period = limn_map_count(from)};
    int tasks = (int)((a.count + ADDED_NUMBERS - 1) / ADDED_NUMBERS);
    if (limn_exec_goes_on(e)) limn_team_loop(e->team, tasks, add_task, &a);
}

/* Adds what a zero convolution makes of x. */
static void add_through(limn_exec *e, const limn_matrix *zero, const limn_map *x, float strength,
                        limn_map *to) {
    size_t mark = limn_arena_mark(e->ws), rows = (size_t)x->n * limn_map_pixels(x);
    limn_map out = limn_map_take(e, x->n, x->h, x->w, zero->n);
    limn_linear_run(e, zero, x->v, (size_t)x->c, rows, NULL, out.v);
    add(e, &out, strength, to);
    limn_arena_release(e->ws, mark);
}

/* The first c channels of x: x itself where it has no more. A U-Net may be given a picture and a
 * mask behind the latents; a ControlNet is not. */
static limn_map first_channels(limn_exec *e, const limn_map *x, int c) {
    if (x->c == c) return *x;
    limn_map out = limn_map_take(e, x->n, x->h, x->w, c);
    size_t pixels = (size_t)x->n * limn_map_pixels(x);
    for (size_t i = 0; i < pixels && !limn_exec_measuring(e); i++)
        memcpy(out.v + i * (size_t)c, x->v + i * (size_t)x->c, (size_t)c * sizeof *out.v);
    return out;
}

void limn_control_add(limn_exec *e, const limn_control_context *context, const limn_map *x,
                      double timestep, limn_map *skip, int count, limn_map *mid) {
    const limn_control *m = context->net;
    const limn_unet_context *text = &context->text;
    size_t mark = limn_arena_mark(e->ws);
    float *time = limn_unet_time(e, &m->copy, timestep, text);
    size_t base = limn_arena_mark(e->ws);
    limn_map latents = first_channels(e, x, m->copy.in_c);
    limn_map h = limn_unet_in(e, &m->copy, &latents);
    add(e, context->hint, 1, &h);
    limn_map_settle(e, base, &h);
    limn_unet_place at = {0};
    for (int i = 0; i < count; i++) {
        add_through(e, &m->zero[i], &h, context->strength, &skip[i]);
        if (i + 1 == count) break;
        limn_unet_down(e, &m->copy, text, time, &at, &h);
        limn_map_settle(e, base, &h);
    }
    if (mid) {
        limn_unet_middle(e, &m->copy, text, time, base, &h);
        add_through(e, &m->zero_mid, &h, context->strength, mid);
    }
    limn_arena_release(e->ws, mark);
}

/* A convolution and its activation: *x becomes a new map, settled at `base`. */
static void code(limn_exec *e, const limn_conv *conv, limn_activation act, size_t base,
                 limn_map *x) {
    limn_map out = limn_map_take(e, x->n, limn_conv_size(conv, x->h), limn_conv_size(conv, x->w),
                                 conv->matrix.n);
    limn_conv_run(e, conv, x, x->h, x->w, &(limn_finish){.act = act}, &out);
    limn_map_settle(e, base, &out);
    *x = out;
}

void limn_control_see(limn_exec *e, const limn_control *m, const limn_map *picture,
                      limn_map *hint) {
    const limn_control_coder *coder = &m->coder;
    size_t base = limn_arena_mark(e->ws);
    limn_map h = *picture;
    code(e, &coder->in, LIMN_ACT_SILU, base, &h);
    for (int i = 0; i < coder->halvings; i++) {
        code(e, &coder->same[i], LIMN_ACT_SILU, base, &h);
        code(e, &coder->half[i], LIMN_ACT_SILU, base, &h);
    }
    limn_conv_run(e, &coder->out, &h, h.h, h.w, NULL, hint);
    limn_arena_release(e->ws, base);
}
