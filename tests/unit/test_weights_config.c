/* Configurations: values of the right type and range come out, all others get a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weights/weights.h"

static limn_config *read_good(const char *text) {
    limn_error err = {0};
    limn_config *c = NULL;
    if (limn_config_read((const uint8_t *)text, strlen(text), "c.json", &c, &err) != LIMN_OK) {
        fail_msg("%s", err.text);
    }
    return c;
}

/* One configuration with a value of every kind. */
static const char MIXED[] =
    "{\"whole\": 8, \"negative\": -3, \"real\": 0.5, \"round\": 8.0, \"yes\": true, \"no\": false,"
    " \"nothing\": null, \"text\": \"silu\", \"empty\": \"\", \"list\": [1, 2, 4, 8],"
    " \"names\": [\"a\", \"\\u00e9\"], \"none\": [], \"mixed\": [1, \"b\"], \"huge\": 5000000000,"
    " \"below\": {\"steps\": 20, \"deep\": {\"x\": \"y\", \"list\": [1]}}, \"second\": {\"n\": 1}}";

static void whole_numbers(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    int n = 0;
    assert_int_equal(limn_config_int(c, "whole", 1, 8, 4, &n, NULL), LIMN_OK);
    assert_int_equal(n, 8);
    assert_int_equal(limn_config_int(c, "negative", -3, 8, 4, &n, NULL), LIMN_OK);
    assert_int_equal(n, -3);
    assert_int_equal(limn_config_int(c, "absent", 1, 8, -1, &n, NULL), LIMN_OK);
    assert_int_equal(n, -1);
    assert_int_equal(limn_config_int(c, "nothing", 1, 8, 7, &n, NULL), LIMN_OK);
    assert_int_equal(n, 7);
    limn_config_free(c);
}

static void numbers(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    double x = 0;
    assert_int_equal(limn_config_number(c, "real", 0.5, 1, 4, &x, NULL), LIMN_OK);
    assert_true(x == 0.5);
    assert_int_equal(limn_config_number(c, "whole", 0, 10, 4, &x, NULL), LIMN_OK);
    assert_true(x == 8.0);
    assert_int_equal(limn_config_number(c, "nothing", 0, 1, 0.25, &x, NULL), LIMN_OK);
    assert_true(x == 0.25);
    limn_config_free(c);
}

static void switches_and_texts(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    bool b = false;
    assert_int_equal(limn_config_bool(c, "yes", false, &b, NULL), LIMN_OK);
    assert_true(b);
    assert_int_equal(limn_config_bool(c, "no", true, &b, NULL), LIMN_OK);
    assert_false(b);
    assert_int_equal(limn_config_bool(c, "nothing", true, &b, NULL), LIMN_OK);
    assert_true(b);

    const char *text = NULL;
    assert_int_equal(limn_config_text(c, "text", "gelu", &text, NULL), LIMN_OK);
    assert_string_equal(text, "silu");
    assert_int_equal(limn_config_text(c, "empty", "gelu", &text, NULL), LIMN_OK);
    assert_string_equal(text, "");
    assert_int_equal(limn_config_text(c, "absent", "gelu", &text, NULL), LIMN_OK);
    assert_string_equal(text, "gelu");
    assert_int_equal(limn_config_text(c, "absent", NULL, &text, NULL), LIMN_OK);
    assert_null(text);
    limn_config_free(c);
}

static void lists_of_numbers(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    int n[4] = {0}, count = -1;
    assert_int_equal(limn_config_ints(c, "list", 0, 1, 8, n, 4, &count, NULL), LIMN_OK);
    assert_int_equal(count, 4);
    assert_int_equal(n[0] + 10 * n[1] + 100 * n[2] + 1000 * n[3], 8421);
    assert_int_equal(limn_config_ints(c, "list", 4, 1, 8, n, 4, &count, NULL), LIMN_OK);
    assert_int_equal(count, 4);
    assert_int_equal(limn_config_ints(c, "whole", 3, 1, 8, n, 4, &count, NULL), LIMN_OK);
    assert_int_equal(count, 3);
    assert_int_equal(n[0] + 10 * n[1] + 100 * n[2] + 1000 * n[3], 8888);
    assert_int_equal(limn_config_ints(c, "negative", 0, -9, 9, n, 4, &count, NULL), LIMN_OK);
    assert_int_equal(count, 1);
    assert_int_equal(n[0], -3);
    assert_int_equal(n[1], 8);
    assert_int_equal(limn_config_ints(c, "nothing", 3, 1, 8, n, 4, &count, NULL), LIMN_OK);
    assert_int_equal(count, 0);
    limn_config_free(c);
}

/* One number, a number a row, or a row of numbers. */
static void tables(void **state) {
    (void)state;
    limn_config *c =
        read_good("{\"one\": 3, \"rows\": [1, [2, 4], 5], \"flat\": [1, 2, 3],"
                  "\"short\": [1, 2], \"row\": [1, [2], 5], \"deep\": [1, [2, [4]], 5]}");
    const int columns[3] = {1, 2, 3};
    int t[3][3] = {{0}};
    bool nested = true;
    limn_error err;
    assert_int_equal(limn_config_table(c, "one", 3, columns, 0, 9, t[0], 3, &nested, NULL),
                     LIMN_OK);
    assert_false(nested);
    assert_int_equal(t[0][0] + t[0][1] + t[1][1] + t[1][2] + t[2][2], 3 + 0 + 3 + 0 + 3);
    assert_int_equal(limn_config_table(c, "rows", 3, columns, 0, 9, t[0], 3, &nested, NULL),
                     LIMN_OK);
    assert_true(nested);
    assert_int_equal(100 * t[0][0] + 10 * t[1][0] + t[1][1], 124);
    assert_int_equal(100 * t[2][0] + 10 * t[2][1] + t[2][2], 555);
    assert_int_equal(limn_config_table(c, "flat", 3, columns, 0, 9, t[0], 3, &nested, NULL),
                     LIMN_OK);
    assert_false(nested);
    assert_int_equal(t[2][1], 3);
    static const char *const bad[] = {"short", "row", "deep"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(limn_config_table(c, bad[i], 3, columns, 0, 9, t[0], 3, &nested, &err),
                         LIMN_E_INPUT);
        assert_non_null(strstr(err.text, bad[i]));
    }
    assert_int_equal(limn_config_table(c, "one", 3, columns, 4, 9, t[0], 3, &nested, NULL),
                     LIMN_E_INPUT);
    limn_config_free(c);
}

static void lists_of_switches(void **state) {
    (void)state;
    limn_config *c = read_good("{\"one\": true, \"two\": [false, true], \"not\": [1, true],"
                               "\"nothing\": null}");
    bool b[2] = {false, false};
    limn_error err;
    assert_int_equal(limn_config_bools(c, "one", 2, false, b, NULL), LIMN_OK);
    assert_true(b[0] && b[1]);
    assert_int_equal(limn_config_bools(c, "two", 2, false, b, NULL), LIMN_OK);
    assert_true(!b[0] && b[1]);
    assert_int_equal(limn_config_bools(c, "absent", 2, true, b, NULL), LIMN_OK);
    assert_true(b[0] && b[1]);
    assert_int_equal(limn_config_bools(c, "two", 3, false, b, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "\"two\" must be true or false, or a list of 3 of them"));
    assert_int_equal(limn_config_bools(c, "not", 2, false, b, NULL), LIMN_E_INPUT);
    assert_true(limn_config_is_null(c, "nothing"));
    assert_false(limn_config_is_null(c, "absent") || limn_config_is_null(c, "one"));
    limn_config_free(c);
}

static void lists_of_any_numbers(void **state) {
    (void)state;
    limn_config *c = read_good("{\"betas\": [0.5, 1, 1e-3], \"bad\": [0.5, \"x\"], \"one\": 1}");
    double x[3] = {0};
    int count = -1;
    limn_error err = {0};
    assert_int_equal(limn_config_numbers(c, "betas", 0, 1, x, 3, &count, NULL), LIMN_OK);
    assert_int_equal(count, 3);
    assert_true(x[0] == 0.5 && x[1] == 1.0 && x[2] == 1e-3);
    assert_int_equal(limn_config_numbers(c, "absent", 0, 1, x, 3, &count, NULL), LIMN_OK);
    assert_int_equal(count, 0);

    count = 77;
    assert_int_equal(limn_config_numbers(c, "betas", 0, 1, x, 2, &count, &err), LIMN_E_INPUT);
    assert_non_null(
        strstr(err.text, "\"betas\" must be a list of 1 to 2 numbers, found a list of 3"));
    assert_int_equal(limn_config_numbers(c, "betas", 0, 0.9, x, 3, &count, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "must be a list of numbers from 0 to 0.9, found 1"));
    assert_int_equal(limn_config_numbers(c, "bad", 0, 1, x, 3, &count, &err), LIMN_E_INPUT);
    assert_non_null(strstr(err.text, "found \"x\""));
    assert_int_equal(limn_config_numbers(c, "one", 0, 1, x, 3, &count, &err), LIMN_E_INPUT);
    assert_int_equal(count, 77);
    limn_config_free(c);
}

static void lists_of_texts(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    const char *texts[2] = {NULL, NULL};
    int count = -1;
    assert_int_equal(limn_config_texts(c, "names", texts, 2, &count, NULL), LIMN_OK);
    assert_int_equal(count, 2);
    assert_string_equal(texts[0], "a");
    assert_string_equal(texts[1], "\xc3\xa9");
    assert_int_equal(limn_config_texts(c, "absent", texts, 2, &count, NULL), LIMN_OK);
    assert_int_equal(count, 0);
    limn_config_free(c);
}

static void objects_below(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    assert_true(limn_config_has(c, "below"));
    assert_true(limn_config_has(c, "no"));
    assert_false(limn_config_has(c, "nothing"));
    assert_false(limn_config_has(c, "absent"));
    assert_null(limn_config_child(c, "absent"));
    assert_null(limn_config_child(c, "list"));
    assert_null(limn_config_child(c, "deep"));

    int n = 0;
    const limn_config *below = limn_config_child(c, "below");
    assert_non_null(below);
    assert_int_equal(limn_config_int(below, "steps", 1, 99, 0, &n, NULL), LIMN_OK);
    assert_int_equal(n, 20);
    const limn_config *second = limn_config_child(c, "second");
    assert_non_null(second);
    assert_int_equal(limn_config_int(second, "n", 1, 99, 0, &n, NULL), LIMN_OK);
    assert_int_equal(n, 1);
    assert_null(limn_config_child(second, "deep"));
    const limn_config *deep = limn_config_child(below, "deep");
    assert_non_null(deep);
    const char *text = NULL;
    assert_int_equal(limn_config_text(deep, "x", NULL, &text, NULL), LIMN_OK);
    assert_string_equal(text, "y");

    limn_error err = {0};
    assert_int_equal(limn_config_int(deep, "x", 1, 9, 0, &n, &err), LIMN_E_INPUT);
    assert_string_equal(err.text, "c.json: \"below.deep.x\" must be a whole number from 1 to 9, "
                                  "found \"y\"");
    limn_config_free(c);
}

/* Which function to ask. */
enum { INT, NUMBER, BOOL, TEXT, INTS, THREE_INTS, NINE_INTS, TEXTS };

static limn_status ask(const limn_config *c, int what, const char *key, limn_error *err) {
    int n = 77, ints[4] = {77, 77, 77, 77}, count = 77;
    double x = 77;
    bool b = true;
    const char *text = "77", *texts[2] = {"77", "77"};
    limn_status status = LIMN_OK;
    switch (what) {
    case INT:
        status = limn_config_int(c, key, 1, 7, 0, &n, err);
        break;
    case NUMBER:
        status = limn_config_number(c, key, 0.75, 7, 0, &x, err);
        break;
    case BOOL:
        status = limn_config_bool(c, key, false, &b, err);
        break;
    case TEXT:
        status = limn_config_text(c, key, "", &text, err);
        break;
    case INTS:
        status = limn_config_ints(c, key, 0, 1, 7, ints, 4, &count, err);
        break;
    case THREE_INTS:
        status = limn_config_ints(c, key, 3, 1, 9, ints, 4, &count, err);
        break;
    case NINE_INTS:
        status = limn_config_ints(c, key, 9, 1, 9, ints, 4, &count, err);
        break;
    default:
        status = limn_config_texts(c, key, texts, 2, &count, err);
        break;
    }
    /* A failure leaves results as they were. */
    assert_int_equal(n, 77);
    for (int i = 0; i < 4; i++) assert_int_equal(ints[i], 77);
    assert_int_equal(count, 77);
    assert_true(x == 77 && b);
    assert_string_equal(text, "77");
    assert_string_equal(texts[0], "77");
    return status;
}

static void wrong_values_get_a_sentence(void **state) {
    (void)state;
    static const struct {
        int what;
        const char *key, *sentence;
    } cases[] = {
        {INT, "whole", "\"whole\" must be a whole number from 1 to 7, found 8"},
        {INT, "negative", "\"negative\" must be a whole number from 1 to 7, found -3"},
        {INT, "huge", "\"huge\" must be a whole number from 1 to 7, found 5000000000"},
        {INT, "real", "found 0.5"},
        {INT, "round", "found 8.0"},
        {INT, "text", "found \"silu\""},
        {INT, "yes", "found true"},
        {INT, "list", "found a list of 4"},
        {INT, "below", "found an object"},
        {NUMBER, "real", "\"real\" must be a number from 0.75 to 7, found 0.5"},
        {NUMBER, "whole", "\"whole\" must be a number from 0.75 to 7, found 8"},
        {NUMBER, "text", "\"text\" must be a number from 0.75 to 7, found \"silu\""},
        {NUMBER, "no", "found false"},
        {BOOL, "whole", "\"whole\" must be true or false, found 8"},
        {BOOL, "text", "\"text\" must be true or false, found \"silu\""},
        {TEXT, "whole", "\"whole\" must be a text, found 8"},
        {TEXT, "names", "\"names\" must be a text, found a list of 2"},
        {INTS, "whole", "\"whole\" must be whole numbers from 1 to 7, one or a list, found 8"},
        {INTS, "text", "one or a list, found \"silu\""},
        {INTS, "list", "\"list\" must be a list of whole numbers from 1 to 7, found 8"},
        {INTS, "mixed", "\"mixed\" must be a list of whole numbers from 1 to 7, found \"b\""},
        {INTS, "none", "\"none\" must be a list of 1 to 4 numbers, found a list of 0"},
        {THREE_INTS, "list", "\"list\" must be a list of 3 numbers, found a list of 4"},
        {THREE_INTS, "none", "\"none\" must be a list of 3 numbers, found a list of 0"},
        {NINE_INTS, "whole", "\"whole\" must be a list of at most 4 numbers, not 9"},
        {TEXTS, "list", "\"list\" must be a list of 1 to 2 texts, found a list of 4"},
        {TEXTS, "none", "\"none\" must be a list of 1 to 2 texts, found a list of 0"},
        {TEXTS, "mixed", "\"mixed\" must be a list of texts, found 1"},
        {TEXTS, "text", "\"text\" must be a list of 1 to 2 texts, found \"silu\""},
    };
    limn_config *c = read_good(MIXED);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_error err = {0};
        const limn_status status = ask(c, cases[i].what, cases[i].key, &err);
        if (status != LIMN_E_INPUT || strstr(err.text, cases[i].sentence) == NULL) {
            fail_msg("expected \"%s\", got status %d: %s", cases[i].sentence, status, err.text);
        }
        assert_ptr_equal(strstr(err.text, "c.json: "), err.text);
    }
    limn_config_free(c);
}

/* A whole number that fits the asked range but no int must not come out as another. */
static void numbers_beyond_int_are_refused(void **state) {
    (void)state;
    limn_config *c = read_good(MIXED);
    int n = 77;
    assert_int_equal(limn_config_int(c, "huge", 0, 9000000000, 0, &n, NULL), LIMN_E_INPUT);
    assert_int_equal(n, 77);
    limn_config_free(c);
}

static void bad_files_get_a_sentence(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "the file is empty; expected a JSON object"},
        {"  \n", "the file is not valid JSON"},
        {"{\n \"a\": 1,\n \"b\": }", "(line 3, column 7)"},
        {"{\"a\": 1} {\"b\": 2}", "the file is not valid JSON"},
        {"{\"a\": NaN}", "the file is not valid JSON"},
        {"{'a': 1}", "the file is not valid JSON"},
        {"{\"a\": 1, \"a\": 2}", "the file names a key twice"},
        {"{\"a\": {\"b\": 1, \"b\": 2}}", "the file names a key twice"},
        {"{\"a\": \"\xff\"}", "the file is not valid UTF-8"},
        {"[1, 2]", "the file must be a JSON object, but is a list of 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_error err = {0};
        limn_config *c = (limn_config *)&err;
        const uint8_t *bytes = (const uint8_t *)cases[i].text;
        const limn_status status =
            limn_config_read(bytes, strlen(cases[i].text), "c.json", &c, &err);
        if (status != LIMN_E_INPUT || strstr(err.text, cases[i].sentence) == NULL) {
            fail_msg("expected \"%s\", got status %d: %s", cases[i].sentence, status, err.text);
        }
        assert_null(c);
        assert_ptr_equal(strstr(err.text, "c.json: "), err.text);
    }
}

/* Nested as deep as allowed it works, from reading to freeing; one deeper, or very deep, not. */
static void depth_is_limited(void **state) {
    (void)state;
    const size_t depths[] = {64, 65, 1000000};
    for (size_t k = 0; k < 3; k++) {
        const size_t depth = depths[k];
        char *text = malloc(depth * 6 + 1);
        size_t used = 0;
        for (size_t i = 0; i + 1 < depth; i++, used += 5) memcpy(text + used, "{\"a\":", 5);
        text[used++] = '{';
        for (size_t i = 0; i < depth; i++) text[used++] = '}';
        limn_error err = {0};
        limn_config *c = NULL;
        const limn_status status = limn_config_read((uint8_t *)text, used, "c.json", &c, &err);
        assert_int_equal(status, depth <= 64 ? LIMN_OK : LIMN_E_INPUT);
        if (depth > 64) assert_non_null(strstr(err.text, "deeper than 64 levels"));
        size_t levels = 0;
        for (const limn_config *at = c; at != NULL; at = limn_config_child(at, "a")) levels++;
        assert_int_equal(levels, depth <= 64 ? depth : 0);
        limn_config_free(c);
        free(text);
    }
}

/* diffusers saves lambda_min_clipped as -Infinity. */
static void infinities_mean_no_bound(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\": -Infinity, \"b\": [Infinity], \"c\": \"-Infinity \\\" Infinity\"}";
    limn_config *c = NULL;
    limn_error err;
    assert_int_equal(limn_config_read((const uint8_t *)text, sizeof text - 1, "c.json", &c, &err),
                     LIMN_OK);
    double a = 0;
    assert_false(limn_config_has(c, "a"));
    assert_int_equal(limn_config_number(c, "a", -9, 9, 3, &a, &err), LIMN_OK);
    assert_true(a == 3);
    const char *kept = NULL;
    assert_int_equal(limn_config_text(c, "c", NULL, &kept, &err), LIMN_OK);
    assert_string_equal(kept, "-Infinity \" Infinity");
    limn_config_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infinities_mean_no_bound),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(numbers),
        cmocka_unit_test(switches_and_texts),
        cmocka_unit_test(lists_of_numbers),
        cmocka_unit_test(tables),
        cmocka_unit_test(lists_of_switches),
        cmocka_unit_test(lists_of_any_numbers),
        cmocka_unit_test(lists_of_texts),
        cmocka_unit_test(objects_below),
        cmocka_unit_test(wrong_values_get_a_sentence),
        cmocka_unit_test(numbers_beyond_int_are_refused),
        cmocka_unit_test(bad_files_get_a_sentence),
        cmocka_unit_test(depth_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
