/* The texts in a request that are NULL where they are not used: one row for each. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

#define AT(field) offsetof(limn_request, field)

static const char *const predictions[] = {"epsilon", "v_prediction", "sample", NULL};
static const char *const switches[] = {"on", "off", NULL};

static const limn_text_setting settings[] = {
    {"prompt_2", "prompt-2", "SDXL: what its second text encoder reads in the prompt's place",
     AT(prompt_2), NULL},
    {"negative_prompt_2", "negative-2", "SDXL: the same for the negative prompt", AT(negative_2),
     NULL},
    {"prediction", "prediction", "what the model predicts, where limn takes it for another",
     AT(prediction), predictions},
    {"zero_snr", "zero-snr", "whether the schedule ends in pure noise (not with epsilon)",
     AT(zero_snr), switches},
};

#define COUNT (sizeof settings / sizeof *settings)

const limn_text_setting *limn_text_settings(int *count) {
    *count = (int)COUNT;
    return settings;
}

const limn_text_setting *limn_text_setting_find(const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(name, settings[i].name) == 0) return &settings[i];
    return NULL;
}

const char *limn_text_setting_get(const limn_request *request, const limn_text_setting *setting) {
    const void *field = (const char *)request + setting->offset;
    const char *text = *(const char *const *)field;
    return text && *text ? text : NULL;
}

/* The one choice that begins so, '-' being '_'; NULL where there is none, or several. */
static const char *choose(const char *const *choices, const char *value) {
    char folded[32];
    const char *found = NULL;
    size_t length = strlen(value);
    if (length >= sizeof folded) return NULL;
    for (size_t i = 0; i <= length; i++) folded[i] = (char)(value[i] == '-' ? '_' : value[i]);
    for (; *choices; choices++) {
        if (strncasecmp(*choices, folded, length) != 0) continue;
        if (found) return NULL;
        found = *choices;
    }
    return found;
}

limn_status limn_text_setting_put(limn_request *request, const limn_text_setting *setting,
                                  const char *value, limn_error *error) {
    const char *kept = value && *value ? value : NULL;
    if (kept && setting->choices) {
        bool none = strcmp(kept, "model") == 0;
        kept = none ? NULL : choose(setting->choices, value);
        if (!kept && !none) {
            char list[100] = "";
            size_t used = 0;
            for (const char *const *c = setting->choices; *c && used < sizeof list; c++)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", *c);
            return limn_fail(error, LIMN_E_USAGE, "%s is '%.100s', expected %sor model",
                             setting->name, value, list);
        }
    }
    void *field = (char *)request + setting->offset;
    *(const char **)field = kept;
    return LIMN_OK;
}
