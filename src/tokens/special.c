/* Special tokens, from tokenizer_config.json and special_tokens_map.json as transformers reads them
 * (tokenization_utils_base.py, _from_pretrained). */
#include "tokens/parts.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The names under which the two files have single special tokens. */
enum { BEGIN, END, UNKNOWN, PADDING, NAMES = 7 };
static const char *const names[NAMES] = {"bos_token", "eos_token", "unk_token", "pad_token",
                                         "sep_token", "cls_token", "mask_token"};

/* What both files are read into: texts that stay the JSON's. */
typedef struct choice {
    const char *name;        /* the folder, for sentences */
    const char *text[NAMES]; /* NULL = there is none */
    json_t *more;            /* additional_special_tokens, or NULL */
    json_t *added;           /* added_tokens_decoder, or NULL */
} choice;

/* Parses one of the two files; *out stays NULL where it is empty. */
static limn_status parse(const limn_bytes *bytes, const char *folder, const char *file,
                         json_t **out, limn_error *err) {
    if (!bytes || bytes->size == 0) return LIMN_OK;
    json_error_t e;
    /* integers as reals: model_max_length may be 10^30 */
    *out = json_loadb((const char *)bytes->data, bytes->size,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &e);
    if (!*out) {
        return limn_fail(err, LIMN_E_INPUT, "%s/%s:%d:%d: %s", folder, file, e.line, e.column,
                         e.text);
    }
    if (json_is_object(*out)) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s/%s: expected an object in braces", folder, file);
}

/* A token's text: a string, or an object with one in "content". NULL where it is neither. */
static const char *text_of(json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

/* Takes over what a file says; null counts as not said. */
static limn_status choose(choice *c, json_t *file, const char *file_name, limn_error *err) {
    for (int i = 0; i < NAMES; i++) {
        json_t *value = json_object_get(file, names[i]);
        if (!value || json_is_null(value)) continue;
        c->text[i] = text_of(value);
        if (!c->text[i]) {
            return limn_fail(err, LIMN_E_INPUT, "%s/%s: %s is not a token's text", c->name,
                             file_name, names[i]);
        }
    }
    json_t *more = json_object_get(file, "additional_special_tokens");
    if (more && !json_is_null(more)) c->more = more;
    return LIMN_OK;
}

/* Enters a token, once. id -1: the vocabulary's. */
static limn_status add(limn_specials *s, const limn_vocabulary *v, const char *name,
                       const char *text, int32_t id, int32_t *id_out, limn_error *err) {
    size_t size = strlen(text);
    if (size == 0 || size >= LIMN_SPECIAL_MOST_BYTES) {
        return limn_fail(err, LIMN_E_INPUT, "%s: a special token has %zu bytes, expected 1 to %d",
                         name, size, LIMN_SPECIAL_MOST_BYTES - 1);
    }
    int32_t known = limn_vocabulary_find(v, text, size);
    size_t i = 0;
    while (i < s->count && strcmp(s->list[i].text, text) != 0) i++;
    if (known < 0 && i < s->count) known = s->list[i].id;
    if (id < 0) id = known;
    if (id < 0) {
        return limn_fail(err, LIMN_E_INPUT, "%s: the special token '%s' is not in vocab.json", name,
                         text);
    }
    if (known >= 0 && known != id) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the special token '%s' has the id %d in one file and %d in another",
                         name, text, (int)id, (int)known);
    }
    if (i == LIMN_SPECIAL_MOST) {
        return limn_fail(err, LIMN_E_INPUT, "%s: more than %d special tokens", name,
                         LIMN_SPECIAL_MOST);
    }
    if (i == s->count) {
        memcpy(s->list[i].text, text, size + 1);
        s->list[i].size = size;
        s->list[i].id = id;
        s->count++;
    }
    if (id >= s->ids) s->ids = id + 1;
    if (id_out) *id_out = id;
    return LIMN_OK;
}

/* Enters the tokens of added_tokens_decoder: {"49406": {"content": ...}, ...}. */
static limn_status add_decoder(limn_specials *s, const limn_vocabulary *v, const choice *c,
                               limn_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach(c->added, key, value) {
        char *end = NULL;
        unsigned long id = *key >= '0' && *key <= '9' ? strtoul(key, &end, 10) : LIMN_TOKENS_MOST;
        const char *text = text_of(value);
        if (id >= LIMN_TOKENS_MOST || *end || !text) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s/tokenizer_config.json: added_tokens_decoder: expected an id below "
                             "%u with a token's text, found '%s'",
                             c->name, LIMN_TOKENS_MOST, key);
        }
        limn_status status = add(s, v, c->name, text, (int32_t)id, NULL, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* Enters additional_special_tokens: a list of tokens. */
static limn_status add_more(limn_specials *s, const limn_vocabulary *v, const choice *c,
                            limn_error *err) {
    for (size_t i = 0; i < json_array_size(c->more); i++) {
        const char *text = text_of(json_array_get(c->more, i));
        if (!text) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: additional_special_tokens: item %zu is not a token's text",
                             c->name, i);
        }
        limn_status status = add(s, v, c->name, text, -1, NULL, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

static limn_status add_all(limn_specials *s, const limn_vocabulary *v, const choice *c,
                           limn_error *err) {
    int32_t *const ids[NAMES] = {&s->begin, &s->end, &s->unknown, &s->padding, NULL, NULL, NULL};
    limn_status status = add_decoder(s, v, c, err);
    for (int i = 0; i < NAMES && status == LIMN_OK; i++) {
        if (c->text[i]) status = add(s, v, c->name, c->text[i], -1, ids[i], err);
    }
    return status == LIMN_OK ? add_more(s, v, c, err) : status;
}

/* Reads what else the config says: which tokenizer it is for, and how long a prompt may be. */
static limn_status read_config(limn_specials *s, json_t *config, choice *c, limn_error *err) {
    const char *kind = json_string_value(json_object_get(config, "tokenizer_class"));
    if (kind && strcmp(kind, "CLIPTokenizer") != 0 && strcmp(kind, "CLIPTokenizerFast") != 0) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s/tokenizer_config.json: expected a CLIPTokenizer, found '%s'", c->name,
                         kind);
    }
    json_t *length = json_object_get(config, "model_max_length");
    if (length && !json_is_null(length)) {
        s->max_length = json_is_real(length) ? json_real_value(length) : 0;
        if (!(s->max_length >= 3)) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s/tokenizer_config.json: expected a model_max_length of at least 3",
                             c->name);
        }
    }
    c->added = json_object_get(config, "added_tokens_decoder");
    if (!json_is_object(c->added)) c->added = NULL;
    return choose(c, config, "tokenizer_config.json", err);
}

static int longer_first(const void *a, const void *b) {
    const limn_special *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* Fills *s out of the two files, parsed (each may be NULL). */
static limn_status read_both(json_t *config, json_t *map, const limn_vocabulary *v, choice *c,
                             limn_specials *s, limn_error *err) {
    limn_status status = config ? read_config(s, config, c, err) : LIMN_OK;
    if (status == LIMN_OK && map && !c->added)
        status = choose(c, map, "special_tokens_map.json", err);
    if (status == LIMN_OK) status = add_all(s, v, c, err);
    if (status == LIMN_OK) qsort(s->list, s->count, sizeof *s->list, longer_first);
    return status;
}

limn_status limn_specials_read(const limn_bytes *config, const limn_bytes *map,
                               const limn_vocabulary *v, const char *name, limn_specials *out,
                               limn_error *err) {
    limn_specials s = {.max_length = INFINITY};
    *out = (limn_specials){0};
    choice c = {.name = name,
                .text = {"<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"}};
    json_t *config_json = NULL, *map_json = NULL;
    s.list = calloc(LIMN_SPECIAL_MOST, sizeof *s.list);
    limn_status status =
        s.list ? LIMN_OK : limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read it", name);
    if (status == LIMN_OK) status = parse(config, name, "tokenizer_config.json", &config_json, err);
    if (status == LIMN_OK) status = parse(map, name, "special_tokens_map.json", &map_json, err);
    if (status == LIMN_OK) status = read_both(config_json, map_json, v, &c, &s, err);
    json_decref(config_json);
    json_decref(map_json);
    if (status != LIMN_OK) {
        limn_specials_free(&s);
        return status;
    }
    *out = s;
    return LIMN_OK;
}

void limn_specials_free(limn_specials *s) {
    free(s->list);
    *s = (limn_specials){0};
}
