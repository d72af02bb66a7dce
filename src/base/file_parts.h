/* Inside file.c, file_direct.c and file_write.c, which touch files. */
#ifndef LIMN_BASE_FILE_PARTS_H
#define LIMN_BASE_FILE_PARTS_H

#include <sys/types.h>

#include "base/file.h"

/* The sentence "path: what: reason", the reason being the system's error number in words. Returns
 * status. */
limn_status limn_file_fail(limn_error *err, limn_status status, const char *path, const char *what,
                           int code);

/* open, tried again where a signal broke in, and closed to programs that are started. */
int limn_file_open_again(const char *path, int flags, mode_t mode);

/* Opens the file of that path, which is open as fd, a second time, for reading past the system's
 * cache. -1 where that is not possible, or would not pay: it is small, or in the cache already. */
int limn_file_open_direct(const char *path, int fd);

/* Reads bytes from such a file; false where another way must be tried: they are few, or the system
 * refuses, or the file has become shorter. `out` may be touched even then. */
bool limn_file_read_direct(int fd, uint64_t at, size_t count, void *out);

#endif
