/* A tokenizer's files when they are damaged, hostile or do not go together: a sentence, and never a
 * crash; and small files of our own, whose merges can be followed by hand. */
#include "tokens/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPECIAL "\"<|startoftext|>\":90,\"<|endoftext|>\":91"
#define LETTERS "\"a\":1,\"b\":2,\"a</w>\":3,\"b</w>\":4,\"ab\":5,\"ab</w>\":6,\"aa\":7"
#define VOCAB   "{" LETTERS "," SPECIAL "}"
#define MERGES  "#version: 0.2\na b</w>\na b\na a\n"

static limn_bytes bytes_of(const char *text) {
    return (limn_bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

static limn_status open_texts(const char *vocab, const char *merges, const char *config,
                              const char *map, limn_tokenizer **t, limn_error *err) {
    limn_bytes v = bytes_of(vocab), m = bytes_of(merges), c = bytes_of(config), s = bytes_of(map);
    return limn_tokenizer_open(&v, &m, &c, &s, 8, "m", t, err);
}

static void assert_fault(const char *vocab, const char *merges, const char *config, const char *map,
                         const char *sentence) {
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    assert_int_equal(open_texts(vocab, merges, config, map, &t, &err), LIMN_E_INPUT);
    assert_string_equal(err.text, sentence);
    assert_null(t);
}

static void test_small_files(void **state) {
    (void)state;
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    if (open_texts(VOCAB, MERGES, NULL, NULL, &t, &err) != LIMN_OK) fail_msg("%s", err.text);
    assert_int_equal(limn_tokenizer_vocabulary(t), 92);
    int32_t ids[8];
    /* "a b</w>" ranks first and takes the last a, then "a a" the two before it; a byte that the
     * vocabulary lacks is the unknown token */
    assert_int_equal(limn_tokenizer_encode(t, "AAAB", ids, NULL, &err), LIMN_OK);
    static const int32_t want[8] = {90, 7, 6, 91, 91, 91, 91, 91};
    assert_memory_equal(ids, want, sizeof ids);
    assert_int_equal(limn_tokenizer_encode(t, "bxab", ids, NULL, &err), LIMN_OK);
    static const int32_t unknown[8] = {90, 2, 91, 6, 91, 91, 91, 91};
    assert_memory_equal(ids, unknown, sizeof ids);
    limn_tokenizer_close(t);
    limn_tokenizer_close(NULL);
}

/* Where two merges make the same token, a better merge may become possible in the middle of a
 * round: the round is finished first, as in CLIP's code. */
static void test_rounds_are_finished(void **state) {
    (void)state;
    static const char vocab[] = "{\"a\":1,\"b\":2,\"c\":3,\"c</w>\":4,\"ab\":5,\"bc\":6,\"abc\":7,"
                                "\"abca\":8,\"abcab\":9," SPECIAL "}";
    static const char merges[] = "abc a\nb c\na bc\n";
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    if (open_texts(vocab, merges, NULL, NULL, &t, &err) != LIMN_OK) fail_msg("%s", err.text);
    int32_t ids[8];
    assert_int_equal(limn_tokenizer_encode(t, "abcabcc", ids, NULL, &err), LIMN_OK);
    /* b c: a bc a bc c; a bc at both its places: abc abc c; not abca bc c */
    static const int32_t want[8] = {90, 7, 7, 4, 91, 91, 91, 91};
    assert_memory_equal(ids, want, sizeof ids);
    limn_tokenizer_close(t);
}

static void test_bad_vocabularies(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "m/vocab.json: the file ends where '{' should be"},
        {"[]", "m/vocab.json: byte 0: expected '{', found '['"},
        {"{}", "m/vocab.json: byte 1: expected a token in quotes, found '}'"},
        {"{\"a\"", "m/vocab.json: the file ends where ':' after a token should be"},
        {"{\"a\":", "m/vocab.json: the file ends where an id from 0 to 1048575 should be"},
        {"{\"a\":-1}", "m/vocab.json: byte 5: expected an id from 0 to 1048575, found '-'"},
        {"{\"a\":01}", "m/vocab.json: byte 5: expected an id from 0 to 1048575, found '0'"},
        {"{\"a\":1048576}", "m/vocab.json: byte 5: expected an id from 0 to 1048575, found '1'"},
        {"{\"a\":1.5}", "m/vocab.json: byte 6: expected ',' or '}' after a token's id, found '.'"},
        {"{\"a\":1}x", "m/vocab.json: byte 7: expected the end of the file, found 'x'"},
        {"{\"a\":1,}", "m/vocab.json: byte 7: expected a token in quotes, found '}'"},
        {"{\"a\":1,\"a\":2}", "m/vocab.json: the token 'a' is there twice"},
        {"{\"a\":1,\"\\u0061\":2}", "m/vocab.json: the token 'a' is there twice"},
        {"{\"a\":1,\"b\":1}", "m/vocab.json: two tokens have the id 1"},
        {"{\"a", "m/vocab.json: the file ends where the closing quote of a token should be"},
        {"{\"\\x\":1}", "m/vocab.json: byte 3: expected an escape that JSON knows, found 'x'"},
        {"{\"\\ud800\":1}", "m/vocab.json: byte 3: expected an escape that JSON knows, found 'u'"},
        {"{\"\\u12\":1}", "m/vocab.json: byte 3: expected an escape that JSON knows, found 'u'"},
        {"{\"\x80\":1}", "m/vocab.json: byte 2: expected UTF-8, found '?'"},
        {"{\"a\n\":1}", "m/vocab.json: byte 3: expected a character or an escape, found '?'"},
        {"{\"a\":1}", "m/merges.txt:2: 'b</w>' is not in vocab.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fault(cases[i][0], MERGES, NULL, NULL, cases[i][1]);
}

static void test_bad_merges(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a b</w>\na\n", "m/merges.txt:2: expected two tokens with a space between, found 'a'"},
        {"a b c\n", "m/merges.txt:1: expected two tokens with a space between, found 'a b c'"},
        {" a\n", "m/merges.txt:1: expected two tokens with a space between, found ' a'"},
        {"a \n", "m/merges.txt:1: expected two tokens with a space between, found 'a '"},
        {"a b\r\na b\r\n", "m/merges.txt:2: 'a b' is there twice"},
        {"b a\n", "m/merges.txt:1: 'ba' is not in vocab.json"},
        {"a c\n", "m/merges.txt:1: 'c' is not in vocab.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fault(VOCAB, cases[i][0], NULL, NULL, cases[i][1]);
    char *line = malloc(6001);
    memset(line, 'a', 6000);
    line[3000] = ' ';
    line[6000] = 0;
    assert_fault(VOCAB, line, NULL, NULL,
                 "m/merges.txt:1: the merge makes a token of 5999 bytes, at most 4096 are read");
    free(line);
}

static void test_bad_configurations(void **state) {
    (void)state;
    assert_fault(VOCAB, MERGES, "[]", NULL,
                 "m/tokenizer_config.json: expected an object in braces");
    assert_fault(VOCAB, MERGES, NULL, "{\"pad_token\": 3}",
                 "m/special_tokens_map.json: pad_token is not a token's text");
    assert_fault(VOCAB, MERGES, NULL, "{\"pad_token\": \"!\"}",
                 "m: the special token '!' is not in vocab.json");
    assert_fault(VOCAB, MERGES, NULL, "{\"pad_token\": \"\"}",
                 "m: a special token has 0 bytes, expected 1 to 255");
    assert_fault(VOCAB, MERGES, "{\"tokenizer_class\": \"T5Tokenizer\"}", NULL,
                 "m/tokenizer_config.json: expected a CLIPTokenizer, found 'T5Tokenizer'");
    assert_fault(VOCAB, MERGES, "{\"model_max_length\": 2}", NULL,
                 "m/tokenizer_config.json: expected a model_max_length of at least 3");
    assert_fault(VOCAB, MERGES, "{\"model_max_length\": \"77\"}", NULL,
                 "m/tokenizer_config.json: expected a model_max_length of at least 3");
    assert_fault(VOCAB, MERGES, "{\"added_tokens_decoder\": {\"7x\": {\"content\": \"z\"}}}", NULL,
                 "m/tokenizer_config.json: added_tokens_decoder: expected an id below 1048576 with "
                 "a token's text, found '7x'");
    assert_fault(VOCAB, MERGES, "{\"added_tokens_decoder\": {\"7\": {\"content\": \"a\"}}}", NULL,
                 "m: the special token 'a' has the id 7 in one file and 1 in another");
    assert_fault(VOCAB, MERGES, "{\"additional_special_tokens\": [\"a\", 4]}", NULL,
                 "m: additional_special_tokens: item 1 is not a token's text");
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    assert_int_equal(open_texts(VOCAB, MERGES, "{", NULL, &t, &err), LIMN_E_INPUT);
    assert_int_equal(open_texts(VOCAB, MERGES, NULL, "{\"a\":1,\"a\":2}", &t, &err), LIMN_E_INPUT);
    assert_int_equal(open_texts("{\"a\":1}", "", NULL, NULL, &t, &err), LIMN_E_INPUT);
}

/* Opens the files; where that works, encodes with them. */
static bool survives(const limn_bytes files[4]) {
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    limn_status status =
        limn_tokenizer_open(&files[0], &files[1], &files[2], &files[3], 8, "m", &t, &err);
    if (status != LIMN_OK) return status == LIMN_E_INPUT && err.text[0] && !t;
    int32_t ids[8];
    bool good = limn_tokenizer_encode(t, "abab aab!", ids, NULL, &err) == LIMN_OK;
    for (int i = 0; i < 8; i++) good &= ids[i] >= 0 && ids[i] < limn_tokenizer_vocabulary(t);
    limn_tokenizer_close(t);
    return good;
}

/* Every cut and thousands of changes of one byte, each copy in memory of its exact size. */
static void test_damaged_files(void **state) {
    (void)state;
    static const char config[] =
        "{\"tokenizer_class\":\"CLIPTokenizer\",\"model_max_length\":8,"
        "\"added_tokens_decoder\":{\"91\":{\"content\":\"<|endoftext|>\"}}}";
    static const char map[] = "{\"pad_token\":\"<|endoftext|>\","
                              "\"additional_special_tokens\":[\"ab\"]}";
    static const char *const texts[4] = {VOCAB, MERGES, config, map};
    static const char bytes[] = "\"\\{}[]:,019ae u\n\xC3\xFF\x01";
    for (int file = 0; file < 4; file++) {
        size_t size = strlen(texts[file]);
        for (size_t at = 0; at <= size; at++) {
            limn_bytes files[4];
            for (int i = 0; i < 4; i++) files[i] = bytes_of(texts[i]);
            uint8_t *copy = malloc(size);
            uint8_t *cut = malloc(at ? at : 1);
            memcpy(copy, texts[file], size);
            memcpy(cut, texts[file], at);
            files[file] = (limn_bytes){cut, at};
            assert_true(survives(files));
            for (size_t k = 0; k < sizeof bytes && at < size; k++) {
                copy[at] = (uint8_t)bytes[k];
                files[file] = (limn_bytes){copy, size};
                assert_true(survives(files));
            }
            free(copy);
            free(cut);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_files),        cmocka_unit_test(test_rounds_are_finished),
        cmocka_unit_test(test_bad_vocabularies),   cmocka_unit_test(test_bad_merges),
        cmocka_unit_test(test_bad_configurations), cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
