/* The int8 tile where no instruction does it all (dot.h): 4 rows x 16 columns in registers, four
 * steps of k at a time.
 *
 * How four products become one int32 without any of them being cut off:
 *   - x86: |b| x (a with b's sign). vpmaddubsw's pairs are at most 2 x 128 x 127 < 2^15; then
 *     vpmaddwd with ones adds two pairs.
 *   - NEON: products of 16 bits, two of which fit into 16 bits, then added in pairs to 32. */
#ifndef LIMN_KERNELS_SIMD_INT8_H
#define LIMN_KERNELS_SIMD_INT8_H

#include <string.h>

#include "kernels/simd/tile.h"

#define BLOCK_ROWS    4
#define BLOCK_COLUMNS 16

/* ints: INTS sums. bytes: four numbers for each of them. pairs: bytes ready for ints_dot. */
#if defined(LIMN_LEVEL_NEON)

#define INTS 4
typedef int32x4_t ints;
typedef int8x16_t bytes;
typedef int8x16_t pairs;
static inline ints ints_zero(void) {
    return vdupq_n_s32(0);
}
static inline bytes bytes_all(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
static inline pairs pairs_load(const int8_t *p) {
    return vld1q_s8(p);
}
static inline ints ints_dot(ints sum, bytes a, pairs b) {
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
static inline void ints_finish(ints sum, float a_scale, const float *b_scale, float *out) {
    vst1q_f32(out, vmulq_f32(vcvtq_f32_s32(sum), vmulq_n_f32(vld1q_f32(b_scale), a_scale)));
}

#else

#define INTS 8
typedef __m256i ints;
typedef __m256i bytes;
typedef struct pairs {
    __m256i b, size;
} pairs;
static inline ints ints_zero(void) {
    return _mm256_setzero_si256();
}
static inline bytes bytes_all(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}
static inline pairs pairs_load(const int8_t *p) {
    __m256i b = _mm256_loadu_si256((const void *)p);
    return (pairs){b, _mm256_abs_epi8(b)};
}
static inline ints ints_dot(ints sum, bytes a, pairs b) {
    __m256i two = _mm256_maddubs_epi16(b.size, _mm256_sign_epi8(a, b.b));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
}
static inline void ints_finish(ints sum, float a_scale, const float *b_scale, float *out) {
    __m256 scale = _mm256_mul_ps(_mm256_set1_ps(a_scale), _mm256_loadu_ps(b_scale));
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale));
}

#endif

#define BLOCK_INTS (BLOCK_COLUMNS / INTS)

/* Columns [column, column + 16) of a tile; `rows` is a constant. */
static inline __attribute__((always_inline)) void block_i8(const limn_tile_i8 *t, int rows,
                                                           int column, float *c, size_t c_stride) {
    ints sum[BLOCK_ROWS][BLOCK_INTS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < BLOCK_INTS; v++) sum[r][v] = ints_zero();
    }
    const int8_t *b = t->b + (ptrdiff_t)4 * column;
    for (int s = 0; s < t->segments; s++) {
        const int8_t *a[BLOCK_ROWS];
        UNROLL
        for (int r = 0; r < rows; r++) a[r] = t->a[s * BLOCK_ROWS + r];
        for (int k = 0; k < t->fours; k++, b += (ptrdiff_t)4 * PANEL) {
            pairs four[BLOCK_INTS];
            UNROLL
            for (int v = 0; v < BLOCK_INTS; v++) four[v] = pairs_load(b + v * INTS * 4);
            UNROLL
            for (int r = 0; r < rows; r++) {
                bytes x = bytes_all(a[r] + (ptrdiff_t)4 * k);
                UNROLL
                for (int v = 0; v < BLOCK_INTS; v++) sum[r][v] = ints_dot(sum[r][v], x, four[v]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < BLOCK_INTS; v++)
            ints_finish(sum[r][v], t->a_scale[r], t->b_scale + column + v * INTS,
                        c + (size_t)r * c_stride + column + v * INTS);
    }
}

static void tile_i8_rows(const limn_tile_i8 *t, float *c, size_t c_stride) {
    for (int column = 0; column < PANEL; column += BLOCK_COLUMNS) switch (t->rows) {
        case 1:
            block_i8(t, 1, column, c, c_stride);
            break;
        case 2:
            block_i8(t, 2, column, c, c_stride);
            break;
        case 3:
            block_i8(t, 3, column, c, c_stride);
            break;
        default:
            block_i8(t, 4, column, c, c_stride);
            break;
        }
}

/* A tile at the right edge of c goes through a full one on the stack. */
static void limn_simd_tile_i8(const limn_tile_i8 *t) {
    if (t->columns == PANEL) {
        tile_i8_rows(t, t->c, t->c_stride);
        return;
    }
    float whole[BLOCK_ROWS][PANEL];
    tile_i8_rows(t, whole[0], PANEL);
    for (int r = 0; r < t->rows; r++)
        memcpy(t->c + (size_t)r * t->c_stride, whole[r], (size_t)t->columns * sizeof(float));
}

#endif
