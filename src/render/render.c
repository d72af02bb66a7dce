/* From a request to a picture: text, denoising, decoding, recipe. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "image/image.h"
#include "prompt/prompt.h"
#include "render/encode.h"
#include "render/hint.h"
#include "render/made.h"
#include "render/plan.h"
#include "render/preview.h"
#include "render/start.h"
#include "render/upscale.h"

/* A rendering under way. */
typedef struct rendering {
    const limn_model *model;
    const limn_request *request;
    const limn_options *options;
    limn_speech speech[2]; /* of each pass: they differ in the number of steps */
    limn_recall *recall;   /* NULL: nothing is shared */
    limn_exec *e;
    double started_ms, last_ms;
    int steps_done, steps_before; /* so far, and in the pass before this one */
    limn_error *err;
} rendering;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The steps that are made in all passes. */
static int steps_of(const rendering *r) {
    int first = r->request->steps - limn_start_skipped(r->request), made = 0;
    if (r->request->upscale > 0) limn_upscale_request(r->model, r->request, &made);
    return first + made;
}

/* After each evaluation: tells the caller where things stand; false = stop. */
static bool watch(void *user, int steps_done, const limn_map *latents) {
    rendering *r = user;
    steps_done += r->steps_before;
    if (!r->options || (steps_done == r->steps_done && !limn_exec_measuring(r->e))) return true;
    if (r->options->preview) limn_preview_show(r->e, &r->model->vae, latents, r->options);
    if (limn_exec_measuring(r->e)) return true;
    double now = now_ms();
    limn_progress p = {.step = steps_done,
                       .steps = steps_of(r),
                       .step_ms = now - r->last_ms,
                       .elapsed_ms = now - r->started_ms};
    r->steps_done = steps_done;
    r->last_ms = now;
    return !r->options->progress || r->options->progress(r->options->user, &p);
}

/* ---- the stages ------------------------------------------------------------------------------ */

/* What the denoiser listens to: what the prompts say, as the model takes it. */
static limn_status encode(rendering *r, const limn_request *q, const limn_start *start,
                          limn_speech *speech) {
    limn_encode_request(r->e, r->model, q, r->recall, speech);
    if (!start || !start->edits) return LIMN_OK;
    if (speech->composed)
        return limn_fail(r->err, LIMN_E_USAGE, "a model that edits takes one prompt, without AND");
    for (int i = 0; i < speech->states; i++)
        limn_start_edit(r->e, r->model, &speech->conditions[i]);
    return LIMN_OK;
}

/* One pass of a request; start may be NULL. */
static limn_status denoise(rendering *r, const limn_request *q, limn_speech *speech,
                           const limn_start *start, limn_map *latents) {
    const limn_model *m = r->model;
    limn_schedule schedule = m->schedule;
    limn_status status = limn_schedule_ask(&schedule, &m->plain_schedule, q, r->err);
    if (status != LIMN_OK) return status;
    bool edits = start && start->edits, controlled = limn_hint_wanted(q);
    limn_map hint;
    const limn_denoise_control control = {.net = &m->control,
                                          .hint = &hint,
                                          .strength = q->control_strength,
                                          .from = q->control_from,
                                          .to = q->control_to};
    if (controlled) limn_hint_make(r->e, m, q, &hint);
    status = encode(r, q, start, speech);
    if (status != LIMN_OK) return status;
    const limn_denoise_task task = {
        .unet = &m->unet,
        .schedule = &schedule,
        .sampler = q->sampler,
        .steps = q->steps,
        .eta = q->eta,
        /* Where the U-Net takes the scale itself, several prompts are joined and no more. */
        .guidance = m->unet.guidance_d > 0 ? 1 : q->guidance,
        .range = {q->guidance_from, q->guidance_to},
        .rescale = q->guidance_rescale,
        .weights = edits              ? start->weights
                   : speech->composed ? speech->weights
                                      : NULL,
        .cache_interval = q->cache_interval,
        .cache_branch = q->cache_branch,
        .rng = limn_request_rng(q),
        .seed = q->seed,
        .condition = speech->conditions,
        .condition_of_step = speech->state_of_step,
        .extra = start && start->extra.c > 0 ? &start->extra : NULL,
        .start = start ? &start->run : NULL,
        .control = controlled ? &control : NULL,
        .watch = watch,
        .user = r,
    };
    return limn_denoise_run(r->e, &task, latents, r->err);
}

/* The first pass, at the request's size. */
static limn_status first_pass(rendering *r, limn_map *latents) {
    limn_rng stream;
    limn_start start = {0};
    bool starts = limn_start_wanted(r->model, r->request);
    if (starts) limn_start_make(r->e, r->model, r->request, latents, &stream, &start);
    return denoise(r, r->request, &r->speech[0], starts ? &start : NULL, latents);
}

/* Both passes of a request that is drawn at two sizes; latents are the larger. */
static limn_status both_passes(rendering *r, limn_map *latents) {
    int made, scale = r->model->vae.scale_px;
    limn_rng stream;
    limn_start start = {0};
    const limn_request second = limn_upscale_request(r->model, r->request, &made);
    limn_map small =
        limn_map_take(r->e, 1, r->request->height / scale, r->request->width / scale, latents->c);
    size_t mark = limn_arena_mark(r->e->ws);
    limn_status status = first_pass(r, &small);
    if (status != LIMN_OK) return status;
    limn_arena_release(r->e->ws, mark);
    r->steps_before = r->request->steps - limn_start_skipped(r->request);
    limn_upscale_start(r->e, &second, made, &small, latents, &stream, &start.run);
    return denoise(r, &second, &r->speech[1], &start, latents);
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
    int w, h;
    limn_upscale_size(m, r->request, &w, &h);
    limn_map latents =
        limn_map_take(r->e, 1, h / m->vae.scale_px, w / m->vae.scale_px, m->vae.latent_c);
    size_t mark = limn_arena_mark(r->e->ws);
    limn_status status =
        r->request->upscale > 0 ? both_passes(r, &latents) : first_pass(r, &latents);
    if (status != LIMN_OK) return status;
    limn_arena_release(r->e->ws, mark);
    limn_map picture = limn_map_take(r->e, 1, h, w, 3);
    limn_decoder decoder = limn_model_decoder(m);
    decoder.tile_px = r->request->vae_tile;
    limn_decode_run(r->e, &decoder, &latents, &picture);
    if (limn_exec_measuring(r->e)) return LIMN_OK;
    if (r->e->stopped) return limn_fail(r->err, LIMN_E_CANCELLED, "stopped while decoding");
    if (has_nan(picture.v, limn_map_count(&picture)))
        return limn_fail(r->err, LIMN_E_INPUT,
                         "the decoder's result is not a number: the model's weights are damaged");
    limn_vae_to_pixels(picture.v, limn_map_count(&picture), rgb);
    return LIMN_OK;
}

/* Reads the prompts for each pass; to be freed in any case. */
static limn_status make_speeches(rendering *r) {
    int made;
    limn_status status = limn_speech_make(r->model, r->request, &r->speech[0], r->err);
    if (status != LIMN_OK || r->request->upscale == 0) return status;
    const limn_request second = limn_upscale_request(r->model, r->request, &made);
    status = limn_speech_make(r->model, &second, &r->speech[1], r->err);
    limn_speech_join_used(r->model, &r->speech[0], &r->speech[1]);
    return status;
}

static void free_speeches(rendering *r) {
    limn_speech_free(&r->speech[0]);
    limn_speech_free(&r->speech[1]);
}

limn_status limn_render_measure(const limn_model *model, const limn_request *request,
                                const limn_options *options, size_t *bytes, double *flop,
                                limn_error *err) {
    limn_arena plan = limn_arena_measure();
    limn_exec e = {.k = model->kernels, .ws = &plan};
    rendering r = {.model = model, .request = request, .options = options, .e = &e, .err = err};
    limn_status status = make_speeches(&r);
    if (status == LIMN_OK) status = run_stages(&r, NULL);
    free_speeches(&r);
    *bytes = plan.peak;
    if (flop) *flop = e.flop;
    return status;
}

/* ---- the picture ----------------------------------------------------------------------------- */

static limn_status finish(const rendering *r, uint8_t *rgb, limn_picture **out) {
    limn_recipe_facts facts = limn_made_facts(r->model, r->request);
    facts.embeddings_used = r->speech->used;
    char *json = NULL, *text = NULL;
    int width, height;
    limn_upscale_size(r->model, r->request, &width, &height);
    limn_status status = limn_model_hashed(r->model, r->err);
    if (status == LIMN_OK) status = limn_recipe_json(&facts, &json, r->err);
    if (status == LIMN_OK) status = limn_recipe_parameters(&facts, &text, r->err);
    if (status == LIMN_OK)
        status = limn_picture_make(width, height, rgb, json, text, now_ms() - r->started_ms, out,
                                   r->err);
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
    limn_exec e = {.k = b->r->model->kernels, .ws = b->ws, .team = team};
    if (b->r->options) {
        e.stop = b->r->options->stop;
        e.user = b->r->options->user;
    }
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
    int width, height;
    limn_upscale_size(r->model, r->request, &width, &height);
    size_t pixels = (size_t)width * (size_t)height;
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
    return limn_render_recalling(model, request, options, NULL, out, error);
}

/* The prompts of a request, repaired copies of which take their place. */
enum { PROMPTS = 4 };

static limn_status repair_prompts(limn_request *own, char *copies[PROMPTS], limn_error *err) {
    const char **const fields[PROMPTS] = {&own->prompt, &own->negative, &own->prompt_2,
                                          &own->negative_2};
    limn_status status = LIMN_OK;
    for (int i = 0; i < PROMPTS && status == LIMN_OK; i++) {
        const char *text = *fields[i];
        if (text) status = limn_utf8_repair(text, strlen(text), &copies[i], NULL, err);
        if (text) *fields[i] = copies[i];
    }
    return status;
}

limn_status limn_render_recalling(const limn_model *model, const limn_request *request,
                                  const limn_options *options, limn_recall *recall,
                                  limn_picture **out, limn_error *error) {
    *out = NULL;
    limn_request own = *request;
    char *copies[PROMPTS] = {NULL};
    limn_status status = limn_request_fit(model, &own, options ? options->max_memory : 0, error);
    if (status == LIMN_OK) status = limn_request_check(model, &own, error);
    if (status == LIMN_OK) status = repair_prompts(&own, copies, error);
    if (status == LIMN_OK) {
        double now = now_ms();
        rendering r = {.model = model,
                       .request = &own,
                       .options = options,
                       .recall = recall,
                       .started_ms = now,
                       .last_ms = now,
                       .err = error};
        status = make_speeches(&r);
        if (status == LIMN_OK) status = render(&r, out);
        free_speeches(&r);
    }
    for (int i = 0; i < PROMPTS; i++) free(copies[i]);
    return status;
}
