/* The pictures that a picture is drawn from: --init, --mask, --control-image. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a recipe calls a file: its name without folders. */
static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int load(const char *path, limn_picture **out) {
    limn_error error;
    if (limn_picture_load(path, out, &error) != LIMN_OK) return limn_tool_fail_with(&error);
    return LIMN_OK;
}

int limn_tool_sources_load(const limn_tool_options *o, limn_tool_sources *out) {
    *out = (limn_tool_sources){0};
    int status = o->init ? load(o->init, &out->init) : LIMN_OK;
    if (status == LIMN_OK && o->mask) status = load(o->mask, &out->mask);
    if (status == LIMN_OK && o->control_image) status = load(o->control_image, &out->control);
    if (status != LIMN_OK) limn_tool_sources_free(out);
    return status;
}

void limn_tool_sources_free(limn_tool_sources *s) {
    limn_picture_free(s->init);
    limn_picture_free(s->mask);
    limn_picture_free(s->control);
    *s = (limn_tool_sources){0};
}

/* A side of a picture to begin with as the model can have it: the multiple of its step below. */
static int side_of(int px, int step) {
    return px < step ? step : px / step * step;
}

void limn_tool_sources_apply(const limn_tool_options *o, const limn_model *model,
                             const limn_tool_sources *s, limn_request *request) {
    if (s->init) request->init = (limn_input){.picture = s->init, .name = name_of(o->init)};
    if (s->mask) request->mask = (limn_input){.picture = s->mask, .name = name_of(o->mask)};
    if (s->control)
        request->control = (limn_input){.picture = s->control, .name = name_of(o->control_image)};
    const limn_picture *first = s->init ? s->init : s->control;
    if (!first || o->has_size) return;
    int step = limn_model_describe(model).size_step_px;
    request->width = side_of(first->width, step);
    request->height = side_of(first->height, step);
}

/* The picture at a place if it is one and none was found yet, or if it has the pixels that are
 * wanted and the one found before has not; true where *out has them now. */
static bool try_place(const char *place, const char *sha256, limn_picture **out, limn_error *err) {
    limn_picture *picture = NULL;
    char hex[65];
    if (!place || access(place, R_OK) != 0) return false;
    if (limn_picture_load(place, &picture, err) != LIMN_OK) return false;
    limn_picture_sha256(picture, hex);
    bool wanted = strcmp(hex, sha256) == 0;
    if (wanted || !*out) {
        limn_picture_free(*out);
        *out = picture;
    } else {
        limn_picture_free(picture);
    }
    return wanted;
}

/* A recipe's picture: in the current folder or beside the picture `of`, never elsewhere. What
 * counts are the pixels; *out stays NULL where there is none of its name. */
static int find_recorded(const limn_input *s, const char *of, limn_picture **out) {
    const char *name = s->name ? s->name : "";
    if (!s->sha256 || !*name || strchr(name, '/') || strcmp(name, "..") == 0) return LIMN_OK;
    char *beside = limn_tool_sibling(of, name);
    limn_error error = {0};
    if (!try_place(name, s->sha256, out, &error)) try_place(beside, s->sha256, out, &error);
    free(beside);
    return *out || error.status == LIMN_OK ? LIMN_OK : limn_tool_fail_with(&error);
}

/* One source of the picture `of`, which is drawn again: the file of the option (--what), else the
 * one that the recipe names. What is drawn from another file on purpose (`changes`) need not have
 * the recipe's pixels. */
static int find(const char *what, const char *option, const limn_tool_options *o,
                limn_input *source, limn_picture **out) {
    const bool changes = o->sets > 0;
    if (option && !changes && !source->sha256)
        return limn_tool_fail(LIMN_E_USAGE, "%s was drawn without --%s", o->operand, what);
    int status = option ? load(option, out) : find_recorded(source, o->operand, out);
    if (status != LIMN_OK || !*out) return status;
    source->picture = *out;
    if (option) source->name = name_of(option);
    if (option && changes) source->sha256 = NULL;
    return LIMN_OK;
}

int limn_tool_sources_find(const limn_tool_options *o, limn_request *request,
                           limn_tool_sources *out) {
    *out = (limn_tool_sources){0};
    int status = find("init", o->init, o, &request->init, &out->init);
    if (status == LIMN_OK) status = find("mask", o->mask, o, &request->mask, &out->mask);
    if (status == LIMN_OK)
        status = find("control-image", o->control_image, o, &request->control, &out->control);
    if (status != LIMN_OK) limn_tool_sources_free(out);
    return status;
}
