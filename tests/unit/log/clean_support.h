/* clean_support.h: a compacted log and a model of it, for the tests of the cleaner.
 *
 * The model knows every record that was appended. After any number of cleanings and deaths a reader
 * who takes the log from its start must come to the same value for each key, must meet no record
 * that was not appended at that offset, and everything from a given offset on. */
#ifndef BNB_TESTS_UNIT_LOG_CLEAN_SUPPORT_H
#define BNB_TESTS_UNIT_LOG_CLEAN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "log/clean.h"
#include "log/log_dir.h"
#include "log/validate.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define NOW_MS 1700000000000
#define MODEL_RECORDS_MAX 20000
#define MODEL_KEYS 40

enum model_fate { MODEL_PLAIN, MODEL_OPEN, MODEL_COMMITTED, MODEL_ABORTED };
struct model_record {
    bool is_data; /* a marker otherwise */
    int key;
    int value; /* -1: a tombstone */
    enum model_fate fate;
    int64_t producer_id;
    int64_t timestamp_ms;
};
struct store {
    struct io_fs *fs;
    char directory[128];
    struct log_config config;
    struct log *log;
    int64_t now_ms;
    uint64_t random;
    int64_t cleaned_offset;
    int value_bytes;
    struct model_record model[MODEL_RECORDS_MAX];
    int64_t model_end;
    int32_t sequences[8];
};

enum start { START_CLEAN, START_KILLED, START_POWER_LOST };

struct clean_how {
    size_t map_bytes;
    int64_t round_end; /* 0: up to the active segment, as a survey says */
};

struct reader_state {
    struct store *store;
    int64_t next_offset;
    int64_t must_have_from; /* every record from here on is there */
    int64_t seen;
    int64_t batches;
    int64_t markers;
    int64_t empty_batches;
    int64_t aborted_seen;
    int values[MODEL_KEYS]; /* that a reader comes to; -1: none */
    struct batch last;
};

/* A log of small segments; the caller names its directory. */
void store_init(struct store *store, struct io_fs *fs, uint64_t seed);
int store_open(struct store *store, enum start start, int64_t recovery_point);
uint64_t store_random(struct store *store, uint64_t bound);
/* Appends count records of random keys as one batch. producer: -1 none, else 0 to 7. */
int store_append(struct store *store, int count, enum batch_codec codec, int producer,
                 bool transactional);
/* Ends the transaction of a producer. */
int store_end(struct store *store, int producer, bool commit);
/* Something of everything: batches of all codecs, transactions that end either way, idempotent
 * producers. */
int store_fill(struct store *store, int batches);
/* One round from first dirty on: 0, or its error; 1: there was nothing to clean. */
int store_clean_begin(struct store *store, struct clean_how how, struct log_clean **clean);
int store_clean(struct store *store, struct clean_how how);
/* Reads the whole log, which may lack nothing from must_have_from on. */
void store_read(struct store *store, int64_t must_have_from, struct reader_state *state);
/* A reader came to what the model says of the first end records. */
void store_check_values(struct store *store, const struct reader_state *state, int64_t end);

/* A store in a folder of its own, for cmocka. */
struct fixture {
    char root[64];
    struct io_fs fs;
    struct store store;
};
/* Of a compacted log with small segments. */
int fixture_compacted(void **state);
/* Of a log that retention ages, with segments of a megabyte. */
int fixture_aging(void **state);
int fixture_end(void **state);

#endif
