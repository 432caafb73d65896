/* sample_log.h: a small log for tests of damaged files: two segments and more, idempotent
 * producers, a transaction that was aborted, one that was aborted late and one that is open.
 * Thread: one. */
#ifndef BNB_TESTS_FUZZ_SAMPLE_LOG_H
#define BNB_TESTS_FUZZ_SAMPLE_LOG_H

#include "log/log.h"
#include "memory_fs.h"

#define SAMPLE_DIRECTORY "/data/topic-0"
#define SAMPLE_BATCHES 24
#define SAMPLE_NOW_MS INT64_C(1700000000000)

struct sample {
    struct memory_fs memory;
    int64_t base_offsets[SAMPLE_BATCHES]; /* of the batches, in order */
    size_t batch_count;
    int64_t end_offset;
    int64_t active_base;
};
/* The sample, closed in order; made once, and the process's. */
const struct sample *sample_log(void);

enum sample_end {
    SAMPLE_CLOSED, /* in order */
    SAMPLE_KILLED,
    SAMPLE_POWER_LOST,
};
int sample_open(struct memory_fs *memory, enum sample_end end, struct log **log);
/* The same with the recovery point and the log start offset of other options; NULL: both 0. */
int sample_open_with(struct memory_fs *memory, enum sample_end end,
                     const struct log_options *checkpoints, struct log **log);
/* One batch of one record. */
int sample_append(struct log *log, enum log_origin origin, const struct batch *header,
                  const struct record *record);
/* The end of a transaction of that producer, in its epoch 0. */
int sample_append_marker(struct log *log, int64_t producer_id, bool commit);

#endif
