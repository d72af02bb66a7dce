/* The matrix tile in plain C: the specification. Each element of c is one chain of fused
 * multiply-adds over k, from the first segment's first step to the last segment's last. */
#ifndef LIMN_KERNELS_C_TILE_H
#define LIMN_KERNELS_C_TILE_H

#include <math.h>

#include "kernels/kernels.h"

#define LIMN_C_ROWS  4
#define LIMN_C_PANEL 16

static void limn_c_tile(const limn_tile *t) {
    for (int r = 0; r < t->rows; r++) {
        float *c = t->c + (size_t)r * t->c_stride;
        for (int j = 0; j < t->columns; j++) {
            const float *b = t->b + j;
            float sum = t->first ? 0.0f : c[j];
            for (int s = 0; s < t->segments; s++) {
                const float *a = t->a[s * LIMN_C_ROWS + r];
                for (int k = 0; k < t->length[s]; k++, b += LIMN_C_PANEL) sum = fmaf(a[k], *b, sum);
            }
            c[j] = sum;
        }
    }
}

#endif
