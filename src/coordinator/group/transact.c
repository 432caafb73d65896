/* TxnOffsetCommit, and how a transaction ends on this partition. Offsets of a transaction are
 * records of its producer; they count once its marker says so (offsets.c). Mirrors
 * OffsetMetadataManager.commitTransactionalOffset. */
#include "coordinator/group/internal.h"

#define VALUE_VERSION 4

typedef struct txn_offset_commit_request_txn_offset_commit_request_topic asked_topic;
typedef struct txn_offset_commit_request_txn_offset_commit_request_partition asked_partition;
typedef struct txn_offset_commit_response_txn_offset_commit_response_topic told_topic;
typedef struct txn_offset_commit_response_txn_offset_commit_response_partition told_partition;

/* An offset of a topic that is gone is nobody's. */
static int16_t check_partitions(const struct group_coordinator *owner,
                                const struct consumer_member *behind,
                                const struct offset_committer *committer,
                                const struct txn_offset_commit_request *asked)
{
    const struct cluster *cluster = owner->options.cluster;
    int16_t error = 0;
    for (int32_t i = 0; error == 0 && i < asked->topics.count; i++) {
        const asked_topic *from = &asked->topics.items[i];
        struct cluster_topic topic;
        if (!cluster->topic_by_name(cluster->context, from->name, &topic)) {
            return KAFKA_ILLEGAL_GENERATION;
        }
        for (int32_t j = 0; error == 0 && j < from->partitions.count; j++) {
            error = consumer_check_partition(behind, committer, topic.id,
                                             from->partitions.items[j].partition_index);
        }
    }
    return error;
}

static int16_t check_commit(const struct group_coordinator *owner,
                            const struct txn_offset_commit_request *asked)
{
    const struct group *group = group_find(owner, asked->group_id);
    struct offset_committer committer = {asked->member_id, asked->group_instance_id,
                                         asked->generation_id, true};
    if (asked->producer_id < 0 || asked->producer_epoch < 0) {
        return KAFKA_UNKNOWN_SERVER_ERROR; /* no batch can carry these */
    }
    if (group == NULL) {
        return asked->generation_id < 0 ? 0 : KAFKA_ILLEGAL_GENERATION;
    }
    ASSERT(group->owner == owner);
    if (group->kind == GROUP_CLASSIC) {
        return offset_check_classic(group, &committer);
    }
    if (group->kind == GROUP_CONSUMER) {
        const struct consumer_member *behind;
        int16_t error = consumer_check_commit(group, &committer, 0, &behind);
        return error != 0 || behind == NULL
                   ? error
                   : check_partitions(owner, behind, &committer, asked);
    }
    /* Members of other protocols are not coordinated here. */
    bool anonymous = asked->member_id.size == 0 && asked->group_instance_id.data == NULL;
    return asked->generation_id < 0 && (anonymous || !kept_has_members(group))
               ? 0
               : KAFKA_UNKNOWN_MEMBER_ID;
}

static void write_offset(struct group_coordinator *owner,
                         const struct txn_offset_commit_request *asked, struct string_view topic,
                         const asked_partition *from)
{
    struct offset_commit_key key = {asked->group_id, topic, from->partition_index};
    struct offset_commit_value value;
    offset_commit_value_default(&value);
    value.offset = from->committed_offset;
    value.leader_epoch = from->committed_leader_epoch;
    value.metadata = from->committed_metadata.data == NULL ? string_view_of("")
                                                           : from->committed_metadata;
    value.commit_timestamp = runtime_now(owner->runtime).wall_ms;
    runtime_write(owner->runtime, GROUP_RECORD_OFFSET, &offset_commit_key_row, &key,
                  &offset_commit_value_row, VALUE_VERSION, &value);
    owner->counts.commits++;
}

static void commit_topic(struct group_coordinator *owner, struct runtime_call *call,
                         const asked_topic *from, told_topic *to)
{
    const struct txn_offset_commit_request *asked = call->request;
    size_t count = from->partitions.count > 0 ? (size_t)from->partitions.count : 0;
    to->name = from->name;
    to->partitions.items = arena_array(call->arena, count, sizeof *to->partitions.items);
    for (size_t i = 0; to->partitions.items != NULL && i < count; i++) {
        const asked_partition *partition = &from->partitions.items[i];
        bool too_large = offset_metadata_length(partition->committed_metadata) >
                         (size_t)owner->options.offset_metadata_max_bytes;
        to->partitions.items[to->partitions.count++] = (told_partition){
            partition->partition_index, too_large ? KAFKA_OFFSET_METADATA_TOO_LARGE : 0};
        if (!too_large) {
            write_offset(owner, asked, from->name, partition);
        }
    }
}

void offset_commit_transactional(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct txn_offset_commit_request *asked = call->request;
    int16_t error =
        asked->group_id.size == 0 ? KAFKA_INVALID_GROUP_ID : check_commit(owner, asked);
    if (error != 0) {
        group_refuse(owner, call, error);
        runtime_reply(owner->runtime, call, call->response);
        return;
    }
    struct txn_offset_commit_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response != NULL) {
        txn_offset_commit_response_default(response);
        response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    }
    runtime_transact(owner->runtime, asked->producer_id, asked->producer_epoch);
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        commit_topic(owner, call, &asked->topics.items[i], &response->topics.items[i]);
        response->topics.count = (int32_t)i + 1;
    }
    if (call->arena->failed) {
        runtime_fail(owner->runtime); /* an answer cannot be given: nothing may come of it */
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}

struct end {
    struct group_coordinator *owner;
    const struct runtime_marker *marker;
    struct runtime_waiter *waiter;
};

static void end_transaction(void *context)
{
    const struct end *end = context;
    ASSERT(end->marker->producer_id >= 0);
    runtime_write_marker(end->owner->runtime, end->marker);
    runtime_wait(end->owner->runtime, end->waiter);
}

void group_coordinator_end_transaction(struct group_coordinator *owner,
                                       const struct runtime_marker *marker,
                                       struct runtime_waiter *waiter, struct runtime_time now)
{
    struct end end = {owner, marker, waiter};
    runtime_run(owner->runtime, end_transaction, &end, now);
}
