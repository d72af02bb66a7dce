/* Prompt files: many lines of text become many requests. docs/formats.md describes the format.
 *
 *   in    the bytes of a prompt file, and the request that holds what a line does not say
 *   out   one limn_prompt_line for each line that asks for something, in the file's order
 *
 * A bad line does not spoil the others: it carries its own sentence. Names of samplers, schedules
 * and generators are kept as they were typed; who renders knows which there are.
 * The file owns every string, those of the base request too (copied), but for the names
 * of the pictures that it is drawn from. Touches no files. */
#ifndef LIMN_PROMPT_PROMPT_H
#define LIMN_PROMPT_PROMPT_H

#include "base/error.h"

/* One line that asks for something. Read only. */
typedef struct limn_prompt_line {
    int line;      /* in the file, from 1 */
    int pictures;  /* that it asks for, seeds rising; 0 = it does not say */
    bool has_seed; /* whether the line names its seed itself */
    bool repaired; /* whether invalid UTF-8 was replaced by U+FFFD */
    /* Where the line names these, in characters from 1, and 0 where it does not: for who knows
     * which names there are. */
    int sampler_column, schedule_column, rng_column;
    limn_request request;    /* seed: the line's, else the base's, else limn_prompt_seed's. Valid
                              * even where `error` is set, but then not to be rendered */
    const limn_error *error; /* what is wrong, "file:line:column: ..."; NULL = a good line */
    const char *source;      /* the line as it was written, without the spaces round it */
} limn_prompt_line;

/* A prompt file that was read. Zeroed = empty and fine to free. */
typedef struct limn_prompt_file {
    limn_prompt_line *lines; /* [count] */
    size_t count;
    size_t failed;                 /* how many of them have an error */
    struct limn_prompt_pool *pool; /* the strings */
} limn_prompt_file;

/* Reads a prompt file.
 *   name           what to call it in sentences
 *   text           its `size` bytes; need not end in NUL
 *   base           what a line does not say; its strings are copied, NULL counts as ""
 *   base_has_seed  base->seed is for every line without a seed; else each gets one of its own
 *   out            the caller's, for limn_prompt_file_free; zeroed on failure
 * LIMN_E_INPUT where the bytes are UTF-16 or too many, LIMN_E_MEMORY. A bad line is no failure. */
limn_status limn_prompt_file_read(const char *name, const char *text, size_t size,
                                  const limn_request *base, bool base_has_seed,
                                  limn_prompt_file *out, limn_error *err);

/* Releases what limn_prompt_file_read gave. */
void limn_prompt_file_free(limn_prompt_file *f);

/* The seed of a line that names none: from its text and its place, from 0, among the lines of the
 * same text, so that it stays when other lines come or go and a batch begun again goes on. Below
 * 2^32, so that every generator tells such seeds apart. */
uint64_t limn_prompt_seed(const char *source, size_t place);

/* Decodes the character at text[0..size), size > 0. Returns how many bytes it takes (1 to 4) and
 * sets *character; for what is no UTF-8, *character is -1 and the bytes are those that Unicode's
 * recommended practice replaces by one U+FFFD. */
size_t limn_utf8_next(const char *text, size_t size, int32_t *character);

/* Writes a character (0 to 0x10FFFF, no surrogate) as UTF-8; returns how many bytes, 1 to 4. */
size_t limn_utf8_put(int32_t character, char out[4]);

/* Copies text, every invalid sequence replaced by U+FFFD. *out ends in NUL and is the caller's, for
 * free(); *repaired (may be NULL) says whether there was anything to replace. LIMN_E_MEMORY. */
limn_status limn_utf8_repair(const char *in, size_t n, char **out, bool *repaired, limn_error *err);

#endif
