/* A model's decoder: its VAE, or what stands in its place. */
#include "render/opening.h"

#include <string.h>

/* A TAESD's decoder. It is small: float16 would save nothing. */
static void load_taesd(limn_loader *ld, const limn_config *config, limn_model *m) {
    bool narrow = ld->keep_narrow;
    ld->keep_narrow = false;
    limn_taesd_load(ld, config, &m->taesd);
    ld->keep_narrow = narrow;
    m->has_taesd = true;
}

/* A model whose own decoder is a TAESD. */
static void load_tiny(limn_loader *ld, const limn_config *config, limn_model *m) {
    load_taesd(ld, config, m);
    m->vae = (limn_vae){.latent_c = m->taesd.latent_c,
                        .patch = 1,
                        .scale_px = m->taesd.scale_px,
                        .scaling = m->taesd.scaling,
                        .shift = m->taesd.shift};
}

static bool is_tiny(limn_loader *ld, const limn_config *config) {
    const char *kind = "AutoencoderKL";
    if (ld->status == LIMN_OK)
        ld->status = limn_config_text(config, "_class_name", kind, &kind, ld->err);
    return strcmp(kind, "AutoencoderTiny") == 0;
}

void limn_open_own_decoder(limn_loader *ld, const limn_config *config, limn_model *m) {
    if (is_tiny(ld, config))
        load_tiny(ld, config, m);
    else
        limn_vae_load(ld, config, &m->vae);
}

/* The TAESD that was asked for takes the decoder's place. */
static void load_given(limn_loader *ld, const limn_taesd_files *files, limn_model *m) {
    limn_taesd own = m->taesd;
    ld->tensors = files->tensors;
    load_taesd(ld, files->config, m);
    if (own.has_encoder) m->taesd.encoder = own.encoder; /* the given one only decodes */
    m->taesd.has_encoder = own.has_encoder;
}

void limn_open_decoder(limn_opening *o) {
    limn_loader *ld = &o->loader;
    limn_model *m = o->m;
    ld->tensors = o->vae_tensors;
    bool tiny = is_tiny(ld, o->vae);
    if (tiny || !o->taesd.tensors)
        limn_open_own_decoder(ld, o->vae, m);
    else
        limn_vae_describe(ld, o->vae, &m->vae);
    if (tiny)
        limn_taesd_load_encoder(ld, o->vae, &m->taesd);
    else if (o->encoder)
        limn_encoder_load(ld, o->vae, &m->vae, &m->encoder);
    if (o->taesd.tensors) load_given(ld, &o->taesd, m);
}
