/* The syntax of prompts, as Stable Diffusion web UI (A1111) reads it:
 *
 *   a AND b :0.5         several prompts that are evaluated side by side, each with a weight
 *   [a:b:8] [b:0.4]      editing: another text after 8 steps, or after 0.4 of all steps
 *   [a::8] [a|b]         ... nothing after them; a and b by turns
 *   (a) [a] (a:1.3)      emphasis: weighs 1.1, 1/1.1, 1.3 times as much
 *   BREAK                the next chunk of tokens begins
 *   \( \) \[ \] \\       the character itself
 *
 * In: the text of a prompt. Out: for each part, its distinct texts over the steps
 * (limn_syntax_read); for each such text, phrases with a weight each (limn_phrases_read). What is
 * no syntax is text: a bracket that none answers, a ':' before what is no number. Marks nest as
 * deep as one likes: nothing recurses, and time is bounded by the limits below. Touches no files.
 * docs/formats.md, "Prompt syntax", has the rules and where they differ from A1111's. */
#ifndef LIMN_PROMPT_SYNTAX_H
#define LIMN_PROMPT_SYNTAX_H

#include "base/error.h"

/* The most parts between ANDs. */
#define LIMN_SYNTAX_PARTS_MOST 8

/* The most brackets, bars and BREAKs in a prompt. */
#define LIMN_SYNTAX_MARKS_MOST 4096

/* The most bytes of a prompt with editing, and of all the texts that editing makes of it. */
#define LIMN_SYNTAX_EDITED_MOST ((size_t)64 << 10)
#define LIMN_SYNTAX_BYTES_MOST  ((size_t)1 << 20)

/* The largest weight of a phrase, either sign. */
#define LIMN_SYNTAX_WEIGHT_MOST 1e4

/* One of the prompts that AND joins. */
typedef struct limn_syntax_part {
    double weight;     /* of its guidance; 1 where nothing is said */
    int count;         /* distinct texts, at least 1 */
    char **texts;      /* [count], each ends in NUL; text[0] is the first step's */
    int *text_of_step; /* [steps] which of them a step reads */
} limn_syntax_part;

/* A prompt that was read for a number of steps. Zeroed = empty and fine to free. */
typedef struct limn_syntax {
    int parts; /* at least 1 */
    int steps;
    limn_syntax_part part[LIMN_SYNTAX_PARTS_MOST];
} limn_syntax;

/* Reads AND and editing.
 *   text     `size` bytes without a NUL among them; need not end in one
 *   steps    how many the picture has, 1 to 1000
 *   compose  whether AND parts prompts (it does not in a negative prompt)
 *   out      the caller's, for limn_syntax_free; zeroed on failure
 * LIMN_E_USAGE where a limit is passed, LIMN_E_MEMORY. */
limn_status limn_syntax_read(const char *text, size_t size, int steps, bool compose,
                             limn_syntax *out, limn_error *err);

/* Releases what limn_syntax_read gave. */
void limn_syntax_free(limn_syntax *s);

/* Some text of one weight, or the mark that a chunk ends. */
typedef struct limn_phrase {
    const char *text; /* ends in NUL; "" for a break */
    size_t size;      /* bytes of text; 0 for a break only */
    double weight;    /* 1 for a break */
    bool is_break;
} limn_phrase;

/* A text, phrase by phrase. Zeroed = empty and fine to free. */
typedef struct limn_phrases {
    limn_phrase *list; /* [count]; two that follow each other have different weights */
    size_t count;
    char *text; /* where the phrases' texts are */
} limn_phrases;

/* Reads emphasis, escapes and BREAK.
 *   text  `size` bytes without a NUL among them; need not end in one
 *   out   the caller's, for limn_phrases_free; zeroed on failure
 * LIMN_E_USAGE where a limit is passed, LIMN_E_MEMORY. */
limn_status limn_phrases_read(const char *text, size_t size, limn_phrases *out, limn_error *err);

/* Releases what limn_phrases_read gave. */
void limn_phrases_free(limn_phrases *p);

/* limn's name of a prompt syntax, in any case: "a1111" (also NULL) or "plain"; NULL = no such. */
const char *limn_prompt_syntax_find(const char *name);

#endif
