/* plain/norm.h's softmax, operation for operation, on vectors: the largest score in one pass, the
 * exponentials and their sum in a second. */
#ifndef LIMN_KERNELS_SIMD_SOFTMAX_H
#define LIMN_KERNELS_SIMD_SOFTMAX_H

#include "kernels/simd/norm.h"

/* limn_expf (plain/math.h). vec_at_most and vec_at_least pass a NaN on, as its conditions do. */
static inline vec vec_exp(vec x) {
    vec y = vec_at_least(vec_at_most(x, vec_of(88.37f)), vec_of(-87.33f));
    vec round = vec_of(12582912.0f), t = vec_fma(y, vec_of(1.44269504f), round);
    vec n = vec_sub(t, round), r = vec_fma(n, vec_of(-0.693359375f), y);
    r = vec_fma(n, vec_of(2.12194440e-4f), r);
    vec p = vec_fma(vec_of(1.9875691500e-4f), r, vec_of(1.3981999507e-3f));
    p = vec_fma(p, r, vec_of(8.3334519073e-3f));
    p = vec_fma(p, r, vec_of(4.1665795894e-2f));
    p = vec_fma(p, r, vec_of(1.6666665459e-1f));
    p = vec_fma(p, r, vec_of(5.0000001201e-1f));
    p = vec_add(vec_fma(p, vec_mul(r, r), r), vec_of(1.0f));
    return vec_zero_below(vec_mul(p, vec_power_of_two(t)), x, vec_of(-87.33f));
}

static float limn_simd_softmax(float *x, int n, float scale) {
    int whole = n - n % LIMN_LANES;
    vec most[LANE_VECS];
    for (int v = 0; v < LANE_VECS; v++) most[v] = vec_of(-INFINITY);
    for (int i = 0; i < whole; i += LIMN_LANES) {
        UNROLL
        for (int v = 0; v < LANE_VECS; v++) {
            vec s = vec_mul(vec_load(x + i + v * VEC), vec_of(scale));
            vec_store(x + i + v * VEC, s);
            most[v] = vec_at_least(most[v], s);
        }
    }
    float lane[LIMN_LANES];
    for (int v = 0; v < LANE_VECS; v++) vec_store(lane + v * VEC, most[v]);
    float top = limn_fold_most(lane);
    for (int i = whole; i < n; i++) {
        x[i] *= scale;
        top = x[i] > top ? x[i] : top;
    }

    vec sum[LANE_VECS];
    for (int v = 0; v < LANE_VECS; v++) sum[v] = vec_zero();
    for (int i = 0; i < whole; i += LIMN_LANES) {
        UNROLL
        for (int v = 0; v < LANE_VECS; v++) {
            vec e = vec_exp(vec_sub(vec_load(x + i + v * VEC), vec_of(top)));
            vec_store(x + i + v * VEC, e);
            sum[v] = vec_add(sum[v], e);
        }
    }
    for (int v = 0; v < LANE_VECS; v++) vec_store(lane + v * VEC, sum[v]);
    for (int i = whole; i < n; i++) {
        x[i] = limn_expf(x[i] - top);
        lane[i - whole] += x[i];
    }
    return 1.0f / limn_fold(lane);
}

#endif
