/* limn's recipe, read from the JSON that recipe_write.c writes. */
#include "image/recipe.h"

#include "image/buffer.h"
#include "weights/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What a value may be. */
enum { IS_TEXT = 1, IS_NUMBER = 2 };

/* The settings that limn's JSON always has. */
static const struct {
    const char *key;
    int kinds;
} needed[] = {
    {"prompt", IS_TEXT},
    {"negative_prompt", IS_TEXT},
    {"seed", IS_TEXT | IS_NUMBER},
    {"steps", IS_NUMBER},
    {"guidance_scale", IS_NUMBER},
    {"width", IS_NUMBER},
    {"height", IS_NUMBER},
    {"sampler", IS_TEXT},
    {"schedule", IS_TEXT},
    {"rng", IS_TEXT},
    {"eta", IS_NUMBER},
};

/* Takes one setting; numbers go through their text, which is exact. */
static limn_status take(const json_t *object, const char *key, int kinds, limn_recipe *recipe,
                        limn_error *err) {
    const json_t *value = json_object_get(object, key);
    char kind[80];
    if (value && json_is_string(value) && (kinds & IS_TEXT)) {
        return limn_recipe_accept(recipe, key, json_string_value(value), err);
    }
    if (value && json_is_number(value) && (kinds & IS_NUMBER)) {
        limn_image_buffer b = {0};
        if (json_is_integer(value))
            limn_image_add_format(&b, "%lld", (long long)json_integer_value(value));
        else
            limn_image_add_number(&b, json_real_value(value));
        char *text;
        limn_status status = limn_image_take(&b, &text, err);
        if (status) return status;
        status = limn_recipe_accept(recipe, key, text, err);
        free(text);
        return status;
    }
    if (!value) return limn_fail(err, LIMN_E_INPUT, "the picture's recipe: '%s' is missing", key);
    limn_json_describe(value, kind, sizeof kind);
    return limn_fail(err, LIMN_E_INPUT, "the picture's recipe: '%s' is %s, expected %s", key, kind,
                     kinds & IS_NUMBER ? "a number" : "a text");
}

/* Takes a picture that this one was drawn from, where there is one. */
static limn_status take_source(const json_t *object, const char *key, limn_input *out,
                               limn_error *err) {
    const json_t *source = json_object_get(object, key);
    const char *name = json_string_value(json_object_get(source, "file"));
    const char *sha256 = json_string_value(json_object_get(source, "pixels_sha256"));
    if (!source) return LIMN_OK;
    if (!name || !sha256 || strlen(sha256) != 64)
        return limn_fail(err, LIMN_E_INPUT,
                         "the picture's recipe: '%s' does not tell a file and the 64 digits of its "
                         "pixels' hash",
                         key);
    limn_status status = limn_recipe_keep(&out->name, name, strlen(name), err);
    return status ? status : limn_recipe_keep(&out->sha256, sha256, strlen(sha256), err);
}

/* Takes what the recipe says of its model, which may be nothing. */
static limn_status take_model(const json_t *object, limn_recipe *recipe, limn_error *err) {
    const json_t *model = json_object_get(object, "model");
    const char *name = json_string_value(json_object_get(model, "name"));
    const char *sha256 = json_string_value(json_object_get(model, "sha256"));
    json_int_t contract = json_integer_value(json_object_get(object, "contract"));
    limn_status status = LIMN_OK;
    if (name)
        status = limn_recipe_keep((const char **)&recipe->model_name, name, strlen(name), err);
    if (sha256 && !status) {
        status =
            limn_recipe_keep((const char **)&recipe->model_sha256, sha256, strlen(sha256), err);
    }
    recipe->contract = contract > 0 && contract <= INT32_MAX ? (int)contract : 0;
    return status;
}

/* Takes the LoRAs, which are all described or none. */
static limn_status take_loras(const json_t *object, limn_recipe *recipe, limn_error *err) {
    const json_t *loras = json_object_get(object, "loras"), *lora;
    limn_status status = LIMN_OK;
    size_t i;
    if (loras && !json_is_array(loras))
        return limn_fail(err, LIMN_E_INPUT, "the picture's recipe: 'loras' is not a list");
    json_array_foreach(loras, i, lora) {
        const char *name = json_string_value(json_object_get(lora, "name"));
        const char *sha256 = json_string_value(json_object_get(lora, "sha256"));
        const json_t *scale = json_object_get(lora, "scale");
        if (!name || !sha256 || !json_is_number(scale))
            return limn_fail(err, LIMN_E_INPUT,
                             "the picture's recipe: LoRA %zu lacks its name, sha256 or scale",
                             i + 1);
        status = limn_recipe_add_lora(recipe, name, sha256, json_number_value(scale), err);
        if (status) return status;
    }
    return status;
}

/* Takes the textual inversions that the prompts named. */
static limn_status take_embeddings(const json_t *object, limn_recipe *recipe, limn_error *err) {
    const json_t *all = json_object_get(object, "embeddings"), *one;
    limn_image_buffer list = {0};
    size_t i;
    json_array_foreach(all, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *sha256 = json_string_value(json_object_get(one, "sha256"));
        limn_recipe_list_embedding(&list, name ? name : "?", sha256 ? sha256 : "?");
    }
    char *text;
    limn_status status = limn_image_take(&list, &text, err);
    if (status != LIMN_OK) return status;
    free(recipe->embeddings);
    recipe->embeddings = text;
    return LIMN_OK;
}

/* Takes the settings that are there. */
static limn_status take_settings(const json_t *object, limn_recipe *recipe, limn_error *err) {
    int count;
    const limn_setting *all = limn_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && !status; i++)
        if (json_object_get(object, all[i].name))
            status = take(object, all[i].name, IS_NUMBER, recipe, err);
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count && !status; i++)
        if (json_object_get(object, texts[i].name))
            status = take(object, texts[i].name, IS_TEXT, recipe, err);
    return status;
}

/* Takes a network beside the model, where the recipe names one. */
static limn_status take_network(const json_t *object, const char *key, char **name_slot,
                                char **sha256_slot, limn_error *err) {
    const json_t *network = json_object_get(object, key);
    const char *name = json_string_value(json_object_get(network, "name"));
    const char *sha256 = json_string_value(json_object_get(network, "sha256"));
    if (!network || json_is_null(network)) return LIMN_OK;
    if (!name || !sha256 || strlen(sha256) != 64)
        return limn_fail(err, LIMN_E_INPUT,
                         "the picture's recipe: '%s' has to have a name and a sha256", key);
    limn_status status = limn_recipe_keep((const char **)name_slot, name, strlen(name), err);
    if (status) return status;
    return limn_recipe_keep((const char **)sha256_slot, sha256, strlen(sha256), err);
}

limn_status limn_recipe_from_json(const char *json, limn_recipe *recipe, limn_error *err) {
    json_t *object;
    limn_status status = limn_json_read((const uint8_t *)json, strlen(json), "the picture",
                                        "its recipe", &object, err);
    if (status) return status;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0] && !status; i++) {
        status = take(object, needed[i].key, needed[i].kinds, recipe, err);
    }
    if (!status) status = take_settings(object, recipe, err);
    if (!status && json_object_get(object, "prompt_syntax"))
        status = take(object, "prompt_syntax", IS_TEXT, recipe, err);
    if (!status && json_object_get(object, "precision"))
        status = take(object, "precision", IS_TEXT, recipe, err);
    if (!status) status = take_loras(object, recipe, err);
    if (!status) status = take_embeddings(object, recipe, err);
    if (!status) status = take_source(object, "init", &recipe->request.init, err);
    if (!status) status = take_source(object, "mask", &recipe->request.mask, err);
    if (!status) status = take_source(object, "control_image", &recipe->request.control, err);
    if (!status) status = take_model(object, recipe, err);
    if (!status)
        status = take_network(object, "taesd", &recipe->taesd_name, &recipe->taesd_sha256, err);
    if (!status)
        status =
            take_network(object, "control", &recipe->control_name, &recipe->control_sha256, err);
    json_decref(object);
    return status;
}
