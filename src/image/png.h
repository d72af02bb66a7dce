/* PNG files in memory: a picture to bytes and back. Nothing here touches a file, and nothing is
 * kept between calls. */
#ifndef LIMN_IMAGE_PNG_H
#define LIMN_IMAGE_PNG_H

#include "image/image.h"

#define LIMN_PICTURE_SIDE_MOST 16384      /* px */
#define LIMN_PNG_PIXELS_MOST   (1 << 26)  /* in a file that is read */
#define LIMN_PNG_TEXT_MOST     (2u << 20) /* bytes, of each text in a file that is read */

/* Writes a picture as a PNG: 8-bit RGB, sRGB, the A1111 text, the recipe and the mark of a picture
 * that a machine made, where it carries them. The bytes are a function of the picture alone.
 * *bytes is the caller's, for free(). Fails with LIMN_E_MEMORY. */
limn_status limn_png_encode(const limn_picture *picture, uint8_t **bytes, size_t *size,
                            limn_error *err);

/* Reads a PNG of any kind (depth, palette, interlace) as 8-bit RGB; alpha is dropped, 16 bits are
 * rounded. Texts "limn" and "parameters" are kept, those of other programs are skipped unread.
 *   name  what to call the file in sentences
 * Pictures have at most 2^26 pixels and texts 2 MiB each; a file too short for the pixels that it
 * promises is refused before any memory is taken for them.
 * Fails with LIMN_E_INPUT and LIMN_E_MEMORY. */
limn_status limn_png_decode(const char *name, const uint8_t *data, size_t size, limn_picture **out,
                            limn_error *err);

/* Filters rows for compression (PNG, chapter 9): each row with the filter whose result has the
 * smallest sum of absolute values, the first one of equals.
 *   rgb   [height, width, 3]
 *   room  limn_png_filter_room(width) bytes of scratch: too many for a small stack
 *   out   [height, 1 + 3 x width] written in full */
void limn_png_filter(int width, int height, const uint8_t *rgb, uint8_t *room, uint8_t *out);

/* The scratch that limn_png_filter wants, bytes. */
size_t limn_png_filter_room(int width);

#endif
