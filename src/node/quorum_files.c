#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "node/quorum_internal.h"
#include "protocol/messages.h"
#include "protocol/record/iter.h"

#define STATE_BYTES_MAX (64u << 10)
#define BOOTSTRAP_BYTES_MAX (64u << 20)

static int quorum_path(const struct quorum *quorum, const char *name, char *path)
{
    int size = snprintf(path, QUORUM_PATH_BYTES, "%s/%s", quorum->directory, name);
    return size > 0 && size < QUORUM_PATH_BYTES ? 0 : ERR_RANGE;
}

/* One line of JSON, keys in Apache Kafka's order: version 0 of a static quorum, 1 of a dynamic. */
void quorum_state_text(const struct quorum *quorum, char text[QUORUM_TEXT_BYTES])
{
    const struct raft_durable *durable = &quorum->raft.durable;
    if (quorum->voters.data == NULL) {
        snprintf(text, QUORUM_TEXT_BYTES,
                 "{\"clusterId\":\"\",\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32
                 ",\"votedId\":%" PRId32 ",\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":%"
                 PRId32 "}],\"data_version\":0}",
                 durable->leader_id, durable->epoch, durable->voted_id, quorum->options.node_id);
        return;
    }
    char id[UUID_TEXT_BYTES];
    uuid_format(durable->voted_id < 0 ? (struct uuid){{0}} : quorum->options.directory_id, id);
    snprintf(text, QUORUM_TEXT_BYTES,
             "{\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32 ",\"votedId\":%" PRId32
             ",\"votedDirectoryId\":\"%s\",\"data_version\":1}",
             durable->leader_id, durable->epoch, durable->voted_id, id);
}

int quorum_write_state(struct quorum *quorum, const char *text)
{
    char path[QUORUM_PATH_BYTES];
    int error = quorum_path(quorum, "quorum-state", path);
    return error == 0 ? io_write_atomically(&quorum->fs, path, text, strlen(text)) : error;
}

/* -1 where it is not there, and INT32_MAX or INT32_MIN for one beyond them. */
static int32_t state_number(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    long long number = at == NULL ? -1 : strtoll(at + strlen(key), NULL, 10);
    return number > INT32_MAX ? INT32_MAX : number < INT32_MIN ? INT32_MIN : (int32_t)number;
}

int quorum_read_state(struct quorum *quorum, struct raft_durable *durable,
                      struct err_message *message)
{
    char path[QUORUM_PATH_BYTES];
    uint8_t *bytes;
    size_t size;
    *durable = (struct raft_durable){0, -1, -1};
    int error = quorum_path(quorum, "quorum-state", path);
    if (error == 0) {
        error = io_read_whole(&quorum->fs, path, STATE_BYTES_MAX, &bytes, &size);
    }
    if (error == ERR_NOT_FOUND) {
        return 0;
    }
    if (error != 0) {
        return err_set(message, error, "cannot read %s: %s", path, err_text(error));
    }
    const char *text = (const char *)bytes;
    int32_t version = state_number(text, "\"data_version\":");
    durable->epoch = state_number(text, "\"leaderEpoch\":");
    durable->leader_id = state_number(text, "\"leaderId\":");
    durable->voted_id = state_number(text, "\"votedId\":");
    mem_free(bytes);
    if (version < 0 || version > 1 || durable->epoch < 0 || durable->epoch == INT32_MAX ||
        durable->leader_id < -1 || durable->voted_id < -1) {
        return err_set(message, ERR_CORRUPT, "%s is damaged or of a version not known here", path);
    }
    return 0;
}

static int keep_bytes(struct bytes_view value, struct bytes_view *kept, uint8_t **bytes)
{
    uint8_t *copy = mem_alloc(value.size + 1);
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    memcpy(copy, value.data, value.size);
    mem_free(*bytes);
    *bytes = copy;
    *kept = (struct bytes_view){copy, value.size};
    return 0;
}

static int replay_control(struct quorum *quorum, const struct record *record,
                          struct err_message *message)
{
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    int16_t type = reader_i16(&reader);
    if (reader.failed || record->value.data == NULL) {
        return err_set(message, ERR_CORRUPT, "damaged control record at offset %" PRId64,
                       record->offset);
    }
    switch (type) {
    case QUORUM_LEADER_CHANGE:
    case QUORUM_SNAPSHOT_HEADER:
        return 0;
    case QUORUM_SNAPSHOT_FOOTER:
        quorum->footer_seen = true;
        return 0;
    case QUORUM_KRAFT_VERSION:
        return keep_bytes(record->value, &quorum->kraft_version, &quorum->kraft_version_bytes);
    case QUORUM_KRAFT_VOTERS:
        return keep_bytes(record->value, &quorum->voters, &quorum->voters_bytes);
    default:
        return err_set(message, ERR_UNSUPPORTED, "unknown control record %d at offset %" PRId64,
                       type, record->offset);
    }
}

static int replay_batch(struct quorum *quorum, struct image_builder *builder,
                        const struct batch *batch, struct err_message *message)
{
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch,
                     (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES});
    int more;
    while ((more = record_iter_next(&iter, &record)) == 1) {
        int error;
        if (batch_is_control(batch)) {
            error = replay_control(quorum, &record, message);
        } else {
            error = record.value.data == NULL ? ERR_CORRUPT
                                              : image_builder_replay(builder, record.value,
                                                                     message);
        }
        if (error != 0) {
            return err_wrap(message, error, "offset %" PRId64, record.offset);
        }
    }
    return more;
}

int quorum_replay_batches(struct quorum *quorum, struct image_builder *builder,
                          const uint8_t *data, size_t size, size_t *used,
                          struct err_message *message)
{
    int error = 0;
    struct batch batch;
    *used = 0;
    while (error == 0 && batch_decode(data + *used, size - *used, &batch) == 0) {
        if (!batch_crc_holds(data + *used, &batch)) {
            return err_set(message, ERR_CORRUPT, "the batch at offset %" PRId64 " is damaged",
                           batch.base_offset);
        }
        error = replay_batch(quorum, builder, &batch, message);
        *used += batch.size_bytes;
    }
    return error;
}

/* The metadata.version of this release, for a directory without bootstrap.checkpoint. */
static int default_bootstrap(uint8_t **bytes, struct bytes_view **records, size_t *count)
{
    struct feature_level_record feature;
    struct writer writer;
    feature_level_record_default(&feature);
    feature.name = string_view_of("metadata.version");
    feature.feature_level = 30;
    writer_init(&writer, BOOTSTRAP_BYTES_MAX);
    int error = metadata_record_encode(&writer, FEATURE_LEVEL_RECORD_KEY, 0,
                                       &feature_level_record_row, &feature);
    *records = mem_alloc(sizeof **records);
    if (error != 0 || writer.failed || *records == NULL) {
        writer_release(&writer);
        return ERR_NOMEM;
    }
    size_t size;
    *bytes = writer_take(&writer, &size);
    **records = (struct bytes_view){*bytes, size};
    *count = 1;
    return 0;
}

static int bootstrap_batch(const struct batch *batch, struct bytes_view **records, size_t *count,
                           size_t *capacity)
{
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch,
                     (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES});
    int more;
    while ((more = record_iter_next(&iter, &record)) == 1) {
        int error = mem_grow((void **)records, capacity, *count + 1, sizeof **records);
        if (error != 0) {
            return error;
        }
        (*records)[(*count)++] = record.value;
    }
    return more;
}

int quorum_read_bootstrap(struct quorum *quorum, uint8_t **bytes, struct bytes_view **records,
                          size_t *count, struct err_message *message)
{
    char path[QUORUM_PATH_BYTES];
    size_t size;
    size_t capacity = 0;
    *records = NULL;
    *bytes = NULL;
    *count = 0;
    int length = snprintf(path, sizeof path, "%s/bootstrap.checkpoint",
                          quorum->options.metadata_directory);
    int error = length < (int)sizeof path ? io_read_whole(&quorum->fs, path, BOOTSTRAP_BYTES_MAX,
                                                          bytes, &size)
                                          : ERR_RANGE;
    if (error == ERR_NOT_FOUND) {
        return default_bootstrap(bytes, records, count);
    }
    struct batch batch;
    for (size_t at = 0; error == 0 && at < size; at += batch.size_bytes) {
        if (batch_decode(*bytes + at, size - at, &batch) != 0 ||
            !batch_crc_holds(*bytes + at, &batch)) {
            error = ERR_CORRUPT;
        } else if (!batch_is_control(&batch)) {
            error = bootstrap_batch(&batch, records, count, &capacity);
        }
    }
    if (error == 0 && *count == 0) {
        error = ERR_CORRUPT;
    }
    return error == 0 ? 0 : err_set(message, error, "%s: %s", path, err_text(error));
}

int quorum_build_control(struct writer *writer, int64_t base_offset, int32_t leader_epoch,
                         int64_t now_ms, const struct quorum_control_record *records, size_t count)
{
    struct batch header = batch_header_empty(base_offset);
    struct batch_builder builder;
    header.partition_leader_epoch = leader_epoch;
    header.attributes = BATCH_CONTROL;
    header.base_timestamp_ms = now_ms;
    batch_builder_init(&builder, writer, &header);
    for (size_t i = 0; i < count; i++) {
        const uint8_t key[4] = {0, 0, 0, (uint8_t)records[i].type};
        struct record record = {.offset = base_offset + (int64_t)i,
                                .timestamp_ms = now_ms,
                                .key = {key, sizeof key},
                                .value = records[i].value};
        batch_builder_add(&builder, &record);
    }
    return batch_builder_finish(&builder);
}
