/* Names that pictures get, and hashes that tell their files apart: small services of limn.h. */
#include "base/file.h"
#include "base/sha256.h"
#include "limn.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define SLUG_MAX (LIMN_SLUG_BYTES - 1)

void limn_sha256_hex(const void *bytes, size_t size, char hex[65]) {
    limn_sha256_of(bytes, size, hex);
}

limn_status limn_sha256_file(const char *path, char hex[65], limn_error *error) {
    limn_source source;
    limn_status status = limn_source_open(path, &source, error);
    if (status != LIMN_OK) return status;
    status = limn_sha256_source(&source, 0, hex, error);
    limn_source_close(&source);
    return status;
}

/* Latin letters that Unicode does not take apart. */
static const struct {
    utf8proc_int32_t from;
    char to[3];
} spellings[] = {
    {0xC6, "ae"}, {0xE6, "ae"}, {0x152, "oe"}, {0x153, "oe"}, {0xD8, "o"},  {0xF8, "o"},
    {0xDF, "ss"}, {0x141, "l"}, {0x142, "l"},  {0x110, "d"},  {0x111, "d"}, {0x131, "i"},
};

/* Takes a character apart into letters and their accents; returns how many parts, at most 32. */
static int take_apart(utf8proc_int32_t c, utf8proc_int32_t parts[32]) {
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (c != spellings[i].from) continue;
        parts[0] = spellings[i].to[0];
        parts[1] = spellings[i].to[1];
        return parts[1] ? 2 : 1;
    }
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char(c, parts, 32, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
    return n < 0 ? 0 : n < 32 ? (int)n : 32;
}

/* The letter or digit that stands for a character in a slug, or 0 where it parts words. Accents
 * have been split off by then, and -1 says to pass over them. */
static int slug_letter(utf8proc_int32_t c) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return c;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 'a';
    if (c == '\'' || c == 0x2019) return -1; /* "a cat's hat" is a-cats-hat */
    utf8proc_category_t category = c < 0x80 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_MN ? -1 : 0;
}

/* Adds the letters of one character of a prompt, taken apart (e and its accent). Returns the new
 * length; *parted says whether the next letter begins a word. */
static size_t add_character(char *slug, size_t length, utf8proc_int32_t c, bool *parted) {
    utf8proc_int32_t parts[32];
    int n = take_apart(c, parts);
    for (int i = 0; i < n; i++) {
        int letter = slug_letter(parts[i]);
        if (letter == 0) *parted = true;
        if (letter <= 0) continue;
        if (*parted && length > 0) slug[length++] = '-';
        *parted = false;
        slug[length++] = (char)letter;
    }
    return length;
}

/* Cuts at the last word that fits, unless that would leave less than half. */
static void cut(char *slug, size_t length) {
    if (length > SLUG_MAX) {
        size_t end = SLUG_MAX;
        while (end > SLUG_MAX / 2 && slug[end] != '-') end--;
        length = slug[end] == '-' ? end : SLUG_MAX;
    }
    slug[length] = '\0';
}

void limn_prompt_slug(const char *prompt, char slug[LIMN_SLUG_BYTES]) {
    char text[SLUG_MAX + 80]; /* one character adds at most 64 to what is still short enough */
    size_t length = 0;
    bool parted = false;
    const utf8proc_uint8_t *s = (const utf8proc_uint8_t *)prompt;
    while (*s && length <= SLUG_MAX) {
        utf8proc_int32_t c;
        /* At most the bytes up to the NUL are looked at: no sequence goes on over one. */
        utf8proc_ssize_t n = utf8proc_iterate(s, (utf8proc_ssize_t)strnlen((const char *)s, 4), &c);
        if (n <= 0) {
            parted = true;
            s++;
            continue;
        }
        length = add_character(text, length, c, &parted);
        s += n;
    }
    if (length == 0) {
        strcpy(text, "picture");
        length = strlen(text);
    }
    cut(text, length);
    memcpy(slug, text, strlen(text) + 1);
}
