/* args.c: the command line. */
#include "tools/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <barnabas/barnabas.h>

/* Of each of the two columns of the help, with a blank at the end. */
#define HELP_WIDTH 40

static const struct args_option *args_find_long(const struct args_option *options,
                                                const char *name, size_t size)
{
    for (const struct args_option *option = options; option->name != NULL; option++) {
        if (strlen(option->name) == size && strncmp(option->name, name, size) == 0) {
            return option;
        }
    }
    return NULL;
}

static const struct args_option *args_find_short(const struct args_option *options, char name)
{
    for (const struct args_option *option = options; option->name != NULL; option++) {
        if (option->short_name != '\0' && option->short_name == name) {
            return option;
        }
    }
    return NULL;
}

static int args_add(struct args *args, const struct args_option *option, const char *value)
{
    if (args->count == ARGS_GIVEN_MAX) {
        snprintf(args->error, sizeof args->error, "too many arguments");
        return -1;
    }
    args->given[args->count++] = (struct args_given){option, value};
    return 0;
}

bool args_is_option(const char *word)
{
    if (word[0] != '-' || word[1] == '\0') {
        return false;
    }
    size_t digits = strspn(word + 1, "0123456789.");
    return word[1 + digits] != '\0';
}

/* One option with what follows it; *at is moved past its values. */
static int args_take(struct args *args, const struct args_option *option, const char *inline_value,
                     int argc, char **argv, int *at)
{
    bool more = *at + 1 < argc;
    if (option->kind == ARGS_FLAG) {
        return args_add(args, option, NULL);
    }
    if (inline_value != NULL) {
        return args_add(args, option, inline_value);
    }
    if (option->kind == ARGS_OPTIONAL) {
        bool value_follows = more && !args_is_option(argv[*at + 1]);
        return args_add(args, option, value_follows ? argv[++*at] : NULL);
    }
    if (!more) {
        snprintf(args->error, sizeof args->error, "Option %s requires an argument", option->name);
        return -1;
    }
    int result = args_add(args, option, argv[++*at]);
    while (option->kind == ARGS_REST && result == 0 && *at + 1 < argc &&
           !args_is_option(argv[*at + 1])) {
        result = args_add(args, option, argv[++*at]);
    }
    return result;
}

int args_parse(struct args *args, const struct args_option *options, int argc, char **argv)
{
    args->options = options;
    args->count = 0;
    args->error[0] = '\0';
    bool only_words = false;
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        const struct args_option *option = NULL;
        const char *inline_value = NULL;
        if (only_words || !args_is_option(word)) {
            if (args_add(args, NULL, word) != 0) {
                return -1;
            }
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        size_t dashes = word[1] == '-' ? 2 : 1;
        const char *equals = strchr(word, '=');
        size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
        inline_value = equals != NULL ? equals + 1 : NULL;
        if (dashes == 1 && size == 2) {
            option = args_find_short(options, word[1]);
        }
        if (option == NULL) {
            option = args_find_long(options, word + dashes, size - dashes);
        }
        if (option == NULL) {
            snprintf(args->error, sizeof args->error, "%.*s is not a recognized option",
                     (int)(size - dashes), word + dashes);
            return -1;
        }
        if (args_take(args, option, inline_value, argc, argv, &at) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Cuts the next line of a help text: at most HELP_WIDTH wide, broken between words, every line but
 * the first indented. Returns what is left. */
static const char *args_help_line(const char *text, bool first, char line[HELP_WIDTH + 1])
{
    size_t used = first ? 0 : 2;
    memset(line, ' ', HELP_WIDTH);
    line[HELP_WIDTH] = '\0';
    for (bool any = false; *text != '\0'; any = true) {
        size_t word = strcspn(text, " ");
        size_t room = HELP_WIDTH - 1 - used;
        if (any && word + 1 > room) {
            break;
        }
        used += any ? 1 : 0;
        size_t taken = word < room ? word : room;
        memcpy(line + used, text, taken);
        used += taken;
        text += taken;
        if (taken < word) {
            break; /* a word that is wider than the column */
        }
        text += strspn(text, " ");
    }
    return text;
}

static void args_print_row(const char *left, const char *right)
{
    for (bool first = true; first || *left != '\0' || *right != '\0'; first = false) {
        char left_line[HELP_WIDTH + 1];
        char right_line[HELP_WIDTH + 1];
        left = args_help_line(left, first, left_line);
        right = args_help_line(right, first, right_line);
        fprintf(stderr, "%s %s\n", left_line, right_line);
    }
}

static void args_print_options(const struct args_option *options)
{
    args_print_row("Option", "Description");
    args_print_row("------", "-----------");
    for (const struct args_option *option = options; option->name != NULL; option++) {
        char left[256];
        snprintf(left, sizeof left, "--%s%s%s%s", option->name,
                 option->kind == ARGS_FLAG ? "" : option->kind == ARGS_OPTIONAL ? " [" : " <",
                 option->kind == ARGS_FLAG ? "" : option->argument,
                 option->kind == ARGS_FLAG ? "" : option->kind == ARGS_OPTIONAL ? "]" : ">");
        args_print_row(left, option->help);
    }
}

int args_mistake(const struct args *args, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs(args->mistake_prefix != NULL ? args->mistake_prefix : "", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    if (args->mistake_shows_options) {
        args_print_options(args->options);
    }
    return 1;
}

int args_usage(const struct args *args, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    args_print_options(args->options);
    return 1;
}

int args_start(struct args *args, const struct args_option *options, const char *description,
               int argc, char **argv)
{
    if (args_parse(args, options, argc, argv) != 0) {
        return args_mistake(args, "%s", args->error);
    }
    if (argc <= 1 || args_has(args, "help")) {
        return args_usage(args, "%s", description);
    }
    if (args_has(args, "version")) {
        printf("%s\n", bnb_version());
        return 0;
    }
    return -1;
}

int args_start_simple(struct args *args, const struct args_option *options,
                      const char *description, int argc, char **argv, const char *const *needed)
{
    int status = args_start(args, options, description, argc, argv);
    bool mistaken = status < 0 && (args_require(args, needed) != 0 ||
                                   args_check_repeated(args, (const char *const[]){NULL}) != 0);
    return mistaken ? 1 : status;
}

bool args_has(const struct args *args, const char *name)
{
    for (size_t i = 0; i < args->count; i++) {
        if (args->given[i].option != NULL && strcmp(args->given[i].option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *args_nth(const struct args *args, const char *name, size_t index)
{
    for (size_t i = 0; i < args->count; i++) {
        if (args->given[i].option != NULL && strcmp(args->given[i].option->name, name) == 0 &&
            index-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

const char *args_value(const struct args *args, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < args->count; i++) {
        if (args->given[i].option != NULL && strcmp(args->given[i].option->name, name) == 0) {
            value = args->given[i].value;
        }
    }
    return value;
}

const char *args_value_or(const struct args *args, const char *name, const char *fallback)
{
    const char *value = args_value(args, name);
    return value != NULL ? value : fallback;
}

const char *args_repeated(const struct args *args, const char *const *repeatable)
{
    for (const struct args_option *option = args->options; option->name != NULL; option++) {
        size_t count = 0;
        for (size_t i = 0; i < args->count; i++) {
            count += args->given[i].option == option && args->given[i].value != NULL ? 1 : 0;
        }
        const char *const *at = repeatable;
        while (*at != NULL && strcmp(*at, option->name) != 0) {
            at++;
        }
        if (count > 1 && *at == NULL) {
            return option->name;
        }
    }
    return NULL;
}

int args_check_repeated(const struct args *args, const char *const *repeatable)
{
    const char *name = args_repeated(args, repeatable);
    return name != NULL ? args_mistake(args, ARGS_REPEATED, name) : 0;
}

const char *args_word(const struct args *args, size_t index)
{
    for (size_t i = 0; i < args->count; i++) {
        if (args->given[i].option == NULL && index-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

bool args_parse_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)*text)) {
        return false;
    }
    *number = parsed;
    return true;
}

bool args_parse_int(const char *text, int32_t *number)
{
    int64_t parsed;
    if (!args_parse_number(text, &parsed) || parsed > INT32_MAX || parsed < INT32_MIN) {
        return false;
    }
    *number = (int32_t)parsed;
    return true;
}

int args_number(const struct args *args, const char *name, int64_t fallback, int64_t *number)
{
    const char *value = args_value(args, name);
    *number = fallback;
    if (value != NULL && !args_parse_number(value, number)) {
        return args_mistake(args, "Cannot parse argument '%s' of option %s", value, name);
    }
    return 0;
}

int args_int(const struct args *args, const char *name, int32_t fallback, int32_t *number)
{
    const char *value = args_value(args, name);
    *number = fallback;
    if (value != NULL && !args_parse_int(value, number)) {
        return args_mistake(args, "Cannot parse argument '%s' of option %s", value, name);
    }
    return 0;
}

int args_require(const struct args *args, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (!args_has(args, names[i])) {
            return args_usage(args, "Missing required argument \"[%s]\"", names[i]);
        }
    }
    return 0;
}

int args_exclude(const struct args *args, const char *option, const char *const *others)
{
    for (size_t i = 0; others[i] != NULL; i++) {
        if (args_has(args, option) && args_has(args, others[i])) {
            return args_usage(args, "Option \"[%s]\" can't be used with option \"[%s]\"", option,
                              others[i]);
        }
    }
    return 0;
}

/* A text with two names in place of "%o" and "%n". */
static void args_print_names(FILE *to, const char *text, const struct args_renaming *renaming)
{
    for (; *text != '\0'; text++) {
        if (text[0] == '%' && (text[1] == 'o' || text[1] == 'n')) {
            text++;
            fprintf(to, "--%s", *text == 'o' ? renaming->old_name : renaming->name);
        } else {
            fputc(*text, to);
        }
    }
    fputc('\n', to);
}

int args_renamed(const struct args *args, const struct args_renaming *renaming,
                 const char **value)
{
    *value = args_value(args, renaming->name);
    if (!args_has(args, renaming->old_name)) {
        return 0;
    }
    if (args_has(args, renaming->name)) {
        args_print_names(stderr, renaming->both, renaming);
        if (renaming->both_shows_options) {
            args_print_options(args->options);
        }
        return 1;
    }
    args_print_names(stdout, renaming->warning, renaming);
    *value = args_value(args, renaming->old_name);
    return 0;
}
