#include "support/control.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "support/golden.h"
#include "support/single.h"
#include "weights/weights.h"

#define MODEL  "tests/golden/tiny-sd15"
#define CODER  "controlnet_cond_embedding."
#define COLUMN 160

/* The coder's channels. */
static const int widths[] = {4, 8, 12, 16};
enum { WIDTHS = sizeof widths / sizeof *widths };

/* A file under way. */
typedef struct writer {
    const control_form *form;
    const limn_tensors *unet;
    byte_list header, data;
    gguf g;
} writer;

/* The i-th number of a tensor: FNV-1a of its name, counted on and mixed (MurmurHash3's finish). */
static int number_of(uint32_t seed, uint32_t i) {
    uint32_t x = seed + i * 0x9E3779B9u;
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return (int)((x ^ x >> 16) >> 24) - 128;
}

static void fill(const char *name, int rank, const uint64_t *shape, float *out, uint64_t count) {
    uint32_t seed = 0x811C9DC5u;
    int shift = 0;
    for (const char *c = name; *c; c++) seed = (seed ^ (uint8_t)*c) * 0x01000193u;
    uint64_t inputs = count / shape[0];
    while (rank > 1 && ldexp(1, 2 * shift) < 5500.0 * (double)inputs) shift++;
    bool scales = rank == 1 && strstr(name, "norm") && strstr(name, ".weight");
    for (uint64_t i = 0; i < count; i++) {
        int k = number_of(seed, (uint32_t)i);
        out[i] = scales      ? 1 + floorf((float)k / 16) / 32
                 : rank == 1 ? (float)k / 1024
                             : ldexpf((float)k, -shift);
    }
}

static void put_bytes(writer *w, const char *type, const float *x, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        uint16_t half;
        memcpy(&bits, &x[i], sizeof bits);
        limn_f32_to_f16(&x[i], 1, &half);
        if (strcmp(type, "F32") == 0) bytes_add_number(&w->data, bits, 4);
        if (strcmp(type, "F16") == 0) bytes_add_number(&w->data, half, 2);
        if (strcmp(type, "BF16") == 0) bytes_add_number(&w->data, bits >> 16, 2);
    }
}

/* Replaces the `from` that name[COLUMN] begins with. */
static void swap_start(char *name, const char *from, const char *to) {
    char rest[COLUMN];
    if (strncmp(name, from, strlen(from)) != 0) return;
    snprintf(rest, sizeof rest, "%s", name + strlen(from));
    snprintf(name, COLUMN, "%.40s%.100s", to, rest);
}

/* diffusers' name becomes the original one. */
static void rename_original(const limn_tensors *unet, char *name) {
    char from[80], to[80], whole[300];
    swap_start(name, "controlnet_mid_block.", "middle_block_out.0.");
    swap_start(name, CODER "conv_in.", "input_hint_block.0.");
    swap_start(name, CODER "conv_out.", "input_hint_block.14.");
    for (int i = 0; i < 12; i++) {
        snprintf(from, sizeof from, CODER "blocks.%d.", i);
        snprintf(to, sizeof to, "input_hint_block.%d.", 2 * i + 2);
        swap_start(name, from, to);
        snprintf(from, sizeof from, "controlnet_down_blocks.%d.", i);
        snprintf(to, sizeof to, "zero_convs.%d.0.", i);
        swap_start(name, from, to);
    }
    snprintf(whole, sizeof whole, "%s", name);
    single_unet_name(unet, whole);
    snprintf(name, COLUMN, "control_model.%.140s", whole);
}

static bool is(const char *name, const char *other) {
    return other && strcmp(name, other) == 0;
}

static void put(writer *w, const char *name, int rank, const uint64_t *shape) {
    const control_form *form = w->form;
    const char *type = form->type ? form->type : "F32";
    char own[COLUMN];
    uint64_t count = 1, side[4] = {0};
    if (is(name, form->without)) return;
    for (int i = 0; i < rank; i++) {
        side[i] = shape[i] + (i == 0 && is(name, form->longer) ? 8 : 0);
        count *= side[i];
    }
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    fill(name, rank, side, x, count);
    size_t from = w->data.size;
    put_bytes(w, type, x, count);
    free(x);
    snprintf(own, sizeof own, "%s", name);
    if (form->original) rename_original(w->unet, own);
    if (form->gguf) {
        const uint32_t number = strcmp(type, "F32") == 0 ? 0 : strcmp(type, "F16") == 0 ? 1 : 30;
        gguf_tensor(&w->g, own, rank, side, number, w->data.data + from, w->data.size - from);
        return;
    }
    char line[400];
    int n = snprintf(line, sizeof line, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                     w->header.size > 0 ? "," : "{", own, type);
    for (int i = 0; i < rank; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%s%" PRIu64, i ? "," : "", side[i]);
    n += snprintf(line + n, sizeof line - (size_t)n, "],\"data_offsets\":[%zu,%zu]}", from,
                  w->data.size);
    bytes_add(&w->header, line, (size_t)n);
}

/* A convolution of c channels in and n out. */
static void put_conv(writer *w, const char *name, int n, int c, int kernel) {
    char full[COLUMN];
    const uint64_t k = (uint64_t)kernel, shape[4] = {(uint64_t)n, (uint64_t)c, k, k};
    snprintf(full, sizeof full, "%s.weight", name);
    put(w, full, 4, shape);
    snprintf(full, sizeof full, "%s.bias", name);
    put(w, full, 1, shape);
}

/* What it copies of the U-Net. */
static void put_copy(writer *w) {
    static const char *const copied[] = {"conv_in.", "time_embedding.", "down_blocks.",
                                         "mid_block."};
    for (size_t i = 0; i < limn_tensors_count(w->unet); i++) {
        const limn_tensor *t = limn_tensors_at(w->unet, i);
        for (size_t k = 0; k < sizeof copied / sizeof *copied; k++)
            if (strncmp(t->name, copied[k], strlen(copied[k])) == 0)
                put(w, t->name, t->rank, t->shape);
    }
}

/* What is its own. */
static void put_own(writer *w) {
    static const int behind[12] = {32, 32, 32, 32, 32, 32, 32, 64, 64, 64, 64, 64};
    char name[80];
    put_conv(w, CODER "conv_in", widths[0], 3, 3);
    put_conv(w, CODER "conv_out", 32, widths[WIDTHS - 1], 3);
    for (int i = 0; i + 1 < WIDTHS; i++) {
        snprintf(name, sizeof name, CODER "blocks.%d", 2 * i);
        put_conv(w, name, widths[i], widths[i], 3);
        snprintf(name, sizeof name, CODER "blocks.%d", 2 * i + 1);
        put_conv(w, name, widths[i + 1], widths[i], 3);
    }
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "controlnet_down_blocks.%d", i);
        put_conv(w, name, behind[i], behind[i], 1);
    }
    put_conv(w, "controlnet_mid_block", 64, 64, 1);
}

static void finish_gguf(writer *w, const char *path) {
    size_t size;
    uint8_t *all = gguf_finish(&w->g, &size);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(all, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    free(all);
    free(w->data.data);
}

static void finish(writer *w, const char *path) {
    byte_list length = {0};
    char line[200];
    if (w->form->more) {
        int n = snprintf(line, sizeof line,
                         ",\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                         w->form->more, w->data.size, w->data.size + 4);
        bytes_add(&w->header, line, (size_t)n);
        bytes_add_zeros(&w->data, 4);
    }
    bytes_add(&w->header, "}", 1);
    bytes_add_number(&length, w->header.size, 8);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(length.data, 1, 8, f), 8);
    assert_int_equal(fwrite(w->header.data, 1, w->header.size, f), w->header.size);
    assert_int_equal(fwrite(w->data.data, 1, w->data.size, f), w->data.size);
    assert_int_equal(fclose(f), 0);
    free(length.data);
    free(w->header.data);
    free(w->data.data);
}

void control_write(const control_form *form, const char *path) {
    limn_folder *f;
    writer w = {.form = form};
    assert_int_equal(limn_folder_open(MODEL, &f, NULL), LIMN_OK);
    assert_int_equal(limn_folder_tensors(f, "unet", &w.unet, NULL), LIMN_OK);
    put_copy(&w);
    put_own(&w);
    if (form->gguf)
        finish_gguf(&w, path);
    else
        finish(&w, path);
    limn_folder_close(f);
}

void control_make_folder(const char *folder, const char *change) {
    char path[300];
    json_t *unet = golden_json(MODEL "/unet/config.json"), *coder = json_array();
    mkdir(folder, 0777);
    json_object_set_new(unet, "_class_name", json_string("ControlNetModel"));
    json_object_del(unet, "up_block_types");
    json_object_del(unet, "out_channels");
    for (int i = 0; i < WIDTHS; i++) json_array_append_new(coder, json_integer(widths[i]));
    json_object_set_new(unet, "conditioning_embedding_out_channels", coder);
    json_object_set_new(unet, "controlnet_conditioning_channel_order", json_string("rgb"));
    json_object_set_new(unet, "global_pool_conditions", json_false());
    json_t *other = change ? json_loads(change, 0, NULL) : NULL;
    if (other) json_object_update(unet, other);
    json_decref(other);
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_int_equal(json_dump_file(unet, path, 0), 0);
    json_decref(unet);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", folder);
    control_write(&(control_form){.type = "F16"}, path);
}
