/* A line of JSON: one object with the names of A1111's API. jansson reads it; where its members
 * stand in the line, which jansson does not keep, is found by walking the text beside it. */
#include "prompt/parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The text of an object that is known to be good JSON. */
typedef struct walk {
    const char *text;
    size_t next;
} walk;

/* Where a member's name and value stand. */
typedef struct member {
    size_t name_at, value_at, value_end;
} member;

static void skip(walk *w, const char *characters) {
    w->next += strspn(w->text + w->next, characters);
}

static void skip_string(walk *w) {
    for (w->next++; w->text[w->next] && w->text[w->next] != '"'; w->next++) {
        if (w->text[w->next] == '\\' && w->text[w->next + 1]) w->next++;
    }
    if (w->text[w->next]) w->next++;
}

/* Skips a value: up to the ',' or '}' that ends it, past all that is nested in it. */
static void skip_value(walk *w) {
    size_t depth = 0;
    for (char c; (c = w->text[w->next]) != 0;) {
        if (depth == 0 && (c == ',' || c == '}')) return;
        if (c == '"') {
            skip_string(w);
            continue;
        }
        if (c == '{' || c == '[') depth++;
        if ((c == '}' || c == ']') && depth > 0) depth--;
        w->next++;
    }
}

/* The next member of the object. */
static member next_member(walk *w) {
    member m = {0};
    skip(w, "{, \t\r\n");
    m.name_at = w->next;
    skip_string(w);
    skip(w, ": \t\r\n");
    m.value_at = w->next;
    skip_value(w);
    m.value_end = w->next;
    while (m.value_end > m.value_at && strchr(" \t\r\n", w->text[m.value_end - 1])) m.value_end--;
    return m;
}

/* A member's value; *copy is what it keeps, for free(). False where memory ran out. */
static bool value_of(json_t *json, const char *text, const member *m, limn_prompt_value *out,
                     char **copy) {
    *copy = NULL;
    if (json_is_string(json)) {
        *out = (limn_prompt_value){LIMN_VALUE_TEXT, json_string_value(json), m->value_at};
        return true;
    }
    bool empty = json_is_null(json) || json_is_false(json) ||
                 (json_is_array(json) && json_array_size(json) == 0) ||
                 (json_is_object(json) && json_object_size(json) == 0);
    *copy = strndup(text + m->value_at, m->value_end - m->value_at);
    *out = (limn_prompt_value){json_is_number(json) ? LIMN_VALUE_NUMBER
                               : empty              ? LIMN_VALUE_EMPTY
                                                    : LIMN_VALUE_OTHER,
                               *copy, m->value_at};
    return *copy != NULL;
}

/* Sets all members. jansson hands them out in the order of the text. */
static limn_status set_members(limn_prompt_state *s, json_t *object, size_t *at, limn_error *err) {
    walk w = {s->line->source, 0};
    const char *name;
    json_t *json;
    json_object_foreach(object, name, json) {
        member m = next_member(&w);
        limn_prompt_value value;
        char *copy = NULL;
        if (!value_of(json, w.text, &m, &value, &copy))
            return limn_fail(err, LIMN_E_MEMORY, "no memory for a line's value");
        bool at_name = false;
        limn_status status = limn_prompt_set(s, name, &value, &at_name, err);
        free(copy);
        if (status != LIMN_OK) {
            *at = at_name ? m.name_at : m.value_at;
            return status;
        }
    }
    return LIMN_OK;
}

/* The byte that the n-th character, from 1, begins at. */
static size_t byte_of_character(const char *text, int n) {
    size_t i = 0;
    for (; text[i] && n > 1; n--) {
        i++;
        while (((unsigned char)text[i] & 0xC0) == 0x80) i++;
    }
    return i;
}

limn_status limn_prompt_read_json(limn_prompt_state *s, size_t *at, limn_error *err) {
    const char *source = s->line->source;
    json_error_t e;
    /* integers as reals: a seed of 64 bits is no jansson integer; it is read from the text */
    json_t *object = json_loads(source, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &e);
    if (!object) {
        *at = byte_of_character(source, e.column);
        return limn_fail(err, LIMN_E_INPUT, "%s", e.text);
    }
    limn_status status = set_members(s, object, at, err);
    json_decref(object);
    return status;
}
