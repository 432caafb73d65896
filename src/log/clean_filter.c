#include "log/clean_filter.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/leb128.h"
#include "base/limits.h"
#include "base/mem.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

/* What becomes of a batch none of whose records stays. */
enum clean_retention {
    CLEAN_DELETE,       /* none does: they need not be looked at */
    CLEAN_DELETE_EMPTY,
    CLEAN_KEEP_EMPTY,
};
struct clean_verdict {
    enum clean_retention retention;
    bool discard;      /* all of its records */
    bool empty_marker; /* a marker of a transaction of which nothing else is left */
};
struct clean_survivors {
    int32_t count;
    bool tombstone;
    int64_t first_timestamp_ms;
    int64_t max_timestamp_ms;
};

void clean_filter_init(struct clean_filter *filter, const struct clean_rules *rules,
                       const struct clean_aborted *aborted, uint64_t seed)
{
    ASSERT(rules->delete_retention_ms >= 0 && rules->round_end_offset >= 0);
    *filter = (struct clean_filter){.rules = *rules};
    clean_txn_init(&filter->txn, aborted, seed);
    writer_init(&filter->plain, SCRATCH_BYTES_MAX);
    writer_init(&filter->packed, SCRATCH_BYTES_MAX);
}

void clean_filter_release(struct clean_filter *filter)
{
    clean_txn_release(&filter->txn);
    writer_release(&filter->plain);
    writer_release(&filter->packed);
    mem_free(filter->keeps);
    filter->keeps = NULL;
}

static void scratch_clear(struct writer *scratch)
{
    scratch->size = 0;
    scratch->failed = false;
}

int clean_view_records(const struct batch *batch, struct writer *scratch,
                       struct bytes_view *records)
{
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    ASSERT(batch->size_bytes >= BATCH_HEADER_BYTES);
    *records = (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    if (codec == BATCH_CODEC_NONE || batch->record_count == 0) {
        return 0;
    }
    scratch_clear(scratch);
    int error = decompress_append(codec, *records, scratch);
    *records = (struct bytes_view){scratch->data != NULL ? scratch->data : batch->records,
                                   scratch->size};
    return error;
}

static bool batch_has_horizon(const struct batch *batch)
{
    return (batch->attributes & BATCH_DELETE_HORIZON) != 0;
}

/* Whether this is the last that is known of a producer that is not forgotten. */
static bool clean_is_last(const struct clean_rules *rules, const struct batch *batch)
{
    size_t low = 0;
    size_t high = rules->producer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rules->producers[middle].producer_id < batch->producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (batch->producer_id < 0 || low == rules->producer_count ||
        rules->producers[low].producer_id != batch->producer_id) {
        return false;
    }
    const struct clean_producer *producer = &rules->producers[low];
    return producer->last_data_offset >= 0
               ? batch_last_offset(batch) == producer->last_data_offset
               : batch_is_control(batch) && batch->producer_epoch == producer->producer_epoch;
}

static int clean_judge(struct clean_filter *filter, const struct batch *batch,
                       struct clean_verdict *verdict, struct segment_aborted *entry, bool *kept)
{
    const struct clean_rules *rules = &filter->rules;
    *kept = false;
    int gone = batch_is_control(batch) ? clean_txn_control(&filter->txn, batch, entry, kept)
                                       : clean_txn_data(&filter->txn, batch);
    if (gone < 0) {
        return gone;
    }
    *verdict = (struct clean_verdict){CLEAN_DELETE_EMPTY, gone == 1, false};
    if (batch_is_control(batch)) {
        verdict->empty_marker = gone == 1;
        verdict->discard = gone == 1 && batch_has_horizon(batch) &&
                           batch->base_timestamp_ms <= rules->now_ms;
    }
    if (clean_is_last(rules, batch) || batch_last_offset(batch) + 1 == rules->round_end_offset) {
        verdict->retention = CLEAN_KEEP_EMPTY;
    } else if (verdict->discard) {
        verdict->retention = CLEAN_DELETE;
    }
    return 0;
}

static bool clean_record_stays(struct clean_filter *filter, const struct batch *batch,
                               const struct record *record)
{
    const struct clean_rules *rules = &filter->rules;
    if (record->offset > rules->map->latest_offset) {
        return true;
    }
    if (record->key.data == NULL) {
        filter->records_without_key++;
        return false;
    }
    bool stays = record->value.data != NULL || !batch_has_horizon(batch) ||
                 rules->now_ms < batch->base_timestamp_ms;
    return stays && record->offset >= clean_map_find(rules->map, record->key);
}

/* Decides on each record of a batch whose records are not all given up. */
static int clean_choose(struct clean_filter *filter, const struct batch *batch,
                        struct bytes_view records, struct clean_survivors *survivors)
{
    struct record_iter iter;
    struct record record;
    *survivors = (struct clean_survivors){.max_timestamp_ms = -1};
    size_t count = batch->record_count > 0 ? (size_t)batch->record_count : 0;
    /* A record takes more than a byte, so a count that is too large is wrong. */
    if (count > records.size) {
        return ERR_CORRUPT;
    }
    int error = mem_grow((void **)&filter->keeps, &filter->keeps_capacity, count + 1, 1);
    if (error != 0) {
        return error;
    }
    record_iter_init(&iter, batch, records);
    int more;
    for (int32_t i = 0; (more = record_iter_next(&iter, &record)) == 1; i++) {
        if (record.offset < batch->base_offset || record.offset > batch_last_offset(batch)) {
            return ERR_CORRUPT;
        }
        bool stays = batch_is_control(batch) || clean_record_stays(filter, batch, &record);
        filter->keeps[i] = stays;
        if (!stays) {
            continue;
        }
        if (survivors->count++ == 0) {
            survivors->first_timestamp_ms = record.timestamp_ms;
        }
        survivors->tombstone |= record.value.data == NULL;
        if (record.timestamp_ms > survivors->max_timestamp_ms) {
            survivors->max_timestamp_ms = record.timestamp_ms;
        }
    }
    return more;
}

/* Copies the records that stay, their timestamps told from another base. */
static int clean_copy_records(const struct clean_filter *filter, const struct batch *batch,
                              struct bytes_view records, int64_t base_timestamp_ms,
                              struct writer *out)
{
    bool append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
    uint64_t shift = (uint64_t)batch->base_timestamp_ms - (uint64_t)base_timestamp_ms;
    struct reader reader;
    reader_init(&reader, records.data, records.size);
    for (int32_t i = 0; i < batch->record_count; i++) {
        const uint8_t *whole = reader.cursor;
        int32_t length = reader_varint(&reader);
        const uint8_t *bytes = reader_take(&reader, (size_t)length);
        if (bytes == NULL) {
            return ERR_CORRUPT;
        }
        if (!filter->keeps[i]) {
            continue;
        }
        if (shift == 0 && !append_time) {
            writer_bytes(out, whole, (size_t)(reader.cursor - whole));
            continue;
        }
        struct reader body;
        reader_init(&body, bytes, (size_t)length);
        (void)reader_i8(&body);
        int64_t delta = (int64_t)((uint64_t)reader_varlong(&body) + shift);
        if (append_time) {
            delta = (int64_t)((uint64_t)batch->max_timestamp_ms - (uint64_t)base_timestamp_ms);
        }
        ASSERT(!body.failed); /* walked before */
        size_t rest = reader_left(&body);
        writer_varint(out, (int32_t)(1 + varlong_bytes(delta) + rest));
        writer_i8(out, 0);
        writer_varlong(out, delta);
        writer_bytes(out, body.cursor, rest);
    }
    return out->failed ? ERR_NOMEM : 0;
}

/* Puts a header before what was written behind its place. */
static int clean_seal(struct writer *out, size_t start, const struct batch *header)
{
    struct batch_builder builder = {.writer = out, .start = start, .header = *header};
    ASSERT(out->failed || out->size >= start + BATCH_HEADER_BYTES);
    return batch_builder_finish(&builder);
}

static int clean_rebuild(struct clean_filter *filter, const struct batch *batch,
                         struct bytes_view records, const struct clean_survivors *survivors,
                         bool new_horizon, struct writer *out)
{
    const struct clean_rules *rules = &filter->rules;
    struct batch header = *batch;
    header.record_count = survivors->count;
    if (new_horizon) {
        header.attributes |= BATCH_DELETE_HORIZON;
        header.base_timestamp_ms = rules->now_ms + rules->delete_retention_ms;
    } else if (!batch_has_horizon(batch)) {
        header.base_timestamp_ms = survivors->first_timestamp_ms;
    }
    if ((batch->attributes & BATCH_LOG_APPEND_TIME) == 0) {
        header.max_timestamp_ms = survivors->max_timestamp_ms;
    }
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    struct writer *target = codec == BATCH_CODEC_NONE ? out : &filter->packed;
    size_t start = out->size;
    (void)writer_reserve(out, BATCH_HEADER_BYTES);
    scratch_clear(&filter->packed);
    int error = clean_copy_records(filter, batch, records, header.base_timestamp_ms, target);
    if (error == 0 && codec != BATCH_CODEC_NONE) {
        error = compress_append(codec, COMPRESS_LEVEL_DEFAULT,
                                (struct bytes_view){target->data, target->size}, out);
    }
    return error == 0 ? clean_seal(out, start, &header) : error;
}

/* A header that goes on to say which offsets and sequences there were. */
static int clean_empty(const struct batch *batch, struct writer *out)
{
    struct batch header = *batch;
    header.attributes &= (uint16_t)~(BATCH_CODEC_MASK | BATCH_DELETE_HORIZON);
    header.base_timestamp_ms = -1;
    header.record_count = 0;
    size_t start = out->size;
    (void)writer_reserve(out, BATCH_HEADER_BYTES);
    return clean_seal(out, start, &header);
}

int clean_filter_batch(struct clean_filter *filter, const uint8_t *data, const struct batch *batch,
                       struct writer *out, struct segment_aborted *entry, bool *kept)
{
    struct clean_verdict verdict;
    ASSERT(batch->records == data + BATCH_HEADER_BYTES);
    int error = clean_judge(filter, batch, &verdict, entry, kept);
    if (error != 0 || verdict.retention == CLEAN_DELETE) {
        return error;
    }
    struct clean_survivors survivors = {0};
    struct bytes_view records;
    filter->records_read += batch->record_count > 0 ? batch->record_count : 0;
    if (!verdict.discard) {
        error = clean_view_records(batch, &filter->plain, &records);
        if (error == 0) {
            error = clean_choose(filter, batch, records, &survivors);
        }
    }
    if (error != 0) {
        return error;
    }
    filter->records_kept += survivors.count;
    if (survivors.count == 0) {
        return verdict.retention == CLEAN_KEEP_EMPTY ? clean_empty(batch, out) : 0;
    }
    /* A horizon beyond all time is none. */
    bool new_horizon = (survivors.tombstone || verdict.empty_marker) &&
                       !batch_has_horizon(batch) &&
                       filter->rules.delete_retention_ms <= INT64_MAX - filter->rules.now_ms;
    if (survivors.count == batch->record_count && !new_horizon) {
        writer_bytes(out, data, batch->size_bytes);
        return out->failed ? ERR_NOMEM : 0;
    }
    return clean_rebuild(filter, batch, records, &survivors, new_horizon, out);
}
