/* What a LoRA file's metadata says of alphas. */
#ifndef LIMN_WEIGHTS_LORA_TOLD_H
#define LIMN_WEIGHTS_LORA_TOLD_H

#include "weights/weights.h"

/* The alpha of a layer that has none of its own, where "lora_adapter_metadata" says one: diffusers'
 * copy of PEFT's configuration, with the component before each key ("unet.lora_alpha").
 *   file       what sentences call the file
 *   told       that metadata; NULL = none
 *   component  "unet", "text_encoder", ...; NULL = none
 *   tensor     the layer's, by diffusers' name ("conv_in.weight")
 *   alpha      what holds where nothing is said; becomes what is said
 *   rooted     becomes whether it is over the rank's square root (rsLoRA, Kalajdzievski 2023)
 * A layer's own number stands in "unet.alpha_pattern", by its name or by the end of it.
 * LIMN_E_INPUT for a number that cannot be, or a pattern that is more than a name. */
limn_status limn_lora_told_alpha(const char *file, const limn_config *told, const char *component,
                                 const char *tensor, float *alpha, bool *rooted, limn_error *err);

#endif
