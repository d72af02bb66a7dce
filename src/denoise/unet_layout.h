/* Inside src/denoise: what a U-Net's configuration says beside what limn_unet keeps. */
#ifndef LIMN_DENOISE_UNET_LAYOUT_H
#define LIMN_DENOISE_UNET_LAYOUT_H

#include "denoise/unet.h"

/* How the network is put together. Levels are counted from the largest map, in up_depth and
 * up_attends from the smallest, as the way up has them. */
typedef struct limn_unet_layout {
    bool half;                         /* there is no way up: a ControlNet. Set before reading */
    int layers[LIMN_UNET_LEVELS_MOST]; /* resnets on the way down; one more on the way up */
    int heads[LIMN_UNET_LEVELS_MOST];
    bool down_attends[LIMN_UNET_LEVELS_MOST], up_attends[LIMN_UNET_LEVELS_MOST];
    bool only_cross[LIMN_UNET_LEVELS_MOST]; /* the first attention looks at the text too */
    /* Blocks of the transformer behind each resnet. */
    int down_depth[LIMN_UNET_LEVELS_MOST][LIMN_UNET_LAYERS_MOST + 1];
    int up_depth[LIMN_UNET_LEVELS_MOST][LIMN_UNET_LAYERS_MOST + 1];
    int mid_layers, mid_depth; /* 0 to 2 resnets, and the blocks between them */
    bool mid_attends;
    int groups;
    limn_resnet_form resnet;
} limn_unet_layout;

/* Reads the configuration: sizes and choices into *m, the rest into *f, both zeroed before but for
 * f->half. What limn does not know is refused by name; the fault stays in ld->status. */
void limn_unet_layout_read(limn_loader *ld, const limn_config *c, limn_unet *m,
                           limn_unet_layout *f);

#endif
