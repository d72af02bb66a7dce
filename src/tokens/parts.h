/* Inside src/tokens: what its files share. In the order of the data:
 *
 *   vocabulary.c  vocab.json       -> token text to id (only while a tokenizer is opened)
 *   merges.c      merges.txt       -> pair of ids to rank and id
 *   special.c     the two configs  -> special tokens and how long a prompt may be
 *   tokenizer.c   all of it        -> limn_tokenizer
 *   words.c       prompt           -> words: cleaned, NFC, lower case
 *   unicode.c     what words.c needs of Unicode
 *   pieces.c      word             -> pieces, by CLIP's pattern
 *   bpe.c         piece            -> ids
 *   encode.c      prompt           -> ids, through the four above */
#ifndef LIMN_TOKENS_PARTS_H
#define LIMN_TOKENS_PARTS_H

#include "tokens/tokens.h"

/* The most tokens and merges that a model may have: twenty times CLIP's. */
#define LIMN_TOKENS_MOST (1u << 20)

/* The most bytes that one of a tokenizer's files may have. */
#define LIMN_TOKENS_MOST_FILE ((size_t)64 << 20)

/* ---- vocab.json ------------------------------------------------------------------------------ */

/* One token in the hash table; empty where text is NULL. */
typedef struct limn_vocabulary_slot {
    const char *text; /* UTF-8, not ended by NUL */
    uint32_t size;    /* bytes in text */
    int32_t id;
} limn_vocabulary_slot;

/* Token texts and their ids: a hash table with open addressing, at most half full. */
typedef struct limn_vocabulary {
    char *text; /* all of them */
    limn_vocabulary_slot *slots;
    size_t mask;  /* slots - 1 */
    size_t count; /* tokens */
    int32_t ids;  /* the highest id + 1 */
} limn_vocabulary;

/* Reads {"token": id, ...}. Ids are from 0 and below LIMN_TOKENS_MOST; texts and ids unique.
 * `name` is the folder's. The caller frees *out, zeroed on failure. LIMN_E_INPUT, LIMN_E_MEMORY. */
limn_status limn_vocabulary_read(const limn_bytes *json, const char *name, limn_vocabulary *out,
                                 limn_error *err);

/* Releases a vocabulary. Zeroed is fine. */
void limn_vocabulary_free(limn_vocabulary *v);

/* The id of a token, or -1. */
int32_t limn_vocabulary_find(const limn_vocabulary *v, const char *text, size_t size);

/* ---- merges.txt ------------------------------------------------------------------------------ */

/* One merge in the hash table; empty where product is -1. */
typedef struct limn_merge {
    int32_t left, right; /* ids of the pair */
    int32_t product;     /* id of what it becomes */
    uint32_t rank;       /* 0 = merged first; all ranks differ */
} limn_merge;

/* Merges by pair: a hash table with open addressing, at most two thirds full. */
typedef struct limn_merges {
    limn_merge *slots;
    unsigned shift; /* 64 - log2(number of slots) */
    size_t mask;    /* slots - 1 */
} limn_merges;

/* Reads "left right" lines; both and their product must be in the vocabulary. The caller frees
 * *out, zeroed on failure. LIMN_E_INPUT, LIMN_E_MEMORY. */
limn_status limn_merges_read(const limn_bytes *text, const limn_vocabulary *v, const char *name,
                             limn_merges *out, limn_error *err);

/* Releases merges. Zeroed is fine. */
void limn_merges_free(limn_merges *m);

/* The slot of the merge of a pair, or NULL. An id of -1 is in no merge. */
const limn_merge *limn_merges_find(const limn_merges *m, int32_t left, int32_t right);

/* ---- special tokens -------------------------------------------------------------------------- */

/* The most special and added tokens, and the most bytes in one. */
#define LIMN_SPECIAL_MOST       256
#define LIMN_SPECIAL_MOST_BYTES 256

/* A token that is cut out of the prompt's raw text, before anything else. */
typedef struct limn_special {
    char text[LIMN_SPECIAL_MOST_BYTES]; /* ends in NUL; never "" */
    size_t size;                        /* its length, bytes */
    int32_t id;
} limn_special;

/* What the configurations say. */
typedef struct limn_specials {
    limn_special *list; /* [count], longest first, so that the first that fits is the one */
    size_t count;
    int32_t begin, end, padding, unknown; /* ids */
    int32_t ids;                          /* the highest id of them + 1 */
    double max_length;                    /* model_max_length; infinity where it is not said */
} limn_specials;

/* Reads tokenizer_config.json and special_tokens_map.json (each may be NULL or empty). As in
 * transformers, the map wins over the config, except where the config has added_tokens_decoder. The
 * caller frees *out, zeroed on failure. LIMN_E_INPUT, LIMN_E_MEMORY. */
limn_status limn_specials_read(const limn_bytes *config, const limn_bytes *map,
                               const limn_vocabulary *v, const char *name, limn_specials *out,
                               limn_error *err);

/* Releases special tokens. Zeroed is fine. */
void limn_specials_free(limn_specials *s);

/* ---- the tokenizer --------------------------------------------------------------------------- */

struct limn_tokenizer {
    limn_merges merges;
    limn_specials specials;
    int32_t byte[256];      /* the id of a byte inside a piece; -1 = not in the vocabulary */
    int32_t last_byte[256]; /* the id of a piece's last byte, the one with </w> */
    int32_t start_literal;  /* id of "<|startoftext|>" and "<|endoftext|>", which CLIP's pattern */
    int32_t end_literal;    /* knows whatever the special tokens are; unknown where there is none */
    int32_t ids;            /* every id is below this */
    int max_positions;      /* ids that a prompt gets */
    int max_tokens;         /* of its text */
};

/* ---- words ----------------------------------------------------------------------------------- */

/* Characters, and for each the byte of the prompt that it came from. */
typedef struct limn_word {
    int32_t *character; /* [size] */
    uint32_t *at;       /* [size], rising */
    size_t count, size;
} limn_word;

/* Makes room for `more` characters after the last. LIMN_E_MEMORY. */
limn_status limn_word_reserve(limn_word *w, size_t more, limn_error *err);

/* Releases a word's memory. Zeroed is fine. */
void limn_word_free(limn_word *w);

/* A reader of words: text[next, end) is still to be read. */
typedef struct limn_word_reader {
    const char *text;
    size_t next, end; /* bytes */
    int32_t kept;     /* an ideograph that ended the word before it; 0 = none */
    uint32_t kept_at; /* where that is */
    bool repaired;    /* whether there was something that is no UTF-8 */
} limn_word_reader;

/* Reads the next word, cleaned, in NFC and lower case; *w is emptied first, and has count 0 at the
 * end of the text. LIMN_E_MEMORY. */
limn_status limn_word_next(limn_word_reader *r, limn_word *w, limn_error *err);

/* What a character is to CLIP's rules. */
typedef enum limn_character_kind {
    LIMN_CHARACTER_OTHER,
    LIMN_CHARACTER_LETTER,    /* \p{L} */
    LIMN_CHARACTER_DIGIT,     /* \p{N} */
    LIMN_CHARACTER_SPACE,     /* tab, LF, CR, categories Zs, Zl and Zp */
    LIMN_CHARACTER_DROPPED,   /* U+0000, U+FFFD and the rest of category C */
    LIMN_CHARACTER_IDEOGRAPH, /* a CJK ideograph: a letter and a word of its own */
} limn_character_kind;

/* Sorts a character by its category. */
limn_character_kind limn_character_classify(int32_t character);

/* Brings a word to Normalization Form C, in linear time. LIMN_E_MEMORY. */
limn_status limn_word_compose(limn_word *w, limn_error *err);

/* Python's str.lower: simple mappings, U+0130 to two characters, a final sigma. LIMN_E_MEMORY. */
limn_status limn_word_lower(limn_word *w, limn_error *err);

/* ---- pieces and ids -------------------------------------------------------------------------- */

/* What a piece of a word is. */
typedef enum limn_piece_kind {
    LIMN_PIECE_TEXT,    /* for byte-pair encoding */
    LIMN_PIECE_START,   /* "<|startoftext|>" */
    LIMN_PIECE_END,     /* "<|endoftext|>" */
    LIMN_PIECE_NOTHING, /* what the pattern passes over */
} limn_piece_kind;

/* How many characters the piece that begins at character `from` < w->count has, at least 1. */
size_t limn_piece_next(const limn_word *w, size_t from, limn_piece_kind *kind);

/* A pair that may be merged, waiting for its turn. */
typedef struct limn_bpe_wait {
    uint32_t rank;
    uint32_t at;     /* the left symbol */
    int32_t product; /* what the two become */
} limn_bpe_wait;

/* Scratch of byte-pair encoding; grows. */
typedef struct limn_bpe {
    int32_t *id;         /* [size] symbols: ids, -1 for a byte that the vocabulary lacks */
    uint32_t *from;      /* [size] the byte of the prompt that a symbol begins at */
    uint32_t *next;      /* [size] the symbol after; count = none */
    uint32_t *before;    /* [size] the symbol before; count = none */
    limn_bpe_wait *wait; /* [2 size] a heap, and from its end the pairs of the round under way */
    size_t size;
} limn_bpe;

/* Releases the scratch. Zeroed is fine. */
void limn_bpe_free(limn_bpe *b);

/* Encodes the characters [from, from + count) of a word. Afterwards its tokens are b->id[i] and
 * b->from[i] for i < *tokens; an id is the unknown token's where the vocabulary has none. Time is
 * n log n in the piece's bytes. LIMN_E_MEMORY. */
limn_status limn_bpe_encode(const limn_tokenizer *t, const limn_word *w, size_t from, size_t count,
                            limn_bpe *b, size_t *tokens, limn_error *err);

#endif
