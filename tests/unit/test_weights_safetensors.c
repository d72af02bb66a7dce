/* safetensors: good files are read as they are, every bad one gets its own sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "weights/weights.h"

/* A file in memory of exactly its size, so that the sanitizer sees a byte read past its end. */
typedef struct image {
    uint8_t *bytes;
    size_t size;
} image;

/* Builds a file of this header and `data_bytes` of data that count up; `length` is what its first 8
 * bytes say. */
static image build_said(uint64_t length, const char *header, size_t header_bytes,
                        size_t data_bytes) {
    image f = {.size = 8 + header_bytes + data_bytes};
    f.bytes = malloc(f.size);
    for (int i = 0; i < 8; i++) f.bytes[i] = (uint8_t)(length >> (8 * i));
    memcpy(f.bytes + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++) f.bytes[8 + header_bytes + i] = (uint8_t)i;
    return f;
}

static image build(const char *header, size_t data_bytes) {
    return build_said(strlen(header), header, strlen(header), data_bytes);
}

static limn_status read_image(const image *f, const char *name, limn_tensors **t, limn_error *err) {
    const limn_source source = limn_source_of(name, f->bytes, f->size);
    return limn_safetensors_read(&source, t, err);
}

/* Reads what must fail, frees it, and checks kind and sentence. */
static void expect_fault(image f, const char *sentence) {
    limn_error err = {0};
    limn_tensors *t = (limn_tensors *)&f;
    const limn_status status = read_image(&f, "x.safetensors", &t, &err);
    free(f.bytes);
    if (status != LIMN_E_INPUT || strstr(err.text, sentence) == NULL) {
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err.text);
    }
    assert_int_equal(err.status, LIMN_E_INPUT);
    assert_null(t);
    assert_ptr_equal(strstr(err.text, "x.safetensors: "), err.text);
}

static limn_tensors *expect_good(image f) {
    limn_error err = {0};
    limn_tensors *t = NULL;
    const limn_status status = read_image(&f, "x.safetensors", &t, &err);
    if (status != LIMN_OK) fail_msg("%s", err.text);
    return t;
}

/* ---- good files ------------------------------------------------------------------------------ */

#define GOOD                                                                                       \
    "{\"__metadata__\":{\"format\":\"pt\"},"                                                       \
    "\"b.bias\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[8,14]},"                        \
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"                            \
    "\"b\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[14,15]},"                            \
    "\"c\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[8,8]}}"
#define GOOD_DATA 15

static void reads_a_good_file(void **state) {
    (void)state;
    image f = build(GOOD, GOOD_DATA);
    limn_tensors *t = expect_good(f);
    const uint64_t data = f.size - GOOD_DATA;

    assert_int_equal(limn_tensors_count(t), 4);
    const char *names[] = {"a", "b", "b.bias", "c"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(limn_tensors_at(t, i)->name, names[i]);
        assert_ptr_equal(limn_tensors_find(t, names[i]), limn_tensors_at(t, i));
    }
    assert_null(limn_tensors_find(t, "__metadata__"));
    assert_null(limn_tensors_find(t, ""));
    assert_null(limn_tensors_find(t, "b."));

    const limn_tensor *a = limn_tensors_find(t, "a");
    assert_int_equal(a->dtype, LIMN_F32);
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 1);
    assert_int_equal(a->count, 2);
    assert_int_equal(a->bytes, 8);
    assert_int_equal(a->offset, data);

    const limn_tensor *bias = limn_tensors_find(t, "b.bias");
    assert_int_equal(bias->dtype, LIMN_F16);
    assert_int_equal(bias->bytes, 6);
    assert_int_equal(bias->offset, data + 8);

    const limn_tensor *single = limn_tensors_find(t, "b");
    assert_int_equal(single->rank, 0);
    assert_int_equal(single->count, 1);
    float value = 0;
    assert_int_equal(limn_tensor_read(single, 0, 1, &value, NULL), LIMN_OK);
    assert_true(value == 1);
    assert_int_equal(limn_tensor_read(single, 1, 1, &value, NULL), LIMN_E_INPUT);

    const limn_tensor *none = limn_tensors_find(t, "c");
    assert_int_equal(none->count, 0);
    assert_int_equal(none->bytes, 0);
    limn_tensors_free(t);
    free(f.bytes);
}

static void reads_files_without_tensors(void **state) {
    (void)state;
    const char *headers[] = {"{}", "{}      ", "{\"__metadata__\":{}}"};
    for (size_t i = 0; i < 3; i++) {
        image f = build(headers[i], 0);
        limn_tensors *t = expect_good(f);
        assert_int_equal(limn_tensors_count(t), 0);
        assert_null(limn_tensors_find(t, "a"));
        limn_tensors_free(t);
        free(f.bytes);
    }
}

static void reads_names_of_any_script(void **state) {
    (void)state;
    image f = build("{\"\\u00e9t\xc3\xa9 \\\"x\\\"\":{\"dtype\":\"U8\",\"shape\":[1],"
                    "\"data_offsets\":[0,1],\"later\":null}}",
                    1);
    limn_tensors *t = expect_good(f);
    assert_non_null(limn_tensors_find(t, "\xc3\xa9t\xc3\xa9 \"x\""));
    limn_tensors_free(t);
    free(f.bytes);
}

static void wanting_a_tensor(void **state) {
    (void)state;
    image f = build(GOOD, GOOD_DATA);
    limn_tensors *t = expect_good(f);
    limn_error err = {0};
    const limn_tensor *got = NULL;
    const uint64_t right[] = {2, 1}, wrong[] = {1, 2};

    assert_int_equal(limn_tensors_want(t, "a", 2, right, &got, &err), LIMN_OK);
    assert_ptr_equal(got, limn_tensors_find(t, "a"));
    got = NULL;
    assert_int_equal(limn_tensors_want(t, "b", 0, NULL, &got, &err), LIMN_OK);
    assert_non_null(got);

    got = NULL;
    assert_int_equal(limn_tensors_want(t, "a", 2, wrong, &got, &err), LIMN_E_INPUT);
    assert_string_equal(err.text, "x.safetensors: tensor \"a\" has the wrong shape: expected "
                                  "[1, 2], found [2, 1]");
    assert_int_equal(limn_tensors_want(t, "a", 1, right, &got, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "expected [2], found [2, 1]"));
    assert_int_equal(limn_tensors_want(t, "b", 1, right, &got, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "expected [2], found []"));
    assert_int_equal(limn_tensors_want(t, "d.weight", 2, right, &got, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "x.safetensors: tensor \"d.weight\" is missing"));
    assert_non_null(strstr(err.text, "[2, 1]"));
    assert_int_equal(limn_tensors_want(t, "a", 2, wrong, &got, NULL), LIMN_E_INPUT);
    assert_null(got);
    limn_tensors_free(t);
    free(f.bytes);
}

/* The whole file one byte off, so that nothing in it is aligned. */
static void reads_at_an_odd_address(void **state) {
    (void)state;
    image f = build("{ \"h\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    uint8_t *moved = malloc(f.size + 1);
    memcpy(moved + 1, f.bytes, f.size);
    const float values[] = {-1.5f, 3e-40f};
    memcpy(moved + 1 + f.size - 8, values, 8);
    limn_tensors *t = NULL;
    assert_int_equal(read_image(&(image){moved + 1, f.size}, "x", &t, NULL), LIMN_OK);
    float got[2];
    assert_int_equal(limn_tensor_read(limn_tensors_at(t, 0), 0, 2, got, NULL), LIMN_OK);
    assert_memory_equal(got, values, sizeof values);
    limn_tensors_free(t);
    free(moved);
    free(f.bytes);
}

/* ---- bad files ------------------------------------------------------------------------------- */

#define ENTRY(name, rest)      "{\"" name "\":{" rest "}}"
#define F32_OF(shape, offsets) "\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets
#define PAIR(first, second)                                                                        \
    "{\"a\":{\"dtype\":\"U8\"," first "},\"b\":{\"dtype\":\"U8\"," second "}}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *sentence;
} HOSTILE[] = {
    /* The header as a whole. */
    {"", 0, "the header must be a JSON object and begin with '{'"},
    {"[]", 0, "the header must be a JSON object and begin with '{'"},
    {" {}", 0, "the header must be a JSON object and begin with '{'"},
    {"{", 0, "the header is not valid JSON"},
    {"{}}", 0, "the header is not valid JSON"},
    {"{} x", 0, "the header is not valid JSON"},
    {"{\"a\"}", 0, "the header is not valid JSON"},
    {"{\"a\":1,}", 0, "the header is not valid JSON"},
    {"{\"a\":\"\\u0000\"}", 0, "the header is not valid JSON"},
    {"{\"a\\u0000b\":{}}", 0, "the header is not valid JSON"},
    {"{\"a\":\"\\ud800\"}", 0, "the header is not valid JSON"},
    {"{\"\xff\":{}}", 0, "the header is not valid UTF-8"},
    {"{\"\xc3\":{}}", 0, "the header is not valid UTF-8"},
    {"{\"\xc0\x80\":{}}", 0, "the header is not valid UTF-8"},
    {"{\"a\":{},\"a\":{}}", 0, "the header names a key twice"},
    {"{\"a\":{},\"\\u0061\":{}}", 0, "the header names a key twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "the header names a key twice"},
    {"{\"__metadata__\":7}", 0, "\"__metadata__\" must be a JSON object"},
    {"{\"__metadata__\":{\"n\":7}}", 0, "must hold texts only, but \"n\" is none"},
    /* One tensor's entry. */
    {"{\"a\":null}", 0, "tensor \"a\" must be described by a JSON object"},
    {"{\"a\":[]}", 0, "tensor \"a\" must be described by a JSON object"},
    {"{\"a\":{}}", 0, "tensor \"a\" has no text as its dtype"},
    {ENTRY("a", "\"dtype\":4"), 0, "tensor \"a\" has no text as its dtype"},
    {ENTRY("a", "\"dtype\":\"F4_E2M1\""), 0, "stored as \"F4_E2M1\", a type that limn does not"},
    {ENTRY("a", "\"dtype\":\"f32\""), 0, "stored as \"f32\", a type that limn does not"},
    {ENTRY("a", "\"dtype\":\"F32\""), 0, "tensor \"a\" has no list as its shape"},
    {ENTRY("a", F32_OF("4", "[0,16]")), 16, "tensor \"a\" has no list as its shape"},
    {ENTRY("a", F32_OF("{}", "[0,16]")), 16, "tensor \"a\" has no list as its shape"},
    {ENTRY("a", F32_OF("[1,1,1,1,1,1,1,1,1]", "[0,4]")), 4, "has 9 dimensions; at most 8"},
    {ENTRY("a", F32_OF("[-1]", "[0,4]")), 4, "whole number of at least 0, found -1"},
    {ENTRY("a", F32_OF("[1.0]", "[0,4]")), 4, "whole number of at least 0, found 1.0"},
    {ENTRY("a", F32_OF("[\"1\"]", "[0,4]")), 4, "whole number of at least 0, found \"1\""},
    {ENTRY("a", F32_OF("[null]", "[0,4]")), 4, "whole number of at least 0, found null"},
    {ENTRY("a", F32_OF("[[1]]", "[0,4]")), 4, "whole number of at least 0, found a list of 1"},
    {ENTRY("a", F32_OF("[4294967296,4294967296]", "[0,4]")), 4, "larger than any memory"},
    {ENTRY("a", F32_OF("[4294967296,4294967296,0]", "[0,0]")), 0, "larger than any memory"},
    {ENTRY("a", F32_OF("[4611686018427387904]", "[0,0]")), 0, "larger than any memory"},
    {ENTRY("a", F32_OF("[9223372036854775807,3]", "[0,4]")), 4, "larger than any memory"},
    {ENTRY("a", F32_OF("[18446744073709551616]", "[0,4]")), 4, "the header is not valid JSON"},
    {ENTRY("a", F32_OF("[1e999]", "[0,4]")), 4, "the header is not valid JSON"},
    {ENTRY("a", "\"dtype\":\"F32\",\"shape\":[1]"), 4, "data_offsets must be a list of two whole"},
    {ENTRY("a", F32_OF("[1]", "{}")), 4, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[]")), 4, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[0]")), 4, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[0,4,8]")), 8, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[0,4.0]")), 4, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[\"0\",4]")), 4, "data_offsets must be a list of two whole numbers"},
    {ENTRY("a", F32_OF("[1]", "[-4,0]")), 4, "must rise from 0 or more, found [-4, 0]"},
    {ENTRY("a", F32_OF("[1]", "[4,0]")), 4, "must rise from 0 or more, found [4, 0]"},
    {ENTRY("a", F32_OF("[1]", "[-9223372036854775808,9223372036854775807]")), 4, "must rise"},
    {ENTRY("a", F32_OF("[1]", "[0,4]")), 3, "ends at byte 4 of the data, but only 3 are there"},
    {ENTRY("a", F32_OF("[1]", "[4,8]")), 4, "ends at byte 8 of the data, but only 4 are there"},
    {ENTRY("a", F32_OF("[1099511627776]", "[0,4398046511104]")), 4, "ends at byte 4398046511104"},
    {ENTRY("a", F32_OF("[1]", "[0,9223372036854775807]")), 4, "ends at byte 9223372036854775807"},
    {ENTRY("a", F32_OF("[2]", "[0,4]")), 4,
     "shape [2] takes 8 bytes, but its data_offsets give it 4"},
    {ENTRY("a", F32_OF("[]", "[0,8]")), 8,
     "shape [] takes 4 bytes, but its data_offsets give it 8"},
    {ENTRY("a", F32_OF("[3,0]", "[0,4]")), 4, "takes 0 bytes, but its data_offsets give it 4"},
    {ENTRY("a", F32_OF("[1]", "[0,0]")), 4, "takes 4 bytes, but its data_offsets give it 0"},
    /* Tensors among each other. */
    {PAIR("\"shape\":[4],\"data_offsets\":[0,4]", "\"shape\":[4],\"data_offsets\":[0,4]"), 4,
     "overlap at byte 0 of the data"},
    {PAIR("\"shape\":[4],\"data_offsets\":[0,4]", "\"shape\":[4],\"data_offsets\":[3,7]"), 7,
     "tensors \"a\" and \"b\" overlap at byte 3 of the data"},
    {PAIR("\"shape\":[1],\"data_offsets\":[2,3]", "\"shape\":[4],\"data_offsets\":[0,4]"), 4,
     "tensors \"b\" and \"a\" overlap at byte 2 of the data"},
    {PAIR("\"shape\":[0],\"data_offsets\":[2,2]", "\"shape\":[4],\"data_offsets\":[0,4]"), 4,
     "overlap at byte 2 of the data"},
    {PAIR("\"shape\":[2],\"data_offsets\":[0,2]", "\"shape\":[2],\"data_offsets\":[3,5]"), 5,
     "bytes 2 to 3 of the data, before tensor \"b\", belong to no tensor"},
    {PAIR("\"shape\":[2],\"data_offsets\":[1,3]", "\"shape\":[2],\"data_offsets\":[3,5]"), 5,
     "bytes 0 to 1 of the data, before tensor \"a\", belong to no tensor"},
    {ENTRY("a", F32_OF("[1]", "[0,4]")), 9, "the last 5 bytes of the file belong to no tensor"},
    {"{}", 3, "the last 3 bytes of the file belong to no tensor"},
};

static void every_bad_header_has_its_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof *HOSTILE; i++) {
        expect_fault(build(HOSTILE[i].header, HOSTILE[i].data_bytes), HOSTILE[i].sentence);
    }
}

static image plain(const void *bytes, size_t size) {
    image f = {.bytes = malloc(size + 1), .size = size};
    memcpy(f.bytes, bytes, size);
    f.bytes = realloc(f.bytes, size > 0 ? size : 1);
    return f;
}

static void files_too_short_for_a_length(void **state) {
    (void)state;
    for (size_t size = 0; size < 8; size++) {
        char sentence[80];
        snprintf(sentence, sizeof sentence, "the file ends at byte %zu, too early", size);
        expect_fault(plain("\2\0\0\0\0\0\0\0", size), sentence);
    }
}

static void lengths_that_lie(void **state) {
    (void)state;
    const struct {
        uint64_t length;
        const char *sentence;
    } cases[] = {
        {3, "the header should be 3 bytes long, but only 2 follow"},
        {100000000, "the header should be 100000000 bytes long, but only 2 follow"},
        {100000001, "the header is said to be 100000001 bytes long; at most 100000000"},
        {UINT64_MAX, "the header is said to be 18446744073709551615 bytes long"},
        {UINT64_MAX - 7, "the header is said to be 18446744073709551608 bytes long"},
        {(uint64_t)1 << 63, "the header is said to be 9223372036854775808 bytes long"},
        {1, "the header is not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_fault(build_said(cases[i].length, "{}", 2, 0), cases[i].sentence);
    }
}

static void files_of_another_kind(void **state) {
    (void)state;
    const char *lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    expect_fault(plain(lfs, strlen(lfs)), "this is a Git LFS pointer, not the file itself");
    expect_fault(plain("PK\3\4\0\0\0\0\0\0", 10), "this is a zip or PyTorch pickle file");
    expect_fault(plain("GGUF\3\0\0\0\0\0", 10), "this is a GGUF file, not safetensors");
    expect_fault(plain("<!DOCTYPE html>", 15), "this is a web page, not safetensors");
}

/* `unit` over and over, between a start and an end. */
static image repeated(const char *start, const char *unit, size_t times, const char *end) {
    const size_t length = strlen(unit), head = strlen(start), tail = strlen(end);
    char *header = malloc(head + times * length + tail + 1);
    memcpy(header, start, head);
    for (size_t i = 0; i < times; i++) memcpy(header + head + i * length, unit, length);
    memcpy(header + head + times * length, end, tail + 1);
    image f = build(header, 0);
    free(header);
    return f;
}

static void headers_made_to_exhaust(void **state) {
    (void)state;
    expect_fault(repeated("{\"a\":", "[", 1000000, ""), "nests its JSON deeper than 64 levels");
    expect_fault(repeated("", "{\"a\":", 100000, "1"), "nests its JSON deeper than 64 levels");
    expect_fault(repeated("{\"a\":[0", ",[]", 1000000, "]}"),
                 "holds more than 1000000 JSON values");
    expect_fault(repeated("{\"a\":{\"dtype\":\"U8\",\"shape\":[1", ",1", 100000, "]}}"),
                 "has 100001 dimensions; at most 8");
    expect_fault(repeated("{\"", "n", 2000000, "\":1}"), "must be described by a JSON object");
}

/* A stranger's name must not act on the terminal, nor push the fault out of its sentence. */
static void names_are_made_harmless(void **state) {
    (void)state;
    expect_fault(build("{\"a\\u001b[31mb\\n\":1}", 0), "tensor \"a?[31mb?\" must be described");
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    image f = build(GOOD, GOOD_DATA);
    for (size_t size = 0; size < f.size; size++) {
        image cut = plain(f.bytes, size);
        limn_tensors *t = NULL;
        limn_error err = {0};
        assert_int_equal(read_image(&cut, "x", &t, &err), LIMN_E_INPUT);
        assert_null(t);
        assert_true(err.text[0] != '\0');
        free(cut.bytes);
    }
    free(f.bytes);
}

/* The same with the length made to fit, so that it is the JSON that is cut. */
static void a_header_cut_anywhere_is_refused(void **state) {
    (void)state;
    const size_t whole = strlen(GOOD);
    for (size_t length = 0; length < whole; length++) {
        expect_fault(build_said(length, GOOD, length, GOOD_DATA), "the header ");
    }
}

/* Any one byte changed may leave a good file or not, but never one with tensors outside it. */
static void changed_bytes_never_lead_outside(void **state) {
    (void)state;
    const size_t header = 8 + strlen(GOOD);
    const uint8_t changes[] = {0x00, '0', '9', '-', '"', '{', ']', ',', 0x80, 0xff};
    for (size_t at = 0; at < header; at++) {
        for (size_t k = 0; k < sizeof changes; k++) {
            image f = build(GOOD, GOOD_DATA);
            f.bytes[at] = changes[k];
            limn_tensors *t = NULL;
            const limn_status status = read_image(&f, "x", &t, NULL);
            assert_true(status == LIMN_OK || status == LIMN_E_INPUT);
            for (size_t i = 0; status == LIMN_OK && i < limn_tensors_count(t); i++) {
                const limn_tensor *tensor = limn_tensors_at(t, i);
                float numbers[GOOD_DATA];
                assert_in_range(tensor->count, 0, GOOD_DATA);
                assert_int_equal(limn_tensor_read(tensor, 0, tensor->count, numbers, NULL),
                                 LIMN_OK);
            }
            limn_tensors_free(t);
            free(f.bytes);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_good_file),
        cmocka_unit_test(reads_files_without_tensors),
        cmocka_unit_test(reads_names_of_any_script),
        cmocka_unit_test(wanting_a_tensor),
        cmocka_unit_test(reads_at_an_odd_address),
        cmocka_unit_test(every_bad_header_has_its_sentence),
        cmocka_unit_test(files_too_short_for_a_length),
        cmocka_unit_test(lengths_that_lie),
        cmocka_unit_test(files_of_another_kind),
        cmocka_unit_test(headers_made_to_exhaust),
        cmocka_unit_test(names_are_made_harmless),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_header_cut_anywhere_is_refused),
        cmocka_unit_test(changed_bytes_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
