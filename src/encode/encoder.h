/* The VAE's encoder: pixels -> latents.
 *
 * In: a picture [n, h, w, 3] in [-1, 1], h and w multiples of scale_px. Out: the mean and the
 * deviation of its latents, [n, h / scale, w / scale, latent_c] each, as the encoder has them: the
 * U-Net's latents are (mean + deviation x noise - shift) x scaling. Loading fails with a sentence;
 * running cannot fail.
 * Source: Kingma and Welling 2014; Rombach et al. 2022, in the form of diffusers' AutoencoderKL,
 * whose names the tensors have. The built-in model has a linear encoder in its place
 * (weights/vignette/README.md): one convolution over patches, and a constant deviation. */
#ifndef LIMN_ENCODE_ENCODER_H
#define LIMN_ENCODE_ENCODER_H

#include "decode/vae.h"

/* One resolution on the way down. */
typedef struct limn_encoder_level {
    limn_resnet resnet[LIMN_VAE_LAYERS_MOST];
    bool resamples;
    limn_conv resample;
} limn_encoder_level;

typedef struct limn_encoder {
    bool loaded; /* whether the model was opened with it */
    int latent_c, levels, layers;
    int channels[LIMN_VAE_LEVELS_MOST];
    int scale_px; /* pixels that a latent stands for, each way */
    bool has_quant, has_mid_attention;
    limn_conv conv_in, conv_out, quant;
    limn_encoder_level down[LIMN_VAE_LEVELS_MOST];
    limn_resnet mid_resnet[2];
    limn_vae_attention mid_attention;
    limn_norm norm_out;
    limn_activation act;
    limn_conv basis;  /* in place of all the above; matrix.n = 0 where there is none */
    double deviation; /* the linear encoder's */
} limn_encoder;

/* Reads the configuration and the tensors (ld->tensors) of the same VAE as `vae`, which has been
 * loaded. Faults stay in ld->status. */
void limn_encoder_load(limn_loader *ld, const limn_config *config, const limn_vae *vae,
                       limn_encoder *out);

/* Encodes. mean and deviation are the caller's memory; deviation may be NULL. x is not changed. */
void limn_encoder_run(limn_exec *e, const limn_encoder *m, const limn_map *x, limn_map *mean,
                      limn_map *deviation);

#endif
