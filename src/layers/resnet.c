#include "layers/resnet.h"

#include <stdio.h>

#include "layers/product.h"

limn_resnet limn_load_resnet(limn_loader *ld, const char *name, const limn_resnet_form *form,
                             int in_c, int out_c) {
    limn_resnet r = {.in_c = in_c, .out_c = out_c, .act = form->act};
    char part[240];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    r.norm1 = limn_load_norm(ld, PART("norm1"), in_c, form->groups, form->eps);
    r.conv1 = limn_load_conv(ld, PART("conv1"), out_c, in_c, 3, 1, 1);
    if (form->time_d > 0) {
        bool int8 = ld->int8;
        ld->int8 = false; /* one row for a whole picture */
        r.scale_shift = form->scale_shift;
        r.time = limn_load_linear(ld, PART("time_emb_proj"), r.scale_shift ? 2 * out_c : out_c,
                                  form->time_d, true);
        ld->int8 = int8;
    }
    r.norm2 = limn_load_norm(ld, PART("norm2"), out_c, form->groups, form->eps);
    r.conv2 = limn_load_conv(ld, PART("conv2"), out_c, out_c, 3, 1, 1);
    if (in_c != out_c) r.shortcut = limn_load_conv(ld, PART("conv_shortcut"), out_c, in_c, 1, 1, 0);
#undef PART
    return r;
}

void limn_resnet_run(limn_exec *e, const limn_resnet *r, const limn_map *x, const float *time,
                     limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    float *shift = NULL; /* [n, time.n] what the time embedding says to each image's channels */
    if (r->time.n > 0) {
        shift = limn_arena_floats(e->ws, (size_t)x->n * (size_t)r->time.n);
        limn_linear_run(e, &r->time, time, (size_t)r->time.k, (size_t)x->n, NULL, shift);
    }
    limn_map h = limn_map_take(e, x->n, x->h, x->w, r->out_c);
    size_t inner = limn_arena_mark(e->ws);
    limn_map normed = limn_map_take(e, x->n, x->h, x->w, r->in_c);
    limn_group_norm_run(e, &r->norm1, x, NULL, r->act, &normed);
    const limn_finish first = {.bias = r->scale_shift ? NULL : shift};
    limn_conv_run(e, &r->conv1, &normed, x->h, x->w, &first, &h);
    limn_arena_release(e->ws, inner);
    limn_group_norm_run(e, &r->norm2, &h, r->scale_shift ? shift : NULL, r->act, &h);

    limn_map kept = *x;
    if (r->in_c != r->out_c) {
        kept = limn_map_take(e, x->n, x->h, x->w, r->out_c);
        limn_conv_run(e, &r->shortcut, x, x->h, x->w, NULL, &kept);
    }
    const limn_finish last = {.residual = kept.v};
    limn_conv_run(e, &r->conv2, &h, x->h, x->w, &last, out);
    limn_arena_release(e->ws, mark);
}

/* Whether what the first convolution and the shortcut give has room in x's place. */
static bool halves(const limn_resnet *r, const limn_map *x) {
    return 2 * r->out_c <= r->in_c && limn_winograd_suits(&r->conv1, x) &&
           limn_winograd_suits(&r->conv2, x) && r->shortcut.matrix.numbers.type != LIMN_I8;
}

/* Side by side in each pixel's old place lie first x, then h and the shortcut, then the result and
 * the shortcut. */
static void run_halves(limn_exec *e, const limn_resnet *r, limn_map *x) {
    size_t in_c = (size_t)x->c, out_c = (size_t)r->out_c;
    limn_map h = {x->v, x->n, x->h, x->w, r->out_c};
    limn_place place = {.v = x->v, .pixel_stride = in_c, .beside = &r->shortcut.matrix};
    limn_norm_conv_run(e, &r->norm1, r->act, &r->conv1, x, in_c, NULL, &place);
    place.beside = NULL;
    const limn_finish last = {.residual = limn_exec_measuring(e) ? NULL : x->v + out_c};
    limn_norm_conv_run(e, &r->norm2, r->act, &r->conv2, &h, in_c, &last, &place);
    limn_map_close_up(e, &h, in_c);
    *x = h;
}

/* h is a map of its own; the shortcut and the result take x's place one after the other. */
static void run_two_maps(limn_exec *e, const limn_resnet *r, limn_map *x) {
    size_t mark = limn_arena_mark(e->ws), in_c = (size_t)x->c, out_c = (size_t)r->out_c;
    limn_map h = limn_map_take(e, x->n, x->h, x->w, r->out_c);
    const limn_place first = {.v = h.v, .pixel_stride = out_c};
    limn_norm_conv_run(e, &r->norm1, r->act, &r->conv1, x, in_c, NULL, &first);
    if (r->in_c != r->out_c)
        limn_pointwise_run(e, &r->shortcut.matrix, x->v, in_c, (size_t)x->n * limn_map_pixels(x),
                           x->v, out_c);
    const limn_finish last = {.residual = x->v};
    const limn_place second = {.v = x->v, .pixel_stride = out_c};
    limn_norm_conv_run(e, &r->norm2, r->act, &r->conv2, &h, out_c, &last, &second);
    x->c = r->out_c;
    limn_arena_release(e->ws, mark);
}

void limn_resnet_run_in_place(limn_exec *e, const limn_resnet *r, limn_map *x) {
    if (halves(r, x))
        run_halves(e, r, x);
    else
        run_two_maps(e, r, x);
}

void limn_resnet_replace(limn_exec *e, const limn_resnet *r, size_t mark, limn_map *x) {
    if (r->out_c <= r->in_c) {
        limn_resnet_run_in_place(e, r, x);
    } else {
        limn_map out = limn_map_take(e, x->n, x->h, x->w, r->out_c);
        limn_resnet_run(e, r, x, NULL, &out);
        *x = out;
    }
    limn_map_settle(e, mark, x);
}
