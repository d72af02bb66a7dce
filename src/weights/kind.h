/* What a file or a component's folder is that is no model by itself. */
#ifndef LIMN_WEIGHTS_KIND_H
#define LIMN_WEIGHTS_KIND_H

#include "weights/single.h"

/* One such kind. */
typedef struct limn_kind {
    const char *name;   /* "LoRA" */
    const char *label;  /* "a LoRA" */
    const char *advice; /* what to do with it: "--lora takes it ..." */
    bool part;          /* it is one of a model's parts */
} limn_kind;

/* The kind that a file is by its tensors' names; NULL where it may be a model, or is nothing that
 * limn has a name for. */
const limn_kind *limn_kind_of(const limn_tensors *all);

/* The kind of a U-Net that limn does not draw with, by its tensors under diffusers' names; else
 * NULL. */
const limn_kind *limn_kind_of_unet(const limn_tensors *unet);

/* The kind that a part is where it stands alone. */
const limn_kind *limn_kind_of_part(limn_part part);

/* SDXL's refiner. */
const limn_kind *limn_kind_refiner(void);

/* The kind of a component of that class (_class_name, or architectures); NULL where there is none.
 */
const limn_kind *limn_kind_of_class(const char *class_name);

/* Refuses it as a model. Always LIMN_E_INPUT. */
limn_status limn_kind_refuse(const limn_kind *kind, const char *path, limn_error *err);

#endif
