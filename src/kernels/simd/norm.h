/* plain/norm.h's layer norm, operation for operation, with its 16 lanes in vectors: gcc gathers
 * them number by number, and takes four times as long. */
#ifndef LIMN_KERNELS_SIMD_NORM_H
#define LIMN_KERNELS_SIMD_NORM_H

#include "kernels/plain/norm.h"
#include "kernels/simd/vec.h"

#define LANE_VECS (LIMN_LANES / VEC)

/* The sum of (x - mean)^2; with `squared` false, that of x. */
static inline __attribute__((always_inline)) float lanes_sum(const float *x, int n, bool squared,
                                                             float mean) {
    vec sum[LANE_VECS];
    float lane[LIMN_LANES];
    int i = 0;
    UNROLL
    for (int v = 0; v < LANE_VECS; v++) sum[v] = vec_zero();
    for (; i + LIMN_LANES <= n; i += LIMN_LANES) {
        UNROLL
        for (int v = 0; v < LANE_VECS; v++) {
            vec a = vec_load(x + i + v * VEC), b = vec_sub(a, vec_of(mean));
            sum[v] = squared ? vec_fma(b, b, sum[v]) : vec_add(sum[v], a);
        }
    }
    for (int v = 0; v < LANE_VECS; v++) vec_store(lane + v * VEC, sum[v]);
    for (int l = 0; i + l < n; l++) {
        float b = x[i + l] - mean;
        lane[l] = squared ? fmaf(b, b, lane[l]) : lane[l] + x[i + l];
    }
    return limn_fold(lane);
}

static void limn_simd_layer_norm(const float *x, int d, float eps, const float *gamma,
                                 const float *beta, float *out) {
    float mean = lanes_sum(x, d, false, 0) / (float)d;
    float rstd = 1.0f / sqrtf(lanes_sum(x, d, true, mean) / (float)d + eps);
    for (int i = 0; i < d; i++) out[i] = fmaf((x[i] - mean) * rstd, gamma[i], beta[i]);
}

#endif
