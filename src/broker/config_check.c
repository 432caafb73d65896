#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"
#include "broker/config_internal.h"

/* The texts are those of Apache Kafka's ConfigDef: tools and tests compare them. */

struct string_view config_trim(struct string_view text)
{
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ') {
        text.size--;
    }
    return text;
}

bool config_list_next(struct string_view *rest, struct string_view *element)
{
    if (rest->data == NULL) {
        return false;
    }
    const char *comma = rest->size > 0 ? memchr(rest->data, ',', rest->size) : NULL;
    size_t size = comma != NULL ? (size_t)(comma - rest->data) : rest->size;
    *element = config_trim((struct string_view){rest->data, size});
    if (comma == NULL) {
        *rest = (struct string_view){NULL, 0};
    } else {
        *rest = (struct string_view){comma + 1, rest->size - size - 1};
    }
    return true;
}

bool config_list_repeats(struct string_view value, struct string_view element)
{
    struct string_view rest = config_list_start(value);
    struct string_view other;
    while (config_list_next(&rest, &other) && other.data != element.data) {
        if (string_view_equal(other, element)) {
            return true;
        }
    }
    return false;
}

struct string_view config_list_start(struct string_view value)
{
    struct string_view trimmed = config_trim(value);
    return trimmed.size == 0 ? (struct string_view){NULL, 0} : trimmed;
}

/* How much of a value an error quotes. */
#define QUOTED_BYTES_MAX 256

static int wrong(const struct config_row *row, struct string_view value,
                 struct err_message *message, const char *what)
{
    int size = value.size > QUOTED_BYTES_MAX ? QUOTED_BYTES_MAX : (int)value.size;
    return err_set(message, ERR_INVALID, "Invalid value %.*s for configuration %s: %s", size,
                   value.data, row->name, what);
}

int config_parse_long(struct string_view value, int64_t minimum, int64_t maximum, int64_t *number)
{
    char text[32];
    if (value.size == 0 || value.size >= sizeof(text)) {
        return ERR_INVALID;
    }
    size_t first = value.data[0] == '-' || value.data[0] == '+';
    if (first == value.size) {
        return ERR_INVALID;
    }
    for (size_t i = first; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return ERR_INVALID;
        }
    }
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    errno = 0;
    long long parsed = strtoll(text, NULL, 10);
    if (errno != 0 || parsed < minimum || parsed > maximum) {
        return ERR_INVALID;
    }
    *number = parsed;
    return 0;
}

int config_parse_double(struct string_view value, double *number)
{
    char text[400];
    if (value.size == 0 || value.size >= sizeof(text)) {
        return ERR_INVALID;
    }
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    /* Java takes a type suffix. */
    char last = text[value.size - 1];
    if (value.size > 1 && (last == 'd' || last == 'D' || last == 'f' || last == 'F')) {
        text[value.size - 1] = '\0';
    }
    char *end = NULL;
    double parsed = strtod(text, &end);
    if (end == text || *end != '\0') {
        return ERR_INVALID;
    }
    /* C reads hexadecimal digits and names of its own; Java knows two names. */
    const char *unsigned_text = text + (text[0] == '-' || text[0] == '+');
    if (unsigned_text[strspn(unsigned_text, "0123456789.eE+-")] != '\0' &&
        strcmp(unsigned_text, "NaN") != 0 && strcmp(unsigned_text, "Infinity") != 0) {
        return ERR_INVALID;
    }
    *number = parsed;
    return 0;
}

int config_parse_boolean(struct string_view value, bool *result)
{
    if (value.size == 4 && strncasecmp(value.data, "true", 4) == 0) {
        *result = true;
        return 0;
    }
    if (value.size == 5 && strncasecmp(value.data, "false", 5) == 0) {
        *result = false;
        return 0;
    }
    return ERR_INVALID;
}

void config_double_text(double number, char text[CONFIG_DOUBLE_TEXT_BYTES])
{
    if (isnan(number) || isinf(number)) {
        (void)snprintf(text, CONFIG_DOUBLE_TEXT_BYTES, "%s",
                       isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity");
        return;
    }
    char short_form[32] = "";
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(short_form, sizeof(short_form), "%.*e", digits - 1, number);
        if (strtod(short_form, NULL) == number) {
            break;
        }
    }
    char *exponent_at = strchr(short_form, 'e');
    ASSERT(exponent_at != NULL);
    int exponent = (int)strtol(exponent_at + 1, NULL, 10);
    *exponent_at = '\0';
    bool has_point = strchr(short_form, '.') != NULL;
    if (number != 0 && (exponent < -3 || exponent >= 7)) {
        (void)snprintf(text, CONFIG_DOUBLE_TEXT_BYTES, "%s%sE%d", short_form,
                       has_point ? "" : ".0", exponent);
        return;
    }
    int digits = (int)strlen(short_form) - (short_form[0] == '-') - has_point;
    int decimals = digits - 1 - exponent;
    (void)snprintf(text, CONFIG_DOUBLE_TEXT_BYTES, "%.*f", decimals < 1 ? 1 : decimals, number);
}

static int check_bounds(const struct config_row *row, struct string_view value, double number,
                        struct err_message *message)
{
    char bound[48];
    char what[96];
    if (number < row->minimum) {
        (void)snprintf(bound, sizeof(bound), "%.17g", row->minimum);
        (void)snprintf(what, sizeof(what), "Value must be at least %s", bound);
    } else if (number > row->maximum) {
        (void)snprintf(bound, sizeof(bound), "%.17g", row->maximum);
        (void)snprintf(what, sizeof(what), "Value must be no more than %s", bound);
    } else {
        return 0;
    }
    if (row->type == CONFIG_DOUBLE) {
        char shown[CONFIG_DOUBLE_TEXT_BYTES];
        config_double_text(number, shown);
        return wrong(row, string_view_of(shown), message, what);
    }
    return wrong(row, value, message, what);
}

static int check_whole_number(const struct config_row *row, struct string_view untrimmed,
                              struct err_message *message)
{
    struct string_view value = config_trim(untrimmed);
    int64_t minimum = INT64_MIN;
    int64_t maximum = INT64_MAX;
    const char *name = "LONG";
    if (row->type == CONFIG_INT) {
        minimum = INT32_MIN;
        maximum = INT32_MAX;
        name = "INT";
    } else if (row->type == CONFIG_SHORT) {
        minimum = INT16_MIN;
        maximum = INT16_MAX;
        name = "SHORT";
    }
    int64_t number = 0;
    if (config_parse_long(value, minimum, maximum, &number) != 0) {
        char what[48];
        (void)snprintf(what, sizeof(what), "Not a number of type %s", name);
        return wrong(row, untrimmed, message, what);
    }
    char shown[24];
    (void)snprintf(shown, sizeof(shown), "%lld", (long long)number);
    if (config_entry_of(row)->check == CONFIG_CHECK_GZIP_LEVEL && number != -1 &&
        (number < 1 || number > 9)) {
        return wrong(row, string_view_of(shown), message,
                     "Value must be between 1 and 9 or equal to -1");
    }
    return check_bounds(row, string_view_of(shown), (double)number, message);
}

static bool is_allowed(const char *allowed, struct string_view value, bool caseless)
{
    struct string_view rest = string_view_of(allowed);
    struct string_view one;
    while (config_list_next(&rest, &one)) {
        if (one.size == value.size &&
            (caseless ? strncasecmp(one.data, value.data, one.size) == 0
                      : memcmp(one.data, value.data, one.size) == 0)) {
            return true;
        }
    }
    return false;
}

/* "a, b, c" of "a,b,c". */
static void allowed_text(const char *allowed, char *text, size_t size)
{
    size_t at = 0;
    for (const char *c = allowed; *c != '\0' && at + 3 < size; c++) {
        text[at++] = *c;
        if (*c == ',') {
            text[at++] = ' ';
        }
    }
    text[at] = '\0';
}

static int check_one_of(const struct config_row *row, struct string_view value, bool caseless,
                        struct err_message *message)
{
    if (is_allowed(row->allowed, value, caseless)) {
        return 0;
    }
    char values[160];
    char what[224];
    allowed_text(row->allowed, values, sizeof(values));
    (void)snprintf(what, sizeof(what), "String must be one of%s: %s",
                   caseless ? " (case insensitive)" : "", values);
    return wrong(row, value, message, what);
}

/* More elements than any list of settings has; bounds the search for repeated ones. */
#define LIST_ELEMENTS_MAX 4096

static int check_list(const struct config_row *row, struct string_view value,
                      struct err_message *message)
{
    struct string_view rest = config_list_start(value);
    struct string_view element;
    if (rest.data == NULL && row->nonempty) {
        char values[160] = "any non-empty value";
        if (row->allowed != NULL) {
            values[0] = '[';
            allowed_text(row->allowed, values + 1, sizeof(values) - 2);
            size_t end = strlen(values);
            values[end] = ']';
            values[end + 1] = '\0';
        }
        return err_set(message, ERR_INVALID,
                       "Configuration '%s' must not be empty. Valid values include: %s", row->name,
                       values);
    }
    int32_t count = 0;
    while (config_list_next(&rest, &element)) {
        if (++count > LIST_ELEMENTS_MAX) {
            return wrong(row, element, message, "Too many elements");
        }
        if (element.size == 0) {
            return err_set(message, ERR_INVALID, "Configuration '%s' values must not be empty.",
                           row->name);
        }
        int code = row->allowed != NULL ? check_one_of(row, element, false, message) : 0;
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

int config_check(const struct config_row *row, struct string_view value,
                 struct err_message *message)
{
    struct string_view trimmed = config_trim(value);
    switch (row->type) {
    case CONFIG_BOOLEAN: {
        bool ignored = false;
        if (config_parse_boolean(trimmed, &ignored) != 0) {
            return wrong(row, value, message, "Expected value to be either true or false");
        }
        return 0;
    }
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        return check_whole_number(row, value, message);
    case CONFIG_DOUBLE: {
        double number = 0;
        if (config_parse_double(trimmed, &number) != 0) {
            return wrong(row, value, message, "Not a number of type DOUBLE");
        }
        return check_bounds(row, trimmed, number, message);
    }
    case CONFIG_STRING:
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        break;
    }
    switch (config_entry_of(row)->check) {
    case CONFIG_CHECK_ONE_OF:
        return check_one_of(row, trimmed, false, message);
    case CONFIG_CHECK_CASELESS:
        return check_one_of(row, trimmed, true, message);
    case CONFIG_CHECK_LIST:
        return check_list(row, trimmed, message);
    case CONFIG_CHECK_NONEMPTY:
        return trimmed.size == 0 ? wrong(row, trimmed, message, "String must be non-empty") : 0;
    case CONFIG_CHECK_VOTERS:
        return config_check_voters(row, trimmed, message);
    case CONFIG_CHECK_SERVERS:
        return config_check_servers(row, trimmed, message);
    case CONFIG_CHECK_HOST_COUNTS:
        return config_check_host_counts(row, value, message);
    case CONFIG_CHECK_THROTTLED:
        return config_check_throttled(row, trimmed, message);
    case CONFIG_CHECK_OFFSET_RESET:
        return config_check_offset_reset(row, trimmed, message);
    case CONFIG_CHECK_GZIP_LEVEL:
    case CONFIG_CHECK_NONE:
    case CONFIG_CHECK_NONNULL:
        break;
    }
    return 0;
}
