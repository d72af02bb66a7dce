/* Emphasis: (word), [word], (word:1.2), escapes and BREAK, as A1111's parse_prompt_attention has
 * them; BREAK does its work within brackets too. */
#include "prompt/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What (word) and [word] multiply a weight by. */
#define ROUND  1.1
#define SQUARE (1 / 1.1)

/* A phrase on its way: its text is out[from, to). */
typedef struct draft {
    size_t from, to;
    double weight;
    bool is_break;
} draft;

/* Open brackets of one kind: the phrase that each begins before. */
typedef struct brackets {
    size_t *first;
    size_t count;
} brackets;

/* A text under way. */
typedef struct reading {
    const char *text;
    size_t size;
    char *out; /* the text without marks, no longer than it was */
    size_t used;
    draft *drafts;
    size_t count;
    bool fresh; /* whether the next character begins a phrase */
    brackets round, square;
} reading;

/* How many brackets and BREAKs there are, escaped ones too: what memory is taken by. */
static size_t count_marks(const char *text, size_t size) {
    size_t marks = 0;
    for (size_t i = 0; i < size; i++)
        marks += text[i] == '(' || text[i] == ')' || text[i] == '[' || text[i] == ']' ||
                 limn_prompt_word_at(text, size, i, "BREAK");
    return marks;
}

static void add_draft(reading *r, bool is_break) {
    r->drafts[r->count++] =
        (draft){.from = r->used, .to = r->used, .weight = 1, .is_break = is_break};
    r->fresh = is_break;
}

static void add_text(reading *r, const char *text, size_t size) {
    if (size == 0) return;
    if (r->fresh) add_draft(r, false);
    memcpy(r->out + r->used, text, size);
    r->used += size;
    r->drafts[r->count - 1].to = r->used;
}

static void open_bracket(reading *r, brackets *kind) {
    kind->first[kind->count++] = r->count;
    r->fresh = true;
}

/* Multiplies what stands since the last open bracket. Inner brackets come first, as in A1111:
 * the order in which a weight's factors are rounded. */
static void close_bracket(reading *r, brackets *kind, double factor) {
    kind->count--;
    for (size_t i = kind->first[kind->count]; i < r->count; i++)
        if (!r->drafts[i].is_break) r->drafts[i].weight *= factor;
    r->fresh = true;
}

/* The end of ":1.2)" at text[at], or 0; spaces may stand round the number. */
static size_t end_of_weight(const reading *r, size_t at, double *weight) {
    at++;
    while (at < r->size && limn_prompt_is_space(r->text[at])) at++;
    size_t n = limn_prompt_decimal(r->text + at, r->size - at, false, weight, NULL);
    if (n == 0) return 0;
    for (at += n; at < r->size && limn_prompt_is_space(r->text[at]);) at++;
    return at < r->size && r->text[at] == ')' ? at + 1 : 0;
}

/* Takes text[from, to), which has no marks but BREAK; a break takes the spaces round it along. */
static void read_run(reading *r, size_t from, size_t to) {
    const char *run = r->text + from;
    size_t size = to - from, begin = 0;
    for (size_t at = 0; at < size; at++) {
        if (run[at] != 'B' || !limn_prompt_word_at(run, size, at, "BREAK")) continue;
        size_t end = at;
        while (end > begin && limn_prompt_is_space(run[end - 1])) end--;
        add_text(r, run + begin, end - begin);
        add_draft(r, true);
        begin = at + strlen("BREAK");
        while (begin < size && limn_prompt_is_space(run[begin])) begin++;
        at = begin - 1;
    }
    add_text(r, run + begin, size - begin);
}

/* Takes what begins at text[at]; returns where the next begins. */
static size_t read_next(reading *r, size_t at) {
    const char *s = r->text;
    double weight;
    size_t end;
    switch (s[at]) {
    case '\\':
        if (at + 1 == r->size || !strchr("()[]\\", s[at + 1])) return at + 1;
        add_text(r, s + at + 1, 1);
        return at + 2;
    case '(':
        open_bracket(r, &r->round);
        return at + 1;
    case '[':
        open_bracket(r, &r->square);
        return at + 1;
    case ')':
    case ']': {
        bool is_round = s[at] == ')';
        brackets *kind = is_round ? &r->round : &r->square;
        if (kind->count > 0)
            close_bracket(r, kind, is_round ? ROUND : SQUARE);
        else
            add_text(r, s + at, 1);
        return at + 1;
    }
    case ':':
        end = r->round.count > 0 ? end_of_weight(r, at, &weight) : 0;
        if (end > 0)
            close_bracket(r, &r->round, weight);
        else
            add_text(r, s + at, 1);
        return end > 0 ? end : at + 1;
    default:
        for (end = at + 1; end < r->size && !strchr("\\()[]:", s[end]);) end++;
        read_run(r, at, end);
        return end;
    }
}

/* Puts neighbours of one weight together, and makes phrases of all. */
static limn_status finish(reading *r, limn_phrases *out, limn_error *err) {
    size_t put = 0; /* the text moves to make room for each phrase's NUL */
    for (size_t i = 0; i < r->count; i++) {
        const draft *d = &r->drafts[i];
        limn_phrase *before = out->count > 0 ? &out->list[out->count - 1] : NULL;
        if (!(fabs(d->weight) <= LIMN_SYNTAX_WEIGHT_MOST))
            return limn_fail(err, LIMN_E_USAGE,
                             "the prompt's \"%.*s\" weighs %g, expected at most %g",
                             d->to - d->from > 60 ? 60 : (int)(d->to - d->from), r->out + d->from,
                             d->weight, LIMN_SYNTAX_WEIGHT_MOST);
        bool joins = before && !before->is_break && !d->is_break && before->weight == d->weight;
        if (joins) put--; /* over the NUL */
        char *text = out->text + put;
        memcpy(text, r->out + d->from, d->to - d->from);
        put += d->to - d->from;
        out->text[put++] = 0;
        if (joins)
            before->size += d->to - d->from;
        else
            out->list[out->count++] = (limn_phrase){text, d->to - d->from, d->weight, d->is_break};
    }
    return LIMN_OK;
}

static limn_status read_all(reading *r, size_t marks, limn_phrases *out, limn_error *err) {
    if (marks > LIMN_SYNTAX_MARKS_MOST) return limn_prompt_many_marks(marks, err);
    /* a mark ends one phrase and begins another; an escape or a colon begins none of its own */
    size_t most = 2 * marks + 2;
    r->out = malloc(r->size + 1);
    r->drafts = malloc(most * sizeof *r->drafts);
    r->round.first = malloc((marks + 1) * sizeof *r->round.first);
    r->square.first = malloc((marks + 1) * sizeof *r->square.first);
    out->list = malloc(most * sizeof *out->list);
    out->text = malloc(r->size + most + 1);
    if (!r->out || !r->drafts || !r->round.first || !r->square.first || !out->list || !out->text)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt of %zu bytes", r->size);
    for (size_t at = 0; at < r->size;) at = read_next(r, at);
    while (r->round.count > 0) close_bracket(r, &r->round, ROUND);
    while (r->square.count > 0) close_bracket(r, &r->square, SQUARE);
    return finish(r, out, err);
}

limn_status limn_phrases_read(const char *text, size_t size, limn_phrases *out, limn_error *err) {
    reading r = {.text = text, .size = size, .fresh = true};
    *out = (limn_phrases){0};
    limn_status status = read_all(&r, count_marks(text, size), out, err);
    free(r.out);
    free(r.drafts);
    free(r.round.first);
    free(r.square.first);
    if (status != LIMN_OK) limn_phrases_free(out);
    return status;
}

void limn_phrases_free(limn_phrases *p) {
    free(p->list);
    free(p->text);
    *p = (limn_phrases){0};
}
