/* Every stage against what diffusers computes for the same weights: text encoder, U-Net, decoder.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "render/encode.h"
#include "support/golden.h"

#define THREADS 2

/* Relative to the largest value; tests/golden/README.md measures 1e-6 to 4e-6 between float32 and
 * float64. */
#define TEXT_TOLERANCE   1e-5
#define UNET_TOLERANCE   3e-5
#define VAE_TOLERANCE    1e-5
#define ENCODE_TOLERANCE 2e-5

static limn_model *open_model(const char *path) {
    limn_model *m = NULL;
    limn_error err;
    const limn_open_options how = {.threads = THREADS, .encoder = true};
    if (limn_model_open(path, &how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    return m;
}

static void check(const char *what, const float *got, const float *want, size_t count,
                  double tolerance) {
    double error = golden_relative_error(got, want, count);
    if (!(error <= tolerance))
        fail_msg("%s: relative error %.2g, at most %.2g", what, error, tolerance);
    print_message("  %-52s %.1e\n", what, error);
}

/* A workspace large enough for every stage of the tiny models. */
typedef struct stage {
    limn_model *m;
    limn_arena ws;
    limn_exec e;
} stage;

static stage stage_open(const char *path) {
    stage s = {.m = open_model(path)};
    assert_int_equal(limn_arena_open(&s.ws, (size_t)256 << 20, NULL), LIMN_OK);
    return s;
}

static limn_exec *stage_exec(stage *s) {
    s->e = (limn_exec){.k = s->m->kernels, .ws = &s->ws};
    return &s->e;
}

static void stage_close(stage *s) {
    limn_arena_close(&s->ws);
    limn_model_close(s->m);
}

/* [n, c, h, w] <-> [n, h, w, c]. */
static void to_inside(const float *x, int n, int c, int pixels, float *out) {
    for (int i = 0; i < n; i++)
        for (int p = 0; p < pixels; p++)
            for (int k = 0; k < c; k++) out[(i * pixels + p) * c + k] = x[(i * c + k) * pixels + p];
}

static void to_outside(const float *x, int n, int c, int pixels, float *out) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < c; k++)
            for (int p = 0; p < pixels; p++)
                out[(i * c + k) * pixels + p] = x[(i * pixels + p) * c + k];
}

static limn_map map_of(limn_exec *e, const golden *g, const char *name) {
    int shape[8];
    golden_shape(g, name, shape);
    limn_map m = limn_map_take(e, shape[0], shape[2], shape[3], shape[1]);
    to_inside(golden_f32(g, name, NULL), shape[0], shape[1], shape[2] * shape[3], m.v);
    return m;
}

static void check_map(limn_exec *e, const char *what, const limn_map *got, const golden *g,
                      const char *name, double tolerance) {
    size_t count = 0;
    const float *want = golden_f32(g, name, &count);
    assert_int_equal(count, limn_map_count(got));
    float *outside = limn_arena_floats(e->ws, count);
    to_outside(got->v, got->n, got->c, (int)limn_map_pixels(got), outside);
    check(what, outside, want, count, tolerance);
}

/* ---- the tiny models ------------------------------------------------------------------------- */

/* The states that a task asks for, against one tensor of the file, where it has that. */
static void check_states(limn_exec *e, const limn_text *m, const limn_text_task *asked,
                         const golden *g, const char *name) {
    size_t mark = limn_arena_mark(e->ws), d = (size_t)m->d, rows = (size_t)m->positions, count;
    limn_text_task task = *asked;
    if (!golden_has(g, name)) return;
    task.n = 1;
    task.stride = d + 3; /* into wider rows, as beside another encoder */
    task.cond = limn_arena_floats(e->ws, rows * task.stride);
    limn_text_run(e, m, &task);
    for (size_t i = 0; i < rows; i++)
        memmove(task.cond + i * d, task.cond + i * task.stride, d * sizeof(float));
    const float *want = golden_f32(g, name, &count);
    assert_int_equal(count, rows * d);
    check(name, task.cond, want, count, TEXT_TOLERANCE);
    limn_arena_release(e->ws, mark);
}

/* One prompt: the states of every layer, bare; the last ones normed, and as clip skip has them; the
 * pooled state, which leaving layers out does not change. */
static void check_prompt(limn_exec *e, const limn_text *m, const golden *g, const char *prompt) {
    char name[100];
    size_t count = 0;
    snprintf(name, sizeof name, "%s.input_ids", prompt);
    const int32_t *ids = golden_i32(g, name, &count);
    assert_int_equal(count, m->positions);
    float *pooled = limn_arena_floats(e->ws, (size_t)m->pooled_d);
    limn_text_task task = {.ids = ids, .pools = true, .pooled = pooled};
    snprintf(name, sizeof name, "%s.last_hidden_state", prompt);
    check_states(e, m, &task, g, name);
    task.skip = 1;
    snprintf(name, sizeof name, "%s.clip_skip_1", prompt);
    check_states(e, m, &task, g, name);
    task.bare = true;
    for (task.skip = m->layers; task.skip >= 0; task.skip--) {
        snprintf(name, sizeof name, "%s.hidden_states.%d", prompt, m->layers - task.skip);
        memset(pooled, 0, (size_t)m->pooled_d * sizeof *pooled);
        check_states(e, m, &task, g, name);
        if (!golden_has(g, name)) continue;
        snprintf(name, sizeof name, "%s.%s", prompt, m->projects ? "text_embeds" : "pooler_output");
        const float *want = golden_f32(g, name, &count);
        assert_int_equal(count, m->pooled_d);
        check(name, pooled, want, count, TEXT_TOLERANCE);
    }
}

static void text_of(const char *model) {
    static const char *const files[] = {"text", "text_2"}, *const prompts[] = {"empty", "short",
                                                                               "long"};
    char path[200];
    snprintf(path, sizeof path, "tests/golden/%s", model);
    stage s = stage_open(path);
    limn_exec *e = stage_exec(&s);
    for (int i = 0; i < s.m->encoders; i++) {
        snprintf(path, sizeof path, "tests/golden/%s/golden/%s.safetensors", model, files[i]);
        golden *g = golden_open(path);
        for (int k = 0; k < 3; k++) check_prompt(e, &s.m->text[i], g, prompts[k]);
        golden_close(g);
    }
    stage_close(&s);
}

/* Text, and what SDXL has beside it, as the file gives them to the U-Net. */
static limn_unet_condition condition_of(const golden *g, const limn_unet *unet) {
    int shape[8];
    golden_shape(g, "in.encoder_hidden_states", shape);
    limn_unet_condition c = {
        .n = shape[0], .tokens = shape[1], .cond = golden_f32(g, "in.encoder_hidden_states", NULL)};
    if (unet->number_d > 0) {
        const float *numbers = golden_f32(g, "in.time_ids", NULL);
        c.pooled = golden_f32(g, "in.text_embeds", NULL);
        for (int i = 0; i < LIMN_UNET_NUMBERS; i++) c.numbers[i] = (int)numbers[i];
    }
    return c;
}

static void unet_of(const char *model) {
    static const char *const files[] = {"8x16_t500",  "16x24_t981", "8x8_t261",
                                        "8x8_t741.5", "10x14_t999", "16x16_t1"};
    char path[200];
    snprintf(path, sizeof path, "tests/golden/%s", model);
    stage s = stage_open(path);
    limn_exec *e = stage_exec(&s);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "tests/golden/%s/golden/unet_%s.safetensors", model, files[i]);
        golden *g = golden_open(path);
        size_t mark = limn_arena_mark(&s.ws);
        limn_map x = map_of(e, g, "in.sample");
        limn_map out = limn_map_take(e, x.n, x.h, x.w, s.m->unet.out_c);
        limn_unet_context context;
        const limn_unet_condition condition = condition_of(g, &s.m->unet);
        limn_unet_prepare(e, &s.m->unet, &condition, &context);
        double t = golden_type(g, "in.timestep")[0] == 'I'
                       ? (double)*golden_i64(g, "in.timestep", NULL)
                       : (double)*golden_f32(g, "in.timestep", NULL);
        limn_unet_run(e, &s.m->unet, &x, t, &context, &out);
        check_map(e, files[i], &out, g, "out.sample", UNET_TOLERANCE);
        limn_arena_release(&s.ws, mark);
        golden_close(g);
    }
    stage_close(&s);
}

static void vae_of(const char *model) {
    static const char *const files[] = {"2x3", "8x8", "8x12"};
    char path[200];
    snprintf(path, sizeof path, "tests/golden/%s", model);
    stage s = stage_open(path);
    limn_exec *e = stage_exec(&s);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "tests/golden/%s/golden/vae_decode_%s.safetensors", model,
                 files[i]);
        golden *g = golden_open(path);
        limn_map latents = map_of(e, g, "in.latent");
        limn_map out = limn_map_take(e, latents.n, latents.h * 8, latents.w * 8, 3);
        limn_vae_decode(e, &s.m->vae, &latents, &out);
        check_map(e, files[i], &out, g, "out.sample", VAE_TOLERANCE);
        golden_close(g);
    }
    stage_close(&s);
}

static void encode_of(const char *model) {
    static const char *const files[] = {"16x24", "64x64", "64x96"};
    char path[200];
    snprintf(path, sizeof path, "tests/golden/%s", model);
    stage s = stage_open(path);
    limn_exec *e = stage_exec(&s);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "tests/golden/%s/golden/vae_encode_%s.safetensors", model,
                 files[i]);
        golden *g = golden_open(path);
        limn_map x = map_of(e, g, "in.image");
        limn_map mean = limn_map_take(e, x.n, x.h / 8, x.w / 8, s.m->vae.latent_c);
        limn_map deviation = limn_map_take(e, x.n, x.h / 8, x.w / 8, s.m->vae.latent_c);
        limn_encoder_run(e, &s.m->encoder, &x, &mean, &deviation);
        check_map(e, "mean", &mean, g, "out.mean", ENCODE_TOLERANCE);
        check_map(e, "std", &deviation, g, "out.std", ENCODE_TOLERANCE);
        golden_close(g);
    }
    stage_close(&s);
}

static void test_encode_sd15(void **state) {
    (void)state;
    encode_of("tiny-sd15");
}
static void test_encode_sd21(void **state) {
    (void)state;
    encode_of("tiny-sd21");
}

static void test_encode_sdxl(void **state) {
    (void)state;
    encode_of("tiny-sdxl");
}

/* The linear encoder. */
static void test_encode_vignette(void **state) {
    (void)state;
    stage s = stage_open("weights/vignette");
    limn_exec *e = stage_exec(&s);
    golden *g = golden_open("tests/golden/vignette/encode.safetensors");
    limn_map x = map_of(e, g, "image");
    limn_map mean = limn_map_take(e, x.n, x.h / 16, x.w / 16, s.m->vae.latent_c);
    limn_map deviation = limn_map_take(e, x.n, x.h / 16, x.w / 16, s.m->vae.latent_c);
    limn_encoder_run(e, &s.m->encoder, &x, &mean, &deviation);
    check_map(e, "mean", &mean, g, "mean", ENCODE_TOLERANCE);
    assert_true(deviation.v[0] == 0.1f);
    golden_close(g);
    stage_close(&s);
}

static void test_text_sd15(void **state) {
    (void)state;
    text_of("tiny-sd15");
}
static void test_text_sd21(void **state) {
    (void)state;
    text_of("tiny-sd21");
}
static void test_text_sdxl(void **state) {
    (void)state;
    text_of("tiny-sdxl");
}
static void test_unet_sd15(void **state) {
    (void)state;
    unet_of("tiny-sd15");
}
static void test_unet_sd21(void **state) {
    (void)state;
    unet_of("tiny-sd21");
}
static void test_unet_sdxl(void **state) {
    (void)state;
    unet_of("tiny-sdxl");
}
static void test_vae_sd15(void **state) {
    (void)state;
    vae_of("tiny-sd15");
}
static void test_vae_sd21(void **state) {
    (void)state;
    vae_of("tiny-sd21");
}
static void test_vae_sdxl(void **state) {
    (void)state;
    vae_of("tiny-sdxl");
}

/* ---- the built-in model ---------------------------------------------------------------------- */

/* One of weights/vignette's expected pictures: text, two U-Net evaluations, both decoder parts. */
static void vignette_stages(const char *name) {
    char path[200];
    stage s = stage_open("weights/vignette");
    limn_exec *e = stage_exec(&s);
    snprintf(path, sizeof path, "tests/golden/vignette/%s.safetensors", name);
    golden *g = golden_open(path);
    size_t rows = (size_t)s.m->text[0].positions, d = (size_t)s.m->text[0].d, count = 0;
    float *cond = limn_arena_floats(&s.ws, 2 * rows * d), *pooled = limn_arena_floats(&s.ws, 2 * d);
    int32_t ids[2 * 77];
    memcpy(ids, golden_i32(g, "ids_negative", &count), rows * sizeof *ids);
    assert_int_equal(count, rows);
    memcpy(ids + rows, golden_i32(g, "ids", NULL), rows * sizeof *ids);
    const int32_t *const both[LIMN_ENCODERS_MOST] = {ids, ids};
    limn_encode_ids(e, s.m, both, 2, 0, cond, pooled);
    check("cond_negative", cond, golden_f32(g, "cond_negative", NULL), rows * d, TEXT_TOLERANCE);
    check("cond", cond + rows * d, golden_f32(g, "cond", NULL), rows * d, TEXT_TOLERANCE);
    check("pooled", pooled + d, golden_f32(g, "pooled", NULL), d, TEXT_TOLERANCE);

    int c = s.m->unet.in_c;
    size_t latent = 256 * (size_t)c;
    const float *all = golden_f32(g, "latents", NULL);
    const int32_t *timesteps = golden_i32(g, "timesteps", NULL);
    limn_unet_context context;
    const limn_unet_condition condition = {
        .n = 2, .tokens = (int)rows, .cond = cond, .pooled = pooled};
    limn_unet_prepare(e, &s.m->unet, &condition, &context);
    for (int step = 0; step <= 10; step += 10) {
        snprintf(path, sizeof path, "unet.step%d.prompt", step);
        if (step > 0 && !golden_has(g, path)) continue;
        limn_map x = limn_map_take(e, 2, 16, 16, c), out = limn_map_take(e, 2, 16, 16, c);
        to_inside(all + (size_t)step * latent, 1, c, 256, x.v);
        memcpy(x.v + latent, x.v, latent * sizeof *x.v);
        limn_unet_run(e, &s.m->unet, &x, timesteps[step], &context, &out);
        limn_map half = {out.v, 1, 16, 16, c};
        snprintf(path, sizeof path, "unet.step%d.negative", step);
        check_map(e, path, &half, g, path, UNET_TOLERANCE);
        half.v = out.v + latent;
        snprintf(path, sizeof path, "unet.step%d.prompt", step);
        check_map(e, path, &half, g, path, UNET_TOLERANCE);
    }

    int shape[8];
    golden_shape(g, "latents", shape);
    limn_map z = limn_map_take(e, 1, 16, 16, c), painted, basis;
    to_inside(all + (size_t)(shape[0] - 1) * latent, 1, c, 256, z.v);
    limn_vae_decode_parts(e, &s.m->vae, &z, &painted, &basis);
    check_map(e, "decoder.out", &painted, g, "decoder.out", VAE_TOLERANCE);
    check_map(e, "basis.out", &basis, g, "basis.out", VAE_TOLERANCE);
    limn_map picture = limn_map_take(e, 1, 256, 256, 3);
    limn_vae_decode(e, &s.m->vae, &z, &picture);
    check_map(e, "image", &picture, g, "image", VAE_TOLERANCE);
    golden_close(g);
    stage_close(&s);
}

static void test_vignette_apple(void **state) {
    (void)state;
    vignette_stages("apple");
}
static void test_vignette_island(void **state) {
    (void)state;
    vignette_stages("island");
}
static void test_vignette_cats(void **state) {
    (void)state;
    vignette_stages("cats");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_sd15),       cmocka_unit_test(test_text_sd21),
        cmocka_unit_test(test_text_sdxl),       cmocka_unit_test(test_unet_sd15),
        cmocka_unit_test(test_unet_sd21),       cmocka_unit_test(test_unet_sdxl),
        cmocka_unit_test(test_encode_sd15),     cmocka_unit_test(test_encode_sd21),
        cmocka_unit_test(test_encode_sdxl),     cmocka_unit_test(test_encode_vignette),
        cmocka_unit_test(test_vae_sd15),        cmocka_unit_test(test_vae_sd21),
        cmocka_unit_test(test_vae_sdxl),        cmocka_unit_test(test_vignette_apple),
        cmocka_unit_test(test_vignette_island), cmocka_unit_test(test_vignette_cats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
