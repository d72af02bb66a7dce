/* GGUF: files built byte by byte are read as they are, every bad one gets its own sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "weights/weights.h"

#define F32 0
#define F16 1

static const uint64_t SIX[2] = {2, 3};
static const float NUMBERS[6] = {1, 2, 3, 4, 5, 6};

/* Two keys and two tensors. */
static gguf good(void) {
    gguf g = {0};
    gguf_key_text(&g, "general.architecture", "sd1");
    gguf_key_number(&g, "general.file_type", 4, 1, 4);
    gguf_tensor(&g, "b.weight", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    gguf_tensor(&g, "a", 1, (const uint64_t[]){3}, F16, "\0\x3c\0\x40\0\x42", 6);
    return g;
}

static limn_status read_bytes(const uint8_t *bytes, size_t size, limn_tensors **t,
                              limn_error *err) {
    const limn_source source = limn_source_of("x.gguf", bytes, size);
    return limn_gguf_read(&source, t, err);
}

/* Reads what must fail, frees it, and checks kind and sentence. */
static void expect_fault(uint8_t *bytes, size_t size, const char *sentence) {
    limn_error err = {0};
    limn_tensors *t = (limn_tensors *)&err;
    const limn_status status = read_bytes(bytes, size, &t, &err);
    free(bytes);
    if (status != LIMN_E_INPUT || strstr(err.text, sentence) == NULL)
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
    assert_null(t);
    assert_ptr_equal(strstr(err.text, "x.gguf: "), err.text);
}

static void expect_bad(gguf *g, const char *sentence) {
    size_t size;
    uint8_t *bytes = gguf_finish(g, &size);
    expect_fault(bytes, size, sentence);
}

static limn_tensors *expect_good(const uint8_t *bytes, size_t size) {
    limn_error err = {0};
    limn_tensors *t = NULL;
    if (read_bytes(bytes, size, &t, &err) != LIMN_OK) fail_msg("%s", err.text);
    return t;
}

/* ---- good files ------------------------------------------------------------------------------ */

static void reads_both_versions(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        gguf g = good();
        size_t size;
        g.version = version;
        uint8_t *bytes = gguf_finish(&g, &size);
        limn_tensors *t = expect_good(bytes, size);
        assert_int_equal(limn_tensors_count(t), 2);
        const limn_tensor *a = limn_tensors_find(t, "a"), *b = limn_tensors_find(t, "b.weight");
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(b->rank, 2);
        assert_int_equal(b->shape[0], 2);
        assert_int_equal(b->shape[1], 3);
        assert_int_equal(b->bytes, 24);
        float numbers[6];
        assert_int_equal(limn_tensor_read(b, 0, 6, numbers, NULL), LIMN_OK);
        assert_memory_equal(numbers, NUMBERS, sizeof numbers);
        assert_int_equal(limn_tensor_read(a, 0, 3, numbers, NULL), LIMN_OK);
        assert_memory_equal(numbers, NUMBERS, 3 * sizeof *numbers);
        assert_string_equal(limn_tensors_note(t, "general.architecture"), "sd1");
        assert_null(limn_tensors_note(t, "general.file_type"));
        limn_tensors_free(t);
        free(bytes);
    }
}

/* Every type of value and of array may stand before what is looked for. */
static void passes_over_every_type_of_value(void **state) {
    (void)state;
    static const int width[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    gguf g = {0};
    char key[20];
    for (uint32_t type = 0; type < 13; type++) {
        if (width[type] == 0) continue;
        snprintf(key, sizeof key, "key%u", (unsigned)type);
        gguf_key_number(&g, key, type, 1, width[type]);
        snprintf(key, sizeof key, "array%u", (unsigned)type);
        gguf_text(&g.keys, key);
        bytes_add_number(&g.keys, 9, 4);
        bytes_add_number(&g.keys, type, 4);
        bytes_add_number(&g.keys, 3, 8);
        bytes_add_zeros(&g.keys, 3 * (size_t)width[type]);
        g.key_count++;
    }
    gguf_text(&g.keys, "tokens");
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, 8, 4);
    bytes_add_number(&g.keys, 2, 8);
    gguf_text(&g.keys, "");
    gguf_text(&g.keys, "word");
    g.key_count++;
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    size_t size;
    uint8_t *bytes = gguf_finish(&g, &size);
    limn_tensors *t = expect_good(bytes, size);
    assert_int_equal(limn_tensors_count(t), 1);
    limn_tensors_free(t);
    free(bytes);
}

static void aligns_as_the_file_says(void **state) {
    (void)state;
    gguf g = {0};
    gguf_key_number(&g, "general.alignment", 4, 8, 4);
    bytes_add_zeros(&g.data, 8);
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "bytes 0 to 8 of the data, before tensor \"a\", belong to no tensor");

    gguf_key_number(&g, "general.alignment", 4, 64, 4);
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    gguf_tensor(&g, "b", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "no multiple of the alignment 64");
}

static void takes_the_shape_that_comfyui_wrote_down(void **state) {
    (void)state;
    const int32_t was[4] = {1, 3, 2, 1}, wrong[2] = {2, 2}, negative[2] = {-2, -3};
    gguf g = {0};
    gguf_key_ints(&g, "comfy.gguf.orig_shape.a", was, 4);
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    size_t size;
    uint8_t *bytes = gguf_finish(&g, &size);
    limn_tensors *t = expect_good(bytes, size);
    const limn_tensor *a = limn_tensors_find(t, "a");
    assert_int_equal(a->rank, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(a->shape[i], was[i]);
    limn_tensors_free(t);
    free(bytes);

    gguf_key_ints(&g, "comfy.gguf.orig_shape.a", wrong, 2);
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "comfy.gguf.orig_shape.a must be a shape of the tensor's 6 numbers");
    gguf_key_ints(&g, "comfy.gguf.orig_shape.a", negative, 2);
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "comfy.gguf.orig_shape.a must be a shape of the tensor's 6 numbers");
    gguf_key_text(&g, "comfy.gguf.orig_shape.a", "2x3");
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "comfy.gguf.orig_shape.a must be a shape of the tensor's 6 numbers");
}

/* ---- bad files ------------------------------------------------------------------------------- */

/* Cut at every byte, a file gives an error and nothing else: the sanitizer watches. */
static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    gguf g = good();
    size_t size;
    uint8_t *bytes = gguf_finish(&g, &size);
    for (size_t cut = 0; cut + 32 <= size; cut++) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, bytes, cut);
        part = realloc(part, cut > 0 ? cut : 1);
        expect_fault(part, cut, "");
    }
    free(bytes);
}

/* Sets `width` bytes at `at` of a good file to a value, which must be refused with the sentence. */
static void expect_patched(size_t at, uint64_t value, int width, const char *sentence) {
    gguf g = good();
    size_t size;
    uint8_t *bytes = gguf_finish(&g, &size);
    for (int i = 0; i < width; i++) bytes[at + (size_t)i] = (uint8_t)(value >> (8 * i));
    expect_fault(bytes, size, sentence);
}

/* Where things are in good(): 24 bytes of start; key 1: 8 + 20 name, 4 type, 8 + 3 text; key 2:
 * 8 + 17, 4, 4; tensor "b.weight": 8 + 8 name, 4 rank, 16 shape, 4 type, 8 offset. */
#define KEY1    24
#define KEY2    (KEY1 + 43)
#define TENSOR1 (KEY2 + 33)

static void counts_and_lengths_are_compared_with_the_file(void **state) {
    (void)state;
    expect_patched(0, 'X', 1, "begins otherwise");
    expect_patched(4, 1, 4, "of version 1; limn reads 2 and 3");
    expect_patched(4, 3u << 24, 4, "big-endian");
    expect_patched(8, UINT64_MAX, 8, "said to be 18446744073709551615 tensors");
    expect_patched(8, 1000, 8, "said to be 1000 tensors");
    expect_patched(16, (uint64_t)1 << 32, 8, "said to be 4294967296 keys");
    expect_patched(KEY1, UINT64_MAX, 8, "a key at byte 32 is said to be");
    expect_patched(KEY1, 0, 8, "must be UTF-8 without a NUL, and not empty");
    expect_patched(KEY1 + 8, 0, 1, "must be UTF-8 without a NUL");
    expect_patched(KEY1 + 8, 0xff, 1, "must be UTF-8 without a NUL");
    expect_patched(KEY1 + 28, 13, 4, "has a value of type 13");
    expect_patched(KEY1 + 32, UINT64_MAX - 8, 8, "a value at byte 64 is said to be");
    expect_patched(TENSOR1 + 16, 5, 4, "has 5 dimensions");
    expect_patched(TENSOR1 + 16, UINT32_MAX, 4, "has 4294967295 dimensions");
    expect_patched(TENSOR1 + 20, (uint64_t)1 << 62, 8, "larger than any memory");
    expect_patched(TENSOR1 + 20, UINT64_MAX, 8, "larger than any memory");
    expect_patched(TENSOR1 + 20, 8, 8, "overlap at byte 32");
    expect_patched(TENSOR1 + 36, 4, 4, "ggml's type 4, which limn does not read");
    expect_patched(TENSOR1 + 36, 0x80000000u, 4, "ggml's type 2147483648");
    expect_patched(TENSOR1 + 36, 2, 4, "has rows of 3 numbers; expected a multiple of 32");
    expect_patched(TENSOR1 + 40, 31, 8, "no multiple of the alignment 32");
    expect_patched(TENSOR1 + 40, UINT64_MAX - 31, 8, "the file is cut off");
    expect_patched(TENSOR1 + 40, 32, 8, "belong to no tensor");
}

static void names_are_there_once(void **state) {
    (void)state;
    gguf g = good();
    gguf_key_text(&g, "general.architecture", "sd1");
    expect_bad(&g, "key \"general.architecture\" is there twice");
    g = good();
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g, "tensor \"a\" is there twice");
}

static void arrays_and_alignment_have_their_types(void **state) {
    (void)state;
    gguf g = {0};
    gguf_text(&g.keys, "k");
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, 1, 8);
    g.key_count++;
    expect_bad(&g, "is an array of type 9");
    gguf_text(&g.keys, "k");
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, 12, 4);
    bytes_add_number(&g.keys, (uint64_t)1 << 61, 8); /* x 8 bytes is 0 in 64 bits */
    g.key_count++;
    expect_bad(&g, "an array of 2305843009213693952 elements");
    static const uint64_t bad[] = {0, 3, 48, (uint64_t)1 << 31};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_key_number(&g, "general.alignment", 4, bad[i], 4);
        gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
        expect_bad(&g, "general.alignment must be a power of two");
    }
    gguf_key_text(&g, "general.alignment", "32");
    gguf_tensor(&g, "a", 2, SIX, F32, NUMBERS, sizeof NUMBERS);
    expect_bad(&g,
               "general.alignment must be a power of two up to 1048576, of type 4; found type 8");
}

static void nothing_hides_behind_the_tensors(void **state) {
    (void)state;
    gguf g = good();
    bytes_add_zeros(&g.data, 64);
    expect_bad(&g, "the last 90 bytes of the file belong to no tensor");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_versions),
        cmocka_unit_test(passes_over_every_type_of_value),
        cmocka_unit_test(aligns_as_the_file_says),
        cmocka_unit_test(takes_the_shape_that_comfyui_wrote_down),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(counts_and_lengths_are_compared_with_the_file),
        cmocka_unit_test(names_are_there_once),
        cmocka_unit_test(arrays_and_alignment_have_their_types),
        cmocka_unit_test(nothing_hides_behind_the_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
