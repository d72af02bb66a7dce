/* A batch's book: folder/manifest.jsonl, one JSON line for each picture that was asked for
 * (docs/formats.md, "Manifest").
 *
 * The book is a record for people and programs; whether a picture is made again is decided by the
 * recipe in the picture itself, so a lost or edited manifest loses no picture. Rows are only ever
 * added, each flushed to the disk whole. */
#ifndef LIMN_RENDER_MANIFEST_H
#define LIMN_RENDER_MANIFEST_H

#include "base/error.h"

/* A manifest that is being kept. Zeroed = fine to close. */
typedef struct limn_manifest {
    char *path;
    char *text;                       /* the file as it was at the start */
    struct limn_manifest_line *lines; /* its lines, sorted by their bytes */
    size_t count;
} limn_manifest;

/* What a row says. Everything stays the caller's. */
typedef struct limn_manifest_row {
    const char *file;        /* the picture's name in the folder; NULL = the line gave none */
    const char *status;      /* "done", "skipped" or "failed" */
    int line;                /* in the prompt file */
    uint64_t seed;           /* left out where request is NULL */
    const char *sha256;      /* of the file; NULL = left out */
    double ms;               /* what rendering took; below 0 = left out */
    const limn_error *error; /* NULL = left out */
    const char *request;     /* the recipe's canonical JSON; NULL = left out */
} limn_manifest_row;

/* Reads the manifest of a folder, or begins one (then nothing is written yet). Half a row at its
 * end, which a crash may leave, is cut off. LIMN_E_IO where it is there and cannot be read or
 * mended, LIMN_E_CREATE, LIMN_E_MEMORY. The caller closes it. */
limn_status limn_manifest_open(const char *folder, limn_manifest *out, limn_error *err);

/* Releases it. */
void limn_manifest_close(limn_manifest *m);

/* Whether the last row about a file that was not "failed" said, before this batch began, that it
 * was made of this request. */
bool limn_manifest_knows(const limn_manifest *m, const char *file, const char *request);

/* Adds a row; one that was there word for word before this batch began is not added again.
 * LIMN_E_CREATE, LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_manifest_add(const limn_manifest *m, const limn_manifest_row *row,
                              limn_error *err);

#endif
