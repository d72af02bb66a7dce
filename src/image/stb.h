/* The formats that carry no recipe, by stb_image_write: JPEG, BMP and TGA, whole files in memory.
 */
#ifndef LIMN_IMAGE_STB_H
#define LIMN_IMAGE_STB_H

#include "image/image.h"

/* Encodes a picture as JPEG at quality 95. *bytes is the caller's, for free(). Fails
 * with LIMN_E_MEMORY. */
limn_status limn_stb_jpeg(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err);
/* As limn_stb_jpeg, without loss. */
limn_status limn_stb_bmp(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err);
/* As limn_stb_jpeg, without loss. */
limn_status limn_stb_tga(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err);

#endif
