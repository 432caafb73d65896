#include "metadata/topic_name.h"

/* Of a name in a message. */
#define SHOWN_BYTES_MAX 300

static bool character_is_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
}

int topic_name_check(struct string_view name, struct err_message *message)
{
    static const char prefix[] = "Topic name is invalid: ";
    int shown = name.size < SHOWN_BYTES_MAX ? (int)name.size : SHOWN_BYTES_MAX;
    if (name.size == 0) {
        return err_set(message, ERR_INVALID, "%sthe empty string is not allowed", prefix);
    }
    if (string_view_is(name, ".") || string_view_is(name, "..")) {
        return err_set(message, ERR_INVALID, "%s'%.*s' is not allowed", prefix, shown, name.data);
    }
    if (name.size > TOPIC_NAME_BYTES_MAX) {
        return err_set(message, ERR_INVALID,
                       "%sthe length of '%.*s' is longer than the max allowed length %d", prefix,
                       shown, name.data, TOPIC_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!character_is_legal(name.data[i])) {
            return err_set(message, ERR_INVALID,
                           "%s'%.*s' contains one or more characters other than ASCII "
                           "alphanumerics, '.', '_' and '-'",
                           prefix, shown, name.data);
        }
    }
    return 0;
}

bool topic_names_collide(struct string_view a, struct string_view b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        char left = a.data[i] == '.' ? '_' : a.data[i];
        char right = b.data[i] == '.' ? '_' : b.data[i];
        if (left != right) {
            return false;
        }
    }
    return true;
}
