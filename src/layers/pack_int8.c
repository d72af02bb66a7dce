/* Outputs of int8 matrices go to their columns. */
#include <stdlib.h>
#include <string.h>

#include "layers/pack.h"

/* The numbers [k] of the n-th output of an int8 matrix go to their column of the panel, four
 * channels of a tap together. */
static void place(const limn_kernels *kernels, const limn_pack_job *job, size_t n,
                  const int8_t *numbers) {
    const size_t taps = (size_t)job->taps, fours = (size_t)limn_fours_of(job->k / job->taps);
    int8_t *column = limn_int8_column(kernels, job, n);
    size_t channel = 0, tap = 0;
    int32_t sum = 0;
    for (size_t l = 0; l < (size_t)job->k; l++) {
        sum += numbers[l];
        column[limn_int8_line(kernels, tap * fours + channel)] = numbers[l];
        if (++tap == taps) {
            tap = 0;
            channel++;
        }
    }
    job->start[n] = -128 * sum;
}

/* Zeros behind the last channel of each tap. */
static void clear_tail(const limn_kernels *kernels, const limn_pack_job *job, size_t n) {
    size_t taps = (size_t)job->taps, c = (size_t)job->k / taps;
    size_t fours = (size_t)limn_fours_of((int)c);
    int8_t *column = limn_int8_column(kernels, job, n);
    for (size_t t = 0; t < taps; t++)
        for (size_t at = t * fours + c; at < (t + 1) * fours; at++)
            column[limn_int8_line(kernels, at)] = 0;
}

void limn_pack_int8_output(const limn_kernels *kernels, const limn_pack_job *job, size_t n,
                           const int8_t *numbers) {
    place(kernels, job, n, numbers);
    clear_tail(kernels, job, n);
}

/* A row that is stored as int8 already. -128, which limn never writes, is beyond the kernels. */
static limn_status pack_stored_row(const limn_kernels *kernels, const limn_pack_job *job, int row,
                                   int8_t *numbers, limn_error *err) {
    size_t k = (size_t)job->k, n = (size_t)(job->n0 + row);
    limn_status status = limn_tensor_read_stored(job->tensor, (size_t)row * k, k, numbers, err);
    if (status != LIMN_OK) return status;
    if (memchr(numbers, 0x80, k))
        return limn_fail(err, LIMN_E_INPUT, "tensor %.200s holds -128; int8 is -127 to 127 here",
                         job->tensor->name);
    limn_pack_int8_output(kernels, job, n, numbers);
    return LIMN_OK;
}

limn_status limn_pack_int8_stored(const limn_kernels *kernels, const limn_pack_job *job,
                                  limn_error *err) {
    const limn_tensor *t = job->tensor;
    int8_t *numbers = malloc((size_t)job->k);
    if (!numbers) return limn_fail(err, LIMN_E_MEMORY, "no memory for a row of tensor %s", t->name);
    limn_status status = limn_tensor_read(t->scale, 0, t->shape[0], job->scale + job->n0, err);
    for (int row = 0; row < (int)t->shape[0] && status == LIMN_OK; row++)
        status = pack_stored_row(kernels, job, row, numbers, err);
    free(numbers);
    return status;
}

void limn_pack_int8_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    size_t panel = (size_t)kernels->panel, used = (size_t)job->n % panel;
    size_t depth = (size_t)job->taps * (size_t)limn_fours_of(job->k / job->taps);
    if (used == 0) return;
    int8_t *column = limn_int8_column(kernels, job, (size_t)job->n);
    for (size_t at = 0; at < depth; at += 4)
        memset(column + limn_int8_line(kernels, at), 0, (panel - used) * 4);
    memset(job->scale + job->n, 0, (panel - used) * sizeof *job->scale);
    memset(job->start + job->n, 0, (panel - used) * sizeof *job->start);
}
