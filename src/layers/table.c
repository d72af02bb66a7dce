/* A row of a table of vectors, stored as float32, float16 or bfloat16. */
#include <string.h>

#include "layers/product.h"

void limn_table_row(const limn_kernels *k, const limn_table *table, size_t row, float *out) {
    size_t d = (size_t)table->d;
    const limn_numbers *from = &table->numbers;
    if (from->type == LIMN_F32)
        memcpy(out, from->f32 + row * d, d * sizeof *out);
    else
        limn_widen_of(k, from->type)(from->bits + row * d, d, out);
}
