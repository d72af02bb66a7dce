/* What is done to a text encoder's states: emphasis, and the layer that is listened to. That the
 * states are the encoder's, tests/golden/test_stages.c sees. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "support/golden.h"
#include "text/text.h"

#define MODEL  "tests/golden/tiny-sd15"
#define ROWS   5
#define D      8
#define STRIDE 11

static double mean_of(const float *cond) {
    double sum = 0;
    for (int i = 0; i < ROWS * D; i++) sum += cond[i / D * STRIDE + i % D];
    return sum / (ROWS * D);
}

/* Rows keep their ratios to each other, the whole its mean, and what lies between rows is not
 * touched. Source: A1111's emphasis "Original". */
static void emphasis_keeps_the_mean(void **state) {
    static const float weights[ROWS] = {1, 1.3f, 0.5f, 1, 1.1f};
    float cond[ROWS * STRIDE], was[ROWS * STRIDE];
    (void)state;
    for (int i = 0; i < ROWS * STRIDE; i++) was[i] = cond[i] = (float)sin(i) + 0.7f;
    limn_text_emphasize(cond, ROWS, D, STRIDE, weights);
    assert_true(fabs(mean_of(cond) - mean_of(was)) < 1e-6);
    double factor = (double)cond[0] / (double)was[0];
    assert_true(fabs(factor - 1) > 1e-3);
    for (int i = 0; i < ROWS * STRIDE; i++) {
        int row = i / STRIDE;
        double want =
            i % STRIDE < D ? factor * (double)weights[row] * (double)was[i] : (double)was[i];
        assert_true(fabs((double)cond[i] - want) < 1e-5);
    }
}

static void no_emphasis_changes_no_bit(void **state) {
    static const float weights[ROWS] = {1, 1, 1, 1, 1};
    float cond[ROWS * STRIDE], was[ROWS * STRIDE];
    (void)state;
    for (int i = 0; i < ROWS * STRIDE; i++) was[i] = cond[i] = (float)sin(i) + 0.7f;
    limn_text_emphasize(cond, ROWS, D, STRIDE, weights);
    assert_memory_equal(cond, was, sizeof cond);
}

/* A folder of links to the tiny model, whose text encoder says that it has `layers` layers. */
static void make_model(char *folder, int layers) {
    static const char *const parts[] = {"model_index.json",
                                        "scheduler",
                                        "tokenizer",
                                        "unet",
                                        "vae",
                                        "text_encoder/model.safetensors"};
    char here[1000], from[1200], to[1200];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    snprintf(to, sizeof to, "%s/text_encoder", folder);
    assert_int_equal(mkdir(to, 0777), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(from, sizeof from, "%s/" MODEL "/%s", here, parts[i]);
        snprintf(to, sizeof to, "%s/%s", folder, parts[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    json_t *config = golden_json(MODEL "/text_encoder/config.json");
    json_object_set_new(config, "num_hidden_layers", json_integer(layers));
    snprintf(to, sizeof to, "%s/text_encoder/config.json", folder);
    assert_int_equal(json_dump_file(config, to, 0), 0);
    json_decref(config);
}

static limn_picture *draw(const char *model, int clip_skip) {
    limn_model *m = NULL;
    limn_picture *p = NULL;
    limn_error error;
    if (limn_model_open(model, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_request r;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.steps = 1;
    r.width = r.height = 64;
    r.clip_skip = clip_skip;
    if (limn_render(m, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_model_close(m);
    return p;
}

/* To listen to the last layer but one is to have an encoder without the last. */
static void clip_skip_counts_as_a1111_does(void **state) {
    (void)state;
    json_t *config = golden_json(MODEL "/text_encoder/config.json");
    int layers = (int)json_integer_value(json_object_get(config, "num_hidden_layers"));
    json_decref(config);
    limn_picture *whole = draw(MODEL, 0);
    for (int skip = 1; skip <= 2; skip++) {
        char folder[] = "/tmp/limn-text-XXXXXX", command[200];
        make_model(folder, layers + 1 - skip);
        limn_picture *shorter = draw(folder, 0), *skipped = draw(MODEL, skip);
        assert_memory_equal(skipped->rgb, shorter->rgb, 64 * 64 * 3);
        assert_true((memcmp(skipped->rgb, whole->rgb, 64 * 64 * 3) == 0) == (skip == 1));
        limn_picture_free(shorter);
        limn_picture_free(skipped);
        snprintf(command, sizeof command, "rm -r '%s'", folder);
        assert_int_equal(system(command), 0);
    }
    limn_picture_free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emphasis_keeps_the_mean),
        cmocka_unit_test(no_emphasis_changes_no_bit),
        cmocka_unit_test(clip_skip_counts_as_a1111_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
