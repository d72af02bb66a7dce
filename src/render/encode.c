#include "render/encode.h"

#include <string.h>

void limn_encode_ids(limn_exec *e, const limn_model *m,
                     const int32_t *const ids[LIMN_ENCODERS_MOST], int n, int skip, float *cond,
                     float *pooled) {
    size_t column = 0;
    for (int i = 0; i < m->encoders; i++) {
        const limn_text_task task = {
            .ids = ids[i],
            .vectors = m->embeddings ? m->embeddings->vectors[i] : NULL,
            .n = n,
            .skip = skip + (m->joined ? 1 : 0),
            .bare = m->joined,
            .cond = limn_exec_measuring(e) ? NULL : cond + column,
            .stride = (size_t)m->unet.context_d,
            .pools = m->unet.pooled_d > 0 && i + 1 == m->encoders,
            .pooled = pooled,
        };
        limn_text_run(e, &m->text[i], &task);
        column += (size_t)m->text[i].d;
    }
}

/* Pieces are encoded by so many at once: the usual two prompts together. */
#define TOGETHER 2

/* The ids of piece k for each encoder. */
static void list_ids(const limn_speech *s, int k, const int32_t *ids[LIMN_ENCODERS_MOST]) {
    for (int i = 0; i < s->encoders; i++) ids[i] = limn_speech_ids(s, i, k);
}

/* Copies pieces [first, first + n) into their places, where all of them were encoded before. */
static bool recall_pieces(const limn_model *m, const limn_speech *s, int first, int n, int skip,
                          limn_recall *recall, float *cond, float *pooled) {
    size_t numbers = (size_t)s->positions * (size_t)m->unet.context_d;
    size_t pooled_d = (size_t)m->unet.pooled_d;
    const int32_t *ids[LIMN_ENCODERS_MOST];
    int at[TOGETHER];
    for (int k = 0; k < n; k++) {
        list_ids(s, first + k, ids);
        at[k] = recall ? limn_recall_find(recall, m, ids, skip) : -1;
        if (at[k] < 0) return false;
    }
    for (int k = 0; k < n; k++, recall->found++) {
        memcpy(cond + (size_t)k * numbers, recall->piece[at[k]].cond, numbers * sizeof *cond);
        if (pooled_d > 0)
            memcpy(pooled + (size_t)k * pooled_d, recall->piece[at[k]].pooled,
                   pooled_d * sizeof *pooled);
    }
    return true;
}

/* Keeps pieces [first, first + n) for the next picture. */
static void keep_pieces(const limn_model *m, const limn_speech *s, int first, int n, int skip,
                        limn_recall *recall, const float *cond, const float *pooled) {
    size_t numbers = (size_t)s->positions * (size_t)m->unet.context_d;
    const int32_t *ids[LIMN_ENCODERS_MOST];
    for (int k = 0; k < n && recall; k++) {
        list_ids(s, first + k, ids);
        limn_recall_keep(recall, m, ids, skip, cond + (size_t)k * numbers,
                         pooled + (size_t)k * (size_t)m->unet.pooled_d);
    }
}

/* Encodes pieces into a table: cond [pieces, positions, context_d] and pooled [pieces, pooled_d],
 * emphasis done. */
static void encode_pieces(limn_exec *e, const limn_model *m, const limn_speech *s, int skip,
                          limn_recall *recall, float *cond, float *pooled) {
    size_t positions = (size_t)s->positions, d = (size_t)m->unet.context_d;
    bool measuring = limn_exec_measuring(e);
    int32_t *ids[LIMN_ENCODERS_MOST] = {NULL};
    size_t mark = limn_arena_mark(e->ws);
    for (int i = 0; i < s->encoders; i++)
        ids[i] = limn_arena_take(e->ws, TOGETHER * positions, sizeof *ids[i]);
    for (int first = 0; first < s->pieces; first += TOGETHER) {
        int n = s->pieces - first < TOGETHER ? s->pieces - first : TOGETHER;
        for (int i = 0; i < n * s->encoders && !measuring; i++)
            memcpy(ids[i / n] + (size_t)(i % n) * positions,
                   limn_speech_ids(s, i / n, first + i % n), positions * sizeof *ids[0]);
        float *to = measuring ? NULL : cond + (size_t)first * positions * d;
        float *pooled_to = measuring ? NULL : pooled + (size_t)first * (size_t)m->unet.pooled_d;
        if (!measuring && recall_pieces(m, s, first, n, skip, recall, to, pooled_to)) continue;
        limn_encode_ids(e, m, (const int32_t *const *)ids, n, skip, to, pooled_to);
        if (!measuring && !e->stopped) keep_pieces(m, s, first, n, skip, recall, to, pooled_to);
    }
    size_t column = 0;
    for (int i = 0; i < s->encoders && !measuring; column += (size_t)m->text[i++].d)
        for (int k = 0; k < s->pieces; k++)
            limn_text_emphasize(cond + (size_t)k * positions * d + column, s->positions,
                                m->text[i].d, d, limn_speech_weights(s, i, k));
    limn_arena_release(e->ws, mark);
}

/* What a row says in a state: its chunks one after another, pooled from the first. */
static void assemble(const limn_model *m, const limn_speech *s, int text, const float *table,
                     const float *table_pooled, float *cond, float *pooled) {
    size_t numbers = (size_t)s->positions * (size_t)m->unet.context_d;
    size_t pooled_d = (size_t)m->unet.pooled_d;
    const int *pieces = s->piece_of + (size_t)text * (size_t)s->chunks;
    for (int c = 0; c < s->chunks; c++)
        memcpy(cond + (size_t)c * numbers, table + (size_t)pieces[c] * numbers,
               numbers * sizeof *cond);
    if (pooled_d > 0)
        memcpy(pooled, table_pooled + (size_t)pieces[0] * pooled_d, pooled_d * sizeof *pooled);
}

/* Fills cond [states, rows, chunks, positions, context_d] and pooled [states, rows, pooled_d]. */
static void encode(limn_exec *e, const limn_model *m, const limn_speech *s, int skip,
                   limn_recall *recall, float *cond, float *pooled) {
    size_t mark = limn_arena_mark(e->ws), pooled_d = (size_t)m->unet.pooled_d;
    size_t numbers = (size_t)s->positions * (size_t)m->unet.context_d;
    float *table = limn_arena_floats(e->ws, (size_t)s->pieces * numbers);
    float *table_pooled = limn_arena_floats(e->ws, (size_t)s->pieces * pooled_d);
    encode_pieces(e, m, s, skip, recall, table, table_pooled);
    for (int i = 0; i < s->states * s->rows && !limn_exec_measuring(e); i++)
        assemble(m, s, s->text_of[i], table, table_pooled,
                 cond + (size_t)i * (size_t)s->chunks * numbers, pooled + (size_t)i * pooled_d);
    limn_arena_release(e->ws, mark);
}

/* What SDXL is told of the picture, in its order. */
static void set_numbers(const limn_request *r, int numbers[LIMN_UNET_NUMBERS]) {
    const int all[LIMN_UNET_NUMBERS] = {
        r->original_height ? r->original_height : r->height,
        r->original_width ? r->original_width : r->width,
        r->crop_y,
        r->crop_x,
        r->target_height ? r->target_height : r->height,
        r->target_width ? r->target_width : r->width,
    };
    memcpy(numbers, all, sizeof all);
}

/* SDXL's way with an empty negative prompt: zeros. */
static void clear_negative(const limn_model *m, const limn_speech *s, float *cond, float *pooled) {
    size_t rows = (size_t)s->rows, pooled_d = (size_t)m->unet.pooled_d;
    size_t numbers = (size_t)s->chunks * (size_t)s->positions * (size_t)m->unet.context_d;
    for (size_t i = 0; i < (size_t)s->states; i++) {
        memset(cond + i * rows * numbers, 0, numbers * sizeof *cond);
        memset(pooled + i * rows * pooled_d, 0, pooled_d * sizeof *pooled);
    }
}

void limn_encode_request(limn_exec *e, const limn_model *m, const limn_request *request,
                         limn_recall *recall, limn_speech *s) {
    size_t states = (size_t)s->states, rows = (size_t)s->rows;
    size_t pooled_d = (size_t)m->unet.pooled_d;
    size_t numbers = (size_t)s->chunks * (size_t)s->positions * (size_t)m->unet.context_d;
    bool measuring = limn_exec_measuring(e);
    float *cond = limn_arena_floats(e->ws, states * rows * numbers);
    float *pooled = limn_arena_floats(e->ws, states * rows * pooled_d);
    encode(e, m, s, request->clip_skip > 1 ? request->clip_skip - 1 : 0, recall, cond, pooled);
    bool empty = request->negative[0] == '\0' && !request->negative_2;
    if (s->rows > 1 && m->zeros && empty && !measuring) clear_negative(m, s, cond, pooled);
    for (size_t i = 0; i < states; i++) {
        s->conditions[i] = (limn_unet_condition){
            .n = s->rows,
            .tokens = s->chunks * s->positions,
            .cond = measuring ? NULL : cond + i * rows * numbers,
            .pooled = measuring ? NULL : pooled + i * rows * pooled_d,
            .guidance = request->guidance,
        };
        set_numbers(request, s->conditions[i].numbers);
    }
}
