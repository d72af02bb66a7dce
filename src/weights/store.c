/* A tensor's numbers on their way into another file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/convert.h"

/* Numbers of a block of Q8_0, and its bytes: a float16 scale and as many int8. */
#define Q8_NUMBERS 32
#define Q8_BYTES   34

static limn_status write_bytes(limn_out *o, const void *data, size_t size, limn_error *err) {
    limn_status status = limn_writer_add(o->writer, data, size, err);
    o->done += size;
    const limn_convert_options *how = o->options;
    if (status == LIMN_OK && how->progress && !how->progress(how->user, o->done, o->total))
        return limn_fail(err, LIMN_E_CANCELLED, "stopped; nothing was written");
    return status;
}

/* float32 to the upper half of its bits, to nearest, ties to even. */
static uint16_t bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ggml's Q8_0: d = the largest magnitude / 127 as float16, and each x / d, rounded, halves away
 * from 0. Source: ggml, quantize_row_q8_0_ref. */
static void q8_block(const float *x, uint8_t *out) {
    float most = 0;
    for (int i = 0; i < Q8_NUMBERS; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    const float d = most / 127.0f, inverse = most > 1e-30f ? 1.0f / d : 0.0f;
    uint16_t half;
    limn_f32_to_f16(&d, 1, &half);
    memcpy(out, &half, sizeof half);
    for (int i = 0; i < Q8_NUMBERS; i++)
        out[sizeof half + (size_t)i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

/* x[count] in a type, into out; returns its bytes. */
static size_t encode(limn_dtype dtype, const float *x, size_t count, uint8_t *out) {
    if (dtype == LIMN_F16) {
        limn_f32_to_f16(x, count, (uint16_t *)(void *)out);
        return count * sizeof(uint16_t);
    }
    if (dtype == LIMN_BF16) {
        for (size_t i = 0; i < count; i++) ((uint16_t *)(void *)out)[i] = bf16_of(x[i]);
        return count * sizeof(uint16_t);
    }
    if (dtype == LIMN_Q8_0) {
        for (size_t i = 0; i < count / Q8_NUMBERS; i++)
            q8_block(x + i * Q8_NUMBERS, out + i * Q8_BYTES);
        return count / Q8_NUMBERS * Q8_BYTES;
    }
    memcpy(out, x, count * sizeof *x);
    return count * sizeof *x;
}

/* A finite number that would become an infinity must not go unseen; in Q8_0 nothing but finite
 * numbers can be stored. */
static limn_status check_range(const limn_out_tensor *t, const float *x, size_t count,
                               limn_error *err) {
    const float most = t->dtype == LIMN_F16    ? 65519.996f
                       : t->dtype == LIMN_BF16 ? 0x1.fefffep127f
                       : t->dtype == LIMN_Q8_0 ? 8e6f
                                               : INFINITY;
    for (size_t i = 0; i < count; i++) {
        const bool finite = isfinite(x[i]);
        if (finite ? fabsf(x[i]) <= most : t->dtype != LIMN_Q8_0) continue;
        return limn_fail(err, LIMN_E_INPUT,
                         "tensor %.200s holds %g, which %s cannot; choose another type",
                         t->tensor->name, (double)x[i], limn_dtype_name(t->dtype));
    }
    return LIMN_OK;
}

/* As it is stored already. */
static limn_status copy_stored(limn_out *o, const limn_out_tensor *t, limn_error *err) {
    const size_t piece = 4 * LIMN_OUT_NUMBERS;
    limn_status status = LIMN_OK;
    for (uint64_t at = 0; at < t->bytes && status == LIMN_OK; at += piece) {
        const size_t count = t->bytes - at < piece ? (size_t)(t->bytes - at) : piece;
        status = limn_tensor_read_stored(t->tensor, at, count, o->stored, err);
        if (status == LIMN_OK) status = write_bytes(o, o->stored, count, err);
    }
    return status;
}

static limn_status convert_numbers(limn_out *o, const limn_out_tensor *t, limn_error *err) {
    limn_status status = LIMN_OK;
    for (uint64_t at = 0; at < t->tensor->count && status == LIMN_OK; at += LIMN_OUT_NUMBERS) {
        const uint64_t left = t->tensor->count - at;
        const size_t count = left < LIMN_OUT_NUMBERS ? (size_t)left : LIMN_OUT_NUMBERS;
        status = limn_tensor_read(t->tensor, at, count, o->numbers, err);
        if (status == LIMN_OK) status = check_range(t, o->numbers, count, err);
        if (status == LIMN_OK)
            status = write_bytes(o, o->stored, encode(t->dtype, o->numbers, count, o->stored), err);
    }
    return status;
}

/* A tensor as int8 rows, or the scales of those rows. */
static limn_status store_int8(limn_out *o, const limn_out_tensor *t, limn_error *err) {
    const uint64_t rows = t->tensor->shape[0], k = t->tensor->count / (rows ? rows : 1);
    limn_status status = LIMN_OK;
    if (k > LIMN_OUT_NUMBERS)
        return limn_fail(err, LIMN_E_INPUT, "tensor %.200s: rows of %llu numbers, limn takes %zu",
                         t->name, (unsigned long long)k, LIMN_OUT_NUMBERS);
    for (uint64_t row = 0; row < rows && status == LIMN_OK; row++) {
        status = limn_tensor_read(t->tensor, row * k, k, o->numbers, err);
        if (status != LIMN_OK) return status;
        const size_t c = (size_t)t->tensor->shape[1];
        const float scale = o->quantiser->row(o->numbers, c, (size_t)k / c, (int8_t *)o->stored);
        status = t->scale ? write_bytes(o, &scale, sizeof scale, err)
                          : write_bytes(o, o->stored, (size_t)k, err);
    }
    return status;
}

limn_status limn_out_store(limn_out *o, const limn_out_tensor *t, limn_error *err) {
    if (!t->tensor) return write_bytes(o, t->file.data, t->file.size, err);
    if (t->int8 || t->scale) return store_int8(o, t, err);
    const bool same = t->tensor->bytes == t->bytes && !t->tensor->transposed;
    if (same && (t->dtype == t->tensor->dtype || !limn_tensor_is_weight(t->tensor)))
        return copy_stored(o, t, err);
    return convert_numbers(o, t, err);
}
