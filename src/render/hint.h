/* The control image: what a ControlNet sees.
 *
 * In: a request's control image and settings. Out: the map that the ControlNet adds to the latents
 * in every evaluation. */
#ifndef LIMN_RENDER_HINT_H
#define LIMN_RENDER_HINT_H

#include "render/model.h"

/* Whether a request asks for a ControlNet, be its picture there or not. */
bool limn_hint_wanted(const limn_request *r);

/* Fills in the strength that is meant, and takes away what makes no difference. */
void limn_hint_settle(limn_request *r);

/* Checks a settled request: LIMN_E_USAGE where the model has no ControlNet, the picture is not
 * there or the range is none, LIMN_E_INPUT where it is not the picture that a recipe asks for. */
limn_status limn_hint_check(const limn_model *m, const limn_request *r, limn_error *err);

/* What the ControlNet sees in a picture of the request's size: *out is a map in e->ws. */
void limn_hint_make(limn_exec *e, const limn_model *m, const limn_request *r, limn_map *out);

#endif
