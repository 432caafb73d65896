/* bench.h: a controller for tests, whose records are replayed at once. One test program includes it
 * once. */
#ifndef BNB_TEST_CONTROLLER_BENCH_H
#define BNB_TEST_CONTROLLER_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/controller.h"
#include "metadata/image_builder.h"
#include "protocol/api.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define CLUSTER "4L6g3nShT-eMCtK--X86sw"

/* A controller whose records are replayed at once, as if each were committed. */
struct bench {
    struct controller *controller;
    struct image *image;
    struct controller_records records;
    struct arena arena;
    struct arena kept; /* what a test makes for itself */
    int64_t next_offset;
    int64_t previous_epoch; /* that a registration names; 0: none */
    int16_t error;
    size_t record_count;
};

/* "bad" is a value that nothing may have, "unknown" a setting that is not there. */
static inline bool list_setting(void *context, int8_t type, struct string_view name,
                                struct string_view *value)
{
    (void)context, (void)type, (void)name, (void)value;
    return true;
}

static inline int16_t check_settings(void *context, int8_t type,
                                     const struct image_setting *items, size_t count,
                                     struct err_message *message)
{
    (void)context, (void)type;
    for (size_t i = 0; i < count; i++) {
        if (string_view_is(items[i].value, "bad") || string_view_is(items[i].name, "unknown")) {
            err_set(message, 0, "not a value");
            return KAFKA_INVALID_CONFIG;
        }
    }
    return 0;
}

static inline void commit(struct bench *bench)
{
    struct image_builder *builder;
    assert_false(bench->records.failed);
    bench->record_count = bench->records.count;
    if (bench->records.count == 0) {
        return;
    }
    assert_int_equal(image_builder_create(bench->image, &builder), 0);
    for (size_t i = 0; i < bench->records.count; i++) {
        assert_int_equal(
            image_builder_replay(builder, controller_records_at(&bench->records, i), NULL), 0);
    }
    bench->next_offset += (int64_t)bench->records.count;
    image_unref(&bench->image);
    assert_int_equal(image_builder_finish(&builder, bench->next_offset - 1, 1, 0, &bench->image),
                     0);
    controller_set_image(bench->controller, bench->image);
}

static inline const void *ask(struct bench *bench, int16_t key, int16_t version,
                              const void *request)
{
    arena_reset(&bench->arena);
    controller_records_release(&bench->records);
    controller_records_init(&bench->records);
    struct controller_call call = {.api_key = key,
                                   .api_version = version,
                                   .request = request,
                                   .now_ms = 1000,
                                   .next_offset = bench->next_offset,
                                   .random = (uint64_t)bench->next_offset * 77,
                                   .arena = &bench->arena,
                                   .records = &bench->records};
    controller_handle(bench->controller, &call);
    bench->error = call.error;
    commit(bench);
    return call.response;
}

/* With one log directory, or with two. */
static inline int64_t register_with(struct bench *bench, int32_t id, uint8_t incarnation,
                                    int32_t directories)
{
    struct broker_registration_request request;
    struct broker_registration_request_feature features[] = {
        {string_view_of("metadata.version"), 7, 30},
        {string_view_of("eligible.leader.replicas.version"), 0, 1}};
    struct uuid directory[] = {{{9, (uint8_t)id}}, {{7, (uint8_t)id}}};
    broker_registration_request_default(&request);
    request.broker_id = id;
    request.cluster_id = string_view_of(CLUSTER);
    request.incarnation_id.bytes[0] = incarnation;
    request.previous_broker_epoch = bench->previous_epoch > 0 ? bench->previous_epoch : -1;
    request.features.items = features;
    request.features.count = 2;
    request.log_dirs.items = directory;
    request.log_dirs.count = directories;
    const struct broker_registration_response *response =
        ask(bench, API_BROKER_REGISTRATION, 4, &request);
    return response->error_code != 0 ? -response->error_code : response->broker_epoch;
}

static inline int64_t register_broker(struct bench *bench, int32_t id, uint8_t incarnation)
{
    return register_with(bench, id, incarnation, 1);
}

static inline void unfence(struct bench *bench, int32_t id, int64_t epoch)
{
    struct broker_heartbeat_request beat;
    broker_heartbeat_request_default(&beat);
    beat.broker_id = id;
    beat.broker_epoch = epoch;
    beat.current_metadata_offset = epoch;
    const struct broker_heartbeat_response *response = ask(bench, API_BROKER_HEARTBEAT, 1, &beat);
    assert_int_equal(response->error_code, 0);
    assert_false(response->is_fenced);
}

static inline void setup(struct bench *bench, int32_t brokers)
{
    struct controller_options options = {.node_id = 1,
                                         .cluster_id = string_view_of(CLUSTER),
                                         .default_replication_factor = 1,
                                         .default_partition_count = 2,
                                         .min_insync_replicas = 1,
                                         .session_timeout_ms = 9000,
                                         .check_settings = check_settings,
        .list_setting = list_setting};
    struct image_builder *builder;
    struct writer writer;
    struct bytes_view bootstrap[2];
    struct feature_level_record feature = {.name = string_view_of("metadata.version"),
                                           .feature_level = 30};
    *bench = (struct bench){.next_offset = 1};
    arena_init(&bench->arena, 64 << 20);
    arena_init(&bench->kept, 64 << 20);
    controller_records_init(&bench->records);
    assert_int_equal(controller_create(&options, &bench->controller), 0);
    assert_int_equal(image_builder_create(NULL, &builder), 0);
    assert_int_equal(image_builder_finish(&builder, 0, 1, 0, &bench->image), 0);
    controller_set_image(bench->controller, bench->image);
    writer_init(&writer, 4096);
    assert_int_equal(metadata_record_encode(&writer, FEATURE_LEVEL_RECORD_KEY, 0,
                                            &feature_level_record_row, &feature), 0);
    size_t first = writer.size;
    feature = (struct feature_level_record){string_view_of("eligible.leader.replicas.version"), 1};
    assert_int_equal(metadata_record_encode(&writer, FEATURE_LEVEL_RECORD_KEY, 0,
                                            &feature_level_record_row, &feature), 0);
    bootstrap[0] = (struct bytes_view){writer.data, first};
    bootstrap[1] = (struct bytes_view){writer.data + first, writer.size - first};
    controller_activate(bench->controller, bootstrap, 2, &bench->records);
    commit(bench);
    writer_release(&writer);
    for (int32_t id = 1; id <= brokers; id++) {
        unfence(bench, id, register_broker(bench, id, 1));
    }
}

static inline void cleanup(struct bench *bench)
{
    controller_destroy(&bench->controller);
    image_unref(&bench->image);
    controller_records_release(&bench->records);
    arena_release(&bench->arena);
    arena_release(&bench->kept);
}

/* The results of a request with these topics. */
static inline const struct create_topics_response_creatable_topic_result *create(
    struct bench *bench, struct create_topics_request_creatable_topic *topics, int32_t count,
    bool validate_only)
{
    struct create_topics_request request;
    create_topics_request_default(&request);
    request.topics.items = topics;
    request.topics.count = count;
    request.validate_only = validate_only;
    const struct create_topics_response *response = ask(bench, API_CREATE_TOPICS, 7, &request);
    assert_int_equal(bench->error, 0);
    return response->topics.items;
}

static inline int16_t create_one(struct bench *bench, const char *name, int32_t partitions,
                                 int16_t replication_factor)
{
    struct create_topics_request_creatable_topic topic = {.name = string_view_of(name),
                                                          .num_partitions = partitions,
                                                          .replication_factor =
                                                              replication_factor};
    return create(bench, &topic, 1, false)->error_code;
}

static inline int16_t alter(struct bench *bench, int8_t type, const char *resource,
                            const char *name, const char *value, int8_t operation)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_alterable_config config = {
        .name = string_view_of(name),
        .config_operation = operation,
        .value = string_view_of(value)};
    struct incremental_alter_configs_request_alter_configs_resource altered = {
        .resource_type = type,
        .resource_name = string_view_of(resource),
        .configs = {&config, 1}};
    incremental_alter_configs_request_default(&request);
    request.resources.items = &altered;
    request.resources.count = 1;
    const struct incremental_alter_configs_response *response =
        ask(bench, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    return response->responses.items[0].error_code;
}

#endif
