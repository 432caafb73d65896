/* log.h: one partition on disk: append, read, offsets, roll, retention.
 *
 * A log owns its directory <topic>-<partition>: segments with their indexes, producer snapshots and
 * the leader epoch checkpoint, byte for byte as Apache Kafka keeps them. Files are opened when they
 * are needed. The high watermark is the caller's and comes in as a parameter.
 * Offsets: log_start_offset is the first readable one, log_end_offset the next to be written.
 * Thread: the owner's, except that ranges given out by log_read may be released by any thread.
 * Errors: ERR_IO, ERR_NO_SPACE: the log directory is bad; a wire error (err_from_wire) says what is
 * wrong with what was asked. */
#ifndef BNB_LOG_LOG_H
#define BNB_LOG_LOG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/writer.h"
#include "io/file.h"
#include "protocol/record/batch.h"

/* compression.type of a topic: one of enum batch_codec, or what the producer chose. */
#define LOG_CODEC_PRODUCER (-1)

/* Topic settings in parsed form. */
struct log_config {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int32_t segment_index_bytes;
    int32_t index_interval_bytes;
    int64_t retention_bytes; /* -1: no bound */
    int64_t retention_ms;    /* -1: no bound */
    int64_t file_delete_delay_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    int64_t delete_retention_ms;
    double min_cleanable_ratio;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int64_t producer_id_expiration_ms;
    int32_t max_message_bytes;
    int32_t codec;       /* LOG_CODEC_PRODUCER or enum batch_codec */
    int32_t codec_level; /* COMPRESS_LEVEL_DEFAULT: the codec's own */
    bool log_append_time;
    bool clean_compact;
    bool clean_delete;
    bool preallocate;
};
/* Kafka's defaults. */
struct log_config log_config_default(void);
/* A copy that many logs share, since a node has many logs and few configs; it is counted, and this
 * is the caller's reference. NULL: no memory.   Thread: any. */
const struct log_config *log_config_share(const struct log_config *config);
void log_config_unref(const struct log_config **shared);
bool log_config_equals(const struct log_config *a, const struct log_config *b);

struct log;

struct log_options {
    struct io_fs *fs; /* lives longer than the log */
    const char *directory; /* of the partition; made when it is not there */
    struct log_config config;
    int64_t recovery_point;   /* everything below was synced */
    int64_t log_start_offset; /* from the checkpoint; 0: none */
    bool clean_shutdown;      /* nothing to recover */
    /* The kernel has not restarted since the files were written: what write returned is there, only
     * the end of the log may be torn. */
    bool page_cache_intact;
    int64_t now_ms; /* since the epoch */
    uint64_t random;
};
int log_open(const struct log_options *options, struct log **log, struct err_message *message);
/* Syncs, writes the producer snapshot, closes. An error leaves it to recovery. */
int log_close(struct log **log);
/* Makes the index files that empty indexes do not have yet, as the next sync would: for a log whose
 * directory stays behind. */
int log_make_indexes(struct log *log);
/* Closes the files without syncing: for a log whose directory is gone or bad. */
void log_abandon(struct log **log);

enum log_origin {
    LOG_ORIGIN_CLIENT,
    LOG_ORIGIN_COORDINATOR,
    LOG_ORIGIN_REPLICATION,
    LOG_ORIGIN_RAFT_LEADER,
};
struct log_append_options {
    enum log_origin origin;
    int32_t leader_epoch;
    int64_t now_ms;
    int64_t high_watermark; /* bounds the last stable offset */
    int16_t api_version;    /* of Produce */
    struct writer *scratch; /* room to unpack records in, kept by the caller between appends */
    /* A client's transactional batch must be part of a transaction that is open here, or show what
     * log_verify gave for it. */
    bool verify;
    uint64_t guard;
    int16_t transaction_version; /* of a marker: that its producer follows */
};
/* What Apache Kafka puts in words, of all that is wrong with a batch as a whole. */
enum log_refusal {
    LOG_REFUSAL_WORDLESS,
    LOG_REFUSAL_SIZE,
    LOG_REFUSAL_MAGIC,
};
enum log_record_fault {
    LOG_RECORD_WITHOUT_KEY, /* on a compacted topic */
    LOG_RECORD_TIMESTAMP,   /* out of message.timestamp.before.max.ms and after.max.ms */
    LOG_RECORD_APPEND_TIME, /* a producer that claims the broker's time */
};
struct log_record_error {
    int32_t batch_index;
    enum log_record_fault fault;
    int64_t timestamp_ms;
};
#define LOG_RECORD_ERRORS_MAX 100
struct log_append_result {
    int64_t base_offset;
    int64_t last_offset;
    int64_t log_append_time_ms; /* -1 unless the topic uses LogAppendTime */
    int64_t log_start_offset; /* -1: refused before the log was looked at */
    size_t appended_bytes; /* 0 for a duplicate */
    bool duplicate;
    bool flush_due;         /* flush.messages was reached: sync before answering */
    bool flush_soon;        /* a segment was finished or an epoch begun: sync it some time soon */
    enum log_refusal refusal;
    int32_t refused_number; /* the size or the magic */
    int64_t timestamps_from_ms; /* that a record could have had, for LOG_RECORD_TIMESTAMP */
    int64_t timestamps_to_ms;
    int32_t record_error_count; /* all there are; the first of them: */
    struct log_record_error record_errors[LOG_RECORD_ERRORS_MAX];
};
/* Validates as Apache Kafka does for the origin, assigns offsets in place where the batch allows it
 * (data is written to), appends with one write. 0 or a wire error: CORRUPT_MESSAGE,
 * MESSAGE_TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE,
 * RECORD_LIST_TOO_LARGE, INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, ... After ERR_NOMEM
 * nothing has been written. */
int log_append(struct log *log, const struct log_append_options *options, uint8_t *data,
               size_t size, struct log_append_result *result);

/* A producer that is about to write the first records of a transaction. *guard 0: they are not the
 * first, nothing is to be asked of the coordinator; else what the append must show once it has
 * agreed. 0, ERR_NOMEM, or INVALID_PRODUCER_EPOCH. */
struct log_verification {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    bool epoch_a_transaction;
};
int log_verify(struct log *log, const struct log_verification *asked, int64_t now_ms,
               uint64_t *guard);
/* Whether a coordinator may append a transactional batch under guard: 0 or a wire error. */
int log_check_guard(const struct log *log, int64_t producer_id, int16_t producer_epoch,
                    uint64_t guard);

/* What is known of a producer, for those who look after transactions. */
struct log_producer {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence; /* -1: none */
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;
    int64_t transaction_first_offset; /* -1: none is open */
};
size_t log_producer_count(const struct log *log);
struct log_producer log_producer_at(const struct log *log, size_t index);

struct log_read_result {
    struct io_file_range range; /* size 0: nothing; else released by the holder */
    bool has_range;
    bool cut; /* there is a batch, which did not fit, and nothing was read */
    int64_t first_offset; /* base offset of the first batch */
};
/* Between these two, reads that would wait for the disk give ERR_AGAIN. What they lack is then
 * loaded on a helper thread, without the log: prepare on the owner's thread, run anywhere.
 * Afterwards the read is tried again, and may lack the next thing. A load that fails is left to a
 * read that waits, which finds out why. */
void log_read_begin(struct log *log, int64_t now_ms);
void log_read_end(struct log *log);
struct log_load {
    struct io_fs fs;
    char *path;
    int64_t position;
    size_t size;
};
/* After an ERR_AGAIN; at_least: bytes of a record file. */
int log_load_prepare(struct log *log, size_t at_least, struct log_load *load);
void log_load_run(struct log_load *load);
void log_load_release(struct log_load *load);
/* Batches from the one that contains start_offset on, below bound, at most max_bytes (the last may
 * be cut); with whole_first_batch the first one is complete whatever max_bytes says.
 * OFFSET_OUT_OF_RANGE below log_start_offset or above log_end_offset. */
int log_read(struct log *log, int64_t start_offset, int64_t bound, size_t max_bytes,
             bool whole_first_batch, struct log_read_result *result);
/* Bytes that log_read could give from start_offset to bound, exact within one segment. */
int64_t log_available_bytes(struct log *log, int64_t start_offset, int64_t bound);

struct log_aborted {
    int64_t producer_id;
    int64_t first_offset;
};
/* Aborted transactions that a read_committed reader of this range must skip (storage format 15.2).
 * *aborted is in the arena. */
int log_aborted_transactions(struct log *log, int64_t start_offset, size_t read_bytes,
                             struct arena *arena, struct log_aborted **aborted, int32_t *count);

int64_t log_start_offset(const struct log *log);
int64_t log_end_offset(const struct log *log);
/* min(first open transaction, high watermark). */
int64_t log_last_stable_offset(const struct log *log, int64_t high_watermark);
int64_t log_size_bytes(const struct log *log);
int64_t log_recovery_point(const struct log *log);
const char *log_directory(const struct log *log);
const struct log_config *log_config(const struct log *log);
/* For this log alone: 0 or ERR_NOMEM. */
int log_set_config(struct log *log, const struct log_config *config);
/* One that it shares with others; takes a reference of its own. */
void log_use_config(struct log *log, const struct log_config *shared);
void log_use_config_of(struct log *log, const struct log *other);
int32_t log_latest_epoch(const struct log *log); /* -1: none */

struct log_offset {
    int64_t offset; /* -1: none */
    int64_t timestamp_ms;
    int32_t leader_epoch;
};
/* First record with a timestamp at or after timestamp_ms, below bound. */
int log_offset_by_timestamp(struct log *log, int64_t timestamp_ms, int64_t bound,
                            struct log_offset *found);
/* First record that carries the largest timestamp of the log. */
int log_offset_of_max_timestamp(struct log *log, struct log_offset *found);
int32_t log_epoch_of_offset(const struct log *log, int64_t offset);
/* endOffsetFor of storage format section 8: -1 and -1 when unknown. */
void log_epoch_end_offset(const struct log *log, int32_t epoch, int32_t *found_epoch,
                          int64_t *end_offset);
/* Becoming leader of epoch at the log end offset. Not written before records come. */
int log_assign_epoch(struct log *log, int32_t epoch);

/* DeleteRecords: raises the log start offset to offset (at most the high watermark). */
int log_raise_start_offset(struct log *log, int64_t offset);
/* Drops everything at and above offset. ERR_AGAIN: not before the flush under way has ended. */
int log_truncate_to(struct log *log, int64_t offset);
/* Drops everything and starts anew at offset. */
int log_restart_at(struct log *log, int64_t offset);
/* Applies retention by size, time and log start offset; the number of segments given up. Their
 * files end in .deleted until log_remove_deleted. */
int log_apply_retention(struct log *log, int64_t high_watermark, int64_t now_ms, int32_t *deleted);
/* Whether there are files to remove now; whoever asks sees to it. */
bool log_take_deleted(struct log *log);
/* Unlinks the files that were given up, which waits for the disk: for helper threads. What stays is
 * counted again when the log is opened. Thread: any; needs no log. */
int log_remove_deleted(struct io_fs *fs, const char *directory);
/* Of a copy, made by appending all batches, that is to take the log's place. First the base of the
 * batch that the copy begins with; at the end, with both equally long, what the records do not say:
 * producers, epochs, log start offset; then the copy's directory gets its name. */
int log_first_readable(struct log *log, int64_t *offset);
int log_take_over(struct log *copy, const struct log *from);
int log_move_directory(struct log *log, const char *path);
/* Drops producers that have been silent for producer.id.expiration.ms. */
void log_expire_producers(struct log *log, int64_t now_ms);
/* Closes files that have not been used since used_before_ms. */
void log_close_idle_files(struct log *log, int64_t used_before_ms);

/* A sync in three steps, so that the waiting is done on a helper thread: prepare on the owner's,
 * run anywhere, finish on the owner's, also when one before failed. Appends may go on meanwhile. */
struct log_flush_file;
struct log_flush {
    int64_t offset; /* log end offset when prepared: the recovery point once finished */
    bool cuts; /* it gives back room of full segments, on the helper thread */
    uint32_t truncations; /* of the log by then: after another one it tells nothing */
    struct log_flush_file *files;
    size_t file_count;
    struct io_fs *fs;
    const char *directory; /* to be synced too, NULL: no need */
    char *epochs_path;     /* of leader-epoch-checkpoint, NULL: it is as it should be */
    struct writer epochs;
    uint32_t epochs_version;
    /* Set after log_flush_prepare; once it says so, the directory has another name, and nothing is
     * written into one that has its name now. NULL: it stays. */
    const atomic_bool *left;
    int error;
};
int log_flush_prepare(struct log *log, struct log_flush *flush);
void log_flush_run(struct log_flush *flush);
int log_flush_finish(struct log *log, struct log_flush *flush);
/* All three at once. */
int log_flush(struct log *log);

/* The end of a log, which nothing is appended to any more: writes and syncs what is not yet. */
int log_end(struct log *log);
/* The ends of many logs, whose file system is then synced as a whole (io_file_sync_all): each is
 * written, all is synced, each is named, all is synced, each is told. */
bool log_is_synced(const struct log *log);
int log_end_write(struct log *log);
int log_end_name(struct log *log);
void log_end_synced(struct log *log);

#endif
