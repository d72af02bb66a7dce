/* limn_convert: what goes in comes out, in every container, bit for bit where the type allows. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "support/single.h"
#include "support/weights.h"
#include "weights/weights.h"

#define MODEL "tests/golden/tiny-sd15"

static const char *const components[] = {"unet", "vae", "text_encoder"};

/* A folder of its own for each test. */
static char room[64], path[2][160];

static int make_room(void **state) {
    (void)state;
    snprintf(room, sizeof room, "/tmp/limn-test-XXXXXX");
    return mkdtemp(room) ? 0 : -1;
}

static int clear_room(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", room);
    return system(command);
}

/* The i-th of two paths in the room. */
static const char *at(int i, const char *name) {
    snprintf(path[i], sizeof path[i], "%s/%s", room, name);
    return path[i];
}

/* How many things there are in the room. */
static int things(void) {
    int count = -2; /* . and .. */
    DIR *d = opendir(room);
    assert_non_null(d);
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

static void convert(const char *in, const char *out, const char *type) {
    limn_error error;
    const limn_convert_options how = {.type = type};
    if (limn_convert(in, out, &how, &error) != LIMN_OK) fail_msg("%s", error.text);
}

static void expect_fault(const char *in, const char *out, const limn_convert_options *how,
                         limn_status status, const char *sentence) {
    limn_error error;
    const int before = things();
    assert_int_equal(limn_convert(in, out, how, &error), status);
    if (!strstr(error.text, sentence)) fail_msg("%s", error.text);
    assert_int_equal(things(), before);
}

/* A file's bytes; the caller frees them. */
static uint8_t *read_all(const char *file, size_t *size) {
    limn_bytes bytes;
    limn_error error;
    if (limn_file_open(file, &bytes, &error) != LIMN_OK) fail_msg("%s", error.text);
    *size = bytes.size;
    return (uint8_t *)bytes.data;
}

/* A tensor's stored bytes, or its numbers; the caller frees them. */
static uint8_t *stored(const limn_tensor *t) {
    uint8_t *bytes = malloc(t->bytes + 1);
    limn_error error;
    assert_non_null(bytes);
    assert_int_equal(limn_tensor_read_stored(t, 0, t->bytes, bytes, &error), LIMN_OK);
    return bytes;
}

static float *numbers(const limn_tensor *t) {
    float *x = malloc((size_t)t->count * sizeof *x + 1);
    limn_error error;
    assert_non_null(x);
    assert_int_equal(limn_tensor_read(t, 0, t->count, x, &error), LIMN_OK);
    return x;
}

static void expect_same(const limn_tensor *a, const limn_tensor *b) {
    if (!b) fail_msg("%s is missing", a->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    uint8_t *x = stored(a), *y = stored(b);
    assert_memory_equal(x, y, a->bytes);
    free(x);
    free(y);
}

static limn_folder *open_model(const char *model) {
    limn_folder *f;
    limn_error error;
    if (limn_folder_open(model, &f, &error) != LIMN_OK) fail_msg("%s", error.text);
    return f;
}

static const limn_tensors *part(limn_folder *f, const char *component) {
    const limn_tensors *t;
    limn_error error;
    if (limn_folder_tensors(f, component, &t, &error) != LIMN_OK) fail_msg("%s", error.text);
    return t;
}

/* Every tensor and configuration of one model is in the other. */
static void expect_same_model(const char *a, const char *b) {
    static const char *const files[] = {"model_index.json",     "unet/config.json",
                                        "vae/config.json",      "text_encoder/config.json",
                                        "tokenizer/vocab.json", "scheduler/scheduler_config.json"};
    limn_folder *x = open_model(a), *y = open_model(b);
    for (int i = 0; i < 3; i++) {
        const limn_tensors *s = part(x, components[i]), *t = part(y, components[i]);
        assert_int_equal(limn_tensors_count(s), limn_tensors_count(t));
        for (size_t k = 0; k < limn_tensors_count(s); k++)
            expect_same(limn_tensors_at(s, k), limn_tensors_find(t, limn_tensors_at(s, k)->name));
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        limn_bytes s, t;
        limn_error error;
        assert_int_equal(limn_folder_bytes(x, files[i], &s, &error), LIMN_OK);
        assert_int_equal(limn_folder_bytes(y, files[i], &t, &error), LIMN_OK);
        assert_int_equal(s.size, t.size);
        assert_memory_equal(s.data, t.data, s.size);
    }
    limn_folder_close(x);
    limn_folder_close(y);
}

/* The pixels that a model draws; the caller frees the picture. */
static limn_picture *draw(const char *model, const char *precision) {
    const limn_open_options how = {.precision = precision};
    limn_model *m;
    limn_request r;
    limn_picture *p;
    limn_error error;
    if (limn_model_open(model, &how, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_request_defaults(m, &r);
    r.prompt = "a red apple";
    r.width = r.height = 64;
    r.steps = 2;
    if (limn_render(m, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_model_close(m);
    return p;
}

static void expect_same_picture(const char *a, const char *b) {
    limn_picture *p = draw(a, NULL), *q = draw(b, NULL);
    assert_memory_equal(p->rgb, q->rgb, 64 * 64 * 3);
    limn_picture_free(p);
    limn_picture_free(q);
}

static void test_folder(void **state) {
    (void)state;
    convert(MODEL, at(0, "copy/"), NULL);
    expect_same_model(MODEL, at(0, "copy"));
    expect_same_picture(MODEL, path[0]);
    assert_int_equal(things(), 1);
    convert(path[0], at(1, "wide"), "f32"); /* the model is float16: nothing is lost */
    expect_same_picture(MODEL, path[1]);
}

static void test_single(void **state) {
    (void)state;
    convert(MODEL, at(0, "model.safetensors"), "keep");
    expect_same_model(MODEL, path[0]);
    expect_same_picture(MODEL, path[0]);
    convert(path[0], at(1, "back"), NULL);
    expect_same_model(MODEL, path[1]);
}

static void test_gguf(void **state) {
    (void)state;
    convert(MODEL, at(0, "model.gguf"), "f16");
    expect_same_picture(MODEL, path[0]);
    convert(path[0], at(1, "back.safetensors"), NULL);
    expect_same_model(MODEL, path[1]);
}

/* Every tensor of `want` whose name begins so is in `have`, in the same shape; how many. */
static int expect_names(const limn_tensors *want, const char *begin, const limn_tensors *have) {
    int count = 0;
    for (size_t i = 0; i < limn_tensors_count(want); i++) {
        const limn_tensor *a = limn_tensors_at(want, i);
        if (strncmp(a->name, begin, strlen(begin)) != 0) continue;
        const limn_tensor *b = limn_tensors_find(have, a->name);
        if (!b) fail_msg("%s is missing", a->name);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        count++;
    }
    return count;
}

/* A GGUF file is for other programs too: names as stable-diffusion.cpp and ComfyUI-GGUF want them,
 * which are those that tests/support writes down from the other side, and a name for the family. */
static void test_gguf_names(void **state) {
    static const struct {
        const char *model, *family, *text;
    } models[] = {
        {MODEL, "sd1", "cond_stage_model.transformer.text_model.final_layer_norm.weight"},
        {"tests/golden/tiny-sd21", "sd1",
         "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.bias"},
        {"tests/golden/tiny-sdxl", "sdxl", "cond_stage_model.1.transformer.text_projection.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        single_write(models[i].model, &(single_form){.gguf = true, .ldm = true}, at(1, "ldm.gguf"));
        convert(models[i].model, at(0, "model.gguf"), NULL);
        expect_same_picture(models[i].model, path[0]);
        limn_folder *f = open_model(path[0]), *g = open_model(path[1]);
        const limn_tensors *have = part(f, ""), *want = part(g, "");
        assert_int_equal(expect_names(want, "model.diffusion_model.", have),
                         limn_tensors_count(part(f, "unet")));
        assert_int_equal(expect_names(want, "first_stage_model.", have),
                         limn_tensors_count(part(f, "vae")));
        assert_non_null(limn_tensors_find(have, models[i].text));
        assert_non_null(limn_tensors_find(have, "limn.file/tokenizer/vocab.json"));
        assert_string_equal(limn_tensors_note(have, "general.architecture"), models[i].family);
        limn_folder_close(f);
        limn_folder_close(g);
        unlink(path[0]);
    }
}

/* A model that those names do not fit keeps its own. */
static void test_gguf_own_names(void **state) {
    (void)state;
    convert("weights/vignette", at(0, "model.gguf"), NULL);
    limn_folder *f = open_model(path[0]);
    const limn_tensors *all = part(f, "");
    assert_non_null(limn_tensors_find(all, "unet.class_embedding.linear_1.weight"));
    assert_string_equal(limn_tensors_note(all, "general.architecture"), "limn");
    limn_folder_close(f);
}

/* The header of a GGUF file, read here by the format's documentation. */
static void test_gguf_form(void **state) {
    (void)state;
    size_t size, at_byte = 24;
    convert(MODEL, at(0, "model.gguf"), "q8_0");
    uint8_t *b = read_all(path[0], &size);
    uint64_t counts[2], length, first = UINT64_MAX, last = 0;
    assert_memory_equal(b, "GGUF\3\0\0\0", 8);
    memcpy(counts, b + 8, sizeof counts);
    assert_int_equal(counts[1], 5);
    for (uint64_t i = 0; i < counts[1]; i++) { /* key, type, value: a text or 32 bits */
        uint32_t type;
        memcpy(&length, b + at_byte, 8);
        at_byte += 8 + length;
        memcpy(&type, b + at_byte, 4);
        memcpy(&length, b + at_byte + 4, 8);
        assert_true(type == 4 || type == 8);
        at_byte += type == 8 ? 12 + length : 8;
    }
    for (uint64_t i = 0; i < counts[0]; i++) { /* name, dimensions, type, offset */
        uint32_t rank;
        uint64_t offset;
        memcpy(&length, b + at_byte, 8);
        assert_in_range(length, 1, 127);
        at_byte += 8 + length;
        memcpy(&rank, b + at_byte, 4);
        assert_in_range(rank, 1, 4);
        at_byte += 4 + 8 * rank + 4;
        memcpy(&offset, b + at_byte, 8);
        assert_int_equal(offset % 32, 0);
        first = offset < first ? offset : first;
        last = offset > last ? offset : last;
        at_byte += 8;
    }
    assert_int_equal(first, 0);
    assert_true((at_byte + 31) / 32 * 32 + last < size);
    assert_int_equal(size % 32, 0);
    free(b);
}

/* Each number of a block of 32 is within half a step of what it was, and the step is the largest
 * magnitude / 127, as near as float16 has it. */
static void test_q8_0(void **state) {
    (void)state;
    convert(MODEL, at(0, "model.gguf"), "q8_0");
    limn_folder *f = open_model(MODEL), *g = open_model(path[0]);
    const limn_tensors *s = part(f, "unet"), *t = part(g, "unet");
    int blocks = 0;
    for (size_t i = 0; i < limn_tensors_count(s); i++) {
        const limn_tensor *a = limn_tensors_at(s, i), *b = limn_tensors_find(t, a->name);
        if (!b) fail_msg("%s is missing", a->name);
        if (b->dtype != LIMN_Q8_0) continue;
        float *x = numbers(a), *y = numbers(b);
        for (uint64_t k = 0; k < a->count; k += 32, blocks++) {
            float most = 0;
            for (int j = 0; j < 32; j++) most = fmaxf(most, fabsf(x[k + (uint64_t)j]));
            for (int j = 0; j < 32; j++)
                assert_true(fabsf(x[k + (uint64_t)j] - y[k + (uint64_t)j]) <=
                            most / 127 * (0.5f + 127.0f / 2048 + 1e-3f));
        }
        free(x);
        free(y);
    }
    assert_true(blocks > 1000);
    limn_folder_close(f);
    limn_folder_close(g);
}

static uint64_t parameters(const char *model) {
    limn_model *m;
    limn_error error;
    if (limn_model_open(model, NULL, &m, &error) != LIMN_OK) fail_msg("%s", error.text);
    const uint64_t count = limn_model_describe(m).parameters;
    limn_model_close(m);
    return count;
}

/* What was stored as int8 is what loading would have made: the same pictures in int8. In float32 it
 * is a model of its own, the same in every container that holds its numbers. */
static void test_int8(void **state) {
    (void)state;
    size_t size[2];
    convert(MODEL, at(0, "model.safetensors"), "int8");
    limn_picture *p = draw(MODEL, "int8"), *q = draw(path[0], "int8");
    assert_memory_equal(p->rgb, q->rgb, 64 * 64 * 3);
    limn_picture_free(p);
    limn_picture_free(q);
    assert_int_equal(parameters(path[0]), parameters(MODEL)); /* scales do not count */
    convert(path[0], at(1, "same.safetensors"), "int8");
    uint8_t *a = read_all(path[0], &size[0]), *b = read_all(path[1], &size[1]);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(a, b, size[0]);
    free(a);
    free(b);
    convert(path[0], at(1, "wide"), "f32");
    expect_same_picture(path[0], path[1]);
    convert(path[0], at(1, "wide.gguf"), NULL);
    expect_same_picture(path[0], path[1]);
}

/* The file's bytes with the names that scales had before numbers were rotated, and spaces. */
static void name_as_before(const char *file) {
    static const char now[] = ".limn_rotated_scale\"", before[] = ".limn_scale\"        ";
    size_t size;
    limn_error error;
    uint8_t *b = read_all(file, &size);
    for (size_t i = 0; i + sizeof now < size; i++)
        if (memcmp(b + i, now, sizeof now - 1) == 0) memcpy(b + i, before, sizeof now - 1);
    assert_int_equal(limn_file_write(file, b, size, true, &error), LIMN_OK);
    free(b);
}

/* Numbers of a stored int8 matrix are near those that it was made of, in whatever pieces they are
 * read; where they are named as files had them before, they are not rotated back. */
static void test_int8_numbers(void **state) {
    (void)state;
    limn_error error;
    int found = 0;
    convert(MODEL, at(0, "model.safetensors"), "int8");
    convert(MODEL, at(1, "before.safetensors"), "int8");
    name_as_before(path[1]);
    limn_folder *f = open_model(MODEL), *g = open_model(path[0]), *h = open_model(path[1]);
    const limn_tensors *from = part(f, "unet"), *to = part(g, "unet"), *old = part(h, "unet");
    for (size_t i = 0; i < limn_tensors_count(to); i++) {
        const limn_tensor *t = limn_tensors_at(to, i);
        if (!t->scale) continue;
        const limn_tensor *plain = limn_tensors_find(old, t->name);
        assert_true(t->rotated && plain->scale && !plain->rotated);
        float *x = numbers(limn_tensors_find(from, t->name)), *y = numbers(t), *z = numbers(plain);
        double error_sum = 0, sum = 0;
        for (size_t k = 0; k < t->count; k++) {
            error_sum += pow((double)(x[k] - y[k]), 2);
            sum += pow((double)x[k], 2);
        }
        assert_true(error_sum < sum * 1e-4 && memcmp(y, z, t->count * sizeof *y) != 0);
        const uint64_t first = t->count / 3 + found % 7, count = t->count / 2 - found % 5;
        assert_int_equal(limn_tensor_read(t, first, count, x, &error), LIMN_OK);
        assert_memory_equal(x, y + first, count * sizeof *x);
        free(x);
        free(y);
        free(z);
        found++;
    }
    assert_true(found > 10);
    limn_folder_close(f);
    limn_folder_close(g);
    limn_folder_close(h);
}

/* The first int8 tensor of the U-Net in a file's bytes, by its stored numbers. */
static void test_int8_hostile(void **state) {
    (void)state;
    size_t size;
    limn_error error;
    limn_model *m = NULL;
    convert(MODEL, at(0, "model.safetensors"), "int8");
    limn_folder *f = open_model(path[0]);
    const limn_tensors *t = part(f, "unet");
    uint64_t offset = 0;
    for (size_t i = 0; i < limn_tensors_count(t) && offset == 0; i++)
        if (limn_tensors_at(t, i)->scale) offset = limn_tensors_at(t, i)->offset;
    limn_folder_close(f);
    uint8_t *b = read_all(path[0], &size);
    assert_true(offset > 0);
    b[offset] = 0x80;
    assert_int_equal(limn_file_write(path[0], b, size, true, &error), LIMN_OK);
    free(b);
    const limn_open_options how = {.precision = "int8"};
    assert_int_equal(limn_model_open(path[0], &how, &m, &error), LIMN_E_INPUT);
    assert_non_null(strstr(error.text, "-128"));
}

static bool stop(void *user, uint64_t done, uint64_t total) {
    int *calls = user;
    assert_true(done <= total);
    return ++*calls < 3;
}

static void test_faults(void **state) {
    (void)state;
    int calls = 0;
    const limn_convert_options q8 = {.type = "q8_0"}, odd = {.type = "f12"}, plain = {0},
                               int8 = {.type = "int8"},
                               stopped = {.user = &calls, .progress = stop};
    expect_fault(MODEL, at(0, "x.safetensors"), &q8, LIMN_E_USAGE, "q8_0");
    expect_fault(MODEL, at(0, "x.gguf"), &odd, LIMN_E_USAGE, "f12");
    expect_fault(MODEL, at(0, "x.gguf"), &int8, LIMN_E_USAGE, "q8_0");
    expect_fault(MODEL, "", NULL, LIMN_E_USAGE, "empty");
    expect_fault("tests/none", at(0, "x.gguf"), NULL, LIMN_E_MISSING, "tests/none");
    expect_fault(MODEL, at(0, "none/x.gguf"), NULL, LIMN_E_CREATE, "none/x.gguf");
    expect_fault(MODEL, at(0, "x.gguf"), &stopped, LIMN_E_CANCELLED, "stopped");
    calls = 0;
    expect_fault(MODEL, at(0, "x"), &stopped, LIMN_E_CANCELLED, "stopped");
    convert(MODEL, at(0, "x"), NULL);
    expect_fault(MODEL, path[0], &plain, LIMN_E_CREATE, "never replaced");
    convert(MODEL, at(0, "x.gguf"), NULL);
    expect_fault(MODEL, path[0], &plain, LIMN_E_CREATE, "exists already");
    const limn_convert_options forced = {.force = true};
    assert_int_equal(limn_convert(MODEL, path[0], &forced, NULL), LIMN_OK);
    expect_same_picture(MODEL, path[0]);
}

/* A disk that is full, as a limit on the size of files shows it, leaves nothing behind: see
 * tests/tool/test_9_convert.sh. Numbers that a type cannot hold are told. */
static void test_range(void **state) {
    (void)state;
    char command[400];
    size_t size;
    convert(MODEL, at(0, "x"), "f32");
    snprintf(command, sizeof command, "%s/vae/diffusion_pytorch_model.safetensors", path[0]);
    uint8_t *b = read_all(command, &size);
    const float huge = 70000;
    memcpy(b + size - sizeof huge, &huge, sizeof huge);
    limn_error error;
    assert_int_equal(limn_file_write(command, b, size, true, &error), LIMN_OK);
    free(b);
    const limn_convert_options half = {.type = "f16"}, other = {.type = "bf16"};
    expect_fault(path[0], at(1, "y.gguf"), &half, LIMN_E_INPUT, "70000");
    assert_int_equal(limn_convert(path[0], at(1, "y.gguf"), &other, NULL), LIMN_OK);
}

int main(void) {
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, make_room, clear_room)
    const struct CMUnitTest tests[] = {
        IN_ROOM(test_folder),     IN_ROOM(test_single),         IN_ROOM(test_gguf),
        IN_ROOM(test_gguf_form),  IN_ROOM(test_q8_0),           IN_ROOM(test_faults),
        IN_ROOM(test_gguf_names), IN_ROOM(test_gguf_own_names), IN_ROOM(test_range),
        IN_ROOM(test_int8),       IN_ROOM(test_int8_hostile),   IN_ROOM(test_int8_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
