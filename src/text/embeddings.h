/* Textual inversion: words of a prompt that stand for vectors which somebody has trained, in place
 * of what the text encoder's own table has for their tokens (Gal et al. 2022).
 *
 * In: a folder. Out: for each file in it, a word (the file's name without its ending) and vectors
 * for each text encoder. A file that cannot be used (another model's width, damaged, pickle) is no
 * fault until its word stands in a prompt. Forms: safetensors with "emb_params" or one tensor of
 * any name, [n, d] or [d]; for two encoders, "clip_l" and "clip_g", or "text_encoders_0"
 * and "text_encoders_1". */
#ifndef LIMN_TEXT_EMBEDDINGS_H
#define LIMN_TEXT_EMBEDDINGS_H

#include "text/text.h"
#include "tokens/chunks.h"

/* Text encoders at most: SDXL has two. */
#define LIMN_EMBEDDINGS_ENCODERS 2

/* One file. */
typedef struct limn_embedding {
    char *name;      /* the word */
    char sha256[65]; /* of the file */
    char *fault;     /* why it cannot be used; NULL = it can */
} limn_embedding;

/* What the embeddings are for. */
typedef struct limn_embeddings_for {
    int encoders;
    const limn_text *text[LIMN_EMBEDDINGS_ENCODERS];
    const limn_tokenizer *tokenizer[LIMN_EMBEDDINGS_ENCODERS];
} limn_embeddings_for;

/* All files of a folder. */
typedef struct limn_embeddings {
    int count;
    limn_embedding *list;                             /* [count] */
    float *vectors[LIMN_EMBEDDINGS_ENCODERS];         /* [rows, d]; NULL where there are none */
    limn_trigger *triggers[LIMN_EMBEDDINGS_ENCODERS]; /* [count]; .which is the place in list */
} limn_embeddings;

/* Reads a folder. *out is the caller's, for limn_embeddings_close; NULL after a failure.
 * LIMN_E_MISSING or LIMN_E_IO where the folder cannot be read, LIMN_E_MEMORY. */
limn_status limn_embeddings_open(const char *folder, const limn_embeddings_for *what,
                                 limn_embeddings **out, limn_error *err);

/* Releases them. NULL is fine. */
void limn_embeddings_close(limn_embeddings *e);

#endif
