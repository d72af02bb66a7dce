#include "encode/encoder.h"

#include "base/math.h"

static void downsample(limn_exec *e, const limn_conv *conv, size_t mark, limn_map *x) {
    limn_map out = limn_map_take(e, x->n, x->h / 2, x->w / 2, x->c);
    limn_conv_run(e, conv, x, x->h, x->w, NULL, &out);
    *x = out;
    limn_map_settle(e, mark, x);
}

/* A convolution at the same size, in x's place. */
static void convolve(limn_exec *e, const limn_conv *conv, size_t mark, limn_map *x) {
    limn_map out = limn_map_take(e, x->n, x->h, x->w, conv->matrix.n);
    limn_conv_run(e, conv, x, x->h, x->w, NULL, &out);
    *x = out;
    limn_map_settle(e, mark, x);
}

/* The network: x -> means and logarithms of variances [n, h / scale, w / scale, 2 latent_c]. */
static limn_map run_network(limn_exec *e, const limn_encoder *m, const limn_map *picture) {
    size_t mark = limn_arena_mark(e->ws);
    limn_map x = limn_map_take(e, picture->n, picture->h, picture->w, m->channels[0]);
    limn_conv_run(e, &m->conv_in, picture, picture->h, picture->w, NULL, &x);
    for (int i = 0; i < m->levels; i++) {
        for (int k = 0; k < m->layers; k++) limn_resnet_replace(e, &m->down[i].resnet[k], mark, &x);
        if (m->down[i].resamples) downsample(e, &m->down[i].resample, mark, &x);
    }
    limn_resnet_replace(e, &m->mid_resnet[0], mark, &x);
    if (m->has_mid_attention) limn_vae_attention_run(e, &m->mid_attention, mark, &x);
    limn_resnet_replace(e, &m->mid_resnet[1], mark, &x);
    limn_group_norm_run(e, &m->norm_out, &x, NULL, m->act, &x);
    convolve(e, &m->conv_out, mark, &x);
    if (m->has_quant) convolve(e, &m->quant, mark, &x);
    return x;
}

/* deviation = e^(logvar / 2), with the logarithm held between -30 and 20 as in diffusers. */
static float deviation_of(float logvar) {
    float held = logvar < -30.0f ? -30.0f : logvar > 20.0f ? 20.0f : logvar;
    return (float)limn_exp((double)(0.5f * held));
}

void limn_encoder_run(limn_exec *e, const limn_encoder *m, const limn_map *x, limn_map *mean,
                      limn_map *deviation) {
    size_t mark = limn_arena_mark(e->ws), c = (size_t)m->latent_c;
    bool real = !limn_exec_measuring(e);
    if (m->basis.matrix.n > 0) {
        limn_conv_run(e, &m->basis, x, x->h, x->w, NULL, mean);
        for (size_t i = 0; deviation && real && i < limn_map_count(deviation); i++)
            deviation->v[i] = (float)m->deviation;
        return;
    }
    limn_map moments = run_network(e, m, x);
    for (size_t i = 0; real && i < limn_map_count(mean); i++) {
        const float *at = moments.v + i / c * 2 * c + i % c;
        mean->v[i] = at[0];
        if (deviation) deviation->v[i] = deviation_of(at[c]);
    }
    limn_arena_release(e->ws, mark);
}
