/* group.h: the coordinator of groups: one partition of __consumer_offsets, a machine of runtime.h.
 *
 * It holds the classic groups of that partition with their members, and the offsets that were
 * committed for any group. Groups of other protocols are kept as the records that the log has of
 * them. Calls, by API, and what their request and response point at:
 *
 *   JOIN_GROUP, SYNC_GROUP, HEARTBEAT, LEAVE_GROUP, OFFSET_COMMIT, OFFSET_DELETE,
 *     TXN_OFFSET_COMMIT: the messages of the API. Topics and partitions exist, and the topic ids of
 *     OFFSET_COMMIT are filled in. That a transaction is open was verified.
 *   OFFSET_FETCH     struct group_offset_fetch -> ..._offset_fetch_response_group, names only
 *   DESCRIBE_GROUPS  struct string_view -> describe_groups_response_described_group
 *   DELETE_GROUPS    struct string_view -> delete_groups_response_deletable_group_result
 *   LIST_GROUPS      struct list_groups_request -> list_groups_response, of this partition
 *
 * A member that waits for others holds its call. Everything in a response is in the call's arena.
 * Thread: one.   Errors: in the responses, as Apache Kafka gives them. */
#ifndef BNB_COORDINATOR_GROUP_GROUP_H
#define BNB_COORDINATOR_GROUP_GROUP_H

#include "coordinator/runtime.h"
#include "coordinator/text.h"
#include "protocol/messages.h"

struct group_options {
    uint64_t seed; /* of its tables */
    int32_t min_session_timeout_ms;
    int32_t max_session_timeout_ms;
    int32_t initial_rebalance_delay_ms;
    int32_t max_size;
    int32_t offset_metadata_max_bytes;
    int64_t offsets_retention_ms;
    int64_t offsets_retention_check_interval_ms;
};

/* One group of an OffsetFetch. */
struct group_offset_fetch {
    struct offset_fetch_request_offset_fetch_request_group group;
    bool require_stable;
};

/* What there is, for the metrics. */
struct group_counts {
    int64_t groups;
    int64_t preparing_rebalance;
    int64_t completing_rebalance;
    int64_t stable;
    int64_t empty;
    int64_t dead;
    int64_t offsets;
    /* These only grow. */
    int64_t rebalances;
    int64_t commits;
    int64_t expirations;
    int64_t deletions;
};

struct group_coordinator;
int group_coordinator_create(const struct group_options *options,
                             struct group_coordinator **coordinator);
/* Calls that it holds are forgotten; unload its runtime first to have them answered. */
void group_coordinator_destroy(struct group_coordinator **coordinator);
/* Lives as long as the coordinator. */
struct runtime *group_coordinator_runtime(struct group_coordinator *coordinator);
struct group_counts group_coordinator_counts(const struct group_coordinator *coordinator);

/* Writes the marker of a transaction; waiter is told once it is committed. The runtime is
 * active. */
void group_coordinator_end_transaction(struct group_coordinator *coordinator,
                                       const struct runtime_marker *marker,
                                       struct runtime_waiter *waiter, struct runtime_time now);

/* Sets the response of call to one that says error; NULL: no memory. */
void group_call_refuse(struct runtime_call *call, int16_t error);

/* Tombstones for the offsets of a topic that was deleted: of all that carry its id or none. */
void group_coordinator_forget_topic(struct group_coordinator *coordinator, struct string_view name,
                                    struct uuid id, struct runtime_time now);

#endif
