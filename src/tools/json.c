/* json.c: a reader for small JSON files. */
#include "tools/json.h"

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
    } else {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    }
    return to;
}

/* The string whose opening quote is at hand, or NULL. */
static const char *json_string(struct json_parser *parser)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    parser->at++;
    char *text = arena_alloc(parser->arena, strlen(parser->at) + 1);
    char *to = text;
    while (text != NULL && *parser->at != '"') {
        if (*parser->at == '\0') {
            return NULL;
        }
        if (*parser->at != '\\') {
            *to++ = *parser->at++;
            continue;
        }
        parser->at++;
        const char *escape = *parser->at != '\0' ? strchr(plain, *parser->at) : NULL;
        if (escape != NULL) {
            *to++ = meant[escape - plain];
            parser->at++;
        } else if (*parser->at == 'u' && strspn(parser->at + 1, "0123456789abcdefABCDEF") >= 4) {
            char digits[5] = {parser->at[1], parser->at[2], parser->at[3], parser->at[4], '\0'};
            to = json_utf8(to, strtoul(digits, NULL, 16));
            parser->at += 5;
        } else {
            return NULL;
        }
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
    while (*parser->at != end) {
        const char *name = NULL;
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
        if (*parser->at == ',') {
            parser->at++;
            json_blanks(parser);
        } else if (*parser->at != end) {
            return NULL;
        }
    }
    parser->at++;
    return value;
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

static struct json *json_value(struct json_parser *parser, int depth)
{
    struct json *value = depth < JSON_DEPTH_MAX ? arena_alloc(parser->arena, sizeof *value) : NULL;
    json_blanks(parser);
    if (value == NULL) {
        return NULL;
    }
    if (*parser->at == '{' || *parser->at == '[') {
        value->kind = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        return json_members(parser, value, depth);
    }
    if (*parser->at == '"') {
        value->kind = JSON_STRING;
        value->text = json_string(parser);
        return value->text != NULL ? value : NULL;
    }
    if (json_word(parser, "null")) {
        return value;
    }
    value->kind = JSON_BOOL;
    if (json_word(parser, "true")) {
        value->number = 1;
        return value;
    }
    if (json_word(parser, "false")) {
        return value;
    }
    char *end;
    value->kind = JSON_NUMBER;
    value->number = strtod(parser->at, &end);
    bool any = end != parser->at;
    parser->at = end;
    return any ? value : NULL;
}

struct json *json_parse(struct arena *arena, const char *text)
{
    struct json_parser parser = {arena, text};
    struct json *value = json_value(&parser, 0);
    json_blanks(&parser);
    return *parser.at == '\0' ? value : NULL;
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
