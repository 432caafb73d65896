/* How kafka-console-consumer shows records of __consumer_offsets; what its deserializers make of
 * values is compared with Apache Kafka's in tests/conformance/tools/records.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/messages.h"
#include "tools/console_format.h"

static struct console_format format_of(enum console_kind kind)
{
    struct console_format format = {.kind = kind};
    arena_init(&format.arena, 1 << 20);
    return format;
}

/* What is printed for the record; NULL: it cannot be shown. To be freed. */
static char *shown(struct console_format *format, const struct bnb_consumer_record *record)
{
    char *text = NULL;
    size_t size;
    FILE *before = stdout;
    stdout = open_memstream(&text, &size);
    bool good = console_format_print(format, record);
    fclose(stdout);
    stdout = before;
    if (!good) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Type or version, then the message. */
static void encode(struct writer *writer, int16_t number, int16_t version,
                   const struct codec_struct *row, const void *message)
{
    writer_init(writer, 1 << 16);
    writer_i16(writer, number);
    assert_int_equal(codec_encode(row, writer, version, message), 0);
}

static void console_format__shows_offsets_as_json(void **state)
{
    (void)state;
    struct offset_commit_key key = {string_view_of("g"), string_view_of("t"), 3};
    struct offset_commit_value value;
    struct writer key_bytes;
    struct writer value_bytes;
    offset_commit_value_default(&value);
    value.offset = 7;
    value.leader_epoch = 2;
    value.metadata = string_view_of("\"m\"");
    value.commit_timestamp = 5;
    encode(&key_bytes, 1, 0, &offset_commit_key_row, &key);
    encode(&value_bytes, 3, 3, &offset_commit_value_row, &value);
    struct bnb_consumer_record record = {.key = key_bytes.data,
                                         .key_size = key_bytes.size,
                                         .value = value_bytes.data,
                                         .value_size = value_bytes.size,
                                         .offset = 11};
    struct console_format format = format_of(CONSOLE_OFFSETS);
    char *text = shown(&format, &record);
    assert_string_equal(text, "{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"t\","
                              "\"partition\":3}},\"value\":{\"version\":3,\"data\":{\"offset\":7,"
                              "\"leaderEpoch\":2,\"metadata\":\"\\\"m\\\"\","
                              "\"commitTimestamp\":5}}}");
    free(text);
    struct console_format groups = format_of(CONSOLE_GROUPS);
    text = shown(&groups, &record);
    assert_string_equal(text, "");
    free(text);
    record.value_size--;
    assert_null(shown(&format, &record));
    assert_non_null(strstr(format.error, "Could not read record at offset 11 due to: "));
    record.value = NULL;
    text = shown(&format, &record);
    assert_non_null(strstr(text, "}},\"value\":null}"));
    free(text);
    record.key = NULL;
    text = shown(&format, &record);
    assert_string_equal(text, "");
    free(text);
    console_format_release(&format);
    console_format_release(&groups);
    writer_release(&key_bytes);
    writer_release(&value_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(console_format__shows_offsets_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
