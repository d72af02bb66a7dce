/* A ControlNet against an independent evaluation in float64 (README.md, "control.safetensors"):
 * what it adds, one evaluation of the U-Net with it, and whole pictures, from every kind of file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/hint.h"
#include "support/control.h"
#include "support/golden.h"
#include "support/scratch.h"

#define MODEL "tests/golden/tiny-sd15"

/* Relative to the largest value, as for the U-Nets alone (test_stages.c). */
#define TOLERANCE 3e-5

enum { MAPS = 12, WORKSPACE = 16 << 20 };

static limn_model *open_with(const char *control) {
    limn_model *m = NULL;
    limn_error err;
    const limn_open_options how = {.threads = 2, .control = control};
    if (limn_model_open(MODEL, &how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    return m;
}

static limn_picture *control_image(void) {
    limn_picture *p = NULL;
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &p, NULL), LIMN_OK);
    return p;
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* A map compared with the tensor of that name. */
static void expect(limn_exec *e, const golden *g, const char *name, const limn_map *got) {
    int shape[8];
    size_t count;
    golden_shape(g, name, shape);
    const float *want = golden_f32(g, name, &count);
    assert_int_equal(limn_map_count(got), count);
    float *turned = limn_arena_floats(e->ws, count);
    golden_turn(got->v, shape, false, turned);
    double error = golden_relative_error(turned, want, count);
    if (!(error < TOLERANCE)) fail_msg("%s: %g off", name, error);
}

static void name_map(int i, char name[20]) {
    snprintf(name, 20, i < MAPS ? "out.down.%d" : "out.mid", i);
}

/* Zeros of a golden map's shape. */
static limn_map zeros(limn_exec *e, const golden *g, int i) {
    int s[8];
    char name[20];
    name_map(i, name);
    golden_shape(g, name, s);
    limn_map m = limn_map_take(e, s[0], s[2], s[3], s[1]);
    memset(m.v, 0, limn_map_count(&m) * sizeof *m.v);
    return m;
}

/* What an inpainting U-Net is given behind the latents is not for the ControlNet. */
static void expect_latents_alone(limn_exec *e, const limn_control_context *control,
                                 const limn_map *x, double t, const golden *g,
                                 const limn_map *maps) {
    limn_map wide = limn_map_take(e, x->n, x->h, x->w, x->c + 5), found[MAPS + 1];
    for (size_t i = 0; i < limn_map_count(&wide); i++) {
        size_t pixel = i / (size_t)wide.c, c = i % (size_t)wide.c;
        wide.v[i] = c < (size_t)x->c ? x->v[pixel * (size_t)x->c + c] : 7;
    }
    for (int i = 0; i <= MAPS; i++) found[i] = zeros(e, g, i);
    limn_control_add(e, control, &wide, t, found, MAPS, &found[MAPS]);
    for (int i = 0; i <= MAPS; i++)
        assert_memory_equal(found[i].v, maps[i].v, limn_map_count(&maps[i]) * sizeof(float));
}

static void stages(void **state) {
    (void)state;
    int s[8], c[8];
    char name[20];
    limn_arena ws;
    limn_model *m = open_with(scratch_at("net"));
    golden *g = golden_open("tests/golden/control.safetensors");
    limn_picture *picture = control_image();
    assert_int_equal(limn_arena_open(&ws, WORKSPACE, NULL), LIMN_OK);
    limn_exec e = {.k = m->kernels, .ws = &ws};
    golden_shape(g, "in.sample", s);
    golden_shape(g, "in.encoder_hidden_states", c);
    double t = (double)*golden_f32(g, "in.timestep", NULL);
    limn_map x = limn_map_take(&e, s[0], s[2], s[3], s[1]), out = x, hint, maps[MAPS + 1];
    golden_turn(golden_f32(g, "in.sample", NULL), s, true, x.v);
    out = limn_map_take(&e, s[0], s[2], s[3], s[1]);
    const limn_request request = {.width = 64, .height = 64, .control.picture = picture};
    limn_hint_make(&e, m, &request, &hint);
    const limn_unet_condition condition = {
        .n = c[0], .tokens = c[1], .cond = golden_f32(g, "in.encoder_hidden_states", NULL)};
    limn_control_context control = {.net = &m->control, .hint = &hint, .strength = 1};
    limn_unet_context context;
    limn_unet_prepare(&e, &m->control.copy, &condition, &control.text);
    limn_unet_prepare(&e, &m->unet, &condition, &context);

    for (int i = 0; i <= MAPS; i++) maps[i] = zeros(&e, g, i);
    limn_control_add(&e, &control, &x, t, maps, MAPS, &maps[MAPS]);
    for (int i = 0; i <= MAPS; i++) {
        name_map(i, name);
        expect(&e, g, name, &maps[i]);
    }
    expect_latents_alone(&e, &control, &x, t, g, maps);
    control.strength = 0.8f;
    context.control = &control;
    limn_unet_run(&e, &m->unet, &x, t, &context, &out);
    expect(&e, g, "out.sample", &out);

    /* The outermost layers alone, round a deep feature of the same input: the same bits. */
    limn_unet_deep deep = limn_unet_deep_take(&e, &m->unet, &x, 1);
    limn_map full = limn_map_take(&e, s[0], s[2], s[3], s[1]), shallow = full;
    shallow = limn_map_take(&e, s[0], s[2], s[3], s[1]);
    limn_unet_run_deep(&e, &m->unet, &x, t, &context, &deep, &full);
    limn_unet_run_deep(&e, &m->unet, &x, t, &context, &deep, &shallow);
    assert_memory_equal(full.v, out.v, limn_map_count(&out) * sizeof *out.v);
    assert_memory_equal(shallow.v, out.v, limn_map_count(&out) * sizeof *out.v);
    limn_arena_close(&ws);
    limn_picture_free(picture);
    golden_close(g);
    limn_model_close(m);
}

/* ---- pictures -------------------------------------------------------------------------------- */

static limn_picture *draw(const limn_model *m, double strength, double from, double to) {
    limn_request r;
    limn_picture *p = NULL, *image = control_image();
    limn_error err;
    limn_request_defaults(m, &r);
    r.prompt = "a photograph of an astronaut riding a horse!";
    r.seed = 42;
    r.steps = 6;
    r.guidance = 7.5;
    r.width = r.height = 64;
    r.sampler = "euler";
    r.control.picture = image;
    r.control_strength = strength;
    r.control_from = from;
    r.control_to = to;
    if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_picture_free(image);
    return p;
}

static void compare(const golden *g, const char *name, const limn_picture *p) {
    size_t values = 0, off = 0;
    const uint8_t *want = golden_u8(g, name, &values);
    assert_int_equal(values, 64 * 64 * 3);
    for (size_t i = 0; i < values; i++) {
        int difference = abs(p->rgb[i] - want[i]);
        if (difference > 1) fail_msg("%s: value %zu differs by %d", name, i, difference);
        off += difference > 0;
    }
    assert_true(off * 50 < values);
}

/* The numbers are the same in every type and under every name, and so are the pixels. */
static void pictures(void **state) {
    (void)state;
    static const control_form forms[] = {
        {.type = "F32"},
        {.type = "BF16"},
        {.original = true, .type = "F16"},
        {.original = true, .type = "F32"},
    };
    golden *g = golden_open("tests/golden/control.safetensors");
    limn_model *m = open_with(scratch_at("net"));
    limn_picture *first = draw(m, 0.8, 0, 0), *part = draw(m, 1.5, 0.2, 0.7);
    compare(g, "rgb", first);
    compare(g, "rgb_range", part);
    limn_picture_free(part);
    limn_model_close(m);
    golden_close(g);
    const char *path = scratch_at("net.safetensors");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        control_write(&forms[i], path);
        m = open_with(path);
        limn_picture *p = draw(m, 0.8, 0, 0);
        if (memcmp(p->rgb, first->rgb, 64 * 64 * 3) != 0) fail_msg("form %zu", i);
        limn_picture_free(p);
        limn_model_close(m);
    }
    limn_picture_free(first);
}

/* One of Stable Diffusion 1.5's size has as many numbers as the published ones, 361,279,120. */
static void published_size(void **state) {
    (void)state;
    static const char text[] =
        "{\"_class_name\": \"ControlNetModel\", \"block_out_channels\": [320, 640, 1280, 1280],"
        " \"cross_attention_dim\": 768, \"attention_head_dim\": 8, \"down_block_types\":"
        " [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\","
        " \"DownBlock2D\"]}";
    limn_config *config = NULL;
    limn_error err = {0};
    limn_arena plan = limn_arena_measure();
    limn_invention invention = {0};
    limn_control *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_int_equal(limn_config_read((const uint8_t *)text, strlen(text), "c", &config, &err),
                     LIMN_OK);
    limn_loader ld = {
        .k = limn_kernels_pick(), .arena = &plan, .invention = &invention, .err = &err};
    limn_control_load(&ld, config, m);
    if (ld.status != LIMN_OK) fail_msg("%s", err.text);
    assert_int_equal(invention.parameters, 361279120);
    assert_int_equal(m->scale_px, 8);
    limn_config_free(config);
    free(m);
}

static int make(void **state) {
    (void)state;
    assert_int_equal(scratch_make(NULL), 0);
    control_make_folder(scratch_at("net"), NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages),
        cmocka_unit_test(pictures),
        cmocka_unit_test(published_size),
    };
    return cmocka_run_group_tests(tests, make, scratch_remove);
}
