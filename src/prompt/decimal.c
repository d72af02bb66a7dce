/* Numbers in prompts, and where words end: as Python's float(), \s and \b have them. */
#include "prompt/parts.h"

#include <string.h>

/* Digits beyond these do not count: 10^18 is below 2^63. */
#define DIGITS_MOST 18

/* Beyond this power of ten a double is infinite or 0, whatever the digits. */
#define POWER_MOST 400

/* A number on its way: mantissa x 10^power. */
typedef struct decimal {
    uint64_t mantissa;
    int power;
    bool point, digits;
} decimal;

static size_t read_digits(const char *text, size_t size, size_t at, decimal *d) {
    int kept = 0;
    for (; at < size; at++) {
        if (text[at] == '.' && !d->point) {
            d->point = true;
            continue;
        }
        if (text[at] < '0' || text[at] > '9') break;
        d->digits = true;
        bool keep = kept < DIGITS_MOST;
        if (keep) d->mantissa = d->mantissa * 10 + (uint64_t)(text[at] - '0');
        if (d->mantissa > 0) kept++;
        if (keep && d->point) d->power--;
        if (!keep && !d->point) d->power++;
        if (d->power > POWER_MOST) d->power = POWER_MOST;
        if (d->power < -POWER_MOST) d->power = -POWER_MOST;
    }
    return at;
}

/* Reads "e-5" at text[at], if that is what stands there. */
static size_t read_exponent(const char *text, size_t size, size_t at, decimal *d) {
    size_t next = at + 1;
    int power = 0;
    if (at >= size || (text[at] != 'e' && text[at] != 'E')) return at;
    bool minus = next < size && text[next] == '-';
    if (next < size && (text[next] == '-' || text[next] == '+')) next++;
    size_t first = next;
    for (; next < size && text[next] >= '0' && text[next] <= '9'; next++)
        if (power < 4 * POWER_MOST) power = power * 10 + (text[next] - '0');
    if (next == first) return at;
    d->power += minus ? -power : power;
    return next;
}

/* Up to 10^22, and for a mantissa up to 2^53, one rounding: the double that is nearest. */
static double value_of(const decimal *d) {
    double scale = 1, value = (double)d->mantissa;
    int power = d->power < 0 ? -d->power : d->power;
    if (d->mantissa == 0) return 0;
    for (int i = 0; i < power && i < 2 * POWER_MOST; i++) {
        if (i > 0 && i % 22 == 0) {
            value = d->power < 0 ? value / scale : value * scale;
            scale = 1;
        }
        scale *= 10;
    }
    return d->power < 0 ? value / scale : value * scale;
}

size_t limn_prompt_decimal(const char *text, size_t size, bool exponent, double *number,
                           bool *point) {
    decimal d = {0};
    size_t at = size > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0;
    at = read_digits(text, size, at, &d);
    if (!d.digits) return 0;
    if (exponent) at = read_exponent(text, size, at, &d);
    *number = text[0] == '-' ? -value_of(&d) : value_of(&d);
    if (point) *point = d.point;
    return at;
}

bool limn_prompt_is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool limn_prompt_is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

bool limn_prompt_word_at(const char *text, size_t size, size_t at, const char *word) {
    size_t n = strlen(word);
    if (at > size || size - at < n || memcmp(text + at, word, n) != 0) return false;
    if (at > 0 && limn_prompt_is_word(text[at - 1])) return false;
    return at + n == size || !limn_prompt_is_word(text[at + n]);
}
