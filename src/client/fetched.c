/* fetched.c: records out of a fetch response. */
#include "client/fetched.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "protocol/record/compress.h"

/* Type in the key of a control record: version, then 0 for abort and 1 for commit. */
#define CONTROL_ABORT 0

static int aborted_by_offset(const void *a, const void *b)
{
    int64_t left = ((const struct fetched_aborted *)a)->first_offset;
    int64_t right = ((const struct fetched_aborted *)b)->first_offset;
    return left < right ? -1 : left > right;
}

void fetched_init(struct fetched *fetched, const struct fetched_options *options,
                  struct bytes_view records, int64_t position, struct fetched_aborted *aborted,
                  int32_t aborted_count, struct list *retired)
{
    *fetched = (struct fetched){
        .options = *options,
        .records = records,
        .position = position,
        .aborted = aborted,
        .aborted_count = aborted_count > 0 ? aborted_count : 0,
        .retired = retired,
    };
    if (fetched->aborted_count > 1) {
        qsort(aborted, (size_t)aborted_count, sizeof *aborted, aborted_by_offset);
    }
}

static void fetched_retire(struct fetched *fetched)
{
    if (fetched->plain != NULL) {
        list_push_back(fetched->retired, &fetched->plain->node);
        fetched->plain = NULL;
    }
    fetched->in_batch = false;
}

void fetched_release(struct fetched *fetched)
{
    fetched_retire(fetched);
    mem_free(fetched->aborting);
    fetched->aborting = NULL;
}

void fetched_free_retired(struct list *retired)
{
    while (!list_empty(retired)) {
        struct fetched_plain *plain = CONTAINER_OF(retired->next, struct fetched_plain, node);
        list_remove(&plain->node);
        writer_release(&plain->plain);
        mem_free(plain);
    }
}

static size_t fetched_aborting_find(const struct fetched *fetched, int64_t producer_id)
{
    size_t i = 0;
    while (i < fetched->aborting_count && fetched->aborting[i] != producer_id) {
        i++;
    }
    return i;
}

/* Takes up the aborted transactions that have begun by the end of batch. */
static int fetched_begin_aborted(struct fetched *fetched, const struct batch *batch)
{
    while (fetched->aborted_next < fetched->aborted_count &&
           fetched->aborted[fetched->aborted_next].first_offset <= batch_last_offset(batch)) {
        int64_t producer_id = fetched->aborted[fetched->aborted_next++].producer_id;
        if (fetched_aborting_find(fetched, producer_id) < fetched->aborting_count) {
            continue;
        }
        if (fetched->aborting_count >= FETCHED_PRODUCERS_MAX ||
            mem_grow((void **)&fetched->aborting, &fetched->aborting_capacity,
                     fetched->aborting_count + 1, sizeof *fetched->aborting) != 0) {
            return ERR_NOMEM;
        }
        fetched->aborting[fetched->aborting_count++] = producer_id;
    }
    return 0;
}

/* Whether a control batch ends a transaction by aborting it. */
static bool fetched_is_abort(const struct batch *batch)
{
    struct record_iter iter;
    struct record record;
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    record_iter_init(&iter, batch, records);
    if (record_iter_next(&iter, &record) != 1) {
        return false;
    }
    struct reader reader;
    reader_init(&reader, record.key.data, record.key.data != NULL ? record.key.size : 0);
    (void)reader_i16(&reader);
    int16_t type = reader_i16(&reader);
    return !reader.failed && type == CONTROL_ABORT;
}

/* Whether the records of batch are for the reader. */
static bool fetched_wants(struct fetched *fetched, const struct batch *batch, int *error)
{
    *error = 0;
    if (fetched->options.read_committed && batch->producer_id >= 0) {
        *error = fetched_begin_aborted(fetched, batch);
        size_t at = fetched_aborting_find(fetched, batch->producer_id);
        bool aborting = at < fetched->aborting_count;
        if (batch_is_control(batch) && aborting && fetched_is_abort(batch)) {
            fetched->aborting[at] = fetched->aborting[--fetched->aborting_count];
        }
        if (aborting && batch_is_transactional(batch)) {
            return false;
        }
    }
    return !batch_is_control(batch) && batch_last_offset(batch) >= fetched->position;
}

static int fetched_open(struct fetched *fetched, struct err_message *message)
{
    struct batch *batch = &fetched->batch;
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    enum batch_codec codec = (enum batch_codec)(batch->attributes & BATCH_CODEC_MASK);
    if (codec != BATCH_CODEC_NONE) {
        struct fetched_plain *plain = mem_calloc(1, sizeof *plain);
        if (plain == NULL) {
            return ERR_NOMEM;
        }
        writer_init(&plain->plain, FETCHED_BATCH_BYTES_MAX);
        list_init(&plain->node);
        fetched->plain = plain;
        int error = decompress_append(codec, records, &plain->plain);
        if (error != 0) {
            fetched_retire(fetched);
            return err_set(message, error, "the batch at offset %lld cannot be decompressed",
                           (long long)batch->base_offset);
        }
        records = (struct bytes_view){plain->plain.data, plain->plain.size};
    }
    record_iter_init(&fetched->iter, batch, records);
    fetched->in_batch = true;
    return 0;
}

/* Goes on to the next batch for the reader. 1; 0 at the end; an error. */
static int fetched_next_batch(struct fetched *fetched, struct err_message *message)
{
    while (fetched->at < fetched->records.size) {
        const uint8_t *data = fetched->records.data + fetched->at;
        size_t left = fetched->records.size - fetched->at;
        int64_t whole = batch_view_size(data, left);
        if (whole == 0 || (whole > 0 && (size_t)whole > left)) {
            return 0; /* the broker cut the last one */
        }
        int error = batch_decode(data, left, &fetched->batch);
        if (error == 0 && fetched->options.check_crcs &&
            !batch_crc_holds(data, &fetched->batch)) {
            error = ERR_CORRUPT;
        }
        if (error != 0) {
            return err_set(message, error, "Record batch at offset %lld is invalid, cause: Record "
                           "is corrupt", (long long)fetched->position);
        }
        bool wants = fetched_wants(fetched, &fetched->batch, &error);
        if (error == 0 && wants) {
            error = fetched_open(fetched, message);
        }
        if (error != 0) {
            return error;
        }
        fetched->at += (size_t)whole;
        if (wants) {
            return 1;
        }
        int64_t behind = batch_last_offset(&fetched->batch) + 1;
        fetched->position = behind > fetched->position ? behind : fetched->position;
    }
    return 0;
}

int fetched_next(struct fetched *fetched, struct record *record, struct err_message *message)
{
    for (;;) {
        if (!fetched->in_batch) {
            int more = fetched_next_batch(fetched, message);
            if (more <= 0) {
                return more;
            }
        }
        int got = record_iter_next(&fetched->iter, record);
        if (got < 0) {
            return err_set(message, got, "Record at offset %lld is corrupt",
                           (long long)fetched->position);
        }
        if (got == 0) {
            int64_t behind = batch_last_offset(&fetched->batch) + 1;
            fetched->position = behind > fetched->position ? behind : fetched->position;
            fetched_retire(fetched);
            continue;
        }
        if (record->offset < fetched->position) {
            continue;
        }
        fetched->position = record->offset + 1;
        return 1;
    }
}

int64_t fetched_end(struct bytes_view records, int64_t fallback)
{
    size_t at = 0;
    int64_t end = fallback;
    while (at < records.size) {
        struct batch batch;
        if (batch_decode(records.data + at, records.size - at, &batch) != 0) {
            break;
        }
        end = batch_last_offset(&batch) + 1;
        at += batch.size_bytes;
    }
    return end > fallback ? end : fallback;
}
