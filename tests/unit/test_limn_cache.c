/* The cache of packed weights: used where everything is as it was when it was made, and in every
 * other case made anew, so that the same weights draw with and without it. */
#include <dirent.h>
#include <fcntl.h>
#include <limn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/sha256.h"

#define TINY "tests/golden/tiny-sd15"
#define UNET "copy/unet/diffusion_pytorch_model.safetensors"

/* The test's own: links/, whose files are links to those of TINY and so as old as they are; copy/,
 * a copy of TINY; and caches. */
static char folder[200];
static const char *model = "links"; /* which of the two is opened */
static struct timespec copied;      /* when the copy was made */

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...) {
    char command[900];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static int start(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/limn-cache-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return 1;
    int status = run("cp -rs \"$PWD/%s\" %s/links && cp -r %s %s/copy && chmod -R u+w %s/copy",
                     TINY, folder, TINY, folder, folder);
    clock_gettime(CLOCK_MONOTONIC, &copied);
    return status;
}

static int end(void **state) {
    (void)state;
    return run("rm -r %s", folder);
}

static const char *path_of(const char *name) {
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Opens the model with a cache in that folder (NULL: none); *said becomes what became of it. */
static limn_model *open_with(const char *cache, const char *precision, char said[400]) {
    limn_model *m = NULL;
    limn_error err;
    char path[400], where[400];
    snprintf(path, sizeof path, "%s/%s", folder, model);
    if (cache) snprintf(where, sizeof where, "%s/%s", folder, cache);
    const limn_open_options how = {
        .threads = 2, .precision = precision, .cache = cache ? where : NULL};
    if (limn_model_open(path, &how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    snprintf(said, 400, "%s", limn_model_describe(m).cache);
    return m;
}

static void expect(const char *said, const char *start_of_it, const char *in_it) {
    if (strncmp(said, start_of_it, strlen(start_of_it)) != 0 || !strstr(said, in_it))
        fail_msg("expected \"%s...%s\", got \"%s\"", start_of_it, in_it, said);
}

static void expect_cache(const char *cache, const char *precision, const char *start_of_it,
                         const char *in_it) {
    char said[400];
    limn_model_close(open_with(cache, precision, said));
    expect(said, start_of_it, in_it);
}

/* A picture of two steps. The caller frees it. */
static limn_picture *draw(const limn_model *m) {
    limn_request r;
    limn_picture *p = NULL;
    limn_error err;
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.seed = 3;
    r.steps = 2;
    r.width = r.height = 64;
    if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    return p;
}

/* Whether a model draws what another one does, recipe and all. */
static bool draw_alike(const limn_model *a, const limn_model *b) {
    limn_picture *p = draw(a), *q = draw(b);
    const bool same = memcmp(p->rgb, q->rgb, 64 * 64 * 3) == 0 && strcmp(p->recipe, q->recipe) == 0;
    limn_picture_free(p);
    limn_picture_free(q);
    return same;
}

/* The one cache file of a folder. */
static const char *cache_file(const char *cache) {
    static char path[700];
    DIR *d = opendir(path_of(cache));
    path[0] = '\0';
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        assert_string_equal(path, ""); /* one, and nothing temporary beside it */
        snprintf(path, sizeof path, "%s/%s/%s", folder, cache, e->d_name);
    }
    closedir(d);
    return path;
}

/* What was written a moment ago could be written again without its times telling. */
static void a_young_model_is_not_kept(void **state) {
    (void)state;
    model = "copy";
    assert_int_equal(run("touch %s", path_of(UNET)), 0);
    expect_cache("cache", NULL, "not used: ", "written to in the last seconds");
    assert_int_not_equal(access(path_of("cache"), F_OK), 0);
}

/* Until the copy is old enough to be kept, which is 3 seconds. The tests before have taken most of
 * them. */
static void wait_for_copy(void) {
    struct timespec until = {.tv_sec = copied.tv_sec + 3, .tv_nsec = copied.tv_nsec};
    if ((until.tv_nsec += 200000000) >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void the_same_is_drawn_with_it(void **state) {
    (void)state;
    static const char *const precisions[] = {"float32", "int8"};
    for (int i = 0; i < 2; i++) {
        char said[400], cache[20];
        snprintf(cache, sizeof cache, "both%d/below", i);
        limn_model *plain = open_with(NULL, precisions[i], said);
        assert_string_equal(said, "");
        limn_model *made = open_with(cache, precisions[i], said);
        assert_string_equal(said, "made");
        limn_model *used = open_with(cache, precisions[i], said);
        assert_string_equal(said, "used");
        assert_true(draw_alike(plain, made));
        assert_true(draw_alike(plain, used));
        assert_string_equal(limn_model_describe(used).sha256, limn_model_describe(plain).sha256);
        limn_model_close(plain);
        limn_model_close(made);
        limn_model_close(used);
        expect_cache(cache, precisions[i], "used", "");
    }
    /* One made for the other precision does not pass for this one's. */
    char other[700];
    snprintf(other, sizeof other, "%s", cache_file("both1/below"));
    assert_int_equal(run("cp %s %s", other, cache_file("both0/below")), 0);
    expect_cache("both0/below", NULL, "made anew: ", "of another size");
}

/* Changes the cache file and expects that it is made anew, and good afterwards. */
static void expect_remade(size_t at, int flip, long grow, const char *sentence) {
    const char *path = cache_file("bad");
    limn_bytes b;
    assert_int_equal(limn_file_open(path, &b, NULL), LIMN_OK);
    uint8_t *bytes = calloc(b.size + 10, 1);
    memcpy(bytes, b.data, b.size);
    bytes[at < b.size ? at : b.size - 1] ^= (uint8_t)flip;
    const size_t size = (size_t)((long)b.size + grow);
    assert_int_equal(limn_file_write(path, bytes, grow == -1000 ? 0 : size, true, NULL), LIMN_OK);
    free(bytes);
    limn_file_close(&b);
    expect_cache("bad", NULL, "made anew: ", sentence);
    expect_cache("bad", NULL, "used", "");
}

static void bad_caches_are_made_anew(void **state) {
    (void)state;
    expect_cache("bad", NULL, "made", "");
    expect_remade(0, 1, 0, "its head is damaged");           /* another format */
    expect_remade(20, 1, 0, "its head is damaged");          /* the key */
    expect_remade(90, 1, 0, "its head is damaged");          /* the model's hash */
    expect_remade(160, 1, 0, "its head is damaged");         /* the size */
    expect_remade(190, 1, 0, "its head is damaged");         /* a sum */
    expect_remade(3000000, 1, 0, "its weights are damaged"); /* a bit of a weight */
    expect_remade(SIZE_MAX, 0x80, 0, "its weights are damaged");
    expect_remade(4095, 1, 0, "its weights are damaged"); /* between head and weights */
    expect_remade(0, 0, -1, "of another size");           /* cut */
    expect_remade(0, 0, 1, "of another size");            /* longer */
    expect_remade(0, 0, -1000, "of another size");        /* empty */
}

/* A cache that is cut: at the borders of its lines, of its head and of its blocks. */
static void cut_caches_are_made_anew(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 12, 13, 81, 82, 153, 179, 180, 197, 4095, 4096, 4097};
    expect_cache("bad", NULL, "", "");
    const char *path = cache_file("bad");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes + 2; i++) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        const off_t all = st.st_size, most = (off_t)4096 + ((off_t)4 << 20);
        const off_t size = i < sizeof sizes / sizeof *sizes ? (off_t)sizes[i]
                           : i % 2 || all <= most           ? all - 64
                                                            : most;
        assert_int_equal(truncate(path, size), 0);
        expect_cache("bad", NULL, "made anew: ", "of another size");
    }
}

/* Writes text at a place in the cache's lines, and the last line so that it is right again: what
 * another version, or another model, could have written. */
static void forge(const char *path, size_t at, const char *text) {
    limn_bytes b;
    char hex[65];
    assert_int_equal(limn_file_open(path, &b, NULL), LIMN_OK);
    uint8_t *bytes = malloc(b.size);
    assert_non_null(bytes);
    memcpy(bytes, b.data, b.size);
    memcpy(bytes + at, text, strlen(text));
    const char *last = strstr((const char *)bytes, "\nhead ");
    assert_non_null(last);
    const size_t lines = (size_t)(last + 1 - (const char *)bytes);
    limn_sha256_of(bytes, lines, hex);
    memcpy(bytes + lines + 5, hex, 64);
    assert_int_equal(limn_file_write(path, bytes, b.size, true, NULL), LIMN_OK);
    free(bytes);
    limn_file_close(&b);
}

static void caches_of_others_are_made_anew(void **state) {
    (void)state;
    static const struct {
        size_t at;
        const char *text, *sentence;
    } cases[] = {
        {11, "2", "another version"},                 /* limn cache 2 */
        {13, "kex", "another version"},               /* key */
        {17, "0123456789", "made for other weights"}, /* another model's, version's or panel's */
        {82, "modem", "another version"},             /* model */
        {153, "byte ", "another version"},            /* bytes */
        {159, "00000000000000000001", "another version"}, /* how many */
        {159, "99999999999999999999", "another version"},
        {180, "0123456789abcdef", "its weights are damaged"}, /* a sum */
        {196, " ", "its weights are damaged"},                /* what follows it */
    };
    expect_cache("bad", NULL, "", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge(cache_file("bad"), cases[i].at, cases[i].text);
        expect_cache("bad", NULL, "made anew: ", cases[i].sentence);
    }
    expect_cache("bad", NULL, "used", "");
}

/* A link is followed to read and replaced to write: what it leads to stays as it is. Other things
 * in the cache's place cost the cache, not the model. */
static void other_things_in_its_place(void **state) {
    (void)state;
    char path[700], other[700];
    struct stat st;
    expect_cache("odd", NULL, "made", "");
    snprintf(path, sizeof path, "%s", cache_file("odd"));
    snprintf(other, sizeof other, "%s", path_of("elsewhere"));
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    expect_cache("odd", NULL, "used", "");
    assert_int_equal(run("echo precious >%s", other), 0);
    expect_cache("odd", NULL, "made anew: ", "of another size");
    assert_int_equal(run("echo precious | cmp -s - %s", other), 0);
    assert_true(lstat(path, &st) == 0 && S_ISREG(st.st_mode));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("nowhere", path), 0);
    expect_cache("odd", NULL, "made", "");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_cache("odd", NULL, "not used: ", path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    expect_cache("odd", NULL, "", ""); /* and does not wait for somebody to write into it */
    assert_true(lstat(path, &st) == 0);
    if (!S_ISREG(st.st_mode)) assert_int_equal(unlink(path), 0);

    if (geteuid() == 0) return; /* who may do everything */
    expect_cache("odd", NULL, "", "");
    assert_int_equal(chmod(path, 0), 0);
    expect_cache("odd", NULL, "made anew: ", "permission denied");
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(path_of("odd"), 0500), 0);
    expect_cache("odd", NULL, "not used: ", "permission denied");
    assert_int_equal(chmod(path_of("odd"), 0700), 0);
}

/* A weight that is changed in place, and the file's time set back, draws as it is now. */
static void changed_weights_are_never_hidden(void **state) {
    (void)state;
    char said[400];
    struct stat st;
    model = "copy";
    wait_for_copy();
    expect_cache("kept", NULL, "made", "");
    expect_cache("kept", NULL, "used", "");
    assert_int_equal(stat(path_of(UNET), &st), 0);
    FILE *f = fopen(path_of(UNET), "r+b");
    assert_non_null(f);
    const uint16_t weight = 0x4900; /* 10 */
    assert_int_equal(fseek(f, -200000, SEEK_END), 0);
    for (int i = 0; i < 1000; i++) assert_int_equal(fwrite(&weight, 2, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path_of(UNET), times, 0), 0);
    limn_model *now = open_with(NULL, NULL, said), *cached = open_with("kept", NULL, said);
    expect(said, "not used: ", "in the last seconds");
    assert_true(draw_alike(now, cached));
    limn_model_close(now);
    limn_model_close(cached);
}

/* A folder that cannot be one costs the cache, not the model. */
static void no_room_for_a_cache(void **state) {
    (void)state;
    assert_int_equal(run("echo >%s", path_of("file")), 0);
    expect_cache("file", NULL, "", "file");
    expect_cache("file/below", NULL, "not used: ", "file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_drawn_with_it),
        cmocka_unit_test(bad_caches_are_made_anew),
        cmocka_unit_test(cut_caches_are_made_anew),
        cmocka_unit_test(caches_of_others_are_made_anew),
        cmocka_unit_test(other_things_in_its_place),
        cmocka_unit_test(no_room_for_a_cache),
        cmocka_unit_test(changed_weights_are_never_hidden),
        cmocka_unit_test(a_young_model_is_not_kept),
    };
    return cmocka_run_group_tests(tests, start, end);
}
