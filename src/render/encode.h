/* From what a request's prompts say to what the denoiser is told: the only place where ids meet the
 * text encoders.
 *
 * In: a checked request and its speech. Out: conditionings in the workspace, which stay valid until
 * the caller releases what was taken since. Cannot fail. On a measuring workspace it takes what it
 * will take and computes nothing. */
#ifndef LIMN_RENDER_ENCODE_H
#define LIMN_RENDER_ENCODE_H

#include "render/recall.h"
#include "render/speech.h"

/* Runs every encoder over ids.
 *   ids     [m->encoders] arrays, each [n, positions]
 *   skip    layers at each encoder's end that are left out of cond, beyond those of its family
 *   cond    [n, positions, context_d], written in full: encoder after encoder in each row
 *   pooled  [n, pooled_d], the last encoder's; not written where the U-Net takes none */
void limn_encode_ids(limn_exec *e, const limn_model *m,
                     const int32_t *const ids[LIMN_ENCODERS_MOST], int n, int skip, float *cond,
                     float *pooled);

/* Encodes what a request's prompts say and fills s->conditions, one for each state. What they point
 * to is taken from e->ws. recall: what was encoded before, and is kept for the next; NULL is fine.
 */
void limn_encode_request(limn_exec *e, const limn_model *m, const limn_request *request,
                         limn_recall *recall, limn_speech *s);

#endif
