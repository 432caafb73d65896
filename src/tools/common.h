/* common.h: what the tools share: settings from flags, messages, patterns, tables.
 * Thread: main, except tools_warn. */
#ifndef BNB_TOOLS_COMMON_H
#define BNB_TOOLS_COMMON_H

#include <barnabas/admin.h>
#include <regex.h>

#include "tools/args.h"

/* "[date] LEVEL text (tool)" on stderr. */
void tools_log(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For bnb_config_set_warn. */
void tools_warn(void *context, const char *text);
/* "TopicExistsException" and the like. */
const char *tools_exception(int code);

/* Settings from --bootstrap-server (or --bootstrap-controller) and a properties file, which may be
 * NULL. client_id: NULL for none. NULL after telling what is wrong on stderr. */
struct bnb_config *tools_config(const struct args *args, const char *file, const char *client_id);
/* "k=v" to the settings. False when there is no '='. */
bool tools_config_pair(struct bnb_config *config, const char *pair);

/* A pattern that must match a whole name; commas separate alternatives. */
struct tools_pattern {
    regex_t regex;
    bool is_set;
};
/* text NULL: everything matches. False: not a pattern. */
bool tools_pattern_init(struct tools_pattern *pattern, const char *text);
void tools_pattern_release(struct tools_pattern *pattern);
bool tools_pattern_matches(const struct tools_pattern *pattern, const char *name);

/* The next item of a list cut at separator, in place; NULL at the end. */
char *tools_list_next(char **rest, const char *separator);
/* "1,2,3" on stdout. */
void tools_print_ids(struct bnb_ids ids, const char *separator);
/* text as a JSON string on stdout. */
void tools_print_json(const char *text);

/* Rows of text in columns. pad: blanks between columns; tab: a TAB behind each cell instead. */
struct tools_table {
    size_t column_count;
    size_t row_count;
    size_t capacity;
    char **cells;
};
void tools_table_init(struct tools_table *table, size_t column_count);
void tools_table_release(struct tools_table *table);
/* column_count texts; copied. */
void tools_table_row(struct tools_table *table, const char *const *cells);
/* Each cell padded to its column, then suffix. */
void tools_table_print(const struct tools_table *table, const char *suffix);

#endif
