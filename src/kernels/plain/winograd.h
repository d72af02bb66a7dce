/* The transforms of Winograd's convolution F(4x4, 3x3): four by four outputs from six by six inputs
 * with 36 multiplications for each pair of channels instead of 144.
 *
 *   output = A^T [ (G g G^T) (elementwise) (B^T d B) ] A
 *
 *         | 4  0 -5  0  1  0 |       |  6   0   0 |
 *         | 0 -4 -4  1  1  0 |       | -4  -4  -4 |        | 1  1  1  1  1  0 |
 *   B^T = | 0  4 -4 -1  1  0 |  24 G=| -4   4  -4 |  A^T = | 0  1 -1  2 -2  0 |
 *         | 0 -2 -1  2  1  0 |       |  1   2   4 |        | 0  1  1  4  4  0 |
 *         | 0  2 -1 -2  1  0 |       |  1  -2   4 |        | 0  1 -1  8 -8  1 |
 *         | 0  4  0 -5  0  1 |       |  0   0  24 |
 *
 * Each works on `n` channels side by side; a one-dimensional transform goes down the six rows, then
 * along the columns, in the order of operations that is written here, which is part of the
 * contract. Source: Lavin and Gray 2016, section 4.2. */
#ifndef LIMN_KERNELS_PLAIN_WINOGRAD_H
#define LIMN_KERNELS_PLAIN_WINOGRAD_H

#include "kernels/plain/math.h"

/* Channels that are transformed at a time, side by side in registers. */
#define LIMN_SIDE 16

/* B^T d: six in, six out, `step` rows of LIMN_SIDE apart. */
static inline void limn_winograd_b(const float *d, float *out, int step) {
    for (int l = 0; l < LIMN_SIDE; l++) {
        float d0 = d[l], d1 = d[step * LIMN_SIDE + l], d2 = d[2 * step * LIMN_SIDE + l];
        float d3 = d[3 * step * LIMN_SIDE + l], d4 = d[4 * step * LIMN_SIDE + l];
        float d5 = d[5 * step * LIMN_SIDE + l];
        float even = fmaf(-4.0f, d2, d4), odd = fmaf(-4.0f, d1, d3);
        float outer = d4 - d2, inner = 2.0f * (d3 - d1);
        out[l] = fmaf(4.0f, d0, fmaf(-5.0f, d2, d4));
        out[step * LIMN_SIDE + l] = even + odd;
        out[2 * step * LIMN_SIDE + l] = even - odd;
        out[3 * step * LIMN_SIDE + l] = outer + inner;
        out[4 * step * LIMN_SIDE + l] = outer - inner;
        out[5 * step * LIMN_SIDE + l] = fmaf(4.0f, d1, fmaf(-5.0f, d3, d5));
    }
}

/* G g: three in, six out. */
static inline void limn_winograd_g(const float *g, int step_in, float *out, int step) {
    for (int l = 0; l < LIMN_SIDE; l++) {
        float g0 = g[l], g1 = g[step_in * LIMN_SIDE + l], g2 = g[2 * step_in * LIMN_SIDE + l];
        float ends = g0 + g2, far = fmaf(4.0f, g2, g0), twice = 2.0f * g1;
        out[l] = 0.25f * g0;
        out[step * LIMN_SIDE + l] = (ends + g1) * (-1.0f / 6.0f);
        out[2 * step * LIMN_SIDE + l] = (ends - g1) * (-1.0f / 6.0f);
        out[3 * step * LIMN_SIDE + l] = (far + twice) * (1.0f / 24.0f);
        out[4 * step * LIMN_SIDE + l] = (far - twice) * (1.0f / 24.0f);
        out[5 * step * LIMN_SIDE + l] = g2;
    }
}

/* A^T m: six in, four out. */
static inline void limn_winograd_a(const float *m, int step_in, float *out, int step) {
    for (int l = 0; l < LIMN_SIDE; l++) {
        float m0 = m[l], m5 = m[5 * step_in * LIMN_SIDE + l];
        float m1 = m[step_in * LIMN_SIDE + l], m2 = m[2 * step_in * LIMN_SIDE + l];
        float m3 = m[3 * step_in * LIMN_SIDE + l], m4 = m[4 * step_in * LIMN_SIDE + l];
        float s1 = m1 + m2, d1 = m1 - m2, s2 = m3 + m4, d2 = m3 - m4;
        out[l] = m0 + s1 + s2;
        out[step * LIMN_SIDE + l] = fmaf(2.0f, d2, d1);
        out[2 * step * LIMN_SIDE + l] = fmaf(4.0f, s2, s1);
        out[3 * step * LIMN_SIDE + l] = fmaf(8.0f, d2, d1) + m5;
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
