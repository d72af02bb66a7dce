#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

struct golden {
    json_t *header; /* object: name -> {dtype, shape, data_offsets} */
    uint8_t *data;  /* aligned to 64 bytes */
    size_t size;
};

static size_t item_size(const char *type) {
    static const struct {
        const char *type;
        size_t size;
    } sizes[] = {{"F64", 8}, {"I64", 8}, {"F32", 4}, {"I32", 4},
                 {"F16", 2}, {"U8", 1},  {"I8", 1},  {"BOOL", 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (strcmp(type, sizes[i].type) == 0) return sizes[i].size;
    fail_msg("golden data of the unknown type %s", type);
    return 0;
}

golden *golden_open(const char *path) {
    limn_bytes file;
    limn_error err;
    if (limn_file_open(path, &file, &err) != LIMN_OK) fail_msg("%s", err.text);
    uint64_t length = 0;
    if (file.size >= 8) memcpy(&length, file.data, 8);
    if (length == 0 || length > file.size - 8) fail_msg("%s: not a safetensors file", path);

    golden *g = calloc(1, sizeof *g);
    assert_non_null(g);
    json_error_t where;
    g->header = json_loadb((const char *)file.data + 8, length, JSON_REJECT_DUPLICATES, &where);
    if (!g->header) fail_msg("%s: %s", path, where.text);
    json_object_del(g->header, "__metadata__");
    g->size = file.size - 8 - length;
    g->data = aligned_alloc(64, (g->size + 64) / 64 * 64);
    assert_non_null(g->data);
    memcpy(g->data, file.data + 8 + length, g->size);
    limn_file_close(&file);
    return g;
}

void golden_close(golden *g) {
    if (!g) return;
    json_decref(g->header);
    free(g->data);
    free(g);
}

const char *golden_type(const golden *g, const char *name) {
    return json_string_value(json_object_get(json_object_get(g->header, name), "dtype"));
}

bool golden_has(const golden *g, const char *name) {
    return golden_type(g, name) != NULL;
}

const void *golden_find(const golden *g, const char *name, size_t *count) {
    const char *type = golden_type(g, name);
    if (!type) return NULL;
    const json_t *offsets = json_object_get(json_object_get(g->header, name), "data_offsets");
    size_t from = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t to = (size_t)json_integer_value(json_array_get(offsets, 1));
    size_t size = item_size(type);
    if (from > to || to > g->size || from % size != 0) fail_msg("%s: bad offsets", name);
    if (count) *count = (to - from) / size;
    return g->data + from;
}

/* A tensor that must be there and of that type. */
static const void *find_typed(const golden *g, const char *name, const char *type, size_t *count) {
    const char *found = golden_type(g, name);
    if (!found) fail_msg("there is no tensor %s in the golden data", name);
    if (strcmp(found, type) != 0) fail_msg("%s is %s, not %s", name, found, type);
    return golden_find(g, name, count);
}

const float *golden_f32(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "F32", count);
}

const double *golden_f64(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "F64", count);
}

const int64_t *golden_i64(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "I64", count);
}

const int32_t *golden_i32(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "I32", count);
}

const uint16_t *golden_f16(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "F16", count);
}

const uint8_t *golden_u8(const golden *g, const char *name, size_t *count) {
    return find_typed(g, name, "U8", count);
}

int golden_shape(const golden *g, const char *name, int shape[8]) {
    const json_t *dims = json_object_get(json_object_get(g->header, name), "shape");
    if (!dims) fail_msg("there is no tensor %s in the golden data", name);
    for (size_t i = 0; i < 8; i++)
        shape[i] = i < json_array_size(dims) ? (int)json_integer_value(json_array_get(dims, i)) : 1;
    return (int)json_array_size(dims);
}

size_t golden_count(const golden *g) {
    return json_object_size(g->header);
}

const char *golden_name(const golden *g, size_t i) {
    void *iter = json_object_iter(g->header);
    while (iter && i-- > 0) iter = json_object_iter_next(g->header, iter);
    return iter ? json_object_iter_key(iter) : NULL;
}

json_t *golden_json(const char *path) {
    json_error_t where;
    json_t *out = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!out) fail_msg("%s:%d: %s", path, where.line, where.text);
    return out;
}

void golden_turn(const float *x, const int shape[4], bool inside, float *out) {
    int c = shape[1], pixels = shape[2] * shape[3];
    for (int i = 0; i < shape[0]; i++)
        for (int k = 0; k < c; k++)
            for (int p = 0; p < pixels; p++) {
                int a = (i * c + k) * pixels + p, b = (i * pixels + p) * c + k;
                out[inside ? b : a] = x[inside ? a : b];
            }
}

double golden_relative_error(const float *got, const float *want, size_t count) {
    double most = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= INFINITY)) return INFINITY;
        if (d > most) most = d;
        if (fabs((double)want[i]) > scale) scale = fabs((double)want[i]);
    }
    return most > 0 ? most / scale : 0;
}
