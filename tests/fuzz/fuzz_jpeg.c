/* A JPEG, to begin a picture with. */
#include "fuzz/fuzz.h"
#include "image/jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_picture *picture = NULL;
    if (!limn_jpeg_is(data, size)) return 0;
    const limn_status status = limn_jpeg_decode("x.jpg", data, size, &picture, &err);
    fuzz_told(status, &err);
    if (status != LIMN_OK) return 0;
    fuzz_must(picture->width > 0 && picture->height > 0);
    limn_picture_free(picture);
    return 0;
}
