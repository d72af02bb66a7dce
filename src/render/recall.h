/* Encodings of text that were made before: what the pictures of a batch share, since the negative
 * prompt, and with several pictures a line the prompt too, are the same from one to the next.
 *
 * A piece of text is known by its token ids for every encoder and by how many layers are skipped;
 * what it is encoded to depends on nothing else, so a picture has the same bits with and without.
 * Not for several threads at once. */
#ifndef LIMN_RENDER_RECALL_H
#define LIMN_RENDER_RECALL_H

#include "render/model.h"

/* Pieces that are kept; the oldest makes room. */
#define LIMN_RECALL_PIECES 8

/* Zeroed = empty and fine to free; to be used with one model only. */
typedef struct limn_recall {
    struct {
        int skip;
        int32_t *ids;         /* [encoders, positions] */
        float *cond, *pooled; /* [positions, context_d], [pooled_d] */
    } piece[LIMN_RECALL_PIECES];
    int next;  /* whose turn it is to make room */
    int found; /* pieces that were known, so far */
} limn_recall;

/* What is known of a piece, ids [encoders][positions]: its place, or -1. */
int limn_recall_find(const limn_recall *r, const limn_model *m, const int32_t *const ids[],
                     int skip);

/* Keeps a piece's encoding. Where there is no memory, it is forgotten: nothing fails. */
void limn_recall_keep(limn_recall *r, const limn_model *m, const int32_t *const ids[], int skip,
                      const float *cond, const float *pooled);

/* Releases what it holds. */
void limn_recall_free(limn_recall *r);

/* limn_render with what was encoded before; recall may be NULL. */
limn_status limn_render_recalling(const limn_model *model, const limn_request *request,
                                  const limn_options *options, limn_recall *recall,
                                  limn_picture **out, limn_error *error);

#endif
