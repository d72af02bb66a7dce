/* float16, bfloat16 and Q8_0 to float32: exact, so any way of doing it is the same. */
#ifndef LIMN_KERNELS_PLAIN_CONVERT_H
#define LIMN_KERNELS_PLAIN_CONVERT_H

#include "kernels/plain/math.h"

/* Moves the exponent and the fraction into place and corrects the exponent's offset by a product,
 * which also makes subnormals right; infinities and NaN keep their bits.
 * Source: F. Giesen, float->half variants. */
static inline float limn_half_of(uint16_t h) {
    const float rebias = 5.192296858534828e33f; /* 2^112 */
    uint32_t magnitude = (uint32_t)(h & 0x7fffu) << 13;
    float x = limn_float_of(magnitude) * rebias;
    uint32_t special = (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
    return limn_float_of(limn_bits_of(x) | special | (uint32_t)(h & 0x8000u) << 16);
}

static void limn_plain_from_f16(const uint16_t *x, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = limn_half_of(x[i]);
}

/* bfloat16 is the upper half of a float32. */
static void limn_plain_from_bf16(const uint16_t *x, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = limn_float_of((uint32_t)x[i] << 16);
}

/* Lines of `panel` integers, each times its column's scale: eleven bits by eight, so exact. */
static inline void limn_plain_from_q8(const int8_t *restrict x, const float *restrict scale,
                                      int lines, int panel, float *restrict out) {
    for (int l = 0; l < lines; l++, x += panel, out += panel)
        for (int j = 0; j < panel; j++) out[j] = (float)x[j] * scale[j];
}

#endif
