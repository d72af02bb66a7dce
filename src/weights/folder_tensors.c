/* The tensors of a component of a folder: one safetensors file, or several that an index names. */
#include <stdio.h>
#include <string.h>

#include "weights/folder.h"
#include "weights/json.h"
#include "weights/tensors.h"

/* Files that one index may name. */
#define SHARDS_MOST 200

/* The first name of the list that the component has, joined to it in path[LIMN_PATH_MOST]; false
 * where it has none of them. */
static bool first_there(const limn_folder *f, const char *component, const char *const *names,
                        char *path) {
    for (; *names != NULL; names++) {
        const char *slash = component[0] != '\0' ? "/" : "";
        const int length = snprintf(path, LIMN_PATH_MOST, "%s%s%s", component, slash, *names);
        if (length > 0 && length < LIMN_PATH_MOST && limn_folder_on_disk(f, path)) return true;
    }
    return false;
}

limn_status limn_refuse_pickle(const char *path, limn_error *err) {
    return limn_fail(err, LIMN_E_INPUT,
                     "%s: this is a Python pickle, which can run any program when it is read, so "
                     "limn never reads one; convert it to safetensors where you trust it "
                     "(save_pretrained(..., safe_serialization=True) in diffusers)",
                     path);
}

/* Says why a component without a safetensors file cannot be read. */
static limn_status say_why_none(const limn_folder *f, const char *component, limn_error *err) {
    static const char *const PICKLED[] = {"pytorch_model.bin",
                                          "diffusion_pytorch_model.bin",
                                          "pytorch_model.fp16.bin",
                                          "diffusion_pytorch_model.fp16.bin",
                                          "pytorch_model.bin.index.json",
                                          "diffusion_pytorch_model.bin.index.json",
                                          "model.bin",
                                          "model.pt",
                                          "model.ckpt",
                                          "pytorch_model.pt",
                                          "diffusion_pytorch_model.pt",
                                          "diffusion_pytorch_model.ckpt",
                                          NULL};
    char path[LIMN_PATH_MOST], full[2 * LIMN_PATH_MOST];
    if (first_there(f, component, PICKLED, path)) {
        snprintf(full, sizeof full, "%s/%s", f->path, path);
        return limn_refuse_pickle(full, err);
    }
    return limn_fail(err, LIMN_E_MISSING,
                     "%s/%s: there is neither model.safetensors nor "
                     "diffusion_pytorch_model.safetensors in this folder",
                     f->path, component);
}

/* Reads a safetensors file, once. */
static limn_status read_file(limn_folder *f, const char *relative, limn_opened **out,
                             limn_error *err) {
    limn_status status;
    limn_opened *file = limn_folder_file(f, relative, &status, err);
    if (file == NULL) return status;
    if (file->tensors == NULL) {
        status = limn_safetensors_read(&file->source, &file->tensors, err);
    }
    *out = file;
    return status;
}

/* ---- several files --------------------------------------------------------------------------- */

/* An index under way. */
typedef struct shards {
    limn_folder *folder;
    const char *component, *path; /* path: the index's own, as sentences name it */
    const limn_tensors *sets[SHARDS_MOST];
    const char *names[SHARDS_MOST];
    int count;
    limn_error *err;
} shards;

/* The tensors of the file that an index names; opened now if it is the first time. */
static limn_status get_shard(shards *s, const char *name, const limn_tensors **out) {
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->names[i], name) != 0) continue;
        *out = s->sets[i];
        return LIMN_OK;
    }
    if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\") != NULL ||
        s->count == SHARDS_MOST) {
        return limn_fail(s->err, LIMN_E_INPUT,
                         "%s: \"%.100s\" must be a file's name in this folder, one of at most %d",
                         s->path, name, SHARDS_MOST);
    }
    char relative[LIMN_PATH_MOST];
    limn_opened *file = NULL;
    snprintf(relative, sizeof relative, "%.2000s%s%.1000s", s->component,
             s->component[0] != '\0' ? "/" : "", name);
    limn_status status = read_file(s->folder, relative, &file, s->err);
    if (status == LIMN_E_MISSING) {
        return limn_fail(s->err, LIMN_E_MISSING, "%s: it names \"%.200s\", which is not there",
                         s->path, name);
    }
    if (status != LIMN_OK) return status;
    s->names[s->count] = name;
    s->sets[s->count++] = *out = file->tensors;
    return LIMN_OK;
}

/* Puts the tensors of all files that the map names together. */
static limn_status join_shards(shards *s, json_t *map, limn_tensors **out) {
    limn_gather all = {0};
    limn_status status = LIMN_OK;
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        const limn_tensors *set = NULL;
        const limn_tensor *t = NULL;
        const char *file = json_string_value(value);
        if (status == LIMN_OK && file == NULL)
            status = limn_fail(s->err, LIMN_E_INPUT, "%s: weight_map: \"%.200s\" has no file",
                               s->path, name);
        if (status == LIMN_OK) status = get_shard(s, file, &set);
        if (status == LIMN_OK && (t = limn_tensors_find(set, name)) == NULL)
            status = limn_fail(s->err, LIMN_E_INPUT,
                               "%s: tensor \"%.200s\" should be in %.200s, but is not there",
                               s->path, name, file);
        if (status == LIMN_OK) status = limn_gather_add(&all, t, name, s->err);
    }
    if (status == LIMN_OK) status = limn_gather_finish(&all, s->path, out, s->err);
    limn_gather_free(&all);
    return status;
}

/* Reads an index, {"weight_map": {TENSOR: FILE, ...}}, and its files. */
static limn_status read_index(limn_folder *f, const char *component, const char *relative,
                              limn_error *err) {
    limn_status status;
    const limn_opened *file = limn_folder_file_whole(f, relative, &status, err);
    if (file == NULL || file->tensors != NULL) return status;
    shards s = {.folder = f, .component = component, .path = file->path, .err = err};
    json_t *index;
    status = limn_json_read(file->bytes.data, file->bytes.size, s.path, "the file", &index, err);
    if (status != LIMN_OK) return status;
    json_t *map = json_object_get(index, "weight_map");
    limn_tensors *all = NULL;
    if (!json_is_object(map) || json_object_size(map) == 0)
        status = limn_fail(err, LIMN_E_INPUT,
                           "%s: \"weight_map\" must be an object that says which tensor is in "
                           "which file",
                           s.path);
    if (status == LIMN_OK) status = join_shards(&s, map, &all);
    json_decref(index);
    limn_status again;
    if (status == LIMN_OK) limn_folder_file(f, relative, &again, err)->tensors = all;
    return status;
}

limn_status limn_folder_component(limn_folder *f, const char *component, const limn_tensors **out,
                                  limn_error *err) {
    static const char *const WHOLE[] = {"model.safetensors", "diffusion_pytorch_model.safetensors",
                                        NULL};
    static const char *const SHARDED[] = {"model.safetensors.index.json",
                                          "diffusion_pytorch_model.safetensors.index.json", NULL};
    static const char *const HALVES[] = {"model.fp16.safetensors",
                                         "diffusion_pytorch_model.fp16.safetensors", NULL};
    static const char *const SHARDED_HALVES[] = {
        "model.safetensors.index.fp16.json", "diffusion_pytorch_model.safetensors.index.fp16.json",
        "model.fp16.safetensors.index.json", "diffusion_pytorch_model.fp16.safetensors.index.json",
        NULL};
    char relative[LIMN_PATH_MOST];
    limn_opened *file = NULL;
    limn_status status;
    if (first_there(f, component, WHOLE, relative)) {
        status = read_file(f, relative, &file, err);
    } else if (first_there(f, component, SHARDED, relative)) {
        status = read_index(f, component, relative, err);
    } else if (first_there(f, component, HALVES, relative)) {
        status = read_file(f, relative, &file, err);
    } else if (first_there(f, component, SHARDED_HALVES, relative)) {
        status = read_index(f, component, relative, err);
    } else {
        return say_why_none(f, component, err);
    }
    if (status == LIMN_OK) file = limn_folder_file(f, relative, &status, err);
    if (status != LIMN_OK) return status;
    file->counted = true;
    *out = file->tensors;
    return LIMN_OK;
}
