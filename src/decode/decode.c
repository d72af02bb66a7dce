#include "decode/decode.h"

void limn_decode_run(limn_exec *e, const limn_decoder *d, const limn_map *latents, limn_map *out) {
    if (d->taesd)
        limn_taesd_decode(e, d->taesd, latents, out);
    else
        limn_vae_decode(e, d->vae, latents, out);
}
