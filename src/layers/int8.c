/* The left operand of an int8 product: its pixels become int8 once, and are then read as often as
 * windows meet them. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "layers/product.h"

/* Numbers in one task. */
#define TASK_NUMBERS 16384
/* Below this, numbers count as zeros: the inverse of the scale must be finite. */
#define LEAST 0x1p-100f

float limn_i8_scale(float most, float *inverse) {
    bool zero = most < LEAST, finite = most <= FLT_MAX;
    *inverse = zero || !finite ? 0.0f : 127.0f / most;
    return !finite ? NAN : zero ? 0.0f : most / 127.0f;
}

float limn_int8_row(const limn_kernels *k, const float *x, size_t n, int8_t *out) {
    float inverse, scale = limn_i8_scale(k->most(x, n), &inverse);
    k->to_i8(x, n, inverse, 0, out);
    return scale;
}

/* Quantising, under way. */
typedef struct quantising {
    const limn_kernels *kernels;
    const limn_rows_i8 *to;
    int pixels, task_pixels;
    bool whole; /* a scale for each image, not for each pixel; then `scale` holds `most` at first */
} quantising;

/* What a task begins and ends with, in pixels. */
static void task_range(const quantising *q, int task, int *first, int *last) {
    *first = task * q->task_pixels;
    *last = limn_least(q->pixels, *first + q->task_pixels);
}

/* The largest number of each pixel. */
static void most_task(void *ctx, int task) {
    const quantising *q = ctx;
    const limn_rows *r = q->to->rows;
    int first, last;
    task_range(q, task, &first, &last);
    for (int p = first; p < last; p++)
        q->to->scale[p] = q->kernels->most(r->x + (size_t)p * r->pixel_stride, (size_t)r->c);
}

/* The numbers of each pixel; scale[p] is its largest, or its image's, and becomes the scale. */
static void quantise_task(void *ctx, int task) {
    const quantising *q = ctx;
    const limn_rows *r = q->to->rows;
    size_t c = (size_t)r->c, fours = (size_t)limn_fours_of(r->c);
    int first, last;
    if (!q->whole) most_task(ctx, task);
    task_range(q, task, &first, &last);
    for (int p = first; p < last; p++) {
        int8_t *to = q->to->v + (size_t)p * fours;
        float inverse;
        q->to->scale[p] = limn_i8_scale(q->to->scale[p], &inverse);
        q->kernels->to_i8(r->x + (size_t)p * r->pixel_stride, c, inverse, q->kernels->i8_flip, to);
        memset(to + c, q->kernels->i8_flip, fours - c);
    }
}

/* Each image's largest number instead of each pixel's. */
static void share_most(const quantising *q) {
    int images = q->to->rows->images, count = q->pixels / images;
    for (int i = 0; i < images; i++) {
        float *of_image = q->to->scale + (size_t)i * (size_t)count;
        float most = q->kernels->most(of_image, (size_t)count);
        for (int p = 0; p < count; p++) of_image[p] = most;
    }
}

limn_rows_i8 limn_rows_to_i8(limn_exec *e, const limn_rows *r) {
    limn_rows_i8 to = {.rows = r};
    size_t pixels = (size_t)r->images * (size_t)r->h * (size_t)r->w;
    size_t fours = (size_t)limn_fours_of(r->c);
    to.v = limn_arena_take(e->ws, pixels + 1, fours);
    to.scale = limn_arena_floats(e->ws, pixels);
    if (!limn_exec_goes_on(e)) return to;
    memset(to.v + pixels * fours, e->k->i8_flip, fours);
    quantising q = {.kernels = e->k,
                    .to = &to,
                    .pixels = (int)pixels,
                    .task_pixels = TASK_NUMBERS / r->c + 1,
                    .whole = r->kernel > 1};
    int tasks = limn_parts(q.pixels, q.task_pixels);
    limn_team *team = tasks > 1 ? e->team : NULL;
    if (q.whole) {
        limn_team_loop(team, tasks, most_task, &q);
        share_most(&q);
    }
    limn_team_loop(team, tasks, quantise_task, &q);
    return to;
}

void limn_rows_i8_at(const limn_rows_i8 *q, int image, int row, int rows, int step,
                     const int8_t **table, float *scale) {
    const limn_rows *r = q->rows;
    size_t fours = (size_t)limn_fours_of(r->c);
    ptrdiff_t zeros = (ptrdiff_t)r->images * r->h * r->w;
    for (int i = 0; i < rows; i++) {
        int y = (row + i) / r->out_w, x = (row + i) % r->out_w;
        scale[i] = q->scale[(ptrdiff_t)image * r->h * r->w]; /* where no tap is inside */
        for (int t = 0; t < r->kernel * r->kernel; t++) {
            ptrdiff_t pixel = limn_rows_pixel(r, image, y * r->stride + t / r->kernel - r->pad,
                                              x * r->stride + t % r->kernel - r->pad);
            table[t * step + i] = q->v + (size_t)(pixel < 0 ? zeros : pixel) * fours;
            if (pixel >= 0) scale[i] = q->scale[pixel];
        }
    }
}
