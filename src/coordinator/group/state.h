/* state.h: what the coordinator of groups holds, for the files of this folder. */
#ifndef BNB_COORDINATOR_GROUP_STATE_H
#define BNB_COORDINATOR_GROUP_STATE_H

#include "base/map.h"
#include "coordinator/group/group.h"

/* Of the record of a classic group. */
#define GROUP_VALUE_VERSION 3

/* Types of records of __consumer_offsets. */
enum group_record {
    GROUP_RECORD_LEGACY_OFFSET = 0,
    GROUP_RECORD_OFFSET = 1,
    GROUP_RECORD_GROUP = 2,
    GROUP_RECORD_CONSUMER_EPOCH = 3,
    GROUP_RECORD_CONSUMER_PARTITIONS = 4, /* of Apache Kafka 4.0 */
    GROUP_RECORD_CONSUMER_MEMBER = 5,
    GROUP_RECORD_CONSUMER_TARGET_EPOCH = 6,
    GROUP_RECORD_CONSUMER_TARGET = 7,
    GROUP_RECORD_CONSUMER_CURRENT = 8,
    GROUP_RECORD_SHARE_FIRST = 9,
    GROUP_RECORD_SHARE_MEMBER = 10,
    GROUP_RECORD_SHARE_LAST = 15,
    GROUP_RECORD_CONSUMER_EXPRESSION = 16,
    GROUP_RECORD_STREAMS_FIRST = 17,
    GROUP_RECORD_STREAMS_MEMBER = 19,
    GROUP_RECORD_STREAMS_LAST = 23,
};

enum group_kind {
    GROUP_CLASSIC,
    GROUP_CONSUMER, /* coordinator/consumer */
    GROUP_SHARE,    /* these are kept as records: kept.c */
    GROUP_STREAMS,
};

/* A classic group (classic.c draws the moves):
 *
 *   Empty                no members, maybe offsets. Ids may be handed out.
 *   PreparingRebalance   members are to join; those that have wait
 *   CompletingRebalance  all know the generation and wait for what the leader assigns
 *   Stable               everybody has an assignment, and it is written
 *   Dead                 removed from the table; nobody may find it any more */
enum classic_state {
    CLASSIC_EMPTY,
    CLASSIC_PREPARING_REBALANCE,
    CLASSIC_COMPLETING_REBALANCE,
    CLASSIC_STABLE,
    CLASSIC_DEAD,
};

struct group;
struct classic_protocol {
    struct string_view name; /* inside the block */
    struct bytes_view metadata;
};
/* What a member offers, in one block of its own. */
struct classic_protocols {
    struct classic_protocol *items;
    int32_t count;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
};
/* A member. Owned by its group; all its strings are its own. */
struct classic_member {
    struct list node; /* in the order of joining */
    struct group *group;
    struct string_view id;
    struct string_view instance_id; /* null: dynamic */
    struct string_view client_id;
    struct string_view client_host;
    struct classic_protocols offers;
    struct bytes_view assignment; /* null: none */
    struct bytes_view next_assignment; /* until the record of it is committed */
    struct runtime_call *joining; /* parked, NULL: not waiting */
    struct runtime_call *syncing;
    bool is_new;       /* its first join is under way: it cannot send heartbeats */
    bool owes_sync;    /* of this generation */
    struct runtime_timer timer;
};
/* An id that was handed out and did not come back yet (KIP-394). */
struct classic_pending {
    struct list node;
    struct group *group;
    struct string_view id;
    struct runtime_timer timer;
};
/* A record of a group of another protocol. */
struct kept_record {
    struct list node;
    int16_t type;
    struct bytes_view key;
    struct bytes_view value;
};
struct group {
    struct group_coordinator *owner;
    struct string_view id;
    enum group_kind kind;
    bool committed; /* a record of it is in the log */
    bool simple; /* it is there for offsets only, and has no record of its own */
    struct list kept; /* of a kind that is kept as records */
    struct consumer_group *consumer; /* of the consumer kind, else NULL */
    /* Classic: */
    enum classic_state state;
    enum classic_state previous_state;
    int64_t state_since_ms; /* wall; -1: unknown */
    int32_t generation;
    struct string_view protocol_type; /* null: simple, offsets only */
    struct string_view protocol_name; /* null: none chosen */
    struct classic_member *leader;
    struct list members;
    struct map by_id;
    struct map by_instance;
    struct list pendings;
    struct map pending_by_id;
    int32_t joining_count; /* members whose join is parked */
    int32_t owing_count;   /* members that owe a sync */
    bool member_added; /* while the first rebalance waits for more */
    bool topics_known; /* what members of a "consumer" group subscribe to */
    struct map topics; /* of struct classic_topic */
    int64_t wait_ms; /* of the first rebalance: the delay that is running, */
    int64_t wait_left_ms; /* and what may follow */
    struct runtime_timer join_timer;
    struct runtime_timer sync_timer;
    struct list writes; /* under way */
    int64_t rebalance_since_ms; /* monotonic */
    char *trigger; /* of the rebalance under way; NULL: none, or there was no memory for it */
};
struct classic_topic {
    struct string_view name;
};

/* One committed offset as some record says it. Newer ones come first, older ones stay until what
 * replaced them is committed. */
struct offset_version {
    struct offset_version *older;
    struct offset_entry *entry;
    struct runtime_change change;
    bool settled; /* committed */
    bool deleted;
    int64_t order; /* of its record among all that were replayed, as the log has them */
    int64_t offset;
    int32_t leader_epoch;
    struct string_view metadata;
    int64_t commit_ms;
    int64_t expire_ms; /* -1: none of its own */
    struct uuid topic_id;
};
struct offset_key {
    struct string_view topic;
    int32_t partition;
};
struct offset_entry {
    struct offset_group *group;
    struct offset_key key;
    struct offset_version *newest; /* NULL: only open transactions have one */
    int32_t pending; /* offsets of open transactions for it */
};
/* The offsets of a group, whatever becomes of the group itself. */
struct offset_group {
    struct group_coordinator *owner;
    struct string_view id;
    struct map entries;
};
struct offset_transaction;

struct group_coordinator {
    struct group_options options;
    struct runtime *runtime;
    struct map groups;
    struct map offsets;
    struct list transactions;
    int64_t next_order;
    struct runtime_timer expiry_timer;
    struct group_counts counts;
    struct list uncounted; /* of the consumer protocol, whose state may be another by now */
    int64_t new_topics_version; /* of the cluster, when it last had new topics */
};

/* What hangs on a record of the group that is not committed yet. */
struct classic_write {
    struct runtime_waiter waiter;
    struct list node; /* in the group's */
    struct group *group; /* NULL once that is gone */
    void (*done)(struct classic_write *write, int16_t error);
    int32_t generation;
    /* Of a static member that has come back: who it was, and what it said before. */
    struct string_view member_id;
    struct string_view old_member_id;
    struct string_view old_leader_id;
    struct classic_protocols old_protocols;
};
enum classic_assignments {
    CLASSIC_ASSIGNMENTS_NONE,
    CLASSIC_ASSIGNMENTS_NOW,
    CLASSIC_ASSIGNMENTS_NEXT,
};

#endif
