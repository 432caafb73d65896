/* iter.h: walks the records of one batch without building them.
 *
 * Reads uncompressed record bytes; keys, values and headers are borrowed from them. Framing is
 * checked in full: each record fills its length exactly, and nothing follows the last one.
 * Thread: one. Errors: ERR_CORRUPT, after which the walk is over. */
#ifndef BNB_PROTOCOL_RECORD_ITER_H
#define BNB_PROTOCOL_RECORD_ITER_H

#include "base/reader.h"
#include "protocol/record/batch.h"

struct record_iter {
    const struct batch *batch;
    struct reader reader;
    int32_t next_index;
    struct reader headers; /* of the last record */
};

/* records: the uncompressed payload of batch. Both must outlive the walk. */
void record_iter_init(struct record_iter *iter, const struct batch *batch,
                      struct bytes_view records);
/* Of a payload that comes in pieces: whether record_iter_next can say what is next without another
 * piece. At the last record's end it cannot until something follows. */
bool record_iter_ready(const struct record_iter *iter);
/* records: what the walk has not yet read of the payload, and the next piece of it. */
void record_iter_continue(struct record_iter *iter, struct bytes_view records);
/* 1 with the next record (its headers member stays NULL), 0 at the end, or ERR_CORRUPT. */
int record_iter_next(struct record_iter *iter, struct record *record);
/* What plain records that follow each other have in common: their varints have at most three bytes,
 * they have no headers, and timestamps of their own. */
struct record_run {
    int32_t count;
    int64_t earliest_ms; /* of their timestamps */
    int64_t latest_ms;
    bool sequential; /* the offset of each is base_offset and its index */
    bool keyed;      /* none has the key null */
};
/* Walks over plain records, as far as the next one is: a third of the time that it takes to read
 * them one by one. Other records and damaged ones are left to record_iter_next. */
void record_iter_run(struct record_iter *iter, struct record_run *run);
/* The headers of the last record, one after the other: 1, 0 at the end. */
int record_iter_next_header(struct record_iter *iter, struct record_header *header);

#endif
