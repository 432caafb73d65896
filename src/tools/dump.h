/* dump.h: what the parts of kafka-dump-log share. Thread: main. */
#ifndef BNB_TOOLS_DUMP_H
#define BNB_TOOLS_DUMP_H

#include "base/arena.h"
#include "base/writer.h"
#include "protocol/codec.h"
#include "protocol/record/batch.h"

enum dump_class {
    DUMP_CLASS_STRING,
    DUMP_CLASS_BYTES,
    DUMP_CLASS_INTEGER,
    DUMP_CLASS_LONG,
};
enum dump_decoder {
    DUMP_STRING,
    DUMP_OFFSETS,
    DUMP_TRANSACTIONS,
    DUMP_METADATA,
    DUMP_REMOTE,
    DUMP_SHARE,
};
struct dump_options {
    bool deep;
    bool print_data;
    bool skip_record_metadata;
    bool verify_only;
    bool sanity_only;
    int64_t max_bytes;
    enum dump_decoder decoder;
    enum dump_class key_class;
    enum dump_class value_class;
};
/* What is not as it should be, told at the end: in this order, and by file. */
enum dump_problem_kind {
    DUMP_INDEX_MISMATCH,   /* an index entry, the offset that the log has there */
    DUMP_TIME_MISMATCH,    /* a time entry, the largest time in the batch */
    DUMP_TIME_ORDER,       /* a time entry, the one before it */
    DUMP_TIME_NOT_FOUND,   /* the offset of a time entry, the one that the log has; -1: none */
    DUMP_NOT_CONSECUTIVE,  /* an offset (-1: none), the next one in the file */
    DUMP_PROBLEM_KINDS,
};
struct dump_problem {
    enum dump_problem_kind kind;
    const char *path; /* borrowed: as long as the dump */
    int64_t first;
    int64_t second;
};
struct dump {
    struct dump_options options;
    struct arena arena;
    struct dump_problem *problems;
    size_t problem_count;
    size_t problem_capacity;
    bool failed; /* told on stderr; nothing more is dumped */
};
/* Without memory for it a problem goes untold. */
void dump_add_problem(struct dump *dump, enum dump_problem_kind kind, const char *path,
                      int64_t first, int64_t second);

/* Records of a batch, unpacked; 0, or an error. plain is the caller's, and to be released. */
int dump_unpack(const struct batch *batch, struct writer *plain, struct bytes_view *records);
/* Prints a message as Kafka's JSON converters do: camelCase, tagged fields only if not default.
 * The first one also reads what classic groups keep as messages in bytes. */
void dump_json(const struct codec_struct *row, int16_t version, const void *message);
void dump_json_plain(const struct codec_struct *row, int16_t version, const void *message);
/* Bytes as the string that Java makes of them. */
void dump_text(struct bytes_view bytes);
/* " key: K payload: V" of a data record. */
void dump_record_data(struct dump *dump, const struct record *record);
/* " endTxnMarker: ..." and the like of a control record. */
void dump_control(struct dump *dump, const struct record *record);
#define DUMP_PREFIX_BYTES 17 /* offset, size and what is before the attributes */
/* Whether what begins with these bytes, a whole prefix, is of format 0 or 1. */
static inline bool dump_is_legacy(const uint8_t *data)
{
    return (int8_t)batch_magic(data) < BATCH_MAGIC;
}
/* The files by kind; data is the whole file, path as long-lived as the dump. */
void dump_offset_index(struct dump *dump, const char *path, struct bytes_view data);
void dump_time_index(struct dump *dump, const char *path, struct bytes_view data);
void dump_txn_index(struct bytes_view data);
void dump_producer_snapshot(struct bytes_view data);
void dump_batches(struct dump *dump, const char *path, struct bytes_view data);
/* One message of format 0 or 1, which is all of data; last_offset: of the record before, in this
 * file; -1: none. */
void dump_legacy(struct dump *dump, const char *path, struct bytes_view data, size_t position,
                 int64_t *last_offset);
/* Its timestamp; -1: it has none. */
int64_t dump_legacy_time(struct bytes_view data);
/* Tells that a file is not there, and ends the run. */
void dump_fail_missing(struct dump *dump, const char *path);
/* False when there is no log beside an index; that ends the run. */
bool dump_needs_log(struct dump *dump, const char *path);
/* The base offset that a file name begins with. */
int64_t dump_base_offset(const char *path);

#endif
