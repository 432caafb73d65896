/* partition_internal.h: what the files of a partition share. Thread: the owner's. */
#ifndef BNB_BROKER_PARTITION_INTERNAL_H
#define BNB_BROKER_PARTITION_INTERNAL_H

#include "broker/partition.h"

/* ---- partition_new.c ---- */

/* Says in the directory at path whose it is: 0 or an error. */
int partition_new_write(struct partition *partition, const char *path);

/* ---- partition.c ---- */

/* Makes the offsets below offset readable, bytes more than before. */
void partition_raise_high_watermark(struct partition *partition, int64_t offset, int64_t bytes);
/* The rest of partition_delete, unless a flush or a cleaning is still running. */
void partition_finish_delete_if_idle(struct partition *partition);
/* Another log is to take the place of this one: its directory gets a -delete name, for good, and
 * goes after a while; partition->log is NULL then. */
void partition_retire_log(struct partition *partition);
/* Sees to the files of segments that the log has given up. */
void partition_remove_given_up(struct partition *partition);

#endif
