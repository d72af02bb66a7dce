/* float32 to int8. */
#ifndef LIMN_KERNELS_PLAIN_INT8_H
#define LIMN_KERNELS_PLAIN_INT8_H

#include "kernels/plain/math.h"

/* Without its sign a float is ordered as its bits are, with infinity and NaN at the top. */
static float limn_plain_most(const float *x, size_t n) {
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t bits = (int32_t)(limn_bits_of(x[i]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    return limn_float_of((uint32_t)most);
}

/* Adding 1.5 x 2^23 rounds to a whole number and leaves it in the lowest bits. */
static void limn_plain_to_i8(const float *x, size_t n, float inverse, uint8_t flip, int8_t *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = (int8_t)(limn_bits_of(x[i] * inverse + 12582912.0f) ^ flip);
}

#endif
