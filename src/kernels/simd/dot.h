/* The int8 tile where one instruction multiplies bytes by fours and adds them to int32: AVX-512
 * VNNI, AVX-VNNI, and NEON's SDOT (ARMv8.2). Like the float tile, ROWS x PANEL sums stay in
 * registers.
 *
 * VNNI's left operand is unsigned. So rows come as q + 128 (limn_kernels.i8_flip), and the sums
 * begin at b_start, -128 times what a column sums to: the loop holds nothing but loads and
 * products. All is modulo 2^32, in which the true sum fits.
 *
 *   AVX-512   12 x 32: 24 sums of 32 registers; a step is 2 + 12 loads for 24 products
 *   AVX2       6 x 16: 12 sums of 16 registers; 2 + 6 loads for 12 products
 *   NEON       6 x 16: 24 sums of 32 registers; 4 + 6 loads for 24 products */
#ifndef LIMN_KERNELS_SIMD_DOT_H
#define LIMN_KERNELS_SIMD_DOT_H

#include <string.h>

#include "kernels/simd/tile.h"

/* What the level has, and how. dots: DOTS sums of four products each. */
#if defined(LIMN_LEVEL_AVX512)

#define DOT_ROWS 12
#define DOTS     16
#define DOT_FLIP 0x80
#if defined(LIMN_SIMDE)
#define DOT_TARGET
#else
#define DOT_TARGET __attribute__((target("avx512vnni")))
#endif
typedef __m512i dots;
static inline DOT_TARGET dots dots_load(const void *p) {
    return _mm512_loadu_si512(p);
}
static inline DOT_TARGET dots dots_all(int32_t four) {
    return _mm512_set1_epi32(four);
}
static inline DOT_TARGET dots dots_add(dots sum, dots a, dots b) {
    return _mm512_dpbusd_epi32(sum, a, b);
}
static inline DOT_TARGET void dots_finish(dots sum, float a_scale, const float *b_scale, float *c) {
#if defined(LIMN_SIMDE) /* which has the conversion for eight only */
    int32_t both[DOTS];
    _mm512_storeu_si512(both, sum);
    for (int i = 0; i < DOTS; i++) c[i] = (float)both[i] * (a_scale * b_scale[i]);
#else
    __m512 scale = _mm512_mul_ps(_mm512_set1_ps(a_scale), _mm512_loadu_ps(b_scale));
    _mm512_storeu_ps(c, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
#endif
}

#elif defined(LIMN_LEVEL_AVX2)

#define DOT_ROWS   6
#define DOTS       8
#define DOT_FLIP   0x80
#define DOT_TARGET __attribute__((target("avxvnni")))
typedef __m256i dots;
static inline DOT_TARGET dots dots_load(const void *p) {
    return _mm256_loadu_si256(p);
}
static inline DOT_TARGET dots dots_all(int32_t four) {
    return _mm256_set1_epi32(four);
}
static inline DOT_TARGET dots dots_add(dots sum, dots a, dots b) {
    return _mm256_dpbusd_avx_epi32(sum, a, b);
}
static inline DOT_TARGET void dots_finish(dots sum, float a_scale, const float *b_scale, float *c) {
    __m256 scale = _mm256_mul_ps(_mm256_set1_ps(a_scale), _mm256_loadu_ps(b_scale));
    _mm256_storeu_ps(c, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale));
}

#elif defined(LIMN_LEVEL_NEON)

#define DOT_ROWS   6
#define DOTS       4
#define DOT_FLIP   0
#define DOT_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
typedef int32x4_t dots;
static inline DOT_TARGET dots dots_load(const void *p) {
    return vld1q_s32(p);
}
static inline DOT_TARGET dots dots_all(int32_t four) {
    return vdupq_n_s32(four);
}
static inline DOT_TARGET dots dots_add(dots sum, dots a, dots b) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}
static inline DOT_TARGET void dots_finish(dots sum, float a_scale, const float *b_scale, float *c) {
    vst1q_f32(c, vmulq_f32(vcvtq_f32_s32(sum), vmulq_n_f32(vld1q_f32(b_scale), a_scale)));
}

#endif

#define DOT_VECS (PANEL / DOTS)

/* `rows`, a constant, is how many are computed: those past the last are the last once more. */
static inline __attribute__((always_inline)) DOT_TARGET void
dot_rows(const limn_tile_i8 *t, int rows, float *c, size_t c_stride) {
    dots sum[DOT_ROWS][DOT_VECS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < DOT_VECS; v++)
            sum[r][v] = DOT_FLIP ? dots_load(t->b_start + v * DOTS) : dots_all(0);
    }
    const int8_t *b = t->b;
    for (int s = 0; s < t->segments; s++) {
        const int8_t *a[DOT_ROWS];
        UNROLL
        for (int r = 0; r < rows; r++) a[r] = t->a[s * DOT_ROWS + (r < t->rows ? r : t->rows - 1)];
        ptrdiff_t length = (ptrdiff_t)4 * t->fours;
        for (ptrdiff_t k = 0; k < length; k += 4, b += (ptrdiff_t)4 * PANEL) {
            dots column[DOT_VECS];
            UNROLL
            for (int v = 0; v < DOT_VECS; v++) column[v] = dots_load(b + (ptrdiff_t)4 * v * DOTS);
            UNROLL
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, a[r] + k, sizeof four);
                dots x = dots_all(four);
                UNROLL
                for (int v = 0; v < DOT_VECS; v++) sum[r][v] = dots_add(sum[r][v], x, column[v]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < DOT_VECS; v++)
            if (r < t->rows)
                dots_finish(sum[r][v], t->a_scale[r], t->b_scale + v * DOTS,
                            c + (size_t)r * c_stride + v * DOTS);
    }
}

static DOT_TARGET void dot_whole(const limn_tile_i8 *t, float *c, size_t c_stride) {
    if (t->rows > DOT_ROWS * 2 / 3)
        dot_rows(t, DOT_ROWS, c, c_stride);
    else if (t->rows > DOT_ROWS / 3)
        dot_rows(t, DOT_ROWS * 2 / 3, c, c_stride);
    else if (t->rows > 1)
        dot_rows(t, DOT_ROWS / 3, c, c_stride);
    else
        dot_rows(t, 1, c, c_stride);
}

/* A tile at the right edge of c goes through a full one on the stack. */
static void limn_simd_tile_dot(const limn_tile_i8 *t) {
    if (t->columns == PANEL) {
        dot_whole(t, t->c, t->c_stride);
        return;
    }
    float whole[DOT_ROWS][PANEL];
    dot_whole(t, whole[0], PANEL);
    for (int r = 0; r < t->rows; r++)
        memcpy(t->c + (size_t)r * t->c_stride, whole[r], (size_t)t->columns * sizeof(float));
}

#endif
