/* Attention by blocks of queries: scores of one block against all keys, softmax, times values.
 *
 * Both products are the matrix tile again, so keys and values are laid out as its packed panels:
 * keys transposed, values as they are. The sum over keys is divided out after the second product,
 * on d numbers instead of on all scores. */
#include <math.h>

#include "layers/product.h"

/* Scores that one task holds: a quarter of a megabyte, which second-level caches keep. */
#define BLOCK_SCORES     65536
#define BLOCK_TILES_MOST 8
/* Tasks, each with scores of its own. */
#define LANES_MOST 64

static size_t keys_size(const limn_kernels *k, int tokens, int d) {
    return (size_t)limn_parts(tokens, k->panel) * (size_t)k->panel * (size_t)d;
}

static size_t values_size(const limn_kernels *k, int tokens, int d) {
    return (size_t)limn_parts(d, k->panel) * (size_t)k->panel * (size_t)tokens;
}

limn_keys limn_keys_take(limn_exec *e, int n, int tokens, int heads, int d) {
    limn_keys keys = {.n = n, .tokens = tokens, .heads = heads, .d = d};
    size_t count = (size_t)n * (size_t)heads;
    keys.k = limn_arena_floats(e->ws, count * keys_size(e->k, tokens, d));
    keys.v = limn_arena_floats(e->ws, count * values_size(e->k, tokens, d));
    return keys;
}

typedef struct pack_work {
    const limn_kernels *kernels;
    const float *k, *v;
    size_t stride;
    const limn_keys *out;
} pack_work;

/* One batch's one head. Columns past the end are zeros. */
static void pack_task(void *ctx, int i) {
    const pack_work *w = ctx;
    const limn_keys *o = w->out;
    int panel = w->kernels->panel, tokens = o->tokens, d = o->d;
    size_t from = limn_keys_first(o, i, w->stride);
    float *k = o->k + (size_t)i * keys_size(w->kernels, tokens, d);
    float *v = o->v + (size_t)i * values_size(w->kernels, tokens, d);
    for (int t0 = 0; t0 < tokens; t0 += panel)
        for (int x = 0; x < d; x++)
            for (int t = t0; t < t0 + panel; t++)
                *k++ = t < tokens ? w->k[from + (size_t)t * w->stride + (size_t)x] : 0.0f;
    for (int x0 = 0; x0 < d; x0 += panel)
        for (int t = 0; t < tokens; t++)
            for (int x = x0; x < x0 + panel; x++)
                *v++ = x < d ? w->v[from + (size_t)t * w->stride + (size_t)x] : 0.0f;
}

void limn_keys_pack(limn_exec *e, const float *k, const float *v, size_t stride, limn_keys *out) {
    if (out->int8) {
        limn_keys_pack_int8(e, k, v, stride, out);
        return;
    }
    if (!limn_exec_goes_on(e)) return;
    pack_work w = {e->k, k, v, stride, out};
    limn_team_loop(e->team, out->n * out->heads, pack_task, &w);
}

typedef struct attention_work {
    const limn_kernels *kernels;
    const float *q;
    size_t q_stride;
    int tokens; /* queries */
    const limn_keys *keys;
    bool causal;
    float *out;
    float *scores;  /* [lanes, block rows, tokens of the keys] */
    int block_rows; /* a multiple of tile_rows */
    int blocks;     /* of one head */
    int lanes;
} attention_work;

/* c[rows, n] = a[rows, k] times panels, k in blocks. Rows of a are a_stride apart, of c c_stride.
 */
static void multiply(const limn_kernels *kernels, const float *a, size_t a_stride, int rows, int k,
                     const float *panels, int n, float *c, size_t c_stride) {
    int panel = kernels->panel, step = kernels->tile_rows;
    for (int j = 0; j < n; j += panel)
        for (int k0 = 0; k0 < k; k0 += LIMN_TILE_DEPTH) {
            int length = limn_least(LIMN_TILE_DEPTH, k - k0);
            const float *b = panels + (size_t)j * (size_t)k + (size_t)k0 * (size_t)panel;
            for (int r = 0; r < rows; r += step) {
                const float *table[LIMN_TILE_ROWS_MOST];
                int count = limn_least(step, rows - r);
                for (int i = 0; i < count; i++) table[i] = a + (size_t)(r + i) * a_stride + k0;
                kernels->tile(&(limn_tile){.rows = count,
                                           .columns = limn_least(panel, n - j),
                                           .segments = 1,
                                           .length = &length,
                                           .a = table,
                                           .b = b,
                                           .c = c + (size_t)r * c_stride + j,
                                           .c_stride = c_stride,
                                           .first = k0 == 0});
            }
        }
}

/* One block of queries of one head. */
static void attend(const attention_work *w, int head, int block, float *scores) {
    const limn_keys *keys = w->keys;
    int d = keys->d, tokens = keys->tokens, batch = head / keys->heads;
    int first = block * w->block_rows, rows = limn_least(w->block_rows, w->tokens - first);
    size_t row = (size_t)batch * (size_t)w->tokens + (size_t)first;
    size_t column = (size_t)(head % keys->heads * d), width = (size_t)(keys->heads * d);
    const float *k = keys->k + (size_t)head * keys_size(w->kernels, tokens, d);
    const float *v = keys->v + (size_t)head * values_size(w->kernels, tokens, d);
    float *out = w->out + row * width + column;
    float total[LIMN_TILE_ROWS_MOST * BLOCK_TILES_MOST];

    multiply(w->kernels, w->q + row * w->q_stride + column, w->q_stride, rows, d, k, tokens, scores,
             (size_t)tokens);
    float scale = (float)(1.0 / sqrt((double)d));
    for (int r = 0; r < rows; r++) {
        float *s = scores + (size_t)r * (size_t)tokens;
        if (w->causal)
            for (int t = first + r + 1; t < tokens; t++) s[t] = -INFINITY;
        total[r] = w->kernels->softmax(s, tokens, scale);
    }
    multiply(w->kernels, scores, (size_t)tokens, rows, tokens, v, d, out, width);
    for (int r = 0; r < rows; r++)
        for (int x = 0; x < d; x++) out[(size_t)r * width + (size_t)x] *= total[r];
}

static void attention_task(void *ctx, int lane) {
    const attention_work *w = ctx;
    size_t all = (size_t)w->keys->n * (size_t)w->keys->heads * (size_t)w->blocks;
    float *scores = w->scores + (size_t)lane * (size_t)w->block_rows * (size_t)w->keys->tokens;
    for (size_t i = (size_t)lane; i < all; i += (size_t)w->lanes)
        attend(w, (int)(i / (size_t)w->blocks), (int)(i % (size_t)w->blocks), scores);
}

void limn_attention_run(limn_exec *e, const float *q, size_t q_stride, int tokens,
                        const limn_keys *keys, bool causal, float *out) {
    size_t mark = limn_arena_mark(e->ws);
    e->flop += 4.0 * keys->n * keys->heads * keys->d * keys->tokens * tokens;
    if (keys->int8) {
        limn_attention_run_int8(e, q, q_stride, tokens, keys, out);
        return;
    }
    attention_work w = {e->k, q, q_stride, tokens, keys, causal, out, NULL, 0, 0, 0};
    int tiles = BLOCK_SCORES / (keys->tokens * e->k->tile_rows);
    tiles = tiles < 1 ? 1 : limn_least(tiles, BLOCK_TILES_MOST);
    w.block_rows = tiles * e->k->tile_rows;
    w.blocks = limn_parts(tokens, w.block_rows);
    size_t all = (size_t)keys->n * (size_t)keys->heads * (size_t)w.blocks;
    w.lanes = all < LANES_MOST ? (int)all : LANES_MOST;
    w.scores =
        limn_arena_floats(e->ws, (size_t)w.lanes * (size_t)w.block_rows * (size_t)keys->tokens);
    limn_exec_loop(e, w.lanes, attention_task, &w);
    limn_arena_release(e->ws, mark);
}
