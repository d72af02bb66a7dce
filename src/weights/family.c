/* The table of families, and how one is recognised. */
#include "weights/family.h"

#include <ctype.h>
#include <string.h>

#include "weights/form.h"

enum {
    SD1,
    SD1_INPAINT,
    SD1_PIX2PIX,
    SD1_LCM,
    BK_SDM,
    SD2,
    SD2_V,
    SD2_INPAINT,
    SD_TURBO,
    SDXL,
    SDXL_INPAINT,
    SDXL_PIX2PIX,
    SDXL_LCM,
    SDXL_TURBO,
    SDXL_LIGHTNING,
    SSD_1B,
    OTHER,
    FAMILIES
};

#define SD_PIPE  "StableDiffusionPipeline"
#define XL_PIPE  "StableDiffusionXLPipeline"
#define SD_VAE   0.18215
#define SDXL_VAE 0.13025

/* Steps and guidance: what the models' own cards say, or diffusers' examples for them. */
static const limn_family FAMILY[FAMILIES] = {
    [SD1] = {"sd1", "Stable Diffusion 1.x", SD_PIPE, "PNDMScheduler", "leading", 512, 20, 7.5,
             false, SD_VAE},
    [SD1_INPAINT] = {"sd1-inpaint", "Stable Diffusion 1.x inpainting",
                     "StableDiffusionInpaintPipeline", "PNDMScheduler", "leading", 512, 20, 7.5,
                     false, SD_VAE},
    [SD1_PIX2PIX] = {"sd1-pix2pix", "InstructPix2Pix (Stable Diffusion 1.x)",
                     "StableDiffusionInstructPix2PixPipeline", "EulerAncestralDiscreteScheduler",
                     "leading", 512, 20, 7.5, false, SD_VAE},
    [SD1_LCM] = {"sd1-lcm", "Stable Diffusion 1.x, latent consistency",
                 "LatentConsistencyModelPipeline", "LCMScheduler", "leading", 512, 4, 8.5, false,
                 SD_VAE},
    [BK_SDM] = {"bk-sdm", "BK-SDM (Stable Diffusion 1.x or 2.x with blocks left out)", SD_PIPE,
                "PNDMScheduler", "leading", 512, 25, 7.5, false, SD_VAE},
    [SD2] = {"sd2", "Stable Diffusion 2.x base", SD_PIPE, "PNDMScheduler", "leading", 512, 20, 7.5,
             false, SD_VAE},
    [SD2_V] = {"sd2-v", "Stable Diffusion 2.x, 768 px, v-prediction", SD_PIPE, "DDIMScheduler",
               "leading", 768, 20, 7.5, true, SD_VAE},
    [SD2_INPAINT] = {"sd2-inpaint", "Stable Diffusion 2.x inpainting",
                     "StableDiffusionInpaintPipeline", "PNDMScheduler", "leading", 512, 20, 7.5,
                     false, SD_VAE},
    [SD_TURBO] = {"sd-turbo", "SD-Turbo", SD_PIPE, "EulerDiscreteScheduler", "trailing", 512, 1, 1,
                  false, SD_VAE},
    [SDXL] = {"sdxl", "Stable Diffusion XL", XL_PIPE, "EulerDiscreteScheduler", "leading", 1024, 25,
              5, false, SDXL_VAE},
    [SDXL_INPAINT] = {"sdxl-inpaint", "Stable Diffusion XL inpainting",
                      "StableDiffusionXLInpaintPipeline", "EulerDiscreteScheduler", "leading", 1024,
                      25, 7.5, false, SDXL_VAE},
    [SDXL_PIX2PIX] = {"sdxl-pix2pix", "InstructPix2Pix (Stable Diffusion XL)",
                      "StableDiffusionXLInstructPix2PixPipeline", "EulerDiscreteScheduler",
                      "leading", 768, 25, 3, false, SDXL_VAE},
    [SDXL_LCM] = {"sdxl-lcm", "Stable Diffusion XL, latent consistency", XL_PIPE, "LCMScheduler",
                  "leading", 1024, 4, 8, false, SDXL_VAE},
    [SDXL_TURBO] = {"sdxl-turbo", "SDXL-Turbo", XL_PIPE, "EulerAncestralDiscreteScheduler",
                    "trailing", 512, 1, 1, false, SDXL_VAE},
    [SDXL_LIGHTNING] = {"sdxl-lightning", "SDXL-Lightning", XL_PIPE, "EulerDiscreteScheduler",
                        "trailing", 1024, 4, 1, false, SDXL_VAE},
    [SSD_1B] = {"ssd-1b", "SSD-1B (Stable Diffusion XL with blocks left out)", XL_PIPE,
                "EulerDiscreteScheduler", "leading", 1024, 25, 9, false, SDXL_VAE},
    [OTHER] = {"other", "a U-Net of no published family", SD_PIPE, "DDIMScheduler", "leading", 512,
               20, 7.5, false, SD_VAE},
};

/* Whether a name has a word in it, whatever the case. */
static bool says(const char *name, const char *word) {
    const size_t length = strlen(word);
    for (; name != NULL && *name != '\0'; name++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)name[i]) == word[i]) i++;
        if (i == length) return true;
    }
    return false;
}

static bool is_pipeline(const limn_traits *t, const char *part) {
    return t->pipeline != NULL && strstr(t->pipeline, part) != NULL;
}

static bool is_distilled(const limn_traits *t) {
    return t->from_the_end && t->prediction == 1;
}

static int find_xl(const limn_traits *t) {
    if (t->in_channels == 9) return SDXL_INPAINT;
    if (t->in_channels == 8) return SDXL_PIX2PIX;
    if (t->guidance_input) return SDXL_LCM;
    if (!t->whole_middle || (t->deepest > 0 && t->deepest < 10 && t->context == 2048))
        return SSD_1B;
    if (says(t->name, "turbo")) return SDXL_TURBO;
    if (says(t->name, "lightning")) return SDXL_LIGHTNING;
    if (is_distilled(t)) return t->size_px > 0 && t->size_px <= 512 ? SDXL_TURBO : SDXL_LIGHTNING;
    return SDXL;
}

static int find_sd(const limn_traits *t) {
    const bool two = t->context == 1024 || (t->context != 768 && t->linear);
    if (t->in_channels == 9) return two ? SD2_INPAINT : SD1_INPAINT;
    if (t->in_channels == 8) return SD1_PIX2PIX;
    if (t->guidance_input || is_pipeline(t, "LatentConsistency")) return SD1_LCM;
    if (two && (says(t->name, "turbo") || is_distilled(t))) return SD_TURBO;
    if (!t->whole_middle || t->layers == 1) return BK_SDM;
    if (!two) return SD1;
    return t->prediction == 1 ? SD2 : SD2_V;
}

const limn_family *limn_family_find(const limn_traits *t) {
    if (t->classes) return &FAMILY[OTHER];
    const bool xl = t->text_time || t->context == 2048 || is_pipeline(t, "XL");
    return &FAMILY[xl ? find_xl(t) : find_sd(t)];
}

int limn_family_steps(const limn_family *family, const char *name) {
    static const char digits[] = "1248";
    char word[] = "_Nstep";
    if (family != &FAMILY[SDXL_LIGHTNING]) return family->steps;
    for (const char *d = digits; *d; d++) {
        word[1] = *d;
        if (says(name, word)) return *d - '0';
    }
    return family->steps;
}

limn_traits limn_family_traits(const limn_tensors *unet) {
    limn_unet_form form;
    limn_form_unet(unet, &form);
    limn_traits t = {.in_channels = form.in_channels,
                     .context = form.context,
                     .layers = form.layers[0],
                     .whole_middle = form.middle == 2,
                     .guidance_input = form.guidance_d > 0,
                     .text_time = form.text_time_d > 0,
                     .linear = form.linear,
                     .classes = limn_tensors_find(unet, "class_embedding.linear_1.weight")};
    for (int i = 0; i < form.levels; i++)
        if (form.down_depth[i][0] > 0) t.deepest = form.down_depth[i][0];
    return t;
}
