/* Decoding in tiles: how they are cut, that it is the same picture again, and that a limit of
 * memory chooses them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/tiles.h"
#include "limn.h"

#define MODEL "tests/golden/tiny-sd15"
#define SIDE  160

static void check_cut(int length, int tile, int scale) {
    limn_tiles t = limn_tiles_cut(length, tile, scale);
    assert_true(t.count >= 1 && t.tile <= length);
    assert_int_equal(limn_tiles_at(&t, 0), 0);
    assert_int_equal(limn_tiles_at(&t, t.count - 1), length - t.tile);
    for (int i = 1; i < t.count; i++)
        assert_true(limn_tiles_at(&t, i - 1) + t.tile - limn_tiles_at(&t, i) >= t.tile / 4);
    for (int i = 2; i < t.count; i++) { /* as even as whole latents can be */
        int step = limn_tiles_at(&t, i) - limn_tiles_at(&t, i - 1), first = limn_tiles_at(&t, 1);
        assert_in_range(step, first, first + 1);
    }
    for (int px = 0; px < length * scale; px++) {
        float sum = 0;
        int counted = 0;
        for (int i = 0; i < t.count; i++) {
            float w = limn_tiles_weight(&t, i, px);
            assert_true(w >= 0 && w <= 1);
            sum += w;
            counted += w > 0;
        }
        if (!(fabsf(sum - 1) < 1e-6f) || counted > 2)
            fail_msg("%d latents in tiles of %d: %d tiles give %g at pixel %d", length, tile,
                     counted, (double)sum, px);
    }
}

static void tiles_cover_every_side(void **state) {
    (void)state;
    for (int length = 1; length <= 130; length += 3)
        for (int tile = 8; tile <= 64; tile += 7) check_cut(length, tile, 8);
    check_cut(1024, 9, 8);
    check_cut(33, 16, 16);
}

/* The ramp is the same from both ends: rising from the left is falling from the right. */
static void the_ramp_is_the_same_from_both_ends(void **state) {
    (void)state;
    limn_tiles t = limn_tiles_cut(40, 16, 8);
    int last = t.count - 1, end_px = 40 * 8 - 1;
    assert_int_equal(t.count, 3);
    assert_int_equal(limn_tiles_at(&t, 1), 12);
    for (int i = 0; i < t.count; i++)
        for (int px = 0; px <= end_px; px++)
            assert_true(limn_tiles_weight(&t, i, px) ==
                        limn_tiles_weight(&t, last - i, end_px - px));
    /* tiles 0 and 1 share 12 to 16: 96 to 128 px, with a ramp of 16 px in the middle */
    assert_true(limn_tiles_weight(&t, 1, 103) == 0 && limn_tiles_weight(&t, 1, 120) == 1);
    assert_true(limn_tiles_weight(&t, 1, 104) == 0.5f / 16);
}

static limn_request request_of(const limn_model *m) {
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a cat";
    r.steps = 1;
    r.width = r.height = SIDE;
    return r;
}

static limn_picture *draw(const limn_model *m, const limn_request *r, const limn_options *how) {
    limn_picture *p = NULL;
    limn_error error;
    if (limn_render(m, r, how, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static limn_model *open_model(void) {
    limn_model *m = NULL;
    limn_error error;
    if (limn_model_open(MODEL, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

static void check_same(const limn_picture *a, const limn_picture *b) {
    assert_memory_equal(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3);
    assert_string_equal(a->recipe, b->recipe);
}

static void test_pictures(void **state) {
    (void)state;
    limn_model *m = open_model();
    limn_request r = request_of(m);
    limn_picture *whole = draw(m, &r, NULL);
    assert_null(strstr(whole->recipe, "vae_tile"));
    r.vae_tile = SIDE; /* one tile is no tile */
    limn_picture *same = draw(m, &r, NULL);
    check_same(whole, same);
    r.vae_tile = 96;
    limn_picture *one = draw(m, &r, &(limn_options){.threads = 1});
    limn_picture *three = draw(m, &r, &(limn_options){.threads = 3});
    check_same(one, three);
    assert_non_null(strstr(one->recipe, "\"vae_tile\":96"));
    size_t values = (size_t)SIDE * SIDE * 3, differing = 0;
    for (size_t i = 0; i < values; i++) differing += one->rgb[i] != whole->rgb[i];
    assert_in_range(differing, 1, values);
    limn_picture_free(whole);
    limn_picture_free(same);
    limn_picture_free(one);
    limn_picture_free(three);
    limn_model_close(m);
}

static size_t peak_of(const limn_model *m, const limn_request *r) {
    limn_plan plan;
    limn_error error;
    if (limn_request_plan(m, r, &plan, &error) != LIMN_OK) fail_msg("%s", error.text);
    return plan.peak_bytes;
}

static void a_limit_of_memory_finds_a_tile(void **state) {
    (void)state;
    limn_model *m = open_model();
    limn_request r = request_of(m);
    r.width = r.height = 384;
    limn_error error;
    size_t whole = peak_of(m, &r), limit = whole - (whole >> 4);
    limn_request fitting = r;
    assert_int_equal(limn_request_fit(m, &fitting, whole, &error), LIMN_OK);
    assert_int_equal(fitting.vae_tile, 0);
    assert_int_equal(limn_request_fit(m, &fitting, limit, &error), LIMN_OK);
    assert_in_range(fitting.vae_tile, 64, 383);
    assert_true(peak_of(m, &fitting) <= limit);
    limn_picture *found = draw(m, &r, &(limn_options){.max_memory = limit, .threads = 1});
    char recorded[32];
    snprintf(recorded, sizeof recorded, "\"vae_tile\":%d,", fitting.vae_tile);
    assert_non_null(strstr(found->recipe, recorded));
    fitting.vae_tile += 64;
    if (fitting.vae_tile < 384) assert_true(peak_of(m, &fitting) > limit);
    assert_int_equal(limn_request_fit(m, &fitting, whole / 2, &error), LIMN_E_USAGE);
    limn_picture_free(found);

    fitting = r;
    assert_int_equal(limn_request_fit(m, &fitting, whole / 4, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "MB"));
    assert_int_equal(fitting.vae_tile, 0);
    limn_model_close(m);
    assert_int_equal(
        limn_model_open(MODEL, &(limn_open_options){.max_memory = 1 << 20}, &m, &error),
        LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "1.0 MB"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_every_side),
        cmocka_unit_test(the_ramp_is_the_same_from_both_ends),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(a_limit_of_memory_finds_a_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
