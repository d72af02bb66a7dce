/* A recipe in memory: read out of a picture, asked, and changed. */
#include "image/recipe.h"

#include "image/buffer.h"
#include "image/png.h"
#include "prompt/syntax.h"
#include "weights/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its life -------------------------------------------------------------------------------- */

limn_status limn_recipe_keep(const char **slot, const char *text, size_t size, limn_error *err) {
    char *own = malloc(size + 1);
    if (!own) return limn_fail(err, LIMN_E_MEMORY, "no memory for a recipe");
    memcpy(own, text, size);
    own[size] = '\0';
    free((void *)*slot);
    *slot = own;
    return LIMN_OK;
}

static limn_status keep(const char **slot, const char *text, limn_error *err) {
    return limn_recipe_keep(slot, text, strlen(text), err);
}

limn_status limn_recipe_new(limn_recipe **out, limn_error *err) {
    limn_recipe *r = calloc(1, sizeof *r);
    if (!r) return limn_fail(err, LIMN_E_MEMORY, "no memory for a recipe");
    const char **empty[] = {&r->request.prompt,
                            &r->request.negative,
                            &r->request.sampler,
                            (const char **)&r->model_name,
                            (const char **)&r->model_sha256,
                            (const char **)&r->taesd_name,
                            (const char **)&r->taesd_sha256,
                            (const char **)&r->embeddings,
                            (const char **)&r->control_name,
                            (const char **)&r->control_sha256};
    limn_status status = keep(&r->request.schedule, "model", err);
    if (!status) status = keep(&r->request.rng, "torch", err);
    if (!status) status = keep(&r->request.prompt_syntax, "plain", err);
    if (!status) status = keep((const char **)&r->precision, limn_precision_name(false), err);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0] && !status; i++)
        status = keep(empty[i], "", err);
    if (status) {
        limn_recipe_free(r);
        return status;
    }
    *out = r;
    return LIMN_OK;
}

limn_status limn_recipe_add_lora(limn_recipe *recipe, const char *name, const char *sha256,
                                 double scale, limn_error *err) {
    size_t room = ((size_t)recipe->lora_count + 1) * sizeof *recipe->loras;
    limn_lora_info *loras = realloc(recipe->loras, room), info = {.scale = scale};
    if (!loras) return limn_fail(err, LIMN_E_MEMORY, "no memory for a recipe");
    recipe->loras = loras;
    info.short_hash = info.unknowns = "";
    limn_status status = keep(&info.name, name, err);
    if (!status) status = keep(&info.sha256, sha256, err);
    if (!status)
        loras[recipe->lora_count++] = info;
    else
        free((void *)info.name);
    return status;
}

int limn_recipe_lora_count(const limn_recipe *recipe) {
    return recipe->lora_count;
}

limn_lora_info limn_recipe_lora(const limn_recipe *recipe, int i) {
    return recipe->loras[i];
}

static void drop_loras(limn_recipe *recipe) {
    for (int i = 0; i < recipe->lora_count; i++) {
        free((void *)recipe->loras[i].name);
        free((void *)recipe->loras[i].sha256);
    }
    free(recipe->loras);
    recipe->loras = NULL;
    recipe->lora_count = 0;
}

static void drop_texts(const limn_request *q) {
    int count;
    const limn_text_setting *all = limn_text_settings(&count);
    for (int i = 0; i < count; i++) free((void *)limn_text_setting_get(q, &all[i]));
}

void limn_recipe_free(limn_recipe *recipe) {
    if (!recipe) return;
    limn_request *q = &recipe->request;
    const char *texts[] = {q->prompt,      q->negative,      q->sampler,      q->schedule,
                           q->rng,         q->init.name,     q->init.sha256,  q->mask.name,
                           q->mask.sha256, q->prompt_syntax, q->control.name, q->control.sha256};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) free((void *)texts[i]);
    drop_texts(q);
    drop_loras(recipe);
    free(recipe->precision);
    free(recipe->model_name);
    free(recipe->model_sha256);
    free(recipe->taesd_name);
    free(recipe->taesd_sha256);
    free(recipe->embeddings);
    free(recipe->control_name);
    free(recipe->control_sha256);
    free(recipe);
}

const limn_request *limn_recipe_request(const limn_recipe *recipe) {
    return &recipe->request;
}

const char *limn_recipe_model_sha256(const limn_recipe *recipe) {
    return recipe->model_sha256;
}

const char *limn_recipe_model_name(const limn_recipe *recipe) {
    return recipe->model_name;
}

const char *limn_recipe_precision(const limn_recipe *recipe) {
    return recipe->precision;
}

const char *limn_recipe_taesd_name(const limn_recipe *recipe) {
    return recipe->taesd_name;
}

const char *limn_recipe_taesd_sha256(const limn_recipe *recipe) {
    return recipe->taesd_sha256;
}

const char *limn_recipe_embeddings(const limn_recipe *recipe) {
    return recipe->embeddings;
}

void limn_recipe_list_embedding(limn_image_buffer *list, const char *name, const char *sha256) {
    if (list->size > 0) limn_image_add_text(list, ", ");
    limn_image_add_text(list, name);
    limn_image_add_format(list, " (%.12s...)", sha256);
}

const char *limn_recipe_control_name(const limn_recipe *recipe) {
    return recipe->control_name;
}

const char *limn_recipe_control_sha256(const limn_recipe *recipe) {
    return recipe->control_sha256;
}

int limn_recipe_contract(const limn_recipe *recipe) {
    return recipe->contract;
}

limn_status limn_recipe_read(const limn_picture *picture, limn_recipe **out, limn_error *error) {
    limn_recipe *recipe;
    if (!picture->recipe && !picture->parameters) {
        return limn_fail(error, LIMN_E_INPUT,
                         "the picture carries no recipe: neither limn's nor A1111's");
    }
    limn_status status = limn_recipe_new(&recipe, error);
    if (status) return status;
    recipe->request.width = picture->width;
    recipe->request.height = picture->height;
    if (picture->recipe) {
        status = limn_recipe_from_json(picture->recipe, recipe, error);
    } else {
        status = limn_recipe_from_parameters(picture->parameters, recipe, error);
    }
    if (status) {
        limn_recipe_free(recipe);
        return status;
    }
    *out = recipe;
    return LIMN_OK;
}

/* ---- its settings ---------------------------------------------------------------------------- */

/* One way to take a value that was typed; `name` is for the sentence. */
typedef limn_status setter(limn_recipe *r, const char *name, const char *value, limn_error *err);

static limn_status set_prompt(limn_recipe *r, const char *name, const char *value,
                              limn_error *err) {
    (void)name;
    return keep(&r->request.prompt, value, err);
}

static limn_status set_negative(limn_recipe *r, const char *name, const char *value,
                                limn_error *err) {
    (void)name;
    return keep(&r->request.negative, value, err);
}

static limn_status set_seed(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    uint64_t seed;
    if (!limn_image_read_whole(value, UINT64_MAX, &seed)) {
        return limn_fail(err, LIMN_E_USAGE,
                         "%s '%s': expected a whole number from 0 to 18446744073709551615", name,
                         value);
    }
    r->request.seed = seed;
    return LIMN_OK;
}

static limn_status set_whole(int *out, const char *name, const char *value, int most,
                             limn_error *err) {
    uint64_t number;
    if (!limn_image_read_whole(value, (uint64_t)most, &number) || number == 0) {
        return limn_fail(err, LIMN_E_USAGE, "%s '%s': expected a whole number from 1 to %d", name,
                         value, most);
    }
    *out = (int)number;
    return LIMN_OK;
}

static limn_status set_steps(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    return set_whole(&r->request.steps, name, value, 1000, err);
}

static limn_status set_width(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    return set_whole(&r->request.width, name, value, LIMN_PICTURE_SIDE_MOST, err);
}

static limn_status set_height(limn_recipe *r, const char *name, const char *value,
                              limn_error *err) {
    return set_whole(&r->request.height, name, value, LIMN_PICTURE_SIDE_MOST, err);
}

static limn_status set_size(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    const char *x = strpbrk(value, "xX");
    char wide[24] = "";
    uint64_t width, height;
    if (x && (size_t)(x - value) < sizeof wide) memcpy(wide, value, (size_t)(x - value));
    if (!x || !limn_image_read_whole(wide, LIMN_PICTURE_SIDE_MOST, &width) ||
        !limn_image_read_whole(x + 1, LIMN_PICTURE_SIDE_MOST, &height) || !width || !height) {
        return limn_fail(err, LIMN_E_USAGE,
                         "%s '%s': expected width x height, e.g. 512x512, each from 1 to %d", name,
                         value, LIMN_PICTURE_SIDE_MOST);
    }
    r->request.width = (int)width;
    r->request.height = (int)height;
    return LIMN_OK;
}

static limn_status set_number(double *out, const char *name, const char *value, double most,
                              limn_error *err) {
    double number;
    if (!limn_image_read_number(value, &number) || !(number >= 0 && number <= most)) {
        return limn_fail(err, LIMN_E_USAGE, "%s '%s': expected a number from 0 to %d", name, value,
                         (int)most);
    }
    *out = number;
    return LIMN_OK;
}

static limn_status set_guidance(limn_recipe *r, const char *name, const char *value,
                                limn_error *err) {
    return set_number(&r->request.guidance, name, value, 100, err);
}

static limn_status set_eta(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    return set_number(&r->request.eta, name, value, 1, err);
}

/* Fails with the names that there are. */
static limn_status fail_choice(const char *name, const char *value, const limn_choice *choices,
                               int count, limn_error *err) {
    char list[400] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof list; i++) {
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 choices[i].name);
    }
    return limn_fail(err, LIMN_E_USAGE, "there is no %s '%s'; there are %s", name, value, list);
}

static limn_status set_sampler(limn_recipe *r, const char *name, const char *value,
                               limn_error *err) {
    const char *schedule = r->request.schedule;
    const char *sampler = limn_sampler_find(value, &schedule);
    if (!sampler) {
        int count;
        const limn_choice *choices = limn_samplers(&count);
        return fail_choice(name, value, choices, count, err);
    }
    limn_status status = keep(&r->request.sampler, sampler, err);
    if (status || schedule == r->request.schedule) return status;
    return keep(&r->request.schedule, schedule, err);
}

static limn_status set_schedule(limn_recipe *r, const char *name, const char *value,
                                limn_error *err) {
    const char *schedule = limn_schedule_find(value);
    if (schedule) return keep(&r->request.schedule, schedule, err);
    int count;
    const limn_choice *choices = limn_schedules(&count);
    return fail_choice(name, value, choices, count, err);
}

static limn_status set_rng(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    const char *rng = limn_rng_find(value);
    if (rng) return keep(&r->request.rng, rng, err);
    int count;
    const limn_choice *choices = limn_rngs(&count);
    return fail_choice(name, value, choices, count, err);
}

static limn_status set_syntax(limn_recipe *r, const char *name, const char *value,
                              limn_error *err) {
    const char *syntax = limn_prompt_syntax_find(value);
    if (syntax) return keep(&r->request.prompt_syntax, syntax, err);
    return limn_fail(err, LIMN_E_USAGE, "there is no %s '%s'; there are a1111 and plain", name,
                     value);
}

static limn_status set_precision(limn_recipe *r, const char *name, const char *value,
                                 limn_error *err) {
    (void)name;
    bool int8;
    limn_status status = limn_precision_find(value, &int8, err);
    return status ? status : keep((const char **)&r->precision, limn_precision_name(int8), err);
}

/* A recipe cannot hold a TAESD's numbers, so all that can be said is that none is wanted. */
static limn_status set_taesd(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    if (strcmp(value, "none") != 0)
        return limn_fail(err, LIMN_E_USAGE, "%s '%s': expected none (a TAESD is given by its file)",
                         name, value);
    limn_status status = keep((const char **)&r->taesd_name, "", err);
    return status ? status : keep((const char **)&r->taesd_sha256, "", err);
}

/* Nor a ControlNet's; and without it, its picture and settings say nothing. */
static limn_status set_control(limn_recipe *r, const char *name, const char *value,
                               limn_error *err) {
    if (strcmp(value, "none") != 0)
        return limn_fail(err, LIMN_E_USAGE,
                         "%s '%s': expected none (a ControlNet is given by its file)", name, value);
    limn_status status = keep((const char **)&r->control_name, "", err);
    if (!status) status = keep((const char **)&r->control_sha256, "", err);
    if (!status) status = keep(&r->request.control.name, "", err);
    if (!status) status = keep(&r->request.control.sha256, "", err);
    r->request.control_strength = r->request.control_from = r->request.control_to = 0;
    return status;
}

/* They can be left out, not changed: which files they are is for whoever opens the model to say. */
static limn_status set_loras(limn_recipe *r, const char *name, const char *value, limn_error *err) {
    if (strcmp(value, "none") != 0)
        return limn_fail(err, LIMN_E_USAGE, "%s '%s': expected none, which leaves them out", name,
                         value);
    drop_loras(r);
    return LIMN_OK;
}

/* The settings by their names in a recipe, then those that people type. */
static const struct {
    const char *name;
    setter *set;
} settings[] = {
    {"prompt", set_prompt},
    {"negative_prompt", set_negative},
    {"seed", set_seed},
    {"steps", set_steps},
    {"guidance_scale", set_guidance},
    {"width", set_width},
    {"height", set_height},
    {"sampler", set_sampler},
    {"schedule", set_schedule},
    {"rng", set_rng},
    {"eta", set_eta},
    {"prompt_syntax", set_syntax},
    {"precision", set_precision},
    {"taesd", set_taesd},
    {"loras", set_loras},
    {"control", set_control},
    {"negative", set_negative},
    {"guidance", set_guidance},
    {"cfg_scale", set_guidance},
    {"size", set_size},
};

static limn_status set_setting(limn_recipe *r, const limn_setting *setting, const char *value,
                               limn_error *err) {
    double number;
    if (!limn_image_read_number(value, &number))
        return limn_fail(err, LIMN_E_USAGE, "%s '%s': expected a number", setting->name, value);
    return limn_setting_put(&r->request, setting, number, err);
}

/* A copy of what limn_text_setting_put makes of the value takes the place of what was there. */
static limn_status set_text(limn_recipe *r, const limn_text_setting *setting, const char *value,
                            limn_error *err) {
    const char *before = limn_text_setting_get(&r->request, setting), *own = NULL;
    limn_request probe = r->request;
    limn_status status = limn_text_setting_put(&probe, setting, value, err);
    const char *text = limn_text_setting_get(&probe, setting);
    if (!status && text) status = keep(&own, text, err);
    if (status) return status;
    *(const char **)(void *)((char *)&r->request + setting->offset) = own;
    free((void *)before);
    return LIMN_OK;
}

/* Fails with all the names that there are. */
static limn_status fail_setting(const char *name, limn_error *err) {
    char list[600] = "";
    size_t used = 0;
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, ", %s", all[i].name);
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, ", %s", texts[i].name);
    return limn_fail(
        err, LIMN_E_USAGE,
        "a recipe has no setting '%s'; it has prompt, negative_prompt, seed, steps, "
        "guidance_scale, width, height, size, sampler, schedule, rng, eta, prompt_syntax, "
        "precision, taesd, loras, control%s",
        name, list);
}

limn_status limn_recipe_set(limn_recipe *recipe, const char *name, const char *value,
                            limn_error *error) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (strcmp(name, settings[i].name) == 0) return settings[i].set(recipe, name, value, error);
    }
    const limn_setting *setting = limn_setting_find(name);
    if (setting) return set_setting(recipe, setting, value, error);
    const limn_text_setting *text = limn_text_setting_find(name);
    return text ? set_text(recipe, text, value, error) : fail_setting(name, error);
}

limn_status limn_recipe_accept(limn_recipe *recipe, const char *name, const char *value,
                               limn_error *err) {
    const char **choice = strcmp(name, "sampler") == 0         ? &recipe->request.sampler
                          : strcmp(name, "schedule") == 0      ? &recipe->request.schedule
                          : strcmp(name, "rng") == 0           ? &recipe->request.rng
                          : strcmp(name, "prompt_syntax") == 0 ? &recipe->request.prompt_syntax
                          : strcmp(name, "precision") == 0     ? (const char **)&recipe->precision
                                                               : NULL;
    limn_error fault = {0};
    limn_status status = limn_recipe_set(recipe, name, value, &fault);
    if (status == LIMN_E_USAGE && choice) return keep(choice, value, err);
    if (status == LIMN_E_USAGE) status = LIMN_E_INPUT;
    if (status) return limn_fail(err, status, "the picture's recipe: %s", fault.text);
    return LIMN_OK;
}
