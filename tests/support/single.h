/* A model folder's tensors and files put into one file, in the naming of other programs: what users
 * come with, made from the tiny models. The names are written down here a second time, from the
 * other side. */
#ifndef TESTS_SUPPORT_SINGLE_H
#define TESTS_SUPPORT_SINGLE_H

#include <stdbool.h>
#include <stddef.h>

#include "weights/weights.h"

/* How the file is to be. */
typedef struct single_form {
    bool gguf;        /* else safetensors */
    bool ldm;         /* LDM's names, else diffusers' with the component in front */
    bool bare;        /* GGUF as ComfyUI has it: the U-Net alone, without prefix */
    bool as_f32;      /* every number as float32, else as it is stored */
    bool no_files;    /* without the configurations and the tokenizer */
    const char *only; /* one component alone, without prefix ("vae"), or NULL */
} single_form;

/* Writes the model of `folder` to `path`. Fails the test where it cannot. */
void single_write(const char *folder, const single_form *form, const char *path);

/* diffusers' name of a tensor of `unet` becomes LDM's; another name stays. */
void single_unet_name(const limn_tensors *unet, char name[300]);

#endif
