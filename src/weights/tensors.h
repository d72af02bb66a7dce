/* What the readers of this room build: the inside of limn_tensors. */
#ifndef LIMN_WEIGHTS_TENSORS_H
#define LIMN_WEIGHTS_TENSORS_H

#include "weights/weights.h"

#define LIMN_RANK_MAX 8

/* Longest text of a shape: eight 20-digit numbers, separators, brackets, NUL. */
#define LIMN_SHAPE_TEXT 192

/* Notes that are kept of a file's metadata, and how long one may be, with its NUL. */
#define LIMN_NOTES_MOST 64
#define LIMN_NOTE_TEXT  ((size_t)1 << 18)

/* One text of a file's metadata; both are malloc'd. */
typedef struct limn_note {
    char *key, *value;
} limn_note;

struct limn_tensors {
    limn_source source; /* where the items are; its name is `file` */
    char *file;         /* what sentences call the file */
    limn_tensor *items; /* [count], in the byte order of names once finished */
    size_t count;
    char *names; /* all names, each with its NUL */
    limn_note *notes;
    int note_count;
};

/* Makes room for `count` tensors (zeroed but for their source) and `name_bytes` of names with their
 * NULs. *out is the caller's, for limn_tensors_free. LIMN_E_MEMORY. */
limn_status limn_tensors_make(const limn_source *source, size_t count, size_t name_bytes,
                              limn_tensors **out, limn_error *err);

/* Keeps a text of the file's metadata, given by length, for limn_tensors_note. One that is long,
 * and any beyond the limit, is passed over: notes are hints. LIMN_E_MEMORY. */
limn_status limn_tensors_keep_note(limn_tensors *t, const char *key, size_t key_bytes,
                                   const char *value, size_t value_bytes, limn_error *err);

/* Checks that the tensors follow each other in the `size` bytes from `start` on with less than
 * `alignment` between them, and after the last too, so that nothing can hide in a file. Leaves them
 * in the order of the data. LIMN_E_INPUT with what is not so. */
limn_status limn_tensors_check_tiling(limn_tensors *set, size_t start, size_t size,
                                      size_t alignment, limn_error *err);

/* Sorts by name, after which limn_tensors_find works. */
void limn_tensors_sort(limn_tensors *t);

/* How the name of an int8 tensor's scale ends, behind the tensor's own; and where the numbers are
 * not rotated, as the first files have them. */
#define LIMN_SCALE_END ".limn_rotated_scale"
#define LIMN_PLAIN_END ".limn_scale"

/* The length of a scale's name without its end; 0 where it is none. */
size_t limn_scale_stem(const char *name);

/* Gives the int8 tensors of a sorted file the scales that are in it. */
void limn_tensors_link_scales(limn_tensors *t);

/* A set under way, of views into other sets. Zeroed = empty; limn_gather_free after all. */
typedef struct limn_gather {
    limn_tensor *items; /* [count], without names */
    size_t *name_at;    /* [count] where each name begins in `names` */
    char *names;
    size_t count, room, name_bytes, name_room;
} limn_gather;

/* Adds a view under a name of its own. LIMN_E_MEMORY. */
limn_status limn_gather_add(limn_gather *g, const limn_tensor *t, const char *name,
                            limn_error *err);

/* Makes a set of it, sorted; `file` is what sentences call it. LIMN_E_INPUT where a name is there
 * twice, LIMN_E_MEMORY. */
limn_status limn_gather_finish(limn_gather *g, const char *file, limn_tensors **out,
                               limn_error *err);

/* Gives back what limn_gather_add took, not what limn_gather_finish made. */
void limn_gather_free(limn_gather *g);

/* Writes a shape as "[320, 4, 3, 3]" into out[LIMN_SHAPE_TEXT]. */
void limn_shape_describe(int rank, const uint64_t *shape, char *out);

#endif
