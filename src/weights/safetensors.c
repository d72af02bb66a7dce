/* safetensors: 8 bytes of little-endian header length, a JSON header, the data.
 *
 *     {"name": {"dtype": "F16", "shape": [320, 4, 3, 3], "data_offsets": [0, 23040]}, ...,
 *      "__metadata__": {"any": "text"}}
 *
 * Offsets count from the end of the header. The tensors must tile the data: no byte in two of them,
 * no byte in none, so that nothing can hide in a file and two readers cannot disagree about it.
 * Source: github.com/huggingface/safetensors, "Format". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "weights/json.h"
#include "weights/tensors.h"

#define HEADER_MOST ((uint64_t)100 * 1000 * 1000) /* the format's own limit */
#define METADATA    "__metadata__"

/* A file under way. */
typedef struct reader {
    const char *name; /* of the file, for sentences */
    uint64_t data;    /* where the data begin in the file: after the header */
    size_t data_bytes;
    limn_error *err;
} reader;

/* Files that are given this ending by mistake, known by how they begin. */
static const struct {
    const char *start, *sentence;
} STRANGERS[] = {
    {"version https://git-lfs", "is a Git LFS pointer, not the file itself; fetch it with git lfs"},
    {"PK\3\4", "is a zip or PyTorch pickle file, not safetensors"},
    {"GGUF", "is a GGUF file, not safetensors"},
    {"<!DOCTYPE", "is a web page, not safetensors; the download went wrong"},
    {"<html", "is a web page, not safetensors; the download went wrong"},
};

/* The first bytes of a file: the header's length, and enough after it to know strangers. */
#define HEAD_BYTES 24

static limn_status refuse_strangers(const uint8_t *head, size_t size, const char *name,
                                    limn_error *err) {
    for (size_t i = 0; i < sizeof STRANGERS / sizeof *STRANGERS; i++) {
        const size_t length = strlen(STRANGERS[i].start);
        if (size >= length && memcmp(head, STRANGERS[i].start, length) == 0) {
            return limn_fail(err, LIMN_E_INPUT, "%s: this %s", name, STRANGERS[i].sentence);
        }
    }
    return LIMN_OK;
}

/* Finds the header: *out becomes its length, which is then known to lie in the file. */
static limn_status find_header(const limn_source *s, size_t *out, limn_error *err) {
    uint8_t head[HEAD_BYTES];
    const size_t there = s->size < sizeof head ? (size_t)s->size : sizeof head;
    limn_status status = limn_source_read(s, 0, there, head, err);
    if (status == LIMN_OK) status = refuse_strangers(head, there, s->name, err);
    if (status != LIMN_OK) return status;
    if (there < 8) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the file ends at byte %zu, too early for safetensors, which begins "
                         "with 8 bytes of header length",
                         s->name, there);
    }
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | head[i];
    if (length > HEADER_MOST) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the header is said to be %" PRIu64 " bytes long; at most %" PRIu64
                         " are allowed, so this is no safetensors file or a damaged one",
                         s->name, length, HEADER_MOST);
    }
    if (length > s->size - 8) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the header should be %" PRIu64 " bytes long, but only %" PRIu64
                         " follow; the file is cut off",
                         s->name, length, s->size - 8);
    }
    if (length == 0 || head[8] != '{') {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the header must be a JSON object and begin with '{'", s->name);
    }
    *out = (size_t)length;
    return LIMN_OK;
}

/* Reads the header's bytes into memory and the JSON in them; *out is the caller's. */
static limn_status parse_header(const limn_source *s, size_t size, json_t **out, limn_error *err) {
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a header of %zu bytes", s->name,
                         size);
    limn_status status = limn_source_read(s, 8, size, bytes, err);
    if (status == LIMN_OK) status = limn_json_read(bytes, size, s->name, "the header", out, err);
    free(bytes);
    return status;
}

/* "__metadata__" is a map of texts, of which the short ones are kept as notes. */
static limn_status read_metadata(const reader *r, json_t *metadata, limn_tensors *set) {
    if (metadata == NULL) return LIMN_OK;
    if (!json_is_object(metadata)) {
        return limn_fail(r->err, LIMN_E_INPUT, "%s: \"" METADATA "\" must be a JSON object",
                         r->name);
    }
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) {
            return limn_fail(r->err, LIMN_E_INPUT,
                             "%s: \"" METADATA "\" must hold texts only, but \"%.200s\" is none",
                             r->name, key);
        }
        limn_status status = limn_tensors_keep_note(set, key, strlen(key), json_string_value(value),
                                                    json_string_length(value), r->err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

static limn_status read_dtype(const reader *r, const json_t *entry, limn_tensor *t) {
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype)) {
        return limn_fail(r->err, LIMN_E_INPUT, "%s: tensor \"%.200s\" has no text as its dtype",
                         r->name, t->name);
    }
    if (!limn_dtype_find(json_string_value(dtype), &t->dtype)) {
        return limn_fail(
            r->err, LIMN_E_INPUT,
            "%s: tensor \"%.200s\" is stored as \"%.50s\", a type that limn does not "
            "read; it reads F32, F16, BF16, F64, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U8 and BOOL",
            r->name, t->name, json_string_value(dtype));
    }
    return LIMN_OK;
}

/* Reads the shape, and from it the count and the bytes that the tensor must have. */
static limn_status read_shape(const reader *r, const json_t *entry, limn_tensor *t) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) {
        return limn_fail(r->err, LIMN_E_INPUT, "%s: tensor \"%.200s\" has no list as its shape",
                         r->name, t->name);
    }
    const size_t rank = json_array_size(shape);
    if (rank > LIMN_RANK_MAX) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" has %zu dimensions; at most %d are read", r->name,
                         t->name, rank, LIMN_RANK_MAX);
    }
    size_t count = 1;
    bool fits = true;
    for (size_t i = 0; i < rank; i++) {
        const json_t *side = json_array_get(shape, i);
        if (!json_is_integer(side) || json_integer_value(side) < 0) {
            char found[80];
            limn_json_describe(side, found, sizeof found);
            return limn_fail(
                r->err, LIMN_E_INPUT,
                "%s: tensor \"%.200s\": every side of its shape must be a whole number "
                "of at least 0, found %s",
                r->name, t->name, found);
        }
        t->shape[i] = (uint64_t)json_integer_value(side);
        fits = fits && t->shape[i] <= SIZE_MAX && limn_mul_ok(count, (size_t)t->shape[i], &count);
    }
    t->rank = (int)rank;
    t->count = count;
    if (!fits || !limn_mul_ok(count, limn_dtype_bytes(t->dtype), &t->bytes)) {
        char text[LIMN_SHAPE_TEXT];
        limn_shape_describe(t->rank, t->shape, text);
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" of shape %s is larger than any memory", r->name,
                         t->name, text);
    }
    return LIMN_OK;
}

/* Reads where the data lie, and checks that they lie in the file and are as many as they must be.
 */
static limn_status read_offsets(const reader *r, const json_t *entry, limn_tensor *t) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last)) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\": data_offsets must be a list of two whole numbers",
                         r->name, t->name);
    }
    const json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\": data_offsets must rise from 0 or more, found "
                         "[%" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT "]",
                         r->name, t->name, begin, end);
    }
    if ((uint64_t)end > r->data_bytes) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" ends at byte %" JSON_INTEGER_FORMAT
                         " of the data, but only %zu are there; the file is cut off",
                         r->name, t->name, end, r->data_bytes);
    }
    if ((uint64_t)(end - begin) != t->bytes) {
        char text[LIMN_SHAPE_TEXT];
        limn_shape_describe(t->rank, t->shape, text);
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" of type %s and shape %s takes %zu bytes, but its "
                         "data_offsets give it %" JSON_INTEGER_FORMAT,
                         r->name, t->name, limn_dtype_name(t->dtype), text, t->bytes, end - begin);
    }
    t->offset = r->data + (uint64_t)begin;
    return LIMN_OK;
}

static limn_status read_entry(const reader *r, const json_t *entry, limn_tensor *t) {
    if (!json_is_object(entry)) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" must be described by a JSON object", r->name,
                         t->name);
    }
    limn_status status = read_dtype(r, entry, t);
    if (status == LIMN_OK) status = read_shape(r, entry, t);
    if (status == LIMN_OK) status = read_offsets(r, entry, t);
    return status;
}

/* Fills the set, which has room for every entry of the header but the metadata. */
static limn_status read_entries(const reader *r, json_t *header, limn_tensors *set) {
    limn_status status = read_metadata(r, json_object_get(header, METADATA), set);
    char *names = set->names;
    size_t i = 0;
    const char *key;
    json_t *entry;
    json_object_foreach(header, key, entry) {
        if (status != LIMN_OK) return status;
        if (strcmp(key, METADATA) == 0) continue;
        const size_t length = strlen(key) + 1;
        set->items[i].name = memcpy(names, key, length);
        names += length;
        status = read_entry(r, entry, &set->items[i++]);
    }
    return status;
}

static limn_status read_header(const reader *r, const limn_source *source, json_t *header,
                               limn_tensors **out) {
    size_t count = 0, name_bytes = 0;
    const char *key;
    json_t *entry;
    json_object_foreach(header, key, entry) {
        if (strcmp(key, METADATA) == 0) continue;
        count++;
        name_bytes += strlen(key) + 1;
    }
    limn_status status = limn_tensors_make(source, count, name_bytes, out, r->err);
    if (status != LIMN_OK) return status;

    status = read_entries(r, header, *out);
    if (status == LIMN_OK)
        status = limn_tensors_check_tiling(*out, (size_t)r->data, r->data_bytes, 1, r->err);
    if (status != LIMN_OK) {
        limn_tensors_free(*out);
        *out = NULL;
        return status;
    }
    limn_tensors_sort(*out);
    limn_tensors_link_scales(*out);
    return LIMN_OK;
}

limn_status limn_safetensors_read(const limn_source *source, limn_tensors **out, limn_error *err) {
    *out = NULL;
    size_t header_bytes = 0;
    limn_status status = find_header(source, &header_bytes, err);
    if (status != LIMN_OK) return status;

    json_t *header;
    status = parse_header(source, header_bytes, &header, err);
    if (status != LIMN_OK) return status;

    const reader r = {.name = source->name,
                      .data = 8 + header_bytes,
                      .data_bytes = (size_t)(source->size - 8 - header_bytes),
                      .err = err};
    status = read_header(&r, source, header, out);
    json_decref(header);
    return status;
}
