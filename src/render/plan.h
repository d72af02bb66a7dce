/* What can be said of a request before any work: whether it can be done, and what it will take. */
#ifndef LIMN_RENDER_PLAN_H
#define LIMN_RENDER_PLAN_H

#include "render/model.h"

/* Sides beyond this are refused whatever the memory: the plan's arithmetic is sure below it. */
#define LIMN_SIDE_MOST_PX 8192

/* Checks every field against its range and the model; names of sampler, schedule and generator are
 * brought to limn's own spelling, and the request is settled. LIMN_E_USAGE with a sentence. */
limn_status limn_request_resolve(const limn_model *model, limn_request *request, limn_error *err);

/* The same, and LIMN_E_USAGE where the machine's memory does not hold what it takes. */
limn_status limn_request_check(const limn_model *model, limn_request *request, limn_error *err);

/* LIMN_E_USAGE where this machine has less memory than what a picture of that size needs beside
 * `resident` bytes; a workspace of SIZE_MAX is more than can be counted. */
limn_status limn_machine_check(size_t resident, size_t workspace, int width_px, int height_px,
                               limn_error *err);

/* The workspace that a checked request takes, exactly, and the work (multiplications and additions;
 * NULL is fine): the rendering's own code on a measuring arena (render.c). options may be NULL. */
limn_status limn_render_measure(const limn_model *model, const limn_request *request,
                                const limn_options *options, size_t *bytes, double *flop,
                                limn_error *err);

/* LIMN_E_USAGE where a process with a model of so many bytes takes more than `most`; 0: no limit.
 */
limn_status limn_plan_model(const char *name, size_t bytes, size_t most, limn_error *err);

#endif
