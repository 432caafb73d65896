/* checkpoints.h: recovery points, log start offsets and high watermarks, written now and then.
 *
 * Each kind has its own interval. Each shard lists its partitions; shard 0 puts the lists together
 * and a helper thread writes the files. A kind of which nothing changed is left alone. Losing a
 * round costs time at the next start, never data.
 * Thread: shard 0, but for checkpoints_note. */
#ifndef BNB_BROKER_CHECKPOINTS_H
#define BNB_BROKER_CHECKPOINTS_H

#include "broker/broker.h"

void checkpoints_start(struct broker *broker);
/* Also when they were never started. */
void checkpoints_stop(struct broker *broker);
/* A partition of the shard came, went or moved on. Thread: the shard's. */
void checkpoints_note(struct broker_shard *shard);
/* How far logs are clean has changed: writes that file now. */
void checkpoints_write_cleaned(struct broker *broker);
/* At shutdown, no loop running, every log still open: syncs each and writes all files. */
void checkpoints_write_closing(struct broker *broker);

#endif
