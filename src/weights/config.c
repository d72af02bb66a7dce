/* Configurations: one JSON object, and typed, ranged access to it.
 *
 * Objects below the top one become configurations of their own when the file is read, in a chain in
 * breadth-first order, so that later access changes nothing and needs no recursion. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/json.h"
#include "weights/weights.h"

#define PATH_MOST 200 /* of a key's path in a sentence */

struct limn_config {
    const char *file;    /* what sentences call the file; the top one's copy */
    const char *key;     /* in the object above; NULL at the top */
    const json_t *json;  /* an object */
    limn_config *parent; /* NULL at the top */
    limn_config *next;   /* in the chain of all, which begins at the top */
    limn_config *child;  /* the first of `children` neighbours in the chain */
    size_t children;
};

/* Appends an object to the chain; *last is its end. False where memory ran out. */
static bool append(limn_config **last, limn_config *parent, const char *key, const json_t *json) {
    limn_config *c = calloc(1, sizeof *c);
    if (c == NULL) return false;
    *c = (limn_config){.file = parent->file, .key = key, .json = json, .parent = parent};
    if (parent->children++ == 0) parent->child = c;
    (*last)->next = c;
    *last = c;
    return true;
}

static bool append_children(limn_config **last, limn_config *parent) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)parent->json, key, value) {
        if (json_is_object(value) && !append(last, parent, key, value)) return false;
    }
    return true;
}

/* Python writes infinities into JSON (diffusers' lambda_min_clipped), which JSON does not have;
 * they mean "no bound", as null does. Replaces them in a text of its length, outside strings. */
static void replace_infinities(uint8_t *text, size_t size) {
    static const char *const words[] = {"-Infinity", "Infinity"};
    bool in_text = false;
    for (size_t i = 0; i < size; i++) {
        if (in_text && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_text = !in_text;
        for (size_t w = 0; w < 2 && !in_text && i < size; w++) {
            size_t length = strlen(words[w]);
            if (size - i < length || memcmp(text + i, words[w], length) != 0) continue;
            memset(text + i, ' ', length);
            memcpy(text + i, "null", 4);
        }
    }
}

static limn_status read_json(const uint8_t *bytes, size_t size, const char *name, json_t **out,
                             limn_error *err) {
    if (size == 0) return limn_json_read(bytes, size, name, "the file", out, err);
    uint8_t *text = malloc(size);
    if (text == NULL) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read the file", name);
    memcpy(text, bytes, size);
    replace_infinities(text, size);
    limn_status status = limn_json_read(text, size, name, "the file", out, err);
    free(text);
    return status;
}

limn_status limn_config_read(const uint8_t *bytes, size_t size, const char *name, limn_config **out,
                             limn_error *err) {
    *out = NULL;
    json_t *json;
    limn_status status = read_json(bytes, size, name, &json, err);
    if (status != LIMN_OK) return status;

    limn_config *top = calloc(1, sizeof *top);
    char *file = strdup(name);
    if (top == NULL || file == NULL) {
        free(top);
        free(file);
        json_decref(json);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read the file", name);
    }
    top->file = file;
    top->json = json;
    limn_config *last = top;
    for (limn_config *c = top; c != NULL; c = c->next) {
        if (!append_children(&last, c)) {
            limn_config_free(top);
            return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read the file", name);
        }
    }
    *out = top;
    return LIMN_OK;
}

const char *limn_config_name(const limn_config *c) {
    return c->file;
}

void limn_config_free(limn_config *c) {
    if (c == NULL) return;
    free((char *)c->file);
    json_decref((json_t *)c->json);
    while (c != NULL) {
        limn_config *next = c->next;
        free(c);
        c = next;
    }
}

const limn_config *limn_config_child(const limn_config *c, const char *key) {
    const limn_config *child = c->child;
    for (size_t i = 0; i < c->children; i++, child = child->next) {
        if (strcmp(child->key, key) == 0) return child;
    }
    return NULL;
}

const char *limn_config_next(const limn_config *c, const char *key) {
    json_t *json = (json_t *)c->json;
    void *at = key != NULL ? json_object_iter_next(json, json_object_iter_at(json, key))
                           : json_object_iter(json);
    return at != NULL ? json_object_iter_key(at) : NULL;
}

/* The value of a key; NULL where it is absent or null. */
static const json_t *value_of(const limn_config *c, const char *key) {
    const json_t *value = json_object_get(c->json, key);
    return json_is_null(value) ? NULL : value;
}

bool limn_config_has(const limn_config *c, const char *key) {
    return value_of(c, key) != NULL;
}

bool limn_config_is_null(const limn_config *c, const char *key) {
    return json_is_null(json_object_get(c->json, key));
}

/* A key with those of the objects above it, "limn.steps", written at the end of room[PATH_MOST].
 * Keys above that do not fit are left out. */
static const char *path_of(const limn_config *c, const char *key, char *room) {
    size_t at = PATH_MOST - 1;
    room[at] = '\0';
    for (;;) {
        const size_t length = strlen(key);
        if (length + 1 > at) return room + at;
        at -= length;
        memcpy(room + at, key, length);
        if (c->parent == NULL) return room + at;
        room[--at] = '.';
        key = c->key;
        c = c->parent;
    }
}

/* Says that a value is not what it should be. */
static limn_status refuse(const limn_config *c, const char *key, const json_t *found,
                          const char *expected, limn_error *err) {
    char room[PATH_MOST], text[80];
    limn_json_describe(found, text, sizeof text);
    return limn_fail(err, LIMN_E_INPUT, "%s: \"%s\" must be %s, found %s", c->file,
                     path_of(c, key, room), expected, text);
}

static bool in_range(const json_t *value, long min, long max) {
    if (!json_is_integer(value)) return false;
    const json_int_t n = json_integer_value(value);
    return n >= min && n <= max && n >= INT_MIN && n <= INT_MAX;
}

limn_status limn_config_int(const limn_config *c, const char *key, long min, long max,
                            long fallback, int *out, limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value != NULL && !in_range(value, min, max)) {
        char expected[80];
        snprintf(expected, sizeof expected, "a whole number from %ld to %ld", min, max);
        return refuse(c, key, value, expected, err);
    }
    *out = value != NULL ? (int)json_integer_value(value) : (int)fallback;
    return LIMN_OK;
}

limn_status limn_config_number(const limn_config *c, const char *key, double min, double max,
                               double fallback, double *out, limn_error *err) {
    const json_t *value = value_of(c, key);
    const double number = value != NULL ? json_number_value(value) : fallback;
    if (value != NULL && !(json_is_number(value) && number >= min && number <= max)) {
        char expected[80];
        snprintf(expected, sizeof expected, "a number from %.9g to %.9g", min, max);
        return refuse(c, key, value, expected, err);
    }
    *out = number;
    return LIMN_OK;
}

limn_status limn_config_bool(const limn_config *c, const char *key, bool fallback, bool *out,
                             limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value != NULL && !json_is_boolean(value)) {
        return refuse(c, key, value, "true or false", err);
    }
    *out = value != NULL ? json_is_true(value) : fallback;
    return LIMN_OK;
}

limn_status limn_config_text(const limn_config *c, const char *key, const char *fallback,
                             const char **out, limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value != NULL && !json_is_string(value)) return refuse(c, key, value, "a text", err);
    *out = value != NULL ? json_string_value(value) : fallback;
    return LIMN_OK;
}

/* One number that stands for `want` of them. */
static limn_status fill_ints(const limn_config *c, const char *key, const json_t *value, int want,
                             long min, long max, int *out, limn_error *err) {
    if (!in_range(value, min, max)) {
        char expected[100];
        snprintf(expected, sizeof expected, "whole numbers from %ld to %ld, one or a list", min,
                 max);
        return refuse(c, key, value, expected, err);
    }
    for (int i = 0; i < want; i++) out[i] = (int)json_integer_value(value);
    return LIMN_OK;
}

/* A list of whole numbers, or one that stands for all; see limn_config_ints. */
static limn_status read_ints(const limn_config *c, const char *key, const json_t *value, int want,
                             long min, long max, int *out, int most, int *count, limn_error *err) {
    const int least = want > 0 ? want : 1, limit = want > 0 && want < most ? want : most;
    char expected[100];
    if (least > limit) {
        snprintf(expected, sizeof expected, "a list of at most %d numbers, not %d", most, want);
        return refuse(c, key, value, expected, err);
    }
    if (!json_is_array(value)) {
        limn_status status = fill_ints(c, key, value, least, min, max, out, err);
        if (status == LIMN_OK) *count = least;
        return status;
    }
    const size_t size = json_array_size(value);
    if (size < (size_t)least || size > (size_t)limit) {
        snprintf(expected, sizeof expected, "a list of %d to %d numbers", least, limit);
        if (least == limit) snprintf(expected, sizeof expected, "a list of %d numbers", least);
        return refuse(c, key, value, expected, err);
    }
    for (size_t i = 0; i < size; i++) {
        const json_t *entry = json_array_get(value, i);
        if (in_range(entry, min, max)) continue;
        snprintf(expected, sizeof expected, "a list of whole numbers from %ld to %ld", min, max);
        return refuse(c, key, entry, expected, err);
    }
    for (size_t i = 0; i < size; i++) out[i] = (int)json_integer_value(json_array_get(value, i));
    *count = (int)size;
    return LIMN_OK;
}

limn_status limn_config_ints(const limn_config *c, const char *key, int want, long min, long max,
                             int *out, int most, int *count, limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value != NULL) return read_ints(c, key, value, want, min, max, out, most, count, err);
    *count = 0;
    return LIMN_OK;
}

limn_status limn_config_table(const limn_config *c, const char *key, int rows, const int *columns,
                              long min, long max, int *out, int stride, bool *nested,
                              limn_error *err) {
    const json_t *value = value_of(c, key);
    bool list = json_is_array(value), lists = false;
    if (list && json_array_size(value) != (size_t)rows) {
        char expected[80];
        snprintf(expected, sizeof expected, "a number, or a list of %d of them or of lists", rows);
        return refuse(c, key, value, expected, err);
    }
    for (int i = 0; i < rows && value != NULL; i++) {
        const json_t *row = list ? json_array_get(value, (size_t)i) : value;
        int count;
        lists = lists || (list && json_is_array(row));
        limn_status status =
            read_ints(c, key, row, columns[i], min, max, out + i * stride, stride, &count, err);
        if (status != LIMN_OK) return status;
    }
    *nested = lists;
    return LIMN_OK;
}

limn_status limn_config_bools(const limn_config *c, const char *key, int want, bool fallback,
                              bool *out, limn_error *err) {
    const json_t *value = value_of(c, key);
    bool list = json_is_array(value), good = value == NULL || json_is_boolean(value) || list;
    if (list) good = json_array_size(value) == (size_t)want;
    for (int i = 0; i < want && list && good; i++)
        good = json_is_boolean(json_array_get(value, (size_t)i));
    if (!good) {
        char expected[80];
        snprintf(expected, sizeof expected, "true or false, or a list of %d of them", want);
        return refuse(c, key, value, expected, err);
    }
    for (int i = 0; i < want; i++) {
        const json_t *entry = list ? json_array_get(value, (size_t)i) : value;
        out[i] = entry != NULL ? json_is_true(entry) : fallback;
    }
    return LIMN_OK;
}

limn_status limn_config_numbers(const limn_config *c, const char *key, double min, double max,
                                double *out, int most, int *count, limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value == NULL) {
        *count = 0;
        return LIMN_OK;
    }
    char expected[100];
    const size_t size = json_array_size(value); /* 0 where it is no list */
    if (size < 1 || size > (size_t)most) {
        snprintf(expected, sizeof expected, "a list of 1 to %d numbers", most);
        return refuse(c, key, value, expected, err);
    }
    for (size_t i = 0; i < size; i++) {
        const json_t *entry = json_array_get(value, i);
        const double number = json_number_value(entry);
        if (json_is_number(entry) && number >= min && number <= max) continue;
        snprintf(expected, sizeof expected, "a list of numbers from %.9g to %.9g", min, max);
        return refuse(c, key, entry, expected, err);
    }
    for (size_t i = 0; i < size; i++) out[i] = json_number_value(json_array_get(value, i));
    *count = (int)size;
    return LIMN_OK;
}

limn_status limn_config_texts(const limn_config *c, const char *key, const char **out, int most,
                              int *count, limn_error *err) {
    const json_t *value = value_of(c, key);
    if (value == NULL) {
        *count = 0;
        return LIMN_OK;
    }
    const size_t size = json_array_size(value); /* 0 where it is no list */
    if (size < 1 || size > (size_t)most) {
        char expected[80];
        snprintf(expected, sizeof expected, "a list of 1 to %d texts", most);
        return refuse(c, key, value, expected, err);
    }
    for (size_t i = 0; i < size; i++) {
        const json_t *entry = json_array_get(value, i);
        if (!json_is_string(entry)) return refuse(c, key, entry, "a list of texts", err);
    }
    for (size_t i = 0; i < size; i++) out[i] = json_string_value(json_array_get(value, i));
    *count = (int)size;
    return LIMN_OK;
}
