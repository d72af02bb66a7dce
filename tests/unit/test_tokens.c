/* Token ids against the references: transformers' CLIPTokenizer on CLIP's vocabulary (with either
 * padding token), and the ids that the golden models were given. */
#include "support/golden.h"
#include "tokens/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIP     "tests/golden/clip"
#define VIGNETTE "weights/vignette/tokenizer"

/* Positions enough for every reference prompt. */
enum { MANY = 4096 };

/* A file of a folder; empty where there is none. */
static limn_bytes file_in(const char *folder, const char *file) {
    char path[256];
    limn_bytes bytes = {0};
    limn_error err;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (limn_file_exists(path)) assert_int_equal(limn_file_open(path, &bytes, &err), LIMN_OK);
    return bytes;
}

/* Opens a folder's tokenizer. pad: another padding token than the files say, or NULL. */
static limn_tokenizer *open_folder(const char *folder, const char *pad, int positions) {
    limn_bytes vocab = file_in(folder, "vocab.json");
    limn_bytes merges = file_in(folder, "merges.txt");
    limn_bytes config = file_in(folder, "tokenizer_config.json");
    limn_bytes special = file_in(folder, "special_tokens_map.json");
    char map[64];
    limn_bytes own = {(const uint8_t *)map, 0};
    if (pad) own.size = (size_t)snprintf(map, sizeof map, "{\"pad_token\":\"%s\"}", pad);
    limn_tokenizer *t = NULL;
    limn_error err = {0};
    limn_status status = limn_tokenizer_open(&vocab, &merges, &config, pad ? &own : &special,
                                             positions, folder, &t, &err);
    if (status != LIMN_OK) fail_msg("%s", err.text);
    limn_file_close(&vocab);
    limn_file_close(&merges);
    limn_file_close(&config);
    limn_file_close(&special);
    return t;
}

/* Compares ids with a JSON list; where they differ, says of which prompt. */
static void assert_ids(const char *text, const int32_t *ids, size_t count, const json_t *want) {
    assert_int_equal(count, json_array_size(want));
    for (size_t i = 0; i < count; i++) {
        long long id = json_integer_value(json_array_get(want, i));
        if (ids[i] != id) fail_msg("'%.200s': id %zu is %d, not %lld", text, i, (int)ids[i], id);
    }
}

/* Calls check for every line of a file of JSON lines; returns how many there are. Only LF ends a
 * line. */
static int for_each_line(const char *file, void (*check)(void *ctx, json_t *line), void *ctx) {
    limn_bytes bytes = file_in(CLIP, file);
    const char *at = (const char *)bytes.data, *end = at + bytes.size;
    int lines = 0;
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        if (!feed) feed = end;
        json_t *line = json_loadb(at, (size_t)(feed - at), 0, NULL);
        assert_non_null(line);
        check(ctx, line);
        json_decref(line);
        lines++;
        at = feed + 1;
    }
    limn_file_close(&bytes);
    return lines;
}

/* The tokenizers of both padding rules, with room for any prompt. */
typedef struct pair {
    limn_tokenizer *pad_end, *pad_exclamation;
} pair;

/* Checks the ids of a prompt, which are those between begin and end. */
static void check_text(const limn_tokenizer *t, const char *text, const json_t *want) {
    int32_t ids[MANY];
    limn_prompt_check check;
    limn_error err = {0};
    assert_int_equal(limn_tokenizer_encode(t, text, ids, &check, &err), LIMN_OK);
    assert_int_equal(ids[0], 49406);
    assert_ids(text, ids + 1, (size_t)check.tokens, want);
    assert_int_equal(ids[1 + check.tokens], 49407);
    assert_string_equal(check.dropped, "");
    assert_false(check.repaired);
}

static void check_reference(void *ctx, json_t *line) {
    const pair *p = ctx;
    const char *text = json_string_value(json_object_get(line, "text"));
    const json_t *hf = json_object_get(line, "hf");
    const json_t *exclamation = json_object_get(line, "hf_pad_excl");
    assert_non_null(text);
    if (!hf) hf = json_object_get(line, "openai");
    check_text(p->pad_end, text, hf);
    check_text(p->pad_exclamation, text, exclamation ? exclamation : hf);
}

static void test_reference_prompts(void **state) {
    (void)state;
    pair p = {open_folder(CLIP, NULL, MANY), open_folder(CLIP, "!", MANY)};
    assert_int_equal(limn_tokenizer_vocabulary(p.pad_end), 49408);
    assert_int_equal(for_each_line("tokens.jsonl", check_reference, &p), 1964);
    limn_tokenizer_close(p.pad_end);
    limn_tokenizer_close(p.pad_exclamation);
}

static void check_padded(void *ctx, json_t *line) {
    const pair *p = ctx;
    const char *text = json_string_value(json_object_get(line, "text"));
    int32_t ids[77];
    limn_error err = {0};
    assert_non_null(text);
    assert_int_equal(limn_tokenizer_encode(p->pad_end, text, ids, NULL, &err), LIMN_OK);
    assert_ids(text, ids, 77, json_object_get(line, "pad_eos"));
    assert_int_equal(limn_tokenizer_encode(p->pad_exclamation, text, ids, NULL, &err), LIMN_OK);
    assert_ids(text, ids, 77, json_object_get(line, "pad_excl"));
}

static void test_reference_padding(void **state) {
    (void)state;
    pair p = {open_folder(CLIP, NULL, 77), open_folder(CLIP, "!", 77)};
    assert_int_equal(limn_tokenizer_padding(p.pad_end), limn_tokenizer_end(p.pad_end));
    assert_int_equal(limn_tokenizer_padding(p.pad_exclamation), 0);
    assert_int_equal(for_each_line("padded77.jsonl", check_padded, &p), 56);
    limn_tokenizer_close(p.pad_end);
    limn_tokenizer_close(p.pad_exclamation);
}

/* Compares a prompt's ids with a tensor. */
static void check_tensor(const limn_tokenizer *t, const char *text, const golden *g,
                         const char *tensor, size_t positions) {
    int32_t ids[MANY];
    size_t count = 0;
    limn_error err = {0};
    const int32_t *want = golden_i32(g, tensor, &count);
    assert_int_equal(count, positions);
    assert_int_equal(limn_tokenizer_encode(t, text, ids, NULL, &err), LIMN_OK);
    assert_memory_equal(ids, want, positions * sizeof *ids);
}

static void test_built_in_model(void **state) {
    (void)state;
    limn_tokenizer *t = open_folder(VIGNETTE, NULL, 32);
    assert_int_equal(limn_tokenizer_vocabulary(t), 4096);
    json_t *index = golden_json("tests/golden/vignette/index.json");
    const char *key;
    json_t *value;
    assert_true(json_object_size(index) > 0);
    json_object_foreach(index, key, value) {
        char path[256];
        snprintf(path, sizeof path, "tests/golden/vignette/%s.safetensors", key);
        golden *g = golden_open(path);
        check_tensor(t, json_string_value(json_object_get(value, "prompt")), g, "ids", 32);
        check_tensor(t, json_string_value(json_object_get(value, "negative_prompt")), g,
                     "ids_negative", 32);
        golden_close(g);
    }
    json_decref(index);
    limn_tokenizer_close(t);
}

static void test_tiny_models(void **state) {
    (void)state;
    static const char *const models[][2] = {
        {"tests/golden/tiny-sd15/tokenizer", "tests/golden/tiny-sd15/golden/text.safetensors"},
        {"tests/golden/tiny-sd21/tokenizer", "tests/golden/tiny-sd21/golden/text.safetensors"},
        {"tests/golden/tiny-sdxl/tokenizer", "tests/golden/tiny-sdxl/golden/text.safetensors"},
        {"tests/golden/tiny-sdxl/tokenizer_2", "tests/golden/tiny-sdxl/golden/text_2.safetensors"},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        limn_tokenizer *t = open_folder(models[i][0], NULL, 77);
        golden *g = golden_open(models[i][1]);
        check_tensor(t, "", g, "empty.input_ids", 77);
        check_tensor(t, "a photograph of an astronaut riding a horse!", g, "short.input_ids", 77);
        golden_close(g);
        limn_tokenizer_close(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_prompts),
        cmocka_unit_test(test_reference_padding),
        cmocka_unit_test(test_built_in_model),
        cmocka_unit_test(test_tiny_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
