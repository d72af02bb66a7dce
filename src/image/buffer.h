/* A growing row of bytes for what this room writes, and the text helpers that go with it. */
#ifndef LIMN_IMAGE_BUFFER_H
#define LIMN_IMAGE_BUFFER_H

#include "base/error.h"

/* Zeroed = empty. `data` is from malloc and ends in a NUL that `size` does not count; NULL while
 * nothing was added. After memory ran out, `failed` is set and everything added is ignored. */
typedef struct limn_image_buffer {
    char *data;
    size_t size, room;
    bool failed;
} limn_image_buffer;

/* Adds n bytes. */
void limn_image_add(limn_image_buffer *b, const void *data, size_t n);

/* Adds text as it is. */
void limn_image_add_text(limn_image_buffer *b, const char *text);

/* Adds formatted text of at most 200 bytes: numbers and fixed words. */
void limn_image_add_format(limn_image_buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds the shortest decimal that reads back as `value`, which is finite: "7", "7.5", "1e-05". The
 * decimal point is '.' whatever the locale. */
void limn_image_add_number(limn_image_buffer *b, double value);

/* Adds a JSON string with its quotes: UTF-8 as it is, control characters (C0, C1 and DEL) escaped,
 * invalid sequences as U+FFFD. */
void limn_image_add_json(limn_image_buffer *b, const char *text);

/* Adds text with invalid UTF-8 sequences as U+FFFD and, where `tame`, control characters other than
 * tab, line feed and carriage return as '?'. */
void limn_image_add_utf8(limn_image_buffer *b, const char *text, size_t size, bool tame);

/* Adds Latin-1 text (a PNG's tEXt) as UTF-8, tamed as above. Bytes that are well-formed UTF-8 with
 * at least one letter outside ASCII are taken for that: several programs write it there. */
void limn_image_add_latin1(limn_image_buffer *b, const char *text, size_t size);

/* Writes UTF-8 text as Latin-1 into *b where every character is a printable one of that set or a
 * line feed, and where limn_image_add_latin1 would read the same text back. Else returns false and
 * leaves b empty (b->failed tells whether for want of memory). */
bool limn_image_to_latin1(limn_image_buffer *b, const char *text);

/* Hands the text over: *out is the caller's, for free(). LIMN_E_MEMORY where it failed. */
limn_status limn_image_take(limn_image_buffer *b, char **out, limn_error *err);

/* Releases what it holds. */
void limn_image_drop(limn_image_buffer *b);

/* Reads a whole decimal number in JSON's grammar plus "7." and ".5"; nothing may stand round it and
 * the decimal point is '.' whatever the locale. False where it is none or overflows. */
bool limn_image_read_number(const char *text, double *value);

/* Reads a whole number, digits only, 0 to `most`. */
bool limn_image_read_whole(const char *text, uint64_t most, uint64_t *value);

#endif
