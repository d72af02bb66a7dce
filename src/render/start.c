#include "render/start.h"

#include <string.h>

#include "image/fit.h"

/* What is lost of a picture where nobody says how much. */
#define STRENGTH_USUAL 0.75
/* How closely an editing model keeps to its picture: diffusers' and A1111's. */
#define IMAGE_GUIDANCE_USUAL 1.5

limn_unet_kind limn_start_kind(const limn_model *m) {
    int more = m->unet.in_c - m->vae.latent_c;
    return more == m->vae.latent_c + 1 ? LIMN_UNET_INPAINT
           : more == m->vae.latent_c   ? LIMN_UNET_EDIT
                                       : LIMN_UNET_PLAIN;
}

static bool has(const limn_input *s) {
    return s->picture || (s->sha256 && *s->sha256);
}

size_t limn_start_bytes(const limn_request *r) {
    size_t bytes = 0;
    const limn_picture *all[] = {r->init.picture, r->mask.picture, r->control.picture};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) bytes += (size_t)all[i]->width * (size_t)all[i]->height * 3;
    return bytes;
}

bool limn_start_wanted(const limn_model *m, const limn_request *r) {
    return r->init.picture || limn_start_kind(m) != LIMN_UNET_PLAIN;
}

int limn_start_skipped(const limn_request *r) {
    if (!r->init.picture || r->strength == 0) return 0;
    int made = (int)(r->steps * r->strength);
    return r->steps - (made < r->steps ? made : r->steps);
}

void limn_start_settle(const limn_model *m, limn_request *r) {
    bool edits = limn_start_kind(m) == LIMN_UNET_EDIT;
    if (!edits) r->image_guidance = 0;
    if (edits && r->image_guidance == 0) r->image_guidance = IMAGE_GUIDANCE_USUAL;
    if (r->strength == 0 && has(&r->init) && !edits)
        r->strength = limn_start_kind(m) == LIMN_UNET_INPAINT ? 1 : STRENGTH_USUAL;
}

limn_status limn_start_check_input(const limn_input *s, const char *what, limn_error *err) {
    const char *name = s->name ? s->name : "", *mark = *name ? "'" : "";
    if (!has(s)) return LIMN_OK;
    if (!s->picture)
        return limn_fail(err, LIMN_E_USAGE,
                         "this is drawn from the picture %s%s%s (--%s), which was not given", mark,
                         name, mark, what);
    if (!s->sha256 || !*s->sha256) return LIMN_OK;
    char hex[65];
    limn_picture_sha256(s->picture, hex);
    if (strcmp(hex, s->sha256) == 0) return LIMN_OK;
    return limn_fail(
        err, LIMN_E_INPUT,
        "%s%s%s (--%s) is another picture than the one that was drawn from: its pixels "
        "have the SHA-256 %.12s..., expected %.12s...",
        mark, name, mark, what, hex, s->sha256);
}

/* An editing model begins with noise, and sees the picture in every step. */
static limn_status check_edit(const limn_model *m, const limn_request *r, limn_error *err) {
    if (!r->init.picture)
        return limn_fail(
            err, LIMN_E_USAGE,
            "%s is a model that edits: it needs a picture (--init), and the prompt says "
            "what to change",
            m->name);
    if (r->mask.picture || r->strength > 0 || r->guidance_from > 0 || r->guidance_to > 0)
        return limn_fail(err, LIMN_E_USAGE,
                         "%s is a model that edits: it takes no mask, strength or guidance range",
                         m->name);
    return LIMN_OK;
}

limn_status limn_start_check(const limn_model *m, limn_request *r, limn_error *err) {
    limn_status status = limn_start_check_input(&r->init, "init", err);
    if (status == LIMN_OK) status = limn_start_check_input(&r->mask, "mask", err);
    if (status != LIMN_OK) return status;
    if (!(r->strength >= 0 && r->strength <= 1))
        return limn_fail(err, LIMN_E_USAGE, "strength is %g, expected above 0 and up to 1",
                         r->strength);
    if (!r->init.picture && (r->mask.picture || r->strength > 0))
        return limn_fail(err, LIMN_E_USAGE, "%s needs a picture to begin with (--init)",
                         r->mask.picture ? "a mask" : "a strength");
    if (limn_start_kind(m) == LIMN_UNET_INPAINT && !(r->init.picture && r->mask.picture))
        return limn_fail(
            err, LIMN_E_USAGE,
            "%s is an inpainting model: it needs a picture and a mask (--init, --mask)", m->name);
    if (limn_start_kind(m) == LIMN_UNET_EDIT) status = check_edit(m, r, err);
    if (status != LIMN_OK) return status;
    limn_start_settle(m, r);
    if (!limn_start_wanted(m, r)) return LIMN_OK;
    if (!m->encoder.loaded && !m->taesd.has_encoder)
        return limn_fail(err, LIMN_E_USAGE,
                         "%s was opened without its encoder, which a picture to begin with needs",
                         m->name);
    if (limn_start_skipped(r) == r->steps)
        return limn_fail(err, LIMN_E_USAGE,
                         "strength %g leaves none of %d steps to be made, expected %g or more",
                         r->strength, r->steps, 1.0 / r->steps);
    return LIMN_OK;
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* A source's pixels at the request's size, [h, w, 3] u8. */
static uint8_t *fit(limn_exec *e, const limn_picture *p, const limn_request *r) {
    size_t bytes = (size_t)r->width * (size_t)r->height * 3;
    uint8_t *rgb = limn_arena_take(e->ws, bytes, 1);
    limn_image_fit(e->ws, p, r->width, r->height, rgb);
    return rgb;
}

/* Whether a pixel of the mask is to be drawn: its grey (ITU-R BT.601, as Pillow rounds it) is in
 * the upper half. */
static bool is_drawn(const uint8_t *rgb) {
    return ((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16) >= 128;
}

/* The mask at the latents' size: the pixel at the top left of each latent's square. */
static void shrink_mask(const uint8_t *rgb, int width, int scale, const limn_map *latents,
                        float *out) {
    for (int y = 0; y < latents->h; y++)
        for (int x = 0; x < latents->w; x++)
            out[y * latents->w + x] = (float)is_drawn(
                rgb + 3 * ((size_t)y * (size_t)scale * (size_t)width + (size_t)x * (size_t)scale));
}

/* What the encoder sees in a picture, unscaled. A model whose VAE is a TAESD has latents without a
 * deviation, which then stays as it is. */
static void run_encoder(limn_exec *e, const limn_model *m, const limn_map *x, limn_map *mean,
                        limn_map *deviation) {
    float scaling = (float)m->taesd.scaling, shift = (float)m->taesd.shift;
    if (m->encoder.loaded) {
        limn_encoder_run(e, &m->encoder, x, mean, deviation);
        return;
    }
    limn_taesd_encode(e, &m->taesd, x, mean);
    for (size_t i = 0; i < limn_map_count(mean) && !limn_exec_measuring(e); i++)
        mean->v[i] = mean->v[i] / scaling + shift;
}

/* One draw from the latents that the encoder sees in a picture: (mean + deviation x noise - shift)
 * x scaling. hole: the mask at the picture's size, under which the picture is grey; NULL = nowhere.
 */
static void encode(limn_exec *e, const limn_model *m, const limn_request *r, const uint8_t *rgb,
                   const uint8_t *hole, limn_rng *stream, limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    bool real = !limn_exec_measuring(e);
    limn_map x = limn_map_take(e, 1, r->height, r->width, 3);
    limn_map deviation = limn_map_take(e, 1, out->h, out->w, out->c);
    for (size_t i = 0; real && i < limn_map_count(&x); i++)
        x.v[i] = hole && is_drawn(hole + i / 3 * 3) ? 0 : 2.0f * ((float)rgb[i] / 255.0f) - 1.0f;
    run_encoder(e, m, &x, out, &deviation);
    float *noise = limn_arena_floats(e->ws, limn_map_count(out));
    float *room = limn_arena_floats(e->ws, limn_map_count(out));
    float scaling = (float)m->vae.scaling, shift = (float)m->vae.shift;
    bool draws = m->encoder.loaded; /* diffusers draws nothing for an AutoencoderTiny */
    if (real && draws) limn_denoise_draw(stream, out, room, noise);
    for (size_t i = 0; real && i < limn_map_count(out); i++)
        out->v[i] = (out->v[i] + (draws ? deviation.v[i] * noise[i] : 0.0f) - shift) * scaling;
    limn_arena_release(e->ws, mark);
}

/* [1, h, w, 1 + c]: the mask, then the latents of what it leaves. */
static void fill_extra(const limn_map *extra, const float *mask, const limn_map *latents) {
    size_t c = (size_t)latents->c;
    for (size_t i = 0; i < limn_map_pixels(latents); i++) {
        float *to = extra->v + i * (c + 1);
        to[0] = mask[i];
        memcpy(to + 1, latents->v + i * c, c * sizeof(float));
    }
}

void limn_start_edit(limn_exec *e, const limn_model *m, limn_unet_condition *condition) {
    const limn_unet_condition two = *condition;
    size_t row = (size_t)two.tokens * (size_t)m->unet.context_d,
           pooled_d = (size_t)m->unet.pooled_d;
    float *cond = limn_arena_floats(e->ws, 3 * row),
          *pooled = limn_arena_floats(e->ws, 3 * pooled_d);
    for (size_t i = 0; i < 3 && !limn_exec_measuring(e); i++) {
        size_t from = i < 2 ? 0 : 1;
        memcpy(cond + i * row, two.cond + from * row, row * sizeof *cond);
        if (pooled_d > 0)
            memcpy(pooled + i * pooled_d, two.pooled + from * pooled_d, pooled_d * sizeof *pooled);
    }
    condition->n = 3;
    condition->cond = cond;
    condition->pooled = pooled;
}

/* The start for an editing model: noise, and the picture's mean latents, unscaled as in diffusers,
 * which the first of three conditionings does without. */
static void make_edit(limn_exec *e, const limn_model *m, const limn_request *r,
                      const limn_map *latents, limn_rng *stream, limn_start *out) {
    size_t count = limn_map_count(latents);
    bool real = !limn_exec_measuring(e), guided = limn_denoise_batch(&m->unet, r->guidance) > 1;
    float *noise = limn_arena_floats(e->ws, count);
    out->run = (limn_denoise_start){.stream = stream, .noise = noise};
    out->extra = limn_map_take(e, guided ? 3 : 1, latents->h, latents->w, latents->c);
    out->edits = guided;
    /* u + s (c - i) + s' (i - u) = u + s ((s' / s - 1) (i - u) + (c - u)) */
    if (guided) out->weights[0] = (float)(r->image_guidance / r->guidance - 1);
    out->weights[1] = 1;
    size_t mark = limn_arena_mark(e->ws);
    uint8_t *rgb = fit(e, r->init.picture, r);
    limn_map x = limn_map_take(e, 1, r->height, r->width, 3);
    limn_map mean = limn_map_take(e, 1, latents->h, latents->w, latents->c);
    float *room = limn_arena_floats(e->ws, count);
    for (size_t i = 0; real && i < limn_map_count(&x); i++)
        x.v[i] = 2.0f * ((float)rgb[i] / 255.0f) - 1.0f;
    run_encoder(e, m, &x, &mean, NULL);
    if (real) {
        limn_rng_start(stream, limn_request_rng(r), r->seed);
        limn_denoise_draw(stream, latents, room, noise);
        memset(out->extra.v, 0, count * sizeof(float));
        for (int i = guided ? 1 : 0; i < out->extra.n; i++)
            memcpy(out->extra.v + (size_t)i * count, mean.v, count * sizeof(float));
    }
    limn_arena_release(e->ws, mark);
}

void limn_start_make(limn_exec *e, const limn_model *m, const limn_request *r,
                     const limn_map *latents, limn_rng *stream, limn_start *out) {
    bool real = !limn_exec_measuring(e), inpaints = limn_start_kind(m) == LIMN_UNET_INPAINT;
    size_t count = limn_map_count(latents);
    if (limn_start_kind(m) == LIMN_UNET_EDIT) {
        make_edit(e, m, r, latents, stream, out);
        return;
    }
    limn_map picture = limn_map_take(e, 1, latents->h, latents->w, latents->c);
    float *noise = limn_arena_floats(e->ws, count);
    float *mask = limn_arena_floats(e->ws, limn_map_pixels(latents));
    *out = (limn_start){.run = {.stream = stream,
                                .noise = noise,
                                .picture = picture.v,
                                .skipped = limn_start_skipped(r),
                                .from_noise = r->mask.picture && r->strength == 1}};
    if (inpaints)
        out->extra = limn_map_take(e, 1, latents->h, latents->w, m->unet.in_c - latents->c);
    size_t mark = limn_arena_mark(e->ws);
    uint8_t *rgb = fit(e, r->init.picture, r);
    limn_map rest = limn_map_take(e, 1, latents->h, latents->w, latents->c);
    if (real) limn_rng_start(stream, limn_request_rng(r), r->seed);
    /* An inpainting model that begins with noise has no use for the picture's own latents. */
    if (!(inpaints && out->run.from_noise)) encode(e, m, r, rgb, NULL, stream, &picture);
    if (real) limn_denoise_draw(stream, latents, rest.v, noise);
    if (r->mask.picture) {
        uint8_t *hole = fit(e, r->mask.picture, r);
        if (real) shrink_mask(hole, r->width, m->vae.scale_px, latents, mask);
        /* Other models have no use for these latents, but in diffusers they are drawn. */
        if (inpaints)
            encode(e, m, r, rgb, hole, stream, &rest);
        else if (real)
            limn_rng_normal(stream, rest.v, count);
        if (real && inpaints) fill_extra(&out->extra, mask, &rest);
        if (!inpaints) out->run.mask = mask;
    }
    limn_arena_release(e->ws, mark);
}
