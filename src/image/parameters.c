/* A1111's "parameters" text, as A1111 itself reads it (parse_generation_parameters, whose regular
 * expression for a pair is  \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)  ):
 *
 *     a prompt, which may
 *     have several lines
 *     Negative prompt: the same
 *     Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x512
 *
 * The last line counts as settings where it has three pairs or more. */
#include "image/recipe.h"

#include "image/buffer.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A piece of the text. */
typedef struct span {
    const char *at, *end;
} span;

typedef struct pair {
    span key, value;
} pair;

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 128;
}

static span strip(span s) {
    while (s.at < s.end && is_space(*s.at)) s.at++;
    while (s.at < s.end && is_space(s.end[-1])) s.end--;
    return s;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* The end of a string in quotes that begins at `at`, past its last quote, or NULL where none ends
 * there with a comma or the line behind it. */
static const char *end_of_quoted(const char *at, const char *end) {
    const char *p = at + 1;
    while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    if (p >= end || p == at + 1) return NULL;
    p++;
    return p == end || *p == ',' ? p : NULL;
}

/* Finds the next pair and moves *at behind it. Every character is looked at twice at most: a key is
 * sought backwards from its colon, and a quote that a scan passed cannot begin another. */
static bool next_pair(const char **at, const char *end, pair *out) {
    const char *run = *at; /* where the characters that a key may have begin */
    for (const char *p = *at; p < end; p++) {
        if (*p != ':') {
            if (!is_word(*p) && *p != ' ' && *p != '-' && *p != '/') run = p + 1;
            continue;
        }
        while (run < p && !is_word(*run)) run++;
        if (p - run < 2) {
            run = p + 1;
            continue;
        }
        const char *value = p + 1;
        while (value < end && is_space(*value)) value++;
        const char *stop = value < end && *value == '"' ? end_of_quoted(value, end) : NULL;
        if (!stop) stop = memchr(value, ',', (size_t)(end - value));
        if (!stop) stop = end;
        *out = (pair){{run, p}, {value, stop}};
        *at = stop < end ? stop + 1 : end;
        return true;
    }
    return false;
}

/* The last pair of that key, as A1111 has it, where there is one. */
static bool find_pair(span line, const char *key, span *value) {
    const char *at = line.at;
    size_t n = strlen(key);
    bool found = false;
    pair p;
    while (next_pair(&at, line.end, &p)) {
        if ((size_t)(p.key.end - p.key.at) != n || strncasecmp(p.key.at, key, n) != 0) continue;
        *value = p.value;
        found = true;
    }
    return found;
}

/* Copies a pair's value, out of its quotes. *out is the caller's; NULL where there is no such pair.
 */
static limn_status copy_value(span line, const char *key, char **out, limn_error *err) {
    limn_image_buffer b = {0};
    span value;
    json_t *text = NULL;
    *out = NULL;
    if (!find_pair(line, key, &value)) return LIMN_OK;
    errno = 0;
    if (value.at < value.end && *value.at == '"') {
        text = json_loadb(value.at, (size_t)(value.end - value.at), JSON_DECODE_ANY, NULL);
    }
    if (json_is_string(text)) {
        limn_image_add_text(&b, json_string_value(text));
    } else {
        value = strip(value);
        limn_image_add(&b, value.at, (size_t)(value.end - value.at));
    }
    if (!text && errno == ENOMEM) b.failed = true;
    json_decref(text);
    return limn_image_take(&b, out, err);
}

/* ---- settings -------------------------------------------------------------------------------- */

/* Takes the setting `name` from the pair `key`. */
static limn_status take(span line, const char *key, const char *name, bool needed,
                        limn_recipe *recipe, limn_error *err) {
    char *value;
    limn_status status = copy_value(line, key, &value, err);
    if (status) return status;
    if (value)
        status = limn_recipe_accept(recipe, name, value, err);
    else if (needed)
        status = limn_fail(err, LIMN_E_INPUT, "the picture's A1111 text does not tell its %s", key);
    free(value);
    return status;
}

/* Takes the schedule. "Automatic", which A1111 writes since 1.9, is what it thinks best for the
 * sampler; without the pair, a sampler's name may have told ("DPM++ 2M Karras"). limn's own
 * "Automatic" is the model's. */
static limn_status take_schedule(span line, bool by_limn, limn_recipe *recipe, limn_error *err) {
    const char *sampler = recipe->request.sampler;
    char *type;
    limn_status status = copy_value(line, "Schedule type", &type, err);
    if (status || !type) return status;
    if (strcasecmp(type, "Automatic") != 0) {
        status = limn_recipe_accept(recipe, "schedule", type, err);
    } else if (!by_limn && strcmp(sampler, "dpmpp_2m") == 0) {
        status = limn_recipe_accept(recipe, "schedule", "karras", err);
    } else if (!by_limn && strcmp(sampler, "dpmpp_2m_sde") == 0) {
        status = limn_recipe_accept(recipe, "schedule", "exponential", err);
    }
    free(type);
    return status;
}

/* Takes the numbers that A1111 has a name for. */
static limn_status take_labelled(span line, limn_recipe *recipe, limn_error *err) {
    int count;
    const limn_setting *all = limn_settings(&count);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && !status; i++)
        if (all[i].label) status = take(line, all[i].label, all[i].name, false, recipe, err);
    return status;
}

/* A1111's one name for two things, told apart by whether there is a second pass. */
static limn_status take_denoising(span line, limn_recipe *recipe, limn_error *err) {
    const char *name = recipe->request.upscale > 0 ? "upscale_strength" : "strength";
    return take(line, "Denoising strength", name, false, recipe, err);
}

/* Its name, and of its hash the 10 digits that A1111 writes; the 8 of older ones are another hash.
 */
static limn_status take_model(span line, limn_recipe *recipe, limn_error *err) {
    char *model = NULL, *hash = NULL;
    limn_status status = copy_value(line, "Model", &model, err);
    if (!status && model)
        status = limn_recipe_keep((const char **)&recipe->model_name, model, strlen(model), err);
    if (!status) status = copy_value(line, "Model hash", &hash, err);
    const size_t digits = hash ? strspn(hash, "0123456789abcdef") : 0;
    if (!status && digits >= 10 && digits <= 64 && hash[digits] == '\0')
        status = limn_recipe_keep((const char **)&recipe->model_sha256, hash, digits, err);
    free(model);
    free(hash);
    return status;
}

static limn_status take_settings(span line, limn_recipe *recipe, limn_error *err) {
    char *version;
    limn_status status = copy_value(line, "Version", &version, err);
    if (status) return status;
    const char *program = version ? version : "";
    /* A1111 leaves its default out, which is CUDA's Philox; ComfyUI draws on the processor. */
    const char *rng = strncasecmp(program, "ComfyUI", 7) == 0 ? "torch" : "philox";
    status = limn_recipe_accept(recipe, "rng", rng, err);
    if (!status) status = take(line, "Steps", "steps", true, recipe, err);
    if (!status) status = take(line, "Sampler", "sampler", true, recipe, err);
    if (!status) status = take_schedule(line, strncmp(program, "limn ", 5) == 0, recipe, err);
    if (!status) status = take(line, "CFG scale", "guidance_scale", true, recipe, err);
    if (!status) status = take(line, "Seed", "seed", true, recipe, err);
    if (!status) status = take(line, "Size", "size", false, recipe, err);
    if (!status) status = take(line, "RNG", "rng", false, recipe, err);
    if (!status) status = take(line, "Eta DDIM", "eta", false, recipe, err);
    if (!status) status = take_labelled(line, recipe, err);
    if (!status) status = take_denoising(line, recipe, err);
    if (!status && strncmp(program, "limn ", 5) != 0)
        status = limn_recipe_accept(recipe, "prompt_syntax", "a1111", err);
    if (!status) status = take(line, "Prompt syntax", "prompt_syntax", false, recipe, err);
    if (!status) status = take_model(line, recipe, err);
    free(version);
    return status;
}

/* ---- the text -------------------------------------------------------------------------------- */

/* Splits the lines above the settings into the two prompts. */
static limn_status take_prompts(span text, limn_recipe *recipe, limn_error *err) {
    static const char mark[] = "Negative prompt:";
    limn_image_buffer prompts[2] = {{0}, {0}};
    int which = 0;
    while (text.at < text.end) {
        const char *feed = memchr(text.at, '\n', (size_t)(text.end - text.at));
        span line = strip((span){text.at, feed ? feed : text.end});
        text.at = feed ? feed + 1 : text.end;
        if ((size_t)(line.end - line.at) >= sizeof mark - 1 &&
            memcmp(line.at, mark, sizeof mark - 1) == 0) {
            which = 1;
            line = strip((span){line.at + sizeof mark - 1, line.end});
        }
        if (prompts[which].size) limn_image_add_text(&prompts[which], "\n");
        limn_image_add(&prompts[which], line.at, (size_t)(line.end - line.at));
    }
    char *prompt = NULL, *negative = NULL;
    limn_status status = limn_image_take(&prompts[0], &prompt, err);
    if (!status) status = limn_image_take(&prompts[1], &negative, err);
    if (!status) status = limn_recipe_accept(recipe, "prompt", prompt, err);
    if (!status) status = limn_recipe_accept(recipe, "negative_prompt", negative, err);
    limn_image_drop(&prompts[1]);
    free(prompt);
    free(negative);
    return status;
}

limn_status limn_recipe_from_parameters(const char *text, limn_recipe *recipe, limn_error *err) {
    span all = strip((span){text, text + strlen(text)});
    const char *feed = all.end;
    while (feed > all.at && feed[-1] != '\n') feed--;
    span settings = {feed, all.end};
    int pairs = 0;
    pair p;
    for (const char *at = settings.at; pairs < 3 && next_pair(&at, settings.end, &p);) pairs++;
    if (pairs < 3) {
        return limn_fail(err, LIMN_E_INPUT,
                         "the picture's A1111 text ends without a line of settings (\"Steps: 20, "
                         "Sampler: ...\")");
    }
    limn_status status = take_prompts((span){all.at, feed}, recipe, err);
    if (status) return status;
    return take_settings(settings, recipe, err);
}
