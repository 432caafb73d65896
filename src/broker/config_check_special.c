#include <stdio.h>

#include "broker/config_internal.h"

/* Checks of single settings whose values have a form of their own. */

/* How much of a value an error quotes. */
static int shown(struct string_view value)
{
    return value.size < 120 ? (int)value.size : 120;
}

static bool is_host(struct string_view text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.' || c == '_' || c == '%' || c == ':';
        if (!fine) {
            return false;
        }
    }
    return true;
}

int config_parse_address(struct string_view text, struct string_view *host, int64_t *port)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return ERR_INVALID;
    }
    struct string_view number = {text.data + colon, text.size - colon};
    if (number.size == 0 || number.data[0] < '0' || number.data[0] > '9' ||
        config_parse_long(number, 0, 65535, port) != 0) {
        return ERR_INVALID;
    }
    *host = (struct string_view){text.data, colon - 1};
    bool bracketed = host->size >= 2 && host->data[0] == '[';
    if (bracketed) {
        if (host->data[host->size - 1] != ']') {
            return ERR_INVALID;
        }
        *host = (struct string_view){host->data + 1, host->size - 2};
    }
    return is_host(*host) ? 0 : ERR_INVALID;
}

int config_check_voters(const struct config_row *row, struct string_view value,
                        struct err_message *message)
{
    struct string_view rest = config_list_start(value);
    struct string_view entry;
    while (config_list_next(&rest, &entry)) {
        const char *at = entry.size > 0 ? memchr(entry.data, '@', entry.size) : NULL;
        if (at == NULL) {
            return err_set(message, ERR_INVALID,
                           "Invalid configuration value for %s. Each entry should be in the form "
                           "`{id}@{host}:{port}`.",
                           row->name);
        }
        struct string_view id = {entry.data, (size_t)(at - entry.data)};
        struct string_view host;
        int64_t number = 0;
        if (config_parse_long(id, INT32_MIN, INT32_MAX, &number) != 0) {
            return err_set(message, ERR_INVALID, "Failed to parse voter ID as an integer from %.*s",
                           shown(id), id.data);
        }
        struct string_view address = {at + 1, entry.size - id.size - 1};
        if (config_parse_address(address, &host, &number) != 0 || host.size == 0) {
            return err_set(message, ERR_INVALID,
                           "Failed to parse host name from entry %.*s for the configuration %s. "
                           "Each entry should be in the form `{id}@{host}:{port}`.",
                           shown(entry), entry.data, row->name);
        }
    }
    return 0;
}

int config_check_servers(const struct config_row *row, struct string_view value,
                         struct err_message *message)
{
    struct string_view rest = config_list_start(value);
    struct string_view entry;
    while (config_list_next(&rest, &entry)) {
        struct string_view host;
        int64_t port = 0;
        if (config_parse_address(entry, &host, &port) != 0 || host.size == 0) {
            return err_set(message, ERR_INVALID,
                           "Failed to parse host name from %.*s for the configuration %s. Each "
                           "entry should be in the form \"{host}:{port}\"",
                           shown(entry), entry.data, row->name);
        }
    }
    return 0;
}

int config_parse_host_count(struct string_view text, struct string_view *host, int32_t *count)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    int64_t number = 0;
    struct string_view digits = config_trim(
        (struct string_view){text.data + colon, text.size - colon});
    if (colon == 0 || config_parse_long(digits, INT32_MIN, INT32_MAX, &number) != 0) {
        return ERR_INVALID;
    }
    *host = config_trim((struct string_view){text.data, colon - 1});
    *count = (int32_t)number;
    return 0;
}

int config_check_host_counts(const struct config_row *row, struct string_view value,
                             struct err_message *message)
{
    struct string_view rest = config_list_start(value);
    struct string_view entry;
    while (config_list_next(&rest, &entry)) {
        struct string_view host;
        int32_t count;
        if (config_parse_host_count(entry, &host, &count) != 0) {
            return err_set(message, ERR_INVALID,
                           "Error parsing configuration property '%s': %.*s", row->name,
                           shown(entry), entry.data);
        }
        if (!is_host(host)) {
            return err_set(message, ERR_INVALID, "%s contains invalid addresses : %.*s",
                           row->name, shown(host), host.data);
        }
    }
    return 0;
}

/* "[a, b]" of a list, as Java prints one. */
static void list_text(struct string_view value, char *text, size_t size)
{
    struct string_view rest = config_list_start(value);
    struct string_view entry;
    size_t at = 1;
    text[0] = '[';
    while (config_list_next(&rest, &entry) && at + 2 * sizeof(", ") + entry.size < size) {
        at += (size_t)snprintf(text + at, size - at, "%s%.*s", at > 1 ? ", " : "",
                               (int)entry.size, entry.data);
    }
    (void)snprintf(text + at, size - at, "]");
}

static bool is_replica(struct string_view entry)
{
    size_t colon = 0;
    size_t digits = 0;
    for (size_t i = 0; i < entry.size; i++) {
        if (entry.data[i] == ':' && digits > 0 && colon == 0) {
            colon = i;
            digits = 0;
        } else if (entry.data[i] >= '0' && entry.data[i] <= '9') {
            digits++;
        } else {
            return false;
        }
    }
    return colon > 0 && digits > 0;
}

int config_check_throttled(const struct config_row *row, struct string_view value,
                           struct err_message *message)
{
    struct string_view rest = config_list_start(value);
    struct string_view entry;
    bool all = string_view_is(value, "*");
    while (!all && config_list_next(&rest, &entry)) {
        if (entry.size > 0 && !is_replica(entry)) {
            char listed[160];
            list_text(value, listed, sizeof(listed));
            return err_set(message, ERR_INVALID,
                           "Invalid value %s for configuration %s: %s must be the literal '*' "
                           "or a list of replicas in the following format: "
                           "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                           listed, row->name, row->name);
        }
    }
    return 0;
}

/* A duration of ISO 8601 as Java reads it, not negative: P[nD][T[nH][nM][n[.n]S]]. */
static bool is_duration(struct string_view text)
{
    static const char units[] = "DHMS";
    if (text.size > 0 && text.data[0] == '+') {
        text.data++;
        text.size--;
    }
    size_t next_unit = 0; /* units come in order, each once */
    bool in_time = false;
    bool any = false;
    if (text.size < 2 || (text.data[0] != 'P' && text.data[0] != 'p')) {
        return false;
    }
    size_t at = 1;
    while (at < text.size) {
        if ((text.data[at] == 'T' || text.data[at] == 't') && !in_time) {
            in_time = true;
            next_unit = next_unit < 1 ? 1 : next_unit;
            any = false;
            at++;
            continue;
        }
        size_t digits = 0;
        bool fraction = false;
        at += text.data[at] == '+';
        while (at < text.size && ((text.data[at] >= '0' && text.data[at] <= '9') ||
                                  (text.data[at] == '.' && digits > 0 && !fraction))) {
            fraction = fraction || text.data[at] == '.';
            digits++;
            at++;
        }
        const char *unit = at < text.size ? strchr(units, text.data[at] & ~0x20) : NULL;
        if (digits == 0 || digits > 19 || unit == NULL || *unit == '\0' ||
            (size_t)(unit - units) < next_unit || (unit == units) == in_time ||
            (fraction && *unit != 'S')) {
            return false;
        }
        next_unit = (size_t)(unit - units) + 1;
        any = true;
        at++;
    }
    return any;
}

int config_check_offset_reset(const struct config_row *row, struct string_view value,
                              struct err_message *message)
{
    static const char prefix[] = "by_duration:";
    const size_t prefix_size = sizeof(prefix) - 1;
    if (string_view_is(value, "latest") || string_view_is(value, "earliest")) {
        return 0;
    }
    if (value.size > prefix_size && memcmp(value.data, prefix, prefix_size) == 0 &&
        is_duration((struct string_view){value.data + prefix_size, value.size - prefix_size})) {
        return 0;
    }
    return err_set(message, ERR_INVALID,
                   "Invalid value %.*s for configuration %s: Invalid value `%.*s` for "
                   "configuration %s. The value must be either 'earliest', 'latest' or of the "
                   "format 'by_duration:<PnDTnHnMn.nS>'.",
                   shown(value), value.data, row->name, shown(value), value.data, row->name);
}
