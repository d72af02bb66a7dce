/* A picture as a PNG. libpng frames the chunks; their order, their text and the compression of the
 * pixels are ours, so that the bytes do not depend on which libpng and zlib are installed. */
#include "image/png.h"

#include "base/checked.h"
#include "image/buffer.h"
#include "image/deflate.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

/* IPTC's word for "made by a trained model", as an XMP packet (XMP specification part 3, 1.1.5). It
 * must stay free of anything that changes from run to run. */
static const char xmp[] = "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
                          "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
                          " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
                          "  <rdf:Description rdf:about=\"\""
                          " xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">\n"
                          "   <Iptc4xmpExt:DigitalSourceType>"
                          "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
                          "</Iptc4xmpExt:DigitalSourceType>\n"
                          "  </rdf:Description>\n"
                          " </rdf:RDF>\n"
                          "</x:xmpmeta>\n"
                          "<?xpacket end=\"r\"?>";

/* What a PNG is put together from. */
typedef struct png_writer {
    const limn_picture *picture;
    uint8_t *pixels; /* filtered and compressed */
    size_t pixels_size;
    limn_image_buffer text, file;
} png_writer;

static void on_write(png_structp png, png_bytep data, size_t size) {
    limn_image_add(png_get_io_ptr(png), data, size);
}

static void on_flush(png_structp png) {
    (void)png;
}

/* libpng requires that this does not return. */
static void on_error(png_structp png, png_const_charp message) {
    (void)message;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void put_big_endian(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void write_chunk(png_structp png, const char *kind, const void *data, size_t size) {
    png_write_chunk(png, (png_const_bytep)kind, data, size);
}

/* Writes UTF-8 under a keyword: as iTXt, or as the older tEXt where `narrow` and Latin-1 will do.
 */
static void write_text(png_structp png, png_writer *w, const char *keyword, const char *text,
                       bool narrow) {
    limn_image_buffer latin1 = {0};
    limn_image_buffer *b = &w->text;
    limn_image_drop(b);
    bool fits = narrow && limn_image_to_latin1(&latin1, text);
    limn_image_add(b, keyword, strlen(keyword) + 1);
    if (fits) {
        limn_image_add(b, latin1.data, latin1.size);
    } else {
        limn_image_add(b, "\0\0\0", 4); /* not compressed, method 0, no language, no translation */
        limn_image_add_utf8(b, text, strlen(text), false);
    }
    if (latin1.failed) b->failed = true;
    limn_image_drop(&latin1);
    if (b->failed) png_error(png, "memory");
    write_chunk(png, fits ? "tEXt" : "iTXt", b->data, b->size);
}

static void write_file(png_structp png, png_writer *w) {
    const limn_picture *p = w->picture;
    uint8_t header[13] = {[8] = 8, [9] = PNG_COLOR_TYPE_RGB};
    uint8_t intent = PNG_sRGB_INTENT_PERCEPTUAL;
    put_big_endian(header, (uint32_t)p->width);
    put_big_endian(header + 4, (uint32_t)p->height);
    png_write_sig(png);
    write_chunk(png, "IHDR", header, sizeof header);
    write_chunk(png, "sRGB", &intent, 1);
    if (p->parameters) write_text(png, w, "parameters", p->parameters, true);
    if (p->recipe) write_text(png, w, "limn", p->recipe, false);
    if (p->parameters || p->recipe) write_text(png, w, "XML:com.adobe.xmp", xmp, false);
    write_chunk(png, "IDAT", w->pixels, w->pixels_size);
    write_chunk(png, "IEND", NULL, 0);
}

/* Runs write_file with libpng's errors, which jump, ending here. */
static bool write_guarded(png_structp png, png_writer *w) {
    if (setjmp(png_jmpbuf(png))) return false;
    write_file(png, w);
    return true;
}

/* Filters and compresses the pixels. */
static limn_status compress_pixels(png_writer *w, limn_error *err) {
    const limn_picture *p = w->picture;
    size_t size = (size_t)p->height * (1 + 3 * (size_t)p->width);
    uint8_t *rows = malloc(size + limn_png_filter_room(p->width));
    if (!rows)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a PNG of %d x %d pixels", p->width,
                         p->height);
    limn_png_filter(p->width, p->height, p->rgb, rows + size, rows);
    limn_status status = limn_deflate(rows, size, &w->pixels, &w->pixels_size, err);
    free(rows);
    return status;
}

limn_status limn_png_encode(const limn_picture *picture, uint8_t **bytes, size_t *size,
                            limn_error *err) {
    png_writer w = {.picture = picture};
    limn_status status = compress_pixels(&w, err);
    if (status) return status;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    bool done = false;
    if (png) {
        png_set_write_fn(png, &w.file, on_write, on_flush);
        done = write_guarded(png, &w) && !w.file.failed;
    }
    png_destroy_write_struct(&png, NULL);
    if (done) {
        *bytes = (uint8_t *)w.file.data;
        *size = w.file.size;
        w.file = (limn_image_buffer){0};
    } else {
        status = limn_fail(err, LIMN_E_MEMORY, "no memory for a PNG of %d x %d pixels",
                           picture->width, picture->height);
    }
    free(w.pixels);
    limn_image_drop(&w.text);
    limn_image_drop(&w.file);
    return status;
}
