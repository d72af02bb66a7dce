/* Prompts at the limits: too long, very long, not UTF-8, with special tokens, and by several
 * threads at once; and how long it takes. */
#include "base/team.h"
#include "tokens/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { POSITIONS = 32 };

static limn_bytes file_in(const char *folder, const char *file) {
    char path[256];
    limn_bytes bytes = {0};
    limn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (limn_file_open(path, &bytes, &err) != LIMN_OK) fail_msg("%s", err.text);
    return bytes;
}

/* Opens a folder's tokenizer with another special_tokens_map.json and config than it has. */
static limn_tokenizer *open_with(const char *folder, const char *config, const char *map,
                                 int positions) {
    limn_bytes vocab = file_in(folder, "vocab.json");
    limn_bytes merges = file_in(folder, "merges.txt");
    limn_bytes c = {(const uint8_t *)config, strlen(config)};
    limn_bytes m = {(const uint8_t *)map, strlen(map)};
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    if (limn_tokenizer_open(&vocab, &merges, &c, &m, positions, folder, &t, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    limn_file_close(&vocab);
    limn_file_close(&merges);
    return t;
}

static limn_tokenizer *open_vignette(void) {
    return open_with("weights/vignette/tokenizer", "", "", POSITIONS);
}

static limn_prompt_check encode(const limn_tokenizer *t, const char *text, int32_t *ids) {
    limn_prompt_check check;
    limn_error err = {0};
    memset(&check, 0x55, sizeof check);
    if (limn_tokenizer_encode(t, text, ids, &check, &err) != LIMN_OK) fail_msg("%s", err.text);
    return check;
}

static void what_does_not_fit_is_dropped(void **state) {
    (void)state;
    limn_tokenizer *t = open_vignette();
    int32_t ids[POSITIONS];
    char text[400] = "";
    for (int i = 0; i < 30; i++) strcat(text, "cat ");
    limn_prompt_check check = encode(t, text, ids);
    assert_int_equal(check.tokens, 30);
    assert_int_equal(check.max_tokens, 30);
    assert_string_equal(check.dropped, "");
    strcat(text, " \t\xC3\x89t\xC3\xA9, a Red  apple");
    check = encode(t, text, ids);
    assert_true(check.tokens > 33);
    assert_string_equal(check.dropped, "\xC3\x89t\xC3\xA9, a Red  apple");
    assert_int_equal(ids[0], limn_tokenizer_begin(t));
    assert_int_equal(ids[30], ids[1]);
    assert_int_equal(ids[31], limn_tokenizer_end(t));
    limn_tokenizer_close(t);
}

/* What is dropped is told in the prompt's own words, whatever normalizing did to them. */
static void test_dropped_text(void **state) {
    (void)state;
    static const struct {
        const char *kept, *dropped;
    } cases[] = {
        {"cat ", "e\xCC\x81te\xCC\x81 ICE"},         /* composes to fewer characters */
        {"cat\xE2\x80\x8B ", "\xE2\x84\xABngstrom"}, /* changes its length in bytes */
        {"cat ", "\xEA\xB0\x81"},                    /* decomposes and composes again */
        {"cat ", "\xC4\xB0stanbul"},                 /* grows in lower case */
        {"cat \xFF ", "\xE6\xBC\xA2\xE5\xAD\x97"},   /* ideographs, after what is no UTF-8 */
        {"cat ", "<|endoftext|> and more"},          /* a special token */
        {"cat e\xCC\x81", "!!"},                     /* a piece in the middle of a word */
    };
    limn_tokenizer *t = open_vignette();
    int32_t ids[POSITIONS];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400] = "";
        limn_prompt_check check = encode(t, cases[i].kept, ids);
        for (int k = check.tokens; k < 30; k++) strcat(text, "cat ");
        strcat(text, cases[i].kept);
        strcat(text, cases[i].dropped);
        check = encode(t, text, ids);
        assert_true(check.tokens > 30);
        assert_string_equal(check.dropped, cases[i].dropped);
    }
    limn_tokenizer_close(t);
}

static void test_dropped_text_is_cut_at_a_character(void **state) {
    (void)state;
    limn_tokenizer *t = open_vignette();
    int32_t ids[POSITIONS];
    char text[3000] = "";
    for (int i = 0; i < 500; i++) strcat(text, "\xE6\xBC\xA2 "); /* 3 bytes and a space */
    limn_prompt_check check = encode(t, text, ids);
    assert_int_equal(strlen(check.dropped), 399);
    assert_memory_equal(check.dropped + 396, "\xE6\xBC\xA2", 4);
    limn_tokenizer_close(t);
}

static void test_invalid_utf8(void **state) {
    (void)state;
    limn_tokenizer *t = open_vignette();
    int32_t good[POSITIONS], bad[POSITIONS];
    assert_false(encode(t, "a red apple\xEF\xBF\xBD", good).repaired);
    assert_true(encode(t,
                       "\xFF"
                       "a re\xC3"
                       "d ap\xED\xA0\x80ple\xF0\x9F\x98",
                       bad)
                    .repaired);
    assert_memory_equal(good, bad, sizeof good);
    assert_int_equal(encode(t, "\xFF\xFE", bad).tokens, 0);
    limn_tokenizer_close(t);
}

/* Special tokens are cut out first, the longest first; the map wins over the config. */
static void test_special_tokens(void **state) {
    (void)state;
    static const char config[] =
        "{\"pad_token\": \"!\", \"model_max_length\": 1000000000000000019884624838656,"
        "\"additional_special_tokens\": [\"!!\", {\"content\": \"cat\"}]}";
    limn_tokenizer *t = open_with("tests/golden/clip", config, "", 8);
    int32_t ids[8];
    /* "!!" as a token inside a word has id 1443, "cat" has 1481 there and 2368 at a word's end */
    encode(t, "cats!!!", ids);
    static const int32_t want[8] = {49406, 1481, 338, 1443, 0, 49407, 0, 0};
    assert_memory_equal(ids, want, sizeof ids);
    limn_tokenizer_close(t);
    t = open_with("tests/golden/clip", "{\"pad_token\": \"!\"}",
                  "{\"pad_token\": {\"content\": \"<|endoftext|>\"}}", 8);
    assert_int_equal(limn_tokenizer_padding(t), 49407);
    encode(t, "!", ids);
    assert_int_equal(ids[1], 256);
    limn_tokenizer_close(t);
}

/* A token that was added to the vocabulary, as textual inversion does, counts to it. */
static void test_added_tokens(void **state) {
    (void)state;
    static const char config[] =
        "{\"added_tokens_decoder\": {\"49408\": {\"content\": \"<mine>\"}},"
        "\"model_max_length\": 6}";
    limn_tokenizer *t = open_with("tests/golden/clip", config, "{\"pad_token\": \"!\"}", 8);
    assert_int_equal(limn_tokenizer_vocabulary(t), 49409);
    int32_t ids[8];
    limn_prompt_check check = encode(t, "a<mine>a a a a a", ids);
    assert_int_equal(check.max_tokens, 4);
    assert_string_equal(check.dropped, "a a a");
    static const int32_t want[8] = {49406, 320, 49408, 320, 320, 49407, 49407, 49407};
    assert_memory_equal(ids, want, sizeof ids);
    limn_tokenizer_close(t);
}

static void test_very_long_prompts(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "a",
        "abcdefghijklmnopqrstuvwxyz",
        "\xCC\x81\xCC\xA3",
        "\xCE\xA3",
        "'",
        "<|endoftext|",
        "cat ",
        "\xE6\xBC\xA2",
        "\xEA\xB0\x81",
        "\xC4\xB0",
        "\xF0\x9F\x98\x80",
        "!",
    };
    limn_tokenizer *t = open_vignette();
    size_t size = LIMN_PROMPT_MOST_BYTES;
    char *text = malloc(size + 1);
    int32_t ids[POSITIONS];
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t n = strlen(patterns[i]);
        for (size_t k = 0; k < size; k++) text[k] = patterns[i][k % n];
        text[size] = 0;
        clock_t start = clock();
        limn_prompt_check check = encode(t, text, ids);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        assert_true(check.tokens > 1000);
        assert_int_equal(strlen(check.dropped) > 390, 1);
        if (seconds > 8) fail_msg("'%s' x %zu took %.1f s", patterns[i], size / n, seconds);
    }
    free(text);
    limn_tokenizer_close(t);
}

static void test_too_long_a_prompt(void **state) {
    (void)state;
    limn_tokenizer *t = open_vignette();
    char *text = malloc(LIMN_PROMPT_MOST_BYTES + 2);
    memset(text, ' ', LIMN_PROMPT_MOST_BYTES + 1);
    text[LIMN_PROMPT_MOST_BYTES + 1] = 0;
    int32_t ids[POSITIONS];
    limn_error err = {0};
    assert_int_equal(limn_tokenizer_encode(t, text, ids, NULL, &err), LIMN_E_USAGE);
    assert_string_equal(err.text, "the prompt has 262145 bytes, at most 262144 are read");
    text[LIMN_PROMPT_MOST_BYTES] = 0;
    assert_int_equal(encode(t, text, ids).tokens, 0);
    free(text);
    limn_tokenizer_close(t);
}

/* What several threads share in the test below. */
typedef struct shared {
    const limn_tokenizer *t;
    int32_t ids[64][POSITIONS];
} shared;

static void encode_task(void *ctx, int i) {
    shared *s = ctx;
    char text[64];
    snprintf(text, sizeof text, "%d red apples and %d cats", i % 8, i % 8);
    limn_tokenizer_encode(s->t, text, s->ids[i], NULL, NULL);
}

static void test_threads(void **state) {
    (void)state;
    limn_tokenizer *t = open_vignette();
    shared *s = calloc(1, sizeof *s);
    s->t = t;
    limn_parallel(4, 64, encode_task, s);
    for (int i = 8; i < 64; i++) assert_memory_equal(s->ids[i], s->ids[i % 8], sizeof s->ids[0]);
    assert_memory_not_equal(s->ids[0], s->ids[1], sizeof s->ids[0]);
    free(s);
    limn_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_dropped),
        cmocka_unit_test(test_dropped_text),
        cmocka_unit_test(test_dropped_text_is_cut_at_a_character),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_very_long_prompts),
        cmocka_unit_test(test_too_long_a_prompt),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
