/* compacted.h: what compaction may leave of a coordinator's log.
 *
 * Reads a log, tells which of its records may be gone, and builds what is left: every subset of
 * what is superseded, with each tombstone gone or there, with each transaction's marker gone or
 * there once its records are. That is more than any one cleaning can make, and all of it must load
 * to the same state. */
#ifndef BNB_TESTS_COORDINATOR_COMPACTED_H
#define BNB_TESTS_COORDINATOR_COMPACTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "coordinator/runtime.h"
#include "protocol/record/iter.h"

#define COMPACTED_RECORDS_MAX 64
#define COMPACTED_VARIANTS_MAX (1u << 14)

struct compacted_record {
    struct record record;
    struct batch header; /* of the batch that it came in */
    bool may_go;
};
struct compacted_log {
    struct compacted_record records[COMPACTED_RECORDS_MAX];
    size_t count;
    size_t optional; /* how many may go */
};

static inline bool compacted_same_key(const struct record *a, const struct record *b)
{
    return a->key.size == b->key.size && memcmp(a->key.data, b->key.data, a->key.size) == 0;
}

/* Of a record in a transaction: the index of the marker that ends it; count: it is open. */
static inline size_t compacted_marker(const struct compacted_log *log, size_t index)
{
    size_t i = index + 1;
    while (i < log->count &&
           !(batch_is_control(&log->records[i].header) &&
             log->records[i].header.producer_id == log->records[index].header.producer_id)) {
        i++;
    }
    return i;
}

static inline bool compacted_commits(const struct record *marker)
{
    return marker->key.size == 4 && marker->key.data[3] == 1;
}

/* Whether compaction knows the record as the newest of its key so far. */
static inline bool compacted_counts(const struct compacted_log *log, size_t index)
{
    const struct batch *header = &log->records[index].header;
    if (batch_is_control(header) || !batch_is_transactional(header)) {
        return !batch_is_control(header);
    }
    size_t marker = compacted_marker(log, index);
    return marker < log->count && compacted_commits(&log->records[marker].record);
}

static inline bool compacted_may_go(const struct compacted_log *log, size_t index, size_t end)
{
    const struct compacted_record *found = &log->records[index];
    if (batch_is_control(&found->header)) {
        return true;
    }
    if (batch_is_transactional(&found->header) && !compacted_counts(log, index)) {
        return true; /* taken back */
    }
    for (size_t i = index + 1; i < end; i++) {
        if (compacted_counts(log, i) &&
            compacted_same_key(&log->records[i].record, &found->record)) {
            return true;
        }
    }
    return found->record.value.data == NULL;
}

/* data must outlive log. Nothing from the first record of an open transaction on may go. */
static inline void compacted_read(struct compacted_log *log, const uint8_t *data, size_t size)
{
    size_t at = 0;
    *log = (struct compacted_log){.count = 0};
    while (at < size) {
        struct batch batch;
        struct record_iter iter;
        assert_int_equal(batch_decode(data + at, size - at, &batch), 0);
        record_iter_init(&iter, &batch,
                         (struct bytes_view){batch.records, batch.size_bytes - BATCH_HEADER_BYTES});
        assert_true(log->count + (size_t)batch.record_count <= COMPACTED_RECORDS_MAX);
        while (record_iter_next(&iter, &log->records[log->count].record) == 1) {
            log->records[log->count++].header = batch;
        }
        at += batch.size_bytes;
    }
    size_t end = log->count;
    for (size_t i = 0; i < end; i++) {
        const struct batch *header = &log->records[i].header;
        if (!batch_is_control(header) && batch_is_transactional(header) &&
            compacted_marker(log, i) == log->count) {
            end = i;
        }
    }
    for (size_t i = 0; i < end; i++) {
        log->records[i].may_go = compacted_may_go(log, i, end);
        log->optional += log->records[i].may_go;
    }
}

/* A tombstone goes after all that it replaces, a marker after what it ends. */
static inline bool compacted_is_possible(const struct compacted_log *log, const bool *gone)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct compacted_record *later = &log->records[i];
        bool is_marker = batch_is_control(&later->header);
        for (size_t j = 0; gone[i] && j < i; j++) {
            const struct compacted_record *earlier = &log->records[j];
            bool needed = is_marker
                              ? earlier->header.producer_id == later->header.producer_id &&
                                    compacted_marker(log, j) == i
                              : later->record.value.data == NULL && compacted_counts(log, i) &&
                                    compacted_same_key(&earlier->record, &later->record);
            if (needed && !gone[j]) {
                return false;
            }
        }
    }
    return true;
}

/* Which records are gone in the variant of that number; false: no compaction makes it. */
static inline bool compacted_choose(const struct compacted_log *log, uint64_t variant, bool *gone)
{
    for (size_t i = 0; i < log->count; i++) {
        gone[i] = log->records[i].may_go && (variant & 1) != 0;
        variant >>= log->records[i].may_go;
    }
    return compacted_is_possible(log, gone);
}

/* Loads what is left into a coordinator that is loading; how many records meant nothing. */
static inline int64_t compacted_load(const struct compacted_log *log, const bool *gone,
                                     struct runtime *runtime)
{
    int64_t skipped = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (gone[i]) {
            continue;
        }
        struct writer bytes;
        struct batch header = log->records[i].header;
        struct batch_builder builder;
        struct batch batch;
        header.base_offset = log->records[i].record.offset;
        header.base_timestamp_ms = log->records[i].record.timestamp_ms;
        writer_init(&bytes, 1u << 20);
        batch_builder_init(&builder, &bytes, &header);
        batch_builder_add(&builder, &log->records[i].record);
        assert_int_equal(batch_builder_finish(&builder), 0);
        assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
        int64_t result = runtime_load(
            runtime, &batch,
            (struct bytes_view){batch.records, batch.size_bytes - BATCH_HEADER_BYTES});
        assert_true(result >= 0);
        skipped += result;
        writer_release(&bytes);
    }
    return skipped;
}

/* How many variants there are to go through; all of them, or as many that a seed chooses. */
static inline uint64_t compacted_variants(const struct compacted_log *log)
{
    return log->optional < 14 ? 1ull << log->optional : COMPACTED_VARIANTS_MAX;
}
static inline uint64_t compacted_variant(const struct compacted_log *log, uint64_t number)
{
    if (log->optional < 14 || number == 0) {
        return number;
    }
    uint64_t mixed = number * 0x9e3779b97f4a7c15u; /* splitmix64 */
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    /* Half of them with most of what may go gone: what a cleaned log is like. */
    return number % 2 == 0 ? mixed : mixed | mixed << 21 | mixed << 42;
}

/* What a coordinator knows, as text, to be compared. */
#define COMPACTED_DUMP_BYTES 8192
struct dump {
    char text[COMPACTED_DUMP_BYTES];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static inline void say(struct dump *dump, const char *format,
                                                             ...)
{
    va_list words;
    va_start(words, format);
    size_t left = sizeof dump->text - dump->size;
    int size = vsnprintf(dump->text + dump->size, left, format, words);
    va_end(words);
    assert_true(size >= 0 && (size_t)size < left);
    dump->size += (size_t)size;
}

#endif
