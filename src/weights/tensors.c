/* A set of named tensors: finding one, and finding it in the wanted shape. */
#include "weights/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

limn_status limn_tensors_make(const limn_source *source, size_t count, size_t name_bytes,
                              limn_tensors **out, limn_error *err) {
    *out = NULL;
    limn_tensors *t = calloc(1, sizeof *t);
    if (t != NULL) {
        /* One more than needed, so that no size is 0 and NULL always means no memory. */
        t->file = strdup(source->name);
        t->items = calloc(count + 1, sizeof *t->items);
        t->names = malloc(name_bytes + 1);
        t->count = count;
        t->source = *source;
        t->source.name = t->file;
    }
    if (t == NULL || t->file == NULL || t->items == NULL || t->names == NULL) {
        limn_tensors_free(t);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for the names of %zu tensors",
                         source->name, count);
    }
    for (size_t i = 0; i < count; i++) t->items[i].source = &t->source;
    *out = t;
    return LIMN_OK;
}

void limn_tensors_free(limn_tensors *t) {
    if (t == NULL) return;
    for (int i = 0; i < t->note_count; i++) {
        free(t->notes[i].key);
        free(t->notes[i].value);
    }
    free(t->notes);
    free(t->file);
    free(t->items);
    free(t->names);
    free(t);
}

limn_status limn_tensors_keep_note(limn_tensors *t, const char *key, size_t key_bytes,
                                   const char *value, size_t value_bytes, limn_error *err) {
    if (key_bytes >= LIMN_NOTE_TEXT || value_bytes >= LIMN_NOTE_TEXT) return LIMN_OK;
    if (t->note_count == LIMN_NOTES_MOST) return LIMN_OK;
    if (t->notes == NULL) t->notes = calloc(LIMN_NOTES_MOST, sizeof *t->notes);
    limn_note note = {NULL, NULL};
    if (t->notes != NULL) {
        note.key = strndup(key, key_bytes);
        note.value = strndup(value, value_bytes);
    }
    if (note.key == NULL || note.value == NULL) {
        free(note.key);
        free(note.value);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for its metadata", t->file);
    }
    t->notes[t->note_count++] = note;
    return LIMN_OK;
}

const char *limn_tensors_note(const limn_tensors *t, const char *key) {
    for (int i = 0; i < t->note_count; i++)
        if (strcmp(t->notes[i].key, key) == 0) return t->notes[i].value;
    return NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const limn_tensor *)a)->name, ((const limn_tensor *)b)->name);
}

/* In the order of the data; an empty tensor before the one that begins where it lies. */
static int by_place(const void *a, const void *b) {
    const limn_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

limn_status limn_tensors_check_tiling(limn_tensors *set, size_t start, size_t size,
                                      size_t alignment, limn_error *err) {
    qsort(set->items, set->count, sizeof *set->items, by_place);
    size_t end = 0;
    for (size_t i = 0; i < set->count; i++) {
        const limn_tensor *t = &set->items[i];
        const size_t begin = (size_t)t->offset - start;
        if (begin < end) {
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: tensors \"%.200s\" and \"%.200s\" overlap at byte %zu of the data", set->file,
                set->items[i - 1].name, t->name, begin);
        }
        if (begin - end >= alignment) {
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: bytes %zu to %zu of the data, before tensor \"%.200s\", belong to "
                "no tensor",
                set->file, end, begin, t->name);
        }
        end = begin + t->bytes;
    }
    if (size - end >= alignment) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the last %zu bytes of the file belong to no tensor", set->file,
                         size - end);
    }
    return LIMN_OK;
}

void limn_tensors_sort(limn_tensors *t) {
    qsort(t->items, t->count, sizeof *t->items, by_name);
}

size_t limn_tensors_count(const limn_tensors *t) {
    return t->count;
}

const limn_tensor *limn_tensors_at(const limn_tensors *t, size_t i) {
    return &t->items[i];
}

const limn_tensor *limn_tensors_find(const limn_tensors *t, const char *name) {
    const limn_tensor wanted = {.name = name};
    return bsearch(&wanted, t->items, t->count, sizeof *t->items, by_name);
}

void limn_shape_describe(int rank, const uint64_t *shape, char *out) {
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < rank && i < LIMN_RANK_MAX; i++) {
        used += (size_t)snprintf(out + used, LIMN_SHAPE_TEXT - used, "%s%" PRIu64,
                                 i > 0 ? ", " : "", shape[i]);
    }
    snprintf(out + used, LIMN_SHAPE_TEXT - used, "]");
}

limn_status limn_tensors_want(const limn_tensors *t, const char *name, int rank,
                              const uint64_t *shape, const limn_tensor **out, limn_error *err) {
    char expected[LIMN_SHAPE_TEXT], found[LIMN_SHAPE_TEXT];
    const limn_tensor *tensor = limn_tensors_find(t, name);
    if (tensor == NULL) {
        limn_shape_describe(rank, shape, expected);
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" is missing; expected one of shape %s among the %zu "
                         "there",
                         t->file, name, expected, t->count);
    }
    bool same = tensor->rank == rank;
    for (int i = 0; same && i < rank; i++) same = tensor->shape[i] == shape[i];
    if (!same) {
        limn_shape_describe(rank, shape, expected);
        limn_shape_describe(tensor->rank, tensor->shape, found);
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" has the wrong shape: expected %s, found %s",
                         t->file, name, expected, found);
    }
    *out = tensor;
    return LIMN_OK;
}

bool limn_tensor_is_weight(const limn_tensor *t) {
    return limn_dtype_is_float(t->dtype) || t->scale != NULL;
}

size_t limn_scale_stem(const char *name) {
    static const char *const ends[] = {LIMN_SCALE_END, LIMN_PLAIN_END};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0) return length - end;
    }
    return 0;
}

void limn_tensors_link_scales(limn_tensors *t) {
    char name[512];
    for (size_t i = 0; i < t->count; i++) {
        const limn_tensor *scale = &t->items[i];
        const size_t stem = limn_scale_stem(scale->name);
        if (stem == 0 || stem >= sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", (int)stem, scale->name);
        limn_tensor *of = (limn_tensor *)limn_tensors_find(t, name);
        if (!of || of->dtype != LIMN_I8 || of->rank < 2 || of->transposed || of->count == 0 ||
            scale->dtype != LIMN_F32 || scale->rank != 1 || scale->count != of->shape[0])
            continue;
        const bool rotated = strcmp(scale->name + stem, LIMN_SCALE_END) == 0;
        if (rotated && of->count / of->shape[0] / of->shape[1] > LIMN_TILE_SEGMENTS) continue;
        of->scale = scale;
        of->rotated = rotated;
    }
}
