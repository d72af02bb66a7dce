/* A sum of rows, each times its factor: how a LoRA's product is had, row by row. */
#ifndef LIMN_KERNELS_PLAIN_COMBINE_H
#define LIMN_KERNELS_PLAIN_COMBINE_H

#include <math.h>
#include <stddef.h>

/* Columns whose sums stay in registers. */
#define LIMN_COMBINE_BLOCK 64

static void limn_plain_combine(const float *factor, int count, const float *rows, size_t stride,
                               size_t n, float *out) {
    size_t at = 0;
    for (; at + LIMN_COMBINE_BLOCK <= n; at += LIMN_COMBINE_BLOCK) {
        float sum[LIMN_COMBINE_BLOCK] = {0};
        for (int i = 0; i < count; i++)
            for (size_t j = 0; j < LIMN_COMBINE_BLOCK; j++)
                sum[j] = fmaf(factor[i], rows[(size_t)i * stride + at + j], sum[j]);
        for (size_t j = 0; j < LIMN_COMBINE_BLOCK; j++) out[at + j] = sum[j];
    }
    for (; at < n; at++) {
        float sum = 0;
        for (int i = 0; i < count; i++) sum = fmaf(factor[i], rows[(size_t)i * stride + at], sum);
        out[at] = sum;
    }
}

#endif
