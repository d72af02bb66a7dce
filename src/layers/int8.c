/* The left operand of an int8 product: its pixels become int8 once, and are then read as often as
 * windows meet them.
 *
 * Some channels of a network's activations are tens of times as large as the others, always the
 * same ones. Since a pixel has one scale they would leave a few of 255 steps to the rest. So before
 * it becomes int8 a pixel's channels are rotated, 64 at a time, by Hadamard's matrix H, and each
 * output's weights, when they are loaded, by H / 64: x w = (x H) (H w) / 64. H is orthogonal, so
 * nothing is lost, but one large channel is now spread over 64 and stands out an eighth as far.
 * That needs no data to calibrate by, and suits every layer. Sources: Ashkboos et al. 2024, QuaRot;
 * Chee et al. 2023, QuIP. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "layers/product.h"
#include "weights/rotate.h"

/* Numbers in one task. */
#define TASK_NUMBERS 16384
/* Numbers of a pixel that are rotated at a time, on the stack: whole blocks. */
#define ROOM 4096
/* Below this, numbers count as zeros: the inverse of the scale must be finite. */
#define LEAST 0x1p-100f

float limn_i8_scale(float most, float *inverse) {
    bool zero = most < LEAST, finite = most <= FLT_MAX;
    *inverse = zero || !finite ? 0.0f : 127.0f / most;
    return !finite ? NAN : zero ? 0.0f : most / 127.0f;
}

float limn_int8_row(const limn_kernels *k, float *x, size_t c, size_t taps, int8_t *out) {
    int block = limn_rotate_block(c);
    limn_rotate_row(k, x, c, taps, block);
    float inverse, scale = limn_i8_scale(k->most(x, c * taps), &inverse);
    k->to_i8(x, c * taps, inverse, 0, out);
    return scale / (float)block;
}

/* Quantising, under way. */
typedef struct quantising {
    const limn_kernels *kernels;
    const limn_rows_i8 *to;
    int block; /* channels that are rotated together */
    int pixels, task_pixels;
    bool whole; /* a scale for each image, not for each pixel; then `scale` holds `most` at first */
} quantising;

/* What a task begins and ends with, in pixels. */
static void task_range(const quantising *q, int task, int *first, int *last) {
    *first = task * q->task_pixels;
    *last = limn_least(q->pixels, *first + q->task_pixels);
}

/* Numbers of pixel p from channel `at` on, rotated, to room[ROOM]; returns how many. */
static size_t rotate(const quantising *q, int p, size_t at, float *room) {
    const limn_rows *r = q->to->rows;
    size_t left = (size_t)r->c - at, n = left < ROOM ? left : ROOM;
    q->kernels->rotate(r->x + (size_t)p * r->pixel_stride + at, n, q->block, room);
    return n;
}

/* The largest number of pixel p; its last ones stay in `room`. */
static float most_of(const quantising *q, int p, float *room) {
    float both[2] = {0};
    for (size_t at = 0, n; at < (size_t)q->to->rows->c; at += n) {
        n = rotate(q, p, at, room);
        both[1] = q->kernels->most(room, n);
        both[0] = q->kernels->most(both, 2);
    }
    return both[0];
}

/* The largest number of each pixel. */
static void most_task(void *ctx, int task) {
    const quantising *q = ctx;
    int first, last;
    float room[ROOM];
    task_range(q, task, &first, &last);
    for (int p = first; p < last; p++) q->to->scale[p] = most_of(q, p, room);
}

/* The numbers of each pixel; its scale is by its own largest, or by its image's in scale[p]. */
static void quantise_task(void *ctx, int task) {
    const quantising *q = ctx;
    size_t c = (size_t)q->to->rows->c, fours = (size_t)limn_fours_of(q->to->rows->c);
    int first, last;
    float room[ROOM], inverse;
    task_range(q, task, &first, &last);
    for (int p = first; p < last; p++) {
        int8_t *to = q->to->v + (size_t)p * fours;
        bool rotated = !q->whole && c <= ROOM; /* by most_of */
        float most = q->whole ? q->to->scale[p] : most_of(q, p, room);
        q->to->scale[p] = limn_i8_scale(most, &inverse);
        for (size_t at = 0, n; at < c; at += n) {
            n = rotated ? c : rotate(q, p, at, room);
            q->kernels->to_i8(room, n, inverse, q->kernels->i8_flip, to + at);
        }
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
                    .block = limn_rotate_block((size_t)r->c),
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
