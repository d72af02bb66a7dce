/* Inside src/prompt: what its files share.
 *
 *   file.c      the file's bytes -> lines; seeds
 *   options.c   a line of options -> settings
 *   json_line.c a line of JSON    -> settings
 *   setting.c   a name and a value -> the request
 *   number.c    the numbers that are 0 where they are not used
 *   text_setting.c the texts that are NULL where they are not used
 *   syntax.c    a prompt           -> its parts, and their texts over the steps
 *   editing.c   what [a:b:8] and [a|b] make of a text at a step
 *   phrases.c   such a text        -> phrases with weights
 *   decimal.c   numbers in prompts
 *   pool.c      who owns the strings
 *   utf8.c      UTF-8 */
#ifndef LIMN_PROMPT_PARTS_H
#define LIMN_PROMPT_PARTS_H

#include "prompt/prompt.h"
#include "prompt/syntax.h"

/* ---- memory ---------------------------------------------------------------------------------- */

/* Memory that is given back all at once. */
typedef struct limn_prompt_pool limn_prompt_pool;

/* Takes `size` bytes from the pool; NULL where memory ran out. *pool NULL = an empty pool. */
void *limn_prompt_take(limn_prompt_pool **pool, size_t size);

/* Copies text[0..size) and a NUL into the pool; NULL where memory ran out. */
char *limn_prompt_keep(limn_prompt_pool **pool, const char *text, size_t size);

/* Gives all of it back. NULL is fine. */
void limn_prompt_pool_free(limn_prompt_pool *pool);

/* ---- settings -------------------------------------------------------------------------------- */

/* What was written after a name. */
typedef struct limn_prompt_value {
    enum {
        LIMN_VALUE_WORD,   /* a word of an option line: text or number, as the setting wants */
        LIMN_VALUE_TEXT,   /* a JSON string */
        LIMN_VALUE_NUMBER, /* a JSON number */
        LIMN_VALUE_EMPTY,  /* JSON's null, false, [] or {} */
        LIMN_VALUE_OTHER,  /* JSON's true, a list or an object that is not empty */
    } kind;
    const char *text; /* as written; a string's contents. Ends in NUL */
    size_t at;        /* the byte of the line's source that it begins at */
} limn_prompt_value;

/* A1111's settings of a second pass. */
typedef enum limn_hires_setting {
    LIMN_HIRES_ON,
    LIMN_HIRES_SCALE,
    LIMN_HIRES_STRENGTH, /* also that of a picture to begin with, where there is no second pass */
    LIMN_HIRES_STEPS,
    LIMN_HIRES_UPSCALER,
    LIMN_HIRES_OTHER, /* limn has no such thing */
} limn_hires_setting;

/* What a line has said of it; 0 = nothing. */
typedef struct limn_hires {
    bool said_on, on;
    double scale, strength;
    int steps;
    const char *unknown; /* the name of a setting that limn cannot do */
} limn_hires;

/* The setting of that name, and the place of the name among them (below 32); -1 where the name is
 * none of them. */
int limn_hires_find(const char *name, limn_hires_setting *setting);

/* Makes of what was said what it means for the request. LIMN_E_INPUT where a second pass is asked
 * for that limn does not have. */
limn_status limn_hires_apply(const limn_hires *h, limn_request *request, limn_error *err);

/* A line on its way to being a request. */
typedef struct limn_prompt_state {
    limn_prompt_line *line;  /* the result */
    limn_prompt_pool **pool; /* owns its strings */
    size_t indent;           /* characters before the source in its line */
    unsigned said;           /* one bit for each setting that the line has said */
    uint64_t said_numbers;   /* the same for those of limn_settings */
    uint64_t said_texts;     /* and of limn_text_settings */
    unsigned said_hires;     /* and of A1111's second pass */
    int batch_size, n_iter;  /* 0 = not said */
    limn_hires hires;
} limn_prompt_state;

/* The column, from 1, of byte `at` of the line's source. */
size_t limn_prompt_column(const limn_prompt_state *s, size_t at);

/* Whether the setting of that name is a text that may be several words (a prompt). */
bool limn_prompt_takes_words(const char *name);

/* Sets what `name` stands for, or passes over it where it is one of A1111's that changes nothing.
 * LIMN_E_INPUT, with a sentence that says neither file nor column, where there is no such setting,
 * it was said before, or the value is none (*at_name: the fault is the name's, not the value's);
 * LIMN_E_MEMORY. */
limn_status limn_prompt_set(limn_prompt_state *s, const char *name, const limn_prompt_value *value,
                            bool *at_name, limn_error *err);

/* ---- syntax ---------------------------------------------------------------------------------- */

/* Reads the decimal number at text[0..size): [+-] digits with a '.' anywhere, or also with an
 * exponent. Returns how many bytes it takes, 0 where none begins there; *point (may be NULL) says
 * whether it has a '.'. Whatever the locale; exact up to 15 digits; huge ones are infinite. */
size_t limn_prompt_decimal(const char *text, size_t size, bool exponent, double *number,
                           bool *point);

/* Python's \s and \w, as far as ASCII goes; beyond it every byte is part of a word. */
bool limn_prompt_is_space(char c);
bool limn_prompt_is_word(char c); /* see above */

/* Whether `word` stands at text[at..size), with no other word character before or after it. */
bool limn_prompt_word_at(const char *text, size_t size, size_t at, const char *word);

/* The sentence about a prompt with more than LIMN_SYNTAX_MARKS_MOST marks. */
limn_status limn_prompt_many_marks(size_t marks, limn_error *err);

/* One [a:b:8] or [a|b]. */
typedef struct limn_edit {
    size_t open, close; /* its brackets */
    size_t bar;         /* of [a|b]: its first in limn_editing.bars */
    int bars;           /* how many; 0 = it is an [a:b:8] */
    size_t colon;       /* of [a:b:8]: the one before b; `open` where there is no a */
    size_t last;        /* the one before the number */
    double when;        /* the number */
    bool fraction;      /* whether it is a share of the steps */
} limn_edit;

/* A text whose edits were read. Zeroed = empty and fine to free. */
typedef struct limn_editing {
    const char *text; /* the caller's */
    size_t size;
    limn_edit *edits; /* [count], by `open` */
    size_t count;
    size_t *bars;  /* those of an edit stand together */
    size_t *stack; /* scratch of limn_editing_at: the edits that it is in */
} limn_editing;

/* Finds the edits in text[0..size). LIMN_E_USAGE where there are more than LIMN_SYNTAX_MARKS_MOST
 * brackets and bars, LIMN_E_MEMORY. */
limn_status limn_editing_read(const char *text, size_t size, limn_editing *out, limn_error *err);

/* Releases it. */
void limn_editing_free(limn_editing *e);

/* Whether the text of that step, from 1, may be another than that of the step before. */
bool limn_editing_turns(const limn_editing *e, int step, int steps);

/* Writes the text of that step, from 1, at most e->size bytes; returns how many. */
size_t limn_editing_at(const limn_editing *e, int step, int steps, char *out);

/* ---- lines ----------------------------------------------------------------------------------- */

/* Read a line, s->line->source, of options and of JSON. On LIMN_E_INPUT *at is the byte of the
 * source that the sentence is about. LIMN_E_MEMORY. */
limn_status limn_prompt_read_options(limn_prompt_state *s, size_t *at, limn_error *err);
limn_status limn_prompt_read_json(limn_prompt_state *s, size_t *at, limn_error *err); /* above */

#endif
