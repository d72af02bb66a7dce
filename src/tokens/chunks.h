/* A prompt's phrases cut into chunks, of as many tokens each as a text encoder reads at once.
 *
 * In: phrases with weights (prompt/syntax.h). Out: for each chunk, ids with begin, end and padding,
 * and a weight for each. The rules are A1111's (sd_hijack_clip.py): a chunk that is full ends after
 * its last comma, where one stands among its last 20 tokens; a break ends it anywhere. What fits
 * into one chunk has the ids that limn_tokenizer_encode gives. */
#ifndef LIMN_TOKENS_CHUNKS_H
#define LIMN_TOKENS_CHUNKS_H

#include "prompt/syntax.h"
#include "tokens/tokens.h"

/* The most chunks of one prompt. */
#define LIMN_CHUNKS_MOST 64

/* A word that stands for vectors of its own: a textual inversion. */
typedef struct limn_trigger {
    const int32_t *ids; /* [count] what the tokenizer makes of the word; count at least 1 */
    int count;
    int vector, vectors; /* the first of its vectors and how many there are, at least 1 */
    int which;           /* the caller's number of it */
    const char *fault;   /* why it cannot be used: the sentence of whoever says it; or NULL */
} limn_trigger;

/* A prompt in chunks. Zeroed = empty and fine to free. */
typedef struct limn_chunks {
    int count;      /* at least 1 */
    int tokens;     /* of the prompt itself */
    int32_t *ids;   /* [count, positions]; below 0: the vector -1 - id of a trigger */
    float *weights; /* [count, positions] */
    bool *used;     /* [trigger_count] by .which: the triggers that occur; NULL without any */
} limn_chunks;

/* Cuts phrases into chunks.
 *   positions  ids of a chunk: the text encoder's
 *   triggers   [trigger_count], the longest first, so that the first that fits is the one
 *   out        the caller's, for limn_chunks_free; zeroed on failure
 * LIMN_E_USAGE for more than LIMN_CHUNKS_MOST chunks, and for a trigger with more vectors than a
 * chunk has room for; LIMN_E_MEMORY. */
limn_status limn_chunks_make(const limn_tokenizer *t, const limn_phrases *phrases, int positions,
                             const limn_trigger *triggers, int trigger_count, limn_chunks *out,
                             limn_error *err);

/* Releases what limn_chunks_make gave. */
void limn_chunks_free(limn_chunks *c);

#endif
