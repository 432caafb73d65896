/* config_internal.h: shared by the files of the config module: parsing of single values, the
 * properties file, and the struct that they fill.
 * Thread: the one that opens the config.   Bounds: CONFIG_FILE_BYTES_MAX,
 * CONFIG_SETTINGS_MAX. */
#ifndef BNB_BROKER_CONFIG_INTERNAL_H
#define BNB_BROKER_CONFIG_INTERNAL_H

#include "broker/config_table.h"

/* Kafka's: the table of a cleaner's thread is larger. */
#define CLEANER_THREAD_BYTES_ABOVE (1 << 20)

#define CONFIG_FILE_BYTES_MAX (4 << 20)
/* More than the table has names, prefixed ones included; each is compared with all before it. */
#define CONFIG_SETTINGS_MAX 10000

/* config_check.c. Blanks are what Java's trim takes away: everything up to ' '. */
struct string_view config_trim(struct string_view text);
/* Whether a value of cordoned.log.dirs names log directories: 0, or ERR_INVALID. */
int config_check_cordoned(const struct config *config, struct string_view value,
                          struct err_message *message);
/* Elements of a list value: rest = config_list_start(value), then config_list_next until false.
 * Elements are trimmed and may be empty; an empty value has none. */
struct string_view config_list_start(struct string_view value);
bool config_list_next(struct string_view *rest, struct string_view *element);
/* Whether value has this element, which points into it, further to the front already. Apache Kafka
 * drops repeated elements when it reads a list that is checked as one (CONFIG_CHECK_LIST). */
bool config_list_repeats(struct string_view value, struct string_view element);
/* 0 or ERR_INVALID; the text is trimmed already. */
int config_parse_long(struct string_view value, int64_t minimum, int64_t maximum, int64_t *number);
int config_parse_double(struct string_view value, double *number);
/* As Java prints a double: as few digits as tell it from its neighbours. */
#define CONFIG_DOUBLE_TEXT_BYTES 48
void config_double_text(double number, char text[CONFIG_DOUBLE_TEXT_BYTES]);
int config_parse_boolean(struct string_view value, bool *result);

/* config_check_special.c: the checks of single settings. */
int config_check_voters(const struct config_row *row, struct string_view value,
                        struct err_message *message);
int config_check_servers(const struct config_row *row, struct string_view value,
                         struct err_message *message);
int config_check_throttled(const struct config_row *row, struct string_view value,
                           struct err_message *message);
int config_check_host_counts(const struct config_row *row, struct string_view value,
                             struct err_message *message);
int config_check_offset_reset(const struct config_row *row, struct string_view value,
                              struct err_message *message);
/* host:port with [v6]:port too; an empty host is let through. 0 or ERR_INVALID. */
int config_parse_address(struct string_view text, struct string_view *host, int64_t *port);

/* "host:count", split at the last colon, both trimmed. 0 or ERR_INVALID. */
int config_parse_host_count(struct string_view text, struct string_view *host, int32_t *count);
/* Of "listener.name.<listener>.<setting>" the row of the setting; NULL for any other name. */
const struct config_row *config_listener_row(struct string_view name);
/* Whether this broker heeds the setting for one listener. */
bool config_listener_row_acts(const struct config_row *row);

/* config_properties.c: a Java properties file. Calls visit with each pair in the file's order; keys
 * and values are in the arena. 0, ERR_INVALID (a bad \u escape), ERR_NOMEM, or what visit returned
 * if that is not 0. */
int config_properties_parse(struct bytes_view text, struct arena *arena,
                            int (*visit)(void *context, struct string_view key,
                                         struct string_view value),
                            void *context, struct err_message *message);

/* One key of the file or an override; for one key the last value holds. */
struct config_setting {
    struct string_view name;
    struct string_view value;
    const struct config_row *row; /* NULL: unknown */
};
struct config {
    struct arena arena;
    struct config_setting *settings; /* sorted by name */
    size_t setting_count;
    size_t setting_capacity;
    /* By index of the broker row: the value in force, null when there is none. */
    struct string_view *values;
    struct config_listener *listeners;
    int32_t listener_count;
    const char **log_directories;
    int32_t log_directory_count;
    const char *metadata_directory;
    int32_t node_id;
    bool is_broker;
    bool is_controller;
};

/* NULL when the file does not set it. */
const struct config_setting *config_setting_find(const struct config *config,
                                                 struct string_view name);
/* config_listener.c: fills listeners from values and roles. */
int config_listeners_resolve(struct config *config, struct err_message *message);
/* config_rules.c: what Apache Kafka demands between settings, before and after the listeners. */
int config_roles_resolve(struct config *config, struct err_message *message);
int config_directories_resolve(struct config *config, struct err_message *message);
int config_rules_check(struct config *config, struct err_message *message);

#endif
