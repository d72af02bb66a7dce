#include "decode/taesd.h"

#include "base/math.h"

static void run_block(limn_exec *e, const limn_taesd_block *b, limn_map *x, limn_map *h,
                      limn_map *spare) {
    const limn_finish relu = {.act = LIMN_ACT_RELU};
    const limn_finish last = {.residual = x->v, .last = LIMN_ACT_RELU};
    limn_conv_run(e, &b->conv[0], x, x->h, x->w, &relu, h);
    limn_conv_run(e, &b->conv[1], h, x->h, x->w, &relu, spare);
    limn_conv_run(e, &b->conv[2], spare, x->h, x->w, &last, h);
    const limn_map before = *x;
    *x = *h;
    *h = before;
}

/* A level's blocks; x, the only map above `mark`, becomes their result. */
static void run_level(limn_exec *e, const limn_taesd_half *m, int level, size_t mark, limn_map *x) {
    limn_map h = limn_map_take(e, x->n, x->h, x->w, x->c);
    limn_map spare = limn_map_take(e, x->n, x->h, x->w, x->c);
    for (int i = 0; i < m->form.blocks[level]; i++)
        run_block(e, &m->block[level][i], x, &h, &spare);
    limn_map_settle(e, mark, x);
}

/* x becomes conv x, where x has first been brought to up_h x up_w. */
static void run_between(limn_exec *e, const limn_conv *conv, int up_h, int up_w, size_t mark,
                        limn_map *x) {
    limn_map out = limn_map_take(e, x->n, limn_conv_size(conv, up_h), limn_conv_size(conv, up_w),
                                 conv->matrix.n);
    limn_conv_run(e, conv, x, up_h, up_w, NULL, &out);
    *x = out;
    limn_map_settle(e, mark, x);
}

/* 3 tanh(z / 3) of z = latents / scaling + shift. */
static limn_map soften(limn_exec *e, const limn_taesd *m, const limn_map *latents) {
    limn_map z = limn_map_take(e, latents->n, latents->h, latents->w, latents->c);
    bool real = !limn_exec_measuring(e);
    for (size_t i = 0; i < limn_map_count(&z) && real; i++) {
        float v = latents->v[i] / (float)m->scaling + (float)m->shift;
        z.v[i] = 3.0f * (float)limn_tanh((double)(v / 3.0f));
    }
    return z;
}

void limn_taesd_decode(limn_exec *e, const limn_taesd *m, const limn_map *latents, limn_map *out) {
    const limn_taesd_half *d = &m->decoder;
    size_t mark = limn_arena_mark(e->ws);
    limn_map z = soften(e, m, latents);
    limn_map x = limn_map_take(e, z.n, z.h, z.w, d->form.width);
    limn_conv_run(e, &d->first, &z, z.h, z.w, &(limn_finish){.act = LIMN_ACT_RELU}, &x);
    limn_map_settle(e, mark, &x);
    for (int i = 0; i < d->form.levels; i++) {
        run_level(e, d, i, mark, &x);
        if (i + 1 < d->form.levels) run_between(e, &d->between[i], 2 * x.h, 2 * x.w, mark, &x);
    }
    limn_conv_run(e, &d->last, &x, x.h, x.w, NULL, out);
    for (size_t i = 0; i < limn_map_count(out) && !limn_exec_measuring(e); i++)
        out->v[i] = out->v[i] * 2.0f - 1.0f;
    limn_arena_release(e->ws, mark);
}

void limn_taesd_encode(limn_exec *e, const limn_taesd *m, const limn_map *picture,
                       limn_map *latents) {
    const limn_taesd_half *c = &m->encoder;
    size_t mark = limn_arena_mark(e->ws);
    limn_map half = limn_map_take(e, picture->n, picture->h, picture->w, 3);
    for (size_t i = 0; i < limn_map_count(&half) && !limn_exec_measuring(e); i++)
        half.v[i] = (picture->v[i] + 1.0f) / 2.0f;
    limn_map x = limn_map_take(e, half.n, half.h, half.w, c->form.width);
    limn_conv_run(e, &c->first, &half, half.h, half.w, NULL, &x);
    limn_map_settle(e, mark, &x);
    for (int i = 0; i < c->form.levels; i++) {
        if (i > 0) run_between(e, &c->between[i - 1], x.h, x.w, mark, &x);
        run_level(e, c, i, mark, &x);
    }
    limn_conv_run(e, &c->last, &x, x.h, x.w, NULL, latents);
    for (size_t i = 0; i < limn_map_count(latents) && !limn_exec_measuring(e); i++)
        latents->v[i] = (latents->v[i] - (float)m->shift) * (float)m->scaling;
    limn_arena_release(e->ws, mark);
}
