/* exp and erf in float32, from +, -, x, / and fmaf alone: libm's differ from machine to machine.
 * Written without branches, so that a compiler can run them on a whole vector. */
#ifndef LIMN_KERNELS_PLAIN_MATH_H
#define LIMN_KERNELS_PLAIN_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

static inline float limn_float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t limn_bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x within 1.02 ulp; 0 below -87.33 (where the result would be subnormal), 2.4e38 above 88.37.
 * NaN stays NaN. x = n ln 2 + r with ln 2 in two parts (Cody and Waite), |r| < 0.347; then a
 * polynomial (Moshier, Cephes, expf) times 2^n: a product, which is exact, and which any NaN
 * survives. */
static inline float limn_expf(float x) {
    const float round = 12582912.0f; /* 1.5 x 2^23: adding it rounds to an integer */
    float y = x > 88.37f ? 88.37f : x;
    y = y < -87.33f ? -87.33f : y;
    float t = fmaf(y, 1.44269504f, round);
    float n = t - round;
    float r = fmaf(n, -0.693359375f, y);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fmaf(p, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    p = fmaf(p, r * r, r) + 1.0f;
    float power = limn_float_of(0x3f800000u + (limn_bits_of(t) << 23)); /* 2^n */
    return x < -87.33f ? 0.0f : p * power;
}

/* The error function within 4e-7 absolutely: x P(x^2) / Q(x^2) on [-3.925, 3.925], beyond which it
 * is +-1 exactly. Just inside, rounding takes it past 1 by up to 3.9e-7; nothing here minds. P and
 * Q were fitted to the relative error (5e-8) by iterated least squares. */
static inline float limn_erff(float x) {
    float y = x > 3.925f ? 3.925f : x;
    y = y < -3.925f ? -3.925f : y;
    float t = y * y;
    float p = 1.98691357e-8f;
    p = fmaf(p, t, -1.95648522e-6f);
    p = fmaf(p, t, 1.42154677e-4f);
    p = fmaf(p, t, 3.71858105e-3f);
    p = fmaf(p, t, 5.06294034e-2f);
    p = fmaf(p, t, 2.0035176e-1f);
    p = fmaf(p, t, 1.12837911f);
    float q = 9.59814643e-4f;
    q = fmaf(q, t, 1.43888472e-2f);
    q = fmaf(q, t, 1.15174413e-1f);
    q = fmaf(q, t, 5.10888755e-1f);
    q = fmaf(q, t, 1.0f);
    return y * p / q;
}

/* x sigmoid(x), within 1.3e-7 of the larger of 1 and the result. */
static inline float limn_siluf(float x) {
    return x / (1.0f + limn_expf(-x));
}

/* x sigmoid(1.702 x), within 1.4e-7 likewise. */
static inline float limn_quick_geluf(float x) {
    return x / (1.0f + limn_expf(-1.702f * x));
}

/* x (1 + erf(x / sqrt 2)) / 2, within 1.1e-6 likewise: 0 or x exactly where |x| is above 5.56. */
static inline float limn_geluf(float x) {
    return 0.5f * x * (1.0f + limn_erff(x * 0.707106781f));
}

#endif
