#include "image/stb.h"

#include "image/buffer.h"

/* stb's functions stay inside this file, so that a program which has a copy of its own can link
 * liblimn. gcc speaks of the unused ones at the file's end, so no pop follows. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)(x)) /* the library never aborts */
#include <stb/stb_image_write.h>

#define JPEG_QUALITY 95

static void on_write(void *buffer, void *data, int size) {
    limn_image_add(buffer, data, (size_t)size);
}

/* Hands the file over, unless memory ran out on the way. */
static limn_status hand_over(limn_image_buffer *b, int written, uint8_t **bytes, size_t *size,
                             limn_error *err) {
    if (!written || b->failed || b->size == 0) {
        limn_image_drop(b);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a picture's file");
    }
    *bytes = (uint8_t *)b->data;
    *size = b->size;
    return LIMN_OK;
}

limn_status limn_stb_jpeg(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err) {
    limn_image_buffer b = {0};
    int written =
        stbi_write_jpg_to_func(on_write, &b, p->width, p->height, 3, p->rgb, JPEG_QUALITY);
    return hand_over(&b, written, bytes, size, err);
}

limn_status limn_stb_bmp(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err) {
    limn_image_buffer b = {0};
    int written = stbi_write_bmp_to_func(on_write, &b, p->width, p->height, 3, p->rgb);
    return hand_over(&b, written, bytes, size, err);
}

limn_status limn_stb_tga(const limn_picture *p, uint8_t **bytes, size_t *size, limn_error *err) {
    limn_image_buffer b = {0};
    int written = stbi_write_tga_to_func(on_write, &b, p->width, p->height, 3, p->rgb);
    return hand_over(&b, written, bytes, size, err);
}
