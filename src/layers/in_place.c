/* Layers whose results take the place of what they are made from: what a decoder's large maps are
 * run by. */
#include <string.h>

#include "layers/product.h"

/* Pixels of limn_pointwise_run at a time, and of one task that moves them. */
#define STAGED_PIXELS 4096
#define MOVED_PIXELS  256

/* ---- convolutions ---------------------------------------------------------------------------- */

void limn_norm_conv_run(limn_exec *e, const limn_norm *norm, limn_activation act,
                        const limn_conv *conv, const limn_map *x, size_t x_stride,
                        const limn_finish *finish, const limn_place *out) {
    size_t mark = limn_arena_mark(e->ws);
    limn_affine before = limn_group_norm_fold(e, norm, x, x_stride, NULL);
    before.act = act;
    limn_rows window = limn_conv_window(conv, x, x->h, x->w, x);
    window.pixel_stride = x_stride;
    if (limn_winograd_suits(conv, x)) {
        limn_winograd_run(e, conv, &window, &before, finish, out);
    } else {
        limn_map normed = limn_map_take(e, x->n, x->h, x->w, x->c);
        limn_map sum = limn_map_take(e, x->n, x->h, x->w, conv->matrix.n);
        limn_affine_run(e, &before, x, &normed);
        window.x = normed.v;
        limn_product_run(e, &conv->matrix, &window, finish, sum.v);
        if (!limn_exec_measuring(e)) memcpy(out->v, sum.v, limn_map_count(&sum) * sizeof *out->v);
    }
    limn_arena_release(e->ws, mark);
}

/* With x at the end of the result's memory, row Y of the result begins before row Y / 2 - 1 of x:
 * each row of x has twice been read when the results reach it. */
void limn_conv_enlarge(limn_exec *e, const limn_conv *conv, size_t mark, limn_map *x) {
    const limn_map small = *x;
    limn_map large = {.n = x->n, .h = 2 * x->h, .w = 2 * x->w, .c = conv->matrix.n};
    bool over = limn_winograd_suits(conv, &large) && large.c == small.c;
    size_t count = limn_map_count(&small), end = limn_map_count(&large);
    if (over) limn_arena_release(e->ws, mark);
    large.v = limn_arena_floats(e->ws, end);
    x->v = over && !limn_exec_measuring(e) ? large.v + (end - count) : small.v;
    if (x->v != small.v) memmove(x->v, small.v, count * sizeof *x->v);
    limn_conv_run(e, conv, x, large.h, large.w, NULL, &large);
    *x = large;
    limn_map_settle(e, mark, x);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Pixels on their way to their place. */
typedef struct moving {
    const float *from;
    float *to;
    size_t from_stride, to_stride, count, c; /* of pixels; and what each has */
} moving;

static void move_task(void *ctx, int i) {
    const moving *m = ctx;
    size_t first = (size_t)i * MOVED_PIXELS, end = first + MOVED_PIXELS;
    if (end > m->count) end = m->count;
    for (size_t p = first; p < end; p++)
        memcpy(m->to + p * m->to_stride, m->from + p * m->from_stride, m->c * sizeof *m->to);
}

/* All at once, on all threads: no pixel may lie in another's new place. */
static void move_all(limn_exec *e, moving *m) {
    if (!limn_exec_measuring(e))
        limn_team_loop(e->team, limn_parts((int)m->count, MOVED_PIXELS), move_task, m);
}

void limn_pointwise_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                        size_t pixels, float *out, size_t out_stride) {
    size_t mark = limn_arena_mark(e->ws), n = (size_t)w->n;
    size_t most = pixels < STAGED_PIXELS ? pixels : STAGED_PIXELS;
    float *staged = limn_arena_floats(e->ws, most * n);
    moving m = {.from = staged, .from_stride = n, .to = out, .to_stride = out_stride, .c = n};
    for (; pixels > 0; pixels -= m.count, x += m.count * x_stride, m.to += m.count * out_stride) {
        m.count = pixels < most ? pixels : most;
        limn_linear_run(e, w, x, x_stride, m.count, NULL, staged);
        move_all(e, &m);
    }
    limn_arena_release(e->ws, mark);
}

/* Pixels from the k-th to before the (2 k)-th find their new place clear of each other. */
void limn_map_close_up(limn_exec *e, const limn_map *x, size_t x_stride) {
    size_t pixels = (size_t)x->n * limn_map_pixels(x), c = (size_t)x->c;
    moving m = {.from_stride = x_stride, .to_stride = c, .c = c};
    for (size_t first = 1; first < pixels; first += m.count) {
        m.count = first < pixels - first ? first : pixels - first;
        m.from = x->v + first * x_stride;
        m.to = x->v + first * c;
        move_all(e, &m);
    }
}
