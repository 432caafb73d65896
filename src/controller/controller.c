#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "controller/controller_internal.h"

#define RECORDS_BYTES_MAX (64u << 20)

void controller_records_init(struct controller_records *records)
{
    *records = (struct controller_records){0};
    writer_init(&records->writer, RECORDS_BYTES_MAX);
}

void controller_records_release(struct controller_records *records)
{
    writer_release(&records->writer);
    mem_free(records->ends);
    *records = (struct controller_records){0};
}

static void records_end(struct controller_records *records)
{
    if (records->writer.failed || mem_grow((void **)&records->ends, &records->capacity,
                                           records->count + 1, sizeof *records->ends) != 0) {
        records->failed = true;
        return;
    }
    ASSERT(records->count == 0 || records->ends[records->count - 1] < records->writer.size);
    records->ends[records->count++] = records->writer.size;
}

void controller_records_add(struct controller_records *records, int16_t api_key, int16_t version,
                            const struct codec_struct *row, const void *message)
{
    ASSERT(api_key >= 0 && version >= row->versions.min && version <= row->versions.max);
    if (metadata_record_encode(&records->writer, api_key, version, row, message) != 0) {
        records->failed = true;
    }
    records_end(records);
}

void controller_records_add_framed(struct controller_records *records, struct bytes_view record)
{
    ASSERT(record.data != NULL && record.size > 0);
    writer_bytes(&records->writer, record.data, record.size);
    records_end(records);
}

struct bytes_view controller_records_at(const struct controller_records *records, size_t index)
{
    ASSERT(index < records->count);
    size_t start = index == 0 ? 0 : records->ends[index - 1];
    ASSERT(start < records->ends[index] && records->ends[index] <= records->writer.size);
    return (struct bytes_view){records->writer.data + start, records->ends[index] - start};
}

struct records_mark controller_records_mark(const struct controller_records *records)
{
    return (struct records_mark){records->count, records->writer.size};
}

void controller_records_return(struct controller_records *records, struct records_mark mark)
{
    ASSERT(mark.count <= records->count && mark.bytes <= records->writer.size);
    records->count = mark.count;
    records->writer.size = mark.bytes;
}

int controller_create(const struct controller_options *options, struct controller **created)
{
    struct controller *controller = mem_calloc(1, sizeof *controller);
    *created = controller;
    if (controller == NULL) {
        return ERR_NOMEM;
    }
    ASSERT(options->check_settings != NULL && options->list_setting != NULL);
    ASSERT(options->node_id >= 0);
    ASSERT(options->default_partition_count > 0); /* of replicas there may be none, by default */
    controller->options = *options;
    return 0;
}

void controller_destroy(struct controller **controller)
{
    if (*controller != NULL) {
        image_unref(&(*controller)->image);
        mem_free((*controller)->sessions);
        mem_free(*controller);
        *controller = NULL;
    }
}

void controller_set_image(struct controller *controller, const struct image *image)
{
    ASSERT(image != NULL);
    struct image *older = controller->image;
    ASSERT(older == NULL || image_offset(image) >= image_offset(older));
    controller->image = image_ref(image);
    image_unref(&older);
}

int16_t controller_metadata_version(const struct controller *controller)
{
    return image_feature_level(controller->image, "metadata.version");
}

uint64_t controller_random(const struct controller_call *call, uint64_t index)
{
    /* SplitMix64 of the call's seed and the index. */
    uint64_t z = call->random + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct uuid controller_random_uuid(const struct controller_call *call, uint64_t index)
{
    uint8_t bytes[16];
    for (uint64_t half = 0; half < 2; half++) {
        uint64_t word = controller_random(call, (index << 8) + half);
        memcpy(bytes + half * 8, &word, 8);
    }
    return uuid_from_random(bytes);
}

void controller_add_partition(struct controller *controller, struct controller_records *records,
                              struct partition_record *record)
{
    int16_t metadata_version = controller_metadata_version(controller);
    int16_t version = metadata_version >= 23 ? 2 : metadata_version >= 17 ? 1 : 0;
    ASSERT(record->partition_id >= 0 && record->replicas.count > 0);
    ASSERT(record->isr.count > 0 && record->isr.count <= record->replicas.count);
    if (version == 0) {
        record->directories.count = 0;
    }
    controller_records_add(records, PARTITION_RECORD_KEY, version, &partition_record_row, record);
}

void controller_add_partition_change(struct controller *controller,
                                     struct controller_records *records,
                                     const struct partition_change_record *record)
{
    int16_t metadata_version = controller_metadata_version(controller);
    int16_t version = metadata_version >= 23 ? 2 : metadata_version >= 17 ? 1 : 0;
    struct partition_change_record fitting = *record;
    ASSERT(record->partition_id >= 0 && !uuid_is_zero(record->topic_id));
    /* A list of directories goes with the replicas: those of the record, or those there are. */
    ASSERT(record->directories.count < 0 || record->replicas.count < 0 ||
           record->directories.count == record->replicas.count);
    if (version == 0) {
        fitting.directories.items = NULL;
        fitting.directories.count = -1;
    }
    controller_records_add(records, PARTITION_CHANGE_RECORD_KEY, version,
                           &partition_change_record_row, &fitting);
}

void controller_add_config(struct controller_records *records, int8_t type,
                           struct string_view resource, struct string_view name,
                           struct string_view value)
{
    struct config_record record;
    ASSERT(resource.data != NULL && name.data != NULL);
    config_record_default(&record);
    record.resource_type = type;
    record.resource_name = resource;
    record.name = name;
    record.value = value;
    controller_records_add(records, CONFIG_RECORD_KEY, 0, &config_record_row, &record);
}

static const struct {
    int16_t api_key;
    void (*handle)(struct controller *controller, struct controller_call *call);
    bool unbounded; /* what a broker's coming or going sets off is as large as the cluster */
} handlers[] = {
    {API_CREATE_TOPICS, controller_create_topics, false},
    {API_DELETE_TOPICS, controller_delete_topics, false},
    {API_CREATE_PARTITIONS, controller_create_partitions, false},
    {API_INCREMENTAL_ALTER_CONFIGS, controller_incremental_alter_configs, false},
    {API_ALTER_CONFIGS, controller_alter_configs, false},
    {API_BROKER_REGISTRATION, controller_register_broker, true},
    {API_BROKER_HEARTBEAT, controller_heartbeat, true},
    {API_UNREGISTER_BROKER, controller_unregister_broker, true},
    {API_UPDATE_FEATURES, controller_update_features, false},
    {API_ALLOCATE_PRODUCER_IDS, controller_allocate_producer_ids, false},
    {API_ELECT_LEADERS, controller_elect_leaders, false},
    {API_LIST_PARTITION_REASSIGNMENTS, controller_list_reassignments, false},
    {API_ALTER_PARTITION_REASSIGNMENTS, controller_alter_reassignments, false},
    {API_ALTER_PARTITION, controller_alter_partition, false},
    {API_ASSIGN_REPLICAS_TO_DIRS, controller_assign_directories, false},
    {API_CONTROLLER_REGISTRATION, controller_register_controller, false},
};
#define HANDLER_COUNT (sizeof handlers / sizeof handlers[0])

bool controller_serves(int16_t api_key)
{
    for (size_t i = 0; i < HANDLER_COUNT; i++) {
        if (handlers[i].api_key == api_key) {
            return true;
        }
    }
    return false;
}

void controller_handle(struct controller *controller, struct controller_call *call)
{
    ASSERT(controller->image != NULL && call->records->count == 0);
    ASSERT(call->request != NULL && call->next_offset > image_offset(controller->image));
    ASSERT(!image_in_transaction(controller->image));
    call->response = NULL;
    call->error = KAFKA_UNSUPPORTED_VERSION;
    bool unbounded = false;
    for (size_t i = 0; i < HANDLER_COUNT; i++) {
        if (handlers[i].api_key == call->api_key) {
            call->error = 0;
            unbounded = handlers[i].unbounded;
            handlers[i].handle(controller, call);
            break;
        }
    }
    if (call->records->failed || call->arena->failed) {
        call->error = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (call->error == 0 && !unbounded && call->records->count > CONTROLLER_RECORDS_MAX) {
        call->error = KAFKA_POLICY_VIOLATION;
    }
    if (call->error != 0) {
        call->response = NULL;
        controller_records_return(call->records, (struct records_mark){0, 0});
    }
    ASSERT(unbounded || call->records->count <= CONTROLLER_RECORDS_MAX);
    ASSERT((call->error == 0) == (call->response != NULL));
}

/* What the bootstrap records say about the features that activation depends on. */
struct bootstrap_levels {
    int16_t metadata_version;
    int16_t eligible_leaders;
};

static struct bootstrap_levels bootstrap_levels(const struct bytes_view *bootstrap, size_t count)
{
    struct bootstrap_levels levels = {0, 0};
    struct arena arena;
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < count; i++) {
        struct reader reader;
        struct feature_level_record feature;
        int16_t api_key;
        int16_t version;
        reader_init(&reader, bootstrap[i].data, bootstrap[i].size);
        if (metadata_record_decode(&reader, &api_key, &version) != 0 ||
            api_key != FEATURE_LEVEL_RECORD_KEY ||
            codec_decode(&feature_level_record_row, &reader, version, &arena, &feature) != 0) {
            continue;
        }
        if (string_view_is(feature.name, "metadata.version")) {
            levels.metadata_version = feature.feature_level;
        } else if (string_view_is(feature.name, "eligible.leader.replicas.version")) {
            levels.eligible_leaders = feature.feature_level;
        }
    }
    arena_release(&arena);
    return levels;
}

static void add_marker(struct controller_records *records, int16_t api_key,
                       const struct codec_struct *row, const void *message)
{
    ASSERT(row != NULL && message != NULL);
    controller_records_add(records, api_key, 0, row, message);
}

void controller_activate(struct controller *controller, const struct bytes_view *bootstrap,
                         size_t bootstrap_count, struct controller_records *records)
{
    ASSERT(controller->image != NULL && records->count == 0);
    struct begin_transaction_record begin;
    struct end_transaction_record end;
    struct abort_transaction_record abandoned;
    begin_transaction_record_default(&begin);
    end_transaction_record_default(&end);
    abort_transaction_record_default(&abandoned);
    if (image_in_transaction(controller->image)) {
        abandoned.reason = string_view_of("Controller failover");
        add_marker(records, ABORT_TRANSACTION_RECORD_KEY, &abort_transaction_record_row,
                   &abandoned);
    }
    if (controller_metadata_version(controller) > 0) {
        return;
    }
    ASSERT(bootstrap_count > 0);
    struct bootstrap_levels levels = bootstrap_levels(bootstrap, bootstrap_count);
    bool in_transaction = levels.metadata_version >= 13;
    if (in_transaction) {
        begin.name = string_view_of("Bootstrap records");
        add_marker(records, BEGIN_TRANSACTION_RECORD_KEY, &begin_transaction_record_row, &begin);
    }
    for (size_t i = 0; i < bootstrap_count; i++) {
        controller_records_add_framed(records, bootstrap[i]);
    }
    if (levels.eligible_leaders > 0) {
        /* With ELR the bound is a matter of the cluster, not of each broker's file. */
        char text[8];
        int size = snprintf(text, sizeof text, "%d", controller->options.min_insync_replicas);
        ASSERT(size > 0 && (size_t)size < sizeof text);
        controller_add_config(records, 4, string_view_of(""),
                              string_view_of("min.insync.replicas"), string_view_of(text));
    }
    if (in_transaction) {
        add_marker(records, END_TRANSACTION_RECORD_KEY, &end_transaction_record_row, &end);
    }
    ASSERT(records->failed || records->count >= bootstrap_count);
}
