/* Inside src/prompt: what its files share.
 *
 *   file.c      the file's bytes -> lines; seeds
 *   options.c   a line of options -> settings
 *   json_line.c a line of JSON    -> settings
 *   setting.c   a name and a value -> the request
 *   number.c    the numbers that are 0 where they are not used
 *   pool.c      who owns the strings
 *   utf8.c      UTF-8 */
#ifndef LIMN_PROMPT_PARTS_H
#define LIMN_PROMPT_PARTS_H

#include "prompt/prompt.h"

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

/* A line on its way to being a request. */
typedef struct limn_prompt_state {
    limn_prompt_line *line;  /* the result */
    limn_prompt_pool **pool; /* owns its strings */
    size_t indent;           /* characters before the source in its line */
    unsigned said;           /* one bit for each setting that the line has said */
    uint64_t said_numbers;   /* the same for those of limn_settings */
    int batch_size, n_iter;  /* 0 = not said */
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

/* ---- lines ----------------------------------------------------------------------------------- */

/* Read a line, s->line->source, of options and of JSON. On LIMN_E_INPUT *at is the byte of the
 * source that the sentence is about. LIMN_E_MEMORY. */
limn_status limn_prompt_read_options(limn_prompt_state *s, size_t *at, limn_error *err);
limn_status limn_prompt_read_json(limn_prompt_state *s, size_t *at, limn_error *err); /* above */

#endif
