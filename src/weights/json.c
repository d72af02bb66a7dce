/* JSON from strangers: limits, reading, and how a value is called in a sentence. */
#include "weights/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Counts brackets and separators outside texts, before anything is allocated. It needs no valid
 * JSON: where the scan is misled, the reader fails too, at the same place or before. */
static limn_status check_limits(const uint8_t *bytes, size_t size, const char *name,
                                const char *what, limn_error *err) {
    bool in_text = false;
    size_t depth = 0, values = 0;
    for (size_t i = 0; i < size; i++) {
        const uint8_t c = bytes[i];
        if (in_text) {
            if (c == '\\') i++;
            if (c == '"') in_text = false;
            continue;
        }
        if (c == '"') in_text = true;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && depth > 0) depth--;
        if (c == '[' || c == '{' || c == ',') values++;
        if (depth > LIMN_JSON_DEPTH) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: %s nests its JSON deeper than %d levels (at byte %zu)", name,
                             what, LIMN_JSON_DEPTH, i);
        }
        if (values > LIMN_JSON_VALUES) {
            return limn_fail(err, LIMN_E_INPUT, "%s: %s holds more than %d JSON values", name, what,
                             LIMN_JSON_VALUES);
        }
    }
    return LIMN_OK;
}

/* jansson's fault as ours. It calls some failed allocations bad JSON and leaves others without a
 * text, but the allocator says so itself: `code` is the errno after it. */
static limn_status say(const json_error_t *fault, int code, const char *name, const char *what,
                       limn_error *err) {
    if (code == ENOMEM || json_error_code(fault) == json_error_out_of_memory ||
        fault->text[0] == '\0') {
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read %s", name, what);
    }
    const char *kind = "is not valid JSON";
    if (json_error_code(fault) == json_error_duplicate_key) kind = "names a key twice";
    if (json_error_code(fault) == json_error_invalid_utf8) kind = "is not valid UTF-8";
    return limn_fail(err, LIMN_E_INPUT, "%s: %s %s: %s (line %d, column %d)", name, what, kind,
                     fault->text, fault->line, fault->column);
}

limn_status limn_json_read(const uint8_t *bytes, size_t size, const char *name, const char *what,
                           json_t **out, limn_error *err) {
    *out = NULL;
    if (size == 0) {
        return limn_fail(err, LIMN_E_INPUT, "%s: %s is empty; expected a JSON object", name, what);
    }
    limn_status status = check_limits(bytes, size, name, what, err);
    if (status != LIMN_OK) return status;

    json_error_t fault;
    memset(&fault, 0, sizeof fault);
    errno = 0;
    json_t *value = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &fault);
    if (value == NULL) return say(&fault, errno, name, what, err);
    if (!json_is_object(value)) {
        char found[80];
        limn_json_describe(value, found, sizeof found);
        json_decref(value);
        return limn_fail(err, LIMN_E_INPUT, "%s: %s must be a JSON object, but is %s", name, what,
                         found);
    }
    *out = value;
    return LIMN_OK;
}

void limn_json_describe(const json_t *value, char *out, size_t size) {
    out[0] = '\0';
    if (json_is_object(value)) {
        snprintf(out, size, "an object");
    } else if (json_is_array(value)) {
        snprintf(out, size, "a list of %zu", json_array_size(value));
    } else if (json_is_string(value)) {
        snprintf(out, size, "\"%.50s\"", json_string_value(value));
    } else {
        /* jansson writes a real 8 as 8.0, in any locale; it returns the whole length, even cut. */
        const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);
        const size_t length = json_dumpb(value, out, size - 1, flags);
        out[length < size ? length : size - 1] = '\0';
    }
}
