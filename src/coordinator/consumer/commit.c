/* Whether a member may commit or fetch offsets. A member that is behind the epoch it was given may
 * still commit for the partitions that it has had since (KIP-1251). */
#include "coordinator/group/internal.h"

/* Of OffsetCommit: who speaks an older one cannot be a member by this protocol. */
#define VERSION_OF_THE_PROTOCOL 9

/* A member that speaks the classic protocol hears of generations. */
static int16_t epoch_error(const struct consumer_member *member, bool transactional)
{
    return transactional || consumer_facts_of(member)->classic ? KAFKA_ILLEGAL_GENERATION
                                                               : KAFKA_STALE_MEMBER_EPOCH;
}

int16_t consumer_check_commit(const struct group *group, const struct offset_committer *committer,
                              int16_t api_version, const struct consumer_member **behind)
{
    const struct consumer_group *consumer = group->consumer;
    int32_t epoch = committer->generation;
    ASSERT(group->kind == GROUP_CONSUMER);
    *behind = NULL;
    if (epoch < 0 && consumer->member_count == 0) {
        return 0; /* an administrator */
    }
    if (committer->transactional && epoch == -1 && committer->member_id.size == 0 &&
        committer->instance_id.data == NULL) {
        return 0; /* a producer that does not say for whom */
    }
    const struct consumer_member *member = consumer_member_find(consumer, committer->member_id);
    if (member == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (!committer->transactional && !consumer_facts_of(member)->classic &&
        api_version < VERSION_OF_THE_PROTOCOL) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    int32_t known = consumer_holding_of(member).epoch;
    if (epoch > known) {
        return epoch_error(member, committer->transactional);
    }
    *behind = epoch < known ? member : NULL;
    return 0;
}

int16_t consumer_check_partition(const struct consumer_member *member,
                                 const struct offset_committer *committer, struct uuid topic,
                                 int32_t partition)
{
    struct consumer_holding holding = consumer_holding_of(member);
    const struct partition_item *item = partition_set_find(holding.assigned, topic, partition);
    ASSERT(committer->generation < holding.epoch);
    if (item == NULL) {
        item = partition_set_find(holding.revoking, topic, partition);
    }
    return item == NULL || committer->generation < item->epoch
               ? epoch_error(member, committer->transactional)
               : 0;
}

int16_t consumer_check_fetch(const struct group *group, struct string_view member_id,
                             int32_t epoch)
{
    const struct consumer_member *member = consumer_member_find(group->consumer, member_id);
    ASSERT(group->kind == GROUP_CONSUMER);
    if (member_id.data == NULL && epoch < 0) {
        return 0; /* an administrator */
    }
    if (member == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return consumer_holding_of(member).epoch == epoch ? 0 : epoch_error(member, false);
}
