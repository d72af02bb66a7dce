/* Whole pictures of other families, through the public header: the text encoder and the VAE of
 * tiny-sd15 round a U-Net of families/ (tests/golden/README.md says how they were made). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "limn.h"
#include "support/golden.h"

#define TINY     "tests/golden/tiny-sd15/"
#define FAMILIES "tests/golden/families/"

#define NOISE                                                                                      \
    "\"num_train_timesteps\": 1000, \"beta_start\": 0.00085, \"beta_end\": 0.012, "                \
    "\"steps_offset\": 1,"                                                                         \
    "\"beta_schedule\": \"scaled_linear\", \"clip_sample\": false, \"prediction_type\": "          \
    "\"sample\","                                                                                  \
    "\"timestep_spacing\": \"leading\""

/* A family's model: a folder of links into the golden data, and two texts of its own. */
typedef struct family {
    const char *unet, *pipeline, *scheduler;
    char folder[40];
} family;

static family lcm = {"lcm", "LatentConsistencyModelPipeline",
                     "{\"_class_name\": \"LCMScheduler\", \"original_inference_steps\": 50,"
                     "\"timestep_scaling\": 10, \"set_alpha_to_one\": true, " NOISE "}",
                     "/tmp/limn-lcm-XXXXXX"};
static family edit = {"one_level", "StableDiffusionInstructPix2PixPipeline",
                      "{\"_class_name\": \"DDIMScheduler\", \"set_alpha_to_one\": false, " NOISE
                      "}",
                      "/tmp/limn-edit-XXXXXX"};

/* Files that are tiny-sd15's own. */
static const char *const linked[] = {
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
};

#define LINKED ((int)(sizeof linked / sizeof *linked))

static const char *const own[] = {"unet/config.json", "unet/diffusion_pytorch_model.safetensors",
                                  "scheduler/scheduler_config.json", "model_index.json"};

/* The i-th file's path, its folder made. */
static void path_of(const family *f, int i, char path[200]) {
    snprintf(path, 200, "%s/%s", f->folder, i < LINKED ? linked[i] : own[i - LINKED]);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0777);
    *slash = '/';
}

static void make_folder(family *f) {
    char here[2000], from[2400], path[200], index[120];
    assert_non_null(mkdtemp(f->folder));
    assert_non_null(getcwd(here, sizeof here));
    for (int i = 0; i < LINKED + 2; i++) {
        path_of(f, i, path);
        if (i < LINKED)
            snprintf(from, sizeof from, "%s/" TINY "%s", here, linked[i]);
        else
            snprintf(from, sizeof from, "%s/" FAMILIES "%s.%s", here, f->unet,
                     i == LINKED ? "json" : "safetensors");
        assert_int_equal(symlink(from, path), 0);
    }
    path_of(f, LINKED + 2, path);
    assert_int_equal(limn_file_write(path, f->scheduler, strlen(f->scheduler), false, NULL),
                     LIMN_OK);
    path_of(f, LINKED + 3, path);
    snprintf(index, sizeof index, "{\"_class_name\": \"%s\"}", f->pipeline);
    assert_int_equal(limn_file_write(path, index, strlen(index), false, NULL), LIMN_OK);
}

static void remove_folder(const family *f) {
    char path[200];
    for (int i = 0; i < LINKED + 4; i++) {
        path_of(f, i, path);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
    }
    rmdir(f->folder);
}

static int make_folders(void **state) {
    (void)state;
    make_folder(&lcm);
    make_folder(&edit);
    return 0;
}

static int remove_folders(void **state) {
    (void)state;
    remove_folder(&lcm);
    remove_folder(&edit);
    return 0;
}

static void compare(const limn_picture *picture, const char *golden_file) {
    size_t count = 0, off = 0;
    golden *g = golden_open(golden_file);
    const uint8_t *want = golden_u8(g, "rgb", &count);
    assert_int_equal(count, 64 * 64 * 3);
    for (size_t i = 0; i < count; i++) {
        int difference = abs(picture->rgb[i] - want[i]);
        off += difference > 0;
        assert_true(difference <= 1);
    }
    print_message("  %zu of %zu values off by one\n", off, count);
    assert_true(off <= count / 50);
    golden_close(g);
}

static void test_lcm(void **state) {
    limn_model *m = NULL;
    limn_picture *picture = NULL;
    limn_request r;
    limn_error err;
    (void)state;
    if (limn_model_open(lcm.folder, NULL, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_request_defaults(m, &r);
    assert_string_equal(r.sampler, "lcm");
    assert_int_equal(r.steps, 4);
    assert_true(r.guidance == 8.5);
    r.prompt = "a photograph of an astronaut riding a horse!";
    r.negative = "this takes no part";
    r.seed = 42;
    r.width = r.height = 64;
    if (limn_render(m, &r, NULL, &picture, &err) != LIMN_OK) fail_msg("%s", err.text);
    compare(picture, FAMILIES "lcm_picture.safetensors");
    limn_picture_free(picture);
    limn_model_close(m);
}

/* One evaluation a step, whatever the guidance scale; which does change the picture. */
static void test_lcm_guidance(void **state) {
    limn_model *m = NULL;
    limn_picture *pictures[2] = {NULL, NULL};
    limn_request r;
    limn_plan plans[2];
    (void)state;
    assert_int_equal(limn_model_open(lcm.folder, NULL, &m, NULL), LIMN_OK);
    limn_request_defaults(m, &r);
    r.prompt = "a horse";
    r.steps = 2;
    r.width = r.height = 64;
    for (int i = 0; i < 2; i++) {
        r.guidance = i == 0 ? 1 : 3;
        assert_int_equal(limn_request_plan(m, &r, &plans[i], NULL), LIMN_OK);
        assert_int_equal(limn_render(m, &r, NULL, &pictures[i], NULL), LIMN_OK);
    }
    assert_true(plans[0].gflop == plans[1].gflop);
    assert_int_equal(plans[0].workspace_bytes, plans[1].workspace_bytes);
    assert_memory_not_equal(pictures[0]->rgb, pictures[1]->rgb, 64 * 64 * 3);
    for (int i = 0; i < 2; i++) limn_picture_free(pictures[i]);
    limn_model_close(m);
}

/* Guided by the text and by the picture, and what such a model does not take. */
static void test_edit(void **state) {
    limn_model *m = NULL;
    limn_picture *init = NULL, *picture = NULL;
    limn_request r;
    limn_plan plan;
    limn_error err;
    (void)state;
    const limn_open_options how = {.encoder = true};
    if (limn_model_open(edit.folder, &how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &init, &err), LIMN_OK);
    limn_request_defaults(m, &r);
    r.prompt = "a photograph of an astronaut riding a horse!";
    r.sampler = "ddim";
    r.steps = 4;
    r.guidance = 5;
    r.image_guidance = 2;
    r.seed = 7;
    r.width = r.height = 64;
    assert_int_equal(limn_request_plan(m, &r, &plan, &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "--init"));
    r.init.picture = init;
    if (limn_render(m, &r, NULL, &picture, &err) != LIMN_OK) fail_msg("%s", err.text);
    compare(picture, FAMILIES "edit_picture.safetensors");
    assert_non_null(strstr(picture->recipe, "\"image_guidance\":2"));
    limn_request wrong = r;
    wrong.strength = 0.5;
    assert_int_equal(limn_request_plan(m, &wrong, &plan, &err), LIMN_E_USAGE);
    wrong = r;
    wrong.guidance_to = 0.5;
    assert_int_equal(limn_request_plan(m, &wrong, &plan, &err), LIMN_E_USAGE);
    wrong = r;
    wrong.prompt = "a horse AND a cart";
    wrong.prompt_syntax = "a1111";
    assert_int_equal(limn_request_plan(m, &wrong, &plan, &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "AND"));
    limn_picture_free(picture);
    r.guidance = 1; /* the instruction alone, in one evaluation */
    assert_int_equal(limn_render(m, &r, NULL, &picture, &err), LIMN_OK);
    limn_picture_free(picture);
    limn_picture_free(init);
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lcm),
        cmocka_unit_test(test_lcm_guidance),
        cmocka_unit_test(test_edit),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
