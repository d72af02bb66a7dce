/* Model folders in diffusers' layout: opening files once, keeping them, and the model's hash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "weights/weights.h"

#define INDEX     "model_index.json"
#define PATH_MOST 4096 /* with its NUL; no system opens longer ones */

/* One file that was opened. */
typedef struct opened {
    char *relative;
    char *path; /* as sentences name it */
    limn_source source;
    limn_bytes bytes;      /* empty until it was read whole */
    limn_config *config;   /* NULL until it was read as one */
    limn_tensors *tensors; /* likewise */
    char hex[65];          /* "" until it was hashed */
} opened;

struct limn_folder {
    char *path; /* without slashes at its end */
    char *name;
    opened *files; /* [count], sorted by relative path; has room for `room` */
    int count, room;
};

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

/* The name of the folder at `path`, malloc'd; NULL where memory ran out. A path like ".." gets its
 * name from the working folder; the root of the file system is called "model". */
static char *name_of(const char *path) {
    size_t start = 0, length = last_name(path, &start);
    if (length > 0) return strndup(path + start, length);

    char here[PATH_MOST], full[2 * PATH_MOST];
    if (path[0] != '/' && strlen(path) < PATH_MOST && getcwd(here, sizeof here) != NULL) {
        snprintf(full, sizeof full, "%s/%s", here, path);
        length = last_name(full, &start);
        if (length > 0) return strndup(full + start, length);
    }
    return strdup("model");
}

const char *limn_folder_name(const limn_folder *f) {
    return f->name;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Refuses what is not a model folder, with a sentence about what it is instead. */
static limn_status check_folder(const limn_folder *f, limn_error *err) {
    if (!limn_file_exists(f->path)) {
        return limn_fail(err, LIMN_E_MISSING, "%s: there is no such model folder", f->path);
    }
    if (!limn_file_is_folder(f->path)) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: this is a file; expected a model folder in diffusers' layout, with "
                         "a " INDEX " in it",
                         f->path);
    }
    if (limn_folder_has(f, INDEX)) return LIMN_OK;
    if (limn_folder_has(f, "config.json")) {
        return limn_fail(err, LIMN_E_MISSING,
                         "%s: this is one component of a model (config.json, but no " INDEX
                         "); expected the folder above it",
                         f->path);
    }
    return limn_fail(err, LIMN_E_MISSING,
                     "%s: there is no " INDEX " in this folder; expected a model folder in "
                     "diffusers' layout (" INDEX ", tokenizer, text_encoder, unet, vae, scheduler)",
                     f->path);
}

limn_status limn_folder_open(const char *path, limn_folder **out, limn_error *err) {
    *out = NULL;
    if (path[0] == '\0') {
        return limn_fail(err, LIMN_E_MISSING, "the path of the model folder is empty");
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;

    limn_folder *f = calloc(1, sizeof *f);
    if (f == NULL) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open the folder", path);
    f->path = strndup(path, length);
    f->name = name_of(path);
    if (f->path == NULL || f->name == NULL) {
        limn_folder_close(f);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open the folder", path);
    }
    const limn_config *index;
    limn_status status = check_folder(f, err);
    if (status == LIMN_OK) status = limn_folder_config(f, INDEX, &index, err);
    if (status != LIMN_OK) {
        limn_folder_close(f);
        return status;
    }
    *out = f;
    return LIMN_OK;
}

static void release(opened *file) {
    limn_config_free(file->config);
    limn_tensors_free(file->tensors);
    limn_file_close(&file->bytes);
    limn_source_close(&file->source);
    free(file->relative);
    free(file->path);
}

void limn_folder_close(limn_folder *f) {
    if (f == NULL) return;
    for (int i = 0; i < f->count; i++) release(&f->files[i]);
    free(f->files);
    free(f->path);
    free(f->name);
    free(f);
}

bool limn_folder_has(const limn_folder *f, const char *relative) {
    char path[PATH_MOST];
    const int length = snprintf(path, sizeof path, "%s/%s", f->path, relative);
    return length > 0 && (size_t)length < sizeof path && limn_file_exists(path);
}

/* ---- files ----------------------------------------------------------------------------------- */

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
    opened *files = realloc(f->files, (size_t)room * sizeof *files);
    if (files == NULL) return false;
    f->files = files;
    f->room = room;
    return true;
}

/* The opened file of a relative path, opened now if it was not; the pointer is good until the next
 * call. NULL after a failure, whose kind is then in *status. */
static opened *get_file(limn_folder *f, const char *relative, limn_status *status,
                        limn_error *err) {
    bool there;
    const int place = place_of(f, relative, &there);
    *status = LIMN_OK;
    if (there) return &f->files[place];

    opened file = {.relative = strdup(relative), .path = limn_path_join(f->path, relative)};
    if (file.relative == NULL || file.path == NULL || !grow(f)) {
        *status =
            limn_fail(err, LIMN_E_MEMORY, "%s/%s: no memory to open the file", f->path, relative);
        release(&file);
        return NULL;
    }
    *status = limn_source_open(file.path, &file.source, err);
    if (*status == LIMN_E_IO && limn_file_is_folder(file.path)) /* a bad model, not a bad disk */
        *status = limn_fail(err, LIMN_E_INPUT, "%s is a folder; expected a file", file.path);
    if (*status != LIMN_OK) {
        release(&file);
        return NULL;
    }
    for (int i = f->count++; i > place; i--) f->files[i] = f->files[i - 1];
    f->files[place] = file;
    return &f->files[place];
}

/* The same, with its bytes in memory. */
static opened *get_bytes(limn_folder *f, const char *relative, limn_status *status,
                         limn_error *err) {
    opened *file = get_file(f, relative, status, err);
    if (file == NULL || file->bytes.data != NULL) return file;
    *status = limn_source_all(&file->source, &file->bytes, err);
    return *status == LIMN_OK ? file : NULL;
}

limn_status limn_folder_bytes(limn_folder *f, const char *relative, limn_bytes *view,
                              limn_error *err) {
    limn_status status;
    const opened *file = get_bytes(f, relative, &status, err);
    if (file == NULL) return status;
    *view = (limn_bytes){.data = file->bytes.data, .size = file->bytes.size};
    return LIMN_OK;
}

limn_status limn_folder_config(limn_folder *f, const char *relative, const limn_config **out,
                               limn_error *err) {
    limn_status status;
    opened *file = get_bytes(f, relative, &status, err);
    if (file == NULL) return status;
    if (file->config == NULL) {
        status =
            limn_config_read(file->bytes.data, file->bytes.size, file->path, &file->config, err);
    }
    if (status != LIMN_OK) return status;
    *out = file->config;
    return LIMN_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* The first name of the list that the component has, joined to it in path[PATH_MOST]; false where
 * it has none of them. */
static bool first_there(const limn_folder *f, const char *component, const char *const *names,
                        char *path) {
    for (; *names != NULL; names++) {
        const char *slash = component[0] != '\0' ? "/" : "";
        const int length = snprintf(path, PATH_MOST, "%s%s%s", component, slash, *names);
        if (length > 0 && length < PATH_MOST && limn_folder_has(f, path)) return true;
    }
    return false;
}

/* Says why a component without a safetensors file cannot be read. */
static limn_status say_why_none(const limn_folder *f, const char *component, limn_error *err) {
    static const char *const SHARDED[] = {"model.safetensors.index.json",
                                          "diffusion_pytorch_model.safetensors.index.json", NULL};
    static const char *const PICKLED[] = {"pytorch_model.bin",
                                          "diffusion_pytorch_model.bin",
                                          "pytorch_model.fp16.bin",
                                          "diffusion_pytorch_model.fp16.bin",
                                          "model.bin",
                                          "model.pt",
                                          "model.ckpt",
                                          "pytorch_model.pt",
                                          "diffusion_pytorch_model.pt",
                                          "diffusion_pytorch_model.ckpt",
                                          NULL};
    char path[PATH_MOST];
    if (first_there(f, component, SHARDED, path)) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s/%s: these weights are split over several files, which limn does not "
                         "read; save them as one safetensors file (max_shard_size in diffusers)",
                         f->path, path);
    }
    if (first_there(f, component, PICKLED, path)) {
        return limn_fail(err, LIMN_E_INPUT,
                         "%s/%s: this is a Python pickle, which can run any program when it is "
                         "read, so limn never reads one; convert it to safetensors "
                         "(save_pretrained(..., safe_serialization=True) in diffusers)",
                         f->path, path);
    }
    return limn_fail(err, LIMN_E_MISSING,
                     "%s/%s: there is neither model.safetensors nor "
                     "diffusion_pytorch_model.safetensors in this folder",
                     f->path, component);
}

limn_status limn_folder_tensors(limn_folder *f, const char *component, const limn_tensors **out,
                                limn_error *err) {
    static const char *const NAMES[] = {"model.safetensors", "diffusion_pytorch_model.safetensors",
                                        "model.fp16.safetensors",
                                        "diffusion_pytorch_model.fp16.safetensors", NULL};
    char relative[PATH_MOST];
    if (!first_there(f, component, NAMES, relative)) return say_why_none(f, component, err);

    limn_status status;
    opened *file = get_file(f, relative, &status, err);
    if (file == NULL) return status;
    if (file->tensors == NULL) {
        status = limn_safetensors_read(&file->source, &file->tensors, err);
    }
    if (status != LIMN_OK) return status;
    *out = file->tensors;
    return LIMN_OK;
}

uint64_t limn_folder_parameters(const limn_folder *f) {
    uint64_t sum = 0;
    for (int i = 0; i < f->count; i++) {
        const limn_tensors *t = f->files[i].tensors;
        for (size_t j = 0; t != NULL && j < limn_tensors_count(t); j++) {
            const limn_tensor *tensor = limn_tensors_at(t, j);
            if (limn_dtype_is_float(tensor->dtype)) sum += tensor->count;
        }
    }
    return sum;
}

/* ---- the hash -------------------------------------------------------------------------------- */

int limn_folder_file_count(const limn_folder *f) {
    return f->count;
}

limn_status limn_folder_hash_file(limn_folder *f, int i, limn_error *err) {
    opened *file = &f->files[i];
    if (file->bytes.data != NULL) {
        limn_sha256_of(file->bytes.data, file->bytes.size, file->hex);
        return LIMN_OK;
    }
    return limn_sha256_source(&file->source, 0, file->hex, err);
}

limn_status limn_folder_check(const limn_folder *f, limn_error *err) {
    limn_status status = LIMN_OK;
    for (int i = 0; i < f->count && status == LIMN_OK; i++)
        status = limn_source_check(&f->files[i].source, err);
    return status;
}

limn_status limn_folder_hash(limn_folder *f, char hex[65], limn_error *err) {
    limn_sha256 text;
    limn_sha256_start(&text);
    for (int i = 0; i < f->count; i++) {
        const opened *file = &f->files[i];
        limn_status status = LIMN_OK;
        if (file->hex[0] == '\0') status = limn_folder_hash_file(f, i, err);
        if (status != LIMN_OK) return status;
        limn_sha256_add(&text, file->hex, 64);
        limn_sha256_add(&text, "  ", 2);
        limn_sha256_add(&text, file->relative, strlen(file->relative));
        limn_sha256_add(&text, "\n", 1);
    }
    limn_sha256_end(&text, hex);
    return LIMN_OK;
}
