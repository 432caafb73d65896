#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "log/segment.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

/* Records of one batch, unpacked, at most. */
#define SCAN_UNPACKED_BYTES_MAX (1u << 30)
/* Offset, size, CRC, magic and attributes of the formats before 2, and the least they may be. */
#define LEGACY_PREFIX_BYTES 18
#define LEGACY_SIZE_MIN 14
#define LEGACY_TIMESTAMP_AT 18
#define MAGIC_AT 16

void segment_scan_init(struct segment_scan *scan, struct segment *segment, int64_t from,
                       int64_t end)
{
    ASSERT(from >= 0 && from <= end && end <= segment->size_bytes);
    scan->segment = segment;
    scan->position = from;
    scan->end = end;
    scan->buffer_position = from;
    scan->buffered = 0;
}

/* Makes size bytes at the scan's position visible; NULL at the end of the range or on an error. */
static const uint8_t *scan_view(struct segment_scan *scan, size_t size, int *error)
{
    ASSERT(size <= SEGMENT_SCAN_BYTES && scan->buffered <= SEGMENT_SCAN_BYTES);
    ASSERT(scan->position <= scan->end);
    *error = 0;
    if ((int64_t)size > scan->end - scan->position) {
        return NULL;
    }
    int64_t at = scan->position - scan->buffer_position;
    if (at < 0 || at + (int64_t)size > (int64_t)scan->buffered) {
        int64_t left = scan->end - scan->position;
        size_t wanted = left < SEGMENT_SCAN_BYTES ? (size_t)left : SEGMENT_SCAN_BYTES;
        *error = segment_read(scan->segment, scan->buffer, wanted, scan->position);
        if (*error != 0) {
            scan->buffered = 0;
            return NULL;
        }
        scan->buffer_position = scan->position;
        scan->buffered = wanted;
        at = 0;
    }
    ASSERT(at >= 0 && at + (int64_t)size <= (int64_t)scan->buffered);
    return scan->buffer + at;
}

/* A message set entry of format 0 or 1: stored by old brokers, still readable. Its offset is that
 * of its last record. */
static void scan_legacy(const uint8_t *data, int64_t size, struct batch *batch)
{
    struct reader reader;
    reader_init(&reader, data, BATCH_PREFIX_BYTES);
    *batch = batch_header_empty(reader_i64(&reader));
    batch->size_bytes = (uint32_t)size;
    batch->max_timestamp_ms = -1;
    batch->record_count = 1;
    if (data[MAGIC_AT] == 1) {
        reader_init(&reader, data + LEGACY_TIMESTAMP_AT, 8);
        batch->max_timestamp_ms = reader_i64(&reader);
    }
}

int segment_scan_next(struct segment_scan *scan, struct batch *batch, int64_t *position)
{
    int error;
    const uint8_t *data = scan_view(scan, LEGACY_PREFIX_BYTES, &error);
    if (data == NULL) {
        return error;
    }
    int64_t size = batch_view_size(data, BATCH_PREFIX_BYTES);
    if (size < LEGACY_SIZE_MIN + BATCH_PREFIX_BYTES) {
        return ERR_CORRUPT;
    }
    if (size > scan->end - scan->position) {
        return 0;
    }
    bool legacy = (int8_t)data[MAGIC_AT] < BATCH_MAGIC;
    if (!legacy && size < BATCH_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    data = scan_view(scan, legacy ? LEGACY_PREFIX_BYTES + 8 : BATCH_HEADER_BYTES, &error);
    if (data == NULL) {
        return error;
    }
    if (legacy) {
        scan_legacy(data, size, batch);
    } else {
        batch_header_read(data, batch);
    }
    *position = scan->position;
    scan->position += size;
    ASSERT(scan->position > *position && scan->position <= scan->end);
    return 1;
}

static int64_t offset_key(const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, OFFSET_ENTRY_BYTES);
    return reader_i32(&reader);
}

static int64_t time_key(const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, TIME_ENTRY_BYTES);
    return reader_i64(&reader);
}

/* Reads a whole batch into memory (mem_free). */
static int segment_load_batch(struct segment *segment, int64_t position, uint32_t size,
                              uint8_t **data)
{
    ASSERT(size >= LEGACY_SIZE_MIN && position + size <= segment->size_bytes);
    *data = mem_alloc(size);
    if (*data == NULL) {
        return ERR_NOMEM;
    }
    int error = segment_read(segment, *data, size, position);
    if (error != 0) {
        mem_free(*data);
        *data = NULL;
    }
    return error;
}

/* Whether every field of a header that the scan has just read is one that a batch can have. */
static bool batch_is_plausible(const struct batch *batch)
{
    return batch->records != NULL &&
           batch_magic(batch->records - BATCH_HEADER_BYTES) == BATCH_MAGIC &&
           batch->attributes <= (BATCH_DELETE_HORIZON << 1) - 1 && batch->record_count >= 0 &&
           batch->record_count <= (int64_t)batch->last_offset_delta + 1 &&
           batch->producer_id >= -1 && batch->producer_epoch >= -1;
}

/* Whether a batch lies where an index entry for entry_offset points, which begins at or below
 * offset: 1, 0, or an error. Bytes out of the middle of a batch may look like one. Its last offset
 * is that of the entry, unless an Apache Kafka of old indexed several batches at once, and its
 * header is in order, unless it is of an old format: then its CRC tells. */
static int segment_entry_holds(struct segment *segment, const struct batch *batch,
                               int64_t position, int64_t entry_offset, int64_t offset)
{
    if (batch->base_offset < segment->base_offset || batch->base_offset > offset ||
        batch_last_offset(batch) < batch->base_offset) {
        return 0;
    }
    if (batch_last_offset(batch) == entry_offset && batch_is_plausible(batch)) {
        return 1;
    }
    uint8_t *data;
    int error = segment_load_batch(segment, position, batch->size_bytes, &data);
    if (error != 0) {
        return error;
    }
    bool holds = batch_any_crc_holds(data, batch->size_bytes);
    mem_free(data);
    return holds;
}

static int64_t position_key(const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, OFFSET_ENTRY_BYTES);
    (void)reader_i32(&reader);
    return reader_i32(&reader);
}

int segment_indexed_from(struct segment *segment, int64_t position, int64_t *offset)
{
    uint8_t bytes[OFFSET_ENTRY_BYTES];
    int64_t floor = index_file_floor(&segment->offsets, position - 1, position_key, bytes);
    if (floor < -1) {
        return (int)(floor + 1);
    }
    int64_t count = index_file_count(&segment->offsets);
    if (count < 0 || floor + 1 >= count) {
        return count < 0 ? (int)count : 0;
    }
    int error = index_file_read(&segment->offsets, (uint32_t)(floor + 1), bytes);
    int64_t at = position_key(bytes);
    if (error != 0 || at < position || at >= segment->size_bytes) {
        return error;
    }
    *offset = segment->base_offset + offset_key(bytes);
    struct segment_scan scan;
    struct batch batch;
    segment_scan_init(&scan, segment, at, segment->size_bytes);
    int holds = segment_scan_next(&scan, &batch, &at);
    if (holds == 1) {
        holds = segment_entry_holds(segment, &batch, at, *offset, *offset);
    }
    return holds == ERR_CORRUPT ? 0 : holds;
}

/* Sets the scan to the newest index entry at or below offset, or to the start of the segment. The
 * index has no checksum, so it is believed only where it points at a batch that begins at or below
 * offset: all in front of that one lies below too, and nothing is passed over. */
static int segment_scan_towards(struct segment_scan *scan, struct segment *segment, int64_t offset)
{
    segment_scan_init(scan, segment, 0, segment->size_bytes);
    if (offset < segment->base_offset) {
        return 0;
    }
    uint8_t entry[OFFSET_ENTRY_BYTES];
    int64_t found = index_file_floor(&segment->offsets, offset - segment->base_offset, offset_key,
                                     entry);
    if (found < 0) {
        return found < -1 ? (int)(found + 1) : 0;
    }
    struct reader reader;
    reader_init(&reader, entry, sizeof entry);
    int64_t entry_offset = segment->base_offset + reader_i32(&reader);
    int64_t at = reader_i32(&reader);
    if (at <= 0 || at >= segment->size_bytes) {
        return 0;
    }
    struct batch batch;
    int64_t position;
    segment_scan_init(scan, segment, at, segment->size_bytes);
    int holds = segment_scan_next(scan, &batch, &position);
    if (holds == 1) {
        holds = segment_entry_holds(segment, &batch, position, entry_offset, offset);
    }
    if (holds < 0 && holds != ERR_CORRUPT) {
        return holds;
    }
    if (holds == 1) {
        scan->position = at; /* its header is still in the buffer */
    } else {
        segment_scan_init(scan, segment, 0, segment->size_bytes);
    }
    return 0;
}

/* Whether the batch that was found last holds offset, too: 1, 0, or an error. */
static int segment_find_again(struct segment *segment, int64_t offset, struct batch *batch,
                              int64_t *position)
{
    if (segment->file == NULL || offset < segment->file->found.base_offset ||
        offset > segment->file->found.last_offset ||
        segment->file->found.position >= segment->size_bytes) {
        return 0;
    }
    struct segment_scan scan;
    segment_scan_init(&scan, segment, segment->file->found.position, segment->size_bytes);
    int found = segment_scan_next(&scan, batch, position);
    if (found == ERR_CORRUPT) {
        return 0;
    }
    return found != 1 ? found
                      : batch->base_offset == segment->file->found.base_offset &&
                            batch_last_offset(batch) == segment->file->found.last_offset;
}

int segment_find(struct segment *segment, int64_t offset, struct batch *batch, int64_t *position)
{
    int found = segment_find_again(segment, offset, batch, position);
    if (found != 0) {
        return found;
    }
    struct segment_scan scan;
    found = segment_scan_towards(&scan, segment, offset);
    if (found != 0) {
        return found;
    }
    while ((found = segment_scan_next(&scan, batch, position)) == 1) {
        if (batch_last_offset(batch) >= offset) {
            ASSERT(*position >= 0 && *position + batch->size_bytes <= segment->size_bytes);
            segment->file->found.base_offset = batch->base_offset;
            segment->file->found.last_offset = batch_last_offset(batch);
            segment->file->found.position = *position;
            return 1;
        }
    }
    return found;
}

/* The first record of the batch with a timestamp of at least timestamp_ms and an offset of at least
 * start_offset: 1, 0, or an error. */
static int batch_find_time(const struct batch *batch, struct bytes_view records,
                           int64_t timestamp_ms, int64_t start_offset, int64_t *offset,
                           int64_t *found_ms)
{
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch, records);
    int more;
    while ((more = record_iter_next(&iter, &record)) == 1) {
        if (record.timestamp_ms >= timestamp_ms && record.offset >= start_offset) {
            *offset = record.offset;
            *found_ms = record.timestamp_ms;
            return 1;
        }
    }
    return more;
}

static int segment_search_batch(struct segment *segment, const struct batch *header,
                                int64_t position, int64_t timestamp_ms, int64_t start_offset,
                                int64_t *offset, int64_t *found_ms)
{
    uint8_t *data;
    int error = segment_load_batch(segment, position, header->size_bytes, &data);
    if (error != 0) {
        return error;
    }
    struct batch batch;
    struct writer plain;
    writer_init(&plain, SCAN_UNPACKED_BYTES_MAX);
    error = batch_decode(data, header->size_bytes, &batch);
    if (error == ERR_UNSUPPORTED) {
        /* Format 0 or 1: as exact as its entry. */
        *offset = batch_last_offset(header);
        *found_ms = header->max_timestamp_ms;
        error = 1;
    } else if (error == 0) {
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        enum batch_codec codec = batch.attributes & BATCH_CODEC_MASK;
        if (codec != BATCH_CODEC_NONE) {
            error = decompress_append(codec, records, &plain);
            records = (struct bytes_view){plain.data, plain.size};
        }
        if (error == 0) {
            error = batch_find_time(&batch, records, timestamp_ms, start_offset, offset, found_ms);
        }
    }
    writer_release(&plain);
    mem_free(data);
    return error;
}

/* Whether a batch with exactly this largest timestamp holds offset: 1 with where it lies, 0, or an
 * error. */
static int segment_confirm_time(struct segment *segment, int64_t timestamp_ms, int64_t offset,
                                int64_t *position)
{
    struct batch batch;
    int found = offset < segment->base_offset ? 0
                                              : segment_find(segment, offset, &batch, position);
    if (found == ERR_CORRUPT) {
        return 0;
    }
    return found == 1 ? batch.max_timestamp_ms == timestamp_ms : found;
}

int segment_learn_max_timestamp(struct segment *segment)
{
    struct segment_scan scan;
    struct batch batch;
    int64_t position;
    int found;
    int64_t max_ms = -1;
    int64_t max_offset = segment->base_offset;
    segment_scan_init(&scan, segment, 0, segment->size_bytes);
    while ((found = segment_scan_next(&scan, &batch, &position)) == 1) {
        if (batch.max_timestamp_ms > max_ms) {
            max_ms = batch.max_timestamp_ms;
            max_offset = batch_last_offset(&batch);
        }
    }
    if (found < 0 && found != ERR_CORRUPT) {
        return found;
    }
    segment->max_timestamp_ms = max_ms;
    segment->max_timestamp_offset = max_offset;
    return 0;
}

int segment_confirm_max_timestamp(struct segment *segment)
{
    int64_t position;
    int confirmed = segment->max_timestamp_ms < 0
                        ? 1
                        : segment_confirm_time(segment, segment->max_timestamp_ms,
                                               segment->max_timestamp_offset, &position);
    if (confirmed != 0) {
        return confirmed < 0 ? confirmed : 0;
    }
    return segment_learn_max_timestamp(segment);
}

/* Where the time index lets a walk towards timestamp_ms begin, if the log agrees with it. */
static int segment_time_position(struct segment *segment, int64_t timestamp_ms, int64_t *from)
{
    uint8_t entry[TIME_ENTRY_BYTES];
    *from = 0;
    int64_t floor = index_file_floor(&segment->times, timestamp_ms - 1, time_key, entry);
    if (floor < 0) {
        return floor < -1 ? (int)(floor + 1) : 0;
    }
    struct reader reader;
    reader_init(&reader, entry, sizeof entry);
    int64_t entry_ms = reader_i64(&reader);
    int64_t position;
    int confirmed = segment_confirm_time(segment, entry_ms,
                                         segment->base_offset + reader_i32(&reader), &position);
    if (confirmed == 1) {
        *from = position;
    }
    return confirmed < 0 ? confirmed : 0;
}

int segment_find_time(struct segment *segment, int64_t timestamp_ms, int64_t start_offset,
                      int64_t *offset, int64_t *found_ms)
{
    int64_t from;
    int error = segment_time_position(segment, timestamp_ms, &from);
    struct segment_scan scan;
    struct batch batch;
    int64_t position;
    segment_scan_init(&scan, segment, from, segment->size_bytes);
    while (error == 0 && (error = segment_scan_next(&scan, &batch, &position)) == 1) {
        error = 0;
        if (batch.max_timestamp_ms >= timestamp_ms && batch_last_offset(&batch) >= start_offset) {
            error = segment_search_batch(segment, &batch, position, timestamp_ms, start_offset,
                                         offset, found_ms);
            if (error != 0) {
                ASSERT(error < 0 || *offset >= start_offset);
                return error;
            }
        }
    }
    return error;
}

int segment_find_timestamp_in(struct segment *segment, int64_t batch_offset, int64_t timestamp_ms,
                              int64_t *offset, int32_t *leader_epoch)
{
    struct batch batch;
    int64_t position;
    int64_t found_ms;
    int found = segment_find(segment, batch_offset, &batch, &position);
    *leader_epoch = found == 1 ? batch.partition_leader_epoch : -1;
    return found == 1 ? segment_search_batch(segment, &batch, position, timestamp_ms, 0, offset,
                                             &found_ms)
                      : found;
}
