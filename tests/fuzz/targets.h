/* targets.h: what the fuzzer feeds bytes to. Each takes any bytes and must end without a fault.
 *
 * A target builds as fuzz_NAME with libFuzzer (preset fuzz). Without it, unit_fuzz_smoke_test feeds
 * those of the protocol a few seconds of mutated messages, and unit_fuzz_corpus_test feeds each the
 * files of tests/fuzz/corpus/NAME. A new target is a row in targets.c and its name in
 * tests/CMakeLists.txt.
 * Thread: one. Memory: freed before return. Errors: a broken promise ends the process. */
#ifndef BNB_TESTS_FUZZ_TARGETS_H
#define BNB_TESTS_FUZZ_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reader.h"

struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
};
/* The last one has name NULL. */
extern const struct fuzz_target fuzz_targets[];

/* Ends the process with a word on what was promised, unless it holds. */
void fuzz_require(bool holds, const char *what);
/* A view of the next part of data, which the reader walks; its size comes first, with -1 for none
 * at all. */
struct bytes_view fuzz_take_part(struct reader *reader, const uint8_t *data, size_t size);

/* targets_protocol.c: what comes over the wire. */

/* A request frame without its size: header, then the body of the API and version that it names. */
void fuzz_request(const uint8_t *data, size_t size);
/* Two bytes choose a message of any kind, one its version; the rest is decoded. */
void fuzz_message(const uint8_t *data, size_t size);
/* Record batches: header, CRC, decompression, records and their headers. */
void fuzz_batch(const uint8_t *data, size_t size);
/* The records of one batch: a count of them (int16), then their bytes. */
void fuzz_records(const uint8_t *data, size_t size);
/* One compressed stream each. */
void fuzz_gzip(const uint8_t *data, size_t size);
void fuzz_snappy(const uint8_t *data, size_t size);
void fuzz_lz4(const uint8_t *data, size_t size);
void fuzz_zstd(const uint8_t *data, size_t size);

/* targets_log.c: the files of a partition. The log must open or say why not, and what it serves
 * must be right, whatever the file says. The first byte says how the last process ended. */
void fuzz_segment(const uint8_t *data, size_t size);
void fuzz_offset_index(const uint8_t *data, size_t size);
void fuzz_time_index(const uint8_t *data, size_t size);
void fuzz_txn_index(const uint8_t *data, size_t size);
void fuzz_producer_snapshot(const uint8_t *data, size_t size);
void fuzz_leader_epochs(const uint8_t *data, size_t size);

/* A batch that a client sends to a topic: a byte for what the topic asks, one for the codec and for
 * whether the records come packed, a count of them (int16), the records. */
void fuzz_produced(const uint8_t *data, size_t size);

/* targets_text.c: text files and the command line. */
void fuzz_checkpoint(const uint8_t *data, size_t size);
void fuzz_partition_metadata(const uint8_t *data, size_t size);
void fuzz_meta_properties(const uint8_t *data, size_t size);
void fuzz_server_properties(const uint8_t *data, size_t size);
/* One setting of any scope: name, line end, value. */
void fuzz_setting(const uint8_t *data, size_t size);
/* Words that end with a line end. */
void fuzz_arguments(const uint8_t *data, size_t size);
void fuzz_json(const uint8_t *data, size_t size);

/* targets_metadata.c: what the controller keeps. CRCs are set right first, or nothing would get
 * past them. */
/* int16 size and a record of __cluster_metadata, repeated. */
void fuzz_metadata_records(const uint8_t *data, size_t size);
void fuzz_metadata_snapshot(const uint8_t *data, size_t size);
void fuzz_bootstrap(const uint8_t *data, size_t size);
void fuzz_quorum_state(const uint8_t *data, size_t size);

/* targets_group.c: what the coordinator of groups finds in __consumer_offsets, and what members
 * say of themselves. */
/* Kind (a byte), key and value (an int16 for the size of each, -1: null), repeated. */
void fuzz_group_records(const uint8_t *data, size_t size);
/* Heartbeats of four members of the consumer protocol, four bytes each: when, who, how, what. */
void fuzz_group_calls(const uint8_t *data, size_t size);
void fuzz_transaction_records(const uint8_t *data, size_t size);
void fuzz_regex(const uint8_t *data, size_t size);
/* A consumer's subscription and its assignment, each with its size in front. */
void fuzz_subscription(const uint8_t *data, size_t size);
/* Subscriptions of two members and an assignment, each with its size in front, as the library reads
 * them. */
void fuzz_assign(const uint8_t *data, size_t size);

#endif
