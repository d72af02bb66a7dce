/* Prompt editing: [a:b:8], [b:8], [a::8] and [a|b], nested as one likes, as A1111's
 * get_learned_conditioning_prompt_schedules has them.
 *
 * A1111 parses with a grammar in which a bracket that belongs to nothing may stand only outside of
 * all others: so one such bracket makes text of all that are open round it, and a '|' that parts
 * nothing, or a '\' at the end, makes text of the whole prompt. */
#include "prompt/parts.h"

#include <stdlib.h>
#include <string.h>

/* A bracket that is open. */
typedef struct frame {
    bool square;
    size_t edit;   /* of a '[': its place among the edits */
    size_t colons; /* directly within */
    size_t first_colon, last_colon;
    size_t first_bar, bars; /* directly within; a list through reading.next_bar */
    size_t last_bar;
} frame;

/* A text under way. */
typedef struct reading {
    const char *text;
    size_t size;
    frame *open; /* the stack */
    size_t depth;
    limn_edit *edits; /* one for each '[', by place; those that are none have close 0 */
    size_t edit_count;
    size_t *bar, *next_bar; /* every '|' by place, and the next of the same frame */
    size_t bar_count, bars_used;
} reading;

limn_status limn_prompt_many_marks(size_t marks, limn_error *err) {
    return limn_fail(err, LIMN_E_USAGE,
                     "the prompt has %zu brackets, bars and BREAKs, at most %d are read; with the "
                     "prompt syntax \"plain\" they are text",
                     marks, LIMN_SYNTAX_MARKS_MOST);
}

/* ---- finding the edits ----------------------------------------------------------------------- */

static void open_bracket(reading *r, size_t at) {
    frame *f = &r->open[r->depth++];
    *f = (frame){.square = r->text[at] == '[', .edit = r->edit_count};
    if (f->square) r->edits[r->edit_count++] = (limn_edit){.open = at};
}

static void note_colon(reading *r, size_t at) {
    if (r->depth == 0) return;
    frame *f = &r->open[r->depth - 1];
    if (f->colons++ == 0) f->first_colon = at;
    f->last_colon = at;
}

static void note_bar(reading *r, size_t at) {
    size_t i = r->bar_count++;
    r->bar[i] = at;
    if (r->depth == 0) return;
    frame *f = &r->open[r->depth - 1];
    if (f->bars++ == 0)
        f->first_bar = i;
    else
        r->next_bar[f->last_bar] = i;
    f->last_bar = i;
}

/* Whether text[from, to) is a number with spaces round it, and which. */
static bool read_when(const reading *r, size_t from, size_t to, limn_edit *e) {
    while (from < to && limn_prompt_is_space(r->text[from])) from++;
    while (to > from && limn_prompt_is_space(r->text[to - 1])) to--;
    size_t n = limn_prompt_decimal(r->text + from, to - from, true, &e->when, &e->fraction);
    return n > 0 && n == to - from;
}

/* Whether what the frame holds is allowed in its brackets; makes an edit of it where it is one. */
static bool close_frame(reading *r, const frame *f, size_t at) {
    if (!f->square) return f->bars == 0 && f->colons <= 1;
    limn_edit *e = &r->edits[f->edit];
    if (f->bars > 0) {
        if (f->colons > 0) return false;
        e->bar = f->first_bar; /* for now its place in r->bar */
        e->bars = (int)f->bars;
        r->bars_used += f->bars;
    } else if (f->colons > 0) {
        if (f->colons > 2 || !read_when(r, f->last_colon + 1, at, e)) return false;
        e->colon = f->colons == 2 ? f->first_colon : e->open;
        e->last = f->last_colon;
    } else {
        return true; /* [a]: emphasis */
    }
    e->close = at;
    return true;
}

static void close_bracket(reading *r, size_t at) {
    bool square = r->text[at] == ']';
    bool good = r->depth > 0 && r->open[r->depth - 1].square == square;
    if (good) good = close_frame(r, &r->open[r->depth - 1], at);
    r->depth = good ? r->depth - 1 : 0;
}

/* Goes through the text; false where A1111's grammar does not know what to do with it. */
static bool find_edits(reading *r) {
    for (size_t at = 0; at < r->size; at++) {
        switch (r->text[at]) {
        case '\\':
            if (++at == r->size || r->text[at] == '\n') return false;
            break;
        case '(':
        case '[':
            open_bracket(r, at);
            break;
        case ')':
        case ']':
            close_bracket(r, at);
            break;
        case ':':
            note_colon(r, at);
            break;
        case '|':
            note_bar(r, at);
            break;
        }
    }
    return r->bars_used == r->bar_count;
}

/* Hands out what was found: real edits only, and the bars of each in a row. */
static void keep_edits(const reading *r, limn_editing *out) {
    size_t bars = 0;
    for (size_t i = 0; i < r->edit_count; i++) {
        limn_edit e = r->edits[i];
        if (e.close == 0) continue;
        size_t bar = e.bar;
        e.bar = bars;
        for (int k = 0; k < e.bars; k++, bar = r->next_bar[bar]) out->bars[bars++] = r->bar[bar];
        out->edits[out->count++] = e;
    }
}

/* ---- a step's text --------------------------------------------------------------------------- */

/* The last step of the text before the edit; below 1 where there is none. */
static int last_before(const limn_edit *e, int steps) {
    double when = e->fraction ? e->when * steps : e->when;
    return when >= steps ? steps : when < 0 ? 0 : (int)when;
}

/* Which part of the text the edit leaves of itself at a step. */
static void pick(const limn_editing *e, const limn_edit *edit, int step, int steps, size_t *from,
                 size_t *to) {
    const size_t *bars = e->bars + edit->bar;
    if (edit->bars > 0) {
        int which = (step - 1) % (edit->bars + 1);
        *from = (which == 0 ? edit->open : bars[which - 1]) + 1;
        *to = which == edit->bars ? edit->close : bars[which];
    } else if (step <= last_before(edit, steps)) {
        *from = edit->open + 1;
        *to = edit->colon > edit->open ? edit->colon : *from;
    } else {
        *from = edit->colon + 1;
        *to = edit->last;
    }
}

bool limn_editing_turns(const limn_editing *e, int step, int steps) {
    if (step == 1) return true;
    for (size_t i = 0; i < e->count; i++)
        if (e->edits[i].bars > 0 || last_before(&e->edits[i], steps) == step - 1) return true;
    return false;
}

size_t limn_editing_at(const limn_editing *e, int step, int steps, char *out) {
    size_t put = 0, at = 0, next = 0, end = e->size, depth = 0;
    for (;;) {
        while (next < e->count && e->edits[next].open < at) next++;
        size_t stop = next < e->count && e->edits[next].open < end ? e->edits[next].open : end;
        memcpy(out + put, e->text + at, stop - at);
        put += stop - at;
        if (stop < end) { /* into an edit */
            e->stack[depth++] = next;
            pick(e, &e->edits[next], step, steps, &at, &end);
            continue;
        }
        if (depth == 0) return put;
        at = e->edits[e->stack[--depth]].close + 1; /* and out of it */
        size_t unused;
        end = e->size;
        if (depth > 0) pick(e, &e->edits[e->stack[depth - 1]], step, steps, &unused, &end);
    }
}

/* ---- its life -------------------------------------------------------------------------------- */

limn_status limn_editing_read(const char *text, size_t size, limn_editing *out, limn_error *err) {
    size_t marks = 0;
    *out = (limn_editing){.text = text, .size = size};
    for (size_t i = 0; i < size; i++)
        marks +=
            text[i] == '(' || text[i] == ')' || text[i] == '[' || text[i] == ']' || text[i] == '|';
    if (marks > LIMN_SYNTAX_MARKS_MOST) return limn_prompt_many_marks(marks, err);
    size_t room = marks + 1;
    reading r = {.text = text, .size = size};
    r.open = malloc(room * sizeof *r.open);
    r.edits = malloc(room * sizeof *r.edits);
    r.bar = malloc(room * sizeof *r.bar);
    r.next_bar = calloc(room, sizeof *r.next_bar);
    out->edits = malloc(room * sizeof *out->edits);
    out->bars = malloc(room * sizeof *out->bars);
    out->stack = malloc(room * sizeof *out->stack);
    limn_status status = LIMN_OK;
    if (!r.open || !r.edits || !r.bar || !r.next_bar || !out->edits || !out->bars || !out->stack)
        status = limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt of %zu bytes", size);
    else if (find_edits(&r))
        keep_edits(&r, out);
    free(r.open);
    free(r.edits);
    free(r.bar);
    free(r.next_bar);
    if (status != LIMN_OK) limn_editing_free(out);
    return status;
}

void limn_editing_free(limn_editing *e) {
    free(e->edits);
    free(e->bars);
    free(e->stack);
    *e = (limn_editing){0};
}
