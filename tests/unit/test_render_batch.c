/* Batches: what is drawn, what is skipped, what is refused, and how a batch goes on. */
#include "base/file.h"
#include "image/image.h"
#include "limn.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY      "tests/golden/tiny-sd15"
#define ITEMS_MAX 16

/* What the callback saw, and how to run. Every test begins with an empty folder. */
typedef struct fixture {
    limn_model *model;
    char folder[64];
    limn_batch_options options;
    limn_batch_result result;
    limn_error error;
    int items;
    limn_batch_event event[ITEMS_MAX];
    limn_status why[ITEMS_MAX]; /* of LIMN_BATCH_FAILED */
    char sentence[ITEMS_MAX][1000];
    char file[ITEMS_MAX][200]; /* without the folder; "" = none */
    char sampler[ITEMS_MAX][40], schedule[ITEMS_MAX][40];
    uint64_t seed[ITEMS_MAX];
    int stop_after; /* pictures done before progress says stop; 0 = never */
} fixture;

static void on_item(void *user, const limn_batch_item *item) {
    fixture *f = user;
    if (item->event == LIMN_BATCH_STARTED && !f->options.dry_run) return;
    assert_in_range(f->items, 0, ITEMS_MAX - 1);
    int i = f->items++;
    f->event[i] = item->event;
    f->why[i] = item->error ? item->error->status : LIMN_OK;
    snprintf(f->sentence[i], sizeof f->sentence[i], "%s", item->error ? item->error->text : "");
    size_t skip = strlen(f->folder) + 1;
    snprintf(f->file[i], sizeof f->file[i], "%s", item->file ? item->file + skip : "");
    if (!item->request) return;
    f->seed[i] = item->request->seed;
    snprintf(f->sampler[i], sizeof f->sampler[i], "%s", item->request->sampler);
    snprintf(f->schedule[i], sizeof f->schedule[i], "%s", item->request->schedule);
}

static bool on_step(void *user, const limn_progress *progress) {
    fixture *f = user;
    (void)progress;
    return f->stop_after == 0 || f->result.done < f->stop_after;
}

static int open_model(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (!f ||
        limn_model_open(TINY, &(limn_open_options){.threads = 1}, &f->model, &f->error) != LIMN_OK)
        return -1;
    *state = f;
    return 0;
}

static int close_model(void **state) {
    fixture *f = *state;
    limn_model_close(f->model);
    free(f);
    return 0;
}

static int open_folder(void **state) {
    fixture *f = *state;
    limn_model *model = f->model;
    *f = (fixture){.model = model};
    memcpy(f->folder, "/tmp/test-of-batches-XXXXXX", sizeof "/tmp/test-of-batches-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    f->options = (limn_batch_options){
        .render = {.threads = 1, .user = f, .progress = on_step},
        .folder = f->folder,
        .user = f,
        .item = on_item,
    };
    limn_request_defaults(model, &f->options.base);
    f->options.base.width = f->options.base.height = 64;
    f->options.base.steps = 1;
    f->options.base.sampler = "euler";
    return 0;
}

static int remove_folder(void **state) {
    fixture *f = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", f->folder);
    return system(command);
}

static limn_status run(fixture *f, const char *text) {
    f->items = 0;
    return limn_batch_run(f->model, "p.txt", text, strlen(text), &f->options, &f->result,
                          &f->error);
}

static const char *path_of(const fixture *f, const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return path;
}

static void hash_of(const fixture *f, const char *name, char hex[65]) {
    limn_bytes bytes;
    assert_int_equal(limn_file_open(path_of(f, name), &bytes, NULL), LIMN_OK);
    limn_sha256_hex(bytes.data, bytes.size, hex);
    limn_file_close(&bytes);
}

static void assert_counts(const fixture *f, int done, int skipped, int failed) {
    assert_int_equal(f->result.done, done);
    assert_int_equal(f->result.skipped, skipped);
    assert_int_equal(f->result.failed, failed);
}

static void test_again_is_skipped(void **state) {
    fixture *f = *state;
    char before[65], after[65];
    assert_int_equal(run(f, "a cat\n--prompt \"a dog\" --seed 3\n"), LIMN_OK);
    assert_counts(f, 2, 0, 0);
    assert_string_equal(f->file[1], "0002-a-dog-3.png");
    hash_of(f, f->file[1], before);
    unlink(path_of(f, "manifest.jsonl"));
    assert_int_equal(run(f, "a cat\n--prompt \"a dog\" --seed 3\n"), LIMN_OK);
    assert_counts(f, 0, 2, 0);
    assert_int_equal(f->event[1], LIMN_BATCH_SKIPPED);
    hash_of(f, f->file[1], after);
    assert_string_equal(before, after);
}

static void test_other_requests_are_kept(void **state) {
    fixture *f = *state;
    char before[65], after[65];
    assert_int_equal(run(f, "--prompt \"a cat\" --seed 3"), LIMN_OK);
    hash_of(f, "0001-a-cat-3.png", before);
    f->options.base.guidance = 2;
    assert_int_equal(run(f, "--prompt \"a cat\" --seed 3\na dog"), LIMN_OK);
    assert_counts(f, 1, 0, 1);
    assert_int_equal(f->why[0], LIMN_E_CREATE);
    assert_non_null(strstr(f->sentence[0], "p.txt:1: "));
    assert_non_null(strstr(f->sentence[0], "another request"));
    hash_of(f, "0001-a-cat-3.png", after);
    assert_string_equal(before, after);
    f->options.force = true;
    assert_int_equal(run(f, "--prompt \"a cat\" --seed 3"), LIMN_OK);
    assert_counts(f, 1, 0, 0);
    hash_of(f, "0001-a-cat-3.png", after);
    assert_string_not_equal(before, after);
}

/* Puts a grey picture in the place of the one that "a cat" with seed 3 gives. */
static void forge(const fixture *f, const char *sha256, int contract, const char *version) {
    limn_request request = f->options.base;
    request.prompt = "a cat";
    request.seed = 3;
    limn_recipe_facts facts = {.request = &request,
                               .model_name = "forged",
                               .model_sha256 = sha256,
                               .contract = contract,
                               .version = version,
                               .precision = "float32"};
    char *json;
    limn_picture *picture;
    assert_int_equal(limn_recipe_json(&facts, &json, NULL), LIMN_OK);
    assert_int_equal(limn_picture_make(64, 64, calloc(64 * 64, 3), json, NULL, 0, &picture, NULL),
                     LIMN_OK);
    assert_int_equal(
        limn_picture_save(picture, path_of(f, "0001-a-cat-3.png"), LIMN_OVERWRITE, NULL), LIMN_OK);
    limn_picture_free(picture);
    free(json);
}

static void test_what_counts_as_the_same(void **state) {
    fixture *f = *state;
    const char *line = "--prompt \"a cat\" --seed 3";
    const char *sha256 = limn_model_describe(f->model).sha256;
    char other[65];
    memset(other, 'f', 64);
    other[64] = '\0';

    forge(f, sha256, LIMN_CONTRACT, "9.9.9"); /* a later release draws the same pixels */
    assert_int_equal(run(f, line), LIMN_OK);
    assert_counts(f, 0, 1, 0);
    forge(f, other, LIMN_CONTRACT, limn_version());
    assert_int_equal(run(f, line), LIMN_OK);
    assert_counts(f, 0, 0, 1);
    assert_non_null(strstr(f->sentence[0], "another model"));
    forge(f, sha256, LIMN_CONTRACT + 1, limn_version());
    assert_int_equal(run(f, line), LIMN_OK);
    assert_counts(f, 0, 0, 1);
    assert_non_null(strstr(f->sentence[0], "numeric contract"));
    assert_int_equal(limn_file_write(path_of(f, "0001-a-cat-3.png"), "x", 1, true, NULL), LIMN_OK);
    assert_int_equal(run(f, line), LIMN_OK);
    assert_counts(f, 0, 0, 1);
    assert_int_equal(f->why[0], LIMN_E_CREATE);
}

static void test_goes_on_where_it_stopped(void **state) {
    fixture *f = *state;
    const char *text = "a cat\na dog\na cow\n";
    f->stop_after = 1;
    assert_int_equal(run(f, text), LIMN_E_CANCELLED);
    assert_int_equal(f->error.status, LIMN_E_CANCELLED);
    assert_counts(f, 1, 0, 0);
    f->stop_after = 0;
    assert_int_equal(run(f, text), LIMN_OK);
    assert_counts(f, 2, 1, 0);
    assert_int_equal(f->event[0], LIMN_BATCH_SKIPPED);
}

static void test_same_in_a_batch_and_alone(void **state) {
    fixture *f = *state;
    assert_int_equal(run(f, "a dog\n--prompt \"a cat\" --seed 3\n"), LIMN_OK);
    char batch[65], alone[65];
    hash_of(f, "0002-a-cat-3.png", batch);
    limn_request request = f->options.base;
    request.prompt = "a cat";
    request.seed = 3;
    limn_picture *picture;
    uint8_t *png;
    size_t size;
    assert_int_equal(limn_render(f->model, &request, NULL, &picture, NULL), LIMN_OK);
    assert_int_equal(limn_picture_png(picture, &png, &size, NULL), LIMN_OK);
    limn_sha256_hex(png, size, alone);
    assert_string_equal(batch, alone);
    free(png);
    limn_picture_free(picture);
}

static void test_bad_lines_stop_nothing(void **state) {
    fixture *f = *state;
    assert_int_equal(run(f, "--prompt \"no end\n"
                            "--prompt \xc3\xa9 --sampler_name Oiler\n"
                            "--prompt x --scheduler None\n"
                            "--prompt x --width 65 --height 64\n"
                            "--prompt x --seed 18446744073709551615 --n_iter 2\n"
                            "a cat\n"),
                     LIMN_OK);
    assert_counts(f, 2, 0, 5); /* the last seed itself is one that can be had */
    assert_int_equal(f->items, 7);
    for (int i = 0; i < 6; i++) {
        if (i == 4) continue;
        char place[20];
        snprintf(place, sizeof place, "p.txt:%d:", i < 4 ? i + 1 : 5);
        assert_int_equal(f->event[i], LIMN_BATCH_FAILED);
        assert_int_equal(f->why[i], LIMN_E_INPUT);
        assert_ptr_equal(strstr(f->sentence[i], place), f->sentence[i]);
    }
    assert_string_equal(f->file[0], "");
    assert_non_null(strstr(f->sentence[1], "p.txt:2:27: "));
    assert_int_equal(f->event[4], LIMN_BATCH_DONE);
    assert_int_equal(f->event[6], LIMN_BATCH_DONE);
}

static void test_names_of_samplers(void **state) {
    fixture *f = *state;
    f->options.dry_run = true;
    assert_int_equal(run(f,
                         "a cat\n"
                         "--prompt x --sampler_name \"DPM++ 2M Karras\"\n"
                         "--prompt x --sampler_name \"DPM++ 2M Karras\" --scheduler Exponential\n"
                         "--prompt x --sampler_name \"Euler a\"\n"),
                     LIMN_OK);
    assert_int_equal(f->items, 4);
    assert_string_equal(f->sampler[0], "euler");
    assert_string_equal(f->schedule[0], "model");
    assert_string_equal(f->sampler[1], "dpmpp_2m");
    assert_string_equal(f->schedule[1], "karras");
    assert_string_equal(f->schedule[2], "exponential");
    assert_string_equal(f->sampler[3], "euler_a");
    assert_string_equal(f->schedule[3], "model");
}

static void test_several_pictures_a_line(void **state) {
    fixture *f = *state;
    f->options.dry_run = true;
    f->options.count = 2;
    f->options.has_seed = true;
    f->options.base.seed = 5;
    assert_int_equal(run(f, "a cat\n--prompt \"a dog\" --n_iter 3 --seed 9\n"), LIMN_OK);
    assert_int_equal(f->items, 5);
    static const char *const files[] = {"0001-a-cat-5.png", "0001-a-cat-6.png", "0002-a-dog-9.png",
                                        "0002-a-dog-10.png", "0002-a-dog-11.png"};
    for (int i = 0; i < 5; i++) assert_string_equal(f->file[i], files[i]);
    assert_int_equal(f->seed[4], 11);
}

static void test_dry_run_writes_nothing(void **state) {
    fixture *f = *state;
    char folder[100];
    snprintf(folder, sizeof folder, "%s/new", f->folder);
    f->options.folder = folder;
    f->options.dry_run = true;
    assert_int_equal(run(f, "a cat\n--prompt \"no end\n"), LIMN_OK);
    assert_int_equal(f->event[0], LIMN_BATCH_STARTED);
    assert_int_equal(f->event[1], LIMN_BATCH_FAILED);
    assert_false(limn_file_exists(folder));
    f->options.dry_run = false;
    assert_int_equal(run(f, "a cat\n"), LIMN_OK);
    assert_true(limn_file_is_folder(folder));
    f->options.dry_run = true;
    assert_int_equal(run(f, "a cat\n"), LIMN_OK);
    assert_int_equal(f->event[0], LIMN_BATCH_SKIPPED);
}

static void test_a_folder_that_cannot_be(void **state) {
    fixture *f = *state;
    assert_int_equal(limn_file_write(path_of(f, "file"), "x", 1, false, NULL), LIMN_OK);
    char folder[100];
    snprintf(folder, sizeof folder, "%s/file/sub", f->folder);
    f->options.folder = folder;
    assert_int_equal(run(f, "a cat\n"), LIMN_E_CREATE);
    assert_int_equal(f->items, 0);
    snprintf(folder, sizeof folder, "%s/ok/manifest.jsonl", f->folder);
    assert_int_equal(limn_file_make_folder(folder, NULL), LIMN_OK);
    snprintf(folder, sizeof folder, "%s/ok", f->folder);
    assert_int_equal(run(f, "a cat\n"), LIMN_E_IO);
    assert_int_equal(f->items, 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(test_again_is_skipped),          EACH(test_other_requests_are_kept),
        EACH(test_what_counts_as_the_same),   EACH(test_goes_on_where_it_stopped),
        EACH(test_same_in_a_batch_and_alone), EACH(test_bad_lines_stop_nothing),
        EACH(test_names_of_samplers),         EACH(test_several_pictures_a_line),
        EACH(test_dry_run_writes_nothing),    EACH(test_a_folder_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
