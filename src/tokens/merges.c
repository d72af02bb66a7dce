/* merges.txt: "#version: 0.2", then one merge a line, "left right", the best rank first. */
#include "tokens/parts.h"

#include <stdlib.h>
#include <string.h>

/* The longest token that a merge may make, bytes. */
#define MOST_PRODUCT 4096

static size_t slot_index(const limn_merges *m, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key ^= key >> 32; /* else the left id would reach the top bits only through the carry */
    return (size_t)(key * 0x9E3779B97F4A7C15u >> m->shift);
}

/* The slot of a pair: its own, or the empty one where it would go. */
static limn_merge *slot_of(const limn_merges *m, int32_t left, int32_t right) {
    size_t i = slot_index(m, left, right);
    while (m->slots[i].product >= 0 && (m->slots[i].left != left || m->slots[i].right != right)) {
        i = (i + 1) & m->mask;
    }
    return &m->slots[i];
}

const limn_merge *limn_merges_find(const limn_merges *m, int32_t left, int32_t right) {
    const limn_merge *merge = slot_of(m, left, right);
    return merge->product >= 0 ? merge : NULL;
}

/* Where in the file, for sentences. */
typedef struct place {
    const char *name;
    size_t line;
} place;

static limn_status find(const limn_vocabulary *v, const char *text, size_t size, place p,
                        int32_t *id, limn_error *err) {
    *id = limn_vocabulary_find(v, text, size);
    if (*id >= 0) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s/merges.txt:%zu: '%.*s' is not in vocab.json", p.name,
                     p.line, size < 80 ? (int)size : 80, text);
}

/* Enters the merge that line[0..size) says, as the next rank. */
static limn_status read_line(const char *line, size_t size, const limn_vocabulary *v, place p,
                             uint32_t rank, limn_merges *m, limn_error *err) {
    const char *space = memchr(line, ' ', size);
    size_t left_size = space ? (size_t)(space - line) : 0;
    size_t right_size = space ? size - left_size - 1 : 0;
    if (left_size == 0 || right_size == 0 || memchr(space + 1, ' ', right_size)) {
        return limn_fail(
            err, LIMN_E_INPUT,
            "%s/merges.txt:%zu: expected two tokens with a space between, found '%.*s'", p.name,
            p.line, size < 80 ? (int)size : 80, line);
    }
    char product[MOST_PRODUCT];
    if (size - 1 > sizeof product) {
        return limn_fail(
            err, LIMN_E_INPUT,
            "%s/merges.txt:%zu: the merge makes a token of %zu bytes, at most %d are read", p.name,
            p.line, size - 1, MOST_PRODUCT);
    }
    memcpy(product, line, left_size);
    memcpy(product + left_size, space + 1, right_size);
    limn_merge merge = {0, 0, 0, rank};
    limn_status status = find(v, line, left_size, p, &merge.left, err);
    if (status == LIMN_OK) status = find(v, space + 1, right_size, p, &merge.right, err);
    if (status == LIMN_OK) status = find(v, product, size - 1, p, &merge.product, err);
    if (status != LIMN_OK) return status;
    limn_merge *slot = slot_of(m, merge.left, merge.right);
    if (slot->product >= 0) {
        return limn_fail(err, LIMN_E_INPUT, "%s/merges.txt:%zu: '%.*s' is there twice", p.name,
                         p.line, size < 80 ? (int)size : 80, line);
    }
    *slot = merge;
    return LIMN_OK;
}

static limn_status read_lines(const limn_bytes *text, const limn_vocabulary *v, const char *name,
                              limn_merges *m, limn_error *err) {
    const char *at = (const char *)text->data;
    const char *end = at + text->size;
    uint32_t rank = 0;
    for (place p = {name, 1}; at < end; p.line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = feed ? feed : end;
        size_t size = (size_t)(line_end - at);
        if (size > 0 && at[size - 1] == '\r') size--;
        bool heading = p.line == 1 && size >= 8 && memcmp(at, "#version", 8) == 0;
        if (size > 0 && !heading) {
            limn_status status = read_line(at, size, v, p, rank++, m, err);
            if (status != LIMN_OK) return status;
        }
        at = feed ? feed + 1 : end;
    }
    return LIMN_OK;
}

/* Takes memory for as many merges as there are lines. */
static limn_status make_room(limn_merges *m, const limn_bytes *text, const char *name,
                             limn_error *err) {
    size_t lines = 1;
    for (size_t i = 0; i < text->size; i++) lines += text->data[i] == '\n';
    if (text->size > LIMN_TOKENS_MOST_FILE || lines > LIMN_TOKENS_MOST) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s/merges.txt: has %zu bytes and %zu lines, at most %zu and %u are read",
                         name, text->size, lines, LIMN_TOKENS_MOST_FILE, LIMN_TOKENS_MOST);
    }
    size_t slots = 16;
    m->shift = 60;
    for (; slots < lines + lines / 2; slots *= 2) m->shift--;
    m->mask = slots - 1;
    m->slots = malloc(slots * sizeof *m->slots);
    if (!m->slots) {
        return limn_fail(err, LIMN_E_MEMORY, "%s/merges.txt: no memory for %zu merges", name,
                         lines);
    }
    for (size_t i = 0; i < slots; i++) m->slots[i].product = -1;
    return LIMN_OK;
}

limn_status limn_merges_read(const limn_bytes *text, const limn_vocabulary *v, const char *name,
                             limn_merges *out, limn_error *err) {
    limn_merges m = {0};
    *out = m;
    limn_status status = make_room(&m, text, name, err);
    if (status == LIMN_OK && text->size > 0) status = read_lines(text, v, name, &m, err);
    if (status != LIMN_OK) {
        limn_merges_free(&m);
        return status;
    }
    *out = m;
    return LIMN_OK;
}

void limn_merges_free(limn_merges *m) {
    free(m->slots);
    *m = (limn_merges){0};
}
