/* A picture of any size brought to a wanted one. */
#ifndef LIMN_IMAGE_FIT_H
#define LIMN_IMAGE_FIT_H

#include "base/arena.h"
#include "image/image.h"

/* Cuts the picture at its centre to the ratio width : height, and brings that to width x height by
 * Lanczos' filter of three lobes, widened where the picture shrinks; a picture of that size is
 * copied. What Pillow's ImageOps.fit does: columns first, weights of 22 bits, bytes between the two
 * passes; so that it is integer arithmetic but for the weights, which are computed with limn's own
 * sine.
 *   ws   gives scratch, and gets it back; where it measures, nothing is read or written but sizes
 *   out  [height, width, 3] u8, the caller's
 * Source: Lanczos' window in Duchon 1979, "Lanczos Filtering in One and Two Dimensions". */
void limn_image_fit(limn_arena *ws, const limn_picture *picture, int width, int height,
                    uint8_t *out);

#endif
