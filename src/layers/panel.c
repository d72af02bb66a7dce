/* A matrix's panels as the float32 that the kernels take, whatever they are kept as. */
#include "layers/product.h"

/* Lines of Q8_0, whose first block's scales are at `scale`. */
static void from_q8(const limn_kernels *kernels, const int8_t *q, const uint16_t *scale, int depth,
                    float *out) {
    const size_t width = (size_t)kernels->panel, block = LIMN_Q8_BLOCK * width;
    float worth[LIMN_PANEL_MOST];
    for (int i = 0; i < depth; i += LIMN_Q8_BLOCK) {
        kernels->from_f16(scale, width, worth);
        kernels->from_q8(q, worth, LIMN_Q8_BLOCK, out);
        scale += width;
        q += block;
        out += block;
    }
}

const float *limn_matrix_panel(const limn_kernels *kernels, const limn_matrix *m, int panel, int k0,
                               int depth, float *room) {
    const size_t width = (size_t)kernels->panel;
    const size_t line = (size_t)panel * (size_t)m->k + (size_t)k0;
    const limn_numbers *w = &m->numbers;
    if (w->type == LIMN_F32) return w->f32 + line * width;
    if (w->type == LIMN_Q8_0)
        from_q8(kernels, w->i8 + line * width, m->q8_scale + line / LIMN_Q8_BLOCK * width, depth,
                room);
    else
        limn_widen_of(kernels, w->type)(w->bits + line * width, (size_t)depth * width, room);
    return room;
}
