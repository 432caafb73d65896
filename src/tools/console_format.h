/* console_format.h: how kafka-console-consumer shows a record on stdout.
 *
 * Either its parts, each made text as a deserializer of Java has it, or the JSON of what records of
 * the coordinators' topics hold. Settings are borrowed from the flags and the properties.
 * Thread: main.   Errors: a record that cannot be shown; what came before the part at fault is. */
#ifndef BNB_TOOLS_CONSOLE_FORMAT_H
#define BNB_TOOLS_CONSOLE_FORMAT_H

#include <barnabas/consumer.h>

#include "base/arena.h"
#include "tools/args.h"

enum console_kind {
    CONSOLE_PARTS,
    CONSOLE_NOTHING,
    CONSOLE_OFFSETS,
    CONSOLE_GROUPS,
    CONSOLE_TRANSACTIONS,
};
enum console_type {
    CONSOLE_RAW, /* no deserializer: as they come */
    CONSOLE_STRING,
    CONSOLE_BYTES,
    CONSOLE_BUFFER,
    CONSOLE_SHORT,
    CONSOLE_INT,
    CONSOLE_LONG,
    CONSOLE_FLOAT,
    CONSOLE_DOUBLE,
    CONSOLE_BOOLEAN,
    CONSOLE_UUID,
    CONSOLE_VOID,
};
struct console_format {
    enum console_kind kind;
    bool timestamp;
    bool partition;
    bool offset;
    bool delivery;
    bool epoch;
    bool headers;
    bool key;
    bool value;
    const char *key_separator;
    const char *line_separator;
    const char *headers_separator;
    const char *null_literal; /* what stands for a null, and goes through the deserializer */
    enum console_type key_type;
    enum console_type value_type;
    enum console_type header_type;
    struct arena arena; /* of the record in hand */
    char error[192];    /* of the last one that could not be shown */
};

/* Whether a formatter is one of Apache Kafka's; NULL is its default. */
bool console_format_is_known(const char *class_name);
/* A deserializer that is not known is told on stderr, and left out. */
void console_format_setup(struct console_format *format, const struct args *args,
                          const struct bnb_config *properties);
void console_format_release(struct console_format *format);
/* False: it cannot be shown, and error says why. */
bool console_format_print(struct console_format *format, const struct bnb_consumer_record *record);

#endif
