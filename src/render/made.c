#include "render/made.h"
#include "image/recipe.h"
#include "render/hint.h"
#include "render/plan.h"
#include "render/speech.h"
#include "render/upscale.h"
#include <stdlib.h>
#include <string.h>

limn_recipe_facts limn_made_facts(const limn_model *model, const limn_request *request) {
    const bool controlled = limn_hint_wanted(request);
    return (limn_recipe_facts){
        .request = request,
        .model_name = model->info.name,
        .model_sha256 = model->info.sha256,
        .contract = LIMN_CONTRACT,
        .version = limn_version(),
        .precision = model->info.precision,
        .taesd_name = model->info.taesd_name,
        .taesd_sha256 = model->info.taesd_sha256,
        .loras = model->loras ? limn_loras_info(model->loras) : NULL,
        .lora_count = model->info.lora_count,
        .embeddings = model->embeddings,
        .control_name = controlled ? model->info.control_name : "",
        .control_sha256 = controlled ? model->info.control_sha256 : "",
    };
}

/* What a settled request's prompts say where the model has embeddings: their use in both passes. */
static limn_status find_used(const limn_model *m, const limn_request *settled, limn_speech *out,
                             limn_error *err) {
    if (!m->embeddings) return LIMN_OK;
    limn_status status = limn_speech_make(m, settled, out, err);
    if (status != LIMN_OK || settled->upscale == 0) return status;
    int made;
    limn_speech second_speech = {0};
    const limn_request second = limn_upscale_request(m, settled, &made);
    status = limn_speech_make(m, &second, &second_speech, err);
    limn_speech_join_used(m, out, &second_speech);
    limn_speech_free(&second_speech);
    return status;
}

limn_status limn_made_recipe(const limn_model *model, const limn_request *request, char **json,
                             limn_error *err) {
    limn_request settled = *request;
    limn_request_settle(model, &settled);
    limn_recipe_facts facts = limn_made_facts(model, &settled);
    limn_speech speech = {0};
    limn_status status = limn_model_hashed(model, err);
    if (status == LIMN_OK) status = find_used(model, &settled, &speech, err);
    facts.embeddings_used = speech.used;
    if (status == LIMN_OK) status = limn_recipe_json(&facts, json, err);
    limn_speech_free(&speech);
    return status;
}

limn_status limn_request_embeddings(const limn_model *model, const limn_request *request,
                                    char **out, limn_error *error) {
    limn_request settled = *request;
    limn_speech speech = {0};
    limn_image_buffer list = {0};
    *out = NULL;
    limn_request_settle(model, &settled);
    limn_status status = find_used(model, &settled, &speech, error);
    for (int i = 0; speech.used && i < model->embeddings->count; i++) {
        const limn_embedding *e = &model->embeddings->list[i];
        if (speech.used[i]) limn_recipe_list_embedding(&list, e->name, e->sha256);
    }
    limn_speech_free(&speech);
    return status == LIMN_OK ? limn_image_take(&list, out, error) : status;
}

/* Whether a recipe names the model's LoRAs, in their order. */
static bool same_loras(const limn_model *model, const limn_recipe *recipe) {
    if (limn_recipe_lora_count(recipe) != model->info.lora_count) return false;
    for (int i = 0; i < model->info.lora_count; i++) {
        limn_lora_info a = limn_model_lora(model, i), b = limn_recipe_lora(recipe, i);
        if (strcmp(a.sha256, b.sha256) != 0 || a.scale != b.scale) return false;
    }
    return true;
}

/* Compares requests through their canonical form, in which numbers and broken UTF-8 have one. */
static limn_status compare_requests(const limn_model *model, const limn_request *wanted,
                                    const limn_request *found, const char *path, limn_error *err) {
    char *a = NULL, *b = NULL;
    limn_status status = limn_made_recipe(model, wanted, &a, err);
    if (status == LIMN_OK) status = limn_made_recipe(model, found, &b, err);
    if (status == LIMN_OK && strcmp(a, b) != 0) {
        status =
            limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn from another request", path);
    }
    free(a);
    free(b);
    return status;
}

/* Whether the request uses the embeddings that a recipe names. */
static limn_status compare_embeddings(const limn_model *model, const limn_request *wanted,
                                      const limn_recipe *recipe, const char *path,
                                      limn_error *err) {
    char *used = NULL;
    limn_status status = limn_request_embeddings(model, wanted, &used, err);
    if (status == LIMN_OK && strcmp(used, limn_recipe_embeddings(recipe)) != 0)
        status =
            limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn with other embeddings", path);
    free(used);
    return status;
}

static limn_status compare(const limn_model *model, const limn_request *request,
                           const limn_recipe *recipe, const char *path, limn_error *err) {
    if (strcmp(limn_recipe_model_sha256(recipe), limn_model_describe(model).sha256) != 0) {
        return limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn by another model", path);
    }
    if (limn_recipe_contract(recipe) != LIMN_CONTRACT) {
        return limn_fail(err, LIMN_E_CREATE,
                         "%s is there already, drawn under numeric contract %d instead of %d", path,
                         limn_recipe_contract(recipe), LIMN_CONTRACT);
    }
    if (strcmp(limn_recipe_precision(recipe), limn_model_describe(model).precision) != 0) {
        return limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn in %s instead of %s", path,
                         limn_recipe_precision(recipe), limn_model_describe(model).precision);
    }
    if (strcmp(limn_recipe_taesd_sha256(recipe), limn_model_describe(model).taesd_sha256) != 0) {
        return limn_fail(err, LIMN_E_CREATE, "%s is there already, decoded by another decoder",
                         path);
    }
    if (!same_loras(model, recipe)) {
        return limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn with other LoRA files",
                         path);
    }
    const char *control = limn_hint_wanted(request) ? model->info.control_sha256 : "";
    if (strcmp(limn_recipe_control_sha256(recipe), control) != 0) {
        return limn_fail(err, LIMN_E_CREATE, "%s is there already, drawn with another ControlNet",
                         path);
    }
    limn_status status = compare_embeddings(model, request, recipe, path, err);
    if (status != LIMN_OK) return status;
    return compare_requests(model, request, limn_recipe_request(recipe), path, err);
}

limn_status limn_made_check(const limn_model *model, const limn_request *request, const char *path,
                            limn_error *err) {
    limn_picture *picture = NULL;
    limn_recipe *recipe = NULL;
    limn_status status = limn_model_hashed(model, err);
    if (status != LIMN_OK) return status;
    status = limn_picture_load(path, &picture, err);
    if (status == LIMN_OK && !picture->recipe) status = LIMN_E_INPUT;
    if (status == LIMN_OK) status = limn_recipe_read(picture, &recipe, err);
    if (status == LIMN_OK) {
        status = compare(model, request, recipe, path, err);
    } else if (status != LIMN_E_MEMORY) {
        status = limn_fail(err, LIMN_E_CREATE,
                           "%s is there already and is not a picture that limn drew", path);
    }
    limn_recipe_free(recipe);
    limn_picture_free(picture);
    return status;
}
