/* `limn convert IN OUT`: a model in another form; `limn quantize IN OUT`: in int8. */
#include "tool/tool.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far the conversion is, as it was last shown. */
typedef struct showing {
    bool quiet, terminal;
    int percent;
} showing;

static bool show(void *user, uint64_t done, uint64_t total) {
    showing *s = user;
    if (limn_tool_interrupted()) return false;
    int percent = total > 0 ? (int)(100.0 * (double)done / (double)total) : 100;
    if (s->quiet || !s->terminal || percent == s->percent) return true;
    s->percent = percent;
    fprintf(stderr, "\r%3d %% of %" PRIu64 " MB", percent, total / 1000000);
    fflush(stderr);
    return true;
}

/* Whether --force would replace it: a folder never is, nor does one take a file's place. */
static bool is_replaceable(const char *path) {
    struct stat s;
    const char *dot = strrchr(path, '.');
    bool is_one_file =
        dot && (strcasecmp(dot, ".gguf") == 0 || strcasecmp(dot, ".safetensors") == 0);
    return is_one_file && lstat(path, &s) == 0 && S_ISREG(s.st_mode);
}

int limn_tool_convert(const limn_tool_options *o) {
    showing s = {.quiet = o->quiet, .terminal = limn_tool_is_terminal(), .percent = -1};
    const limn_convert_options how = {
        .type = o->command == LIMN_TOOL_QUANTIZE ? "int8" : o->type,
        .force = o->force,
        .vae = o->vae,
        .text_encoder = o->text_encoder,
        .text_encoder_2 = o->text_encoder_2,
        .tokenizer = o->tokenizer,
        .user = &s,
        .progress = show,
    };
    limn_error error;
    limn_tool_interrupt_catch();
    limn_status status = limn_convert(o->operand, o->target, &how, &error);
    if (s.percent >= 0) fprintf(stderr, "\r%24s\r", "");
    fflush(stderr);
    if (status == LIMN_E_CREATE && !o->force && is_replaceable(o->target))
        return limn_tool_fail(status, "%s is there already (--force replaces it)", o->target);
    if (status != LIMN_OK) return limn_tool_fail_with(&error);
    if (!o->quiet) {
        limn_tool_print_text(stdout, o->target, 0);
        putchar('\n');
    }
    return LIMN_OK;
}
