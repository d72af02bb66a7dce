#include "tokens/chunks.h"

#include <stdlib.h>
#include <string.h>

/* How far back a comma may stand for a full chunk to end at it, tokens (A1111's default). */
#define COMMA_BACK 20

/* Chunks under way; the one being filled is at the end. */
typedef struct cutting {
    const limn_tokenizer *t;
    limn_chunks *out;
    int positions, room; /* ids of a chunk; tokens of text in it */
    int32_t *ids;        /* [room] of the chunk at hand */
    float *weights;      /* [room] */
    int used;            /* of them */
    int comma;           /* after how many of them the last comma stands; -1 = none */
    int32_t comma_id;    /* -1 = the vocabulary has none */
    limn_error *err;
} cutting;

/* Ends the chunk at hand after its first `count` tokens; the others begin the next. */
static limn_status end_chunk(cutting *c, int count) {
    limn_chunks *out = c->out;
    size_t n = (size_t)c->positions, done = (size_t)out->count;
    if (out->count == LIMN_CHUNKS_MOST)
        return limn_fail(c->err, LIMN_E_USAGE,
                         "the prompt has more than %d chunks of %d tokens each", LIMN_CHUNKS_MOST,
                         c->room);
    int32_t *ids = out->ids + done * n;
    float *weights = out->weights + done * n;
    for (size_t i = 0; i < n; i++) {
        ids[i] = limn_tokenizer_padding(c->t);
        weights[i] = 1;
    }
    ids[0] = limn_tokenizer_begin(c->t);
    memcpy(ids + 1, c->ids, (size_t)count * sizeof *ids);
    memcpy(weights + 1, c->weights, (size_t)count * sizeof *weights);
    ids[count + 1] = limn_tokenizer_end(c->t);
    c->used -= count;
    memmove(c->ids, c->ids + count, (size_t)c->used * sizeof *ids);
    memmove(c->weights, c->weights + count, (size_t)c->used * sizeof *weights);
    c->comma = -1;
    out->count++;
    return LIMN_OK;
}

static void put(cutting *c, int32_t id, double weight) {
    c->ids[c->used] = id;
    c->weights[c->used++] = (float)weight;
    c->out->tokens++;
}

static limn_status add_token(cutting *c, int32_t id, double weight) {
    limn_status status = LIMN_OK;
    if (c->used == c->room) {
        /* a comma itself does not move what is before it */
        bool back = id != c->comma_id && c->comma >= 0 && c->used - c->comma < COMMA_BACK;
        status = end_chunk(c, back ? c->comma : c->used);
    }
    if (status != LIMN_OK) return status;
    put(c, id, weight);
    if (id == c->comma_id) c->comma = c->used;
    return LIMN_OK;
}

static limn_status add_vectors(cutting *c, const limn_trigger *t, double weight) {
    if (t->fault) return limn_fail(c->err, LIMN_E_USAGE, "%s", t->fault);
    c->out->used[t->which] = true;
    if (t->vectors > c->room)
        return limn_fail(c->err, LIMN_E_USAGE,
                         "an embedding in the prompt has %d vectors, a chunk has room for %d",
                         t->vectors, c->room);
    if (c->used + t->vectors > c->room) {
        limn_status status = end_chunk(c, c->used);
        if (status != LIMN_OK) return status;
    }
    for (int i = 0; i < t->vectors; i++) put(c, -1 - (t->vector + i), weight);
    return LIMN_OK;
}

/* The trigger that ids[0..count) begins with, or NULL. */
static const limn_trigger *trigger_at(const limn_trigger *triggers, int trigger_count,
                                      const int32_t *ids, size_t count) {
    for (int i = 0; i < trigger_count; i++) {
        size_t n = (size_t)triggers[i].count;
        if (n > 0 && n <= count && memcmp(ids, triggers[i].ids, n * sizeof *ids) == 0)
            return &triggers[i];
    }
    return NULL;
}

static limn_status add_phrase(cutting *c, const limn_phrase *phrase, const limn_trigger *triggers,
                              int trigger_count) {
    limn_token_list list = {0};
    if (phrase->is_break) return end_chunk(c, c->used);
    limn_status status = limn_tokenizer_list(c->t, phrase->text, phrase->size, &list, c->err);
    for (size_t i = 0; i < list.count && status == LIMN_OK;) {
        const limn_trigger *t = trigger_at(triggers, trigger_count, list.ids + i, list.count - i);
        status = t ? add_vectors(c, t, phrase->weight) : add_token(c, list.ids[i], phrase->weight);
        i += t ? (size_t)t->count : 1;
    }
    limn_token_list_free(&list);
    return status;
}

static limn_status find_comma(cutting *c) {
    limn_token_list list = {0};
    limn_status status = limn_tokenizer_list(c->t, ",", 1, &list, c->err);
    c->comma_id = status == LIMN_OK && list.count == 1 ? list.ids[0] : -1;
    limn_token_list_free(&list);
    return status;
}

/* Gives back the room of the chunks that there are not. */
static void trim(limn_chunks *c, size_t positions) {
    size_t count = (size_t)c->count * positions;
    int32_t *ids = realloc(c->ids, count * sizeof *ids);
    float *weights = realloc(c->weights, count * sizeof *weights);
    if (ids) c->ids = ids;
    if (weights) c->weights = weights;
}

limn_status limn_chunks_make(const limn_tokenizer *t, const limn_phrases *phrases, int positions,
                             const limn_trigger *triggers, int trigger_count, limn_chunks *out,
                             limn_error *err) {
    size_t most = (size_t)LIMN_CHUNKS_MOST * (size_t)positions, room = (size_t)positions;
    cutting c = {.t = t,
                 .out = out,
                 .positions = positions,
                 .room = limn_tokenizer_room(t),
                 .comma = -1,
                 .err = err};
    *out = (limn_chunks){0};
    c.ids = malloc(room * sizeof *c.ids);
    c.weights = malloc(room * sizeof *c.weights);
    out->ids = malloc(most * sizeof *out->ids);
    out->weights = malloc(most * sizeof *out->weights);
    limn_status status = LIMN_OK;
    if (trigger_count > 0) out->used = calloc((size_t)trigger_count, sizeof *out->used);
    bool lacks = trigger_count > 0 && !out->used;
    if (lacks || !c.ids || !c.weights || !out->ids || !out->weights)
        status = limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt's tokens");
    if (status == LIMN_OK) status = find_comma(&c);
    for (size_t i = 0; i < phrases->count && status == LIMN_OK; i++)
        status = add_phrase(&c, &phrases->list[i], triggers, trigger_count);
    if (status == LIMN_OK && (c.used > 0 || out->count == 0)) status = end_chunk(&c, c.used);
    free(c.ids);
    free(c.weights);
    if (status == LIMN_OK) trim(out, room);
    if (status != LIMN_OK) limn_chunks_free(out);
    return status;
}

void limn_chunks_free(limn_chunks *c) {
    free(c->ids);
    free(c->weights);
    free(c->used);
    *c = (limn_chunks){0};
}
