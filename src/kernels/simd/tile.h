/* The matrix tile in registers: ROWS x PANEL sums stay in vector registers while k runs.
 *
 * A step of k loads PANEL / VEC vectors of b and one number of each row of a, and does ROWS x PANEL
 * / VEC fused multiply-adds, all independent: enough of them to hide the latency of the multiplier,
 * and fewer loads than multiply-adds. Register budget: sums + b + one broadcast.
 *   AVX2     6 x 16: 12 sums of 16 registers    (Haswell and later, Zen)
 *   AVX-512 12 x 32: 24 sums of 32 registers
 *   NEON     6 x 16: 24 sums of 32 registers
 * The order of the chain is that of c/tile.h. */
#ifndef LIMN_KERNELS_SIMD_TILE_H
#define LIMN_KERNELS_SIMD_TILE_H

#include <string.h>

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

#if defined(LIMN_LEVEL_AVX512)
#define ROWS  12
#define PANEL 32
#else
#define ROWS  6
#define PANEL 16
#endif
#define VECS (PANEL / VEC)

/* `rows` is a constant wherever this is called, so every loop over it is unrolled and `sum` lives
 * in registers. `c` has PANEL columns, c_stride floats apart. */
static inline __attribute__((always_inline)) void tile_of(const limn_tile *t, int rows, float *c,
                                                          size_t c_stride) {
    vec sum[ROWS][VECS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < VECS; v++)
            sum[r][v] = t->first ? vec_zero() : vec_load(c + (size_t)r * c_stride + v * VEC);
    }

    const float *b = t->b;
    for (int s = 0; s < t->segments; s++) {
        const float *a[ROWS];
        UNROLL
        for (int r = 0; r < rows; r++) a[r] = t->a[s * ROWS + r];
        int length = t->length[s];
        for (int k = 0; k < length; k++, b += PANEL) {
            vec column[VECS];
            UNROLL
            for (int v = 0; v < VECS; v++) column[v] = vec_load(b + v * VEC);
            UNROLL
            for (int r = 0; r < rows; r++) {
                vec x = vec_all(a[r] + k);
                UNROLL
                for (int v = 0; v < VECS; v++) sum[r][v] = vec_fma(x, column[v], sum[r][v]);
            }
        }
    }

    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < VECS; v++) vec_store(c + (size_t)r * c_stride + v * VEC, sum[r][v]);
    }
}

static void tile_rows(const limn_tile *t, float *c, size_t c_stride) {
    switch (t->rows) {
    case 1:
        tile_of(t, 1, c, c_stride);
        break;
    case 2:
        tile_of(t, 2, c, c_stride);
        break;
    case 3:
        tile_of(t, 3, c, c_stride);
        break;
    case 4:
        tile_of(t, 4, c, c_stride);
        break;
    case 5:
        tile_of(t, 5, c, c_stride);
        break;
    case 6:
        tile_of(t, 6, c, c_stride);
        break;
#if ROWS > 6
    case 7:
        tile_of(t, 7, c, c_stride);
        break;
    case 8:
        tile_of(t, 8, c, c_stride);
        break;
    case 9:
        tile_of(t, 9, c, c_stride);
        break;
    case 10:
        tile_of(t, 10, c, c_stride);
        break;
    case 11:
        tile_of(t, 11, c, c_stride);
        break;
    case 12:
        tile_of(t, 12, c, c_stride);
        break;
#endif
    default:
        break;
    }
}

/* A tile at the right edge of c goes through a full one on the stack. */
static void limn_simd_tile(const limn_tile *t) {
    if (t->columns == PANEL) {
        tile_rows(t, t->c, t->c_stride);
        return;
    }
    float whole[ROWS][PANEL] = {{0}};
    size_t bytes = (size_t)t->columns * sizeof(float);
    for (int r = 0; r < t->rows && !t->first; r++)
        memcpy(whole[r], t->c + (size_t)r * t->c_stride, bytes);
    tile_rows(t, whole[0], PANEL);
    for (int r = 0; r < t->rows; r++) memcpy(t->c + (size_t)r * t->c_stride, whole[r], bytes);
}

#endif
