/* Numbers of every stored type become the right float32. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weights/weights.h"

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Numbers of one type in memory. */
typedef struct numbers {
    limn_dtype dtype;
    const void *data;
    size_t count;
} numbers;

/* Reads a part of them as a tensor's. */
static void read_part(const numbers *n, uint64_t first, uint64_t count, float *out) {
    const size_t bytes = n->count * limn_dtype_bytes(n->dtype);
    const limn_source source = limn_source_of("x", n->data, bytes);
    const limn_tensor t = {.name = "t",
                           .dtype = n->dtype,
                           .rank = 1,
                           .shape = {n->count},
                           .source = &source,
                           .count = n->count,
                           .bytes = bytes};
    assert_int_equal(limn_tensor_read(&t, first, count, out, NULL), LIMN_OK);
}

/* What IEEE 754 says a half's bits mean, by its definition and not by its bits. */
static float half_by_definition(uint16_t half) {
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) value = INFINITY;
    return (float)(half & 0x8000 ? -value : value);
}

static void all_halves_are_exact(void **state) {
    (void)state;
    uint16_t *halves = malloc(65536 * sizeof *halves);
    float *floats = malloc(65536 * sizeof *floats);
    for (int i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    const numbers t = {LIMN_F16, halves, 65536};
    read_part(&t, 0, 65536, floats);
    for (int i = 0; i < 65536; i++) {
        const bool nan = (i & 0x7c00) == 0x7c00 && (i & 0x3ff) != 0;
        if (nan) {
            /* A quiet NaN of the same sign and payload. */
            const uint32_t want =
                (uint32_t)(i & 0x8000) << 16 | 0x7fc00000u | (uint32_t)(i & 0x3ff) << 13;
            assert_int_equal(bits_of(floats[i]), want);
        } else {
            assert_int_equal(bits_of(floats[i]), bits_of(half_by_definition((uint16_t)i)));
        }
    }
    free(halves);
    free(floats);
}

static void known_halves(void **state) {
    (void)state;
    const uint16_t halves[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x7c00};
    const float want[] = {0.0f,           -0.0f,           1.0f,    -2.0f, 65504.0f,
                          5.9604645e-08f, 6.097555160e-5f, INFINITY};
    const numbers t = {LIMN_F16, halves, 8};
    float got[8];
    read_part(&t, 0, 8, got);
    for (int i = 0; i < 8; i++) assert_int_equal(bits_of(got[i]), bits_of(want[i]));
}

static void all_bfloats_are_upper_halves(void **state) {
    (void)state;
    uint16_t *shorts = malloc(65536 * sizeof *shorts);
    float *floats = malloc(65536 * sizeof *floats);
    for (int i = 0; i < 65536; i++) shorts[i] = (uint16_t)i;
    const numbers t = {LIMN_BF16, shorts, 65536};
    read_part(&t, 0, 65536, floats);
    for (uint32_t i = 0; i < 65536; i++) assert_int_equal(bits_of(floats[i]), i << 16);
    free(shorts);
    free(floats);
}

static void singles_keep_their_bits(void **state) {
    (void)state;
    const uint32_t bits[] = {0x7f800001u, 0xffc12345u, 1u, 0x80000000u, 0x3f800000u};
    const numbers t = {LIMN_F32, bits, 5};
    float got[5];
    read_part(&t, 0, 5, got);
    assert_memory_equal(got, bits, sizeof bits);
}

static void doubles_round_to_nearest_even(void **state) {
    (void)state;
    const double doubles[] = {0.1,      1.0 + 0x1p-24, 1.0 + 3 * 0x1p-24, 1e300, -1e300,
                              0x1p-149, 1e-60};
    const float want[] = {0.1f, 1.0f, 1.0f + 0x1p-22f, INFINITY, -INFINITY, 0x1p-149f, 0.0f};
    const numbers t = {LIMN_F64, doubles, 7};
    float got[7];
    read_part(&t, 0, 7, got);
    for (int i = 0; i < 7; i++) assert_int_equal(bits_of(got[i]), bits_of(want[i]));
}

static void integers_become_floats(void **state) {
    (void)state;
    const int64_t i64[] = {-3, 16777217, INT64_MIN};
    const int32_t i32[] = {-5, 7, INT32_MIN};
    const int16_t i16[] = {-32768, 32767, 0};
    const int8_t i8[] = {-128, 127, -1};
    const uint8_t u8[] = {0, 128, 255};
    const uint8_t flags[] = {0, 1, 1};
    const struct {
        limn_dtype dtype;
        const void *data;
        float want[3];
    } cases[] = {
        {LIMN_I64, i64, {-3, 16777216, -0x1p63f}},
        {LIMN_I32, i32, {-5, 7, -0x1p31f}},
        {LIMN_I16, i16, {-32768, 32767, 0}},
        {LIMN_I8, i8, {-128, 127, -1}},
        {LIMN_U8, u8, {0, 128, 255}},
        {LIMN_BOOL, flags, {0, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const numbers t = {cases[i].dtype, cases[i].data, 3};
        float got[3];
        read_part(&t, 0, 3, got);
        assert_memory_equal(got, cases[i].want, sizeof got);
    }
}

/* Any part of any type, at any address, writes what it was asked for and nothing beside it. */
static void parts_at_odd_addresses(void **state) {
    (void)state;
    enum { COUNT = 37 };
    for (int dtype = LIMN_F32; dtype <= LIMN_BOOL; dtype++) {
        const size_t size = limn_dtype_bytes((limn_dtype)dtype);
        uint8_t *bytes = malloc(COUNT * size + 1);
        uint8_t *straight = malloc(COUNT * size);
        for (size_t i = 0; i < COUNT * size; i++) bytes[i + 1] = (uint8_t)(i * 7 % 120);
        memcpy(straight, bytes + 1, COUNT * size);
        const numbers odd = {(limn_dtype)dtype, bytes + 1, COUNT};
        const numbers even = {(limn_dtype)dtype, straight, COUNT};
        float want[COUNT], got[COUNT + 2];
        read_part(&even, 0, COUNT, want);
        for (uint64_t first = 0; first <= COUNT; first++) {
            const uint64_t count = (COUNT - first) / 2;
            memset(got, 0xa5, sizeof got);
            read_part(&odd, first, count, got + 1);
            assert_memory_equal(got + 1, want + first, count * sizeof(float));
            assert_int_equal(bits_of(got[0]), 0xa5a5a5a5u);
            assert_int_equal(bits_of(got[count + 1]), 0xa5a5a5a5u);
        }
        free(bytes);
        free(straight);
    }
}

static void names_and_sizes(void **state) {
    (void)state;
    for (int i = LIMN_F32; i <= LIMN_BOOL; i++) {
        limn_dtype found = LIMN_F32;
        assert_true(limn_dtype_find(limn_dtype_name((limn_dtype)i), &found));
        assert_int_equal(found, i);
    }
    limn_dtype untouched = LIMN_I16;
    assert_false(limn_dtype_find("f16", &untouched));
    assert_false(limn_dtype_find("Q8_0", &untouched)); /* not in safetensors */
    assert_int_equal(untouched, LIMN_I16);
    assert_int_equal(limn_dtype_bytes(LIMN_BF16), 2);
    assert_int_equal(limn_dtype_bytes(LIMN_I64), 8);
    assert_true(limn_dtype_is_float(LIMN_F64));
    assert_false(limn_dtype_is_float(LIMN_I32));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_are_exact),          cmocka_unit_test(known_halves),
        cmocka_unit_test(all_bfloats_are_upper_halves),  cmocka_unit_test(singles_keep_their_bits),
        cmocka_unit_test(doubles_round_to_nearest_even), cmocka_unit_test(integers_become_floats),
        cmocka_unit_test(parts_at_odd_addresses),        cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
