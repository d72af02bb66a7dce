#include "decode/vae.h"

#include <math.h>
#include <string.h>

/* z = latents / scaling + shift, through the convolution before the decoder where there is one. */
static limn_map unscale(limn_exec *e, const limn_vae *m, const limn_map *latents) {
    limn_map z = limn_map_take(e, latents->n, latents->h, latents->w, m->latent_c);
    bool real = !limn_exec_measuring(e);
    float scaling = (float)m->scaling, shift = (float)m->shift;
    for (size_t i = 0; i < limn_map_count(&z) && real; i++)
        z.v[i] = latents->v[i] / scaling + shift;
    if (!m->has_post_quant) return z;
    limn_map out = limn_map_take(e, z.n, z.h, z.w, z.c);
    limn_conv_run(e, &m->post_quant, &z, z.h, z.w, NULL, &out);
    return out;
}

/* What the decoder paints, and the basis where there is one, into maps that are there. */
static void decode(limn_exec *e, const limn_vae *m, const limn_map *latents, limn_map *painted,
                   limn_map *basis) {
    size_t mark = limn_arena_mark(e->ws);
    limn_map z = unscale(e, m, latents);
    if (m->basis > 0)
        limn_linear_run(e, &m->basis_decode, z.v, (size_t)z.c, (size_t)z.n * limn_map_pixels(&z),
                        NULL, basis->v);
    limn_map x = limn_map_take(e, z.n, z.h, z.w, m->conv_in.matrix.n);
    limn_conv_run(e, &m->conv_in, &z, z.h, z.w, NULL, &x);
    limn_map_settle(e, mark, &x);

    limn_resnet_replace(e, &m->mid_resnet[0], mark, &x);
    if (m->has_mid_attention) limn_vae_attention_run(e, &m->mid_attention, mark, &x);
    limn_resnet_replace(e, &m->mid_resnet[1], mark, &x);
    for (int i = 0; i < m->levels; i++) {
        for (int k = 0; k <= m->layers; k++) limn_resnet_replace(e, &m->up[i].resnet[k], mark, &x);
        if (m->up[i].resamples) limn_conv_enlarge(e, &m->up[i].resample, mark, &x);
    }
    limn_group_norm_run(e, &m->norm_out, &x, NULL, m->act, &x);
    limn_conv_run(e, &m->conv_out, &x, x.h, x.w, NULL, painted);
    limn_arena_release(e->ws, mark);
}

void limn_vae_decode_parts(limn_exec *e, const limn_vae *m, const limn_map *latents,
                           limn_map *painted, limn_map *basis) {
    int scale = m->scale_px / m->patch;
    *painted = limn_map_take(e, latents->n, latents->h * scale, latents->w * scale,
                             3 * m->patch * m->patch);
    *basis = (limn_map){NULL, latents->n, latents->h, latents->w, 3 * m->basis * m->basis};
    if (m->basis > 0) *basis = limn_map_take(e, basis->n, basis->h, basis->w, basis->c);
    decode(e, m, latents, painted, basis);
}

/* Channel ch x p x p + i x p + j of cell (y, x) becomes channel ch of pixel (y p + i, x p + j), put
 * there or added. PyTorch's pixel_shuffle. */
static void shuffle(const limn_map *cells, int p, bool add, limn_map *out) {
    size_t wide = (size_t)out->w * 3;
    for (int cell = 0; cell < cells->n * cells->h * cells->w; cell++) {
        const float *from = cells->v + (size_t)cell * (size_t)cells->c;
        size_t row = (size_t)(cell / cells->w) * (size_t)p, column = (size_t)(cell % cells->w * p);
        for (int i = 0; i < p; i++) {
            float *to = out->v + (row + (size_t)i) * wide + column * 3;
            for (int j = 0; j < p; j++)
                for (int ch = 0; ch < 3; ch++) {
                    float v = from[(ch * p + i) * p + j];
                    to[j * 3 + ch] = add ? to[j * 3 + ch] + v : v;
                }
        }
    }
}

void limn_vae_decode(limn_exec *e, const limn_vae *m, const limn_map *latents, limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    limn_map painted, basis;
    if (m->patch == 1 && m->basis == 0) { /* it paints pixels: straight into the picture */
        decode(e, m, latents, out, NULL);
        return;
    }
    limn_vae_decode_parts(e, m, latents, &painted, &basis);
    if (!limn_exec_measuring(e)) {
        shuffle(&painted, m->patch, false, out);
        if (basis.v) shuffle(&basis, m->basis, true, out);
    }
    limn_arena_release(e->ws, mark);
}

void limn_vae_to_pixels(const float *x, size_t count, uint8_t *out) {
    for (size_t i = 0; i < count; i++) {
        float v = x[i] * 0.5f + 0.5f;
        v = v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
        out[i] = (uint8_t)rintf(v * 255.0f);
    }
}
