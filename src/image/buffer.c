#include "image/buffer.h"

#include "base/checked.h"
#include "prompt/prompt.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Makes room for n more bytes and the NUL. */
static bool grow(limn_image_buffer *b, size_t n) {
    size_t need, room;
    if (b->failed) return false;
    if (!limn_add_ok(b->size, n, &need) || !limn_add_ok(need, 1, &need)) {
        b->failed = true;
        return false;
    }
    if (need <= b->room) return true;
    room = b->room <= need / 2 ? need : b->room * 2;
    if (room < 256) room = 256;
    char *data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void limn_image_add(limn_image_buffer *b, const void *data, size_t n) {
    if (!grow(b, n)) return;
    if (n) memcpy(b->data + b->size, data, n);
    b->size += n;
    b->data[b->size] = '\0';
}

void limn_image_add_text(limn_image_buffer *b, const char *text) {
    limn_image_add(b, text, strlen(text));
}

void limn_image_add_format(limn_image_buffer *b, const char *format, ...) {
    char text[201];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    limn_image_add_text(b, text);
}

limn_status limn_image_take(limn_image_buffer *b, char **out, limn_error *err) {
    limn_image_add(b, NULL, 0);
    if (b->failed) {
        limn_image_drop(b);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for a picture's metadata");
    }
    *out = b->data;
    *b = (limn_image_buffer){0};
    return LIMN_OK;
}

void limn_image_drop(limn_image_buffer *b) {
    free(b->data);
    *b = (limn_image_buffer){0};
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* What the locale writes for '.'; C's functions know no other way. */
static const char *decimal_point(void) {
    const struct lconv *l = localeconv();
    return l && l->decimal_point && l->decimal_point[0] ? l->decimal_point : ".";
}

/* Adds what printf wrote, its decimal point made '.'. */
static void add_printed(limn_image_buffer *b, const char *text) {
    const char *point = decimal_point(), *at = strstr(text, point);
    if (!at) {
        limn_image_add_text(b, text);
        return;
    }
    limn_image_add(b, text, (size_t)(at - text));
    limn_image_add_text(b, ".");
    limn_image_add_text(b, at + strlen(point));
}

void limn_image_add_number(limn_image_buffer *b, double value) {
    char text[64];
    int digits = 0;
    do {
        digits++;
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    } while (digits < 17 && strtod(text, NULL) != value);
    const char *e = strchr(text, 'e');
    int exponent = e ? atoi(e + 1) : 0;
    if (exponent >= -5 && exponent < 15) {
        int decimals = digits - 1 - exponent;
        snprintf(text, sizeof text, "%.*f", decimals > 0 ? decimals : 0, value);
    }
    add_printed(b, text);
}

bool limn_image_read_number(const char *text, double *value) {
    char local[80];
    const char *p = text, *point = decimal_point();
    size_t digits = 0, used = 0;
    if (strlen(text) > 60 || strlen(point) > 8) return false;
    if (*p == '-') local[used++] = *p++;
    for (; *p >= '0' && *p <= '9'; digits++) local[used++] = *p++;
    if (*p == '.') {
        memcpy(local + used, point, strlen(point));
        used += strlen(point);
        p++;
        for (; *p >= '0' && *p <= '9'; digits++) local[used++] = *p++;
    }
    if (digits == 0) return false;
    if (*p == 'e' || *p == 'E') {
        local[used++] = *p++;
        if (*p == '+' || *p == '-') local[used++] = *p++;
        if (*p < '0' || *p > '9') return false;
        while (*p >= '0' && *p <= '9') local[used++] = *p++;
    }
    if (*p) return false;
    local[used] = '\0';
    double read = strtod(local, NULL);
    if (!isfinite(read)) return false;
    *value = read;
    return true;
}

bool limn_image_read_whole(const char *text, uint64_t most, uint64_t *value) {
    uint64_t sum = 0;
    if (!*text) return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9') return false;
        uint64_t digit = (uint64_t)(*p - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    if (sum > most) return false;
    *value = sum;
    return true;
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_control(int32_t c) {
    return (c >= 0 && c < 32) || (c >= 127 && c < 160);
}

void limn_image_add_utf8(limn_image_buffer *b, const char *text, size_t size, bool tame) {
    for (size_t i = 0; i < size;) {
        int32_t c;
        size_t n = limn_utf8_next(text + i, size - i, &c);
        if (c < 0) {
            limn_image_add_text(b, "\xef\xbf\xbd");
        } else if (tame && is_control(c) && c != '\n' && c != '\t' && c != '\r') {
            limn_image_add_text(b, "?");
        } else {
            limn_image_add(b, text + i, n);
        }
        i += n;
    }
}

void limn_image_add_json(limn_image_buffer *b, const char *text) {
    size_t size = strlen(text);
    limn_image_add_text(b, "\"");
    for (size_t i = 0; i < size;) {
        int32_t c;
        size_t n = limn_utf8_next(text + i, size - i, &c);
        if (c == '"' || c == '\\') {
            limn_image_add_format(b, "\\%c", (int)c);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            limn_image_add_text(b, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        } else if (is_control(c)) {
            limn_image_add_format(b, "\\u%04x", (unsigned)c);
        } else {
            limn_image_add_utf8(b, text + i, n, false);
        }
        i += n;
    }
    limn_image_add_text(b, "\"");
}

/* Whether the bytes are well-formed UTF-8 and hold more than ASCII. */
static bool is_wide_utf8(const char *text, size_t size) {
    bool wide = false;
    for (size_t i = 0; i < size;) {
        int32_t c;
        i += limn_utf8_next(text + i, size - i, &c);
        if (c < 0) return false;
        if (c > 127) wide = true;
    }
    return wide;
}

void limn_image_add_latin1(limn_image_buffer *b, const char *text, size_t size) {
    if (is_wide_utf8(text, size)) {
        limn_image_add_utf8(b, text, size, true);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned c = (unsigned char)text[i];
        char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))};
        if (c < 128)
            limn_image_add_utf8(b, text + i, 1, true);
        else
            limn_image_add_utf8(b, two, 2, true);
    }
}

bool limn_image_to_latin1(limn_image_buffer *b, const char *text) {
    size_t size = strlen(text);
    bool fits = true;
    for (size_t i = 0; i < size && fits;) {
        int32_t c;
        i += limn_utf8_next(text + i, size - i, &c);
        char one = (char)(unsigned char)c;
        fits = c == '\n' || (c > 0 && c < 256 && !is_control(c));
        limn_image_add(b, &one, 1);
    }
    fits = fits && !b->failed && !(b->data && is_wide_utf8(b->data, b->size));
    if (!fits) {
        bool failed = b->failed;
        limn_image_drop(b);
        b->failed = failed;
    }
    return fits;
}
