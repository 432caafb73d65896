/* assignment.h: tells the controller in which log directories replicas lie (AssignReplicasToDirs):
 * of new ones where there are several directories, of those that have moved, and at a start of
 * those that lie elsewhere than the image says.
 *
 * What is noted in one turn is sent at its end, ASSIGNMENT_PARTITIONS_MAX in one request at most;
 * before the broker is registered it waits. What is not answered well is told again, where the
 * replica lies by then, after 100 ms, doubled each time up to 10 s; what was, when an image comes
 * that says something else.
 * Thread: a shard's own, but for what says otherwise.   Errors: none; what there is no memory for,
 * the next image or start notes again. It is for other brokers and for the controller, so nothing
 * waits for it. */
#ifndef BNB_BROKER_ASSIGNMENT_H
#define BNB_BROKER_ASSIGNMENT_H

#include "broker/partition.h"

struct assignment;

/* Notes where the replica lies, unless state, its partition in an image, says that already. */
void assignment_note(struct partition *partition, const struct image_partition *state);
/* Notes it in any case. */
void assignment_note_moved(struct partition *partition);
/* At the end of what noted. */
void assignment_send(struct broker_shard *shard);
/* On shard 0: the broker is registered. */
void assignment_registered(struct broker *broker);
/* After the loops were drained. */
void assignment_destroy(struct broker_shard *shard);

#endif
