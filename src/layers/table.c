/* A row of a table of vectors. */
#include <string.h>

#include "layers/product.h"

/* A row of Q8_0's blocks. */
static void from_q8(const limn_kernels *k, const int8_t *q, const uint16_t *scale, size_t d,
                    float *out) {
    for (size_t i = 0; i < d; i += LIMN_Q8_BLOCK) {
        float worth;
        k->from_f16(scale + i / LIMN_Q8_BLOCK, 1, &worth);
        for (size_t j = i; j < i + LIMN_Q8_BLOCK; j++) out[j] = (float)q[j] * worth;
    }
}

void limn_table_row(const limn_kernels *k, const limn_table *table, size_t row, float *out) {
    size_t d = (size_t)table->d;
    const limn_numbers *from = &table->numbers;
    if (from->type == LIMN_F32)
        memcpy(out, from->f32 + row * d, d * sizeof *out);
    else if (from->type == LIMN_Q8_0)
        from_q8(k, from->i8 + row * d, table->q8_scale + row * d / LIMN_Q8_BLOCK, d, out);
    else
        limn_widen_of(k, from->type)(from->bits + row * d, d, out);
}
