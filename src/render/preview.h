/* A rough picture of latents while they are drawn, for limn_options.preview. */
#ifndef LIMN_RENDER_PREVIEW_H
#define LIMN_RENDER_PREVIEW_H

#include "render/model.h"

/* Makes a pixel of each latent and hands them to options->preview, which must not be NULL. Memory
 * is from e->ws, and given back; a measuring pass only takes it. */
void limn_preview_show(limn_exec *e, const limn_vae *vae, const limn_map *latents,
                       const limn_options *options);

#endif
