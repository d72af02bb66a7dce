#include "render/plan.h"
#include "render/speech.h"
#include "render/start.h"
#include "render/upscale.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* Sides beyond this are refused whatever the memory: the plan's arithmetic is sure below it. */
#define SIDE_MOST_PX 8192

/* What a process holds before it opens a model: code, libraries, threads. */
#define PROCESS_BYTES ((size_t)13 << 19)

/* What of the model's files is in memory at a time while they are packed and hashed. */
#define LOADING_BYTES ((size_t)8 << 20)

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

static limn_status check_side(const limn_model *model, const char *what, int px, limn_error *err) {
    int step = model->info.size_step_px;
    if (px < step || px > SIDE_MOST_PX)
        return limn_fail(err, LIMN_E_USAGE, "%s is %d, expected %d to %d px", what, px, step,
                         SIDE_MOST_PX);
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

/* The prompt syntax is "plain" where it changes nothing. */
static void settle_syntax(const limn_model *model, limn_request *r) {
    limn_speech speech;
    if (!r->prompt || !r->negative || r->steps < 1 || r->steps > 1000) return;
    if (limn_speech_make(model, r, &speech, NULL) == LIMN_OK)
        r->prompt_syntax = speech.plain ? "plain" : "a1111";
    limn_speech_free(&speech);
}

void limn_request_settle(const limn_model *model, limn_request *r) {
    limn_start_settle(model, r);
    limn_upscale_settle(r);
    if (r->cache_interval == 0) r->cache_branch = 0;
    if (r->clip_skip == 1) r->clip_skip = 0;
    if (r->guidance_to == 1) r->guidance_to = 0;
    settle_syntax(model, r);
}

/* The numbers that are 0 where they are not used. */
static limn_status check_settings(const limn_model *model, limn_request *r, limn_error *err) {
    int count, most = limn_unet_branch_most(&model->unet);
    const limn_setting *all = limn_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = limn_setting_put(r, &all[i], limn_setting_get(r, &all[i]), err);
    limn_request_settle(model, r);
    if (status == LIMN_OK && r->cache_branch > most)
        return limn_fail(err, LIMN_E_USAGE, "cache_branch is %d, the model %s has 0 to %d",
                         r->cache_branch, model->name, most);
    if (status == LIMN_OK) status = check_sizes(model, r, err);
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

/* Evaluations of the U-Net in all passes of a checked request. */
static int evaluations_of(const limn_model *model, const limn_request *r) {
    int made, first = limn_sampling_calls_of(r->sampler, r->steps - limn_start_skipped(r));
    if (r->upscale == 0) return first;
    limn_upscale_request(model, r, &made);
    return first + limn_sampling_calls_of(r->sampler, made);
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

/* A picture that the machine's memory cannot hold is refused before any work. */
static limn_status check_memory(const limn_model *model, const limn_request *r, size_t workspace,
                                limn_error *err) {
    double need = (double)workspace + (double)model->info.resident_bytes;
    double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (workspace == SIZE_MAX || (have > 0 && need > have))
        return limn_fail(err, LIMN_E_USAGE,
                         "%dx%d needs %.1f GB of memory, this machine has %.1f GB", r->width,
                         r->height, need / 1e9, have / 1e9);
    return LIMN_OK;
}

limn_status limn_request_check(const limn_model *model, limn_request *request, limn_error *err) {
    if (!request->prompt || !request->negative)
        return limn_fail(err, LIMN_E_USAGE, "a request without a prompt or a negative prompt");
    size_t longest = strlen(request->prompt), other = strlen(request->negative);
    if (other > longest) longest = other;
    if (longest > LIMN_PROMPT_MOST_BYTES)
        return limn_fail(err, LIMN_E_USAGE, "a prompt of %zu bytes, at most %zu are read", longest,
                         LIMN_PROMPT_MOST_BYTES);
    limn_status status = check_numbers(model, request, err);
    if (status == LIMN_OK) status = check_settings(model, request, err);
    if (status == LIMN_OK) status = check_names(request, err);
    if (status != LIMN_OK) return status;
    limn_schedule schedule = model->schedule;
    status = limn_schedule_choose(&schedule, request->schedule, err);
    if (status == LIMN_OK) status = limn_start_check(model, request, err);
    if (status == LIMN_OK) status = check_second(model, request, err);
    size_t workspace = 0;
    if (status == LIMN_OK)
        status = limn_render_measure(model, request, NULL, &workspace, NULL, err);
    if (status == LIMN_OK) status = check_memory(model, request, workspace, err);
    return status;
}

limn_status limn_request_plan(const limn_model *model, const limn_request *request, limn_plan *plan,
                              limn_error *error) {
    limn_request own = *request;
    size_t workspace = 0;
    double flop = 0;
    limn_status status = limn_request_check(model, &own, error);
    if (status == LIMN_OK)
        status = limn_render_measure(model, &own, NULL, &workspace, &flop, error);
    if (status != LIMN_OK) return status;
    /* Pixels stay while the file is made, which is at most a little larger than they are. */
    int width, height;
    limn_upscale_size(model, &own, &width, &height);
    size_t pixels = (size_t)width * (size_t)height * 3;
    plan->model_bytes = model->info.resident_bytes;
    plan->workspace_bytes = workspace + pixels;
    size_t most = plan->workspace_bytes > LOADING_BYTES ? plan->workspace_bytes : LOADING_BYTES;
    plan->peak_bytes = PROCESS_BYTES + plan->model_bytes + most;
    plan->evaluations = evaluations_of(model, &own);
    plan->gflop = flop / 1e9;
    return LIMN_OK;
}

limn_status limn_prompt_inspect(const limn_model *model, const char *prompt,
                                limn_prompt_check *check, limn_error *error) {
    int32_t ids[LIMN_TEXT_POSITIONS_MOST];
    return limn_tokenizer_encode(model->tokenizer[0], prompt, ids, check, error);
}

/* The most tokens that a text of a row has. */
static int tokens_of(const limn_speech *s, bool negative) {
    int most = 0;
    for (int i = 0; i < s->states * s->rows; i++) {
        bool is_negative = s->rows > 1 && i % s->rows == 0;
        int tokens = s->said[0][s->text_of[i]].tokens;
        if (is_negative == negative && tokens > most) most = tokens;
    }
    return most;
}

limn_status limn_request_inspect(const limn_model *model, const limn_request *request,
                                 bool negative, limn_prompt_check *check, limn_error *error) {
    limn_speech s;
    const char *text = negative ? request->negative : request->prompt;
    limn_status status = limn_prompt_inspect(model, text, check, error);
    if (status == LIMN_OK) status = limn_speech_make(model, request, &s, error);
    if (status != LIMN_OK) return status;
    check->chunks = s.chunks;
    if (strcmp(limn_prompt_syntax_find(request->prompt_syntax), "plain") != 0) {
        check->tokens = tokens_of(&s, negative);
        check->max_tokens = s.chunks * limn_tokenizer_room(model->tokenizer[0]);
        check->dropped[0] = '\0';
    }
    limn_speech_free(&s);
    return LIMN_OK;
}

/* The library's version, from its header's numbers. */
#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)
const char *limn_version(void) {
    return TEXT(LIMN_VERSION_MAJOR) "." TEXT(LIMN_VERSION_MINOR) "." TEXT(LIMN_VERSION_PATCH);
}
