/* What turns latents into pixels: a model's VAE, or a TAESD in its place; whole, or in tiles. */
#ifndef LIMN_DECODE_DECODE_H
#define LIMN_DECODE_DECODE_H

#include "decode/taesd.h"
#include "decode/vae.h"

/* The least side of a tile, in latents: with fewer, a tile knows next to nothing of its picture. */
#define LIMN_TILE_LATENTS_LEAST 8

/* A model's decoder. */
typedef struct limn_decoder {
    const limn_vae *vae;     /* how large a picture is, in any case */
    const limn_taesd *taesd; /* what decodes, NULL: the VAE */
    int tile_px;             /* the side of a tile, a multiple of vae->scale_px; 0 = whole */
} limn_decoder;

/* Decodes. out [n, h x scale_px, w x scale_px, 3] is the caller's memory. latents is not changed.
 * In tiles the memory is that of one tile, whatever the size; each has a group norm's statistics of
 * its own, so pixels differ from those of a whole decode (docs/numerics.md). */
void limn_decode_run(limn_exec *e, const limn_decoder *d, const limn_map *latents, limn_map *out);

#endif
