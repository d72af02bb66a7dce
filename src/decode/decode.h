/* What turns latents into pixels: a model's VAE, or a TAESD in its place. */
#ifndef LIMN_DECODE_DECODE_H
#define LIMN_DECODE_DECODE_H

#include "decode/taesd.h"
#include "decode/vae.h"

/* A model's decoder. */
typedef struct limn_decoder {
    const limn_vae *vae;     /* how large a picture is, in any case */
    const limn_taesd *taesd; /* what decodes, NULL: the VAE */
} limn_decoder;

/* Decodes. out [n, h x scale_px, w x scale_px, 3] is the caller's memory. latents is not changed.
 */
void limn_decode_run(limn_exec *e, const limn_decoder *d, const limn_map *latents, limn_map *out);

#endif
