/* int8 attention's softmax, down columns: a block of keys, for a panel of queries side by side.
 *
 * Scores come in base 2 (the factor log2(e) is in their scale). A block's weights are 255 x 2^(s -
 * the block's largest), rounded: 0 to 255, so that every block uses all of the range; what a block
 * is worth beside the others stands in `before` and `now`. Bytes are signed, so 128 less is kept.
 * Source: Milakov and Gimelshein 2018, Online normalizer calculation for softmax; weights as bytes:
 * Zhang et al. 2024, SageAttention. */
#ifndef LIMN_KERNELS_PLAIN_ATTEND_H
#define LIMN_KERNELS_PLAIN_ATTEND_H

#include "kernels/plain/math.h"

/* 1.5 x 2^23: added to a small float, it rounds it to a whole number, which is then the lowest bits
 * of the sum; and those bits, in each of a word's four bytes. */
#define ATTEND_ROUND      12582912.0f
#define ATTEND_ROUND_BITS 0x4b400000u
#define ATTEND_FOUR_BITS  (ATTEND_ROUND_BITS * 0x01010101u)

/* The bits of ATTEND_ROUND + the weight of a score that lies y below the largest. 2^y is 2^n times
 * a polynomial of the third degree, which is within 1e-4: a hundredth of a weight's step. What is
 * below 2^-24, and a NaN, weighs nothing. */
static inline uint32_t limn_weight_bits(float y) {
    y = y > -24.0f ? y : -24.0f;
    float t = y + ATTEND_ROUND, r = y - (t - ATTEND_ROUND);
    float p = fmaf(r, fmaf(r, fmaf(r, 14.0687756f, 61.8658362f), 176.781551f), 254.981659f);
    float weight = limn_float_of(limn_bits_of(p) + (limn_bits_of(t) << 23));
    return limn_bits_of(weight + ATTEND_ROUND);
}

/* Four keys' weights. */
static inline void limn_weigh_four(const float *s, int panel, const float *most, uint32_t *sum,
                                   int8_t *weights) {
    uint32_t four[LIMN_PANEL_MOST];
    for (int j = 0; j < panel; j++) {
        uint32_t a = limn_weight_bits(s[j] - most[j]);
        uint32_t b = limn_weight_bits(s[panel + j] - most[j]);
        uint32_t c = limn_weight_bits(s[2 * panel + j] - most[j]);
        uint32_t d = limn_weight_bits(s[3 * panel + j] - most[j]);
        four[j] = (a + (b << 8) + (c << 16) + (d << 24) - ATTEND_FOUR_BITS) ^ 0x80808080u;
        sum[j] += (a + b) + (c + d);
    }
    memcpy(weights, four, (size_t)panel * sizeof *four);
}

/* limn_kernels.weigh for a constant panel. The rows behind the last key, up to four, are written.
 */
static inline void limn_plain_weigh(float *s, int keys, int panel, limn_attend *a,
                                    int8_t *weights) {
    float most[LIMN_PANEL_MOST];
    uint32_t sum[LIMN_PANEL_MOST];
    int rows = (keys + 3) / 4 * 4;
    for (int t = keys; t < rows; t++)
        for (int j = 0; j < panel; j++) s[t * panel + j] = -INFINITY;
    for (int j = 0; j < panel; j++) {
        most[j] = -INFINITY;
        sum[j] = 0;
    }
    for (int t = 0; t < rows; t++)
        for (int j = 0; j < panel; j++)
            most[j] = s[t * panel + j] > most[j] ? s[t * panel + j] : most[j];
    for (int t = 0; t < rows; t += 4)
        limn_weigh_four(s + t * panel, panel, most, sum, weights + t * panel);
    for (int j = 0; j < panel; j++) {
        uint32_t total = sum[j] - (uint32_t)rows * ATTEND_ROUND_BITS;
        float top = most[j] > a->most[j] ? most[j] : a->most[j];
        a->before[j] = limn_expf((a->most[j] - top) * 0.693147182f);
        a->now[j] = limn_expf((most[j] - top) * 0.693147182f);
        a->total[j] = fmaf(a->total[j], a->before[j], (float)(int32_t)total * a->now[j]);
        a->most[j] = top;
        a->start[j] = -128 * ((int32_t)total - 128 * rows);
    }
}

/* limn_kernels.fold for a constant panel. */
static inline void limn_plain_fold(float *sum, const float *more, const float *offset, int rows,
                                   int panel, const limn_attend *a) {
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < panel; j++) {
            float block = fmaf(offset[r], a->now[j], more[r * panel + j]);
            sum[r * panel + j] = fmaf(sum[r * panel + j], a->before[j], block);
        }
}

#endif
