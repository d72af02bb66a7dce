/* Loops that do nothing but multiply and add, for the level "c" and for processors without a vector
 * form: how fast this level could be. See limn_peak. */
#ifndef LIMN_KERNELS_PLAIN_PEAK_H
#define LIMN_KERNELS_PLAIN_PEAK_H

#include <math.h>

#include "kernels/kernels.h"

/* Chains of one number each. */
static inline float limn_plain_peak_f32(long rounds, float factor, float summand) {
    float x[LIMN_PEAK_CHAINS], sum = 0;
    for (int c = 0; c < LIMN_PEAK_CHAINS; c++) x[c] = (float)c;
    for (long i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < LIMN_PEAK_CHAINS; c++) x[c] = fmaf(x[c], factor, summand);
    for (int c = 0; c < LIMN_PEAK_CHAINS; c++) sum += x[c];
    return sum;
}

/* Chains of 16 products of bytes each, summed as int32. The bytes change with the round, so that no
 * compiler takes the work out of the loop. */
static inline float limn_plain_peak_int8(long rounds, float factor, float summand) {
    int32_t x[LIMN_PEAK_CHAINS] = {0};
    int8_t a[16], b[16 + LIMN_PEAK_CHAINS];
    uint32_t sum = 0;
    for (int j = 0; j < 16; j++) a[j] = (int8_t)(factor * 100 + (float)j);
    for (int j = 0; j < 16 + LIMN_PEAK_CHAINS; j++)
        b[j] = (int8_t)(summand * 100 - (float)(j * j % 97));
    for (long i = 0; i < rounds; i++) {
        a[i % 16] = (int8_t)(i % 128);
        for (int c = 0; c < LIMN_PEAK_CHAINS; c++) {
            int32_t dot = 0;
            for (int j = 0; j < 16; j++) dot += a[j] * b[j + c];
            x[c] ^= dot;
        }
    }
    for (int c = 0; c < LIMN_PEAK_CHAINS; c++) sum += (uint32_t)x[c];
    return (float)sum;
}

#endif
