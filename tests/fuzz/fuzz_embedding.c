/* A textual-inversion embedding, for a model with one text encoder and for one with two. What is
 * let in has vectors that can be read; what is not has its sentence. */
#include "fuzz/fuzz.h"
#include "text/embeddings.h"
#include "tokens/tokens.h"

/* The encoder's width: the file need not be large. */
enum { D = 4 };

/* Opened once; never closed, which the leak checker accepts because it can still be reached. */
static limn_tokenizer *tokenizer(void) {
    static limn_tokenizer *t;
    limn_bytes file[2], none = {0};
    if (t) return t;
    fuzz_must(limn_file_open("weights/vignette/tokenizer/vocab.json", &file[0], NULL) == LIMN_OK);
    fuzz_must(limn_file_open("weights/vignette/tokenizer/merges.txt", &file[1], NULL) == LIMN_OK);
    fuzz_must(limn_tokenizer_open(&file[0], &file[1], &none, &none, 77, "x", &t, NULL) == LIMN_OK);
    for (int i = 0; i < 2; i++) limn_file_close(&file[i]);
    return t;
}

static void read_folder(const char *folder, int encoders) {
    const limn_text text = {.d = D};
    const limn_embeddings_for what = {
        .encoders = encoders, .text = {&text, &text}, .tokenizer = {tokenizer(), tokenizer()}};
    limn_error err = {0};
    limn_embeddings *all = NULL;
    fuzz_must(limn_embeddings_open(folder, &what, &all, &err) == LIMN_OK);
    fuzz_must(all->count == 1 && strcmp(all->list[0].name, "word") == 0);
    volatile float sum = 0;
    for (int k = 0; k < encoders; k++) {
        const limn_trigger *t = &all->triggers[k][0];
        fuzz_must(t->count > 0 && t->fault == all->list[0].fault);
        if (t->fault) {
            fuzz_must(t->fault[0] != '\0');
            continue;
        }
        fuzz_must(t->vectors > 0);
        const float *from = all->vectors[k] + (size_t)t->vector * D;
        for (int i = 0; i < t->vectors * D; i++) sum += from[i];
    }
    (void)sum;
    limn_embeddings_close(all);
}

static void read_file(const uint8_t *data, size_t size) {
    const fuzz_folder folder = fuzz_folder_make("word.safetensors", data, size);
    for (int encoders = 1; encoders <= 2; encoders++) read_folder(folder.path, encoders);
    fuzz_folder_remove(&folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_both(read_file, data, size);
    return 0;
}
