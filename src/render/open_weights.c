/* A model's weights: found and checked in a first pass, packed in a second. */
#include "render/opening.h"

#include <stdlib.h>

/* Goes through all parts once: with a measuring arena to count, with a real one to hand out. */
static limn_status load_parts(limn_opening *o) {
    limn_loader *ld = &o->loader;
    limn_model *m = o->m;
    ld->job_count = 0;
    for (int i = 0; i < m->encoders; i++) {
        ld->tensors = o->text_tensors[i];
        limn_text_load(ld, o->text[i], limn_encoder_folders[i], &m->text[i]);
    }
    ld->tensors = o->unet_tensors;
    ld->int8 = m->int8;
    limn_unet_load(ld, o->unet, &m->unet);
    ld->int8 = false;
    limn_open_decoder(o);
    limn_open_control_load(o);
    return ld->status;
}

limn_status limn_open_measure(limn_opening *o, size_t *bytes) {
    limn_arena plan = limn_arena_measure();
    o->loader = (limn_loader){.k = o->m->kernels,
                              .arena = &plan,
                              .loras = o->m->loras,
                              .keep_narrow = limn_folder_parameters(o->folder) > LIMN_NARROW_FROM,
                              .err = o->err};
    limn_status status = load_parts(o);
    if (status == LIMN_OK && o->m->int8 && o->loader.int8_count == 0)
        status = limn_fail(o->err, LIMN_E_INPUT,
                           "%s: int8 suits no layer of the U-Net: none that could be int8 has 32 "
                           "channels; use float32",
                           o->m->name);
    *bytes = plan.peak;
    return status;
}

limn_status limn_open_int8(limn_opening *o, const limn_tensor ***list, size_t *count) {
    limn_arena plan = limn_arena_measure();
    limn_loader *ld = &o->loader;
    ld->arena = &plan;
    ld->jobs_room = ld->job_count;
    ld->jobs = calloc((size_t)ld->jobs_room, sizeof *ld->jobs);
    *list = calloc((size_t)ld->jobs_room, sizeof **list);
    if (!ld->jobs || !*list)
        return limn_fail(o->err, LIMN_E_MEMORY, "no memory to convert the model %s", o->m->name);
    limn_status status = load_parts(o);
    for (int i = 0; i < ld->job_count && status == LIMN_OK; i++)
        if (ld->jobs[i].to.type == LIMN_I8 && ld->jobs[i].tensor)
            (*list)[(*count)++] = ld->jobs[i].tensor;
    return status;
}

/* Fills the places from the model's files. */
static limn_status pack_weights(limn_opening *o) {
    limn_status status = limn_load_pack(&o->loader, o->threads);
    if (status == LIMN_OK) status = limn_folder_check(o->folder, o->err);
    if (status == LIMN_OK && o->control) status = limn_folder_check(o->control, o->err);
    return status == LIMN_OK && o->m->loras ? limn_loras_release_files(o->m->loras, o->err)
                                            : status;
}

limn_status limn_open_weights(limn_opening *o, size_t bytes) {
    o->loader.jobs_room = o->loader.job_count;
    o->loader.jobs = calloc((size_t)o->loader.jobs_room, sizeof *o->loader.jobs);
    if (!o->loader.jobs)
        return limn_fail(o->err, LIMN_E_MEMORY, "no memory to load the model %s", o->m->name);
    limn_status status = limn_arena_open(&o->m->weights, bytes, o->err);
    if (status != LIMN_OK) return status;
    o->loader.arena = &o->m->weights;
    status = load_parts(o);
    if (status != LIMN_OK) return status;
    if (o->cache && limn_open_cached(o)) return LIMN_OK;
    status = pack_weights(o);
    if (status != LIMN_OK || !o->cache || o->m->loras || o->control) return status;
    status = limn_folder_hash(o->folder, o->m->sha256, o->err);
    if (status == LIMN_OK) status = limn_folder_check(o->folder, o->err);
    if (status == LIMN_OK) limn_open_keep(o);
    return status;
}
