/* Attention in int8: both products on whole numbers, the softmax between them in float.
 *
 * Everything stands on its side: a tile's rows are keys, its columns are queries. So the scores of
 * a key for a panel of queries lie in a vector, the softmax goes down columns without a sum across
 * lanes, and its weights, four keys at a time, are at once the panel of the second product, whose
 * rows are the values' channels. Keys go by in blocks of LIMN_ATTEND_KEYS, with an online softmax.
 * Sources: Zhang et al. 2024, SageAttention; Dao et al. 2022, FlashAttention. */
#include <math.h>
#include <string.h>

#include "layers/product.h"

#define BLOCK LIMN_ATTEND_KEYS
/* Tasks, each with scratch of its own. */
#define LANES_MOST 64
/* log2(e): scores are in base 2. */
#define LOG2_E 1.4426950408889634

static size_t blocks_of(int tokens) {
    return (size_t)limn_parts(tokens, BLOCK);
}

bool limn_attention_suits_int8(int tokens) {
    return tokens >= BLOCK;
}

limn_keys limn_keys_take_int8(limn_exec *e, int n, int tokens, int heads, int d) {
    limn_keys keys = {.n = n, .tokens = tokens, .heads = heads, .d = d, .int8 = true};
    size_t count = (size_t)n * (size_t)heads, channels = blocks_of(tokens) * (size_t)d;
    keys.k8 = limn_arena_take(e->ws, count * (size_t)tokens, (size_t)limn_fours_of(d));
    keys.v8 = limn_arena_take(e->ws, count * channels, BLOCK);
    keys.k_scale = limn_arena_floats(e->ws, count * (size_t)tokens);
    keys.v_scale = limn_arena_floats(e->ws, count * channels);
    keys.v_sum = limn_arena_floats(e->ws, count * channels);
    return keys;
}

/* `count` numbers as int8, zeros up to a multiple of four; returns what a 1 is worth. */
static float quantise(const limn_kernels *k, const float *x, int count, uint8_t flip, int8_t *to) {
    float inverse, scale = limn_i8_scale(k->most(x, (size_t)count), &inverse);
    k->to_i8(x, (size_t)count, inverse, flip, to);
    memset(to + count, flip, (size_t)(limn_fours_of(count) - count));
    return scale;
}

/* ---- keys and values ------------------------------------------------------------------------- */

typedef struct pack_work {
    const limn_kernels *kernels;
    const float *k, *v;
    size_t stride;
    const limn_keys *out;
    double *mean; /* [n x heads][d] */
    float *row;   /* [n x heads][d] */
} pack_work;

/* Keys less their mean over all tokens, which is the same for every key and so changes no softmax,
 * but would take the int8 numbers' room. `k` is the head's first. */
static void pack_keys(const pack_work *w, int i, const float *k) {
    const limn_keys *o = w->out;
    size_t d = (size_t)o->d, fours = (size_t)limn_fours_of(o->d);
    double *mean = w->mean + (size_t)i * d;
    float *row = w->row + (size_t)i * d;
    memset(mean, 0, d * sizeof *mean);
    for (int t = 0; t < o->tokens; t++)
        for (size_t x = 0; x < d; x++) mean[x] += (double)k[(size_t)t * w->stride + x];
    for (size_t x = 0; x < d; x++) mean[x] /= o->tokens;
    for (int t = 0; t < o->tokens; t++) {
        size_t at = (size_t)i * (size_t)o->tokens + (size_t)t;
        for (size_t x = 0; x < d; x++) row[x] = k[(size_t)t * w->stride + x] - (float)mean[x];
        o->k_scale[at] = quantise(w->kernels, row, o->d, w->kernels->i8_flip, o->k8 + at * fours);
    }
}

/* Values by channels: a block's keys of one channel are a row, with a scale. */
static void pack_values(const pack_work *w, int i, const float *v) {
    const limn_keys *o = w->out;
    size_t at = (size_t)i * blocks_of(o->tokens) * (size_t)o->d;
    for (int t0 = 0; t0 < o->tokens; t0 += BLOCK) {
        int keys = limn_least(BLOCK, o->tokens - t0);
        for (int x = 0; x < o->d; x++, at++) {
            float channel[BLOCK];
            int8_t *row = o->v8 + at * BLOCK;
            int32_t sum = 0;
            for (int t = 0; t < keys; t++) channel[t] = v[(size_t)(t0 + t) * w->stride + (size_t)x];
            o->v_scale[at] = quantise(w->kernels, channel, keys, w->kernels->i8_flip, row);
            for (int t = 0; t < keys; t++) sum += (int8_t)(row[t] ^ w->kernels->i8_flip);
            o->v_sum[at] = (float)(128 * sum) * o->v_scale[at];
        }
    }
}

static void pack_task(void *ctx, int i) {
    const pack_work *w = ctx;
    size_t from = limn_keys_first(w->out, i, w->stride);
    pack_keys(w, i, w->k + from);
    pack_values(w, i, w->v + from);
}

void limn_keys_pack_int8(limn_exec *e, const float *k, const float *v, size_t stride,
                         limn_keys *out) {
    size_t mark = limn_arena_mark(e->ws), count = (size_t)(out->n * out->heads * out->d);
    pack_work w = {.kernels = e->k, .k = k, .v = v, .stride = stride, .out = out};
    w.mean = limn_arena_take(e->ws, count, sizeof *w.mean);
    w.row = limn_arena_floats(e->ws, count);
    if (limn_exec_goes_on(e)) limn_team_loop(e->team, out->n * out->heads, pack_task, &w);
    limn_arena_release(e->ws, mark);
}

/* ---- attending ------------------------------------------------------------------------------- */

/* What one task needs for a panel of queries. */
typedef struct scratch {
    int8_t *q;       /* [fours of d / 4][panel][4] */
    int8_t *weights; /* [BLOCK / 4][panel][4] */
    float *scores;   /* [BLOCK][panel] */
    float *sum;      /* [d][panel] */
    float *more;     /* the same, of a block */
    int8_t *row;     /* [fours of d] */
    float q_scale[LIMN_PANEL_MOST];
    int32_t q_start[LIMN_PANEL_MOST];
    limn_attend state;
} scratch;

typedef struct attention_work {
    const limn_kernels *kernels;
    const float *q;
    size_t q_stride;
    int tokens; /* queries */
    const limn_keys *keys;
    float *out;
    scratch *scratch; /* [lanes] */
    int blocks;       /* panels of queries in one head */
    int lanes;
} attention_work;

/* A panel of queries as int8, zeros behind the last. */
static void pack_queries(const attention_work *w, scratch *s, const float *q, int rows) {
    const limn_kernels *k = w->kernels;
    int d = w->keys->d, fours = limn_fours_of(d) / 4, panel = k->panel;
    const float factor = (float)(LOG2_E / sqrt((double)d));
    memset(s->q, 0, (size_t)fours * (size_t)panel * 4);
    for (int r = 0; r < panel; r++) {
        s->q_scale[r] = 0;
        s->q_start[r] = 0;
        if (r >= rows) continue;
        s->q_scale[r] = quantise(k, q + (size_t)r * w->q_stride, d, 0, s->row) * factor;
        for (int i = 0; i < fours; i++) memcpy(s->q + (i * panel + r) * 4, s->row + 4 * i, 4);
        for (int x = 0; x < d; x++) s->q_start[r] -= 128 * s->row[x];
    }
}

/* c[rows][panel] = a b: rows of a are `stride` bytes apart. */
static void multiply(const limn_kernels *k, const int8_t *a, size_t stride, int rows,
                     limn_tile_i8 t) {
    const int8_t *table[LIMN_TILE_ROWS_MOST];
    t.columns = k->panel;
    t.c_stride = (size_t)k->panel;
    t.segments = 1;
    t.a = table;
    for (int r = 0; r < rows; r += t.rows) {
        t.rows = limn_least(k->tile_i8_rows, rows - r);
        for (int i = 0; i < t.rows; i++) table[i] = a + (size_t)(r + i) * stride;
        k->tile_i8(&t);
        t.a_scale += t.rows;
        t.c += (size_t)t.rows * t.c_stride;
    }
}

/* One panel of queries of one head, from row `first` of the head on. */
static void attend(const attention_work *w, int head, int first, scratch *s) {
    const limn_kernels *k = w->kernels;
    const limn_keys *o = w->keys;
    int d = o->d, tokens = o->tokens, rows = limn_least(k->panel, w->tokens - first);
    size_t row = (size_t)(head / o->heads) * (size_t)w->tokens + (size_t)first;
    size_t column = (size_t)(head % o->heads * d), width = (size_t)(o->heads * d);
    size_t fours = (size_t)limn_fours_of(d);
    pack_queries(w, s, w->q + row * w->q_stride + column, rows);
    for (int j = 0; j < k->panel; j++) {
        s->state.most[j] = -INFINITY;
        s->state.total[j] = 0;
    }
    memset(s->sum, 0, (size_t)d * (size_t)k->panel * sizeof *s->sum);
    for (int t = 0; t < tokens; t += BLOCK) {
        int keys = limn_least(BLOCK, tokens - t);
        size_t key = (size_t)head * (size_t)tokens + (size_t)t;
        size_t value = ((size_t)head * blocks_of(tokens) + (size_t)(t / BLOCK)) * (size_t)d;
        multiply(k, o->k8 + key * fours, fours, keys,
                 (limn_tile_i8){.fours = (int)fours / 4,
                                .b = s->q,
                                .a_scale = o->k_scale + key,
                                .b_scale = s->q_scale,
                                .b_start = s->q_start,
                                .c = s->scores});
        k->weigh(s->scores, keys, &s->state, s->weights);
        multiply(k, o->v8 + value * BLOCK, BLOCK, d,
                 (limn_tile_i8){.fours = limn_fours_of(keys) / 4,
                                .b = s->weights,
                                .a_scale = o->v_scale + value,
                                .b_scale = s->state.now,
                                .b_start = s->state.start,
                                .c = s->more});
        k->fold(s->sum, s->more, o->v_sum + value, d, &s->state);
    }
    for (int r = 0; r < rows; r++) {
        float *out = w->out + (row + (size_t)r) * width + column, part = 1.0f / s->state.total[r];
        for (int x = 0; x < d; x++) out[x] = s->sum[x * k->panel + r] * part;
    }
}

static void attention_task(void *ctx, int lane) {
    const attention_work *w = ctx;
    int all = w->keys->n * w->keys->heads * w->blocks;
    for (int i = lane; i < all; i += w->lanes)
        attend(w, i / w->blocks, i % w->blocks * w->kernels->panel, &w->scratch[lane]);
}

static void take_scratch(limn_exec *e, const attention_work *w) {
    size_t panel = (size_t)e->k->panel, d = (size_t)w->keys->d;
    size_t fours = (size_t)limn_fours_of(w->keys->d);
    for (int i = 0; i < w->lanes; i++) {
        scratch s = {.q = limn_arena_take(e->ws, fours, panel),
                     .weights = limn_arena_take(e->ws, BLOCK, panel),
                     .scores = limn_arena_floats(e->ws, BLOCK * panel),
                     .sum = limn_arena_floats(e->ws, d * panel),
                     .more = limn_arena_floats(e->ws, d * panel),
                     .row = limn_arena_take(e->ws, fours, 1)};
        if (!limn_exec_measuring(e)) w->scratch[i] = s;
    }
}

void limn_attention_run_int8(limn_exec *e, const float *q, size_t q_stride, int tokens,
                             const limn_keys *keys, float *out) {
    size_t mark = limn_arena_mark(e->ws);
    attention_work w = {.kernels = e->k, .q = q, .q_stride = q_stride, .tokens = tokens};
    w.keys = keys;
    w.out = out;
    w.blocks = limn_parts(tokens, e->k->panel);
    w.lanes = limn_least(keys->n * keys->heads * w.blocks, LANES_MOST);
    w.scratch = limn_arena_take(e->ws, (size_t)w.lanes, sizeof *w.scratch);
    take_scratch(e, &w);
    limn_exec_loop(e, w.lanes, attention_task, &w);
    limn_arena_release(e->ws, mark);
}
