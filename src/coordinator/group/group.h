/* group.h: the coordinator of groups: one partition of __consumer_offsets, a machine of runtime.h.
 *
 * It holds the groups of that partition that use the classic or the consumer protocol with their
 * members, and the offsets that were committed for any group. Groups of other protocols are kept as
 * the records that the log has of them. Calls, by API, and what request and response point at:
 *
 *   JOIN_GROUP, SYNC_GROUP, HEARTBEAT, LEAVE_GROUP, CONSUMER_GROUP_HEARTBEAT, OFFSET_COMMIT,
 *     OFFSET_DELETE, TXN_OFFSET_COMMIT: the messages of the API. Topics and partitions exist, and
 *     the topic ids of OFFSET_COMMIT are filled in. That a transaction is open was verified.
 *   OFFSET_FETCH     struct group_offset_fetch -> ..._offset_fetch_response_group, names only
 *   DESCRIBE_GROUPS  struct string_view -> describe_groups_response_described_group
 *   CONSUMER_GROUP_DESCRIBE
 *                    struct string_view -> consumer_group_describe_response_described_group
 *   DELETE_GROUPS    struct string_view -> delete_groups_response_deletable_group_result
 *   LIST_GROUPS      struct list_groups_request -> list_groups_response, of this partition
 *
 * A member that waits for others holds its call. Everything in a response is in the call's arena.
 * Thread: one.   Errors: in the responses, as Apache Kafka gives them. */
#ifndef BNB_COORDINATOR_GROUP_GROUP_H
#define BNB_COORDINATOR_GROUP_GROUP_H

#include "assignor/assignor.h"
#include "coordinator/cluster.h"
#include "coordinator/runtime.h"
#include "coordinator/text.h"
#include "protocol/messages.h"

/* group.consumer.migration.policy: which way a group may change its protocol with members in it. */
enum group_migration {
    GROUP_MIGRATION_DISABLED = 0,
    GROUP_MIGRATION_UPGRADE = 1,
    GROUP_MIGRATION_DOWNGRADE = 2,
    GROUP_MIGRATION_BIDIRECTIONAL = 3,
};
#define GROUP_ASSIGNORS_MAX 8

struct group_options {
    uint64_t seed; /* of its tables */
    int32_t min_session_timeout_ms;
    int32_t max_session_timeout_ms;
    int32_t initial_rebalance_delay_ms;
    int32_t max_size;
    int32_t offset_metadata_max_bytes;
    int64_t offsets_retention_ms;
    int64_t offsets_retention_check_interval_ms;
    /* Of the consumer protocol: */
    const struct cluster *cluster; /* borrowed */
    const struct assignor *assignors[GROUP_ASSIGNORS_MAX]; /* at least one; the first is usual */
    size_t assignor_count;
    int32_t consumer_max_size;
    int64_t consumer_regex_refresh_ms;
    enum group_migration migration;
};

/* One group of an OffsetFetch. */
struct group_offset_fetch {
    struct offset_fetch_request_offset_fetch_request_group group;
    bool require_stable;
};

/* Of groups of the consumer protocol. */
enum consumer_group_state {
    CONSUMER_GROUP_EMPTY,
    CONSUMER_GROUP_ASSIGNING,   /* the target is older than the group */
    CONSUMER_GROUP_RECONCILING, /* somebody is not yet where the target has it */
    CONSUMER_GROUP_STABLE,
    CONSUMER_GROUP_STATES,
};
/* What there is, for the metrics. */
struct group_counts {
    int64_t groups;
    int64_t preparing_rebalance;
    int64_t completing_rebalance;
    int64_t stable;
    int64_t empty;
    int64_t dead;
    int64_t of_kind[4]; /* by enum group_kind */
    int64_t consumer_state[CONSUMER_GROUP_STATES]; /* of the consumer protocol */
    int64_t offsets;
    /* These only grow. */
    int64_t rebalances; /* of classic groups, that came to an end */
    int64_t consumer_rebalances; /* of others, that began: new epochs */
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
/* Looks at the groups that have changed since the last time. */
struct group_counts group_coordinator_counts(struct group_coordinator *coordinator);

/* Topics that the cluster tells of have changed; created: some are new. Groups look at them with
 * the next heartbeat. */
void group_coordinator_follow_topics(struct group_coordinator *coordinator, bool created);

/* Whether a heartbeat is one, for assignors that are configured: 0, or a wire error and its
 * message, which may lie in arena. */
int16_t group_heartbeat_check(const struct consumer_group_heartbeat_request *asked,
                              int16_t version, const struct assignor *const *assignors,
                              size_t assignor_count, struct arena *arena,
                              struct string_view *message);

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
