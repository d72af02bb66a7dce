/* A safetensors file: 8 bytes of header length, a JSON header, the data without holes.
 * Source: github.com/huggingface/safetensors, "Format". */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "weights/convert.h"

/* The header's length becomes a multiple of this, so that the data begins aligned. */
#define ALIGNED 8

static bool add_tensor(json_t *header, const limn_out_tensor *t, uint64_t begin) {
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape[i]));
    json_t *entry =
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", limn_dtype_name(t->dtype), "shape", shape,
                  "data_offsets", (json_int_t)begin, (json_int_t)(begin + t->bytes));
    return entry && json_object_set_new(header, t->name, entry) == 0;
}

/* The header as text, malloc'd; NULL where memory ran out. PyTorch's readers want to be told that
 * it is for them. */
static char *make_header(const limn_out_tensor *const *tensors, size_t count) {
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;
    bool there = header != NULL;
    for (size_t i = 0; i < count && there; i++) {
        there = add_tensor(header, tensors[i], at);
        at += tensors[i]->bytes;
    }
    char *text = there ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

limn_status limn_safetensors_write(limn_out *o, const limn_out_tensor *const *tensors, size_t count,
                                   limn_error *err) {
    static const char spaces[ALIGNED] = "        ";
    char *header = make_header(tensors, count);
    if (!header) return limn_fail(err, LIMN_E_MEMORY, "no memory for %zu tensors' names", count);
    const size_t length = strlen(header), padded = (length + ALIGNED - 1) / ALIGNED * ALIGNED;
    const uint64_t said = padded;
    limn_status status = limn_writer_add(o->writer, &said, sizeof said, err);
    if (status == LIMN_OK) status = limn_writer_add(o->writer, header, length, err);
    if (status == LIMN_OK) status = limn_writer_add(o->writer, spaces, padded - length, err);
    free(header);
    for (size_t i = 0; i < count && status == LIMN_OK; i++)
        status = limn_out_store(o, tensors[i], err);
    return status;
}
