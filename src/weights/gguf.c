/* GGUF, versions 2 and 3: "GGUF", version, how many tensors, how many keys; the keys with their
 * typed values; the tensors' names, shapes, types and places; padding; the data. All numbers are
 * little-endian, counts and lengths 64 bits wide.
 *
 * The file is gone through once. Every length is compared with what is left of the file before it
 * is used, so that memory and time are in proportion to the bytes that are there.
 * Source: github.com/ggml-org/ggml, docs/gguf.md. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/checked.h"
#include "weights/tensors.h"

#define KEYS_MOST      65536
#define TENSORS_MOST   100000
#define KEY_MOST       65535 /* bytes of a key; the format's own limit */
#define NAME_MOST      1024  /* bytes of a tensor's name; the format says 64, some writers more */
#define RANK_MOST      4     /* dimensions; the format's own limit */
#define ALIGNMENT      32    /* where general.alignment says nothing */
#define ALIGNMENT_MOST ((uint32_t)1 << 20)
#define SHAPE_KEY      "comfy.gguf.orig_shape."
#define HEAD_BYTES     ((size_t)1 << 20) /* read of a file at first; four times that next */
#define HEAD_MOST      ((size_t)100 * 1000 * 1000) /* as safetensors' own limit */

/* The types of a value, by GGUF's number. */
enum { U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64, VALUE_TYPES };

static const uint8_t VALUE_BYTES[VALUE_TYPES] = {
    [U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
    [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8,
};

/* A length-prefixed text in the file. */
typedef struct text {
    const char *start;
    size_t size;
} text;

/* A key and its value in the file. */
typedef struct entry {
    text key;
    uint32_t type, of; /* of: the type of an array's elements */
    uint64_t count;    /* an array's elements */
    const uint8_t *value;
    text words; /* the value, where type is TEXT */
} entry;

/* A file under way. */
typedef struct reader {
    const char *name;     /* of the file, for sentences */
    const uint8_t *bytes; /* the first `there` of the file's `size` */
    size_t size, there, at;
    bool more;      /* the reading ended because more of the file must be there */
    entry *entries; /* [entry_count], sorted by key once all are there */
    size_t entry_count;
    limn_error *err;
} reader;

/* ---- bytes ----------------------------------------------------------------------------------- */

static limn_status refuse_end(const reader *r, const char *what) {
    return limn_fail(r->err, LIMN_E_INPUT,
                     "%s: the file ends at byte %zu, in the middle of %s; it is cut off", r->name,
                     r->size, what);
}

/* Asks for the next `bytes` bytes, which the file is known to have, to be among those there. Where
 * they are not, the reading begins again with more of the file, and this fault is never seen. */
static limn_status need(reader *r, size_t bytes) {
    r->more = r->more || bytes > r->there - r->at;
    return r->more ? LIMN_E_INPUT : LIMN_OK;
}

/* The next `bytes` bytes (at most 8) as an unsigned number. */
static limn_status take_number(reader *r, size_t bytes, const char *what, uint64_t *out) {
    if (bytes > r->size - r->at) return refuse_end(r, what);
    limn_status status = need(r, bytes);
    if (status != LIMN_OK) return status;
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | r->bytes[r->at + i];
    r->at += bytes;
    *out = value;
    return LIMN_OK;
}

static limn_status take_u32(reader *r, const char *what, uint32_t *out) {
    uint64_t value = 0;
    limn_status status = take_number(r, 4, what, &value);
    *out = (uint32_t)value;
    return status;
}

/* A text of at most `most` bytes. */
static limn_status take_text(reader *r, uint64_t most, const char *what, text *out) {
    uint64_t size = 0;
    limn_status status = take_number(r, 8, what, &size);
    if (status != LIMN_OK) return status;
    if (size > r->size - r->at) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: %s at byte %zu is said to be %" PRIu64
                         " bytes long, but only %zu follow",
                         r->name, what, r->at, size, r->size - r->at);
    }
    if (size > most) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: %s at byte %zu is %" PRIu64 " bytes long; at most %" PRIu64
                         " are read",
                         r->name, what, r->at, size, most);
    }
    status = need(r, (size_t)size);
    if (status != LIMN_OK) return status;
    *out = (text){(const char *)r->bytes + r->at, (size_t)size};
    r->at += (size_t)size;
    return LIMN_OK;
}

/* Whether a text can be a C string: UTF-8 without a NUL. */
static bool is_utf8(const text *t) {
    size_t at = 0;
    while (at < t->size) {
        utf8proc_int32_t point;
        const utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)t->start + at,
                                                       (utf8proc_ssize_t)(t->size - at), &point);
        if (step <= 0 || point == 0) return false;
        at += (size_t)step;
    }
    return true;
}

/* A name: a text of 1 to `most` bytes of UTF-8 without NUL. */
static limn_status take_name(reader *r, uint64_t most, const char *what, text *out) {
    const size_t at = r->at;
    limn_status status = take_text(r, most, what, out);
    if (status != LIMN_OK) return status;
    if (out->size > 0 && is_utf8(out)) return LIMN_OK;
    return limn_fail(r->err, LIMN_E_INPUT,
                     "%s: %s at byte %zu must be UTF-8 without a NUL, and not empty", r->name, what,
                     at);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* An array is passed over; only its beginning is remembered. Arrays of arrays are in no model. */
static limn_status take_array(reader *r, entry *e) {
    limn_status status = take_u32(r, "an array", &e->of);
    if (status == LIMN_OK) status = take_number(r, 8, "an array", &e->count);
    if (status != LIMN_OK) return status;
    if (e->of >= VALUE_TYPES || e->of == ARRAY) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: key \"%.*s\" is an array of type %" PRIu32
                         "; expected numbers, booleans or texts",
                         r->name, (int)limn_least((int)e->key.size, 200), e->key.start, e->of);
    }
    e->value = r->bytes + r->at;
    const uint64_t least = e->of == TEXT ? 8 : VALUE_BYTES[e->of];
    if (e->count > (r->size - r->at) / least) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: key \"%.*s\" is said to be an array of %" PRIu64
                         " elements, but only %zu bytes follow",
                         r->name, (int)limn_least((int)e->key.size, 200), e->key.start, e->count,
                         r->size - r->at);
    }
    if (e->of != TEXT) {
        status = need(r, (size_t)(e->count * least));
        if (status != LIMN_OK) return status;
        r->at += (size_t)(e->count * least);
    }
    for (uint64_t i = 0; e->of == TEXT && i < e->count; i++) {
        text element;
        status = take_text(r, SIZE_MAX, "a text of an array", &element);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

static limn_status take_entry(reader *r, entry *e) {
    limn_status status = take_name(r, KEY_MOST, "a key", &e->key);
    if (status == LIMN_OK) status = take_u32(r, "a key's type", &e->type);
    if (status != LIMN_OK) return status;
    if (e->type >= VALUE_TYPES) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: key \"%.*s\" has a value of type %" PRIu32 "; GGUF has 0 to %d",
                         r->name, (int)limn_least((int)e->key.size, 200), e->key.start, e->type,
                         VALUE_TYPES - 1);
    }
    if (e->type == ARRAY) return take_array(r, e);
    if (e->type == TEXT) return take_text(r, SIZE_MAX, "a value", &e->words);
    uint64_t number;
    e->value = r->bytes + r->at;
    return take_number(r, VALUE_BYTES[e->type], "a value", &number);
}

static int compare_texts(const text *a, const text *b) {
    const int order = memcmp(a->start, b->start, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static int by_key(const void *a, const void *b) {
    return compare_texts(&((const entry *)a)->key, &((const entry *)b)->key);
}

static limn_status take_entries(reader *r, size_t count) {
    r->entries = calloc(count + 1, sizeof *r->entries);
    if (r->entries == NULL) {
        return limn_fail(r->err, LIMN_E_MEMORY, "%s: no memory for %zu keys", r->name, count);
    }
    for (size_t i = 0; i < count; i++) {
        limn_status status = take_entry(r, &r->entries[i]);
        if (status != LIMN_OK) return status;
    }
    r->entry_count = count;
    qsort(r->entries, count, sizeof *r->entries, by_key);
    for (size_t i = 1; i < count; i++) {
        const text *key = &r->entries[i].key;
        if (compare_texts(&r->entries[i - 1].key, key) == 0) {
            return limn_fail(r->err, LIMN_E_INPUT, "%s: key \"%.*s\" is there twice", r->name,
                             (int)limn_least((int)key->size, 200), key->start);
        }
    }
    return LIMN_OK;
}

/* The entry of a key; NULL where there is none. */
static const entry *find_entry(const reader *r, const char *key, size_t size) {
    const entry wanted = {.key = {key, size}};
    return bsearch(&wanted, r->entries, r->entry_count, sizeof *r->entries, by_key);
}

/* The number of bytes that every tensor's data begin at a multiple of. */
static limn_status find_alignment(const reader *r, size_t *out) {
    const char *key = "general.alignment";
    const entry *e = find_entry(r, key, strlen(key));
    *out = ALIGNMENT;
    if (e == NULL) return LIMN_OK;
    uint32_t alignment = 0;
    if (e->type == U32) memcpy(&alignment, e->value, sizeof alignment);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > ALIGNMENT_MOST) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: %s must be a power of two up to %" PRIu32
                         ", of type 4; found type %" PRIu32 ", value %" PRIu32,
                         r->name, key, ALIGNMENT_MOST, e->type, alignment);
    }
    *out = alignment;
    return LIMN_OK;
}

/* Short texts become notes; a long one, or one that is no text, is nobody's hint. */
static limn_status keep_notes(const reader *r, limn_tensors *set) {
    for (size_t i = 0; i < r->entry_count; i++) {
        const entry *e = &r->entries[i];
        if (e->type != TEXT || !is_utf8(&e->words)) continue;
        limn_status status = limn_tensors_keep_note(set, e->key.start, e->key.size, e->words.start,
                                                    e->words.size, r->err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* How a tensor is described, before its name has a place in the set. */
typedef struct description {
    text name;
    int rank;
    uint64_t shape[RANK_MOST]; /* outermost first */
    limn_dtype dtype;
    uint64_t offset; /* from the start of the data */
} description;

static limn_status find_type(const reader *r, const text *name, uint32_t number, limn_dtype *out) {
    if (limn_dtype_of_ggml(number, out)) return LIMN_OK;
    return limn_fail(r->err, LIMN_E_INPUT,
                     "%s: tensor \"%.*s\" is stored as ggml's type %" PRIu32
                     ", which limn does not read; it reads F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, "
                     "Q5_1, Q8_0, Q2_K to Q6_K, and integers",
                     r->name, (int)limn_least((int)name->size, 200), name->start, number);
}

static limn_status take_description(reader *r, description *d) {
    uint32_t rank = 0, type = 0;
    limn_status status = take_name(r, NAME_MOST, "a tensor's name", &d->name);
    if (status == LIMN_OK) status = take_u32(r, "a tensor's description", &rank);
    if (status != LIMN_OK) return status;
    if (rank > RANK_MOST) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.*s\" has %" PRIu32 " dimensions; GGUF has at most %d",
                         r->name, (int)limn_least((int)d->name.size, 200), d->name.start, rank,
                         RANK_MOST);
    }
    d->rank = (int)rank;
    for (int i = d->rank; i-- > 0 && status == LIMN_OK;)
        status = take_number(r, 8, "a tensor's shape", &d->shape[i]);
    if (status == LIMN_OK) status = take_u32(r, "a tensor's description", &type);
    if (status == LIMN_OK) status = take_number(r, 8, "a tensor's offset", &d->offset);
    if (status == LIMN_OK) status = find_type(r, &d->name, type, &d->dtype);
    return status;
}

/* From the shape to the count and the bytes; a row must be whole blocks. */
static limn_status size_tensor(const reader *r, limn_tensor *t) {
    const size_t block = limn_dtype_block(t->dtype);
    const uint64_t row = t->rank > 0 ? t->shape[t->rank - 1] : 1;
    char shape[LIMN_SHAPE_TEXT];
    size_t count = 1;
    bool fits = true;
    for (int i = 0; i < t->rank; i++)
        fits = fits && t->shape[i] <= INT64_MAX && limn_mul_ok(count, (size_t)t->shape[i], &count);
    limn_shape_describe(t->rank, t->shape, shape);
    if (!fits || !limn_mul_ok(count / block, limn_dtype_bytes(t->dtype), &t->bytes)) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" of shape %s is larger than any memory", r->name,
                         t->name, shape);
    }
    if (row % block != 0) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" of type %s has rows of %" PRIu64
                         " numbers; expected a multiple of %zu",
                         r->name, t->name, limn_dtype_name(t->dtype), row, block);
    }
    t->count = count;
    return LIMN_OK;
}

/* Checks that the data lie in the file. `start` is where the data begin. */
static limn_status place_tensor(const reader *r, size_t start, size_t alignment, uint64_t offset,
                                limn_tensor *t) {
    const size_t data_bytes = r->size - start;
    if (offset % alignment != 0) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" begins at byte %" PRIu64
                         " of the data, which is no multiple of the alignment %zu",
                         r->name, t->name, offset, alignment);
    }
    if (offset > data_bytes || t->bytes > data_bytes - (size_t)offset) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: tensor \"%.200s\" takes %zu bytes from byte %" PRIu64
                         " of the data on, but only %zu are there; the file is cut off",
                         r->name, t->name, t->bytes, offset, data_bytes);
    }
    t->offset = start + offset;
    return LIMN_OK;
}

/* The shape before a tensor was reshaped so that its rows are whole blocks, which ComfyUI-GGUF
 * writes down as 32-bit numbers under a key of its own. */
static limn_status restore_shape(const reader *r, limn_tensor *t) {
    char key[sizeof SHAPE_KEY + NAME_MOST];
    const size_t length = strlen(t->name);
    memcpy(key, SHAPE_KEY, sizeof SHAPE_KEY - 1);
    memcpy(key + sizeof SHAPE_KEY - 1, t->name, length);
    const entry *e = find_entry(r, key, sizeof SHAPE_KEY - 1 + length);
    if (e == NULL) return LIMN_OK;
    bool good = e->type == ARRAY && e->of == I32 && e->count <= LIMN_RANK_MAX;
    size_t count = 1;
    for (uint64_t i = 0; good && i < e->count; i++) {
        int32_t side;
        memcpy(&side, e->value + i * sizeof side, sizeof side);
        good = side >= 0 && limn_mul_ok(count, (size_t)side, &count);
        t->shape[i] = (uint64_t)side;
    }
    if (!good || count != t->count) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: " SHAPE_KEY "%.200s must be a shape of the tensor's %" PRIu64
                         " numbers, as an array of type 5",
                         r->name, t->name, t->count);
    }
    for (int i = (int)e->count; i < LIMN_RANK_MAX; i++) t->shape[i] = 0;
    t->rank = (int)e->count;
    return LIMN_OK;
}

static limn_status check_names(const reader *r, limn_tensors *set) {
    limn_tensors_sort(set);
    for (size_t i = 1; i < set->count; i++) {
        if (strcmp(set->items[i - 1].name, set->items[i].name) == 0) {
            return limn_fail(r->err, LIMN_E_INPUT, "%s: tensor \"%.200s\" is there twice", r->name,
                             set->items[i].name);
        }
    }
    return LIMN_OK;
}

/* Fills the set from the descriptions, after which r->at is known to be where they end. */
static limn_status fill_set(const reader *r, const description *all, size_t alignment,
                            limn_tensors *set) {
    size_t start;
    if (set->count == 0) return LIMN_OK;
    if (!limn_round_up_ok(r->at, alignment, &start) || start > r->size)
        return refuse_end(r, "the padding before the data");
    char *names = set->names;
    for (size_t i = 0; i < set->count; i++) {
        limn_tensor *t = &set->items[i];
        const description *d = &all[i];
        t->name = names;
        t->dtype = d->dtype;
        t->rank = d->rank;
        memcpy(names, d->name.start, d->name.size);
        names[d->name.size] = '\0';
        names += d->name.size + 1;
        memcpy(t->shape, d->shape, sizeof d->shape);
        limn_status status = size_tensor(r, t);
        if (status == LIMN_OK) status = place_tensor(r, start, alignment, d->offset, t);
        if (status == LIMN_OK) status = restore_shape(r, t);
        if (status != LIMN_OK) return status;
    }
    limn_status status = limn_tensors_check_tiling(set, start, r->size - start, alignment, r->err);
    return status == LIMN_OK ? check_names(r, set) : status;
}

static limn_status take_tensors(reader *r, const limn_source *source, size_t count,
                                limn_tensors **out) {
    description *all = calloc(count + 1, sizeof *all);
    if (all == NULL) {
        return limn_fail(r->err, LIMN_E_MEMORY, "%s: no memory for %zu tensors", r->name, count);
    }
    size_t name_bytes = 0, alignment = 0;
    limn_status status = find_alignment(r, &alignment);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        status = take_description(r, &all[i]);
        name_bytes += all[i].name.size + 1;
    }
    if (status == LIMN_OK) status = limn_tensors_make(source, count, name_bytes, out, r->err);
    if (status == LIMN_OK) status = fill_set(r, all, alignment, *out);
    if (status == LIMN_OK) status = keep_notes(r, *out);
    free(all);
    return status;
}

/* ---- the file -------------------------------------------------------------------------------- */

bool limn_gguf_is(const uint8_t *bytes, size_t size) {
    return size >= 4 && memcmp(bytes, "GGUF", 4) == 0;
}

/* The beginning: *tensors and *keys become the counts, which are then not larger than the file. */
static limn_status take_start(reader *r, uint64_t *tensors, uint64_t *keys) {
    if (!limn_gguf_is(r->bytes, r->there)) {
        return limn_fail(r->err, LIMN_E_INPUT, "%s: this is no GGUF file; it begins otherwise",
                         r->name);
    }
    r->at = 4;
    uint32_t version;
    limn_status status = take_u32(r, "the version", &version);
    if (status != LIMN_OK) return status;
    if (version != 2 && version != 3) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: this is GGUF of version %" PRIu32 "%s; limn reads 2 and 3", r->name,
                         version, (version & 0xffff) == 0 ? " (or written big-endian)" : "");
    }
    status = take_number(r, 8, "the number of tensors", tensors);
    if (status == LIMN_OK) status = take_number(r, 8, "the number of keys", keys);
    if (status != LIMN_OK) return status;
    /* A key takes at least 14 bytes, a tensor's description 25. */
    const uint64_t left = r->size - r->at;
    if (*keys > KEYS_MOST || *keys > left / 14) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: there are said to be %" PRIu64
                         " keys; at most %d are read, and %" PRIu64 " bytes follow",
                         r->name, *keys, KEYS_MOST, left);
    }
    if (*tensors > TENSORS_MOST || *tensors > left / 25) {
        return limn_fail(r->err, LIMN_E_INPUT,
                         "%s: there are said to be %" PRIu64
                         " tensors; at most %d are read, and %" PRIu64 " bytes follow",
                         r->name, *tensors, TENSORS_MOST, left);
    }
    return LIMN_OK;
}

/* Reads the file as far as `there` bytes of it show it. */
static limn_status read_head(const limn_source *source, const uint8_t *bytes, size_t there,
                             bool *more, limn_tensors **out, limn_error *err) {
    reader r = {.name = source->name,
                .bytes = bytes,
                .size = (size_t)source->size,
                .there = there,
                .err = err};
    uint64_t tensors = 0, keys = 0;
    *out = NULL;
    limn_status status = take_start(&r, &tensors, &keys);
    if (status == LIMN_OK) status = take_entries(&r, (size_t)keys);
    if (status == LIMN_OK) status = take_tensors(&r, source, (size_t)tensors, out);
    free(r.entries);
    *more = r.more;
    if (status != LIMN_OK) {
        limn_tensors_free(*out);
        *out = NULL;
    }
    return status;
}

limn_status limn_gguf_read(const limn_source *source, limn_tensors **out, limn_error *err) {
    *out = NULL;
    bool more = true;
    limn_status status = LIMN_OK;
    for (size_t there = HEAD_BYTES; more; there *= 4) {
        if (there > source->size) there = (size_t)source->size;
        if (there > HEAD_MOST)
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: its keys and descriptions take more than %zu bytes, which is more "
                "than limn reads",
                source->name, there / 4);
        uint8_t *bytes = malloc(there ? there : 1);
        if (bytes == NULL)
            return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a header of %zu bytes",
                             source->name, there);
        status = limn_source_read(source, 0, there, bytes, err);
        more = false;
        if (status == LIMN_OK) status = read_head(source, bytes, there, &more, out, err);
        free(bytes);
    }
    return status;
}
