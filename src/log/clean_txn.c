#include "log/clean_txn.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/record/iter.h"

struct clean_open {
    int64_t producer_id;
    bool aborting;  /* aborted says what will become of it */
    bool observed;  /* there is data of it */
    bool committed; /* there is data that was not aborted */
    struct segment_aborted aborted;
};

static uint64_t open_hash(const void *key, uint64_t seed)
{
    return map_hash_bytes(key, sizeof(int64_t), seed);
}
static const void *open_key(const void *element)
{
    return &((const struct clean_open *)element)->producer_id;
}
static bool open_equal(const void *element, const void *key)
{
    return memcmp(&((const struct clean_open *)element)->producer_id, key, sizeof(int64_t)) == 0;
}

void clean_txn_init(struct clean_txn *txn, const struct clean_aborted *aborted, uint64_t seed)
{
    *txn = (struct clean_txn){
        .aborted = aborted,
        .open = {.seed = seed, .hash_key = open_hash, .key_of = open_key, .equal = open_equal},
    };
}

void clean_txn_release(struct clean_txn *txn)
{
    size_t cursor = 0;
    struct clean_open *open;
    while ((open = map_next(&txn->open, &cursor)) != NULL) {
        mem_free(open);
    }
    map_release(&txn->open);
}

int clean_aborted_add(struct clean_aborted *aborted, const struct segment_aborted *entry)
{
    int error = mem_grow((void **)&aborted->items, &aborted->capacity, aborted->count + 1,
                         sizeof *aborted->items);
    if (error == 0) {
        aborted->items[aborted->count++] = *entry;
    }
    return error;
}

static int aborted_order(const void *a, const void *b)
{
    const struct segment_aborted *left = a;
    const struct segment_aborted *right = b;
    return (left->first_offset > right->first_offset) - (left->first_offset < right->first_offset);
}

void clean_aborted_sort(struct clean_aborted *aborted)
{
    if (aborted->count > 0) {
        qsort(aborted->items, aborted->count, sizeof *aborted->items, aborted_order);
    }
}

static int open_need(struct clean_txn *txn, int64_t producer_id, struct clean_open **found)
{
    *found = map_find(&txn->open, &producer_id);
    if (*found != NULL) {
        return 0;
    }
    *found = mem_calloc(1, sizeof **found);
    if (*found == NULL) {
        return ERR_NOMEM;
    }
    (*found)->producer_id = producer_id;
    int error = map_insert(&txn->open, *found);
    if (error != 0) {
        mem_free(*found);
    }
    return error;
}

/* Aborted transactions that begin at or below offset are under way now, unless they have ended
 * before it: a walk may begin in the middle of a log. */
static int txn_reach(struct clean_txn *txn, int64_t offset)
{
    const struct clean_aborted *aborted = txn->aborted;
    ASSERT(txn->next <= aborted->count);
    while (txn->next < aborted->count && aborted->items[txn->next].first_offset <= offset) {
        const struct segment_aborted *entry = &aborted->items[txn->next];
        struct clean_open *open;
        if (entry->last_offset < offset) {
            txn->next++;
            continue;
        }
        int error = open_need(txn, entry->producer_id, &open);
        if (error != 0) {
            return error;
        }
        if (!open->aborting || open->aborted.last_offset < offset) {
            open->aborting = true;
            open->observed = false;
            open->aborted = *entry;
        }
        txn->next++;
    }
    return 0;
}

int clean_txn_data(struct clean_txn *txn, const struct batch *batch)
{
    ASSERT(!batch_is_control(batch));
    int error = txn_reach(txn, batch_last_offset(batch));
    if (error != 0 || !batch_is_transactional(batch)) {
        return error;
    }
    struct clean_open *open;
    error = open_need(txn, batch->producer_id, &open);
    if (error != 0) {
        return error;
    }
    /* Not behind its marker, whatever the index says: what is there is of another transaction. */
    if (open->aborting && batch_last_offset(batch) < open->aborted.last_offset) {
        open->observed = true;
        return 1;
    }
    open->committed = true;
    return 0;
}

enum marker_kind { MARKER_ABORT, MARKER_COMMIT, MARKER_OTHER, MARKER_NONE };

/* What the first record of a control batch says; MARKER_NONE: it has none. */
static int txn_marker_kind(const struct batch *batch, enum marker_kind *kind)
{
    struct record_iter iter;
    struct record record;
    *kind = MARKER_NONE;
    record_iter_init(&iter, batch,
                     (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES});
    int more = record_iter_next(&iter, &record);
    if (more != 1) {
        return more;
    }
    struct reader reader;
    reader_init(&reader, record.key.data, record.key.size);
    (void)reader_i16(&reader);
    int16_t type = reader_i16(&reader);
    if (record.key.data == NULL || reader.failed) {
        return ERR_CORRUPT;
    }
    *kind = type == 0 ? MARKER_ABORT : (type == 1 ? MARKER_COMMIT : MARKER_OTHER);
    return 0;
}

int clean_txn_control(struct clean_txn *txn, const struct batch *batch,
                      struct segment_aborted *entry, bool *kept)
{
    ASSERT(batch_is_control(batch));
    enum marker_kind kind;
    *kept = false;
    int error = txn_marker_kind(batch, &kind);
    if (error == 0) {
        error = txn_reach(txn, batch_last_offset(batch));
    }
    if (error != 0) {
        return error;
    }
    struct clean_open *open = map_find(&txn->open, &batch->producer_id);
    bool data_left = false;
    switch (kind) {
    case MARKER_NONE:
        return 1; /* it was cleaned before */
    case MARKER_OTHER:
        return 0;
    case MARKER_ABORT:
        if (open != NULL && open->aborting) {
            data_left = open->observed;
            *kept = data_left;
            *entry = open->aborted;
            open->aborting = false;
        }
        break;
    case MARKER_COMMIT:
        if (open != NULL) {
            data_left = open->committed;
            open->committed = false;
        }
        break;
    }
    if (open != NULL && !open->aborting && !open->committed) {
        mem_free(map_take(&txn->open, &batch->producer_id));
    }
    return !data_left;
}
