/* What the words of a prompt need of Unicode: categories, Normalization Form C and lower case, with
 * utf8proc's tables. Sources: UAX 15; SpecialCasing.txt; the Unicode Standard, section 3.13. */
#include "tokens/parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The ideographs that BERT's and CLIP's tokenizers put spaces round. */
static bool is_ideograph(int32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

limn_character_kind limn_character_classify(int32_t character) {
    if (character == 0xFFFD) return LIMN_CHARACTER_DROPPED;
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return is_ideograph(character) ? LIMN_CHARACTER_IDEOGRAPH : LIMN_CHARACTER_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return LIMN_CHARACTER_DIGIT;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return LIMN_CHARACTER_SPACE;
    case UTF8PROC_CATEGORY_CC:
        if (character == '\t' || character == '\n' || character == '\r')
            return LIMN_CHARACTER_SPACE;
        return LIMN_CHARACTER_DROPPED;
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
        return LIMN_CHARACTER_DROPPED;
    default:
        return LIMN_CHARACTER_OTHER;
    }
}

/* ---- Normalization Form C -------------------------------------------------------------------- */

/* Room for one character's full canonical decomposition; the longest has 4. */
enum { MOST_DECOMPOSED = 8 };

/* Writes a character's full canonical decomposition; returns how many characters. */
static size_t decompose(int32_t character, int32_t out[MOST_DECOMPOSED]) {
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(character, out, MOST_DECOMPOSED,
                                                 UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    if (n < 1 || n > MOST_DECOMPOSED) {
        out[0] = character;
        return 1;
    }
    return (size_t)n;
}

static int combining_class(int32_t character) {
    return utf8proc_get_property(character)->combining_class;
}

/* Replaces a word by its decomposition; every part keeps the place of its character. */
static limn_status decompose_word(limn_word *w, limn_error *err) {
    limn_word from = *w;
    limn_word to = {0};
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < from.count && status == LIMN_OK; i++) {
        int32_t parts[MOST_DECOMPOSED];
        size_t n = decompose(from.character[i], parts);
        status = limn_word_reserve(&to, n, err);
        for (size_t k = 0; k < n && status == LIMN_OK; k++) {
            to.character[to.count] = parts[k];
            to.at[to.count++] = from.at[i];
        }
    }
    if (status != LIMN_OK) {
        limn_word_free(&to);
        return status;
    }
    limn_word_free(w);
    *w = to;
    return LIMN_OK;
}

/* Sorts a run of combining characters by class, keeping the order within a class. Counting, since a
 * run may be as long as the prompt. `copy` has room for n. */
static void sort_run(int32_t *run, size_t n, int32_t *copy) {
    size_t first[257] = {0};
    for (size_t i = 0; i < n; i++) first[combining_class(run[i]) + 1]++;
    for (int c = 0; c < 256; c++) first[c + 1] += first[c];
    memcpy(copy, run, n * sizeof *run);
    for (size_t i = 0; i < n; i++) run[first[combining_class(copy[i])]++] = copy[i];
}

/* Puts combining characters into canonical order. Places stay: they rise. */
static limn_status order_word(limn_word *w, limn_error *err) {
    limn_status status = limn_word_reserve(w, w->count, err); /* the copy goes behind the word */
    if (status != LIMN_OK) return status;
    for (size_t i = 0; i < w->count; i++) {
        size_t run = i;
        while (i < w->count && combining_class(w->character[i]) != 0) i++;
        if (i - run > 1) sort_run(w->character + run, i - run, w->character + w->count);
    }
    return LIMN_OK;
}

limn_status limn_word_compose(limn_word *w, limn_error *err) {
    bool plain = true; /* nothing below U+0300 changes, or combines with its like */
    for (size_t i = 0; i < w->count && plain; i++) plain = w->character[i] < 0x300;
    if (plain) return LIMN_OK;
    limn_status status = decompose_word(w, err);
    if (status == LIMN_OK) status = order_word(w, err);
    if (status != LIMN_OK) return status;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(w->character, (utf8proc_ssize_t)w->count,
                                                  UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) return limn_fail(err, LIMN_E_INPUT, "a prompt's word cannot be normalized");
    /* A composed character stands for as many parts as it decomposes into: so the places of parts
     * are told exactly at every base character, and nearly within its marks. */
    size_t part = 0, parts_count = w->count;
    w->count = (size_t)n;
    for (size_t i = 0; i < w->count; i++) {
        int32_t parts[MOST_DECOMPOSED];
        w->at[i] = w->at[part < parts_count ? part : parts_count - 1];
        part += decompose(w->character[i], parts);
    }
    return LIMN_OK;
}

/* ---- lower case ------------------------------------------------------------------------------ */

/* Unicode's Case_Ignorable: by category, or a word break's MidLetter, MidNumLet or Single_Quote. */
static bool is_case_ignorable(int32_t c) {
    static const int32_t marks[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                    0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                    0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (c == marks[i]) return true;
    }
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
           category == UTF8PROC_CATEGORY_SK;
}

/* Unicode's Cased, for a character that is not case-ignorable: upper, lower and title case letters,
 * ordinals, Roman numerals, letters in circles and squares. */
static bool is_cased(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT || c == 0xAA || c == 0xBA ||
           (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) ||
           (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189);
}

/* Whether the sigma at i ends its word: a cased character comes before it, none after, looking past
 * case-ignorable ones. What comes before is lower case already, which is as cased as upper. */
static bool is_final(const limn_word *w, size_t i) {
    size_t before = i, after = i + 1;
    while (before > 0 && is_case_ignorable(w->character[before - 1])) before--;
    if (before == 0 || !is_cased(w->character[before - 1])) return false;
    while (after < w->count && is_case_ignorable(w->character[after])) after++;
    return after == w->count || !is_cased(w->character[after]);
}

/* Makes every U+0130 (capital I with a dot) two characters, i and U+0307. */
static limn_status split_dotted(limn_word *w, limn_error *err) {
    size_t more = 0;
    for (size_t i = 0; i < w->count; i++) more += w->character[i] == 0x130;
    if (more == 0) return LIMN_OK;
    limn_status status = limn_word_reserve(w, more, err);
    if (status != LIMN_OK) return status;
    size_t to = w->count + more;
    for (size_t i = w->count; i-- > 0;) {
        bool dotted = w->character[i] == 0x130;
        if (dotted) {
            w->character[--to] = 0x307;
            w->at[to] = w->at[i];
        }
        w->character[--to] = dotted ? 'i' : w->character[i];
        w->at[to] = w->at[i];
    }
    w->count += more;
    return LIMN_OK;
}

limn_status limn_word_lower(limn_word *w, limn_error *err) {
    for (size_t i = 0; i < w->count; i++) {
        int32_t c = w->character[i];
        if (c == 0x3A3) {
            w->character[i] = is_final(w, i) ? 0x3C2 : 0x3C3;
        } else if (c != 0x130) {
            w->character[i] = c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : utf8proc_tolower(c);
        }
    }
    return split_dotted(w, err);
}
