/* --lora: the files that the command line names, and those that a recipe means. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int limn_tool_read_lora(const char *text, limn_tool_lora *out) {
    const char *colon = strrchr(text, ':');
    *out = (limn_tool_lora){.text = text, .length = (int)strlen(text), .scale = 1};
    const char *number = colon ? colon + 1 : "";
    char *end = NULL;
    if (number[0] == '\0' || strspn(number, "+-.0123456789") != strlen(number)) return LIMN_OK;
    out->scale = strtod(number, &end);
    out->length = (int)(colon - text);
    if (*end == '\0' && out->scale >= -100 && out->scale <= 100 && out->length > 0) return LIMN_OK;
    return limn_tool_fail(
        LIMN_E_USAGE, "--lora wants FILE or FILE:SCALE, a number from -100 to 100, not '%s'", text);
}

void limn_tool_loras_free(limn_tool_loras *l) {
    for (int i = 0; i < l->count; i++) free((void *)l->item[i].path);
    l->count = 0;
}

/* Adds a file; the path is l's from now on. NULL = no memory. name NULL = the file's own. */
static int add(limn_tool_loras *l, char *path, double scale, const char *name) {
    if (!path) return limn_tool_fail(LIMN_E_MEMORY, "no memory for the name of a LoRA");
    l->item[l->count++] = (limn_lora){path, scale, name};
    return LIMN_OK;
}

/* The files that the command line names. */
static int take_asked(const limn_tool_options *o, limn_tool_loras *out) {
    int status = LIMN_OK;
    for (int i = 0; i < o->loras && status == LIMN_OK; i++) {
        const limn_tool_lora *l = &o->lora[i];
        status = add(out, strndup(l->text, (size_t)l->length), l->scale, NULL);
    }
    return status;
}

/* Whether a file is there and has that hash; *found tells of one that is there with another. */
static bool is_wanted(const char *path, const char *sha256, bool *other) {
    char hex[65];
    if (!path || limn_sha256_file(path, hex, NULL) != LIMN_OK) return false;
    if (strcmp(hex, sha256) == 0) return true;
    *other = true;
    return false;
}

/* The hashes of the files on the command line, each found once. */
typedef struct hashes {
    char of[LIMN_TOOL_LORAS_MAX][65];
} hashes;

static int hash_asked(const limn_tool_options *o, hashes *out) {
    int status = LIMN_OK;
    for (int i = 0; i < o->loras && status == LIMN_OK; i++) {
        limn_error error;
        char *path = strndup(o->lora[i].text, (size_t)o->lora[i].length);
        if (!path)
            status = limn_tool_fail(LIMN_E_MEMORY, "no memory for the name of a LoRA");
        else if (limn_sha256_file(path, out->of[i], &error) != LIMN_OK)
            status = limn_tool_fail_with(&error);
        free(path);
    }
    return status;
}

char *limn_tool_sibling(const char *beside, const char *name) {
    const char *slash = strrchr(beside, '/');
    char *path = NULL;
    int folder = slash ? (int)(slash + 1 - beside) : 0;
    return asprintf(&path, "%.*s%s", folder, beside, name) < 0 ? NULL : path;
}

/* Finds the file that a recipe means: one of those on the command line, whatever its name, or one
 * of its name in the picture's folder or the current one. What counts is the hash. */
static int find_one(const limn_tool_options *o, const hashes *asked, const limn_lora_info *wanted,
                    limn_tool_loras *out) {
    bool other = false;
    if (strchr(wanted->name, '/'))
        return limn_tool_fail(LIMN_E_INPUT, "%s: its recipe names a LoRA '%s', which is no name",
                              o->operand, wanted->name);
    for (int i = 0; i < o->loras; i++) {
        if (strcmp(asked->of[i], wanted->sha256) == 0)
            return add(out, strndup(o->lora[i].text, (size_t)o->lora[i].length), wanted->scale,
                       wanted->name);
        other = true;
    }
    char *places[2] = {limn_tool_sibling(o->operand, wanted->name), strdup(wanted->name)};
    char *found = NULL;
    for (int i = 0; i < 2; i++) {
        if (!found && is_wanted(places[i], wanted->sha256, &other))
            found = places[i];
        else
            free(places[i]);
    }
    if (found) return add(out, found, wanted->scale, wanted->name);
    return limn_tool_fail(
        LIMN_E_MISSING,
        "%s was drawn with the LoRA %s (sha256 %.12s...), which is neither beside "
        "it nor in this folder%s; name its file with --lora (or leave it out with "
        "--set loras=none)",
        o->operand, wanted->name, wanted->sha256,
        other ? ", where another file has its name or was named" : "");
}

/* Every file on the command line must be one that the recipe means. */
static int check_used(const limn_tool_options *o, const hashes *asked, const limn_recipe *recipe) {
    for (int i = 0; i < o->loras; i++) {
        bool used = false;
        for (int k = 0; k < limn_recipe_lora_count(recipe) && !used; k++)
            used = strcmp(asked->of[i], limn_recipe_lora(recipe, k).sha256) == 0;
        if (!used)
            return limn_tool_fail(LIMN_E_USAGE, "%s was not drawn with --lora %.*s", o->operand,
                                  o->lora[i].length, o->lora[i].text);
    }
    return LIMN_OK;
}

int limn_tool_loras_find(const limn_tool_options *o, const limn_recipe *recipe,
                         limn_tool_loras *out) {
    *out = (limn_tool_loras){0};
    if (!recipe) return take_asked(o, out);
    int count = limn_recipe_lora_count(recipe), status = LIMN_OK;
    if (count > LIMN_TOOL_LORAS_MAX)
        return limn_tool_fail(LIMN_E_INPUT, "%s was drawn with %d LoRA files, at most %d can be",
                              o->operand, count, LIMN_TOOL_LORAS_MAX);
    hashes asked;
    status = hash_asked(o, &asked);
    for (int i = 0; i < count && status == LIMN_OK; i++) {
        limn_lora_info wanted = limn_recipe_lora(recipe, i);
        status = find_one(o, &asked, &wanted, out);
    }
    return status == LIMN_OK ? check_used(o, &asked, recipe) : status;
}

/* PEFT keeps alphas in a file beside the weights, which is not read. */
static void warn_adapter(const limn_tool_options *options) {
    for (int i = 0; i < options->loras; i++) {
        const limn_tool_lora *l = &options->lora[i];
        char *path = strndup(l->text, (size_t)l->length);
        char *beside = path ? limn_tool_sibling(path, "adapter_config.json") : NULL;
        const char *slash = path ? strrchr(path, '/') : NULL;
        const char *name = slash ? slash + 1 : path;
        if (beside && strcmp(name, "adapter_model.safetensors") == 0 && access(beside, F_OK) == 0)
            limn_tool_warn(options,
                           "%s is not read: where its lora_alpha is not its r, name the scale "
                           "lora_alpha / r (--lora FILE:SCALE)",
                           beside);
        free(beside);
        free(path);
    }
}

void limn_tool_warn_loras(const limn_tool_options *options, const limn_model *model) {
    int count = limn_model_describe(model).lora_count;
    warn_adapter(options);
    for (int i = 0; i < count; i++) {
        limn_lora_info l = limn_model_lora(model, i);
        if (l.unknown == 0) continue;
        limn_tool_warn(options,
                       "%s: %d of its tensors belong to nothing in this model: %s%s (%d matrices "
                       "were changed)",
                       l.name, l.unknown, l.unknowns, l.unknown > 5 ? ", ..." : "", l.matrices);
    }
}
