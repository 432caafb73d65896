/* transaction_markers.h: markers that end transactions, on the partitions that are part of them.
 *
 * A marker travels to the shard of its partition, is appended there as a control batch (on
 * __consumer_offsets by the coordinator of groups, which learns what becomes of its offsets), and
 * comes home once it is committed. For a coordinator of transactions all markers of a transaction
 * are one work, which goes on until each is written or has no place any more.
 * Thread: home's, but for what happens on the shard of the partition.
 * Errors: per marker, as WriteTxnMarkers tells them. */
#ifndef BNB_BROKER_TRANSACTION_MARKERS_H
#define BNB_BROKER_TRANSACTION_MARKERS_H

#include "broker/partition.h"
#include "coordinator/runtime.h"

struct coordinator;

/* One marker for one partition. It stays until done, which may be called before marker_write
 * returns. */
struct marker_item {
    struct loop_mail mail;
    struct broker_shard *home;
    struct broker_shard *owner;
    struct uuid topic_id;
    int32_t partition;
    bool of_groups; /* on __consumer_offsets */
    struct runtime_marker marker;
    struct partition_wait wait;
    struct runtime_waiter waiter;
    int16_t error;
    void (*done)(struct marker_item *item);
};
/* home, marker and done are set. */
void marker_write(struct marker_item *item, const struct image_topic *topic, int32_t partition);

/* Begins to write the markers of what the coordinator has decided. */
void markers_begin(struct coordinator *coordinator);
/* After partitions were closed: works that have not ended. */
void markers_forget(struct broker_shard *shard);

#endif
