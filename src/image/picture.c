/* Pictures as files: which format a name or the bytes mean, and what stands around the pixels. */
#include "image/image.h"

#include "base/file.h"
#include "base/sha256.h"
#include "image/jpeg.h"
#include "image/png.h"
#include "image/stb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

limn_status limn_picture_make(int width, int height, uint8_t *rgb, const char *recipe,
                              const char *parameters, double elapsed_ms, limn_picture **out,
                              limn_error *err) {
    if (width < 1 || height < 1 || width > LIMN_PICTURE_SIDE_MOST ||
        height > LIMN_PICTURE_SIDE_MOST) {
        free(rgb);
        return limn_fail(err, LIMN_E_USAGE,
                         "a picture of %d x %d pixels, expected sides of 1 to %d", width, height,
                         LIMN_PICTURE_SIDE_MOST);
    }
    limn_picture *p = malloc(sizeof *p);
    char *own_recipe = recipe ? strdup(recipe) : NULL;
    char *own_parameters = parameters ? strdup(parameters) : NULL;
    if (!p || (recipe && !own_recipe) || (parameters && !own_parameters)) {
        free(p);
        free(rgb);
        free(own_recipe);
        free(own_parameters);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a picture of %d x %d pixels", width,
                         height);
    }
    *p = (limn_picture){width, height, rgb, own_recipe, own_parameters, elapsed_ms};
    *out = p;
    return LIMN_OK;
}

void limn_picture_free(limn_picture *picture) {
    if (!picture) return;
    free((void *)picture->rgb);
    free((void *)picture->recipe);
    free((void *)picture->parameters);
    free(picture);
}

void limn_picture_sha256(const limn_picture *picture, char hex[65]) {
    char head[48];
    limn_sha256 h;
    int n = snprintf(head, sizeof head, "P6\n%d %d\n255\n", picture->width, picture->height);
    limn_sha256_start(&h);
    limn_sha256_add(&h, head, (size_t)n);
    limn_sha256_add(&h, picture->rgb, (size_t)picture->width * (size_t)picture->height * 3);
    limn_sha256_end(&h, hex);
}

/* The formats by their endings. */
static const struct {
    const char *ending;
    limn_status (*encode)(const limn_picture *, uint8_t **, size_t *, limn_error *);
} formats[] = {
    {".png", limn_png_encode}, {".jpg", limn_stb_jpeg}, {".jpeg", limn_stb_jpeg},
    {".bmp", limn_stb_bmp},    {".tga", limn_stb_tga},
};

limn_status limn_picture_save(const limn_picture *picture, const char *path, unsigned flags,
                              limn_error *error) {
    const char *slash = strrchr(path, '/'), *ending = strrchr(path, '.');
    if (!ending || (slash && ending < slash)) ending = "";
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        uint8_t *bytes;
        size_t size;
        if (strcasecmp(ending, formats[i].ending) != 0) continue;
        limn_status status = formats[i].encode(picture, &bytes, &size, error);
        if (status) return status;
        status = limn_file_write(path, bytes, size, (flags & LIMN_OVERWRITE) != 0, error);
        free(bytes);
        return status;
    }
    return limn_fail(error, LIMN_E_USAGE,
                     "%s: the name's ending '%s' is none of .png, .jpg, .jpeg, .bmp and .tga", path,
                     ending);
}

limn_status limn_picture_png(const limn_picture *picture, uint8_t **bytes, size_t *size,
                             limn_error *error) {
    return limn_png_encode(picture, bytes, size, error);
}

limn_status limn_picture_load(const char *path, limn_picture **out, limn_error *error) {
    limn_bytes file;
    limn_status status = limn_file_open(path, &file, error);
    if (status) return status;
    status = limn_jpeg_is(file.data, file.size)
                 ? limn_jpeg_decode(path, file.data, file.size, out, error)
                 : limn_png_decode(path, file.data, file.size, out, error);
    limn_file_close(&file);
    return status;
}
