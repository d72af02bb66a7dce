/* Pictures that begin with a picture: how many steps a strength leaves, and what of a mask is kept.
 * That the pictures are diffusers' own, tests/golden/test_pictures.c sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limn.h"

#define SIDE 64

static limn_model *m;

static int start(void **state) {
    (void)state;
    const limn_open_options how = {.threads = 1, .encoder = true};
    return limn_model_open("tests/golden/tiny-sd15", &how, &m, NULL);
}

static int end(void **state) {
    (void)state;
    limn_model_close(m);
    return 0;
}

/* A picture of one colour in `rgb`, which has room for it. */
static limn_picture plain(uint8_t *rgb, uint8_t r, uint8_t g, uint8_t b) {
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        rgb[3 * i] = r;
        rgb[3 * i + 1] = g;
        rgb[3 * i + 2] = b;
    }
    return (limn_picture){.width = SIDE, .height = SIDE, .rgb = rgb};
}

static limn_request request_of(const limn_picture *init) {
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.sampler = "ddim";
    r.guidance = 1;
    r.width = r.height = SIDE;
    r.init.picture = init;
    return r;
}

/* As diffusers has it: (int)(steps x strength). */
static void a_strength_leaves_whole_steps(void **state) {
    static const struct {
        int steps;
        double strength;
        int made;
    } cases[] = {{10, 0.75, 7}, {10, 0.79, 7},   {10, 0.8, 8}, {3, 0.5, 1},
                 {20, 0.6, 12}, {100, 0.29, 28}, {7, 1, 7},    {20, 0, 15}};
    uint8_t rgb[SIDE * SIDE * 3];
    limn_picture grey = plain(rgb, 128, 128, 128);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_request r = request_of(&grey);
        limn_plan plan;
        r.steps = cases[i].steps;
        r.strength = cases[i].strength;
        assert_int_equal(limn_request_plan(m, &r, &plan, NULL), LIMN_OK);
        assert_int_equal(plan.evaluations, cases[i].made);
    }
}

/* Draws under a mask of one colour. */
static limn_picture *draw(const limn_picture *init, uint8_t r, uint8_t g, uint8_t b) {
    uint8_t rgb[SIDE * SIDE * 3];
    limn_picture mask = plain(rgb, r, g, b), *out = NULL;
    limn_request q = request_of(init);
    q.steps = 2;
    q.strength = 0.5;
    q.mask.picture = &mask;
    limn_error error;
    if (limn_render(m, &q, NULL, &out, &error) != LIMN_OK) fail_msg("%s", error.text);
    return out;
}

/* Grey from 128 on is white, and so is a colour of that grey: a mask has no halves. */
static void a_mask_is_black_or_white(void **state) {
    static const uint8_t black[][3] = {{127, 127, 127}, {255, 0, 255}, {0, 216, 0}};
    static const uint8_t white[][3] = {{128, 128, 128}, {255, 255, 0}, {0, 218, 0}};
    uint8_t rgb[SIDE * SIDE * 3];
    limn_picture init = plain(rgb, 200, 120, 40);
    (void)state;
    limn_picture *kept = draw(&init, 0, 0, 0), *drawn = draw(&init, 255, 255, 255);
    assert_memory_not_equal(kept->rgb, drawn->rgb, sizeof rgb);
    for (size_t i = 0; i < sizeof black / sizeof *black; i++) {
        limn_picture *b = draw(&init, black[i][0], black[i][1], black[i][2]);
        limn_picture *w = draw(&init, white[i][0], white[i][1], white[i][2]);
        assert_memory_equal(b->rgb, kept->rgb, sizeof rgb);
        assert_memory_equal(w->rgb, drawn->rgb, sizeof rgb);
        limn_picture_free(b);
        limn_picture_free(w);
    }
    limn_picture_free(kept);
    limn_picture_free(drawn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strength_leaves_whole_steps),
        cmocka_unit_test(a_mask_is_black_or_white),
    };
    return cmocka_run_group_tests(tests, start, end);
}
