/* LoRA: corrections (weights/lora.h) added to a tensor, a few rows at a time, so that what is
 * merged is never there twice. The order of every operation is part of the contract
 * (docs/numerics.md).
 *
 *     limn_merge_start(kernels, tensor, deltas, count, &merge, err);
 *     for (done = 0; done < tensor->shape[0]; done += rows.shape[0])
 *         limn_merge_next(merge, &rows, err);
 *     limn_merge_end(merge);
 *
 * What can fail: LIMN_E_MEMORY, and what limn_tensor_read can.
 */
#ifndef LIMN_LAYERS_MERGE_H
#define LIMN_LAYERS_MERGE_H

#include "kernels/kernels.h"
#include "weights/lora.h"

/* A merge under way. */
typedef struct limn_merge limn_merge;

/* Begins with the first row of `tensor`; deltas[count] are all of its own. Takes memory for the
 * factors as float32 and for some rows. *out is NULL after a failure. */
limn_status limn_merge_start(const limn_kernels *kernels, const limn_tensor *tensor,
                             const limn_lora_delta *deltas, int count, limn_merge **out,
                             limn_error *err);

/* The next rows, one at least, as a tensor of the same name and rank and fewer rows, in memory,
 * good until the next call. Its type is float16 where that is the tensor's
 * limn_dtype_narrow, else float32. Not to be called behind the last row. */
limn_status limn_merge_next(limn_merge *m, limn_tensor *rows, limn_error *err);

/* Gives the memory back. NULL is fine. */
void limn_merge_end(limn_merge *m);

#endif
