/* clean.h: compaction of one log: of each key only the last record stays.
 *
 * A cleaning reads the dirty part of a log [first_dirty_offset, round_end_offset) into a table of
 * the last offset of each key (clean_map.h), then copies all segments up to where the table
 * reaches, without what is superseded (clean_filter.h), into new ones, several old into one. A new
 * segment takes the place of its old ones so that a crash at any step leaves either (Apache Kafka's
 * protocol, storage format 14.4):
 *
 *     work     write .cleaned, sync it
 *     owner    rename to .swap                   from here on a restart completes it
 *     work     sync the directory
 *     owner    rename the old ones to .deleted, .swap to final names, change the list
 *     work     sync the directory
 *
 * Offsets never change. The log may be appended to and read meanwhile; ranges that readers hold
 * stay valid. Retention waits; a truncation ends the cleaning.
 * Thread: log_clean_work any, the rest the log's owner; one at a time.
 * Bounds: map_bytes, twice io_bytes or the largest batch, SCRATCH_BYTES_MAX of unpacked records.
 * Errors: ERR_CORRUPT, ERR_UNSUPPORTED and the like: this log cannot be cleaned, nothing of it was
 * given up; ERR_IO and the like: the log directory is bad; ERR_AGAIN: it was ended. */
#ifndef BNB_LOG_CLEAN_H
#define BNB_LOG_CLEAN_H

#include "log/log.h"

struct log_clean;

/* What there is to clean of a log (Apache Kafka's LogToClean). */
struct log_clean_survey {
    int64_t first_dirty_offset;
    int64_t round_end_offset; /* the base of the first segment that must not be touched */
    int64_t clean_bytes;
    int64_t cleanable_bytes;
    int64_t overdue_ms; /* for how long max.compaction.lag.ms has been passed; 0: not */
};
/* cleaned_offset: what the last cleaning reached; -1: none. */
int log_clean_survey(struct log *log, int64_t cleaned_offset, int64_t high_watermark,
                     int64_t now_ms, struct log_clean_survey *survey);
/* Cleanable by all; 0 to 1. */
double log_clean_ratio(const struct log_clean_survey *survey);

struct log_clean_options {
    int64_t first_dirty_offset;
    int64_t round_end_offset;
    int64_t now_ms;
    size_t map_bytes;
    double map_load_factor;
    size_t io_bytes;
    uint64_t random[3]; /* the key of the table's hash, and a seed */
};
/* ERR_NOMEM. The log must have none yet. */
int log_clean_begin(struct log *log, const struct log_clean_options *options,
                    struct log_clean **clean);
/* A part of it: reads some CLEAN_WORK_BYTES, or waits for the disk once. */
void log_clean_work(struct log_clean *clean);
/* After each part: 1: there is more work; 0: done; or an error, after which one more part of work
 * may tidy up: asked again, it gives the same error when there is no more. */
int log_clean_advance(struct log *log, struct log_clean *clean);
/* Ends it at the next advance. */
void log_clean_stop(struct log_clean *clean);
/* The same of a log whose directory is about to get another name, and its name another directory:
 * from here on nothing is tidied up by name. */
void log_clean_leave(struct log_clean *clean);
void log_clean_end(struct log *log, struct log_clean **clean);
bool log_is_cleaning(const struct log *log);

struct log_clean_result {
    int64_t cleaned_offset; /* everything below is clean now, once it is done */
    int64_t read_bytes;
    int64_t written_bytes;
    int64_t source_bytes;  /* of the segments that were copied */
    int64_t kept_bytes;
    int64_t records_read;
    int64_t records_kept;
    int64_t records_without_key; /* that were given up */
    double map_use; /* how full the table was, 0 to 1 of what it may */
    int32_t segments_replaced;
};
/* So far. Thread: as log_clean_advance. */
void log_clean_view(const struct log_clean *clean, struct log_clean_result *result);

#endif
