#include "render/invent.h"
#include "render/opening.h"

#include <stdlib.h>
#include <string.h>

#define SD_LEVELS                                                                                  \
    "\"in_channels\": 4, \"out_channels\": 4, \"layers_per_block\": 2,"                            \
    "\"block_out_channels\": [320, 640, 1280, 1280],"                                              \
    "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\","                   \
    "\"CrossAttnDownBlock2D\", \"DownBlock2D\"], \"up_block_types\": [\"UpBlock2D\","              \
    "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"],"

static const char sd_vae[] = "{\"latent_channels\": 4, \"layers_per_block\": 2,"
                             "\"block_out_channels\": [128, 256, 512, 512]}";

static const char sd_taesd[] = "{\"_class_name\": \"AutoencoderTiny\", \"latent_channels\": 4}";

static const char sd15_text[] =
    "{\"vocab_size\": 49408, \"max_position_embeddings\": 77, \"hidden_size\": 768,"
    "\"intermediate_size\": 3072, \"num_attention_heads\": 12, \"num_hidden_layers\": 12}";
static const char sd15_unet[] =
    "{" SD_LEVELS "\"cross_attention_dim\": 768, \"attention_head_dim\": 8}";

/* The text encoder's 24th layer is left out of the files, since its result is not used. */
static const char sd21_text[] =
    "{\"vocab_size\": 49408, \"max_position_embeddings\": 77, \"hidden_size\": 1024,"
    "\"intermediate_size\": 4096, \"num_attention_heads\": 16, \"num_hidden_layers\": 23,"
    "\"hidden_act\": \"gelu\"}";
static const char sd21_unet[] = "{" SD_LEVELS "\"cross_attention_dim\": 1024,"
                                "\"attention_head_dim\": [5, 10, 20, 20],"
                                "\"use_linear_projection\": true}";

static const char sdxl_text_2[] =
    "{\"architectures\": [\"CLIPTextModelWithProjection\"], \"projection_dim\": 1280,"
    "\"vocab_size\": 49408, \"max_position_embeddings\": 77, \"hidden_size\": 1280,"
    "\"intermediate_size\": 5120, \"num_attention_heads\": 20, \"num_hidden_layers\": 32,"
    "\"hidden_act\": \"gelu\"}";
static const char sdxl_unet[] =
    "{\"in_channels\": 4, \"out_channels\": 4, \"layers_per_block\": 2,"
    "\"block_out_channels\": [320, 640, 1280], \"attention_head_dim\": [5, 10, 20],"
    "\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"],"
    "\"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"],"
    "\"transformer_layers_per_block\": [1, 2, 10], \"cross_attention_dim\": 2048,"
    "\"use_linear_projection\": true, \"addition_embed_type\": \"text_time\","
    "\"addition_time_embed_dim\": 256, \"projection_class_embeddings_input_dim\": 2816}";

static const char vignette_text[] =
    "{\"vocab_size\": 4096, \"max_position_embeddings\": 32, \"hidden_size\": 192,"
    "\"intermediate_size\": 768, \"num_attention_heads\": 3, \"num_hidden_layers\": 2,"
    "\"eos_token_id\": 4095}";
static const char vignette_unet[] =
    "{\"in_channels\": 24, \"out_channels\": 24, \"layers_per_block\": 1,"
    "\"block_out_channels\": [64, 96, 128], \"attention_head_dim\": [2, 3, 4],"
    "\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"],"
    "\"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"],"
    "\"cross_attention_dim\": 192, \"use_linear_projection\": true,"
    "\"class_embed_type\": \"projection\", \"projection_class_embeddings_input_dim\": 192}";
static const char vignette_vae[] =
    "{\"latent_channels\": 24, \"layers_per_block\": 1, \"block_out_channels\": [48, 96, 144],"
    "\"norm_num_groups\": 16, \"scaling_factor\": 1, \"use_post_quant_conv\": false,"
    "\"patch_size\": 4, \"basis_patch_size\": 16}";

static const limn_arch archs[] = {
    {"sd15", {sd15_text}, sd15_unet, sd_vae, 512},
    {"sd15-taesd", {sd15_text}, sd15_unet, sd_taesd, 512},
    {"sd21", {sd21_text}, sd21_unet, sd_vae, 768},
    {"sdxl", {sd15_text, sdxl_text_2}, sdxl_unet, sd_vae, 1024},
    {"vignette", {vignette_text}, vignette_unet, vignette_vae, 256},
};

limn_status limn_arch_find(const char *name, const limn_arch **out, limn_error *err) {
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strcmp(archs[i].name, name) == 0) {
            *out = &archs[i];
            return LIMN_OK;
        }
    return limn_fail(err, LIMN_E_USAGE,
                     "there is no architecture '%s' to measure; there are sd15, "
                     "sd15-taesd, sd21, sdxl and vignette",
                     name);
}

/* The parts' configurations, read. */
typedef struct configs {
    limn_config *text[LIMN_ENCODERS_MOST], *unet, *vae;
} configs;

static limn_status read_configs(const limn_arch *a, configs *c, limn_error *err) {
    const struct {
        const char *json;
        limn_config **out;
    } all[] = {{a->text[0], &c->text[0]},
               {a->text[1], &c->text[1]},
               {a->unet, &c->unet},
               {a->vae, &c->vae}};
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && status == LIMN_OK; i++)
        if (all[i].json)
            status = limn_config_read((const uint8_t *)all[i].json, strlen(all[i].json), a->name,
                                      all[i].out, err);
    return status;
}

static void free_configs(const configs *c) {
    for (int i = 0; i < LIMN_ENCODERS_MOST; i++) limn_config_free(c->text[i]);
    limn_config_free(c->unet);
    limn_config_free(c->vae);
}

/* Goes through all parts once, as the loading of files does (open_weights.c). */
static limn_status load_parts(limn_loader *ld, const configs *c, limn_model *m,
                              limn_arch_weight *w) {
    limn_invention *v = ld->invention;
    ld->job_count = v->count = 0;
    v->parameters = 0;
    m->joined = c->text[1] != NULL;
    m->encoders = m->joined ? 2 : 1;
    for (int i = 0; i < m->encoders; i++)
        limn_text_load(ld, c->text[i], limn_encoder_folders[i], &m->text[i]);
    w->text = v->parameters;
    ld->int8 = m->int8;
    limn_unet_load(ld, c->unet, &m->unet);
    ld->int8 = false;
    w->unet = v->parameters - w->text;
    limn_open_own_decoder(ld, c->vae, m);
    w->vae = v->parameters - w->unet - w->text;
    w->tensors = v->count;
    return ld->status;
}

/* Twice: whether float16 is kept depends on how many numbers there are. */
static limn_status measure(limn_loader *ld, const configs *c, limn_model *m, limn_arch_weight *w) {
    limn_status status = LIMN_OK;
    for (int pass = 0; pass < 2 && status == LIMN_OK; pass++) {
        limn_arena plan = limn_arena_measure();
        ld->arena = &plan;
        status = load_parts(ld, c, m, w);
        ld->keep_narrow = w->text + w->unet + w->vae > LIMN_NARROW_FROM;
        w->bytes = plan.peak;
    }
    ld->arena = NULL;
    return status;
}

limn_status limn_arch_measure(const limn_arch *arch, const limn_kernels *k, bool int8,
                              limn_model *out, limn_arch_weight *weight, limn_error *err) {
    configs c = {0};
    limn_invention invention = {.count = 0};
    limn_loader ld = {.k = k, .invention = &invention, .err = err};
    limn_status status = read_configs(arch, &c, err);
    out->int8 = int8;
    if (status == LIMN_OK) status = measure(&ld, &c, out, weight);
    free_configs(&c);
    out->kernels = k;
    return status;
}

static limn_status fill(limn_loader *ld, const configs *c, int threads, limn_model *m) {
    limn_arch_weight w;
    limn_status status = measure(ld, c, m, &w);
    if (status != LIMN_OK) return status;
    ld->jobs_room = ld->job_count;
    ld->jobs = calloc((size_t)ld->jobs_room, sizeof *ld->jobs);
    ld->invention->room = w.tensors;
    ld->invention->tensors = calloc((size_t)w.tensors, sizeof *ld->invention->tensors);
    if (!ld->jobs || !ld->invention->tensors)
        return limn_fail(ld->err, LIMN_E_MEMORY, "no memory to invent the model %s", m->name);
    status = limn_arena_open(&m->weights, w.bytes, ld->err);
    if (status != LIMN_OK) return status;
    ld->arena = &m->weights;
    status = load_parts(ld, c, m, &w);
    if (status == LIMN_OK) status = limn_load_pack(ld, threads);
    m->info.parameters = w.text + w.unet + w.vae;
    m->info.resident_bytes = w.bytes;
    return status;
}

limn_status limn_arch_open(const limn_arch *arch, const limn_kernels *k, bool int8, int threads,
                           limn_model **out, limn_error *err) {
    configs c = {0};
    limn_invention invention = {.count = 0};
    limn_loader ld = {.k = k, .invention = &invention, .err = err};
    limn_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return limn_fail(err, LIMN_E_MEMORY, "no memory to invent the model %s", arch->name);
    strncpy(m->name, arch->name, sizeof m->name - 1);
    m->kernels = k;
    m->int8 = int8;
    m->info.name = m->name;
    limn_status status = read_configs(arch, &c, err);
    if (status == LIMN_OK) status = fill(&ld, &c, threads, m);
    free(ld.jobs);
    free(invention.tensors);
    free_configs(&c);
    if (status == LIMN_OK)
        *out = m;
    else
        limn_model_close(m);
    return status;
}
