/* checkpoints.h: recovery points, log start offsets and high watermarks, written now and then.
 *
 * Each shard lists its partitions; shard 0 puts the lists together and a helper thread writes the
 * files. Losing a round costs time at the next start, never data.
 * Thread: shard 0. */
#ifndef BNB_BROKER_CHECKPOINTS_H
#define BNB_BROKER_CHECKPOINTS_H

#include "broker/broker.h"

void checkpoints_start(struct broker *broker);
/* At shutdown, no loop running, every log still open: syncs each and writes all files. */
void checkpoints_write_closing(struct broker *broker);

#endif
