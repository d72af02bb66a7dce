/* vocab.json: {"token": id, ...}. CLIP's has 49,408 entries; a general JSON library takes longer to
 * read it than the first picture takes to begin, so this reads just that form. */
#include "prompt/prompt.h"
#include "tokens/parts.h"

#include <stdlib.h>
#include <string.h>

/* A place in the file, and where texts go. */
typedef struct reader {
    const char *name; /* the folder */
    const char *start, *at, *end;
    char *put; /* the next free byte of the vocabulary's text */
} reader;

/* FNV-1a, with its high bits mixed into the low ones, which pick the slot. */
static size_t hash(const char *text, size_t size) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 29);
}

/* The slot of a text: its own, or the empty one where it would go. */
static limn_vocabulary_slot *slot_of(const limn_vocabulary *v, const char *text, size_t size) {
    size_t i = hash(text, size) & v->mask;
    while (v->slots[i].text &&
           (v->slots[i].size != size || memcmp(v->slots[i].text, text, size) != 0)) {
        i = (i + 1) & v->mask;
    }
    return &v->slots[i];
}

int32_t limn_vocabulary_find(const limn_vocabulary *v, const char *text, size_t size) {
    const limn_vocabulary_slot *s = slot_of(v, text, size);
    return s->text ? s->id : -1;
}

static limn_status fail(const reader *r, limn_error *err, const char *expected) {
    if (r->at >= r->end) {
        return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: the file ends where %s should be",
                         r->name, expected);
    }
    return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: byte %zu: expected %s, found '%c'", r->name,
                     (size_t)(r->at - r->start), expected, *r->at);
}

static void skip_space(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* Skips spaces and one character, if it is there. */
static bool take(reader *r, char c) {
    skip_space(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

/* Four hex digits; -1 where they are not. */
static int32_t hex4(reader *r) {
    if (r->end - r->at < 4) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    r->at += 4;
    return value;
}

/* After \u: the character, from one escape or a pair of surrogates; -1 where it is none. */
static int32_t escaped_character(reader *r) {
    int32_t high = hex4(r);
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return -1;
    r->at += 2;
    int32_t low = hex4(r);
    return low < 0xDC00 || low > 0xDFFF ? -1 : 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}

/* After a backslash: writes what it stands for. */
static limn_status read_escape(reader *r, limn_error *err) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
    if (known) {
        *r->put++ = to[known - from];
        r->at++;
        return LIMN_OK;
    }
    const char *place = r->at;
    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        int32_t character = escaped_character(r);
        if (character >= 0) {
            r->put += limn_utf8_put(character, r->put);
            return LIMN_OK;
        }
    }
    r->at = place;
    return fail(r, err, "an escape that JSON knows");
}

/* Reads a string into the vocabulary's text: no longer than in the file, since the shortest escape
 * of a character takes as many bytes as the character or more. */
static limn_status read_string(reader *r, const char **text, uint32_t *size, limn_error *err) {
    if (!take(r, '"')) return fail(r, err, "a token in quotes");
    char *start = r->put;
    while (r->at < r->end && *r->at != '"') {
        unsigned char c = (unsigned char)*r->at;
        if (c == '\\') {
            r->at++;
            limn_status status = read_escape(r, err);
            if (status != LIMN_OK) return status;
        } else if (c < 0x80) {
            if (c < 0x20) return fail(r, err, "a character or an escape");
            *r->put++ = *r->at++;
        } else {
            int32_t character = 0;
            size_t n = limn_utf8_next(r->at, (size_t)(r->end - r->at), &character);
            if (character < 0) return fail(r, err, "UTF-8");
            memcpy(r->put, r->at, n);
            r->put += n;
            r->at += n;
        }
    }
    if (r->at >= r->end) return fail(r, err, "the closing quote of a token");
    r->at++;
    *text = start;
    *size = (uint32_t)(r->put - start);
    return LIMN_OK;
}

/* Reads a whole number below LIMN_TOKENS_MOST. */
static limn_status read_id(reader *r, int32_t *id, limn_error *err) {
    skip_space(r);
    const char *first = r->at;
    uint32_t value = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && value < LIMN_TOKENS_MOST)
        value = value * 10 + (uint32_t)(*r->at++ - '0');
    if (r->at == first || (*first == '0' && r->at - first > 1) || value >= LIMN_TOKENS_MOST) {
        r->at = first;
        return fail(r, err, "an id from 0 to 1048575");
    }
    *id = (int32_t)value;
    return LIMN_OK;
}

/* Reads one "token": id and enters it. used: one bit for each id that was given. */
static limn_status read_entry(reader *r, limn_vocabulary *v, uint8_t *used, limn_error *err) {
    const char *text = NULL;
    uint32_t size = 0;
    int32_t id = 0;
    limn_status status = read_string(r, &text, &size, err);
    if (status != LIMN_OK) return status;
    if (!take(r, ':')) return fail(r, err, "':' after a token");
    status = read_id(r, &id, err);
    if (status != LIMN_OK) return status;
    limn_vocabulary_slot *slot = slot_of(v, text, size);
    if (slot->text) {
        return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: the token '%.*s' is there twice",
                         r->name, size < 80 ? (int)size : 80, text);
    }
    if (used[id / 8] & 1u << id % 8) {
        return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: two tokens have the id %d", r->name,
                         (int)id);
    }
    used[id / 8] |= (uint8_t)(1u << id % 8);
    *slot = (limn_vocabulary_slot){text, size, id};
    if (++v->count >= LIMN_TOKENS_MOST) {
        return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: more than %u tokens", r->name,
                         LIMN_TOKENS_MOST - 1);
    }
    if (id >= v->ids) v->ids = id + 1;
    return LIMN_OK;
}

static limn_status read_entries(reader *r, limn_vocabulary *v, uint8_t *used, limn_error *err) {
    if (!take(r, '{')) return fail(r, err, "'{'");
    do {
        limn_status status = read_entry(r, v, used, err);
        if (status != LIMN_OK) return status;
    } while (take(r, ','));
    if (!take(r, '}')) return fail(r, err, "',' or '}' after a token's id");
    skip_space(r);
    if (r->at < r->end) return fail(r, err, "the end of the file");
    return LIMN_OK;
}

/* Takes memory for the tokens of a file, of which there are at most as many as colons. */
static bool make_room(limn_vocabulary *v, const limn_bytes *json) {
    size_t colons = 0;
    for (size_t i = 0; i < json->size; i++) colons += json->data[i] == ':';
    size_t slots = 16;
    while (slots < 2 * colons && slots < 2 * (size_t)LIMN_TOKENS_MOST) slots *= 2;
    v->text = malloc(json->size + 1);
    v->slots = calloc(slots, sizeof *v->slots);
    v->mask = slots - 1;
    return v->text && v->slots;
}

limn_status limn_vocabulary_read(const limn_bytes *json, const char *name, limn_vocabulary *out,
                                 limn_error *err) {
    limn_vocabulary v = {0};
    *out = v;
    if (json->size > LIMN_TOKENS_MOST_FILE) {
        return limn_fail(err, LIMN_E_INPUT, "%s/vocab.json: has %zu bytes, at most %zu are read",
                         name, json->size, LIMN_TOKENS_MOST_FILE);
    }
    uint8_t *used = calloc(LIMN_TOKENS_MOST / 8, 1);
    limn_status status = LIMN_OK;
    if (!used || !make_room(&v, json)) {
        status = limn_fail(err, LIMN_E_MEMORY, "%s/vocab.json: no memory to read it", name);
    } else {
        const char *start = json->data ? (const char *)json->data : "";
        reader r = {name, start, start, start + json->size, v.text};
        status = read_entries(&r, &v, used, err);
    }
    free(used);
    if (status != LIMN_OK) {
        limn_vocabulary_free(&v);
        return status;
    }
    *out = v;
    return LIMN_OK;
}

void limn_vocabulary_free(limn_vocabulary *v) {
    free(v->text);
    free(v->slots);
    *v = (limn_vocabulary){0};
}
