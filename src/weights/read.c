/* A tensor's numbers, read from its source piece by piece and converted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "weights/quant.h"
#include "weights/rotate.h"

/* Bytes read at a time where they are converted: a part of a processor's second cache. */
#define CHUNK_BYTES ((size_t)256 << 10)

/* Rows of a transposed tensor that are read at a time: a run of each stored column. */
#define RUN 64

static limn_status check_range(const limn_tensor *t, uint64_t first, uint64_t count,
                               limn_error *err) {
    if (first <= t->count && count <= t->count - first) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT,
                     "%s: tensor \"%.200s\" has %" PRIu64 " numbers, but %" PRIu64
                     " are wanted from number %" PRIu64 " on",
                     t->source->name, t->name, t->count, count, first);
}

limn_status limn_tensor_read_stored(const limn_tensor *t, uint64_t at, size_t bytes, void *out,
                                    limn_error *err) {
    if (at > t->bytes || bytes > t->bytes - at)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" has %zu bytes, but %zu are wanted from byte "
                         "%" PRIu64 " on",
                         t->source->name, t->name, t->bytes, bytes, at);
    return limn_source_read_once(t->source, t->offset + at, bytes, out, err);
}

/* Numbers [first, first + count) in the order of the data, as 16 bits of the type's narrow one or
 * as float32. */
static limn_status in_order(const limn_tensor *t, uint64_t first, uint64_t count, bool narrow,
                            void *out, limn_error *err) {
    const size_t block = limn_dtype_block(t->dtype), size = limn_dtype_bytes(t->dtype);
    if (t->dtype == (narrow ? limn_dtype_narrow(t->dtype) : LIMN_F32))
        return limn_tensor_read_stored(t, first * size, (size_t)count * size, out, err);
    const size_t whole = CHUNK_BYTES / size, all = (size_t)count / block + 2; /* in blocks */
    const size_t most = (whole < all ? whole : all) * block;
    uint8_t *chunk = malloc(most / block * size);
    if (!chunk)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read tensor \"%.200s\"",
                         t->source->name, t->name);
    limn_status status = LIMN_OK;
    for (size_t done = 0, n; done < count && status == LIMN_OK; done += n) {
        const uint64_t at = first + done;
        const size_t skip = (size_t)(at % block), left = (size_t)count - done;
        n = left < most - skip ? left : most - skip;
        const size_t blocks = (skip + n + block - 1) / block;
        status = limn_tensor_read_stored(t, at / block * size, blocks * size, chunk, err);
        if (status != LIMN_OK) break;
        if (narrow)
            limn_f8_to_f16(t->dtype, chunk, n, (uint16_t *)out + done);
        else
            limn_dtype_to_f32(t->dtype, chunk, skip, n, (float *)out + done);
    }
    free(chunk);
    return status;
}

/* The same of a transposed tensor [rows, columns]: of each stored column a run for RUN rows. */
static limn_status turned(const limn_tensor *t, uint64_t first, uint64_t count, bool narrow,
                          void *out, limn_error *err) {
    const uint64_t rows = t->shape[0], columns = t->shape[1], end = first + count;
    const size_t size = narrow ? sizeof(uint16_t) : sizeof(float);
    float run[RUN]; /* or 16 bits each */
    if (count == 0) return LIMN_OK;
    for (uint64_t row = first / columns; row * columns < end; row += RUN) {
        const uint64_t n = rows - row < RUN ? rows - row : RUN;
        for (uint64_t column = 0; column < columns; column++) {
            limn_status status = in_order(t, column * rows + row, n, narrow, run, err);
            if (status != LIMN_OK) return status;
            for (uint64_t i = 0; i < n; i++) {
                const uint64_t at = (row + i) * columns + column;
                if (at < first || at >= end) continue;
                memcpy((char *)out + (at - first) * size, (char *)run + i * size, size);
            }
        }
    }
    return LIMN_OK;
}

/* Numbers [first, first + count) of int8 become what they are worth. */
static limn_status scale_rows(const limn_tensor *t, uint64_t first, uint64_t count, float *out,
                              limn_error *err) {
    const uint64_t k = t->count / t->shape[0];
    float scale[RUN];
    for (uint64_t row = first / k; row * k < first + count; row += RUN) {
        const uint64_t rows = t->shape[0] - row < RUN ? t->shape[0] - row : RUN;
        limn_status status = in_order(t->scale, row, rows, false, scale, err);
        if (status != LIMN_OK) return status;
        const uint64_t from = row * k > first ? row * k : first;
        const uint64_t to = (row + rows) * k < first + count ? (row + rows) * k : first + count;
        for (uint64_t i = from; i < to; i++) out[i - first] *= scale[i / k - row];
    }
    return LIMN_OK;
}

/* Rotated numbers [first, first + count), which are in `out`, are rotated back. The tensor is a
 * sequence of blocks; one that the range cuts is read again as a whole. */
static limn_status rotate_back(const limn_tensor *t, uint64_t first, uint64_t count, float *out,
                               limn_error *err) {
    const limn_kernels *k = limn_kernels_pick();
    const int block = limn_rotate_block(t->shape[1]);
    const uint64_t taps = t->count / t->shape[0] / t->shape[1], end = first + count;
    const uint64_t size = taps * (uint64_t)block;
    float cut[LIMN_ROTATE_MOST * LIMN_TILE_SEGMENTS];
    for (uint64_t at = first / size * size; at < end; at += size) {
        if (at >= first && at + size <= end) {
            limn_rotate_row(k, out + (at - first), (size_t)block, taps, block);
            continue;
        }
        limn_status status = in_order(t, at, size, false, cut, err);
        if (status == LIMN_OK) status = scale_rows(t, at, size, cut, err);
        if (status != LIMN_OK) return status;
        limn_rotate_row(k, cut, (size_t)block, taps, block);
        const uint64_t from = at > first ? at : first, to = at + size < end ? at + size : end;
        memcpy(out + (from - first), cut + (from - at), (size_t)(to - from) * sizeof *out);
    }
    return LIMN_OK;
}

limn_status limn_tensor_read(const limn_tensor *t, uint64_t first, uint64_t count, float *out,
                             limn_error *err) {
    limn_status status = check_range(t, first, count, err);
    if (status != LIMN_OK) return status;
    status = (t->transposed ? turned : in_order)(t, first, count, false, out, err);
    if (status != LIMN_OK || !t->scale || count == 0) return status;
    status = scale_rows(t, first, count, out, err);
    return status == LIMN_OK && t->rotated ? rotate_back(t, first, count, out, err) : status;
}

limn_status limn_tensor_read_narrow(const limn_tensor *t, uint64_t first, uint64_t count,
                                    uint16_t *out, limn_error *err) {
    limn_status status = check_range(t, first, count, err);
    if (status != LIMN_OK) return status;
    return (t->transposed ? turned : in_order)(t, first, count, true, out, err);
}

limn_status limn_tensor_read_q8(const limn_tensor *t, uint64_t first, uint64_t count, int8_t *out,
                                uint16_t *scale, limn_error *err) {
    const size_t block = limn_dtype_block(t->dtype), size = limn_dtype_bytes(t->dtype);
    const size_t most = CHUNK_BYTES / size, all = (size_t)count / block;
    limn_status status = check_range(t, first, count, err);
    if (status != LIMN_OK || all == 0) return status;
    uint8_t *chunk = malloc((most < all ? most : all) * size);
    if (!chunk)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read tensor \"%.200s\"",
                         t->source->name, t->name);
    for (size_t done = 0, n; done < all && status == LIMN_OK; done += n) {
        n = all - done < most ? all - done : most;
        status = limn_tensor_read_stored(t, (first / block + done) * size, n * size, chunk, err);
        for (size_t i = 0; i < n && status == LIMN_OK; i++)
            scale[done + i] =
                limn_quant_split(t->dtype, chunk + i * size, out + (done + i) * block);
    }
    free(chunk);
    return status;
}
