/* A model's decoder: its VAE, or what stands in its place. */
#include "render/opening.h"

#include <string.h>

/* A model whose vae/ is a TAESD. */
static void load_tiny_vae(limn_loader *ld, const limn_config *config, limn_model *m) {
    limn_taesd_load(ld, config, &m->taesd);
    limn_taesd_load_encoder(ld, config, &m->taesd);
    m->vae = (limn_vae){.latent_c = m->taesd.latent_c,
                        .patch = 1,
                        .scale_px = m->taesd.scale_px,
                        .scaling = m->taesd.scaling,
                        .shift = m->taesd.shift};
    m->has_taesd = true;
}

void limn_open_decoder(limn_opening *o) {
    limn_loader *ld = &o->loader;
    limn_model *m = o->m;
    const char *kind = "AutoencoderKL";
    bool half = ld->keep_half;
    ld->tensors = o->vae_tensors;
    if (ld->status == LIMN_OK)
        ld->status = limn_config_text(o->vae, "_class_name", kind, &kind, ld->err);
    bool tiny = strcmp(kind, "AutoencoderTiny") == 0;
    if (tiny || o->taesd.tensors) ld->keep_half = false; /* it is small: nothing is saved */
    if (tiny)
        load_tiny_vae(ld, o->vae, m);
    else if (o->taesd.tensors)
        limn_vae_describe(ld, o->vae, &m->vae);
    else
        limn_vae_load(ld, o->vae, &m->vae);
    if (o->encoder && !tiny) limn_encoder_load(ld, o->vae, &m->vae, &m->encoder);
    if (o->taesd.tensors) {
        limn_taesd own = m->taesd;
        ld->tensors = o->taesd.tensors;
        limn_taesd_load(ld, o->taesd.config, &m->taesd);
        if (own.has_encoder) m->taesd.encoder = own.encoder; /* it decodes alone */
        m->taesd.has_encoder = own.has_encoder;
        m->has_taesd = true;
    }
    ld->keep_half = half;
}
