/* plain/winograd.h's transforms, operation for operation, on vectors in registers: compilers do not
 * find their way through six strided rows in and six out. */
#ifndef LIMN_KERNELS_SIMD_WINOGRAD_H
#define LIMN_KERNELS_SIMD_WINOGRAD_H

#include "kernels/plain/winograd.h"
#include "kernels/simd/vec.h"

/* x y + z with y a constant. */
static inline vec vec_plus(vec x, float y, vec z) {
    return vec_fma(x, vec_of(y), z);
}

/* B^T d: from d[0], d[step], ... to out[0], out[step], ... */
static inline void vec_winograd_b(const vec *d, vec *out, int step) {
    vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    vec even_b = vec_plus(d2, -LIMN_WINO_B2, d4), odd_b = vec_plus(d1, -LIMN_WINO_B2, d3);
    vec even_a = vec_plus(d2, -LIMN_WINO_A2, d4), odd_a = vec_plus(d1, -LIMN_WINO_A2, d3);
    vec d5 = d[5 * step];
    out[0] = vec_plus(d0, LIMN_WINO_P, vec_plus(d2, -LIMN_WINO_S, d4));
    out[step] = vec_plus(odd_b, LIMN_WINO_A, even_b);
    out[2 * step] = vec_plus(odd_b, -LIMN_WINO_A, even_b);
    out[3 * step] = vec_plus(odd_a, LIMN_WINO_B, even_a);
    out[4 * step] = vec_plus(odd_a, -LIMN_WINO_B, even_a);
    out[5 * step] = vec_plus(d1, LIMN_WINO_P, vec_plus(d3, -LIMN_WINO_S, d5));
}

/* G g: three, `from` apart, to six, `to` apart. */
static inline void vec_winograd_g(const vec *g, int from, vec *out, int to) {
    vec g0 = g[0], g1 = g[from], g2 = g[2 * from];
    vec even_a = vec_plus(g2, LIMN_WINO_A2, g0), even_b = vec_plus(g2, LIMN_WINO_B2, g0);
    vec n = vec_of(1.0f / LIMN_WINO_N), m = vec_of(1.0f / LIMN_WINO_M);
    out[0] = vec_mul(g0, vec_of(1.0f / LIMN_WINO_P));
    out[to] = vec_mul(vec_plus(g1, LIMN_WINO_A, even_a), n);
    out[2 * to] = vec_mul(vec_plus(g1, -LIMN_WINO_A, even_a), n);
    out[3 * to] = vec_mul(vec_plus(g1, LIMN_WINO_B, even_b), m);
    out[4 * to] = vec_mul(vec_plus(g1, -LIMN_WINO_B, even_b), m);
    out[5 * to] = g2;
}

/* A^T m: six, `from` apart, to four, `to` apart. */
static inline void vec_winograd_a(const vec *m, int from, vec *out, int to) {
    vec m1 = m[from], m2 = m[2 * from], m3 = m[3 * from], m4 = m[4 * from];
    vec s1 = vec_add(m1, m2), d1 = vec_sub(m1, m2), s2 = vec_add(m3, m4), d2 = vec_sub(m3, m4);
    out[0] = vec_add(vec_add(m[0], s1), s2);
    out[to] = vec_plus(d2, LIMN_WINO_B, vec_mul(vec_of(LIMN_WINO_A), d1));
    out[2 * to] = vec_plus(s2, LIMN_WINO_B2, vec_mul(vec_of(LIMN_WINO_A2), s1));
    out[3 * to] =
        vec_add(vec_plus(d2, LIMN_WINO_B3, vec_mul(vec_of(LIMN_WINO_A3), d1)), m[5 * from]);
}

/* Channels that fill no vector go through the plain code. */
static void limn_simd_winograd_input(const float *const *pixel, int c, float *out, size_t stride) {
    vec d[36], half[36];
    int i = 0;
    for (; i + VEC <= c; i += VEC) {
        UNROLL
        for (int p = 0; p < 36; p++) d[p] = vec_load(pixel[p] + i);
        UNROLL
        for (int x = 0; x < 6; x++) vec_winograd_b(d + x, half + x, 6);
        UNROLL
        for (int y = 0; y < 6; y++) vec_winograd_b(half + 6 * y, d + 6 * y, 1);
        UNROLL
        for (int p = 0; p < 36; p++) vec_store(out + (size_t)p * stride + i, d[p]);
    }
    if (i == c) return;
    const float *rest[36];
    for (int p = 0; p < 36; p++) rest[p] = pixel[p] + i;
    limn_plain_winograd_input(rest, c - i, out + i, stride);
}

/* n is a multiple of a vector's width. */
static void limn_simd_winograd_weights(const float *g, size_t tap_stride, int n, float *out,
                                       size_t stride) {
    vec taps[9], half[18], u[6];
    for (int i = 0; i < n; i += VEC) {
        UNROLL
        for (size_t t = 0; t < 9; t++) taps[t] = vec_load(g + t * tap_stride + i);
        UNROLL
        for (int x = 0; x < 3; x++) vec_winograd_g(taps + x, 3, half + x, 3);
        UNROLL
        for (int y = 0; y < 6; y++) {
            vec_winograd_g(half + 3 * y, 1, u, 1);
            UNROLL
            for (int x = 0; x < 6; x++) vec_store(out + (size_t)(6 * y + x) * stride + i, u[x]);
        }
    }
}

/* n is a multiple of a vector's width. */
static void limn_simd_winograd_output(const float *m, size_t stride, int n, float *out) {
    vec all[36], half[24], o[4];
    for (int i = 0; i < n; i += VEC) {
        UNROLL
        for (size_t p = 0; p < 36; p++) all[p] = vec_load(m + p * stride + i);
        UNROLL
        for (int x = 0; x < 6; x++) vec_winograd_a(all + x, 6, half + x, 6);
        UNROLL
        for (int y = 0; y < 4; y++) {
            vec_winograd_a(half + 6 * y, 1, o, 1);
            UNROLL
            for (int x = 0; x < 4; x++) vec_store(out + (size_t)((4 * y + x) * n + i), o[x]);
        }
    }
}

#endif
