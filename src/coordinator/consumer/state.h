/* state.h: what is held of a group that uses the consumer protocol (KIP-848).
 *
 * Each record of the log is one block here, replaced as a whole when a newer record of its key
 * comes; so what is not committed can be taken back by putting the older block back. What follows
 * from the blocks (who owns a partition, who subscribes to a topic) is kept in tables whose nodes
 * lie in the blocks: an older block is put back without any new memory, bar a slot of a table,
 * which does not shrink. state.c is the only one to replace a block.
 * Thread: the coordinator's.   Errors: ERR_NOMEM. */
#ifndef BNB_COORDINATOR_CONSUMER_STATE_H
#define BNB_COORDINATOR_CONSUMER_STATE_H

#include "base/list.h"
#include "coordinator/consumer/reconcile.h"
#include "coordinator/group/state.h"

/* Of a group, and of its assignment, before they were ever changed. */
#define CONSUMER_FIRST_EPOCH 1
/* What a member says that leaves: for good, or as a static one that will be back. */
#define CONSUMER_LEAVE_EPOCH (-1)
#define CONSUMER_LEAVE_STATIC_EPOCH (-2)

/* Several elements of a table with one key: the newest is in the table and leads to the others. */
struct consumer_chain {
    struct consumer_chain *older;
    struct consumer_chain *newer;
};
/* That a member has said key: a topic, an expression, an instance id. */
struct consumer_link {
    struct consumer_chain chain;
    struct string_view key;
    struct consumer_member *member;
};
/* That a member has a partition. */
struct consumer_claim {
    struct consumer_chain chain;
    struct partition_item item;
    struct consumer_member *member;
};

struct consumer_protocol {
    struct string_view name;
    struct bytes_view metadata;
};
/* Record 5: who a member is and what it wants. One block of memory with all it points at. */
struct consumer_facts {
    struct string_view instance_id; /* null: dynamic */
    struct string_view rack_id;     /* null: unknown */
    struct string_view client_id;
    struct string_view client_host;
    struct consumer_link *names; /* topics it subscribes to, in order, each once: the keys */
    size_t name_count;
    struct string_view regex; /* null or empty: none */
    int32_t rebalance_timeout_ms;
    struct string_view assignor; /* null: it does not care */
    /* Of a member that speaks the classic protocol: */
    bool classic;
    int32_t classic_session_timeout_ms;
    struct consumer_protocol *protocols;
    size_t protocol_count;
    struct consumer_link by_instance;
    struct consumer_link by_regex;
};
/* Record 7. */
struct consumer_target {
    struct partition_set partitions;
};
/* Record 8. */
struct consumer_current {
    struct consumer_holding holding;
    struct consumer_claim *claims; /* of assigned, then of revoking */
    size_t claim_count;
};
/* Record 16: topics that an expression matches. */
struct consumer_expression {
    struct string_view regex;
    struct string_view *topics; /* ascending, each once */
    size_t topic_count;
    int64_t version;
    int64_t timestamp_ms;
};

/* All that the log says of one member id. It is a member while facts or current are there. */
struct consumer_member {
    struct group *group;
    struct string_view id;
    struct consumer_facts *facts;
    struct consumer_target *target;
    struct consumer_current *current;
    size_t changes; /* of it, that are not committed yet */
    struct runtime_timer session_timer;
    struct runtime_timer rebalance_timer; /* for giving up partitions */
    int32_t rebalance_epoch;              /* at which it was to do that */
    /* Of classic ones, to join and sync in time: */
    struct runtime_timer join_timer;
    struct runtime_timer sync_timer;
};

struct consumer_resolution;
struct consumer_group {
    struct group *group;
    int32_t epoch;
    int64_t metadata_hash;
    bool has_epoch; /* there is a record 3 */
    int32_t assignment_epoch;
    int64_t assignment_ms; /* wall; 0: the next one is due at once */
    bool has_assignment_epoch;   /* record 6 */
    bool has_partition_metadata; /* record 4, of Apache Kafka 4.0 */
    struct map members;          /* by id, also of what is no member any more */
    struct map instances;        /* struct consumer_link, by instance id */
    struct map names;            /* by topic */
    struct map regexes;          /* by expression: who subscribes to it */
    struct map expressions;      /* struct consumer_expression */
    struct map claims;           /* struct consumer_claim, by partition */
    size_t member_count;
    size_t classic_count; /* of them */
    size_t changes;       /* that are not committed yet */
    /* Not in the log: */
    struct cluster_group_settings settings; /* as the cluster told them */
    int64_t settings_version;               /* when it had this one; -1: it was not asked yet */
    bool refresh_wanted; /* topics have changed: the hash is computed anew */
    struct consumer_resolution *resolution; /* of expressions, under way; NULL: none */
    int64_t rebalance_since_ms;             /* monotonic; of the rebalance under way, */
    int32_t rebalance_moved;                /* partitions that got another owner in it, */
    bool rebalancing;
    size_t unsettled_slot; /* of members, where one was seen that has not all it is to have */
    int8_t counted; /* the state that the coordinator's counts have it in; -1: none */
    struct list uncounted_node;
    char trigger[192]; /* and what it began with */
};

/* ---- state.c ---- */

/* An empty one for group; NULL: no memory. */
struct consumer_group *consumer_group_make(struct group *group);
void consumer_group_free(struct consumer_group *consumer);
/* Whether no record of it is in force. */
bool consumer_group_is_void(const struct consumer_group *consumer);
/* NULL: nothing is known of that id. */
struct consumer_member *consumer_entry_find(const struct consumer_group *consumer,
                                            struct string_view id);
struct consumer_member *consumer_entry_make(struct consumer_group *consumer,
                                            struct string_view id);
/* After its last block has gone: frees it, once nothing may bring a block back. */
void consumer_entry_release(struct consumer_member *member);
static inline bool consumer_is_member(const struct consumer_member *member)
{
    return member->facts != NULL || member->current != NULL;
}
/* Arms what watches over a member that is to give up partitions, or disarms it. */
void consumer_watch_revocation(struct consumer_member *member);
/* Replace a block; what was there is the caller's from then on. ERR_NOMEM: nothing has changed;
 * not when a block is put back or taken away. */
int consumer_set_facts(struct consumer_member *member, struct consumer_facts *facts);
void consumer_set_target(struct consumer_member *member, struct consumer_target *target);
int consumer_set_current(struct consumer_member *member, struct consumer_current *current);
int consumer_set_expression(struct consumer_group *consumer, struct string_view regex,
                            struct consumer_expression *expression);
struct consumer_expression *consumer_expression_find(const struct consumer_group *consumer,
                                                     struct string_view regex);

/* A member, or NULL. */
struct consumer_member *consumer_member_find(const struct consumer_group *consumer,
                                             struct string_view id);
struct consumer_member *consumer_static_find(const struct consumer_group *consumer,
                                             struct string_view instance_id);
/* Members in the order of their ids, mem_free-able; NULL: no memory. */
struct consumer_member **consumer_members_sorted(const struct consumer_group *consumer,
                                                 size_t *count);
/* What it said, or what is assumed of one that has said nothing. */
const struct consumer_facts *consumer_facts_of(const struct consumer_member *member);
struct consumer_holding consumer_holding_of(const struct consumer_member *member);
struct partition_set consumer_target_of(const struct consumer_member *member);
/* How many members subscribe to an expression. */
size_t consumer_regex_members(const struct consumer_group *consumer, struct string_view regex);
/* Whether somebody subscribes to topic, by name or by a resolved expression. */
bool consumer_subscribes(const struct consumer_group *consumer, struct string_view topic);
/* Who has the partition, or NULL. */
const struct consumer_claim *consumer_claim_find(const struct consumer_group *consumer,
                                                 struct uuid topic, int32_t partition);
int32_t consumer_session_timeout_ms(const struct consumer_member *member);

enum consumer_group_state consumer_group_state(struct consumer_group *consumer);
const char *consumer_group_state_name(enum consumer_group_state state);
/* Its state may have changed: it is counted anew before the counts are told. */
void consumer_count_later(struct consumer_group *consumer);
void consumer_count(struct consumer_group *consumer);
/* It is not to be counted any more. */
void consumer_uncount(struct consumer_group *consumer);

#endif
