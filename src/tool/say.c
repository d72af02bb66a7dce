/* What is said on stderr, and strangers' text made fit for a terminal. */
#include "tool/tool.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Line and paragraph separators and the bidirectional overrides, U+2028 to 202E and U+2066 to 2069,
 * which reorder what stands around them (Unicode UAX 9). s has three bytes. */
static bool reorders(const unsigned char *s) {
    return s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
                            (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Bytes of the UTF-8 character at s, or 0 where there is none that may be shown as it is: broken,
 * overlong, a surrogate, a control character (C0, DEL, C1), or one of the above. */
static int shown_bytes(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
    int n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
            : s[0] >> 4 == 0xe             ? 3
            : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                           : 0;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    if ((s[0] == 0xc2 && s[1] < 0xa0) || (n == 3 && reorders(s))) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

void limn_tool_print_text(FILE *to, const char *text, int indent) {
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        int n = shown_bytes(s);
        if (n > 0) {
            fwrite(s, 1, (size_t)n, to);
            s += n;
        } else {
            if (*s == '\n' && indent > 0) {
                fprintf(to, "\n%*s", indent, "");
            } else {
                fputc('?', to);
            }
            s++;
        }
    }
}

/* One line on stderr in one piece, so that lines of several programs do not mix. */
static void say(const char *kind, const char *format, va_list args) {
    char text[2400];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "limn: %s", kind);
    limn_tool_print_text(stderr, text, 0);
    fputc('\n', stderr);
    fflush(stderr);
}

int limn_tool_fail(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
    return status;
}

int limn_tool_fail_with(const limn_error *error) {
    return limn_tool_fail((int)error->status, "%s", error->text);
}

int limn_tool_fail_about(const char *path, const limn_error *error) {
    return limn_tool_fail((int)error->status, "%s: %s", path, error->text);
}

void limn_tool_warn(const limn_tool_options *options, const char *format, ...) {
    if (options->quiet) return;
    va_list args;
    va_start(args, format);
    say("warning: ", format, args);
    va_end(args);
}

void limn_tool_note(const limn_tool_options *options, const char *format, ...) {
    if (options->quiet) return;
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

int limn_tool_flush(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return LIMN_OK;
    return limn_tool_fail(LIMN_E_IO, "standard output cannot be written: %s",
                          errno != 0 ? strerror(errno) : "an earlier write failed");
}
