/* The U-Net's names in the original layout (CompVis, "LDM"), which LoRA files use and which are
 * short enough for GGUF. */
#ifndef LIMN_WEIGHTS_ORIGINAL_H
#define LIMN_WEIGHTS_ORIGINAL_H

#include "weights/weights.h"

/* Room for such a name, with its NUL. */
#define LIMN_ORIGINAL_BYTES 256

/* The name there of `base`, a part of the U-Net `unet` without ".weight" or ".bias"; false where
 * there is none, and *out is undefined then. */
bool limn_original_name(const limn_tensors *unet, const char *base, char out[LIMN_ORIGINAL_BYTES]);

#endif
