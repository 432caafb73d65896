/* Every message in every version survives encode and decode; hand-made bytes pin the form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "protocol/api.h"
#include "protocol/error.h"

#define MESSAGE_BYTES_MAX 4096

/* Decodes size bytes as the message and encodes it again into writer. */
static int recode(const struct codec_struct *row, int16_t version, const void *bytes, size_t size,
                  struct writer *writer)
{
    static union {
        uint8_t bytes[MESSAGE_BYTES_MAX];
        int64_t aligned;
    } message;
    struct arena arena;
    struct reader reader;
    assert_true(row->size <= sizeof message);
    arena_init(&arena, 1 << 20);
    reader_init(&reader, bytes, size);
    int error = codec_decode(row, &reader, version, &arena, &message);
    if (error == 0) {
        error = codec_encode(row, writer, version, &message);
        assert_int_equal(error, 0);
    }
    arena_release(&arena);
    return error;
}

/* Any bytes that decode as a message of this version encode to bytes that decode to the same
 * again; no input, whole or cut short, reads outside (the sanitizers watch). */
static void codec__random_bytes_of_every_message_and_version_are_safe(void **state)
{
    (void)state;
    uint64_t seed = 42;
    size_t decoded = 0;
    for (size_t m = 0; m < PROTOCOL_MESSAGE_COUNT; m++) {
        const struct codec_struct *row = protocol_messages[m];
        for (int v = row->versions.min; v <= row->versions.max; v++) {
            for (int round = 0; round < 40; round++) {
                uint8_t bytes[200];
                for (size_t i = 0; i < sizeof bytes; i++) {
                    seed = seed * 6364136223846793005u + 1442695040888963407u;
                    bytes[i] = seed >> 62 ? 0 : (uint8_t)(seed >> 33) & 3;
                }
                struct writer once, twice;
                writer_init(&once, 1 << 20);
                writer_init(&twice, 1 << 20);
                size_t size = (size_t)round * 5;
                if (recode(row, (int16_t)v, bytes, size, &once) == 0 && once.size > 0) {
                    decoded++;
                    assert_int_equal(recode(row, (int16_t)v, once.data, once.size, &twice), 0);
                    assert_int_equal(once.size, twice.size);
                    assert_memory_equal(once.data, twice.data, once.size);
                }
                writer_release(&once);
                writer_release(&twice);
            }
        }
    }
    assert_in_range(decoded, 2000, SIZE_MAX);
}

static void codec__defaults_of_every_message_and_version_round_trip(void **state)
{
    (void)state;
    static uint64_t message[MESSAGE_BYTES_MAX / 8];
    size_t encoded = 0;
    for (size_t m = 0; m < PROTOCOL_MESSAGE_COUNT; m++) {
        const struct codec_struct *row = protocol_messages[m];
        for (int v = row->versions.min; v <= row->versions.max; v++) {
            struct writer first, second;
            writer_init(&first, 1 << 20);
            writer_init(&second, 1 << 20);
            codec_default(row, message);
            if (codec_encode(row, &first, (int16_t)v, message) == 0 && first.size > 0) {
                encoded++;
                assert_int_equal(recode(row, (int16_t)v, first.data, first.size, &second), 0);
                assert_int_equal(first.size, second.size);
                assert_memory_equal(first.data, second.data, first.size);
            }
            writer_release(&first);
            writer_release(&second);
        }
    }
    assert_true(encoded > 500);
}

static void api_versions__request_v3_has_compact_strings_and_tags(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0, 18, 0, 3, 0, 0, 0, 7, 0, 2, 'i', 'd', 0,
                                       4, 'l', 'i', 'b', 4, '1', '.', '0', 0};
    struct request_header header = {18, 3, 7, string_view_of("id")};
    struct api_versions_request request;
    api_versions_request_default(&request);
    request.client_software_name = string_view_of("lib");
    request.client_software_version = string_view_of("1.0");
    struct writer writer;
    writer_init(&writer, 1000);
    assert_int_equal(api_request_header_encode(&writer, &header), 0);
    assert_int_equal(api_versions_request_encode(&writer, 3, &request), 0);
    assert_int_equal(writer.size, sizeof expected);
    assert_memory_equal(writer.data, expected, sizeof expected);

    struct arena arena;
    struct reader reader;
    arena_init(&arena, 1000);
    for (size_t size = 0; size < sizeof expected; size++) {
        reader_init(&reader, expected, size);
        int error = api_request_header_decode(&reader, &arena, &header);
        assert_true(error != 0 || api_versions_request_decode(&reader, 3, &arena, &request) != 0);
    }
    reader_init(&reader, expected, sizeof expected);
    assert_int_equal(api_request_header_decode(&reader, &arena, &header), 0);
    assert_int_equal(api_versions_request_decode(&reader, 3, &arena, &request), 0);
    assert_true(string_view_is(request.client_software_name, "lib"));
    arena_release(&arena);
    writer_release(&writer);
}

static void api_versions__response_header_stays_at_version_0(void **state)
{
    (void)state;
    struct writer writer;
    writer_init(&writer, 100);
    api_response_header_encode(&writer, API_API_VERSIONS, 3, 5);
    assert_int_equal(writer.size, 4);
    api_response_header_encode(&writer, API_METADATA, 9, 5);
    assert_int_equal(writer.size, 9);
    writer_release(&writer);
}

static void fetch__records_of_a_file_become_a_splice(void **state)
{
    (void)state;
    struct fetch_response_partition_data partition;
    struct fetch_response_fetchable_topic_response topic;
    struct fetch_response response;
    codec_default(&fetch_response_row, &response);
    memset(&topic, 0, sizeof topic);
    memset(&partition, 0, sizeof partition);
    topic.topic = string_view_of("t");
    partition.diverging_epoch.epoch = -1;
    partition.diverging_epoch.end_offset = -1;
    partition.current_leader.leader_id = -1;
    partition.current_leader.leader_epoch = -1;
    partition.snapshot_id.end_offset = -1;
    partition.snapshot_id.epoch = -1;
    partition.records = (struct records_view){NULL, 300, &partition};
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    response.responses.items = &topic;
    response.responses.count = 1;
    struct writer writer;
    writer_init(&writer, 1000);
    assert_int_equal(fetch_response_encode(&writer, 12, &response), 0);
    assert_int_equal(writer.splice_count, 1);
    assert_ptr_equal(writer.splices[0].source, &partition);
    assert_int_equal(writer.splice_bytes, 300);
    /* The compact length (301) stands right before the splice. */
    assert_int_equal(writer.data[writer.splices[0].at - 2], 0xad);
    assert_int_equal(writer.data[writer.splices[0].at - 1], 0x02);
    writer_release(&writer);
}

static void codec__value_that_a_version_cannot_carry_is_refused(void **state)
{
    (void)state;
    struct writer writer;
    struct list_offsets_request request;
    list_offsets_request_default(&request);
    request.isolation_level = 1;
    writer_init(&writer, 1000);
    assert_int_equal(list_offsets_request_encode(&writer, 1, &request), ERR_INVALID);
    assert_int_equal(list_offsets_request_encode(&writer, 2, &request), 0);
    assert_int_equal(list_offsets_request_encode(&writer, 99, &request), ERR_UNSUPPORTED);
    writer_release(&writer);
}

static void codec__count_beyond_the_bytes_left_is_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x7f, 0xff, 0xff, 0xff};
    struct metadata_request request;
    struct arena arena;
    struct reader reader;
    arena_init(&arena, 1 << 20);
    reader_init(&reader, bytes, sizeof bytes);
    assert_int_equal(metadata_request_decode(&reader, 1, &arena, &request), ERR_CORRUPT);
    assert_int_equal(arena.used_bytes, 0);
    arena_release(&arena);
}

/* A string has at most 32,767 bytes, also where its length is a varint that could say more. */
static void codec__string_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static uint8_t bytes[3 + INT16_MAX + 1 + 64];
    for (size_t size = INT16_MAX; size <= INT16_MAX + 1; size++) {
        struct api_versions_request request;
        struct arena arena;
        struct reader reader;
        struct writer writer;
        writer_init_fixed(&writer, bytes, sizeof bytes);
        writer_uvarint(&writer, (uint32_t)size + 1);
        arena_init(&arena, 1 << 20);
        reader_init(&reader, bytes, writer.size + size + 2); /* an empty version, and no tags */
        bytes[writer.size + size] = 1;
        assert_int_equal(api_versions_request_decode(&reader, 3, &arena, &request),
                         size == INT16_MAX ? 0 : ERR_CORRUPT);
        arena_release(&arena);
    }
}

static void error__table_has_every_code_once_and_in_order(void **state)
{
    (void)state;
    static const int16_t codes[] = {
#define KAFKA_ERROR(code, name, retriable, refresh) code,
#include "protocol/errors.def"
#undef KAFKA_ERROR
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_int_equal(codes[i], (int)i - 1);
    }
    assert_string_equal(kafka_error_name(KAFKA_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE");
    assert_string_equal(kafka_error_name(9999), "UNKNOWN_SERVER_ERROR");
    assert_int_equal(kafka_error_from(err_from_wire(87)), 87);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codec__random_bytes_of_every_message_and_version_are_safe),
        cmocka_unit_test(codec__defaults_of_every_message_and_version_round_trip),
        cmocka_unit_test(api_versions__request_v3_has_compact_strings_and_tags),
        cmocka_unit_test(api_versions__response_header_stays_at_version_0),
        cmocka_unit_test(fetch__records_of_a_file_become_a_splice),
        cmocka_unit_test(codec__value_that_a_version_cannot_carry_is_refused),
        cmocka_unit_test(codec__count_beyond_the_bytes_left_is_refused),
        cmocka_unit_test(codec__string_that_is_too_long_is_refused),
        cmocka_unit_test(error__table_has_every_code_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
