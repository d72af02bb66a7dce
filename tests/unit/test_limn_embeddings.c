/* Textual inversion through the public header: an embedding that holds a token's own row of the
 * encoder's table draws what the token draws; files that do not fit are faults only where used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "render/model.h"
#include "support/scratch.h"

#define SIDE 32

/* Writes a safetensors file with one or two float32 tensors [rows, d]. */
static void write_file(const char *file, const char *names[2], int rows, int d, const float *x) {
    char header[400] = "{";
    size_t bytes = (size_t)rows * (size_t)d * sizeof *x;
    for (int i = 0; i < 2 && names[i]; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header),
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}",
                 i ? "," : "", names[i], rows, d, (size_t)i * bytes, (size_t)(i + 1) * bytes);
    strcat(header, "}");
    uint64_t size = strlen(header);
    FILE *f = fopen(scratch_at(file), "wb");
    assert_non_null(f);
    fwrite(&size, 1, 8, f);
    fwrite(header, 1, size, f);
    for (int i = 0; i < 2 && names[i]; i++) fwrite(x, 1, bytes, f);
    fclose(f);
}

static limn_model *open_model(const char *embeddings) {
    limn_model *m = NULL;
    limn_error error;
    const limn_open_options how = {.embeddings = embeddings};
    if (limn_model_open("tests/golden/tiny-sd15", &how, &m, &error) != LIMN_OK)
        fail_msg("%s", error.text);
    return m;
}

static limn_request ask(const char *prompt) {
    return (limn_request){.prompt = prompt,
                          .negative = "",
                          .seed = 3,
                          .steps = 3,
                          .guidance = 6,
                          .width = SIDE,
                          .height = SIDE,
                          .sampler = "euler",
                          .schedule = "model",
                          .rng = "torch"};
}

static limn_picture *draw(const limn_model *m, const char *prompt) {
    limn_error error;
    limn_picture *picture = NULL;
    limn_request q = ask(prompt);
    if (limn_render(m, &q, NULL, &picture, &error) != LIMN_OK) fail_msg("%s", error.text);
    return picture;
}

static int make_folder(void **state) {
    float wide[99] = {0}, rows[2 * 64];
    if (scratch_make(state) != 0) return 1;
    limn_model *m = open_model(NULL);
    limn_token_list list = {0};
    limn_tokenizer_list(m->tokenizer[0], "red apple", 9, &list, NULL);
    assert_int_equal(list.count, 2);
    int d = m->text[0].d;
    for (int i = 0; i < 2; i++)
        limn_table_row(m->kernels, &m->text[0].tokens, (size_t)list.ids[i], rows + i * d);
    limn_token_list_free(&list);
    limn_model_close(m);
    write_file("redapple.safetensors", (const char *[2]){"emb_params"}, 2, d, rows);
    write_file("one word.safetensors", (const char *[2]){"<any-name>"}, 2, d, rows);
    write_file("wide.safetensors", (const char *[2]){"emb_params"}, 1, 99, wide);
    write_file("xl.safetensors", (const char *[2]){"clip_l", "clip_g"}, 1, d, rows);
    write_file("old.pt", (const char *[2]){"emb_params"}, 1, d, rows);
    return 0;
}

/* Whether a picture's recipe names what the model has for its request. */
static void assert_same_list(const limn_model *m, const limn_picture *p, bool same) {
    limn_recipe *recipe;
    char *now;
    assert_int_equal(limn_recipe_read(p, &recipe, NULL), LIMN_OK);
    const limn_request *q = limn_recipe_request(recipe);
    assert_int_equal(limn_request_embeddings(m, q, &now, NULL), LIMN_OK);
    assert_int_equal(strcmp(limn_recipe_embeddings(recipe), now) == 0, same);
    if (!same) assert_string_equal(now, "");
    free(now);
    limn_recipe_free(recipe);
}

static void test_vectors(void **state) {
    (void)state;
    limn_model *m = open_model(scratch_folder()), *without = open_model(NULL);
    limn_picture *word = draw(m, "a redapple"), *tokens = draw(m, "a red apple");
    limn_picture *named = draw(m, "a one word"), *unknown = draw(without, "a redapple");
    size_t bytes = SIDE * SIDE * 3;
    assert_memory_equal(word->rgb, tokens->rgb, bytes);
    assert_memory_equal(named->rgb, tokens->rgb, bytes);
    assert_true(memcmp(unknown->rgb, tokens->rgb, bytes) != 0);
    assert_null(strstr(tokens->recipe, "embeddings"));
    assert_null(strstr(tokens->recipe, "prompt_syntax"));
    assert_non_null(strstr(word->recipe, "\"embeddings\":[{\"name\":\"redapple\",\"sha256\":\""));
    assert_non_null(strstr(word->recipe, "\"prompt_syntax\":\"a1111\""));
    assert_non_null(strstr(word->parameters, "TI hashes: \"redapple: "));
    assert_same_list(m, word, true);
    assert_same_list(m, tokens, true);
    assert_same_list(without, word, false);
    limn_picture *all[] = {word, tokens, named, unknown};
    for (int i = 0; i < 4; i++) limn_picture_free(all[i]);
    limn_model_close(m);
    limn_model_close(without);
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *sentence;
    } cases[] = {
        {"a wide", "the embedding wide has 1 vectors of width 99"},
        {"an xl", "the embedding xl has no vectors for this model"},
        {"an old", "old.pt is a pickle file"},
    };
    limn_model *m = open_model(scratch_folder());
    limn_error error;
    limn_plan plan;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_request q = ask(cases[i].prompt);
        assert_int_equal(limn_request_plan(m, &q, &plan, &error), LIMN_E_USAGE);
        if (!strstr(error.text, cases[i].sentence)) fail_msg("%s", error.text);
        q.prompt_syntax = "plain";
        assert_int_equal(limn_request_plan(m, &q, &plan, &error), LIMN_OK);
    }
    limn_model_close(m);
    const limn_open_options how = {.embeddings = "/nowhere"};
    assert_int_equal(limn_model_open("tests/golden/tiny-sd15", &how, &m, &error), LIMN_E_MISSING);
}

/* Writes a file of `bytes` zeros behind a header, whose length is said to be `longer` more. */
static void write_raw(const char *path, const char *header, size_t bytes, uint64_t longer) {
    uint64_t size = strlen(header) + longer;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(&size, 1, 8, f);
    fwrite(header, 1, strlen(header), f);
    for (size_t i = 0; i < bytes; i++) fputc(0, f);
    fclose(f);
}

/* Files of strangers: each a fault where its word is used, and only there. */
static void test_hostile(void **state) {
    (void)state;
#define ONE(type, shape, end)                                                                      \
    "{\"emb_params\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[0," end "]}}"
    static const struct {
        const char *header;
        size_t bytes;
        uint64_t longer;
        const char *sentence; /* NULL: none is expected */
    } cases[] = {
        {ONE("F32", "[75,32]", "9600"), 9600, 0, NULL},
        {ONE("F32", "[76,32]", "9728"), 9728, 0, "has 76 vectors"},
        {ONE("F32", "[0,32]", "0"), 0, 0, "has 0 vectors"},
        {ONE("F32", "[32]", "128"), 128, 0, NULL},
        {ONE("F32", "[]", "4"), 4, 0, "has no vectors for this model"},
        {ONE("F32", "[1,1,32]", "128"), 128, 0, "has no vectors for this model"},
        {ONE("I32", "[1,32]", "128"), 128, 0, "has no vectors for this model"},
        {ONE("F32", "[4294967297,32]", "128"), 128, 0, "emb_params"},
        {ONE("F32", "[1,32]", "128"), 127, 0, "h8.safetensors"},
        {ONE("F32", "[1,32]", "128"), 128, 1000, "h9.safetensors"},
        {"{}", 0, 0, "has no vectors for this model"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1,32],\"data_offsets\":[0,64]},"
         "\"b\":{\"dtype\":\"F16\",\"shape\":[1,32],\"data_offsets\":[64,128]}}",
         128, 0, "has no vectors for this model"},
        {"[", 0, 0, "h12.safetensors"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    char hostile[] = "/tmp/limn-embeddings-XXXXXX", file[100], odd[2][100];
    assert_non_null(mkdtemp(hostile));
    for (int i = 0; i < CASES; i++) {
        snprintf(file, sizeof file, "%s/h%d.safetensors", hostile, i);
        write_raw(file, cases[i].header, cases[i].bytes, cases[i].longer);
    }
    snprintf(odd[0], sizeof odd[0], "%s/link.safetensors", hostile);
    assert_int_equal(symlink("nowhere", odd[0]), 0);
    snprintf(odd[1], sizeof odd[1], "%s/pipe.safetensors", hostile);
    assert_int_equal(mkfifo(odd[1], 0600), 0); /* which must not be waited for */
    limn_model *m = open_model(hostile);
    limn_error error;
    limn_plan plan;
    for (int i = 0; i < CASES + 2; i++) {
        char prompt[40];
        snprintf(prompt, sizeof prompt, i < CASES ? "a h%d" : i > CASES ? "a pipe" : "a link", i);
        const char *sentence = i < CASES ? cases[i].sentence : "";
        limn_request q = ask(prompt);
        const limn_status status = limn_request_plan(m, &q, &plan, &error);
        if (sentence ? status != LIMN_E_USAGE || !strstr(error.text, sentence) : status != LIMN_OK)
            fail_msg("%s: status %d, \"%s\"", prompt, (int)status, error.text);
    }
    limn_request plain = ask("a red apple");
    assert_int_equal(limn_request_plan(m, &plain, &plan, &error), LIMN_OK);
    limn_model_close(m);
    for (int i = 0; i < CASES; i++) {
        snprintf(file, sizeof file, "%s/h%d.safetensors", hostile, i);
        unlink(file);
    }
    for (int i = 0; i < 2; i++) unlink(odd[i]);
    assert_int_equal(rmdir(hostile), 0);
}

/* ---- two encoders ---------------------------------------------------------------------------- */

static limn_model *open_xl(const char *embeddings) {
    limn_model *m = NULL;
    limn_error error;
    const limn_open_options how = {.embeddings = embeddings};
    if (limn_model_open("tests/golden/tiny-sdxl", &how, &m, &error) != LIMN_OK)
        fail_msg("%s", error.text);
    return m;
}

/* Writes an embedding of two tensors of two rows each, of widths of their own. */
static void write_pair(const char *file, const char *const names[2], const int d[2],
                       float *const x[2]) {
    char header[400];
    int end = 8 * d[0], all = end + 8 * d[1];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2,%d],\"data_offsets\":[0,%d]},"
             "\"%s\":{\"dtype\":\"F32\",\"shape\":[2,%d],\"data_offsets\":[%d,%d]}}",
             names[0], d[0], end, names[1], d[1], end, all);
    uint64_t size = strlen(header);
    FILE *f = fopen(scratch_at(file), "wb");
    assert_non_null(f);
    fwrite(&size, 1, 8, f);
    fwrite(header, 1, size, f);
    for (int i = 0; i < 2; i++) fwrite(x[i], sizeof(float), 2 * (size_t)d[i], f);
    fclose(f);
}

/* SDXL: the rows of each encoder's own table for "red apple" draw what "red apple" draws; rows in
 * the wrong encoder's place do not, and widths are checked for each. */
static void test_two_encoders(void **state) {
    (void)state;
    static const char *const names[2][2] = {{"clip_l", "clip_g"},
                                            {"text_encoders_0", "text_encoders_1"}};
    limn_model *m = open_xl(NULL);
    float *x[2], *turned[2];
    int d[2];
    for (int e = 0; e < 2; e++) {
        limn_token_list list = {0};
        limn_tokenizer_list(m->tokenizer[e], "red apple", 9, &list, NULL);
        assert_int_equal(list.count, 2);
        d[e] = m->text[e].d;
        x[e] = malloc(2 * (size_t)d[e] * sizeof *x[e]);
        turned[e] = malloc(2 * (size_t)d[e] * sizeof *x[e]);
        for (int i = 0; i < 2; i++) {
            limn_table_row(m->kernels, &m->text[e].tokens, (size_t)list.ids[i], x[e] + i * d[e]);
            memcpy(turned[e] + (1 - i) * d[e], x[e] + i * d[e], (size_t)d[e] * sizeof *x[e]);
        }
        limn_token_list_free(&list);
    }
    limn_model_close(m);
    float *const second[2] = {x[0], turned[1]};
    const int wrong[2] = {d[0], d[1] - 1};
    write_pair("pair.safetensors", names[0], d, x);
    write_pair("cog.safetensors", names[1], d, x);
    write_pair("half.safetensors", names[0], d, second);
    write_pair("narrow.safetensors", names[0], wrong, x);
    m = open_xl(scratch_folder());
    limn_picture *tokens = draw(m, "a red apple"), *pair = draw(m, "a pair"),
                 *cog = draw(m, "a cog");
    limn_picture *half = draw(m, "a half");
    size_t bytes = SIDE * SIDE * 3;
    assert_memory_equal(pair->rgb, tokens->rgb, bytes);
    assert_memory_equal(cog->rgb, tokens->rgb, bytes);
    assert_true(memcmp(half->rgb, tokens->rgb, bytes) != 0);
    assert_non_null(strstr(pair->recipe, "\"embeddings\":[{\"name\":\"pair\""));
    limn_request q = ask("a narrow");
    limn_plan plan;
    limn_error error;
    assert_int_equal(limn_request_plan(m, &q, &plan, &error), LIMN_E_USAGE);
    assert_non_null(strstr(error.text, "the embedding narrow has 2 vectors of width"));
    limn_picture *all[] = {tokens, pair, cog, half};
    static const char *const files[] = {"pair.safetensors", "cog.safetensors", "half.safetensors",
                                        "narrow.safetensors"};
    for (int i = 0; i < 4; i++) {
        limn_picture_free(all[i]);
        unlink(scratch_at(files[i]));
    }
    for (int e = 0; e < 2; e++) {
        free(x[e]);
        free(turned[e]);
    }
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_two_encoders),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
