/* argparse.c: tools with commands. */
#include "tools/argparse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <barnabas/barnabas.h>

#define USAGE_WIDTH 75
#define USAGE_INDENT 7
#define HELP_COLUMN 25
#define NAME_BYTES 96
#define REST_BYTES 512

static bool argparse_in(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++) {
        if (strcmp(*list, name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct args_option *argparse_option(const struct args_option *options,
                                                 const char *name)
{
    while (options->name != NULL && strcmp(options->name, name) != 0) {
        options++;
    }
    return options->name != NULL ? options : NULL;
}

/* "--config/-c". */
static const char *argparse_name(const struct argparse_command *command, const char *name,
                                 char text[NAME_BYTES])
{
    const struct args_option *option = argparse_option(command->options, name);
    char brief = option != NULL ? option->short_name : '\0';
    snprintf(text, NAME_BYTES, brief != '\0' ? "--%s/-%c" : "--%s", name, brief);
    return text;
}

/* ---- usage ---- */

struct usage {
    FILE *out;
    size_t column;
};

static void usage_word(struct usage *usage, const char *word)
{
    size_t size = strlen(word);
    if (usage->column > USAGE_INDENT && usage->column + 1 + size > USAGE_WIDTH) {
        fprintf(usage->out, "\n%*s", USAGE_INDENT, "");
        usage->column = USAGE_INDENT;
    }
    fprintf(usage->out, "%s%s", usage->column > USAGE_INDENT ? " " : "", word);
    usage->column += size + (usage->column > USAGE_INDENT ? 1 : 0);
}

static void usage_option(struct usage *usage, const struct args_option *option, const char *before,
                         const char *after)
{
    char word[NAME_BYTES * 2];
    bool takes = option->kind != ARGS_FLAG;
    bool rest = option->kind == ARGS_REST;
    const char *argument = takes ? option->argument : "";
    snprintf(word, sizeof word, "%s--%s%s%s%s%s%s%s", before, option->name, takes ? " " : "",
             argument, rest ? " [" : "", rest ? argument : "", rest ? " ...]" : "", after);
    usage_word(usage, word);
}

static void usage_one_of(struct usage *usage, const struct argparse_command *command)
{
    const char *const *names = command->one_of;
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        const char *open = command->one_of_required ? "(" : "[";
        const char *close = command->one_of_required ? ")" : "]";
        usage_option(usage, argparse_option(command->options, names[i]), i == 0 ? open : "",
                     names[i + 1] == NULL ? close : " |");
    }
}

static void usage_required(struct usage *usage, const struct argparse_command *command)
{
    for (const char *const *at = command->required; at != NULL && *at != NULL; at++) {
        usage_option(usage, argparse_option(command->options, *at), "", "");
    }
}

/* Those that only tell something and end the tool: their short names. */
static bool usage_is_brief(const struct args_option *option)
{
    return strcmp(option->name, "help") == 0 || strcmp(option->name, "version") == 0;
}

static void argparse_print_usage(const struct argparse *parser,
                                 const struct argparse_command *command, FILE *out)
{
    struct usage usage = {out, USAGE_INDENT};
    fprintf(out, "usage: ");
    usage_word(&usage, parser->program);
    if (command->name != NULL) {
        if (parser->command_needs_tool) {
            usage_required(&usage, &parser->tool);
            usage_one_of(&usage, &parser->tool);
        }
        usage_word(&usage, command->name);
    }
    usage_word(&usage, "[-h]");
    if (argparse_option(command->options, "version") != NULL) {
        usage_word(&usage, "[-v]");
    }
    for (const struct args_option *option = command->options; option->name != NULL; option++) {
        if (!usage_is_brief(option) && !argparse_in(command->one_of, option->name)) {
            bool required = argparse_in(command->required, option->name);
            usage_option(&usage, option, required ? "" : "[", required ? "" : "]");
        }
    }
    usage_one_of(&usage, command);
    if (command->name == NULL && parser->commands_are_hidden) {
        usage_word(&usage, "COMMAND ...");
    } else if (command->name == NULL && parser->commands != NULL) {
        usage_word(&usage, "{");
        for (size_t i = 0; i < parser->command_count; i++) {
            fprintf(out, "%s%s", i > 0 ? "," : "", parser->commands[i].name);
        }
        fprintf(out, "} ...");
    }
    fputc('\n', out);
}

static void argparse_help_row(const char *left, const char *help)
{
    int width = printf("  %s", left);
    printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "", help);
}

void argparse_print_help(const struct argparse *parser, const struct argparse_command *command)
{
    argparse_print_usage(parser, command, stdout);
    if (command->name == NULL) {
        printf("\n%s\n", parser->description);
    }
    if (command->name == NULL && parser->commands != NULL) {
        printf("\npositional arguments:\n");
        for (size_t i = 0; i < parser->command_count; i++) {
            argparse_help_row(parser->commands[i].name, parser->commands[i].help);
        }
    }
    printf("\noptional arguments:\n");
    for (const struct args_option *option = command->options; option->name != NULL; option++) {
        char left[NAME_BYTES * 2];
        const char *argument = option->kind != ARGS_FLAG ? option->argument : "";
        const char *blank = option->kind != ARGS_FLAG ? " " : "";
        if (option->short_name != '\0') {
            snprintf(left, sizeof left, "--%s%s%s, -%c%s%s", option->name, blank, argument,
                     option->short_name, blank, argument);
        } else {
            snprintf(left, sizeof left, "--%s%s%s", option->name, blank, argument);
        }
        argparse_help_row(left, option->help);
    }
}

int argparse_mistake(const struct argparse *parser, const struct argparse_command *command,
                     const char *format, ...)
{
    char text[ARGS_ERROR_BYTES * 4];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (parser->is_terse) {
        fprintf(stderr, "Command line error: %s. Type --help for help.\n", text);
    } else {
        argparse_print_usage(parser, command, stderr);
        fprintf(stderr, "%s: error: %s\n", parser->program, text);
    }
    return 1;
}

/* ---- parsing ---- */

/* What is not known, with all that follows a word that is none. */
static int argparse_unknown(const struct argparse *parser, const struct argparse_command *command,
                            int count, char **words)
{
    char rest[REST_BYTES];
    size_t used = 0;
    rest[0] = '\0';
    for (int i = 0; i < count && used < sizeof rest; i++) {
        used += (size_t)snprintf(rest + used, sizeof rest - used, "%s%s", i > 0 ? " " : "",
                                 words[i]);
    }
    return argparse_mistake(parser, command, "unrecognized arguments: '%s'", rest);
}

static bool argparse_converts(const struct argparse_command *command, const char *name,
                              const char *value, const char **type, const char **why)
{
    char *end;
    errno = 0;
    *why = "For input string: \"%s\"";
    if (argparse_in(command->doubles, name)) {
        *type = "Double";
        (void)strtod(value, &end);
    } else if (argparse_in(command->integers, name) || argparse_in(command->longs, name) ||
               argparse_in(command->shorts, name)) {
        bool is_long = argparse_in(command->longs, name);
        bool is_short = argparse_in(command->shorts, name);
        *type = is_long ? "Long" : is_short ? "Short" : "Integer";
        long long number = strtoll(value, &end, 10);
        if (!is_long && (number > INT32_MAX || number < INT32_MIN)) {
            return false;
        }
        if (is_short && *end == '\0' && (number > INT16_MAX || number < INT16_MIN)) {
            *why = "Value out of range. Value:\"%s\" Radix:10";
            return false;
        }
    } else {
        return true;
    }
    return end != value && *end == '\0' && errno == 0;
}

/* Whether another option of the same choice was given before; tells it. */
static bool argparse_excluded(const struct argparse *parser, const struct argparse_command *command,
                              const struct args *args, const char *name)
{
    char one[NAME_BYTES];
    char other[NAME_BYTES];
    if (!argparse_in(command->one_of, name)) {
        return false;
    }
    for (const char *const *at = command->one_of; *at != NULL; at++) {
        if (strcmp(*at, name) != 0 && args_has(args, *at)) {
            argparse_mistake(parser, command, "argument %s: not allowed with argument %s",
                             argparse_name(command, name, one),
                             argparse_name(command, *at, other));
            return true;
        }
    }
    return false;
}

/* The option that a word names; *value is what stands behind its '='. */
static const struct args_option *argparse_find(const struct argparse_command *command,
                                               const char *word, const char **value)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    *value = equals != NULL ? equals + 1 : NULL;
    for (const struct args_option *option = command->options; option->name != NULL; option++) {
        bool is_long = word[1] == '-' && strlen(option->name) == size - 2 &&
                       strncmp(word + 2, option->name, size - 2) == 0;
        bool is_short = word[1] != '-' && size == 2 && word[1] == option->short_name;
        if (is_long || (is_short && word[1] != '\0')) {
            return option;
        }
    }
    return NULL;
}

static int argparse_add(const struct argparse *parser, const struct argparse_command *command,
                        struct args *args, const struct args_option *option, const char *value)
{
    char name[NAME_BYTES];
    const char *type;
    const char *why;
    if (value != NULL && !argparse_converts(command, option->name, value, &type, &why)) {
        char told[ARGS_ERROR_BYTES];
        snprintf(told, sizeof told, why, value);
        return argparse_mistake(parser, command, "argument %s: could not convert '%s' to %s (%s)",
                                argparse_name(command, option->name, name), value, type, told);
    }
    if (args->count == ARGS_GIVEN_MAX) {
        return argparse_mistake(parser, command, "too many arguments");
    }
    args->given[args->count++] = (struct args_given){option, value};
    return 0;
}

/* One option with what follows it; *at is moved past its values. 0, or 1 after telling. */
static int argparse_take(const struct argparse *parser, const struct argparse_command *command,
                         struct args *args, int argc, char **argv, int *at)
{
    const char *value;
    char name[NAME_BYTES];
    const struct args_option *option = argparse_find(command, argv[*at], &value);
    if (option == NULL) {
        return argparse_unknown(parser, command, 1, argv + *at);
    }
    if (argparse_excluded(parser, command, args, option->name)) {
        return 1;
    }
    if (option->kind == ARGS_FLAG) {
        return argparse_add(parser, command, args, option, NULL);
    }
    bool follows = *at + 1 < argc && !args_is_option(argv[*at + 1]);
    if (value == NULL && !follows) {
        return argparse_mistake(parser, command, "argument %s: expected %s argument",
                                argparse_name(command, option->name, name),
                                option->kind == ARGS_REST ? "at least one" : "one");
    }
    int status = argparse_add(parser, command, args, option, value != NULL ? value : argv[++*at]);
    while (option->kind == ARGS_REST && value == NULL && status == 0 && *at + 1 < argc &&
           !args_is_option(argv[*at + 1])) {
        status = argparse_add(parser, command, args, option, argv[++*at]);
    }
    return status;
}

/* What a command needs and does not have: 0, or 1 after telling. */
static int argparse_complete(const struct argparse *parser, const struct argparse_command *command,
                             const struct args *args)
{
    char name[NAME_BYTES];
    const char *missing = NULL;
    for (const char *const *at = command->required; at != NULL && *at != NULL; at++) {
        missing = args_has(args, *at) ? missing : *at;
    }
    if (missing != NULL) {
        return argparse_mistake(parser, command, "argument %s is required",
                                argparse_name(command, missing, name));
    }
    if (!command->one_of_required) {
        return 0;
    }
    char all[REST_BYTES];
    size_t used = 0;
    for (const char *const *at = command->one_of; *at != NULL && used < sizeof all; at++) {
        if (args_has(args, *at)) {
            return 0;
        }
        used += (size_t)snprintf(all + used, sizeof all - used, " %s",
                                 argparse_name(command, *at, name));
    }
    return argparse_mistake(parser, command, "one of the arguments%s is required", all);
}

static int argparse_choose(const struct argparse *parser, const char *word, size_t *command)
{
    char names[REST_BYTES];
    size_t used = 0;
    for (*command = 0; *command < parser->command_count; ++*command) {
        if (strcmp(parser->commands[*command].name, word) == 0) {
            return 0;
        }
        used += used < sizeof names
                    ? (size_t)snprintf(names + used, sizeof names - used, "%s'%s'",
                                       used > 0 ? ", " : "", parser->commands[*command].name)
                    : 0;
    }
    return argparse_mistake(parser, &parser->tool, "invalid choice: '%s' (choose from %s)", word,
                            names);
}

/* Words from *at on for one command, until the next command's name. 0, 1 after a mistake, -1 when
 * help was printed, or -2 when the version was. */
static int argparse_words(const struct argparse *parser, const struct argparse_command *command,
                          struct args *args, int argc, char **argv, int *at)
{
    for (; *at < argc; ++*at) {
        if (!args_is_option(argv[*at])) {
            bool may_choose = command->name == NULL && parser->commands != NULL;
            return may_choose ? 0 : argparse_unknown(parser, command, argc - *at, argv + *at);
        }
        if (argparse_take(parser, command, args, argc, argv, at) != 0) {
            return 1;
        }
        if (args_has(args, "help")) {
            argparse_print_help(parser, command);
            return -1;
        }
        if (args_has(args, "version")) {
            printf("%s\n", bnb_version());
            return -2;
        }
    }
    return 0;
}

int argparse_start(const struct argparse *parser, struct args *global, struct args *local,
                   size_t *command, int argc, char **argv)
{
    int at = 1;
    *global = (struct args){.options = parser->tool.options};
    int result = argparse_words(parser, &parser->tool, global, argc, argv, &at);
    if (result == 0 && parser->commands != NULL) {
        result = at == argc ? argparse_mistake(parser, &parser->tool, "too few arguments")
                            : argparse_choose(parser, argv[at], command);
        if (result == 0) {
            const struct argparse_command *chosen = &parser->commands[*command];
            *local = (struct args){.options = chosen->options};
            at++;
            result = argparse_words(parser, chosen, local, argc, argv, &at);
            result = result == 0 ? argparse_complete(parser, chosen, local) : result;
        }
    }
    if (result == 0) {
        result = argparse_complete(parser, &parser->tool, global);
    }
    switch (result) {
    case 0:
        return -1;
    case -1:
        return parser->help_status;
    case -2:
        return 0;
    default:
        return result;
    }
}
