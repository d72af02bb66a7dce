/* GGUF's quantised blocks to float32. Byte offsets below are those within one block. */
#include "weights/quant.h"

#include <string.h>

/* The float16 at `data`. */
static float half_at(const uint8_t *data) {
    uint16_t half;
    memcpy(&half, data, sizeof half);
    return limn_half_value(half);
}

/* The fifth bits of Q5_0 and Q5_1, one for each of 32 numbers. */
static uint32_t bits_at(const uint8_t *data) {
    uint32_t bits;
    memcpy(&bits, data, sizeof bits);
    return bits;
}

/* ---- 32 numbers ------------------------------------------------------------------------------ */

/* f16 scale, 16 bytes of nibbles: number j is a low one, j + 16 the high one of the same byte. */
static void split_q4_0(const uint8_t *b, int8_t *out) {
    for (int j = 0; j < 16; j++) {
        out[j] = (int8_t)((b[2 + j] & 15) - 8);
        out[j + 16] = (int8_t)((b[2 + j] >> 4) - 8);
    }
}

/* f16 scale, f16 minimum, nibbles as above. */
static void decode_q4_1(const uint8_t *b, float *out) {
    const float d = half_at(b), least = half_at(b + 2);
    for (int j = 0; j < 16; j++) {
        out[j] = (float)(b[4 + j] & 15) * d + least;
        out[j + 16] = (float)(b[4 + j] >> 4) * d + least;
    }
}

/* f16 scale, 32 fifth bits, nibbles. */
static void split_q5_0(const uint8_t *b, int8_t *out) {
    const uint32_t fifth = bits_at(b + 2);
    for (int j = 0; j < 16; j++) {
        const int low = (b[6 + j] & 15) | (int)(fifth >> j & 1) << 4;
        const int high = b[6 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
        out[j] = (int8_t)(low - 16);
        out[j + 16] = (int8_t)(high - 16);
    }
}

/* f16 scale, f16 minimum, 32 fifth bits, nibbles. */
static void decode_q5_1(const uint8_t *b, float *out) {
    const float d = half_at(b), least = half_at(b + 2);
    const uint32_t fifth = bits_at(b + 4);
    for (int j = 0; j < 16; j++) {
        const int low = (b[8 + j] & 15) | (int)(fifth >> j & 1) << 4;
        const int high = b[8 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
        out[j] = (float)low * d + least;
        out[j + 16] = (float)high * d + least;
    }
}

uint16_t limn_quant_split(limn_dtype dtype, const uint8_t *block, int8_t *out) {
    uint16_t scale;
    memcpy(&scale, block, sizeof scale);
    if (dtype == LIMN_Q4_0)
        split_q4_0(block, out);
    else if (dtype == LIMN_Q5_0)
        split_q5_0(block, out);
    else
        memcpy(out, block + 2, 32);
    return scale;
}

/* Integers times the scale before them. */
static void decode_split(limn_dtype dtype, const uint8_t *b, float *out) {
    int8_t numbers[32];
    const float d = limn_half_value(limn_quant_split(dtype, b, numbers));
    for (int j = 0; j < 32; j++) out[j] = (float)numbers[j] * d;
}

/* ---- 256 numbers, in runs that have scales of their own -------------------------------------- */

/* 16 bytes of (scale, minimum) nibbles for runs of 16, 64 bytes of pairs of bits, f16 scale of the
 * scales, f16 scale of the minima. A byte of pairs serves four runs, 32 numbers apart. */
static void decode_q2_k(const uint8_t *b, float *out) {
    const float d = half_at(b + 80), least = half_at(b + 82);
    for (int run = 0; run < 16; run++) {
        const uint8_t *pairs = b + 16 + run / 8 * 32 + run % 2 * 16;
        const int shift = run % 8 / 2 * 2;
        const float scale = d * (float)(b[run] & 15), low = least * (float)(b[run] >> 4);
        for (int l = 0; l < 16; l++) *out++ = scale * (float)(pairs[l] >> shift & 3) - low;
    }
}

/* The 6-bit scale of a run in Q3_K, 0 to 63: twelve bytes hold sixteen, low nibbles in the first
 * eight, the upper pairs of bits in the last four. */
static int scale_of_q3(const uint8_t *scales, int run) {
    const int low = run < 8 ? scales[run] & 15 : scales[run - 8] >> 4;
    return low | (scales[8 + run % 4] >> run / 4 * 2 & 3) << 4;
}

/* 32 bytes of third bits, 64 bytes of pairs of bits, 12 bytes of scales, f16 scale of the scales.
 * A third bit that is not set takes 4 off. */
static void decode_q3_k(const uint8_t *b, float *out) {
    const float d = half_at(b + 108);
    for (int run = 0; run < 16; run++) {
        const uint8_t *third = b + run % 2 * 16, *pairs = b + 32 + run / 8 * 32 + run % 2 * 16;
        const int shift = run % 8 / 2 * 2;
        const float scale = d * (float)(scale_of_q3(b + 96, run) - 32);
        for (int l = 0; l < 16; l++) {
            const int off = third[l] >> run / 2 & 1 ? 0 : 4;
            *out++ = scale * (float)((pairs[l] >> shift & 3) - off);
        }
    }
}

/* The 6-bit scale and minimum of a run of 32 in Q4_K and Q5_K: twelve bytes hold eight of each. */
static void scales_of_q4(const uint8_t *s, int run, int *scale, int *least) {
    if (run < 4) {
        *scale = s[run] & 63;
        *least = s[run + 4] & 63;
    } else {
        *scale = (s[run + 4] & 15) | s[run - 4] >> 6 << 4;
        *least = s[run + 4] >> 4 | s[run] >> 6 << 4;
    }
}

/* f16 scale of the scales, f16 scale of the minima, 12 bytes of both; for Q5_K 32 bytes of fifth
 * bits; 128 bytes of nibbles, each 32 of which serve two runs. */
static void decode_q4_q5_k(const uint8_t *b, bool five, float *out) {
    const float d = half_at(b), d_least = half_at(b + 2);
    const uint8_t *fifth = b + 16, *nibbles = b + (five ? 48 : 16);
    for (int run = 0; run < 8; run++) {
        int scale, least;
        scales_of_q4(b + 4, run, &scale, &least);
        const float step = d * (float)scale, low = d_least * (float)least;
        for (int l = 0; l < 32; l++) {
            int q = nibbles[run / 2 * 32 + l] >> run % 2 * 4 & 15;
            if (five) q += (fifth[l] >> run & 1) << 4;
            *out++ = step * (float)q - low;
        }
    }
}

/* 128 bytes of nibbles, 64 bytes of upper pairs of bits, 16 signed scales for runs of 16, f16 scale
 * of the scales. In each half of 128 numbers, byte l of the nibbles serves numbers l and l + 64. */
static void decode_q6_k(const uint8_t *b, float *out) {
    const float d = half_at(b + 208);
    for (int i = 0; i < 256; i++) {
        const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
        const int low = b[half * 64 + quarter % 2 * 32 + l] >> quarter / 2 * 4 & 15;
        const int high = b[128 + half * 32 + l] >> quarter * 2 & 3;
        out[i] = d * (float)(int8_t)b[192 + i / 16] * (float)((low | high << 4) - 32);
    }
}

void limn_quant_decode(limn_dtype dtype, const uint8_t *block, float *out) {
    switch (dtype) {
    case LIMN_Q4_1:
        decode_q4_1(block, out);
        break;
    case LIMN_Q5_1:
        decode_q5_1(block, out);
        break;
    case LIMN_Q4_0:
    case LIMN_Q5_0:
    case LIMN_Q8_0:
        decode_split(dtype, block, out);
        break;
    case LIMN_Q2_K:
        decode_q2_k(block, out);
        break;
    case LIMN_Q3_K:
        decode_q3_k(block, out);
        break;
    case LIMN_Q4_K:
    case LIMN_Q5_K:
        decode_q4_q5_k(block, dtype == LIMN_Q5_K, out);
        break;
    default:
        decode_q6_k(block, out);
    }
}
