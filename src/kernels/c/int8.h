/* The int8 tile in plain C: the specification. */
#ifndef LIMN_KERNELS_C_INT8_H
#define LIMN_KERNELS_C_INT8_H

#include "kernels/c/tile.h"

static void limn_c_tile_i8(const limn_tile_i8 *t) {
    for (int r = 0; r < t->rows; r++)
        for (int j = 0; j < t->columns; j++) {
            const int8_t *b = t->b + 4 * j;
            int32_t sum = 0;
            for (int s = 0; s < t->segments; s++) {
                const int8_t *a = t->a[s * LIMN_C_ROWS + r];
                for (int k = 0; k < t->fours; k++, a += 4, b += (ptrdiff_t)4 * LIMN_C_PANEL)
                    for (int i = 0; i < 4; i++) sum += a[i] * b[i];
            }
            t->c[(size_t)r * t->c_stride + (size_t)j] =
                (float)sum * (t->a_scale[r] * t->b_scale[j]);
        }
}

#endif
