/* Which model it is, and opening it. */
#include "tool/tool.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LIMN_PREFIX
#define LIMN_PREFIX "/usr/local"
#endif

/* Whether there is a model at folder/rest; the path is put together in place[PATH_MAX]. */
static bool look(char *place, const char *folder, const char *rest) {
    int n = snprintf(place, PATH_MAX, "%s%s", folder, rest);
    if (n < 0 || n >= PATH_MAX - 32) return false;
    strcpy(place + n, "/model_index.json");
    bool there = access(place, F_OK) == 0;
    place[n] = '\0';
    return there;
}

/* Where this program's file is, without its name: "" where the system does not say. */
static void program_folder(char *folder) {
    ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    folder[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
}

static int open_model(const limn_tool_options *options, const limn_recipe *recipe, const char *path,
                      limn_model **out) {
    limn_tool_loras loras;
    limn_error error;
    int status = limn_tool_loras_find(options, recipe, &loras);
    if (status == LIMN_OK) {
        const limn_open_options how = {
            .threads = options->threads,
            .precision = recipe ? limn_recipe_precision(recipe) : options->precision,
            .taesd = options->taesd,
            .cache = options->cache,
            .vae = options->vae,
            .text_encoder = options->text_encoder,
            .text_encoder_2 = options->text_encoder_2,
            .tokenizer = options->tokenizer,
            .embeddings = options->embeddings,
            .control = options->control,
            .max_memory = options->max_memory,
            .loras = loras.item,
            .lora_count = loras.count,
            .encoder = options->init || (recipe && limn_recipe_request(recipe)->init.sha256),
        };
        status = (int)limn_model_open(path, &how, out, &error);
        if (status != LIMN_OK) limn_tool_fail_with(&error);
    }
    if (status == LIMN_OK && loras.count > 0) limn_tool_warn_loras(options, *out);
    if (status == LIMN_OK) limn_tool_warn_model(options, *out);
    limn_tool_loras_free(&loras);
    return status;
}

int limn_tool_model_open(const limn_tool_options *options, const limn_recipe *recipe,
                         limn_model **out) {
    char folder[PATH_MAX], place[PATH_MAX];
    const char *path = options->model;
    if (!path) path = getenv("LIMN_MODEL");
    if (path && *path == '\0') path = NULL;
    if (!path) {
        program_folder(folder);
        if ((folder[0] && (look(place, folder, "/weights/vignette") ||
                           look(place, folder, "/../share/limn/vignette"))) ||
            look(place, LIMN_PREFIX, "/share/limn/vignette")) {
            path = place;
        }
    }
    if (!path) {
        return limn_tool_fail(LIMN_E_MISSING,
                              "no model was found: not in %s/weights/vignette, "
                              "%s/../share/limn/vignette or %s/share/limn/vignette (name one with "
                              "--model DIR or LIMN_MODEL)",
                              folder, folder, LIMN_PREFIX);
    }
    return open_model(options, recipe, path, out);
}
