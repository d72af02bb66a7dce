/* A ControlNet beside a model: its files are its own, and are hashed apart from the model's. */
#include "render/opening.h"

#include <stdio.h>
#include <string.h>

limn_status limn_open_control(limn_opening *o, const char *path) {
    const char *component;
    char config[80];
    limn_status status = limn_folder_open_control(path, &o->control, &component, o->err);
    if (status != LIMN_OK) return status;
    snprintf(config, sizeof config, "%s%sconfig.json", component, *component ? "/" : "");
    status = limn_folder_config(o->control, config, &o->control_config, o->err);
    if (status == LIMN_OK)
        status = limn_folder_tensors(o->control, component, &o->control_tensors, o->err);
    return status;
}

void limn_open_control_load(limn_opening *o) {
    limn_loader *ld = &o->loader;
    if (!o->control) return;
    ld->tensors = o->control_tensors;
    ld->int8 = o->m->int8;
    limn_control_load(ld, o->control_config, &o->m->control);
    ld->int8 = false;
    o->m->has_control = true;
}

/* Two numbers that must be the same, of the ControlNet and of the U-Net. */
static limn_status same(const limn_opening *o, const char *what, int control, int unet) {
    if (control == unet) return LIMN_OK;
    return limn_fail(o->err, LIMN_E_INPUT,
                     "the ControlNet %s does not fit the model %s: its %s is %d, the U-Net's is %d",
                     limn_folder_name(o->control), o->m->name, what, control, unet);
}

static limn_status check_shapes(const limn_opening *o) {
    const limn_unet *copy = &o->m->control.copy, *unet = &o->m->unet;
    char what[80];
    limn_status status =
        same(o, "width of the text (cross_attention_dim)", copy->context_d, unet->context_d);
    if (status == LIMN_OK)
        status = same(o, "number of levels (block_out_channels)", copy->levels, unet->levels);
    for (int i = 0; i < copy->levels && status == LIMN_OK; i++) {
        snprintf(what, sizeof what, "number of channels at level %d (block_out_channels)", i);
        status = same(o, what, copy->channels[i], unet->channels[i]);
        snprintf(what, sizeof what, "number of layers at level %d (layers_per_block)", i);
        if (status == LIMN_OK) status = same(o, what, copy->down[i].layers, unet->down[i].layers);
    }
    if (status == LIMN_OK && copy->pooled_d > 0)
        status = same(o, "width of the pooled text", copy->pooled_d, unet->pooled_d);
    return status;
}

limn_status limn_open_control_check(const limn_opening *o) {
    const limn_model *m = o->m;
    if (!o->control) return LIMN_OK;
    limn_status status = check_shapes(o);
    if (status == LIMN_OK)
        status =
            same(o, "number of channels in (in_channels)", m->control.copy.in_c, m->vae.latent_c);
    if (status == LIMN_OK && m->unet.mid_layers == 0)
        return limn_fail(o->err, LIMN_E_INPUT,
                         "the ControlNet %s does not fit the model %s: its U-Net has no middle",
                         limn_folder_name(o->control), m->name);
    if (status == LIMN_OK && m->control.scale_px != m->vae.scale_px)
        return limn_fail(o->err, LIMN_E_INPUT,
                         "the ControlNet %s does not fit the model %s: a latent stands for %d "
                         "pixels to it, for %d to the VAE",
                         limn_folder_name(o->control), m->name, m->control.scale_px,
                         m->vae.scale_px);
    return status;
}
