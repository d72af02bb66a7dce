/* Whether a model's parts fit each other, and what the model wants to be asked for. */
#include "render/opening.h"

#include <string.h>

#include "weights/family.h"

/* Two numbers of different configurations that must be the same. */
static limn_status same(const limn_opening *o, const char *what, int a, const char *with, int b) {
    if (a == b) return LIMN_OK;
    return limn_fail(o->err, LIMN_E_INPUT, "%s: %s is %d, but %s is %d", o->m->name, what, a, with,
                     b);
}

static limn_status check_text(const limn_opening *o) {
    const limn_model *m = o->m;
    const limn_text *last = &m->text[m->encoders - 1];
    limn_status status =
        m->joined ? same(o, "the text encoders' hidden_size together", m->text[0].d + m->text[1].d,
                         "the U-Net's cross_attention_dim", m->unet.context_d)
                  : same(o, "the text encoder's hidden_size", m->text[0].d,
                         "the U-Net's cross_attention_dim", m->unet.context_d);
    if (status == LIMN_OK && m->joined)
        status = same(o, "max_position_embeddings of text_encoder", m->text[0].positions,
                      "that of text_encoder_2", m->text[1].positions);
    if (status == LIMN_OK && m->unet.pooled_d > 0)
        status = same(
            o,
            last->projects ? "the text encoder's projection_dim" : "the text encoder's hidden_size",
            last->pooled_d,
            m->unet.number_d > 0 ? "what projection_class_embeddings_input_dim leaves for "
                                   "the text"
                                 : "projection_class_embeddings_input_dim",
            m->unet.pooled_d);
    for (int i = 0; i < m->encoders && status == LIMN_OK; i++)
        if (limn_tokenizer_vocabulary(m->tokenizer[i]) > m->text[i].vocabulary)
            status = limn_fail(
                o->err, LIMN_E_INPUT, "%s: %s has %d ids, but the vocab_size of %s is %d", m->name,
                limn_tokenizer_folders[i], limn_tokenizer_vocabulary(m->tokenizer[i]),
                limn_encoder_folders[i], m->text[i].vocabulary);
    return status;
}

/* Beside the latents a U-Net may take a picture's (instruct-pix2pix), and a mask (inpainting). */
static limn_status check_latents(const limn_opening *o) {
    const limn_model *m = o->m;
    int c = m->vae.latent_c, in = m->unet.in_c;
    limn_status status =
        same(o, "the VAE's latent_channels", c, "the U-Net's out_channels", m->unet.out_c);
    if (status != LIMN_OK || in == c || in == 2 * c || in == 2 * c + 1) return status;
    return limn_fail(o->err, LIMN_E_INPUT,
                     "%s: the VAE's latent_channels is %d, but the U-Net's in_channels is %d, "
                     "expected %d, or %d with a picture, or %d with a picture and a mask",
                     m->name, c, in, c, 2 * c, 2 * c + 1);
}

static limn_status check_taesd(const limn_opening *o) {
    const limn_model *m = o->m;
    if (!m->has_taesd) return LIMN_OK;
    limn_status status = same(o, "TAESD's number of latent channels", m->taesd.latent_c,
                              "the VAE's latent_channels", m->vae.latent_c);
    if (status != LIMN_OK) return status;
    return same(o, "the pixels that a latent stands for to TAESD", m->taesd.scale_px,
                "that to the VAE", m->vae.scale_px);
}

limn_status limn_open_check(const limn_opening *o) {
    limn_status status = check_text(o);
    if (status == LIMN_OK) status = check_latents(o);
    if (status == LIMN_OK) status = check_taesd(o);
    return status == LIMN_OK ? limn_open_control_check(o) : status;
}

/* The family, by the U-Net's tensors, the pipeline's class, the schedule, and what the model is
 * called. */
static const limn_family *family_of(const limn_opening *o, int size_px) {
    const limn_schedule *schedule = &o->m->schedule;
    limn_traits traits = limn_family_traits(o->unet_tensors);
    traits.pipeline = o->pipeline->class_name;
    traits.name = o->m->name;
    traits.prediction = schedule->prediction == LIMN_PREDICT_V ? 2 : 1;
    traits.from_the_end = schedule->spacing == LIMN_SPACING_TRAILING &&
                          strncmp(schedule->sampler, "euler", strlen("euler")) == 0;
    traits.size_px = size_px;
    return limn_family_find(&traits);
}

limn_status limn_open_wishes(limn_opening *o) {
    limn_model *m = o->m;
    const limn_config *own = limn_config_child(o->index, "limn");
    int sample = 64, scale = m->vae.scale_px;
    limn_model_info *i = &m->info;
    const char *sampler = m->schedule.sampler[0] ? m->schedule.sampler : "ddim";
    limn_status status = limn_config_int(o->unet, "sample_size", 1, 2048, 64, &sample, o->err);
    i->width = i->height = sample * scale;
    const limn_family *family = family_of(o, i->width);
    i->family = family->label;
    i->steps = limn_family_steps(family, m->name);
    i->guidance = family->guidance;
    if (strcmp(sampler, "lcm") == 0) i->steps = 4;
    if (strcmp(sampler, "lcm") == 0 && m->unet.guidance_d == 0) i->guidance = 1; /* distilled in */
    if (own) {
        if (!status) status = limn_config_int(own, "width", 1, 16384, i->width, &i->width, o->err);
        if (!status)
            status = limn_config_int(own, "height", 1, 16384, i->height, &i->height, o->err);
        if (!status) status = limn_config_int(own, "steps", 1, 1000, i->steps, &i->steps, o->err);
        if (!status)
            status = limn_config_number(own, "guidance_scale", 0, 100, i->guidance, &i->guidance,
                                        o->err);
        if (!status) status = limn_config_text(own, "sampler", sampler, &sampler, o->err);
    }
    if (status != LIMN_OK) return status;
    const char *found = limn_sampler_find(sampler, NULL);
    if (!found)
        return limn_fail(o->err, LIMN_E_INPUT,
                         "%s/model_index.json: sampler \"%s\" is not known to limn", m->name,
                         sampler);
    strncpy(m->sampler, found, sizeof m->sampler - 1);
    return LIMN_OK;
}
