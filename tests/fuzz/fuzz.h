/* Fuzz targets: each fuzz_NAME.c gives bytes of libFuzzer's choice to one reader of strangers'
 * files, and checks what the reader promises of what it accepts. `make fuzz` searches with clang's
 * libFuzzer; `make test` replays corpus/NAME with any compiler (replay.c). */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "weights/weights.h"

/* One input. 0 always. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process where a promise is broken, which is how libFuzzer learns of it. */
static inline void fuzz_must(bool holds) {
    if (!holds) abort();
}

/* A fault must come with its sentence, and success without one being needed. */
static inline void fuzz_told(limn_status status, const limn_error *err) {
    fuzz_must(status == LIMN_OK || (err->status == status && err->text[0] != '\0'));
}

/* Cuts the input at its NULs into `count` parts, for readers of several texts; parts that are not
 * there are empty, and the last is all that is left. */
static inline void fuzz_cut(const uint8_t *data, size_t size, limn_bytes *parts, int count) {
    for (int i = 0; i < count; i++) {
        size_t length = 0;
        while (length < size && (data[length] != 0 || i == count - 1)) length++;
        parts[i] = (limn_bytes){data, length};
        const size_t step = length < size ? length + 1 : length;
        data += step;
        size -= step;
    }
}

/* The input as a C string from malloc; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    fuzz_must(text != NULL);
    for (size_t i = 0; i < size; i++) text[i] = (char)data[i];
    text[size] = '\0';
    return text;
}

/* Reads numbers at the beginning and at the end of each of a set's tensors. */
static inline void fuzz_tensors(const limn_tensors *t) {
    enum { COUNT = 70 };
    float numbers[COUNT];
    for (size_t i = 0; i < limn_tensors_count(t); i++) {
        limn_error err;
        const limn_tensor *one = limn_tensors_at(t, i);
        const uint64_t count = one->count < COUNT ? one->count : COUNT;
        fuzz_must(limn_tensors_find(t, one->name) != NULL);
        fuzz_must(limn_tensor_read(one, 0, count, numbers, &err) == LIMN_OK);
        fuzz_must(limn_tensor_read(one, one->count - count, count, numbers, &err) == LIMN_OK);
        fuzz_must(limn_tensor_read(one, one->count, 1, numbers, &err) == LIMN_E_INPUT);
    }
}

#endif
