/* Hostile files: each is written to disk and read as a user's file is, by a child process that may
 * take 100 ms of processor time and 64 MB of memory, and must end with the sentence that the case
 * expects. */
#ifndef TESTS_SUPPORT_HOSTILE_H
#define TESTS_SUPPORT_HOSTILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Reads the file at `path`, and frees what came of it. */
typedef limn_status hostile_reader(const char *path, limn_error *err);

/* Fails the test unless reading these bytes ends with LIMN_E_INPUT, a sentence that has `sentence`
 * in it, in time and within the memory. `what` is the case's name. */
void hostile_expect(const char *what, const uint8_t *bytes, size_t size, hostile_reader *read,
                    const char *sentence);

/* Prints how many files were read so far, and the most time and memory that one took. */
void hostile_report(void);

#endif
