/* Byte-pair encoding (Sennrich et al. 2016, as in OpenAI's CLIP): the pair of the best rank is
 * merged at all its places from left to right, then the next best, until no pair is a merge.
 *
 * Pairs wait in a heap by rank and place. All that have the best rank are one round; what a round
 * makes waits for its end, so that a merge of a better rank that only now becomes possible does not
 * cut the round short. A word of a megabyte takes n log n. */
#include "prompt/prompt.h"
#include "tokens/parts.h"

#include <stdlib.h>

static bool comes_first(limn_bpe_wait a, limn_bpe_wait b) {
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_put(limn_bpe_wait *heap, size_t *n, limn_bpe_wait x) {
    size_t i = (*n)++;
    for (; i > 0 && comes_first(x, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static limn_bpe_wait heap_take(limn_bpe_wait *heap, size_t *n) {
    limn_bpe_wait best = heap[0], x = heap[--*n];
    size_t i = 0;
    for (size_t child = 1; child < *n; child = 2 * i + 1) {
        if (child + 1 < *n && comes_first(heap[child + 1], heap[child])) child++;
        if (!comes_first(heap[child], x)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
    return best;
}

void limn_bpe_free(limn_bpe *b) {
    free(b->id);
    free(b->from);
    free(b->next);
    free(b->before);
    free(b->wait);
    *b = (limn_bpe){0};
}

/* Makes room for n symbols; what was there is lost. */
static limn_status make_room(limn_bpe *b, size_t n, limn_error *err) {
    if (n <= b->size) return LIMN_OK;
    limn_bpe_free(b);
    size_t size = n < 64 ? 64 : n;
    b->id = malloc(size * sizeof *b->id);
    b->from = malloc(size * sizeof *b->from);
    b->next = malloc(size * sizeof *b->next);
    b->before = malloc(size * sizeof *b->before);
    b->wait = malloc(2 * size * sizeof *b->wait);
    if (!b->id || !b->from || !b->next || !b->before || !b->wait) {
        limn_bpe_free(b);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt's word of %zu bytes", n);
    }
    b->size = size;
    return LIMN_OK;
}

/* How many bytes a character takes in UTF-8. */
static size_t bytes_in(int32_t c) {
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* Fills the symbols with a piece's n bytes. */
static void fill(const limn_tokenizer *t, const limn_word *w, size_t from, size_t count,
                 limn_bpe *b, size_t n) {
    size_t k = 0;
    for (size_t i = from; i < from + count; i++) {
        char bytes[4];
        size_t size = limn_utf8_put(w->character[i], bytes);
        for (size_t j = 0; j < size; j++, k++) {
            const int32_t *ids = k + 1 == n ? t->last_byte : t->byte;
            b->id[k] = ids[(unsigned char)bytes[j]];
            b->from[k] = w->at[i];
            b->next[k] = (uint32_t)(k + 1);
            b->before[k] = (uint32_t)(k > 0 ? k - 1 : n);
        }
    }
}

/* Merges the symbol at `at` with the one after it. */
static void join(limn_bpe *b, size_t n, uint32_t at, int32_t product) {
    uint32_t gone = b->next[at];
    b->id[at] = product;
    b->next[at] = b->next[gone];
    if (b->next[at] < n) b->before[b->next[at]] = at;
    b->next[gone] = gone; /* marks it: no symbol comes after itself */
}

/* The merge of the symbol at `at` with the one after it; false where there is none. */
static bool find(const limn_merges *m, const limn_bpe *b, size_t n, uint32_t at,
                 limn_bpe_wait *out) {
    uint32_t next = b->next[at];
    if (next >= n || next == at) return false;
    const limn_merge *merge = limn_merges_find(m, b->id[at], b->id[next]);
    if (merge) *out = (limn_bpe_wait){merge->rank, at, merge->product};
    return merge != NULL;
}

/* Merges all that can be. The heap begins at wait[0]; the pairs that a round makes are at the end
 * of wait: n - 1 pairs at first, and each of at most n - 1 merges uses one up and makes at most
 * two, so 2n are room enough. */
static void merge_all(const limn_merges *m, limn_bpe *b, size_t n) {
    limn_bpe_wait *const heap = b->wait;
    limn_bpe_wait *const end = b->wait + 2 * b->size;
    limn_bpe_wait pair;
    size_t waiting = 0;
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (find(m, b, n, i, &pair)) heap_put(heap, &waiting, pair);
    }
    while (waiting > 0) {
        const uint32_t rank = heap[0].rank;
        limn_bpe_wait *made = end;
        while (waiting > 0 && heap[0].rank == rank) {
            uint32_t at = heap_take(heap, &waiting).at;
            if (!find(m, b, n, at, &pair) || pair.rank != rank) continue; /* part of it is gone */
            join(b, n, at, pair.product);
            uint32_t before = b->before[at];
            if (before < n && find(m, b, n, before, &pair)) *--made = pair;
            if (find(m, b, n, at, &pair)) *--made = pair;
        }
        while (made < end) heap_put(heap, &waiting, *made++);
    }
}

limn_status limn_bpe_encode(const limn_tokenizer *t, const limn_word *w, size_t from, size_t count,
                            limn_bpe *b, size_t *tokens, limn_error *err) {
    size_t n = 0;
    for (size_t i = from; i < from + count; i++) n += bytes_in(w->character[i]);
    limn_status status = make_room(b, n, err);
    if (status != LIMN_OK) return status;
    fill(t, w, from, count, b, n);
    merge_all(&t->merges, b, n);
    size_t kept = 0;
    for (size_t i = 0; i < n; i = b->next[i]) {
        b->id[kept] = b->id[i] >= 0 ? b->id[i] : t->specials.unknown;
        b->from[kept++] = b->from[i];
    }
    *tokens = kept;
    return LIMN_OK;
}
