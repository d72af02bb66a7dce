/* The syntax of prompts: A1111's own examples (the docstrings of prompt_parser.py), and hostile
 * prompts. */
#include "prompt/syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- emphasis -------------------------------------------------------------------------------- */

/* What a phrase must be; the table ends with text NULL. A break has no text. */
typedef struct wanted {
    const char *text;
    double weight;
} wanted;

static const wanted chunk_end = {"", 1};

static void assert_phrases(const char *prompt, const wanted *want) {
    limn_phrases got;
    limn_error err;
    if (limn_phrases_read(prompt, strlen(prompt), &got, &err) != LIMN_OK) fail_msg("%s", err.text);
    size_t i = 0;
    for (; want[i].text; i++) {
        if (i >= got.count) fail_msg("%s: %zu phrases", prompt, got.count);
        assert_string_equal(got.list[i].text, want[i].text);
        assert_int_equal(got.list[i].size, strlen(want[i].text));
        assert_int_equal(got.list[i].is_break, want[i].text[0] == 0);
        if (got.list[i].weight != want[i].weight)
            fail_msg("%s: \"%s\" weighs %.17g", prompt, want[i].text, got.list[i].weight);
    }
    assert_int_equal(got.count, i);
    limn_phrases_free(&got);
}

static void test_emphasis(void **state) {
    (void)state;
    assert_phrases("normal text", (const wanted[]){{"normal text", 1}, {0}});
    assert_phrases("an (important) word",
                   (const wanted[]){{"an ", 1}, {"important", 1.1}, {" word", 1}, {0}});
    assert_phrases("(unbalanced", (const wanted[]){{"unbalanced", 1.1}, {0}});
    assert_phrases("\\(literal\\]", (const wanted[]){{"(literal]", 1}, {0}});
    assert_phrases("(unnecessary)(parens)", (const wanted[]){{"unnecessaryparens", 1.1}, {0}});
    assert_phrases("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                   (const wanted[]){{"a ", 1},
                                    {"house", 1.5730000000000004},
                                    {" ", 1.1},
                                    {"on", 1},
                                    {" a ", 1.1},
                                    {"hill", 0.55},
                                    {", sun, ", 1.1},
                                    {"sky", 1.4641000000000006},
                                    {".", 1.1},
                                    {0}});
    assert_phrases("", (const wanted[]){{0}});
    assert_phrases("([])", (const wanted[]){{0}});
    assert_phrases("[less]", (const wanted[]){{"less", 1 / 1.1}, {0}});
    assert_phrases("(a : +.5 )", (const wanted[]){{"a ", 0.5}, {0}});
    assert_phrases("(a:-1)", (const wanted[]){{"a", -1}, {0}});
}

/* What is no syntax stays as it is. */
static void test_emphasis_text(void **state) {
    (void)state;
    assert_phrases("at 10:30) or later]", (const wanted[]){{"at 10:30) or later]", 1}, {0}});
    assert_phrases("(16:9 b)", (const wanted[]){{"16:9 b", 1.1}, {0}});
    assert_phrases("(a:1.2.3)", (const wanted[]){{"a:1.2.3", 1.1}, {0}});
    assert_phrases("a\\b\\\\c\\", (const wanted[]){{"ab\\c", 1}, {0}});
    assert_phrases("(\xC3\xA9:2)", (const wanted[]){{"\xC3\xA9", 2}, {0}});
}

static void test_breaks(void **state) {
    (void)state;
    assert_phrases("a BREAK b", (const wanted[]){{"a", 1}, chunk_end, {"b", 1}, {0}});
    assert_phrases("BREAKBREAK a_BREAK", (const wanted[]){{"BREAKBREAK a_BREAK", 1}, {0}});
    assert_phrases("BREAK\nBREAK", (const wanted[]){chunk_end, chunk_end, {0}});
    assert_phrases("(a BREAK b:2)", (const wanted[]){{"a", 2}, chunk_end, {"b", 2}, {0}});
}

/* ---- editing --------------------------------------------------------------------------------- */

/* Checks a prompt's texts over 10 steps, written as A1111 does: {last step, text}. */
typedef struct until {
    int step;
    const char *text;
} until;

static void assert_texts(const char *prompt, const until *want) {
    limn_syntax got;
    limn_error err;
    if (limn_syntax_read(prompt, strlen(prompt), 10, true, &got, &err) != LIMN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(got.parts, 1);
    assert_true(got.part[0].weight == 1);
    for (int step = 1; step <= 10; step++) {
        if (step > want->step) want++;
        const char *text = got.part[0].texts[got.part[0].text_of_step[step - 1]];
        if (strcmp(text, want->text) != 0)
            fail_msg("%s: step %d reads \"%s\", expected \"%s\"", prompt, step, text, want->text);
    }
    limn_syntax_free(&got);
}

static void test_editing(void **state) {
    (void)state;
    assert_texts("test", (const until[]){{10, "test"}});
    assert_texts("a [b:3]", (const until[]){{3, "a "}, {10, "a b"}});
    assert_texts("a [b: 3]", (const until[]){{3, "a "}, {10, "a b"}});
    assert_texts("a [[[b]]:2]", (const until[]){{2, "a "}, {10, "a [[b]]"}});
    assert_texts("[(a:2):3]", (const until[]){{3, ""}, {10, "(a:2)"}});
    assert_texts("a [b : c : 1] d", (const until[]){{1, "a b  d"}, {10, "a  c  d"}});
    assert_texts("a[b:[c:d:2]:1]e", (const until[]){{1, "abe"}, {2, "ace"}, {10, "ade"}});
    assert_texts("a [unbalanced", (const until[]){{10, "a [unbalanced"}});
    assert_texts("a [b:.5] c", (const until[]){{5, "a  c"}, {10, "a b c"}});
    assert_texts("((a][:b:c [d:3]", (const until[]){{3, "((a][:b:c "}, {10, "((a][:b:c d"}});
    assert_texts("[a::4]b", (const until[]){{4, "ab"}, {10, "b"}});
    assert_texts("[a:b:0][c:d:99][e:f:-1]", (const until[]){{10, "bcf"}});
    assert_texts("[a:b:0.29]", (const until[]){{2, "a"}, {10, "b"}});
    assert_texts("[a:b:c]", (const until[]){{10, "[a:b:c]"}});
    assert_texts("[a\\:b:2]", (const until[]){{2, ""}, {10, "a\\:b"}});
    assert_texts("a | [b:3]", (const until[]){{10, "a | [b:3]"}});
}

static void test_alternation(void **state) {
    (void)state;
    assert_texts("[a|(b:1.1)]", (const until[]){{1, "a"},
                                                {2, "(b:1.1)"},
                                                {3, "a"},
                                                {4, "(b:1.1)"},
                                                {5, "a"},
                                                {6, "(b:1.1)"},
                                                {7, "a"},
                                                {8, "(b:1.1)"},
                                                {9, "a"},
                                                {10, "(b:1.1)"}});
    assert_texts(
        "[fe|||]male",
        (const until[]){
            {1, "female"}, {4, "male"}, {5, "female"}, {8, "male"}, {9, "female"}, {10, "male"}});
    assert_texts("[[a|b]:[c|d]:7]", (const until[]){{1, "a"},
                                                    {2, "b"},
                                                    {3, "a"},
                                                    {4, "b"},
                                                    {5, "a"},
                                                    {6, "b"},
                                                    {7, "a"},
                                                    {8, "d"},
                                                    {9, "c"},
                                                    {10, "d"}});
}

static void test_and(void **state) {
    (void)state;
    static const char prompt[] = "a cat :1.5 AND a [dog:fox:5] AND:.25 AND SAND";
    limn_syntax s;
    assert_int_equal(limn_syntax_read(prompt, strlen(prompt), 10, true, &s, NULL), LIMN_OK);
    assert_int_equal(s.parts, 4);
    assert_string_equal(s.part[0].texts[0], "a cat");
    assert_true(s.part[0].weight == 1.5);
    assert_int_equal(s.part[1].count, 2);
    assert_string_equal(s.part[1].texts[1], " a fox");
    assert_true(s.part[1].weight == 1);
    assert_string_equal(s.part[2].texts[0], "");
    assert_true(s.part[2].weight == 0.25);
    assert_string_equal(s.part[3].texts[0], " SAND");
    limn_syntax_free(&s);
    assert_int_equal(limn_syntax_read(prompt, strlen(prompt), 10, false, &s, NULL), LIMN_OK);
    assert_int_equal(s.parts, 1);
    limn_syntax_free(&s);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A prompt of `count` times the same. */
static char *repeat(const char *text, size_t count) {
    size_t n = strlen(text);
    char *all = malloc(n * count + 1);
    for (size_t i = 0; i < count; i++) memcpy(all + i * n, text, n);
    all[n * count] = 0;
    return all;
}

static void test_hostile(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *sentence; /* NULL = it is read */
    } cases[] = {
        {"(", 100000, "brackets"},
        {"[a|", 100000, "brackets"},
        {")", 4096, NULL},
        {"[", 4096, NULL},
        {"[a:b:.5]", 2048, NULL},
        {"[a|b]", 1365, NULL},
        {"BREAK ", 100000, "BREAKs"},
        {"B(a", 4096, "weighs"},
        {":\\ ", 1000000, NULL},
        {"a AND ", 9, "AND joins more than 8"},
        {"[a:b:3] ", 100000, "brackets"},
        {"(a:9999", 3, NULL},
        {"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:b:3] ", 2000, "65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i].text, cases[i].count);
        limn_syntax s = {0};
        limn_phrases p = {0};
        limn_error err = {0};
        limn_status status = limn_syntax_read(text, strlen(text), 1000, true, &s, &err);
        if (status == LIMN_OK) status = limn_phrases_read(text, strlen(text), &p, &err);
        assert_int_equal(status, cases[i].sentence ? LIMN_E_USAGE : LIMN_OK);
        if (cases[i].sentence && !strstr(err.text, cases[i].sentence)) fail_msg("%s", err.text);
        limn_syntax_free(&s);
        limn_phrases_free(&p);
        free(text);
    }
}

/* Numbers beyond a double's range make no trouble. */
static void test_numbers(void **state) {
    (void)state;
    assert_texts("[a:b:1e999][c:d:-1e999]", (const until[]){{10, "ad"}});
    assert_texts("[a:b:.0000000000000000000000000000001e30]", (const until[]){{1, "a"}, {10, "b"}});
    assert_phrases("(a:0.00000000000000000000)", (const wanted[]){{"a", 0}, {0}});
    assert_phrases("(a:1.00000000000000000000000000001)", (const wanted[]){{"a", 1}, {0}});
    assert_phrases("(a:1.2345678)", (const wanted[]){{"a", 1.2345678}, {0}});
    limn_phrases p;
    limn_error err;
    static const char heavy[] = "(a:99999999999999999999999999999999999999999999)";
    assert_int_equal(limn_phrases_read(heavy, strlen(heavy), &p, &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "weighs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emphasis),    cmocka_unit_test(test_emphasis_text),
        cmocka_unit_test(test_breaks),      cmocka_unit_test(test_editing),
        cmocka_unit_test(test_alternation), cmocka_unit_test(test_and),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
