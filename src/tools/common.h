/* common.h: what the tools share: settings from flags, messages, patterns, tables.
 * Thread: main, except tools_warn. */
#ifndef BNB_TOOLS_COMMON_H
#define BNB_TOOLS_COMMON_H

#include <barnabas/admin.h>

#include "base/regex.h"
#include "tools/args.h"

/* "[date] LEVEL text (tool)" on stderr. */
void tools_log(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For bnb_config_set_warn. */
void tools_warn(void *context, const char *text);
/* "TopicExistsException" and the like. */
const char *tools_exception(int code);

/* What args_renamed says: kept in one place, since the tools say it in different words. */
#define TOOLS_HAS_BEEN_DEPRECATED                                                                  \
    "Option %o has been deprecated and will be removed in a future version. Use %n instead."
#define TOOLS_IS_DEPRECATED                                                                        \
    "Option %o is deprecated and will be removed in a future version. Use %n instead."
#define TOOLS_WARNING_DEPRECATED                                                                   \
    "Warning: %o is deprecated and will be removed in a future version. Use %n instead."

/* What is said of a text that is no uuid. */
#define TOOLS_UUID_WRONG "Last unit does not have enough valid bits"

/* Tells that a client could not be made, and why; returns 1. */
int tools_fail_create(const struct bnb_error *error);
/* Tells what is wrong with a properties file; returns 1. */
int tools_fail_file(const char *path, const struct bnb_error *error);

/* Settings from --bootstrap-server (or --bootstrap-controller) and a properties file, which may be
 * NULL. client_id: NULL for none. NULL after telling what is wrong on stderr. */
struct bnb_config *tools_config(const struct args *args, const char *file, const char *client_id);
/* What run says of an admin client with those settings and a memory, both lent to it for the call;
 * or 1 after telling why there is none. */
int tools_run_admin(const struct args *args, const char *file,
                    int (*run)(void *context, struct bnb_admin *admin, struct bnb_memory *memory),
                    void *context);
/* "k=v" to the settings. False when there is no '='. */
bool tools_config_pair(struct bnb_config *config, const char *pair);
/* Every "k=v" of an option, under its new or its old name; "k" alone has an empty value. 0, or 1
 * after telling the mistake. */
int tools_config_pairs(const struct args *args, const struct args_renaming *renaming,
                       struct bnb_config *config);
/* Whether --bootstrap-server is host:port pairs: 0, or 1 after telling with the options. */
int tools_check_servers(const struct args *args);
/* Whether a class is one of names (ends with NULL), each with or without its package; a failure is
 * for the caller to tell. */
bool tools_class_known(const char *class_name, const char *const *names);

/* Whether Java's consumer finds that fault of its settings while it is being made ("Failed to
 * construct kafka consumer"), not when it reads them. */
bool tools_fails_late(const char *text);
/* For names that nobody else is likely to have. */
uint32_t tools_random(void);

/* A pattern that must match a whole name, as Apache Kafka's tools take it: commas separate
 * alternatives, blanks and quotes around it do not count. */
struct tools_pattern {
    struct regex *regex; /* NULL: everything matches */
};
/* text NULL: everything matches. False: not a pattern. */
bool tools_pattern_init(struct tools_pattern *pattern, const char *text);
void tools_pattern_release(struct tools_pattern *pattern);
bool tools_pattern_matches(const struct tools_pattern *pattern, const char *name);

/* The next item of a list cut at separator, in place; NULL at the end. */
char *tools_list_next(char **rest, const char *separator);
/* Whether name is an item of a comma separated list. */
bool tools_listed(const char *list, const char *name);
/* "1,2,3" on stdout. */
void tools_print_ids(struct bnb_ids ids, const char *separator);
/* A number as Java prints it: the fewest digits that read back as the same one, at least one behind
 * the point, and an exponent below 10^-3 and from 10^7 on. */
#define TOOLS_NUMBER_BYTES 48
void tools_java_double(double value, char text[TOOLS_NUMBER_BYTES]);
void tools_java_float(float value, char text[TOOLS_NUMBER_BYTES]);
/* text as a JSON string on stdout. */
void tools_print_json(const char *text);

/* Sorts count items of size bytes, whose first member is a name, as a Java HashMap with these names
 * is walked: by the low bits of the mixed hash of the name. Apache Kafka's tools print so. */
void tools_java_order(void *items, int32_t count, size_t size);
/* The same of a map that was copied from another: it has its buckets at once. */
void tools_java_order_copied(void *items, int32_t count, size_t size);
/* The same of partitions: items begin as struct bnb_topic_partition. */
void tools_java_order_partitions(void *items, int32_t count, size_t size, bool copied);

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
