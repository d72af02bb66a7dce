#include "weights/lora_told.h"

#include <stdio.h>
#include <string.h>

/* The longest name of a layer that a pattern is compared with. */
#define NAME_BYTES 256

/* Makes a name of a pattern that is one: PEFT takes them for regular expressions, in which "^" and
 * "\\." may stand. False where it is more than that. *whole: it is not the end of a name. */
static bool name_of(const char *pattern, char name[NAME_BYTES], bool *whole) {
    size_t used = 0;
    *whole = pattern[0] == '^';
    for (const char *c = pattern + (*whole ? 1 : 0); *c; c++) {
        if (c[0] == '$' && c[1] == '\0') break;
        if (c[0] == '\\' && c[1] == '.') c++;
        if (strchr("\\^$*+?()[]{}|", *c) || used + 1 == NAME_BYTES) return false;
        name[used++] = *c;
    }
    name[used] = '\0';
    return used > 0;
}

/* Whether a layer is meant by a name: it is called so, or ends so behind a dot. */
static bool is_called(const char *layer, size_t length, const char *name, bool whole) {
    const size_t size = strlen(name);
    if (size > length || memcmp(layer + length - size, name, size) != 0) return false;
    return size == length || (!whole && layer[length - size - 1] == '.');
}

/* The first pattern that fits counts. Source: PEFT, LoraConfig.alpha_pattern. */
static limn_status read_pattern(const char *file, const limn_config *patterns, const char *tensor,
                                double *alpha, limn_error *err) {
    const char *dot = strrchr(tensor, '.');
    const size_t length = dot != NULL ? (size_t)(dot - tensor) : strlen(tensor);
    for (const char *key = NULL; (key = limn_config_next(patterns, key)) != NULL;) {
        char name[NAME_BYTES];
        bool whole;
        if (!name_of(key, name, &whole))
            return limn_fail(
                err, LIMN_E_INPUT,
                "%s: its metadata gives an alpha to layers called \"%.200s\", a regular "
                "expression; expected a name",
                file, key);
        if (is_called(tensor, length, name, whole))
            return limn_config_number(patterns, key, 1e-6, 1e6, *alpha, alpha, err);
    }
    return LIMN_OK;
}

limn_status limn_lora_told_alpha(const char *file, const limn_config *told, const char *component,
                                 const char *tensor, float *alpha, bool *rooted, limn_error *err) {
    char key[80];
    double said = (double)*alpha;
    if (told == NULL || component == NULL) return LIMN_OK;
    snprintf(key, sizeof key, "%.50s.lora_alpha", component);
    limn_status status = limn_config_number(told, key, 1e-6, 1e6, said, &said, err);
    snprintf(key, sizeof key, "%.50s.use_rslora", component);
    if (status == LIMN_OK) status = limn_config_bool(told, key, false, rooted, err);
    snprintf(key, sizeof key, "%.50s.alpha_pattern", component);
    const limn_config *patterns = limn_config_child(told, key);
    if (status == LIMN_OK && patterns != NULL)
        status = read_pattern(file, patterns, tensor, &said, err);
    if (status == LIMN_OK) *alpha = (float)said;
    return status;
}
