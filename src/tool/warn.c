/* What is said beforehand of a model, a request and its prompts. */
#include "tool/tool.h"
#include <string.h>

int limn_tool_next_line(const char **text, const char **line) {
    size_t length = strcspn(*text, "\n");
    *line = *text;
    *text += length + ((*text)[length] == '\n');
    return (int)length;
}

void limn_tool_warn_model(const limn_tool_options *options, const limn_model *model) {
    const char *cache = options->cache ? limn_model_describe(model).cache : "";
    const char *notes = limn_model_notes(model), *line;
    if (strncmp(cache, "not used", 8) == 0) limn_tool_warn(options, "--cache: %s", cache);
    for (int n; (n = limn_tool_next_line(&notes, &line)) > 0;)
        limn_tool_note(options, "%.*s", n, line);
}

/* "line 3: " of a prompt file, or nothing. */
static void say_place(int line, char place[40]) {
    place[0] = '\0';
    if (line > 0) snprintf(place, 40, "line %d: ", line);
}

static void warn_prompt(const limn_tool_options *options, const limn_model *model, const char *what,
                        const limn_request *request, bool negative) {
    limn_prompt_check check;
    /* A fault here is not said: the rendering finds it too, and says it. */
    if (limn_request_inspect(model, request, negative, &check, NULL) != LIMN_OK) return;
    if (check.repaired)
        limn_tool_warn(options, "%s is not valid UTF-8; the broken bytes were replaced", what);
    if (check.dropped[0] != '\0')
        limn_tool_warn(options,
                       "%s has %d tokens and the model takes %d, so its end was dropped: \"%s\"",
                       what, check.tokens, check.max_tokens, check.dropped);
}

void limn_tool_warn_prompts(const limn_tool_options *options, const limn_model *model,
                            const limn_request *request, int line) {
    limn_request second = *request;
    second.prompt_2 = second.negative_2 = NULL;
    if (request->prompt_2) second.prompt = request->prompt_2;
    if (request->negative_2) second.negative = request->negative_2;
    const struct {
        const char *name;
        const limn_request *request;
        bool negative, there;
    } prompts[] = {
        {"the prompt", request, false, true},
        {"the negative prompt", request, true, true},
        {"the second prompt", &second, false, request->prompt_2 != NULL},
        {"the second negative prompt", &second, true, request->negative_2 != NULL},
    };
    char place[40], what[80];
    say_place(line, place);
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        snprintf(what, sizeof what, "%s%s", place, prompts[i].name);
        if (prompts[i].there)
            warn_prompt(options, model, what, prompts[i].request, prompts[i].negative);
    }
}

void limn_tool_warn_idle(const limn_tool_options *options, const limn_model *model,
                         const limn_request *request, int line) {
    char notes[1000], place[40];
    const char *rest = notes, *note;
    say_place(line, place);
    limn_request_notes(model, request, notes, sizeof notes);
    for (int n; (n = limn_tool_next_line(&rest, &note)) > 0;)
        limn_tool_warn(options, "%s%.*s", place, n, note);
}
