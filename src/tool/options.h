/* Inside src/tool: the options that there are, a row each, and the commands' words. */
#ifndef LIMN_TOOL_OPTIONS_H
#define LIMN_TOOL_OPTIONS_H

#include "tool/tool.h"

/* What becomes of an option's value. */
typedef enum limn_tool_option_kind {
    LIMN_TOOL_FLAG,         /* there is none: a bool of limn_tool_options becomes true */
    LIMN_TOOL_TEXT,         /* kept as it is, the last one that is given */
    LIMN_TOOL_PATH,         /* the same, and an empty one is refused */
    LIMN_TOOL_PATH_ONCE,    /* a second one too */
    LIMN_TOOL_READ,         /* read by a function */
    LIMN_TOOL_SETTING,      /* one of limn_settings */
    LIMN_TOOL_TEXT_SETTING, /* one of limn_text_settings */
} limn_tool_option_kind;

/* One option. */
typedef struct limn_tool_option {
    const char *name;  /* "steps" is given as --steps */
    int letter;        /* 's' is given as -s; 0 = none */
    unsigned commands; /* that take it: bits of limn_tool_command */
    limn_tool_option_kind kind;
    size_t place; /* of a flag, text or path: the field's offset; of a setting: its index */
    int (*read)(const char *text, limn_tool_options *o); /* with LIMN_TOOL_READ */
} limn_tool_option;

/* Room for the tool's own options, and for all. */
#define LIMN_TOOL_OWN_MAX     64
#define LIMN_TOOL_OPTIONS_MAX (LIMN_TOOL_OWN_MAX + LIMN_TOOL_SETTINGS_MAX + LIMN_TOOL_TEXTS_MAX)

/* All options: the tool's own, then one for each of limn_settings and of limn_text_settings. */
typedef struct limn_tool_option_table {
    limn_tool_option row[LIMN_TOOL_OPTIONS_MAX];
    int count;
} limn_tool_option_table;

/* Makes the table. */
limn_tool_option_table limn_tool_option_rows(void);

/* Does what an option asks for; text is NULL for a flag. */
int limn_tool_option_take(const limn_tool_option *option, const char *text, limn_tool_options *o);

/* ---- commands.c ------------------------------------------------------------------------------ */

/* The word that a command is given by; of drawing, what sentences call it. */
const char *limn_tool_command_word(limn_tool_command command);

/* What is left over after the options, words[0..count): the prompt, the picture, the model ... */
int limn_tool_operands_read(int count, char *const *words, limn_tool_options *o);

#endif
