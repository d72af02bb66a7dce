/* The manifest: rows that come back, that are not doubled, and what a crash leaves. */
#include "base/file.h"
#include "render/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define REQUEST "{\"prompt\":\"a \\\"cat\\\"\",\"seed\":7}"

typedef struct fixture {
    char folder[64];
    char path[100];
    limn_manifest manifest;
} fixture;

static int open_folder(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    memcpy(f->folder, "/tmp/test-of-manifest-XXXXXX", sizeof "/tmp/test-of-manifest-XXXXXX");
    *state = f;
    if (!mkdtemp(f->folder)) return -1;
    snprintf(f->path, sizeof f->path, "%s/manifest.jsonl", f->folder);
    return 0;
}

static int remove_folder(void **state) {
    fixture *f = *state;
    unlink(f->path);
    int status = rmdir(f->folder);
    free(f);
    return status;
}

static void open_manifest(fixture *f) {
    assert_int_equal(limn_manifest_open(f->folder, &f->manifest, NULL), LIMN_OK);
}

static void add(fixture *f, const char *file, const char *status, const char *request) {
    limn_manifest_row row = {.file = file,
                             .status = status,
                             .line = 3,
                             .seed = UINT64_MAX,
                             .sha256 = "ab",
                             .ms = 12.25,
                             .request = request};
    assert_int_equal(limn_manifest_add(&f->manifest, &row, NULL), LIMN_OK);
}

/* The whole file; the caller frees it. */
static char *text_of(const fixture *f) {
    limn_bytes bytes;
    assert_int_equal(limn_file_open(f->path, &bytes, NULL), LIMN_OK);
    char *text = strndup((const char *)bytes.data, bytes.size);
    limn_file_close(&bytes);
    return text;
}

static void test_rows(void **state) {
    fixture *f = *state;
    open_manifest(f);
    assert_false(limn_file_exists(f->path)); /* nothing is written before the first row */
    add(f, "a.png", "done", REQUEST);
    char *text = text_of(f);
    assert_string_equal(text, "{\"file\":\"a.png\",\"status\":\"done\",\"line\":3,"
                              "\"seed\":18446744073709551615,\"sha256\":\"ab\",\"ms\":12.2,"
                              "\"request\":" REQUEST "}\n");
    free(text);
    limn_manifest_close(&f->manifest);
    open_manifest(f);
    assert_true(limn_manifest_knows(&f->manifest, "a.png", REQUEST));
    assert_false(limn_manifest_knows(&f->manifest, "a.png", "{\"seed\":7}"));
    assert_false(limn_manifest_knows(&f->manifest, "a.pn", REQUEST));
    assert_false(limn_manifest_knows(&f->manifest, "b.png", REQUEST));
    limn_manifest_close(&f->manifest);
}

static void test_the_last_row_counts(void **state) {
    fixture *f = *state;
    open_manifest(f);
    add(f, "a.png", "done", REQUEST);
    add(f, "b.png", "done", REQUEST);
    add(f, "a.png", "done", "{\"seed\":8}");
    limn_manifest_close(&f->manifest);
    open_manifest(f);
    assert_false(limn_manifest_knows(&f->manifest, "a.png", REQUEST));
    assert_true(limn_manifest_knows(&f->manifest, "a.png", "{\"seed\":8}"));
    assert_true(limn_manifest_knows(&f->manifest, "b.png", REQUEST));
    add(f, "a.png", "skipped", REQUEST);
    add(f, "b.png", "failed", REQUEST); /* says nothing about the file that is there */
    limn_manifest_close(&f->manifest);
    open_manifest(f);
    assert_true(limn_manifest_knows(&f->manifest, "a.png", REQUEST));
    assert_true(limn_manifest_knows(&f->manifest, "b.png", REQUEST));
    limn_manifest_close(&f->manifest);
}

static void test_failures(void **state) {
    fixture *f = *state;
    limn_error why = {.status = LIMN_E_INPUT, .text = "p.txt:3:1: \"what\\is\" this?"};
    limn_manifest_row row = {.status = "failed", .line = 3, .ms = -1, .error = &why};
    for (int i = 0; i < 3; i++) {
        open_manifest(f);
        assert_int_equal(limn_manifest_add(&f->manifest, &row, NULL), LIMN_OK);
        limn_manifest_close(&f->manifest);
    }
    char *text = text_of(f);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* once, not thrice */
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    assert_true(json_is_null(json_object_get(object, "file")));
    assert_int_equal(json_integer_value(json_object_get(object, "code")), LIMN_E_INPUT);
    assert_string_equal(json_string_value(json_object_get(object, "error")), why.text);
    assert_null(json_object_get(object, "seed"));
    json_decref(object);
    free(text);
}

static void write_text(const fixture *f, const char *text) {
    assert_int_equal(limn_file_write(f->path, text, strlen(text), true, NULL), LIMN_OK);
}

static void test_half_a_row_is_cut_off(void **state) {
    fixture *f = *state;
    write_text(f, "{\"file\":\"a.png\"}\n{\"file\":\"b.p");
    open_manifest(f);
    limn_manifest_close(&f->manifest);
    char *text = text_of(f);
    assert_string_equal(text, "{\"file\":\"a.png\"}\n");
    free(text);
    write_text(f, "{\"fi");
    open_manifest(f);
    limn_manifest_close(&f->manifest);
    text = text_of(f);
    assert_string_equal(text, "");
    free(text);
}

static void test_a_whole_row_without_its_end_stays(void **state) {
    fixture *f = *state;
    write_text(f, "{\"file\":\"x.png\",\"status\":\"done\",\"request\":{}}");
    open_manifest(f);
    assert_true(limn_manifest_knows(&f->manifest, "x.png", "{}"));
    add(f, "a.png", "done", REQUEST);
    limn_manifest_close(&f->manifest);
    char *text = text_of(f);
    assert_non_null(strstr(text, "{}}\n{\"file\":\"a.png\""));
    free(text);
}

static void test_strange_files(void **state) {
    fixture *f = *state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "\n\n\n",
                                        "{\"file\":\"a.png\",\n",
                                        "}",
                                        "}\n{\n",
                                        "{\"file\":\"a.png\",\"status\":\"done\",}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(f, texts[i]);
        open_manifest(f);
        assert_false(limn_manifest_knows(&f->manifest, "a.png", REQUEST));
        limn_manifest_close(&f->manifest);
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(test_rows),
        EACH(test_the_last_row_counts),
        EACH(test_failures),
        EACH(test_half_a_row_is_cut_off),
        EACH(test_a_whole_row_without_its_end_stays),
        EACH(test_strange_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
