/* The int8 tile in registers: blocks of 4 rows x 16 columns, four steps of k at a time.
 *
 * How four products become one int32 without any of them being cut off:
 *   - x86: |b| x (a with b's sign). vpmaddubsw's pairs are at most 2 x 127 x 127 < 2^15; then
 *     vpmaddwd with ones adds two pairs.
 *   - NEON: the instruction for just that where it is there (ARMv8.2's SDOT); else products of 16
 *     bits, two of which fit into 16 bits, then added in pairs to 32.
 *   - VNNI: (a + 128) x b in one instruction, and 128 x b taken off at the end; all modulo 2^32,
 *     in which the true sum fits.
 * Whichever it is, the sum is exact. */
#ifndef LIMN_KERNELS_SIMD_INT8_H
#define LIMN_KERNELS_SIMD_INT8_H

#include <string.h>

#include "kernels/simd/tile.h"

#define BLOCK_ROWS    4
#define BLOCK_COLUMNS 16

#if defined(LIMN_LEVEL_AVX512)
#define I8_ROWS 12
#else
#define I8_ROWS BLOCK_ROWS
#endif

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
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, a, b);
#else
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
#endif
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

/* Rows [row, row + rows) x columns [column, column + 16) of a tile; `rows` is a constant. */
static inline __attribute__((always_inline)) void block_i8(const limn_tile_i8 *t, int row, int rows,
                                                           int column, float *c, size_t c_stride) {
    ints sum[BLOCK_ROWS][BLOCK_INTS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < BLOCK_INTS; v++) sum[r][v] = ints_zero();
    const int8_t *b = t->b + (ptrdiff_t)4 * column;
    for (int s = 0; s < t->segments; s++) {
        const int8_t *a[BLOCK_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) a[r] = t->a[s * I8_ROWS + row + r];
        for (int k = 0; k < t->fours; k++, b += (ptrdiff_t)4 * PANEL) {
            pairs four[BLOCK_INTS];
#pragma GCC unroll 4
            for (int v = 0; v < BLOCK_INTS; v++) four[v] = pairs_load(b + v * INTS * 4);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                bytes x = bytes_all(a[r] + (ptrdiff_t)4 * k);
#pragma GCC unroll 4
                for (int v = 0; v < BLOCK_INTS; v++) sum[r][v] = ints_dot(sum[r][v], x, four[v]);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < BLOCK_INTS; v++)
            ints_finish(sum[r][v], t->a_scale[row + r], t->b_scale + column + v * INTS,
                        c + (size_t)(row + r) * c_stride + column + v * INTS);
}

static void tile_i8_rows(const limn_tile_i8 *t, float *c, size_t c_stride) {
    for (int row = 0; row < t->rows; row += BLOCK_ROWS)
        for (int column = 0; column < PANEL; column += BLOCK_COLUMNS) switch (t->rows - row) {
            case 1:
                block_i8(t, row, 1, column, c, c_stride);
                break;
            case 2:
                block_i8(t, row, 2, column, c, c_stride);
                break;
            case 3:
                block_i8(t, row, 3, column, c, c_stride);
                break;
            default:
                block_i8(t, row, 4, column, c, c_stride);
                break;
            }
}

#if defined(LIMN_LEVEL_AVX512) && !defined(LIMN_SIMDE)
#define LIMN_VNNI 1

/* Rows [row, row + 6) of a tile, all its columns. A row past the last is the last once more. */
static __attribute__((target("avx512vnni"))) void rows_vnni(const limn_tile_i8 *t, int row,
                                                            float *c, size_t c_stride) {
    const __m512i offset = _mm512_set1_epi8((char)0x80);
    __m512i sum[6][2], extra[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 6
    for (int r = 0; r < 6; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
    const int8_t *b = t->b;
    for (int s = 0; s < t->segments; s++) {
        const int8_t *a[6];
#pragma GCC unroll 6
        for (int r = 0; r < 6; r++)
            a[r] = t->a[s * I8_ROWS + (row + r < t->rows ? row + r : t->rows - 1)];
        for (int k = 0; k < t->fours; k++, b += (ptrdiff_t)4 * PANEL) {
            __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
            extra[0] = _mm512_dpbusd_epi32(extra[0], offset, b0);
            extra[1] = _mm512_dpbusd_epi32(extra[1], offset, b1);
#pragma GCC unroll 6
            for (int r = 0; r < 6; r++) {
                int32_t four;
                memcpy(&four, a[r] + (ptrdiff_t)4 * k, sizeof four);
                __m512i x = _mm512_xor_si512(_mm512_set1_epi32(four), offset);
                sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, b0);
                sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, b1);
            }
        }
    }
    for (int r = 0; r < 6 && row + r < t->rows; r++)
        for (int v = 0; v < 2; v++) {
            __m512 scale = _mm512_mul_ps(_mm512_set1_ps(t->a_scale[row + r]),
                                         _mm512_loadu_ps(t->b_scale + (ptrdiff_t)16 * v));
            __m512 x = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][v], extra[v]));
            _mm512_storeu_ps(c + (size_t)(row + r) * c_stride + (ptrdiff_t)16 * v,
                             _mm512_mul_ps(x, scale));
        }
}

#endif

static void tile_i8_whole(const limn_tile_i8 *t, float *c, size_t c_stride) {
#if defined(LIMN_VNNI)
    if (__builtin_cpu_supports("avx512vnni")) {
        for (int row = 0; row < t->rows; row += 6) rows_vnni(t, row, c, c_stride);
        return;
    }
#endif
    tile_i8_rows(t, c, c_stride);
}

/* A tile at the right edge of c goes through a full one on the stack. */
static void limn_simd_tile_i8(const limn_tile_i8 *t) {
    if (t->columns == PANEL) {
        tile_i8_whole(t, t->c, t->c_stride);
        return;
    }
    float whole[I8_ROWS][PANEL];
    tile_i8_whole(t, whole[0], PANEL);
    for (int r = 0; r < t->rows; r++)
        memcpy(t->c + (size_t)r * t->c_stride, whole[r], (size_t)t->columns * sizeof(float));
}

#endif
