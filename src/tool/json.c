/* JSON lines: texts, numbers, and what each line about a picture has. */
#include "tool/tool.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A copy of text in which every byte that is not ASCII became U+FFFD: what a file name in Latin-1
 * is shown as. NULL = no memory. */
static char *ascii_copy(const char *text) {
    char *copy = malloc(3 * strlen(text) + 1), *end = copy;
    if (!copy) return NULL;
    for (; *text; text++) {
        if ((unsigned char)*text < 0x80) {
            *end++ = *text;
        } else {
            memcpy(end, "\xef\xbf\xbd", 3);
            end += 3;
        }
    }
    *end = '\0';
    return copy;
}

void limn_tool_json_text(FILE *to, const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    if (!value) { /* jansson takes valid UTF-8 only */
        char *copy = ascii_copy(text);
        value = copy ? json_string(copy) : NULL;
        free(copy);
    }
    char *line = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    fputs(line ? line : "null", to);
    free(line);
    json_decref(value);
}

void limn_tool_json_number(FILE *to, double value) {
    char text[40];
    const bool whole = fabs(value) < 1e15 && value == floor(value); /* "10", not "1e+01" */
    if (whole) snprintf(text, sizeof text, "%.0f", value);
    for (int digits = 1; digits <= 17 && !whole; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, to);
}

bool limn_tool_source_sha256(const limn_input *source, char hex[65]) {
    if (source->picture)
        limn_picture_sha256(source->picture, hex);
    else
        snprintf(hex, 65, "%s", source->sha256 ? source->sha256 : "");
    return *hex != '\0';
}

/* The members about a picture that another is drawn from; none where there is none. */
static void put_source(FILE *to, const char *key, const limn_input *source) {
    char hex[65];
    if (!limn_tool_source_sha256(source, hex)) return;
    fprintf(to, ",\"%s\":{\"file\":", key);
    limn_tool_json_text(to, source->name ? source->name : "");
    fputs(",\"pixels_sha256\":", to);
    limn_tool_json_text(to, hex);
    fputs("}", to);
}

/* A member of the object, behind others. */
static void put_text(FILE *to, const char *key, const char *text) {
    fprintf(to, ",\"%s\":", key);
    limn_tool_json_text(to, text);
}

/* What is 0 or NULL where it is not used, and is used. */
static void put_settings(FILE *to, const limn_request *request) {
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count; i++) {
        double value = limn_setting_get(request, &all[i]);
        if (value == 0) continue;
        fprintf(to, ",\"%s\":", all[i].name);
        limn_tool_json_number(to, value);
    }
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count; i++) {
        const char *text = limn_text_setting_get(request, &texts[i]);
        if (text) put_text(to, texts[i].name, text);
    }
}

void limn_tool_json_request(FILE *to, const limn_request *request) {
    fprintf(to, ",\"seed\":%" PRIu64 ",\"width\":%d,\"height\":%d,\"steps\":%d,\"guidance\":",
            request->seed, request->width, request->height, request->steps);
    limn_tool_json_number(to, request->guidance);
    put_text(to, "sampler", request->sampler);
    put_text(to, "schedule", request->schedule);
    put_text(to, "rng", request->rng);
    fputs(",\"eta\":", to);
    limn_tool_json_number(to, request->eta);
    put_settings(to, request);
    if (request->prompt_syntax && strcmp(request->prompt_syntax, "plain") != 0)
        put_text(to, "prompt_syntax", request->prompt_syntax);
    put_text(to, "prompt", request->prompt);
    put_text(to, "negative", request->negative);
    put_source(to, "init", &request->init);
    put_source(to, "mask", &request->mask);
    put_source(to, "control_image", &request->control);
}

int limn_tool_json_picture(const limn_model *model, const limn_request *request, const char *path,
                           const char *status, int line, double ms) {
    char hex[65];
    limn_error error;
    if (limn_sha256_file(path, hex, &error) != LIMN_OK) return limn_tool_fail_with(&error);
    limn_model_info info = limn_model_describe(model);
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, path);
    printf(",\"status\":\"%s\"", status);
    if (line > 0) printf(",\"line\":%d", line);
    limn_tool_json_request(stdout, request);
    fputs(",\"model\":", stdout);
    limn_tool_json_text(stdout, info.name);
    printf(",\"model_sha256\":\"%s\",\"contract\":%d", info.sha256, LIMN_CONTRACT);
    if (ms >= 0) printf(",\"ms\":%.1f", ms);
    printf(",\"sha256\":\"%s\"}\n", hex);
    return LIMN_OK;
}
