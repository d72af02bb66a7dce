/* Reads the command line by the table of options (option_rows.c). */
#include "tool/options.h"
#include <getopt.h>
#include <string.h>

/* What getopt_long returns for the i-th long option is LONG + i: past every letter. */
#define LONG 256

/* The table as getopt_long wants it. */
typedef struct getopt_table {
    limn_tool_option_table options;
    struct option all[LIMN_TOOL_OPTIONS_MAX + 1]; /* ends in zeros */
    char letters[2 * LIMN_TOOL_OWN_MAX + 2];
} getopt_table;

static getopt_table make_table(void) {
    getopt_table table = {.options = limn_tool_option_rows(), .letters = ":"};
    char *letters = table.letters + 1;
    for (int i = 0; i < table.options.count; i++) {
        const limn_tool_option *row = &table.options.row[i];
        bool flag = row->kind == LIMN_TOOL_FLAG;
        table.all[i] = (struct option){
            .name = row->name, .has_arg = flag ? no_argument : required_argument, .val = LONG + i};
        if (row->letter) *letters++ = (char)row->letter;
        if (row->letter && !flag) *letters++ = ':';
    }
    return table;
}

/* The row of what getopt_long returned: a long option's place, or a letter. */
static const limn_tool_option *row_of(const getopt_table *table, int value) {
    int i = value - LONG;
    for (int k = 0; i < 0 && k < table->options.count; k++)
        if (table->options.row[k].letter == value) i = k;
    return &table->options.row[i];
}

static const char *option_name(const void *ctx, int i) {
    return ((const limn_tool_option_table *)ctx)->row[i].name;
}

/* Says what is wrong with the option that getopt has just refused. */
static int unknown_option(const limn_tool_option_table *table, const char *typed) {
    if (optopt >= LONG)
        return limn_tool_fail(LIMN_E_USAGE, "%.*s takes no value", (int)strcspn(typed, "="), typed);
    if (optopt != 0)
        return limn_tool_fail(LIMN_E_USAGE,
                              "there is no option -%c (limn --help lists them; a prompt that "
                              "begins with '-' comes after --)",
                              optopt);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
    const char *near = limn_tool_nearest(name, table->count, option_name, table);
    if (near)
        return limn_tool_fail(LIMN_E_USAGE, "there is no option --%s; did you mean --%s?", name,
                              near);
    return limn_tool_fail(LIMN_E_USAGE, "there is no option --%s (limn --help lists them)", name);
}

static int missing_value(const char *typed) {
    if (typed[0] == '-' && typed[1] == '-')
        return limn_tool_fail(LIMN_E_USAGE, "%s wants a value after it", typed);
    return limn_tool_fail(LIMN_E_USAGE, "-%c wants a value after it", optopt);
}

static int wrong_command(const limn_tool_option *option, limn_tool_command command) {
    const char *hint =
        command == LIMN_TOOL_AGAIN ? " (--set NAME=VALUE changes a setting of the picture)" : "";
    return limn_tool_fail(LIMN_E_USAGE, "%s takes no --%s%s", limn_tool_command_word(command),
                          option->name, hint);
}

/* A ControlNet and its picture come together; with again, either may be the recipe's. */
static int check_control(const limn_tool_options *o) {
    if ((o->command & LIMN_TOOL_AGAIN) || o->help || o->version) return LIMN_OK;
    if (o->control && !o->control_image)
        return limn_tool_fail(LIMN_E_USAGE,
                              "--control needs a picture to follow: --control-image FILE (edges, "
                              "depth or a pose, ready made)");
    if (o->control_image && !o->control)
        return limn_tool_fail(LIMN_E_USAGE, "--control-image needs a ControlNet: --control FILE");
    return LIMN_OK;
}

/* What cannot stand together. */
static int check_options(limn_tool_options *o) {
    if (o->has_seed && (uint64_t)o->count - 1 > UINT64_MAX - o->seed)
        return limn_tool_fail(LIMN_E_USAGE, "--seed and --count together go past the last seed, "
                                            "18446744073709551615");
    return check_control(o);
}

int limn_tool_options_read(limn_tool_command command, int argc, char **argv,
                           limn_tool_options *out) {
    const getopt_table table = make_table();
    *out = (limn_tool_options){.command = command, .count = 1};
    opterr = 0;
    for (;;) {
        int at = optind;
        int value = getopt_long(argc, argv, table.letters, table.all, NULL);
        if (value == -1) break;
        /* getopt has moved past a long option, not always past a cluster of letters. */
        const char *typed = optind > 1 && optind > at ? argv[optind - 1] : argv[at];
        if (value == '?') return unknown_option(&table.options, typed);
        if (value == ':') return missing_value(typed);
        const limn_tool_option *option = row_of(&table, value);
        if (!(option->commands & command)) return wrong_command(option, command);
        int status = limn_tool_option_take(option, optarg, out);
        if (status != LIMN_OK) return status;
    }
    if (!out->schedule) out->schedule = out->sampler_schedule;
    int status = check_options(out);
    return status == LIMN_OK ? limn_tool_operands_read(argc - optind, argv + optind, out) : status;
}

void limn_tool_options_apply(const limn_tool_options *options, limn_request *request) {
    if (options->negative) request->negative = options->negative;
    if (options->prompt_syntax) request->prompt_syntax = options->prompt_syntax;
    if (options->sampler) request->sampler = options->sampler;
    if (options->schedule) request->schedule = options->schedule;
    if (options->rng) request->rng = options->rng;
    if (options->has_seed) request->seed = options->seed;
    if (options->has_steps) request->steps = options->steps;
    if (options->has_guidance) request->guidance = options->guidance;
    if (options->has_eta) request->eta = options->eta;
    if (options->has_size) {
        request->width = options->width;
        request->height = options->height;
    }
    int count;
    const limn_setting *setting = limn_settings(&count);
    for (int i = 0; i < count && i < LIMN_TOOL_SETTINGS_MAX; i++)
        if (options->has_setting[i])
            limn_setting_put(request, &setting[i], options->setting[i], NULL);
    const limn_text_setting *text = limn_text_settings(&count);
    for (int i = 0; i < count && i < LIMN_TOOL_TEXTS_MAX; i++)
        if (options->text[i]) limn_text_setting_put(request, &text[i], options->text[i], NULL);
}
