/* The U-Net: noisy latents, a timestep and conditioning -> what the model predicts (noise or v).
 *
 * In: latents [n, h, w, in_c], conditioning [n, tokens, context_d]. Out: [n, h, w, out_c]. Loading
 * fails with a sentence that names the key or the tensor; running cannot fail.
 * Every size and choice is read from unet/config.json; what limn does not know is refused, not
 * guessed. Source: Rombach et al. 2022, in the form of diffusers' UNet2DConditionModel, whose names
 * the tensors have. */
#ifndef LIMN_DENOISE_UNET_H
#define LIMN_DENOISE_UNET_H

#include "layers/resnet.h"

#define LIMN_UNET_LEVELS_MOST 6
#define LIMN_UNET_LAYERS_MOST 4
#define LIMN_UNET_BLOCKS_MOST 16
/* What the way down leaves for the way up: a map of every layer, of what resamples, and the first.
 */
#define LIMN_UNET_SKIPS_MOST (LIMN_UNET_LEVELS_MOST * (LIMN_UNET_LAYERS_MOST + 1) + 1)
/* Attentions to the text in a whole network: SDXL has 70. */
#define LIMN_UNET_CONTEXTS_MOST 128
/* Numbers that SDXL takes beside the text. */
#define LIMN_UNET_NUMBERS 6

/* A transformer block: self-attention, attention to the text, a gated perceptron. */
typedef struct limn_unet_block {
    limn_norm norm1, norm2, norm3;
    limn_matrix qkv, out1;     /* attn1; q, k and v in one matrix */
    limn_matrix q2, kv2, out2; /* attn2; k and v of the text in one matrix */
    limn_matrix ff_in, ff_out; /* ff_in gives value and gate */
    int context;               /* which of limn_unet_context's keys are attn2's */
    bool only_cross;           /* attn1 looks at the text too; then qkv is q alone, kv1 the rest, */
    limn_matrix kv1;           /* and its keys are behind attn2's */
} limn_unet_block;

/* Transformer2DModel: norm, projection, blocks, projection, plus the input. */
typedef struct limn_unet_transformer {
    int d, heads, count;
    limn_norm norm;
    limn_matrix in, out;
    limn_unet_block block[LIMN_UNET_BLOCKS_MOST];
} limn_unet_transformer;

/* One resolution, on the way down or up. */
typedef struct limn_unet_level {
    int layers;
    bool attends;
    limn_resnet resnet[LIMN_UNET_LAYERS_MOST + 1];
    limn_unet_transformer attention[LIMN_UNET_LAYERS_MOST + 1];
    bool resamples;
    limn_conv resample; /* to the next resolution */
} limn_unet_level;

typedef struct limn_unet {
    int in_c, out_c, levels, context_d;
    int pooled_d;   /* width of the pooled text that it takes; 0 = it takes none */
    int number_d;   /* width of each of LIMN_UNET_NUMBERS' embedding; 0 = it takes none */
    int guidance_d; /* width of the guidance scale's embedding; 0 = it takes none */
    int channels[LIMN_UNET_LEVELS_MOST];
    int time_d; /* width of the time embedding: 4 x channels[0] */
    bool cos_first;
    double freq_shift;
    limn_matrix time1, time2;   /* time_embedding */
    limn_matrix guidance;       /* its cond_proj; n = 0 where there is none */
    limn_matrix class1, class2; /* class_embedding of the pooled text, or add_embedding of the
                                 * pooled text and the numbers; n = 0 where there is none */
    limn_conv conv_in, conv_out;
    limn_unet_level down[LIMN_UNET_LEVELS_MOST], up[LIMN_UNET_LEVELS_MOST];
    int mid_layers; /* 0 to 2 */
    bool mid_attends;
    limn_resnet mid_resnet[2];
    limn_unet_transformer mid_attention; /* behind the first */
    limn_norm norm_out;
    limn_activation act;
    int contexts; /* attentions to the text in all */
} limn_unet;

/* Reads the configuration and the tensors (ld->tensors). Faults stay in ld->status. */
void limn_unet_load(limn_loader *ld, const limn_config *config, limn_unet *out);

/* The same of the half that a ControlNet has (ControlNetModel's configuration): what comes before
 * the way up, of which nothing is set. */
void limn_unet_load_half(limn_loader *ld, const limn_config *config, limn_unet *out);

/* What a picture is conditioned on. */
typedef struct limn_unet_condition {
    int n;               /* conditionings evaluated at once */
    int tokens;          /* of each */
    const float *cond;   /* [n, tokens, context_d] */
    const float *pooled; /* [n, pooled_d]; not read where pooled_d is 0 */
    /* Of every conditioning alike; not read where number_d is 0. SDXL's: the original picture's
     * height and width, top and left of the crop, the target's height and width, px. */
    int numbers[LIMN_UNET_NUMBERS];
    double guidance; /* the guidance scale, for networks that take it; else not read */
} limn_unet_condition;

/* What it gives to every evaluation of one picture, computed once: each block's keys and values,
 * and what is added to the time embedding. */
typedef struct limn_unet_context {
    int n;
    limn_keys keys[LIMN_UNET_CONTEXTS_MOST];
    float *embedding; /* [n, time_d]; NULL where the model adds nothing */
    float *guidance;  /* [channels[0]], added before the time embedding; NULL where it is not */
    /* The ControlNet that takes part in the evaluation (denoise/control.h); NULL = none, as
     * limn_unet_prepare leaves it. */
    const struct limn_control_context *control;
} limn_unet_context;

/* Prepares a context in e->ws, which must keep it until the picture's last evaluation. */
void limn_unet_prepare(limn_exec *e, const limn_unet *m, const limn_unet_condition *condition,
                       limn_unet_context *out);

/* One evaluation. x [n, h, w, in_c], any h and w; out [n, h, w, out_c], the caller's memory. */
void limn_unet_run(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                   const limn_unet_context *context, limn_map *out);

/* What a full evaluation leaves for those after it: the deep feature, which changes slowly from
 * step to step. Source: Ma, Fang and Wang 2024, "DeepCache", section 3. */
typedef struct limn_unet_deep {
    int branch;   /* of the last level up, the last branch + 1 layers are always evaluated */
    bool filled;  /* whether `map` holds anything */
    limn_map map; /* [n, h, w, c]: what enters the first of those layers */
} limn_unet_deep;

/* The highest branch that a U-Net has. */
int limn_unet_branch_most(const limn_unet *m);

/* Takes memory for the deep feature of pictures of x's size, out of e->ws, which must keep it as
 * long as it is used. branch 0 to limn_unet_branch_most. */
limn_unet_deep limn_unet_deep_take(limn_exec *e, const limn_unet *m, const limn_map *x, int branch);

/* An evaluation that fills deep->map on its way (deep->filled is then true), or, where it is filled
 * already, one of the outermost layers only, with the deep feature as it is there. */
void limn_unet_run_deep(limn_exec *e, const limn_unet *m, const limn_map *x, double timestep,
                        const limn_unet_context *context, limn_unet_deep *deep, limn_map *out);

#endif
