#include "weights/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whether a text begins with a name, up to its end or a '.'. */
static bool begins(const char *text, const char *name, const char **rest) {
    const size_t length = strlen(name);
    if (strncmp(text, name, length) != 0) return false;
    if (text[length] != '\0' && text[length] != '.') return false;
    *rest = text + length;
    return true;
}

const limn_renaming *limn_renaming_find(const limn_renaming *table, const char *text,
                                        const char **rest) {
    for (; table->from != NULL; table++)
        if (begins(text, table->from, rest)) return table;
    return NULL;
}

const limn_renaming *limn_renaming_find_back(const limn_renaming *table, const char *text,
                                             const char **rest) {
    for (; table->from != NULL; table++)
        if (begins(text, table->to, rest)) return table;
    return NULL;
}

bool limn_name_number(const char *text, const char *prefix, int *number, const char **rest) {
    const size_t length = strlen(prefix);
    if (strncmp(text, prefix, length) != 0) return false;
    const char *digit = text + length;
    int value = 0, digits = 0;
    for (; *digit >= '0' && *digit <= '9' && digits < 4; digit++, digits++)
        value = 10 * value + (*digit - '0');
    if (digits < 1 || digits > 3 || *digit != '.') return false;
    *number = value;
    *rest = digit + 1;
    return true;
}

bool limn_name_there(const limn_tensors *in, const char *format, ...) {
    char name[LIMN_NAME_MOST];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return length > 0 && (size_t)length < sizeof name && limn_tensors_find(in, name) != NULL;
}

limn_status limn_names_part(limn_part part, const limn_tensors *in, limn_gather *out,
                            limn_error *err) {
    static limn_status (*const rename[LIMN_PARTS])(const limn_tensors *, limn_gather *,
                                                   limn_error *) = {
        limn_names_unet, limn_names_vae, limn_names_text, limn_names_text, limn_names_unet};
    return rename[part](in, out, err);
}
