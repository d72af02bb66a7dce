/* What a request's prompts say over the steps: read, tokenised and cut into chunks, before any
 * workspace is taken, so that the plan knows how much text there is.
 *
 *   rows     conditionings that are evaluated at once: the negative prompt's and those of the
 *            prompt's parts, or the prompt's alone
 *   state    what all rows say in a step; editing makes several
 *   text     one of the different texts that rows say, which may be two: SDXL's second encoder can
 *            have a prompt of its own
 *   piece    one of the different chunks that texts have: each is encoded once
 *
 * Every text has the same number of chunks: the shorter ones are filled with empty ones. */
#ifndef LIMN_RENDER_SPEECH_H
#define LIMN_RENDER_SPEECH_H

#include "prompt/syntax.h"
#include "render/model.h"
#include "tokens/chunks.h"

/* Rows x states x chunks at most: what bounds the memory that text takes. */
#define LIMN_SPEECH_MOST 512

/* A chunk of a text. */
typedef struct limn_speech_piece {
    int text, chunk;
} limn_speech_piece;

/* Zeroed = empty and fine to free. */
typedef struct limn_speech {
    int rows, states, chunks, texts, pieces;
    int *state_of_step;                    /* [steps] */
    int *text_of;                          /* [states, rows] */
    int *piece_of;                         /* [texts, chunks] */
    limn_speech_piece *piece;              /* [pieces] the first place where each stands */
    bool composed;                         /* AND joins several prompts */
    float weights[LIMN_SYNTAX_PARTS_MOST]; /* theirs, [rows - 1] */
    int encoders, positions;
    limn_chunks *said[LIMN_ENCODERS_MOST]; /* [texts] for each encoder */
    limn_chunks empty[LIMN_ENCODERS_MOST]; /* what fills up */
    limn_unet_condition *conditions;       /* [states], for limn_encode_request to fill */
    bool *used; /* which of the model's embeddings occur; NULL where it has none */
    bool plain; /* whether it is what the syntax "plain" would say too */
} limn_speech;

/* Reads the prompts as request->prompt_syntax says. Needs nothing of the request but the prompts,
 * the syntax, steps and guidance. The caller frees *out with limn_speech_free; zeroed on failure.
 * LIMN_E_USAGE where a limit is passed or the syntax is none, LIMN_E_MEMORY. */
limn_status limn_speech_make(const limn_model *m, const limn_request *request, limn_speech *out,
                             limn_error *err);

/* Takes another speech's use of the model's embeddings into *to: that of a second pass, whose steps
 * are others. */
void limn_speech_join_used(const limn_model *m, limn_speech *to, const limn_speech *other);

/* Releases what limn_speech_make gave. */
void limn_speech_free(limn_speech *s);

/* A piece's ids or weights, [positions], for an encoder. */
const int32_t *limn_speech_ids(const limn_speech *s, int encoder, int piece);
const float *limn_speech_weights(const limn_speech *s, int encoder, int piece); /* see above */

#endif
