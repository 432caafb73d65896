/* dump.h: what the parts of kafka-dump-log share. Thread: main. */
#ifndef BNB_TOOLS_DUMP_H
#define BNB_TOOLS_DUMP_H

#include "base/arena.h"
#include "protocol/codec.h"
#include "protocol/record/batch.h"

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
};
/* Entries of an index that do not agree with the log. */
struct dump_mismatch {
    const char *path;
    int64_t index_offset;
    int64_t log_offset;
};
#define DUMP_MISMATCHES_MAX 1024
struct dump {
    struct dump_options options;
    struct arena arena;
    struct dump_mismatch mismatches[DUMP_MISMATCHES_MAX];
    size_t mismatch_count;
};

/* Prints a message as Kafka's JSON converters do: camelCase, tagged fields only if not default. */
void dump_json(const struct codec_struct *row, int16_t version, const void *message);
/* " key: K payload: V" of a data record. */
void dump_record_data(struct dump *dump, const struct record *record);
/* " endTxnMarker: ..." and the like of a control record. */
void dump_control(struct dump *dump, const struct record *record);
/* The files by kind; data is the whole file. */
void dump_offset_index(struct dump *dump, const char *path, struct bytes_view data);
void dump_time_index(struct dump *dump, const char *path, struct bytes_view data);
void dump_txn_index(struct bytes_view data);
void dump_producer_snapshot(const char *path, struct bytes_view data);
void dump_batches(struct dump *dump, const char *path, struct bytes_view data);
/* The base offset that a file name begins with. */
int64_t dump_base_offset(const char *path);

#endif
