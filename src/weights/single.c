/* Whose tensors are whose in a single file, and the folder that it stands for. */
#include "weights/single.h"

#include <stdlib.h>
#include <string.h>

#include "weights/folder.h"
#include "weights/form.h"
#include "weights/names.h"

#define INSIDE    "limn.file/" /* how limn names files that it keeps as tensors */
#define FILES_ALL 64           /* such files, and those that are made */

/* The most numbers in a bias that are looked at. */
#define BIASES_MOST 4096

static const char *const FOLDERS[LIMN_PARTS] = {"unet", "vae", "text_encoder", "text_encoder_2",
                                                "controlnet"};

/* How the names of a part's tensors begin: in diffusers' and limn's files, in LDM's (Stable
 * Diffusion 1 and 2, then XL), in stable-diffusion.cpp's and in ComfyUI's. */
static const struct {
    const char *prefix;
    limn_part part;
} ROOTS[] = {
    {"unet.", LIMN_PART_UNET},
    {"vae.", LIMN_PART_VAE},
    {"text_encoder.", LIMN_PART_TEXT},
    {"text_encoder_2.", LIMN_PART_TEXT_2},
    {"model.diffusion_model.", LIMN_PART_UNET},
    {"first_stage_model.", LIMN_PART_VAE},
    {"cond_stage_model.transformer.", LIMN_PART_TEXT},
    {"cond_stage_model.model.", LIMN_PART_TEXT},
    {"cond_stage_model.1.transformer.", LIMN_PART_TEXT_2},
    {"cond_stage_model.1.model.", LIMN_PART_TEXT_2},
    {"conditioner.embedders.0.transformer.", LIMN_PART_TEXT},
    {"conditioner.embedders.0.model.", LIMN_PART_TEXT},
    {"conditioner.embedders.1.transformer.", LIMN_PART_TEXT_2},
    {"conditioner.embedders.1.model.", LIMN_PART_TEXT_2},
    {"diffusion_model.", LIMN_PART_UNET},
    {"text_encoders.clip_l.transformer.", LIMN_PART_TEXT},
    {"text_encoders.clip_g.transformer.", LIMN_PART_TEXT_2},
    {"control_model.", LIMN_PART_CONTROL},
    {"u.", LIMN_PART_UNET}, /* limn's GGUF files before they had the original names */
    {"t.", LIMN_PART_TEXT},
    {"t2.", LIMN_PART_TEXT_2},
};

/* A tensor that only one part has, by which a file of that part alone is known. A ControlNet has
 * those of the U-Net that it was copied from, too. */
static const struct {
    const char *name;
    limn_part part;
} SIGNS[] = {
    {"controlnet_cond_embedding.conv_in.weight", LIMN_PART_CONTROL},
    {"input_hint_block.0.weight", LIMN_PART_CONTROL},
    {"input_blocks.0.0.weight", LIMN_PART_UNET},
    {"down_blocks.0.resnets.0.time_emb_proj.weight", LIMN_PART_UNET},
    {"decoder.mid.block_1.norm1.weight", LIMN_PART_VAE},
    {"decoder.mid_block.resnets.0.norm1.weight", LIMN_PART_VAE},
    {"text_model.embeddings.token_embedding.weight", LIMN_PART_TEXT},
    {"embeddings.token_embedding.weight", LIMN_PART_TEXT},
    {"token_embedding.weight", LIMN_PART_TEXT},
};

const char *limn_part_folder(limn_part part) {
    return FOLDERS[part];
}

limn_part limn_part_find(const char *folder) {
    int part = 0;
    while (part < LIMN_PARTS && strcmp(folder, FOLDERS[part]) != 0) part++;
    return (limn_part)part;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Which part a tensor belongs to, and its name there; LIMN_PARTS where to none. */
static limn_part root_of(const char *name, const char **rest) {
    for (size_t i = 0; i < sizeof ROOTS / sizeof *ROOTS; i++) {
        const size_t length = strlen(ROOTS[i].prefix);
        if (strncmp(name, ROOTS[i].prefix, length) != 0) continue;
        *rest = name + length;
        return ROOTS[i].part;
    }
    return LIMN_PARTS;
}

/* The part that a file without any prefixes holds; LIMN_PARTS where it is none. */
static limn_part bare_part(const limn_tensors *all) {
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
        if (limn_tensors_find(all, SIGNS[i].name) != NULL) return SIGNS[i].part;
    return LIMN_PARTS;
}

/* ComfyUI's float8 files with a scale beside each matrix: without it the numbers are others. */
static bool is_float8_scale(const char *name) {
    static const char *const ends[] = {".scale_weight", ".scale_input", "scaled_fp8"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t n = strlen(ends[i]);
        if (length >= n && strcmp(name + length - n, ends[i]) == 0) return true;
    }
    return false;
}

/* Sorts the file's tensors by part, names without prefix. */
static limn_status sort_parts(const limn_tensors *all, limn_single *s, limn_gather *parts,
                              limn_error *err) {
    const limn_part bare = bare_part(all);
    for (size_t i = 0; i < all->count; i++) {
        const limn_tensor *t = &all->items[i];
        const char *name = t->name;
        limn_part part = bare < LIMN_PARTS ? bare : root_of(t->name, &name);
        if (is_float8_scale(t->name))
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: \"%.200s\": float8 weights with scales beside them are not "
                             "read; take the model as float16, or as float8 without scales",
                             all->file, t->name);
        if (strncmp(t->name, INSIDE, sizeof INSIDE - 1) == 0) continue;
        if (part == LIMN_PARTS) s->unused++;
        if (part == LIMN_PARTS) continue;
        limn_status status = limn_gather_add(&parts[part], t, name, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* Gives a part's tensors diffusers' names. */
static limn_status rename_part(limn_part part, limn_gather *sorted, const char *path,
                               limn_tensors **out, limn_error *err) {
    limn_gather renamed = {0};
    limn_tensors *in;
    limn_status status = limn_gather_finish(sorted, path, &in, err);
    if (status != LIMN_OK) return status;
    status = limn_names_part(part, in, &renamed, err);
    if (status == LIMN_OK) status = limn_gather_finish(&renamed, path, out, err);
    limn_gather_free(&renamed);
    limn_tensors_free(in);
    return status;
}

static limn_status find_parts(const limn_tensors *all, const char *path, limn_single *s,
                              limn_error *err) {
    limn_gather sorted[LIMN_PARTS] = {0};
    limn_status status = sort_parts(all, s, sorted, err);
    for (int i = 0; i < LIMN_PARTS; i++) {
        if (status == LIMN_OK && sorted[i].count > 0)
            status = rename_part((limn_part)i, &sorted[i], path, &s->parts[i], err);
        limn_gather_free(&sorted[i]);
    }
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

limn_made_file *limn_single_find(const limn_single *s, const char *relative) {
    for (int i = 0; i < s->file_count; i++)
        if (strcmp(s->files[i].relative, relative) == 0) return &s->files[i];
    return NULL;
}

/* Adds a file; `file` has what it is, without a name yet. */
static limn_status add_file(limn_single *s, const char *relative, limn_made_file file,
                            limn_error *err) {
    file.relative = strdup(relative);
    if (file.relative == NULL)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a model's files");
    s->files[s->file_count++] = file;
    return LIMN_OK;
}

limn_status limn_made_bytes(limn_made_file *file, limn_bytes *view, limn_error *err) {
    if (file->bytes == NULL) {
        uint8_t *bytes = malloc(file->size + 1);
        if (bytes == NULL) return limn_fail(err, LIMN_E_MEMORY, "no memory for %s", file->relative);
        limn_status status = limn_tensor_read_stored(file->kept, 0, file->size, bytes, err);
        if (status != LIMN_OK) {
            free(bytes);
            return status;
        }
        file->bytes = bytes;
    }
    *view = (limn_bytes){.data = file->bytes, .size = file->size};
    return LIMN_OK;
}

/* A path of plain names, each of which is neither empty, "." nor "..". */
static bool is_plain(const char *path) {
    for (;;) {
        const size_t length = strcspn(path, "/");
        if (length == 0 || memchr(path, '\\', length) != NULL || memchr(path, ':', length) != NULL)
            return false;
        if (path[0] == '.' && (length == 1 || (length == 2 && path[1] == '.'))) return false;
        if (path[length] == '\0') return true;
        path += length + 1;
    }
}

/* The files that limn kept in the file. */
static limn_status find_files(const limn_tensors *all, const char *path, limn_single *s,
                              limn_error *err) {
    for (size_t i = 0; i < all->count; i++) {
        const limn_tensor *t = &all->items[i];
        if (strncmp(t->name, INSIDE, sizeof INSIDE - 1) != 0) continue;
        const char *relative = t->name + sizeof INSIDE - 1;
        const bool good = t->rank == 1 && (t->dtype == LIMN_U8 || t->dtype == LIMN_I8);
        if (!good || !is_plain(relative)) {
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: tensor \"%.200s\" should be a file kept as bytes, but its %s",
                             path, t->name,
                             good ? "path leads elsewhere" : "type or shape is another");
        }
        if (s->file_count == FILES_ALL / 2) {
            return limn_fail(err, LIMN_E_INPUT, "%s: more than %d files are kept in it", path,
                             FILES_ALL / 2);
        }
        limn_status status =
            add_file(s, relative, (limn_made_file){.kept = t, .size = t->bytes}, err);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* Adds a file that was made, and owns its text from then on; not where there is one. */
static limn_status add_made(limn_single *s, const char *relative, char *text, limn_error *err) {
    if (text == NULL) return limn_fail(err, LIMN_E_MEMORY, "no memory for a model's files");
    if (limn_single_find(s, relative) != NULL) {
        free(text);
        return LIMN_OK;
    }
    const limn_made_file file = {.bytes = (uint8_t *)text, .size = strlen(text)};
    limn_status status = add_file(s, relative, file, err);
    if (status != LIMN_OK) free(text);
    return status;
}

/* ---- what shapes do not tell ----------------------------------------------------------------- */

/* Whether a U-Net like Stable Diffusion 2's predicts v: its last norm's biases spread more widely.
 * The bound is ComfyUI's (supported_models.py, class SD20). Where there is no such tensor, v: that
 * is what most of these files are; *told says whether it had to be assumed. */
static limn_status looks_like_v(const limn_tensors *unet, bool *v, bool *told, limn_error *err) {
    const limn_tensor *t =
        limn_tensors_find(unet, "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias");
    float x[BIASES_MOST];
    double sum = 0, squares = 0;
    *v = true;
    *told = t != NULL && t->rank == 1 && t->count > 0 && t->count <= BIASES_MOST;
    if (!*told) return LIMN_OK;
    limn_status status = limn_tensor_read(t, 0, t->count, x, err);
    if (status != LIMN_OK) return status;
    for (uint64_t i = 0; i < t->count; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    const double mean = sum / (double)t->count;
    const double variance = squares / (double)t->count - mean * mean;
    *v = variance > 0.09 * 0.09;
    return LIMN_OK;
}

/* What the file says of itself: "modelspec" is Stability AI's, an empty tensor "v_pred" the custom
 * of those who train XL so. 0 not said, 1 epsilon, 2 v. */
static int said_prediction(const limn_tensors *all) {
    const char *said = limn_tensors_note(all, "modelspec.prediction_type");
    if (said != NULL && said[0] == 'v') return 2;
    if (said != NULL && strncmp(said, "eps", 3) == 0) return 1;
    return limn_tensors_find(all, "v_pred") != NULL ? 2 : 0;
}

/* Those of EDM's kind (Karras et al. 2022; Playground 2.5, CosXL) have a schedule and latents of
 * their own. */
static limn_status refuse_edm(const limn_tensors *all, limn_error *err) {
    static const char *const marks[] = {"edm_mean", "edm_vpred.sigma_max"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (limn_tensors_find(all, marks[i]))
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: a model of EDM's kind (it has the tensor \"%s\": Playground 2.5 "
                             "or CosXL), with which limn does not draw",
                             all->file, marks[i]);
    return LIMN_OK;
}

/* Finds the family; *v becomes whether the U-Net predicts v, *context the width of its text. */
static limn_status find_family(const limn_tensors *all, const char *name, limn_single *s, bool *v,
                               int *context, limn_error *err) {
    limn_traits traits = limn_family_traits(s->parts[LIMN_PART_UNET]);
    const int said = said_prediction(all);
    traits.name = name;
    traits.prediction = said;
    if (said == 0 && traits.context == 1024 && !traits.text_time) {
        bool told;
        limn_status status = looks_like_v(s->parts[LIMN_PART_UNET], v, &told, err);
        if (status != LIMN_OK) return status;
        if (!told)
            s->note = "nothing in this file tells whether it predicts v or epsilon; v is assumed "
                      "(--prediction epsilon: the other)";
        traits.prediction = *v ? 2 : 1;
    }
    s->family = limn_family_find(&traits);
    *v = said != 0 ? said == 2 : s->family->predicts_v;
    *context = traits.context;
    return LIMN_OK;
}

/* What a folder has beside its components, and the U-Net's configuration. */
static limn_status make_for_unet(const limn_tensors *all, const char *name, limn_single *s,
                                 limn_error *err) {
    bool v;
    int context;
    limn_status status = refuse_edm(all, err);
    if (status == LIMN_OK) status = find_family(all, name, s, &v, &context, err);
    if (status != LIMN_OK) return status;
    const bool zero_snr = v && limn_tensors_find(all, "ztsnr") != NULL; /* epsilon cannot */
    status = add_made(s, LIMN_INDEX, limn_form_index(s->family), err);
    if (status == LIMN_OK)
        status = add_made(s, "unet/config.json",
                          limn_form_unet_config(s->parts[LIMN_PART_UNET], s->family), err);
    if (status == LIMN_OK)
        status = add_made(s, "scheduler/scheduler_config.json",
                          limn_form_scheduler_config(s->family, v, zero_snr), err);
    /* OpenCLIP pads with the token 0, "!", where OpenAI's CLIP repeats the end. */
    if (status == LIMN_OK)
        status = add_made(s, "tokenizer/special_tokens_map.json",
                          limn_form_special_tokens(context == 1024), err);
    if (status == LIMN_OK)
        status =
            add_made(s, "tokenizer_2/special_tokens_map.json", limn_form_special_tokens(true), err);
    return status;
}

static limn_status make_files(const limn_tensors *all, const char *name, limn_single *s,
                              limn_error *err) {
    limn_tensors *const *parts = s->parts;
    limn_status status = LIMN_OK;
    if (parts[LIMN_PART_UNET] != NULL) status = make_for_unet(all, name, s, err);
    const double scaling = s->family != NULL ? s->family->vae_scaling : 0.18215;
    if (status == LIMN_OK && parts[LIMN_PART_VAE] != NULL)
        status = add_made(s, "vae/config.json", limn_form_vae_config(parts[LIMN_PART_VAE], scaling),
                          err);
    if (status == LIMN_OK && parts[LIMN_PART_TEXT] != NULL)
        status = add_made(s, "text_encoder/config.json",
                          limn_form_text_config(parts[LIMN_PART_TEXT], false), err);
    if (status == LIMN_OK && parts[LIMN_PART_TEXT_2] != NULL)
        status = add_made(s, "text_encoder_2/config.json",
                          limn_form_text_config(parts[LIMN_PART_TEXT_2], true), err);
    if (status == LIMN_OK && parts[LIMN_PART_CONTROL] != NULL)
        status = add_made(s, "controlnet/config.json",
                          limn_form_control_config(parts[LIMN_PART_CONTROL]), err);
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

limn_status limn_single_open(const limn_tensors *all, const char *name, const char *path,
                             limn_single **out, limn_error *err) {
    *out = NULL;
    limn_single *s = calloc(1, sizeof *s);
    if (s != NULL) s->files = calloc(FILES_ALL, sizeof *s->files);
    if (s == NULL || s->files == NULL) {
        limn_single_close(s);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open it", path);
    }
    limn_status status = find_parts(all, path, s, err);
    if (status == LIMN_OK) status = find_files(all, path, s, err);
    if (status == LIMN_OK) status = make_files(all, name, s, err);
    if (status != LIMN_OK) {
        limn_single_close(s);
        return status;
    }
    *out = s;
    return LIMN_OK;
}

void limn_single_close(limn_single *s) {
    if (s == NULL) return;
    for (int i = 0; i < s->file_count; i++) {
        limn_config_free(s->files[i].config);
        free(s->files[i].relative);
        free(s->files[i].bytes);
    }
    for (int i = 0; i < LIMN_PARTS; i++) limn_tensors_free(s->parts[i]);
    free(s->files);
    free(s);
}

limn_status limn_single_scale_vae(limn_single *s, double scaling, limn_error *err) {
    limn_made_file *file = limn_single_find(s, "vae/config.json");
    if (file == NULL || file->kept != NULL || s->family != NULL) return LIMN_OK;
    char *text = limn_form_vae_config(s->parts[LIMN_PART_VAE], scaling);
    if (text == NULL) return limn_fail(err, LIMN_E_MEMORY, "no memory for a model's files");
    free(file->bytes);
    file->bytes = (uint8_t *)text;
    file->size = strlen(text);
    return LIMN_OK;
}
