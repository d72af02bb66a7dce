/* Model folders: the models that ship load, their hash is sha256sum's, and a folder that is no
 * model gets a sentence that helps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/team.h"
#include "support/scratch.h"
#include "weights/weights.h"

/* ---- the models that are here ---------------------------------------------------------------- */

typedef struct model {
    const char *path, *name;
    const char *components[5]; /* up to a NULL */
} model;

static const model MODELS[] = {
    {"weights/vignette", "vignette", {"text_encoder", "unet", "vae"}},
    {"tests/golden/tiny-sd15", "tiny-sd15", {"text_encoder", "unet", "vae"}},
    {"tests/golden/tiny-sd21/", "tiny-sd21", {"text_encoder", "unet", "vae"}},
    {"./tests/golden/./tiny-sdxl//.",
     "tiny-sdxl",
     {"text_encoder", "text_encoder_2", "unet", "vae"}},
};
#define MODEL_COUNT (sizeof MODELS / sizeof *MODELS)

static limn_folder *open_good(const char *path) {
    limn_error err = {0};
    limn_folder *f = NULL;
    if (limn_folder_open(path, &f, &err) != LIMN_OK) fail_msg("%s", err.text);
    return f;
}

/* Opens every component; the sum of their floating-point numbers. */
static uint64_t open_components(limn_folder *f, const model *m) {
    uint64_t numbers = 0;
    for (int i = 0; m->components[i] != NULL; i++) {
        limn_error err = {0};
        const limn_tensors *t = NULL, *again = NULL;
        if (limn_folder_tensors(f, m->components[i], &t, &err) != LIMN_OK) fail_msg("%s", err.text);
        assert_int_equal(limn_folder_tensors(f, m->components[i], &again, &err), LIMN_OK);
        assert_ptr_equal(t, again);
        assert_true(limn_tensors_count(t) > 30);
        for (size_t k = 0; k < limn_tensors_count(t); k++) {
            const limn_tensor *tensor = limn_tensors_at(t, k);
            if (k > 0) assert_true(strcmp(limn_tensors_at(t, k - 1)->name, tensor->name) < 0);
            assert_ptr_equal(limn_tensors_find(t, tensor->name), tensor);
            if (tensor->dtype != LIMN_I64) numbers += tensor->count;
        }
    }
    return numbers;
}

static void models_load(void **state) {
    (void)state;
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        limn_folder *f = open_good(MODELS[i].path);
        assert_string_equal(limn_folder_name(f), MODELS[i].name);
        assert_int_equal(limn_folder_file_count(f), 1);
        assert_int_equal(limn_folder_parameters(f), 0);
        const uint64_t numbers = open_components(f, &MODELS[i]);
        assert_true(numbers > 1000000);
        assert_true(limn_folder_parameters(f) == numbers);
        limn_folder_close(f);
    }
}

/* Every number of a trained or random model is finite; a conversion gone wrong would not be. */
static void weights_are_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        limn_folder *f = open_good(MODELS[i].path);
        const limn_tensors *t = NULL;
        assert_int_equal(limn_folder_tensors(f, "vae", &t, NULL), LIMN_OK);
        for (size_t k = 0; k < limn_tensors_count(t); k++) {
            const limn_tensor *tensor = limn_tensors_at(t, k);
            float *numbers = malloc(tensor->count * sizeof *numbers + 1);
            assert_int_equal(limn_tensor_read(tensor, 0, tensor->count, numbers, NULL), LIMN_OK);
            for (uint64_t j = 0; j < tensor->count; j++) {
                assert_true(numbers[j] > -1000 && numbers[j] < 1000);
            }
            free(numbers);
        }
        limn_folder_close(f);
    }
}

static void known_values_of_a_model(void **state) {
    (void)state;
    limn_folder *f = open_good("tests/golden/tiny-sd15");
    const limn_config *c = NULL, *again = NULL;
    limn_error err = {0};
    assert_int_equal(limn_folder_config(f, "unet/config.json", &c, &err), LIMN_OK);
    assert_int_equal(limn_folder_config(f, "unet/config.json", &again, &err), LIMN_OK);
    assert_ptr_equal(c, again);
    int channels[8], levels = 0, heads[8], count = 0;
    assert_int_equal(
        limn_config_ints(c, "block_out_channels", 0, 1, 9999, channels, 8, &levels, &err), LIMN_OK);
    assert_int_equal(levels, 4);
    assert_int_equal(channels[0], 32);
    assert_int_equal(channels[3], 64);
    /* One number for all levels. */
    assert_int_equal(
        limn_config_ints(c, "attention_head_dim", levels, 1, 99, heads, 8, &count, &err), LIMN_OK);
    assert_int_equal(count, 4);
    assert_int_equal(heads[3], 8);

    const limn_tensors *t = NULL;
    const limn_tensor *w = NULL;
    assert_int_equal(limn_folder_tensors(f, "unet", &t, &err), LIMN_OK);
    const uint64_t right[] = {32, 4, 3, 3}, wrong[] = {320, 4, 3, 3};
    assert_int_equal(limn_tensors_want(t, "conv_in.weight", 4, right, &w, &err), LIMN_OK);
    assert_int_equal(w->dtype, LIMN_F16);
    assert_int_equal(w->count, 32 * 4 * 9);
    assert_int_equal(limn_tensors_want(t, "conv_in.weight", 4, wrong, &w, &err), LIMN_E_INPUT);
    assert_string_equal(err.text,
                        "tests/golden/tiny-sd15/unet/diffusion_pytorch_model.safetensors: "
                        "tensor \"conv_in.weight\" has the wrong shape: expected "
                        "[320, 4, 3, 3], found [32, 4, 3, 3]");
    assert_true(limn_folder_has(f, "tokenizer/merges.txt"));
    assert_true(limn_folder_has(f, "tokenizer"));
    assert_false(limn_folder_has(f, "tokenizer_2"));
    limn_folder_close(f);
}

static void component_at_the_top(void **state) {
    (void)state;
    limn_folder *f = open_good("tests/golden/tiny-sd15");
    limn_error err = {0};
    const limn_tensors *t = NULL;
    assert_int_equal(limn_folder_tensors(f, "", &t, &err), LIMN_E_MISSING);
    assert_null(t);
    assert_int_equal(limn_folder_tensors(f, "vae/../unet", &t, &err), LIMN_OK);
    assert_non_null(limn_tensors_find(t, "conv_in.weight"));
    limn_folder_close(f);
}

/* ---- the hash -------------------------------------------------------------------------------- */

static void hash_task(void *ctx, int i) {
    limn_folder_hash_file(ctx, i, NULL, NULL);
}

/* The first 64 characters that a shell command prints. */
static void output_of(const char *command, char hex[65]) {
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fread(hex, 1, 64, pipe), 64);
    hex[64] = '\0';
    while (fgetc(pipe) != EOF) continue;
    assert_int_equal(pclose(pipe), 0);
}

static void hash_is_that_of_sha256sum(void **state) {
    (void)state;
    limn_folder *f = open_good("tests/golden/tiny-sd15");
    const char *texts[] = {"vae/config.json", "tokenizer/vocab.json", "unet/config.json"};
    limn_bytes view;
    const limn_tensors *t = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(limn_folder_bytes(f, texts[i], &view, NULL), LIMN_OK);
    }
    assert_int_equal(limn_folder_tensors(f, "vae", &t, NULL), LIMN_OK);
    assert_int_equal(limn_folder_bytes(f, texts[0], &view, NULL), LIMN_OK);
    assert_int_equal(limn_folder_file_count(f), 5);

    char want[65], lazy[65], got[65];
    output_of(
        "cd tests/golden/tiny-sd15 && sha256sum model_index.json tokenizer/vocab.json "
        "unet/config.json vae/config.json vae/diffusion_pytorch_model.safetensors | sha256sum",
        want);
    assert_int_equal(limn_folder_hash(f, lazy, NULL), LIMN_OK);
    limn_parallel(3, limn_folder_file_count(f), hash_task, f);
    assert_int_equal(limn_folder_hash(f, got, NULL), LIMN_OK);
    assert_string_equal(got, want);
    assert_string_equal(lazy, want);
    limn_folder_close(f);
}

static void write_file(const char *relative, const void *data, size_t size) {
    char folder[300];
    snprintf(folder, sizeof folder, "%s", scratch_at(relative));
    *strrchr(folder, '/') = '\0';
    limn_error err = {0};
    if (limn_file_make_folder(folder, &err) != LIMN_OK) fail_msg("%s", err.text);
    if (limn_file_write(scratch_at(relative), data, size, true, &err) != LIMN_OK)
        fail_msg("%s", err.text);
}

static void write_text(const char *relative, const char *text) {
    write_file(relative, text, strlen(text));
}

/* A safetensors file of one byte in one tensor. */
static void write_tensors(const char *relative, char name) {
    char file[80] = {0};
    const int length =
        snprintf(file + 8, sizeof file - 8,
                 "{\"%c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    file[0] = (char)length;
    write_file(relative, file, 8 + (size_t)length + 1);
}

static void expect_closed(const char *path, limn_status kind, const char *sentence) {
    limn_error err = {0};
    limn_folder *f = (limn_folder *)&err;
    const limn_status status = limn_folder_open(path, &f, &err);
    if (status != kind || strstr(err.text, sentence) == NULL) {
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
    }
    assert_null(f);
}

static void what_is_no_model_folder(void **state) {
    (void)state;
    expect_closed("", LIMN_E_MISSING, "the path of the model folder is empty");
    expect_closed(scratch_at("nowhere"), LIMN_E_MISSING,
                  "nowhere: there is no such model folder or file");
    write_text("file.safetensors", "x");
    expect_closed(scratch_at("file.safetensors"), LIMN_E_INPUT,
                  "the file ends at byte 1, too early");
    write_text("component/config.json", "{}");
    expect_closed(scratch_at("component"), LIMN_E_MISSING, "this is one component of a model");
    assert_int_equal(limn_file_make_folder(scratch_at("empty"), NULL), LIMN_OK);
    expect_closed(scratch_at("empty//"), LIMN_E_MISSING,
                  "empty: there is no model_index.json in this");
    write_text("broken/model_index.json", "{\"a\": ");
    expect_closed(scratch_at("broken"), LIMN_E_INPUT,
                  "broken/model_index.json: the file is not valid JSON");
    write_text("hollow/model_index.json", "");
    expect_closed(scratch_at("hollow"), LIMN_E_INPUT, "hollow/model_index.json: the file is empty");
    write_text("odd/model_index.json/x", "");
    expect_closed(scratch_at("odd"), LIMN_E_INPUT, "odd/model_index.json");
}

static void expect_no_tensors(limn_folder *f, const char *component, limn_status kind,
                              const char *sentence) {
    limn_error err = {0};
    const limn_tensors *t = NULL;
    const limn_status status = limn_folder_tensors(f, component, &t, &err);
    if (status != kind || strstr(err.text, sentence) == NULL) {
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
    }
    assert_null(t);
}

static void components_that_cannot_be_read(void **state) {
    (void)state;
    write_text("m/model_index.json", "{}");
    write_text("m/unet/diffusion_pytorch_model.bin", "PK");
    write_text("m/text_encoder/pytorch_model.bin", "PK");
    write_text("m/vae/model.ckpt", "PK");
    write_text("m/large/diffusion_pytorch_model.safetensors.index.json", "{}");
    write_text("m/torn/model.safetensors", "\x40\0\0\0");
    limn_folder *f = open_good(scratch_at("m"));
    expect_no_tensors(f, "unet", LIMN_E_INPUT,
                      "m/unet/diffusion_pytorch_model.bin: this is a "
                      "Python pickle, which can run any program");
    expect_no_tensors(f, "text_encoder", LIMN_E_INPUT,
                      "pytorch_model.bin: this is a Python pickle");
    expect_no_tensors(f, "vae", LIMN_E_INPUT, "convert it to safetensors");
    expect_no_tensors(f, "large", LIMN_E_INPUT, "\"weight_map\" must be an object");
    expect_no_tensors(f, "torn", LIMN_E_INPUT, "m/torn/model.safetensors: the file ends at byte 1");
    expect_no_tensors(f, "absent", LIMN_E_MISSING, "m/absent: there is neither model.safetensors");

    limn_error err = {0};
    const limn_config *c = NULL;
    limn_bytes view = {0};
    assert_int_equal(limn_folder_config(f, "unet/config.json", &c, &err), LIMN_E_MISSING);
    assert_non_null(strstr(err.text, "m/unet/config.json"));
    assert_int_equal(limn_folder_bytes(f, "unet", &view, &err), LIMN_E_INPUT);
    assert_null(view.data);
    limn_folder_close(f);
}

/* The plain file is taken before its half-precision variant, whatever else lies about. */
static void which_file_is_taken(void **state) {
    (void)state;
    write_text("v/model_index.json", "{}");
    write_tensors("v/unet/diffusion_pytorch_model.fp16.safetensors", 'h');
    write_text("v/unet/diffusion_pytorch_model.bin", "PK");
    limn_folder *f = open_good(scratch_at("v"));
    const limn_tensors *t = NULL;
    assert_int_equal(limn_folder_tensors(f, "unet", &t, NULL), LIMN_OK);
    assert_non_null(limn_tensors_find(t, "h"));
    assert_int_equal(limn_folder_parameters(f), 0); /* one U8, which is no parameter */
    limn_folder_close(f);

    write_tensors("v/unet/diffusion_pytorch_model.safetensors", 'f');
    f = open_good(scratch_at("v"));
    assert_int_equal(limn_folder_tensors(f, "unet", &t, NULL), LIMN_OK);
    assert_non_null(limn_tensors_find(t, "f"));
    limn_folder_close(f);

    write_tensors("v/model.fp16.safetensors", 't');
    f = open_good(scratch_at("v"));
    assert_int_equal(limn_folder_tensors(f, "", &t, NULL), LIMN_OK);
    assert_non_null(limn_tensors_find(t, "t"));
    limn_folder_close(f);
}

static void names_of_folders(void **state) {
    (void)state;
    write_text("outer/inner/model_index.json", "{}");
    write_text("outer/model_index.json", "{}");
    const struct {
        const char *path, *name;
    } cases[] = {
        {"outer/inner", "inner"},       {"outer/inner///", "inner"},
        {"outer//inner/./.", "inner"},  {"outer/inner/..", "outer"},
        {"outer/./inner/../", "outer"}, {"outer/inner/../../outer", "outer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_folder *f = open_good(scratch_at(cases[i].path));
        assert_string_equal(limn_folder_name(f), cases[i].name);
        limn_folder_close(f);
    }
    char *here = getcwd(NULL, 0);
    assert_non_null(here);
    assert_int_equal(chdir(scratch_at("outer/inner")), 0);
    const char *paths[] = {".", "./", "..", "../.", "../inner/.."};
    const char *names[] = {"inner", "inner", "outer", "outer", "outer"};
    for (size_t i = 0; i < 5; i++) {
        limn_folder *f = open_good(paths[i]);
        assert_string_equal(limn_folder_name(f), names[i]);
        limn_folder_close(f);
    }
    assert_int_equal(chdir(here), 0);
    free(here);
}

/* More files than any list starts with room for, opened in falling order: all stay as they were. */
static void many_files_stay_open(void **state) {
    (void)state;
    write_text("many/model_index.json", "{}");
    limn_folder *f = open_good(scratch_at("many"));
    limn_bytes views[100];
    char name[40];
    for (int i = 99; i >= 0; i--) {
        snprintf(name, sizeof name, "many/%02d.txt", i);
        write_text(name, name);
        assert_int_equal(limn_folder_bytes(f, name + 5, &views[i], NULL), LIMN_OK);
    }
    assert_int_equal(limn_folder_file_count(f), 101);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "many/%02d.txt", i);
        limn_bytes again;
        assert_int_equal(limn_folder_bytes(f, name + 5, &again, NULL), LIMN_OK);
        assert_ptr_equal(again.data, views[i].data);
        assert_int_equal(again.size, strlen(name));
        assert_memory_equal(again.data, name, again.size);
    }
    char want[65], got[65], command[400];
    snprintf(command, sizeof command,
             "cd %s && LC_ALL=C sh -c 'sha256sum *.txt model_index.json | sha256sum'",
             scratch_at("many"));
    output_of(command, want);
    assert_int_equal(limn_folder_hash(f, got, NULL), LIMN_OK);
    assert_string_equal(got, want);
    limn_folder_close(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_load),
        cmocka_unit_test(weights_are_numbers),
        cmocka_unit_test(known_values_of_a_model),
        cmocka_unit_test(component_at_the_top),
        cmocka_unit_test(hash_is_that_of_sha256sum),
        cmocka_unit_test(what_is_no_model_folder),
        cmocka_unit_test(components_that_cannot_be_read),
        cmocka_unit_test(which_file_is_taken),
        cmocka_unit_test(names_of_folders),
        cmocka_unit_test(many_files_stay_open),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
