/* scrub_log.c: one partition directory, read with what reads it when a broker starts. */
#include "tools/scrub.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/reader.h"
#include "log/log_internal.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define NUMBER_DIGITS 20
#define UNPACKED_BYTES_MAX ((size_t)1 << 30)
#define PROBLEMS_A_FILE_MAX 20

/* What was seen of a batch, to hold the indexes against. */
struct seen_batch {
    int64_t position;
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    bool is_control;
};
struct numbers {
    int64_t *items;
    size_t count;
    size_t capacity;
};
struct partition_scrub {
    struct scrub *scrub;
    const char *directory;
    struct numbers segments;
    struct numbers snapshots;
    size_t next_snapshot;
    struct log *log; /* epochs, and producers as the records make them; no segments */
    struct segment *segment;
    char path[SCRUB_PATH_BYTES]; /* of the record file */
    struct seen_batch *seen;     /* of this segment */
    size_t seen_count;
    size_t seen_capacity;
    bool dense;    /* no offset may be missing */
    bool cleaned;  /* what newer records supersede may be gone */
    bool has_batch; /* one was seen: what follows it follows without a gap */
    bool producers_known; /* from the log's beginning or a snapshot there */
    struct segment_aborted *aborted; /* that the records of this segment make */
    size_t aborted_count;
    size_t aborted_capacity;
    int64_t next_offset;
    int32_t epoch;
    int problems; /* of this file */
};

static int numbers_add(struct numbers *numbers, int64_t number)
{
    int error = mem_grow((void **)&numbers->items, &numbers->capacity, numbers->count + 1,
                         sizeof *numbers->items);
    if (error == 0) {
        numbers->items[numbers->count++] = number;
    }
    return error;
}

static int number_order(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int partition_visit(void *context, const char *name, bool is_directory)
{
    struct partition_scrub *partition = context;
    size_t digits = 0;
    if (strcmp(name, LOG_CLEANED_FILE) == 0) {
        partition->cleaned = true;
        partition->dense = false;
    }
    while (isdigit((unsigned char)name[digits])) {
        digits++;
    }
    if (is_directory || digits != NUMBER_DIGITS) {
        return 0;
    }
    int64_t number = strtoll(name, NULL, 10);
    if (strcmp(name + digits, ".log") == 0) {
        return numbers_add(&partition->segments, number);
    }
    return strcmp(name + digits, ".snapshot") == 0 ? numbers_add(&partition->snapshots, number)
                                                   : 0;
}

/* Whether the records of a batch whose CRC holds have the form that its header promises. */
static bool records_are_sound(const struct batch *batch)
{
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    struct writer plain;
    writer_init(&plain, UNPACKED_BYTES_MAX);
    int more = 1;
    if ((batch->attributes & BATCH_CODEC_MASK) != BATCH_CODEC_NONE) {
        int error = decompress_append((enum batch_codec)(batch->attributes & BATCH_CODEC_MASK),
                                      records, &plain);
        records = (struct bytes_view){plain.data, plain.size};
        more = error == 0 ? 1 : error;
    }
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch, records);
    while (more == 1) {
        more = record_iter_next(&iter, &record);
    }
    writer_release(&plain);
    return more == 0;
}

static void compare_producer(struct partition_scrub *partition, const char *path,
                             const struct producer_entry *written)
{
    const struct producer_entry *known =
        producer_state_find(&partition->log->producers, written->producer_id);
    const struct producer_batch *a =
        written->batch_count > 0 ? &written->batches[written->batch_count - 1] : NULL;
    const struct producer_batch *b =
        known != NULL && known->batch_count > 0 ? &known->batches[known->batch_count - 1] : NULL;
    bool same = known != NULL && known->producer_epoch == written->producer_epoch &&
                known->transaction_first_offset == written->transaction_first_offset &&
                (a == NULL || b == NULL || (a->last_sequence == b->last_sequence &&
                                            a->last_offset == b->last_offset));
    if (partition->cleaned) {
        /* Compaction keeps the last thing of each producer; what was so earlier may be gone. */
        same = a == NULL || b == NULL || b->last_offset <= a->last_offset;
    }
    if (!same) {
        scrub_problem(partition->scrub, path, -1,
                      "producer %" PRId64 " is not as the records have it", written->producer_id);
    }
}

/* The snapshots up to offset: the first one is where the producers begin, later ones are compared.
 * One that has expired since is in neither, or only in what the records tell. */
static void check_snapshots(struct partition_scrub *partition, int64_t offset)
{
    struct log *log = partition->log;
    char path[LOG_PATH_BYTES];
    while (partition->next_snapshot < partition->snapshots.count &&
           partition->snapshots.items[partition->next_snapshot] <= offset) {
        int64_t number = partition->snapshots.items[partition->next_snapshot++];
        struct producer_state written;
        producer_state_init(&written);
        if (number < offset || log_place_path(&log->place, number, ".snapshot", path) != 0) {
            continue;
        }
        scrub_begin_file(partition->scrub, path, 0);
        int error = producer_state_load_snapshot(&written, &log->place, number, 0, INT64_MAX);
        if (error != 0) {
            scrub_problem(partition->scrub, path, -1, "the producer snapshot is damaged: %s",
                          err_text(error));
        } else if (log->log_start_offset == number && partition->seen_count == 0 &&
                   log->producers.count == 0) {
            (void)producer_state_load_snapshot(&log->producers, &log->place, number, 0, INT64_MAX);
            partition->producers_known = !partition->cleaned;
        } else {
            for (size_t i = 0; i < written.count; i++) {
                compare_producer(partition, path, &written.entries[i]);
            }
        }
        producer_state_release(&written);
    }
}

static void batch_problem(struct partition_scrub *partition, int64_t position, const char *what,
                          int64_t offset)
{
    if (partition->problems++ < PROBLEMS_A_FILE_MAX) {
        scrub_problem(partition->scrub, partition->path, position, "%s (offset %" PRId64 ")", what,
                      offset);
    }
}

/* Whether its offsets are such that it may count for producers. */
static bool check_batch_header(struct partition_scrub *partition, const struct batch *batch,
                               int64_t position)
{
    const struct segment *segment = partition->segment;
    int64_t last_offset = batch_last_offset(batch);
    bool in_order = batch->base_offset >= partition->next_offset &&
                    last_offset >= batch->base_offset &&
                    last_offset - segment->base_offset <= INT32_MAX;
    if (!in_order) {
        batch_problem(partition, position, "the batch is out of the order of offsets",
                      batch->base_offset);
    }
    if (partition->dense && partition->has_batch && batch->base_offset > partition->next_offset) {
        batch_problem(partition, position, "offsets are missing before the batch",
                      partition->next_offset);
    }
    if (batch->partition_leader_epoch < partition->epoch) {
        batch_problem(partition, position, "the leader epoch goes back", batch->base_offset);
    }
    /* It begins where the log does, which may be within the first segment. */
    int32_t written = leader_epochs_of_offset(&partition->log->epochs, batch->base_offset);
    if (written >= 0 && batch->partition_leader_epoch >= 0 &&
        written != batch->partition_leader_epoch) {
        batch_problem(partition, position, "leader-epoch-checkpoint has another epoch",
                      batch->base_offset);
    }
    partition->has_batch = true;
    partition->next_offset = last_offset + 1;
    partition->epoch = batch->partition_leader_epoch;
    return in_order;
}

static int remember_aborted(struct partition_scrub *partition,
                            const struct segment_aborted *aborted)
{
    int error = mem_grow((void **)&partition->aborted, &partition->aborted_capacity,
                         partition->aborted_count + 1, sizeof *partition->aborted);
    if (error == 0) {
        partition->aborted[partition->aborted_count++] = *aborted;
    }
    return error;
}

/* The batch with its bytes: CRC, records, producers. */
static int check_batch_bytes(struct partition_scrub *partition, const struct batch *header,
                             int64_t position, bool in_order)
{
    uint8_t *bytes = mem_alloc(header->size_bytes);
    int error = bytes == NULL ? ERR_NOMEM
                              : segment_read(partition->segment, bytes, header->size_bytes,
                                             position);
    if (error == 0 && !batch_any_crc_holds(bytes, header->size_bytes)) {
        batch_problem(partition, position, "the CRC does not hold", header->base_offset);
    } else if (error == 0 && batch_magic(bytes) == BATCH_MAGIC) {
        struct batch batch;
        error = batch_decode(bytes, header->size_bytes, &batch);
        if (error == 0 && !records_are_sound(&batch)) {
            batch_problem(partition, position, "the records cannot be read", batch.base_offset);
        } else if (error == 0 && in_order && batch.producer_id >= 0) {
            struct segment_aborted aborted;
            error = log_account_producer(partition->log, &batch, bytes, &aborted);
            error = error == 1 ? remember_aborted(partition, &aborted)
                               : error == ERR_CORRUPT ? 0 : error;
        }
    }
    mem_free(bytes);
    return error;
}

static int check_batches(struct partition_scrub *partition)
{
    struct segment_scan scan;
    struct batch batch;
    int64_t position;
    int found;
    partition->seen_count = 0;
    partition->aborted_count = 0;
    partition->problems = 0;
    segment_scan_init(&scan, partition->segment, 0, partition->segment->size_bytes);
    while ((found = segment_scan_next(&scan, &batch, &position)) == 1) {
        bool in_order = check_batch_header(partition, &batch, position);
        int error = check_batch_bytes(partition, &batch, position, in_order);
        if (error == 0) {
            error = mem_grow((void **)&partition->seen, &partition->seen_capacity,
                             partition->seen_count + 1, sizeof *partition->seen);
        }
        if (error != 0) {
            return error;
        }
        partition->seen[partition->seen_count++] = (struct seen_batch){
            position, batch.base_offset, batch_last_offset(&batch), batch.max_timestamp_ms,
            batch.producer_id, batch_is_control(&batch)};
    }
    if (scan.position != partition->segment->size_bytes && (found == 0 || found == ERR_CORRUPT)) {
        batch_problem(partition, scan.position, "no whole batch from here on",
                      partition->next_offset);
    }
    return found == ERR_CORRUPT ? 0 : found;
}

/* The batch of the segment that holds offset, or NULL. */
static const struct seen_batch *seen_at(const struct partition_scrub *partition, int64_t offset)
{
    size_t low = 0;
    size_t high = partition->seen_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (partition->seen[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < partition->seen_count && partition->seen[low].base_offset <= offset
               ? &partition->seen[low]
               : NULL;
}

/* It points at the batch that ends at its offset, or at the first of several up to there, as an
 * Apache Kafka of old wrote it: either way nothing is passed over. */
static bool offset_entry_is_sound(const struct partition_scrub *partition, const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, OFFSET_ENTRY_BYTES);
    int64_t offset = partition->segment->base_offset + reader_i32(&reader);
    int64_t position = reader_i32(&reader);
    for (const struct seen_batch *seen = seen_at(partition, offset);
         seen != NULL && seen >= partition->seen; seen--) {
        if (seen->position <= position) {
            return seen->position == position;
        }
    }
    return false;
}

static bool time_entry_is_sound(const struct partition_scrub *partition, const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, TIME_ENTRY_BYTES);
    int64_t timestamp_ms = reader_i64(&reader);
    const struct seen_batch *seen =
        seen_at(partition, partition->segment->base_offset + reader_i32(&reader));
    return seen != NULL && seen->max_timestamp_ms == timestamp_ms;
}

/* What was stable behind the marker: a log to which several batches were appended at once may name
 * the first transaction that began after it instead, when none was open by then. */
static bool is_stable_offset(const struct segment_aborted *made, int64_t last_stable_offset)
{
    bool none_was_open = made->last_stable_offset == made->last_offset + 1;
    return last_stable_offset == made->last_stable_offset ||
           (none_was_open && last_stable_offset > made->last_stable_offset);
}

static bool is_aborted(const struct partition_scrub *partition,
                       const struct segment_aborted *entry)
{
    for (size_t i = 0; i < partition->aborted_count; i++) {
        const struct segment_aborted *made = &partition->aborted[i];
        if (made->last_offset == entry->last_offset) {
            return made->producer_id == entry->producer_id &&
                   made->first_offset == entry->first_offset &&
                   is_stable_offset(made, entry->last_stable_offset);
        }
    }
    return false;
}

static bool is_last_segment(const struct partition_scrub *partition)
{
    return partition->segment->base_offset ==
           partition->segments.items[partition->segments.count - 1];
}

/* Each transaction that the records abort has its entry, or readers are given its records. The last
 * segment is left out: what a broker that died did not write there, its next start finds. */
static void check_aborted_are_all_there(struct partition_scrub *partition)
{
    char path[LOG_PATH_BYTES];
    struct index_file *index = &partition->segment->aborted;
    if (is_last_segment(partition) || !partition->producers_known ||
        log_place_path(index->place, index->base_offset, index->kind->suffix, path) != 0) {
        return;
    }
    for (size_t i = 0; i < partition->aborted_count; i++) {
        struct segment_aborted entry = {.last_offset = -1};
        int found;
        for (uint32_t j = 0;
             (found = segment_read_aborted(partition->segment, j, &entry)) == 1 &&
             entry.last_offset != partition->aborted[i].last_offset;
             j++) {
        }
        if (found != 1) {
            scrub_problem(partition->scrub, path, -1,
                          "the transaction that ends at offset %" PRId64 " was aborted, but has "
                          "no entry",
                          partition->aborted[i].last_offset);
        }
    }
}

static bool aborted_entry_is_sound(const struct partition_scrub *partition, const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, ABORTED_ENTRY_BYTES);
    int16_t version = reader_i16(&reader);
    int64_t producer_id = reader_i64(&reader);
    int64_t first_offset = reader_i64(&reader);
    int64_t last_offset = reader_i64(&reader);
    const struct seen_batch *seen = seen_at(partition, last_offset);
    if (partition->producers_known) {
        struct segment_aborted entry_says = {producer_id, first_offset, last_offset,
                                             reader_i64(&reader)};
        return version == 0 && is_aborted(partition, &entry_says);
    }
    return version == 0 && seen != NULL && seen->is_control &&
           seen->producer_id == producer_id && first_offset <= last_offset &&
           reader_i64(&reader) >= 0;
}

static void check_index(struct partition_scrub *partition, struct index_file *index,
                        bool (*is_sound)(const struct partition_scrub *, const uint8_t *))
{
    uint8_t entry[INDEX_ENTRY_BYTES_MAX];
    char path[LOG_PATH_BYTES];
    int64_t count = index_file_count(index);
    if (log_place_path(index->place, index->base_offset, index->kind->suffix, path) != 0) {
        return;
    }
    if (count < 0) {
        scrub_problem(partition->scrub, path, -1, "it cannot be read: %s", err_text((int)count));
        return;
    }
    scrub_begin_file(partition->scrub, path, count * index->kind->entry_bytes);
    int problems = 0;
    for (int64_t i = 0; i < count && problems < PROBLEMS_A_FILE_MAX; i++) {
        if (index_file_read(index, (uint32_t)i, entry) != 0 || !is_sound(partition, entry)) {
            problems++;
            scrub_problem(partition->scrub, path, i * index->kind->entry_bytes,
                          "the entry does not agree with the log");
        }
    }
    /* A dead Apache Kafka leaves them in the last segment; in others it takes them for entries. */
    if (index_file_is_padded(index) && !is_last_segment(partition)) {
        scrub_problem(partition->scrub, path, count * index->kind->entry_bytes,
                      "there are zeros behind the last entry");
    }
}

static int check_segment(struct partition_scrub *partition, int64_t base_offset)
{
    struct log *log = partition->log;
    partition->segment = segment_create(&log->place, base_offset, 0);
    int error = partition->segment == NULL ? ERR_NOMEM : segment_load(partition->segment);
    if (error == 0) {
        error = log_place_path(&log->place, base_offset, ".log", partition->path);
    }
    if (error == 0) {
        scrub_begin_file(partition->scrub, partition->path, partition->segment->size_bytes);
        if (base_offset < partition->next_offset) {
            scrub_problem(partition->scrub, partition->path, 0,
                          "the segment begins before the last one ends");
        }
        if (partition->dense && partition->has_batch && base_offset > partition->next_offset) {
            scrub_problem(partition->scrub, partition->path, 0,
                          "offsets from %" PRId64 " on are missing before the segment",
                          partition->next_offset);
        }
        partition->next_offset = base_offset;
        check_snapshots(partition, base_offset);
        error = check_batches(partition);
    }
    if (error == 0) {
        check_index(partition, &partition->segment->offsets, offset_entry_is_sound);
        check_index(partition, &partition->segment->times, time_entry_is_sound);
        check_index(partition, &partition->segment->aborted, aborted_entry_is_sound);
        check_aborted_are_all_there(partition);
    } else if (error != ERR_NOMEM) {
        scrub_problem(partition->scrub, partition->path, -1, "it cannot be read: %s",
                      err_text(error));
        error = 0;
    }
    segment_destroy(&partition->segment);
    return error;
}

static int partition_run(struct partition_scrub *partition, struct scrub_extent *extent)
{
    struct log *log = partition->log;
    int error = io_list(&partition->scrub->fs, partition->directory, partition_visit, partition);
    if (error != 0 || partition->segments.count == 0) {
        return error;
    }
    qsort(partition->segments.items, partition->segments.count, sizeof(int64_t), number_order);
    if (partition->snapshots.count > 0) {
        qsort(partition->snapshots.items, partition->snapshots.count, sizeof(int64_t),
              number_order);
    }
    log->log_start_offset = partition->segments.items[0];
    partition->producers_known = !partition->cleaned && log->log_start_offset == 0;
    error = leader_epochs_load(&log->epochs, &log->place);
    for (size_t i = 0; error == 0 && i < partition->segments.count; i++) {
        error = check_segment(partition, partition->segments.items[i]);
    }
    check_snapshots(partition, partition->next_offset);
    *extent = (struct scrub_extent){log->log_start_offset, partition->next_offset};
    for (size_t i = 0; i < log->epochs.count; i++) {
        if (log->epochs.entries[i].start_offset > partition->next_offset) {
            scrub_problem(partition->scrub, partition->directory, -1,
                          "leader-epoch-checkpoint: epoch %d begins behind the end of the log",
                          log->epochs.entries[i].epoch);
        }
    }
    return error;
}

int scrub_partition(struct scrub *scrub, const char *directory, const struct scrub_topic *topic,
                    struct scrub_extent *extent)
{
    struct partition_scrub partition = {.scrub = scrub,
                                        .directory = directory,
                                        .dense = topic != NULL && !topic->compacts,
                                        .cleaned = topic != NULL && topic->compacts,
                                        .epoch = -1};
    *extent = (struct scrub_extent){0, 0};
    partition.log = mem_calloc(1, sizeof *partition.log);
    if (partition.log == NULL) {
        return ERR_NOMEM;
    }
    partition.log->place.fs = &scrub->fs;
    partition.log->place.directory = mem_strndup(directory, strlen(directory));
    if (partition.log->place.directory == NULL) {
        mem_free(partition.log);
        return ERR_NOMEM;
    }
    leader_epochs_init(&partition.log->epochs);
    producer_state_init(&partition.log->producers);
    int error = partition_run(&partition, extent);
    leader_epochs_release(&partition.log->epochs);
    producer_state_release(&partition.log->producers);
    mem_free(partition.log->place.directory);
    mem_free(partition.log);
    mem_free(partition.seen);
    mem_free(partition.aborted);
    mem_free(partition.segments.items);
    mem_free(partition.snapshots.items);
    return error;
}
