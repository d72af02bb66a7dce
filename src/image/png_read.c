/* A stranger's PNG as a picture. The file's chunks are walked and checked first; libpng then gets
 * to see only those that this needs, so that colour profiles, EXIF and other programs' texts are
 * never unpacked. */
#include "image/png.h"

#include "base/checked.h"
#include "image/buffer.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE    8    /* bytes */
#define FRAME        12   /* bytes of a chunk beside its data: length, kind, CRC */
#define DEFLATE_BEST 1032 /* no deflate stream unpacks to more than this many times its size */

/* The texts that are read, and where they go in a picture. */
enum { TEXT_RECIPE, TEXT_PARAMETERS, TEXTS };
static const char *const keywords[TEXTS] = {"limn", "parameters"};

/* A file while it is read. Everything that libpng's jumps must not lose stands here. */
typedef struct png_reader {
    const char *name;
    const uint8_t *data;
    size_t size, at, chunk_end; /* where libpng reads, and where the chunk there ends */
    bool text_seen[TEXTS];      /* handed to libpng */
    int width, height;
    size_t pixel_bytes; /* the sum of the IDAT chunks */
    uint8_t *rgb;
    char *texts[TEXTS];
    bool no_memory;
    char fault[120]; /* libpng's words */
} png_reader;

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Checks the IHDR chunk at byte 8 and that the file can hold what it promises. */
static limn_status check_header(png_reader *r, limn_error *err) {
    static const uint8_t channels[7] = {1, 0, 3, 1, 2, 0, 4};
    const uint8_t *h = r->data + SIGNATURE + 8;
    uint32_t width = big_endian(h), height = big_endian(h + 4);
    if (width == 0 || height == 0 || width > LIMN_PICTURE_SIDE_MOST ||
        height > LIMN_PICTURE_SIDE_MOST || width * height > LIMN_PNG_PIXELS_MOST) {
        return limn_fail(
            err, LIMN_E_INPUT,
            "%s: the picture has %u x %u pixels, expected sides of 1 to %d and at most %d in all",
            r->name, width, height, LIMN_PICTURE_SIDE_MOST, LIMN_PNG_PIXELS_MOST);
    }
    if (h[8] == 0 || h[8] > 16 || h[9] > 6 || channels[h[9]] == 0) {
        return limn_fail(err, LIMN_E_INPUT, "%s: %d bits of colour type %d are no kind of PNG",
                         r->name, h[8], h[9]);
    }
    size_t row = ((size_t)width * h[8] * channels[h[9]] + 7) / 8 + 1;
    if (r->pixel_bytes < row * height / DEFLATE_BEST) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: %zu bytes of packed pixels are too few for a picture of %u x %u",
                         r->name, r->pixel_bytes, width, height);
    }
    r->width = (int)width;
    r->height = (int)height;
    return LIMN_OK;
}

/* Walks over all chunks to IEND: each is whole, and IHDR comes first. */
static limn_status check_chunks(png_reader *r, limn_error *err) {
    if (r->size < SIGNATURE || png_sig_cmp(r->data, 0, SIGNATURE) != 0) {
        return limn_fail(err, LIMN_E_INPUT, "%s: not a PNG file", r->name);
    }
    for (size_t at = SIGNATURE;;) {
        size_t left = r->size - at;
        if (left < FRAME) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: the file is cut off at byte %zu, before its IEND chunk", r->name,
                             r->size);
        }
        uint32_t n = big_endian(r->data + at);
        const uint8_t *kind = r->data + at + 4;
        if (n > left - FRAME) {
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: the chunk '%.4s' at byte %zu claims %u bytes, and the file has %zu more",
                r->name, (const char *)kind, at, n, left - FRAME);
        }
        bool is_header = memcmp(kind, "IHDR", 4) == 0;
        if (is_header != (at == SIGNATURE) || (is_header && n != 13)) {
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: a PNG begins with one IHDR chunk of 13 bytes, found '%.4s' of %u at byte %zu",
                r->name, (const char *)kind, n, at);
        }
        if (memcmp(kind, "IDAT", 4) == 0) r->pixel_bytes += n;
        if (memcmp(kind, "IEND", 4) == 0) break;
        at += FRAME + n;
    }
    return check_header(r, err);
}

/* ---- what libpng sees ------------------------------------------------------------------------ */

/* Whether libpng gets the chunk: every critical one (it refuses those it does not know), and the
 * first text of each keyword that limn reads. */
static bool is_wanted(png_reader *r, const uint8_t *kind, const uint8_t *data, size_t n) {
    if (!(kind[0] & 0x20)) return true;
    if (memcmp(kind, "tEXt", 4) && memcmp(kind, "zTXt", 4) && memcmp(kind, "iTXt", 4)) return false;
    for (int i = 0; i < TEXTS; i++) {
        size_t length = strlen(keywords[i]) + 1;
        if (n < length || memcmp(data, keywords[i], length) != 0 || r->text_seen[i]) continue;
        return r->text_seen[i] = true;
    }
    return false;
}

/* Hands libpng the next bytes, passing over chunks that are not wanted. libpng asks for a chunk's
 * head, data and CRC by themselves and never across a chunk's end. */
static void on_read(png_structp png, png_bytep out, size_t n) {
    png_reader *r = png_get_io_ptr(png);
    while (r->at == r->chunk_end) {
        if (r->size - r->at < FRAME) png_error(png, "the file is cut off");
        const uint8_t *chunk = r->data + r->at;
        size_t length = big_endian(chunk);
        if (length > r->size - r->at - FRAME) png_error(png, "the file is cut off");
        r->chunk_end += FRAME + length;
        if (!is_wanted(r, chunk + 4, chunk + 8, length)) r->at = r->chunk_end;
    }
    if (n > r->chunk_end - r->at) png_error(png, "a chunk is too short");
    memcpy(out, r->data + r->at, n);
    r->at += n;
}

static void on_error(png_structp png, png_const_charp message) {
    png_reader *r = png_get_error_ptr(png);
    size_t n = strlen(message);
    if (n > sizeof r->fault - 1) n = sizeof r->fault - 1;
    memcpy(r->fault, message, n);
    r->fault[n] = '\0';
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size) {
    png_reader *r = png_get_mem_ptr(png);
    void *p = malloc(size);
    if (!p) r->no_memory = true;
    return p;
}

static void on_free(png_structp png, png_voidp p) {
    (void)png;
    free(p);
}

/* ---- pixels and texts ------------------------------------------------------------------------ */

/* Reads the picture as rows of 8-bit RGB. An interlaced one fills them in seven passes. */
static void read_pixels(png_structp png, png_infop info, png_reader *r) {
    size_t row = 3 * (size_t)r->width;
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != row) png_error(png, "an unknown kind of pixels");
    r->rgb = malloc(row * (size_t)r->height);
    if (!r->rgb) {
        r->no_memory = true;
        png_error(png, "memory");
    }
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < r->height; y++) png_read_row(png, r->rgb + row * (size_t)y, NULL);
    }
}

/* Keeps the texts as tame UTF-8. A text that libpng was given and dropped is damaged or a bomb. */
static void keep_texts(png_structp png, png_infop info, png_reader *r) {
    png_textp texts = NULL;
    int count = png_get_text(png, info, &texts, NULL);
    for (int k = 0; k < TEXTS; k++) {
        limn_image_buffer b = {0};
        for (int i = 0; i < count && !b.data; i++) {
            const char *text = texts[i].text ? texts[i].text : "";
            if (strcmp(texts[i].key, keywords[k]) != 0) continue;
            if (texts[i].compression < PNG_ITXT_COMPRESSION_NONE) {
                limn_image_add_latin1(&b, text, strlen(text));
            } else {
                limn_image_add_utf8(&b, text, strlen(text), true);
            }
            limn_image_add(&b, NULL, 0);
            r->no_memory = r->no_memory || b.failed;
        }
        r->texts[k] = b.data;
        if (r->no_memory) png_error(png, "memory");
        if (r->text_seen[k] && !b.data) png_error(png, "a text is damaged, or larger than 2 MiB");
    }
}

/* Reads everything, with libpng's errors, which jump, ending here. */
static bool read_guarded(png_structp png, png_infop info, png_reader *r) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png, LIMN_PICTURE_SIDE_MOST, LIMN_PICTURE_SIDE_MOST);
    png_set_chunk_malloc_max(png, LIMN_PNG_TEXT_MOST);
    png_set_read_fn(png, r, on_read);
    png_set_sig_bytes(png, SIGNATURE);
    png_read_info(png, info);
    read_pixels(png, info, r);
    png_read_end(png, info);
    keep_texts(png, info, r);
    return true;
}

limn_status limn_png_decode(const char *name, const uint8_t *data, size_t size, limn_picture **out,
                            limn_error *err) {
    png_reader r = {
        .name = name, .data = data, .size = size, .at = SIGNATURE, .chunk_end = SIGNATURE};
    limn_status status = check_chunks(&r, err);
    if (status) return status;
    png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning, &r,
                                               on_malloc, on_free);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) r.no_memory = true;
    bool done = info && read_guarded(png, info, &r);
    png_destroy_read_struct(&png, &info, NULL);
    if (done) {
        status = limn_picture_make(r.width, r.height, r.rgb, r.texts[TEXT_RECIPE],
                                   r.texts[TEXT_PARAMETERS], 0, out, err);
        r.rgb = NULL;
    } else if (r.no_memory) {
        status = limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a picture of %d x %d pixels",
                           name, r.width, r.height);
    } else {
        status = limn_fail(err, LIMN_E_INPUT, "%s: a damaged PNG: %s", name, r.fault);
    }
    free(r.rgb);
    for (int i = 0; i < TEXTS; i++) free(r.texts[i]);
    return status;
}
