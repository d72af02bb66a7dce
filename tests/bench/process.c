/* The whole process, as a user starts it: its time and its peak of memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define RUNS 7

/* What one run of the program took. */
typedef struct took {
    double seconds, user_s, system_s;
    double peak_bytes;
} took;

/* Runs the program with its output thrown away. False where it cannot be run or fails. */
static bool run_once(const bench *b, const char *threads, const char *output, took *out) {
    const char *const words[] = {b->program,  "a lighthouse on a floating island in the clouds",
                                 "--model",   b->model_path,
                                 "--seed",    "1",
                                 "--threads", threads,
                                 "--force",   "--quiet",
                                 "--output",  output,
                                 NULL};
    double begin = bench_now();
    pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        execv(b->program, (char *const *)words);
        _exit(127);
    }
    int status = 0;
    struct rusage used = {0};
    if (wait4(child, &status, 0, &used) != child) return false;
    out->seconds = bench_now() - begin;
    out->user_s = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec * 1e-6;
    out->system_s = (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec * 1e-6;
    out->peak_bytes = (double)used.ru_maxrss * 1024;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Medians, each of its own column. */
static bool run_often(const bench *b, int threads, const char *output, took *out) {
    double s[RUNS], u[RUNS], y[RUNS], p[RUNS];
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    for (int i = 0; i < RUNS; i++) {
        took t;
        if (!run_once(b, number, output, &t)) return false;
        s[i] = t.seconds;
        u[i] = t.user_s;
        y[i] = t.system_s;
        p[i] = t.peak_bytes;
    }
    *out = (took){bench_median(s, RUNS), bench_median(u, RUNS), bench_median(y, RUNS),
                  bench_median(p, RUNS)};
    return true;
}

static void put_took(json_t *o, const char *suffix, const took *t) {
    char key[40];
    snprintf(key, sizeof key, "seconds%s", suffix);
    bench_put(o, key, t->seconds);
    snprintf(key, sizeof key, "user_seconds%s", suffix);
    bench_put(o, key, t->user_s);
    snprintf(key, sizeof key, "system_seconds%s", suffix);
    bench_put(o, key, t->system_s);
}

bool bench_process(bench *b) {
    char folder[] = "/tmp/limn-bench-XXXXXX", output[64];
    took one = {0}, all = {0};
    if (!mkdtemp(folder)) {
        perror("bench: /tmp");
        return false;
    }
    snprintf(output, sizeof output, "%s/picture.png", folder);
    bool good = run_often(b, 1, output, &one) && run_often(b, b->threads, output, &all);
    unlink(output);
    rmdir(folder);
    if (!good) {
        fprintf(stderr, "bench: %s did not draw a picture\n", b->program);
        return false;
    }
    json_t *o = bench_object(bench_object(b->report, "stages"), "process");
    put_took(o, "_one", &one);
    put_took(o, "", &all);
    bench_put(b->report, "peak_bytes", all.peak_bytes);
    return true;
}
