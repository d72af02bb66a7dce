/* What a request takes: memory and work, known before either is taken. */
#include "render/plan.h"
#include "render/start.h"
#include "render/upscale.h"

#include <unistd.h>

/* What a process holds before it opens a model: code, libraries, threads. */
#define PROCESS_BYTES ((size_t)13 << 19)

/* What of the model's files is in memory at a time while they are packed and hashed. */
#define LOADING_BYTES ((size_t)8 << 20)

/* Evaluations of the U-Net in all passes of a checked request. */
static int evaluations_of(const limn_model *model, const limn_request *r) {
    int made, first = limn_sampling_calls_of(r->sampler, r->steps - limn_start_skipped(r));
    if (r->upscale == 0) return first;
    limn_upscale_request(model, r, &made);
    return first + limn_sampling_calls_of(r->sampler, made);
}

limn_status limn_machine_check(size_t resident, size_t workspace, int width_px, int height_px,
                               limn_error *err) {
    const double need = (double)workspace + (double)resident;
    const double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (workspace == SIZE_MAX || (have > 0 && need > have))
        return limn_fail(err, LIMN_E_USAGE,
                         "%dx%d needs %.1f GB of memory, this machine has %.1f GB", width_px,
                         height_px, need / 1e9, have / 1e9);
    return LIMN_OK;
}

/* As the tool says sizes. */
static double megabytes(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

limn_status limn_request_check(const limn_model *model, limn_request *request, limn_error *err) {
    limn_status status = limn_request_resolve(model, request, err);
    size_t workspace = 0;
    if (status == LIMN_OK)
        status = limn_render_measure(model, request, NULL, &workspace, NULL, err);
    if (status == LIMN_OK)
        status = limn_machine_check(model->info.resident_bytes, workspace, request->width,
                                    request->height, err);
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

/* What a checked request takes where it is decoded in tiles of `tile` px. */
static limn_status peak_of_tile(const limn_model *model, limn_request r, int tile, size_t *bytes,
                                limn_error *err) {
    limn_plan plan = {0};
    r.vae_tile = tile;
    limn_status status = plan_of(model, &r, &plan, err);
    if (status == LIMN_OK) *bytes = plan.peak_bytes;
    return status;
}

/* The largest tile with which a checked request takes at most `most` bytes, by bisection between
 * the least tile and the picture's longer side; 0 where none is small enough. *least_bytes becomes
 * what the least tile takes. */
static limn_status find_tile(const limn_model *model, const limn_request *r, size_t most, int *tile,
                             size_t *least_bytes, limn_error *err) {
    int step = LIMN_TILE_LATENTS_LEAST * model->info.size_step_px, width, height;
    limn_upscale_size(model, r, &width, &height);
    int fits = 1, does_not = limn_parts(width > height ? width : height, step); /* in steps */
    *tile = 0;
    *least_bytes = SIZE_MAX;
    if (does_not <= fits) return LIMN_OK; /* the least tile is the whole picture */
    limn_status status = peak_of_tile(model, *r, step, least_bytes, err);
    if (status != LIMN_OK || *least_bytes > most) return status;
    while (does_not - fits > 1) {
        int middle = fits + (does_not - fits) / 2;
        size_t bytes = 0;
        status = peak_of_tile(model, *r, middle * step, &bytes, err);
        if (status != LIMN_OK) return status;
        if (bytes <= most)
            fits = middle;
        else
            does_not = middle;
    }
    *tile = fits * step;
    return LIMN_OK;
}

limn_status limn_request_fit(const limn_model *model, limn_request *request, size_t max_memory,
                             limn_error *error) {
    limn_request own = *request;
    limn_plan plan = {0};
    if (max_memory == 0) return LIMN_OK;
    limn_status status = limn_request_resolve(model, &own, error);
    if (status == LIMN_OK) status = plan_of(model, &own, &plan, error);
    if (status != LIMN_OK || plan.peak_bytes <= max_memory) return status;
    size_t least = SIZE_MAX;
    int tile = 0;
    if (own.vae_tile == 0) status = find_tile(model, &own, max_memory, &tile, &least, error);
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
