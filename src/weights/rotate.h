/* Rows of int8 weights: rotated so that no channel stands out (layers/int8.c says why). */
#ifndef LIMN_WEIGHTS_ROTATE_H
#define LIMN_WEIGHTS_ROTATE_H

#include "kernels/kernels.h"

/* How many neighbouring channels are rotated together: the largest power of two that divides c, up
 * to LIMN_ROTATE_MOST. Part of the contract. */
int limn_rotate_block(size_t c);

/* Rotates a row of weights x [c, taps] within each tap, in place: block times as large then. c is a
 * multiple of block. Doing it twice gives block x x. */
void limn_rotate_row(const limn_kernels *k, float *x, size_t c, size_t taps, int block);

#endif
