/* Conversion of stored numbers, and GGUF's blocks of quantised ones: a few bits each, with scales
 * that a block shares. */
#ifndef LIMN_WEIGHTS_QUANT_H
#define LIMN_WEIGHTS_QUANT_H

#include "weights/weights.h"

/* The most numbers in a block. */
#define LIMN_QUANT_MOST 256

/* Turns one block of limn_dtype_bytes(dtype) bytes into limn_dtype_block(dtype) numbers: the same
 * float32 operations in the same order as ggml's dequantize_row, each rounded once, so the same
 * bits wherever ggml does not contract them. dtype is one of LIMN_Q4_0 to LIMN_Q6_K.
 * Source: github.com/ggml-org/ggml, ggml-common.h (the layouts) and ggml-quants.c (the formulas).
 */
void limn_quant_decode(limn_dtype dtype, const uint8_t *block, float *out);

/* The 32 integers of one block of LIMN_Q4_0, LIMN_Q5_0 or LIMN_Q8_0, and the float16 bits of the
 * scale that makes the numbers of them. */
uint16_t limn_quant_split(limn_dtype dtype, const uint8_t *block, int8_t *out);

/* Converts numbers [first, first + count) of whole blocks at `raw`, at any address, to float32. */
void limn_dtype_to_f32(limn_dtype dtype, const uint8_t *raw, size_t first, size_t count,
                       float *out);

/* Converts `count` numbers of one of the types F8 to float16 bits. */
void limn_f8_to_f16(limn_dtype dtype, const uint8_t *raw, size_t count, uint16_t *out);

/* The value of a float16's bits. */
float limn_half_value(uint16_t half);

#endif
