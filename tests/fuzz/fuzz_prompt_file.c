/* A prompt file: bad lines carry their sentence, and no line spoils another. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "prompt/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_prompt_file file;
    const limn_request base = {.prompt = "a {x} b", .negative = "n", .steps = 3, .width = 64};
    const limn_status status =
        limn_prompt_file_read("x.txt", (const char *)data, size, &base, size & 1, &file, &err);
    fuzz_told(status, &err);
    size_t failed = 0;
    for (size_t i = 0; i < file.count; i++) {
        const limn_prompt_line *line = &file.lines[i];
        fuzz_must(line->source && line->request.prompt && line->request.negative);
        fuzz_must(line->line >= 1 && line->pictures >= 0);
        fuzz_must(i == 0 || line->line > line[-1].line);
        if (!line->error) continue;
        failed++;
        fuzz_must(line->error->text[0] != '\0' && strncmp(line->error->text, "x.txt:", 6) == 0);
    }
    fuzz_must(failed == file.failed);
    limn_prompt_file_free(&file);
    return 0;
}
