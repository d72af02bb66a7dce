/* TAESD: a small autoencoder that stands in for a model's VAE. Its decoder gives a picture in a
 * fraction of the time and memory, near to the VAE's but not the same.
 *
 * In: latents [n, h, w, latent_c] as the U-Net has them. Out: [n, 8 h, 8 w, 3], nominally in
 * [-1, 1], and the other way round. Loading fails with a sentence; running cannot fail.
 * Source: O. Boer Bohan, Tiny AutoEncoder for Stable Diffusion, 2023, in the form of diffusers'
 * AutoencoderTiny. TAESDXL is the same network with other numbers. */
#ifndef LIMN_DECODE_TAESD_H
#define LIMN_DECODE_TAESD_H

#include "layers/layers.h"

#define LIMN_TAESD_LEVELS_MOST 6
#define LIMN_TAESD_BLOCKS_MOST 8

/* What shape such a network has. */
typedef struct limn_taesd_form {
    int latent_c, width;                /* channels of the latents, and of every layer between */
    int levels;                         /* resolutions; each step doubles the sides */
    int blocks[LIMN_TAESD_LEVELS_MOST]; /* on each, in the order of the network */
} limn_taesd_form;

/* relu(x + conv relu conv relu conv x), all 3x3. */
typedef struct limn_taesd_block {
    limn_conv conv[3];
} limn_taesd_block;

/* One half of it, coder or decoder: a convolution before the first block, blocks, and a convolution
 * behind each level (decoder) or before each (encoder). */
typedef struct limn_taesd_half {
    limn_taesd_form form;
    limn_conv first, last;
    limn_conv between[LIMN_TAESD_LEVELS_MOST]; /* levels - 1 of them, without bias */
    limn_taesd_block block[LIMN_TAESD_LEVELS_MOST][LIMN_TAESD_BLOCKS_MOST];
} limn_taesd_half;

typedef struct limn_taesd {
    limn_taesd_half decoder, encoder;
    bool has_encoder;
    int latent_c, scale_px; /* pixels that a latent stands for, each way */
    double scaling, shift;  /* what the decoder wants is latent / scaling + shift */
} limn_taesd;

/* Reads the decoder's tensors (ld->tensors), by the names of diffusers ("decoder.layers.0.weight")
 * or of the original files ("1.weight", "decoder.1.weight"). config is AutoencoderTiny's; NULL: the
 * shape is found from the tensors. Faults stay in ld->status. */
void limn_taesd_load(limn_loader *ld, const limn_config *config, limn_taesd *out);

/* Reads the encoder too, by diffusers' names, after limn_taesd_load. */
void limn_taesd_load_encoder(limn_loader *ld, const limn_config *config, limn_taesd *out);

/* Decodes. out [n, h x scale_px, w x scale_px, 3] is the caller's memory. latents is not changed.
 */
void limn_taesd_decode(limn_exec *e, const limn_taesd *m, const limn_map *latents, limn_map *out);

/* Encodes a picture [n, h, w, 3] in [-1, 1], sides multiples of scale_px, into latents
 * [n, h / scale_px, w / scale_px, latent_c], the caller's memory. Only where has_encoder. */
void limn_taesd_encode(limn_exec *e, const limn_taesd *m, const limn_map *picture,
                       limn_map *latents);

/* ---- files ----------------------------------------------------------------------------------- */

/* The opened files of a TAESD that lies outside of a model's folder. */
typedef struct limn_taesd_files {
    limn_bytes bytes;
    limn_tensors *tensors;
    limn_config *config; /* NULL for a file alone */
    char name[256];      /* the file's or the folder's */
    char sha256[65];     /* of the file with the tensors */
} limn_taesd_files;

/* Opens `path`: a safetensors file, or a folder with AutoencoderTiny's config.json and tensors.
 * LIMN_E_MISSING, LIMN_E_INPUT, LIMN_E_IO, LIMN_E_MEMORY. *out is to be closed, after a failure
 * too. */
limn_status limn_taesd_files_open(const char *path, limn_taesd_files *out, limn_error *err);

/* Closes them; a zeroed one is fine. */
void limn_taesd_files_close(limn_taesd_files *files);

#endif
