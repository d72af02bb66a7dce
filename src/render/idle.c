/* What of a request does nothing: said, not refused, as prompt files and recipes of other models
 * have it too. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "denoise/denoise.h"
#include "prompt/prompt.h"
#include "render/hint.h"
#include "render/model.h"
#include "render/start.h"

/* What a setting needs to be of any use. */
typedef enum use { EDITS, CONTROL, PASSES, INTERVAL, GUIDED, NEEDS } use;

static const struct {
    const char *setting;
    use needs;
} rows[] = {
    {"image_guidance", EDITS},  {"control_strength", CONTROL}, {"control_from", CONTROL},
    {"control_to", CONTROL},    {"upscale_strength", PASSES},  {"upscale_steps", PASSES},
    {"cache_branch", INTERVAL}, {"guidance_rescale", GUIDED},  {"guidance_from", GUIDED},
    {"guidance_to", GUIDED},
};

static const char *const labels[NEEDS] = {
    [EDITS] = "a model that edits (instruct-pix2pix)",
    [CONTROL] = "a control image",
    [PASSES] = "a second pass (upscale)",
    [INTERVAL] = "a cache_interval",
    [GUIDED] = "guidance by a negative prompt (above 1)",
};

static bool is_there(const limn_model *m, const limn_request *r, use needed) {
    switch (needed) {
    case EDITS:
        return limn_start_kind(m) == LIMN_UNET_EDIT;
    case CONTROL:
        return limn_hint_wanted(r);
    case PASSES:
        return r->upscale > 1;
    case GUIDED:
        return limn_denoise_batch(&m->unet, r->guidance) > 1;
    default:
        return r->cache_interval > 1;
    }
}

/* Where the sentences go. */
typedef struct list {
    char *text;
    size_t size, used;
} list;

static void add(list *l, const char *format, ...) {
    if (l->used >= l->size) return;
    if (l->used > 0) l->used += (size_t)snprintf(l->text + l->used, l->size - l->used, "\n");
    if (l->used >= l->size) return;
    va_list args;
    va_start(args, format);
    l->used += (size_t)vsnprintf(l->text + l->used, l->size - l->used, format, args);
    va_end(args);
}

/* Whether the negative prompt may be heard: parts joined by AND are always held against it. */
static bool hears_negative(const limn_model *m, const limn_request *r) {
    return is_there(m, r, GUIDED) || (r->prompt && strstr(r->prompt, "AND"));
}

void limn_request_notes(const limn_model *model, const limn_request *request, char *notes,
                        size_t size) {
    const limn_request *r = request;
    const char *schedule, *sampler = r->sampler ? limn_sampler_find(r->sampler, &schedule) : NULL;
    list l = {notes, size, 0};
    notes[0] = '\0';
    if (r->eta > 0 && sampler && !limn_sampling_takes_eta(sampler))
        add(&l, "eta is %g, but the sampler %s has none: it does nothing", r->eta, sampler);
    if (r->negative && r->negative[0] && !hears_negative(model, r))
        add(&l, "there is a negative prompt, which does nothing at guidance %g", r->guidance);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double value = limn_setting_get(r, limn_setting_find(rows[i].setting));
        if (value == 0 || is_there(model, r, rows[i].needs)) continue;
        add(&l, "%s is %g, and does nothing without %s", rows[i].setting, value,
            labels[rows[i].needs]);
    }
}
