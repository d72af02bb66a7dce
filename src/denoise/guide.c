#include "denoise/guide.h"

#include <math.h>

/* The standard deviation of all values: two passes in double, in their order. */
static double deviation(const float *x, size_t count) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += x[i];
    double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (double)count);
}

/* Several prompts become one in their first's place, which takes part last, so that nothing is
 * overwritten before it is read. */
static void compose(const float *u, float *c, int prompts, const float *weights, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (int k = prompts - 1; k >= 0; k--)
            sum += weights[k] * (c[(size_t)k * count + i] - u[i]);
        c[i] = u[i] + sum;
    }
}

/* Brings the guided prediction x to the deviation that the prompt's own, c, has: wholly with share
 * 1, and else so much of the way. Too much guidance makes pictures too bright; this takes it back.
 */
static void rescale(float *x, const float *c, size_t count, double share) {
    double wide = deviation(x, count);
    if (!(wide > 0)) return;
    float factor = (float)(deviation(c, count) / wide), part = (float)share;
    for (size_t i = 0; i < count; i++) x[i] = part * (x[i] * factor) + (1 - part) * x[i];
}

void limn_guide(limn_map *out, const limn_guidance *g) {
    size_t count = limn_map_count(out) / (size_t)out->n;
    float scale = (float)g->scale, *u = out->v, *c = out->v + count;
    if (out->n < 2) return;
    if (g->weights) compose(u, c, out->n - 1, g->weights, count);
    for (size_t i = 0; i < count; i++) u[i] = u[i] + scale * (c[i] - u[i]);
    if (g->rescale > 0) rescale(u, c, count, g->rescale);
}
