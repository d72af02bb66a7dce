/* Inside pack.c, pack_int8.c and pack_q8.c: how outputs of matrices of integers get to their
 * columns. */
#ifndef LIMN_LAYERS_PACK_H
#define LIMN_LAYERS_PACK_H

#include "layers/product.h"

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
