/* Inside file.c and file_write.c, the two that touch files. */
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

#endif
