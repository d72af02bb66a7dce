/* Opening a model: its files are read, checked and packed, and then let go. */
#include "render/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "base/thread.h"

/* Opening, under way. */
typedef struct opening {
    limn_model *m;
    limn_folder *folder;
    limn_loader loader;
    const limn_config *index, *text, *unet, *vae;
    const limn_tensors *text_tensors, *unet_tensors, *vae_tensors;
    int threads, max_tokens;
    limn_error *err;
} opening;

/* The pipelines whose parts limn knows how to put together. */
static const char *const pipelines[] = {"StableDiffusionPipeline"};

static limn_status check_pipeline(const opening *o) {
    const char *name = "";
    limn_status status = limn_config_text(o->index, "_class_name", "", &name, o->err);
    if (status != LIMN_OK) return status;
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++)
        if (strcmp(name, pipelines[i]) == 0) return LIMN_OK;
    return limn_fail(o->err, LIMN_E_INPUT,
                     "%s/model_index.json: _class_name is \"%s\", expected \"%s\"", o->m->name,
                     name, pipelines[0]);
}

static limn_status open_configs(opening *o) {
    const struct {
        const char *file;
        const limn_config **out;
    } files[] = {
        {"model_index.json", &o->index},
        {"text_encoder/config.json", &o->text},
        {"unet/config.json", &o->unet},
        {"vae/config.json", &o->vae},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        limn_status status = limn_folder_config(o->folder, files[i].file, files[i].out, o->err);
        if (status != LIMN_OK) return status;
        if (i == 0 && (status = check_pipeline(o)) != LIMN_OK) return status;
    }
    const limn_config *scheduler;
    limn_status status =
        limn_folder_config(o->folder, "scheduler/scheduler_config.json", &scheduler, o->err);
    if (status != LIMN_OK) return status;
    status = limn_schedule_load(scheduler, &o->m->schedule, o->err);
    /* StableDiffusionPipeline sets these two, whatever an old file says. */
    o->m->schedule.clip_sample = false;
    o->m->schedule.steps_offset = 1;
    return status;
}

static limn_status open_tensors(opening *o) {
    limn_status status = limn_folder_tensors(o->folder, "text_encoder", &o->text_tensors, o->err);
    if (status == LIMN_OK)
        status = limn_folder_tensors(o->folder, "unet", &o->unet_tensors, o->err);
    if (status == LIMN_OK) status = limn_folder_tensors(o->folder, "vae", &o->vae_tensors, o->err);
    return status;
}

static limn_status open_tokenizer(opening *o, int positions) {
    limn_bytes vocab = {0}, merges = {0}, config = {0}, special = {0};
    limn_status status = limn_folder_bytes(o->folder, "tokenizer/vocab.json", &vocab, o->err);
    if (status == LIMN_OK)
        status = limn_folder_bytes(o->folder, "tokenizer/merges.txt", &merges, o->err);
    if (status == LIMN_OK && limn_folder_has(o->folder, "tokenizer/tokenizer_config.json"))
        status = limn_folder_bytes(o->folder, "tokenizer/tokenizer_config.json", &config, o->err);
    if (status == LIMN_OK && limn_folder_has(o->folder, "tokenizer/special_tokens_map.json"))
        status =
            limn_folder_bytes(o->folder, "tokenizer/special_tokens_map.json", &special, o->err);
    if (status != LIMN_OK) return status;
    status = limn_tokenizer_open(&vocab, &merges, &config, &special, positions, "tokenizer",
                                 &o->m->tokenizer, o->err);
    limn_prompt_check check;
    if (status == LIMN_OK) status = limn_prompt_inspect(o->m, "", &check, o->err);
    if (status == LIMN_OK) o->max_tokens = check.max_tokens;
    return status;
}

/* Goes through all parts once: with a measuring arena to count, with a real one to hand out. */
static limn_status load_parts(opening *o) {
    limn_loader *ld = &o->loader;
    ld->job_count = 0;
    ld->tensors = o->text_tensors;
    limn_text_load(ld, o->text, &o->m->text);
    ld->tensors = o->unet_tensors;
    ld->int8 = o->m->int8;
    limn_unet_load(ld, o->unet, &o->m->unet);
    ld->int8 = false;
    ld->tensors = o->vae_tensors;
    limn_vae_load(ld, o->vae, &o->m->vae);
    return ld->status;
}

/* Jobs [0, files) hash the files, the others pack the weights. */
static void open_task(void *ctx, int i) {
    opening *o = ctx;
    int files = limn_folder_file_count(o->folder);
    if (i < files) limn_folder_hash_file(o->folder, i);
    if (i < files) return;
    limn_load_pack_one(&o->loader, i - files);
    limn_folder_forget(o->folder, o->loader.jobs[i - files].tensor);
}

/* The first pass: every tensor is found and checked, and the memory counted. */
static limn_status measure_weights(opening *o, size_t *bytes) {
    limn_arena plan = limn_arena_measure();
    o->loader = (limn_loader){.k = o->m->kernels,
                              .arena = &plan,
                              .keep_half = limn_folder_parameters(o->folder) > LIMN_HALF_FROM,
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

/* The second pass: memory is handed out and filled, while the files are hashed. */
static limn_status load_weights(opening *o, size_t bytes) {
    o->loader.jobs_room = o->loader.job_count;
    o->loader.jobs = calloc((size_t)o->loader.jobs_room, sizeof *o->loader.jobs);
    if (!o->loader.jobs)
        return limn_fail(o->err, LIMN_E_MEMORY, "no memory to load the model %s", o->m->name);
    limn_status status = limn_arena_open(&o->m->weights, bytes, o->err);
    if (status != LIMN_OK) return status;
    o->loader.arena = &o->m->weights;
    status = load_parts(o);
    if (status != LIMN_OK) return status;
    limn_parallel(o->threads, limn_folder_file_count(o->folder) + o->loader.job_count, open_task,
                  o);
    limn_folder_hash(o->folder, o->m->sha256);
    return LIMN_OK;
}

/* The parts must fit each other. */
static limn_status check_joints(const opening *o) {
    const limn_model *m = o->m;
    const struct {
        const char *what, *with;
        int a, b;
    } joints[] = {
        {"the text encoder's hidden_size", "the U-Net's cross_attention_dim", m->text.d,
         m->unet.context_d},
        {"the VAE's latent_channels", "the U-Net's in_channels", m->vae.latent_c, m->unet.in_c},
        {"the VAE's latent_channels", "the U-Net's out_channels", m->vae.latent_c, m->unet.out_c},
        {"the text encoder's hidden_size", "projection_class_embeddings_input_dim", m->text.d,
         m->unet.pooled_d ? m->unet.pooled_d : m->text.d},
    };
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++)
        if (joints[i].a != joints[i].b)
            return limn_fail(o->err, LIMN_E_INPUT, "%s: %s is %d, but %s is %d", m->name,
                             joints[i].what, joints[i].a, joints[i].with, joints[i].b);
    if (limn_tokenizer_vocabulary(m->tokenizer) > m->text.vocabulary)
        return limn_fail(o->err, LIMN_E_INPUT,
                         "%s: the tokenizer has %d ids, but the text encoder's vocab_size is %d",
                         m->name, limn_tokenizer_vocabulary(m->tokenizer), m->text.vocabulary);
    return LIMN_OK;
}

/* The model's own wishes ("limn" in model_index.json), or what its family is used with. */
static limn_status read_wishes(opening *o) {
    limn_model *m = o->m;
    const limn_config *own = limn_config_child(o->index, "limn");
    int sample = 64, scale = m->vae.scale_px;
    limn_model_info *i = &m->info;
    const char *sampler = m->schedule.sampler[0] ? m->schedule.sampler : "ddim";
    limn_status status = limn_config_int(o->unet, "sample_size", 1, 2048, 64, &sample, o->err);
    i->width = i->height = sample * scale;
    i->steps = 20;
    i->guidance = 7.5;
    if (own) {
        if (!status) status = limn_config_int(own, "width", 1, 16384, i->width, &i->width, o->err);
        if (!status)
            status = limn_config_int(own, "height", 1, 16384, i->height, &i->height, o->err);
        if (!status) status = limn_config_int(own, "steps", 1, 1000, 20, &i->steps, o->err);
        if (!status)
            status = limn_config_number(own, "guidance_scale", 0, 100, 7.5, &i->guidance, o->err);
        if (!status) status = limn_config_text(own, "sampler", sampler, &sampler, o->err);
    }
    if (status != LIMN_OK) return status;
    const char *found = limn_sampler_find(sampler, NULL);
    if (!found)
        return limn_fail(o->err, LIMN_E_INPUT,
                         "%s/model_index.json: sampler \"%s\" is not known to limn", m->name,
                         sampler);
    strncpy(m->sampler, found, sizeof m->sampler - 1);
    return LIMN_OK;
}

static void describe(const opening *o) {
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
    i->prediction = m->schedule.prediction == LIMN_PREDICT_V        ? "v_prediction"
                    : m->schedule.prediction == LIMN_PREDICT_SAMPLE ? "sample"
                                                                    : "epsilon";
}

static limn_status open_all(opening *o) {
    size_t bytes = 0;
    strncpy(o->m->name, limn_folder_name(o->folder), sizeof o->m->name - 1);
    limn_status status = open_configs(o);
    if (status == LIMN_OK) status = open_tensors(o);
    if (status == LIMN_OK) status = measure_weights(o, &bytes);
    if (status == LIMN_OK) status = open_tokenizer(o, o->m->text.positions);
    if (status == LIMN_OK) status = check_joints(o);
    if (status == LIMN_OK) status = read_wishes(o);
    if (status == LIMN_OK) status = load_weights(o, bytes);
    if (status == LIMN_OK) describe(o);
    return status;
}

limn_status limn_model_open(const char *path, const limn_open_options *options, limn_model **out,
                            limn_error *error) {
    *out = NULL;
    const limn_open_options how = options ? *options : (limn_open_options){0};
    const char *precision = how.precision ? how.precision : limn_precision_name(false);
    opening o = {.err = error, .threads = how.threads > 0 ? how.threads : limn_threads_default()};
    bool int8;
    limn_status status = limn_precision_find(precision, &int8, error);
    if (status == LIMN_OK) status = limn_folder_open(path, &o.folder, error);
    if (status != LIMN_OK) return status;
    o.m = calloc(1, sizeof *o.m);
    if (!o.m) {
        limn_folder_close(o.folder);
        return limn_fail(error, LIMN_E_MEMORY, "no memory to load the model %s", path);
    }
    o.m->kernels = limn_kernels_pick();
    o.m->int8 = int8;
    limn_fp_state fp = limn_fp_enter();
    status = open_all(&o);
    limn_fp_leave(fp);
    free(o.loader.jobs);
    limn_folder_close(o.folder);
    if (status == LIMN_OK)
        *out = o.m;
    else
        limn_model_close(o.m);
    return status;
}

void limn_model_close(limn_model *model) {
    if (!model) return;
    limn_tokenizer_close(model->tokenizer);
    limn_arena_close(&model->weights);
    free(model);
}

limn_model_info limn_model_describe(const limn_model *model) {
    return model->info;
}
