/* Pictures to begin with, for a model whose VAE is a TAESD: its own encoder makes the latents, and
 * nothing is drawn for them. That encoder is compared with diffusers' in tests/golden/test_taesd.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "render/start.h"
#include "support/scratch.h"

#define SIDE 64

static const char *const parts[] = {"model_index.json", "scheduler", "text_encoder", "tokenizer",
                                    "unet"};

static void link_part(const char *from, const char *as) {
    char here[1000], target[1100];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(target, sizeof target, "%s/tests/golden/%s", here, from);
    assert_int_equal(symlink(target, scratch_at(as)), 0);
}

static int make_folder(void **state) {
    if (scratch_make(state) != 0) return 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char from[100];
        snprintf(from, sizeof from, "tiny-sd15/%s", parts[i]);
        link_part(from, parts[i]);
    }
    link_part("tiny-taesd", "vae");
    return 0;
}

static limn_model *open_model(const char *taesd) {
    const limn_open_options how = {.encoder = true, .taesd = taesd};
    limn_model *m = NULL;
    limn_error error;
    if (limn_model_open(scratch_folder(), &how, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    return m;
}

/* The latents and the noise of a start, against the encoder's and the generator's own. */
static void check_start(const limn_model *m) {
    uint8_t rgb[SIDE * SIDE * 3];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7 + i / 100);
    limn_picture picture = {.width = SIDE, .height = SIDE, .rgb = rgb};
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a";
    r.width = r.height = SIDE;
    r.seed = 5;
    r.init.picture = &picture;
    r.strength = 0.5;
    limn_arena ws = limn_arena_measure();
    limn_error error;
    limn_map latents, own, x;
    limn_rng stream;
    limn_start start;
    float *noise = NULL, *room = NULL;
    for (int pass = 0; pass < 2; pass++) {
        limn_exec e = {.k = m->kernels, .ws = &ws};
        latents = limn_map_take(&e, 1, SIDE / 8, SIDE / 8, 4);
        limn_start_make(&e, m, &r, &latents, &stream, &start);
        own = limn_map_take(&e, 1, SIDE / 8, SIDE / 8, 4);
        x = limn_map_take(&e, 1, SIDE, SIDE, 3);
        noise = limn_arena_floats(&ws, limn_map_count(&own));
        room = limn_arena_floats(&ws, limn_map_count(&own));
        for (size_t i = 0; i < sizeof rgb && pass > 0; i++)
            x.v[i] = 2.0f * (rgb[i] / 255.0f) - 1.0f;
        limn_taesd_encode(&e, &m->taesd, &x, &own);
        size_t bytes = ws.peak;
        if (pass == 0) assert_int_equal(limn_arena_open(&ws, bytes, &error), LIMN_OK);
    }
    assert_memory_equal(start.run.picture, own.v, limn_map_count(&own) * sizeof(float));
    limn_rng fresh;
    limn_rng_start(&fresh, LIMN_RNG_TORCH, 5);
    limn_denoise_draw(&fresh, &own, room, noise);
    assert_memory_equal(start.run.noise, noise, limn_map_count(&own) * sizeof(float));
    limn_arena_close(&ws);
}

static void a_model_encodes_with_its_own_taesd(void **state) {
    (void)state;
    limn_model *m = open_model(NULL);
    check_start(m);
    limn_model_close(m);
}

/* A TAESD from outside decodes; what encodes is still the model's. */
static void test_another_decoder(void **state) {
    (void)state;
    limn_model *m = open_model("tests/golden/tiny-taesd");
    check_start(m);
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_encodes_with_its_own_taesd),
        cmocka_unit_test(test_another_decoder),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
