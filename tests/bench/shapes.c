/* Which calls on src/layers the networks make, found by letting them make them.
 *
 * The program is linked with --wrap (Makefile): calls on limn_linear_run and its like come here
 * first. While a network runs its measuring pass for us, they are written down. Stable Diffusion
 * 1.5 is built from its configurations alone (render/invent.h), since a measuring pass reads no
 * tensor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "decode/vae.h"
#include "denoise/unet.h"
#include "layers/product.h"
#include "render/invent.h"
#include "text/text.h"

/* Where calls are written down; NULL: nowhere. The only variable of this program that outlives a
 * call, as wrapped functions take no context. */
static bench_network *recording;

static void record(bench_shape s) {
    bench_network *net = recording;
    net->gflop += bench_gflop(&s);
    for (int i = 0; i < net->count; i++)
        if (memcmp(&net->shape[i], &s, sizeof s) == 0) {
            net->times[i]++;
            return;
        }
    if (net->count == BENCH_SHAPES_MOST) return;
    net->shape[net->count] = s;
    net->times[net->count++] = 1;
}

double bench_gflop(const bench_shape *s) {
    double rows = (double)s->n * s->out_h * s->out_w;
    switch (s->kind) {
    case BENCH_LINEAR:
    case BENCH_CONV:
        return 2e-9 * rows * s->out_c * s->kernel * s->kernel * s->c;
    case BENCH_ATTENTION:
        return 4e-9 * s->n * s->heads * s->h * s->keys * s->c;
    default:
        return 0;
    }
}

static void record_conv(const limn_conv *conv, const limn_map *x, int up_h, int up_w,
                        const limn_map *out) {
    bench_shape s = {.kind = BENCH_CONV, .n = x->n, .h = x->h, .w = x->w, .c = x->c};
    s.out_h = out->h;
    s.out_w = out->w;
    s.out_c = conv->matrix.n;
    s.up_h = up_h;
    s.up_w = up_w;
    s.kernel = conv->kernel;
    s.stride = conv->stride;
    s.pad = conv->pad;
    record(s);
}

static void record_group_norm(const limn_norm *norm, const limn_map *x, limn_activation act) {
    bench_shape s = {.kind = BENCH_GROUP_NORM, .n = x->n, .h = x->h, .w = x->w, .c = x->c};
    s.heads = norm->groups;
    s.act = act;
    record(s);
}

/* ---- the wrapped functions ------------------------------------------------------------------- */

void __real_limn_linear_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                            size_t rows, const limn_finish *finish, float *out);
void __wrap_limn_linear_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                            size_t rows, const limn_finish *finish, float *out);
void __wrap_limn_linear_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                            size_t rows, const limn_finish *finish, float *out) {
    bench_shape s = {.kind = BENCH_LINEAR, .n = 1, .h = (int)rows, .w = 1, .c = w->k};
    s.out_h = s.up_h = s.h;
    s.out_w = s.up_w = s.kernel = s.stride = 1;
    s.out_c = w->n;
    if (finish) {
        s.act = finish->act;
        s.gated = finish->gated;
        /* While measuring, a residual is a NULL: whoever passes `finish` without an activation
         * passes one for its residual. */
        s.residual = finish->residual || (finish->act == LIMN_ACT_NONE && !s.gated);
    }
    if (recording) record(s);
    __real_limn_linear_run(e, w, x, x_stride, rows, finish, out);
}

void __real_limn_conv_run(limn_exec *e, const limn_conv *conv, const limn_map *x, int up_h,
                          int up_w, const limn_finish *finish, limn_map *out);
void __wrap_limn_conv_run(limn_exec *e, const limn_conv *conv, const limn_map *x, int up_h,
                          int up_w, const limn_finish *finish, limn_map *out);
void __wrap_limn_conv_run(limn_exec *e, const limn_conv *conv, const limn_map *x, int up_h,
                          int up_w, const limn_finish *finish, limn_map *out) {
    if (recording) record_conv(conv, x, up_h, up_w, out);
    __real_limn_conv_run(e, conv, x, up_h, up_w, finish, out);
}

/* Both in one: two rows of the table. */
void __real_limn_norm_conv_run(limn_exec *e, const limn_norm *norm, limn_activation act,
                               const limn_conv *conv, const limn_map *x, size_t x_stride,
                               const limn_finish *finish, const limn_place *out);
void __wrap_limn_norm_conv_run(limn_exec *e, const limn_norm *norm, limn_activation act,
                               const limn_conv *conv, const limn_map *x, size_t x_stride,
                               const limn_finish *finish, const limn_place *out);
void __wrap_limn_norm_conv_run(limn_exec *e, const limn_norm *norm, limn_activation act,
                               const limn_conv *conv, const limn_map *x, size_t x_stride,
                               const limn_finish *finish, const limn_place *out) {
    if (recording) {
        record_group_norm(norm, x, act);
        record_conv(conv, x, x->h, x->w, x);
    }
    __real_limn_norm_conv_run(e, norm, act, conv, x, x_stride, finish, out);
}

void __real_limn_attention_run(limn_exec *e, const float *q, size_t q_stride, int tokens,
                               const limn_keys *keys, bool causal, float *out);
void __wrap_limn_attention_run(limn_exec *e, const float *q, size_t q_stride, int tokens,
                               const limn_keys *keys, bool causal, float *out);
void __wrap_limn_attention_run(limn_exec *e, const float *q, size_t q_stride, int tokens,
                               const limn_keys *keys, bool causal, float *out) {
    bench_shape s = {.kind = BENCH_ATTENTION, .n = keys->n, .h = tokens, .w = 1, .c = keys->d};
    s.keys = keys->tokens;
    s.heads = keys->heads;
    s.causal = causal;
    if (recording) record(s);
    __real_limn_attention_run(e, q, q_stride, tokens, keys, causal, out);
}

void __real_limn_group_norm_run(limn_exec *e, const limn_norm *norm, const limn_map *x,
                                const float *modulation, limn_activation act, limn_map *out);
void __wrap_limn_group_norm_run(limn_exec *e, const limn_norm *norm, const limn_map *x,
                                const float *modulation, limn_activation act, limn_map *out);
void __wrap_limn_group_norm_run(limn_exec *e, const limn_norm *norm, const limn_map *x,
                                const float *modulation, limn_activation act, limn_map *out) {
    if (recording) record_group_norm(norm, x, act);
    __real_limn_group_norm_run(e, norm, x, modulation, act, out);
}

void __real_limn_layer_norm_run(limn_exec *e, const limn_norm *norm, const float *x, size_t rows,
                                float *out);
void __wrap_limn_layer_norm_run(limn_exec *e, const limn_norm *norm, const float *x, size_t rows,
                                float *out);
void __wrap_limn_layer_norm_run(limn_exec *e, const limn_norm *norm, const float *x, size_t rows,
                                float *out) {
    if (recording)
        record(
            (bench_shape){.kind = BENCH_LAYER_NORM, .n = 1, .h = (int)rows, .w = 1, .c = norm->c});
    __real_limn_layer_norm_run(e, norm, x, rows, out);
}

/* ---- the networks ---------------------------------------------------------------------------- */

/* A latent diffusion model's three networks, from files or from configurations alone. */
typedef struct parts {
    const limn_text *text;
    const limn_unet *unet;
    const limn_vae *vae;
    int w, h; /* of the latents */
} parts;

static void start(bench_network *net, const char *name, const char *what, bool built_in) {
    *net = (bench_network){.name = name, .what = what, .built_in = built_in};
    recording = net;
}

static void record_parts(const limn_kernels *k, const parts *p, const char *const names[3],
                         bool built_in, bench_network *nets) {
    limn_arena plan = limn_arena_measure();
    limn_exec e = {.k = k, .ws = &plan};
    limn_map in = {NULL, 2, p->h, p->w, p->unet->in_c};
    limn_map picture = {NULL, 1, p->h * p->vae->scale_px, p->w * p->vae->scale_px, 3};
    limn_unet_context *context = calloc(1, sizeof *context);
    if (!context) return;
    start(&nets[0], names[0], "two prompts", built_in);
    limn_text_run(&e, p->text, &(limn_text_task){.n = 2});
    recording = NULL;
    const limn_unet_condition text = {.n = 2, .tokens = p->text->positions};
    limn_unet_prepare(&e, p->unet, &text, context);
    start(&nets[1], names[1], "one guided evaluation", built_in);
    limn_unet_run(&e, p->unet, &in, 0, context, &in);
    start(&nets[2], names[2], "one picture", built_in);
    in.n = 1;
    limn_vae_decode(&e, p->vae, &in, &picture);
    recording = NULL;
    free(context);
}

/* SD 1.5 without weights: what measuring passes need of it. */
static bool build_sd15(const limn_kernels *k, limn_model *m) {
    const limn_arch *arch = NULL;
    limn_arch_weight weight;
    limn_error error = {0};
    limn_status status = limn_arch_find("sd15", &arch, &error);
    if (status == LIMN_OK) status = limn_arch_measure(arch, k, false, m, &weight, &error);
    if (status != LIMN_OK) fprintf(stderr, "bench: SD 1.5: %s\n", error.text);
    return status == LIMN_OK;
}

bench_network *bench_networks(const bench *b, int *count) {
    static const char *const own[] = {"built-in text encoder", "built-in U-Net",
                                      "built-in decoder"};
    static const char *const sd[] = {"SD 1.5 text encoder", "SD 1.5 U-Net, 512x512",
                                     "SD 1.5 VAE decoder, 512x512"};
    const limn_kernels *k = b->level[0].k;
    const limn_model *m = b->model;
    bench_network *nets = calloc(6, sizeof *nets);
    limn_model *big = calloc(1, sizeof *big);
    bool good = nets && big && build_sd15(k, big);
    if (good) {
        int scale = m->vae.scale_px;
        parts mine = {m->text, &m->unet, &m->vae, m->info.width / scale, m->info.height / scale};
        record_parts(k, &mine, own, true, nets);
        record_parts(k, &(parts){big->text, &big->unet, &big->vae, 64, 64}, sd, false, nets + 3);
    } else {
        free(nets);
        nets = NULL;
    }
    free(big);
    *count = 6;
    return nets;
}
