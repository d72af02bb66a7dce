/* A tokenizer's life: opened from its files, asked for its limits, closed. */
#include "prompt/prompt.h"
#include "tokens/parts.h"

#include <stdlib.h>
#include <string.h>

/* The character that stands for a byte in vocab.json: printable Latin-1 for itself, the others in
 * their order from U+0100 on (bytes_to_unicode of GPT-2's encoder.py). */
static int32_t character_of_byte(int byte) {
    bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    if (printable) return byte;
    return 0x100 + (byte <= ' ' ? byte : byte == 0xAD ? 67 : byte - 0x7F + 33);
}

/* Fills the ids of the 256 bytes, inside and at the end of a piece. */
static void find_bytes(limn_tokenizer *t, const limn_vocabulary *v) {
    for (int i = 0; i < 256; i++) {
        char text[8];
        size_t n = limn_utf8_put(character_of_byte(i), text);
        t->byte[i] = limn_vocabulary_find(v, text, n);
        memcpy(text + n, "</w>", 4);
        t->last_byte[i] = limn_vocabulary_find(v, text, n + 4);
    }
}

/* The id of a token, or the unknown token's. */
static int32_t id_or_unknown(const limn_tokenizer *t, const limn_vocabulary *v, const char *text) {
    int32_t id = limn_vocabulary_find(v, text, strlen(text));
    return id >= 0 ? id : t->specials.unknown;
}

/* Fills *t, which is zeroed, from a vocabulary and the other files. */
static limn_status fill(limn_tokenizer *t, const limn_vocabulary *v, const limn_bytes *merges,
                        const limn_bytes *config, const limn_bytes *special, const char *name,
                        limn_error *err) {
    limn_status status = limn_merges_read(merges, v, name, &t->merges, err);
    if (status == LIMN_OK) status = limn_specials_read(config, special, v, name, &t->specials, err);
    if (status != LIMN_OK) return status;
    find_bytes(t, v);
    t->start_literal = id_or_unknown(t, v, "<|startoftext|>");
    t->end_literal = id_or_unknown(t, v, "<|endoftext|>");
    t->ids = t->specials.ids > v->ids ? t->specials.ids : v->ids;
    bool cut = t->specials.max_length < t->max_positions;
    t->max_tokens = (cut ? (int)t->specials.max_length : t->max_positions) - 2;
    return LIMN_OK;
}

limn_status limn_tokenizer_open(const limn_bytes *vocab, const limn_bytes *merges,
                                const limn_bytes *config, const limn_bytes *special,
                                int max_positions, const char *name, limn_tokenizer **out,
                                limn_error *err) {
    *out = NULL;
    if (max_positions < 3) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: the text encoder has %d positions, expected at least 3", name,
                         max_positions);
    }
    limn_vocabulary v;
    limn_status status = limn_vocabulary_read(vocab, name, &v, err);
    if (status != LIMN_OK) return status;
    limn_tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        limn_vocabulary_free(&v);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for the tokenizer", name);
    }
    t->max_positions = max_positions;
    status = fill(t, &v, merges, config, special, name, err);
    limn_vocabulary_free(&v);
    if (status != LIMN_OK) {
        limn_tokenizer_close(t);
        return status;
    }
    *out = t;
    return LIMN_OK;
}

void limn_tokenizer_close(limn_tokenizer *t) {
    if (!t) return;
    limn_merges_free(&t->merges);
    limn_specials_free(&t->specials);
    free(t);
}

int limn_tokenizer_vocabulary(const limn_tokenizer *t) {
    return t->ids;
}

int32_t limn_tokenizer_begin(const limn_tokenizer *t) {
    return t->specials.begin;
}

int32_t limn_tokenizer_end(const limn_tokenizer *t) {
    return t->specials.end;
}

int32_t limn_tokenizer_padding(const limn_tokenizer *t) {
    return t->specials.padding;
}

int limn_tokenizer_room(const limn_tokenizer *t) {
    return t->max_tokens;
}
