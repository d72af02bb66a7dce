/* The residual block of the U-Net and of the decoder: norm, activation, convolution, twice, plus
 * the input. diffusers' ResnetBlock2D. */
#ifndef LIMN_LAYERS_RESNET_H
#define LIMN_LAYERS_RESNET_H

#include "layers/layers.h"

/* What kind of residual block a network uses. */
typedef struct limn_resnet_form {
    int groups;
    double eps;
    limn_activation act;
    int time_d;       /* width of the time embedding; 0 = the block takes none */
    bool scale_shift; /* the time embedding modulates the second norm instead of being added */
} limn_resnet_form;

typedef struct limn_resnet {
    int in_c, out_c;
    limn_activation act;
    bool scale_shift;
    limn_norm norm1, norm2;
    limn_conv conv1, conv2;
    limn_conv shortcut; /* 1x1; only where in_c != out_c */
    limn_matrix time;   /* [out_c or 2 out_c, time_d]; n = 0 where the block takes none */
} limn_resnet;

/* Loads NAME.norm1, .conv1, .time_emb_proj, .norm2, .conv2, .conv_shortcut. */
limn_resnet limn_load_resnet(limn_loader *ld, const char *name, const limn_resnet_form *form,
                             int in_c, int out_c);

/* Runs the block: x [n, h, w, in_c] -> out [n, h, w, out_c], which the caller has taken.
 * time [n, time_d] is the activated time embedding, NULL where the block takes none. */
void limn_resnet_run(limn_exec *e, const limn_resnet *r, const limn_map *x, const float *time,
                     limn_map *out);

/* The same in x's place, for a block that takes no time and has no more channels out than in: x
 * [n, h, w, in_c] becomes [n, h, w, out_c]. The bits are the same, the memory is far less: one map
 * of out_c beside x, or none where out_c is half of in_c or less and Winograd's method suits. */
void limn_resnet_run_in_place(limn_exec *e, const limn_resnet *r, limn_map *x);

/* x, the workspace's newest block above `mark`, becomes the result of a block that takes no time,
 * and is slid down to `mark`; in as little memory as the block can be run in. */
void limn_resnet_replace(limn_exec *e, const limn_resnet *r, size_t mark, limn_map *x);

#endif
