/* A prompt, as the built-in model's tokenizer reads it. */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tokens/tokens.h"

enum { POSITIONS = 77 };

/* Opened once; never closed, which the leak checker accepts because it can still be reached. */
static const limn_tokenizer *tokenizer(void) {
    static limn_tokenizer *t;
    static const char *const names[4] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                         "special_tokens_map.json"};
    limn_bytes file[4];
    if (t) return t;
    for (int i = 0; i < 4; i++) {
        char path[100];
        snprintf(path, sizeof path, "weights/vignette/tokenizer/%s", names[i]);
        fuzz_must(limn_file_open(path, &file[i], NULL) == LIMN_OK);
    }
    fuzz_must(limn_tokenizer_open(&file[0], &file[1], &file[2], &file[3], POSITIONS, "x", &t,
                                  NULL) == LIMN_OK);
    for (int i = 0; i < 4; i++) limn_file_close(&file[i]);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const limn_tokenizer *t = tokenizer();
    limn_error err = {0};
    int32_t ids[POSITIONS];
    limn_prompt_check check;
    char *text = fuzz_text(data, size);
    fuzz_must(limn_tokenizer_encode(t, text, ids, &check, &err) == LIMN_OK);
    for (int i = 0; i < POSITIONS; i++)
        fuzz_must(ids[i] >= 0 && ids[i] < limn_tokenizer_vocabulary(t));
    fuzz_must(ids[0] == limn_tokenizer_begin(t));
    fuzz_must(memchr(check.dropped, '\0', sizeof check.dropped) != NULL);
    free(text);
    return 0;
}
