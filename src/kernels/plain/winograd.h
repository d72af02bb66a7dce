/* The transforms of Winograd's convolution F(4x4, 3x3): four by four outputs from six by six inputs
 * with 36 multiplications for each pair of channels instead of 144.
 *
 *   output = A^T [ (G g G^T) (elementwise) (B^T d B) ] A
 *
 * from the points 0, a, -a, b, -b and infinity:
 *
 *         | aabb   0  -aa-bb   0     1  0 |        | 1      0      0     |
 *         | 0    -abb  -bb     a     1  0 |  G =   | 1      a      aa    | each row over
 *   B^T = | 0     abb  -bb    -a     1  0 |        | 1     -a      aa    | aabb, N, N, M, M, 1,
 *         | 0    -aab  -aa     b     1  0 |        | 1      b      bb    | N = 2 aa (aa - bb),
 *         | 0     aab  -aa    -b     1  0 |        | 1     -b      bb    | M = 2 bb (bb - aa)
 *         | 0    aabb   0  -aa-bb    0  1 |        | 0      0      1     |
 *
 *   A^T: row i holds the i-th powers of the points, and at infinity 0, 0, 0, 1
 *
 * With the usual points 1 and 2 the error is four times that of the direct convolution; with a =
 * 3/4 and b = 3/2, whose powers stay near 1, it is less than twice. All products of a and b are
 * exact.
 *
 * Each function works on `n` channels side by side; a one-dimensional transform goes down the six
 * rows, then along the columns, in the order of operations that is written here, which is part of
 * the contract. Sources: Lavin and Gray 2016, section 4.2; Barabasz et al. 2020 on the points. */
#ifndef LIMN_KERNELS_PLAIN_WINOGRAD_H
#define LIMN_KERNELS_PLAIN_WINOGRAD_H

#include "kernels/plain/math.h"

/* Channels that are transformed at a time, side by side in registers. */
#define LIMN_SIDE 16

#define LIMN_WINO_A  0.75f
#define LIMN_WINO_B  1.5f
#define LIMN_WINO_A2 0.5625f   /* aa */
#define LIMN_WINO_B2 2.25f     /* bb */
#define LIMN_WINO_A3 0.421875f /* aaa */
#define LIMN_WINO_B3 3.375f    /* bbb */
#define LIMN_WINO_P  1.265625f /* aabb */
#define LIMN_WINO_S  2.8125f   /* aa + bb */
#define LIMN_WINO_N  -1.8984375f
#define LIMN_WINO_M  7.59375f

/* B^T d: six in, six out, `step` rows of LIMN_SIDE apart. */
static inline void limn_winograd_b(const float *d, float *out, int step) {
    int s = step * LIMN_SIDE;
    for (int l = 0; l < LIMN_SIDE; l++) {
        float d0 = d[l], d1 = d[s + l], d2 = d[2 * s + l];
        float d3 = d[3 * s + l], d4 = d[4 * s + l], d5 = d[5 * s + l];
        float even_b = fmaf(-LIMN_WINO_B2, d2, d4), odd_b = fmaf(-LIMN_WINO_B2, d1, d3);
        float even_a = fmaf(-LIMN_WINO_A2, d2, d4), odd_a = fmaf(-LIMN_WINO_A2, d1, d3);
        out[l] = fmaf(LIMN_WINO_P, d0, fmaf(-LIMN_WINO_S, d2, d4));
        out[s + l] = fmaf(LIMN_WINO_A, odd_b, even_b);
        out[2 * s + l] = fmaf(-LIMN_WINO_A, odd_b, even_b);
        out[3 * s + l] = fmaf(LIMN_WINO_B, odd_a, even_a);
        out[4 * s + l] = fmaf(-LIMN_WINO_B, odd_a, even_a);
        out[5 * s + l] = fmaf(LIMN_WINO_P, d1, fmaf(-LIMN_WINO_S, d3, d5));
    }
}

/* G g: three in, `step_in` rows apart, six out, `step` rows apart. */
static inline void limn_winograd_g(const float *g, int step_in, float *out, int step) {
    int from = step_in * LIMN_SIDE, to = step * LIMN_SIDE;
    for (int l = 0; l < LIMN_SIDE; l++) {
        float g0 = g[l], g1 = g[from + l], g2 = g[2 * from + l];
        float even_a = fmaf(LIMN_WINO_A2, g2, g0), even_b = fmaf(LIMN_WINO_B2, g2, g0);
        out[l] = g0 * (1.0f / LIMN_WINO_P);
        out[to + l] = fmaf(LIMN_WINO_A, g1, even_a) * (1.0f / LIMN_WINO_N);
        out[2 * to + l] = fmaf(-LIMN_WINO_A, g1, even_a) * (1.0f / LIMN_WINO_N);
        out[3 * to + l] = fmaf(LIMN_WINO_B, g1, even_b) * (1.0f / LIMN_WINO_M);
        out[4 * to + l] = fmaf(-LIMN_WINO_B, g1, even_b) * (1.0f / LIMN_WINO_M);
        out[5 * to + l] = g2;
    }
}

/* A^T m: six in, `step_in` rows apart, four out, `step` rows apart. */
static inline void limn_winograd_a(const float *m, int step_in, float *out, int step) {
    int from = step_in * LIMN_SIDE, to = step * LIMN_SIDE;
    for (int l = 0; l < LIMN_SIDE; l++) {
        float m1 = m[from + l], m2 = m[2 * from + l], m3 = m[3 * from + l], m4 = m[4 * from + l];
        float s1 = m1 + m2, d1 = m1 - m2, s2 = m3 + m4, d2 = m3 - m4;
        out[l] = m[l] + s1 + s2;
        out[to + l] = fmaf(LIMN_WINO_B, d2, LIMN_WINO_A * d1);
        out[2 * to + l] = fmaf(LIMN_WINO_B2, s2, LIMN_WINO_A2 * s1);
        out[3 * to + l] = fmaf(LIMN_WINO_B3, d2, LIMN_WINO_A3 * d1) + m[5 * from + l];
    }
}

static inline void limn_side_load(const float *from, int n, float *to) {
    if (n >= LIMN_SIDE)
        for (int l = 0; l < LIMN_SIDE; l++) to[l] = from[l];
    else
        for (int l = 0; l < LIMN_SIDE; l++) to[l] = l < n ? from[l] : 0.0f;
}

static inline void limn_side_store(const float *from, int n, float *to) {
    if (n >= LIMN_SIDE)
        for (int l = 0; l < LIMN_SIDE; l++) to[l] = from[l];
    else
        for (int l = 0; l < n; l++) to[l] = from[l];
}

static inline void limn_plain_winograd_input(const float *const *pixel, int c, float *out,
                                             size_t stride) {
    float d[36 * LIMN_SIDE], half[36 * LIMN_SIDE];
    for (int i = 0; i < c; i += LIMN_SIDE) {
        for (int p = 0; p < 36; p++) limn_side_load(pixel[p] + i, c - i, d + p * LIMN_SIDE);
        for (int x = 0; x < 6; x++) limn_winograd_b(d + x * LIMN_SIDE, half + x * LIMN_SIDE, 6);
        for (int y = 0; y < 6; y++)
            limn_winograd_b(half + y * 6 * LIMN_SIDE, d + y * 6 * LIMN_SIDE, 1);
        for (int p = 0; p < 36; p++)
            limn_side_store(d + p * LIMN_SIDE, c - i, out + (size_t)p * stride + i);
    }
}

static inline void limn_plain_winograd_weights(const float *g, size_t tap_stride, int n, float *out,
                                               size_t stride) {
    float taps[9 * LIMN_SIDE], half[18 * LIMN_SIDE], u[36 * LIMN_SIDE];
    for (int i = 0; i < n; i += LIMN_SIDE) {
        for (int t = 0; t < 9; t++)
            limn_side_load(g + (size_t)t * tap_stride + i, n - i, taps + t * LIMN_SIDE);
        for (int x = 0; x < 3; x++)
            limn_winograd_g(taps + x * LIMN_SIDE, 3, half + x * LIMN_SIDE, 3);
        for (int y = 0; y < 6; y++)
            limn_winograd_g(half + y * 3 * LIMN_SIDE, 1, u + y * 6 * LIMN_SIDE, 1);
        for (int p = 0; p < 36; p++)
            limn_side_store(u + p * LIMN_SIDE, n - i, out + (size_t)p * stride + i);
    }
}

static inline void limn_plain_winograd_output(const float *m, size_t stride, int n, float *out) {
    float all[36 * LIMN_SIDE], half[24 * LIMN_SIDE], o[16 * LIMN_SIDE];
    for (int i = 0; i < n; i += LIMN_SIDE) {
        for (int p = 0; p < 36; p++)
            limn_side_load(m + (size_t)p * stride + i, n - i, all + p * LIMN_SIDE);
        for (int x = 0; x < 6; x++)
            limn_winograd_a(all + x * LIMN_SIDE, 6, half + x * LIMN_SIDE, 6);
        for (int y = 0; y < 4; y++)
            limn_winograd_a(half + y * 6 * LIMN_SIDE, 1, o + y * 4 * LIMN_SIDE, 1);
        for (int p = 0; p < 16; p++)
            limn_side_store(o + p * LIMN_SIDE, n - i, out + (size_t)p * (size_t)n + i);
    }
}

#endif
