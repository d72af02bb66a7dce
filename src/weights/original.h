/* Names in the original layout (CompVis, "LDM"), which LoRA files use, and which the readers of
 * GGUF want. */
#ifndef LIMN_WEIGHTS_ORIGINAL_H
#define LIMN_WEIGHTS_ORIGINAL_H

#include "weights/single.h"

/* Room for such a name, with its NUL. */
#define LIMN_ORIGINAL_BYTES 256

/* The name there of `base`, a part of the U-Net `unet` without ".weight" or ".bias"; false where
 * there is none, and *out is undefined then. */
bool limn_original_name(const limn_tensors *unet, const char *base, char out[LIMN_ORIGINAL_BYTES]);

/* The whole name, with the part before it, that a part's tensor has in a file of the original
 * layout; text encoders keep transformers' names behind it. Source: what stable-diffusion.cpp
 * (name_conversion.cpp, model_loader.cpp) and ComfyUI-GGUF (loader.py) read. */
void limn_original_whole_name(limn_part part, const limn_tensors *all, const char *name,
                              char out[LIMN_ORIGINAL_BYTES]);

/* Whether limn's reader makes all of a part's names again from those. LIMN_E_MEMORY. */
limn_status limn_original_returns(limn_part part, const limn_tensors *all, bool *returns,
                                  limn_error *err);

#endif
