/* plain/rotate.h on vectors: first between the lanes of each, then between whole ones. */
#ifndef LIMN_KERNELS_SIMD_ROTATE_H
#define LIMN_KERNELS_SIMD_ROTATE_H

#include "kernels/plain/rotate.h"
#include "kernels/simd/vec.h"

/* Lane by lane, for neighbours that are 1, 2, 4 and 8 away: 1 for the one that becomes the sum, -1
 * for the one that becomes the difference. */
static const float rotate_signs[4][16] = {
    {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
    {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
    {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
    {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1},
};

/* One block of `vecs` vectors, a constant. A product with 1 or -1 is exact, so fma's rounding is
 * the sum's. */
static inline __attribute__((always_inline)) void rotate_block(const float *x, int vecs,
                                                               float *out) {
    vec v[LIMN_ROTATE_MOST / VEC];
    UNROLL
    for (int i = 0; i < vecs; i++) v[i] = vec_load(x + i * VEC);
    UNROLL
    for (int bit = 0, distance = 1; distance < VEC; bit++, distance *= 2) {
        UNROLL
        for (int i = 0; i < vecs; i++)
            v[i] = vec_fma(v[i], vec_load(rotate_signs[bit]), vec_swap(v[i], distance));
    }
    UNROLL
    for (int h = 1; h < vecs; h *= 2) {
        UNROLL
        for (int i = 0; i < vecs; i++) {
            if (i & h) continue;
            vec a = v[i], b = v[i + h];
            v[i] = vec_add(a, b);
            v[i + h] = vec_sub(a, b);
        }
    }
    UNROLL
    for (int i = 0; i < vecs; i++) vec_store(out + i * VEC, v[i]);
}

static void limn_simd_rotate(const float *x, size_t n, int block, float *out) {
    if (block == 64)
        for (size_t at = 0; at < n; at += 64) rotate_block(x + at, 64 / VEC, out + at);
    else if (block == 32)
        for (size_t at = 0; at < n; at += 32) rotate_block(x + at, 32 / VEC, out + at);
    else if (block == 16)
        for (size_t at = 0; at < n; at += 16) rotate_block(x + at, 16 / VEC, out + at);
    else
        limn_plain_rotate(x, n, block, out);
}

#endif
