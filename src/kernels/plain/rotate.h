/* Hadamard's rotation of each run of `block` numbers, a power of two up to LIMN_ROTATE_MOST, not
 * normed: out[i] = sum over j of x[j] (-1)^(ones in i & j). Twice gives x times the block. The sums
 * are pairs, those of neighbours first. Source: Yates 1937; Ashkboos et al. 2024, QuaRot. */
#ifndef LIMN_KERNELS_PLAIN_ROTATE_H
#define LIMN_KERNELS_PLAIN_ROTATE_H

#include <string.h>

#include "kernels/kernels.h"

static void limn_plain_rotate(const float *x, size_t n, int block, float *out) {
    float v[LIMN_ROTATE_MOST];
    for (size_t at = 0; at < n; at += (size_t)block) {
        memcpy(v, x + at, (size_t)block * sizeof *v);
        for (int h = 1; h < block; h *= 2)
            for (int i = 0; i < block; i++) {
                if (i & h) continue;
                float a = v[i], b = v[i + h];
                v[i] = a + b;
                v[i + h] = a - b;
            }
        memcpy(out + at, v, (size_t)block * sizeof *v);
    }
}

#endif
