/* Opening a model: its files are read, checked and packed, and then let go. */
#include "render/opening.h"
#include "render/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

static void describe(const limn_opening *o) {
    limn_model *m = o->m;
    limn_model_info *i = &m->info;
    i->name = m->name;
    i->sha256 = m->sha256;
    i->size_step_px = m->vae.scale_px;
    i->sampler = m->sampler;
    i->max_tokens = o->max_tokens;
    i->parameters = limn_folder_parameters(o->folder);
    i->resident_bytes = m->weights.size;
    i->precision = limn_precision_name(m->int8);
    i->taesd_name = strcpy(m->taesd_name, o->taesd.name);
    i->taesd_sha256 = strcpy(m->taesd_sha256, o->taesd.sha256);
    i->lora_count = limn_loras_count(m->loras);
    i->control_name = m->control_name;
    i->control_sha256 = m->control_sha256;
    i->cache = m->cache;
    i->prediction = limn_prediction_name(m->schedule.prediction);
}

static limn_status open_embeddings(limn_opening *o) {
    limn_embeddings_for what = {.encoders = o->m->encoders};
    if (!o->embeddings) return LIMN_OK;
    for (int i = 0; i < o->m->encoders; i++) {
        what.text[i] = &o->m->text[i];
        what.tokenizer[i] = o->m->tokenizer[i];
    }
    return limn_embeddings_open(o->embeddings, &what, &o->m->embeddings, o->err);
}

/* What was not hashed yet. */
static limn_status start_hashing(limn_opening *o) {
    limn_model *m = o->m;
    const bool beside = o->threads > 1;
    limn_status status = LIMN_OK;
    if (m->sha256[0] == '\0')
        status = limn_hashing_start(&o->folder, beside, m->sha256, &m->hashing, o->err);
    if (status == LIMN_OK && o->control)
        status =
            limn_hashing_start(&o->control, beside, m->control_sha256, &m->control_hashing, o->err);
    return status;
}

static limn_status open_all(limn_opening *o) {
    size_t bytes = 0;
    strncpy(o->m->name, limn_folder_name(o->folder), sizeof o->m->name - 1);
    if (o->control)
        strncpy(o->m->control_name, limn_folder_name(o->control), sizeof o->m->control_name - 1);
    limn_status status = limn_open_configs(o);
    if (status == LIMN_OK) status = limn_open_tensors(o);
    if (status == LIMN_OK) status = limn_open_loras(o);
    if (status == LIMN_OK) status = limn_open_measure(o, &bytes);
    if (status == LIMN_OK) status = limn_plan_model(o->m->name, bytes, o->max_memory, o->err);
    if (status == LIMN_OK) status = limn_open_tokenizers(o);
    if (status == LIMN_OK) status = limn_open_check(o);
    if (status == LIMN_OK) status = open_embeddings(o);
    if (status == LIMN_OK) status = limn_open_wishes(o);
    if (status == LIMN_OK) status = limn_open_weights(o, bytes);
    if (status == LIMN_OK) describe(o);
    return status == LIMN_OK ? start_hashing(o) : status;
}

static void close_files(limn_opening *o) {
    limn_folder_close(o->folder);
    limn_folder_close(o->control);
    limn_taesd_files_close(&o->taesd);
}

limn_status limn_model_open(const char *path, const limn_open_options *options, limn_model **out,
                            limn_error *error) {
    *out = NULL;
    const limn_open_options how = options ? *options : (limn_open_options){0};
    const char *precision = how.precision ? how.precision : limn_precision_name(false);
    limn_opening o = {.err = error,
                      .max_memory = how.max_memory,
                      .asked = how.loras,
                      .lora_count = how.lora_count,
                      .threads = how.threads > 0 ? how.threads : limn_threads_default(),
                      .embeddings = how.embeddings,
                      .encoder = how.encoder,
                      .cache = how.cache};
    const limn_folder_asides asides = {.vae = how.vae,
                                       .text_encoder = how.text_encoder,
                                       .text_encoder_2 = how.text_encoder_2,
                                       .tokenizer = how.tokenizer};
    bool int8;
    limn_status status = limn_precision_find(precision, &int8, error);
    if (status == LIMN_OK) status = limn_folder_open_with(path, &asides, &o.folder, error);
    if (status == LIMN_OK && how.taesd) status = limn_taesd_files_open(how.taesd, &o.taesd, error);
    if (status == LIMN_OK && how.control) status = limn_open_control(&o, how.control);
    o.m = status == LIMN_OK ? calloc(1, sizeof *o.m) : NULL;
    if (!o.m) {
        close_files(&o);
        if (status != LIMN_OK) return status;
        return limn_fail(error, LIMN_E_MEMORY, "no memory to load the model %s", path);
    }
    o.m->kernels = limn_kernels_pick();
    o.m->int8 = int8;
    limn_fp_state fp = limn_fp_enter();
    status = open_all(&o);
    limn_fp_leave(fp);
    free(o.loader.jobs);
    close_files(&o);
    if (status == LIMN_OK)
        *out = o.m;
    else
        limn_model_close(o.m);
    return status;
}

void limn_model_close(limn_model *model) {
    if (!model) return;
    limn_hashing_end(model->hashing);
    limn_hashing_end(model->control_hashing);
    for (int i = 0; i < LIMN_ENCODERS_MOST; i++) limn_tokenizer_close(model->tokenizer[i]);
    limn_loras_close(model->loras);
    limn_embeddings_close(model->embeddings);
    limn_arena_close(&model->weights);
    free(model);
}

limn_model_info limn_model_describe(const limn_model *model) {
    limn_model_hashed(model, NULL);
    return model->info;
}

const char *limn_model_notes(const limn_model *model) {
    return model->notes;
}

limn_lora_info limn_model_lora(const limn_model *model, int i) {
    return limn_loras_info(model->loras)[i];
}
