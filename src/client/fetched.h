/* fetched.h: the records of one partition out of one fetch response, handed out one by one.
 *
 * Walks the batches: checks length and CRC, decompresses, leaves out control batches, records below
 * the position, and, for read_committed, the batches of aborted transactions.
 * Owns the decompressed batch at hand; older ones go to a list that the caller frees when the
 * records handed out are no longer used. The record bytes are borrowed.
 * Thread: one. Errors: ERR_CORRUPT with a text; the walk stays where it is. */
#ifndef BNB_CLIENT_FETCHED_H
#define BNB_CLIENT_FETCHED_H

#include "base/err.h"
#include "base/list.h"
#include "protocol/record/iter.h"

/* A decompressed batch never grows past this. */
#define FETCHED_BATCH_BYTES_MAX ((size_t)1 << 30)
#define FETCHED_PRODUCERS_MAX 65536

struct fetched_aborted {
    int64_t producer_id;
    int64_t first_offset;
};
/* A decompressed batch. */
struct fetched_plain {
    struct list node;
    struct writer plain;
};
struct fetched_options {
    bool check_crcs;
    bool read_committed;
};
struct fetched {
    struct fetched_options options;
    struct bytes_view records;
    size_t at; /* of the next batch */
    int64_t position; /* offset of the next record to hand out */
    const struct fetched_aborted *aborted; /* sorted by first_offset */
    int32_t aborted_count;
    int32_t aborted_next;
    int64_t *aborting; /* producers inside an aborted transaction */
    size_t aborting_count;
    size_t aborting_capacity;
    struct batch batch; /* of the records at hand */
    bool in_batch;
    struct record_iter iter;
    struct fetched_plain *plain; /* of the batch at hand; NULL: not compressed */
    struct list *retired;
};

/* retired: an initialised list of struct fetched_plain. aborted is borrowed and gets sorted. */
void fetched_init(struct fetched *fetched, const struct fetched_options *options,
                  struct bytes_view records, int64_t position, struct fetched_aborted *aborted,
                  int32_t aborted_count, struct list *retired);
void fetched_release(struct fetched *fetched);
/* Frees what fetched_next has retired. */
void fetched_free_retired(struct list *retired);
/* 1 with the next record, 0 at the end, or an error. position then lies behind the record, or
 * behind everything that was left out. */
int fetched_next(struct fetched *fetched, struct record *record, struct err_message *message);
/* The offset behind the last whole batch of records, or fallback when there is none. */
int64_t fetched_end(struct bytes_view records, int64_t fallback);

#endif
