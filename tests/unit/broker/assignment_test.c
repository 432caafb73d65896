/* What the controller is told of directories, and told again when it did not take it. A shard on a
 * real loop, and a controller that answers as the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "broker/assignment.h"
#include "broker/partition_internal.h"
#include "metadata/image_builder.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define PARTITIONS 2
#define CALLS_MAX 4

static const struct uuid topic_id = {{1, 2, 3}};
static const struct uuid unassigned = {{[15] = 1}};

struct told {
    int32_t partition;
    struct uuid directory;
};
static struct {
    struct broker broker;
    struct broker_shard *shard;
    struct log_dir dirs[2];
    struct partition *partitions[PARTITIONS];
    struct told told[CALLS_MAX][PARTITIONS];
    int told_count[CALLS_MAX];
    int64_t told_ms[CALLS_MAX];
    int calls;
    int wanted_calls;
    int16_t error[CALLS_MAX];           /* of the whole answer */
    int16_t partition_error[CALLS_MAX]; /* of partition 0 */
} test;

/* Answers in the shape of the request. */
static void answer(struct broker_submission *submission, int call)
{
    const struct assign_replicas_to_dirs_request *asked = submission->request;
    struct arena arena;
    struct assign_replicas_to_dirs_response response;
    arena_init(&arena, 1u << 20);
    assign_replicas_to_dirs_response_default(&response);
    response.error_code = test.error[call];
    response.directories.count = asked->directories.count;
    response.directories.items =
        arena_array(&arena, (size_t)asked->directories.count, sizeof *response.directories.items);
    for (int32_t i = 0; i < asked->directories.count; i++) {
        struct assign_replicas_to_dirs_response_directory_data *to =
            &response.directories.items[i];
        assert_int_equal(asked->directories.items[i].topics.count, 1);
        const struct assign_replicas_to_dirs_request_topic_data *from =
            &asked->directories.items[i].topics.items[0];
        to->id = asked->directories.items[i].id;
        to->topics.count = 1;
        to->topics.items = arena_array(&arena, 1, sizeof *to->topics.items);
        to->topics.items[0].topic_id = from->topic_id;
        to->topics.items[0].partitions.count = from->partitions.count;
        to->topics.items[0].partitions.items =
            arena_array(&arena, (size_t)from->partitions.count,
                        sizeof *to->topics.items[0].partitions.items);
        for (int32_t j = 0; j < from->partitions.count; j++) {
            int32_t index = from->partitions.items[j].partition_index;
            int16_t error = index == 0 ? test.partition_error[call] : 0;
            to->topics.items[0].partitions.items[j].partition_index = index;
            to->topics.items[0].partitions.items[j].error_code = error;
            test.told[call][test.told_count[call]++] = (struct told){index, to->id};
        }
    }
    submission->done(submission, 0, &response);
    arena_release(&arena);
}

static void submit(void *context, struct broker_submission *submission)
{
    (void)context;
    int call = test.calls++;
    assert_true(call < CALLS_MAX);
    test.told_ms[call] = loop_monotonic_ms(test.shard->loop);
    answer(submission, call);
    if (test.calls == test.wanted_calls) {
        loop_stop(test.shard->loop);
    }
}

/* Two partitions, whose directory the image does not know. */
static void make_image(void)
{
    int32_t replicas[] = {1};
    struct uuid directories[] = {unassigned};
    struct image_builder *builder;
    struct writer writer;
    struct topic_record topic = {.name = string_view_of("t"), .topic_id = topic_id};
    writer_init(&writer, 4096);
    assert_int_equal(image_builder_create(NULL, &builder), 0);
    assert_int_equal(metadata_record_encode(&writer, TOPIC_RECORD_KEY, 0, &topic_record_row,
                                            &topic), 0);
    assert_int_equal(image_builder_replay(builder,
                                          (struct bytes_view){writer.data, writer.size}, NULL), 0);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct partition_record record;
        size_t start = writer.size;
        partition_record_default(&record);
        record.partition_id = i;
        record.topic_id = topic_id;
        record.replicas.items = record.isr.items = replicas;
        record.replicas.count = record.isr.count = 1;
        record.leader = 1;
        record.directories.items = directories;
        record.directories.count = 1;
        assert_int_equal(metadata_record_encode(&writer, PARTITION_RECORD_KEY, 1,
                                                &partition_record_row, &record), 0);
        assert_int_equal(
            image_builder_replay(builder, (struct bytes_view){writer.data + start,
                                                              writer.size - start}, NULL), 0);
    }
    assert_int_equal(image_builder_finish(&builder, 3, 1, 0, &test.shard->image), 0);
    writer_release(&writer);
}

static int setup(void **state)
{
    (void)state;
    memset(&test, 0, sizeof test);
    test.shard = &test.broker.shards[0];
    test.shard->broker = &test.broker;
    test.broker.options.node_id = 1;
    test.broker.options.submit = submit;
    atomic_init(&test.broker.epoch, -1);
    list_init(&test.broker.assignments);
    list_init(&test.broker.assignments_sent);
    list_init(&test.shard->assignments_resting);
    partition_table_init(&test.shard->partitions, 7);
    for (int32_t i = 0; i < 2; i++) {
        test.dirs[i].properties.directory_id = (struct uuid){{9, (uint8_t)(i + 1)}};
        test.broker.dirs[i].dir = &test.dirs[i];
    }
    assert_int_equal(loop_create(0, &test.shard->loop), 0);
    make_image();
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct partition *partition = mem_calloc(1, sizeof *partition + 1);
        partition->key = (struct partition_key){topic_id, i};
        partition->shard = test.shard;
        partition->dir = &test.broker.dirs[0];
        partition->log = (struct log *)&test; /* that there is one matters, nothing else */
        assert_int_equal(map_insert(&test.shard->partitions, partition), 0);
        test.partitions[i] = partition;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assignment_destroy(test.shard);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        mem_free(test.partitions[i]);
    }
    map_release(&test.shard->partitions);
    image_unref(&test.shard->image);
    loop_destroy(&test.shard->loop);
    return 0;
}

/* Notes both partitions; the answer of the first call is home. */
static void tell_all(void)
{
    const struct image_topic *topic = image_topic_by_id(test.shard->image, topic_id);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assignment_note(test.partitions[i], &topic->partitions[i]);
        assert_true(test.partitions[i]->dir_told);
    }
    assignment_send(test.shard);
    loop_drain(test.shard->loop);
    assert_int_equal(test.calls, 0); /* not before the registration */
    atomic_store(&test.broker.epoch, 5);
    assignment_registered(&test.broker);
    assert_int_equal(test.calls, 1);
    loop_drain(test.shard->loop);
}

static void assignment__is_told_once_when_it_is_taken(void **state)
{
    (void)state;
    tell_all();
    assert_int_equal(test.told_count[0], PARTITIONS);
    assert_false(test.partitions[0]->dir_told);
    assert_true(list_empty(&test.shard->assignments_resting));
    assert_true(list_empty(&test.broker.assignments_sent));
}

/* Of one that is refused the others are not told again; it is, where it lies by then, later and
 * later. */
static void assignment__that_is_refused_is_told_again(void **state)
{
    (void)state;
    test.partition_error[0] = KAFKA_UNKNOWN_SERVER_ERROR;
    test.error[1] = KAFKA_STALE_BROKER_EPOCH;
    struct uuid first = test.dirs[0].properties.directory_id;
    struct uuid second = test.dirs[1].properties.directory_id;
    tell_all();
    assert_int_equal(test.told_count[0], PARTITIONS);
    assert_true(uuid_equal(test.told[0][0].directory, first));
    assert_false(list_empty(&test.shard->assignments_resting));
    test.partitions[0]->dir = &test.broker.dirs[1];
    test.wanted_calls = 3;
    loop_run(test.shard->loop);
    loop_drain(test.shard->loop);
    for (int call = 1; call < 3; call++) {
        assert_int_equal(test.told_count[call], 1);
        assert_int_equal(test.told[call][0].partition, 0);
        assert_true(uuid_equal(test.told[call][0].directory, second));
        assert_true(test.told_ms[call] - test.told_ms[call - 1] >= 100 * call);
    }
    assert_true(list_empty(&test.shard->assignments_resting));
    assert_int_equal(test.calls, 3);
}

/* What rests when the broker ends goes with it (the teardown, with a sanitizer, tells). */
static void assignment__that_rests_goes_with_the_broker(void **state)
{
    (void)state;
    test.error[0] = KAFKA_STALE_BROKER_EPOCH;
    tell_all();
    assert_false(list_empty(&test.shard->assignments_resting));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(assignment__is_told_once_when_it_is_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(assignment__that_is_refused_is_told_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(assignment__that_rests_goes_with_the_broker, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
