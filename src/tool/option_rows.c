/* Every option, in one table, and how the values are read that are neither kept as they are nor one
 * of the library's settings. */
#include "tool/options.h"
#include <string.h>

#define MAKES    (LIMN_TOOL_DRAW | LIMN_TOOL_BATCH)
#define RENDERS  (MAKES | LIMN_TOOL_AGAIN)
#define CONVERTS (LIMN_TOOL_CONVERT | LIMN_TOOL_QUANTIZE)
#define OPENS    (RENDERS | CONVERTS | LIMN_TOOL_INSPECT)
#define ALL      (OPENS | LIMN_TOOL_SHOW | LIMN_TOOL_LIST | LIMN_TOOL_BENCH)

/* ---- values ---------------------------------------------------------------------------------- */

static int read_seed(const char *text, limn_tool_options *o) {
    o->has_seed = true;
    return limn_tool_read_seed(text, &o->seed);
}

static int read_count(const char *text, limn_tool_options *o) {
    return limn_tool_read_int("--count", text, 1, LIMN_TOOL_COUNT_MAX, &o->count);
}

static int read_threads(const char *text, limn_tool_options *o) {
    return limn_tool_read_int("--threads", text, 0, 1024, &o->threads);
}

static int read_runs(const char *text, limn_tool_options *o) {
    return limn_tool_read_int("--runs", text, 1, 1000, &o->runs);
}

static int read_steps(const char *text, limn_tool_options *o) {
    o->has_steps = true;
    return limn_tool_read_int("--steps", text, 1, 1000, &o->steps);
}

static int read_guidance(const char *text, limn_tool_options *o) {
    o->has_guidance = true;
    return limn_tool_read_double("--guidance", text, 0, 100, &o->guidance);
}

static int read_eta(const char *text, limn_tool_options *o) {
    o->has_eta = true;
    return limn_tool_read_double("--eta", text, 0, 1, &o->eta);
}

static int read_max_memory(const char *text, limn_tool_options *o) {
    return limn_tool_read_memory(text, &o->max_memory);
}

static int read_size(const char *text, limn_tool_options *o) {
    o->has_size = true;
    return limn_tool_read_size(text, &o->width, &o->height);
}

static int read_lora(const char *text, limn_tool_options *o) {
    if (o->loras < LIMN_TOOL_LORAS_MAX) return limn_tool_read_lora(text, &o->lora[o->loras++]);
    return limn_tool_fail(LIMN_E_USAGE, "--lora can be given %d times, not more",
                          LIMN_TOOL_LORAS_MAX);
}

static int read_set(const char *text, limn_tool_options *o) {
    if (o->sets == LIMN_TOOL_SETS_MAX)
        return limn_tool_fail(LIMN_E_USAGE, "--set can be given %d times, not more",
                              LIMN_TOOL_SETS_MAX);
    if (!strchr(text, '='))
        return limn_tool_fail(LIMN_E_USAGE, "--set wants NAME=VALUE, for example seed=8, not '%s'",
                              text);
    o->set[o->sets++] = text;
    return LIMN_OK;
}

static const char *choice_name(const void *ctx, int i) {
    return ((const limn_choice *)ctx)[i].name;
}

/* Says which name the nearest is to one that is none. */
static int no_choice(const char *what, const char *spelling, const limn_choice *choices,
                     int count) {
    const char *near = limn_tool_nearest(spelling, count, choice_name, choices);
    if (near)
        return limn_tool_fail(LIMN_E_USAGE, "there is no %s '%s'; did you mean %s?", what, spelling,
                              near);
    return limn_tool_fail(LIMN_E_USAGE, "there is no %s '%s' (limn samplers lists them)", what,
                          spelling);
}

static int read_sampler(const char *text, limn_tool_options *o) {
    int count;
    const limn_choice *all = limn_samplers(&count);
    o->sampler_schedule = NULL;
    o->sampler = limn_sampler_find(text, &o->sampler_schedule);
    return o->sampler ? LIMN_OK : no_choice("sampler", text, all, count);
}

static int read_schedule(const char *text, limn_tool_options *o) {
    int count;
    const limn_choice *all = limn_schedules(&count);
    o->schedule = limn_schedule_find(text);
    return o->schedule ? LIMN_OK : no_choice("schedule", text, all, count);
}

static int read_rng(const char *text, limn_tool_options *o) {
    int count;
    const limn_choice *all = limn_rngs(&count);
    o->rng = limn_rng_find(text);
    return o->rng ? LIMN_OK : no_choice("random generator", text, all, count);
}

static void set_setting(const char *part, const char *end, double value, limn_tool_options *o) {
    char name[40];
    int count;
    snprintf(name, sizeof name, "%s_%s", part, end);
    const limn_setting *all = limn_settings(&count), *setting = limn_setting_find(name);
    if (!setting) return;
    o->setting[setting - all] = value;
    o->has_setting[setting - all] = true;
}

/* FROM:TO, which are two of limn_settings: `part`_from and `part`_to. `hint` follows the sentence
 * about a range that holds nothing. */
static int read_range(const char *part, const char *text, const char *hint, limn_tool_options *o) {
    char from[24] = "", option[40];
    double first = 0, last = 0;
    const char *colon = strchr(text, ':');
    snprintf(option, sizeof option, "--%s-range", part);
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
        return limn_tool_fail(LIMN_E_USAGE, "%s ends before it begins: '%s'%s", option, text, hint);
    set_setting(part, "from", first, o);
    set_setting(part, "to", last, o);
    return LIMN_OK;
}

static int read_guidance_range(const char *text, limn_tool_options *o) {
    return read_range("guidance", text, " (without guidance: --guidance 1)", o);
}

static int read_control_range(const char *text, limn_tool_options *o) {
    return read_range("control", text, "", o);
}

/* One of limn_settings; whether the value is in range is the library's to say. */
static int read_setting(size_t i, const char *text, limn_tool_options *o) {
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
static int read_text_setting(size_t i, const char *text, limn_tool_options *o) {
    int count;
    const limn_text_setting *setting = &limn_text_settings(&count)[i];
    limn_request probe = {0};
    limn_error error;
    if (limn_text_setting_put(&probe, setting, text, &error) != LIMN_OK)
        return limn_tool_fail_with(&error);
    o->text[i] = text;
    return LIMN_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define FLAG(field) LIMN_TOOL_FLAG, offsetof(limn_tool_options, field), NULL
#define TEXT(field) LIMN_TOOL_TEXT, offsetof(limn_tool_options, field), NULL
#define PATH(field) LIMN_TOOL_PATH, offsetof(limn_tool_options, field), NULL
#define ONCE(field) LIMN_TOOL_PATH_ONCE, offsetof(limn_tool_options, field), NULL
#define READ(how)   LIMN_TOOL_READ, 0, how

static const limn_tool_option own[] = {
    {"output", 'o', RENDERS, PATH(output)},
    {"count", 'n', MAKES, READ(read_count)},
    {"seed", 's', MAKES, READ(read_seed)},
    {"size", 0, MAKES | LIMN_TOOL_BENCH, READ(read_size)},
    {"steps", 0, MAKES, READ(read_steps)},
    {"guidance", 'g', MAKES, READ(read_guidance)},
    {"guidance-range", 0, MAKES, READ(read_guidance_range)},
    {"negative", 0, MAKES, TEXT(negative)},
    {"prompt-syntax", 0, MAKES, TEXT(prompt_syntax)},
    {"sampler", 0, MAKES, READ(read_sampler)},
    {"schedule", 0, MAKES, READ(read_schedule)},
    {"rng", 0, MAKES, READ(read_rng)},
    {"eta", 0, MAKES, READ(read_eta)},
    {"init", 0, RENDERS, PATH(init)},
    {"mask", 0, RENDERS, PATH(mask)},
    {"control", 0, RENDERS, ONCE(control)},
    {"control-image", 0, RENDERS, ONCE(control_image)},
    {"control-range", 0, MAKES, READ(read_control_range)},
    {"model", 'm', RENDERS, PATH(model)},
    {"precision", 0, MAKES | LIMN_TOOL_BENCH, TEXT(precision)},
    {"taesd", 0, RENDERS, PATH(taesd)},
    {"lora", 0, RENDERS, READ(read_lora)},
    {"embeddings", 0, RENDERS, PATH(embeddings)},
    {"vae", 0, OPENS, PATH(vae)},
    {"text-encoder", 0, OPENS, PATH(text_encoder)},
    {"text-encoder-2", 0, OPENS, PATH(text_encoder_2)},
    {"tokenizer", 0, OPENS, PATH(tokenizer)},
    {"cache", 0, RENDERS, PATH(cache)},
    {"max-memory", 0, RENDERS, READ(read_max_memory)},
    {"threads", 't', RENDERS | LIMN_TOOL_BENCH | LIMN_TOOL_INSPECT, READ(read_threads)},
    {"dry-run", 0, RENDERS, FLAG(dry_run)},
    {"force", 0, RENDERS | CONVERTS, FLAG(force)},
    {"json", 0, RENDERS | LIMN_TOOL_SHOW | LIMN_TOOL_BENCH | LIMN_TOOL_INSPECT, FLAG(json)},
    {"set", 0, LIMN_TOOL_AGAIN, READ(read_set)},
    {"tensors", 0, LIMN_TOOL_INSPECT, FLAG(tensors)},
    {"type", 0, LIMN_TOOL_CONVERT, TEXT(type)},
    {"arch", 0, LIMN_TOOL_BENCH, TEXT(arch)},
    {"runs", 0, LIMN_TOOL_BENCH, READ(read_runs)},
    {"quiet", 'q', ALL, FLAG(quiet)},
    {"help", 'h', ALL, FLAG(help)},
    {"version", 0, ALL, FLAG(version)},
};

#define OWN (sizeof own / sizeof own[0])
_Static_assert(OWN <= LIMN_TOOL_OWN_MAX, "the table has room for the tool's own options");

limn_tool_option_table limn_tool_option_rows(void) {
    limn_tool_option_table table = {.count = (int)OWN};
    int count;
    memcpy(table.row, own, sizeof own);
    const limn_setting *setting = limn_settings(&count);
    for (int i = 0; i < count && i < LIMN_TOOL_SETTINGS_MAX; i++)
        table.row[table.count++] =
            (limn_tool_option){setting[i].option, 0, MAKES, LIMN_TOOL_SETTING, (size_t)i, NULL};
    const limn_text_setting *text = limn_text_settings(&count);
    for (int i = 0; i < count && i < LIMN_TOOL_TEXTS_MAX; i++)
        table.row[table.count++] =
            (limn_tool_option){text[i].option, 0, MAKES, LIMN_TOOL_TEXT_SETTING, (size_t)i, NULL};
    return table;
}

/* Keeps a name where it may stand. */
static int take_path(const limn_tool_option *option, const char *text, const char **kept) {
    if (*text == '\0')
        return limn_tool_fail(LIMN_E_USAGE, "--%s wants a name, not an empty one", option->name);
    if (option->kind == LIMN_TOOL_PATH_ONCE && *kept)
        return limn_tool_fail(LIMN_E_USAGE, "there can be one --%s, not two", option->name);
    *kept = text;
    return LIMN_OK;
}

int limn_tool_option_take(const limn_tool_option *option, const char *text, limn_tool_options *o) {
    void *field = (char *)o + option->place;
    switch (option->kind) {
    case LIMN_TOOL_FLAG:
        *(bool *)field = true;
        return LIMN_OK;
    case LIMN_TOOL_TEXT:
        *(const char **)field = text;
        return LIMN_OK;
    case LIMN_TOOL_PATH:
    case LIMN_TOOL_PATH_ONCE:
        return take_path(option, text, field);
    case LIMN_TOOL_SETTING:
        return read_setting(option->place, text, o);
    case LIMN_TOOL_TEXT_SETTING:
        return read_text_setting(option->place, text, o);
    case LIMN_TOOL_READ:
        break;
    }
    return option->read(text, o);
}
