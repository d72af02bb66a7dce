/* A ControlNet: a copy of a U-Net's way down and middle that also sees a picture (edges, depth, a
 * pose), and adds what it makes of that to what the U-Net's way down leaves for its way up.
 *
 * In: what the U-Net is given, and the picture. Out: additions to the U-Net's maps. Loading fails
 * with a sentence that names the key or the tensor; running cannot fail. Source: Zhang, Rao and
 * Agrawala 2023, section 3, in the form of diffusers' ControlNetModel, whose names the tensors
 * have. */
#ifndef LIMN_DENOISE_CONTROL_H
#define LIMN_DENOISE_CONTROL_H

#include "denoise/unet.h"

/* Convolutions that halve the picture on its way to the latents' size. */
#define LIMN_CONTROL_HALVINGS_MOST 6

/* The coder of the picture: [1, H, W, 3] -> [1, h, w, channels[0]]. */
typedef struct limn_control_coder {
    int halvings;
    limn_conv in, out;
    limn_conv same[LIMN_CONTROL_HALVINGS_MOST]; /* of the same size, and then */
    limn_conv half[LIMN_CONTROL_HALVINGS_MOST]; /* half of it */
} limn_control_coder;

typedef struct limn_control {
    limn_unet copy; /* nothing on its way up */
    limn_control_coder coder;
    limn_matrix zero[LIMN_UNET_SKIPS_MOST]; /* 1x1 convolutions, which were 0 before training: */
    limn_matrix zero_mid;                   /* behind each step of the way down, and the middle */
    int zeros;
    int scale_px; /* pixels of the picture that a latent stands for, each way */
} limn_control;

/* Reads the configuration and the tensors (ld->tensors). Faults stay in ld->status. */
void limn_control_load(limn_loader *ld, const limn_config *config, limn_control *out);

/* The coder: picture [1, h, w, 3], values 0 to 1, sides multiples of scale_px, -> hint
 * [1, h / scale_px, w / scale_px, channels[0]], the caller's memory. */
void limn_control_see(limn_exec *e, const limn_control *m, const limn_map *picture, limn_map *hint);

/* What a ControlNet listens to and sees in every evaluation of one picture. */
typedef struct limn_control_context {
    const limn_control *net;
    limn_unet_context text; /* its copy's, by limn_unet_prepare with the U-Net's condition */
    const limn_map *hint;   /* limn_control_see's: of every conditioning alike */
    float strength;         /* what it adds is taken times this */
} limn_control_context;

/* Adds to skip[0, count), which are what the U-Net's way down left in its order, and to mid (NULL:
 * the middle is not evaluated), what the network makes of x, of whose channels it sees the first
 * ones: limn_unet_run does so where its context names a ControlNet. */
void limn_control_add(limn_exec *e, const limn_control_context *context, const limn_map *x,
                      double timestep, limn_map *skip, int count, limn_map *mid);

#endif
