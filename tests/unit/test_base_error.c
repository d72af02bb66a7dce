/* Sentences: whole, clean, and never longer than their field. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_fault_is_one_line(void **state) {
    (void)state;
    limn_error err;
    assert_int_equal(limn_fail(&err, LIMN_E_INPUT, "%s: byte %d", "x.png", 7), LIMN_E_INPUT);
    assert_int_equal(err.status, LIMN_E_INPUT);
    assert_string_equal(err.text, "x.png: byte 7");
    assert_int_equal(limn_fail(NULL, LIMN_E_IO, "nobody listens"), LIMN_E_IO);
}

static void the_place_goes_before(void **state) {
    (void)state;
    limn_error err;
    limn_fail(&err, LIMN_E_USAGE, "steps: 0");
    assert_int_equal(limn_fail_at(&err, LIMN_E_INPUT, "%s:%d", "p.txt", 3), LIMN_E_INPUT);
    assert_int_equal(err.status, LIMN_E_INPUT);
    assert_string_equal(err.text, "p.txt:3: steps: 0");
    assert_int_equal(limn_fail_at(NULL, LIMN_E_USAGE, "p"), LIMN_E_USAGE);
}

static void strangers_text_is_cleaned(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"plain, Gr\xc3\xb6\xc3\x9f"
         "e, \xe6\x97\xa5, \xf0\x9f\x8e\xa8",
         NULL},
        {"a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?"},
        {"\xc2\x85\xc2\x9b|", "??|"},                        /* C1, of two bytes each */
        {"a\xff\xfe|\x80|", "a??|?|"},                       /* bytes that are in no UTF-8 */
        {"\xc0\xaf|\xe0\x80\xaf|", "??|???|"},               /* overlong */
        {"\xed\xa0\x80|", "???|"},                           /* a surrogate */
        {"\xf4\x90\x80\x80|\xf5|", "????|?|"},               /* above U+10FFFF */
        {"\xe6\x97|\xf0\x9f\x8e", "??|???"},                 /* cut short */
        {"\xe2\x80\xae|\xe2\x80\xa8|\xe2\x81\xa6", "?|?|?"}, /* would turn the line round */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        limn_error err;
        limn_fail(&err, LIMN_E_INPUT, "<%s>", rows[i][0]);
        char want[100];
        snprintf(want, sizeof want, "<%s>", rows[i][1] ? rows[i][1] : rows[i][0]);
        assert_string_equal(err.text, want);
    }
}

/* Too long for the field: cut, and never inside a character, wherever the characters lie. */
static void long_sentences_are_cut_at_a_character(void **state) {
    (void)state;
    char text[3000];
    static const char *const letters[] = {"a", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x8e\xa8"};
    for (size_t n = 1; n <= 4; n++) {
        for (size_t shift = 0; shift < 4; shift++) {
            memset(text, '.', shift);
            size_t at = shift;
            for (; at + n < sizeof text; at += n) memcpy(text + at, letters[n - 1], n);
            text[at] = 0;
            limn_error err;
            limn_fail(&err, LIMN_E_INPUT, "%s", text);
            size_t length = strlen(err.text);
            assert_in_range(length, sizeof err.text - 4, sizeof err.text - 1);
            assert_int_equal((length - shift) % n, 0);
            assert_memory_equal(err.text, text, length);

            limn_fail_at(&err, LIMN_E_INPUT, "xyz");
            length = strlen(err.text);
            assert_in_range(length, sizeof err.text - 4, sizeof err.text - 1);
            assert_int_equal((length - shift - 5) % n, 0);
            assert_memory_equal(err.text + 5, text, length - 5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_one_line),
        cmocka_unit_test(the_place_goes_before),
        cmocka_unit_test(strangers_text_is_cleaned),
        cmocka_unit_test(long_sentences_are_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
