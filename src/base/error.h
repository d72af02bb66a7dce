/* How faults travel: the function that finds one writes the sentence with limn_fail and returns its
 * status; every caller passes it on untouched, so a fault has exactly one sentence. */
#ifndef LIMN_BASE_ERROR_H
#define LIMN_BASE_ERROR_H

#include "limn.h"

/* Writes the sentence into *err (NULL is fine) and returns `status`, so that a fault is one line:
 *     return limn_fail(err, LIMN_E_INPUT, "%s: the header ends at byte %zu", name, n);
 * Control characters and broken UTF-8 in the result become '?': file names and prompts are
 * strangers' text. A sentence too long for the field is cut at a character. */
limn_status limn_fail(limn_error *err, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before a sentence already in *err, for a caller who knows the place (file, line)
 * that the finder does not. The format is without the ": ". Returns `status`, which also becomes
 * the error's own: what the finder returned, or what the caller takes it for. */
limn_status limn_fail_at(limn_error *err, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
