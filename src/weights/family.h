/* The families of models that limn knows, and how each is used where nobody says otherwise. */
#ifndef LIMN_WEIGHTS_FAMILY_H
#define LIMN_WEIGHTS_FAMILY_H

#include "weights/weights.h"

/* What tells families apart. Zeroed = nothing known. */
typedef struct limn_traits {
    const char *pipeline; /* model_index.json's _class_name, or NULL */
    const char *name;    /* the file's or folder's, or NULL: some families differ in nothing else */
    int in_channels;     /* of the U-Net */
    int context;         /* width of the text that it attends to */
    int layers;          /* residual blocks of a level on the way down */
    int deepest;         /* transformer blocks in one attention of the last level that has any */
    bool whole_middle;   /* its middle block attends to the text */
    bool guidance_input; /* the guidance scale is one of its inputs (distilled by LCM) */
    bool text_time;      /* sizes and the pooled text are inputs (SDXL) */
    bool linear;         /* proj_in and proj_out are linear layers, not convolutions */
    bool classes;        /* it has a class embedding, which no published family has */
    int prediction;      /* 0 not known, 1 epsilon, 2 v */
    bool from_the_end;   /* its scheduler is Euler's, with steps from the very first ("trailing"):
                          * where it predicts epsilon, it was distilled to few steps */
    int size_px;         /* what it draws by its configuration; 0 not known */
} limn_traits;

/* One family. */
typedef struct limn_family {
    const char *name;      /* "sd1", as limn inspect --json says it */
    const char *label;     /* "Stable Diffusion 1.x" */
    const char *pipeline;  /* diffusers' class of the whole */
    const char *scheduler; /* diffusers' class of its scheduler, which names the sampler */
    const char *spacing;   /* the scheduler's timestep_spacing */
    int size_px;           /* width and height it was trained at */
    int steps;             /* 1 to 1000 */
    double guidance;       /* 1: the prompt alone */
    bool predicts_v;       /* else epsilon */
    double vae_scaling;    /* its VAE's scaling_factor */
} limn_family;

/* The family that the traits point to; never NULL: a U-Net that is like none is of the first that
 * its inputs fit. */
const limn_family *limn_family_find(const limn_traits *traits);

/* How many steps a model of the family is drawn in: SDXL-Lightning's files differ in that, and only
 * their names tell ("sdxl_lightning_8step"). name may be NULL. */
int limn_family_steps(const limn_family *family, const char *name);

/* The traits of a U-Net by its tensors, under diffusers' names. pipeline and name stay NULL. */
limn_traits limn_family_traits(const limn_tensors *unet);

#endif
