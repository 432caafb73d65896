/* From an image back to the records that make it, and the frame around a record. */
#include "base/assert.h"
#include "base/mem.h"
#include "metadata/image_builder.h"
#include "metadata/image_internal.h"
#include "protocol/messages.h"

#define RECORD_FRAME_VERSION 1
#define RECORD_BYTES_MAX (64u << 20)

int metadata_record_encode(struct writer *writer, int16_t api_key, int16_t version,
                           const struct codec_struct *row, const void *message)
{
    writer_uvarint(writer, RECORD_FRAME_VERSION);
    writer_uvarint(writer, (uint32_t)api_key);
    writer_uvarint(writer, (uint32_t)version);
    return codec_encode(row, writer, version, message);
}

int metadata_record_decode(struct reader *reader, int16_t *api_key, int16_t *version)
{
    uint32_t frame = reader_uvarint(reader);
    uint32_t key = reader_uvarint(reader);
    uint32_t number = reader_uvarint(reader);
    if (reader->failed || frame != RECORD_FRAME_VERSION || key > INT16_MAX || number > INT16_MAX) {
        *api_key = -1;
        *version = -1;
        return ERR_CORRUPT;
    }
    *api_key = (int16_t)key;
    *version = (int16_t)number;
    return 0;
}

struct record_visit {
    const struct image *image;
    int (*visit)(void *context, struct bytes_view record);
    void *context;
    struct writer writer;
    struct arena arena;
};

static int visit_message(struct record_visit *visit, int16_t api_key, int16_t version,
                         const struct codec_struct *row, const void *message)
{
    visit->writer.size = 0;
    int error = metadata_record_encode(&visit->writer, api_key, version, row, message);
    if (error == 0) {
        error = visit->writer.failed ? ERR_NOMEM
                                     : visit->visit(visit->context,
                                                    (struct bytes_view){visit->writer.data,
                                                                        visit->writer.size});
    }
    return error;
}

static int visit_feature(struct record_visit *visit, const struct image_feature *feature)
{
    struct feature_level_record record;
    feature_level_record_default(&record);
    record.name = feature->name;
    record.feature_level = feature->level;
    return visit_message(visit, FEATURE_LEVEL_RECORD_KEY, 0, &feature_level_record_row, &record);
}

static int visit_features(struct record_visit *visit)
{
    int error = 0;
    for (int others = 0; error == 0 && others < 2; others++) {
        for (size_t i = 0; error == 0 && i < visit->image->feature_count; i++) {
            const struct image_feature *feature = &visit->image->features[i];
            if (string_view_is(feature->name, "metadata.version") == (others == 0)) {
                error = visit_feature(visit, feature);
            }
        }
    }
    return error;
}

/* The registration as it came, with what has changed since. */
static int visit_broker(struct record_visit *visit, const struct broker_object *broker,
                        int16_t metadata_version)
{
    struct reader reader;
    struct register_broker_record record;
    int16_t api_key;
    int16_t version;
    arena_reset(&visit->arena);
    reader_init(&reader, broker->record.data, broker->record.size);
    int error = metadata_record_decode(&reader, &api_key, &version);
    if (error == 0) {
        error = register_broker_record_decode(&reader, version, &visit->arena, &record);
    }
    if (error != 0) {
        return error;
    }
    record.fenced = broker->broker.fenced;
    record.in_controlled_shutdown = broker->broker.in_controlled_shutdown;
    record.log_dirs.items = broker->directories;
    record.log_dirs.count = broker->broker.directory_count;
    record.cordoned_log_dirs.items = broker->cordoned;
    record.cordoned_log_dirs.count = broker->broker.cordoned_count;
    version = metadata_version >= 30   ? 4
              : metadata_version >= 17 ? 3
              : metadata_version >= 8  ? 2
                                       : 1;
    if (version < 4) {
        record.cordoned_log_dirs.count = -1;
    }
    if (version < 3) {
        record.log_dirs.count = 0;
    }
    return visit_message(visit, REGISTER_BROKER_RECORD_KEY, version, &register_broker_record_row,
                         &record);
}

#define SET_IDS(list, ids_)                       \
    do {                                          \
        (list).items = (int32_t *)(ids_).ids;     \
        (list).count = (ids_).count;              \
    } while (0)

static int visit_partition(struct record_visit *visit, const struct image_topic *topic,
                           int32_t index, int16_t metadata_version)
{
    const struct image_partition *partition = &topic->partitions[index];
    struct partition_record record;
    partition_record_default(&record);
    record.partition_id = index;
    record.topic_id = topic->id;
    record.leader = partition->leader;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    record.leader_recovery_state = partition->leader_recovery_state;
    SET_IDS(record.replicas, partition->replicas);
    SET_IDS(record.isr, partition->isr);
    SET_IDS(record.adding_replicas, partition->adding);
    SET_IDS(record.removing_replicas, partition->removing);
    int16_t version = metadata_version >= 23 ? 2 : metadata_version >= 17 ? 1 : 0;
    if (version >= 2 && partition->eligible_leaders.count > 0) {
        SET_IDS(record.eligible_leader_replicas, partition->eligible_leaders);
    }
    if (version >= 2 && partition->last_known_eligible_leaders.count > 0) {
        SET_IDS(record.last_known_elr, partition->last_known_eligible_leaders);
    }
    if (version >= 1) {
        struct uuid *directories = (struct uuid *)partition->directories;
        if (directories == NULL) {
            directories = arena_array(&visit->arena, (size_t)partition->replicas.count,
                                      sizeof *directories); /* zero: MIGRATING */
            if (directories == NULL) {
                return ERR_NOMEM;
            }
        }
        record.directories.items = directories;
        record.directories.count = partition->replicas.count;
    }
    return visit_message(visit, PARTITION_RECORD_KEY, version, &partition_record_row, &record);
}

static int visit_topic(struct record_visit *visit, const struct image_topic *topic,
                       int16_t metadata_version)
{
    struct topic_record record;
    topic_record_default(&record);
    record.name = topic->name;
    record.topic_id = topic->id;
    arena_reset(&visit->arena);
    int error = visit_message(visit, TOPIC_RECORD_KEY, 0, &topic_record_row, &record);
    for (int32_t i = 0; error == 0 && i < topic->partition_count; i++) {
        error = visit_partition(visit, topic, i, metadata_version);
    }
    return error;
}

static int visit_settings(struct record_visit *visit, const struct settings_object *settings)
{
    int error = 0;
    for (int32_t i = 0; error == 0 && i < settings->count; i++) {
        struct config_record record;
        config_record_default(&record);
        record.resource_type = settings->resource_type;
        record.resource_name = settings->resource_name;
        record.name = settings->items[i].name;
        record.value = settings->items[i].value;
        error = visit_message(visit, CONFIG_RECORD_KEY, 0, &config_record_row, &record);
    }
    return error;
}

static int visit_producer_ids(struct record_visit *visit)
{
    if (visit->image->next_producer_id == 0) {
        return 0;
    }
    struct producer_ids_record record;
    producer_ids_record_default(&record);
    record.broker_id = -1;
    record.broker_epoch = -1;
    record.next_producer_id = visit->image->next_producer_id;
    return visit_message(visit, PRODUCER_IDS_RECORD_KEY, 0, &producer_ids_record_row, &record);
}

static int visit_all(struct record_visit *visit)
{
    const struct image *image = visit->image;
    int16_t metadata_version = image_feature_level(image, "metadata.version");
    int error = visit_features(visit);
    for (size_t i = 0; error == 0 && i < image->brokers.count; i++) {
        error = visit_broker(visit, (const struct broker_object *)image->brokers.items[i],
                             metadata_version);
    }
    for (size_t i = 0; error == 0 && i < image->topics_by_name.count; i++) {
        error = visit_topic(visit, image_topic_at(image, i), metadata_version);
    }
    for (size_t i = 0; error == 0 && i < image->settings.count; i++) {
        error = visit_settings(visit, (const struct settings_object *)image->settings.items[i]);
    }
    if (error == 0) {
        error = visit_producer_ids(visit);
    }
    for (size_t i = 0; error == 0 && i < image->kept.count; i++) {
        error = visit->visit(visit->context,
                             ((const struct kept_object *)image->kept.items[i])->record);
    }
    return error;
}

int image_visit_records(const struct image *image,
                        int (*visit)(void *context, struct bytes_view record), void *context)
{
    if (image->in_transaction) {
        return ERR_BUSY;
    }
    struct record_visit state = {.image = image, .visit = visit, .context = context};
    writer_init(&state.writer, RECORD_BYTES_MAX);
    arena_init(&state.arena, RECORD_BYTES_MAX);
    int error = visit_all(&state);
    writer_release(&state.writer);
    arena_release(&state.arena);
    return error;
}
