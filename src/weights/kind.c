/* How files that people take for models are told from models. */
#include "weights/kind.h"

#include <string.h>

#include "weights/form.h"

enum { LORA, CONTROLNET, ADAPTER, EMBEDDING, TAESD, VAE, TEXT, REFINER, TRANSFORMER, UNET };

static const limn_kind KINDS[] = {
    [LORA] = {"LoRA", "a LoRA, which changes a model", "--lora FILE takes it, beside a model",
              false},
    [CONTROLNET] = {"ControlNet", "a ControlNet, which steers a model",
                    "--control takes it, beside a model", false},
    [ADAPTER] = {"IP-Adapter", "an IP-Adapter, which lets a model listen to pictures",
                 "limn has no use for it", false},
    [EMBEDDING] = {"embedding", "a textual-inversion embedding, a word for prompts",
                   "--embeddings takes the folder that it is in, beside a model", false},
    [TAESD] = {"TAESD", "a TAESD, a small decoder", "--taesd takes it, beside a model", false},
    [VAE] = {"VAE", "a VAE alone", "--vae takes it, beside a model", true},
    [TEXT] = {"text encoder", "a text encoder alone",
              "--text-encoder (--text-encoder-2) takes it, beside a model", true},
    [REFINER] = {"SDXL refiner",
                 "the refiner of Stable Diffusion XL, which finishes pictures of "
                 "the base model",
                 "limn draws with the base model, and does without it", false},
    [TRANSFORMER] = {"transformer",
                     "a diffusion transformer (Flux, Stable Diffusion 3 or their kin)",
                     "limn draws with U-Nets: Stable Diffusion 1, 2, XL and their kin", false},
    [UNET] = {"U-Net", "a U-Net alone", "the folder above it is the model", true},
};

/* Parts of names that only files of one kind have. */
static const struct {
    const char *part;
    int kind;
    enum { BEGINS, ENDS, HAS, IS } where;
} SIGNS[] = {
    {".lora_down.", LORA, HAS},
    {".lora_A.", LORA, HAS},
    {".lora.down.", LORA, HAS},
    {"_lora.down.", LORA, HAS},
    {"lora_linear_layer.down.", LORA, HAS},
    {".hada_w1_a", LORA, ENDS},
    {".lokr_w1", LORA, ENDS},
    {".lokr_w1_a", LORA, ENDS},
    {"lora_unet_", LORA, BEGINS},
    {"lora_te", LORA, BEGINS},
    {"controlnet_cond_embedding.", CONTROLNET, HAS},
    {"control_model.", CONTROLNET, BEGINS},
    {"input_hint_block.", CONTROLNET, HAS},
    {"ip_adapter.", ADAPTER, BEGINS},
    {"image_proj.", ADAPTER, BEGINS},
    {"emb_params", EMBEDDING, IS},
    {"clip_g", EMBEDDING, IS},
    {"clip_l", EMBEDDING, IS},
    {"text_encoders_0", EMBEDDING, IS},
    {"decoder.layers.1.weight", TAESD, IS},
    {"encoder.layers.0.weight", TAESD, IS},
    {"3.conv.0.weight", TAESD, IS},
    {"double_blocks.0.", TRANSFORMER, HAS},
    {"joint_blocks.0.", TRANSFORMER, HAS},
    {"single_transformer_blocks.0.", TRANSFORMER, HAS},
};

/* Components by diffusers' and transformers' classes. */
static const struct {
    const char *class_name;
    int kind;
} CLASSES[] = {
    {"AutoencoderKL", VAE},
    {"AutoencoderTiny", TAESD},
    {"ControlNetModel", CONTROLNET},
    {"UNet2DConditionModel", UNET},
    {"CLIPTextModel", TEXT},
    {"CLIPTextModelWithProjection", TEXT},
    {"FluxTransformer2DModel", TRANSFORMER},
    {"SD3Transformer2DModel", TRANSFORMER},
};

static bool matches(const char *name, size_t sign) {
    const char *part = SIGNS[sign].part;
    const size_t length = strlen(name), size = strlen(part);
    if (length < size) return false;
    switch (SIGNS[sign].where) {
    case BEGINS:
        return memcmp(name, part, size) == 0;
    case ENDS:
        return memcmp(name + length - size, part, size) == 0;
    case HAS:
        return strstr(name, part) != NULL;
    default:
        return strcmp(name, part) == 0;
    }
}

/* A U-Net beside which a control model may stand: a whole model with one inside. */
static bool has_unet(const limn_tensors *all) {
    return limn_tensors_find(all, "model.diffusion_model.input_blocks.0.0.weight") != NULL;
}

const limn_kind *limn_kind_of(const limn_tensors *all) {
    const bool whole = has_unet(all);
    for (size_t i = 0; i < limn_tensors_count(all) && !whole; i++) {
        const char *name = limn_tensors_at(all, i)->name;
        for (size_t k = 0; k < sizeof SIGNS / sizeof *SIGNS; k++)
            if (matches(name, k)) return &KINDS[SIGNS[k].kind];
    }
    /* diffusers' embedding: one tensor that is called as its word is. */
    const limn_tensor *first = limn_tensors_count(all) == 1 ? limn_tensors_at(all, 0) : NULL;
    return first != NULL && first->name[0] == '<' ? &KINDS[EMBEDDING] : NULL;
}

const limn_kind *limn_kind_of_unet(const limn_tensors *unet) {
    limn_unet_form form;
    limn_form_unet(unet, &form);
    return form.text_time_d > 0 && form.context == 1280 ? &KINDS[REFINER] : NULL;
}

const limn_kind *limn_kind_of_part(limn_part part) {
    return part == LIMN_PART_UNET      ? &KINDS[UNET]
           : part == LIMN_PART_VAE     ? &KINDS[VAE]
           : part == LIMN_PART_CONTROL ? &KINDS[CONTROLNET]
                                       : &KINDS[TEXT];
}

const limn_kind *limn_kind_of_class(const char *class_name) {
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (strcmp(class_name, CLASSES[i].class_name) == 0) return &KINDS[CLASSES[i].kind];
    return NULL;
}

const limn_kind *limn_kind_refiner(void) {
    return &KINDS[REFINER];
}

limn_status limn_kind_refuse(const limn_kind *kind, const char *path, limn_error *err) {
    return limn_fail(err, LIMN_E_INPUT, "%s: this is %s; %s", path, kind->label, kind->advice);
}
