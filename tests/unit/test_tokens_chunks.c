/* Chunks: where A1111 ends one, and that short prompts have the ids they always had. */
#include "tokens/chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POSITIONS 77

static limn_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    (void)state;
    limn_bytes vocab, merges;
    limn_error err;
    if (limn_file_open("tests/golden/clip/vocab.json", &vocab, &err) != LIMN_OK) return -1;
    if (limn_file_open("tests/golden/clip/merges.txt", &merges, &err) != LIMN_OK) return -1;
    limn_status status =
        limn_tokenizer_open(&vocab, &merges, NULL, NULL, POSITIONS, "clip", &tokenizer, &err);
    limn_file_close(&vocab);
    limn_file_close(&merges);
    return status == LIMN_OK ? 0 : -1;
}

static int close_tokenizer(void **state) {
    (void)state;
    limn_tokenizer_close(tokenizer);
    return 0;
}

static limn_chunks cut(const char *text, const limn_trigger *triggers, int count) {
    limn_phrases phrases;
    limn_chunks chunks;
    limn_error err;
    assert_int_equal(limn_phrases_read(text, strlen(text), &phrases, &err), LIMN_OK);
    if (limn_chunks_make(tokenizer, &phrases, POSITIONS, triggers, count, &chunks, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    limn_phrases_free(&phrases);
    return chunks;
}

/* How many tokens stand in a chunk before its end. */
static int length(const limn_chunks *c, int chunk) {
    const int32_t *ids = c->ids + (size_t)chunk * POSITIONS;
    int n = 0;
    assert_int_equal(ids[0], limn_tokenizer_begin(tokenizer));
    while (ids[n + 1] != limn_tokenizer_end(tokenizer)) n++;
    return n;
}

/* `count` apples, with a comma behind those whose places, from 1, are listed (0 ends the list). */
static char *apples(int count, const int *commas) {
    char *text = calloc((size_t)count * 8 + 1, 1);
    for (int i = 1; i <= count; i++) {
        strcat(text, i > 1 ? " apple" : "apple");
        if (*commas == i && commas++) strcat(text, ",");
    }
    return text;
}

static void test_lengths(void **state) {
    (void)state;
    static const struct {
        int apples, commas[4], chunks, lengths[3];
    } cases[] = {
        {75, {0}, 1, {75}},
        {76, {0}, 2, {75, 1}},
        {150, {0}, 2, {75, 75}},
        {160, {0}, 3, {75, 75, 10}},
        {80, {60}, 2, {61, 20}}, /* a comma among the last 20 ends the chunk ... */
        {80, {55}, 2, {56, 25}}, /* ... and is the 56th token at the earliest */
        {80, {54}, 2, {75, 6}},
        {80, {30, 60, 70}, 2, {73, 10}},
        {80, {74}, 2, {75, 6}},
        {80, {75}, 2, {75, 6}}, /* the comma begins the second */
        {200, {70, 140}, 3, {71, 71, 60}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = apples(cases[i].apples, cases[i].commas);
        limn_chunks c = cut(text, NULL, 0);
        assert_int_equal(c.count, cases[i].chunks);
        for (int k = 0; k < c.count; k++)
            if (length(&c, k) != cases[i].lengths[k])
                fail_msg("case %zu: chunk %d has %d tokens", i, k, length(&c, k));
        limn_chunks_free(&c);
        free(text);
    }
}

static void test_breaks(void **state) {
    (void)state;
    limn_chunks c = cut("(red:1.5) apple BREAK pear BREAK BREAK plum", NULL, 0);
    assert_int_equal(c.count, 4);
    assert_int_equal(c.tokens, 4);
    static const int lengths[] = {2, 1, 0, 1};
    for (int i = 0; i < 4; i++) assert_int_equal(length(&c, i), lengths[i]);
    for (int i = 0; i < 4 * POSITIONS; i++) assert_true(c.weights[i] == (i == 1 ? 1.5F : 1));
    limn_chunks_free(&c);
}

/* The same ids as limn_tokenizer_encode's, for what fits. */
static void what_fits_is_one_chunk_of_the_same_ids(void **state) {
    (void)state;
    static const char *const texts[] = {"", "a red apple, on a table!", "\xE6\xBC\xA2 :-) 10:30"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t ids[POSITIONS];
        limn_chunks c = cut(texts[i], NULL, 0);
        assert_int_equal(limn_tokenizer_encode(tokenizer, texts[i], ids, NULL, NULL), LIMN_OK);
        assert_int_equal(c.count, 1);
        assert_memory_equal(c.ids, ids, sizeof ids);
        limn_chunks_free(&c);
    }
}

/* A trigger's vectors stand in its place and are never parted. */
static void test_triggers(void **state) {
    (void)state;
    static const int none[] = {0};
    limn_token_list list = {0};
    assert_int_equal(limn_tokenizer_list(tokenizer, "my style", 8, &list, NULL), LIMN_OK);
    const limn_trigger trigger = {
        .ids = list.ids, .count = (int)list.count, .vector = 5, .vectors = 4};
    limn_chunks c = cut("a (my style:1.2), my", &trigger, 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c.ids[2 + i], -6 - i);
        assert_true(c.weights[2 + i] == 1.2F);
    }
    assert_int_equal(length(&c, 0), 1 + 4 + 2);
    limn_chunks_free(&c);
    char *text = apples(73, none), all[1000];
    snprintf(all, sizeof all, "%s my style", text);
    c = cut(all, &trigger, 1);
    assert_int_equal(c.count, 2);
    assert_int_equal(length(&c, 0), 73);
    assert_int_equal(length(&c, 1), 4);
    limn_chunks_free(&c);
    limn_token_list_free(&list);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(what_fits_is_one_chunk_of_the_same_ids),
        cmocka_unit_test(test_triggers),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
