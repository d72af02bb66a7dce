/* Inside pack.c, pack_int8.c, pack_q8.c and invent.c: how outputs of matrices of integers get to
 * their columns. */
#ifndef LIMN_LAYERS_PACK_H
#define LIMN_LAYERS_PACK_H

#include "layers/product.h"

/* Where the n-th output of an int8 matrix begins in its panel, [k / 4][panel][4]. */
static inline int8_t *limn_int8_column(const limn_kernels *kernels, const limn_pack_job *job,
                                       size_t n) {
    const size_t panel = (size_t)kernels->panel, taps = (size_t)job->taps;
    const size_t depth = taps * (size_t)limn_fours_of(job->k / job->taps);
    return job->to.i8 + n / panel * panel * depth + n % panel * 4;
}

/* How far behind it the number of its `at`-th line is. */
static inline size_t limn_int8_line(const limn_kernels *kernels, size_t at) {
    return at / 4 * 4 * (size_t)kernels->panel + at % 4;
}

/* The numbers [k] of a job's n-th output, in the file's order (c, taps), go to their column. */
void limn_pack_int8_output(const limn_kernels *kernels, const limn_pack_job *job, size_t n,
                           const int8_t *numbers);

/* A tensor that is stored as rotated int8 goes into an int8 matrix as it is. LIMN_E_INPUT where it
 * holds -128, LIMN_E_MEMORY, and what reading may give. */
limn_status limn_pack_int8_stored(const limn_kernels *kernels, const limn_pack_job *job,
                                  limn_error *err);

/* Zeros behind the last column of the last panel of an int8 matrix. */
void limn_pack_int8_margin(const limn_kernels *kernels, const limn_pack_job *job);

/* A tensor whose limn_dtype_narrow is LIMN_Q8_0 goes into a matrix of it. LIMN_E_MEMORY, and what
 * reading may give. */
limn_status limn_pack_q8(const limn_kernels *kernels, const limn_pack_job *job, limn_error *err);

/* Zeros behind the last column of the last panel of such a matrix. */
void limn_pack_q8_margin(const limn_kernels *kernels, const limn_pack_job *job);

#endif
