/* A prompt's words, cleaned and in lower case, as CLIP's tokenizer begins. */
#include "prompt/prompt.h"
#include "tokens/parts.h"

#include <stdlib.h>

limn_status limn_word_reserve(limn_word *w, size_t more, limn_error *err) {
    if (w->size - w->count >= more) return LIMN_OK;
    size_t size = w->count + more + w->size / 2 + 64; /* prompts are short: cannot overflow */
    int32_t *character = realloc(w->character, size * sizeof *character);
    if (character) w->character = character;
    uint32_t *at = realloc(w->at, size * sizeof *at);
    if (at) w->at = at;
    if (!character || !at)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt's word of %zu characters",
                         w->count + more);
    w->size = size;
    return LIMN_OK;
}

void limn_word_free(limn_word *w) {
    free(w->character);
    free(w->at);
    *w = (limn_word){0};
}

static limn_status append(limn_word *w, int32_t character, uint32_t at, limn_error *err) {
    limn_status status = limn_word_reserve(w, 1, err);
    if (status != LIMN_OK) return status;
    w->character[w->count] = character;
    w->at[w->count++] = at;
    return LIMN_OK;
}

/* Collects the characters of the next word: up to a space, or one ideograph alone. */
static limn_status collect(limn_word_reader *r, limn_word *w, limn_error *err) {
    w->count = 0;
    if (r->kept) {
        int32_t ideograph = r->kept;
        r->kept = 0;
        return append(w, ideograph, r->kept_at, err);
    }
    while (r->next < r->end) {
        uint32_t at = (uint32_t)r->next;
        int32_t character = 0;
        r->next += limn_utf8_next(r->text + at, r->end - at, &character);
        if (character < 0) {
            r->repaired = true; /* U+FFFD takes its place, and is dropped */
            continue;
        }
        limn_character_kind kind = limn_character_classify(character);
        if (kind == LIMN_CHARACTER_DROPPED) continue;
        if (kind == LIMN_CHARACTER_SPACE) {
            if (w->count > 0) return LIMN_OK;
            continue;
        }
        if (kind == LIMN_CHARACTER_IDEOGRAPH && w->count > 0) {
            r->kept = character;
            r->kept_at = at;
            return LIMN_OK;
        }
        limn_status status = append(w, character, at, err);
        if (status != LIMN_OK || kind == LIMN_CHARACTER_IDEOGRAPH) return status;
    }
    return LIMN_OK;
}

limn_status limn_word_next(limn_word_reader *r, limn_word *w, limn_error *err) {
    limn_status status = collect(r, w, err);
    if (status == LIMN_OK) status = limn_word_compose(w, err);
    if (status == LIMN_OK) status = limn_word_lower(w, err);
    return status;
}
