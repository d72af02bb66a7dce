/* From a request's prompts to what the denoiser is told: the only place where prompts meet the
 * tokenizers and the text encoders.
 *
 * In: a checked request. Out: a conditioning in the workspace, which stays valid until the caller
 * releases what was taken since. Fails as limn_tokenizer_encode does. On a measuring workspace it
 * takes what it will take and reads no prompt. */
#ifndef LIMN_RENDER_ENCODE_H
#define LIMN_RENDER_ENCODE_H

#include "render/model.h"

/* Runs every encoder over ids.
 *   ids     [m->encoders] arrays, each [n, positions]
 *   skip    layers at each encoder's end that are left out of cond, beyond those of its family
 *   cond    [n, positions, context_d], written in full: encoder after encoder in each row
 *   pooled  [n, pooled_d], the last encoder's; not written where the U-Net takes none */
void limn_encode_ids(limn_exec *e, const limn_model *m,
                     const int32_t *const ids[LIMN_ENCODERS_MOST], int n, int skip, float *cond,
                     float *pooled);

/* Encodes the negative prompt and the prompt, or the prompt alone where limn_denoise_batch says so.
 * Everything that *out points to is taken from e->ws. */
limn_status limn_encode_request(limn_exec *e, const limn_model *m, const limn_request *request,
                                limn_unet_condition *out, limn_error *err);

#endif
