#include "render/encode.h"

#include <string.h>

/* The ids of `n` prompts for one encoder: [n, positions], in the workspace. */
static limn_status tokenize(limn_exec *e, const limn_model *m, int encoder,
                            const char *const *prompts, int n, int32_t **ids, limn_error *err) {
    size_t positions = (size_t)m->text[encoder].positions;
    *ids = limn_arena_take(e->ws, (size_t)n * positions, sizeof **ids);
    limn_status status = LIMN_OK;
    for (int i = 0; i < n && status == LIMN_OK && !limn_exec_measuring(e); i++)
        status = limn_tokenizer_encode(m->tokenizer[encoder], prompts[i],
                                       *ids + (size_t)i * positions, NULL, err);
    return status;
}

void limn_encode_ids(limn_exec *e, const limn_model *m,
                     const int32_t *const ids[LIMN_ENCODERS_MOST], int n, int skip, float *cond,
                     float *pooled) {
    size_t column = 0;
    for (int i = 0; i < m->encoders; i++) {
        const limn_text_task task = {
            .ids = ids[i],
            .n = n,
            .skip = skip + (m->joined ? 1 : 0),
            .bare = m->joined,
            .cond = limn_exec_measuring(e) ? NULL : cond + column,
            .stride = (size_t)m->unet.context_d,
            .pools = m->unet.pooled_d > 0 && i + 1 == m->encoders,
            .pooled = pooled,
        };
        limn_text_run(e, &m->text[i], &task);
        column += (size_t)m->text[i].d;
    }
}

/* Encodes `n` prompts. */
static limn_status encode(limn_exec *e, const limn_model *m, const char *const *prompts, int n,
                          int skip, float *cond, float *pooled, limn_error *err) {
    size_t mark = limn_arena_mark(e->ws);
    int32_t *ids[LIMN_ENCODERS_MOST] = {NULL};
    limn_status status = LIMN_OK;
    for (int i = 0; i < m->encoders && status == LIMN_OK; i++)
        status = tokenize(e, m, i, prompts, n, &ids[i], err);
    if (status == LIMN_OK)
        limn_encode_ids(e, m, (const int32_t *const *)ids, n, skip, cond, pooled);
    limn_arena_release(e->ws, mark);
    return status;
}

/* What SDXL is told of the picture, in its order. */
static void set_numbers(const limn_request *r, int numbers[LIMN_UNET_NUMBERS]) {
    const int all[LIMN_UNET_NUMBERS] = {
        r->original_height ? r->original_height : r->height,
        r->original_width ? r->original_width : r->width,
        r->crop_y,
        r->crop_x,
        r->target_height ? r->target_height : r->height,
        r->target_width ? r->target_width : r->width,
    };
    memcpy(numbers, all, sizeof all);
}

limn_status limn_encode_request(limn_exec *e, const limn_model *m, const limn_request *request,
                                limn_unet_condition *out, limn_error *err) {
    const char *const prompts[2] = {request->negative, request->prompt};
    int n = limn_denoise_batch(&m->unet, request->guidance);
    size_t rows = (size_t)m->text[0].positions * (size_t)m->unet.context_d;
    size_t pooled_d = (size_t)m->unet.pooled_d;
    float *cond = limn_arena_floats(e->ws, (size_t)n * rows);
    float *pooled = limn_arena_floats(e->ws, (size_t)n * pooled_d);
    int skip = request->clip_skip > 1 ? request->clip_skip - 1 : 0;
    limn_status status = encode(e, m, prompts + 2 - n, n, skip, cond, pooled, err);
    if (status != LIMN_OK) return status;
    if (n == 2 && m->zeros && request->negative[0] == '\0' && !limn_exec_measuring(e)) {
        memset(cond, 0, rows * sizeof *cond);
        memset(pooled, 0, pooled_d * sizeof *pooled);
    }
    *out = (limn_unet_condition){
        .n = n,
        .tokens = m->text[0].positions,
        .cond = cond,
        .pooled = pooled,
        .guidance = request->guidance,
    };
    set_numbers(request, out->numbers);
    return LIMN_OK;
}
