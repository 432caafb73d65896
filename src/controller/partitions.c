/* AlterPartition, by which a leader changes its ISR, and AlterPartitionReassignments. */
#include "base/assert.h"
#include "controller/controller_internal.h"

/* One partition of an AlterPartition on its way. */
struct isr_change {
    struct controller *controller;
    struct controller_call *call;
    const struct image_topic *topic;
    const struct alter_partition_request_partition_data *asked;
    int32_t *isr;
    int32_t isr_count;
};

static bool ids_have(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* A member of the new ISR must be alive and of the incarnation that the leader saw. */
static bool isr_member_fits(const struct controller *controller, int32_t id, int64_t epoch)
{
    const struct image_broker *broker = image_broker_by_id(controller->image, id);
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown &&
           (epoch == -1 || epoch == broker->epoch);
}

/* Version 3 carries broker epochs beside the ids, version 2 only ids. */
static bool isr_take(struct isr_change *change)
{
    bool with_epochs = change->call->api_version >= 3;
    int32_t count = with_epochs ? change->asked->new_isr_with_epochs.count
                                : change->asked->new_isr.count;
    change->isr_count = count > 0 ? count : 0;
    change->isr = arena_array(change->call->arena, (size_t)change->isr_count + 1,
                              sizeof *change->isr);
    for (int32_t i = 0; change->isr != NULL && i < change->isr_count; i++) {
        change->isr[i] = with_epochs ? change->asked->new_isr_with_epochs.items[i].broker_id
                                     : change->asked->new_isr.items[i];
    }
    return change->isr != NULL;
}

/* In the order of Apache Kafka's checks. */
static int16_t isr_check(const struct isr_change *change)
{
    const struct alter_partition_request_partition_data *asked = change->asked;
    const struct alter_partition_request *request = change->call->request;
    if (asked->partition_index < 0 || asked->partition_index >= change->topic->partition_count) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    const struct image_partition *partition = &change->topic->partitions[asked->partition_index];
    if (asked->leader_epoch > partition->leader_epoch ||
        asked->partition_epoch > partition->partition_epoch) {
        return KAFKA_NOT_CONTROLLER; /* the sender knows more than this controller */
    }
    if (asked->leader_epoch < partition->leader_epoch) {
        return KAFKA_FENCED_LEADER_EPOCH;
    }
    if (request->broker_id != partition->leader) {
        return KAFKA_INVALID_REQUEST;
    }
    if (asked->partition_epoch < partition->partition_epoch) {
        return KAFKA_INVALID_UPDATE_VERSION;
    }
    bool recovering = asked->leader_recovery_state == 1;
    if (!ids_have(change->isr, change->isr_count, partition->leader) ||
        (recovering && (change->isr_count > 1 || partition->leader_recovery_state == 0))) {
        return KAFKA_INVALID_REQUEST;
    }
    for (int32_t i = 0; i < change->isr_count; i++) {
        if (!ids_have(partition->replicas.ids, partition->replicas.count, change->isr[i]) ||
            ids_have(change->isr, i, change->isr[i])) {
            return KAFKA_INVALID_REQUEST;
        }
    }
    for (int32_t i = 0; i < change->isr_count; i++) {
        int64_t epoch = change->call->api_version >= 3
                            ? asked->new_isr_with_epochs.items[i].broker_epoch
                            : -1;
        if (!isr_member_fits(change->controller, change->isr[i], epoch)) {
            return KAFKA_INELIGIBLE_REPLICA;
        }
    }
    return 0;
}

static void isr_apply(struct isr_change *change,
                      struct alter_partition_response_partition_data *result)
{
    const struct image_partition *partition =
        &change->topic->partitions[change->asked->partition_index];
    bool same_isr = change->isr_count == partition->isr.count;
    for (int32_t i = 0; same_isr && i < change->isr_count; i++) {
        same_isr = change->isr[i] == partition->isr.ids[i];
    }
    bool same_state = change->asked->leader_recovery_state == partition->leader_recovery_state;
    ASSERT(partition->leader >= 0 && change->isr_count > 0);
    result->leader_id = partition->leader;
    result->leader_epoch = partition->leader_epoch;
    result->isr.items = change->isr;
    result->isr.count = change->isr_count;
    result->leader_recovery_state = change->asked->leader_recovery_state;
    result->partition_epoch = partition->partition_epoch;
    if (same_isr && same_state) {
        return;
    }
    struct partition_change_record record;
    partition_change_record_default(&record);
    record.topic_id = change->topic->id;
    record.partition_id = change->asked->partition_index;
    ASSERT(!same_isr || !same_state);
    if (!same_isr) {
        record.isr.items = change->isr;
        record.isr.count = change->isr_count;
    }
    if (!same_state) {
        record.leader_recovery_state = change->asked->leader_recovery_state;
    }
    controller_add_partition_change(change->controller, change->call->records, &record);
    result->partition_epoch++; /* as the replay of the record does */
}

static void alter_partitions(struct controller *controller, struct controller_call *call,
                             const struct alter_partition_request_topic_data *asked,
                             struct alter_partition_response_topic_data *result)
{
    size_t count = asked->partitions.count > 0 ? (size_t)asked->partitions.count : 0;
    result->topic_id = asked->topic_id;
    result->partitions.items = arena_array(call->arena, count, sizeof *result->partitions.items);
    for (size_t i = 0; result->partitions.items != NULL && i < count; i++) {
        struct isr_change change = {.controller = controller,
                                    .call = call,
                                    .topic = image_topic_by_id(controller->image, asked->topic_id),
                                    .asked = &asked->partitions.items[i]};
        struct alter_partition_response_partition_data *data = &result->partitions.items[i];
        data->partition_index = change.asked->partition_index;
        result->partitions.count = (int32_t)i + 1;
        if (change.topic == NULL) {
            data->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        } else if (isr_take(&change)) {
            data->error_code = isr_check(&change);
            if (data->error_code == 0) {
                isr_apply(&change, data);
            }
        }
    }
}

void controller_alter_partition(struct controller *controller, struct controller_call *call)
{
    const struct alter_partition_request *asked = call->request;
    struct alter_partition_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    alter_partition_response_default(response);
    call->response = response;
    ASSERT(call->records->count == 0);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    const struct image_broker *broker = image_broker_by_id(controller->image, asked->broker_id);
    if (count > 0 && (broker == NULL || broker->epoch != asked->broker_epoch)) {
        response->error_code = KAFKA_STALE_BROKER_EPOCH;
        return;
    }
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    for (size_t i = 0; response->topics.items != NULL && i < count; i++) {
        alter_partitions(controller, call, &asked->topics.items[i], &response->topics.items[i]);
        response->topics.count = (int32_t)i + 1;
    }
}

/* The same brokers in another order need no data to move; a null list ends what never began. */
static int16_t reassign(struct controller *controller, struct controller_call *call,
                        struct string_view name,
                        const struct alter_partition_reassignments_request_reassignable_partition
                            *asked,
                        struct string_view *message)
{
    const struct image_topic *topic = image_topic_by_name(controller->image, name);
    if (topic == NULL) {
        *message = arena_format(call->arena, "Unable to find a topic named %.*s.", (int)name.size,
                                name.data);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (asked->partition_index < 0 || asked->partition_index >= topic->partition_count) {
        *message = arena_format(call->arena, "Unable to find partition %.*s:%d.",
                                (int)name.size, name.data, asked->partition_index);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    const struct image_partition *partition = &topic->partitions[asked->partition_index];
    if (asked->replicas.count < 0) {
        return KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
    }
    int16_t error = controller_check_replicas(controller, call, asked->replicas.items,
                                              asked->replicas.count, 0, message);
    if (error != 0) {
        return error;
    }
    bool same_set = asked->replicas.count == partition->replicas.count;
    bool same_order = same_set;
    for (int32_t i = 0; same_set && i < asked->replicas.count; i++) {
        same_set = ids_have(partition->replicas.ids, partition->replicas.count,
                            asked->replicas.items[i]);
        same_order &= partition->replicas.ids[i] == asked->replicas.items[i];
    }
    if (!same_set) {
        *message = string_view_of("Replicas cannot move to other brokers yet.");
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    ASSERT(asked->replicas.count == partition->replicas.count);
    if (!same_order) {
        struct partition_change_record record;
        struct uuid *directories = arena_array(call->arena, (size_t)asked->replicas.count,
                                               sizeof *directories);
        if (directories == NULL) {
            return KAFKA_UNKNOWN_SERVER_ERROR;
        }
        placement_directories(controller, asked->replicas.items, asked->replicas.count,
                              directories);
        partition_change_record_default(&record);
        record.topic_id = topic->id;
        record.partition_id = asked->partition_index;
        record.replicas.items = asked->replicas.items;
        record.replicas.count = asked->replicas.count;
        record.directories.items = directories;
        record.directories.count = asked->replicas.count;
        controller_add_partition_change(controller, call->records, &record);
    }
    return 0;
}

void controller_alter_reassignments(struct controller *controller, struct controller_call *call)
{
    const struct alter_partition_reassignments_request *asked = call->request;
    struct alter_partition_reassignments_response *response =
        arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    alter_partition_reassignments_response_default(response);
    if (asked->topics.count > 0) { /* else it stays the empty text of the default, as there */
        response->error_message = (struct string_view){NULL, 0};
    }
    response->allow_replication_factor_change = asked->allow_replication_factor_change;
    call->response = response;
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    response->responses.items =
        arena_array(call->arena, count, sizeof *response->responses.items);
    for (size_t i = 0; response->responses.items != NULL && i < count; i++) {
        const struct alter_partition_reassignments_request_reassignable_topic *topic =
            &asked->topics.items[i];
        struct alter_partition_reassignments_response_reassignable_topic_response *result =
            &response->responses.items[i];
        size_t partitions = topic->partitions.count > 0 ? (size_t)topic->partitions.count : 0;
        result->name = topic->name;
        result->partitions.items =
            arena_array(call->arena, partitions, sizeof *result->partitions.items);
        for (size_t j = 0; result->partitions.items != NULL && j < partitions; j++) {
            result->partitions.items[j].partition_index =
                topic->partitions.items[j].partition_index;
            result->partitions.items[j].error_code =
                reassign(controller, call, topic->name, &topic->partitions.items[j],
                         &result->partitions.items[j].error_message);
            result->partitions.count = (int32_t)j + 1;
        }
        response->responses.count = (int32_t)i + 1;
    }
}
