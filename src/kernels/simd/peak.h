/* Loops that do nothing but multiply and add, in registers: how fast this level could be. See
 * limn_peak. The best form of bytes is asked of the processor, since it needs instructions that not
 * every machine of the level has. */
#ifndef LIMN_KERNELS_SIMD_PEAK_H
#define LIMN_KERNELS_SIMD_PEAK_H

#include "kernels/plain/peak.h"
#include "kernels/simd/vec.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define UNROLLED UNROLL for (int c = 0; c < LIMN_PEAK_CHAINS; c++)

/* The chains begin apart, or a compiler would see that they are one. */
static float limn_simd_peak_f32(long rounds, float factor, float summand) {
    vec x[LIMN_PEAK_CHAINS], a = vec_all(&factor), b = vec_all(&summand);
    UNROLLED {
        float start = (float)c;
        x[c] = vec_all(&start);
    }
    for (long i = 0; i < rounds; i++) UNROLLED x[c] = vec_fma(x[c], a, b);
    for (int c = 1; c < LIMN_PEAK_CHAINS; c++) x[0] = vec_add(x[0], x[c]);
    float out[VEC];
    vec_store(out, x[0]);
    return out[0];
}

#define F32_OPS (2.0 * VEC * LIMN_PEAK_CHAINS)

#if defined(LIMN_LEVEL_AVX2) || defined(LIMN_LEVEL_AVX512)

/* x, of which the compiler knows nothing any more: else gcc copies each chain's register twice in a
 * round, or puts it on the stack, and the loop measures that. */
static inline __attribute__((always_inline)) __m256i settled(__m256i x) {
    __asm__("" : "+x"(x));
    return x;
}

/* AVX2's way: bytes in pairs to int16, those in pairs to int32, and the sum. The sums are bytes
 * again: each product depends on the one before, so none can be saved. */
static float peak_pairs(long rounds, float factor, float summand) {
    __m256i x[LIMN_PEAK_CHAINS], ones = _mm256_set1_epi16(1);
    __m256i b = _mm256_set1_epi8((char)(factor * 90 + summand));
    UNROLLED x[c] = _mm256_set1_epi32(c + 1);
    for (long i = 0; i < rounds; i++) UNROLLED {
            __m256i pair = _mm256_maddubs_epi16(x[c], b);
            x[c] = settled(_mm256_add_epi32(x[c], _mm256_madd_epi16(pair, ones)));
        }
    for (int c = 1; c < LIMN_PEAK_CHAINS; c++) x[0] = _mm256_add_epi32(x[0], x[c]);
    return (float)_mm256_extract_epi32(x[0], 0);
}

static const limn_peak byte_pairs = {"pmaddubsw", 2.0 * 32 * LIMN_PEAK_CHAINS, peak_pairs};

/* Whether bit `bit` of leaf 7, sub-leaf `leaf`'s register (a = 0 ... d = 3) is set. */
static inline bool leaf7(unsigned leaf, int which, int bit) {
    unsigned r[4] = {0};
    return __get_cpuid_count(7, leaf, &r[0], &r[1], &r[2], &r[3]) && (r[which] >> bit & 1);
}

#endif

#if defined(LIMN_LEVEL_AVX512) && !defined(LIMN_SIMDE)

static inline __attribute__((always_inline)) __m512i settled_wide(__m512i x) {
    __asm__("" : "+v"(x));
    return x;
}

__attribute__((target("avx512vnni"))) static float peak_vnni(long rounds, float factor,
                                                             float summand) {
    __m512i x[LIMN_PEAK_CHAINS];
    __m512i a = _mm512_set1_epi8((char)(factor * 90)), b = _mm512_set1_epi8((char)(summand + 7));
    UNROLLED x[c] = _mm512_set1_epi32(c);
    for (long i = 0; i < rounds; i++) UNROLLED x[c] = settled_wide(_mm512_dpbusd_epi32(x[c], a, b));
    for (int c = 1; c < LIMN_PEAK_CHAINS; c++) x[0] = _mm512_add_epi32(x[0], x[c]);
    return (float)_mm512_reduce_add_epi32(x[0]);
}

static limn_peak limn_simd_peak_int8(void) {
    static const limn_peak vnni = {"AVX-512 VNNI", 2.0 * 64 * LIMN_PEAK_CHAINS, peak_vnni};
    return leaf7(0, 2, 11) ? vnni : byte_pairs;
}

#elif defined(LIMN_LEVEL_AVX2) && !defined(LIMN_SIMDE)

__attribute__((target("avxvnni"))) static float peak_vnni(long rounds, float factor,
                                                          float summand) {
    __m256i x[LIMN_PEAK_CHAINS];
    __m256i a = _mm256_set1_epi8((char)(factor * 90)), b = _mm256_set1_epi8((char)(summand + 7));
    UNROLLED x[c] = _mm256_set1_epi32(c);
    for (long i = 0; i < rounds; i++) UNROLLED x[c] = settled(_mm256_dpbusd_avx_epi32(x[c], a, b));
    for (int c = 1; c < LIMN_PEAK_CHAINS; c++) x[0] = _mm256_add_epi32(x[0], x[c]);
    return (float)_mm256_extract_epi32(x[0], 0);
}

static limn_peak limn_simd_peak_int8(void) {
    static const limn_peak vnni = {"AVX-VNNI", 2.0 * 32 * LIMN_PEAK_CHAINS, peak_vnni};
    return leaf7(1, 0, 4) ? vnni : byte_pairs;
}

#elif defined(__x86_64__)

static limn_peak limn_simd_peak_int8(void) {
    return byte_pairs;
}

#else

/* NEON of every 64-bit Arm: bytes to int16, those in pairs onto int32. */
static float peak_pairs(long rounds, float factor, float summand) {
    int32x4_t x[LIMN_PEAK_CHAINS];
    int8x8_t b = vdup_n_s8((int8_t)(factor * 90 + summand));
    UNROLLED x[c] = vdupq_n_s32(c + 1);
    for (long i = 0; i < rounds; i++) UNROLLED {
            int8x8_t y = vget_low_s8(vreinterpretq_s8_s32(x[c]));
            x[c] = vpadalq_s16(x[c], vmull_s8(b, y));
        }
    for (int c = 1; c < LIMN_PEAK_CHAINS; c++) x[0] = vaddq_s32(x[0], x[c]);
    return (float)vgetq_lane_s32(x[0], 0);
}

static limn_peak limn_simd_peak_int8(void) {
    return (limn_peak){"smull, sadalp", 2.0 * 8 * LIMN_PEAK_CHAINS, peak_pairs};
}

#endif

#endif
