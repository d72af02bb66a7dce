/* Pixels and recipe <-> files.
 *
 * In: a picture, [height, width, 3] u8, and the request that made it. Out: a PNG that carries the
 * recipe (or a JPEG, BMP or TGA without), and back again from any PNG, or pixels from a
 * JPEG.
 *
 * A picture's metadata is a function of its request and model alone: no time, host or path goes in,
 * and the PNG's bytes do not depend on the zlib that is installed (deflate.h), so that the same
 * request gives the same file on every machine. docs/formats.md, "Picture metadata", has the forms.
 *
 * Files that come in are strangers': sizes are limited, and every fault is a sentence. The rest of
 * this room's interface (limn_picture_..., limn_recipe_...) is in limn.h. */
#ifndef LIMN_IMAGE_IMAGE_H
#define LIMN_IMAGE_IMAGE_H

#include "limn.h"

/* The facts of a picture that go into its metadata beside the request. Everything stays the
 * caller's. */
typedef struct limn_recipe_facts {
    const limn_request *request;
    const char *model_name;
    const char *model_sha256;    /* 64 hex digits */
    int contract;                /* LIMN_CONTRACT of the library that drew it */
    const char *version;         /* limn_version() of it */
    const char *precision;       /* "float32" or "int8" */
    const char *taesd_name;      /* NULL or "": the model's own decoder */
    const char *taesd_sha256;    /* beside taesd_name */
    const limn_lora_info *loras; /* [lora_count] what was merged into the model; NULL = nothing */
    int lora_count;
    const struct limn_embeddings *embeddings; /* of the model; NULL = none */
    const bool *embeddings_used;              /* which of them the prompts name; NULL = none */
    const char *control_name;                 /* NULL or "": no ControlNet took part */
    const char *control_sha256;               /* beside control_name */
} limn_recipe_facts;

/* Writes the canonical JSON of a picture's recipe: one line, keys in a fixed order, every setting
 * that touches a pixel. Invalid UTF-8 becomes U+FFFD. *json is the caller's, for free().
 * Fails with LIMN_E_MEMORY, and LIMN_E_USAGE where a number is not finite. */
limn_status limn_recipe_json(const limn_recipe_facts *f, char **json, limn_error *err);

/* Writes the same as the "parameters" text that A1111's web UI writes and most tools read, which
 * has no place for precision, contract or the model's whole hash. *text is the caller's, for
 * free(). Fails as limn_recipe_json does. */
limn_status limn_recipe_parameters(const limn_recipe_facts *f, char **text, limn_error *err);

/* Puts a picture together; limn_picture_free releases it.
 *   rgb                 [height, width, 3] u8 from malloc; the picture's from now on, and freed
 *                       even where this function fails
 *   recipe, parameters  copied; NULL where there is none
 * Fails with LIMN_E_USAGE (a side outside 1 to 16384) and LIMN_E_MEMORY. */
limn_status limn_picture_make(int width, int height, uint8_t *rgb, const char *recipe,
                              const char *parameters, double elapsed_ms, limn_picture **out,
                              limn_error *err);

#endif
