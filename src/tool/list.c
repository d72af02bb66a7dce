/* `limn samplers`: every name and setting that can be asked for. */
#include "tool/tool.h"

static void list(const char *title, const limn_choice *choices, int count) {
    printf("%s\n", title);
    for (int i = 0; i < count; i++) {
        printf("  %-16s %-20s %s\n", choices[i].name, choices[i].label, choices[i].about);
    }
}

/* The numbers that are 0 where they are not used, with the options that set them. */
static void list_settings(void) {
    int count;
    const limn_setting *all = limn_settings(&count);
    printf("Settings (0 = not used; in prompt files and --set with '_' for '-'):\n");
    for (int i = 0; i < count; i++) {
        char range[40];
        snprintf(range, sizeof range, "%g to %g", all[i].least, all[i].most);
        printf("  --%-19s %-11s  %s\n", all[i].option, range, all[i].about);
    }
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count; i++) {
        printf("  --%-19s ", texts[i].option);
        for (const char *const *c = texts[i].choices; c && *c; c++) printf("%s, ", *c);
        printf("%s\n", texts[i].about);
    }
}

int limn_tool_list(const limn_tool_options *options) {
    (void)options;
    int count;
    const limn_choice *choices = limn_samplers(&count);
    list("Samplers (--sampler; A1111's names do too):", choices, count);
    choices = limn_schedules(&count);
    list("Schedules (--schedule):", choices, count);
    choices = limn_rngs(&count);
    list("Random generators (--rng):", choices, count);
    list_settings();
    return LIMN_OK;
}
