/* A tokenizer's files, cut at NULs: vocab.json, merges.txt, tokenizer_config.json,
 * special_tokens_map.json, and a prompt to encode with what they make. */
#include "fuzz/fuzz.h"
#include "tokens/tokens.h"

enum { POSITIONS = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_bytes part[5];
    limn_tokenizer *t = NULL;
    fuzz_cut(data, size, part, 5);
    limn_status status =
        limn_tokenizer_open(&part[0], &part[1], &part[2], &part[3], POSITIONS, "x", &t, &err);
    fuzz_told(status, &err);
    if (status != LIMN_OK) return 0;
    int32_t ids[POSITIONS];
    limn_prompt_check check;
    char *text = fuzz_text(part[4].data, part[4].size);
    status = limn_tokenizer_encode(t, text, ids, &check, &err);
    fuzz_told(status, &err);
    for (int i = 0; i < POSITIONS && status == LIMN_OK; i++)
        fuzz_must(ids[i] >= 0 && ids[i] < limn_tokenizer_vocabulary(t));
    free(text);
    limn_tokenizer_close(t);
    return 0;
}
