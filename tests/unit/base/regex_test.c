#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/regex.h"

/* Goal: what RE2 matches as a whole is matched, and nothing else. */
static void regex__matches_as_re2(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *yes[4];
        const char *no[4];
    } rows[] = {
        {"", {""}, {"a"}},
        {"abc", {"abc"}, {"ab", "abcd", "xabc", ""}},
        {"a|b|cd", {"a", "b", "cd"}, {"c", "d", "ab", ""}},
        {"a||b", {"a", "b", ""}, {"ab"}},
        {"(a|b)*c", {"c", "abbac"}, {"ab", "ca"}},
        {"a*b+c?", {"b", "aabbc", "ab"}, {"a", "ac", "abcc"}},
        {"a*?b+?c??", {"b", "aabbc"}, {"a"}},
        {"a{2}", {"aa"}, {"a", "aaa"}},
        {"a{2,}", {"aa", "aaaa"}, {"a"}},
        {"a{1,3}b", {"ab", "aab", "aaab"}, {"b", "aaaab"}},
        {"(ab){0,2}", {"", "ab", "abab"}, {"ababab", "a"}},
        {"a{0}b", {"b"}, {"ab"}},
        {"a{,2}", {"a{,2}"}, {"aa"}},
        {"x{a", {"x{a"}, {"x"}},
        {".", {"a", "\xc3\xa4"}, {"", "ab", "\n"}},
        {"(?s).", {"\n"}, {""}},
        {"[a-c]", {"a", "b", "c"}, {"d", ""}},
        {"[^a-c]", {"d", "\n"}, {"a", ""}},
        {"[]a]", {"]", "a"}, {"b"}},
        {"[a-]", {"a", "-"}, {"b"}},
        {"[\\d_]+", {"12_3"}, {"a"}},
        {"[[:alpha:]]+", {"abZ"}, {"1"}},
        {"[[:^digit:]]", {"a"}, {"1"}},
        {"[\\]\\\\]", {"]", "\\"}, {"["}},
        {"\\d\\D\\w\\W\\s\\S", {"1aa- b"}, {"aaa- b"}},
        {"\\.\\*\\x41\\x{42}\\101", {".*ABA"}, {"..ABA"}},
        {"\\Qa.b*\\E+", {"a.b*", "a.b***"}, {"axb*"}},
        {"(?i)aBc", {"abc", "ABC"}, {"abd"}},
        {"(?i:a)b", {"ab", "Ab"}, {"aB"}},
        {"a(?i)b", {"ab", "aB"}, {"AB"}},
        {"(?P<n>a)(?<m>b)(?:c)", {"abc"}, {"ab"}},
        {"^a$", {"a"}, {"aa"}},
        {"\\Aa\\z", {"a"}, {"ba"}},
        {"a^b", {NULL}, {"ab"}},
        {"(?m)a$\\n^b", {"a\nb"}, {"ab"}},
        {"a\\b b\\Bc", {"a bc"}, {"a b c"}},
        {"(a*)*b", {"b", "aab"}, {"aa"}},
        {"(|a)+", {"", "aaa"}, {"b"}},
        {"my-.*-app", {"my--app", "my-x-app"}, {"my-app"}},
        {"\xc3\xa4+", {"\xc3\xa4\xc3\xa4"}, {"\xc3\xb6"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct regex *regex;
        assert_int_equal(regex_create(string_view_of(rows[i].expression), &regex), 0);
        for (size_t j = 0; j < 4; j++) {
            if (rows[i].yes[j] != NULL && !regex_matches(regex, string_view_of(rows[i].yes[j]))) {
                fail_msg("%s should match '%s'", rows[i].expression, rows[i].yes[j]);
            }
            if (rows[i].no[j] != NULL && regex_matches(regex, string_view_of(rows[i].no[j]))) {
                fail_msg("%s should not match '%s'", rows[i].expression, rows[i].no[j]);
            }
        }
        regex_destroy(&regex);
    }
}

/* Goal: what is no expression is told, and so is what is larger than any that is needed. */
static void regex__refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "(",       ")",     "a)",     "(a",        "[",          "[a",       "[b-a]",
        "*",       "+a",    "?",      "a**",       "a{2}{3}",    "a{3,2}",   "a{1001}",
        "a{1,1001}", "\\",  "\\1",    "\\k",       "(?",         "(?x)",     "(?P<>a)",
        "(?<n",    "(?=a)", "(?!a)",  "(?<=a)b",   "\\x",        "\\x{110000}", "[[:x:]",
        "(((a{1000}){1000}){1000})", "a|*",
    };
    struct regex *regex;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (regex_create(string_view_of(rows[i]), &regex) != ERR_INVALID) {
            fail_msg("%s should be refused", rows[i]);
        }
        assert_null(regex);
    }
    char deep[2 * REGEX_DEPTH_MAX + 8];
    memset(deep, '(', sizeof deep);
    assert_int_equal(regex_create((struct string_view){deep, sizeof deep}, &regex), ERR_INVALID);
    char *large = test_malloc(REGEX_BYTES_MAX + 1);
    memset(large, 'a', REGEX_BYTES_MAX + 1);
    assert_int_equal(regex_create((struct string_view){large, REGEX_BYTES_MAX + 1}, &regex),
                     ERR_INVALID);
    test_free(large);
}

/* Goal: expressions that take for ever elsewhere take no time here. */
static void regex__takes_linear_time(void **state)
{
    (void)state;
    static const char *const rows[] = {"(a*)*b", "(a|a)*b", "(a+)+b", "(.*)(.*)(.*)(.*)b"};
    size_t size = 100000;
    char *text = test_malloc(size);
    memset(text, 'a', size);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct regex *regex;
        assert_int_equal(regex_create(string_view_of(rows[i]), &regex), 0);
        assert_false(regex_matches(regex, (struct string_view){text, size}));
        regex_destroy(&regex);
    }
    test_free(text);
}

/* Goal: any bytes are refused or matched, never fallen over. Seeded. */
static void regex__takes_any_bytes(void **state)
{
    (void)state;
    static const char letters[] = "ab()[]{}*+?|\\.^$-:,0123dwsQEpxi<>=PA\xc3\xa4\n";
    srand(1);
    for (int i = 0; i < 200000; i++) {
        char expression[24];
        size_t size = (size_t)(rand() % (int)sizeof expression);
        for (size_t j = 0; j < size; j++) {
            expression[j] = letters[(size_t)rand() % (sizeof letters - 1)];
        }
        struct regex *regex;
        if (regex_create((struct string_view){expression, size}, &regex) == 0) {
            (void)regex_matches(regex, string_view_of("ab ba1_\xc3\xa4"));
            regex_destroy(&regex);
        }
    }
}

/* What is wrong with an expression is told in RE2's words. */
static void regex__says_why_it_refuses(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a(", "missing closing )"},
        {"a)", "regexp/syntax: internal error"},
        {"[a", "missing closing ]"},
        {"[^]", "missing closing ]"},
        {"[b-a]", "invalid character class range"},
        {"[[:foo:]]", "invalid character class range"},
        {"*a", "missing argument to repetition operator"},
        {"a**", "invalid nested repetition operator"},
        {"a{1001}", "invalid repeat count"},
        {"a{2,1}", "invalid repeat count"},
        {"a\\", "trailing backslash at end of expression"},
        {"\\8", "invalid escape sequence"},
        {"\\x{110000}", "invalid escape sequence"},
        {"(?<n", "invalid named capture"},
        {"(?P<n>a)(?<n>b)", "duplicate capture group name"},
        {"(?z)a", "invalid or unsupported Perl syntax"},
        {"(?=a)", "invalid or unsupported Perl syntax"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct regex *regex;
        const char *why;
        assert_int_equal(regex_create_told(string_view_of(rows[i][0]), &regex, &why), ERR_INVALID);
        assert_string_equal(why, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regex__matches_as_re2),
        cmocka_unit_test(regex__refuses_what_is_none),
        cmocka_unit_test(regex__says_why_it_refuses),
        cmocka_unit_test(regex__takes_linear_time),
        cmocka_unit_test(regex__takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
