/* json.h: reads small JSON files that tools are given. A tree in an arena; text is decoded.
 * Bounds: JSON_DEPTH_MAX. Errors: NULL. Thread: one. */
#ifndef BNB_TOOLS_JSON_H
#define BNB_TOOLS_JSON_H

#include "base/arena.h"

#define JSON_DEPTH_MAX 32

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};
struct json {
    enum json_kind kind;
    const char *name; /* inside an object */
    const char *text; /* of a string */
    struct string_view source; /* the value as it stands in the file */
    struct json *first; /* of an array or object */
    struct json *next;  /* its sibling */
};
/* The first value of text, which must outlive it; what follows that is not looked at, as in Kafka's
 * reader. */
struct json *json_parse(struct arena *arena, const char *text);
/* Whether it is a number without fraction and exponent between both, *number. */
bool json_integer(const struct json *value, int64_t least, int64_t most, int64_t *number);
/* The member of that name; NULL when there is none or object is no object. */
const struct json *json_member(const struct json *object, const char *name);

#endif
