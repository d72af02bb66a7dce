#include "render/preview.h"

/* Latents as colours in [-1, 1], [pixels, 3]: each basis patch's mean colour where the model has a
 * basis, else the first three latents. */
static void paint(const limn_vae *vae, const limn_map *latents, const float *basis, float *rgb) {
    size_t patch = (size_t)vae->basis * (size_t)vae->basis, c = (size_t)latents->c;
    for (size_t i = 0; i < limn_map_pixels(latents) * 3; i++) {
        size_t channel = i % 3 < c ? i % 3 : 0;
        float sum = 0;
        for (size_t k = 0; k < patch; k++) sum += basis[i * patch + k];
        rgb[i] = patch > 0 ? sum / (float)patch : latents->v[i / 3 * c + channel];
    }
}

void limn_preview_show(limn_exec *e, const limn_vae *vae, const limn_map *latents,
                       const limn_options *options) {
    size_t mark = limn_arena_mark(e->ws), pixels = limn_map_pixels(latents);
    float *basis = NULL;
    if (vae->basis > 0) {
        basis = limn_arena_floats(e->ws, pixels * 3 * (size_t)(vae->basis * vae->basis));
        limn_linear_run(e, &vae->basis_decode, latents->v, (size_t)latents->c, pixels, NULL, basis);
    }
    float *rgb = limn_arena_floats(e->ws, pixels * 3);
    if (!limn_exec_measuring(e)) {
        uint8_t *bytes = (uint8_t *)rgb; /* in place: byte i is written after float i is read */
        paint(vae, latents, basis, rgb);
        limn_vae_to_pixels(rgb, pixels * 3, bytes);
        options->preview(options->user, latents->w, latents->h, bytes);
    }
    limn_arena_release(e->ws, mark);
}
