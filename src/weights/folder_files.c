/* The files of one folder: each is opened once and kept. And what the folder is called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weights/folder.h"

/* ---- the folder's name ----------------------------------------------------------------------- */

/* The last component of a path that is a name, with "." and ".." resolved by the text alone: *start
 * and the returned length say where it is. 0 where the path has none left ("..", "/"). */
static size_t last_name(const char *path, size_t *start) {
    size_t end = strlen(path);
    int up = 0;
    for (;;) {
        while (end > 0 && path[end - 1] == '/') end--;
        size_t begin = end;
        while (begin > 0 && path[begin - 1] != '/') begin--;
        const size_t length = end - begin;
        if (length == 0) return 0;
        const bool dot = length == 1 && path[begin] == '.';
        const bool dots = length == 2 && path[begin] == '.' && path[begin + 1] == '.';
        if (!dot && !dots && up == 0) {
            *start = begin;
            return length;
        }
        if (dots) up++;
        if (!dot && !dots) up--;
        end = begin;
    }
}

/* A path like ".." gets its name from the working folder; the root of the file system is called
 * "model". */
char *limn_folder_name_of(const char *path) {
    size_t start = 0, length = last_name(path, &start);
    if (length > 0) return strndup(path + start, length);

    char here[LIMN_PATH_MOST], full[2 * LIMN_PATH_MOST];
    if (path[0] != '/' && strlen(path) < LIMN_PATH_MOST && getcwd(here, sizeof here) != NULL) {
        snprintf(full, sizeof full, "%s/%s", here, path);
        length = last_name(full, &start);
        if (length > 0) return strndup(full + start, length);
    }
    return strdup("model");
}

/* ---- files ----------------------------------------------------------------------------------- */

void limn_opened_forget(limn_opened *file) {
    limn_config_free(file->config);
    limn_tensors_free(file->tensors);
    limn_file_close(&file->bytes);
    file->config = NULL;
    file->tensors = NULL;
}

void limn_opened_release(limn_opened *file) {
    limn_opened_forget(file);
    limn_source_close(&file->source);
    free(file->relative);
    free(file->path);
}

bool limn_folder_on_disk(const limn_folder *f, const char *relative) {
    char path[LIMN_PATH_MOST];
    const int length = snprintf(path, sizeof path, "%s/%s", f->path, relative);
    return length > 0 && (size_t)length < sizeof path && limn_file_exists(path);
}

/* The place of a relative path among the opened files: where it is, or where it would go. */
static int place_of(const limn_folder *f, const char *relative, bool *there) {
    int low = 0, high = f->count;
    *there = false;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const int order = strcmp(f->files[middle].relative, relative);
        if (order == 0) *there = true;
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    return low;
}

/* Makes room for one more file. */
static bool grow(limn_folder *f) {
    if (f->count < f->room) return true;
    const int room = f->room * 2 + 16;
    limn_opened *files = realloc(f->files, (size_t)room * sizeof *files);
    if (files == NULL) return false;
    f->files = files;
    f->room = room;
    return true;
}

limn_opened *limn_folder_file(limn_folder *f, const char *relative, limn_status *status,
                              limn_error *err) {
    bool there;
    const int place = place_of(f, relative, &there);
    *status = LIMN_OK;
    if (there) return &f->files[place];

    limn_opened file = {.relative = strdup(relative), .path = limn_path_join(f->path, relative)};
    if (file.relative == NULL || file.path == NULL || !grow(f)) {
        *status =
            limn_fail(err, LIMN_E_MEMORY, "%s/%s: no memory to open the file", f->path, relative);
        limn_opened_release(&file);
        return NULL;
    }
    *status = limn_source_open(file.path, &file.source, err);
    if (*status == LIMN_E_IO && limn_file_is_folder(file.path)) /* a bad model, not a bad disk */
        *status = limn_fail(err, LIMN_E_INPUT, "%s is a folder; expected a file", file.path);
    if (*status != LIMN_OK) {
        limn_opened_release(&file);
        return NULL;
    }
    for (int i = f->count++; i > place; i--) f->files[i] = f->files[i - 1];
    f->files[place] = file;
    return &f->files[place];
}

limn_opened *limn_folder_file_whole(limn_folder *f, const char *relative, limn_status *status,
                                    limn_error *err) {
    limn_opened *file = limn_folder_file(f, relative, status, err);
    if (file == NULL || file->bytes.data != NULL) return file;
    *status = limn_source_all(&file->source, &file->bytes, err);
    return *status == LIMN_OK ? file : NULL;
}
