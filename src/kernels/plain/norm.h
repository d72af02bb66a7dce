/* Sums along rows and down columns: softmax, layer norm, the statistics of group norm.
 *
 * A sum along a row runs in 16 virtual lanes: lane l adds elements l, l + 16, l + 32, ... in rising
 * order; then the lanes are folded 8-4-2-1. A vector of 4, 8 or 16 does exactly that. */
#ifndef LIMN_KERNELS_PLAIN_NORM_H
#define LIMN_KERNELS_PLAIN_NORM_H

#include "kernels/plain/activate.h"

#define LIMN_LANES 16

static inline float limn_fold(float *lane) {
    for (int half = LIMN_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

static inline float limn_row_sum(const float *x, int n) {
    float lane[LIMN_LANES] = {0};
    int i = 0;
    for (; i + LIMN_LANES <= n; i += LIMN_LANES)
        for (int l = 0; l < LIMN_LANES; l++) lane[l] += x[i + l];
    for (int l = 0; i + l < n; l++) lane[l] += x[i + l];
    return limn_fold(lane);
}

/* The sum of (x - mean)^2. */
static inline float limn_row_spread(const float *x, int n, float mean) {
    float lane[LIMN_LANES] = {0};
    int i = 0;
    for (; i + LIMN_LANES <= n; i += LIMN_LANES)
        for (int l = 0; l < LIMN_LANES; l++) {
            float v = x[i + l] - mean;
            lane[l] = fmaf(v, v, lane[l]);
        }
    for (int l = 0; i + l < n; l++) {
        float v = x[i + l] - mean;
        lane[l] = fmaf(v, v, lane[l]);
    }
    return limn_fold(lane);
}

/* The largest of 16, by the same folding. */
static inline float limn_fold_most(float *lane) {
    for (int half = LIMN_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];
    return lane[0];
}

/* The largest value; the order cannot matter. A NaN is passed over here and shows in the sum. */
static inline float limn_row_max(const float *x, int n) {
    float lane[LIMN_LANES];
    for (int l = 0; l < LIMN_LANES; l++) lane[l] = -INFINITY;
    int i = 0;
    for (; i + LIMN_LANES <= n; i += LIMN_LANES)
        for (int l = 0; l < LIMN_LANES; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (; i < n; i++) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
    return limn_fold_most(lane);
}

static inline float limn_plain_softmax(float *x, int n, float scale) {
    for (int i = 0; i < n; i++) x[i] *= scale;
    float most = limn_row_max(x, n);
    for (int i = 0; i < n; i++) x[i] = limn_expf(x[i] - most);
    return 1.0f / limn_row_sum(x, n);
}

static inline void limn_plain_layer_norm(const float *x, int d, float eps, const float *gamma,
                                         const float *beta, float *out) {
    float mean = limn_row_sum(x, d) / (float)d;
    float rstd = 1.0f / sqrtf(limn_row_spread(x, d, mean) / (float)d + eps);
    for (int i = 0; i < d; i++) out[i] = fmaf((x[i] - mean) * rstd, gamma[i], beta[i]);
}

/* In double the square of a float is exact, so this is the same with and without fma. */
static void limn_plain_column_sums(const float *restrict x, size_t x_stride, int pixels, int c,
                                   double *restrict sum, double *restrict square) {
    int i = 0;
    for (; i + LIMN_LANES <= c; i += LIMN_LANES) {
        double s[LIMN_LANES] = {0}, q[LIMN_LANES] = {0};
        for (int p = 0; p < pixels; p++) {
            const float *row = x + (size_t)p * x_stride + i;
            for (int l = 0; l < LIMN_LANES; l++) {
                double v = row[l];
                s[l] += v;
                q[l] += v * v;
            }
        }
        memcpy(sum + i, s, sizeof s);
        memcpy(square + i, q, sizeof q);
    }
    for (; i < c; i++) {
        double s = 0, q = 0;
        for (int p = 0; p < pixels; p++) {
            double v = x[(size_t)p * x_stride + (size_t)i];
            s += v;
            q += v * v;
        }
        sum[i] = s;
        square[i] = q;
    }
}

static void limn_plain_scale_shift(const float *x, size_t x_stride, int pixels, int c,
                                   const float *scale, const float *shift, limn_activation act,
                                   float *out) {
    for (int p = 0; p < pixels; p++) {
        const float *in = x + (size_t)p * x_stride;
        float *to = out + (size_t)p * (size_t)c;
        for (int i = 0; i < c; i++) to[i] = fmaf(in[i], scale[i], shift[i]);
        limn_activate(to, c, act);
    }
}

#endif
