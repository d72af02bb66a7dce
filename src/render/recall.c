#include "render/recall.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of one encoder's ids. */
static size_t ids_bytes(const limn_model *m) {
    return (size_t)m->text[0].positions * sizeof(int32_t);
}

int limn_recall_find(const limn_recall *r, const limn_model *m, const int32_t *const ids[],
                     int skip) {
    size_t bytes = ids_bytes(m), positions = bytes / sizeof(int32_t);
    for (int i = 0; i < LIMN_RECALL_PIECES; i++) {
        bool same = r->piece[i].ids && r->piece[i].skip == skip;
        for (int k = 0; k < m->encoders && same; k++)
            same = memcmp(r->piece[i].ids + (size_t)k * positions, ids[k], bytes) == 0;
        if (same) return i;
    }
    return -1;
}

static void forget(limn_recall *r, int i) {
    free(r->piece[i].ids);
    free(r->piece[i].cond);
    free(r->piece[i].pooled);
    memset(&r->piece[i], 0, sizeof r->piece[i]);
}

/* A copy of `count` numbers, or NULL. */
static float *copy(const float *from, size_t count) {
    float *to = malloc((count + 1) * sizeof *to); /* never of size 0 */
    if (to && count > 0) memcpy(to, from, count * sizeof *to);
    return to;
}

void limn_recall_keep(limn_recall *r, const limn_model *m, const int32_t *const ids[], int skip,
                      const float *cond, const float *pooled) {
    if (limn_recall_find(r, m, ids, skip) >= 0) return;
    size_t bytes = ids_bytes(m), positions = bytes / sizeof(int32_t);
    int i = r->next;
    forget(r, i);
    r->next = (i + 1) % LIMN_RECALL_PIECES;
    int32_t *own = malloc((size_t)m->encoders * bytes);
    for (int k = 0; k < m->encoders && own; k++) memcpy(own + (size_t)k * positions, ids[k], bytes);
    r->piece[i].skip = skip;
    r->piece[i].ids = own;
    r->piece[i].cond = copy(cond, positions * (size_t)m->unet.context_d);
    r->piece[i].pooled = copy(pooled, (size_t)m->unet.pooled_d);
    if (!own || !r->piece[i].cond || !r->piece[i].pooled) forget(r, i);
}

void limn_recall_free(limn_recall *r) {
    for (int i = 0; i < LIMN_RECALL_PIECES; i++) forget(r, i);
}
