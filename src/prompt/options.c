/* A line of options, as A1111's script for prompt files reads it: --name value --name value ...
 * Words and quotes are a shell's (Python's shlex): spaces part words; a backslash takes the next
 * character as it is; inside "..." it does so before " and \ only; inside '...' it is nothing
 * special. A prompt goes on to the next option, so it need not be in quotes. */
#include "prompt/parts.h"

#include <stdlib.h>
#include <string.h>

/* The line's words, one after another. */
typedef struct words {
    const char *source; /* the line */
    size_t next;        /* the byte of it to go on at */
    char *room;         /* where words are written: each ends in NUL, one right after the other */
} words;

typedef struct word {
    char *text;
    size_t at;      /* the byte of the line that it begins at */
    bool is_option; /* begins with --, not in quotes */
} word;

/* Copies a quoted part of a word, the quote at w->next, up to and with its closing quote. */
static bool copy_quoted(words *w) {
    char quote = w->source[w->next++];
    for (;;) {
        char c = w->source[w->next];
        if (!c) return false;
        w->next++;
        if (c == quote) return true;
        char after = w->source[w->next];
        if (quote == '"' && c == '\\' && (after == '"' || after == '\\')) {
            c = after;
            w->next++;
        }
        *w->room++ = c;
    }
}

/* Reads the next word; out->text is NULL at the end of the line. */
static limn_status next_word(words *w, word *out, size_t *at, limn_error *err) {
    const char *s = w->source;
    *out = (word){0};
    w->next += strspn(s + w->next, " \t");
    if (!s[w->next]) return LIMN_OK;
    *out = (word){w->room, w->next, strncmp(s + w->next, "--", 2) == 0};
    while (s[w->next] && s[w->next] != ' ' && s[w->next] != '\t') {
        char c = s[w->next];
        if (c == '"' || c == '\'') {
            *at = w->next;
            if (!copy_quoted(w))
                return limn_fail(err, LIMN_E_INPUT, "this quote (%c) is not closed", c);
            continue;
        }
        if (c == '\\') {
            *at = w->next++;
            c = s[w->next];
            if (!c) return limn_fail(err, LIMN_E_INPUT, "nothing follows this backslash");
        }
        *w->room++ = c;
        w->next++;
    }
    *w->room++ = 0;
    return LIMN_OK;
}

/* Reads the value of an option and the word after it. The value is in the option's own word after
 * '=', or in the next; a prompt goes on to the next option. */
static limn_status read_value(words *w, const word *option, word *value, word *after, size_t *at,
                              limn_error *err) {
    char *equals = strchr(option->text, '=');
    if (equals) {
        *equals = 0;
        size_t in_line = strcspn(w->source + option->at, "=");
        *value = (word){equals + 1, option->at + in_line + 1, false};
        return next_word(w, after, at, err);
    }
    limn_status status = next_word(w, value, at, err);
    if (status != LIMN_OK) return status;
    if (!value->text || value->is_option) {
        *at = option->at;
        return limn_fail(err, LIMN_E_INPUT, "%.100s: a value should follow", option->text);
    }
    status = next_word(w, after, at, err);
    while (status == LIMN_OK && after->text && !after->is_option &&
           limn_prompt_takes_words(option->text + 2)) {
        after->text[-1] = ' '; /* joins it to the words before */
        status = next_word(w, after, at, err);
    }
    return status;
}

static limn_status read_all(limn_prompt_state *s, words *w, size_t *at, limn_error *err) {
    word option;
    limn_status status = next_word(w, &option, at, err);
    while (status == LIMN_OK && option.text) {
        word value, after;
        if (!option.is_option) {
            *at = option.at;
            return limn_fail(err, LIMN_E_INPUT, "expected an option like --steps, found '%.100s'",
                             option.text);
        }
        status = read_value(w, &option, &value, &after, at, err);
        if (status != LIMN_OK) return status;
        bool at_name = false;
        const limn_prompt_value v = {LIMN_VALUE_WORD, value.text, value.at};
        status = limn_prompt_set(s, option.text + 2, &v, &at_name, err);
        if (status != LIMN_OK) *at = at_name ? option.at : value.at;
        option = after;
    }
    return status;
}

limn_status limn_prompt_read_options(limn_prompt_state *s, size_t *at, limn_error *err) {
    size_t size = strlen(s->line->source);
    char *room = malloc(size + 2); /* a word and its NUL are no longer than it and its space */
    if (!room) return limn_fail(err, LIMN_E_MEMORY, "no memory for a line of %zu bytes", size);
    words w = {s->line->source, 0, room};
    limn_status status = read_all(s, &w, at, err);
    free(room);
    return status;
}
