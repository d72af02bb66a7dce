/* A TAESD outside of a model's folder. */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "decode/taesd.h"

/* The file in the folder that has the tensors; the caller frees it. */
static limn_status find_tensors(const char *folder, char **out, limn_error *err) {
    static const char *const names[] = {
        "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors",
        "model.safetensors", "taesd_decoder.safetensors", "taesdxl_decoder.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *out = limn_path_join(folder, names[i]);
        if (!*out) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open TAESD", folder);
        if (limn_file_exists(*out)) return LIMN_OK;
        free(*out);
    }
    *out = NULL;
    return limn_fail(err, LIMN_E_MISSING,
                     "%s: there is neither %s nor %s in this folder; expected a TAESD", folder,
                     names[0], names[3]);
}

/* config.json, where the folder has one. */
static limn_status open_config(const char *folder, limn_config **out, limn_error *err) {
    limn_bytes bytes = {0};
    char *path = limn_path_join(folder, "config.json");
    limn_status status = LIMN_OK;
    if (!path) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open TAESD", folder);
    if (limn_file_exists(path)) {
        status = limn_file_open(path, &bytes, err);
        if (status == LIMN_OK) status = limn_config_read(bytes.data, bytes.size, path, out, err);
        limn_file_close(&bytes);
    }
    free(path);
    return status;
}

/* The last component of a path, without the slashes behind it. */
static void name_of(const char *path, char *out, size_t room) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    if (end - begin >= room) begin = end - room + 1;
    memcpy(out, path + begin, end - begin);
    out[end - begin] = '\0';
}

limn_status limn_taesd_files_open(const char *path, limn_taesd_files *out, limn_error *err) {
    *out = (limn_taesd_files){.config = NULL};
    char *inner = NULL;
    limn_status status = LIMN_OK;
    if (!limn_file_exists(path))
        return limn_fail(err, LIMN_E_MISSING, "%s: there is no such TAESD", path);
    name_of(path, out->name, sizeof out->name);
    if (limn_file_is_folder(path)) {
        status = open_config(path, &out->config, err);
        if (status == LIMN_OK) status = find_tensors(path, &inner, err);
    }
    const char *file = inner ? inner : path;
    if (status == LIMN_OK) status = limn_file_open(file, &out->bytes, err);
    const limn_source source = limn_source_of(file, out->bytes.data, out->bytes.size);
    if (status == LIMN_OK) status = limn_safetensors_read(&source, &out->tensors, err);
    if (status == LIMN_OK) limn_sha256_of(out->bytes.data, out->bytes.size, out->sha256);
    free(inner);
    return status;
}

void limn_taesd_files_close(limn_taesd_files *files) {
    limn_tensors_free(files->tensors);
    limn_config_free(files->config);
    limn_file_close(&files->bytes);
    *files = (limn_taesd_files){.config = NULL};
}
