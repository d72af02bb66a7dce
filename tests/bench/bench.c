/* make bench: the program. See bench.h. */
#include "bench/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"

static const char help[] =
    "bench [--json] [--quick] [--threads N] [--model DIR] [--limn PROGRAM]\n"
    "Measures this machine and what share of it limn uses; run it at the top of the tree.\n"
    "  --json     one JSON object instead of a table\n"
    "  --quick    in 15 seconds: the built-in model alone, at the level in use\n"
    "  --threads  what \"all threads\" means; 0, the default: one per processor\n";

/* False: stop, with *status. */
static bool read_options(int argc, char **argv, bench *b, int *status) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"limn", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "jqt:m:l:h", options, NULL)) != -1) {
        if (c == 'j') b->json = true;
        if (c == 'q') b->quick = true;
        if (c == 't') b->threads = atoi(optarg);
        if (c == 'm') b->model_path = optarg;
        if (c == 'l') b->program = optarg;
        if (c == 'h' || c == '?') {
            fputs(help, c == 'h' ? stdout : stderr);
            *status = c == 'h' ? 0 : LIMN_E_USAGE;
            return false;
        }
    }
    if (b->threads < 1) b->threads = limn_threads_default();
    return true;
}

/* The level in use first, then the lower ones. */
static void find_levels(bench *b) {
    static const char *const names[] = {"avx512", "avx2", "neon", "c"};
    const limn_kernels *used = limn_kernels_pick();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const limn_kernels *k = limn_kernels_level(names[i]);
        if (!k || (b->levels == 0 && k != used)) continue;
        b->level[b->levels++] = (bench_level){.k = k};
    }
}

static void put_machine(bench *b) {
    json_t *o = bench_object(b->report, "machine");
    json_object_set_new(o, "level", json_string(b->level[0].k->level));
    json_object_set_new(o, "threads", json_integer(b->threads));
    json_object_set_new(b->report, "version", json_string(limn_version()));
    bench_say(b, "limn %s at level %s, %d threads\n\n", limn_version(), b->level[0].k->level,
              b->threads);
}

static bool measure(bench *b) {
    int count = 0;
    limn_error error = {0};
    if (!bench_process(b) || !bench_archs(b)) return false;
    if (limn_model_open(b->model_path, NULL, &b->model, &error) != LIMN_OK) {
        fprintf(stderr, "bench: %s\n", error.text);
        return false;
    }
    bench_network *nets = bench_networks(b, &count);
    bool good = nets != NULL;
    if (good) {
        bench_peak(b);
        good = bench_stages(b, nets, count);
        bench_tile(b);
        for (int i = 0; i < count; i++)
            if (nets[i].built_in || !b->quick) bench_products(b, &nets[i]);
        bench_rows(b, nets, count);
    }
    free(nets);
    limn_model_close(b->model);
    return good;
}

int main(int argc, char **argv) {
    bench b = {.model_path = "weights/vignette", .program = "./limn", .runs = 5};
    int status = 0;
    if (!read_options(argc, argv, &b, &status)) return status;
    double begin = bench_now();
    b.report = json_object();
    find_levels(&b);
    put_machine(&b);
    bool good = measure(&b);
    if (good && b.json) {
        json_dumpf(b.report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    if (good) bench_say(&b, "Measured in %.0f s.\n", bench_now() - begin);
    json_decref(b.report);
    return good ? 0 : 1;
}
