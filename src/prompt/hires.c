/* A1111's settings of a second pass, which are many names for three numbers of a request. Any order
 * is fine: after each of them the request is made up again. */
#include "base/error.h"
#include "prompt/parts.h"

#include <string.h>

/* What A1111 has where enable_hr stands alone. */
#define SCALE_USUAL 2

static const struct {
    const char *name;
    limn_hires_setting setting;
} names[] = {
    {"enable_hr", LIMN_HIRES_ON},
    {"hr_scale", LIMN_HIRES_SCALE},
    {"denoising_strength", LIMN_HIRES_STRENGTH},
    {"hr_second_pass_steps", LIMN_HIRES_STEPS},
    {"hr_upscaler", LIMN_HIRES_UPSCALER},
    {"hr_resize_x", LIMN_HIRES_OTHER},
    {"hr_resize_y", LIMN_HIRES_OTHER},
    {"hr_checkpoint_name", LIMN_HIRES_OTHER},
    {"hr_sampler_name", LIMN_HIRES_OTHER},
    {"hr_scheduler", LIMN_HIRES_OTHER},
    {"hr_prompt", LIMN_HIRES_OTHER},
    {"hr_negative_prompt", LIMN_HIRES_OTHER},
};

int limn_hires_find(const char *name, limn_hires_setting *setting) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            *setting = names[i].setting;
            return (int)i;
        }
    return -1;
}

/* The scale where the second pass was said to be on: hr_scale's, else what stands already. */
static double scale_of(const limn_hires *h, double before) {
    return h->scale > 0 ? h->scale : before > 1 ? before : SCALE_USUAL;
}

limn_status limn_hires_apply(const limn_hires *h, limn_request *r, limn_error *err) {
    if (h->said_on) r->upscale = h->on ? scale_of(h, r->upscale) : 0;
    if (r->upscale > 0 && h->unknown)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: limn has the upscaler Latent and nothing else here", h->unknown);
    if (r->upscale > 0 && h->scale > 0) r->upscale = h->scale;
    if (r->upscale > 0 && h->steps > 0) r->upscale_steps = h->steps;
    if (h->strength > 0 && r->upscale > 0) r->upscale_strength = h->strength;
    if (h->strength > 0 && r->upscale == 0 && r->init.picture) r->strength = h->strength;
    return LIMN_OK;
}
