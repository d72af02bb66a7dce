/* Configurations that a file does not have, made from the shapes of the tensors that it has. */
#ifndef LIMN_WEIGHTS_FORM_H
#define LIMN_WEIGHTS_FORM_H

#include "weights/family.h"

#define LIMN_FORM_LEVELS 8
#define LIMN_FORM_LAYERS 8

/* A U-Net's form, by its tensors under diffusers' names. */
typedef struct limn_unet_form {
    int in_channels, out_channels, levels;
    int channels[LIMN_FORM_LEVELS];
    int layers[LIMN_FORM_LEVELS]; /* residual blocks on the way down */
    int context;                  /* 0 where nothing attends to a text */
    int middle;                   /* 0 none, 1 one residual block alone, 2 with attention */
    int middle_depth;             /* transformer blocks in the middle */
    bool linear;                  /* linear proj_in and proj_out */
    int guidance_d;               /* width of the guidance scale's embedding; 0 = no such input */
    int text_time_d;              /* width of add_embedding's input; 0 = no such input */
    /* Transformer blocks of each attention, 0 where there is none; `up` counts from the deepest. */
    int down_depth[LIMN_FORM_LEVELS][LIMN_FORM_LAYERS];
    int up_depth[LIMN_FORM_LEVELS][LIMN_FORM_LAYERS];
} limn_unet_form;

/* Reads it; what is missing stays 0. Cannot fail: what does not fit together is found when the
 * network is loaded with the configuration. */
void limn_form_unet(const limn_tensors *unet, limn_unet_form *out);

/* The texts of diffusers' configurations; malloc'd (free), NULL where memory ran out. */
char *limn_form_unet_config(const limn_tensors *unet, const limn_family *family);
char *limn_form_control_config(const limn_tensors *control);                        /* likewise */
char *limn_form_vae_config(const limn_tensors *vae, double scaling);                /* likewise */
char *limn_form_text_config(const limn_tensors *text, bool second);                 /* likewise */
char *limn_form_scheduler_config(const limn_family *family, bool v, bool zero_snr); /* likewise */
char *limn_form_index(const limn_family *family);                                   /* likewise */
char *limn_form_special_tokens(bool pads_with_mark);                                /* likewise */

#endif
