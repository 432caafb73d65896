/* cleaner.h: which log is compacted next, and the compactions under way.
 *
 * Shard 0 asks each shard in turn for the log that needs it most; the winner is cleaned beside
 * its shard's loop, a part (log/clean.h) at a time, log.cleaner.threads of them at once. When one
 * is done the next is looked for; when there is none, after log.cleaner.backoff.ms. A log that
 * cannot be cleaned is left alone until the next start.
 * How far each log is clean is in cleaner-offset-checkpoint, written once new segments are safe.
 * Thread: shard 0, but for what says otherwise.   Bounds: CLEANERS_MAX at once; memory as
 * log.cleaner.dedupe.buffer.size and log.cleaner.io.buffer.size say, within net_memory_plan. */
#ifndef BNB_BROKER_CLEANER_H
#define BNB_BROKER_CLEANER_H

#include "broker/broker.h"

struct partition;
int cleaner_create(struct broker *broker);
/* No loop running any more: ends what is under way. */
void cleaner_destroy(struct broker *broker);
/* The partition is moved: its cleaning, if there is one, ends soon. Thread: the partition's. */
void cleaner_stop(struct partition *partition);
/* The same of one that is deleted: its directory is about to be another topic's. */
void cleaner_leave(struct partition *partition);

#endif
