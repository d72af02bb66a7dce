/* What (emphasis) does to a conditioning: rows times their weights, the mean kept. */
#include <math.h>

#include "text/text.h"

static double mean(const float *cond, int positions, int d, size_t stride) {
    double sum = 0;
    for (int i = 0; i < positions; i++)
        for (int k = 0; k < d; k++) sum += cond[(size_t)i * stride + (size_t)k];
    return sum / ((double)positions * d);
}

static void scale(float *row, int d, float factor) {
    for (int k = 0; k < d; k++) row[k] *= factor;
}

void limn_text_emphasize(float *cond, int positions, int d, size_t stride, const float *weights) {
    bool any = false;
    for (int i = 0; i < positions; i++) any |= weights[i] != 1;
    if (!any) return;
    double before = mean(cond, positions, d, stride);
    for (int i = 0; i < positions; i++) scale(cond + (size_t)i * stride, d, weights[i]);
    float factor = (float)(before / mean(cond, positions, d, stride));
    /* a mean of 0 cannot be restored */
    for (int i = 0; i < positions && isfinite(factor); i++)
        scale(cond + (size_t)i * stride, d, factor);
}
