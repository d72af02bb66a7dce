/* A GGUF file, version 3: magic, counts, metadata, tensors' descriptions, aligned data.
 * Source: github.com/ggml-org/ggml, docs/gguf.md. */
#include <string.h>

#include "weights/convert.h"

/* Types of metadata values. */
enum { GGUF_U32 = 4, GGUF_STRING = 8 };

#define VERSION         3
#define ALIGNMENT       32
#define DIMENSIONS_MOST 4

/* Writing fields one after the other; the first fault stays. */
typedef struct fields {
    limn_out *out;
    uint64_t at; /* bytes so far */
    limn_status status;
    limn_error *err;
} fields;

static void add(fields *f, const void *data, size_t size) {
    if (f->status == LIMN_OK) f->status = limn_writer_add(f->out->writer, data, size, f->err);
    f->at += size;
}

static void add_u32(fields *f, uint32_t value) {
    add(f, &value, sizeof value);
}

static void add_u64(fields *f, uint64_t value) {
    add(f, &value, sizeof value);
}

static void add_text(fields *f, const char *text) {
    add_u64(f, strlen(text));
    add(f, text, strlen(text));
}

static void add_number(fields *f, const char *key, uint32_t value) {
    add_text(f, key);
    add_u32(f, GGUF_U32);
    add_u32(f, value);
}

static void add_string(fields *f, const char *key, const char *value) {
    add_text(f, key);
    add_u32(f, GGUF_STRING);
    add_text(f, value);
}

static void add_head(fields *f, const limn_gguf_facts *facts, size_t count) {
    add(f, "GGUF", 4);
    add_u32(f, VERSION);
    add_u64(f, count);
    add_u64(f, facts->quantised ? 5 : 4); /* pairs of metadata */
    add_string(f, "general.architecture", facts->architecture);
    add_number(f, "general.alignment", ALIGNMENT);
    add_string(f, "general.name", facts->name);
    add_number(f, "general.file_type", (uint32_t)facts->file_type);
    if (facts->quantised) add_number(f, "general.quantization_version", 2);
}

/* Zeros up to the next multiple of the alignment. */
static void align(fields *f) {
    static const char zeros[ALIGNMENT] = {0};
    add(f, zeros, (size_t)(-f->at % ALIGNMENT));
}

/* A description: dimensions come innermost first; a single number is one of one. */
static void add_description(fields *f, const limn_out_tensor *t, uint64_t offset) {
    uint32_t type = 0;
    limn_dtype_ggml(t->dtype, &type);
    add_text(f, t->name);
    add_u32(f, t->rank > 0 ? (uint32_t)t->rank : 1);
    for (int i = t->rank - 1; i >= 0; i--) add_u64(f, t->shape[i]);
    if (t->rank == 0) add_u64(f, 1);
    add_u32(f, type);
    add_u64(f, offset);
}

static limn_status check_tensor(const limn_out_tensor *t, limn_error *err) {
    if (t->rank > DIMENSIONS_MOST)
        return limn_fail(err, LIMN_E_INPUT, "tensor %.200s has %d dimensions, GGUF takes %d",
                         t->name, t->rank, DIMENSIONS_MOST);
    if (strlen(t->name) >= LIMN_GGUF_NAME_MOST)
        return limn_fail(err, LIMN_E_INPUT,
                         "tensor %.200s has a name of %zu bytes, GGUF takes fewer than %d", t->name,
                         strlen(t->name), LIMN_GGUF_NAME_MOST);
    return LIMN_OK;
}

limn_status limn_gguf_write(limn_out *o, const limn_gguf_facts *facts,
                            const limn_out_tensor *const *tensors, size_t count, limn_error *err) {
    fields f = {.out = o, .err = err};
    uint64_t offset = 0;
    for (size_t i = 0; i < count && f.status == LIMN_OK; i++)
        f.status = check_tensor(tensors[i], err);
    add_head(&f, facts, count);
    for (size_t i = 0; i < count; i++) {
        add_description(&f, tensors[i], offset);
        offset += (tensors[i]->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    align(&f);
    for (size_t i = 0; i < count && f.status == LIMN_OK; i++) {
        f.status = limn_out_store(o, tensors[i], err);
        f.at += tensors[i]->bytes;
        align(&f);
    }
    return f.status;
}
