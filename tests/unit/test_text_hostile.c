/* Hostile files beside a model, read from disk with little time and memory: LoRA files,
 * vocabularies and merges. What safetensors can be made to claim is in test_weights_hostile.c; here
 * the headers are true, and what they describe is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "support/hostile.h"
#include "tokens/tokens.h"
#include "weights/lora.h"

/* A safetensors file under way, of zeros; its tensors are float32. */
typedef struct zeros_file {
    byte_list header;
    size_t bytes;
} zeros_file;

static void add_tensor(zeros_file *f, const char *name, int rows, int columns) {
    char text[600];
    const size_t bytes = (size_t)rows * (size_t)columns * 4;
    const int n =
        snprintf(text, sizeof text,
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}",
                 f->header.size ? "," : "{", name, rows, columns, f->bytes, f->bytes + bytes);
    bytes_add(&f->header, text, (size_t)n);
    f->bytes += bytes;
}

static byte_list end_file(zeros_file *f) {
    byte_list b = {0};
    bytes_add(&f->header, "}", 1);
    bytes_add_number(&b, f->header.size, 8);
    bytes_add(&b, f->header.data, f->header.size);
    bytes_add_zeros(&b, f->bytes);
    free(f->header.data);
    return b;
}

/* ---- LoRA ------------------------------------------------------------------------------------ */

#define LAYER "mid_block.attentions.0.proj_in"
#define OWN   "lora_unet_mid_block_attentions_0_proj_in"

/* Opens a LoRA file for a model of one layer [16, 8]. */
static limn_status read_lora(const char *path, limn_error *err) {
    zeros_file f = {0};
    limn_tensors *unet = NULL;
    limn_loras *loras = NULL;
    add_tensor(&f, LAYER ".weight", 16, 8);
    const byte_list model = end_file(&f);
    const limn_source source = limn_source_of("model", model.data, model.size);
    limn_status status = limn_safetensors_read(&source, &unet, err);
    if (status == LIMN_OK)
        status = limn_loras_open(&(limn_lora){.path = path, .scale = 1}, 1, &loras, err);
    if (status == LIMN_OK)
        status = limn_loras_bind(loras, &(limn_lora_component){"unet", unet}, 1, err);
    limn_loras_close(loras);
    limn_tensors_free(unet);
    free(model.data);
    return status;
}

static void test_loras(void **state) {
    (void)state;
    static const struct {
        struct {
            const char *end;
            int rows, columns;
        } part[4];
        const char *sentence;
    } cases[] = {
        {{{".lora_down.weight", 4, 8}}, "has no counterpart"},
        {{{".lora_up.weight", 16, 4}}, "has no counterpart"},
        {{{".alpha", 1, 1}}, "stands alone"},
        {{{".lora_down.weight", 0, 8}, {".lora_up.weight", 16, 0}}, "do not make a correction"},
        {{{".lora_down.weight", 4, 8}, {".lora_up.weight", 16, 5}}, "do not make a correction"},
        {{{".lora_down.weight", 4, 9}, {".lora_up.weight", 16, 4}}, "do not make a correction"},
        {{{".lora_down.weight", 4, 8}, {".lora_up.weight", 15, 4}}, "do not make a correction"},
        {{{".lora_down.weight", 8, 4}, {".lora_up.weight", 4, 16}}, "do not make a correction"},
        {{{".lora_down.weight", 4, 8}, {".lora_up.weight", 16, 4}, {".lora_mid.weight", 4, 4}},
         "do not make a correction"},
        {{{".lora_down.weight", 4, 8}, {".lora_up.weight", 16, 4}, {".hada_w1_a", 16, 4}},
         "stands beside another kind"},
        {{{".lora_down.weight", 4, 8}, {".lora_up.weight", 16, 4}, {".dora_scale", 15, 1}},
         ".dora_scale"},
        {{{".hada_w1_a", 16, 4}, {".hada_w1_b", 4, 8}}, "one is missing"},
        {{{".lokr_w1", 4, 4}}, "one is missing"},
        {{{".lokr_w1", 4, 4}, {".lokr_w2", 4, 4}}, "do not make a correction"},
        {{{".lokr_w1", 0, 0}, {".lokr_w2", 16, 8}}, "do not make a correction"},
        {{{".nothing", 4, 4}}, "nothing in this LoRA belongs to the model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zeros_file f = {0};
        for (int k = 0; k < 4 && cases[i].part[k].end; k++) {
            char name[200];
            snprintf(name, sizeof name, OWN "%s", cases[i].part[k].end);
            add_tensor(&f, name, cases[i].part[k].rows, cases[i].part[k].columns);
        }
        byte_list b = end_file(&f);
        hostile_expect(cases[i].sentence, b.data, b.size, read_lora, cases[i].sentence);
        free(b.data);
    }
}

/* Names that are looked up in vain, each after another spelling of the prefix. */
static void test_many_names(void **state) {
    (void)state;
    zeros_file f = {0};
    for (int i = 0; i < 10000; i++) {
        char name[200];
        snprintf(name, sizeof name, "base_model.model." LAYER ".processor.%d.lora_A.weight", i);
        add_tensor(&f, name, 0, 0);
    }
    byte_list b = end_file(&f);
    hostile_expect("10000 names", b.data, b.size, read_lora, "nothing in this LoRA belongs");
    free(b.data);
}

/* ---- tokenizers ------------------------------------------------------------------------------ */

#define VOCAB  "{\"a\":1,\"b\":2,\"ab\":3,\"<|startoftext|>\":4,\"<|endoftext|>\":5}"
#define MERGES "#version: 0.2\na b\n"

static limn_status open_tokenizer(const limn_bytes *vocab, const limn_bytes *merges,
                                  limn_error *err) {
    const limn_bytes none = {0};
    limn_tokenizer *t = NULL;
    limn_status status = limn_tokenizer_open(vocab, merges, &none, &none, 77, "m", &t, err);
    limn_tokenizer_close(t);
    return status;
}

static limn_status read_vocabulary(const char *path, limn_error *err) {
    const limn_bytes merges = {(const uint8_t *)MERGES, sizeof MERGES - 1};
    limn_bytes vocab;
    limn_status status = limn_file_open(path, &vocab, err);
    if (status == LIMN_OK) status = open_tokenizer(&vocab, &merges, err);
    limn_file_close(&vocab);
    return status;
}

static limn_status read_merges(const char *path, limn_error *err) {
    const limn_bytes vocab = {(const uint8_t *)VOCAB, sizeof VOCAB - 1};
    limn_bytes merges;
    limn_status status = limn_file_open(path, &merges, err);
    if (status == LIMN_OK) status = open_tokenizer(&vocab, &merges, err);
    limn_file_close(&merges);
    return status;
}

/* The start, a unit many times, the end. */
static void expect_long(const char *what, hostile_reader *read, const char *start, const char *unit,
                        size_t times, const char *end, const char *sentence) {
    byte_list b = {0};
    bytes_add(&b, start, strlen(start));
    for (size_t i = 0; i < times; i++) bytes_add(&b, unit, strlen(unit));
    bytes_add(&b, end, strlen(end));
    hostile_expect(what, b.data, b.size, read, sentence);
    free(b.data);
}

static void test_tokenizers(void **state) {
    (void)state;
    hostile_reader *vocab = read_vocabulary, *merges = read_merges;
    expect_long("an open brace", vocab, "{", "", 0, "", "vocab.json");
    expect_long("a million braces", vocab, "", "{\"a\":", 1000000, "", "vocab.json");
    expect_long("a million brackets", vocab, "", "[", 1000000, "", "vocab.json");
    expect_long("one token many times", vocab, "{\"a\":0", ",\"a\":1", 200000, "}", "vocab.json");
    expect_long("a token of 4 MB", vocab, "{\"", "aaaaaaaa", 500000, "", "vocab.json");
    expect_long("escapes without end", vocab, "{\"", "\\u0000", 500000, "\":1}", "vocab.json");
    expect_long("a huge id", vocab, "{\"a\":", "9", 100000, "}", "vocab.json");
    expect_long("an id of 2^31", vocab, "{\"a\":2147483648", "", 0, "}", "vocab.json");
    expect_long("zeros", vocab, "{", "          ", 400000, "", "vocab.json");
    expect_long("a line of 4 MB", merges, "", "a", 4000000, "\n", "merges.txt");
    expect_long("a merge without end", merges, MERGES "a ", "b", 4000000, "\n", "merges.txt");
    expect_long("one merge many times", merges, "", "a b\n", 200000, "", "merges.txt");
    expect_long("unknown merges", merges, "", "x y\n", 200000, "", "merges.txt");
    hostile_report();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loras),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_tokenizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
