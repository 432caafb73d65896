/* args.h: the command line: --flag value, --flag=value, short forms, repeated flags.
 *
 * Options are a table of the tool. Values are borrowed from argv. What the user did wrong is told
 * on stderr, as Kafka's tools do, some of them with the table of options; the tool then ends with
 * status 1. argparse.h is for tools with commands. Thread: main. */
#ifndef BNB_TOOLS_ARGS_H
#define BNB_TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_GIVEN_MAX 256
#define ARGS_ERROR_BYTES 256

enum args_kind {
    ARGS_FLAG,     /* takes no value */
    ARGS_VALUE,    /* takes one */
    ARGS_OPTIONAL, /* takes one if the next word is no option */
    ARGS_REST,     /* takes every word up to the next option */
};
struct args_option {
    const char *name;    /* without dashes */
    char short_name;     /* 0: none */
    enum args_kind kind;
    const char *argument; /* what the value is called in the help */
    const char *help;
};
struct args_given {
    const struct args_option *option; /* NULL: a word that belongs to no option */
    const char *value;                /* NULL: none */
};
/* A tool starts from zero, with what its mistakes look like. */
struct args {
    const struct args_option *options; /* the last one has name NULL */
    bool mistake_shows_options;        /* a mistake in the form of the command line shows them */
    const char *mistake_prefix;        /* in front of such a mistake; NULL: nothing */
    struct args_given given[ARGS_GIVEN_MAX];
    size_t count;
    char error[ARGS_ERROR_BYTES];
};

/* 0, or -1 with error set. */
int args_parse(struct args *args, const struct args_option *options, int argc, char **argv);
/* Whether a word is an option; "-5" is a number. */
bool args_is_option(const char *word);
/* Parses and deals with --help, --version, no arguments and mistakes. -1: go on; else the status to
 * end with. */
int args_start(struct args *args, const struct args_option *options, const char *description,
               int argc, char **argv);
/* As args_start, and then args_require of the needed options and args_check_repeated of all. */
int args_start_simple(struct args *args, const struct args_option *options,
                      const char *description, int argc, char **argv, const char *const *needed);
/* Tells the form of a command line that cannot be read, as the tool does it; returns 1. */
int args_mistake(const struct args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Tells the mistake and the options on stderr; returns 1. */
int args_usage(const struct args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool args_has(const struct args *args, const char *name);
/* The last value, or NULL. */
const char *args_value(const struct args *args, const char *name);
/* As args_value, or fallback. */
const char *args_value_or(const struct args *args, const char *name, const char *fallback);
/* Calls for each value of a repeated option, in order: the index-th, NULL at the end. */
const char *args_nth(const struct args *args, const char *name, size_t index);
/* An option with a value that was given more than once and is none of repeatable (ends with NULL);
 * NULL: there is none. ARGS_REPEATED says it. */
#define ARGS_REPEATED "Found multiple arguments for option %s, but you asked for only one"
const char *args_repeated(const struct args *args, const char *const *repeatable);
/* Tells such an option, as the tool tells mistakes: 0, or 1. */
int args_check_repeated(const struct args *args, const char *const *repeatable);
/* The index-th word that belongs to no option. */
const char *args_word(const struct args *args, size_t index);
/* A number; fallback when it is not given. 0, or 1 after telling the mistake. */
int args_number(const struct args *args, const char *name, int64_t fallback, int64_t *number);
/* The same of one that has 32 bits, as those that Java takes for an Integer. */
int args_int(const struct args *args, const char *name, int32_t fallback, int32_t *number);
/* Parses a whole decimal number; the second one of 32 bits. */
bool args_parse_number(const char *text, int64_t *number);
bool args_parse_int(const char *text, int32_t *number);
/* 0; 1 after telling which of names (ends with NULL) is missing. */
int args_require(const struct args *args, const char *const *names);
/* 0; 1 after telling that option cannot go with one of others (ends with NULL). */
int args_exclude(const struct args *args, const char *option, const char *const *others);
/* How a tool speaks of an old name of an option. */
struct args_renaming {
    const char *name;
    const char *old_name;
    const char *warning;         /* with the old and the new name in place of "%o" and "%n" */
    const char *both;            /* NULL: told by the caller */
    bool both_shows_options;
};
/* The option under its new or its old name, which is told on stdout as deprecated. Both: 1 after
 * telling the mistake. *value is NULL when none is given. */
int args_renamed(const struct args *args, const struct args_renaming *renaming,
                 const char **value);

#endif
