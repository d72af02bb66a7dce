/* What of a request does nothing: said, not refused, as prompt files and recipes of other models
 * have it too. */
#include <stdio.h>
#include <string.h>

#include "prompt/prompt.h"
#include "render/hint.h"
#include "render/model.h"
#include "render/start.h"

/* What a setting needs to be of any use. */
typedef enum use { EDITS, CONTROL, PASSES, INTERVAL, NEEDS } use;

static const struct {
    const char *setting;
    use needs;
} rows[] = {
    {"image_guidance", EDITS},  {"control_strength", CONTROL}, {"control_from", CONTROL},
    {"control_to", CONTROL},    {"upscale_strength", PASSES},  {"upscale_steps", PASSES},
    {"cache_branch", INTERVAL},
};

static const char *const labels[NEEDS] = {
    [EDITS] = "a model that edits (instruct-pix2pix)",
    [CONTROL] = "a control image",
    [PASSES] = "a second pass (upscale)",
    [INTERVAL] = "a cache_interval",
};

static bool is_there(const limn_model *m, const limn_request *r, use needed) {
    switch (needed) {
    case EDITS:
        return limn_start_kind(m) == LIMN_UNET_EDIT;
    case CONTROL:
        return limn_hint_wanted(r);
    case PASSES:
        return r->upscale > 1;
    default:
        return r->cache_interval > 1;
    }
}

void limn_request_notes(const limn_model *model, const limn_request *request, char *notes,
                        size_t size) {
    const limn_request *r = request;
    const char *schedule, *sampler = r->sampler ? limn_sampler_find(r->sampler, &schedule) : NULL;
    size_t used = 0;
    notes[0] = '\0';
    if (r->eta > 0 && sampler && !limn_sampling_takes_eta(sampler))
        used +=
            (size_t)snprintf(notes, size, "eta is %g, but the sampler %s has none: it does nothing",
                             r->eta, sampler);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && used < size; i++) {
        const double value = limn_setting_get(r, limn_setting_find(rows[i].setting));
        if (value == 0 || is_there(model, r, rows[i].needs)) continue;
        used +=
            (size_t)snprintf(notes + used, size - used, "%s%s is %g, and does nothing without %s",
                             used > 0 ? "\n" : "", rows[i].setting, value, labels[rows[i].needs]);
    }
}
