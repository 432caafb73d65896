#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/messages.h"
#include "tools/dump.h"
#include "tools/tools.h"

#define TEXT_BYTES 16384

/* Standard output and error of what runs between capture_begin and capture_end. */
struct capture {
    FILE *file;
    int kept[2];
    char text[TEXT_BYTES];
};

static void capture_begin(struct capture *capture)
{
    capture->file = tmpfile();
    assert_non_null(capture->file);
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        capture->kept[i] = dup(i + 1);
        assert_int_equal(dup2(fileno(capture->file), i + 1), i + 1);
    }
}

static const char *capture_end(struct capture *capture)
{
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        (void)dup2(capture->kept[i], i + 1);
        close(capture->kept[i]);
    }
    rewind(capture->file);
    size_t size = fread(capture->text, 1, TEXT_BYTES - 1, capture->file);
    capture->text[size] = '\0';
    fclose(capture->file);
    return capture->text;
}

static void assert_double(double value, const char *text)
{
    struct capture capture;
    struct client_quota_record record;
    char wanted[128];
    client_quota_record_default(&record);
    record.value = value;
    snprintf(wanted, sizeof wanted, "{\"entity\":[],\"key\":\"\",\"value\":%s,\"remove\":false}",
             text);
    capture_begin(&capture);
    dump_json(&client_quota_record_row, 0, &record);
    assert_string_equal(capture_end(&capture), wanted);
}

/* The texts are Java's of the same numbers. */
static void dump__prints_numbers_as_java_does(void **state)
{
    (void)state;
    assert_double(0, "0.0");
    assert_double(75, "75.0");
    assert_double(123456.5, "123456.5");
    assert_double(0.1, "0.1");
    assert_double(0.001, "0.001");
    assert_double(0.00012, "1.2E-4");
    assert_double(9999999, "9999999.0");
    assert_double(10000000, "1.0E7");
    assert_double(1234567891, "1.234567891E9");
    assert_double(1.0 / 3, "0.3333333333333333");
    assert_double(-2.5, "-2.5");
}

static void dump__names_fields_of_kraft_as_apache_kafka_does(void **state)
{
    (void)state;
    struct capture capture;
    struct kraft_version_record record;
    kraft_version_record_default(&record);
    record.kraft_version = 1;
    capture_begin(&capture);
    dump_json(&kraft_version_record_row, 0, &record);
    assert_string_equal(capture_end(&capture), "{\"version\":0,\"kRaftVersion\":1}");
}

#define BAD "\xef\xbf\xbd"

/* Each row: bytes, and what Java's string of them is in UTF-8. */
static void dump__prints_bytes_that_are_no_text_as_java_does(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"plain", "plain"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\x80\xc0\xaf\xff", BAD BAD BAD BAD},
        {"\xc3(", BAD "("},
        {"\xe2\x82(", BAD "("},
        {"\xe2(\x82", BAD "(" BAD},
        {"\xe0\x80\x80", BAD BAD BAD},
        {"\xed\xa0\x80x", BAD "x"}, /* a surrogate: one for all three */
        {"\xed\xa0x", BAD "x"},
        {"\xf0\x9f\x98x", BAD "x"},
        {"\xf0\x80\x80\x80", BAD BAD BAD BAD},
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD},
        {"\xf5\x80", BAD BAD},
        {"x\xf0\x9f", "x" BAD},
        {"x\xe2\x82", "x" BAD},
    };
    struct dump dump = {.options = {.decoder = DUMP_STRING}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct capture capture;
        char wanted[64];
        struct record record = {.value = {(const uint8_t *)rows[i][0], strlen(rows[i][0])}};
        snprintf(wanted, sizeof wanted, " payload: %s", rows[i][1]);
        capture_begin(&capture);
        dump_record_data(&dump, &record);
        assert_string_equal(capture_end(&capture), wanted);
    }
}

static void write_file(const char *directory, const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

/* A batch from which compaction took the records between offsets 4 and 7. */
static void write_gap(const char *directory)
{
    struct writer writer;
    struct batch header = batch_header_empty(4);
    struct batch_builder builder;
    header.producer_id = 1;
    header.producer_epoch = 0;
    header.base_sequence = 10;
    header.base_timestamp_ms = 1000;
    writer_init(&writer, 1 << 16);
    batch_builder_init(&builder, &writer, &header);
    for (int64_t offset = 4; offset <= 7; offset += 3) {
        struct record record = {.offset = offset, .timestamp_ms = 1000 + offset};
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
    write_file(directory, "00000000000000000004.log", writer.data, writer.size);
    writer_release(&writer);
}

/* A record's sequence is by its offset, not by its place in the batch; an empty index says so; and
 * what is odd comes at the end, by file. */
static void dump__tells_of_gaps_and_of_indexes_that_do_not_fit(void **state)
{
    (void)state;
    char directory[] = "/tmp/barnabas-dump-XXXXXX";
    char files[512];
    char wanted[512];
    struct capture capture;
    static const uint8_t times[24] = {0, 0, 0, 0, 0, 0, 3, 0xef, 0, 0, 0, 3, /* 1007, offset 7 */
                                      0, 0, 0, 0, 0, 0, 3, 0xf0, 0, 0, 0, 2};
    assert_non_null(mkdtemp(directory));
    write_gap(directory);
    write_file(directory, "00000000000000000004.index", times, 0);
    write_file(directory, "00000000000000000004.timeindex", times, sizeof times);
    snprintf(files, sizeof files, "%s/%s.log,%s/%s.index,%s/%s.timeindex", directory,
             "00000000000000000004", directory, "00000000000000000004", directory,
             "00000000000000000004");
    char *arguments[] = {"dump-log", "--deep-iteration", "--files", files};
    capture_begin(&capture);
    int status = tool_dump_log(4, arguments);
    const char *text = capture_end(&capture);
    assert_int_equal(status, 0);
    assert_non_null(strstr(text, "| offset: 4 CreateTime: 1004 keySize: -1 valueSize: -1 "
                                 "sequence: 10 "));
    assert_non_null(strstr(text, "| offset: 7 CreateTime: 1007 keySize: -1 valueSize: -1 "
                                 "sequence: 13 "));
    assert_non_null(strstr(text, "00000000000000000004.index is empty.\n"));
    snprintf(wanted, sizeof wanted,
             "The following indexed offsets are not found in :%s/00000000000000000004.timeindex\n"
             "Indexed offset: 6, found log offset: 7\n"
             "Non-consecutive offsets in %s/00000000000000000004.log\n"
             "  -1 is followed by 4\n  4 is followed by 7\n",
             directory, directory);
    assert_non_null(strstr(text, wanted));
    assert_null(strstr(text, "timestamp mismatch"));
    for (char *file = strtok(files, ","); file != NULL; file = strtok(NULL, ",")) {
        unlink(file);
    }
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump__prints_numbers_as_java_does),
        cmocka_unit_test(dump__names_fields_of_kraft_as_apache_kafka_does),
        cmocka_unit_test(dump__prints_bytes_that_are_no_text_as_java_does),
        cmocka_unit_test(dump__tells_of_gaps_and_of_indexes_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
