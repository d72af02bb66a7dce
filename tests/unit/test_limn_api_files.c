/* The library as a program outside of this tree uses it: files, recipes and batches. */
#include <dirent.h>
#include <limn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch.h"

#define TINY "tests/golden/tiny-sd15"

static limn_model *model;

static int start(void **state) {
    (void)state;
    if (scratch_make(NULL) != 0) return 1;
    limn_error error;
    if (limn_model_open(TINY, NULL, &model, &error) == LIMN_OK) return 0;
    fprintf(stderr, "%s: %s\n", TINY, error.text);
    return 1;
}

/* How many files of the folder have a name that ends so; removes them too where asked. */
static int count_files(const char *ending, bool remove_them) {
    int n = 0;
    DIR *d = opendir(scratch_folder());
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t length = strlen(e->d_name), tail = strlen(ending);
        if (e->d_name[0] == '.' && strspn(e->d_name, ".") == length) continue;
        if (length < tail || strcmp(e->d_name + length - tail, ending) != 0) continue;
        n++;
        if (remove_them) remove(scratch_at(e->d_name));
    }
    closedir(d);
    return n;
}

static int end(void **state) {
    (void)state;
    limn_model_close(model);
    count_files("", true);
    return scratch_remove_empty(NULL);
}

static limn_request small_request(void) {
    limn_request r;
    limn_request_defaults(model, &r);
    r.prompt = "na\xc3\xafve caf\xc3\xa9, \"quoted\"\nsecond line";
    r.negative = "blur, Steps: 99";
    r.seed = 18446744073709551615u;
    r.steps = 2;
    r.guidance = 4.5;
    r.width = 72;
    r.height = 64;
    r.sampler = "euler_a";
    r.schedule = "karras";
    r.rng = "philox";
    return r;
}

static limn_picture *draw(void) {
    limn_request r = small_request();
    limn_picture *p = NULL;
    limn_error error;
    if (limn_render(model, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    return p;
}

static void test_save_and_load(void **state) {
    (void)state;
    limn_picture *p = draw(), *back = NULL;
    limn_error error;
    const char *path = scratch_at("a.png");
    assert_int_equal(limn_picture_save(p, path, 0, &error), LIMN_OK);
    assert_int_equal(limn_picture_load(path, &back, &error), LIMN_OK);
    assert_int_equal(back->width, 72);
    assert_int_equal(back->height, 64);
    assert_memory_equal(back->rgb, p->rgb, 72 * 64 * 3);
    assert_string_equal(back->recipe, p->recipe);
    assert_string_equal(back->parameters, p->parameters);

    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(limn_picture_png(p, &bytes, &size, &error), LIMN_OK);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *file = malloc(size + 1);
    assert_non_null(file);
    assert_int_equal(fread(file, 1, size + 1, f), size); /* the file is just as long */
    assert_memory_equal(file, bytes, size);
    fclose(f);
    free(file);
    free(bytes);
    limn_picture_free(back);
    limn_picture_free(p);
}

static void test_overwriting_is_asked_for(void **state) {
    (void)state;
    limn_picture *p = draw();
    limn_error error;
    const char *path = scratch_at("b.png");
    assert_int_equal(limn_picture_save(p, path, 0, &error), LIMN_OK);
    assert_int_equal(limn_picture_save(p, path, 0, &error), LIMN_E_CREATE);
    assert_non_null(strstr(error.text, "b.png"));
    assert_int_equal(limn_picture_save(p, path, LIMN_OVERWRITE, &error), LIMN_OK);
    limn_picture_free(p);
}

static void test_other_formats(void **state) {
    (void)state;
    limn_picture *p = draw();
    limn_error error;
    static const char *const names[] = {"c.jpg", "c.bmp", "c.tga"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(limn_picture_save(p, scratch_at(names[i]), 0, &error), LIMN_OK);
        assert_int_equal(access(scratch_at(names[i]), R_OK), 0);
    }
    assert_int_equal(limn_picture_save(p, scratch_at("c.gif"), 0, &error), LIMN_E_USAGE);
    assert_int_not_equal(access(scratch_at("c.gif"), F_OK), 0);
    assert_int_equal(limn_picture_save(p, scratch_at("no/such/c.png"), 0, &error), LIMN_E_CREATE);
    limn_picture_free(p);
}

static void test_bad_pictures(void **state) {
    (void)state;
    limn_picture *p = NULL;
    limn_error error;
    assert_int_equal(limn_picture_load(scratch_at("none.png"), &p, &error), LIMN_E_MISSING);
    assert_int_equal(limn_picture_load(TINY "/model_index.json", &p, &error), LIMN_E_INPUT);
    assert_null(p);
    assert_true(strlen(error.text) > 10);
}

static void test_recipe_comes_back(void **state) {
    (void)state;
    limn_picture *p = draw(), *twin = NULL;
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_OK);
    limn_request asked = small_request();
    const limn_request *r = limn_recipe_request(recipe);
    assert_string_equal(r->prompt, asked.prompt);
    assert_string_equal(r->negative, asked.negative);
    assert_true(r->seed == asked.seed);
    assert_int_equal(r->steps, asked.steps);
    assert_true(r->guidance == asked.guidance);
    assert_int_equal(r->width, asked.width);
    assert_string_equal(r->sampler, asked.sampler);
    assert_string_equal(r->schedule, asked.schedule);
    assert_string_equal(r->rng, asked.rng);
    assert_int_equal(limn_recipe_contract(recipe), LIMN_CONTRACT);
    assert_string_equal(limn_recipe_model_sha256(recipe), limn_model_describe(model).sha256);
    assert_string_equal(limn_recipe_model_name(recipe), "tiny-sd15");

    assert_int_equal(limn_render(model, r, NULL, &twin, &error), LIMN_OK);
    assert_memory_equal(twin->rgb, p->rgb, 72 * 64 * 3);
    assert_string_equal(twin->recipe, p->recipe);
    limn_picture_free(twin);
    limn_recipe_free(recipe);
    limn_recipe_free(NULL);
    limn_picture_free(p);
}

static void test_recipe_set(void **state) {
    (void)state;
    limn_picture *p = draw();
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_OK);
    assert_int_equal(limn_recipe_set(recipe, "seed", "8", &error), LIMN_OK);
    assert_true(limn_recipe_request(recipe)->seed == 8);
    assert_int_equal(limn_recipe_set(recipe, "prompt", "a dog", &error), LIMN_OK);
    assert_string_equal(limn_recipe_request(recipe)->prompt, "a dog");
    assert_int_equal(limn_recipe_set(recipe, "colour", "red", &error), LIMN_E_USAGE);
    assert_int_equal(limn_recipe_set(recipe, "seed", "eight", &error), LIMN_E_USAGE);
    assert_true(limn_recipe_request(recipe)->seed == 8);
    limn_recipe_free(recipe);
    limn_picture_free(p);
}

static void test_no_recipe(void **state) {
    (void)state;
    limn_picture *p = NULL;
    limn_recipe *recipe = NULL;
    limn_error error;
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &p, &error), LIMN_OK);
    assert_null(p->recipe);
    assert_int_equal(limn_recipe_read(p, &recipe, &error), LIMN_E_INPUT);
    assert_null(recipe);
    limn_picture_free(p);
}

/* What a batch said. */
typedef struct heard {
    int started, done, skipped, failed, bad_line;
} heard;

static void on_item(void *user, const limn_batch_item *item) {
    heard *h = user;
    assert_true(item->index >= 1 && item->index <= item->count);
    switch (item->event) {
    case LIMN_BATCH_STARTED:
        h->started++;
        break;
    case LIMN_BATCH_DONE:
        h->done++;
        assert_non_null(item->picture);
        assert_int_equal(access(item->file, R_OK), 0);
        break;
    case LIMN_BATCH_SKIPPED:
        h->skipped++;
        break;
    case LIMN_BATCH_FAILED:
        h->failed++;
        h->bad_line = item->line;
        assert_non_null(strstr(item->error->text, "list.txt"));
        break;
    }
}

static heard run_batch(const char *text, limn_batch_result *result) {
    heard h = {0};
    limn_batch_options options = {.folder = scratch_folder(), .user = &h, .item = on_item};
    options.base = small_request();
    options.base.prompt = "";
    limn_error error = {0};
    limn_status status =
        limn_batch_run(model, "list.txt", text, strlen(text), &options, result, &error);
    if (status != LIMN_OK) fail_msg("%s", error.text);
    return h;
}

static void test_batch(void **state) {
    (void)state;
    count_files("", true);
    static const char text[] = "# two good lines and a bad one\n"
                               "a red apple\n"
                               "--prompt \"two cats\" --steps none\n"
                               "a lighthouse\n";
    limn_batch_result result = {0};
    heard h = run_batch(text, &result);
    assert_int_equal(result.done, 2);
    assert_int_equal(result.failed, 1);
    assert_int_equal(result.skipped, 0);
    assert_int_equal(h.done, 2);
    assert_int_equal(h.failed, 1);
    assert_int_equal(h.bad_line, 3);
    assert_int_equal(count_files(".png", false), 2);
    assert_int_equal(count_files("manifest.jsonl", false), 1);

    h = run_batch(text, &result); /* goes on where it stopped: nothing is left to draw */
    assert_int_equal(result.done, 0);
    assert_int_equal(result.skipped, 2);
    assert_int_equal(h.skipped, 2);
    assert_int_equal(count_files(".png", false), 2);
}

/* 2^31 pictures, more than can be counted. */
static void test_batch_of_too_many(void **state) {
    (void)state;
    static const char line[] = "--n_iter 1000 --batch_size 1000\n";
    enum { LINES = 2148 };
    char *text = malloc(LINES * (sizeof line - 1));
    assert_non_null(text);
    for (int i = 0; i < LINES; i++)
        memcpy(text + i * (int)(sizeof line - 1), line, sizeof line - 1);
    const limn_batch_options options = {
        .folder = scratch_folder(), .base = small_request(), .dry_run = true};
    limn_batch_result result;
    limn_error error = {0};
    assert_int_equal(limn_batch_run(model, "list.txt", text, LINES * (sizeof line - 1), &options,
                                    &result, &error),
                     LIMN_E_INPUT);
    assert_string_equal(error.text, "list.txt asks for too many pictures");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load),     cmocka_unit_test(test_overwriting_is_asked_for),
        cmocka_unit_test(test_other_formats),     cmocka_unit_test(test_bad_pictures),
        cmocka_unit_test(test_recipe_comes_back), cmocka_unit_test(test_recipe_set),
        cmocka_unit_test(test_no_recipe),         cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_of_too_many),
    };
    return cmocka_run_group_tests(tests, start, end);
}
