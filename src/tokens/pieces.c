/* CLIP's pattern (simple_tokenizer.py), on words that are cleaned and in lower case:
 *   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 * It ignores case, and so takes a long s (U+017F), which is in lower case, for an s. Under it
 * Python's regex module puts U+0345, a mark whose capital is a letter, neither among letters nor
 * others: nothing matches, and it is left out. */
#include "tokens/parts.h"

#include <string.h>

/* Whether the characters from `from` on are `text`; *exact: without a long s. */
static bool matches(const limn_word *w, size_t from, const char *text, bool *exact) {
    size_t n = strlen(text);
    if (w->count - from < n) return false;
    *exact = true;
    for (size_t i = 0; i < n; i++) {
        int32_t c = w->character[from + i];
        if (c == 0x17F && text[i] == 's') {
            *exact = false;
        } else if (c != (unsigned char)text[i]) {
            return false;
        }
    }
    return true;
}

/* The literal alternatives; 0 where none fits. */
static size_t literal(const limn_word *w, size_t from, limn_piece_kind *kind) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    static const char *const starts = "<|startoftext|>";
    static const char *const ends = "<|endoftext|>";
    bool exact = false;
    if (w->character[from] == '<') {
        if (matches(w, from, starts, &exact)) {
            if (exact) *kind = LIMN_PIECE_START;
            return strlen(starts);
        }
        if (matches(w, from, ends, &exact)) {
            if (exact) *kind = LIMN_PIECE_END;
            return strlen(ends);
        }
    } else if (w->character[from] == '\'') {
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            if (matches(w, from, endings[i], &exact)) return strlen(endings[i]);
        }
    }
    return 0;
}

/* A character as the pattern sees it: letter, digit, other, or dropped. */
static limn_character_kind kind_of(int32_t character) {
    if (character == 0x345) return LIMN_CHARACTER_DROPPED;
    limn_character_kind kind = limn_character_classify(character);
    if (kind == LIMN_CHARACTER_IDEOGRAPH) return LIMN_CHARACTER_LETTER;
    return kind == LIMN_CHARACTER_LETTER || kind == LIMN_CHARACTER_DIGIT ? kind
                                                                         : LIMN_CHARACTER_OTHER;
}

size_t limn_piece_next(const limn_word *w, size_t from, limn_piece_kind *kind) {
    *kind = LIMN_PIECE_TEXT;
    size_t n = literal(w, from, kind);
    if (n > 0) return n;
    limn_character_kind first = kind_of(w->character[from]);
    n = 1;
    if (first == LIMN_CHARACTER_DROPPED) *kind = LIMN_PIECE_NOTHING;
    if (first == LIMN_CHARACTER_DIGIT) return n;
    while (from + n < w->count && kind_of(w->character[from + n]) == first) n++;
    return n;
}
