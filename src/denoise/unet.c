/* One evaluation of the U-Net.
 *
 * Memory is a stack. What the way down leaves for the way up lies at its bottom; on the way up,
 * each layer's result is slid down over its input ("settled"), so that the peak is one layer's. */
#include "denoise/unet_parts.h"

#include <string.h>

#include "base/math.h"
#include "denoise/control.h"

/* Rows that go through a perceptron together. */
#define PERCEPTRON_ROWS 1024

/* What the way down leaves for the way up. */
typedef struct skips {
    limn_map map[LIMN_UNET_SKIPS_MOST];
    int count;
} skips;

/* ---- the time embedding ---------------------------------------------------------------------- */

/* out[d] = [cos(t f), sin(t f)], f_i = 10000^(-i / (half - shift)). The frequency and its product
 * with t are rounded to float32, as in diffusers. Source: Vaswani et al. 2017, section 3.5. */
static void sinusoid(const limn_unet *m, double t, int d, float *out) {
    int half = d / 2;
    for (int i = 0; i < half; i++) {
        float exponent = (float)(-9.210340371976184 * i / (half - m->freq_shift));
        float angle = (float)t * (float)limn_exp((double)exponent);
        float c = (float)limn_cos((double)angle), s = (float)limn_sin((double)angle);
        out[i] = m->cos_first ? c : s;
        out[half + i] = m->cos_first ? s : c;
    }
}

/* Two linear layers with the activation between them: [n, k] -> [n, time_d]. */
static void embed(limn_exec *e, const limn_unet *m, const limn_matrix *a, const limn_matrix *b,
                  const float *x, int n, const limn_finish *finish, float *out) {
    size_t mark = limn_arena_mark(e->ws);
    float *h = limn_arena_floats(e->ws, (size_t)n * (size_t)a->n);
    limn_linear_run(e, a, x, (size_t)a->k, (size_t)n, &(limn_finish){.act = m->act}, h);
    limn_linear_run(e, b, h, (size_t)b->k, (size_t)n, finish, out);
    limn_arena_release(e->ws, mark);
}

/* What the pooled text, and the numbers beside it, add to the time embedding: [n, time_d]. */
static float *added_embedding(limn_exec *e, const limn_unet *m, const limn_unet_condition *c) {
    size_t n = (size_t)c->n, pooled = (size_t)m->pooled_d, wide = (size_t)m->class1.k;
    float *out = limn_arena_floats(e->ws, n * (size_t)m->time_d);
    size_t mark = limn_arena_mark(e->ws);
    float *row = limn_arena_floats(e->ws, n * wide);
    for (size_t i = 0; i < n && !limn_exec_measuring(e); i++) {
        memcpy(row + i * wide, c->pooled + i * pooled, pooled * sizeof *row);
        for (int k = 0; k < LIMN_UNET_NUMBERS && m->number_d > 0; k++)
            sinusoid(m, c->numbers[k], m->number_d, row + i * wide + pooled + k * m->number_d);
    }
    embed(e, m, &m->class1, &m->class2, row, c->n, NULL, out);
    limn_arena_release(e->ws, mark);
    return out;
}

/* What the guidance scale adds to the timestep's sinusoid: [channels[0]]. With w the scale less
 * one, sin and cos of 1000 w f_i, f_i = 10000^(-i / (half - 1)), projected. Source: Luo et al.
 * 2023, "Latent Consistency Models", section 4.2; frequencies as diffusers has them. */
static float *guidance_embedding(limn_exec *e, const limn_unet *m, double guidance) {
    int d = m->guidance_d, half = d / 2;
    float *out = limn_arena_floats(e->ws, (size_t)m->channels[0]);
    size_t mark = limn_arena_mark(e->ws);
    float *waves = limn_arena_floats(e->ws, (size_t)d), w = (float)(guidance - 1.0) * 1000.0f;
    if (!limn_exec_measuring(e)) waves[d - 1] = 0; /* where d is odd */
    for (int i = 0; i < half && !limn_exec_measuring(e); i++) {
        float angle = w * (float)limn_exp(-9.210340371976184 * i / (half - 1));
        waves[i] = (float)limn_sin((double)angle);
        waves[half + i] = (float)limn_cos((double)angle);
    }
    limn_linear_run(e, &m->guidance, waves, (size_t)d, 1, NULL, out);
    limn_arena_release(e->ws, mark);
    return out;
}

float *limn_unet_time(limn_exec *e, const limn_unet *m, double timestep,
                      const limn_unet_context *context) {
    int n = context->n;
    size_t d = (size_t)m->time_d;
    float *out = limn_arena_floats(e->ws, (size_t)n * d);
    size_t mark = limn_arena_mark(e->ws);
    float *waves = limn_arena_floats(e->ws, (size_t)m->channels[0]);
    float *one = limn_arena_floats(e->ws, d);
    bool real = !limn_exec_measuring(e);
    if (real) sinusoid(m, timestep, m->channels[0], waves);
    for (int i = 0; i < m->channels[0] && context->guidance && real; i++)
        waves[i] += context->guidance[i];
    embed(e, m, &m->time1, &m->time2, waves, 1, NULL, one);
    for (int i = 0; i < n && real; i++) {
        const float *own = context->embedding ? context->embedding + (size_t)i * d : NULL;
        e->k->finish(one, own, m->act, NULL, m->time_d, out + (size_t)i * d);
    }
    limn_arena_release(e->ws, mark);
    return out;
}

/* ---- transformers ---------------------------------------------------------------------------- */

/* The gated perceptron on rows [rows, d]: y = x + ff_out(geglu(ff_in(norm(x)))), some rows at a
 * time, so that its middle, four times as wide as x, is never there as a whole. */
static void run_perceptron(limn_exec *e, const limn_unet_block *b, size_t rows, const float *x,
                           float *y) {
    size_t mark = limn_arena_mark(e->ws), d = (size_t)b->norm3.c;
    size_t most = rows < PERCEPTRON_ROWS ? rows : PERCEPTRON_ROWS, count;
    float *h = limn_arena_floats(e->ws, most * d);
    float *gated = limn_arena_floats(e->ws, most * 4 * d);
    for (size_t row = 0; row < rows; row += count, x += count * d, y += count * d) {
        count = rows - row < most ? rows - row : most;
        limn_layer_norm_run(e, &b->norm3, x, count, h);
        limn_linear_run(e, &b->ff_in, h, d, count, &(limn_finish){.gated = true}, gated);
        limn_linear_run(e, &b->ff_out, gated, 4 * d, count, &(limn_finish){.residual = x}, y);
    }
    limn_arena_release(e->ws, mark);
}

/* One block on rows [n x tokens, d]: x -> y, with x lost. wide has room for rows x 3d. */
static void run_block(limn_exec *e, const limn_unet_block *b, const limn_keys *text, int n,
                      int tokens, float *x, float *y, float *wide) {
    size_t d = (size_t)b->norm1.c, rows = (size_t)n * (size_t)tokens;
    size_t mark = limn_arena_mark(e->ws);
    float *h = limn_arena_floats(e->ws, rows * d);
    size_t inner = limn_arena_mark(e->ws);
    bool int8 = b->qkv.numbers.type == LIMN_I8 && limn_attention_suits_int8(tokens);
    limn_keys self = b->only_cross ? text[1]
                     : int8        ? limn_keys_take_int8(e, n, tokens, text->heads, text->d)
                                   : limn_keys_take(e, n, tokens, text->heads, text->d);

    limn_layer_norm_run(e, &b->norm1, x, rows, h);
    limn_linear_run(e, &b->qkv, h, d, rows, NULL, wide);
    if (!b->only_cross) limn_keys_pack(e, wide + d, wide + 2 * d, 3 * d, &self);
    limn_attention_run(e, wide, (size_t)b->qkv.n, tokens, &self, false, h);
    limn_linear_run(e, &b->out1, h, d, rows, &(limn_finish){.residual = x}, y);
    limn_arena_release(e->ws, inner);

    limn_layer_norm_run(e, &b->norm2, y, rows, h);
    limn_linear_run(e, &b->q2, h, d, rows, NULL, wide);
    limn_attention_run(e, wide, d, tokens, text, false, h);
    limn_linear_run(e, &b->out2, h, d, rows, &(limn_finish){.residual = y}, x);

    limn_arena_release(e->ws, mark);
    run_perceptron(e, b, rows, x, y);
}

/* x -> out, both [n, h, w, d]. */
static void run_transformer(limn_exec *e, const limn_unet_transformer *t,
                            const limn_unet_context *context, const limn_map *x, limn_map *out) {
    size_t mark = limn_arena_mark(e->ws), d = (size_t)t->d;
    size_t rows = (size_t)x->n * limn_map_pixels(x);
    limn_map a = limn_map_take(e, x->n, x->h, x->w, t->d);
    limn_map b = limn_map_take(e, x->n, x->h, x->w, t->d);
    float *wide = limn_arena_floats(e->ws, rows * 3 * d);
    limn_group_norm_run(e, &t->norm, x, NULL, LIMN_ACT_NONE, &b);
    limn_linear_run(e, &t->in, b.v, d, rows, NULL, a.v);
    for (int i = 0; i < t->count; i++) {
        const limn_keys *text = &context->keys[t->block[i].context];
        run_block(e, &t->block[i], text, x->n, (int)limn_map_pixels(x), a.v, b.v, wide);
        limn_map swap = a;
        a = b;
        b = swap;
    }
    limn_linear_run(e, &t->out, a.v, d, rows, &(limn_finish){.residual = x->v}, out->v);
    limn_arena_release(e->ws, mark);
}

/* Keys and values of the text for one attention. */
static limn_keys prepare_keys(limn_exec *e, const limn_unet_transformer *t, const limn_matrix *kv,
                              const limn_unet_condition *c) {
    size_t rows = (size_t)c->n * (size_t)c->tokens, d = (size_t)t->d;
    limn_keys keys = limn_keys_take(e, c->n, c->tokens, t->heads, t->d / t->heads);
    size_t mark = limn_arena_mark(e->ws);
    float *both = limn_arena_floats(e->ws, rows * 2 * d);
    limn_linear_run(e, kv, c->cond, (size_t)kv->k, rows, NULL, both);
    limn_keys_pack(e, both, both + d, 2 * d, &keys);
    limn_arena_release(e->ws, mark);
    return keys;
}

static void prepare_transformer(limn_exec *e, const limn_unet_transformer *t,
                                const limn_unet_condition *c, limn_unet_context *out) {
    for (int i = 0; i < t->count; i++) {
        const limn_unet_block *b = &t->block[i];
        out->keys[b->context] = prepare_keys(e, t, &b->kv2, c);
        if (b->only_cross) out->keys[b->context + 1] = prepare_keys(e, t, &b->kv1, c);
    }
}

static void prepare_level(limn_exec *e, const limn_unet_level *l, const limn_unet_condition *c,
                          limn_unet_context *out) {
    for (int i = 0; i < l->layers && l->attends; i++)
        prepare_transformer(e, &l->attention[i], c, out);
}

void limn_unet_prepare(limn_exec *e, const limn_unet *m, const limn_unet_condition *condition,
                       limn_unet_context *out) {
    out->n = condition->n;
    out->control = NULL;
    out->embedding = m->class1.n > 0 ? added_embedding(e, m, condition) : NULL;
    out->guidance = m->guidance_d > 0 ? guidance_embedding(e, m, condition->guidance) : NULL;
    for (int i = 0; i < m->levels; i++) prepare_level(e, &m->down[i], condition, out);
    if (m->mid_attends) prepare_transformer(e, &m->mid_attention, condition, out);
    for (int i = 0; i < m->levels; i++) prepare_level(e, &m->up[i], condition, out);
}

/* ---- the U ----------------------------------------------------------------------------------- */

/* A resnet and, where the level attends, a transformer: x -> a new map. */
static limn_map run_layer(limn_exec *e, const limn_resnet *r, const limn_unet_transformer *t,
                          const limn_unet_context *context, const float *time, const limn_map *x) {
    limn_map out = limn_map_take(e, x->n, x->h, x->w, r->out_c);
    if (!t) {
        limn_resnet_run(e, r, x, time, &out);
        return out;
    }
    size_t mark = limn_arena_mark(e->ws);
    limn_map h = limn_map_take(e, x->n, x->h, x->w, r->out_c);
    limn_resnet_run(e, r, x, time, &h);
    run_transformer(e, t, context, &h, &out);
    limn_arena_release(e->ws, mark);
    return out;
}

bool limn_unet_down(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                    const float *time, limn_unet_place *at, limn_map *x) {
    const limn_unet_level *l = &m->down[at->level];
    if (at->layer == l->layers && !l->resamples) return false;
    if (at->layer < l->layers) {
        int k = at->layer++;
        *x = run_layer(e, &l->resnet[k], l->attends ? &l->attention[k] : NULL, context, time, x);
        return true;
    }
    limn_map half = limn_map_take(e, x->n, limn_conv_size(&l->resample, x->h),
                                  limn_conv_size(&l->resample, x->w), x->c);
    limn_conv_run(e, &l->resample, x, x->h, x->w, NULL, &half);
    *x = half;
    *at = (limn_unet_place){.level = at->level + 1};
    return true;
}

static limn_map run_down(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                         const float *time, limn_map x, skips *s) {
    limn_unet_place at = {0};
    do {
        s->map[s->count++] = x;
    } while (limn_unet_down(e, m, context, time, &at, &x));
    return x;
}

void limn_unet_middle(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                      const float *time, size_t base, limn_map *x) {
    for (int i = 0; i < m->mid_layers; i++) {
        const limn_unet_transformer *t = i == 0 && m->mid_attends ? &m->mid_attention : NULL;
        *x = run_layer(e, &m->mid_resnet[i], t, context, time, x);
    }
    if (m->mid_layers > 0) limn_map_settle(e, base, x);
}

/* [n, h, w, a.c + b.c]: a's channels, then b's. */
static limn_map concatenate(limn_exec *e, const limn_map *a, const limn_map *b) {
    limn_map out = limn_map_take(e, a->n, a->h, a->w, a->c + b->c);
    size_t pixels = (size_t)a->n * limn_map_pixels(a), wide = (size_t)out.c;
    for (size_t i = 0; i < pixels && !limn_exec_measuring(e); i++) {
        memcpy(out.v + i * wide, a->v + i * (size_t)a->c, (size_t)a->c * sizeof(float));
        memcpy(out.v + i * wide + a->c, b->v + i * (size_t)b->c, (size_t)b->c * sizeof(float));
    }
    return out;
}

/* Copies the deep feature into its place. */
static void keep(const limn_exec *e, limn_unet_deep *deep, const limn_map *x) {
    if (!limn_exec_measuring(e)) memcpy(deep->map.v, x->v, limn_map_count(x) * sizeof *x->v);
}

/* One layer on the way up: what the way down left is put beside x, and both give the new x. */
static limn_map up_layer(limn_exec *e, const limn_unet_level *l, int k,
                         const limn_unet_context *context, const float *time, size_t base,
                         limn_map x, skips *s) {
    limn_map both = concatenate(e, &x, &s->map[--s->count]);
    x = run_layer(e, &l->resnet[k], l->attends ? &l->attention[k] : NULL, context, time, &both);
    limn_map_settle(e, base, &x);
    return x;
}

/* deep receives the feature before the layers that its branch keeps; NULL: nobody wants it. */
static limn_map run_up(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                       const float *time, size_t base, limn_map x, skips *s, limn_unet_deep *deep) {
    for (int i = 0; i < m->levels; i++) {
        const limn_unet_level *l = &m->up[i];
        for (int k = 0; k < l->layers; k++) {
            if (deep && i == m->levels - 1 && k == l->layers - 1 - deep->branch) keep(e, deep, &x);
            x = up_layer(e, l, k, context, time, base, x, s);
        }
        if (!l->resamples) continue;
        const limn_map *next = &s->map[s->count - 1]; /* its size may be odd: not 2h, 2w */
        limn_map large = limn_map_take(e, x.n, next->h, next->w, x.c);
        limn_conv_run(e, &l->resample, &x, next->h, next->w, NULL, &large);
        x = large;
        limn_map_settle(e, base, &x);
    }
    return x;
}

limn_map limn_unet_in(limn_exec *e, const limn_unet *m, const limn_map *x) {
    limn_map h = limn_map_take(e, x->n, x->h, x->w, m->channels[0]);
    limn_conv_run(e, &m->conv_in, x, x->h, x->w, NULL, &h);
    return h;
}

static void run_out(limn_exec *e, const limn_unet *m, limn_map *h, limn_map *out) {
    limn_group_norm_run(e, &m->norm_out, h, NULL, m->act, h);
    limn_conv_run(e, &m->conv_out, h, h->h, h->w, NULL, out);
}

static void run_full(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                     const limn_unet_context *context, limn_unet_deep *deep, limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    skips s = {.count = 0};
    float *time = limn_unet_time(e, m, timestep, context);
    limn_map h = limn_unet_in(e, m, x);
    h = run_down(e, m, context, time, h, &s);

    size_t base = limn_arena_mark(e->ws);
    limn_unet_middle(e, m, context, time, base, &h);
    if (context->control) limn_control_add(e, context->control, x, timestep, s.map, s.count, &h);
    h = run_up(e, m, context, time, base, h, &s, deep);
    run_out(e, m, &h, out);
    limn_arena_release(e->ws, mark);
}

void limn_unet_run(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                   const limn_unet_context *context, limn_map *out) {
    run_full(e, m, x, timestep, context, NULL, out);
}

/* ---- with a deep feature --------------------------------------------------------------------- */

int limn_unet_branch_most(const limn_unet *m) {
    return m->up[m->levels - 1].layers - 1;
}

limn_unet_deep limn_unet_deep_take(limn_exec *e, const limn_unet *m, const limn_map *x,
                                   int branch) {
    const limn_unet_level *top = &m->up[m->levels - 1];
    int first = top->layers - 1 - branch; /* its input has the skip's channels beside it */
    int c = top->resnet[first].in_c - m->channels[0];
    return (limn_unet_deep){.branch = branch, .map = limn_map_take(e, x->n, x->h, x->w, c)};
}

/* The outermost layers down to where the branch begins, and from the deep feature up again. */
static void run_shallow(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                        const limn_unet_context *context, const limn_unet_deep *deep,
                        limn_map *out) {
    const limn_unet_level *in = &m->down[0], *top = &m->up[m->levels - 1];
    size_t mark = limn_arena_mark(e->ws);
    float *time = limn_unet_time(e, m, timestep, context);
    skips s = {.map[0] = limn_unet_in(e, m, x), .count = 1};
    for (int k = 0; k < deep->branch; k++, s.count++)
        s.map[s.count] = run_layer(e, &in->resnet[k], in->attends ? &in->attention[k] : NULL,
                                   context, time, &s.map[s.count - 1]);
    if (context->control) limn_control_add(e, context->control, x, timestep, s.map, s.count, NULL);
    size_t base = limn_arena_mark(e->ws);
    limn_map h = deep->map;
    for (int k = top->layers - 1 - deep->branch; k < top->layers; k++)
        h = up_layer(e, top, k, context, time, base, h, &s);
    run_out(e, m, &h, out);
    limn_arena_release(e->ws, mark);
}

void limn_unet_run_deep(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                        const limn_unet_context *context, limn_unet_deep *deep, limn_map *out) {
    if (deep->filled)
        run_shallow(e, m, x, timestep, context, deep, out);
    else
        run_full(e, m, x, timestep, context, deep, out);
    deep->filled = true;
}
