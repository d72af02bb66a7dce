/* Whether a file that is there is the picture that a request would make. */
#ifndef LIMN_RENDER_MADE_H
#define LIMN_RENDER_MADE_H

#include "image/image.h"

/* What goes into a picture's metadata where this model draws this request; views of both. */
limn_recipe_facts limn_made_facts(const limn_model *model, const limn_request *request);

/* The canonical JSON of what this model draws from this request. *json is the caller's. */
limn_status limn_made_recipe(const limn_model *model, const limn_request *request, char **json,
                             limn_error *err);

/* Reads the recipe in the picture at `path` and compares: LIMN_OK where it is the one of this model
 * and request under this numeric contract, so that drawing again would give the same pixels. Which
 * release of limn drew it does not matter. LIMN_E_CREATE, with a sentence that says what is
 * different, where it is another picture or none; LIMN_E_MEMORY. */
limn_status limn_made_check(const limn_model *model, const limn_request *request, const char *path,
                            limn_error *err);

#endif
