/* What prompts become in file names, and the hash of a file. */
#include "limn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_slug(const char *prompt, const char *expected) {
    char slug[LIMN_SLUG_BYTES];
    memset(slug, '#', sizeof slug);
    limn_prompt_slug(prompt, slug);
    assert_string_equal(slug, expected);
}

static void test_words(void **state) {
    (void)state;
    assert_slug("A red Apple!", "a-red-apple");
    assert_slug("  two   words ", "two-words");
    assert_slug("a cat's hat, 3/4 view", "a-cats-hat-3-4-view");
    assert_slug("(masterpiece:1.2), best", "masterpiece-1-2-best");
    assert_slug("../../etc/passwd", "etc-passwd");
    assert_slug("CON", "con");
}

static void test_nothing_is_left(void **state) {
    (void)state;
    assert_slug("", "picture");
    assert_slug("---", "picture");
    assert_slug("\xe6\x9d\xb1\xe4\xba\xac", "picture");
    assert_slug("\xff\xfe\x80", "picture");
}

static void test_letters_of_other_alphabets(void **state) {
    (void)state;
    assert_slug("Caf\xc3\xa9 Stra\xc3\x9f"
                "e \xc3\x86ther \xc5\x81\xc3\xb3"
                "d\xc5\xba",
                "cafe-strasse-aether-lodz");
    assert_slug("cafe\xcc\x81 noir", "cafe-noir");         /* the accent on its own */
    assert_slug("\xef\xac\x81sh \xe2\x85\xa8", "fish-ix"); /* a ligature, a Roman numeral */
    assert_slug("na\xefve", "na-ve");                      /* Latin-1 is no UTF-8 */
    assert_slug("end\xc3", "end");                         /* cut in a character */
}

static void test_length(void **state) {
    (void)state;
    assert_slug("0123456789012345678901234567890123456789", /* 40 fit */
                "0123456789012345678901234567890123456789");
    assert_slug("01234567890123456789012345678901234567890",
                "0123456789012345678901234567890123456789");
    assert_slug("a lighthouse on a floating island in the clouds",
                "a-lighthouse-on-a-floating-island-in-the");
    assert_slug("a lighthouse on a floating island in thermals",
                "a-lighthouse-on-a-floating-island-in");
    char *prompt = malloc(100001), slug[LIMN_SLUG_BYTES];
    assert_non_null(prompt);
    for (size_t i = 0; i < 100000; i++) prompt[i] = (char)(i * 7919 % 255 + 1);
    prompt[100000] = '\0';
    for (size_t i = 0; i < 1000; i++) {
        limn_prompt_slug(prompt + i, slug);
        assert_in_range(strlen(slug), 1, LIMN_SLUG_BYTES - 1);
        assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(slug));
        assert_null(strstr(slug, "--"));
        assert_true(slug[0] != '-' && slug[strlen(slug) - 1] != '-');
    }
    free(prompt);
}

static void sha256_of_the_standards_example(void **state) {
    (void)state;
    char hex[65];
    limn_sha256_hex("abc", 3, hex); /* FIPS 180-4's example */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_letters_of_other_alphabets),
        cmocka_unit_test(test_length),
        cmocka_unit_test(sha256_of_the_standards_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
