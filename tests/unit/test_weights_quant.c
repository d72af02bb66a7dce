/* GGUF's blocks: numbers are packed here field by field, as ggml-common.h lays them out, from
 * fields chosen at random; what they mean is computed from the fields by the published formulas. So
 * packing and meaning are written down independently of src/weights/quant.c, which only sees the
 * bytes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/guarded.h"
#include "weights/weights.h"

#define BLOCKS 50

/* A scale that float16 holds: m / 2^s, m below 2^10; its bits, and the number. */
static uint16_t random_half(uint64_t *state, float *value) {
    const int mantissa = random_int(state, 0, 1023), exponent = random_int(state, 1, 25);
    const int sign = random_int(state, 0, 1);
    float v = 1.0f + (float)mantissa / 1024.0f;
    for (int e = exponent; e < 15; e++) v /= 2;
    for (int e = 15; e < exponent; e++) v *= 2;
    *value = sign ? -v : v;
    return (uint16_t)(sign << 15 | exponent << 10 | mantissa);
}

static void put_half(uint8_t *at, uint16_t half) {
    at[0] = (uint8_t)half;
    at[1] = (uint8_t)(half >> 8);
}

/* Sets bits [bit, bit + width) of the byte to the low bits of v. */
static void put_bits(uint8_t *at, int bit, int width, int v) {
    const unsigned mask = (1u << width) - 1;
    *at = (uint8_t)((*at & ~(mask << bit)) | ((unsigned)v & mask) << bit);
}

/* The value of numbers q with a scale and, for the types "_1" and K with minima, an offset:
 * q x d, q x d + m, or d x q - m, each operation rounded to float32. */
static float rounded(float x) {
    volatile float y = x;
    return y;
}

/* ---- blocks of 32: sum of a nibble, perhaps a fifth bit, less `zero` ------------------------- */

static void make_32(limn_dtype dtype, uint64_t *state, uint8_t *block, float *want) {
    const bool least = dtype == LIMN_Q4_1 || dtype == LIMN_Q5_1;
    const bool five = dtype == LIMN_Q5_0 || dtype == LIMN_Q5_1;
    float d, m = 0;
    uint8_t *fifth = block + (least ? 4 : 2), *nibbles = fifth + (five ? 4 : 0);
    put_half(block, random_half(state, &d));
    if (least) put_half(block + 2, random_half(state, &m));
    for (int i = 0; i < 32; i++) {
        const int q = random_int(state, 0, five ? 31 : 15);
        put_bits(nibbles + i % 16, i < 16 ? 0 : 4, 4, q);
        if (five) put_bits(fifth + i / 8, i % 8, 1, q >> 4);
        want[i] = least ? rounded(rounded((float)q * d) + m) : (float)(q - (five ? 16 : 8)) * d;
    }
}

static void make_q8_0(uint64_t *state, uint8_t *block, float *want) {
    float d;
    put_half(block, random_half(state, &d));
    for (int i = 0; i < 32; i++) {
        const int q = random_int(state, -128, 127);
        block[2 + i] = (uint8_t)q;
        want[i] = (float)q * d;
    }
}

/* ---- blocks of 256 --------------------------------------------------------------------------- */

/* Q2_K: scales[16], qs[64], d, dmin. y = (d sc) q - (dmin m). In each half of 128 numbers, byte l
 * of 32 holds the numbers l, l + 32, l + 64, l + 96, lowest bits first. */
static void make_q2_k(uint64_t *state, uint8_t *block, float *want) {
    float d, dmin;
    put_half(block + 80, random_half(state, &d));
    put_half(block + 82, random_half(state, &dmin));
    int scale[16], least[16];
    for (int r = 0; r < 16; r++) {
        scale[r] = random_int(state, 0, 15);
        least[r] = random_int(state, 0, 15);
        block[r] = (uint8_t)(scale[r] | least[r] << 4);
    }
    for (int i = 0; i < 256; i++) {
        const int q = random_int(state, 0, 3);
        put_bits(block + 16 + i / 128 * 32 + i % 32, i % 128 / 32 * 2, 2, q);
        want[i] = rounded(rounded(rounded(d * (float)scale[i / 16]) * (float)q) -
                          rounded(dmin * (float)least[i / 16]));
    }
}

/* Q3_K: hmask[32], qs[64], scales[12], d. y = (d (sc - 32)) (q - 4), q of three bits: the lower two
 * as in Q2_K, the third in bit i / 32 of hmask[i % 32]. Scales: six bits, the lower four in nibbles
 * of bytes 0 to 7, the upper two in bytes 8 to 11. */
static void make_q3_k(uint64_t *state, uint8_t *block, float *want) {
    float d;
    int scale[16];
    put_half(block + 108, random_half(state, &d));
    for (int r = 0; r < 16; r++) {
        scale[r] = random_int(state, 0, 63);
        put_bits(block + 96 + r % 8, r / 8 * 4, 4, scale[r]);
        put_bits(block + 104 + r % 4, r / 4 * 2, 2, scale[r] >> 4);
    }
    for (int i = 0; i < 256; i++) {
        const int q = random_int(state, 0, 7);
        put_bits(block + 32 + i / 128 * 32 + i % 32, i % 128 / 32 * 2, 2, q);
        put_bits(block + i % 32, i / 32, 1, q >> 2);
        want[i] = rounded(d * (float)(scale[i / 16] - 32)) * (float)(q - 4);
    }
}

/* Q4_K and Q5_K: d, dmin, scales[12], (qh[32],) qs[128]. y = (d sc) q - (dmin m). The six bits of
 * scale and minimum r: for r < 4 whole in bytes r and r + 4; else the lower four as nibbles of byte
 * r + 4, the upper two at the top of bytes r - 4 and r. Nibbles: byte l of 32 holds l and l + 32.
 */
static void make_q45_k(bool five, uint64_t *state, uint8_t *block, float *want) {
    float d, dmin;
    int scale[8], least[8];
    uint8_t *s = block + 4, *fifth = block + 16, *nibbles = block + (five ? 48 : 16);
    put_half(block, random_half(state, &d));
    put_half(block + 2, random_half(state, &dmin));
    for (int r = 0; r < 8; r++) {
        scale[r] = random_int(state, 0, 63);
        least[r] = random_int(state, 0, 63);
        put_bits(r < 4 ? s + r : s + r + 4, 0, r < 4 ? 6 : 4, scale[r]);
        put_bits(s + r + 4, r < 4 ? 0 : 4, r < 4 ? 6 : 4, least[r]);
        if (r >= 4) put_bits(s + r - 4, 6, 2, scale[r] >> 4);
        if (r >= 4) put_bits(s + r, 6, 2, least[r] >> 4);
    }
    for (int i = 0; i < 256; i++) {
        const int q = random_int(state, 0, five ? 31 : 15);
        put_bits(nibbles + i / 64 * 32 + i % 32, i % 64 / 32 * 4, 4, q);
        if (five) put_bits(fifth + i % 32, i / 32, 1, q >> 4);
        want[i] = rounded(rounded(rounded(d * (float)scale[i / 32]) * (float)q) -
                          rounded(dmin * (float)least[i / 32]));
    }
}

/* Q6_K: ql[128], qh[64], scales[16] signed, d. y = (d sc) (q - 32). In each half of 128 numbers:
 * numbers 0 to 63 have the low nibbles of 64 bytes, 64 to 127 the high ones; the upper pairs of
 * bits of numbers l, l + 32, l + 64, l + 96 are in byte l of 32. */
static void make_q6_k(uint64_t *state, uint8_t *block, float *want) {
    float d;
    int scale[16];
    put_half(block + 208, random_half(state, &d));
    for (int r = 0; r < 16; r++) {
        scale[r] = random_int(state, -128, 127);
        block[192 + r] = (uint8_t)scale[r];
    }
    for (int i = 0; i < 256; i++) {
        const int q = random_int(state, 0, 63), half = i / 128, in = i % 128;
        put_bits(block + half * 64 + in % 64, in / 64 * 4, 4, q);
        put_bits(block + 128 + half * 32 + in % 32, in / 32 * 2, 2, q >> 4);
        want[i] = rounded(d * (float)scale[i / 16]) * (float)(q - 32);
    }
}

static void make_block(limn_dtype dtype, uint64_t *state, uint8_t *block, float *want) {
    if (dtype <= LIMN_Q5_1) make_32(dtype, state, block, want);
    if (dtype == LIMN_Q8_0) make_q8_0(state, block, want);
    if (dtype == LIMN_Q2_K) make_q2_k(state, block, want);
    if (dtype == LIMN_Q3_K) make_q3_k(state, block, want);
    if (dtype == LIMN_Q4_K || dtype == LIMN_Q5_K)
        make_q45_k(dtype == LIMN_Q5_K, state, block, want);
    if (dtype == LIMN_Q6_K) make_q6_k(state, block, want);
}

static void every_type_is_what_the_formula_says(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int i = LIMN_Q4_0; i <= LIMN_Q6_K; i++) {
        const limn_dtype dtype = (limn_dtype)i;
        const size_t block = limn_dtype_block(dtype), bytes = limn_dtype_bytes(dtype);
        guarded data = guarded_take(BLOCKS * bytes, 1), got = guarded_take(BLOCKS * block, 4);
        float *want = calloc(BLOCKS * block, sizeof *want);
        for (size_t b = 0; b < BLOCKS; b++)
            make_block(dtype, &seed, (uint8_t *)data.b + b * bytes, want + b * block);
        const limn_source source = limn_source_of("x", (const uint8_t *)data.b, BLOCKS * bytes);
        const limn_tensor t = {.name = "t",
                               .dtype = dtype,
                               .rank = 1,
                               .shape = {BLOCKS * block},
                               .source = &source,
                               .count = BLOCKS * block,
                               .bytes = BLOCKS * bytes};
        assert_int_equal(limn_tensor_read(&t, 0, t.count, got.f, NULL), LIMN_OK);
        const size_t at = floats_differ(got.f, want, t.count);
        if (at < t.count)
            fail_msg("%s: number %zu is %.9g, should be %.9g", limn_dtype_name(dtype), at,
                     (double)got.f[at], (double)want[at]);
        /* Any part of it, beginning and ending inside blocks. */
        for (int k = 0; k < 200; k++) {
            const size_t first = (size_t)random_int(&seed, 0, (int)t.count - 1);
            const size_t count = (size_t)random_int(&seed, 0, (int)(t.count - first));
            assert_int_equal(limn_tensor_read(&t, first, count, got.f, NULL), LIMN_OK);
            assert_int_equal(floats_differ(got.f, want + first, count), count);
        }
        guarded_free(&data);
        guarded_free(&got);
        free(want);
    }
}

/* All 256 of each F8, by the definition: sign, exponent, mantissa; and as float16. */
static void every_f8_is_exact(void **state) {
    (void)state;
    for (int five = 0; five < 2; five++) {
        const int mantissa_bits = five ? 2 : 3, bias = five ? 15 : 7;
        for (int bits = 0; bits < 256; bits++) {
            const uint8_t byte = (uint8_t)bits;
            const int m = bits & ((1 << mantissa_bits) - 1), e = (bits & 127) >> mantissa_bits;
            double want = (double)m / (1 << mantissa_bits) + (e > 0);
            for (int i = e > 0 ? e : 1; i < bias; i++) want /= 2;
            for (int i = bias; i < e; i++) want *= 2;
            if (bits & 128) want = -want;
            const limn_source source = limn_source_of("x", &byte, 1);
            const limn_tensor t = {.dtype = five ? LIMN_F8_E5M2 : LIMN_F8_E4M3,
                                   .source = &source,
                                   .count = 1,
                                   .bytes = 1};
            float got, through;
            uint16_t half;
            assert_int_equal(limn_tensor_read(&t, 0, 1, &got, NULL), LIMN_OK);
            assert_int_equal(limn_tensor_read_narrow(&t, 0, 1, &half, NULL), LIMN_OK);
            const limn_source wider = limn_source_of("x", (const uint8_t *)&half, 2);
            const limn_tensor h = {.dtype = LIMN_F16, .source = &wider, .count = 1, .bytes = 2};
            assert_int_equal(limn_tensor_read(&h, 0, 1, &through, NULL), LIMN_OK);
            const bool nan = five ? e == 31 && m > 0 : (bits & 127) == 127;
            if (five && e == 31 && m == 0) want = bits & 128 ? -INFINITY : INFINITY;
            assert_int_equal(got != got, nan);
            assert_int_equal(through != through, nan);
            if (nan) continue;
            assert_true((double)got == want && (double)through == want);
            assert_int_equal(half >> 15, bits >> 7);
        }
    }
}

/* A transposed tensor is read as the transpose of what is stored, whatever the type. */
static void transposed_tensors_turn_round(void **state) {
    (void)state;
    uint16_t halves[6] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600}, bits[6];
    limn_source source = limn_source_of("x", (const uint8_t *)halves, sizeof halves);
    limn_tensor t = {.dtype = LIMN_F16,
                     .rank = 2,
                     .shape = {3, 2},
                     .source = &source,
                     .count = 6,
                     .bytes = 12,
                     .transposed = true};
    float got[6];
    const float want[6] = {1, 4, 2, 5, 3, 6};
    assert_int_equal(limn_tensor_read(&t, 0, 6, got, NULL), LIMN_OK);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(limn_tensor_read(&t, 3, 2, got, NULL), LIMN_OK);
    assert_memory_equal(got, want + 3, 2 * sizeof *want);
    assert_int_equal(limn_tensor_read_narrow(&t, 0, 6, bits, NULL), LIMN_OK);
    for (int i = 0; i < 6; i++) assert_int_equal(bits[i], halves[(int)want[i] - 1]);

    uint64_t seed = 3;
    uint8_t block[210];
    float straight[256], turned[256];
    make_q6_k(&seed, block, straight);
    source = limn_source_of("x", block, sizeof block);
    t = (limn_tensor){.dtype = LIMN_Q6_K,
                      .rank = 2,
                      .shape = {64, 4},
                      .source = &source,
                      .count = 256,
                      .bytes = 210,
                      .transposed = true};
    assert_int_equal(limn_tensor_read(&t, 0, 256, turned, NULL), LIMN_OK);
    for (int i = 0; i < 256; i++) assert_true(turned[i] == straight[i % 4 * 64 + i / 4]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_what_the_formula_says),
        cmocka_unit_test(every_f8_is_exact),
        cmocka_unit_test(transposed_tensors_turn_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
