/* The VAE's decoder: latents -> pixels.
 *
 * In: latents [n, h, w, latent_c] as the U-Net has them. Out: [n, h x scale, w x scale, 3],
 * nominally in
 * [-1, 1]. Loading fails with a sentence; running cannot fail.
 * Source: Esser et al. 2021 and Rombach et al. 2022, in the form of diffusers' AutoencoderKL, whose
 * names the tensors have. Two things may be added to it, as the built-in model does
 * (weights/vignette/README.md): the decoder may paint patches of patch x patch pixels instead of
 * pixels, and a linear basis of basis x basis patches may be added to the picture. */
#ifndef LIMN_DECODE_VAE_H
#define LIMN_DECODE_VAE_H

#include "decode/attention.h"

#define LIMN_VAE_LEVELS_MOST 6
#define LIMN_VAE_LAYERS_MOST 4

/* One resolution on the way up. */
typedef struct limn_vae_level {
    limn_resnet resnet[LIMN_VAE_LAYERS_MOST + 1];
    bool resamples;
    limn_conv resample;
} limn_vae_level;

typedef struct limn_vae {
    int latent_c, levels, layers;
    int channels[LIMN_VAE_LEVELS_MOST];
    int patch;    /* pixels that a decoder output covers, each way; 1 but for patch decoders */
    int basis;    /* pixels that a basis patch covers; 0 where there is none */
    int scale_px; /* pixels that a latent stands for, each way */
    double scaling, shift;
    bool has_post_quant, has_mid_attention;
    limn_conv post_quant, conv_in, conv_out;
    limn_matrix basis_decode; /* [3 x basis x basis, latent_c] */
    limn_resnet mid_resnet[2];
    limn_vae_attention mid_attention;
    limn_vae_level up[LIMN_VAE_LEVELS_MOST];
    limn_norm norm_out;
    limn_activation act;
} limn_vae;

/* Reads the configuration and the tensors (ld->tensors). Faults stay in ld->status. */
void limn_vae_load(limn_loader *ld, const limn_config *config, limn_vae *out);

/* Reads the configuration alone, where something else decodes: there is no basis, and no part may
 * be run. */
void limn_vae_describe(limn_loader *ld, const limn_config *config, limn_vae *out);

/* Decodes. out [n, h x scale_px, w x scale_px, 3] is the caller's memory. latents is not changed.
 */
void limn_vae_decode(limn_exec *e, const limn_vae *m, const limn_map *latents, limn_map *out);

/* The two parts of a picture with a basis, before they are put in their places: what the decoder
 * paints [n, h x scale / patch, w x scale / patch, 3 patch^2], and the basis [n, h, w, 3 basis^2].
 * Maps are taken from the workspace. basis.v is NULL where the model has none. */
void limn_vae_decode_parts(limn_exec *e, const limn_vae *m, const limn_map *latents,
                           limn_map *painted, limn_map *basis);

/* [-1, 1] -> 0 ... 255: round half to even of 255 clamp(x / 2 + 1/2), as diffusers does. */
void limn_vae_to_pixels(const float *x, size_t count, uint8_t *out);

#endif
