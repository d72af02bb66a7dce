/* A prompt's way through the tokenizer: words, pieces, merges, ids. */
#include "prompt/prompt.h"
#include "tokens/parts.h"

#include <stdlib.h>
#include <string.h>

/* Where encoding a prompt stands. */
typedef struct encoding {
    const limn_tokenizer *t;
    const char *text;
    int32_t *ids;          /* where max_tokens at most go, behind the first */
    limn_token_list *list; /* where all of them go; NULL = to ids */
    bool full;             /* there was no memory for the list */
    size_t tokens;         /* of the text, so far */
    size_t cut;            /* the byte of the text that the first token without room begins at */
    bool repaired;
    limn_word word; /* scratch */
    limn_bpe bpe;   /* scratch */
} encoding;

static void append(encoding *e, int32_t id) {
    limn_token_list *l = e->list;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 128;
        int32_t *ids = realloc(l->ids, room * sizeof *ids);
        e->full |= !ids;
        if (!ids) return;
        l->ids = ids;
        l->room = room;
    }
    l->ids[l->count++] = id;
}

static void emit(encoding *e, int32_t id, size_t from) {
    if (e->list) {
        append(e, id);
        return;
    }
    if (e->tokens < (size_t)e->t->max_tokens) {
        e->ids[1 + e->tokens] = id;
    } else if (e->tokens == (size_t)e->t->max_tokens) {
        e->cut = from;
    }
    e->tokens++;
}

/* Encodes a piece of the word at hand. */
static limn_status encode_piece(encoding *e, size_t from, size_t count, limn_piece_kind kind,
                                limn_error *err) {
    if (kind == LIMN_PIECE_NOTHING) return LIMN_OK;
    if (kind != LIMN_PIECE_TEXT) {
        emit(e, kind == LIMN_PIECE_START ? e->t->start_literal : e->t->end_literal,
             e->word.at[from]);
        return LIMN_OK;
    }
    size_t tokens = 0;
    limn_status status = limn_bpe_encode(e->t, &e->word, from, count, &e->bpe, &tokens, err);
    for (size_t i = 0; i < tokens; i++) emit(e, e->bpe.id[i], e->bpe.from[i]);
    return status;
}

/* Encodes text[from, to), which holds no special token. */
static limn_status encode_section(encoding *e, size_t from, size_t to, limn_error *err) {
    limn_word_reader reader = {.text = e->text, .next = from, .end = to};
    for (;;) {
        limn_status status = limn_word_next(&reader, &e->word, err);
        e->repaired |= reader.repaired;
        if (status != LIMN_OK || e->word.count == 0) return status;
        for (size_t i = 0; i < e->word.count;) {
            limn_piece_kind kind;
            size_t count = limn_piece_next(&e->word, i, &kind);
            status = encode_piece(e, i, count, kind, err);
            if (status != LIMN_OK) return status;
            i += count;
        }
    }
}

/* The special token that text[0..size) begins with, the longest there is; or NULL. */
static const limn_special *special_at(const limn_specials *s, const char *text, size_t size) {
    for (size_t i = 0; i < s->count; i++) {
        const limn_special *token = &s->list[i];
        if (token->size <= size && memcmp(token->text, text, token->size) == 0) return token;
    }
    return NULL;
}

/* Cuts the special tokens out of the text, and encodes what is between them. */
static limn_status encode_text(encoding *e, size_t size, limn_error *err) {
    const limn_specials *s = &e->t->specials;
    bool may_begin[256] = {false};
    for (size_t i = 0; i < s->count; i++) may_begin[(unsigned char)s->list[i].text[0]] = true;
    size_t section = 0;
    for (size_t at = 0; at < size;) {
        const limn_special *token =
            may_begin[(unsigned char)e->text[at]] ? special_at(s, e->text + at, size - at) : NULL;
        if (!token) {
            at++;
            continue;
        }
        limn_status status = encode_section(e, section, at, err);
        if (status != LIMN_OK) return status;
        emit(e, token->id, at);
        at += token->size;
        section = at;
    }
    return encode_section(e, section, size, err);
}

/* Copies the text that was dropped, as far as it fits, whole characters, in valid UTF-8. */
static void copy_dropped(const char *text, size_t size, char *out, size_t room) {
    size_t n = 0, at = 0;
    while (at < size && strchr(" \t\r\n", text[at])) at++;
    while (at < size) {
        int32_t character = 0;
        at += limn_utf8_next(text + at, size - at, &character);
        char bytes[4];
        size_t count = limn_utf8_put(character < 0 ? 0xFFFD : character, bytes);
        if (n + count >= room) break;
        memcpy(out + n, bytes, count);
        n += count;
    }
    out[n] = 0;
}

/* Writes the end token and the padding, and what the caller wants to know. */
static void finish(encoding *e, size_t size, limn_prompt_check *check) {
    size_t most = (size_t)e->t->max_tokens;
    size_t at = 1 + (e->tokens < most ? e->tokens : most);
    e->ids[at++] = e->t->specials.end;
    while (at < (size_t)e->t->max_positions) e->ids[at++] = e->t->specials.padding;
    if (!check) return;
    *check = (limn_prompt_check){
        .tokens = (int)e->tokens, .max_tokens = (int)most, .repaired = e->repaired};
    if (e->tokens > most)
        copy_dropped(e->text + e->cut, size - e->cut, check->dropped, sizeof check->dropped);
}

limn_status limn_tokenizer_encode(const limn_tokenizer *t, const char *text, int32_t *ids,
                                  limn_prompt_check *check, limn_error *err) {
    size_t size = strlen(text);
    if (size > LIMN_PROMPT_MOST_BYTES) {
        return limn_fail(err, LIMN_E_USAGE, "the prompt has %zu bytes, at most %zu are read", size,
                         LIMN_PROMPT_MOST_BYTES);
    }
    encoding e = {.t = t, .text = text, .ids = ids};
    ids[0] = t->specials.begin;
    limn_status status = encode_text(&e, size, err);
    if (status == LIMN_OK) finish(&e, size, check);
    limn_word_free(&e.word);
    limn_bpe_free(&e.bpe);
    return status;
}

limn_status limn_tokenizer_list(const limn_tokenizer *t, const char *text, size_t size,
                                limn_token_list *out, limn_error *err) {
    encoding e = {.t = t, .text = text, .list = out};
    limn_status status = encode_text(&e, size, err);
    if (status == LIMN_OK && e.full)
        status = limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt's tokens");
    limn_word_free(&e.word);
    limn_bpe_free(&e.bpe);
    return status;
}

void limn_token_list_free(limn_token_list *list) {
    free(list->ids);
    *list = (limn_token_list){0};
}
