/* reset_plan.c: plans in CSV, durations, points in time, partitions of topics. */
#include "tools/reset_plan.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"

#define FIELDS_MAX 4
/* Longer texts are in quotes whatever they hold, as in plans of Apache Kafka. */
#define UNQUOTED_CHARS_MAX 24
#define SECONDS_A_DAY 86400

/* ---- numbers ---- */

/* All of a text: a sign and digits. False: it is none, or does not fit. */
static bool number_parse(const char *text, size_t size, int64_t *number)
{
    size_t at = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    bool negative = at == 1 && text[0] == '-';
    int64_t sum = 0;
    bool fits = at < size;
    for (; at < size && fits; at++) {
        fits = text[at] >= '0' && text[at] <= '9' && !__builtin_mul_overflow(sum, 10, &sum) &&
               !__builtin_sub_overflow(sum, text[at] - '0', &sum);
    }
    *number = sum; /* below zero, since there are more numbers there */
    return fits && (negative || !__builtin_sub_overflow(0, sum, number));
}

static bool number_parse_int32(const char *text, size_t size, int64_t *number)
{
    return number_parse(text, size, number) && *number >= INT32_MIN && *number <= INT32_MAX;
}

/* ---- plans ---- */

/* Cuts a line into fields: the number of them, FIELDS_MAX + 1 when there are more. */
static size_t csv_cut(char *line, char *fields[FIELDS_MAX])
{
    size_t count = 0;
    for (char *at = line; count <= FIELDS_MAX; count++) {
        char *from = at;
        char *to = at;
        bool quoted = *at == '"';
        for (at += quoted; *at != '\0' && (quoted || *at != ','); at++) {
            if (quoted && *at == '"' && at[1] != '"') {
                quoted = false; /* what follows up to the comma is blank, or taken as it is */
                continue;
            }
            at += quoted && *at == '"';
            *to++ = *at;
        }
        bool last = *at == '\0';
        *to = '\0';
        if (count < FIELDS_MAX) {
            fields[count] = from;
        }
        if (last) {
            return count + 1;
        }
        at++;
    }
    return count;
}

/* As Java's CSV has it: blanks around a number do not count, and nothing is 0. */
static bool csv_number(const char *field, bool is_int, int64_t *number)
{
    const char *from = field + strspn(field, " \t");
    size_t size = strlen(from);
    while (size > 0 && (from[size - 1] == ' ' || from[size - 1] == '\t')) {
        size--;
    }
    *number = 0;
    return size == 0 || (is_int ? number_parse_int32(from, size, number)
                                : number_parse(from, size, number));
}

static bool csv_entry(char *line, const char *group, struct reset_entry *entry,
                      char error[RESET_TEXT_BYTES])
{
    char *fields[FIELDS_MAX] = {"", "", "", ""};
    size_t room = group != NULL ? FIELDS_MAX - 1 : FIELDS_MAX;
    size_t count = csv_cut(line, fields);
    char *const *field = fields;
    int64_t partition;
    int64_t offset;
    if (count > room) {
        snprintf(error, RESET_TEXT_BYTES, "Too many entries: expected at most %zu", room);
        return false;
    }
    entry->group = group != NULL ? group : *field++;
    entry->topic = field[0];
    if (!csv_number(field[1], true, &partition) || !csv_number(field[2], false, &offset)) {
        bool first = !csv_number(field[1], true, &partition);
        snprintf(error, RESET_TEXT_BYTES,
                 "Cannot deserialize value of type `%s` from String \"%.200s\": not a valid `%s` "
                 "value", first ? "int" : "long", field[first ? 1 : 2], first ? "int" : "long");
        return false;
    }
    entry->partition = (int32_t)partition;
    entry->offset = offset;
    return true;
}

/* The next line, cut off in place without its end; NULL when nothing but ends is left. */
static char *csv_line(char **rest)
{
    char *line = *rest;
    if (line[strspn(line, "\n")] == '\0') {
        return NULL;
    }
    size_t size = strcspn(line, "\n");
    *rest = line + size + (line[size] == '\n' ? 1 : 0);
    line[size] = '\0';
    if (size > 0 && line[size - 1] == '\r') {
        line[size - 1] = '\0';
    }
    return line;
}

static int csv_parse(const char *text, const char *group, struct arena *arena,
                     struct reset_plan *plan, char error[RESET_TEXT_BYTES])
{
    size_t lines = 1;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n' ? 1 : 0;
    }
    char *rest = (char *)arena_string(arena, (struct string_view){text, strlen(text)}).data;
    plan->entries = arena_array(arena, lines, sizeof *plan->entries);
    plan->count = 0;
    if (arena->failed) {
        snprintf(error, RESET_TEXT_BYTES, "out of memory");
        return ERR_NOMEM;
    }
    for (char *line; (line = csv_line(&rest)) != NULL;) {
        if (line[0] == '\0') {
            break;
        }
        if (!csv_entry(line, group, &plan->entries[plan->count], error)) {
            return ERR_INVALID;
        }
        plan->count++;
    }
    if (plan->count == 0 || rest[strspn(rest, "\n")] != '\0') {
        snprintf(error, RESET_TEXT_BYTES, "No content to map due to end-of-input");
        return ERR_INVALID;
    }
    return 0;
}

/* Whether the first line is one of a plan for one group. */
static bool csv_is_single(const char *text, struct arena *arena, char error[RESET_TEXT_BYTES])
{
    struct reset_entry entry;
    struct string_view first = {text, strcspn(text, "\n")};
    first.size -= first.size > 0 && text[first.size - 1] == '\r' ? 1 : 0;
    char *copy = (char *)arena_string(arena, first).data;
    return copy != NULL && copy[0] != '\0' && csv_entry(copy, "", &entry, error);
}

int reset_plan_parse(const char *text, const char *group, struct arena *arena,
                     struct reset_plan *plan, char error[RESET_TEXT_BYTES])
{
    ASSERT(text != NULL && arena != NULL);
    bool single = group != NULL && csv_is_single(text, arena, error);
    return csv_parse(text, single ? group : NULL, arena, plan, error);
}

size_t reset_csv_field(const char *field, char *to, size_t size)
{
    size_t used = 0;
    size_t chars = 0;
    bool quotes = false;
    for (const char *at = field; *at != '\0'; at++) {
        chars += (*at & 0xc0) != 0x80 ? 1 : 0;
        quotes = quotes || (*at >= 0 && *at < '-');
    }
    quotes = quotes || chars > UNQUOTED_CHARS_MAX;
    for (const char *at = field; ; at++) {
        bool edge = at == field || *at == '\0';
        for (int i = 0; i < (quotes ? (edge ? 1 : 0) + (*at == '"' ? 1 : 0) : 0); i++) {
            if (used + 1 < size) {
                to[used] = '"';
            }
            used++;
        }
        if (*at == '\0') {
            break;
        }
        if (used + 1 < size) {
            to[used] = *at;
        }
        used++;
    }
    if (size > 0) {
        to[used < size ? used : size - 1] = '\0';
    }
    return used;
}

/* ---- durations ---- */

static const char no_duration[] = "Text cannot be parsed to a Duration";

static bool is_letter(char c, char letter) { return tolower((unsigned char)c) == letter; }

/* A number in front of unit, if there is one: its digits in *from and *size, the rest in *at. */
static bool duration_part(const char **at, char unit, const char **from, size_t *size)
{
    const char *end = *at + (**at == '-' || **at == '+' ? 1 : 0);
    size_t digits = strspn(end, "0123456789");
    *from = *at;
    *size = (size_t)(end - *at) + digits;
    if (digits == 0 || !is_letter(end[digits], unit)) {
        return false;
    }
    *at = end + digits + 1;
    return true;
}

/* Adds a number of units to the sum; NULL, or what is wrong. */
static const char *duration_add(const char *from, size_t size, int64_t unit_seconds,
                                const char *wrong, int64_t *seconds)
{
    int64_t number;
    if (!number_parse(from, size, &number) ||
        __builtin_mul_overflow(number, unit_seconds, &number)) {
        return wrong;
    }
    return __builtin_add_overflow(*seconds, number, seconds)
               ? "Text cannot be parsed to a Duration: overflow"
               : NULL;
}

/* "n.nS" at the end; a fraction has up to nine digits and the sign of the seconds. */
static const char *duration_seconds(const char **at, struct reset_duration *duration, bool *any)
{
    const char *end = *at + (**at == '-' || **at == '+' ? 1 : 0);
    bool negative = **at == '-';
    const char *from = *at;
    size_t digits = strspn(end, "0123456789");
    size_t size = (size_t)(end - from) + digits;
    int64_t nanoseconds = 0;
    end += digits;
    if (digits > 0 && (*end == '.' || *end == ',')) {
        size_t fraction = strspn(end + 1, "0123456789");
        for (size_t i = 0; i < 9; i++) {
            nanoseconds = nanoseconds * 10 + (i < fraction ? end[1 + i] - '0' : 0);
        }
        end += 1 + fraction;
        digits = fraction <= 9 ? digits : 0;
    }
    if (digits == 0 || !is_letter(*end, 's')) {
        return NULL; /* what is left is an error */
    }
    *at = end + 1;
    *any = true;
    if (negative && nanoseconds > 0) {
        nanoseconds = 1000000000 - nanoseconds;
        duration->seconds = -1;
    }
    duration->nanoseconds = (int32_t)nanoseconds;
    return duration_add(from, size, 1, "Text cannot be parsed to a Duration: seconds",
                        &duration->seconds);
}

/* Behind the P, in the order in which Java looks at the parts. */
static const char *duration_parts(const char **at, struct reset_duration *duration, bool *any)
{
    static const struct {
        char unit;
        int64_t seconds;
        const char *wrong;
    } parts[] = {{'d', SECONDS_A_DAY, "Text cannot be parsed to a Duration: days"},
                 {'h', 3600, "Text cannot be parsed to a Duration: hours"},
                 {'m', 60, "Text cannot be parsed to a Duration: minutes"}};
    const char *wrong = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && wrong == NULL; i++) {
        const char *from;
        size_t size;
        if (i == 1) {
            if (!is_letter(**at, 't')) {
                return NULL;
            }
            ++*at;
            *any = false; /* a T wants something behind it */
        }
        if (duration_part(at, parts[i].unit, &from, &size)) {
            *any = true;
            wrong = duration_add(from, size, parts[i].seconds, parts[i].wrong,
                                 &duration->seconds);
        }
    }
    if (wrong != NULL) {
        return wrong;
    }
    struct reset_duration last = {0, 0};
    wrong = duration_seconds(at, &last, any);
    duration->nanoseconds = last.nanoseconds;
    return wrong != NULL ? wrong
           : __builtin_add_overflow(duration->seconds, last.seconds, &duration->seconds)
               ? "Text cannot be parsed to a Duration: overflow"
               : NULL;
}

const char *reset_duration_parse(const char *text, struct reset_duration *duration)
{
    const char *at = text + (*text == '-' || *text == '+' ? 1 : 0);
    bool any = false;
    *duration = (struct reset_duration){0, 0};
    if (!is_letter(*at, 'p')) {
        return no_duration;
    }
    at++;
    const char *wrong = duration_parts(&at, duration, &any);
    if (!any || *at != '\0') {
        return no_duration;
    }
    if (wrong == NULL && *text == '-') {
        bool carry = duration->nanoseconds > 0;
        duration->nanoseconds = carry ? 1000000000 - duration->nanoseconds : 0;
        if (__builtin_sub_overflow(carry ? -1 : 0, duration->seconds, &duration->seconds)) {
            return "Text cannot be parsed to a Duration: overflow";
        }
    }
    return wrong;
}

const char *reset_duration_before(struct reset_duration duration, int64_t now_ms,
                                  int64_t *timestamp_ms)
{
    static const int64_t instant_seconds_max = 31556889864403199;
    int64_t seconds;
    if (__builtin_sub_overflow(now_ms / 1000, duration.seconds, &seconds) ||
        seconds > instant_seconds_max || seconds < -instant_seconds_max) {
        return "Instant exceeds minimum or maximum instant";
    }
    /* rounded down, as the nanoseconds that are not there would */
    int64_t rest_ms = now_ms % 1000 - (duration.nanoseconds + 999999) / 1000000;
    return __builtin_mul_overflow(seconds, 1000, timestamp_ms) ||
                   __builtin_add_overflow(*timestamp_ms, rest_ms, timestamp_ms)
               ? "long overflow"
               : NULL;
}

/* ---- points in time ---- */

/* A number up to max, blanks in front of it skipped, and the character that follows. */
static bool datetime_field(const char **at, char behind, int64_t max, int64_t *number)
{
    *at += strspn(*at, " \t");
    size_t size = strspn(*at, "0123456789");
    if (size == 0 || !number_parse(*at, size, number) || *number > max ||
        (behind != '\0' && (*at)[size] != behind)) {
        return false;
    }
    *at += size + (behind != '\0' ? 1 : 0);
    return true;
}

/* Two digits up to max. */
static bool two_digits(const char *at, int max, int *number)
{
    if (!isdigit((unsigned char)at[0]) || !isdigit((unsigned char)at[1])) {
        return false;
    }
    *number = (at[0] - '0') * 10 + (at[1] - '0');
    return *number <= max;
}

/* Z, +hh:mm or +hh; of +hhmm the minutes are not looked at. */
static bool datetime_zone(const char *at, int64_t *offset_ms)
{
    int hours;
    int minutes = 0;
    *offset_ms = 0;
    if (*at == 'Z') {
        return true;
    }
    if ((*at != '+' && *at != '-') || !two_digits(at + 1, 23, &hours)) {
        return false;
    }
    if (at[3] == ':' && !two_digits(at + 4, 59, &minutes)) {
        minutes = 0;
    }
    *offset_ms = (hours * 60 + minutes) * INT64_C(60000) * (*at == '-' ? -1 : 1);
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    static const int16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = year - 1;
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400;
    return days + before[month - 1] + (month > 2 && is_leap(year) ? 1 : 0) + day - 1 - 719162;
}

static bool datetime_read(const char *text, int64_t *timestamp_ms)
{
    static const int8_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *at = text;
    int64_t year, month, day, hour, minute, second, ms, offset_ms;
    if (!datetime_field(&at, '-', 200000000, &year) || !datetime_field(&at, '-', 12, &month) ||
        !datetime_field(&at, 'T', 31, &day) || !datetime_field(&at, ':', 23, &hour) ||
        !datetime_field(&at, ':', 59, &minute) || !datetime_field(&at, '.', 59, &second) ||
        !datetime_field(&at, '\0', 999, &ms) || !datetime_zone(at, &offset_ms)) {
        return false;
    }
    if (year < 1 || month < 1 || day < 1 || day > lengths[month - 1] ||
        (month == 2 && day == 29 && !is_leap(year))) {
        return false;
    }
    int64_t days = days_of(year, month, day);
    int64_t seconds = days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
    *timestamp_ms = seconds * 1000 + ms - offset_ms;
    return true;
}

bool reset_datetime_parse(const char *text, int64_t *timestamp_ms, char error[RESET_TEXT_BYTES])
{
    const char *time = strchr(text, 'T');
    if (time == NULL || time[1 + strspn(time + 1, "T")] == '\0') {
        snprintf(error, RESET_TEXT_BYTES, "Error parsing timestamp. It does not contain a 'T' "
                                          "according to ISO8601 format");
        return false;
    }
    char whole[RESET_TEXT_BYTES / 2];
    size_t size = strcspn(time + 1, "T");
    bool zoned = strcspn(time + 1, "+-Z") < size;
    snprintf(whole, sizeof whole, "%.200s%s", text, zoned ? "" : "Z");
    if (!datetime_read(whole, timestamp_ms)) {
        snprintf(error, RESET_TEXT_BYTES, "Unparseable date: \"%s\"", whole);
        return false;
    }
    return true;
}

/* ---- partitions ---- */

static int topic_wrong(const char *text, char error[RESET_TEXT_BYTES])
{
    snprintf(error, RESET_TEXT_BYTES, "Invalid topic arg '%.300s', expected topic name and "
             "partitions", text);
    return ERR_INVALID;
}

int reset_topic_parse(const char *text, struct arena *arena, struct reset_topic *topic,
                      char error[RESET_TEXT_BYTES])
{
    const char *colon = strchr(text, ':');
    if (colon == NULL) {
        return topic_wrong(text, error);
    }
    const char *from = colon + 1;
    size_t size = strcspn(from, ":");
    if (size == 0 || from[size + strspn(from + size, ":")] != '\0') {
        return topic_wrong(text, error);
    }
    topic->name = arena_string(arena, (struct string_view){text, (size_t)(colon - text)}).data;
    topic->partitions = arena_array(arena, size, sizeof *topic->partitions);
    topic->count = 0;
    if (arena->failed) {
        snprintf(error, RESET_TEXT_BYTES, "out of memory");
        return ERR_NOMEM;
    }
    while (size > 0 && from[size - 1] == ',') {
        size--; /* nothing behind the last comma is nothing */
    }
    for (size_t at = 0; at < size;) {
        const char *comma = memchr(from + at, ',', size - at);
        size_t end = comma != NULL ? (size_t)(comma - from) : size;
        int64_t number;
        if (!number_parse_int32(from + at, end - at, &number)) {
            snprintf(error, RESET_TEXT_BYTES,
                     "Invalid partition '%.*s' specified in topic arg '%.200s''",
                     (int)(end - at < 200 ? end - at : 200), from + at, text);
            return ERR_INVALID;
        }
        topic->partitions[topic->count++] = (int32_t)number;
        at = end + 1;
    }
    return 0;
}
