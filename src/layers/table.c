/* A row of a table of vectors, stored as float32, float16 or bfloat16. */
#include <string.h>

#include "layers/product.h"

void limn_table_row(const limn_kernels *k, const limn_table *table, size_t row, float *out) {
    size_t d = (size_t)table->d;
    if (table->half)
        limn_widen_of(k, table->kept)(table->half + row * d, d, out);
    else
        memcpy(out, table->numbers + row * d, d * sizeof *out);
}
