/* The settings of a prompt file: their names, and what they make of a request. Names are those of
 * A1111's API (modules/api/models.py) and of its script for prompt files, and limn's own. */
#include "prompt/parts.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

typedef enum setting {
    PROMPT,
    NEGATIVE,
    SEED,
    STEPS,
    GUIDANCE,
    SAMPLER,
    SAMPLER_INDEX, /* A1111's older name: counts where sampler_name does not say anything */
    SCHEDULE,
    WIDTH,
    HEIGHT,
    SIZE,
    BATCH_SIZE,
    N_ITER,
    ETA,
    RNG,
    SYNTAX,
    OVERRIDE,    /* A1111's settings page, of which limn has one entry */
    IGNORED,     /* has no say in the picture */
    NEUTRAL,     /* limn has no such thing: fine where it asks for nothing */
    NEUTRAL_ONE, /* the same, and 1 asks for nothing */
} setting;

static const struct {
    const char *name;
    setting setting;
} names[] = {
    {"prompt", PROMPT},
    {"negative_prompt", NEGATIVE},
    {"negative", NEGATIVE},
    {"seed", SEED},
    {"steps", STEPS},
    {"cfg_scale", GUIDANCE},
    {"guidance", GUIDANCE},
    {"sampler_name", SAMPLER},
    {"sampler", SAMPLER},
    {"sampler_index", SAMPLER_INDEX},
    {"scheduler", SCHEDULE},
    {"schedule", SCHEDULE},
    {"width", WIDTH},
    {"height", HEIGHT},
    {"size", SIZE},
    {"batch_size", BATCH_SIZE},
    {"n_iter", N_ITER},
    {"eta", ETA},
    {"rng", RNG},
    {"prompt_syntax", SYNTAX},
    {"do_not_save_samples", IGNORED},
    {"do_not_save_grid", IGNORED},
    {"send_images", IGNORED},
    {"save_images", IGNORED},
    {"override_settings_restore_afterwards", IGNORED},
    {"disable_extra_networks", IGNORED},
    {"force_task_id", IGNORED},
    {"firstphase_width", NEUTRAL},
    {"firstphase_height", NEUTRAL},
    {"firstpass_image", NEUTRAL},
    {"styles", NEUTRAL},
    {"subseed", NEUTRAL},
    {"subseed_strength", NEUTRAL},
    {"seed_resize_from_h", NEUTRAL},
    {"seed_resize_from_w", NEUTRAL},
    {"restore_faces", NEUTRAL},
    {"tiling", NEUTRAL},
    {"s_min_uncond", NEUTRAL},
    {"s_churn", NEUTRAL},
    {"s_tmax", NEUTRAL},
    {"s_tmin", NEUTRAL},
    {"s_noise", NEUTRAL_ONE},
    {"override_settings", OVERRIDE},
    {"refiner_checkpoint", NEUTRAL},
    {"refiner_switch_at", NEUTRAL},
    {"comments", NEUTRAL},
    {"script_name", NEUTRAL},
    {"script_args", NEUTRAL},
    {"alwayson_scripts", NEUTRAL},
    {"infotext", NEUTRAL},
};

/* The setting of a name, or -1. */
static int find(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) == 0) return (int)names[i].setting;
    }
    return -1;
}

/* The text setting of a name, or of diffusers' name for it; NULL where it is none. */
static const limn_text_setting *find_text(const char *name) {
    if (strcmp(name, "negative_2") == 0) name = "negative_prompt_2";
    if (strcmp(name, "prediction_type") == 0) name = "prediction";
    return limn_text_setting_find(name);
}

bool limn_prompt_takes_words(const char *name) {
    int which = find(name);
    const limn_text_setting *text = find_text(name);
    return which == PROMPT || which == NEGATIVE || (text && !text->choices);
}

/* ---- values ---------------------------------------------------------------------------------- */

static limn_status fail(const char *name, const char *expected, const limn_prompt_value *v,
                        limn_error *err) {
    return limn_fail(err, LIMN_E_INPUT, "%s: expected %s, found '%.100s'", name, expected, v->text);
}

static limn_status fail_twice(const char *name, limn_error *err) {
    return limn_fail(err, LIMN_E_INPUT, "%s: this was set before in the same line", name);
}

/* The number that a text is, written as JSON writes numbers, whatever the locale. */
static bool number_of(const char *text, double *number) {
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    bool is_number = json_is_real(json);
    if (is_number) *number = json_real_value(json);
    json_decref(json);
    return is_number;
}

static bool may_be_number(const limn_prompt_value *v) {
    return v->kind == LIMN_VALUE_WORD || v->kind == LIMN_VALUE_TEXT || v->kind == LIMN_VALUE_NUMBER;
}

/* Sets *out to a whole number in [least, most]. */
static limn_status set_whole(const char *name, const limn_prompt_value *v, int least, int most,
                             int *out, limn_error *err) {
    double number = 0;
    if (may_be_number(v) && number_of(v->text, &number) && number >= least && number <= most &&
        number == (double)(int)number) {
        *out = (int)number;
        return LIMN_OK;
    }
    char expected[64];
    snprintf(expected, sizeof expected, "a whole number from %d to %d", least, most);
    return fail(name, expected, v, err);
}

/* Sets *out to a number in [0, most]. */
static limn_status set_number(const char *name, const limn_prompt_value *v, int most, double *out,
                              limn_error *err) {
    double number = 0;
    if (may_be_number(v) && number_of(v->text, &number) && number >= 0 && number <= most) {
        *out = number + 0.0; /* -0 becomes 0 */
        return LIMN_OK;
    }
    char expected[64];
    snprintf(expected, sizeof expected, "a number from 0 to %d", most);
    return fail(name, expected, v, err);
}

/* Sets *out to a text, which the pool keeps. */
static limn_status set_text(limn_prompt_state *s, const char *name, const limn_prompt_value *v,
                            const char **out, limn_error *err) {
    if (v->kind != LIMN_VALUE_WORD && v->kind != LIMN_VALUE_TEXT)
        return fail(name, "a text in quotes", v, err);
    const char *copy = limn_prompt_keep(s->pool, v->text, strlen(v->text));
    if (!copy) return limn_fail(err, LIMN_E_MEMORY, "no memory for a prompt file's text");
    *out = copy;
    return LIMN_OK;
}

/* The same for a name that who renders looks up: keeps its place too. */
static limn_status set_choice(limn_prompt_state *s, const char *name, const limn_prompt_value *v,
                              const char **out, int *column, limn_error *err) {
    *column = (int)limn_prompt_column(s, v->at);
    return set_text(s, name, v, out, err);
}

/* Whether the digits are a number of 64 bits. Exact, where a double would not be. */
static bool whole64(const char *digits, uint64_t *out) {
    uint64_t value = 0;
    if (!*digits) return false;
    for (; *digits >= '0' && *digits <= '9'; digits++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(*digits - '0'), &value))
            return false;
    }
    *out = value;
    return *digits == 0;
}

/* Sets the seed; -1 stands for none. */
static limn_status set_seed(limn_prompt_line *line, const char *name, const limn_prompt_value *v,
                            limn_error *err) {
    double number = 0;
    uint64_t seed = 0;
    bool good = may_be_number(v);
    if (good && !whole64(v->text, &seed)) {
        good = number_of(v->text, &number); /* -1, and what JSON calls 7.0 or 1e3 */
        if (good && number == -1) return LIMN_OK;
        good = good && number >= 0 && number <= 0x1p53 && number == (double)(uint64_t)number;
        if (good) seed = (uint64_t)number;
    }
    if (!good) return fail(name, "a whole number of at most 64 bits, or -1", v, err);
    line->request.seed = seed;
    line->has_seed = true;
    return LIMN_OK;
}

/* The largest width and height that is read; the model has a say later. */
enum { MOST_PX = 65536, MOST_PICTURES = 1000, MOST_STEPS = 1000, MOST_GUIDANCE = 100 };

/* Sets width and height from "512x768". */
static limn_status set_size(limn_prompt_line *line, const char *name, const limn_prompt_value *v,
                            limn_error *err) {
    uint64_t side[2] = {0, 0};
    char width[16];
    const char *x = may_be_number(v) ? strpbrk(v->text, "xX") : NULL;
    size_t n = x ? (size_t)(x - v->text) : sizeof width;
    if (n < sizeof width) {
        memcpy(width, v->text, n);
        width[n] = 0;
        bool good = whole64(width, &side[0]) && whole64(x + 1, &side[1]) && side[0] >= 1 &&
                    side[0] <= MOST_PX && side[1] >= 1 && side[1] <= MOST_PX;
        if (good) {
            line->request.width = (int)side[0];
            line->request.height = (int)side[1];
            return LIMN_OK;
        }
    }
    return fail(name, "WIDTHxHEIGHT", v, err);
}

/* Whether the value of a setting that limn has not asks for nothing. */
static bool is_neutral(const limn_prompt_value *v, bool or_one) {
    if (v->kind == LIMN_VALUE_EMPTY || v->kind == LIMN_VALUE_OTHER)
        return v->kind == LIMN_VALUE_EMPTY;
    double number = 0;
    if (number_of(v->text, &number)) return number == 0 || number == -1 || (or_one && number == 1);
    return strcmp(v->text, "") == 0 || strcmp(v->text, "None") == 0 ||
           strcmp(v->text, "false") == 0 || strcmp(v->text, "False") == 0;
}

/* ---- setting --------------------------------------------------------------------------------- */

static limn_status set_pictures(limn_prompt_state *s, const char *name, const limn_prompt_value *v,
                                int *out, limn_error *err) {
    limn_status status = set_whole(name, v, 1, MOST_PICTURES, out, err);
    if (status == LIMN_OK)
        s->line->pictures = (s->batch_size ? s->batch_size : 1) * (s->n_iter ? s->n_iter : 1);
    return status;
}

/* {"CLIP_stop_at_last_layers": 2} is clip_skip; limn has nothing else of A1111's settings page. */
static limn_status set_override(limn_prompt_line *line, const char *name,
                                const limn_prompt_value *v, limn_error *err) {
    static const char key[] = "CLIP_stop_at_last_layers";
    if (is_neutral(v, false)) return LIMN_OK;
    json_t *object = json_loads(v->text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *number = json_object_get(object, key);
    const limn_setting *row = limn_setting_find("clip_skip");
    bool good = json_object_size(object) == 1 && json_is_number(number) &&
                limn_setting_put(&line->request, row, json_number_value(number), NULL) == LIMN_OK;
    json_decref(object);
    if (good) return LIMN_OK;
    return fail(name, "an object with CLIP_stop_at_last_layers and nothing else", v, err);
}

static limn_status set(limn_prompt_state *s, setting which, const char *name,
                       const limn_prompt_value *v, limn_error *err) {
    limn_request *r = &s->line->request;
    switch (which) {
    case PROMPT:
        return set_text(s, name, v, &r->prompt, err);
    case NEGATIVE:
        return set_text(s, name, v, &r->negative, err);
    case SEED:
        return set_seed(s->line, name, v, err);
    case STEPS:
        return set_whole(name, v, 1, MOST_STEPS, &r->steps, err);
    case GUIDANCE:
        return set_number(name, v, MOST_GUIDANCE, &r->guidance, err);
    case SAMPLER_INDEX:
        if (s->said & 1u << SAMPLER) return LIMN_OK;
        return set_choice(s, name, v, &r->sampler, &s->line->sampler_column, err);
    case SAMPLER:
        return set_choice(s, name, v, &r->sampler, &s->line->sampler_column, err);
    case SCHEDULE:
        return set_choice(s, name, v, &r->schedule, &s->line->schedule_column, err);
    case WIDTH:
        return set_whole(name, v, 1, MOST_PX, &r->width, err);
    case HEIGHT:
        return set_whole(name, v, 1, MOST_PX, &r->height, err);
    case SIZE:
        return set_size(s->line, name, v, err);
    case BATCH_SIZE:
        return set_pictures(s, name, v, &s->batch_size, err);
    case N_ITER:
        return set_pictures(s, name, v, &s->n_iter, err);
    case ETA:
        return set_number(name, v, 1, &r->eta, err);
    case RNG:
        return set_choice(s, name, v, &r->rng, &s->line->rng_column, err);
    case SYNTAX:
        r->prompt_syntax = may_be_number(v) ? limn_prompt_syntax_find(v->text) : NULL;
        return r->prompt_syntax ? LIMN_OK : fail(name, "a1111 or plain", v, err);
    case OVERRIDE:
        return set_override(s->line, name, v, err);
    case IGNORED:
        return LIMN_OK;
    case NEUTRAL:
    case NEUTRAL_ONE:
        if (is_neutral(v, which == NEUTRAL_ONE)) return LIMN_OK;
        return fail(name, "nothing, since limn cannot do this", v, err);
    }
    return LIMN_OK;
}

/* The same for a number of limn_settings. */
static limn_status set_listed(limn_prompt_state *s, const limn_setting *row,
                              const limn_prompt_value *v, bool *at_name, limn_error *err) {
    int count;
    uint64_t bit = (uint64_t)1 << (row - limn_settings(&count));
    double number = 0;
    *at_name = (s->said_numbers & bit) != 0;
    if (*at_name) return fail_twice(row->name, err);
    if (v->kind == LIMN_VALUE_EMPTY && strcmp(v->text, "null") == 0) return LIMN_OK;
    if (!may_be_number(v) || !number_of(v->text, &number))
        return fail(row->name, "a number", v, err);
    s->said_numbers |= bit;
    limn_error fault;
    if (limn_setting_put(&s->line->request, row, number, &fault) == LIMN_OK) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s", fault.text);
}

/* The same for a text of limn_text_settings. */
static limn_status set_text_listed(limn_prompt_state *s, const limn_text_setting *row,
                                   const limn_prompt_value *v, bool *at_name, limn_error *err) {
    int count;
    uint64_t bit = (uint64_t)1 << (row - limn_text_settings(&count));
    const char *kept = NULL;
    *at_name = (s->said_texts & bit) != 0;
    if (*at_name) return fail_twice(row->name, err);
    if (v->kind == LIMN_VALUE_EMPTY && strcmp(v->text, "null") == 0) return LIMN_OK;
    limn_status status = set_text(s, row->name, v, &kept, err);
    if (status != LIMN_OK) return status;
    s->said_texts |= bit;
    limn_error fault;
    if (limn_text_setting_put(&s->line->request, row, kept, &fault) == LIMN_OK) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s", fault.text);
}

/* The same for the second pass. */
static limn_status set_hires(limn_prompt_state *s, limn_hires_setting which, const char *name,
                             const limn_prompt_value *v, limn_error *err) {
    limn_hires *h = &s->hires;
    limn_status status = LIMN_OK;
    bool nothing = is_neutral(v, false);
    if (which == LIMN_HIRES_ON) {
        h->said_on = true;
        h->on = !nothing;
    } else if (which == LIMN_HIRES_OTHER || which == LIMN_HIRES_UPSCALER) {
        bool latent = which == LIMN_HIRES_UPSCALER && strcmp(v->text, "Latent") == 0;
        if (!nothing && !latent) h->unknown = name;
    } else if (!nothing && which == LIMN_HIRES_STEPS) {
        status = set_whole(name, v, 1, MOST_STEPS, &h->steps, err);
    } else if (!nothing && which == LIMN_HIRES_SCALE) {
        status = set_number(name, v, 8, &h->scale, err);
    } else if (!nothing) {
        status = set_number(name, v, 1, &h->strength, err);
    }
    return status == LIMN_OK ? limn_hires_apply(h, &s->line->request, err) : status;
}

limn_status limn_prompt_set(limn_prompt_state *s, const char *name, const limn_prompt_value *value,
                            bool *at_name, limn_error *err) {
    int which = find(name);
    const limn_setting *row = which < 0 ? limn_setting_find(name) : NULL;
    if (row) return set_listed(s, row, value, at_name, err);
    const limn_text_setting *text = which < 0 ? find_text(name) : NULL;
    if (text) return set_text_listed(s, text, value, at_name, err);
    limn_hires_setting hires;
    const int place = limn_hires_find(name, &hires);
    if (place >= 0) {
        *at_name = (s->said_hires & 1u << place) != 0;
        if (*at_name) return fail_twice(name, err);
        s->said_hires |= 1u << place;
        return set_hires(s, hires, name, value, err);
    }
    *at_name = true;
    if (which < 0) return limn_fail(err, LIMN_E_INPUT, "there is no setting '%.100s'", name);
    bool once = which < IGNORED;
    if (once && s->said & 1u << which) return fail_twice(name, err);
    *at_name = false;
    bool null = value->kind == LIMN_VALUE_EMPTY && strcmp(value->text, "null") == 0;
    if (once && null) return LIMN_OK; /* A1111's way to leave a setting open */
    limn_status status = set(s, (setting)which, name, value, err);
    if (once) s->said |= 1u << which;
    return status;
}
