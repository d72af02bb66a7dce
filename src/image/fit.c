#include "image/fit.h"

#include <math.h>
#include <string.h>

#include "base/math.h"

#define LOBES 3
#define BITS  22 /* of a weight */
#define PI    3.14159265358979323846

/* One direction: each output is a sum over `count` inputs from `first` on. */
typedef struct axis {
    int outputs, room; /* room: weights kept for each output */
    int *first, *count;
    int32_t *weight; /* [outputs, room], 2^22 = 1 */
} axis;

static double sinc(double x) {
    return x == 0 ? 1 : limn_sin(PI * x) / (PI * x);
}

static double lanczos(double x) {
    return x >= -LOBES && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

/* The weights of output i, whose centre lies at `centre` among `inputs` inputs. widen: inputs that
 * one output stands for, at least 1. */
static void weigh(axis *a, int i, int inputs, double centre, double widen) {
    double reach = LOBES * widen, sum = 0;
    int first = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
    if (centre - reach + 0.5 < 0) first = 0;
    if (end > inputs) end = inputs;
    int32_t *weight = a->weight + (size_t)i * (size_t)a->room;
    for (int k = first; k < end; k++) sum += lanczos((k - centre + 0.5) / widen);
    for (int k = first; k < end; k++) {
        double share = lanczos((k - centre + 0.5) / widen) / sum * (1 << BITS);
        weight[k - first] = (int32_t)(share < 0 ? share - 0.5 : share + 0.5);
    }
    a->first[i] = first;
    a->count[i] = end - first;
}

/* Plans `outputs` outputs over the part [from, from + length) of `inputs` inputs. */
static axis plan_axis(limn_arena *ws, int inputs, double from, double length, int outputs) {
    double scale = length / outputs, widen = scale > 1 ? scale : 1;
    axis a = {.outputs = outputs, .room = (int)ceil(LOBES * widen) * 2 + 1};
    a.first = limn_arena_take(ws, (size_t)outputs, sizeof *a.first);
    a.count = limn_arena_take(ws, (size_t)outputs, sizeof *a.count);
    a.weight = limn_arena_take(ws, (size_t)outputs * (size_t)a.room, sizeof *a.weight);
    for (int i = 0; i < outputs && !limn_arena_measuring(ws); i++)
        weigh(&a, i, inputs, from + (i + 0.5) * scale, widen);
    return a;
}

/* The i-th output from the inputs at `in`, `stride` bytes apart. */
static uint8_t sum_up(const axis *a, int i, const uint8_t *in, size_t stride) {
    const int32_t *weight = a->weight + (size_t)i * (size_t)a->room;
    int64_t sum = 1 << (BITS - 1);
    in += (size_t)a->first[i] * stride;
    for (int k = 0; k < a->count[i]; k++) sum += (int64_t)weight[k] * in[(size_t)k * stride];
    if (sum < 0) return 0;
    sum >>= BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

void limn_image_fit(limn_arena *ws, const limn_picture *p, int width, int height, uint8_t *out) {
    size_t mark = limn_arena_mark(ws), wide = (size_t)width * 3;
    if (p->width == width && p->height == height) {
        if (!limn_arena_measuring(ws)) memcpy(out, p->rgb, wide * (size_t)height);
        return;
    }
    double ratio = (double)width / height, own = (double)p->width / p->height;
    double w = own > ratio ? ratio * p->height : p->width;
    double h = own < ratio ? p->width / ratio : p->height;
    axis columns = plan_axis(ws, p->width, (p->width - w) * 0.5, w, width);
    axis rows = plan_axis(ws, p->height, (p->height - h) * 0.5, h, height);
    uint8_t *between = limn_arena_take(ws, (size_t)p->height * wide, 1);
    if (!limn_arena_measuring(ws)) {
        for (int y = 0; y < p->height; y++)
            for (size_t x = 0; x < wide; x++)
                between[(size_t)y * wide + x] = sum_up(
                    &columns, (int)(x / 3), p->rgb + (size_t)y * (size_t)p->width * 3 + x % 3, 3);
        for (int y = 0; y < height; y++)
            for (size_t x = 0; x < wide; x++)
                out[(size_t)y * wide + x] = sum_up(&rows, y, between + x, wide);
    }
    limn_arena_release(ws, mark);
}
