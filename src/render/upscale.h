/* A picture in two passes: drawn at its size, its latents made larger, and drawn again from there
 * at the larger size. A1111's "Hires. fix" with its upscaler "Latent". */
#ifndef LIMN_RENDER_UPSCALE_H
#define LIMN_RENDER_UPSCALE_H

#include "render/model.h"

/* The size of the finished picture, px: the request's times `upscale`, cut to the model's step. */
void limn_upscale_size(const limn_model *m, const limn_request *r, int *width, int *height);

/* Fills in what a request leaves open: how much is lost. */
void limn_upscale_settle(limn_request *r);

/* Checks a settled request's second pass; whether its sizes can be, the caller checks.
 * LIMN_E_USAGE. */
limn_status limn_upscale_check(const limn_model *m, const limn_request *r, limn_error *err);

/* The request of the second pass: the larger size, and the steps of a whole run of which the last
 * *made are made: as many as upscale_steps says (else as many as the first pass has). */
limn_request limn_upscale_request(const limn_model *m, const limn_request *r, int *made);

/* Latents at a larger size: each value linear between its neighbours', which lie where the centres
 * of pixels do (torch's interpolate, bilinear, align_corners false, no antialias).
 *   from  [1, h, w, c];  to  [1, any h, any w, c] written in full */
void limn_upscale_latents(const limn_map *from, limn_map *to);

/* What the second pass begins with: the latents at its size, and noise from the seed's stream begun
 * anew, as A1111 has it. What *out points to lies in e->ws. */
void limn_upscale_start(limn_exec *e, const limn_request *second, int made, const limn_map *small,
                        const limn_map *shape, limn_rng *stream, limn_denoise_start *out);

#endif
