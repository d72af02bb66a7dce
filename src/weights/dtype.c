/* The types of numbers in model files, and their conversion to float32. */
#include "weights/weights.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "model files are little-endian");

static const struct {
    const char *name;
    size_t bytes;
} DTYPES[] = {
    [LIMN_F32] = {"F32", 4},   [LIMN_F16] = {"F16", 2}, [LIMN_BF16] = {"BF16", 2},
    [LIMN_F64] = {"F64", 8},   [LIMN_I64] = {"I64", 8}, [LIMN_I32] = {"I32", 4},
    [LIMN_I16] = {"I16", 2},   [LIMN_I8] = {"I8", 1},   [LIMN_U8] = {"U8", 1},
    [LIMN_BOOL] = {"BOOL", 1},
};

const char *limn_dtype_name(limn_dtype dtype) {
    return DTYPES[dtype].name;
}

size_t limn_dtype_bytes(limn_dtype dtype) {
    return DTYPES[dtype].bytes;
}

bool limn_dtype_is_float(limn_dtype dtype) {
    return dtype == LIMN_F32 || dtype == LIMN_F16 || dtype == LIMN_BF16 || dtype == LIMN_F64;
}

bool limn_dtype_find(const char *name, limn_dtype *out) {
    for (size_t i = 0; i < sizeof DTYPES / sizeof *DTYPES; i++) {
        if (strcmp(name, DTYPES[i].name) == 0) {
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

static void from_f16(const uint8_t *data, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, data + 2 * i, sizeof half);
        const uint32_t bits = f16_bits(half);
        memcpy(out + i, &bits, sizeof bits);
    }
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

void limn_tensor_to_f32(const limn_tensor *t, uint64_t first, uint64_t count, float *out) {
    const size_t size = limn_dtype_bytes(t->dtype);
    if (count == 0) return;
    const uint8_t *data = t->data + (size_t)first * size;
    switch (t->dtype) {
    case LIMN_F32:
        memcpy(out, data, (size_t)count * sizeof *out);
        break;
    case LIMN_F16:
        from_f16(data, (size_t)count, out);
        break;
    case LIMN_BF16:
        from_bf16(data, (size_t)count, out);
        break;
    case LIMN_F64:
        from_f64(data, (size_t)count, out);
        break;
    default:
        for (size_t i = 0; i < (size_t)count; i++) out[i] = from_integer(data + i * size, t->dtype);
    }
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
