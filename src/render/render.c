/* From a request to a picture: text, denoising, decoding, recipe. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "image/image.h"
#include "prompt/prompt.h"
#include "render/encode.h"
#include "render/made.h"
#include "render/plan.h"
#include "render/start.h"

/* A rendering under way. */
typedef struct rendering {
    const limn_model *model;
    const limn_request *request;
    const limn_options *options;
    limn_speech *speech;
    limn_exec *e;
    double started_ms, last_ms;
    int steps_done;
    limn_error *err;
} rendering;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- progress and preview ----------------------------------------------------------------------
 */

/* A rough picture of noisy latents: each basis patch's mean colour where the model has a basis,
 * else the first three latents. */
static void show_preview(rendering *r, const limn_map *latents) {
    size_t mark = limn_arena_mark(r->e->ws), pixels = limn_map_pixels(latents);
    const limn_vae *vae = &r->model->vae;
    int patch = vae->basis * vae->basis;
    float *basis = NULL;
    if (patch > 0) {
        basis = limn_arena_floats(r->e->ws, pixels * 3 * (size_t)patch);
        limn_linear_run(r->e, &vae->basis_decode, latents->v, (size_t)latents->c, pixels, NULL,
                        basis);
    }
    float *rgb = limn_arena_floats(r->e->ws, pixels * 3);
    for (size_t i = 0; i < pixels * 3 && !limn_exec_measuring(r->e); i++) {
        float sum = 0;
        for (int k = 0; k < patch; k++) sum += basis[i * (size_t)patch + (size_t)k];
        int channel = (int)(i % 3) < latents->c ? (int)(i % 3) : 0;
        rgb[i] = patch > 0 ? sum / (float)patch
                           : latents->v[i / 3 * (size_t)latents->c + (size_t)channel];
    }
    if (!limn_exec_measuring(r->e)) {
        uint8_t *bytes =
            (uint8_t *)rgb; /* narrowed in place: byte i is written after float i is read */
        limn_vae_to_pixels(rgb, pixels * 3, bytes);
        r->options->preview(r->options->user, latents->w, latents->h, bytes);
    }
    limn_arena_release(r->e->ws, mark);
}

/* After each evaluation: tells the caller where things stand; false = stop. */
static bool watch(void *user, int steps_done, const limn_map *latents) {
    rendering *r = user;
    if (!r->options || (steps_done == r->steps_done && !limn_exec_measuring(r->e))) return true;
    if (r->options->preview) show_preview(r, latents);
    if (limn_exec_measuring(r->e)) return true;
    double now = now_ms();
    limn_progress p = {.step = steps_done,
                       .steps = r->request->steps - limn_start_skipped(r->request),
                       .step_ms = now - r->last_ms,
                       .elapsed_ms = now - r->started_ms};
    r->steps_done = steps_done;
    r->last_ms = now;
    return !r->options->progress || r->options->progress(r->options->user, &p);
}

/* ---- the stages --------------------------------------------------------------------------------
 */

static limn_status denoise(rendering *r, limn_map *latents) {
    const limn_model *m = r->model;
    limn_schedule schedule = m->schedule;
    limn_rng stream;
    limn_start start = {0};
    bool starts = limn_start_wanted(m, r->request);
    limn_status status = limn_schedule_choose(&schedule, r->request->schedule, r->err);
    if (status != LIMN_OK) return status;
    if (starts) limn_start_make(r->e, m, r->request, latents, &stream, &start);
    limn_encode_request(r->e, m, r->request, r->speech);
    const limn_denoise_task task = {
        .unet = &m->unet,
        .schedule = &schedule,
        .sampler = r->request->sampler,
        .steps = r->request->steps,
        .eta = r->request->eta,
        .guidance = r->request->guidance,
        .range = {r->request->guidance_from, r->request->guidance_to},
        .rescale = r->request->guidance_rescale,
        .cache_interval = r->request->cache_interval,
        .cache_branch = r->request->cache_branch,
        .rng = strcmp(r->request->rng, "philox") == 0 ? LIMN_RNG_PHILOX : LIMN_RNG_TORCH,
        .seed = r->request->seed,
        .extra = start.extra.c > 0 ? &start.extra : NULL,
        .start = starts ? &start.run : NULL,
        .weights = r->speech->composed ? r->speech->weights : NULL,
        .condition = r->speech->conditions,
        .condition_of_step = r->speech->state_of_step,
        .watch = watch,
        .user = r,
    };
    return limn_denoise_run(r->e, &task, latents, r->err);
}

static bool has_nan(const float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (isnan(x[i])) return true;
    return false;
}

/* All stages, on a measuring or a real workspace. rgb [height, width, 3] is not touched while
 * measuring. */
static limn_status run_stages(rendering *r, uint8_t *rgb) {
    const limn_model *m = r->model;
    int w = r->request->width, h = r->request->height;
    limn_map latents =
        limn_map_take(r->e, 1, h / m->vae.scale_px, w / m->vae.scale_px, m->vae.latent_c);
    size_t mark = limn_arena_mark(r->e->ws);
    limn_status status = denoise(r, &latents);
    if (status != LIMN_OK) return status;
    limn_arena_release(r->e->ws, mark);
    limn_map picture = limn_map_take(r->e, 1, h, w, 3);
    const limn_decoder decoder = limn_model_decoder(m);
    limn_decode_run(r->e, &decoder, &latents, &picture);
    if (limn_exec_measuring(r->e)) return LIMN_OK;
    if (has_nan(picture.v, limn_map_count(&picture)))
        return limn_fail(r->err, LIMN_E_INPUT,
                         "the decoder's result is not a number: the model's weights are damaged");
    limn_vae_to_pixels(picture.v, limn_map_count(&picture), rgb);
    return LIMN_OK;
}

limn_status limn_render_measure(const limn_model *model, const limn_request *request,
                                const limn_options *options, size_t *bytes, double *flop,
                                limn_error *err) {
    limn_arena plan = limn_arena_measure();
    limn_exec e = {model->kernels, &plan, NULL, 0};
    limn_speech speech;
    rendering r = {.model = model,
                   .request = request,
                   .options = options,
                   .speech = &speech,
                   .e = &e,
                   .err = err};
    limn_status status = limn_speech_make(model, request, &speech, err);
    if (status == LIMN_OK) status = run_stages(&r, NULL);
    limn_speech_free(&speech);
    *bytes = plan.peak;
    if (flop) *flop = e.flop;
    return status;
}

/* ---- the picture --------------------------------------------------------------------------------
 */

static limn_status finish(const rendering *r, uint8_t *rgb, limn_picture **out) {
    const limn_recipe_facts facts = limn_made_facts(r->model, r->request);
    char *json = NULL, *text = NULL;
    limn_status status = limn_recipe_json(&facts, &json, r->err);
    if (status == LIMN_OK) status = limn_recipe_parameters(&facts, &text, r->err);
    if (status == LIMN_OK)
        status = limn_picture_make(r->request->width, r->request->height, rgb, json, text,
                                   now_ms() - r->started_ms, out, r->err);
    else
        free(rgb);
    free(json);
    free(text);
    return status;
}

/* The stages as the body of a team. */
typedef struct stages_body {
    rendering *r;
    limn_arena *ws;
    uint8_t *rgb;
    limn_status status;
} stages_body;

static void run_body(void *ctx, limn_team *team) {
    stages_body *b = ctx;
    limn_exec e = {b->r->model->kernels, b->ws, team, 0};
    b->r->e = &e;
    b->status = run_stages(b->r, b->rgb);
    b->r->e = NULL;
}

/* Renders a request that has been checked and whose prompts are UTF-8. */
static limn_status render(rendering *r, limn_picture **out) {
    size_t bytes = 0;
    limn_arena ws = {0};
    limn_status status =
        limn_render_measure(r->model, r->request, r->options, &bytes, NULL, r->err);
    if (status == LIMN_OK) status = limn_arena_open(&ws, bytes, r->err);
    if (status != LIMN_OK) return status;
    size_t pixels = (size_t)r->request->width * (size_t)r->request->height;
    stages_body b = {.r = r, .ws = &ws, .rgb = malloc(pixels * 3)};
    int threads = r->options ? r->options->threads : 0;
    if (b.rgb)
        limn_team_run(threads > 0 ? threads : limn_threads_default(), run_body, &b);
    else
        b.status =
            limn_fail(r->err, LIMN_E_MEMORY, "no memory for a picture of %zu pixels", pixels);
    limn_arena_close(&ws);
    if (b.status == LIMN_OK) return finish(r, b.rgb, out);
    free(b.rgb);
    return b.status;
}

limn_status limn_render(const limn_model *model, const limn_request *request,
                        const limn_options *options, limn_picture **out, limn_error *error) {
    *out = NULL;
    limn_request own = *request;
    char *prompt = NULL, *negative = NULL;
    limn_status status = limn_request_check(model, &own, error);
    if (status == LIMN_OK)
        status = limn_utf8_repair(own.prompt, strlen(own.prompt), &prompt, NULL, error);
    if (status == LIMN_OK)
        status = limn_utf8_repair(own.negative, strlen(own.negative), &negative, NULL, error);
    if (status == LIMN_OK) {
        own.prompt = prompt;
        own.negative = negative;
        double now = now_ms();
        limn_speech speech;
        rendering r = {.model = model,
                       .request = &own,
                       .options = options,
                       .speech = &speech,
                       .started_ms = now,
                       .last_ms = now,
                       .err = error};
        status = limn_speech_make(model, &own, &speech, error);
        if (status == LIMN_OK) status = render(&r, out);
        limn_speech_free(&speech);
    }
    free(prompt);
    free(negative);
    return status;
}
