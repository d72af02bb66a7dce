#include "support/hostile.h"

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

#if defined(__SANITIZE_ADDRESS__)
#define TIME_MOST_MS 500.0 /* its checks cost as much again, and more */
#else
#define TIME_MOST_MS 100.0
#endif
#define MEMORY_MOST_MB 64

/* What the child says. */
typedef struct answer {
    limn_error err;
    limn_status status;
    double ms;
    long grown_kb; /* of resident memory, at its peak */
} answer;

/* The most of all cases. */
static int files;
static double most_ms;
static long most_kb;

static double processor_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static long peak_kb(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

/* Refuses what the process would take beyond 64 MB more than it has. The address sanitizer has its
 * own memory, which no limit may hit: there the growth alone counts. */
static void limit_memory(void) {
#if !defined(__SANITIZE_ADDRESS__)
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu", &pages) == 1) {
        const rlim_t most =
            (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)MEMORY_MOST_MB << 20);
        setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
    }
    if (f) fclose(f);
#endif
}

static answer read_alone(const char *path, hostile_reader *read_file) {
    answer a = {.status = LIMN_OK};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        limit_memory();
        const double start = processor_ms();
        const long before = peak_kb();
        a.status = read_file(path, &a.err);
        a.ms = processor_ms() - start;
        a.grown_kb = peak_kb() - before;
        _exit(write(ends[1], &a, sizeof a) == sizeof a ? 0 : 1);
    }
    close(ends[1]);
    const ssize_t got = read(ends[0], &a, sizeof a);
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) fail_msg("%s: ended by signal %d", path, WTERMSIG(status));
    assert_int_equal(got, sizeof a);
    return a;
}

void hostile_expect(const char *what, const uint8_t *bytes, size_t size, hostile_reader *read_file,
                    const char *sentence) {
    const char *tmp = getenv("TMPDIR");
    char path[200];
    snprintf(path, sizeof path, "%s/limn-hostile-XXXXXX", tmp ? tmp : "/tmp");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    const answer a = read_alone(path, read_file);
    unlink(path);
    files++;
    most_ms = a.ms > most_ms ? a.ms : most_ms;
    most_kb = a.grown_kb > most_kb ? a.grown_kb : most_kb;
    if (a.status != LIMN_E_INPUT || !strstr(a.err.text, sentence))
        fail_msg("%s: expected \"%s\", got status %d: %s", what, sentence, a.status, a.err.text);
    if (a.ms > TIME_MOST_MS) fail_msg("%s: %.1f ms of processor time", what, a.ms);
    if (a.grown_kb > MEMORY_MOST_MB * 1024) fail_msg("%s: %ld kB of memory", what, a.grown_kb);
}

void hostile_report(void) {
    print_message("  %d files; at most %.1f ms and %ld kB each\n", files, most_ms, most_kb);
}
