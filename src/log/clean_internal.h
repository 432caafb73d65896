/* clean_internal.h: the inside of a cleaning, for the two files that share it. */
#ifndef BNB_LOG_CLEAN_INTERNAL_H
#define BNB_LOG_CLEAN_INTERNAL_H

#include <stdatomic.h>

#include "log/clean.h"
#include "log/clean_filter.h"
#include "log/log_internal.h"

/*                 work               owner
 *   GATHER -> MAP -> COPY -> SEAL -> NAME -> SYNC_NAMES -> REPLACE -> SYNC_REPLACED -> COPY
 *   COPY -> FINISHED when every segment was copied. Whatever fails: -> TIDY -> FAILED. */
enum clean_stage {
    CLEAN_GATHER,
    CLEAN_MAP,
    CLEAN_COPY,
    CLEAN_SEAL,
    CLEAN_NAME,
    CLEAN_SYNC_NAMES,
    CLEAN_REPLACE,
    CLEAN_SYNC_REPLACED,
    CLEAN_FINISHED,
    CLEAN_TIDY,
    CLEAN_FAILED,
    CLEAN_STAGES,
};
struct clean_source {
    int64_t base_offset;
    int64_t end_offset; /* base of the next segment */
    int64_t size_bytes;
};
/* A segment file that is being walked, and what of it is in memory. */
struct clean_reader {
    struct io_file file;
    bool is_open;
    int64_t position; /* of the next batch */
    int64_t size_bytes;
    uint8_t *buffer;
    size_t capacity;
    int64_t buffer_position;
    size_t buffered;
};
struct log_clean {
    struct log_place place; /* its own: the log's is the owner's */
    struct log_config config;
    struct log_clean_options options;
    struct clean_source *sources; /* those below round_end_offset */
    size_t source_count;
    int64_t *later; /* bases of those behind: they may tell of aborted transactions, too */
    size_t later_count;
    struct clean_producer *producers;
    int64_t cleaned_below; /* of the log when it began */

    atomic_bool stopped;
    atomic_bool left; /* the directory has another name by now */
    enum clean_stage stage;
    int error;
    struct clean_map map;
    struct clean_aborted aborted;
    struct clean_txn map_txn;
    struct writer plain;
    struct clean_filter filter;
    bool has_filter;
    bool named; /* files of the output may have the name .swap, and no old one is gone; owner's */
    struct clean_reader reader;
    size_t source; /* that is read */
    size_t group_first;
    size_t group_end;
    struct segment *output;
    struct writer out;
    struct log_clean_result result;
};

void clean_move(struct log_clean *clean, enum clean_stage stage);
/* A truncation, or the like, is about to happen: what has the name .swap must not come back. */
int clean_yield(struct log *log);

#endif
