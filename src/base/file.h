/* The only place that opens, reads, writes, renames or removes files.
 *
 * Reading: a whole file as bytes, mapped read-only. Writing: whole or not at all; the bytes go to a
 * temporary name in the same folder, are flushed to the disk (fsync), and are then given the real
 * name in one step, so a crash, a full disk or Ctrl-C leaves the old file or none, never half. */
#ifndef LIMN_BASE_FILE_H
#define LIMN_BASE_FILE_H

#include "base/error.h"

/* A file's bytes, read only. Zeroed = empty and fine to close. */
typedef struct limn_bytes {
    const uint8_t *data;
    size_t size;
    void *map; /* how data was had: a mapping, or NULL where it was read into malloc'd memory */
} limn_bytes;

/* Maps a regular file. LIMN_E_MISSING where there is none, LIMN_E_IO where it cannot be read or is
 * a folder or device. The caller closes it. */
limn_status limn_file_open(const char *path, limn_bytes *out, limn_error *err);

/* Reads everything from a file descriptor (standard input) up to `most` bytes; more is
 * LIMN_E_INPUT. `name` is what to call it. The caller closes it. */
limn_status limn_file_read_all(int fd, const char *name, size_t most, limn_bytes *out,
                               limn_error *err);

/* Says that part [data, data + size) of a file's bytes will not be read again soon, so that its
 * pages need not stay in memory. Read again, they come back. */
void limn_file_forget(const limn_bytes *b, const uint8_t *data, size_t size);

/* Gives a file's bytes back. */
void limn_file_close(limn_bytes *b);

/* Whether there is something of that name; a folder. */
bool limn_file_exists(const char *path);
bool limn_file_is_folder(const char *path); /* false where it does not exist */

/* Writes a whole file. overwrite false: LIMN_E_CREATE where one is there, checked in the same step
 * as the naming (link), so two processes cannot both win. LIMN_E_CREATE where the folder is missing
 * or may not be written, LIMN_E_IO for a full disk or a failing device. */
limn_status limn_file_write(const char *path, const void *data, size_t size, bool overwrite,
                            limn_error *err);

/* Appends one line in a single write and flushes it to the disk: a manifest's row is there whole or
 * not at all. If the file's last byte is not a line feed (a crash in mid-write), starts a new line
 * first. LIMN_E_CREATE, LIMN_E_IO. */
limn_status limn_file_append_line(const char *path, const char *line, limn_error *err);

/* Makes a folder and the folders above it where they are missing. LIMN_E_CREATE. */
limn_status limn_file_make_folder(const char *path, limn_error *err);

/* Joins folder and name with one '/'; the caller frees it. NULL where memory ran out. */
char *limn_path_join(const char *folder, const char *name);

/* 16 hex digits and such aside: n bytes from the system's random source. LIMN_E_IO. */
limn_status limn_file_random(void *out, size_t n, limn_error *err);

#endif
