/* JSON from strangers, for the files of this room: jansson behind limits.
 *
 * jansson descends by recursion and makes some 150 bytes of every two-byte value, so a scan counts
 * first how deep and how many, and refuses what no model file needs. */
#ifndef LIMN_WEIGHTS_JSON_H
#define LIMN_WEIGHTS_JSON_H

#include <jansson.h>

#include "base/error.h"

#define LIMN_JSON_DEPTH  64      /* brackets within brackets */
#define LIMN_JSON_VALUES 1000000 /* separators and brackets: ten a tensor, so 100,000 tensors */

/* Reads one JSON object that fills `bytes`. `name` and `what` ("the file", "the header") start the
 * sentence; lines and columns count from the start of bytes. *out is the caller's (json_decref).
 * LIMN_E_INPUT where it is no JSON, no object, not UTF-8, names a key twice in one object, or
 * passes a limit above; LIMN_E_MEMORY. */
limn_status limn_json_read(const uint8_t *bytes, size_t size, const char *name, const char *what,
                           json_t **out, limn_error *err);

/* Describes a value for a sentence: "\"silu\"", "8.5", "true", "a list of 3", "an object". Always
 * ends in NUL; cut to fit. */
void limn_json_describe(const json_t *value, char *out, size_t size);

#endif
