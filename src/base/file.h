/* The only place that opens, reads, writes, renames or removes files.
 *
 * Reading: a small file whole, a large one by place, as a source. Nothing is read through a
 * mapping: a file that somebody shortens meanwhile must give a sentence, and would be a signal
 * there. Writing: whole or not at all; the bytes go to a file without a name in the same folder
 * (O_TMPFILE; where the file system has none, under a temporary name), are flushed to the disk
 * (fsync), and are then given the real name in one step, so a crash, a full disk or Ctrl-C leaves
 * the old file or none, never half, and `kill -9` leaves nothing else. */
#ifndef LIMN_BASE_FILE_H
#define LIMN_BASE_FILE_H

#include "base/error.h"

/* A file's bytes, read only. Zeroed = empty and fine to close. */
typedef struct limn_bytes {
    const uint8_t *data;
    size_t size;
} limn_bytes;

/* The most bytes that limn_file_open reads: more than any configuration, vocabulary, prompt file,
 * manifest or picture has. Weights are not read whole. */
#define LIMN_FILE_MOST ((size_t)1 << 30)

/* Reads a regular file whole. LIMN_E_MISSING where there is none, LIMN_E_IO where it cannot be read
 * or is a folder or device, LIMN_E_INPUT where it is larger than LIMN_FILE_MOST or becomes shorter
 * meanwhile. The caller closes it. */
limn_status limn_file_open(const char *path, limn_bytes *out, limn_error *err);

/* Bytes that are read by place: an open file's, or bytes in memory. Zeroed = none, fine to close.
 * One source may be read by several threads at once. */
typedef struct limn_source {
    const char *name;      /* what sentences call it; must outlive the source */
    uint64_t size;         /* in bytes; a file's when it was opened */
    const uint8_t *memory; /* the bytes, which must outlive the source, where there is no file */
    int file;              /* its descriptor plus one; 0 = memory */
    int direct;            /* another, for reading past the system's cache; 0 = none */
    int64_t changed_ns;    /* the file's time of change when it was opened, since 1970 */
} limn_source;

/* Bytes in memory as a source. */
static inline limn_source limn_source_of(const char *name, const uint8_t *bytes, size_t size) {
    return (limn_source){.name = name, .size = size, .memory = bytes};
}

/* Opens a regular file; fails as limn_file_open does, whatever the size. The path is kept as the
 * name. The caller closes it. */
limn_status limn_source_open(const char *path, limn_source *out, limn_error *err);

/* Reads `count` bytes from byte `at` on. LIMN_E_INPUT where the source has not so many, or the file
 * was shortened since it was opened; LIMN_E_IO. */
limn_status limn_source_read(const limn_source *s, uint64_t at, size_t count, void *out,
                             limn_error *err);

/* The same for bytes that are wanted once, such as weights: a large file that is not in the
 * system's cache is read past it, where the file system allows that. */
limn_status limn_source_read_once(const limn_source *s, uint64_t at, size_t count, void *out,
                                  limn_error *err);

/* Reads all of it, up to LIMN_FILE_MOST bytes. *out is the caller's, for limn_file_close. */
limn_status limn_source_all(const limn_source *s, limn_bytes *out, limn_error *err);

/* LIMN_E_INPUT where the file was written to since it was opened (its size or time of change is
 * another), so that what was read may be half of one and half of another; LIMN_E_IO. */
limn_status limn_source_check(const limn_source *s, limn_error *err);

/* What tells one state of an open file from every other: another file, or the same one after
 * somebody wrote to it, has another. */
typedef struct limn_file_state {
    uint64_t device, inode, size;
    int64_t changed_ns;  /* when its bytes were last written, since 1970 */
    int64_t recorded_ns; /* when it, its name or its owner were; nobody can set this time */
    bool settled;        /* both are seconds ago: a write after this would change them */
} limn_file_state;

/* Looks at it. LIMN_E_IO; LIMN_E_INPUT for memory, which has none. */
limn_status limn_source_state(const limn_source *s, limn_file_state *out, limn_error *err);

/* Closes the file; memory stays its owner's. */
void limn_source_close(limn_source *s);

/* Reads everything from a file descriptor (standard input) up to `most` bytes; more is
 * LIMN_E_INPUT. `name` is what to call it. The caller closes it. */
limn_status limn_file_read_all(int fd, const char *name, size_t most, limn_bytes *out,
                               limn_error *err);

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

/* A file that is being written piece by piece, and appears when it is whole. */
typedef struct limn_writer limn_writer;

/* Begins one, without a name or under a temporary one beside `path`. Fails as limn_file_write does;
 * *out is NULL then, and else the caller's, for limn_writer_close. */
limn_status limn_writer_open(const char *path, bool overwrite, limn_writer **out, limn_error *err);

/* Adds bytes at its end. LIMN_E_IO where the disk is full. */
limn_status limn_writer_add(limn_writer *w, const void *data, size_t size, limn_error *err);

/* Ends it, and releases w: with keep it gets its name (fails as limn_file_write does), else, and
 * after a failure, nothing is left of it. NULL is fine. */
limn_status limn_writer_close(limn_writer *w, bool keep, limn_error *err);

/* Begins a folder that appears when all of it is there: makes an empty one under a temporary name
 * beside `path`. *temp is the caller's. LIMN_E_CREATE where `path` is there and no empty folder. */
limn_status limn_file_begin_folder(const char *path, char **temp, limn_error *err);

/* Gives a folder from limn_file_begin_folder its name. LIMN_E_CREATE. */
limn_status limn_file_end_folder(const char *temp, const char *path, limn_error *err);

/* Removes a file, or an empty folder, of a thing that was begun and failed. */
void limn_file_remove(const char *path);

/* Appends one line in a single write and flushes it to the disk: a manifest's row is there whole or
 * not at all. If the file's last byte is not a line feed (a crash in mid-write), starts a new line
 * first. LIMN_E_CREATE, LIMN_E_IO. */
limn_status limn_file_append_line(const char *path, const char *line, limn_error *err);

/* Makes a folder and the folders above it where they are missing. LIMN_E_CREATE. */
limn_status limn_file_make_folder(const char *path, limn_error *err);

/* The names of a folder's entries, sorted as bytes, those that begin with '.' left out. *out is the
 * caller's, each name too, for free(). LIMN_E_MISSING, LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_file_list(const char *folder, char ***out, size_t *count, limn_error *err);

/* Joins folder and name with one '/'; the caller frees it. NULL where memory ran out. */
char *limn_path_join(const char *folder, const char *name);

/* n bytes from the system's random source. LIMN_E_IO. */
limn_status limn_file_random(void *out, size_t n, limn_error *err);

#endif
