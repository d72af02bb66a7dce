/* JPEG files in memory, to be read; stb.h writes them. */
#ifndef LIMN_IMAGE_JPEG_H
#define LIMN_IMAGE_JPEG_H

#include "image/image.h"

/* Whether the bytes begin as a JPEG does. */
bool limn_jpeg_is(const uint8_t *data, size_t size);

/* Reads a JPEG (baseline or progressive, grey or colour, 8 bits) as 8-bit RGB, turned upright as
 * its EXIF data says; other metadata and colour profiles do not count. It is libjpeg-turbo's slow
 * integer transform and its smooth upsampling: the same bytes at every SIMD level.
 *   name  what to call the file in sentences
 * Limits are those of PNGs (png.h). A file too short for the pixels that it promises, with more
 * than 100 scans, cut off or damaged is refused. Fails with LIMN_E_INPUT and LIMN_E_MEMORY. */
limn_status limn_jpeg_decode(const char *name, const uint8_t *data, size_t size, limn_picture **out,
                             limn_error *err);

#endif
