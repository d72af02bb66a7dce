/* The numbers in a request that are 0 where they are not used: one row for each. */
#include <math.h>
#include <string.h>

#include "base/error.h"

#define AT(field) offsetof(limn_request, field)

static const limn_setting settings[] = {
    {.name = "cache_interval",
     .option = "cache-interval",
     .about = "the whole U-Net only every N-th time: faster, another picture",
     .offset = AT(cache_interval),
     .whole = true,
     .least = 2,
     .most = 100},
    {.name = "cache_branch",
     .option = "cache-branch",
     .about = "with an interval: layers that are always evaluated, beside one",
     .offset = AT(cache_branch),
     .whole = true,
     .least = 1,
     .most = 8},
    {.name = "original_width",
     .option = "original-width",
     .about = "SDXL: as if cut from a picture of this width",
     .offset = AT(original_width),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "original_height",
     .option = "original-height",
     .about = "SDXL: as if cut from a picture of this height",
     .offset = AT(original_height),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "crop_x",
     .option = "crop-x",
     .about = "SDXL: as if cut this far from the left",
     .offset = AT(crop_x),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "crop_y",
     .option = "crop-y",
     .about = "SDXL: as if cut this far from the top",
     .offset = AT(crop_y),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "target_width",
     .option = "target-width",
     .about = "SDXL: as if then brought to this width",
     .offset = AT(target_width),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "target_height",
     .option = "target-height",
     .about = "SDXL: as if then brought to this height",
     .offset = AT(target_height),
     .whole = true,
     .least = 1,
     .most = 65536},
    {.name = "guidance_rescale",
     .option = "guidance-rescale",
     .label = "CFG Rescale",
     .about = "takes back what much guidance does to brightness",
     .offset = AT(guidance_rescale),
     .most = 1},
    {.name = "guidance_from",
     .option = "guidance-from",
     .about = "guidance begins after this share of the steps",
     .offset = AT(guidance_from),
     .most = 1},
    {.name = "guidance_to",
     .option = "guidance-to",
     .about = "guidance ends after this share of the steps: faster",
     .offset = AT(guidance_to),
     .most = 1},
    {.name = "clip_skip",
     .option = "clip-skip",
     .label = "Clip skip",
     .about = "the text encoder's layer that is listened to, from the end",
     .offset = AT(clip_skip),
     .whole = true,
     .least = 1,
     .most = 48},
    {.name = "strength",
     .option = "strength",
     .about = "with --init: how much of that picture is lost",
     .offset = AT(strength),
     .least = 0.001,
     .most = 1},
    {.name = "image_guidance",
     .option = "image-guidance",
     .label = "Image CFG scale",
     .about = "models that edit: how closely to keep to --init",
     .offset = AT(image_guidance),
     .least = 1,
     .most = 100},
    {.name = "upscale",
     .option = "upscale",
     .label = "Hires upscale",
     .about = "then again, this many times larger, from what came out",
     .offset = AT(upscale),
     .least = 1,
     .most = 8},
    {.name = "upscale_strength",
     .option = "upscale-strength",
     .about = "with --upscale: how much of the small picture is lost",
     .offset = AT(upscale_strength),
     .least = 0.001,
     .most = 1},
    {.name = "upscale_steps",
     .option = "upscale-steps",
     .label = "Hires steps",
     .about = "with --upscale: steps that are made at the large size",
     .offset = AT(upscale_steps),
     .whole = true,
     .least = 1,
     .most = 1000},
    {.name = "vae_tile",
     .option = "vae-tile",
     .about = "decodes in tiles of this side, px: less memory, nearly the same picture",
     .offset = AT(vae_tile),
     .whole = true,
     .least = 1,
     .most = 8192},
    {.name = "control_strength",
     .option = "control-strength",
     .about = "with --control: how much the ControlNet has to say, 1 as trained",
     .offset = AT(control_strength),
     .least = 0.001,
     .most = 10},
    {.name = "control_from",
     .option = "control-from",
     .about = "the ControlNet takes part after this share of the steps, 0 to 1",
     .offset = AT(control_from),
     .most = 1},
    {.name = "control_to",
     .option = "control-to",
     .about = "the ControlNet takes part up to this share of the steps: faster",
     .offset = AT(control_to),
     .most = 1},
};

const limn_setting *limn_settings(int *count) {
    *count = (int)(sizeof settings / sizeof *settings);
    return settings;
}

const limn_setting *limn_setting_find(const char *name) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (strcmp(name, settings[i].name) == 0) return &settings[i];
    return NULL;
}

double limn_setting_get(const limn_request *request, const limn_setting *setting) {
    const char *field = (const char *)request + setting->offset;
    return setting->whole ? *(const int *)(const void *)field
                          : *(const double *)(const void *)field;
}

limn_status limn_setting_put(limn_request *request, const limn_setting *setting, double value,
                             limn_error *error) {
    char *field = (char *)request + setting->offset;
    bool used = value >= setting->least && value <= setting->most;
    if ((value != 0 && !used) || (setting->whole && value != floor(value)))
        return limn_fail(error, LIMN_E_USAGE, "%s is %g, expected 0 (not used) or a%s %g to %g",
                         setting->name, value,
                         setting->whole ? " whole number from" : " number from", setting->least,
                         setting->most);
    if (setting->whole)
        *(int *)(void *)field = (int)value;
    else
        *(double *)(void *)field = value + 0.0; /* -0 becomes 0 */
    return LIMN_OK;
}
