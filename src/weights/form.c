/* From shapes to configurations. Numbers of heads are in no shape: they are as in the family's
 * published configurations (eight a level in Stable Diffusion 1, 64 channels a head later). */
#include "weights/form.h"

#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "weights/names.h"

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Side `i` of a tensor's shape, 0 where it is not there or no int. */
static int side(const limn_tensors *set, int i, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int side(const limn_tensors *set, int i, const char *format, ...) {
    char name[LIMN_NAME_MOST];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const limn_tensor *t = limn_tensors_find(set, name);
    return t != NULL && i < t->rank && t->shape[i] <= INT_MAX ? (int)t->shape[i] : 0;
}

/* How many of "PREFIX0SUFFIX", "PREFIX1SUFFIX", ... there are, up to `most`. */
static int count_of(const limn_tensors *set, const char *prefix, const char *suffix, int most) {
    int n = 0;
    while (n < most && limn_name_there(set, "%s%d%s", prefix, n, suffix)) n++;
    return n;
}

/* Transformer blocks of an attention; 0 where there is none. */
static int depth_of(const limn_tensors *unet, const char *attention) {
    char prefix[LIMN_NAME_MOST];
    snprintf(prefix, sizeof prefix, "%.100s.transformer_blocks.", attention);
    return count_of(unet, prefix, ".norm1.weight", 100);
}

static void read_level(const limn_tensors *unet, int i, limn_unet_form *f) {
    char name[LIMN_NAME_MOST];
    snprintf(name, sizeof name, "down_blocks.%d.resnets.", i);
    f->layers[i] = count_of(unet, name, ".conv1.weight", LIMN_FORM_LAYERS);
    f->channels[i] = side(unet, 0, "%s0.conv1.weight", name);
    for (int k = 0; k < LIMN_FORM_LAYERS; k++) {
        snprintf(name, sizeof name, "down_blocks.%d.attentions.%d", i, k);
        f->down_depth[i][k] = depth_of(unet, name);
        if (f->context == 0)
            f->context = side(unet, 1, "%s.transformer_blocks.0.attn2.to_k.weight", name);
        const limn_tensor *in;
        snprintf(name, sizeof name, "down_blocks.%d.attentions.%d.proj_in.weight", i, k);
        if ((in = limn_tensors_find(unet, name)) != NULL && in->rank == 2) f->linear = true;
        snprintf(name, sizeof name, "up_blocks.%d.attentions.%d", i, k);
        f->up_depth[i][k] = depth_of(unet, name);
    }
}

void limn_form_unet(const limn_tensors *unet, limn_unet_form *f) {
    *f = (limn_unet_form){.in_channels = side(unet, 1, "conv_in.weight"),
                          .out_channels = side(unet, 0, "conv_out.weight"),
                          .guidance_d = side(unet, 1, "time_embedding.cond_proj.weight"),
                          .text_time_d = side(unet, 1, "add_embedding.linear_1.weight"),
                          .middle_depth = depth_of(unet, "mid_block.attentions.0")};
    f->levels = count_of(unet, "down_blocks.", ".resnets.0.conv1.weight", LIMN_FORM_LEVELS);
    for (int i = 0; i < f->levels; i++) read_level(unet, i, f);
    if (limn_name_there(unet, "mid_block.resnets.0.conv1.weight")) f->middle = 1;
    if (f->middle_depth > 0) f->middle = 2;
}

/* ---- configurations -------------------------------------------------------------------------- */

/* The text of an object, which it drops. */
static char *text_of(json_t *object) {
    char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    return text;
}

static json_t *list_of(const int *numbers, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_integer(numbers[i]));
    return list;
}

/* The kinds of a side's blocks. */
static json_t *kinds_of(const limn_unet_form *f, bool up) {
    json_t *list = json_array();
    for (int i = 0; i < f->levels; i++) {
        const int *depth = up ? f->up_depth[i] : f->down_depth[i];
        const char *kind = up ? (depth[0] > 0 ? "CrossAttnUpBlock2D" : "UpBlock2D")
                              : (depth[0] > 0 ? "CrossAttnDownBlock2D" : "DownBlock2D");
        json_array_append_new(list, json_string(kind));
    }
    return list;
}

/* One number for each level, or a list where its attentions are not equally deep. */
static json_t *depths_of(const limn_unet_form *f, bool up) {
    json_t *list = json_array();
    for (int i = 0; i < f->levels; i++) {
        const int *depth = up ? f->up_depth[i] : f->down_depth[i];
        const int layers = up ? f->layers[f->levels - 1 - i] + 1 : f->layers[i];
        bool same = true;
        for (int k = 1; k < layers && k < LIMN_FORM_LAYERS; k++)
            same = same && depth[k] == depth[0];
        const int count = layers < LIMN_FORM_LAYERS ? layers : LIMN_FORM_LAYERS;
        json_array_append_new(list, same ? json_integer(depth[0] > 0 ? depth[0] : 1)
                                         : list_of(depth, count));
    }
    return list;
}

/* Whether the way up is as deep as the way down, where both attend. */
static bool is_mirrored(const limn_unet_form *f) {
    for (int i = 0; i < f->levels; i++) {
        const int level = f->levels - 1 - i;
        for (int k = 0; k <= f->layers[level] && k < LIMN_FORM_LAYERS; k++)
            if (f->up_depth[i][k] > 0 && f->up_depth[i][k] != f->down_depth[level][0]) return false;
    }
    return true;
}

/* What a U-Net and a ControlNet both have: the way down and the middle. */
static json_t *half_config(const limn_unet_form *f, const char *class_name) {
    static const char *const middles[] = {NULL, "UNetMidBlock2D", "UNetMidBlock2DCrossAttn"};
    int heads[LIMN_FORM_LEVELS];
    const bool eight = f->context == 768 || !f->linear;
    for (int i = 0; i < f->levels; i++)
        heads[i] = eight ? 8 : f->channels[i] >= 64 ? f->channels[i] / 64 : 1;
    json_t *c = json_pack(
        "{ss si so so so ss? so so si sb}", "_class_name", class_name, "in_channels",
        f->in_channels, "block_out_channels", list_of(f->channels, f->levels), "layers_per_block",
        list_of(f->layers, f->levels), "down_block_types", kinds_of(f, false), "mid_block_type",
        middles[f->middle], "attention_head_dim", list_of(heads, f->levels),
        "transformer_layers_per_block", depths_of(f, false), "cross_attention_dim",
        f->context > 0 ? f->context : 768, "use_linear_projection", f->linear);
    if (c != NULL && f->text_time_d > 0) {
        json_object_set_new(c, "addition_embed_type", json_string("text_time"));
        json_object_set_new(c, "addition_time_embed_dim", json_integer(256));
        json_object_set_new(c, "projection_class_embeddings_input_dim",
                            json_integer(f->text_time_d));
    }
    return c;
}

char *limn_form_unet_config(const limn_tensors *unet, const limn_family *family) {
    limn_unet_form f;
    limn_form_unet(unet, &f);
    json_t *c = half_config(&f, "UNet2DConditionModel");
    if (c == NULL) return NULL;
    json_object_set_new(c, "out_channels", json_integer(f.out_channels));
    json_object_set_new(c, "up_block_types", kinds_of(&f, true));
    json_object_set_new(c, "sample_size", json_integer(family->size_px / 8));
    if (!is_mirrored(&f))
        json_object_set_new(c, "reverse_transformer_layers_per_block", depths_of(&f, true));
    if (f.guidance_d > 0) json_object_set_new(c, "time_cond_proj_dim", json_integer(f.guidance_d));
    return text_of(c);
}

char *limn_form_control_config(const limn_tensors *control) {
    limn_unet_form f;
    int widths[LIMN_FORM_LEVELS] = {side(control, 0, "controlnet_cond_embedding.conv_in.weight")};
    int count = 1;
    limn_form_unet(control, &f);
    while (count < LIMN_FORM_LEVELS &&
           limn_name_there(control, "controlnet_cond_embedding.blocks.%d.weight", 2 * count - 1)) {
        widths[count] =
            side(control, 0, "controlnet_cond_embedding.blocks.%d.weight", 2 * count - 1);
        count++;
    }
    json_t *c = half_config(&f, "ControlNetModel");
    if (c == NULL) return NULL;
    json_object_set_new(c, "conditioning_channels",
                        json_integer(side(control, 1, "controlnet_cond_embedding.conv_in.weight")));
    json_object_set_new(c, "conditioning_embedding_out_channels", list_of(widths, count));
    return text_of(c);
}

char *limn_form_vae_config(const limn_tensors *vae, double scaling) {
    int channels[LIMN_FORM_LEVELS];
    const int levels =
        count_of(vae, "decoder.up_blocks.", ".resnets.0.conv1.weight", LIMN_FORM_LEVELS);
    for (int i = 0; i < levels; i++)
        channels[levels - 1 - i] = side(vae, 0, "decoder.up_blocks.%d.resnets.0.conv1.weight", i);
    const int layers =
        count_of(vae, "decoder.up_blocks.0.resnets.", ".conv1.weight", LIMN_FORM_LAYERS);
    return text_of(
        json_pack("{ss si si si so si sf sb sb}", "_class_name", "AutoencoderKL", "in_channels", 3,
                  "out_channels", 3, "latent_channels", side(vae, 1, "decoder.conv_in.weight"),
                  "block_out_channels", list_of(channels, levels), "layers_per_block",
                  layers > 1 ? layers - 1 : 1, "scaling_factor", scaling, "use_post_quant_conv",
                  limn_name_there(vae, "post_quant_conv.weight"), "mid_block_add_attention",
                  limn_name_there(vae, "decoder.mid_block.attentions.0.group_norm.weight")));
}

char *limn_form_text_config(const limn_tensors *text, bool second) {
    const char *token = "text_model.embeddings.token_embedding.weight";
    const int d = side(text, 1, "%s", token);
    int layers = count_of(text, "text_model.encoder.layers.", ".layer_norm1.weight", 1000);
    /* Stable Diffusion 2 listens to the last layer but one of OpenCLIP's ViT-H, and diffusers'
     * files of it end there. */
    if (d == 1024 && layers == 24) layers = 23;
    const int projected = side(text, 0, "text_projection.weight");
    json_t *c = json_pack(
        "{s[s] ss si si si si si si ss si}", "architectures",
        second ? "CLIPTextModelWithProjection" : "CLIPTextModel", "model_type", "clip_text_model",
        "vocab_size", side(text, 0, "%s", token), "max_position_embeddings",
        side(text, 0, "text_model.embeddings.position_embedding.weight"), "hidden_size", d,
        "num_hidden_layers", layers, "num_attention_heads", d >= 64 ? d / 64 : 1,
        "intermediate_size", side(text, 0, "text_model.encoder.layers.0.mlp.fc1.weight"),
        "hidden_act", d == 768 ? "quick_gelu" : "gelu", "eos_token_id", 49407);
    if (c != NULL && projected > 0)
        json_object_set_new(c, "projection_dim", json_integer(projected));
    return text_of(c);
}

/* Where the schedule ends in pure noise, steps begin there, or it is of no use: Lin et al. 2023. */
char *limn_form_scheduler_config(const limn_family *family, bool v, bool zero_snr) {
    return text_of(json_pack("{ss si sf sf ss sb sb si ss ss sb}", "_class_name", family->scheduler,
                             "num_train_timesteps", 1000, "beta_start", 0.00085, "beta_end", 0.012,
                             "beta_schedule", "scaled_linear", "clip_sample", 0, "set_alpha_to_one",
                             0, "steps_offset", 1, "timestep_spacing",
                             zero_snr ? "trailing" : family->spacing, "prediction_type",
                             v ? "v_prediction" : "epsilon", "rescale_betas_zero_snr", zero_snr));
}

char *limn_form_index(const limn_family *family) {
    return text_of(json_pack("{ss}", "_class_name", family->pipeline));
}

char *limn_form_special_tokens(bool pads_with_mark) {
    return text_of(json_pack("{ss ss ss ss}", "bos_token", "<|startoftext|>", "eos_token",
                             "<|endoftext|>", "unk_token", "<|endoftext|>", "pad_token",
                             pads_with_mark ? "!" : "<|endoftext|>"));
}
