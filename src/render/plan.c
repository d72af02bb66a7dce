#include "render/plan.h"
#include "render/hint.h"
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

/* The prompt syntax is "plain" where it changes nothing. */
static void settle_syntax(const limn_model *model, limn_request *r) {
    limn_speech speech;
    if (!r->prompt || !r->negative || r->steps < 1 || r->steps > 1000) return;
    if (limn_speech_make(model, r, &speech, NULL) == LIMN_OK)
        r->prompt_syntax = speech.plain ? "plain" : "a1111";
    limn_speech_free(&speech);
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

/* The numbers that are 0 where they are not used. */
static limn_status check_settings(const limn_model *model, limn_request *r, limn_error *err) {
    int count, most = limn_unet_branch_most(&model->unet);
    const limn_setting *all = limn_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = limn_setting_put(r, &all[i], limn_setting_get(r, &all[i]), err);
    if (status == LIMN_OK) status = check_tile(model, r, err);
    if (status == LIMN_OK) status = check_texts(model, r, err);
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

/* As the tool says sizes. */
static double megabytes(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

/* Every field against its range, and names in limn's spelling; all but the memory. */
static limn_status resolve(const limn_model *model, limn_request *request, limn_error *err) {
    if (!request->prompt || !request->negative)
        return limn_fail(err, LIMN_E_USAGE, "a request without a prompt or a negative prompt");
    const char *const texts[] = {request->prompt, request->negative, request->prompt_2,
                                 request->negative_2};
    size_t longest = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] && strlen(texts[i]) > longest) longest = strlen(texts[i]);
    if (longest > LIMN_PROMPT_MOST_BYTES)
        return limn_fail(err, LIMN_E_USAGE, "a prompt of %zu bytes, at most %zu are read", longest,
                         LIMN_PROMPT_MOST_BYTES);
    limn_status status = check_numbers(model, request, err);
    if (status == LIMN_OK) status = check_settings(model, request, err);
    if (status == LIMN_OK) status = check_names(request, err);
    if (status != LIMN_OK) return status;
    status = limn_start_check(model, request, err);
    if (status == LIMN_OK) status = limn_hint_check(model, request, err);
    return status == LIMN_OK ? check_second(model, request, err) : status;
}

limn_status limn_request_check(const limn_model *model, limn_request *request, limn_error *err) {
    limn_status status = resolve(model, request, err);
    size_t workspace = 0;
    if (status == LIMN_OK)
        status = limn_render_measure(model, request, NULL, &workspace, NULL, err);
    if (status == LIMN_OK) status = check_memory(model, request, workspace, err);
    return status;
}

/* The plan of a checked request. */
static limn_status plan_of(const limn_model *model, const limn_request *r, limn_plan *plan,
                           limn_error *err) {
    size_t workspace = 0;
    double flop = 0;
    limn_status status = limn_render_measure(model, r, NULL, &workspace, &flop, err);
    if (status != LIMN_OK) return status;
    /* Pixels stay while the file is made, which is at most a little larger than they are. */
    limn_upscale_size(model, r, &plan->width, &plan->height);
    size_t pixels = (size_t)plan->width * (size_t)plan->height * 3;
    plan->model_bytes = model->info.resident_bytes;
    plan->workspace_bytes = workspace + pixels;
    size_t most = plan->workspace_bytes > LOADING_BYTES ? plan->workspace_bytes : LOADING_BYTES;
    plan->peak_bytes = PROCESS_BYTES + plan->model_bytes + most + limn_start_bytes(r);
    plan->evaluations = evaluations_of(model, r);
    plan->gflop = flop / 1e9;
    return LIMN_OK;
}

limn_status limn_request_plan(const limn_model *model, const limn_request *request, limn_plan *plan,
                              limn_error *error) {
    limn_request own = *request;
    limn_status status = limn_request_check(model, &own, error);
    return status == LIMN_OK ? plan_of(model, &own, plan, error) : status;
}

limn_status limn_plan_model(const char *name, size_t bytes, size_t most, limn_error *err) {
    size_t need = PROCESS_BYTES + LOADING_BYTES + bytes;
    if (most == 0 || need <= most) return LIMN_OK;
    return limn_fail(err, LIMN_E_USAGE,
                     "the model %s alone needs %.1f MB of memory, and at most %.1f MB may be taken",
                     name, megabytes(need), megabytes(most));
}

/* The largest tile with which a checked request takes at most `most` bytes, by bisection between
 * the least tile and the picture's longer side; 0 where none is small enough. *least_bytes becomes
 * what the least tile takes. */
static limn_status find_tile(const limn_model *model, limn_request r, size_t most, int *tile,
                             size_t *least_bytes, limn_error *err) {
    int step = LIMN_TILE_LATENTS_LEAST * model->info.size_step_px;
    int width, height;
    limn_upscale_size(model, &r, &width, &height);
    int side = width > height ? width : height;
    int low = 0, high = limn_parts(side, step); /* `low` steps fit or are none, `high` do not */
    *least_bytes = SIZE_MAX;
    while (high - low > 1) {
        limn_plan plan = {0};
        int middle = low == 0 && *least_bytes == SIZE_MAX ? 1 : low + (high - low) / 2;
        r.vae_tile = middle * step;
        limn_status status = plan_of(model, &r, &plan, err);
        if (status != LIMN_OK) return status;
        if (middle == 1) *least_bytes = plan.peak_bytes;
        if (plan.peak_bytes <= most)
            low = middle;
        else
            high = middle;
    }
    *tile = low * step;
    return LIMN_OK;
}

limn_status limn_request_fit(const limn_model *model, limn_request *request, size_t max_memory,
                             limn_error *error) {
    limn_request own = *request;
    limn_plan plan = {0};
    if (max_memory == 0) return LIMN_OK;
    limn_status status = resolve(model, &own, error);
    if (status == LIMN_OK) status = plan_of(model, &own, &plan, error);
    if (status != LIMN_OK || plan.peak_bytes <= max_memory) return status;
    size_t least = SIZE_MAX;
    int tile = 0;
    if (own.vae_tile == 0) status = find_tile(model, own, max_memory, &tile, &least, error);
    if (status != LIMN_OK) return status;
    if (tile > 0) {
        request->vae_tile = tile;
        return LIMN_OK;
    }
    bool tiled = least < plan.peak_bytes;
    return limn_fail(error, LIMN_E_USAGE,
                     "%dx%d needs %.1f MB of memory%s, of which %.1f MB are the model's, and at "
                     "most %.1f MB may be taken",
                     own.width, own.height, megabytes(tiled ? least : plan.peak_bytes),
                     tiled ? " even where it is decoded in tiles" : "", megabytes(plan.model_bytes),
                     megabytes(max_memory));
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
