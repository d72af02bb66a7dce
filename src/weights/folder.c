/* Model folders, single files that stand for one, and components that come from elsewhere. */
#include "weights/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *limn_folder_name(const limn_folder *f) {
    return f->name;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What a component's folder is, by its config.json; NULL where that does not tell. */
static const limn_kind *kind_of_component(limn_folder *f) {
    const limn_config *c;
    const char *name = NULL;
    if (limn_folder_config(f, "config.json", &c, NULL) != LIMN_OK) return NULL;
    limn_config_text(c, "_class_name", NULL, &name, NULL);
    if (name == NULL && limn_config_has(c, "hidden_act")) name = "CLIPTextModel";
    return name != NULL ? limn_kind_of_class(name) : NULL;
}

/* Refuses what is not a model folder, with a sentence about what it is instead. */
static limn_status check_folder(limn_folder *f, limn_error *err) {
    if (limn_folder_on_disk(f, LIMN_INDEX)) return LIMN_OK;
    if (limn_folder_on_disk(f, "adapter_config.json"))
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: this is the folder of a LoRA; --lora takes the safetensors file in "
                         "it, beside a model",
                         f->path);
    if (limn_folder_on_disk(f, "config.json")) {
        const limn_kind *kind = kind_of_component(f);
        if (kind != NULL) return limn_kind_refuse(kind, f->path, err);
        return limn_fail(err, LIMN_E_MISSING,
                         "%s: this is one component of a model (config.json, but no " LIMN_INDEX
                         "); expected the folder above it",
                         f->path);
    }
    return limn_fail(err, LIMN_E_MISSING,
                     "%s: there is no " LIMN_INDEX " in this folder; expected a model folder in "
                     "diffusers' layout (" LIMN_INDEX
                     ", tokenizer, text_encoder, unet, vae, scheduler)",
                     f->path);
}

/* Whether a file is one of Python's pickles, alone or in a zip as PyTorch writes them. */
static bool is_pickle(const uint8_t start[4]) {
    return memcmp(start, "PK\3\4", 4) == 0 || (start[0] == 0x80 && start[1] >= 2 && start[1] <= 5);
}

/* Takes the endings off that models in one file have. */
static void cut_ending(char *name) {
    static const char *const endings[] = {".safetensors", ".sft", ".gguf"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t length = strlen(name), ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            name[length - ending] = '\0';
    }
}

/* Opens a model, or a part of one, that is in a single file. */
static limn_status open_single(limn_folder *f, limn_error *err) {
    f->files = calloc(1, sizeof *f->files);
    if (f->files == NULL) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open it", f->path);
    f->room = 1;
    f->alone = true;
    limn_opened *file = f->files;
    *file = (limn_opened){.relative = strdup(""), .path = strdup(f->path)};
    f->count = 1;
    if (file->relative == NULL || file->path == NULL)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open it", f->path);
    uint8_t start[4] = {0};
    limn_status status = limn_source_open(file->path, &file->source, err);
    if (status == LIMN_OK && file->source.size >= sizeof start)
        status = limn_source_read(&file->source, 0, sizeof start, start, err);
    if (status != LIMN_OK) return status;
    if (is_pickle(start)) return limn_refuse_pickle(f->path, err);
    f->gguf = limn_gguf_is(start, sizeof start);
    status = (f->gguf ? limn_gguf_read : limn_safetensors_read)(&file->source, &file->tensors, err);
    if (status != LIMN_OK) return status;
    cut_ending(f->name);
    return limn_single_open(file->tensors, f->name, f->path, &f->single, err);
}

limn_status limn_folder_open_any(const char *path, limn_folder **out, limn_error *err) {
    *out = NULL;
    if (path[0] == '\0') {
        return limn_fail(err, LIMN_E_MISSING, "the path of the model folder is empty");
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;

    limn_folder *f = calloc(1, sizeof *f);
    if (f == NULL) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open the folder", path);
    f->path = strndup(path, length);
    f->name = limn_folder_name_of(path);
    limn_status status = LIMN_OK;
    if (f->path == NULL || f->name == NULL)
        status = limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open the folder", path);
    else if (!limn_file_exists(f->path))
        status = limn_fail(err, LIMN_E_MISSING, "%s: there is no such model folder or file", path);
    else if (!limn_file_is_folder(f->path))
        status = open_single(f, err);
    if (status != LIMN_OK) {
        limn_folder_close(f);
        return status;
    }
    *out = f;
    return LIMN_OK;
}

const limn_kind *limn_folder_kind(const limn_folder *f) {
    if (f->single == NULL) return NULL;
    const limn_single *s = f->single;
    const limn_kind *kind = limn_kind_of(f->files[0].tensors);
    if (kind == NULL && s->parts[LIMN_PART_UNET] != NULL)
        return limn_kind_of_unet(s->parts[LIMN_PART_UNET]);
    int parts = 0;
    limn_part last = LIMN_PARTS;
    for (int i = 0; i < LIMN_PARTS; i++) {
        if (s->parts[i] == NULL) continue;
        parts++;
        last = (limn_part)i;
    }
    return kind != NULL || parts != 1 ? kind : limn_kind_of_part(last);
}

/* A single file must hold a U-Net: the rest can come from elsewhere. */
static limn_status check_single(const limn_folder *f, limn_error *err) {
    const limn_single *s = f->single;
    const limn_tensors *all = f->files[0].tensors;
    const char *kind = limn_tensors_note(all, "general.architecture");
    const limn_kind *other = limn_folder_kind(f);
    int parts = 0;
    if (other != NULL) return limn_kind_refuse(other, f->path, err);
    if (s->parts[LIMN_PART_UNET] != NULL) return LIMN_OK;
    for (int i = 0; i < LIMN_PARTS; i++) parts += s->parts[i] != NULL;
    if (parts > 0)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: this file holds no U-Net, only %d other parts of a model; expected a "
                         "whole model, or at least a U-Net",
                         f->path, parts);
    return limn_fail(
        err, LIMN_E_INPUT,
        "%s: this is no model that limn knows: of its %zu tensors (\"%.100s\"...) none "
        "is named like a part of Stable Diffusion%s%.50s",
        f->path, limn_tensors_count(all),
        limn_tensors_count(all) > 0 ? limn_tensors_at(all, 0)->name : "",
        kind != NULL ? "; its architecture is " : "", kind != NULL ? kind : "");
}

/* ---- components from elsewhere --------------------------------------------------------------- */

/* What each component is recognised by in a folder. */
static const char *sign_of(const char *component) {
    return strncmp(component, "tokenizer", 9) == 0 ? "vocab.json" : "config.json";
}

/* Whether a folder is the component itself: by what its configuration has, of a tokenizer by its
 * vocabulary. */
static bool is_itself(limn_folder *from, const char *component) {
    const bool tokenizer = strncmp(component, "tokenizer", 9) == 0;
    const char *key = strcmp(component, "vae") == 0 ? "latent_channels" : "hidden_size";
    const limn_config *c;
    if (from->single != NULL || !limn_folder_on_disk(from, sign_of(component))) return false;
    return tokenizer || (limn_folder_config(from, "config.json", &c, NULL) == LIMN_OK &&
                         limn_config_has(c, key));
}

/* What a component is called in the folder or file that it comes from: by one of its names, or ""
 * for the folder itself; NULL where it is not there. `names` ends in NULL. */
static const char *find_inside(limn_folder *from, const char *component, const char *const *names) {
    char path[80];
    for (; *names != NULL; names++) {
        const limn_part part = limn_part_find(*names);
        if (from->single != NULL && part < LIMN_PARTS) {
            if (from->single->parts[part] != NULL) return *names;
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", *names, sign_of(component));
        if (limn_folder_has(from, path)) return *names;
    }
    return is_itself(from, component) ? "" : NULL;
}

/* Takes a component from `from`, if it is there under one of the names. */
static bool take_aside(limn_folder *f, const char *component, const char *const *names,
                       limn_folder *from, bool owned) {
    const char *inside = find_inside(from, component, names);
    if (inside == NULL) return false;
    f->asides[f->aside_count++] = (limn_aside){component, inside, from, owned};
    return true;
}

/* Opens what a component is to come from. *out is then the folder's. */
static limn_status open_aside(limn_folder *f, const char *path, const char *component,
                              const char *const *names, limn_folder **out, limn_error *err) {
    limn_status status = limn_folder_open_any(path, out, err);
    if (status != LIMN_OK) return status;
    if (take_aside(f, component, names, *out, true)) return LIMN_OK;
    const limn_kind *kind = limn_folder_kind(*out);
    status = limn_fail(err, LIMN_E_INPUT, "%s: there is no %s in it%s%s%s", path, component,
                       sign_of(component)[0] == 'v' ? "; expected vocab.json and merges.txt" : "",
                       kind != NULL ? "; it is " : "", kind != NULL ? kind->label : "");
    limn_folder_close(*out);
    return status;
}

static limn_status open_asides(limn_folder *f, const limn_folder_asides *from, limn_error *err) {
    static const char *const vae[] = {"vae", NULL}, *const text[] = {"text_encoder", NULL},
                             *const text_2[] = {"text_encoder_2", "text_encoder", NULL},
                             *const only_text_2[] = {"text_encoder_2", NULL},
                             *const token[] = {"tokenizer", NULL},
                             *const token_2[] = {"tokenizer_2", "tokenizer", NULL};
    limn_status status = LIMN_OK;
    limn_folder *it;
    if (from->vae != NULL) status = open_aside(f, from->vae, "vae", vae, &it, err);
    if (status == LIMN_OK && from->vae != NULL && it->single != NULL) {
        const limn_config *index;
        const char *class_name = "";
        status = limn_folder_config(f, LIMN_INDEX, &index, err);
        if (status == LIMN_OK)
            status = limn_config_text(index, "_class_name", "", &class_name, err);
        const bool xl = strstr(class_name, "XL") != NULL;
        if (status == LIMN_OK)
            status = limn_single_scale_vae(it->single, xl ? 0.13025 : 0.18215, err);
    }
    if (status == LIMN_OK && from->text_encoder != NULL) {
        status = open_aside(f, from->text_encoder, "text_encoder", text, &it, err);
        /* A folder that is the first encoder itself has no second. */
        const bool itself = status == LIMN_OK && f->asides[f->aside_count - 1].inside[0] == '\0';
        if (status == LIMN_OK && from->text_encoder_2 == NULL && !itself)
            take_aside(f, "text_encoder_2", only_text_2, it, false);
    }
    if (status == LIMN_OK && from->text_encoder_2 != NULL)
        status = open_aside(f, from->text_encoder_2, "text_encoder_2", text_2, &it, err);
    if (status == LIMN_OK && from->tokenizer != NULL) {
        status = open_aside(f, from->tokenizer, "tokenizer", token, &it, err);
        if (status == LIMN_OK) take_aside(f, "tokenizer_2", token_2, it, false);
    }
    return status;
}

/* Where a path below the folder really is: in an aside, with `inside` made the path there, or NULL.
 * The special tokens belong to the model, not to the vocabulary, where it has them. */
static limn_folder *owner_of(const limn_folder *f, const char *relative,
                             char inside[LIMN_PATH_MOST]) {
    const char *rest = strchr(relative, '/');
    const size_t length = rest != NULL ? (size_t)(rest - relative) : strlen(relative);
    for (int i = 0; i < f->aside_count; i++) {
        const limn_aside *a = &f->asides[i];
        if (strlen(a->component) != length || memcmp(a->component, relative, length) != 0) continue;
        if (strncmp(relative, "tokenizer", 9) == 0 && rest != NULL &&
            strcmp(rest, "/vocab.json") != 0 && strcmp(rest, "/merges.txt") != 0 &&
            (f->single != NULL || limn_folder_on_disk(f, relative)))
            return NULL;
        const char *tail = rest != NULL ? rest : "";
        if (a->inside[0] == '\0' && tail[0] == '/') tail++;
        snprintf(inside, LIMN_PATH_MOST, "%s%.3000s", a->inside, tail);
        return a->folder;
    }
    return NULL;
}

/* ---- the life of a folder -------------------------------------------------------------------- */

limn_status limn_folder_open_with(const char *path, const limn_folder_asides *asides,
                                  limn_folder **out, limn_error *err) {
    const limn_config *index;
    limn_folder *f;
    *out = NULL;
    limn_status status = limn_folder_open_any(path, &f, err);
    if (status != LIMN_OK) return status;
    const bool any = asides != NULL && asides->any && f->single != NULL;
    if (!any) status = f->single != NULL ? check_single(f, err) : check_folder(f, err);
    if (status == LIMN_OK && (!any || limn_folder_has(f, LIMN_INDEX)))
        status = limn_folder_config(f, LIMN_INDEX, &index, err);
    if (status == LIMN_OK && asides != NULL) status = open_asides(f, asides, err);
    if (status != LIMN_OK) {
        limn_folder_close(f);
        return status;
    }
    *out = f;
    return LIMN_OK;
}

limn_status limn_folder_open(const char *path, limn_folder **out, limn_error *err) {
    return limn_folder_open_with(path, NULL, out, err);
}

void limn_folder_close(limn_folder *f) {
    if (f == NULL) return;
    for (int i = 0; i < f->aside_count; i++)
        if (f->asides[i].owned) limn_folder_close(f->asides[i].folder);
    limn_single_close(f->single);
    for (int i = 0; i < f->count; i++) limn_opened_release(&f->files[i]);
    free(f->files);
    free(f->path);
    free(f->name);
    free(f);
}

bool limn_folder_has(const limn_folder *f, const char *relative) {
    char inside[LIMN_PATH_MOST];
    const limn_folder *owner = owner_of(f, relative, inside);
    if (owner != NULL) return limn_folder_has(owner, inside);
    if (f->single != NULL) return limn_single_find(f->single, relative) != NULL;
    return limn_folder_on_disk(f, relative);
}

/* ---- what is in it --------------------------------------------------------------------------- */

/* Says that a single file lacks something, and where it may come from instead. */
static limn_status say_missing(const limn_folder *f, const char *relative, limn_error *err) {
    if (strncmp(relative, "tokenizer", 9) == 0) {
        return limn_fail(err, LIMN_E_MISSING,
                         "%s: there is no vocabulary in this file; name a folder with CLIP's "
                         "vocab.json and merges.txt (--tokenizer DIR), such as the folder "
                         "\"tokenizer\" of any Stable Diffusion model in diffusers' layout",
                         f->path);
    }
    if (strncmp(relative, "vae", 3) == 0) {
        return limn_fail(err, LIMN_E_MISSING,
                         "%s: there is no VAE in this file; name one (--vae FILE or DIR)", f->path);
    }
    if (strncmp(relative, "text_encoder", 12) == 0) {
        return limn_fail(err, LIMN_E_MISSING,
                         "%s: there is no %.*s in this file; name one (--%s DIR, or a FILE)",
                         f->path, (int)strcspn(relative, "/"), relative,
                         strncmp(relative, "text_encoder_2", 14) == 0 ? "text-encoder-2"
                                                                      : "text-encoder");
    }
    return limn_fail(err, LIMN_E_MISSING, "%s: there is no %.200s in this file", f->path, relative);
}

limn_status limn_folder_bytes(limn_folder *f, const char *relative, limn_bytes *view,
                              limn_error *err) {
    char inside[LIMN_PATH_MOST];
    limn_folder *owner = owner_of(f, relative, inside);
    if (owner != NULL) return limn_folder_bytes(owner, inside, view, err);
    if (f->single != NULL) {
        limn_made_file *made = limn_single_find(f->single, relative);
        return made != NULL ? limn_made_bytes(made, view, err) : say_missing(f, relative, err);
    }
    limn_status status;
    const limn_opened *file = limn_folder_file_whole(f, relative, &status, err);
    if (file == NULL) return status;
    *view = (limn_bytes){.data = file->bytes.data, .size = file->bytes.size};
    return LIMN_OK;
}

/* A configuration that is in a single file, or made for it. */
static limn_status single_config(const limn_folder *f, const char *relative,
                                 const limn_config **out, limn_error *err) {
    limn_made_file *made = limn_single_find(f->single, relative);
    if (made == NULL) return say_missing(f, relative, err);
    if (made->config == NULL) {
        char name[LIMN_PATH_MOST];
        limn_bytes view;
        snprintf(name, sizeof name, "%.3000s: %.200s", f->path, relative);
        limn_status status = limn_made_bytes(made, &view, err);
        if (status == LIMN_OK)
            status = limn_config_read(view.data, view.size, name, &made->config, err);
        if (status != LIMN_OK) return status;
    }
    *out = made->config;
    return LIMN_OK;
}

limn_status limn_folder_config(limn_folder *f, const char *relative, const limn_config **out,
                               limn_error *err) {
    char inside[LIMN_PATH_MOST];
    limn_folder *owner = owner_of(f, relative, inside);
    if (owner != NULL) return limn_folder_config(owner, inside, out, err);
    if (f->single != NULL) return single_config(f, relative, out, err);
    limn_status status;
    limn_opened *file = limn_folder_file_whole(f, relative, &status, err);
    if (file == NULL) return status;
    if (file->config == NULL) {
        status =
            limn_config_read(file->bytes.data, file->bytes.size, file->path, &file->config, err);
    }
    if (status != LIMN_OK) return status;
    *out = file->config;
    return LIMN_OK;
}

limn_status limn_folder_tensors(limn_folder *f, const char *component, const limn_tensors **out,
                                limn_error *err) {
    char inside[LIMN_PATH_MOST];
    limn_folder *owner = owner_of(f, component, inside);
    if (owner != NULL) return limn_folder_tensors(owner, inside, out, err);
    if (f->single == NULL) return limn_folder_component(f, component, out, err);
    const limn_part part = limn_part_find(component);
    if (component[0] == '\0') {
        *out = f->files[0].tensors;
        return LIMN_OK;
    }
    if (part == LIMN_PARTS || f->single->parts[part] == NULL) return say_missing(f, component, err);
    f->counted[part] = true;
    *out = f->single->parts[part];
    return LIMN_OK;
}

static uint64_t parameters_of(const limn_tensors *t) {
    uint64_t sum = 0;
    for (size_t i = 0; i < limn_tensors_count(t); i++) {
        const limn_tensor *tensor = limn_tensors_at(t, i);
        if (limn_tensor_is_weight(tensor)) sum += tensor->count;
        if (tensor->scale != NULL) sum -= tensor->scale->count; /* which is there too */
    }
    return sum;
}

uint64_t limn_folder_parameters(const limn_folder *f) {
    uint64_t sum = 0;
    for (int i = 0; i < f->count; i++)
        if (f->files[i].counted) sum += parameters_of(f->files[i].tensors);
    for (int i = 0; f->single != NULL && i < LIMN_PARTS; i++)
        if (f->counted[i]) sum += parameters_of(f->single->parts[i]);
    for (int i = 0; i < f->aside_count; i++)
        if (f->asides[i].owned) sum += limn_folder_parameters(f->asides[i].folder);
    return sum;
}

const char *limn_folder_container(const limn_folder *f) {
    if (f->single == NULL) return "folder";
    return f->gguf ? "gguf" : "safetensors";
}

const char *limn_folder_note(const limn_folder *f) {
    return f->single != NULL && f->single->note != NULL ? f->single->note : "";
}

size_t limn_folder_unused(const limn_folder *f) {
    return f->single != NULL ? f->single->unused : 0;
}

uint64_t limn_folder_size(const limn_folder *f) {
    uint64_t sum = 0;
    for (int i = 0; i < f->count; i++) sum += f->files[i].source.size;
    for (int i = 0; i < f->aside_count; i++)
        if (f->asides[i].owned) sum += limn_folder_size(f->asides[i].folder);
    return sum;
}
