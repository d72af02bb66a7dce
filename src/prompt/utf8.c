/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "base/checked.h"
#include "prompt/prompt.h"

#include <stdlib.h>
#include <string.h>

/* The bytes that may follow a lead byte first: most of them 80..BF (Unicode Standard, table 3-7).
 */
static void second_byte(unsigned char lead, unsigned char *low, unsigned char *high) {
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
}

size_t limn_utf8_next(const char *text, size_t size, int32_t *character) {
    const unsigned char *s = (const unsigned char *)text;
    *character = -1;
    if (s[0] < 0x80) {
        *character = s[0];
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4) return 1;
    size_t want = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    unsigned char low, high;
    second_byte(s[0], &low, &high);
    int32_t value = s[0] & (0xFF >> (want + 1));
    for (size_t n = 1; n < want; n++) {
        if (n == size || s[n] < low || s[n] > high) return n;
        value = value << 6 | (s[n] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *character = value;
    return want;
}

size_t limn_utf8_put(int32_t character, char out[4]) {
    uint32_t c = (uint32_t)character;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[size] | c);
    return size;
}

limn_status limn_utf8_repair(const char *in, size_t n, char **out, bool *repaired,
                             limn_error *err) {
    *out = NULL;
    size_t size = 0; /* an invalid byte may become three */
    char *copy = limn_mul_ok(n, 3, &size) && limn_add_ok(size, 1, &size) ? malloc(size) : NULL;
    if (!copy) return limn_fail(err, LIMN_E_MEMORY, "no memory for a text of %zu bytes", n);
    bool any = false;
    char *put = copy;
    for (size_t i = 0; i < n;) {
        int32_t character = 0;
        i += limn_utf8_next(in + i, n - i, &character);
        any |= character < 0;
        put += limn_utf8_put(character < 0 ? 0xFFFD : character, put);
    }
    *put = 0;
    char *fitted = realloc(copy, (size_t)(put - copy) + 1);
    *out = fitted ? fitted : copy;
    if (repaired) *repaired = any;
    return LIMN_OK;
}
