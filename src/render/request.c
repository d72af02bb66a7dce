/* A request before any work: what it is where nobody says otherwise, the form that its recipe has,
 * and whether the model can draw it. */
#include "render/hint.h"
#include "render/plan.h"
#include "render/speech.h"
#include "render/start.h"
#include "render/upscale.h"

#include <string.h>

void limn_request_defaults(const limn_model *model, limn_request *request) {
    *request = (limn_request){.prompt = "",
                              .negative = "",
                              .steps = model->info.steps,
                              .guidance = model->info.guidance,
                              .width = model->info.width,
                              .height = model->info.height,
                              .sampler = model->info.sampler,
                              .schedule = "model",
                              .rng = "torch"};
}

/* ---- settling -------------------------------------------------------------------------------- */

/* Texts that say nothing new are left out. */
static void settle_texts(const limn_model *model, limn_request *r) {
    const limn_schedule *s = &model->schedule;
    int count;
    const limn_text_setting *all = limn_text_settings(&count);
    for (int i = 0; i < count; i++) {
        const char *text = limn_text_setting_get(r, &all[i]);
        limn_request probe = *r;
        if (limn_text_setting_put(&probe, &all[i], text, NULL) == LIMN_OK) *r = probe;
    }
    if (r->prompt_2 && r->prompt && strcmp(r->prompt_2, r->prompt) == 0) r->prompt_2 = NULL;
    if (r->negative_2 && r->negative && strcmp(r->negative_2, r->negative) == 0)
        r->negative_2 = NULL;
    if (r->prediction && strcmp(r->prediction, limn_prediction_name(s->prediction)) == 0)
        r->prediction = NULL;
    if (r->zero_snr && strcmp(r->zero_snr, s->zero_terminal_snr ? "on" : "off") == 0)
        r->zero_snr = NULL;
}

/* The prompt syntax is "plain" where it changes nothing. */
static void settle_syntax(const limn_model *model, limn_request *r) {
    limn_speech speech;
    if (!r->prompt || !r->negative || r->steps < 1 || r->steps > 1000) return;
    if (limn_speech_make(model, r, &speech, NULL) == LIMN_OK)
        r->prompt_syntax = speech.plain ? "plain" : "a1111";
    limn_speech_free(&speech);
}

void limn_request_settle(const limn_model *model, limn_request *r) {
    settle_texts(model, r);
    limn_start_settle(model, r);
    limn_upscale_settle(r);
    limn_hint_settle(r);
    int width, height;
    limn_upscale_size(model, r, &width, &height);
    if (r->vae_tile >= width && r->vae_tile >= height) r->vae_tile = 0;
    if (r->cache_interval == 0) r->cache_branch = 0;
    if (r->clip_skip == 1) r->clip_skip = 0;
    if (r->guidance_to == 1) r->guidance_to = 0;
    settle_syntax(model, r);
}

/* ---- checking -------------------------------------------------------------------------------- */

static limn_status check_side(const limn_model *model, const char *what, int px, limn_error *err) {
    int step = model->info.size_step_px;
    if (px < step || px > LIMN_SIDE_MOST_PX)
        return limn_fail(err, LIMN_E_USAGE, "%s is %d, expected %d to %d px", what, px, step,
                         LIMN_SIDE_MOST_PX);
    if (px % step != 0)
        return limn_fail(err, LIMN_E_USAGE,
                         "%s is %d, expected a multiple of %d px for the model %s", what, px, step,
                         model->name);
    return LIMN_OK;
}

static limn_status check_numbers(const limn_model *model, const limn_request *r, limn_error *err) {
    if (r->steps < 1 || r->steps > 1000)
        return limn_fail(err, LIMN_E_USAGE, "steps is %d, expected 1 to 1000", r->steps);
    if (!(r->guidance >= 0 && r->guidance <= 100))
        return limn_fail(err, LIMN_E_USAGE, "guidance is %g, expected 0 to 100", r->guidance);
    if (!(r->eta >= 0 && r->eta <= 1))
        return limn_fail(err, LIMN_E_USAGE, "eta is %g, expected 0 to 1", r->eta);
    limn_status status = check_side(model, "width", r->width, err);
    return status == LIMN_OK ? check_side(model, "height", r->height, err) : status;
}

/* What only SDXL takes. */
static limn_status check_sizes(const limn_model *model, const limn_request *r, limn_error *err) {
    static const char *const names[] = {"original_width", "original_height", "crop_x",
                                        "crop_y",         "target_width",    "target_height"};
    for (size_t i = 0; i < sizeof names / sizeof *names && model->unet.number_d == 0; i++)
        if (limn_setting_get(r, limn_setting_find(names[i])) != 0)
            return limn_fail(err, LIMN_E_USAGE,
                             "%s is set, but the model %s does not take it: only SDXL's kind does",
                             names[i], model->name);
    return LIMN_OK;
}

/* Texts of choices, and those that only a second text encoder reads. */
static limn_status check_texts(const limn_model *model, limn_request *r, limn_error *err) {
    int count;
    const limn_text_setting *all = limn_text_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = limn_text_setting_put(r, &all[i], limn_text_setting_get(r, &all[i]), err);
    if (status == LIMN_OK && (r->prompt_2 || r->negative_2) && model->encoders < 2)
        status = limn_fail(err, LIMN_E_USAGE,
                           "%s is set, but the model %s has one text encoder: only SDXL's kind has "
                           "two",
                           r->prompt_2 ? "prompt_2" : "negative_prompt_2", model->name);
    return status;
}

/* The range of guidance, and the text encoders' layer. */
static limn_status check_listening(const limn_model *model, limn_request *r, limn_error *err) {
    int most = model->text[0].layers;
    for (int i = 1; i < model->encoders; i++)
        if (model->text[i].layers < most) most = model->text[i].layers;
    if (model->joined) most--;
    if (r->guidance_to > 0 && r->guidance_from > r->guidance_to)
        return limn_fail(err, LIMN_E_USAGE, "guidance_from is %g, expected at most guidance_to, %g",
                         r->guidance_from, r->guidance_to);
    if (r->clip_skip > most)
        return limn_fail(err, LIMN_E_USAGE, "clip_skip is %d, the model %s has 1 to %d",
                         r->clip_skip, model->name, most);
    return LIMN_OK;
}

/* Tiles of whole latents, and of enough of them. */
static limn_status check_tile(const limn_model *model, const limn_request *r, limn_error *err) {
    int step = model->info.size_step_px, least = LIMN_TILE_LATENTS_LEAST * step;
    if (r->vae_tile == 0 || (r->vae_tile >= least && r->vae_tile % step == 0)) return LIMN_OK;
    return limn_fail(err, LIMN_E_USAGE,
                     "vae_tile is %d, expected 0 (whole), or a multiple of %d px from %d on for "
                     "the model %s",
                     r->vae_tile, step, least, model->name);
}

/* The numbers that are 0 where they are not used. */
static limn_status check_settings(const limn_model *model, limn_request *r, limn_error *err) {
    int count, most = limn_unet_branch_most(&model->unet);
    const limn_setting *all = limn_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = limn_setting_put(r, &all[i], limn_setting_get(r, &all[i]), err);
    if (status == LIMN_OK) status = check_tile(model, r, err);
    if (status == LIMN_OK) status = check_texts(model, r, err);
    if (status != LIMN_OK) return status;
    limn_request_settle(model, r);
    if (r->cache_branch > most)
        return limn_fail(err, LIMN_E_USAGE, "cache_branch is %d, the model %s has 0 to %d",
                         r->cache_branch, model->name, most);
    status = check_sizes(model, r, err);
    return status == LIMN_OK ? check_listening(model, r, err) : status;
}

/* A second pass, and its size. */
static limn_status check_second(const limn_model *model, const limn_request *r, limn_error *err) {
    int width, height;
    limn_upscale_size(model, r, &width, &height);
    limn_status status = limn_upscale_check(model, r, err);
    if (status == LIMN_OK) status = check_side(model, "the upscaled width", width, err);
    return status == LIMN_OK ? check_side(model, "the upscaled height", height, err) : status;
}

/* The sampler, the schedule and the generator, in limn's own spelling. */
static limn_status check_names(limn_request *r, limn_error *err) {
    const char *schedule = NULL;
    const char *sampler = r->sampler ? limn_sampler_find(r->sampler, &schedule) : NULL;
    if (!sampler)
        return limn_fail(err, LIMN_E_USAGE, "sampler \"%s\" is not one that limn knows",
                         r->sampler ? r->sampler : "");
    r->sampler = sampler;
    const char *found = r->schedule ? limn_schedule_find(r->schedule) : NULL;
    if (!found)
        return limn_fail(err, LIMN_E_USAGE, "schedule \"%s\" is not one that limn knows",
                         r->schedule ? r->schedule : "");
    /* "DPM++ 2M Karras" names a schedule; one that is named on its own goes before it. */
    r->schedule = schedule && strcmp(found, "model") == 0 ? schedule : found;
    found = r->rng ? limn_rng_find(r->rng) : NULL;
    if (!found)
        return limn_fail(err, LIMN_E_USAGE, "generator \"%s\" is not one that limn knows",
                         r->rng ? r->rng : "");
    r->rng = found;
    return LIMN_OK;
}

static limn_status check_prompts(const limn_request *r, limn_error *err) {
    const char *const texts[] = {r->prompt, r->negative, r->prompt_2, r->negative_2};
    size_t longest = 0;
    if (!r->prompt || !r->negative)
        return limn_fail(err, LIMN_E_USAGE, "a request without a prompt or a negative prompt");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] && strlen(texts[i]) > longest) longest = strlen(texts[i]);
    if (longest <= LIMN_PROMPT_MOST_BYTES) return LIMN_OK;
    return limn_fail(err, LIMN_E_USAGE, "a prompt of %zu bytes, at most %zu are read", longest,
                     LIMN_PROMPT_MOST_BYTES);
}

limn_status limn_request_resolve(const limn_model *model, limn_request *request, limn_error *err) {
    limn_status status = check_prompts(request, err);
    if (status == LIMN_OK) status = check_numbers(model, request, err);
    if (status == LIMN_OK) status = check_settings(model, request, err);
    if (status == LIMN_OK) status = check_names(request, err);
    if (status == LIMN_OK) status = limn_start_check(model, request, err);
    if (status == LIMN_OK) status = limn_hint_check(model, request, err);
    return status == LIMN_OK ? check_second(model, request, err) : status;
}
