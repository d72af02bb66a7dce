/* Inside src/denoise: the pieces of an evaluation that a ControlNet has too (unet.c). */
#ifndef LIMN_DENOISE_UNET_PARTS_H
#define LIMN_DENOISE_UNET_PARTS_H

#include "denoise/unet.h"

/* The activated time embedding [n, time_d], the pooled text's part included; in e->ws. */
float *limn_unet_time(limn_exec *e, const limn_unet *m, double timestep,
                      const limn_unet_context *context);

/* The first convolution: x [n, h, w, in_c] -> a new map. */
limn_map limn_unet_in(limn_exec *e, const limn_unet *m, const limn_map *x);

/* How far the way down has got; zeroed = behind the first convolution. */
typedef struct limn_unet_place {
    int level, layer;
} limn_unet_place;

/* The next step of the way down, a layer or what resamples: *x becomes a new map, and *at moves on.
 * false, and nothing happens, at the end. */
bool limn_unet_down(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                    const float *time, limn_unet_place *at, limn_map *x);

/* The middle: *x becomes a new map at `base`, from where on the workspace is lost; it stays where
 * it is where there is no middle. */
void limn_unet_middle(limn_exec *e, const limn_unet *m, const limn_unet_context *context,
                      const float *time, size_t base, limn_map *x);

#endif
