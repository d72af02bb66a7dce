/* Inside a recipe, for the files of this room that fill one. */
#ifndef LIMN_IMAGE_RECIPE_H
#define LIMN_IMAGE_RECIPE_H

#include "image/buffer.h"
#include "image/image.h"

/* A request whose strings are the recipe's own, from malloc. */
struct limn_recipe {
    limn_request request;
    char *model_name, *model_sha256;     /* "" where unknown */
    char *precision;                     /* "float32" where unknown */
    char *taesd_name, *taesd_sha256;     /* "" where the model's own decoder was used */
    char *control_name, *control_sha256; /* "" where no ControlNet took part */
    char *embeddings;                    /* as limn_recipe_embeddings gives them */
    int contract;                        /* 0 where unknown */
    limn_lora_info *loras;               /* [lora_count], names and hashes its own; NULL = none */
    int lora_count;
};

/* Makes a recipe: empty prompts, everything 0, the schedule "model", the generator "torch". The
 * caller frees it with limn_recipe_free. LIMN_E_MEMORY. */
limn_status limn_recipe_new(limn_recipe **out, limn_error *err);

/* Replaces a string that a recipe owns by a copy of text[0, size). LIMN_E_MEMORY. */
limn_status limn_recipe_keep(const char **slot, const char *text, size_t size, limn_error *err);

/* Adds a LoRA, whose name and hash are copied. LIMN_E_MEMORY. */
limn_status limn_recipe_add_lora(limn_recipe *recipe, const char *name, const char *sha256,
                                 double scale, limn_error *err);

/* Adds a textual inversion to a list of them, as limn_recipe_embeddings gives it. */
void limn_recipe_list_embedding(limn_image_buffer *list, const char *name, const char *sha256);

/* Takes a setting out of a picture: as limn_recipe_set, but a wrong value is LIMN_E_INPUT, and the
 * name of a sampler, schedule, generator or precision that limn does not have is kept as it is, so
 * that a picture of another program can be shown, and rendered with another one. */
limn_status limn_recipe_accept(limn_recipe *recipe, const char *name, const char *value,
                               limn_error *err);

/* Reads limn's own JSON into a new recipe. LIMN_E_INPUT, LIMN_E_MEMORY. */
limn_status limn_recipe_from_json(const char *json, limn_recipe *recipe, limn_error *err);

/* Reads A1111's text into a new recipe. Where it does not tell the size, the recipe's is left as it
 * is. LIMN_E_INPUT, LIMN_E_MEMORY. */
limn_status limn_recipe_from_parameters(const char *text, limn_recipe *recipe, limn_error *err);

#endif
