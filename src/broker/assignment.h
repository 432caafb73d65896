/* assignment.h: tells the controller in which log directory a replica lies (AssignReplicasToDirs).
 * Thread: the partition's shard.   Errors: asked again until it is answered; what it says is for
 * other brokers and for the next start, so nothing waits for it. */
#ifndef BNB_BROKER_ASSIGNMENT_H
#define BNB_BROKER_ASSIGNMENT_H

#include "broker/partition.h"

void assignment_report(const struct partition *partition);

#endif
