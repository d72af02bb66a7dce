/* Shows the bits suites what the tool does not say:
 *   probe level        the SIMD level that runs here
 *   probe pixels FILE  the SHA-256 of a PNG's pixels, [height, width, 3] u8 */
#include "base/sha256.h"
#include "limn.h"
#include <stdio.h>
#include <string.h>

static int show_pixels(const char *path) {
    limn_picture *picture;
    limn_error error;
    if (limn_picture_load(path, &picture, &error) != LIMN_OK) {
        fprintf(stderr, "%s\n", error.text);
        return error.status;
    }
    char hex[65];
    limn_sha256_of(picture->rgb, (size_t)picture->width * (size_t)picture->height * 3, hex);
    puts(hex);
    limn_picture_free(picture);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "pixels") == 0) return show_pixels(argv[2]);
    if (argc == 2 && strcmp(argv[1], "level") == 0) return puts(limn_simd_level()) < 0;
    fputs("usage: probe level | probe pixels FILE\n", stderr);
    return LIMN_E_USAGE;
}
