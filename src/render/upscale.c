#include "render/upscale.h"

#include <string.h>

#include "base/error.h"

/* What is lost of the first pass where nobody says how much: A1111's. */
#define STRENGTH_USUAL 0.7
#define STEPS_MOST     1000

/* More than any side may have. */
#define PX_MOST 1000000000

/* A side times the factor, whatever stands in a request that nobody has checked. */
static int larger(int px, double factor, int step) {
    const double side = px * factor;
    if (!(side > 0)) return 0;
    return (side < PX_MOST ? (int)side : PX_MOST) / step * step;
}

void limn_upscale_size(const limn_model *m, const limn_request *r, int *width, int *height) {
    int step = m->info.size_step_px;
    double factor = r->upscale > 0 ? r->upscale : 1;
    *width = larger(r->width, factor, step);
    *height = larger(r->height, factor, step);
}

void limn_upscale_settle(limn_request *r) {
    if (r->upscale == 1) r->upscale = 0;
    if (r->upscale == 0) {
        r->upscale_strength = 0;
        r->upscale_steps = 0;
    } else if (r->upscale_strength == 0) {
        r->upscale_strength = STRENGTH_USUAL;
    }
}

/* A1111 counts the steps that are made; the whole run, of which they are the last, is longer. */
static int whole_steps(const limn_request *r, int made) {
    double strength = r->upscale_strength < 0.999 ? r->upscale_strength : 0.999;
    double whole = made / strength;
    return whole > STEPS_MOST ? STEPS_MOST + 1 : (int)whole;
}

limn_request limn_upscale_request(const limn_model *m, const limn_request *r, int *made) {
    limn_request second = *r;
    *made = r->upscale_steps > 0 ? r->upscale_steps : r->steps;
    second.steps = whole_steps(r, *made);
    limn_upscale_size(m, r, &second.width, &second.height);
    second.init = second.mask = (limn_input){0};
    return second;
}

limn_status limn_upscale_check(const limn_model *m, const limn_request *r, limn_error *err) {
    if (r->upscale == 0) return LIMN_OK;
    int made, most = m->schedule.train_steps < STEPS_MOST ? m->schedule.train_steps : STEPS_MOST;
    limn_request second = limn_upscale_request(m, r, &made);
    if (second.steps > most)
        return limn_fail(err, LIMN_E_USAGE,
                         "%d steps at upscale_strength %g are the last of more than %d: use fewer "
                         "steps (upscale_steps) or more strength",
                         made, r->upscale_strength, most);
    if (m->unet.in_c != m->vae.latent_c || r->mask.picture)
        return limn_fail(err, LIMN_E_USAGE,
                         "upscale works with neither a mask nor a model that takes a picture");
    return LIMN_OK;
}

/* Where output i of n lies among `inputs` inputs: between *low and *high, `share` of the way. */
static float place(int i, int n, int inputs, int *low, int *high) {
    float at = ((float)i + 0.5f) * ((float)inputs / (float)n) - 0.5f;
    if (at < 0) at = 0;
    *low = (int)at < inputs - 1 ? (int)at : inputs - 1;
    *high = *low < inputs - 1 ? *low + 1 : *low;
    return at - (float)*low;
}

void limn_upscale_latents(const limn_map *from, limn_map *to) {
    size_t c = (size_t)from->c, row = (size_t)from->w * c;
    for (int y = 0; y < to->h; y++) {
        int top, bottom;
        float down = place(y, to->h, from->h, &top, &bottom);
        for (int x = 0; x < to->w; x++) {
            int left, right;
            float across = place(x, to->w, from->w, &left, &right);
            const float *a = from->v + (size_t)top * row, *b = from->v + (size_t)bottom * row;
            float *out = to->v + ((size_t)y * (size_t)to->w + (size_t)x) * c;
            size_t l = (size_t)left * c, r = (size_t)right * c;
            for (size_t k = 0; k < c; k++) {
                float upper = (1.0f - across) * a[l + k] + across * a[r + k];
                float lower = (1.0f - across) * b[l + k] + across * b[r + k];
                out[k] = (1.0f - down) * upper + down * lower;
            }
        }
    }
}

void limn_upscale_start(limn_exec *e, const limn_request *second, int made, const limn_map *small,
                        const limn_map *shape, limn_rng *stream, limn_denoise_start *out) {
    limn_map picture = limn_map_take(e, 1, shape->h, shape->w, shape->c);
    float *noise = limn_arena_floats(e->ws, limn_map_count(shape));
    size_t mark = limn_arena_mark(e->ws);
    float *room = limn_arena_floats(e->ws, limn_map_count(shape));
    if (!limn_exec_measuring(e)) {
        limn_upscale_latents(small, &picture);
        limn_rng_start(stream, limn_request_rng(second), second->seed);
        limn_denoise_draw(stream, shape, room, noise);
    }
    limn_arena_release(e->ws, mark);
    *out = (limn_denoise_start){
        .stream = stream, .noise = noise, .picture = picture.v, .skipped = second->steps - made};
}
