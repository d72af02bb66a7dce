/* A ControlNet's file or folder, and what is said where a path is none. */
#include <stdio.h>
#include <string.h>

#include "weights/folder.h"
#include "weights/kind.h"

#define CLASS_NAME "ControlNetModel"

/* Forms of ControlNet that limn does not know, each by a tensor that no other has. */
static const struct {
    const char *sign, *what;
} OTHERS[] = {
    {"lora_controlnet", "a Control-LoRA, which holds only corrections of a U-Net"},
    {"difference", "the difference between a ControlNet and Stable Diffusion, not a whole one"},
    {"task_embedding", "a ControlNet for several kinds of picture at once (\"Union\")"},
};

/* A single file: its tensors tell. */
static limn_status check_file(const limn_folder *f, limn_error *err) {
    const limn_tensors *all = f->files[0].tensors, *own = f->single->parts[LIMN_PART_CONTROL];
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        const char *sign = OTHERS[i].sign;
        if (limn_tensors_find(all, sign) == NULL &&
            (own == NULL || limn_tensors_find(own, sign) == NULL))
            continue;
        return limn_fail(err, LIMN_E_INPUT, "%s: this is %s; limn does not know that form", f->path,
                         OTHERS[i].what);
    }
    if (own != NULL) return LIMN_OK;
    const limn_kind *kind = limn_folder_kind(f);
    if (kind != NULL)
        return limn_fail(err, LIMN_E_INPUT, "%s: this is %s, and no ControlNet; %s", f->path,
                         kind->label, kind->advice);
    if (f->single->parts[LIMN_PART_UNET] != NULL)
        return limn_fail(err, LIMN_E_INPUT, "%s: this is a whole model, and no ControlNet",
                         f->path);
    return limn_fail(err, LIMN_E_INPUT,
                     "%s: this is no ControlNet that limn knows: of its %zu tensors "
                     "(\"%.100s\"...) none is named like a part of one",
                     f->path, limn_tensors_count(all),
                     limn_tensors_count(all) > 0 ? limn_tensors_at(all, 0)->name : "");
}

/* A folder: its configuration tells. */
static limn_status check_folder(limn_folder *f, const char *config_file, limn_error *err) {
    const limn_config *config;
    const char *class_name = "";
    limn_status status = limn_folder_config(f, config_file, &config, err);
    if (status == LIMN_OK) status = limn_config_text(config, "_class_name", "", &class_name, err);
    if (status != LIMN_OK || strcmp(class_name, CLASS_NAME) == 0) return status;
    return limn_fail(err, LIMN_E_INPUT, "%s/%s: _class_name is \"%.100s\", expected \"%s\"",
                     f->path, config_file, class_name, CLASS_NAME);
}

static limn_status find_inside(limn_folder *f, const char **component, limn_error *err) {
    const char *name = limn_part_folder(LIMN_PART_CONTROL);
    *component = name;
    if (f->single != NULL) return check_file(f, err);
    if (limn_folder_on_disk(f, "controlnet/config.json"))
        return check_folder(f, "controlnet/config.json", err);
    *component = "";
    if (limn_folder_on_disk(f, "config.json")) return check_folder(f, "config.json", err);
    return limn_fail(err, limn_folder_on_disk(f, LIMN_INDEX) ? LIMN_E_INPUT : LIMN_E_MISSING,
                     "%s: %s; expected a ControlNet's folder (config.json and "
                     "diffusion_pytorch_model.safetensors)",
                     f->path,
                     limn_folder_on_disk(f, LIMN_INDEX) ? "this is a whole model, and no ControlNet"
                                                        : "there is no config.json in this folder");
}

limn_status limn_folder_open_control(const char *path, limn_folder **out, const char **component,
                                     limn_error *err) {
    limn_folder *f;
    *out = NULL;
    limn_status status = limn_folder_open_any(path, &f, err);
    if (status != LIMN_OK) return status;
    status = find_inside(f, component, err);
    if (status == LIMN_OK)
        *out = f;
    else
        limn_folder_close(f);
    return status;
}
