/* Norms: rows and columns of activations. */
#include <math.h>
#include <string.h>

#include "layers/product.h"

/* Pixels whose sums are taken in one go. Part of the contract: sums of such chunks are added in
 * rising order. */
#define CHUNK_PIXELS 256
/* Rows in a task of layer norm. */
#define CHUNK_ROWS 32
/* Numbers below which threads cost more than they bring. */
#define SERIAL_NUMBERS 16384

limn_map limn_map_take(limn_exec *e, int n, int h, int w, int c) {
    limn_map m = {NULL, n, h, w, c};
    m.v = limn_arena_floats(e->ws, limn_map_count(&m));
    return m;
}

void limn_map_settle(limn_exec *e, size_t mark, limn_map *m) {
    limn_arena_release(e->ws, mark);
    float *to = limn_arena_floats(e->ws, limn_map_count(m));
    if (!limn_exec_measuring(e)) memmove(to, m->v, limn_map_count(m) * sizeof *to);
    m->v = to;
}

static limn_team *team_for(const limn_exec *e, size_t numbers) {
    return numbers < SERIAL_NUMBERS ? NULL : e->team;
}

/* ---- group norm ------------------------------------------------------------------------------ */

typedef struct group_work {
    const limn_kernels *k;
    const limn_norm *norm;
    const limn_map *x;
    size_t x_stride; /* floats between x's pixels */
    limn_map *out;
    const float *modulation; /* [n, 2c] or NULL */
    limn_activation act;
    int chunks;           /* in one image */
    double *sum, *square; /* [n, chunks, c] */
    float *scale, *shift; /* [n, c] */
} group_work;

/* How many pixels the i-th chunk has, and the first of them. */
static int chunk_of(const group_work *g, int i, size_t *first) {
    int pixels = (int)limn_map_pixels(g->x), begin = i % g->chunks * CHUNK_PIXELS;
    *first = (size_t)(i / g->chunks) * (size_t)pixels + (size_t)begin;
    return pixels - begin < CHUNK_PIXELS ? pixels - begin : CHUNK_PIXELS;
}

static void sums_task(void *ctx, int i) {
    const group_work *g = ctx;
    size_t first, at = (size_t)i * (size_t)g->x->c;
    int pixels = chunk_of(g, i, &first);
    g->k->column_sums(g->x->v + first * g->x_stride, g->x_stride, pixels, g->x->c, g->sum + at,
                      g->square + at);
}

static void apply_task(void *ctx, int i) {
    const group_work *g = ctx;
    size_t first, c = (size_t)g->x->c, image = (size_t)(i / g->chunks) * c;
    int pixels = chunk_of(g, i, &first);
    g->k->scale_shift(g->x->v + first * c, c, pixels, g->x->c, g->scale + image, g->shift + image,
                      g->act, g->out->v + first * c);
}

/* From sums to one scale and shift for each channel: (x - mean) rstd gamma + beta. */
static void fold_group(const group_work *g, int image, int group) {
    int c = g->norm->c, width = c / g->norm->groups, first = group * width;
    double sum = 0, square = 0;
    for (int chunk = 0; chunk < g->chunks; chunk++) {
        size_t row = ((size_t)image * (size_t)g->chunks + (size_t)chunk) * (size_t)c;
        for (int i = first; i < first + width; i++) {
            sum += g->sum[row + (size_t)i];
            square += g->square[row + (size_t)i];
        }
    }
    double count = (double)limn_map_pixels(g->x) * width;
    double mean = sum / count, variance = square / count - mean * mean;
    double rstd = 1.0 / sqrt((variance > 0 ? variance : 0) + (double)g->norm->eps);
    for (int i = first; i < first + width; i++) {
        const float *m = g->modulation ? g->modulation + (size_t)image * 2 * (size_t)c : NULL;
        double scale = rstd * (double)g->norm->gamma[i];
        double shift = (double)g->norm->beta[i] - mean * scale;
        double more = m ? 1.0 + (double)m[i] : 1.0;
        size_t at = (size_t)image * (size_t)c + (size_t)i;
        g->scale[at] = (float)(scale * more);
        g->shift[at] = (float)(shift * more + (m ? (double)m[c + i] : 0.0));
    }
}

static int chunks_of(const limn_map *x) {
    return (int)((limn_map_pixels(x) + CHUNK_PIXELS - 1) / CHUNK_PIXELS);
}

limn_affine limn_group_norm_fold(limn_exec *e, const limn_norm *norm, const limn_map *x,
                                 size_t x_stride, const float *modulation) {
    size_t images = (size_t)x->n, c = (size_t)x->c;
    group_work g = {.k = e->k, .norm = norm, .x = x, .x_stride = x_stride};
    g.modulation = modulation;
    g.chunks = chunks_of(x);
    g.scale = limn_arena_floats(e->ws, images * c);
    g.shift = limn_arena_floats(e->ws, images * c);
    size_t mark = limn_arena_mark(e->ws);
    g.sum = limn_arena_take(e->ws, images * (size_t)g.chunks * c, sizeof *g.sum);
    g.square = limn_arena_take(e->ws, images * (size_t)g.chunks * c, sizeof *g.square);
    if (limn_exec_goes_on(e)) {
        limn_team_loop(team_for(e, limn_map_count(x)), x->n * g.chunks, sums_task, &g);
        for (int i = 0; i < x->n; i++)
            for (int group = 0; group < norm->groups; group++) fold_group(&g, i, group);
    }
    limn_arena_release(e->ws, mark);
    return (limn_affine){.scale = g.scale, .shift = g.shift};
}

void limn_affine_run(limn_exec *e, const limn_affine *a, const limn_map *x, limn_map *out) {
    group_work g = {.k = e->k, .x = x, .out = out, .act = a->act, .chunks = chunks_of(x)};
    g.scale = a->scale;
    g.shift = a->shift;
    if (limn_exec_goes_on(e))
        limn_team_loop(team_for(e, limn_map_count(x)), x->n * g.chunks, apply_task, &g);
}

void limn_group_norm_run(limn_exec *e, const limn_norm *norm, const limn_map *x,
                         const float *modulation, limn_activation act, limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    limn_affine a = limn_group_norm_fold(e, norm, x, (size_t)x->c, modulation);
    a.act = act;
    limn_affine_run(e, &a, x, out);
    limn_arena_release(e->ws, mark);
}

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct row_work {
    const limn_kernels *k;
    const limn_norm *norm;
    const float *x;
    float *out;
    size_t rows;
} row_work;

static void rows_task(void *ctx, int i) {
    const row_work *w = ctx;
    const limn_norm *n = w->norm;
    size_t begin = (size_t)i * CHUNK_ROWS, end = begin + CHUNK_ROWS, d = (size_t)n->c;
    if (end > w->rows) end = w->rows;
    for (size_t r = begin; r < end; r++)
        w->k->layer_norm(w->x + r * d, n->c, n->eps, n->gamma, n->beta, w->out + r * d);
}

void limn_layer_norm_run(limn_exec *e, const limn_norm *norm, const float *x, size_t rows,
                         float *out) {
    row_work w = {e->k, norm, x, out, rows};
    int tasks = (int)((rows + CHUNK_ROWS - 1) / CHUNK_ROWS);
    if (limn_exec_goes_on(e))
        limn_team_loop(team_for(e, rows * (size_t)norm->c), tasks, rows_task, &w);
}
