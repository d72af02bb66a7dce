/* Hostile model files, read from disk with little time and memory: safetensors and GGUF, with the
 * cause of every published vulnerability of a loader of these formats among them, and JSON
 * configurations. The small faults of each header have tests of their own (test_weights_*.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "support/hostile.h"
#include "weights/weights.h"

/* ---- readers --------------------------------------------------------------------------------- */

static limn_status read_tensors(const char *path, limn_error *err,
                                limn_status (*read)(const limn_source *, limn_tensors **,
                                                    limn_error *)) {
    limn_source source;
    limn_tensors *t = NULL;
    limn_status status = limn_source_open(path, &source, err);
    if (status == LIMN_OK) status = read(&source, &t, err);
    limn_tensors_free(t);
    limn_source_close(&source);
    return status;
}

static limn_status read_safetensors(const char *path, limn_error *err) {
    return read_tensors(path, err, limn_safetensors_read);
}

static limn_status read_gguf(const char *path, limn_error *err) {
    return read_tensors(path, err, limn_gguf_read);
}

static limn_status read_config(const char *path, limn_error *err) {
    limn_bytes bytes;
    limn_config *c = NULL;
    limn_status status = limn_file_open(path, &bytes, err);
    if (status == LIMN_OK) status = limn_config_read(bytes.data, bytes.size, "x.json", &c, err);
    limn_config_free(c);
    limn_file_close(&bytes);
    return status;
}

/* ---- safetensors ----------------------------------------------------------------------------- */

/* A header; `said` is the length that the file claims for it, 0 = the true one. */
static void expect_header(const char *what, uint64_t said, const char *start, const char *unit,
                          size_t times, const char *end, size_t data_bytes, const char *sentence) {
    byte_list b = {0};
    const size_t length = strlen(start) + times * strlen(unit) + strlen(end);
    bytes_add_number(&b, said ? said : length, 8);
    bytes_add(&b, start, strlen(start));
    for (size_t i = 0; i < times; i++) bytes_add(&b, unit, strlen(unit));
    bytes_add(&b, end, strlen(end));
    bytes_add_zeros(&b, data_bytes);
    hostile_expect(what, b.data, b.size, read_safetensors, sentence);
    free(b.data);
}

#define U8(shape, from, to)                                                                        \
    "{\"dtype\":\"U8\",\"shape\":[" shape "],\"data_offsets\":[" from "," to "]}"
#define F32(shape, from, to)                                                                       \
    "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" from "," to "]}"

static const struct {
    const char *what;
    uint64_t said; /* 0 = the header's true length */
    const char *start, *unit;
    size_t times; /* the header is start, unit this often, end */
    const char *end;
    size_t data_bytes;
    const char *sentence;
} SAFETENSORS[] = {
    {"length 2^64 - 1", UINT64_MAX, "{}", "", 0, "", 0, "at most 100000000"},
    {"length + 8 overflows", UINT64_MAX - 7, "{}", "", 0, "", 0, "at most 100000000"},
    {"length just over the limit", 100000001, "{}", "", 0, "", 0, "at most 100000000"},
    {"length of the limit, of a short file", 100000000, "{}", "", 0, "", 0, "the file is cut off"},
    {"length one too long", 3, "{}", "", 0, "", 0, "only 2 follow"},
    {"length of nothing", 0, "", "", 0, "", 0, "must be a JSON object"},
    {"length one too short", 1, "{}", "", 0, "", 0, "not valid JSON"},
    {"length into the data", 4, "{}", "", 0, "", 40, "the header "},
    {"a list", 0, "[]", "", 0, "", 0, "must be a JSON object"},
    {"blanks first", 0, " {}", "", 0, "", 0, "must be a JSON object"},
    {"brackets 100,000 deep", 0, "{\"a\":", "[", 100000, "", 0, "the header "},
    {"objects 50,000 deep", 0, "{\"a\":", "{\"a\":", 50000, "", 0, "the header "},
    {"3 MB of numbers", 0, "{\"a\":[0", ",0", 1500000, "]}", 0, "the header "},
    {"2 MB of empty lists", 0, "{\"a\":[[]", ",[]", 700000, "]}", 0, "the header "},
    {"3 MB of one text, cut", 0, "{\"", "a", 3000000, "", 0, "the header "},
    {"2 MB of escapes", 0, "{\"", "\\u0041", 350000, "\":1}", 0, "must be described by"},
    {"100,000 times the same name", 0, "{\"a\":1", ",\"a\":1", 100000, "}", 0, "names a key twice"},
    {"a million zeros in a number", 0, "{\"a\":1", "0", 1000000, "}", 0, "not valid JSON"},
    {"a long exponent", 0, "{\"a\":1e", "9", 100000, "}", 0, "not valid JSON"},
    {"blanks after the header's end", 0, "{}", " ", 8, "x", 0, "not valid JSON"},
    {"a NUL in a name", 0, "{\"a\\u0000b\":" U8("1", "0", "1") "}", "", 0, "", 1, "not valid JSON"},
    {"the same name in two spellings", 0,
     "{\"a\":" U8("1", "0", "1") ",\"\\u0061\":" U8("1", "1", "2") "}", "", 0, "", 2,
     "names a key twice"},
    {"overlong UTF-8", 0, "{\"\xc1\xa1\":1}", "", 0, "", 0, "not valid UTF-8"},
    {"a surrogate", 0, "{\"\xed\xa0\x80\":1}", "", 0, "", 0, "not valid UTF-8"},
    {"metadata of numbers", 0, "{\"__metadata__\":{\"a\":1}}", "", 0, "", 0, "texts only"},
    {"nine dimensions", 0, "{\"a\":" F32("1,1,1,1,1,1,1,1,1", "0", "4") "}", "", 0, "", 4,
     "has 9 dimensions"},
    {"100,000 dimensions", 0, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1", ",1", 100000,
     "],\"data_offsets\":[0,1]}}", 1, "has 100001 dimensions"},
    {"sides whose product is 2^64", 0, "{\"a\":" U8("4294967296,4294967296", "0", "0") "}", "", 0,
     "", 0, "larger than any memory"},
    {"... and then a 0", 0, "{\"a\":" U8("4294967296,4294967296,0", "0", "0") "}", "", 0, "", 0,
     "larger than any memory"},
    {"bytes that are 2^64", 0, "{\"a\":" F32("4611686018427387904", "0", "0") "}", "", 0, "", 0,
     "larger than any memory"},
    {"a side of 2^63", 0, "{\"a\":" U8("9223372036854775808", "0", "0") "}", "", 0, "", 0,
     "not valid JSON"},
    {"a negative side", 0, "{\"a\":" U8("-1", "0", "1") "}", "", 0, "", 1, "found -1"},
    {"a side that is not whole", 0, "{\"a\":" U8("1.5", "0", "1") "}", "", 0, "", 1, "found 1.5"},
    {"offsets that fall", 0, "{\"a\":" U8("1", "1", "0") "}", "", 0, "", 1, "must rise"},
    {"offsets below 0", 0, "{\"a\":" U8("1", "-1", "0") "}", "", 0, "", 1, "must rise"},
    {"an end past the end", 0, "{\"a\":" U8("9", "0", "9") "}", "", 0, "", 8, "only 8 are there"},
    {"an end of 2^63 - 1", 0, "{\"a\":" U8("1", "0", "9223372036854775807") "}", "", 0, "", 1,
     "the file is cut off"},
    {"a tebibyte in a file of 200 bytes", 0,
     "{\"a\":" U8("1099511627776", "0", "1099511627776") "}", "", 0, "", 8, "the file is cut off"},
    {"two tensors in one place", 0, "{\"a\":" U8("2", "0", "2") ",\"b\":" U8("2", "0", "2") "}", "",
     0, "", 2, "overlap at byte 0"},
    {"an overlap of one byte", 0, "{\"a\":" U8("2", "0", "2") ",\"b\":" U8("2", "1", "3") "}", "",
     0, "", 3, "overlap at byte 1"},
    {"a hole between two", 0, "{\"a\":" U8("2", "0", "2") ",\"b\":" U8("2", "3", "5") "}", "", 0,
     "", 5, "belong to no tensor"},
    {"a hole at the start, for a second format", 0, "{\"a\":" U8("2", "4", "6") "}", "", 0, "", 6,
     "belong to no tensor"},
    {"bytes behind the end, for a second format", 0, "{\"a\":" U8("2", "0", "2") "}", "", 0, "", 9,
     "the last 7 bytes"},
    {"a type of sub-byte numbers", 0,
     "{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", "", 0, "", 1,
     "a type that limn does not read"},
};

static void safetensors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SAFETENSORS / sizeof *SAFETENSORS; i++)
        expect_header(SAFETENSORS[i].what, SAFETENSORS[i].said, SAFETENSORS[i].start,
                      SAFETENSORS[i].unit, SAFETENSORS[i].times, SAFETENSORS[i].end,
                      SAFETENSORS[i].data_bytes, SAFETENSORS[i].sentence);
}

/* ---- GGUF ------------------------------------------------------------------------------------ */

/* A good file: keys "k" (uint32) and "s" (text), tensors "a" and "b" [4] of float32. */
static uint8_t *good_gguf(size_t *size) {
    static const uint64_t four[1] = {4};
    static const float numbers[4] = {1, 2, 3, 4};
    gguf g = {0};
    gguf_key_number(&g, "k", 4, 7, 4);
    gguf_key_text(&g, "s", "text");
    gguf_tensor(&g, "a", 1, four, 0, numbers, sizeof numbers);
    gguf_tensor(&g, "b", 1, four, 0, numbers, sizeof numbers);
    return gguf_finish(&g, size);
}

/* Where its numbers are: 24 bytes of start; key "k": 8 + 1, 4, 4; key "s": 8 + 1, 4, 8 + 4; tensors
 * of 8 + 1 name, 4 rank, 8 shape, 4 type, 8 offset. */
enum {
    TENSORS = 8,
    KEYS = 16,
    KEY1 = 24,
    KEY2 = KEY1 + 17,
    TEXT = KEY2 + 13,
    FIRST = KEY2 + 25,
    SECOND = FIRST + 33,
    RANK = 9,
    SHAPE = 13,
    TYPE = 21,
    OFFSET = 25
};

/* One number of the good file changed. */
static const struct {
    const char *what;
    size_t at;
    uint64_t value;
    int width;
    const char *sentence;
} GGUF[] = {
    /* CVE-2024-21836, llama.cpp issue 15711: memory for n_tensors things, whose size overflows. */
    {"2^64 - 1 tensors", TENSORS, UINT64_MAX, 8, "said to be 18446744073709551615 tensors"},
    {"tensors x 88 bytes = 2^64", TENSORS, UINT64_MAX / 88 + 1, 8, "tensors; at most"},
    {"2^32 tensors, cut to 0 in 32 bits", TENSORS, (uint64_t)1 << 32, 8, "tensors; at most"},
    {"one tensor more than there is", TENSORS, 3, 8, "x"},
    {"one tensor fewer", TENSORS, 1, 8, "belong to no tensor"},
    /* CVE-2024-23605: the same of n_kv. */
    {"2^64 - 1 keys", KEYS, UINT64_MAX, 8, "said to be 18446744073709551615 keys"},
    {"keys x 48 bytes = 2^64", KEYS, UINT64_MAX / 48 + 1, 8, "keys; at most"},
    {"2^32 keys", KEYS, (uint64_t)1 << 32, 8, "keys; at most"},
    {"one key fewer", KEYS, 1, 8, "x"},
    /* CVE-2024-23496: a text's length + 1 is 0, and its bytes go behind it. */
    {"a key of 2^64 - 1 bytes", KEY1, UINT64_MAX, 8, "a key at byte 32 is said to be"},
    {"a key of 2^63 bytes", KEY1, (uint64_t)1 << 63, 8, "a key at byte 32 is said to be"},
    {"a value of 2^64 - 1 bytes", TEXT, UINT64_MAX, 8, "a value at byte 62 is said to be"},
    {"a name of 2^64 - 1 bytes", FIRST, UINT64_MAX, 8, "a tensor's name at byte 74 is said to be"},
    {"a name that reaches to the end", FIRST, 96, 8, "x"},
    {"a value that is one byte too long", TEXT, 5, 8, "x"},
    {"an empty name", FIRST, 0, 8, "not empty"},
    /* ggml pull request 709: types of values that no reader has. */
    {"a value's type beyond the table", KEY1 + 9, 13, 4, "a value of type 13"},
    {"a value's type of 2^31", KEY1 + 9, (uint64_t)1 << 31, 4, "a value of type 2147483648"},
    {"a number called a text", KEY1 + 9, 8, 4, "x"},
    {"a text called an array", KEY2 + 9, 9, 4, "x"},
    /* CVE-2024-21802, gguf-tools issue 25: more dimensions than the table they are read into. */
    {"5 dimensions", FIRST + RANK, 5, 4, "has 5 dimensions"},
    {"2^32 - 1 dimensions", FIRST + RANK, UINT32_MAX, 4, "has 4294967295 dimensions"},
    {"no dimension, so that all shifts", FIRST + RANK, 0, 4, "x"},
    {"a side of 2^63", FIRST + SHAPE, (uint64_t)1 << 63, 8, "larger than any memory"},
    {"a side of 2^64 - 1", FIRST + SHAPE, UINT64_MAX, 8, "larger than any memory"},
    {"bytes that are 2^64", FIRST + SHAPE, (uint64_t)1 << 62, 8, "larger than any memory"},
    {"a side of 2^32 + 4, cut to 4 in 32 bits", FIRST + SHAPE, ((uint64_t)1 << 32) + 4, 8,
     "the file is cut off"},
    {"a side that runs into the next", FIRST + SHAPE, 12, 8, "overlap at byte 32"},
    /* CVE-2024-42477, llama.cpp pull request 19856: a type, negative or large, as a table's index.
     */
    {"a type that was taken back", FIRST + TYPE, 4, 4, "ggml's type 4"},
    {"a type beyond the table", FIRST + TYPE, 200, 4, "ggml's type 200"},
    {"a type of 2^32 - 1", FIRST + TYPE, UINT32_MAX, 4, "ggml's type 4294967295"},
    {"rows that are no whole blocks", FIRST + TYPE, 8, 4, "has rows of 4 numbers"},
    /* CVE-2025-53630, llama.cpp pull request 24759: sizes that are padded, or summed, past 2^64. */
    {"bytes that padding makes 0", FIRST + SHAPE, UINT64_MAX / 4, 8, "the file is cut off"},
    {"a size past the end (CVE-2026-7482)", FIRST + SHAPE, 1 << 20, 8, "the file is cut off"},
    {"an offset of 2^64 - 32", FIRST + OFFSET, UINT64_MAX - 31, 8, "the file is cut off"},
    {"an offset of 2^63", FIRST + OFFSET, (uint64_t)1 << 63, 8, "the file is cut off"},
    {"an offset at the end", SECOND + OFFSET, 64, 8, "the file is cut off"},
    {"an offset off the alignment", SECOND + OFFSET, 33, 8, "no multiple of the alignment"},
    {"two tensors in one place", SECOND + OFFSET, 0, 8, "overlap at byte 0"},
    {"version 1", 4, 1, 4, "of version 1"},
    {"version 3 of the other byte order", 4, 3u << 24, 4, "big-endian"},
};

static void gguf_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof GGUF / sizeof *GGUF; i++) {
        size_t size;
        uint8_t *bytes = good_gguf(&size);
        for (int k = 0; k < GGUF[i].width; k++)
            bytes[GGUF[i].at + (size_t)k] = (uint8_t)(GGUF[i].value >> 8 * k);
        /* Where all that follows is read in the wrong place, any sentence will do. */
        const bool any = strcmp(GGUF[i].sentence, "x") == 0;
        hostile_expect(GGUF[i].what, bytes, size, read_gguf, any ? "" : GGUF[i].sentence);
        free(bytes);
    }
}

static void expect_gguf(const char *what, gguf *g, const char *sentence) {
    size_t size;
    uint8_t *bytes = gguf_finish(g, &size);
    hostile_expect(what, bytes, size, read_gguf, sentence);
    free(bytes);
}

/* A key "k" with an array: its elements' type and how many it claims. */
static void expect_array(const char *what, uint32_t type, uint64_t count, const char *sentence) {
    gguf g = {0};
    gguf_text(&g.keys, "k");
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, type, 4);
    bytes_add_number(&g.keys, count, 8);
    bytes_add_zeros(&g.keys, 64);
    g.key_count = 1;
    expect_gguf(what, &g, sentence);
}

/* CVE-2024-21825: count x size of an element overflows. */
static void gguf_arrays(void **state) {
    (void)state;
    expect_array("2^61 numbers of 8 bytes", 10, (uint64_t)1 << 61, "said to be an array of");
    expect_array("2^62 + 1 numbers of 4 bytes", 4, ((uint64_t)1 << 62) + 1, "an array of");
    expect_array("2^64 - 1 bytes", 0, UINT64_MAX, "said to be an array of");
    expect_array("2^60 texts of 16 bytes each", 8, (uint64_t)1 << 60, "said to be an array of");
    expect_array("one number too many", 4, 17, "said to be an array of 17");
    expect_array("an array of arrays", 9, 1, "an array of type 9");
    expect_array("elements of a type beyond the table", 13, 1, "an array of type 13");
    expect_array("elements of type 2^32 - 1", UINT32_MAX, 1, "an array of type 4294967295");
}

/* An alignment of 0 is divided by, one of 2^32 - 1 overflows, one of another type is not checked
 * (llama.cpp pull request 26318). */
static void gguf_alignments(void **state) {
    (void)state;
    static const uint64_t one[1] = {1}, bad[] = {0, 3, 33, UINT32_MAX, (uint64_t)1 << 31};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf g = {0};
        gguf_key_number(&g, "general.alignment", 4, bad[i], 4);
        gguf_tensor(&g, "a", 1, one, 0, "\0\0\0\0", 4);
        expect_gguf("an alignment that is none", &g, "general.alignment must be a power of two");
    }
    static const struct {
        uint32_t type;
        int width;
    } types[] = {{10, 8}, {5, 4}, {0, 1}, {7, 1}, {6, 4}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        gguf g = {0};
        gguf_key_number(&g, "general.alignment", types[i].type, 32, types[i].width);
        gguf_tensor(&g, "a", 1, one, 0, "\0\0\0\0", 4);
        expect_gguf("an alignment of another type", &g, "of type 4; found type");
    }
}

/* CVE-2026-33298: rows x columns x size of a number wraps to something small. */
static void gguf_sizes(void **state) {
    (void)state;
    static const uint64_t shapes[][4] = {{((uint64_t)1 << 52) + 1, 1024, 1, 1},
                                         {1 << 16, 1 << 16, 1 << 16, 1 << 16},
                                         {UINT64_MAX, UINT64_MAX, 1, 1},
                                         {(uint64_t)1 << 63, 2, 0, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        gguf g = {0};
        gguf_tensor(&g, "a", 4, shapes[i], 0, "\0\0\0\0", 4);
        expect_gguf("a shape that wraps", &g, "larger than any memory");
    }
}

/* What would cost much if it were believed, or more than once. */
static void gguf_exhaustion(void **state) {
    (void)state;
    gguf g = {0};
    char name[20];
    for (int i = 0; i < 60000; i++) {
        snprintf(name, sizeof name, "k%d", i % 59999);
        gguf_key_number(&g, name, 0, 0, 1);
    }
    expect_gguf("60,000 keys, one twice", &g, "is there twice");
    static const uint64_t none[1] = {0};
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "t%d", i % 19999);
        gguf_tensor(&g, name, 1, none, 0, "", 0);
    }
    expect_gguf("20,000 tensors, one twice", &g, "is there twice");
    gguf_text(&g.keys, "k");
    bytes_add_number(&g.keys, 9, 4);
    bytes_add_number(&g.keys, 8, 4);
    bytes_add_number(&g.keys, 200000, 8);
    bytes_add_zeros(&g.keys, 8 * 200000);
    g.keys.data[g.keys.size - 8] = 1;
    g.key_count = 1;
    expect_gguf("200,000 empty texts, the last of one byte", &g, "only 0 follow");
}

/* ---- cut files ------------------------------------------------------------------------------- */

/* Cut at every byte of the header and at both sides of every border between tensors. */
static void expect_cuts(const uint8_t *bytes, size_t header, size_t size, hostile_reader *read,
                        size_t step) {
    for (size_t cut = 0; cut < size; cut++)
        if (cut < header || (cut - header) % step == 0 || (cut - header) % step == step - 1)
            hostile_expect("cut", bytes, cut, read, "");
}

static void files_that_are_cut(void **state) {
    (void)state;
    const char *header = "{\"a\":" F32("2", "0", "8") ",\"b\":" F32("2", "8", "16") "}";
    byte_list b = {0};
    bytes_add_number(&b, strlen(header), 8);
    bytes_add(&b, header, strlen(header));
    bytes_add_zeros(&b, 16);
    expect_cuts(b.data, 8 + strlen(header), b.size, read_safetensors, 8);
    free(b.data);
    size_t size;
    uint8_t *bytes = good_gguf(&size);
    /* The padding after the last tensor, 16 bytes, is nobody's. */
    expect_cuts(bytes, SECOND + 33, size - 16, read_gguf, 16);
    free(bytes);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static const struct {
    const char *what, *start, *unit;
    size_t times;
    const char *end, *sentence;
} JSON[] = {
    {"nothing", "", "", 0, "", "x.json"},
    {"a list", "[1]", "", 0, "", "x.json"},
    {"brackets 200,000 deep", "{\"a\":", "[", 200000, "", "x.json"},
    {"2 million values", "{\"a\":[0", ",0", 2000000, "]}", "x.json"},
    {"a name twice", "{\"a\":1,\"a\":2}", "", 0, "", "twice"},
    {"100,000 times the same name", "{\"a\":0", ",\"a\":0", 100000, "}", "twice"},
    {"not UTF-8", "{\"a\":\"\xff\"}", "", 0, "", "UTF-8"},
    {"UTF-16", "\xff\xfe{", "", 0, "", "x.json"},
    {"a text without an end", "{\"a\":\"", "b", 1000000, "", "x.json"},
    {"a number without an end", "{\"a\":1", "0", 1000000, "}", "x.json"},
    {"a comment", "{/**/}", "", 0, "", "x.json"},
    {"NaN", "{\"a\":NaN}", "", 0, "", "x.json"},
};

static void configurations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof JSON / sizeof *JSON; i++) {
        byte_list b = {0};
        bytes_add(&b, JSON[i].start, strlen(JSON[i].start));
        for (size_t k = 0; k < JSON[i].times; k++)
            bytes_add(&b, JSON[i].unit, strlen(JSON[i].unit));
        bytes_add(&b, JSON[i].end, strlen(JSON[i].end));
        hostile_expect(JSON[i].what, b.data, b.size, read_config, JSON[i].sentence);
        free(b.data);
    }
    hostile_report();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors),        cmocka_unit_test(gguf_numbers),
        cmocka_unit_test(gguf_arrays),        cmocka_unit_test(gguf_alignments),
        cmocka_unit_test(gguf_sizes),         cmocka_unit_test(gguf_exhaustion),
        cmocka_unit_test(files_that_are_cut), cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
