#include "broker/config_internal.h"

/* The format of java.util.Properties: one pair a logical line; '#' and '!' begin a comment line;
 * a backslash at the end of a line joins it to the next, whose leading blanks go; the key ends at
 * the first '=', ':' or blank that has no backslash before it. Bytes above 127 are taken as UTF-8,
 * as Apache Kafka's tools write them. */

struct line_cursor {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* Joins the physical lines of the next logical line into out (as large as what is left), without
 * its leading blanks and comments; false at the end of the text. Escapes stay. */
static bool logical_line(struct line_cursor *cursor, char *out, size_t *size)
{
    *size = 0;
    while (cursor->at < cursor->end) {
        while (cursor->at < cursor->end && is_blank(*cursor->at)) {
            cursor->at++;
        }
        const char *start = cursor->at;
        while (cursor->at < cursor->end && !is_line_end(*cursor->at)) {
            cursor->at++;
        }
        size_t length = (size_t)(cursor->at - start);
        if (cursor->at < cursor->end) {
            bool pair = cursor->at[0] == '\r' && cursor->at + 1 < cursor->end &&
                        cursor->at[1] == '\n';
            cursor->at += pair ? 2 : 1;
        }
        if (*size == 0 && (length == 0 || start[0] == '#' || start[0] == '!')) {
            continue;
        }
        size_t slashes = 0;
        while (slashes < length && start[length - 1 - slashes] == '\\') {
            slashes++;
        }
        bool continued = slashes % 2 == 1;
        length -= continued;
        memcpy(out + *size, start, length);
        *size += length;
        if (!continued && *size > 0) {
            return true;
        }
    }
    return *size > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static size_t utf8_put(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The four digits behind "\u" at text; -1 when they are none. */
static int32_t unicode_escape(struct string_view text, size_t at)
{
    if (at + 6 > text.size || text.data[at] != '\\' || text.data[at + 1] != 'u') {
        return -1;
    }
    int32_t code = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(text.data[at + i]);
        if (digit < 0) {
            return -1;
        }
        code = code << 4 | digit;
    }
    return code;
}

/* Resolves escapes; the result is never longer than the text. */
static int unescape(struct string_view text, struct arena *arena, struct string_view *plain,
                    struct err_message *message)
{
    char *out = arena_alloc(arena, text.size + 1);
    if (out == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c != '\\' || i + 1 == text.size) {
            out[size++] = c;
            continue;
        }
        char next = text.data[i + 1];
        if (next == 'u') {
            int32_t code = unicode_escape(text, i);
            if (code < 0) {
                return err_set(message, ERR_INVALID, "Malformed \\uxxxx encoding.");
            }
            i += 5;
            int32_t low = code >= 0xd800 && code < 0xdc00 ? unicode_escape(text, i + 1) : -1;
            if (low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                i += 6;
            }
            size += utf8_put((uint32_t)code, out + size);
            continue;
        }
        static const char from[] = "tnrf";
        static const char to[] = "\t\n\r\f";
        const char *known = strchr(from, next);
        out[size++] = known != NULL && next != '\0' ? to[known - from] : next;
        i++;
    }
    *plain = (struct string_view){out, size};
    return 0;
}

/* Splits a logical line at the end of its key. */
static void split(struct string_view line, struct string_view *key, struct string_view *value)
{
    size_t at = 0;
    while (at < line.size && line.data[at] != '=' && line.data[at] != ':' &&
           !is_blank(line.data[at])) {
        at += line.data[at] == '\\' ? 2 : 1;
    }
    at = at > line.size ? line.size : at;
    *key = (struct string_view){line.data, at};
    bool separated = false;
    while (at < line.size) {
        char c = line.data[at];
        if (!is_blank(c) && (separated || (c != '=' && c != ':'))) {
            break;
        }
        separated = separated || c == '=' || c == ':';
        at++;
    }
    *value = (struct string_view){line.data + at, line.size - at};
}

int config_properties_parse(struct bytes_view text, struct arena *arena,
                            int (*visit)(void *context, struct string_view key,
                                         struct string_view value),
                            void *context, struct err_message *message)
{
    char *line = arena_alloc(arena, text.size + 1);
    if (line == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    struct line_cursor cursor = {(const char *)text.data, (const char *)text.data + text.size};
    size_t size = 0;
    while (logical_line(&cursor, line, &size)) {
        struct string_view raw_key;
        struct string_view raw_value;
        split((struct string_view){line, size}, &raw_key, &raw_value);
        struct string_view key;
        struct string_view value;
        int code = unescape(raw_key, arena, &key, message);
        if (code == 0) {
            code = unescape(raw_value, arena, &value, message);
        }
        if (code == 0) {
            code = visit(context, key, value);
        }
        if (code != 0) {
            return code;
        }
    }
    return 0;
}
