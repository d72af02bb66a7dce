/* Hostile pictures (--init, --mask, `limn again`), read from disk with little time and memory: PNG
 * and JPEG that claim what they do not have, that unpack to more than they are worth, and recipes
 * in them that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"
#include "support/gguf.h"
#include "support/hostile.h"

static limn_status read_picture(const char *path, limn_error *err) {
    limn_picture *p = NULL;
    limn_status status = limn_picture_load(path, &p, err);
    limn_picture_free(p);
    return status;
}

static limn_status read_recipe(const char *path, limn_error *err) {
    limn_picture *p = NULL;
    limn_recipe *r = NULL;
    limn_status status = limn_picture_load(path, &p, err);
    if (status == LIMN_OK) status = limn_recipe_read(p, &r, err);
    limn_recipe_free(r);
    limn_picture_free(p);
    return status;
}

/* ---- PNG ------------------------------------------------------------------------------------- */

static void add_big(byte_list *b, uint32_t x) {
    bytes_add(
        b,
        (const uint8_t[4]){(uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x},
        4);
}

/* A chunk of a true length and CRC (PNG specification, annex D). */
static void add_chunk(byte_list *b, const char *kind, const void *data, size_t size) {
    add_big(b, (uint32_t)size);
    const size_t from = b->size;
    bytes_add(b, kind, 4);
    bytes_add(b, data, size);
    uint32_t crc = 0xffffffff;
    for (size_t i = from; i < b->size; i++) {
        crc ^= b->data[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    add_big(b, ~crc);
}

static byte_list start_png(uint32_t width, uint32_t height, int bits, int colour) {
    byte_list b = {0}, h = {0};
    bytes_add(&b, "\x89PNG\r\n\x1a\n", 8);
    add_big(&h, width);
    add_big(&h, height);
    bytes_add(&h, (const uint8_t[5]){(uint8_t)bits, (uint8_t)colour}, 5);
    add_chunk(&b, "IHDR", h.data, h.size);
    free(h.data);
    return b;
}

/* A zlib stream of `runs` x 258 bytes of one kind: fixed codes, a literal and matches of distance 1
 * (RFC 1951, 3.2.6). Its end and checksum are missing. */
static void add_bomb(byte_list *b, uint8_t byte, size_t runs) {
    uint32_t held = 3; /* the last block, fixed codes */
    int bits = 3;
    bytes_add(b, "\x78\x01", 2);
    for (size_t i = 0; i <= runs; i++) {
        const uint32_t code = i == 0 ? 0x30u + byte : 0xc5u; /* of the literal; of length 258 */
        for (int k = 7; k >= 0; k--) held |= (code >> k & 1) << bits++;
        if (i > 0) bits += 5; /* distance 1 is five zeros */
        for (; bits >= 8; bits -= 8, held >>= 8) bytes_add(b, &(uint8_t){(uint8_t)held}, 1);
    }
    bytes_add(b, &(uint8_t){(uint8_t)held}, 1);
}

static void expect_png(const char *what, byte_list *b, hostile_reader *read, const char *sentence) {
    add_chunk(b, "IEND", "", 0);
    hostile_expect(what, b->data, b->size, read, sentence);
    free(b->data);
}

static void png_sizes(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        int bits, colour;
        const char *sentence;
    } cases[] = {
        {65535, 65535, 8, 2, "65535 x 65535 pixels, expected sides"},
        {0x7fffffff, 0x7fffffff, 16, 6, "expected sides"},
        {0x80000000, 2, 8, 2, "expected sides"},
        {65536, 65536, 1, 0, "expected sides"},
        {16384, 16384, 8, 2, "and at most 67108864 in all"},
        {16385, 1, 8, 0, "expected sides"},
        {0, 1, 8, 2, "the picture has 0 x 1 pixels"},
        {1, 0, 8, 2, "the picture has 1 x 0 pixels"},
        {16384, 4096, 16, 6, "bytes of packed pixels are too few"},
        {8192, 8192, 8, 2, "bytes of packed pixels are too few"},
        {8, 8, 3, 2, "damaged PNG"},
        {8, 8, 0, 2, "are no kind of PNG"},
        {8, 8, 17, 0, "are no kind of PNG"},
        {8, 8, 8, 5, "are no kind of PNG"},
        {8, 8, 8, 255, "are no kind of PNG"},
        {8, 8, 8, 3, "damaged PNG"}, /* no palette */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        byte_list b = start_png(cases[i].width, cases[i].height, cases[i].bits, cases[i].colour);
        add_chunk(&b, "IDAT", "\x78\x01garbage", 9);
        expect_png(cases[i].sentence, &b, read_picture, cases[i].sentence);
    }
}

static void png_chunks(void **state) {
    (void)state;
    byte_list b = start_png(8, 8, 8, 2);
    add_big(&b, 0xffffffff);
    bytes_add(&b, "IDATxxxx", 8);
    expect_png("a chunk of 4 GB", &b, read_picture, "claims 4294967295 bytes");
    b = start_png(8, 8, 8, 2);
    add_chunk(&b, "IHDR", "\0\0\0\1\0\0\0\1\10\2\0\0", 13);
    expect_png("a second header", &b, read_picture, "begins with one IHDR chunk");
    b = start_png(8, 8, 8, 2);
    add_chunk(&b, "IDAT", "\x78\x01", 2);
    b.data[b.size - 1] ^= 1;
    expect_png("a wrong CRC", &b, read_picture, "damaged PNG");
    b = start_png(8, 8, 8, 2);
    for (int i = 0; i < 100000; i++) add_chunk(&b, "IDAT", "", 0);
    expect_png("100000 empty chunks of pixels", &b, read_picture, "Not enough");
    b = start_png(8, 8, 8, 2);
    for (int i = 0; i < 20000; i++) add_chunk(&b, "tEXt", "limn\0{", 6);
    expect_png("20000 texts", &b, read_picture, "damaged");
    b = start_png(8, 8, 8, 3);
    add_chunk(&b, "PLTE", "abcd", 4);
    add_chunk(&b, "IDAT", "\x78\x01", 2);
    expect_png("a palette of no whole colours", &b, read_picture, "damaged PNG");
    static const char *const kinds[] = {"zTXt", "iTXt"};
    static const char *const heads[] = {"limn\0\0", "limn\0\1\0\0"};
    for (int i = 0; i < 2; i++) {
        byte_list text = {0};
        b = start_png(8, 8, 8, 2);
        bytes_add(&text, heads[i], i == 0 ? 6 : 9);
        if (i == 1) text.size = 9; /* keyword, compressed, method, language, translation */
        add_bomb(&text, '[', 1000000);
        add_chunk(&b, kinds[i], text.data, text.size);
        byte_list pixels = {0};
        add_bomb(&pixels, 0, 1);
        add_chunk(&b, "IDAT", pixels.data, pixels.size);
        expect_png("a text of 258 MB", &b, read_picture, "damaged");
        free(text.data);
        free(pixels.data);
    }
}

/* A whole picture of 4 x 4 black pixels, with a text. */
static void expect_recipe(const char *text, size_t size, const char *sentence) {
    byte_list b = start_png(4, 4, 8, 2), t = {0};
    uint8_t rows[4 * 13 + 11] = {0x78, 1, 1, 52, 0, 0xcb, 0xff}; /* stored; adler of zeros below */
    const uint8_t adler[4] = {0, 52, 0, 1};
    memcpy(rows + 7 + 52, adler, 4);
    bytes_add(&t, "limn", 5);
    bytes_add(&t, text, size);
    add_chunk(&b, "tEXt", t.data, t.size);
    add_chunk(&b, "IDAT", rows, sizeof rows);
    expect_png(sentence, &b, read_recipe, sentence);
    free(t.data);
}

static void recipes(void **state) {
    (void)state;
    enum { LONG = 1500000 };
    char *deep = malloc(LONG);
    assert_non_null(deep);
    memset(deep, '[', LONG);
    expect_recipe(deep, LONG, "recipe");
    memset(deep, ' ', LONG);
    expect_recipe(deep, LONG, "recipe");
    free(deep);
    expect_recipe("{}", 2, "recipe");
    expect_recipe("{\"prompt\":7}", 12, "recipe");
    expect_recipe("{\"steps\":1e999}", 15, "recipe");
}

/* ---- JPEG ------------------------------------------------------------------------------------ */

/* A marker with its length. */
static void add_marker(byte_list *b, int marker, const void *data, size_t size) {
    const size_t n = size + 2;
    bytes_add(b, (const uint8_t[4]){0xff, (uint8_t)marker, (uint8_t)(n >> 8), (uint8_t)n}, 4);
    bytes_add(b, data, size);
}

/* The start of a JPEG up to its frame header: SOF `kind`, a size, parts with a sampling. */
static byte_list start_jpeg(int kind, int width, int height, int parts, int sampling) {
    byte_list b = {0}, frame = {0};
    uint8_t table[65] = {0};
    memset(table + 1, 1, 64);
    bytes_add(&b, "\xff\xd8", 2);
    add_marker(&b, 0xdb, table, sizeof table);
    bytes_add(&frame,
              (const uint8_t[6]){8, (uint8_t)(height >> 8), (uint8_t)height, (uint8_t)(width >> 8),
                                 (uint8_t)width, (uint8_t)parts},
              6);
    for (int i = 1; i <= parts; i++)
        bytes_add(&frame, (const uint8_t[3]){(uint8_t)i, (uint8_t)(i == 1 ? sampling : 0x11), 0},
                  3);
    add_marker(&b, kind, frame.data, frame.size);
    free(frame.data);
    /* A Huffman table with one code, "0", for "nothing more". */
    uint8_t codes[18] = {0, 1};
    add_marker(&b, 0xc4, codes, sizeof codes);
    codes[0] = 0x10;
    add_marker(&b, 0xc4, codes, sizeof codes);
    return b;
}

/* A scan of the first part, coefficients from..to. */
static void add_scan(byte_list *b, int from, int to) {
    add_marker(b, 0xda, (const uint8_t[6]){1, 1, 0, (uint8_t)from, (uint8_t)to, 0}, 6);
}

static void expect_jpeg(const char *what, byte_list *b, const char *sentence) {
    bytes_add(b, "\xff\xd9", 2);
    hostile_expect(what, b->data, b->size, read_picture, sentence);
    free(b->data);
}

static void jpeg_headers(void **state) {
    (void)state;
    static const struct {
        int kind, width, height, parts, sampling;
        const char *sentence;
    } cases[] = {
        {0xc0, 65535, 65535, 3, 0x11, "JPEG"},
        {0xc2, 65535, 65535, 3, 0x22, "JPEG"},
        {0xc0, 65500, 65500, 1, 0x11, "sides are 1 to 16384"},
        {0xc0, 16384, 16384, 3, 0x11, "at most 67108864 in all"},
        {0xc0, 16384, 4096, 3, 0x11, "too short for its pixels"},
        {0xc2, 16384, 4096, 3, 0x44, "too short for its pixels"},
        {0xc2, 8192, 8192, 1, 0x11, "too short for its pixels"},
        {0xc0, 0, 16, 3, 0x11, "JPEG"},
        {0xc0, 16, 0, 3, 0x11, "JPEG"},  /* the height comes later, in a DNL marker */
        {0xc9, 16, 16, 3, 0x11, "JPEG"}, /* arithmetic coding */
        {0xc3, 16, 16, 3, 0x11, "JPEG"}, /* lossless */
        {0xc0, 16, 16, 4, 0x11, "neither grey nor of three parts"},
        {0xc0, 16, 16, 2, 0x11, "neither grey nor of three parts"},
        {0xc0, 16, 16, 0, 0x11, "JPEG"},
        {0xc0, 16, 16, 3, 0x00, "JPEG"},
        {0xc0, 16, 16, 3, 0xff, "JPEG"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        byte_list b = start_jpeg(cases[i].kind, cases[i].width, cases[i].height, cases[i].parts,
                                 cases[i].sampling);
        add_scan(&b, 0, cases[i].kind == 0xc0 ? 63 : 0);
        expect_jpeg(cases[i].sentence, &b, cases[i].sentence);
    }
}

/* Every scan goes over the whole picture, whose blocks take a code of 15 bits for 16384 of them:
 * "nothing in the next ones" (T.81, G.1.2.2). */
static void jpeg_scans(void **state) {
    (void)state;
    enum { SIDE = 4096, BLOCKS = SIDE / 8 * SIDE / 8 };
    const uint8_t codes[18] = {0x10, 1, [17] = 0xe0};
    byte_list b = start_jpeg(0xc2, SIDE, SIDE, 1, 0x11);
    add_scan(&b, 0, 0);
    bytes_add_zeros(&b, BLOCKS / 8);
    add_marker(&b, 0xc4, codes, sizeof codes);
    for (int i = 0; i < 5000; i++) {
        add_scan(&b, 1, 63);
        bytes_add_zeros(&b, BLOCKS / 16384 * 15 / 8);
    }
    expect_jpeg("5000 scans", &b, "scans");
    b = start_jpeg(0xc0, 16, 16, 1, 0x11);
    for (int i = 0; i < 2000; i++) {
        add_marker(&b, 0xc4, codes, sizeof codes);
    }
    expect_jpeg("2000 tables and no picture", &b, "JPEG");
    b = start_jpeg(0xc0, 16, 16, 1, 0x11);
    b.size -= 3;
    expect_jpeg("a table that is cut", &b, "JPEG");
    hostile_report();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_sizes),    cmocka_unit_test(png_chunks), cmocka_unit_test(recipes),
        cmocka_unit_test(jpeg_headers), cmocka_unit_test(jpeg_scans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
