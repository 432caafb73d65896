/* scrub_metadata.c: what the metadata log and its newest snapshot say of topics, for the partitions
 * to be held against. Only what scrub asks for is decoded; a record that is none ends its batch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/reader.h"
#include "protocol/messages.h"
#include "protocol/record/batch.h"
#include "protocol/record/iter.h"
#include "tools/scrub.h"

#define METADATA_FILE_BYTES_MAX ((size_t)1 << 30)
#define METADATA_RECORD_BYTES_MAX ((size_t)1 << 20)
#define METADATA_FRAME_VERSION 1
#define RECORD_TOPIC 2
#define RECORD_CONFIG 4
#define RECORD_REMOVE_TOPIC 9
#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4
#define NUMBER_DIGITS 20

struct topic_entry {
    char *name;
    struct uuid id;
    bool is_there; /* a topic of that name; else only a setting */
    bool has_policy;
    bool compacts; /* its own cleanup.policy */
};
struct scrub_metadata {
    struct topic_entry *topics;
    size_t count;
    size_t capacity;
    bool compacts; /* log.cleanup.policy of all brokers */
};
/* A file whose name begins with an offset. */
struct metadata_file {
    int64_t offset;
    char name[64];
};
struct metadata_files {
    struct metadata_file *items;
    size_t count;
    size_t capacity;
};

static struct topic_entry *topic_need(struct scrub_metadata *metadata, struct string_view name)
{
    for (size_t i = 0; i < metadata->count; i++) {
        if (string_view_is(name, metadata->topics[i].name)) {
            return &metadata->topics[i];
        }
    }
    char *copy = mem_strndup(name.data, name.size);
    if (copy == NULL || mem_grow((void **)&metadata->topics, &metadata->capacity,
                                 metadata->count + 1, sizeof *metadata->topics) != 0) {
        mem_free(copy);
        return NULL;
    }
    metadata->topics[metadata->count] = (struct topic_entry){.name = copy};
    return &metadata->topics[metadata->count++];
}

static bool policy_compacts(struct string_view policy)
{
    return policy.data != NULL && memmem(policy.data, policy.size, "compact", 7) != NULL;
}

static int take_config(struct scrub_metadata *metadata, const struct config_record *record)
{
    if (record->resource_type == RESOURCE_BROKER &&
        string_view_is(record->name, "log.cleanup.policy")) {
        metadata->compacts = policy_compacts(record->value);
    }
    if (record->resource_type != RESOURCE_TOPIC ||
        !string_view_is(record->name, "cleanup.policy")) {
        return 0;
    }
    struct topic_entry *topic = topic_need(metadata, record->resource_name);
    if (topic != NULL) {
        topic->has_policy = record->value.data != NULL;
        topic->compacts = policy_compacts(record->value);
    }
    return topic == NULL ? ERR_NOMEM : 0;
}

static int take_topic(struct scrub_metadata *metadata, const struct topic_record *record)
{
    struct topic_entry *topic = topic_need(metadata, record->name);
    if (topic != NULL) {
        topic->id = record->topic_id;
        topic->is_there = true;
    }
    return topic == NULL ? ERR_NOMEM : 0;
}

static void remove_topic(struct scrub_metadata *metadata, struct uuid id)
{
    for (size_t i = 0; i < metadata->count; i++) {
        struct topic_entry *topic = &metadata->topics[i];
        if (topic->is_there && uuid_equal(topic->id, id)) {
            topic->is_there = topic->has_policy = topic->compacts = false;
        }
    }
}

/* 0, ERR_NOMEM, or ERR_CORRUPT for a record that cannot be read. */
static int take_record(struct scrub_metadata *metadata, struct arena *arena,
                       struct bytes_view value)
{
    struct reader reader;
    reader_init(&reader, value.data, value.size);
    uint32_t frame = reader_uvarint(&reader);
    uint32_t key = reader_uvarint(&reader);
    int16_t version = (int16_t)reader_uvarint(&reader);
    if (reader.failed || frame != METADATA_FRAME_VERSION) {
        return ERR_CORRUPT;
    }
    struct topic_record topic;
    struct config_record config;
    struct remove_topic_record removed;
    int error = 0;
    switch (key) {
    case RECORD_TOPIC:
        error = topic_record_decode(&reader, version, arena, &topic);
        return error == 0 ? take_topic(metadata, &topic) : error;
    case RECORD_CONFIG:
        error = config_record_decode(&reader, version, arena, &config);
        return error == 0 ? take_config(metadata, &config) : error;
    case RECORD_REMOVE_TOPIC:
        error = remove_topic_record_decode(&reader, version, arena, &removed);
        if (error == 0) {
            remove_topic(metadata, removed.topic_id);
        }
        return error;
    default:
        return 0;
    }
}

static int take_batch(struct scrub_metadata *metadata, const struct batch *batch)
{
    struct record_iter iter;
    struct record record;
    struct arena arena;
    int more = 1;
    arena_init(&arena, METADATA_RECORD_BYTES_MAX);
    record_iter_init(&iter, batch, (struct bytes_view){batch->records, batch->size_bytes -
                                                                           BATCH_HEADER_BYTES});
    while (more == 1 && (more = record_iter_next(&iter, &record)) == 1) {
        int error = take_record(metadata, &arena, record.value);
        more = error == 0 ? 1 : error;
        arena_reset(&arena);
    }
    arena_release(&arena);
    return more;
}

/* Takes the batches of a file that begin at or behind from in. What is wrong with the file, the
 * walk over its directory tells. */
static int take_file(struct scrub *scrub, struct scrub_metadata *metadata, const char *directory,
                     const char *name, int64_t from)
{
    char path[SCRUB_PATH_BYTES];
    uint8_t *bytes;
    size_t size;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path ||
        io_read_whole(&scrub->fs, path, METADATA_FILE_BYTES_MAX, &bytes, &size) != 0) {
        return 0;
    }
    int error = 0;
    struct batch batch;
    for (size_t at = 0; error != ERR_NOMEM && at < size &&
                        batch_decode(bytes + at, size - at, &batch) == 0;
         at += batch.size_bytes) {
        bool plain = (batch.attributes & BATCH_CODEC_MASK) == BATCH_CODEC_NONE;
        if (plain && !batch_is_control(&batch) && batch.base_offset >= from &&
            batch_crc_holds(bytes + at, &batch)) {
            error = take_batch(metadata, &batch);
        }
    }
    mem_free(bytes);
    return error == ERR_NOMEM ? error : 0;
}

static int files_visit(void *context, const char *name, bool is_directory)
{
    struct metadata_files *files = context;
    size_t digits = strspn(name, "0123456789");
    const char *dot = strrchr(name, '.');
    if (is_directory || digits != NUMBER_DIGITS || dot == NULL ||
        strlen(name) >= sizeof files->items->name ||
        (strcmp(dot, ".log") != 0 && strcmp(dot, ".checkpoint") != 0)) {
        return 0;
    }
    int error = mem_grow((void **)&files->items, &files->capacity, files->count + 1,
                         sizeof *files->items);
    if (error == 0) {
        struct metadata_file *file = &files->items[files->count++];
        file->offset = strtoll(name, NULL, 10);
        snprintf(file->name, sizeof file->name, "%s", name);
    }
    return error;
}

static int files_order(const void *a, const void *b)
{
    return strcmp(((const struct metadata_file *)a)->name, ((const struct metadata_file *)b)->name);
}

static bool file_is_snapshot(const struct metadata_file *file)
{
    return strstr(file->name, ".checkpoint") != NULL;
}

static int read_files(struct scrub *scrub, struct scrub_metadata *metadata, const char *directory,
                      const struct metadata_files *files)
{
    const struct metadata_file *newest = NULL;
    for (size_t i = 0; i < files->count; i++) {
        newest = file_is_snapshot(&files->items[i]) ? &files->items[i] : newest;
    }
    int error = newest == NULL ? 0 : take_file(scrub, metadata, directory, newest->name, 0);
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        if (!file_is_snapshot(&files->items[i])) {
            error = take_file(scrub, metadata, directory, files->items[i].name,
                              newest == NULL ? 0 : newest->offset);
        }
    }
    return error;
}

int scrub_metadata_read(struct scrub *scrub, const char *directory)
{
    struct metadata_files files = {0};
    if (scrub->metadata != NULL || io_list(&scrub->fs, directory, files_visit, &files) != 0 ||
        files.count == 0) {
        mem_free(files.items);
        return 0;
    }
    qsort(files.items, files.count, sizeof *files.items, files_order);
    scrub->metadata = mem_calloc(1, sizeof *scrub->metadata);
    int error = scrub->metadata == NULL
                    ? ERR_NOMEM
                    : read_files(scrub, scrub->metadata, directory, &files);
    mem_free(files.items);
    return error;
}

void scrub_metadata_release(struct scrub *scrub)
{
    for (size_t i = 0; scrub->metadata != NULL && i < scrub->metadata->count; i++) {
        mem_free(scrub->metadata->topics[i].name);
    }
    if (scrub->metadata != NULL) {
        mem_free(scrub->metadata->topics);
    }
    mem_free(scrub->metadata);
    scrub->metadata = NULL;
}

bool scrub_metadata_topic(const struct scrub *scrub, struct string_view name,
                          struct scrub_topic *found)
{
    for (size_t i = 0; scrub->metadata != NULL && i < scrub->metadata->count; i++) {
        const struct topic_entry *topic = &scrub->metadata->topics[i];
        if (topic->is_there && string_view_is(name, topic->name)) {
            *found = (struct scrub_topic){
                topic->id, topic->has_policy ? topic->compacts : scrub->metadata->compacts};
            return true;
        }
    }
    return false;
}
