/* The types of numbers in model files, and their conversion to float32. */
#include "weights/weights.h"

#include <string.h>

#include "weights/quant.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "model files are little-endian");

#define NONE (-1)

static const struct {
    const char *name;
    size_t block, bytes;
    int ggml; /* its number in GGUF files; NONE where they have no such type */
} DTYPES[LIMN_DTYPES] = {
    [LIMN_F32] = {"F32", 1, 4, 0},
    [LIMN_F16] = {"F16", 1, 2, 1},
    [LIMN_BF16] = {"BF16", 1, 2, 30},
    [LIMN_F64] = {"F64", 1, 8, 28},
    [LIMN_I64] = {"I64", 1, 8, 27},
    [LIMN_I32] = {"I32", 1, 4, 26},
    [LIMN_I16] = {"I16", 1, 2, 25},
    [LIMN_I8] = {"I8", 1, 1, 24},
    [LIMN_U8] = {"U8", 1, 1, NONE},
    [LIMN_BOOL] = {"BOOL", 1, 1, NONE},
    [LIMN_F8_E4M3] = {"F8_E4M3", 1, 1, NONE},
    [LIMN_F8_E5M2] = {"F8_E5M2", 1, 1, NONE},
    [LIMN_Q4_0] = {"Q4_0", 32, 18, 2},
    [LIMN_Q4_1] = {"Q4_1", 32, 20, 3},
    [LIMN_Q5_0] = {"Q5_0", 32, 22, 6},
    [LIMN_Q5_1] = {"Q5_1", 32, 24, 7},
    [LIMN_Q8_0] = {"Q8_0", 32, 34, 8},
    [LIMN_Q2_K] = {"Q2_K", 256, 84, 10},
    [LIMN_Q3_K] = {"Q3_K", 256, 110, 11},
    [LIMN_Q4_K] = {"Q4_K", 256, 144, 12},
    [LIMN_Q5_K] = {"Q5_K", 256, 176, 13},
    [LIMN_Q6_K] = {"Q6_K", 256, 210, 14},
};

const char *limn_dtype_name(limn_dtype dtype) {
    return DTYPES[dtype].name;
}

size_t limn_dtype_block(limn_dtype dtype) {
    return DTYPES[dtype].block;
}

size_t limn_dtype_bytes(limn_dtype dtype) {
    return DTYPES[dtype].bytes;
}

bool limn_dtype_is_float(limn_dtype dtype) {
    return dtype <= LIMN_F64 || dtype >= LIMN_F8_E4M3;
}

limn_dtype limn_dtype_narrow(limn_dtype dtype) {
    if (dtype == LIMN_BF16) return LIMN_BF16;
    if (dtype == LIMN_Q4_0 || dtype == LIMN_Q5_0 || dtype == LIMN_Q8_0) return LIMN_Q8_0;
    const bool half = dtype == LIMN_F16 || dtype == LIMN_F8_E4M3 || dtype == LIMN_F8_E5M2;
    return half ? LIMN_F16 : LIMN_F32;
}

bool limn_dtype_ggml(limn_dtype dtype, uint32_t *number) {
    if (DTYPES[dtype].ggml == NONE) return false;
    *number = (uint32_t)DTYPES[dtype].ggml;
    return true;
}

bool limn_dtype_of_ggml(uint32_t number, limn_dtype *out) {
    uint32_t of = 0;
    for (int i = 0; i < LIMN_DTYPES; i++)
        if (limn_dtype_ggml((limn_dtype)i, &of) && of == number) {
            *out = (limn_dtype)i;
            return true;
        }
    return false;
}

bool limn_dtype_find(const char *name, limn_dtype *out) {
    for (size_t i = 0; i < sizeof DTYPES / sizeof *DTYPES; i++) {
        if (DTYPES[i].block == 1 && strcmp(name, DTYPES[i].name) == 0) {
            *out = (limn_dtype)i;
            return true;
        }
    }
    return false;
}

/* All ones where the condition holds, else zero. */
static uint32_t mask_if(bool condition) {
    return 0u - (uint32_t)condition;
}

/* The bits of a half as the bits of the same number in float32. With masks instead of branches, so
 * that the loop below becomes vector code, and without float32 subnormals, so that no flush-to-zero
 * mode can change it: a half's subnormal m x 2^-24 is (2^-14 + m x 2^-24) - 2^-14, exactly. A
 * signalling NaN becomes the quiet one of the same payload, as in processors' own conversions. */
static uint32_t f16_bits(uint16_t half) {
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    const uint32_t tiny_bits = magnitude + ((127u - 14u) << 23), least_bits = (127u - 14u) << 23;
    float tiny, least;
    memcpy(&tiny, &tiny_bits, sizeof tiny);
    memcpy(&least, &least_bits, sizeof least);
    tiny -= least;
    uint32_t subnormal;
    memcpy(&subnormal, &tiny, sizeof subnormal);

    const uint32_t is_subnormal = mask_if(magnitude < 1u << 23);
    const uint32_t is_special = mask_if(magnitude >= 31u << 23);
    const uint32_t is_nan = mask_if(magnitude > 31u << 23);
    const uint32_t normal = magnitude + ((127u - 15u) << 23) + (is_special & (127u - 15u) << 23);
    return (is_subnormal & subnormal) | (~is_subnormal & normal) | (is_nan & 1u << 22) |
           (uint32_t)(half & 0x8000) << 16;
}

float limn_half_value(uint16_t half) {
    const uint32_t bits = f16_bits(half);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void from_f16(const uint8_t *data, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, data + 2 * i, sizeof half);
        out[i] = limn_half_value(half);
    }
}

/* An F8_E4M3 as the bits of the same number in float16. The exponent's bias goes from 7 to 15;
 * subnormals m x 2^-9 become normal; the largest pattern is NaN.
 * Source: Micikevicius et al. 2022, "FP8 formats for deep learning", table 1. */
static uint16_t half_of_e4m3(uint8_t bits) {
    static const uint16_t subnormals[8] = {0,      0x1800, 0x1c00, 0x1e00,
                                           0x2000, 0x2100, 0x2200, 0x2300};
    const unsigned magnitude = bits & 0x7f, sign = (bits & 0x80u) << 8;
    if (magnitude == 0x7f) return (uint16_t)(sign | 0x7e00);
    if (magnitude < 8) return (uint16_t)(sign | subnormals[magnitude]);
    return (uint16_t)(sign | ((magnitude << 7) + (8u << 10)));
}

/* The number at one byte of an F8, as float16 bits. E5M2 is the upper byte of a float16. */
static uint16_t half_of_f8(limn_dtype dtype, uint8_t bits) {
    return dtype == LIMN_F8_E4M3 ? half_of_e4m3(bits) : (uint16_t)(bits << 8);
}

/* BF16 is the upper half of a float32. */
static void from_bf16(const uint8_t *data, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, data + 2 * i, sizeof half);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, sizeof bits);
    }
}

static void from_f64(const uint8_t *data, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, data + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

/* Any of the integer types; these are rare and small, so one number at a time will do. */
static float from_integer(const uint8_t *data, limn_dtype dtype) {
    int64_t i64;
    int32_t i32;
    int16_t i16;
    switch (dtype) {
    case LIMN_I64:
        memcpy(&i64, data, sizeof i64);
        return (float)i64;
    case LIMN_I32:
        memcpy(&i32, data, sizeof i32);
        return (float)i32;
    case LIMN_I16:
        memcpy(&i16, data, sizeof i16);
        return (float)i16;
    case LIMN_I8:
        return *data < 128 ? (float)*data : (float)*data - 256.0f;
    case LIMN_BOOL:
        return *data != 0 ? 1.0f : 0.0f;
    default:
        return (float)*data;
    }
}

/* Numbers of a type in blocks; the first and the last block may be wanted in part. */
static void from_blocks(limn_dtype dtype, const uint8_t *raw, size_t first, size_t count,
                        float *out) {
    const size_t block = limn_dtype_block(dtype), bytes = limn_dtype_bytes(dtype);
    float numbers[LIMN_QUANT_MOST];
    while (count > 0) {
        const size_t skip = first % block, left = block - skip, n = count < left ? count : left;
        limn_quant_decode(dtype, raw + first / block * bytes, n == block ? out : numbers);
        if (n < block) memcpy(out, numbers + skip, n * sizeof *out);
        first += n;
        out += n;
        count -= n;
    }
}

void limn_dtype_to_f32(limn_dtype dtype, const uint8_t *raw, size_t first, size_t count,
                       float *out) {
    if (limn_dtype_block(dtype) > 1) {
        from_blocks(dtype, raw, first, count, out);
        return;
    }
    const size_t size = limn_dtype_bytes(dtype);
    const uint8_t *data = raw + first * size;
    switch (dtype) {
    case LIMN_F32:
        if (count > 0) memcpy(out, data, count * sizeof *out);
        break;
    case LIMN_F16:
        from_f16(data, count, out);
        break;
    case LIMN_BF16:
        from_bf16(data, count, out);
        break;
    case LIMN_F64:
        from_f64(data, count, out);
        break;
    case LIMN_F8_E4M3:
    case LIMN_F8_E5M2:
        for (size_t i = 0; i < count; i++) out[i] = limn_half_value(half_of_f8(dtype, data[i]));
        break;
    default:
        for (size_t i = 0; i < count; i++) out[i] = from_integer(data + i * size, dtype);
    }
}

void limn_f8_to_f16(limn_dtype dtype, const uint8_t *raw, size_t count, uint16_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = half_of_f8(dtype, raw[i]);
}

/* Rounds on the bits; below 2^-14, where float16 has fewer of them, by an addition that does. */
static uint16_t f16_of(float x) {
    uint32_t bits, sign;
    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x1ff));
    if (bits >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more */
    if (bits < 0x38800000) {                                  /* below 2^-14: m x 2^-24 */
        float tiny;
        memcpy(&tiny, &bits, sizeof tiny);
        tiny += 0.5f; /* whose last bit is worth 2^-24 */
        memcpy(&bits, &tiny, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    uint32_t rounded = bits + 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

void limn_f32_to_f16(const float *x, size_t count, uint16_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = f16_of(x[i]);
}

const char *limn_precision_name(bool int8) {
    return int8 ? "int8" : "float32";
}

limn_status limn_precision_find(const char *name, bool *int8, limn_error *err) {
    *int8 = strcmp(name, limn_precision_name(true)) == 0;
    if (*int8 || strcmp(name, limn_precision_name(false)) == 0) return LIMN_OK;
    return limn_fail(err, LIMN_E_USAGE, "there is no precision '%s'; there are float32 and int8",
                     name);
}
