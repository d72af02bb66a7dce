/* Fuzz targets: each fuzz_NAME.c gives bytes of libFuzzer's choice to one reader of strangers'
 * files, and checks what the reader promises of what it accepts. `make fuzz` searches with clang's
 * libFuzzer; `make test` replays corpus/NAME with any compiler (replay.c). */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The input as a safetensors file whose header's length fits, which a search would seldom guess: up
 * to the last brace. From malloc; NULL where there is none. */
static inline uint8_t *fuzz_mended(const uint8_t *data, size_t size) {
    size_t end = size;
    while (end > 8 && data[end - 1] != '}') end--;
    if (end <= 8) return NULL;
    uint8_t *mended = malloc(size);
    fuzz_must(mended != NULL);
    memcpy(mended, data, size);
    for (int i = 0; i < 8; i++) mended[i] = (uint8_t)((uint64_t)(end - 8) >> 8 * i);
    return mended;
}

/* Reads a safetensors file twice: as it came, and mended. */
static inline void fuzz_both(void (*read)(const uint8_t *data, size_t size), const uint8_t *data,
                             size_t size) {
    read(data, size);
    uint8_t *mended = fuzz_mended(data, size);
    if (mended) read(mended, size);
    free(mended);
}

/* A folder with the input as its only file, for readers that take a path. */
typedef struct fuzz_folder {
    char path[40], file[80];
} fuzz_folder;

/* Makes one, of a new name, in memory where the system has a place for that. */
static inline fuzz_folder fuzz_folder_make(const char *name, const uint8_t *data, size_t size) {
    fuzz_folder f = {.path = "/dev/shm/limn-fuzz-XXXXXX"};
    if (!mkdtemp(f.path)) strcpy(f.path, "/tmp/limn-fuzz-XXXXXX");
    fuzz_must(f.path[1] == 'd' || mkdtemp(f.path) != NULL);
    snprintf(f.file, sizeof f.file, "%s/%s", f.path, name);
    FILE *to = fopen(f.file, "wb");
    fuzz_must(to != NULL && fwrite(data, 1, size, to) == size && fclose(to) == 0);
    return f;
}

/* Removes it. */
static inline void fuzz_folder_remove(const fuzz_folder *f) {
    unlink(f->file);
    rmdir(f->path);
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
