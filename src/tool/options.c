#include "tool/tool.h"
#include <getopt.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Values of long options that have no letter. */
enum {
    OPT_STEPS = 256,
    OPT_NEGATIVE,
    OPT_SIZE,
    OPT_SAMPLER,
    OPT_SCHEDULE,
    OPT_RNG,
    OPT_ETA,
    OPT_GUIDANCE_RANGE,
    OPT_PROMPT_SYNTAX,
    OPT_EMBEDDINGS,
    OPT_PRECISION,
    OPT_TAESD,
    OPT_MAX_MEMORY,
    OPT_CACHE,
    OPT_LORA,
    OPT_TYPE,
    OPT_JSON,
    OPT_DRY_RUN,
    OPT_FORCE,
    OPT_SET,
    OPT_VERSION,
    OPT_ARCH,
    OPT_RUNS,
    OPT_INIT,
    OPT_MASK,
    OPT_CONTROL,
    OPT_CONTROL_IMAGE,
    OPT_CONTROL_RANGE,
    OPT_TENSORS,
    OPT_VAE,
    OPT_TEXT_ENCODER,
    OPT_TEXT_ENCODER_2,
    OPT_TOKENIZER,
    OPT_SETTING, /* the first of limn_settings; the others follow */
    OPT_TEXT = OPT_SETTING + LIMN_TOOL_SETTINGS_MAX, /* the same of limn_text_settings */
};

#define MAKES    (LIMN_TOOL_DRAW | LIMN_TOOL_BATCH)
#define RENDERS  (MAKES | LIMN_TOOL_AGAIN)
#define CONVERTS (LIMN_TOOL_CONVERT | LIMN_TOOL_QUANTIZE)
#define ALL                                                                                        \
    (RENDERS | LIMN_TOOL_SHOW | LIMN_TOOL_LIST | LIMN_TOOL_BENCH | CONVERTS | LIMN_TOOL_INSPECT)

static const char letters[] = ":o:n:s:g:m:t:qh";

static const struct option own_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"count", required_argument, NULL, 'n'},
    {"seed", required_argument, NULL, 's'},
    {"guidance", required_argument, NULL, 'g'},
    {"model", required_argument, NULL, 'm'},
    {"threads", required_argument, NULL, 't'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"steps", required_argument, NULL, OPT_STEPS},
    {"negative", required_argument, NULL, OPT_NEGATIVE},
    {"size", required_argument, NULL, OPT_SIZE},
    {"sampler", required_argument, NULL, OPT_SAMPLER},
    {"schedule", required_argument, NULL, OPT_SCHEDULE},
    {"rng", required_argument, NULL, OPT_RNG},
    {"eta", required_argument, NULL, OPT_ETA},
    {"guidance-range", required_argument, NULL, OPT_GUIDANCE_RANGE},
    {"prompt-syntax", required_argument, NULL, OPT_PROMPT_SYNTAX},
    {"embeddings", required_argument, NULL, OPT_EMBEDDINGS},
    {"precision", required_argument, NULL, OPT_PRECISION},
    {"taesd", required_argument, NULL, OPT_TAESD},
    {"max-memory", required_argument, NULL, OPT_MAX_MEMORY},
    {"cache", required_argument, NULL, OPT_CACHE},
    {"lora", required_argument, NULL, OPT_LORA},
    {"type", required_argument, NULL, OPT_TYPE},
    {"json", no_argument, NULL, OPT_JSON},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"force", no_argument, NULL, OPT_FORCE},
    {"set", required_argument, NULL, OPT_SET},
    {"version", no_argument, NULL, OPT_VERSION},
    {"arch", required_argument, NULL, OPT_ARCH},
    {"runs", required_argument, NULL, OPT_RUNS},
    {"init", required_argument, NULL, OPT_INIT},
    {"mask", required_argument, NULL, OPT_MASK},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"control-image", required_argument, NULL, OPT_CONTROL_IMAGE},
    {"control-range", required_argument, NULL, OPT_CONTROL_RANGE},
    {"tensors", no_argument, NULL, OPT_TENSORS},
    {"vae", required_argument, NULL, OPT_VAE},
    {"text-encoder", required_argument, NULL, OPT_TEXT_ENCODER},
    {"text-encoder-2", required_argument, NULL, OPT_TEXT_ENCODER_2},
    {"tokenizer", required_argument, NULL, OPT_TOKENIZER},
};

#define OWN ((int)(sizeof own_options / sizeof own_options[0]))

/* The long options that there are: the tool's own, and one for each of limn_settings and of
 * limn_text_settings. */
typedef struct option_table {
    struct option all[OWN + LIMN_TOOL_SETTINGS_MAX + LIMN_TOOL_TEXTS_MAX + 1]; /* ends in zeros */
    int count;
} option_table;

static option_table make_table(void) {
    option_table table = {.count = OWN};
    int settings;
    const limn_setting *setting = limn_settings(&settings);
    memcpy(table.all, own_options, sizeof own_options);
    for (int i = 0; i < settings && i < LIMN_TOOL_SETTINGS_MAX; i++)
        table.all[table.count++] = (struct option){
            .name = setting[i].option, .has_arg = required_argument, .val = OPT_SETTING + i};
    const limn_text_setting *text = limn_text_settings(&settings);
    for (int i = 0; i < settings && i < LIMN_TOOL_TEXTS_MAX; i++)
        table.all[table.count++] = (struct option){
            .name = text[i].option, .has_arg = required_argument, .val = OPT_TEXT + i};
    return table;
}

/* Which commands take the option of each value; what is not here, draw and batch take. */
static const struct {
    int value;
    unsigned commands;
} takers[] = {
    {'o', RENDERS},
    {'m', RENDERS},
    {'t', RENDERS | LIMN_TOOL_BENCH | LIMN_TOOL_INSPECT},
    {'q', ALL},
    {'h', ALL},
    {OPT_TAESD, RENDERS},
    {OPT_MAX_MEMORY, RENDERS},
    {OPT_CACHE, RENDERS},
    {OPT_VERSION, ALL},
    {OPT_EMBEDDINGS, RENDERS},
    {OPT_DRY_RUN, RENDERS},
    {OPT_FORCE, RENDERS | CONVERTS},
    {OPT_TYPE, LIMN_TOOL_CONVERT},
    {OPT_SET, LIMN_TOOL_AGAIN},
    {OPT_LORA, RENDERS},
    {OPT_JSON, RENDERS | LIMN_TOOL_SHOW | LIMN_TOOL_BENCH | LIMN_TOOL_INSPECT},
    {OPT_TENSORS, LIMN_TOOL_INSPECT},
    {OPT_SIZE, MAKES | LIMN_TOOL_BENCH},
    {OPT_PRECISION, MAKES | LIMN_TOOL_BENCH},
    {OPT_ARCH, LIMN_TOOL_BENCH},
    {OPT_RUNS, LIMN_TOOL_BENCH},
    {OPT_INIT, RENDERS},
    {OPT_MASK, RENDERS},
    {OPT_CONTROL, RENDERS},
    {OPT_CONTROL_IMAGE, RENDERS},
    {OPT_VAE, RENDERS | CONVERTS | LIMN_TOOL_INSPECT},
    {OPT_TEXT_ENCODER, RENDERS | CONVERTS | LIMN_TOOL_INSPECT},
    {OPT_TEXT_ENCODER_2, RENDERS | CONVERTS | LIMN_TOOL_INSPECT},
    {OPT_TOKENIZER, RENDERS | CONVERTS | LIMN_TOOL_INSPECT},
};

static const struct {
    const char *word;
    limn_tool_command command;
} commands[] = {
    {"batch", LIMN_TOOL_BATCH},       {"again", LIMN_TOOL_AGAIN},
    {"show", LIMN_TOOL_SHOW},         {"samplers", LIMN_TOOL_LIST},
    {"bench", LIMN_TOOL_BENCH},       {"convert", LIMN_TOOL_CONVERT},
    {"quantize", LIMN_TOOL_QUANTIZE}, {"inspect", LIMN_TOOL_INSPECT},
};

limn_tool_command limn_tool_command_find(const char *word) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(word, commands[i].word) == 0) return commands[i].command;
    }
    return 0;
}

static const char *command_word(limn_tool_command command) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (command == commands[i].command) return commands[i].word;
    }
    return "drawing a prompt";
}

static const char *option_name(const void *ctx, int i) {
    return ((const option_table *)ctx)->all[i].name;
}

static const char *choice_name(const void *ctx, int i) {
    return ((const limn_choice *)ctx)[i].name;
}

/* Says what is wrong with the option that getopt has just refused. */
static int unknown_option(const option_table *table, const char *typed) {
    if (optopt >= OPT_STEPS || (optopt != 0 && typed[0] == '-' && typed[1] == '-')) {
        return limn_tool_fail(LIMN_E_USAGE, "%.*s takes no value", (int)strcspn(typed, "="), typed);
    }
    if (optopt != 0) {
        return limn_tool_fail(LIMN_E_USAGE,
                              "there is no option -%c (limn --help lists them; a prompt that "
                              "begins with '-' comes after --)",
                              optopt);
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
    const char *near = limn_tool_nearest(name, table->count, option_name, table);
    if (near) {
        return limn_tool_fail(LIMN_E_USAGE, "there is no option --%s; did you mean --%s?", name,
                              near);
    }
    return limn_tool_fail(LIMN_E_USAGE, "there is no option --%s (limn --help lists them)", name);
}

static int missing_value(const char *typed) {
    if (typed[0] == '-' && typed[1] == '-') {
        return limn_tool_fail(LIMN_E_USAGE, "%s wants a value after it", typed);
    }
    return limn_tool_fail(LIMN_E_USAGE, "-%c wants a value after it", optopt);
}

/* Turns a spelling into limn's own name, or says which is the nearest. */
static int read_choice(const char *what, const char *spelling, const char *found,
                       const limn_choice *choices, int count, const char **out) {
    if (found) {
        *out = found;
        return LIMN_OK;
    }
    const char *near = limn_tool_nearest(spelling, count, choice_name, choices);
    if (near) {
        return limn_tool_fail(LIMN_E_USAGE, "there is no %s '%s'; did you mean %s?", what, spelling,
                              near);
    }
    return limn_tool_fail(LIMN_E_USAGE, "there is no %s '%s' (limn samplers lists them)", what,
                          spelling);
}

/* The three options whose values are names. *sampler_schedule: what the sampler's spelling adds. */
static int read_name(int value, const char *text, const char **sampler_schedule,
                     limn_tool_options *o) {
    int count;
    if (value == OPT_SAMPLER) {
        const char *name = limn_sampler_find(text, sampler_schedule);
        const limn_choice *all = limn_samplers(&count);
        return read_choice("sampler", text, name, all, count, &o->sampler);
    }
    if (value == OPT_SCHEDULE) {
        const limn_choice *all = limn_schedules(&count);
        return read_choice("schedule", text, limn_schedule_find(text), all, count, &o->schedule);
    }
    const limn_choice *all = limn_rngs(&count);
    return read_choice("random generator", text, limn_rng_find(text), all, count, &o->rng);
}

/* The options that are kept as they are: where the text goes. NULL where it is none of them. */
static const char **text_place(int value, limn_tool_options *o) {
    switch (value) {
    case 'o':
        return &o->output;
    case 'm':
        return &o->model;
    case OPT_ARCH:
        return &o->arch;
    case OPT_TYPE:
        return &o->type;
    case OPT_NEGATIVE:
        return &o->negative;
    case OPT_EMBEDDINGS:
        return &o->embeddings;
    case OPT_PROMPT_SYNTAX:
        return &o->prompt_syntax;
    case OPT_PRECISION:
        return &o->precision;
    case OPT_TAESD:
        return &o->taesd;
    case OPT_CACHE:
        return &o->cache;
    case OPT_INIT:
        return &o->init;
    case OPT_MASK:
        return &o->mask;
    case OPT_CONTROL:
        return &o->control;
    case OPT_CONTROL_IMAGE:
        return &o->control_image;
    case OPT_VAE:
        return &o->vae;
    case OPT_TEXT_ENCODER:
        return &o->text_encoder;
    case OPT_TEXT_ENCODER_2:
        return &o->text_encoder_2;
    case OPT_TOKENIZER:
        return &o->tokenizer;
    default:
        return NULL;
    }
}

/* One of limn_settings; whether the value is in range is the library's to say. */
static int read_setting(int i, const char *text, limn_tool_options *o) {
    int count;
    char option[80];
    const limn_setting *setting = &limn_settings(&count)[i];
    limn_request probe = {0};
    limn_error error;
    snprintf(option, sizeof option, "--%s", setting->option);
    int status = limn_tool_read_double(option, text, 0, 1e9, &o->setting[i]);
    if (status != LIMN_OK) return status;
    /* 0 of a share that has to be above 0 would mean "as much as is usual": nobody says that so. */
    if (o->setting[i] == 0 && !setting->whole && setting->least > 0 && setting->least < 1)
        return limn_tool_fail(LIMN_E_USAGE, "%s wants a number from %g to %g, not '%s'", option,
                              setting->least, setting->most, text);
    if (limn_setting_put(&probe, setting, o->setting[i], &error) != LIMN_OK)
        return limn_tool_fail_with(&error);
    o->has_setting[i] = true;
    return LIMN_OK;
}

/* One of limn_text_settings. */
static int read_text(int i, const char *text, limn_tool_options *o) {
    int count;
    const limn_text_setting *setting = &limn_text_settings(&count)[i];
    limn_request probe = {0};
    limn_error error;
    if (limn_text_setting_put(&probe, setting, text, &error) != LIMN_OK)
        return limn_tool_fail_with(&error);
    o->text[i] = text;
    return LIMN_OK;
}

/* FROM:TO, which are two of limn_settings: `part`_from and `part`_to. */
static int read_range(const char *part, const char *text, limn_tool_options *o) {
    char from[24] = "", option[40];
    snprintf(option, sizeof option, "--%s-range", part);
    const char *colon = strchr(text, ':');
    double first = 0, last = 0;
    if (colon && (size_t)(colon - text) < sizeof from) memcpy(from, text, (size_t)(colon - text));
    if (!from[0])
        return limn_tool_fail(LIMN_E_USAGE,
                              "%s wants FROM:TO, shares of the steps, for example 0.2:0.8, not "
                              "'%s'",
                              option, text);
    int status = limn_tool_read_double(option, from, 0, 1, &first);
    if (status == LIMN_OK) status = limn_tool_read_double(option, colon + 1, 0, 1, &last);
    if (status != LIMN_OK) return status;
    if (last == 0 || first > last)
        return limn_tool_fail(LIMN_E_USAGE, "%s ends before it begins: '%s'%s", option, text,
                              strcmp(part, "guidance") == 0 ? " (without guidance: --guidance 1)"
                                                            : "");
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(part);
        if (strncmp(all[i].name, part, length) != 0) continue;
        bool is_from = strcmp(all[i].name + length, "_from") == 0;
        if (!is_from && strcmp(all[i].name + length, "_to") != 0) continue;
        o->setting[i] = is_from ? first : last;
        o->has_setting[i] = true;
    }
    return LIMN_OK;
}

static int read_value(int value, const char *text, limn_tool_options *o) {
    if (value >= OPT_TEXT) return read_text(value - OPT_TEXT, text, o);
    if (value >= OPT_SETTING) return read_setting(value - OPT_SETTING, text, o);
    switch (value) {
    case 's':
        o->has_seed = true;
        return limn_tool_read_seed(text, &o->seed);
    case 'n':
        o->has_count = true;
        return limn_tool_read_int("--count", text, 1, LIMN_TOOL_COUNT_MAX, &o->count);
    case 't':
        return limn_tool_read_int("--threads", text, 0, 1024, &o->threads);
    case OPT_RUNS:
        return limn_tool_read_int("--runs", text, 1, 1000, &o->runs);
    case OPT_STEPS:
        o->has_steps = true;
        return limn_tool_read_int("--steps", text, 1, 1000, &o->steps);
    case 'g':
        o->has_guidance = true;
        return limn_tool_read_double("--guidance", text, 0, 100, &o->guidance);
    case OPT_ETA:
        o->has_eta = true;
        return limn_tool_read_double("--eta", text, 0, 1, &o->eta);
    case OPT_GUIDANCE_RANGE:
        return read_range("guidance", text, o);
    case OPT_CONTROL_RANGE:
        return read_range("control", text, o);
    case OPT_MAX_MEMORY:
        return limn_tool_read_memory(text, &o->max_memory);
    case OPT_SIZE:
        o->has_size = true;
        return limn_tool_read_size(text, &o->width, &o->height);
    case OPT_LORA:
        if (o->loras < LIMN_TOOL_LORAS_MAX) return limn_tool_read_lora(text, &o->lora[o->loras++]);
        return limn_tool_fail(LIMN_E_USAGE, "--lora can be given %d times, not more",
                              LIMN_TOOL_LORAS_MAX);
    default:
        if (o->sets == LIMN_TOOL_SETS_MAX) {
            return limn_tool_fail(LIMN_E_USAGE, "--set can be given %d times, not more",
                                  LIMN_TOOL_SETS_MAX);
        }
        if (!strchr(text, '=')) {
            return limn_tool_fail(LIMN_E_USAGE,
                                  "--set wants NAME=VALUE, for example seed=8, not "
                                  "'%s'",
                                  text);
        }
        o->set[o->sets++] = text;
        return LIMN_OK;
    }
}

static int read_option(int value, const char *text, const char **sampler_schedule,
                       limn_tool_options *o) {
    const char **place = text_place(value, o);
    if (place && *place && (value == OPT_CONTROL || value == OPT_CONTROL_IMAGE))
        return limn_tool_fail(LIMN_E_USAGE, "there can be one --control%s, not two",
                              value == OPT_CONTROL ? "" : "-image");
    if (place) {
        *place = text;
        return LIMN_OK;
    }
    switch (value) {
    case 'q':
        o->quiet = true;
        return LIMN_OK;
    case 'h':
        o->help = true;
        return LIMN_OK;
    case OPT_VERSION:
        o->version = true;
        return LIMN_OK;
    case OPT_JSON:
        o->json = true;
        return LIMN_OK;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return LIMN_OK;
    case OPT_FORCE:
        o->force = true;
        return LIMN_OK;
    case OPT_TENSORS:
        o->tensors = true;
        return LIMN_OK;
    case OPT_SAMPLER:
    case OPT_SCHEDULE:
    case OPT_RNG:
        return read_name(value, text, sampler_schedule, o);
    default:
        return read_value(value, text, o);
    }
}

static bool takes(limn_tool_command command, int value) {
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (takers[i].value == value) return (takers[i].commands & command) != 0;
    }
    return (MAKES & command) != 0;
}

static int wrong_command(const option_table *table, limn_tool_command command, int value) {
    const char *name = "";
    for (const struct option *l = table->all; l->name; l++) {
        if (l->val == value) name = l->name;
    }
    const char *hint = command == LIMN_TOOL_AGAIN && value != OPT_SET
                           ? " (--set NAME=VALUE changes a setting of the picture)"
                           : "";
    return limn_tool_fail(LIMN_E_USAGE, "%s takes no --%s%s", command_word(command), name, hint);
}

/* How many names a command takes beside its options. */
static int names_wanted(limn_tool_command command) {
    if (command & CONVERTS) return 2;
    return command == LIMN_TOOL_LIST || command == LIMN_TOOL_BENCH ? 0 : 1;
}

/* What is left over after the options: the prompt, file or picture. */
static int read_operands(int argc, char **argv, limn_tool_options *o) {
    int left = argc - optind;
    int wanted = names_wanted(o->command);
    if (left == wanted || o->help || o->version) {
        o->operand = left > 0 ? argv[optind] : NULL;
        o->target = left > 1 ? argv[optind + 1] : NULL;
        return LIMN_OK;
    }
    if ((o->command & CONVERTS) && left < wanted) {
        return limn_tool_fail(
            LIMN_E_USAGE,
            "%s wants a model and the name of what it is to become after it: limn %s IN OUT",
            command_word(o->command), command_word(o->command));
    }
    if (left == 0) {
        if (o->command != LIMN_TOOL_DRAW) {
            return limn_tool_fail(LIMN_E_USAGE, "%s wants %s after it", command_word(o->command),
                                  o->command == LIMN_TOOL_BATCH
                                      ? "a prompt file (- = standard input)"
                                  : o->command == LIMN_TOOL_INSPECT ? "a model"
                                                                    : "a picture");
        }
        return limn_tool_fail(LIMN_E_USAGE, "there is no prompt; say what to draw: limn \"a red "
                                            "apple\"");
    }
    if (o->command == LIMN_TOOL_DRAW && limn_tool_command_find(argv[optind])) {
        return limn_tool_fail(LIMN_E_USAGE, "the command comes before the options: limn %s ...",
                              argv[optind]);
    }
    if (o->command == LIMN_TOOL_DRAW) {
        return limn_tool_fail(LIMN_E_USAGE,
                              "the prompt came as %d words; put it in quotes: limn \"%s %s%s\"",
                              left, argv[optind], argv[optind + 1], left > 2 ? " ..." : "");
    }
    return limn_tool_fail(LIMN_E_USAGE, "%s takes %s, so '%s' is too much",
                          command_word(o->command),
                          wanted == 0   ? "no name"
                          : wanted == 1 ? "one name"
                                        : "two names",
                          argv[optind + wanted]);
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

int limn_tool_options_read(limn_tool_command command, int argc, char **argv,
                           limn_tool_options *out) {
    *out = (limn_tool_options){.command = command, .count = 1};
    const char *sampler_schedule = NULL;
    const option_table table = make_table();
    opterr = 0;
    for (;;) {
        int at = optind;
        int value = getopt_long(argc, argv, letters, table.all, NULL);
        if (value == -1) break;
        /* getopt has moved past a long option, not always past a cluster of letters. */
        const char *typed = optind > 1 && optind > at ? argv[optind - 1] : argv[at];
        if (value == '?') return unknown_option(&table, typed);
        if (value == ':') return missing_value(typed);
        if (!takes(command, value)) return wrong_command(&table, command, value);
        int status = read_option(value, optarg, &sampler_schedule, out);
        if (status != LIMN_OK) return status;
    }
    if (!out->schedule) out->schedule = sampler_schedule;
    int fits = check_control(out);
    if (fits != LIMN_OK) return fits;
    if (out->has_seed && (uint64_t)out->count - 1 > UINT64_MAX - out->seed) {
        return limn_tool_fail(LIMN_E_USAGE, "--seed and --count together go past the last seed, "
                                            "18446744073709551615");
    }
    return read_operands(argc, argv, out);
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
