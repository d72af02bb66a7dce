/* A model folder's configurations, tensors and tokenizers. */
#include "render/opening.h"
#include "weights/kind.h"

#include <stdio.h>
#include <string.h>

const char *const limn_encoder_folders[] = {"text_encoder", "text_encoder_2"};
const char *const limn_tokenizer_folders[] = {"tokenizer", "tokenizer_2"};

/* The pipelines whose parts limn knows how to put together. */
static const limn_pipeline pipelines[] = {
    {"StableDiffusionPipeline", false, true},
    {"StableDiffusionXLPipeline", true, false},
    {"StableDiffusionImg2ImgPipeline", false, true},
    {"StableDiffusionInpaintPipeline", false, true},
    {"StableDiffusionInstructPix2PixPipeline", false, false},
    {"StableDiffusionXLInpaintPipeline", true, false},
    {"StableDiffusionXLInstructPix2PixPipeline", true, false},
    {"StableDiffusionXLImg2ImgPipeline", true, false},
    {"LatentConsistencyModelPipeline", false, false},
};

static limn_status find_pipeline(limn_opening *o) {
    const char *name = "";
    char list[400] = "";
    size_t used = 0;
    limn_status status = limn_config_text(o->index, "_class_name", "", &name, o->err);
    if (status != LIMN_OK) return status;
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) {
        o->pipeline = &pipelines[i];
        if (strcmp(name, o->pipeline->class_name) == 0) return LIMN_OK;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"", i ? ", " : "",
                                 o->pipeline->class_name);
    }
    return limn_fail(o->err, LIMN_E_INPUT,
                     "%s/model_index.json: _class_name is \"%s\", expected one of %s", o->m->name,
                     name, list);
}

static limn_status open_schedule(limn_opening *o) {
    const limn_config *scheduler;
    limn_status status =
        limn_folder_config(o->folder, "scheduler/scheduler_config.json", &scheduler, o->err);
    if (status != LIMN_OK) return status;
    status = limn_schedule_load(scheduler, &o->m->schedule, o->err);
    if (status == LIMN_OK)
        status = limn_schedule_load_plain(scheduler, &o->m->plain_schedule, o->err);
    if (status != LIMN_OK) return status;
    const char *notes[] = {o->m->schedule.note, limn_folder_note(o->folder)};
    size_t used = 0;
    for (int i = 0; i < 2; i++)
        if (notes[i][0])
            used += (size_t)snprintf(o->m->notes + used, sizeof o->m->notes - used, "%s%s",
                                     used > 0 ? "\n" : "", notes[i]);
    if (o->pipeline->corrects) {
        o->m->schedule.clip_sample = false;
        o->m->schedule.steps_offset = 1;
    }
    return status;
}

limn_status limn_open_configs(limn_opening *o) {
    limn_model *m = o->m;
    limn_status status = limn_folder_config(o->folder, "model_index.json", &o->index, o->err);
    if (status == LIMN_OK) status = find_pipeline(o);
    if (status != LIMN_OK) return status;
    bool scores;
    status = limn_config_bool(o->index, "requires_aesthetics_score", false, &scores, o->err);
    if (status == LIMN_OK && scores)
        status = limn_kind_refuse(limn_kind_refiner(), m->name, o->err);
    if (status != LIMN_OK) return status;
    m->joined = o->pipeline->joined;
    m->encoders = m->joined ? 2 : 1;
    status =
        limn_config_bool(o->index, "force_zeros_for_empty_prompt", m->joined, &m->zeros, o->err);
    m->zeros = m->zeros && m->joined;
    for (int i = 0; i < m->encoders && status == LIMN_OK; i++) {
        char file[80];
        snprintf(file, sizeof file, "%s/config.json", limn_encoder_folders[i]);
        status = limn_folder_config(o->folder, file, &o->text[i], o->err);
    }
    if (status == LIMN_OK)
        status = limn_folder_config(o->folder, "unet/config.json", &o->unet, o->err);
    if (status == LIMN_OK)
        status = limn_folder_config(o->folder, "vae/config.json", &o->vae, o->err);
    return status == LIMN_OK ? open_schedule(o) : status;
}

limn_status limn_open_tensors(limn_opening *o) {
    limn_status status = LIMN_OK;
    for (int i = 0; i < o->m->encoders && status == LIMN_OK; i++)
        status =
            limn_folder_tensors(o->folder, limn_encoder_folders[i], &o->text_tensors[i], o->err);
    if (status == LIMN_OK)
        status = limn_folder_tensors(o->folder, "unet", &o->unet_tensors, o->err);
    if (status == LIMN_OK) status = limn_folder_tensors(o->folder, "vae", &o->vae_tensors, o->err);
    return status;
}

limn_status limn_open_loras(limn_opening *o) {
    limn_lora_component components[LIMN_ENCODERS_MOST + 1] = {{"unet", o->unet_tensors}};
    if (o->lora_count == 0) return LIMN_OK;
    for (int i = 0; i < o->m->encoders; i++)
        components[i + 1] = (limn_lora_component){limn_encoder_folders[i], o->text_tensors[i]};
    limn_status status = limn_loras_open(o->asked, o->lora_count, &o->m->loras, o->err);
    return status ? status : limn_loras_bind(o->m->loras, components, o->m->encoders + 1, o->err);
}

/* One of a tokenizer's files; empty where it is not there and need not be. */
static limn_status open_part(limn_opening *o, const char *folder, const char *file, bool needed,
                             limn_bytes *view) {
    char path[80];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    *view = (limn_bytes){0};
    if (!needed && !limn_folder_has(o->folder, path)) return LIMN_OK;
    return limn_folder_bytes(o->folder, path, view, o->err);
}

static limn_status open_tokenizer(limn_opening *o, int encoder) {
    const char *folder = limn_tokenizer_folders[encoder];
    limn_bytes vocab, merges, config, special;
    limn_status status = open_part(o, folder, "vocab.json", true, &vocab);
    if (status == LIMN_OK) status = open_part(o, folder, "merges.txt", true, &merges);
    if (status == LIMN_OK) status = open_part(o, folder, "tokenizer_config.json", false, &config);
    if (status == LIMN_OK)
        status = open_part(o, folder, "special_tokens_map.json", false, &special);
    if (status != LIMN_OK) return status;
    return limn_tokenizer_open(&vocab, &merges, &config, &special, o->m->text[encoder].positions,
                               folder, &o->m->tokenizer[encoder], o->err);
}

limn_status limn_open_tokenizers(limn_opening *o) {
    limn_status status = LIMN_OK;
    limn_prompt_check check;
    for (int i = 0; i < o->m->encoders && status == LIMN_OK; i++) status = open_tokenizer(o, i);
    if (status == LIMN_OK) status = limn_prompt_inspect(o->m, "", &check, o->err);
    if (status == LIMN_OK) o->max_tokens = check.max_tokens;
    return status;
}
