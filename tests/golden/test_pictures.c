/* Whole pictures, through the public interface, against what diffusers draws with the same weights,
 * seed and settings. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "limn.h"
#include "support/golden.h"

/* Values that may differ by more than one step of 255. */
#define SHARE_FAR 1e-3
/* Values that may differ at all; tests/golden/README.md measures 0.1 % for rounding alone. */
#define SHARE_OFF 2e-2

static void compare(const char *name, const uint8_t *got, const uint8_t *want, size_t count) {
    size_t off = 0, far = 0;
    for (size_t i = 0; i < count; i++) {
        int difference = abs(got[i] - want[i]);
        off += difference > 0;
        far += difference > 1;
    }
    print_message("  %-32s %.3f %% off by one, %zu values by more\n", name,
                  100.0 * (double)off / (double)count, far);
    if ((double)far > SHARE_FAR * (double)count || (double)off > SHARE_OFF * (double)count)
        fail_msg("%s: %zu of %zu values differ, %zu by more than one", name, off, count, far);
}

static limn_model *open_model(const char *path) {
    limn_model *m = NULL;
    limn_error err;
    if (limn_model_open(path, &(limn_open_options){.threads = 2, .encoder = true}, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

static limn_picture *draw(const limn_model *m, const limn_request *r) {
    limn_picture *p = NULL;
    limn_error err;
    if (limn_render(m, r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    return p;
}

static int int_of(const json_t *o, const char *key) {
    return (int)json_integer_value(json_object_get(o, key));
}

/* A size or place as diffusers writes it: [height, width], [top, left]; nothing where it is not. */
static void pair_of(const json_t *o, const char *key, int *first, int *second) {
    const json_t *pair = json_object_get(o, key);
    *first = (int)json_integer_value(json_array_get(pair, 0));
    *second = (int)json_integer_value(json_array_get(pair, 1));
}

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* The bytes of a .npy of uint8 begin behind its header: magic, version, length of what follows. */
static uint8_t *read_npy(const char *path, size_t count) {
    FILE *f = fopen(path, "rb");
    uint8_t head[10];
    if (!f || fread(head, 1, 10, f) != 10) fail_msg("cannot read %s", path);
    fseek(f, 10 + head[8] + 256 * head[9], SEEK_SET);
    uint8_t *bytes = malloc(count);
    assert_int_equal(fread(bytes, 1, count, f), count);
    fclose(f);
    return bytes;
}

/* ---- the tiny models ------------------------------------------------------------------------- */

typedef struct pipeline {
    const char *name, *sampler, *schedule;
} pipeline;

static limn_picture *load(const char *path) {
    limn_picture *p = NULL;
    limn_error err;
    if (limn_picture_load(path, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    return p;
}

static void draw_pipelines(const char *model, const pipeline *all, size_t count) {
    json_t *index = golden_json("tests/golden/pipelines/index.json");
    limn_model *m = open_model(model);
    limn_picture *init = load("tests/golden/pipelines/init.png");
    limn_picture *mask = load("tests/golden/pipelines/mask.png");
    for (size_t i = 0; i < count; i++) {
        const json_t *o = json_object_get(index, all[i].name);
        limn_request r;
        limn_request_defaults(m, &r);
        r.prompt = text_of(o, "prompt");
        r.negative = text_of(o, "negative_prompt");
        r.seed = (uint64_t)int_of(o, "seed");
        r.steps = int_of(o, "num_inference_steps");
        r.guidance = json_number_value(json_object_get(o, "guidance_scale"));
        r.width = int_of(o, "width");
        r.height = int_of(o, "height");
        pair_of(o, "original_size", &r.original_height, &r.original_width);
        pair_of(o, "crops_coords_top_left", &r.crop_y, &r.crop_x);
        pair_of(o, "target_size", &r.target_height, &r.target_width);
        r.sampler = all[i].sampler;
        r.schedule = all[i].schedule;
        r.strength = json_number_value(json_object_get(o, "strength"));
        if (r.strength > 0) r.init.picture = init;
        if (strstr(all[i].name, "inpaint")) r.mask.picture = mask;
        limn_picture *p = draw(m, &r);
        char path[200];
        snprintf(path, sizeof path, "tests/golden/pipelines/%s.npy", all[i].name);
        size_t values = (size_t)r.width * (size_t)r.height * 3;
        uint8_t *want = read_npy(path, values);
        compare(all[i].name, p->rgb, want, values);
        free(want);
        limn_picture_free(p);
    }
    limn_picture_free(init);
    limn_picture_free(mask);
    limn_model_close(m);
    json_decref(index);
}

static void test_sd15(void **state) {
    static const pipeline all[] = {
        {"sd15_txt2img_ddim", "ddim", "model"},
        {"sd15_txt2img_ddim_noneg", "ddim", "model"},
        {"sd15_txt2img_ddim_cfg1", "ddim", "model"},
        {"sd15_txt2img_euler", "euler", "model"},
        {"sd15_txt2img_euler_96x64", "euler", "model"},
        {"sd15_txt2img_dpmpp_2m_karras", "dpmpp_2m", "karras"},
        {"sd15_img2img_ddim", "ddim", "model"},
        {"sd15_img2img_euler", "euler", "model"},
        {"sd15_img2img_dpmpp_2m_karras", "dpmpp_2m", "karras"},
        {"sd15_inpaint_ddim", "ddim", "model"},
        {"sd15_inpaint_euler", "euler", "model"},
        {"sd15_inpaint_dpmpp_2m_karras", "dpmpp_2m", "karras"},
    };
    (void)state;
    draw_pipelines("tests/golden/tiny-sd15", all, sizeof all / sizeof *all);
}

static void test_sd21(void **state) {
    static const pipeline all[] = {
        {"sd21_txt2img_ddim", "ddim", "model"},
        {"sd21_txt2img_euler", "euler", "model"},
        {"sd21_txt2img_dpmpp_2m_karras", "dpmpp_2m", "karras"},
    };
    (void)state;
    draw_pipelines("tests/golden/tiny-sd21", all, sizeof all / sizeof *all);
}

static void test_sdxl(void **state) {
    static const pipeline all[] = {
        {"sdxl_txt2img_ddim", "ddim", "model"},
        {"sdxl_txt2img_euler", "euler", "model"},
        {"sdxl_txt2img_euler_noneg", "euler", "model"},
        {"sdxl_txt2img_euler_micro", "euler", "model"},
        {"sdxl_txt2img_dpmpp_2m_karras", "dpmpp_2m", "karras"},
    };
    (void)state;
    draw_pipelines("tests/golden/tiny-sdxl", all, sizeof all / sizeof *all);
}

/* ---- the built-in model ---------------------------------------------------------------------- */

static void test_vignette(void **state) {
    static const char *const names[] = {"apple", "island", "cats"};
    (void)state;
    json_t *index = golden_json("tests/golden/vignette/index.json");
    limn_model *m = open_model("weights/vignette");
    for (int i = 0; i < 3; i++) {
        const json_t *o = json_object_get(index, names[i]);
        limn_request r;
        limn_request_defaults(m, &r);
        r.prompt = text_of(o, "prompt");
        r.negative = text_of(o, "negative_prompt");
        r.seed = (uint64_t)int_of(o, "seed");
        r.steps = int_of(o, "steps");
        r.guidance = json_number_value(json_object_get(o, "guidance_scale"));
        r.sampler = "ddim";
        limn_picture *p = draw(m, &r);
        char path[200];
        snprintf(path, sizeof path, "tests/golden/vignette/%s.safetensors", names[i]);
        golden *g = golden_open(path);
        size_t count = 0;
        const uint8_t *want = golden_u8(g, "pixels", &count);
        assert_int_equal(count, (size_t)p->width * (size_t)p->height * 3);
        compare(names[i], p->rgb, want, count);
        golden_close(g);
        limn_picture_free(p);
    }
    limn_model_close(m);
    json_decref(index);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sd15),
        cmocka_unit_test(test_sd21),
        cmocka_unit_test(test_sdxl),
        cmocka_unit_test(test_vignette),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
