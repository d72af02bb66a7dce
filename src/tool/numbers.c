/* Numbers on the command line: whole, decimal, seeds, sizes, amounts of memory. */
#include "tool/tool.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* strtol and its kin take leading spaces, signs and trailing letters; these take digits only. */
static bool all_digits(const char *text) {
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

int limn_tool_read_int(const char *option, const char *text, int least, int most, int *out) {
    errno = 0;
    long value = all_digits(text) ? strtol(text, NULL, 10) : -1;
    if (!all_digits(text) || errno != 0 || value < least || value > most) {
        return limn_tool_fail(LIMN_E_USAGE, "%s wants a whole number from %d to %d, not '%s'",
                              option, least, most, text);
    }
    *out = (int)value;
    return LIMN_OK;
}

int limn_tool_read_double(const char *option, const char *text, double least, double most,
                          double *out) {
    char *end = NULL;
    bool plain = isdigit((unsigned char)text[0]) || text[0] == '.';
    double value = plain ? strtod(text, &end) : NAN;
    if (!plain || *end != '\0' || !(value >= least && value <= most) || strchr(text, 'x')) {
        return limn_tool_fail(LIMN_E_USAGE, "%s wants a number from %g to %g, not '%s'", option,
                              least, most, text);
    }
    *out = value;
    return LIMN_OK;
}

int limn_tool_read_seed(const char *text, uint64_t *out) {
    errno = 0;
    unsigned long long value = all_digits(text) ? strtoull(text, NULL, 10) : 0;
    if (!all_digits(text) || errno != 0) {
        return limn_tool_fail(LIMN_E_USAGE,
                              "--seed wants a whole number from 0 to 18446744073709551615, not "
                              "'%s' (without --seed, one is drawn at random)",
                              text);
    }
    *out = value;
    return LIMN_OK;
}

int limn_tool_read_size(const char *text, int *width, int *height) {
    int w = 0, h = 0, used = 0;
    bool shaped = strlen(text) <= 11 && isdigit((unsigned char)text[0]) &&
                  sscanf(text, "%5d%*1[xX]%n", &w, &used) == 1 && used > 0 &&
                  all_digits(text + used) && sscanf(text + used, "%5d", &h) == 1;
    if (!shaped) {
        return limn_tool_fail(LIMN_E_USAGE,
                              "--size wants WIDTHxHEIGHT, for example 256x256, not "
                              "'%s'",
                              text);
    }
    if (w < 1 || h < 1 || w > 16384 || h > 16384) {
        return limn_tool_fail(LIMN_E_USAGE, "--size wants sides from 1 to 16384 pixels, not '%s'",
                              text);
    }
    *width = w;
    *height = h;
    return LIMN_OK;
}

int limn_tool_read_memory(const char *text, size_t *out) {
    static const char units[] = "KMG";
    char *end = NULL;
    bool plain = isdigit((unsigned char)text[0]) && !strpbrk(text, "xX");
    double value = plain ? strtod(text, &end) : NAN;
    if (plain && *end != '\0') {
        const char *unit = strchr(units, toupper((unsigned char)*end));
        plain = unit && (end[1] == '\0' || strcmp(end + 1, "B") == 0);
        for (const char *u = units; plain && u <= unit; u++) value *= 1024;
    }
    if (!plain || !(value >= 1 && value <= 0x1p60)) {
        return limn_tool_fail(LIMN_E_USAGE,
                              "--max-memory wants an amount like 2G, 1500M or 800000000, not '%s'",
                              text);
    }
    *out = (size_t)value;
    return LIMN_OK;
}
