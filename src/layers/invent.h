/* Tensors that no file has: the loader's other source (see limn_invention). */
#ifndef LIMN_LAYERS_INVENT_H
#define LIMN_LAYERS_INVENT_H

#include "layers/layers.h"

/* A tensor of that shape; NULL after a fault. */
const limn_tensor *limn_invent_tensor(limn_loader *ld, const char *name, int rank,
                                      const uint64_t *shape);

/* Writes a job's place, whatever its margin. The numbers depend on `seed` and the place alone. */
void limn_invent_fill(const limn_kernels *k, const limn_pack_job *job, uint64_t seed);

#endif
