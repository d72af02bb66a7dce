/* The vector operations that kernels are written in, for the level that this file is compiled for.
 * `vec` holds VEC float32; all is lane by lane:
 *   vec_fma            a b + c, rounded once
 *   vec_at_most        `most` where a is greater, else a, which may be a NaN; vec_at_least likewise
 *   vec_zero_below     0 where x < least, else a
 *   vec_power_of_two   2^n for t = n + 1.5 x 2^23
 *   vec_swap           lane l becomes lane l ^ distance; distance, a constant, is a power of two */
#ifndef LIMN_KERNELS_SIMD_VEC_H
#define LIMN_KERNELS_SIMD_VEC_H

#include <stdint.h>

#include "kernels/unroll.h"

#if defined(LIMN_SIMDE)
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#elif defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(LIMN_LEVEL_AVX512)

#define VEC 16
typedef __m512 vec;
static inline vec vec_zero(void) {
    return _mm512_setzero_ps();
}
static inline vec vec_of(float x) {
    return _mm512_set1_ps(x);
}
static inline vec vec_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline vec vec_load_f16(const uint16_t *p) {
#if defined(LIMN_SIMDE) /* which has the instruction for eight only */
    float both[VEC];
    for (int i = 0; i < VEC; i += 8)
        _mm256_storeu_ps(both + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + i))));
    return _mm512_loadu_ps(both);
#else
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
#endif
}
static inline vec vec_load_bf16(const uint16_t *p) {
#if defined(LIMN_SIMDE) /* likewise */
    float both[VEC];
    for (int i = 0; i < VEC; i += 8) {
        const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p + i)));
        _mm256_storeu_ps(both + i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    return _mm512_loadu_ps(both);
#else
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
#endif
}
static inline vec vec_all(const float *p) {
    return _mm512_set1_ps(*p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm512_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}
static inline vec vec_at_most(vec a, vec most) {
    return _mm512_min_ps(most, a);
}
static inline vec vec_at_least(vec a, vec least) {
    return _mm512_max_ps(least, a);
}
static inline vec vec_zero_below(vec a, vec x, vec least) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, least, _CMP_LT_OQ), a, _mm512_setzero_ps());
}
static inline vec vec_power_of_two(vec t) {
    __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f800000)));
}
static inline __attribute__((always_inline)) vec vec_swap(vec a, int distance) {
    __m512i bits = _mm512_castps_si512(a);
    return distance == 1   ? _mm512_shuffle_ps(a, a, 0xb1)
           : distance == 2 ? _mm512_shuffle_ps(a, a, 0x4e)
           : distance == 4 ? _mm512_castsi512_ps(_mm512_shuffle_i32x4(bits, bits, 0xb1))
                           : _mm512_castsi512_ps(_mm512_shuffle_i32x4(bits, bits, 0x4e));
}
static inline void vec_store(float *p, vec a) {
    _mm512_storeu_ps(p, a);
}

#elif defined(LIMN_LEVEL_AVX2)

#define VEC 8
typedef __m256 vec;
static inline vec vec_zero(void) {
    return _mm256_setzero_ps();
}
static inline vec vec_of(float x) {
    return _mm256_set1_ps(x);
}
static inline vec vec_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline vec vec_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}
static inline vec vec_load_bf16(const uint16_t *p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline vec vec_all(const float *p) {
    return _mm256_broadcast_ss(p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm256_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}
static inline vec vec_at_most(vec a, vec most) {
    return _mm256_min_ps(most, a);
}
static inline vec vec_at_least(vec a, vec least) {
    return _mm256_max_ps(least, a);
}
static inline vec vec_zero_below(vec a, vec x, vec least) {
    return _mm256_andnot_ps(_mm256_cmp_ps(x, least, _CMP_LT_OQ), a);
}
static inline vec vec_power_of_two(vec t) {
    __m256i bits = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3f800000)));
}
static inline __attribute__((always_inline)) vec vec_swap(vec a, int distance) {
    return distance == 1   ? _mm256_permute_ps(a, 0xb1)
           : distance == 2 ? _mm256_permute_ps(a, 0x4e)
                           : _mm256_permute2f128_ps(a, a, 1);
}
static inline void vec_store(float *p, vec a) {
    _mm256_storeu_ps(p, a);
}

#elif defined(LIMN_LEVEL_NEON)

#define VEC 4
typedef float32x4_t vec;
static inline vec vec_zero(void) {
    return vdupq_n_f32(0.0f);
}
static inline vec vec_of(float x) {
    return vdupq_n_f32(x);
}
static inline vec vec_load(const float *p) {
    return vld1q_f32(p);
}
static inline vec vec_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vec vec_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline vec vec_all(const float *p) {
    return vld1q_dup_f32(p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return vfmaq_f32(c, a, b);
}
static inline vec vec_add(vec a, vec b) {
    return vaddq_f32(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return vsubq_f32(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return vmulq_f32(a, b);
}
static inline vec vec_at_most(vec a, vec most) {
    return vbslq_f32(vcgtq_f32(a, most), most, a);
}
static inline vec vec_at_least(vec a, vec least) {
    return vbslq_f32(vcltq_f32(a, least), least, a);
}
static inline vec vec_zero_below(vec a, vec x, vec least) {
    return vbslq_f32(vcltq_f32(x, least), vdupq_n_f32(0.0f), a);
}
static inline vec vec_power_of_two(vec t) {
    uint32x4_t bits = vshlq_n_u32(vreinterpretq_u32_f32(t), 23);
    return vreinterpretq_f32_u32(vaddq_u32(bits, vdupq_n_u32(0x3f800000)));
}
static inline __attribute__((always_inline)) vec vec_swap(vec a, int distance) {
    return distance == 1 ? vrev64q_f32(a) : vextq_f32(a, a, 2);
}
static inline void vec_store(float *p, vec a) {
    vst1q_f32(p, a);
}

#endif

#endif
