/* Large files that are not in the system's cache are read past it: the same bytes, the same
 * sentences. Where TMPDIR's file system cannot do that, the test says so. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

#define MB        ((size_t)1 << 20)
#define FILE_SIZE (65 * MB + 1234) /* large enough, and no whole number of pages */

static char path[200];
static uint8_t *bytes, *read_back; /* [FILE_SIZE] what is in the file; room for as much */

static int make(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    uint32_t x = 1;
    snprintf(path, sizeof path, "%s/limn-direct-XXXXXX", tmp ? tmp : "/tmp");
    const int fd = mkstemp(path);
    bytes = malloc(FILE_SIZE);
    read_back = malloc(FILE_SIZE);
    if (fd < 0 || !bytes || !read_back) return 1;
    for (size_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    const bool written = write(fd, bytes, FILE_SIZE) == (ssize_t)FILE_SIZE;
    close(fd);
    return written ? 0 : 1;
}

static int drop(void **state) {
    (void)state;
    free(bytes);
    free(read_back);
    return unlink(path);
}

/* Opens the file, out of the system's cache. */
static limn_source open_cold(void) {
    limn_error err;
    limn_source s;
    const int fd = open(path, O_RDONLY);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
    assert_int_equal(limn_source_open(path, &s, &err), LIMN_OK);
    if (s.direct == 0) {
        print_message("[  SKIPPED ] the file system of %s does not read past the cache\n", path);
        limn_source_close(&s);
        skip();
    }
    return s;
}

static void the_same_bytes_at_any_place_and_of_any_length(void **state) {
    (void)state;
    static const struct {
        size_t at, count;
    } runs[] = {{0, FILE_SIZE},
                {0, 64 << 10},
                {1, 64 << 10},
                {4095, (64 << 10) + 2},
                {12345, MB},
                {4096, MB - 8192},
                {4095, MB - 8191},
                {777, 3 * MB + 5},
                {FILE_SIZE - 100000, 100000},
                {FILE_SIZE - 3 * MB - 1, 3 * MB},
                {8192, 10},
                {FILE_SIZE, 0}};
    limn_source s = open_cold();
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        limn_error err;
        memset(read_back, 0, FILE_SIZE);
        assert_int_equal(limn_source_read_once(&s, runs[i].at, runs[i].count, read_back, &err),
                         LIMN_OK);
        assert_memory_equal(read_back, bytes + runs[i].at, runs[i].count);
        assert_true(runs[i].count == FILE_SIZE || read_back[runs[i].count] == 0);
    }
    limn_source_close(&s);
}

static void more_than_there_is_gets_the_usual_sentence(void **state) {
    (void)state;
    limn_error err;
    limn_source s = open_cold();
    assert_int_equal(limn_source_read_once(&s, FILE_SIZE - MB + 1, MB, read_back, &err),
                     LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "but it ends at byte"));
    limn_source_close(&s);
}

static void what_is_in_the_cache_is_taken_from_there(void **state) {
    (void)state;
    limn_error err;
    limn_source cold = open_cold(), warm;
    assert_int_equal(limn_source_read(&cold, 0, FILE_SIZE, read_back, &err), LIMN_OK);
    assert_int_equal(limn_source_open(path, &warm, &err), LIMN_OK);
    assert_int_equal(warm.direct, 0);
    limn_source_close(&warm);
    limn_source_close(&cold);
}

/* The last one: it cuts the file. */
static void a_shortened_file_gets_the_usual_sentence(void **state) {
    (void)state;
    limn_error err;
    limn_source s = open_cold();
    assert_int_equal(truncate(path, 40 * MB), 0);
    assert_int_equal(limn_source_read_once(&s, 39 * MB + 7, 2 * MB, read_back, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "was shortened while it was read"));
    limn_source_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_at_any_place_and_of_any_length),
        cmocka_unit_test(more_than_there_is_gets_the_usual_sentence),
        cmocka_unit_test(what_is_in_the_cache_is_taken_from_there),
        cmocka_unit_test(a_shortened_file_gets_the_usual_sentence),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
