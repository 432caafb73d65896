/* Records that are unpacked piece by piece are judged as those that lie there as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "log/validate.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"

#define NOW_MS 1700000000000
#define ROUNDS 120
#define RECORDS_MAX 300
#define VALUE_BYTES_MAX 200000

static uint32_t next_random(uint64_t *random, uint32_t bound)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % bound;
}

/* Small ones as a rule, some of about a piece, and a few of several. */
static size_t draw_value_bytes(uint64_t *random)
{
    uint32_t kind = next_random(random, 100);
    return kind < 90 ? next_random(random, 2000)
                     : kind < 98 ? 60000 + next_random(random, 12000)
                                 : next_random(random, VALUE_BYTES_MAX);
}

static void build(uint64_t *random, struct writer *plain)
{
    static uint8_t value[VALUE_BYTES_MAX];
    struct record_header headers[2] = {
        {.key = {"trace", 5}, .value = {value, 30}}, {.key = {"", 0}, .value = {NULL, 0}}};
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    header.base_timestamp_ms = NOW_MS;
    header.max_timestamp_ms = NOW_MS;
    if (value[0] == 0) {
        for (size_t i = 0; i < sizeof value; i++) {
            value[i] = (uint8_t)(1 + next_random(random, 40));
        }
    }
    batch_builder_init(&builder, plain, &header);
    uint32_t count = 1 + next_random(random, RECORDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct record record = {
            .offset = i,
            .timestamp_ms = NOW_MS + (next_random(random, 1000) == 0 ? 200 : 50),
            .key = {next_random(random, 1000) == 0 ? NULL : value, 4},
            .value = {value, draw_value_bytes(random)},
            .headers = headers,
            .header_count = next_random(random, 8) == 0 ? 2 : 0,
        };
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
}

/* One in three stays sound. */
static void damage(uint64_t *random, struct writer *plain)
{
    struct batch header;
    size_t payload = plain->size - BATCH_HEADER_BYTES;
    batch_header_read(plain->data, &header);
    switch (next_random(random, 6)) {
    case 0:
        plain->data[BATCH_HEADER_BYTES + next_random(random, (uint32_t)payload)] ^=
            (uint8_t)(1u << next_random(random, 8));
        break;
    case 1:
        plain->size -= next_random(random, (uint32_t)payload);
        break;
    case 2:
        writer_i8(plain, 0);
        break;
    case 3:
        writer_patch_i32(plain, 57, header.record_count + (next_random(random, 2) == 0 ? 1 : -1));
        break;
    default:
        break;
    }
}

static int judge(const struct log_config *config, struct writer *bytes, size_t scratch_bytes,
                 struct log_append_result *result)
{
    struct writer scratch, rebuilt;
    struct batch batch;
    struct log_append_options options = {.now_ms = NOW_MS, .api_version = 9, .scratch = &scratch};
    writer_init(&scratch, scratch_bytes);
    writer_init(&rebuilt, VALIDATE_UNPACKED_BYTES_MAX);
    *result = (struct log_append_result){0};
    assert_int_equal(batch_decode(bytes->data, bytes->size, &batch), 0);
    int error = validate_records(config, &options, 1000, bytes->data, &batch, &rebuilt, result);
    writer_release(&rebuilt);
    writer_release(&scratch);
    return error;
}

static void pack(enum batch_codec codec, const struct writer *plain, struct writer *packed)
{
    struct bytes_view records = {plain->data + BATCH_HEADER_BYTES,
                                 plain->size - BATCH_HEADER_BYTES};
    writer_bytes(packed, plain->data, BATCH_HEADER_BYTES);
    assert_int_equal(compress_append(codec, COMPRESS_LEVEL_DEFAULT, records, packed), 0);
    batch_seal(packed->data, packed->size, codec);
}

static const struct log_config config = {.codec = LOG_CODEC_PRODUCER,
                                         .max_message_bytes = INT32_MAX,
                                         .clean_compact = true,
                                         .timestamp_before_max_ms = 99,
                                         .timestamp_after_max_ms = 98};

static void validate__every_codec_is_judged_as_plain_records_are(void **state)
{
    (void)state;
    uint64_t random = 7;
    int accepted = 0, rejected = 0, broken = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct writer plain, packed;
        struct log_append_result wanted, result;
        writer_init(&plain, 64 << 20);
        writer_init(&packed, 64 << 20);
        build(&random, &plain);
        damage(&random, &plain);
        batch_seal(plain.data, plain.size, BATCH_CODEC_NONE);
        pack((enum batch_codec)(BATCH_CODEC_GZIP + round % 4), &plain, &packed);
        int error = judge(&config, &plain, 64 << 20, &wanted);
        assert_int_equal(judge(&config, &packed, 64 << 20, &result), error);
        assert_int_equal(result.record_error_count, wanted.record_error_count);
        for (int i = 0; i < wanted.record_error_count && i < LOG_RECORD_ERRORS_MAX; i++) {
            assert_memory_equal(&result.record_errors[i], &wanted.record_errors[i],
                                sizeof result.record_errors[i]);
        }
        accepted += error == 0;
        rejected += error != 0 && wanted.record_error_count > 0;
        broken += error != 0 && wanted.record_error_count == 0;
        writer_release(&plain);
        writer_release(&packed);
    }
    assert_true(accepted > 20 && rejected > 20 && broken > 20);
}

/* What Apache Kafka's codecs throw is no error of its protocol. */
static void validate__a_stream_that_is_cut_or_too_long_is_refused(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int codec = BATCH_CODEC_GZIP; codec < BATCH_CODEC_COUNT; codec++) {
        struct log_config any_time = config;
        any_time.clean_compact = false;
        any_time.timestamp_before_max_ms = any_time.timestamp_after_max_ms = INT64_MAX;
        struct writer plain, packed;
        struct log_append_result result;
        writer_init(&plain, 64 << 20);
        writer_init(&packed, 64 << 20);
        build(&random, &plain);
        pack((enum batch_codec)codec, &plain, &packed);
        size_t payload = plain.size - BATCH_HEADER_BYTES;
        assert_int_equal(judge(&any_time, &packed, payload, &result), 0);
        assert_int_equal(judge(&any_time, &packed, payload - 1, &result),
                         err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR));
        for (int i = 0; i < 20; i++) {
            packed.size -= 1 + next_random(&random,
                                           (uint32_t)(packed.size - BATCH_HEADER_BYTES) / 4);
            batch_seal(packed.data, packed.size, (enum batch_codec)codec);
            int error = judge(&any_time, &packed, 64 << 20, &result);
            assert_true(error == err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR) ||
                        (error == err_from_wire(KAFKA_INVALID_RECORD) &&
                         codec == BATCH_CODEC_SNAPPY));
        }
        writer_release(&plain);
        writer_release(&packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validate__every_codec_is_judged_as_plain_records_are),
        cmocka_unit_test(validate__a_stream_that_is_cut_or_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
