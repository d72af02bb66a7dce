/* Pictures that others are drawn from: JPEG files, and any picture at another size. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "image/fit.h"
#include "image/jpeg.h"
#include "image/stb.h"

/* A smooth picture: JPEG keeps it well. */
static limn_picture *smooth(int w, int h) {
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
    limn_picture *p = NULL;
    for (int i = 0; i < w * h; i++) {
        rgb[3 * i] = (uint8_t)(i % w * 255 / w);
        rgb[3 * i + 1] = (uint8_t)(i / w * 255 / h);
        rgb[3 * i + 2] = 128;
    }
    assert_int_equal(limn_picture_make(w, h, rgb, NULL, NULL, 0, &p, NULL), LIMN_OK);
    return p;
}

/* A JPEG with an EXIF marker behind its first two bytes that says how it is turned. */
typedef struct file {
    uint8_t bytes[20000];
    size_t size;
} file;

static file turned(const limn_picture *p, int turn) {
    static const uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
                                   42,   0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
                                   1,    0,    0, 0,  0,   0,   0,   0,   0,    0, 0,   0};
    uint8_t *jpeg = NULL;
    size_t size = 0;
    file f = {.size = 0};
    assert_int_equal(limn_stb_jpeg(p, &jpeg, &size, NULL), LIMN_OK);
    assert_true(size + sizeof exif < sizeof f.bytes);
    memcpy(f.bytes, jpeg, 2);
    memcpy(f.bytes + 2, exif, sizeof exif);
    f.bytes[2 + 28] = (uint8_t)turn;
    memcpy(f.bytes + 2 + sizeof exif, jpeg + 2, size - 2);
    f.size = size + sizeof exif;
    free(jpeg);
    return f;
}

static limn_picture *decode(const file *f) {
    limn_picture *p = NULL;
    limn_error err;
    if (limn_jpeg_decode("a.jpg", f->bytes, f->size, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    return p;
}

static void near(const limn_picture *a, int x, int y, const limn_picture *b, int bx, int by) {
    for (int k = 0; k < 3; k++) {
        int one = a->rgb[3 * (y * a->width + x) + k], other = b->rgb[3 * (by * b->width + bx) + k];
        if (abs(one - other) > 6) fail_msg("(%d, %d) is %d, expected %d", x, y, one, other);
    }
}

static void a_jpeg_is_read_upright(void **state) {
    (void)state;
    limn_picture *p = smooth(40, 24);
    for (int turn = 0; turn <= 9; turn++) {
        file f = turned(p, turn);
        limn_picture *q = decode(&f);
        bool swaps = turn >= 5 && turn <= 8;
        assert_int_equal(q->width, swaps ? 24 : 40);
        assert_int_equal(q->height, swaps ? 40 : 24);
        /* Where the stored picture's top left corner should be seen (EXIF 2.3, table 6). */
        static const char corners[10][2] = {"tl", "tl", "tr", "br", "bl",
                                            "tl", "tr", "br", "bl", "tl"};
        int y = corners[turn][0] == 'b' ? q->height - 1 : 0;
        int x = corners[turn][1] == 'r' ? q->width - 1 : 0;
        near(q, x, y, p, 0, 0);
        /* And its top right one: along the row, or down the column. */
        int far_x = swaps ? x : q->width - 1 - x, far_y = swaps ? q->height - 1 - y : y;
        near(q, far_x, far_y, p, 39, 0);
        limn_picture_free(q);
    }
    limn_picture_free(p);
}

/* A damaged file gives a sentence; one cut at any byte too. */
static void a_cut_jpeg_is_refused(void **state) {
    (void)state;
    limn_picture *p = smooth(40, 24), *q = NULL;
    file f = turned(p, 1);
    for (size_t n = 0; n + 2 < f.size; n += n < 700 ? 1 : 13) {
        limn_error err = {0};
        uint8_t *exact = malloc(n ? n : 1); /* so that a read past the end is seen */
        memcpy(exact, f.bytes, n);
        assert_int_equal(limn_jpeg_decode("a.jpg", exact, n, &q, &err), LIMN_E_INPUT);
        assert_non_null(strstr(err.text, "a.jpg"));
        free(exact);
    }
    limn_picture_free(p);
}

/* A header that promises more pixels than the file can hold, and more than limn takes. */
static void a_promise_is_not_believed(void **state) {
    (void)state;
    limn_picture *p = smooth(40, 24), *q = NULL;
    static const uint8_t sides[][2] = {{0x3F, 0xFF}, {0x0F, 0xFF}, {0xFF, 0xFF}};
    for (size_t i = 0; i < 3; i++) {
        file f = turned(p, 1);
        uint8_t *frame = f.bytes;
        while (!(frame[0] == 0xFF && frame[1] == 0xC0)) frame++;
        memcpy(frame + 5, sides[i], 2);
        memcpy(frame + 7, sides[i], 2);
        limn_error err;
        assert_int_equal(limn_jpeg_decode("a.jpg", f.bytes, f.size, &q, &err), LIMN_E_INPUT);
    }
    limn_picture_free(p);
}

/* What Pillow 9.4's ImageOps.fit(picture, size, LANCZOS) makes of the picture whose value k at
 * (x, y) is (7 x + 13 y + 31 k + x y) mod 256: SHA-256 of the pixels as a PPM file. */
static void a_fitted_picture_is_pillows(void **state) {
    static const struct {
        int w, h, out_w, out_h;
        const char *sha256;
    } cases[] = {
        {40, 24, 16, 16, "e52bdac43970fcfb1ac2415872874aa1575e1bada2032cfd9ebd282a865e9ca2"},
        {13, 9, 32, 16, "4a857aed4e9bb9ba735b53c2e7a93b5aebdaa820a48e438747e7799563c14f18"},
        {64, 64, 64, 64, "23c5be2acdf6547e340fb34e0aad235bd8d2fcc03a04db338bfa953f1de5d811"},
        {50, 91, 24, 24, "d20a89a19e6f63334bdbbd2575d3632a881b0f4d2797ea7267185bf98ab849f2"},
        {30, 20, 24, 16, "c649c5f414af3bf2abe8c93037dffacf4652d7f8e4395d5ca6316265d25a3199"},
    };
    (void)state;
    limn_arena ws;
    assert_int_equal(limn_arena_open(&ws, 1 << 20, NULL), LIMN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int w = cases[i].w, h = cases[i].h;
        uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
        for (int at = 0; at < w * h * 3; at++) {
            int x = at / 3 % w, y = at / 3 / w;
            rgb[at] = (uint8_t)(7 * x + 13 * y + 31 * (at % 3) + x * y);
        }
        limn_picture *p = NULL, *q = NULL;
        assert_int_equal(limn_picture_make(w, h, rgb, NULL, NULL, 0, &p, NULL), LIMN_OK);
        uint8_t *out = malloc((size_t)cases[i].out_w * (size_t)cases[i].out_h * 3);
        limn_arena plan = limn_arena_measure();
        limn_image_fit(&plan, p, cases[i].out_w, cases[i].out_h, NULL);
        limn_image_fit(&ws, p, cases[i].out_w, cases[i].out_h, out);
        assert_int_equal(ws.peak >= plan.peak, 1);
        assert_int_equal(
            limn_picture_make(cases[i].out_w, cases[i].out_h, out, NULL, NULL, 0, &q, NULL),
            LIMN_OK);
        char hex[65];
        limn_picture_sha256(q, hex);
        assert_string_equal(hex, cases[i].sha256);
        limn_picture_free(p);
        limn_picture_free(q);
    }
    limn_arena_close(&ws);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_is_read_upright),
        cmocka_unit_test(a_cut_jpeg_is_refused),
        cmocka_unit_test(a_promise_is_not_believed),
        cmocka_unit_test(a_fitted_picture_is_pillows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
