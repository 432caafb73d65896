/* view.h: borrowed bytes and strings. data == NULL is Kafka's null; an empty value has a non-NULL
 * data and size 0. Valid as long as the memory they point into. */
#ifndef BNB_BASE_VIEW_H
#define BNB_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_view {
    const uint8_t *data;
    size_t size;
};
struct string_view {
    const char *data;
    size_t size;
};
struct uuid {
    uint8_t bytes[16];
};

static inline struct string_view string_view_of(const char *text)
{
    return (struct string_view){text, text != NULL ? strlen(text) : 0};
}
static inline bool string_view_equal(struct string_view a, struct string_view b)
{
    return (a.data == NULL) == (b.data == NULL) && a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
/* By bytes; a prefix comes before what it is a prefix of. Negative, zero or positive, as memcmp. */
static inline int string_view_compare(struct string_view a, struct string_view b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared > 0 ? memcmp(a.data, b.data, shared) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}
static inline bool string_view_is(struct string_view a, const char *text)
{
    return string_view_equal(a, string_view_of(text));
}
static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, 16) == 0;
}
static inline bool uuid_is_zero(struct uuid a)
{
    return uuid_equal(a, (struct uuid){{0}});
}

#endif
