#include "render/hint.h"

#include "image/fit.h"
#include "render/start.h"

bool limn_hint_wanted(const limn_request *r) {
    return r->control.picture || (r->control.sha256 && *r->control.sha256);
}

void limn_hint_settle(limn_request *r) {
    if (!limn_hint_wanted(r)) r->control_strength = r->control_from = r->control_to = 0;
    if (limn_hint_wanted(r) && r->control_strength == 0) r->control_strength = 1;
    if (r->control_to == 1) r->control_to = 0;
}

limn_status limn_hint_check(const limn_model *m, const limn_request *r, limn_error *err) {
    if (!limn_hint_wanted(r)) return LIMN_OK;
    limn_status status = limn_start_check_input(&r->control, "control-image", err);
    if (status != LIMN_OK) return status;
    if (!m->has_control)
        return limn_fail(err, LIMN_E_USAGE,
                         "%s was opened without a ControlNet (--control), which a control image "
                         "needs",
                         m->name);
    if (r->control_to > 0 && r->control_from > r->control_to)
        return limn_fail(err, LIMN_E_USAGE, "control_from is %g, expected at most control_to, %g",
                         r->control_from, r->control_to);
    return LIMN_OK;
}

void limn_hint_make(limn_exec *e, const limn_model *m, const limn_request *r, limn_map *out) {
    int scale = m->control.scale_px;
    *out = limn_map_take(e, 1, r->height / scale, r->width / scale, m->unet.channels[0]);
    size_t mark = limn_arena_mark(e->ws);
    limn_map picture = limn_map_take(e, 1, r->height, r->width, 3);
    size_t inner = limn_arena_mark(e->ws);
    uint8_t *rgb = limn_arena_take(e->ws, limn_map_count(&picture), 1);
    limn_image_fit(e->ws, r->control.picture, r->width, r->height, rgb);
    for (size_t i = 0; i < limn_map_count(&picture) && !limn_exec_measuring(e); i++)
        picture.v[i] = (float)rgb[i] / 255.0f;
    limn_arena_release(e->ws, inner);
    limn_control_see(e, &m->control, &picture, out);
    limn_arena_release(e->ws, mark);
}
