/* Whole stages of an architecture with invented weights: what `limn bench` measures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

/* One run of `limn bench` on an architecture, a size and a precision; NULL where it fails, and has
 * said why. */
static json_t *run_arch(const bench *b, const char *const *what) {
    char command[600];
    int length = snprintf(command, sizeof command,
                          "'%s' bench --arch %s --size %s --precision %s --threads %d --runs %d "
                          "--json --quiet",
                          b->program, what[0], what[1], what[2], b->threads, b->runs);
    if (length < 0 || (size_t)length >= sizeof command) return NULL;
    FILE *from = popen(command, "r");
    if (!from) return NULL;
    json_error_t error;
    json_t *report = json_loadf(from, JSON_DISABLE_EOF_CHECK, &error);
    if (pclose(from) == 0) return report;
    json_decref(report);
    return NULL;
}

static void say_stage(const bench *b, const char *what, const json_t *stage) {
    const json_t *seconds = json_object_get(stage, "seconds");
    bench_say(b, "  %-28s %10.4f  %9.3f  %4.0f%%\n", what, json_number_value(seconds),
              json_number_value(json_object_get(stage, "direct_gflop")),
              100 * json_number_value(json_object_get(stage, "share")));
}

static void say_arch(const bench *b, const char *const *what, const json_t *report) {
    const json_t *stages = json_object_get(report, "stages");
    bench_say(b, "%-8s at %s, %-10s    seconds      GFLOP  share, %d threads\n", what[0], what[1],
              what[2], b->threads);
    say_stage(b, "text, one prompt", json_object_get(stages, "text"));
    say_stage(b, "U-Net, one guided step", json_object_get(stages, "unet_guided_step"));
    say_stage(b, "VAE, decoding", json_object_get(stages, "vae_decode"));
    bench_say(b, "  peak memory %.1f MB\n\n",
              json_number_value(json_object_get(report, "peak_bytes")) / 1e6);
}

bool bench_archs(bench *b) {
    static const char *const all[][3] = {
        {"vignette", "256x256", "float32"}, {"vignette", "256x256", "int8"},
        {"sd15", "256x256", "float32"},     {"sd15", "256x256", "int8"},
        {"sd15", "512x512", "float32"},     {"sd15", "512x512", "int8"}};
    json_t *list = bench_array(b->report, "archs");
    for (size_t i = 0; i < (b->quick ? 2 : sizeof all / sizeof *all); i++) {
        json_t *report = run_arch(b, all[i]);
        if (!report) {
            fprintf(stderr, "bench: %s bench --arch %s failed\n", b->program, all[i][0]);
            return false;
        }
        say_arch(b, all[i], report);
        json_array_append_new(list, report);
    }
    return true;
}
