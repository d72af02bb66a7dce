/* What the readers of this room build: the inside of limn_tensors. */
#ifndef LIMN_WEIGHTS_TENSORS_H
#define LIMN_WEIGHTS_TENSORS_H

#include "weights/weights.h"

#define LIMN_RANK_MAX 8

/* Longest text of a shape: eight 20-digit numbers, separators, brackets, NUL. */
#define LIMN_SHAPE_TEXT 192

struct limn_tensors {
    char *file;         /* what sentences call the file */
    limn_tensor *items; /* [count], in the byte order of names once finished */
    size_t count;
    char *names; /* all names, each with its NUL */
};

/* Makes room for `count` tensors (zeroed) and `name_bytes` of names with their NULs. *out is the
 * caller's, for limn_tensors_free. LIMN_E_MEMORY. */
limn_status limn_tensors_make(const char *file, size_t count, size_t name_bytes, limn_tensors **out,
                              limn_error *err);

/* Sorts by name, after which limn_tensors_find works. */
void limn_tensors_sort(limn_tensors *t);

/* Writes a shape as "[320, 4, 3, 3]" into out[LIMN_SHAPE_TEXT]. */
void limn_shape_describe(int rank, const uint64_t *shape, char *out);

#endif
