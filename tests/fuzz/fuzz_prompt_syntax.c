/* A prompt's syntax: AND, editing, and the emphasis of every text that editing makes. The first
 * byte chooses the number of steps. */
#include <math.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "prompt/syntax.h"

static void read_phrases(const char *text) {
    limn_error err = {0};
    limn_phrases p;
    const limn_status status = limn_phrases_read(text, strlen(text), &p, &err);
    fuzz_told(status, &err);
    for (size_t i = 0; i < p.count; i++) {
        const limn_phrase *one = &p.list[i];
        fuzz_must(one->text[one->size] == '\0');
        fuzz_must(fabs(one->weight) <= LIMN_SYNTAX_WEIGHT_MOST);
        fuzz_must(one->is_break == (one->size == 0));
    }
    limn_phrases_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_syntax s;
    if (size == 0) return 0;
    char *text = fuzz_text(data + 1, size - 1);
    const int steps = 1 + data[0] % 40;
    const limn_status status = limn_syntax_read(text, strlen(text), steps, data[0] < 128, &s, &err);
    fuzz_told(status, &err);
    fuzz_must(status != LIMN_OK || (s.parts >= 1 && s.parts <= LIMN_SYNTAX_PARTS_MOST));
    for (int i = 0; i < s.parts; i++) {
        const limn_syntax_part *part = &s.part[i];
        for (int step = 0; step < steps; step++)
            fuzz_must(part->text_of_step[step] >= 0 && part->text_of_step[step] < part->count);
        for (int k = 0; k < part->count; k++) read_phrases(part->texts[k]);
    }
    limn_syntax_free(&s);
    free(text);
    return 0;
}
