/* TAESD against diffusers' AutoencoderTiny for the same weights, by each of the names that its
 * files have. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "decode/taesd.h"
#include "support/golden.h"

#define MODEL "tests/golden/tiny-taesd"

/* Relative to the largest value; tests/golden/README.md measures 1e-6 against float64. */
#define TOLERANCE 1e-5

#define WORK_BYTES ((size_t)32 << 20)

/* A loaded TAESD with room to run in. */
typedef struct tiny {
    limn_taesd_files files;
    limn_taesd m;
    limn_arena weights, ws;
    limn_exec e;
} tiny;

static limn_status load(tiny *t, limn_arena *arena, limn_pack_job *jobs, int *count,
                        limn_error *err) {
    limn_loader ld = {.k = t->e.k,
                      .arena = arena,
                      .tensors = t->files.tensors,
                      .jobs = jobs,
                      .jobs_room = *count,
                      .err = err};
    limn_taesd_load(&ld, t->files.config, &t->m);
    if (t->files.config) limn_taesd_load_encoder(&ld, t->files.config, &t->m);
    *count = ld.job_count;
    if (jobs && ld.status == LIMN_OK) limn_load_pack(&ld, 1);
    return ld.status;
}

static limn_status tiny_open(const char *path, tiny *t, limn_error *err) {
    *t = (tiny){.e = {.k = limn_kernels_pick(), .ws = &t->ws}};
    limn_arena plan = limn_arena_measure();
    int count = 0;
    limn_status status = limn_taesd_files_open(path, &t->files, err);
    if (status == LIMN_OK) status = load(t, &plan, NULL, &count, err);
    if (status != LIMN_OK) return status;
    limn_pack_job *jobs = calloc((size_t)count, sizeof *jobs);
    assert_non_null(jobs);
    assert_int_equal(limn_arena_open(&t->weights, plan.peak, err), LIMN_OK);
    status = load(t, &t->weights, jobs, &count, err);
    free(jobs);
    assert_int_equal(limn_arena_open(&t->ws, WORK_BYTES, err), LIMN_OK);
    return status;
}

static void tiny_close(tiny *t) {
    limn_taesd_files_close(&t->files);
    limn_arena_close(&t->weights);
    limn_arena_close(&t->ws);
}

/* [n, c, h, w] of a golden file -> [n, h, w, c]. */
static limn_map map_of(limn_exec *e, const golden *g, const char *name) {
    int s[8];
    golden_shape(g, name, s);
    limn_map m = limn_map_take(e, s[0], s[2], s[3], s[1]);
    const float *x = golden_f32(g, name, NULL);
    for (int c = 0; c < s[1]; c++)
        for (int p = 0; p < s[2] * s[3]; p++) m.v[p * s[1] + c] = x[c * s[2] * s[3] + p];
    return m;
}

static void check(limn_exec *e, const char *file, const limn_map *got, const golden *g,
                  const char *name) {
    limn_map want = map_of(e, g, name);
    assert_int_equal(limn_map_count(got), limn_map_count(&want));
    double error = golden_relative_error(got->v, want.v, limn_map_count(got));
    if (!(error <= TOLERANCE))
        fail_msg("%s: relative error %.2g, at most %.2g", file, error, TOLERANCE);
    print_message("  %-52s %.1e\n", file, error);
}

/* Decodes one of the golden latents; the map lives until the workspace is released. */
static limn_map decode(tiny *t, const golden *g) {
    limn_map latents = map_of(&t->e, g, "in.latent");
    limn_map out = limn_map_take(&t->e, 1, latents.h * 8, latents.w * 8, 3);
    limn_taesd_decode(&t->e, &t->m, &latents, &out);
    return out;
}

static void open_or_fail(const char *path, tiny *t) {
    limn_error err;
    if (tiny_open(path, t, &err) != LIMN_OK) fail_msg("%s", err.text);
}

static void test_decode(void **state) {
    (void)state;
    static const char *const files[] = {"decode_2x3", "decode_8x8", "decode_8x12"};
    tiny t;
    open_or_fail(MODEL, &t);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        snprintf(path, sizeof path, MODEL "/golden/%s.safetensors", files[i]);
        golden *g = golden_open(path);
        limn_map out = decode(&t, g);
        check(&t.e, files[i], &out, g, "out.sample");
        golden_close(g);
        limn_arena_release(&t.ws, 0);
    }
    tiny_close(&t);
}

static void test_encode(void **state) {
    (void)state;
    static const char *const files[] = {"encode_16x24", "encode_64x64", "encode_64x96"};
    tiny t;
    open_or_fail(MODEL, &t);
    assert_true(t.m.has_encoder);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        snprintf(path, sizeof path, MODEL "/golden/%s.safetensors", files[i]);
        golden *g = golden_open(path);
        limn_map picture = map_of(&t.e, g, "in.image");
        limn_map out = limn_map_take(&t.e, 1, picture.h / 8, picture.w / 8, t.m.latent_c);
        limn_taesd_encode(&t.e, &t.m, &picture, &out);
        check(&t.e, files[i], &out, g, "out.latent");
        golden_close(g);
        limn_arena_release(&t.ws, 0);
    }
    tiny_close(&t);
}

/* ---- files by other names -------------------------------------------------------------------- */

/* Writes the decoder's tensors again, "decoder.layers.N.REST" as "PREFIX(N + from).REST"; every
 * tensor from layer `end` on is left out. */
static void write_renamed(const char *path, const char *prefix, int from, int end) {
    golden *g = golden_open(MODEL "/diffusion_pytorch_model.safetensors");
    char header[16384], name[100], *data = malloc(4 << 20);
    size_t at = 1, size = 0;
    header[0] = '{';
    for (size_t i = 0; i < golden_count(g); i++) {
        int layer, rest = 0, shape[8];
        const char *old = golden_name(g, i);
        if (sscanf(old, "decoder.layers.%d%n", &layer, &rest) != 1 || layer >= end) continue;
        snprintf(name, sizeof name, "%s%d%s", prefix, layer + from, old + rest);
        size_t count;
        const float *values = golden_f32(g, old, &count);
        bool vector = golden_shape(g, old, shape) == 1;
        at += (size_t)snprintf(header + at, sizeof header - at,
                               "%s\"%s\":{\"dtype\":\"F32\",\"data_offsets\":[%zu,%zu],\"shape\":[",
                               at > 1 ? "," : "", name, size, size + 4 * count);
        at += (size_t)snprintf(header + at, sizeof header - at, vector ? "%d]}" : "%d,%d,%d,%d]}",
                               shape[0], shape[1], shape[2], shape[3]);
        memcpy(data + size, values, 4 * count);
        size += 4 * count;
    }
    at += (size_t)snprintf(header + at, sizeof header - at, "}");
    uint8_t *file = malloc(8 + at + size);
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)at >> 8 * i);
    memcpy(file + 8, header, at);
    memcpy(file + 8 + at, data, size);
    assert_int_equal(limn_file_write(path, file, 8 + at + size, true, NULL), LIMN_OK);
    free(file);
    free(data);
    golden_close(g);
}

static void test_names(void **state) {
    static const struct {
        const char *prefix;
        int from;
    } forms[] = {{"", 1}, {"decoder.", 1}, {"decoder.layers.", 0}};
    golden *g = golden_open(MODEL "/golden/decode_8x12.safetensors");
    tiny a, b;
    open_or_fail(MODEL, &a);
    limn_map want = decode(&a, g);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        write_renamed(*state, forms[i].prefix, forms[i].from, 100);
        open_or_fail(*state, &b);
        limn_map got = decode(&b, g);
        assert_memory_equal(got.v, want.v, limn_map_count(&want) * sizeof *want.v);
        tiny_close(&b);
    }
    tiny_close(&a);
    golden_close(g);
}

/* A file that ends early, and one that is no TAESD at all. */
static void test_wrong_files(void **state) {
    tiny t;
    limn_error err;
    for (int end = 0; end < 18; end++) {
        write_renamed(*state, "", 1, end);
        assert_int_equal(tiny_open(*state, &t, &err), LIMN_E_INPUT);
        assert_true(strlen(err.text) > 20);
        tiny_close(&t);
    }
    const char *vae = "tests/golden/tiny-sd15/vae/diffusion_pytorch_model.safetensors";
    assert_int_equal(tiny_open(vae, &t, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "TAESD"));
    tiny_close(&t);
    assert_int_equal(tiny_open("tests/golden/tiny-sd15/vae", &t, &err), LIMN_E_INPUT);
    tiny_close(&t);
    assert_int_equal(tiny_open("tests/golden/clip", &t, &err), LIMN_E_MISSING);
    tiny_close(&t);
    assert_int_equal(tiny_open("tests/no-such-file", &t, &err), LIMN_E_MISSING);
    tiny_close(&t);
}

static int make_name(void **state) {
    char *name = strdup("/tmp/limn-taesd-XXXXXX");
    int fd = name ? mkstemp(name) : -1;
    if (fd < 0) return -1;
    close(fd);
    *state = name;
    return 0;
}

static int remove_name(void **state) {
    unlink(*state);
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, make_name, remove_name);
}
