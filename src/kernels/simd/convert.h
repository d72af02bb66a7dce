/* float16 and bfloat16 to float32 by the processor's own instructions; exact, as plain/convert.h
 * is. */
#ifndef LIMN_KERNELS_SIMD_CONVERT_H
#define LIMN_KERNELS_SIMD_CONVERT_H

#include "kernels/plain/convert.h"
#include "kernels/simd/vec.h"

static void limn_simd_from_f16(const uint16_t *x, size_t n, float *out) {
    size_t i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(out + i, vec_load_f16(x + i));
    limn_plain_from_f16(x + i, n - i, out + i);
}

static void limn_simd_from_bf16(const uint16_t *x, size_t n, float *out) {
    size_t i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(out + i, vec_load_bf16(x + i));
    limn_plain_from_bf16(x + i, n - i, out + i);
}

#endif
