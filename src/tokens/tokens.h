/* Byte-pair encoding: a prompt becomes the token ids that a text encoder reads.
 *
 *   in    a prompt, UTF-8; vocab.json, merges.txt and the special tokens of the model's own files
 *   out   ids [max_positions] i32: begin, the prompt's tokens, end, then padding
 *
 * The rules are those of Hugging Face's CLIPTokenizer where ftfy is not installed, which is what
 * most users of diffusers have: U+0000, U+FFFD and all of category C except tab, LF and CR are
 * dropped; spaces go round CJK ideographs; NFC; words; Python's lower case; pieces by CLIP's
 * pattern (letters, one digit, or a run of anything else); bytes; merges, best rank first.
 * Special tokens are cut out of the text before all that: where a model pads with "!", every "!" of
 * a prompt is its padding token. tests/golden/clip/README.md has the rules and their sources.
 *
 * A tokenizer is immutable and owns all it needs: the files may be closed after
 * limn_tokenizer_open, and any number of threads may encode with it at once. */
#ifndef LIMN_TOKENS_TOKENS_H
#define LIMN_TOKENS_TOKENS_H

#include "base/file.h"

/* The longest prompt that is read, in bytes: with it a recipe stays well below LIMN_PNG_TEXT_MOST,
 * and can be read back. */
#define LIMN_PROMPT_MOST_BYTES ((size_t)256 << 10)

/* A model's vocabulary, merges and special tokens. */
typedef struct limn_tokenizer limn_tokenizer;

/* Reads a tokenizer out of the bytes of its files.
 *   vocab, merges    vocab.json and merges.txt
 *   config, special  tokenizer_config.json and special_tokens_map.json; empty (size 0) or NULL is
 *                    fine and stands for CLIP's own special tokens
 *   max_positions    positions of the text encoder (77, 32), begin and end included; at least 3.
 *                    A smaller model_max_length in the config cuts prompts earlier; the ids are
 *                    padded to max_positions all the same
 *   name             the folder, for sentences: "NAME/vocab.json: ..."; copied
 * *out is the caller's, for limn_tokenizer_close. LIMN_E_INPUT where a file is damaged or the files
 * do not go together, LIMN_E_MEMORY. */
limn_status limn_tokenizer_open(const limn_bytes *vocab, const limn_bytes *merges,
                                const limn_bytes *config, const limn_bytes *special,
                                int max_positions, const char *name, limn_tokenizer **out,
                                limn_error *err);

/* Releases a tokenizer. NULL is fine. */
void limn_tokenizer_close(limn_tokenizer *t);

/* How many ids there are: every id that limn_tokenizer_encode gives is at least 0 and below this.
 */
int limn_tokenizer_vocabulary(const limn_tokenizer *t);

/* The ids of the begin, end and padding tokens, e.g. 49406, 49407, 49407. */
int32_t limn_tokenizer_begin(const limn_tokenizer *t);
int32_t limn_tokenizer_end(const limn_tokenizer *t);     /* see above */
int32_t limn_tokenizer_padding(const limn_tokenizer *t); /* see above */

/* How many tokens of text fit between begin and end: 75 of 77 positions. */
int limn_tokenizer_room(const limn_tokenizer *t);

/* Token ids that grow in number. Zeroed = empty. */
typedef struct limn_token_list {
    int32_t *ids; /* [count] */
    size_t count, room;
} limn_token_list;

/* Appends the ids of text[0..size), all of them, without begin and end, to a list that the caller
 * frees whatever happens. LIMN_E_MEMORY. */
limn_status limn_tokenizer_list(const limn_tokenizer *t, const char *text, size_t size,
                                limn_token_list *out, limn_error *err);

/* Releases a list's memory. */
void limn_token_list_free(limn_token_list *list);

/* Turns a prompt into token ids.
 *   text   UTF-8; what is no UTF-8 is left out and reported in check->repaired
 *   ids    [max_positions], written in full: begin, text, end, padding. A prompt that is too long
 *          is cut after max_positions - 2 tokens, as CLIPTokenizer does
 *   check  may be NULL: how many tokens the prompt has and how many fit, and the original text from
 *          where the cut fell (its first 399 bytes, "" where everything fits)
 * LIMN_E_USAGE for a prompt longer than LIMN_PROMPT_MOST_BYTES, LIMN_E_MEMORY. */
limn_status limn_tokenizer_encode(const limn_tokenizer *t, const char *text, int32_t *ids,
                                  limn_prompt_check *check, limn_error *err);

#endif
