/* Whether a ConsumerGroupHeartbeat can be meant, whatever the state of its group. Mirrors
 * throwIfConsumerGroupHeartbeatRequestIsInvalid of GroupCoordinatorService. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_MEMBER_ID 1

static bool is_empty_text(struct string_view text) { return text.data != NULL && text.size == 0; }

static const char *check_join(const struct consumer_group_heartbeat_request *asked)
{
    if (asked->rebalance_timeout_ms == -1) {
        return "RebalanceTimeoutMs must be provided in first request.";
    }
    if (asked->topic_partitions.count != 0) {
        return "TopicPartitions must be empty when (re-)joining.";
    }
    if (asked->subscribed_topic_names.count < 0 && asked->subscribed_topic_regex.data == NULL) {
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    }
    return NULL;
}

static const char *check_request(const struct consumer_group_heartbeat_request *asked,
                                 int16_t version)
{
    bool needs_id = version >= VERSION_WITH_MEMBER_ID || asked->member_epoch > 0 ||
                    asked->member_epoch == CONSUMER_LEAVE_EPOCH;
    if (needs_id && asked->member_id.size == 0) {
        return "MemberId can't be empty.";
    }
    if (asked->group_id.size == 0) {
        return "GroupId can't be empty.";
    }
    if (is_empty_text(asked->instance_id)) {
        return "InstanceId can't be empty.";
    }
    if (is_empty_text(asked->rack_id)) {
        return "RackId can't be empty.";
    }
    if (asked->member_epoch == 0) {
        return check_join(asked);
    }
    if (asked->member_epoch == CONSUMER_LEAVE_STATIC_EPOCH && asked->instance_id.data == NULL) {
        return "InstanceId can't be null.";
    }
    if (asked->member_epoch < CONSUMER_LEAVE_STATIC_EPOCH) {
        return "MemberEpoch is invalid.";
    }
    return NULL;
}

/* "uniform, range" */
static struct string_view assignor_names(const struct assignor *const *assignors, size_t count,
                                         struct arena *arena)
{
    struct string_view text = string_view_of("");
    for (size_t i = 0; i < count; i++) {
        text = arena_format(arena, "%s%s%s", i == 0 ? "" : text.data, i == 0 ? "" : ", ",
                            assignors[i]->name);
        if (text.data == NULL) {
            return string_view_of("");
        }
    }
    return text;
}

int16_t group_heartbeat_check(const struct consumer_group_heartbeat_request *asked,
                              int16_t version, const struct assignor *const *assignors,
                              size_t assignor_count, struct arena *arena,
                              struct string_view *message)
{
    const char *wrong = check_request(asked, version);
    *message = string_view_of(wrong);
    if (wrong != NULL) {
        return KAFKA_INVALID_REQUEST;
    }
    if (asked->server_assignor.data == NULL) {
        return 0;
    }
    for (size_t i = 0; i < assignor_count; i++) {
        if (string_view_is(asked->server_assignor, assignors[i]->name)) {
            return 0;
        }
    }
    *message = arena_format(arena, "ServerAssignor %.*s is not supported. Supported assignors: %s.",
                            (int)asked->server_assignor.size, asked->server_assignor.data,
                            assignor_names(assignors, assignor_count, arena).data);
    return KAFKA_UNSUPPORTED_ASSIGNOR;
}
