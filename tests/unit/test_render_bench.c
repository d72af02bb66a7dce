/* Architectures without files: that they are the published ones, and what measuring refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/invent.h"

/* What an architecture weighs, in numbers. */
static limn_arch_weight weigh(const char *name, bool int8, int *width_px) {
    const limn_arch *arch = NULL;
    limn_arch_weight w = {0};
    limn_error error = {0};
    limn_model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_int_equal(limn_arch_find(name, &arch, &error), LIMN_OK);
    assert_int_equal(limn_arch_measure(arch, limn_kernels_level("c"), int8, m, &w, &error),
                     LIMN_OK);
    *width_px = arch->width_px;
    free(m);
    return w;
}

/* Millions, as published, to within one in a hundred. */
static void near(const char *what, uint64_t found, double millions) {
    double ratio = (double)found / 1e6 / millions;
    if (ratio < 0.99 || ratio > 1.01) {
        printf("%s: %.2f million, published are %.2f\n", what, (double)found / 1e6, millions);
        fail();
    }
}

static void parameter_counts(void **state) {
    (void)state;
    int px = 0;
    limn_arch_weight w = weigh("sd15", false, &px);
    near("sd15 text", w.text, 123.06);
    near("sd15 unet", w.unet, 859.52);
    near("sd15 vae", w.vae, 49.49);
    assert_int_equal(px, 512);
    /* Half of it as float16; norms, biases and the table of tokens are float32. */
    assert_in_range(w.bytes, 2064000000u, 2200000000u);
    /* The U-Net's half of that again as int8. */
    w = weigh("sd15", true, &px);
    assert_in_range(w.bytes, 1200000000u, 1380000000u);
    w = weigh("sd15-taesd", false, &px);
    near("sd15-taesd decoder", w.vae, 1.22);
    w = weigh("sd21", false, &px);
    near("sd21 text", w.text, 340.39);
    near("sd21 unet", w.unet, 865.91);
    near("sd21 vae", w.vae, 49.49);
    assert_int_equal(px, 768);
    w = weigh("sdxl", false, &px);
    near("sdxl text", w.text, 123.06 + 694.66);
    near("sdxl unet", w.unet, 2567.46);
    near("sdxl vae", w.vae, 49.49);
    assert_int_equal(px, 1024);
    assert_in_range(w.bytes, 6870000000u, 7200000000u);
}

/* The built-in model's numbers are those of its files. */
static void the_built_in_one(void **state) {
    (void)state;
    int px = 0;
    limn_model *m = NULL;
    limn_error error = {0};
    limn_arch_weight w = weigh("vignette", false, &px);
    assert_int_equal(limn_model_open("weights/vignette", NULL, &m, &error), LIMN_OK);
    limn_model_info info = limn_model_describe(m);
    near("vignette", w.text + w.unet + w.vae, (double)info.parameters / 1e6);
    assert_int_equal(px, info.width);
    limn_model_close(m);
}

static bool stop(void *user, const char *work) {
    (void)work;
    ++*(int *)user;
    return false;
}

static void refused(limn_bench_options o, limn_status status, const char *word) {
    limn_bench_report untouched, report;
    limn_error error = {0};
    memset(&untouched, 7, sizeof untouched);
    report = untouched;
    assert_int_equal(limn_bench_run(&o, &report, &error), status);
    assert_memory_equal(&report, &untouched, sizeof report);
    if (!strstr(error.text, word)) fail_msg("\"%s\" does not say %s", error.text, word);
}

static void refusals(void **state) {
    (void)state;
    int calls = 0;
    refused((limn_bench_options){.arch = "sd16"}, LIMN_E_USAGE,
            "sd15, sd15-taesd, sd21, sdxl and vignette");
    refused((limn_bench_options){.arch = "sd15", .precision = "int4"}, LIMN_E_USAGE, "int4");
    refused((limn_bench_options){.arch = NULL}, LIMN_E_USAGE, "architecture");
    refused((limn_bench_options){.arch = "vignette", .runs = -1}, LIMN_E_USAGE, "runs");
    refused((limn_bench_options){.arch = "sd15", .width = 500}, LIMN_E_USAGE, "width");
    refused((limn_bench_options){.arch = "sd15", .height = 8200}, LIMN_E_USAGE, "height");
    refused((limn_bench_options){.arch = "sd15", .height = -8}, LIMN_E_USAGE, "height");
    refused((limn_bench_options){.arch = "vignette", .watch = stop, .user = &calls},
            LIMN_E_CANCELLED, "stopped");
    assert_int_equal(calls, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts),
        cmocka_unit_test(the_built_in_one),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
