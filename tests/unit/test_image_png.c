/* Pictures to PNG and back: pixels, bytes, chunks, other programs' PNGs, hostile files. */
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "image/image.h"
#include "image/png.h"

/* A picture with an even sky, edges and a little noise, from whole numbers alone. */
static uint8_t *draw(int width, int height) {
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    uint32_t noise = 1;
    assert_non_null(rgb);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *p = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            noise = noise * 1664525u + 1013904223u;
            bool inside =
                (x - width / 2) * (x - width / 2) + (y - height / 2) * (y - height / 2) < 900;
            p[0] = (uint8_t)(inside ? 200 : x);
            p[1] = (uint8_t)(inside ? 30 + (int)(noise >> 30) : y);
            p[2] = (uint8_t)(y > height / 2 ? 90 + (int)(noise >> 29) : 255 - y / 2);
        }
    }
    return rgb;
}

static limn_picture *make(int width, int height, const char *recipe, const char *parameters) {
    limn_picture *p = NULL;
    limn_error error;
    uint8_t *rgb = draw(width, height);
    assert_int_equal(limn_picture_make(width, height, rgb, recipe, parameters, 12.5, &p, &error),
                     LIMN_OK);
    return p;
}

static uint8_t *encode(const limn_picture *p, size_t *size) {
    uint8_t *bytes = NULL;
    limn_error error;
    assert_int_equal(limn_picture_png(p, &bytes, size, &error), LIMN_OK);
    return bytes;
}

static limn_picture *decode(const uint8_t *bytes, size_t size) {
    limn_picture *p = NULL;
    limn_error error = {0};
    if (limn_png_decode("t.png", bytes, size, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

/* The bytes must be refused with a sentence. */
static void assert_refused(const uint8_t *bytes, size_t size, const char *words) {
    limn_picture *p = NULL;
    limn_error error = {0};
    assert_int_equal(limn_png_decode("t.png", bytes, size, &p, &error), LIMN_E_INPUT);
    assert_null(p);
    assert_int_equal(strncmp(error.text, "t.png: ", 7), 0);
    if (!strstr(error.text, words)) fail_msg("'%s' does not say '%s'", error.text, words);
}

/* ---- chunks by hand -------------------------------------------------------------------------- */

static uint32_t crc_of(const uint8_t *data, size_t size) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint32_t read_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_u32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Puts a chunk before the byte `at` of a file; returns the new file, for free(). */
static uint8_t *insert_chunk(const uint8_t *file, size_t *size, size_t at, const char *kind,
                             const void *data, size_t n) {
    uint8_t *out = malloc(*size + n + 12);
    assert_non_null(out);
    memcpy(out, file, at);
    write_u32(out + at, (uint32_t)n);
    memcpy(out + at + 4, kind, 4);
    if (n) memcpy(out + at + 8, data, n);
    write_u32(out + at + 8 + n, crc_of(out + at + 4, n + 4));
    memcpy(out + at + 12 + n, file + at, *size - at);
    *size += n + 12;
    return out;
}

/* Where the index-th chunk of a kind begins; 0 where there is none. */
static size_t find_chunk(const uint8_t *file, size_t size, const char *kind, int index) {
    for (size_t at = 8; at + 12 <= size; at += 12 + read_u32(file + at)) {
        if (memcmp(file + at + 4, kind, 4) == 0 && index-- == 0) return at;
    }
    return 0;
}

/* ---- round trips ----------------------------------------------------------------------------- */

static void test_pixels_come_back(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1},    {2, 1},     {1, 7},    {3, 300},
                                   {257, 31}, {256, 256}, {640, 480}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int w = sizes[i][0], h = sizes[i][1];
        limn_picture *p = make(w, h, NULL, NULL);
        size_t size;
        uint8_t *bytes = encode(p, &size);
        limn_picture *back = decode(bytes, size);
        assert_int_equal(back->width, w);
        assert_int_equal(back->height, h);
        assert_memory_equal(back->rgb, p->rgb, (size_t)w * (size_t)h * 3);
        assert_null(back->recipe);
        assert_null(back->parameters);
        limn_picture_free(back);
        limn_picture_free(p);
        free(bytes);
    }
}

/* What compresses in odd ways: nothing to match, nothing but matches, skewed counts, long repeats.
 */
static void test_every_kind_of_bytes_comes_back(void **state) {
    (void)state;
    enum { W = 300, H = 200, N = W * H * 3 };
    for (int kind = 0; kind < 5; kind++) {
        uint8_t *rgb = malloc(N);
        assert_non_null(rgb);
        uint32_t noise = 7;
        for (int i = 0; i < N; i++) {
            noise = noise * 1664525u + 1013904223u;
            uint8_t v = (uint8_t)(noise >> 24);
            int zeros = noise ? __builtin_ctz(noise >> 8 | 1u << 23) : 0;
            rgb[i] = kind == 0   ? v
                     : kind == 1 ? 0
                     : kind == 2 ? (uint8_t)(zeros * 11)
                     : kind == 3 ? (uint8_t)(i % 40000 < 39990 ? i % 40000 / 251 : v)
                                 : (uint8_t)((i / 700 % 2) ? v : 77);
        }
        limn_picture *p = NULL;
        assert_int_equal(limn_picture_make(W, H, rgb, NULL, NULL, 0, &p, NULL), LIMN_OK);
        size_t size;
        uint8_t *bytes = encode(p, &size);
        limn_picture *back = decode(bytes, size);
        assert_memory_equal(back->rgb, p->rgb, N);
        assert_true(size < N + N / 500 + 500); /* noise costs no more than storing it */
        if (kind == 1) assert_true(size < 1500);
        limn_picture_free(back);
        limn_picture_free(p);
        free(bytes);
    }
}

/* The promise "the same request gives the same file" rests on this: any compiler, any zlib, any
 * machine. The hash changes only when LIMN_CONTRACT does. */
static void test_bytes_are_pinned(void **state) {
    (void)state;
    limn_picture *p = make(200, 150, "{\"prompt\":\"a\xc3\xa9\"}", "a\xc3\xa9\nSteps: 1");
    size_t size, again_size;
    uint8_t *bytes = encode(p, &size), *again = encode(p, &again_size);
    char hex[65];
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    limn_sha256_of(bytes, size, hex);
    assert_string_equal(hex, "e1fc39cd22641966c95053e7022a37a0f104e4e756ae754ed2562cc535bbeab5");
    free(bytes);
    free(again);
    limn_picture_free(p);
}

static void test_texts_come_back(void **state) {
    (void)state;
    static const char recipe[] = "{\"prompt\":\"\xf0\x9f\xa6\x8a \\\"quoted\\\" \\u001b\"}";
    static const struct {
        const char *text, *kind; /* the text, and the chunk it goes into */
    } cases[] = {
        {"a fox\nSteps: 20", "tEXt"},
        {"caf\xc3\xa9\nSteps: 20", "tEXt"},          /* Latin-1 will do */
        {"\xf0\x9f\xa6\x8a fox\nSteps: 20", "iTXt"}, /* an emoji */
        {"A\xc3\x83\xc2\xa9\nSteps: 20", "iTXt"},    /* whose Latin-1 would look like UTF-8 */
        {"tab\there\nSteps: 20", "iTXt"},            /* not printable */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        limn_picture *p = make(9, 5, recipe, cases[i].text);
        size_t size;
        uint8_t *bytes = encode(p, &size);
        limn_picture *back = decode(bytes, size);
        assert_string_equal(back->recipe, recipe);
        assert_string_equal(back->parameters, cases[i].text);
        assert_true(back->elapsed_ms == 0);
        size_t at = find_chunk(bytes, size, cases[i].kind, 0);
        assert_true(at != 0);
        assert_string_equal(bytes + at + 8, "parameters");
        limn_picture_free(back);
        limn_picture_free(p);
        free(bytes);
    }
}

static void test_chunks(void **state) {
    (void)state;
    static const char *const order[] = {"IHDR", "sRGB", "tEXt", "iTXt", "iTXt", "IDAT", "IEND"};
    limn_picture *p = make(64, 64, "{}", "a\nSteps: 1");
    size_t size, at = 8;
    uint8_t *bytes = encode(p, &size);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_true(at + 12 <= size);
        size_t n = read_u32(bytes + at);
        assert_memory_equal(bytes + at + 4, order[i], 4);
        assert_int_equal(read_u32(bytes + at + 8 + n), crc_of(bytes + at + 4, n + 4));
        at += 12 + n;
    }
    assert_int_equal(at, size);
    size_t xmp = find_chunk(bytes, size, "iTXt", 1);
    assert_string_equal(bytes + xmp + 8, "XML:com.adobe.xmp");
    size_t n = read_u32(bytes + xmp);
    assert_non_null(memmem(bytes + xmp + 8, n, "digitalsourcetype/trainedAlgorithmicMedia", 41));
    free(bytes);
    limn_picture_free(p);

    p = make(64, 64, NULL, NULL); /* of no known origin: not marked as a machine's */
    bytes = encode(p, &size);
    assert_int_equal(find_chunk(bytes, size, "iTXt", 0), 0);
    free(bytes);
    limn_picture_free(p);
}

/* ---- other programs' PNGs -------------------------------------------------------------------- */

typedef struct memory {
    uint8_t bytes[200000];
    size_t size;
} memory;

static void on_write(png_structp png, png_bytep data, size_t n) {
    memory *m = png_get_io_ptr(png);
    assert_true(m->size + n <= sizeof m->bytes);
    memcpy(m->bytes + m->size, data, n);
    m->size += n;
}

/* Writes a PNG of 16 x 8 pixels by libpng: a value that is 17 x for each of the channels, 255 for
 * the last of those with alpha. */
static void write_kind(memory *m, int depth, int color, int interlace) {
    enum { W = 16, H = 8 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[16];
    uint8_t row[W * 8];
    m->size = 0;
    png_set_write_fn(png, m, on_write, NULL);
    png_set_IHDR(png, info, W, H, depth, color, interlace, 0, 0);
    for (int i = 0; i < 16; i++)
        palette[i] = (png_color){(uint8_t)(17 * i), (uint8_t)(17 * i), (uint8_t)(17 * i)};
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, depth < 4 ? 1 << depth : 16);
    png_write_info(png, info);
    int passes = interlace ? png_set_interlace_handling(png) : 1;
    int channels = png_get_channels(png, info);
    for (int y = 0; y < H * passes; y++) {
        memset(row, 0, sizeof row);
        for (int x = 0; x < W; x++) {
            for (int c = 0; c < channels; c++) {
                int v = (color & PNG_COLOR_MASK_ALPHA) && c == channels - 1 ? 255 : 17 * x,
                    i = x * channels + c;
                if (color == PNG_COLOR_TYPE_PALETTE)
                    v = x & ((1 << depth) - 1);
                else if (depth < 8)
                    v = v >> (8 - depth);
                if (depth == 16)
                    row[2 * i] = row[2 * i + 1] = (uint8_t)v;
                else if (depth == 8)
                    row[i] = (uint8_t)v;
                else
                    row[i * depth / 8] =
                        (uint8_t)(row[i * depth / 8] | v << (8 - depth - i * depth % 8));
            }
        }
        png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

static void test_every_kind_of_png_is_read(void **state) {
    (void)state;
    static const int kinds[][2] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
                                   {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
    static memory m;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (int interlace = 0; interlace < 2; interlace++) {
            int depth = kinds[k][0];
            write_kind(&m, depth, kinds[k][1], interlace);
            limn_picture *p = decode(m.bytes, m.size);
            assert_int_equal(p->width, 16);
            for (int i = 0; i < 16 * 8 * 3; i++) {
                int x = i / 3 % 16, want = 17 * x;
                if (kinds[k][1] == PNG_COLOR_TYPE_PALETTE)
                    want = 17 * (x & ((1 << depth) - 1) & 15);
                else if (depth < 8)
                    want = (want >> (8 - depth)) * 255 / ((1 << depth) - 1);
                if (p->rgb[i] != want)
                    fail_msg("depth %d type %d: %d, not %d", depth, kinds[k][1], p->rgb[i], want);
            }
            limn_picture_free(p);
        }
    }
}

static void test_texts_of_other_programs(void **state) {
    (void)state;
    limn_picture *p = make(8, 8, NULL, NULL), *back;
    size_t size, cut;
    uint8_t *plain = encode(p, &size), *file;
    static const char raw[] = "parameters\0caf\xc3\xa9\nSteps: 1"; /* UTF-8 where Latin-1 belongs */
    static const char latin[] = "parameters\0caf\xe9 \x1b[31m\nSteps: 1";
    static const char other[] = "workflow\0{}";
    cut = size;
    file = insert_chunk(plain, &cut, size - 12, "tEXt", raw, sizeof raw - 1); /* after the pixels */
    back = decode(file, cut);
    assert_string_equal(back->parameters, "caf\xc3\xa9\nSteps: 1");
    limn_picture_free(back);
    free(file);
    cut = size;
    file = insert_chunk(plain, &cut, 33, "tEXt", latin, sizeof latin - 1);
    back = decode(file, cut);
    assert_string_equal(back->parameters, "caf\xc3\xa9 ?[31m\nSteps: 1"); /* no terminal codes */
    limn_picture_free(back);
    uint8_t *more = insert_chunk(file, &cut, 33, "tEXt", other, sizeof other - 1);
    back = decode(more, cut);
    assert_string_equal(back->parameters, "caf\xc3\xa9 ?[31m\nSteps: 1");
    limn_picture_free(back);
    free(more);
    free(file);
    free(plain);
    limn_picture_free(p);
}

/* ---- hostile files --------------------------------------------------------------------------- */

static void test_no_png(void **state) {
    (void)state;
    assert_refused((const uint8_t *)"", 0, "not a PNG");
    assert_refused((const uint8_t *)"GIF89a, which is another format", 31, "not a PNG");
    assert_refused((const uint8_t *)"\x89PNG\r\n\x1a\n", 8, "cut off");
}

static void test_cut_at_every_byte(void **state) {
    (void)state;
    limn_picture *p = make(21, 13, "{\"prompt\":\"x\"}", "x\nSteps: 1");
    size_t size;
    uint8_t *bytes = encode(p, &size);
    for (size_t n = 0; n < size; n++) {
        uint8_t *part = malloc(n + 1); /* so that a sanitizer sees reads past the end */
        assert_non_null(part);
        memcpy(part, bytes, n);
        assert_refused(part, n, "");
        free(part);
    }
    free(bytes);
    limn_picture_free(p);
}

/* Whatever bytes change, the file is read or refused; with its CRCs made right again, too, so that
 * what lies behind them is reached. */
static void test_flipped_bytes(void **state) {
    (void)state;
    limn_picture *p = make(31, 17, "{\"prompt\":\"x\"}", "x\nSteps: 1");
    size_t size;
    uint8_t *good = encode(p, &size), *bad = malloc(size);
    uint32_t noise = 99;
    int read = 0, refused = 0;
    assert_non_null(bad);
    for (int round = 0; round < 3000; round++) {
        memcpy(bad, good, size);
        for (int flips = round % 3; flips >= 0; flips--) {
            noise = noise * 1664525u + 1013904223u;
            size_t at = 8 + (noise >> 8) % (size - 8);
            noise = noise * 1664525u + 1013904223u;
            bad[at] = (uint8_t)(bad[at] ^ 1u << (noise >> 29));
        }
        for (size_t at = 8; round % 2 && at + 12 <= size;) {
            size_t n = read_u32(bad + at);
            if (n > size - at - 12) break;
            write_u32(bad + at + 8 + n, crc_of(bad + at + 4, n + 4));
            at += 12 + n;
        }
        limn_picture *got = NULL;
        limn_error error = {0};
        limn_status status = limn_png_decode("t.png", bad, size, &got, &error);
        if (status == LIMN_OK) {
            read++;
            assert_non_null(got);
        } else {
            refused++;
            assert_int_equal(status, LIMN_E_INPUT);
            assert_true(strlen(error.text) > 10);
            assert_null(got);
        }
        limn_picture_free(got);
    }
    assert_true(read > 0 && refused > 1000);
    free(bad);
    free(good);
    limn_picture_free(p);
}

static void test_promises_that_cannot_be_kept(void **state) {
    (void)state;
    limn_picture *p = make(16, 16, NULL, NULL);
    size_t size;
    uint8_t *bytes = encode(p, &size);
    static const struct {
        uint32_t width, height;
        const char *words;
    } cases[] = {{0, 16, "0 x 16"},       {16, 0, "16 x 0"},       {0x80000000u, 1, "pixels"},
                 {16385, 1, "16385"},     {16384, 16384, "16384"}, {65536, 65536, "65536"},
                 {8000, 8000, "too few"}, {0xffffffffu, 3, "x 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_u32(bytes + 16, cases[i].width);
        write_u32(bytes + 20, cases[i].height);
        write_u32(bytes + 29, crc_of(bytes + 12, 17));
        assert_refused(bytes, size, cases[i].words);
    }
    write_u32(bytes + 16, 16);
    write_u32(bytes + 20, 20); /* a little more than the pixels that there are */
    write_u32(bytes + 29, crc_of(bytes + 12, 17));
    assert_refused(bytes, size, "damaged");
    free(bytes);
    limn_picture_free(p);
}

/* A compressed text of 8 MiB of one letter, written by libpng. */
static void test_text_bomb(void **state) {
    (void)state;
    static memory m;
    size_t n = 8u << 20;
    char *letters = malloc(n + 1);
    assert_non_null(letters);
    memset(letters, 'a', n);
    letters[n] = '\0';
    static const int kinds[] = {PNG_TEXT_COMPRESSION_zTXt, PNG_ITXT_COMPRESSION_zTXt};
    for (int k = 0; k < 2; k++) {
        png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
        png_infop info = png_create_info_struct(png);
        png_text text = {.compression = kinds[k], .key = (char *)"parameters", .text = letters};
        uint8_t row[3] = {1, 2, 3};
        m.size = 0;
        png_set_write_fn(png, &m, on_write, NULL);
        png_set_IHDR(png, info, 1, 1, 8, PNG_COLOR_TYPE_RGB, 0, 0, 0);
        png_set_text(png, info, &text, 1);
        png_write_info(png, info);
        png_write_row(png, row);
        png_write_end(png, info);
        png_destroy_write_struct(&png, &info);
        assert_refused(m.bytes, m.size, "text");
    }
    free(letters);
}

static void test_structure(void **state) {
    (void)state;
    limn_picture *p = make(8, 8, NULL, NULL);
    size_t size, n;
    uint8_t *plain = encode(p, &size), *file;
    size_t pixels = find_chunk(plain, size, "IDAT", 0);
    n = size;
    file = insert_chunk(plain, &n, 33, "XXXX", "abc", 3); /* critical and unknown */
    assert_refused(file, n, "damaged");
    free(file);
    n = size;
    file = insert_chunk(plain, &n, 33, "IHDR", plain + 16, 13); /* twice */
    assert_refused(file, n, "IHDR");
    free(file);
    n = size - 25;
    file = insert_chunk(plain + 25, &n, 8, "tEXt", "parameters", 10); /* no IHDR, garbage */
    assert_refused(file, n, "not a PNG");
    free(file);
    memcpy(plain + pixels + 4, "iDAT", 4); /* no pixels at all */
    write_u32(plain + pixels + 8 + read_u32(plain + pixels),
              crc_of(plain + pixels + 4, read_u32(plain + pixels) + 4));
    assert_refused(plain, size, "damaged");
    free(plain);
    limn_picture_free(p);
}

/* A chunk that is read and whose sum is wrong was damaged on its way. Others are passed over. */
static void test_wrong_sums(void **state) {
    (void)state;
    limn_picture *p = make(8, 8, "{\"prompt\":\"x\"}", "x\nSteps: 1");
    size_t size;
    uint8_t *bytes = encode(p, &size);
    const size_t chunks[] = {8, find_chunk(bytes, size, "tEXt", 0), /* parameters */
                             find_chunk(bytes, size, "iTXt", 0),    /* limn */
                             find_chunk(bytes, size, "IDAT", 0)};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        uint8_t *sum = bytes + chunks[i] + 8 + read_u32(bytes + chunks[i]);
        sum[3] ^= 1;
        assert_refused(bytes, size, "damaged");
        sum[3] ^= 1;
    }
    free(bytes);
    limn_picture_free(p);
}

static void test_make_checks_sizes(void **state) {
    (void)state;
    limn_picture *p = NULL;
    limn_error error;
    assert_int_equal(limn_picture_make(0, 4, malloc(12), NULL, NULL, 0, &p, &error), LIMN_E_USAGE);
    assert_int_equal(limn_picture_make(4, 16385, malloc(12), NULL, NULL, 0, &p, &error),
                     LIMN_E_USAGE);
    assert_null(p);
    limn_picture_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_come_back),
        cmocka_unit_test(test_every_kind_of_bytes_comes_back),
        cmocka_unit_test(test_bytes_are_pinned),
        cmocka_unit_test(test_texts_come_back),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_every_kind_of_png_is_read),
        cmocka_unit_test(test_texts_of_other_programs),
        cmocka_unit_test(test_no_png),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_promises_that_cannot_be_kept),
        cmocka_unit_test(test_text_bomb),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_wrong_sums),
        cmocka_unit_test(test_make_checks_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
