/* The commands' words, and what stands after them. */
#include "tool/options.h"
#include <string.h>

static const struct {
    const char *word;
    limn_tool_command command;
    int names;         /* that it takes beside its options */
    const char *wants; /* what the first of them is */
} commands[] = {
    {"batch", LIMN_TOOL_BATCH, 1, "a prompt file (- = standard input)"},
    {"again", LIMN_TOOL_AGAIN, 1, "a picture"},
    {"show", LIMN_TOOL_SHOW, 1, "a picture"},
    {"inspect", LIMN_TOOL_INSPECT, 1, "a model"},
    {"samplers", LIMN_TOOL_LIST, 0, NULL},
    {"bench", LIMN_TOOL_BENCH, 0, NULL},
    {"convert", LIMN_TOOL_CONVERT, 2, "a model and the name of what it is to become"},
    {"quantize", LIMN_TOOL_QUANTIZE, 2, "a model and the name of what it is to become"},
};

#define COMMANDS ((int)(sizeof commands / sizeof commands[0]))

/* The command's row; -1 for drawing, which has none. */
static int row_of(limn_tool_command command) {
    for (int i = 0; i < COMMANDS; i++)
        if (command == commands[i].command) return i;
    return -1;
}

limn_tool_command limn_tool_command_find(const char *word) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].word) == 0) return commands[i].command;
    return 0;
}

const char *limn_tool_command_word(limn_tool_command command) {
    int row = row_of(command);
    return row < 0 ? "drawing a prompt" : commands[row].word;
}

/* Drawing wants its prompt as one word. */
static int wrong_prompt(int count, char *const *words) {
    if (count == 0)
        return limn_tool_fail(LIMN_E_USAGE,
                              "there is no prompt; say what to draw: limn \"a red apple\"");
    if (limn_tool_command_find(words[0]))
        return limn_tool_fail(LIMN_E_USAGE, "the command comes before the options: limn %s ...",
                              words[0]);
    return limn_tool_fail(LIMN_E_USAGE,
                          "the prompt came as %d words; put it in quotes: limn \"%s %s%s\"", count,
                          words[0], words[1], count > 2 ? " ..." : "");
}

static int wrong_names(int row, int count, char *const *words) {
    static const char *const takes[] = {"no name", "one name", "two names"};
    const char *word = commands[row].word;
    int names = commands[row].names;
    if (count < names)
        return limn_tool_fail(LIMN_E_USAGE, "%s wants %s after it%s%s%s", word, commands[row].wants,
                              names == 2 ? ": limn " : "", names == 2 ? word : "",
                              names == 2 ? " IN OUT" : "");
    return limn_tool_fail(LIMN_E_USAGE, "%s takes %s, so '%s' is too much", word, takes[names],
                          words[names]);
}

int limn_tool_operands_read(int count, char *const *words, limn_tool_options *o) {
    int row = row_of(o->command), names = row < 0 ? 1 : commands[row].names;
    if (count != names && !o->help && !o->version)
        return row < 0 ? wrong_prompt(count, words) : wrong_names(row, count, words);
    for (int i = 0; row >= 0 && i < count; i++)
        if (words[i][0] == '\0')
            return limn_tool_fail(LIMN_E_USAGE, "%s wants a name, not an empty one",
                                  commands[row].word);
    o->operand = count > 0 ? words[0] : NULL;
    o->target = count > 1 ? words[1] : NULL;
    return LIMN_OK;
}
