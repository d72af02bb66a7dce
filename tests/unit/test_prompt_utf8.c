/* UTF-8: what is valid passes, what is not is replaced as Unicode recommends. */
#include "prompt/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xEF\xBF\xBD"

static void assert_repair(const char *in, const char *want, bool want_repaired) {
    char *out = NULL;
    bool repaired = !want_repaired;
    limn_error err;
    assert_int_equal(limn_utf8_repair(in, strlen(in), &out, &repaired, &err), LIMN_OK);
    assert_string_equal(out, want);
    assert_int_equal(repaired, want_repaired);
    free(out);
}

static void test_valid(void **state) {
    (void)state;
    assert_repair("", "", false);
    assert_repair("a caf\xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x98\x80",
                  "a caf\xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x98\x80", false);
    assert_repair(BAD, BAD, false); /* U+FFFD itself is valid */
    assert_repair("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
                  "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", false);
}

/* The examples of the Unicode Standard, section 3.9 (tables 3-8 to 3-11), and the ends of texts. */
static void test_invalid(void **state) {
    (void)state;
    assert_repair("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A",
                  true);
    assert_repair("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A",
                  true);
    assert_repair("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", BAD BAD BAD BAD BAD "A" BAD BAD "B",
                  true);
    assert_repair("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", BAD BAD BAD BAD "A", true);
    assert_repair("a\xF0\x9F\x98", "a" BAD, true);
    assert_repair("a\xC3", "a" BAD, true);
    assert_repair("\x80", BAD, true);
}

static void test_every_character_comes_back(void **state) {
    (void)state;
    for (int32_t c = 0; c <= 0x10FFFF; c++) {
        if (c == 0xD800) c = 0xE000;
        char bytes[4];
        size_t n = limn_utf8_put(c, bytes);
        int32_t back = -1;
        if (limn_utf8_next(bytes, n, &back) != n || back != c) fail_msg("U+%04X", (unsigned)c);
        /* cut short it is invalid, and all of it is replaced at once */
        if (n > 1 && (limn_utf8_next(bytes, n - 1, &back) != n - 1 || back != -1))
            fail_msg("U+%04X, cut", (unsigned)c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_every_character_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
