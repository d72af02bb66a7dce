#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at s, with its code point in *cp; 0 where it is broken (RFC 3629:
 * no overlong forms, no surrogates, nothing above U+10FFFF). s ends in NUL. */
static size_t decode(const unsigned char *s, uint32_t *cp) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (n == 0 || s[0] > 0xF4) return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *cp = c;
    return n;
}

/* Characters that would let a stranger's text act on the terminal or reorder the sentence: C0, C1,
 * line and paragraph separators, and the bidirectional overrides (Unicode UAX 9). */
static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* How many bytes of s[n] are left when a character that was cut off at its end is dropped. */
static size_t whole_characters(const char *s, size_t n) {
    size_t back = 1;
    while (back < n && back < 4 && ((unsigned char)s[n - back] & 0xC0) == 0x80) back++;
    if (n == 0) return 0;
    unsigned char lead = (unsigned char)s[n - back];
    size_t want = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return want > back ? n - back : n;
}

/* Cleans s in place; it never grows. */
static void clean(char *s) {
    unsigned char *from = (unsigned char *)s;
    unsigned char *to = from;
    while (*from) {
        uint32_t cp = 0;
        size_t n = decode(from, &cp);
        if (n == 0 || is_control(cp)) {
            *to++ = '?';
            from += n ? n : 1;
        } else {
            while (n--) *to++ = *from++;
        }
    }
    *to = 0;
}

/* Writes into text[size] what the format gives, clean and cut at a character. */
static void write_clean(char *text, size_t size, const char *format, va_list args) {
    int n = vsnprintf(text, size, format, args);
    if (n < 0) text[0] = 0;
    if (n >= 0 && (size_t)n >= size) text[whole_characters(text, size - 1)] = 0;
    clean(text);
}

limn_status limn_fail(limn_error *err, limn_status status, const char *format, ...) {
    if (!err) return status;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    write_clean(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
    return status;
}

limn_status limn_fail_at(limn_error *err, limn_status status, const char *format, ...) {
    if (!err) return status;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    write_clean(text, sizeof text, format, args);
    va_end(args);
    size_t at = strlen(text);
    int n = snprintf(text + at, sizeof text - at, ": %s", err->text);
    if (n < 0 || (size_t)n >= sizeof text - at) text[whole_characters(text, sizeof text - 1)] = 0;
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
    return status;
}
