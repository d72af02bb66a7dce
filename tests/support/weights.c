#include "support/weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/guarded.h"

enum { TENSORS_MOST = 40, NAME_BYTES = 160 };

struct weights_file {
    uint64_t *random;
    bool fixed; /* all tensors are of one type from here on, which is: */
    limn_dtype type;
    struct {
        char name[NAME_BYTES];
        int rank, shape[4];
        size_t count;
        limn_dtype type;
        float *values;
    } tensor[TENSORS_MOST];
    int count;
    uint8_t *bytes;
    size_t size;
    limn_tensors *tensors;
    char path[40]; /* "" until it was saved */
};

weights_file *weights_make(uint64_t *random) {
    weights_file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->random = random;
    return f;
}

void weights_store(weights_file *f, limn_dtype type) {
    f->fixed = true;
    f->type = type;
}

void weights_add(weights_file *f, const char *name, int rank, const int *shape) {
    assert_true(f->count < TENSORS_MOST && rank <= 4 && !f->tensors);
    int i = f->count++;
    snprintf(f->tensor[i].name, sizeof f->tensor[i].name, "%s", name);
    f->tensor[i].rank = rank;
    static const limn_dtype turns[] = {LIMN_F32, LIMN_F16, LIMN_BF16};
    f->tensor[i].type = f->fixed ? f->type : turns[i % 3];
    size_t count = 1;
    for (int d = 0; d < rank; d++) count *= (size_t)(f->tensor[i].shape[d] = shape[d]);
    f->tensor[i].count = count;
    float *v = f->tensor[i].values = malloc(count * sizeof *v);
    assert_non_null(v);
    random_fill(f->random, NUMBERS_PLAIN, v, count);
    const float steps = f->tensor[i].type == LIMN_BF16 ? 128 : 512; /* those to 2 have all types */
    for (size_t k = 0; k < count && f->tensor[i].type != LIMN_F32; k++)
        v[k] = rintf(v[k] * steps) / steps;
}

const float *weights_of(const weights_file *f, const char *name) {
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->tensor[i].name, name) == 0) return f->tensor[i].values;
    fail_msg("no weights %s", name);
    return NULL;
}

/* The bits of a bfloat16 for a float that is one. */
static uint16_t brain_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* The bits of a float16 for a float that is one: a multiple of 2^-9 up to 2. */
static uint16_t half_of(float x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (x == 0) return sign;
    int exponent;
    float fraction = frexpf(fabsf(x), &exponent); /* 0.5 to 1 */
    return (uint16_t)(sign | (exponent + 14) << 10 | ((int)(fraction * 2048) - 1024));
}

/* Writes a number that is one of the type's; returns where the next goes. */
static uint8_t *put(uint8_t *to, limn_dtype type, float x) {
    if (type == LIMN_F32) return (uint8_t *)memcpy(to, &x, sizeof x) + sizeof x;
    const uint16_t bits = type == LIMN_BF16 ? brain_of(x) : half_of(x);
    return (uint8_t *)memcpy(to, &bits, sizeof bits) + sizeof bits;
}

const limn_tensors *weights_tensors(weights_file *f) {
    if (f->tensors) return f->tensors;
    static const size_t room = TENSORS_MOST * (NAME_BYTES + 120);
    char *header = malloc(room);
    assert_non_null(header);
    header[0] = '{';
    size_t at = 1, data = 0;
    for (int i = 0; i < f->count; i++) {
        size_t bytes = f->tensor[i].count * limn_dtype_bytes(f->tensor[i].type);
        at += (size_t)snprintf(header + at, room - at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                               i ? "," : "", f->tensor[i].name, limn_dtype_name(f->tensor[i].type));
        for (int d = 0; d < f->tensor[i].rank; d++)
            at += (size_t)snprintf(header + at, room - at, "%s%d", d ? "," : "",
                                   f->tensor[i].shape[d]);
        at += (size_t)snprintf(header + at, room - at, "],\"data_offsets\":[%zu,%zu]}", data,
                               data + bytes);
        data += bytes;
    }
    at += (size_t)snprintf(header + at, room - at, "}");
    assert_true(at < room);
    uint8_t *to = f->bytes = malloc(8 + at + data);
    assert_non_null(to);
    for (int i = 0; i < 8; i++) *to++ = (uint8_t)((uint64_t)at >> 8 * i);
    memcpy(to, header, at);
    free(header);
    to += at;
    for (int i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->tensor[i].count; k++)
            to = put(to, f->tensor[i].type, f->tensor[i].values[k]);
    limn_error err;
    f->size = 8 + at + data;
    const limn_source source = limn_source_of("test", f->bytes, f->size);
    if (limn_safetensors_read(&source, &f->tensors, &err) != LIMN_OK) fail_msg("%s", err.text);
    return f->tensors;
}

const char *weights_save(weights_file *f) {
    weights_tensors(f);
    if (f->path[0]) return f->path;
    snprintf(f->path, sizeof f->path, "/tmp/limn-test-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0 && write(fd, f->bytes, f->size) == (ssize_t)f->size);
    close(fd);
    return f->path;
}

void weights_free(weights_file *f) {
    if (f->path[0]) unlink(f->path);
    limn_tensors_free(f->tensors);
    for (int i = 0; i < f->count; i++) free(f->tensor[i].values);
    free(f->bytes);
    free(f);
}
