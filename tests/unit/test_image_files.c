/* Pictures as files: the formats by their endings, what is there already, what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/image.h"
#include "support/scratch.h"

#define W 40
#define H 30

static limn_picture *picture;

static int start(void **state) {
    (void)state;
    uint8_t *rgb = malloc(W * H * 3);
    if (scratch_make(NULL) != 0 || !rgb) return 1;
    for (int i = 0; i < W * H * 3; i++)
        rgb[i] = (uint8_t)(i % 3 == 0 ? 250 : i % 3 == 1 ? i / 3 % W * 6 : 10);
    return limn_picture_make(W, H, rgb, "{\"a\":1}", "a\nSteps: 1", 0, &picture, NULL);
}

static int end(void **state) {
    (void)state;
    limn_picture_free(picture);
    return scratch_remove_empty(NULL);
}

/* Reads a whole file of the test's folder and removes it; free() is the caller's. */
static uint8_t *take_file(const char *name, size_t *size) {
    FILE *f = fopen(scratch_at(name), "rb");
    assert_non_null(f);
    uint8_t *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    assert_int_equal(unlink(scratch_at(name)), 0);
    return bytes;
}

static void test_png(void **state) {
    (void)state;
    limn_picture *back = NULL;
    limn_error error;
    uint8_t *bytes, *file;
    size_t size, file_size;
    assert_int_equal(limn_picture_save(picture, scratch_at("a.b/../c.PnG"), 0, &error),
                     LIMN_E_CREATE);
    assert_int_equal(limn_picture_save(picture, scratch_at("c.d.PnG"), 0, &error), LIMN_OK);
    assert_int_equal(limn_picture_load(scratch_at("c.d.PnG"), &back, &error), LIMN_OK);
    assert_memory_equal(back->rgb, picture->rgb, W * H * 3);
    assert_string_equal(back->recipe, picture->recipe);
    assert_string_equal(back->parameters, picture->parameters);
    limn_picture_free(back);
    assert_int_equal(limn_picture_png(picture, &bytes, &size, &error), LIMN_OK);
    file = take_file("c.d.PnG", &file_size);
    assert_int_equal(file_size, size);
    assert_memory_equal(file, bytes, size);
    free(file);
    free(bytes);
}

static uint32_t little_endian(const uint8_t *p, int n) {
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint32_t)p[i] << 8 * i;
    return v;
}

static void test_bmp(void **state) {
    (void)state;
    limn_error error;
    size_t size;
    assert_int_equal(limn_picture_save(picture, scratch_at("a.BMP"), 0, &error), LIMN_OK);
    uint8_t *b = take_file("a.BMP", &size);
    assert_memory_equal(b, "BM", 2);
    assert_int_equal(little_endian(b + 18, 4), W);
    assert_int_equal(little_endian(b + 22, 4), H);
    const uint8_t *last_row = b + little_endian(b + 10, 4),
                  *p = picture->rgb + (H - 1) * W * 3 + 3 * 7;
    assert_int_equal(last_row[3 * 7], p[2]); /* upside down, blue first */
    assert_int_equal(last_row[3 * 7 + 1], p[1]);
    assert_int_equal(last_row[3 * 7 + 2], p[0]);
    free(b);
}

static void test_tga(void **state) {
    (void)state;
    limn_error error;
    size_t size;
    assert_int_equal(limn_picture_save(picture, scratch_at("a.tga"), 0, &error), LIMN_OK);
    uint8_t *b = take_file("a.tga", &size);
    assert_int_equal(little_endian(b + 12, 2), W);
    assert_int_equal(little_endian(b + 14, 2), H);
    assert_int_equal(b[16], 24);
    free(b);
}

static void test_jpeg(void **state) {
    (void)state;
    static const char *const names[] = {"a.jpg", "b.jpeg", "c.JPG"};
    limn_error error;
    size_t size, first_size = 0;
    uint8_t *first = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(limn_picture_save(picture, scratch_at(names[i]), 0, &error), LIMN_OK);
        uint8_t *b = take_file(names[i], &size);
        assert_memory_equal(b, "\xff\xd8\xff", 3);
        assert_memory_equal(b + size - 2, "\xff\xd9", 2);
        if (!first) {
            first = b;
            first_size = size;
            continue;
        }
        assert_int_equal(size, first_size);
        assert_memory_equal(b, first, size);
        free(b);
    }
    free(first);
}

static void test_unknown_endings(void **state) {
    (void)state;
    static const char *const names[] = {"a.gif", "a", "a.", "a.png.txt", ".hidden", "png", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        limn_error error;
        assert_int_equal(limn_picture_save(picture, scratch_at(names[i]), LIMN_OVERWRITE, &error),
                         LIMN_E_USAGE);
        assert_non_null(strstr(error.text, ".jpeg")); /* says what there is */
    }
    limn_error error; /* a dot in a folder's name is no ending */
    assert_int_equal(limn_picture_save(picture, "x.png/picture", 0, &error), LIMN_E_USAGE);
}

static void test_nothing_is_overwritten_unasked(void **state) {
    (void)state;
    limn_error error;
    size_t size;
    FILE *f = fopen(scratch_at("mine.jpg"), "wb");
    assert_non_null(f);
    fputs("mine", f);
    fclose(f);
    assert_int_equal(limn_picture_save(picture, scratch_at("mine.jpg"), 0, &error), LIMN_E_CREATE);
    assert_non_null(strstr(error.text, "mine.jpg"));
    f = fopen(scratch_at("mine.jpg"), "rb");
    assert_non_null(f);
    char text[8] = "";
    assert_int_equal(fread(text, 1, 8, f), 4);
    assert_memory_equal(text, "mine", 4);
    fclose(f);
    assert_int_equal(limn_picture_save(picture, scratch_at("mine.jpg"), LIMN_OVERWRITE, &error),
                     LIMN_OK);
    uint8_t *b = take_file("mine.jpg", &size);
    assert_int_equal(b[0], 0xff);
    free(b);
}

static void test_files_that_cannot_be(void **state) {
    (void)state;
    limn_picture *p = NULL;
    limn_error error;
    assert_int_equal(limn_picture_save(picture, scratch_at("none/a.png"), 0, &error),
                     LIMN_E_CREATE);
    assert_int_equal(limn_picture_load(scratch_at("none.png"), &p, &error), LIMN_E_MISSING);
    assert_non_null(strstr(error.text, "none.png"));
    assert_int_equal(limn_picture_load(scratch_folder(), &p, &error), LIMN_E_IO); /* a folder */
    assert_null(p);
    FILE *f = fopen(scratch_at("empty.png"), "wb");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(limn_picture_load(scratch_at("empty.png"), &p, &error), LIMN_E_INPUT);
    assert_non_null(strstr(error.text, "empty.png"));
    assert_null(p);
    assert_int_equal(unlink(scratch_at("empty.png")), 0);
}

/* A picture that carries nothing. */
static void test_a_foreign_file(void **state) {
    (void)state;
    limn_picture *p = NULL;
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &p, &error), LIMN_OK);
    assert_null(p->recipe);
    assert_null(p->parameters);
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_E_INPUT);
    assert_null(recipe);
    limn_picture_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_bmp),
        cmocka_unit_test(test_tga),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_unknown_endings),
        cmocka_unit_test(test_nothing_is_overwritten_unasked),
        cmocka_unit_test(test_files_that_cannot_be),
        cmocka_unit_test(test_a_foreign_file),
    };
    return cmocka_run_group_tests(tests, start, end);
}
