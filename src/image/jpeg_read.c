/* A stranger's JPEG as a picture, by libjpeg-turbo. */
#include "image/jpeg.h"

#include "base/error.h"
#include "image/png.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include <jerror.h>

#define SCANS_MOST  100 /* a progressive file of a camera or a program has about ten */
#define SCANS_FREE  16  /* more are to be worth their time: so many blocks for a byte at most */
#define BLOCKS_MOST 64
#define EXIF_MARKER 0xE1   /* APP1 */
#define EXIF_MOST   0xFFFF /* bytes: all that a marker can hold */

/* A file while it is read. Everything that libjpeg's jumps must not lose stands here. The library's
 * parts come first, so that a pointer to one is a pointer to this. */
typedef struct jpeg_reader {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf jump;
    size_t size; /* of the file */
    uint8_t *rgb;
    int turn; /* EXIF's orientation, 1 to 8 */
    bool no_memory;
    char fault[JMSG_LENGTH_MAX]; /* libjpeg's words */
} jpeg_reader;

bool limn_jpeg_is(const uint8_t *data, size_t size) {
    return size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF;
}

/* ---- what libjpeg calls ---------------------------------------------------------------------- */

static void on_error(j_common_ptr jpeg) {
    jpeg_reader *r = jpeg->client_data;
    r->no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    jpeg->err->format_message(jpeg, r->fault);
    longjmp(r->jump, 1);
}

/* Damage is a warning to libjpeg, which goes on with grey; here it ends the reading, but for what
 * cameras are known to write. */
static void on_message(j_common_ptr jpeg, int level) {
    int code = jpeg->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR ||
        code == JWRN_ADOBE_XFORM)
        return;
    on_error(jpeg);
}

static void on_output(j_common_ptr jpeg) {
    (void)jpeg;
}

static void fail(jpeg_reader *r, const char *why) {
    snprintf(r->fault, sizeof r->fault, "%s", why);
    longjmp(r->jump, 1);
}

/* Each scan goes over the whole picture, however few bytes it takes in the file. */
static void on_progress(j_common_ptr jpeg) {
    jpeg_reader *r = jpeg->client_data;
    size_t scans = (size_t)r->jpeg.input_scan_number;
    size_t blocks = (size_t)r->jpeg.image_width * r->jpeg.image_height / 64;
    if (scans > SCANS_MOST) fail(r, "it has more than 100 scans");
    size_t read = r->size - r->jpeg.src->bytes_in_buffer;
    if (scans > SCANS_FREE && scans * blocks / BLOCKS_MOST > read)
        fail(r, "it has more scans than they have bytes for");
}

/* ---- EXIF ------------------------------------------------------------------------------------ */

static unsigned read16(const uint8_t *p, bool little) {
    return little ? p[0] | (unsigned)p[1] << 8 : p[1] | (unsigned)p[0] << 8;
}

static size_t read32(const uint8_t *p, bool little) {
    return little ? read16(p, true) | (size_t)read16(p + 2, true) << 16
                  : read16(p + 2, false) | (size_t)read16(p, false) << 16;
}

/* The orientation in an APP1 marker's data, 1 where there is none: tag 0x0112 of the first
 * directory of a TIFF file. Source: CIPA DC-008 (EXIF 2.3), 4.6. */
static int orientation_of(const uint8_t *data, size_t size) {
    if (size < 14 || memcmp(data, "Exif\0\0", 6) != 0) return 1;
    const uint8_t *tiff = data + 6;
    size_t n = size - 6;
    bool little = tiff[0] == 'I';
    size_t at = read32(tiff + 4, little);
    if (at > n || n - at < 2) return 1;
    unsigned entries = read16(tiff + at, little);
    at += 2;
    for (unsigned i = 0; i < entries && n - at >= 12; i++, at += 12) {
        if (read16(tiff + at, little) != 0x0112) continue;
        unsigned turn = read16(tiff + at + 8, little);
        return turn >= 1 && turn <= 8 ? (int)turn : 1;
    }
    return 1;
}

/* Copies pixels upright: out [h, w, 3], or [w, h, 3] where the turn is a quarter. */
static void turn_upright(const uint8_t *in, int w, int h, int turn, uint8_t *out) {
    static const struct {
        bool swaps, left, up; /* columns are rows; counted from the right; from below */
    } ways[9] = {[2] = {0, 1, 0}, [3] = {0, 1, 1}, [4] = {0, 0, 1}, [5] = {1, 0, 0},
                 [6] = {1, 1, 0}, [7] = {1, 1, 1}, [8] = {1, 0, 1}};
    bool swaps = ways[turn].swaps;
    int out_w = swaps ? h : w, out_h = swaps ? w : h;
    for (int y = 0; y < out_h; y++) {
        for (int x = 0; x < out_w; x++) {
            int fx = ways[turn].left ? out_w - 1 - x : x, fy = ways[turn].up ? out_h - 1 - y : y;
            size_t from =
                swaps ? (size_t)fx * (size_t)w + (size_t)fy : (size_t)fy * (size_t)w + (size_t)fx;
            memcpy(out + 3 * ((size_t)y * (size_t)out_w + (size_t)x), in + 3 * from, 3);
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Refuses what cannot be, or would take more than the file is worth. */
static void check_header(jpeg_reader *r) {
    const struct jpeg_decompress_struct *j = &r->jpeg;
    size_t w = j->image_width, h = j->image_height;
    if (w > LIMN_PICTURE_SIDE_MOST || h > LIMN_PICTURE_SIDE_MOST || w * h > LIMN_PNG_PIXELS_MOST)
        fail(r, "sides are 1 to 16384 pixels, and at most 67108864 in all");
    if (j->arith_code) fail(r, "arithmetic coding is not read");
    if (j->num_components != 1 && j->num_components != 3)
        fail(r, "its colours are neither grey nor of three parts; save it as RGB");
    /* Every block of the coarsest part takes a bit at least. */
    size_t blocks = w * h / 64 / (size_t)(j->max_h_samp_factor * j->max_v_samp_factor);
    if (r->size < blocks / 8) fail(r, "the file is too short for its pixels");
}

static bool read_guarded(jpeg_reader *r, const uint8_t *data) {
    struct jpeg_decompress_struct *j = &r->jpeg;
    if (setjmp(r->jump)) return false;
    jpeg_create_decompress(j);
    j->progress = &r->progress;
    jpeg_mem_src(j, data, r->size);
    jpeg_save_markers(j, EXIF_MARKER, EXIF_MOST);
    jpeg_read_header(j, TRUE);
    check_header(r);
    for (jpeg_saved_marker_ptr m = j->marker_list; m && r->turn == 1; m = m->next)
        r->turn = orientation_of(m->data, m->data_length);
    j->out_color_space = JCS_RGB;
    j->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(j); /* with several scans, reads them all */
    size_t row = (size_t)j->image_width * 3;
    r->rgb = malloc(row * j->image_height);
    if (!r->rgb) {
        r->no_memory = true;
        return false;
    }
    while (j->output_scanline < j->output_height) {
        JSAMPROW line = r->rgb + row * j->output_scanline;
        jpeg_read_scanlines(j, &line, 1);
    }
    jpeg_finish_decompress(j);
    return true;
}

/* Makes the picture of what was read. */
static limn_status hand_over(jpeg_reader *r, limn_picture **out, limn_error *err) {
    int w = (int)r->jpeg.image_width, h = (int)r->jpeg.image_height;
    uint8_t *rgb = r->rgb;
    if (r->turn > 1) {
        rgb = malloc((size_t)w * (size_t)h * 3);
        if (!rgb) return limn_fail(err, LIMN_E_MEMORY, "no memory to turn a picture upright");
        turn_upright(r->rgb, w, h, r->turn, rgb);
    } else {
        r->rgb = NULL;
    }
    bool swaps = r->turn >= 5;
    return limn_picture_make(swaps ? h : w, swaps ? w : h, rgb, NULL, NULL, 0, out, err);
}

limn_status limn_jpeg_decode(const char *name, const uint8_t *data, size_t size, limn_picture **out,
                             limn_error *err) {
    jpeg_reader r = {.turn = 1, .size = size};
    limn_status status;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.progress.progress_monitor = on_progress;
    if (read_guarded(&r, data))
        status = hand_over(&r, out, err);
    else if (r.no_memory)
        status = limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a picture of %u x %u pixels",
                           name, r.jpeg.image_width, r.jpeg.image_height);
    else
        status = limn_fail(err, LIMN_E_INPUT, "%s: a damaged or unknown JPEG: %s", name, r.fault);
    jpeg_destroy_decompress(&r.jpeg);
    free(r.rgb);
    return status;
}
