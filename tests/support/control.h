/* A ControlNet for tests/golden/tiny-sd15, whose numbers are made from the tensors' names, so that
 * any program can make them again (tests/golden/README.md, "control.safetensors"). */
#ifndef TESTS_SUPPORT_CONTROL_H
#define TESTS_SUPPORT_CONTROL_H

#include <stdbool.h>

/* How its file is to be. */
typedef struct control_form {
    bool original;       /* the original names ("control_model.zero_convs.0.0.weight"), not
                            diffusers' */
    bool gguf;           /* a GGUF file, not safetensors; without `more` */
    const char *type;    /* "F32" (NULL too), "F16" or "BF16": all of them hold the numbers */
    const char *without; /* a tensor that is left out, by diffusers' name; NULL = none */
    const char *longer;  /* one whose first side is 8 more than it should be; NULL = none */
    const char *more;    /* a tensor of one number that is there too, by the file's name */
} control_form;

/* Writes the file. Fails the test where it cannot. */
void control_write(const control_form *form, const char *path);

/* Makes a folder as diffusers saves a ControlNetModel. `change` becomes part of its configuration,
 * {"key": value}, in JSON; NULL = nothing is changed. */
void control_make_folder(const char *folder, const char *change);

#endif
