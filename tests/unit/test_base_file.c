/* Files: read as they are, written whole or not at all, every fault a sentence of its own kind. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- poor file systems -----------------------------------------------------------------------
 *
 * The calls that not every file system has, in place of the C library's: refused where a test wants
 * them to be. */

static enum {
    RICH,              /* as the system is */
    WITHOUT_TMPFILE,   /* no files without a name (NFS) */
    WITHOUT_LINKS,     /* and no hard links (FAT) */
    WITHOUT_NOREPLACE, /* and no rename that refuses */
} poverty;
static int refusals;

static int refuse(int code) {
    refusals++;
    errno = code;
    return -1;
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
    const mode_t mode = flags & O_CREAT || nameless ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (nameless && poverty >= WITHOUT_TMPFILE) return refuse(EOPNOTSUPP);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int link(const char *from, const char *to) {
    if (poverty >= WITHOUT_LINKS) return refuse(EPERM);
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to,
              unsigned int flags) {
    if (poverty >= WITHOUT_NOREPLACE) return refuse(EINVAL);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

/* Every test has a folder of its own, and leaves it empty of temporary files. */
typedef struct fixture {
    char folder[64];
    char path[128];
} fixture;

static int open_folder(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    memcpy(f->folder, "/tmp/test-of-files-XXXXXX", sizeof "/tmp/test-of-files-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : -1;
}

/* The path of `name` in the test's folder; valid until the next call. */
static const char *in(fixture *f, const char *name) {
    char *path = limn_path_join(f->folder, name);
    assert_non_null(path);
    assert_in_range(strlen(path), 1, sizeof f->path - 1);
    memcpy(f->path, path, strlen(path) + 1);
    free(path);
    return f->path;
}

/* How many things the folder holds, hidden ones too. */
static int entries(const fixture *f) {
    DIR *d = opendir(f->folder);
    assert_non_null(d);
    int n = 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static int remove_folder(void **state) {
    fixture *f = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", f->folder);
    int left = 0;
    DIR *d = opendir(f->folder);
    for (const struct dirent *e; d && (e = readdir(d));) left += strstr(e->d_name, ".tmp") != NULL;
    if (d) closedir(d);
    int status = system(command);
    free(f);
    return status == 0 && left == 0 ? 0 : -1;
}

static void assert_holds(const char *path, const char *text) {
    limn_bytes b;
    assert_int_equal(limn_file_open(path, &b, NULL), LIMN_OK);
    assert_int_equal(b.size, strlen(text));
    assert_memory_equal(b.data, text, b.size);
    limn_file_close(&b);
    assert_null(b.data);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void reads_what_was_written(void **state) {
    fixture *f = *state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = malloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++) data[j] = (uint8_t)(j * 7 + j / 1000);
        assert_int_equal(limn_file_write(in(f, "x"), data, sizes[i], true, NULL), LIMN_OK);
        limn_bytes b;
        assert_int_equal(limn_file_open(in(f, "x"), &b, NULL), LIMN_OK);
        assert_int_equal(b.size, sizes[i]);
        if (b.size > 0) assert_memory_equal(b.data, data, b.size);
        limn_file_close(&b);
        free(data);
    }
}

static void unreadable_things_are_told_apart(void **state) {
    fixture *f = *state;
    limn_bytes b;
    limn_error err;
    assert_int_equal(limn_file_open(in(f, "none"), &b, &err), LIMN_E_MISSING);
    assert_non_null(strstr(err.text, in(f, "none")));
    assert_non_null(strstr(err.text, "no such file"));
    limn_file_close(&b);

    assert_int_equal(limn_file_open(f->folder, &b, &err), LIMN_E_IO);
    assert_non_null(strstr(err.text, "folder"));

    assert_int_equal(mkfifo(in(f, "pipe"), 0600), 0);
    assert_int_equal(limn_file_open(f->path, &b, &err), LIMN_E_IO); /* and does not wait */

    assert_int_equal(limn_file_write(in(f, "file"), "x", 1, false, &err), LIMN_OK);
    assert_int_equal(limn_file_open(in(f, "file/below"), &b, &err), LIMN_E_MISSING);
}

static void reads_a_descriptor_to_its_end(void **state) {
    (void)state;
    enum { SIZE = 50000 };
    char data[SIZE];
    for (int i = 0; i < SIZE; i++) data[i] = (char)(i % 251);
    for (int most = SIZE - 1; most <= SIZE; most++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            ssize_t n = write(ends[1], data, SIZE / 2);
            n += write(ends[1], data + SIZE / 2, SIZE - SIZE / 2);
            _exit(n == SIZE ? 0 : 1);
        }
        close(ends[1]);
        limn_bytes b;
        limn_error err;
        limn_status status = limn_file_read_all(ends[0], "standard input", (size_t)most, &b, &err);
        close(ends[0]);
        waitpid(child, NULL, 0);
        if (most < SIZE) {
            assert_int_equal(status, LIMN_E_INPUT);
            assert_non_null(strstr(err.text, "standard input"));
        } else {
            assert_int_equal(status, LIMN_OK);
            assert_int_equal(b.size, SIZE);
            assert_memory_equal(b.data, data, SIZE);
        }
        limn_file_close(&b);
    }
    limn_bytes b;
    assert_int_equal(limn_file_read_all(-1, "nothing", 10, &b, NULL), LIMN_E_IO);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void overwrites_only_when_asked(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_write(in(f, "x"), "one", 3, false, &err), LIMN_OK);
    assert_int_equal(limn_file_write(in(f, "x"), "two", 3, false, &err), LIMN_E_CREATE);
    assert_non_null(strstr(err.text, "exists"));
    assert_holds(in(f, "x"), "one");
    assert_int_equal(limn_file_write(in(f, "x"), "three", 5, true, &err), LIMN_OK);
    assert_holds(in(f, "x"), "three");
    assert_int_equal(entries(f), 1);
}

static void a_new_file_has_the_usual_rights(void **state) {
    fixture *f = *state;
    mode_t old = umask(027);
    assert_int_equal(limn_file_write(in(f, "x"), "1", 1, false, NULL), LIMN_OK);
    umask(old);
    struct stat st;
    assert_int_equal(stat(in(f, "x"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_nlink, 1);
}

static void a_bare_name_goes_to_the_current_folder(void **state) {
    fixture *f = *state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->folder), 0);
    limn_status status = limn_file_write("x", "1", 1, false, NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, LIMN_OK);
    assert_holds(in(f, "x"), "1");
}

static void what_cannot_be_created(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_write(in(f, "none/x"), "1", 1, false, &err), LIMN_E_CREATE);
    assert_non_null(strstr(err.text, "none/x"));
    assert_int_equal(limn_file_write(in(f, "file"), "1", 1, false, &err), LIMN_OK);
    assert_int_equal(limn_file_write(in(f, "file/x"), "1", 1, true, &err), LIMN_E_CREATE);
    assert_non_null(strstr(err.text, "not a folder"));
    assert_int_equal(limn_file_write("", "1", 1, false, &err), LIMN_E_CREATE);

    char name[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    char *path = limn_path_join(f->folder, name);
    assert_int_equal(limn_file_write(path, "1", 1, false, &err), LIMN_E_CREATE);
    free(path);

    if (geteuid() != 0) { /* root may write everywhere */
        assert_int_equal(chmod(f->folder, 0500), 0);
        assert_int_equal(limn_file_write(in(f, "x"), "1", 1, false, &err), LIMN_E_CREATE);
        assert_int_equal(chmod(f->folder, 0700), 0);
        assert_non_null(strstr(err.text, "permission denied"));
    }
    assert_int_equal(entries(f), 1);
}

/* A rename would put the file in a device's or folder's place. */
static void devices_and_folders_are_not_replaced(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(mkdir(in(f, "folder"), 0700), 0);
    assert_int_equal(limn_file_write(f->path, "1", 1, true, &err), LIMN_E_CREATE);
    assert_int_equal(mkfifo(in(f, "pipe"), 0600), 0);
    assert_int_equal(limn_file_write(f->path, "1", 1, true, &err), LIMN_E_CREATE);
    assert_int_equal(symlink("/dev/null", in(f, "link")), 0);
    assert_int_equal(limn_file_write(f->path, "1", 1, true, &err), LIMN_E_CREATE);
    assert_int_equal(entries(f), 3);
}

/* A disk that is full after 1000 bytes, as near as a test without rights comes to one. */
static void a_failed_write_leaves_nothing(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_write(in(f, "old"), "old", 3, false, &err), LIMN_OK);
    char data[5000] = {0};
    struct rlimit limit, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    tight = limit;
    tight.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    limn_status created = limn_file_write(in(f, "new"), data, sizeof data, false, &err);
    limn_status replaced = limn_file_write(in(f, "old"), data, sizeof data, true, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(created, LIMN_E_IO);
    assert_int_equal(replaced, LIMN_E_IO);
    assert_non_null(strstr(err.text, in(f, "new")));
    assert_holds(in(f, "old"), "old");
    assert_int_equal(entries(f), 1);
}

/* Many processes, one name: exactly one wins, and the file is its own. */
static void only_one_of_many_wins(void **state) {
    fixture *f = *state;
    enum { MANY = 8 };
    pid_t child[MANY];
    for (int i = 0; i < MANY; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            char text[2] = {(char)('0' + i), 0};
            _exit(limn_file_write(in(f, "x"), text, 1, false, NULL) == LIMN_OK ? 0 : 1);
        }
    }
    int winners = 0;
    char winner[2] = "?";
    for (int i = 0; i < MANY; i++) {
        int status;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        if (status != 0) continue;
        winners++;
        winner[0] = (char)('0' + i);
    }
    assert_int_equal(winners, 1);
    assert_holds(in(f, "x"), winner);
    assert_int_equal(entries(f), 1);
}

/* ---- appending ------------------------------------------------------------------------------- */

static void appends_whole_lines(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_append_line(in(f, "m"), "one", &err), LIMN_OK);
    assert_int_equal(limn_file_append_line(in(f, "m"), "two", &err), LIMN_OK);
    assert_holds(in(f, "m"), "one\ntwo\n");
    /* After a crash in mid-line the next row stands on a line of its own. */
    assert_int_equal(limn_file_write(in(f, "m"), "one\nhal", 7, true, &err), LIMN_OK);
    assert_int_equal(limn_file_append_line(in(f, "m"), "two", &err), LIMN_OK);
    assert_holds(in(f, "m"), "one\nhal\ntwo\n");
    assert_int_equal(limn_file_append_line(in(f, "none/m"), "x", &err), LIMN_E_CREATE);
}

static void a_full_disk_takes_no_half_line(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_append_line("/dev/full", "row", &err), LIMN_E_IO);
    assert_string_equal(err.text, "/dev/full: cannot be written: no space left on the device");

    assert_int_equal(limn_file_append_line(in(f, "m"), "row", &err), LIMN_OK);
    struct rlimit limit, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    tight = limit;
    tight.rlim_cur = 8;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    limn_status status = limn_file_append_line(in(f, "m"), "a longer row", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, LIMN_E_IO);
    assert_holds(in(f, "m"), "row\n");
}

/* ---- folders and names ----------------------------------------------------------------------- */

static void makes_folders(void **state) {
    fixture *f = *state;
    limn_error err;
    assert_int_equal(limn_file_make_folder(in(f, "a/b//c/"), &err), LIMN_OK);
    assert_true(limn_file_is_folder(in(f, "a/b/c")));
    assert_int_equal(limn_file_make_folder(in(f, "a/b/c"), &err), LIMN_OK);
    assert_int_equal(limn_file_make_folder(".", &err), LIMN_OK);
    assert_int_equal(limn_file_make_folder("/", &err), LIMN_OK);
    assert_int_equal(limn_file_write(in(f, "a/file"), "", 0, false, &err), LIMN_OK);
    assert_int_equal(limn_file_make_folder(in(f, "a/file/d"), &err), LIMN_E_CREATE);
    assert_non_null(strstr(err.text, "a/file: "));
    assert_int_equal(limn_file_make_folder(in(f, "a/file"), &err), LIMN_E_CREATE);
}

static void knows_what_exists(void **state) {
    fixture *f = *state;
    assert_false(limn_file_exists(in(f, "x")));
    assert_false(limn_file_is_folder(in(f, "x")));
    assert_int_equal(limn_file_write(in(f, "x"), "", 0, false, NULL), LIMN_OK);
    assert_true(limn_file_exists(in(f, "x")));
    assert_false(limn_file_is_folder(in(f, "x")));
    assert_true(limn_file_is_folder(f->folder));
    assert_int_equal(symlink("nowhere", in(f, "link")), 0);
    assert_true(limn_file_exists(in(f, "link"))); /* the name is taken */
}

static void joins_paths(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {NULL, "b", "b"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = limn_path_join(rows[i][0], rows[i][1]);
        assert_string_equal(path, rows[i][2]);
        free(path);
    }
}

/* Writes the file "old", and lets a process die (SIGKILL) that is about to replace it. */
static void kill_in_mid_write(fixture *f) {
    int status;
    assert_int_equal(limn_file_write(in(f, "old"), "whole", 5, false, NULL), LIMN_OK);
    const pid_t child = fork();
    if (child == 0) {
        limn_writer *w;
        if (limn_writer_open(f->path, true, &w, NULL) == LIMN_OK &&
            limn_writer_add(w, "ha", 2, NULL) == LIMN_OK)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* A process that is killed in mid-write (SIGKILL: nothing can tidy up) leaves what was there and
 * nothing else, where the file system knows files without a name. */
static void a_killed_writer_leaves_nothing(void **state) {
    fixture *f = *state;
    const int nameless = open(f->folder, O_TMPFILE | O_WRONLY, 0600);
    if (nameless < 0) skip();
    close(nameless);
    kill_in_mid_write(f);
    assert_int_equal(entries(f), 1);
    assert_holds(in(f, "old"), "whole");
}

/* Where it does not: what was there is whole, and what is left over is hidden and says whose it is.
 */
static void a_killed_writer_replaces_nothing(void **state) {
    fixture *f = *state;
    kill_in_mid_write(f);
    assert_holds(in(f, "old"), "whole");
    assert_int_equal(entries(f), 2);
    char command[120];
    snprintf(command, sizeof command, "rm '%s'/.limn-????????????????.tmp", f->folder);
    assert_int_equal(system(command), 0);
}

/* A writer that is given up, and one that finds its name taken in the end. */
static void a_writer_keeps_to_new_names(void **state) {
    fixture *f = *state;
    limn_writer *w;
    limn_error err;
    assert_int_equal(limn_writer_open(in(f, "x"), false, &w, &err), LIMN_OK);
    assert_int_equal(limn_writer_add(w, "mine", 4, &err), LIMN_OK);
    assert_int_equal(limn_writer_close(w, false, &err), LIMN_OK);
    assert_int_equal(entries(f), 0);
    assert_int_equal(limn_writer_open(in(f, "x"), false, &w, &err), LIMN_OK);
    assert_int_equal(limn_writer_add(w, "mine", 4, &err), LIMN_OK);
    assert_int_equal(limn_file_write(in(f, "x"), "theirs", 6, false, &err), LIMN_OK);
    assert_int_equal(limn_writer_close(w, true, &err), LIMN_E_CREATE);
    assert_holds(in(f, "x"), "theirs");
    assert_int_equal(entries(f), 1);
}

static void random_bytes_differ(void **state) {
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    assert_int_equal(limn_file_random(a, sizeof a, NULL), LIMN_OK);
    assert_int_equal(limn_file_random(b, sizeof b, NULL), LIMN_OK);
    assert_memory_not_equal(a, b, sizeof a);
    uint8_t zero[100] = {0};
    assert_memory_not_equal(a + sizeof a - 100, zero, 100);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(reads_what_was_written),
        IN_FOLDER(unreadable_things_are_told_apart),
        cmocka_unit_test(reads_a_descriptor_to_its_end),
        IN_FOLDER(overwrites_only_when_asked),
        IN_FOLDER(a_new_file_has_the_usual_rights),
        IN_FOLDER(a_bare_name_goes_to_the_current_folder),
        IN_FOLDER(what_cannot_be_created),
        IN_FOLDER(devices_and_folders_are_not_replaced),
        IN_FOLDER(a_failed_write_leaves_nothing),
        IN_FOLDER(only_one_of_many_wins),
        IN_FOLDER(appends_whole_lines),
        IN_FOLDER(a_full_disk_takes_no_half_line),
        IN_FOLDER(makes_folders),
        IN_FOLDER(knows_what_exists),
        IN_FOLDER(a_writer_keeps_to_new_names),
        IN_FOLDER(a_killed_writer_leaves_nothing),
        cmocka_unit_test(joins_paths),
        cmocka_unit_test(random_bytes_differ),
    };
    const struct CMUnitTest writing[] = {
        IN_FOLDER(reads_what_was_written),
        IN_FOLDER(overwrites_only_when_asked),
        IN_FOLDER(a_new_file_has_the_usual_rights),
        IN_FOLDER(a_bare_name_goes_to_the_current_folder),
        IN_FOLDER(what_cannot_be_created),
        IN_FOLDER(devices_and_folders_are_not_replaced),
        IN_FOLDER(a_failed_write_leaves_nothing),
        IN_FOLDER(only_one_of_many_wins),
        IN_FOLDER(a_writer_keeps_to_new_names),
        IN_FOLDER(a_killed_writer_replaces_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (poverty = WITHOUT_TMPFILE; poverty <= WITHOUT_NOREPLACE; poverty++) {
        refusals = 0;
        failed += cmocka_run_group_tests_name("on a poor file system", writing, NULL, NULL);
        failed += refusals == 0;
    }
    return failed;
}
