/* A whole picture of a latent consistency model, through the public header: the text encoder and
 * the VAE of tiny-sd15 round the U-Net of families/lcm, which is given the guidance scale. */
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

static const char index_text[] = "{\"_class_name\": \"LatentConsistencyModelPipeline\"}";
static const char scheduler_text[] =
    "{\"_class_name\": \"LCMScheduler\", \"num_train_timesteps\": 1000, \"beta_start\": 0.00085,"
    "\"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\", \"clip_sample\": false,"
    "\"original_inference_steps\": 50, \"prediction_type\": \"sample\", \"timestep_scaling\": 10,"
    "\"set_alpha_to_one\": true, \"steps_offset\": 1, \"timestep_spacing\": \"leading\"}";

/* What the model's folder has: links into the golden data, and two texts. */
static const struct {
    const char *file, *link, *text;
} files[] = {
    {"model_index.json", NULL, index_text},
    {"scheduler/scheduler_config.json", NULL, scheduler_text},
    {"text_encoder/config.json", TINY "text_encoder/config.json", NULL},
    {"text_encoder/model.safetensors", TINY "text_encoder/model.safetensors", NULL},
    {"tokenizer/merges.txt", TINY "tokenizer/merges.txt", NULL},
    {"tokenizer/special_tokens_map.json", TINY "tokenizer/special_tokens_map.json", NULL},
    {"tokenizer/tokenizer_config.json", TINY "tokenizer/tokenizer_config.json", NULL},
    {"tokenizer/vocab.json", TINY "tokenizer/vocab.json", NULL},
    {"unet/config.json", FAMILIES "lcm.json", NULL},
    {"unet/diffusion_pytorch_model.safetensors", FAMILIES "lcm.safetensors", NULL},
    {"vae/config.json", TINY "vae/config.json", NULL},
    {"vae/diffusion_pytorch_model.safetensors", TINY "vae/diffusion_pytorch_model.safetensors",
     NULL},
};

#define FILES (sizeof files / sizeof *files)

static char folder[] = "/tmp/limn-lcm-XXXXXX";

static int make_folder(void **state) {
    char here[2000], from[2400], to[200];
    (void)state;
    if (!mkdtemp(folder) || !getcwd(here, sizeof here)) return 1;
    for (size_t i = 0; i < FILES; i++) {
        snprintf(to, sizeof to, "%s/%s", folder, files[i].file);
        char *slash = strrchr(to, '/');
        *slash = '\0';
        mkdir(to, 0777);
        *slash = '/';
        snprintf(from, sizeof from, "%s/%s", here, files[i].link ? files[i].link : "");
        if (files[i].link && symlink(from, to) != 0) return 1;
        if (files[i].text &&
            limn_file_write(to, files[i].text, strlen(files[i].text), false, NULL) != LIMN_OK)
            return 1;
    }
    return 0;
}

static int remove_folder(void **state) {
    char path[200];
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].file);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
    }
    return rmdir(folder);
}

static void test_picture(void **state) {
    limn_model *m = NULL;
    limn_picture *picture = NULL;
    limn_request r;
    limn_error err;
    size_t count = 0, off = 0;
    (void)state;
    if (limn_model_open(folder, NULL, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_request_defaults(m, &r);
    assert_string_equal(r.sampler, "lcm");
    assert_int_equal(r.steps, 4);
    assert_true(r.guidance == 8.5);
    r.prompt = "a photograph of an astronaut riding a horse!";
    r.negative = "this takes no part";
    r.seed = 42;
    r.width = r.height = 64;
    if (limn_render(m, &r, NULL, &picture, &err) != LIMN_OK) fail_msg("%s", err.text);
    golden *g = golden_open(FAMILIES "lcm_picture.safetensors");
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
    limn_picture_free(picture);
    limn_model_close(m);
}

/* One evaluation a step, whatever the guidance scale; which does change the picture. */
static void test_guidance(void **state) {
    limn_model *m = NULL;
    limn_picture *pictures[2] = {NULL, NULL};
    limn_request r;
    limn_plan plans[2];
    (void)state;
    assert_int_equal(limn_model_open(folder, NULL, &m, NULL), LIMN_OK);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_guidance),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
