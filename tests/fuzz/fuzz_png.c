/* A PNG and the recipe in it. What is read is written and read again: the same pixels. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "image/png.h"

static void read_recipe(const limn_picture *picture) {
    limn_error err = {0};
    limn_recipe *recipe = NULL;
    const limn_status status = limn_recipe_read(picture, &recipe, &err);
    fuzz_told(status, &err);
    if (status == LIMN_OK) fuzz_must(limn_recipe_request(recipe)->prompt != NULL);
    limn_recipe_free(recipe);
}

static void write_again(const limn_picture *picture) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    limn_picture *again = NULL;
    fuzz_must(limn_png_encode(picture, &bytes, &size, NULL) == LIMN_OK);
    fuzz_must(limn_png_decode("again", bytes, size, &again, NULL) == LIMN_OK);
    fuzz_must(again->width == picture->width && again->height == picture->height);
    const size_t count = 3 * (size_t)picture->width * (size_t)picture->height;
    fuzz_must(memcmp(again->rgb, picture->rgb, count) == 0);
    limn_picture_free(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_picture *picture = NULL;
    const limn_status status = limn_png_decode("x.png", data, size, &picture, &err);
    fuzz_told(status, &err);
    if (status != LIMN_OK) return 0;
    read_recipe(picture);
    if (picture->width * picture->height < 10000) write_again(picture);
    limn_picture_free(picture);
    return 0;
}
