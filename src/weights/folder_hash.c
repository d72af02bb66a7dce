/* A model's hash, over every file that was read, and whether they are still what they were. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "weights/folder.h"

/* What the hash's text calls a model that is one file, whatever its name is. */
#define SINGLE_NAME "model"

int limn_folder_file_count(const limn_folder *f) {
    int count = f->count;
    for (int i = 0; i < f->aside_count; i++)
        if (f->asides[i].owned) count += f->asides[i].folder->count;
    return count;
}

/* The i-th of all opened files; *aside becomes where it comes from, NULL for the folder itself. */
static limn_opened *file_at(const limn_folder *f, int i, const limn_aside **aside) {
    *aside = NULL;
    if (i < f->count) return &f->files[i];
    i -= f->count;
    for (int k = 0; k < f->aside_count; k++) {
        *aside = &f->asides[k];
        if (!(*aside)->owned) continue;
        if (i < (*aside)->folder->count) return &(*aside)->folder->files[i];
        i -= (*aside)->folder->count;
    }
    return NULL;
}

/* Hashes what was read of a file: the bytes in memory, else all of it anew. */
static limn_status hash_opened(limn_opened *file, const atomic_bool *stop, limn_error *err) {
    if (file->bytes.data == NULL)
        return limn_sha256_source_unless(stop, &file->source, 0, file->hex, err);
    limn_sha256_of(file->bytes.data, file->bytes.size, file->hex);
    return LIMN_OK;
}

limn_status limn_folder_hash_file(limn_folder *f, int i, const atomic_bool *stop, limn_error *err) {
    const limn_aside *aside;
    limn_opened *file = file_at(f, i, &aside);
    return file->hex[0] == '\0' ? hash_opened(file, stop, err) : LIMN_OK;
}

static void forget_single(limn_folder *f) {
    limn_single_close(f->single);
    f->single = NULL;
}

void limn_folder_forget(limn_folder *f) {
    forget_single(f);
    for (int i = 0; i < f->aside_count; i++)
        if (f->asides[i].owned) forget_single(f->asides[i].folder);
    for (int i = 0; i < limn_folder_file_count(f); i++) {
        const limn_aside *aside;
        limn_opened *file = file_at(f, i, &aside);
        if (file->bytes.data != NULL) hash_opened(file, NULL, NULL); /* cannot fail */
        limn_opened_forget(file);
    }
}

limn_status limn_folder_check(const limn_folder *f, limn_error *err) {
    limn_status status = LIMN_OK;
    for (int i = 0; i < limn_folder_file_count(f) && status == LIMN_OK; i++) {
        const limn_aside *aside;
        status = limn_source_check(&file_at(f, i, &aside)->source, err);
    }
    return status;
}

limn_status limn_folder_state(const limn_folder *f, char hex[65], bool *settled, limn_error *err) {
    limn_sha256 all;
    limn_sha256_start(&all);
    *settled = true;
    for (int i = 0; i < limn_folder_file_count(f); i++) {
        const limn_aside *aside;
        const limn_opened *file = file_at(f, i, &aside);
        limn_file_state state;
        const limn_status status = limn_source_state(&file->source, &state, err);
        if (status != LIMN_OK) return status;
        char line[200];
        const int length = snprintf(
            line, sizeof line, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s/",
            state.device, state.inode, state.size, state.changed_ns, state.recorded_ns,
            aside ? aside->component : "");
        limn_sha256_add(&all, line, (size_t)length);
        limn_sha256_add(&all, file->relative, strlen(file->relative) + 1);
        *settled = *settled && state.settled;
    }
    limn_sha256_end(&all, hex);
    return LIMN_OK;
}

/* One line of the text: "HASH  folder/rest\n". */
typedef struct line {
    const char *hex, *folder, *rest;
} line;

/* A line's place in the order of bytes of "folder/rest". */
static int by_name(const void *a, const void *b) {
    char names[2][LIMN_PATH_MOST];
    for (int i = 0; i < 2; i++) {
        const line *l = i == 0 ? a : b;
        snprintf(names[i], sizeof names[i], "%s%s%s", l->folder,
                 l->folder[0] != '\0' && l->rest[0] != '\0' ? "/" : "", l->rest);
    }
    return strcmp(names[0], names[1]);
}

/* What a file is called: as if it lay where it stands for, and whatever a single file's name is.
 * One folder may stand for two components; `aside` is the first. */
static line line_of(const limn_folder *f, const limn_opened *file, const limn_aside *aside) {
    const char *rest = file->relative;
    if (aside == NULL) return (line){file->hex, "", rest[0] != '\0' ? rest : SINGLE_NAME};
    for (const limn_aside *a = aside; a < f->asides + f->aside_count; a++) {
        const size_t length = strlen(a->inside);
        if (a->folder == aside->folder && length > 0 && strncmp(rest, a->inside, length) == 0 &&
            rest[length] == '/')
            return (line){file->hex, a->component, rest + length + 1};
    }
    return (line){file->hex, aside->component, rest};
}

limn_status limn_folder_hash(limn_folder *f, char hex[65], limn_error *err) {
    const int count = limn_folder_file_count(f);
    for (int i = 0; i < count; i++) {
        const limn_status status = limn_folder_hash_file(f, i, NULL, err);
        if (status != LIMN_OK) return status;
    }
    if (f->alone && count == 1) {
        memcpy(hex, f->files[0].hex, 65);
        return LIMN_OK;
    }
    line *lines = calloc((unsigned)count, sizeof *lines);
    if (lines == NULL) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to hash it", f->path);
    for (int i = 0; i < count; i++) {
        const limn_aside *aside;
        const limn_opened *file = file_at(f, i, &aside);
        lines[i] = line_of(f, file, aside);
    }
    qsort(lines, (size_t)count, sizeof *lines, by_name);
    limn_sha256 text;
    limn_sha256_start(&text);
    for (int i = 0; i < count; i++) {
        const line *l = &lines[i];
        limn_sha256_add(&text, l->hex, 64);
        limn_sha256_add(&text, "  ", 2);
        limn_sha256_add(&text, l->folder, strlen(l->folder));
        if (l->folder[0] != '\0' && l->rest[0] != '\0') limn_sha256_add(&text, "/", 1);
        limn_sha256_add(&text, l->rest, strlen(l->rest));
        limn_sha256_add(&text, "\n", 1);
    }
    limn_sha256_end(&text, hex);
    free(lines);
    return LIMN_OK;
}
