/* make big: checkpoints of the true size, SD 1.5's names and shapes with random numbers, loaded
 * from each container: time against that of reading the file, and peak memory against what is
 * stored and what is planned. Needs some 8 GB of disk in TMPDIR (or /tmp), for a few minutes.
 *
 * Both times are from a cold cache. On a machine that does other work they say little. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "support/published.h"

/* The bounds. */
#define TIME_MOST   1.5
#define MEMORY_MOST 1.15
#define CHUNK       ((size_t)1 << 20)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills the file's hole with float16 numbers of about 1/16, whose bits are random. */
static void fill(const char *path) {
    FILE *f = fopen(path, "r+b");
    uint64_t length, state = 1;
    uint16_t *chunk = malloc(CHUNK);
    assert_non_null(f);
    assert_non_null(chunk);
    assert_int_equal(fread(&length, 1, 8, f), 8);
    fseek(f, 0, SEEK_END);
    const uint64_t size = (uint64_t)ftell(f);
    fseek(f, (long)(8 + length), SEEK_SET);
    for (uint64_t at = 8 + length; at < size; at += CHUNK) {
        for (size_t i = 0; i < CHUNK / 2; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            chunk[i] = (uint16_t)((state >> 48 & 0x83ff) | 0x2c00);
        }
        const size_t count = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        assert_int_equal(fwrite(chunk, 1, count, f), count);
    }
    assert_int_equal(fclose(f), 0);
    free(chunk);
}

/* Puts the file out of the system's cache, as it is before it is first used. */
static void make_cold(const char *path) {
    const int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(fdatasync(file), 0);
    assert_int_equal(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(file);
}

/* Seconds that reading the file from the disk takes. */
static double read_seconds(const char *path, uint64_t *bytes) {
    double best = 1e9;
    char *chunk = malloc(CHUNK);
    for (int run = 0; run < 3; run++) {
        make_cold(path);
        FILE *f = fopen(path, "rb");
        size_t n;
        const double start = now();
        assert_non_null(f);
        setvbuf(f, NULL, _IONBF, 0);
        for (*bytes = 0; (n = fread(chunk, 1, CHUNK, f)) > 0;) *bytes += n;
        fclose(f);
        if (now() - start < best) best = now() - start;
    }
    free(chunk);
    return best;
}

/* What a child process found out. */
typedef struct outcome {
    double seconds, processor; /* on the wall's clock; of all threads together */
    size_t resident;
} outcome;

/* Loads the model in a process of its own; *peak becomes its largest memory. */
static outcome load(const char *path, size_t *peak) {
    int ends[2];
    make_cold(path);
    outcome o = {0};
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        limn_error err;
        limn_model *m;
        const double start = now();
        if (limn_model_open(path, &(limn_open_options){.tokenizer = "tests/golden/clip"}, &m,
                            &err) != LIMN_OK) {
            fprintf(stderr, "%s\n", err.text);
            _exit(1);
        }
        o.seconds = now() - start;
        o.resident = limn_model_describe(m).resident_bytes;
        const bool sent = write(ends[1], &o, sizeof o) == (ssize_t)sizeof o;
        _exit(sent ? 0 : 1);
    }
    int status;
    struct rusage usage;
    close(ends[1]);
    assert_int_equal(read(ends[0], &o, sizeof o), sizeof o);
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    close(ends[0]);
    assert_int_equal(status, 0);
    *peak = (size_t)usage.ru_maxrss * 1024;
    o.processor = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return o;
}

/* Loads one file, and holds it against the bounds. */
static bool measure(const char *what, const char *path) {
    uint64_t bytes;
    size_t peak, least = SIZE_MAX;
    const double reading = read_seconds(path, &bytes);
    double seconds = 1e9, processor = 1e9;
    outcome o = {0};
    for (int run = 0; run < 3; run++) {
        o = load(path, &peak);
        if (o.seconds < seconds) seconds = o.seconds;
        if (o.processor < processor) processor = o.processor;
        if (peak < least) least = peak;
    }
    const double bound = MEMORY_MOST * (double)bytes + (double)o.resident;
    printf("%-22s %5.0f MB  read %5.2f s  load %5.2f s = %4.2f (processor %4.2f s)  peak %5.0f MB "
           "of %5.0f\n",
           what, (double)bytes / 1e6, reading, seconds, seconds / reading, processor,
           (double)least / 1e6, bound / 1e6);
    return (double)least <= bound && seconds <= TIME_MOST * reading;
}

static void every_container(void **state) {
    static const struct {
        const char *what, *ending, *type;
    } forms[] = {{"gguf f16", "x.gguf", "f16"}, {"gguf q8_0", "y.gguf", "q8_0"}};
    char folder[] = "/tmp/limn-big-XXXXXX", ldm[100], other[100], command[400];
    const char *limn = getenv("LIMN");
    bool good = true;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(ldm, sizeof ldm, "%s/ldm.safetensors", folder);
    published_write(PUBLISHED_SD15, 4, ldm);
    fill(ldm);
    good = measure("safetensors, LDM, f16", ldm) && good;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(other, sizeof other, "%s/%s", folder, forms[i].ending);
        snprintf(command, sizeof command,
                 "%s convert %s %s --type %s --tokenizer tests/golden/clip >/dev/null",
                 limn ? limn : "./limn", ldm, other, forms[i].type);
        if (system(command) == 0)
            good = measure(forms[i].what, other) && good;
        else
            good = false;
        unlink(other);
    }
    unlink(ldm);
    rmdir(folder);
    if (!good) fail_msg("a figure is past its bound");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_container)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
