/* json.c: a reader for small JSON files. */
#include "tools/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct json_parser {
    struct arena *arena;
    const char *at;
};

static struct json *json_value(struct json_parser *parser, int depth);

static void json_blanks(struct json_parser *parser)
{
    parser->at += strspn(parser->at, " \t\r\n");
}

/* Appends the UTF-8 form of a code point. */
static char *json_utf8(char *to, unsigned long point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3f));
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    }
    return to;
}

/* The four digits behind "\\u" at text, or ULONG_MAX. */
static unsigned long json_hex(const char *text)
{
    if (text[0] != '\\' || text[1] != 'u' ||
        strspn(text + 2, "0123456789abcdefABCDEF") < 4) {
        return ULONG_MAX;
    }
    char digits[5] = {text[2], text[3], text[4], text[5], '\0'};
    return strtoul(digits, NULL, 16);
}

/* A character of "\\uXXXX", or of two of them that are a pair. */
static char *json_escaped(struct json_parser *parser, char *to)
{
    unsigned long point = json_hex(parser->at);
    unsigned long second = point >= 0xd800 && point < 0xdc00 ? json_hex(parser->at + 6) : 0;
    parser->at += 6;
    if (second >= 0xdc00 && second < 0xe000) {
        parser->at += 6;
        point = 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00);
    }
    return json_utf8(to, point);
}

/* Where the string that begins at text ends, at most: its decoded form is never longer. */
static size_t json_string_bytes(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0' && text[size] != '"') {
        size += text[size] == '\\' && text[size + 1] != '\0' ? 2 : 1;
    }
    return size;
}

/* The string whose opening quote is at hand, or NULL. */
static const char *json_string(struct json_parser *parser)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    parser->at++;
    char *text = arena_alloc(parser->arena, json_string_bytes(parser->at) + 1);
    char *to = text;
    while (text != NULL && *parser->at != '"') {
        if (*parser->at == '\0') {
            return NULL;
        }
        if (*parser->at != '\\') {
            *to++ = *parser->at++;
            continue;
        }
        if (json_hex(parser->at) != ULONG_MAX) {
            to = json_escaped(parser, to);
            continue;
        }
        const char *escape = parser->at[1] != '\0' ? strchr(plain, parser->at[1]) : NULL;
        if (escape == NULL) {
            return NULL;
        }
        *to++ = meant[escape - plain];
        parser->at += 2;
    }
    if (text != NULL) {
        parser->at++;
    }
    return text;
}

/* The members of the array or object whose opening bracket is at hand. */
static struct json *json_members(struct json_parser *parser, struct json *value, int depth)
{
    bool object = value->kind == JSON_OBJECT;
    char end = object ? '}' : ']';
    struct json **to = &value->first;
    parser->at++;
    json_blanks(parser);
    for (bool more = *parser->at != end; more; json_blanks(parser)) {
        const char *name = NULL;
        json_blanks(parser);
        if (object) {
            name = *parser->at == '"' ? json_string(parser) : NULL;
            json_blanks(parser);
            if (name == NULL || *parser->at != ':') {
                return NULL;
            }
            parser->at++;
        }
        struct json *member = json_value(parser, depth + 1);
        if (member == NULL) {
            return NULL;
        }
        member->name = name;
        *to = member;
        to = &member->next;
        json_blanks(parser);
        more = *parser->at == ',';
        if (!more && *parser->at != end) {
            return NULL;
        }
        parser->at += more;
    }
    parser->at++;
    return value;
}

static size_t json_digits(const char *text) { return strspn(text, "0123456789"); }

/* The bytes of the number at text; 0: there is none. */
static size_t json_number_size(const char *text)
{
    const char *at = text + (*text == '-');
    size_t digits = *at == '0' ? 1 : json_digits(at);
    at += digits;
    if (digits > 0 && *at == '.') {
        digits = json_digits(at + 1);
        at += 1 + digits;
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        at += at[1] == '-' || at[1] == '+' ? 2 : 1;
        digits = json_digits(at);
        at += digits;
    }
    return digits > 0 ? (size_t)(at - text) : 0;
}

static bool json_word(struct json_parser *parser, const char *word)
{
    size_t size = strlen(word);
    if (strncmp(parser->at, word, size) != 0) {
        return false;
    }
    parser->at += size;
    return true;
}

static bool json_fill(struct json_parser *parser, struct json *value, int depth)
{
    if (*parser->at == '{' || *parser->at == '[') {
        value->kind = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        return json_members(parser, value, depth) != NULL;
    }
    if (*parser->at == '"') {
        value->kind = JSON_STRING;
        value->text = json_string(parser);
        return value->text != NULL;
    }
    if (json_word(parser, "null")) {
        return true;
    }
    value->kind = JSON_BOOL;
    if (json_word(parser, "true") || json_word(parser, "false")) {
        return true;
    }
    size_t size = json_number_size(parser->at);
    value->kind = JSON_NUMBER;
    parser->at += size;
    return size > 0;
}

static struct json *json_value(struct json_parser *parser, int depth)
{
    struct json *value = depth < JSON_DEPTH_MAX ? arena_alloc(parser->arena, sizeof *value) : NULL;
    json_blanks(parser);
    const char *from = parser->at;
    if (value == NULL || !json_fill(parser, value, depth)) {
        return NULL;
    }
    value->source = (struct string_view){from, (size_t)(parser->at - from)};
    return value;
}

struct json *json_parse(struct arena *arena, const char *text)
{
    struct json_parser parser = {arena, text};
    return json_value(&parser, 0);
}

bool json_integer(const struct json *value, int64_t least, int64_t most, int64_t *number)
{
    char *end;
    errno = 0;
    *number = value->kind == JSON_NUMBER ? strtoll(value->source.data, &end, 10) : 0;
    return value->kind == JSON_NUMBER && errno == 0 &&
           end == value->source.data + value->source.size && *number >= least && *number <= most;
}

const struct json *json_member(const struct json *object, const char *name)
{
    const struct json *member =
        object != NULL && object->kind == JSON_OBJECT ? object->first : NULL;
    while (member != NULL && strcmp(member->name, name) != 0) {
        member = member->next;
    }
    return member;
}
