/* argparse.h: the command line of tools with commands, each with options of its own.
 *
 * Options of the tool stand before the command, those of the command behind it. Mistakes are told
 * on stderr below the usage of the command. Thread: main. */
#ifndef BNB_TOOLS_ARGPARSE_H
#define BNB_TOOLS_ARGPARSE_H

#include "tools/args.h"

/* Lists end with NULL, and may be NULL. */
struct argparse_command {
    const char *name;                  /* of the tool itself: NULL */
    const char *help;
    const struct args_option *options; /* help is one of them */
    const char *const *required;
    const char *const *one_of;         /* at most one of these */
    bool one_of_required;
    const char *const *integers;       /* these take an int */
    const char *const *shorts;
    const char *const *longs;
    const char *const *doubles;
};
struct argparse {
    const char *program; /* "kafka-storage" */
    const char *description;
    struct argparse_command tool;
    const struct argparse_command *commands; /* NULL: the tool has none */
    size_t command_count;
    int help_status;
    bool is_terse;        /* a mistake is one line, without the usage */
    bool command_needs_tool;  /* the usage of a command shows what the tool needs */
    bool commands_are_hidden; /* the usage of the tool does not name its commands */
};

/* Parses and deals with --help, the tool's --version, and mistakes. -1: go on with *command, an
 * index into commands; else the status to end with. global: the options before the command, local:
 * those of the command. */
int argparse_start(const struct argparse *parser, struct args *global, struct args *local,
                   size_t *command, int argc, char **argv);
/* Tells a mistake that the tool found, as those of the form are told; returns 1. */
int argparse_mistake(const struct argparse *parser, const struct argparse_command *command,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));
void argparse_print_help(const struct argparse *parser, const struct argparse_command *command);

#endif
