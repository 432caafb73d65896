/* AssignReplicasToDirs, by which a broker says in which of its log directories replicas lie. */
#include "base/assert.h"
#include "controller/controller_internal.h"

/* 0, or what is wrong with it. In a directory that the broker does not have the replica is offline;
 * in one that it has, it can lead again. */
static int16_t assign_one(struct controller *controller, struct controller_call *call,
                          const struct image_broker *broker, const struct image_topic *topic,
                          int32_t index, struct uuid id)
{
    if (topic == NULL) {
        return KAFKA_UNKNOWN_TOPIC_ID;
    }
    if (index < 0 || index >= topic->partition_count) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    const struct image_partition *partition = &topic->partitions[index];
    int32_t replica = 0;
    while (replica < partition->replicas.count &&
           partition->replicas.ids[replica] != broker->id) {
        replica++;
    }
    if (replica == partition->replicas.count) {
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    }
    struct uuid *directories = arena_array(call->arena, (size_t)partition->replicas.count,
                                           sizeof *directories);
    if (directories == NULL) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (partition->directories != NULL) {
        memcpy(directories, partition->directories,
               (size_t)partition->replicas.count * sizeof *directories);
        if (uuid_equal(directories[replica], id)) {
            return 0;
        }
    }
    directories[replica] = id;
    struct partition_change_record record;
    partition_change_record_default(&record);
    record.topic_id = topic->id;
    record.partition_id = index;
    record.directories.items = directories;
    record.directories.count = partition->replicas.count;
    ASSERT(record.isr.count < 0 && record.replicas.count < 0);
    controller_add_partition_change(controller, call->records, &record);
    if (!image_broker_has_directory(broker, id)) {
        controller_take_offline(controller, call, topic, index, broker->id);
    } else if (partition->leader < 0 && !broker->fenced) {
        controller_lead_again(controller, call, topic, index, broker->id);
    }
    return 0;
}

static void assign_topic(struct controller *controller, struct controller_call *call,
                         const struct image_broker *broker, struct uuid id,
                         const struct assign_replicas_to_dirs_request_topic_data *asked,
                         struct assign_replicas_to_dirs_response_topic_data *result)
{
    size_t count = asked->partitions.count > 0 ? (size_t)asked->partitions.count : 0;
    result->topic_id = asked->topic_id;
    result->partitions.items = arena_array(call->arena, count, sizeof *result->partitions.items);
    for (size_t i = 0; result->partitions.items != NULL && i < count; i++) {
        int32_t index = asked->partitions.items[i].partition_index;
        result->partitions.items[i].partition_index = index;
        result->partitions.items[i].error_code =
            assign_one(controller, call, broker,
                       image_topic_by_id(controller->image, asked->topic_id), index, id);
        result->partitions.count = (int32_t)i + 1;
    }
}

void controller_assign_directories(struct controller *controller, struct controller_call *call)
{
    const struct assign_replicas_to_dirs_request *asked = call->request;
    struct assign_replicas_to_dirs_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    assign_replicas_to_dirs_response_default(response);
    call->response = response;
    ASSERT(call->records->count == 0);
    const struct image_broker *broker = image_broker_by_id(controller->image, asked->broker_id);
    if (broker == NULL || broker->epoch != asked->broker_epoch) {
        response->error_code = KAFKA_STALE_BROKER_EPOCH;
        return;
    }
    size_t count = asked->directories.count > 0 ? (size_t)asked->directories.count : 0;
    response->directories.items =
        arena_array(call->arena, count, sizeof *response->directories.items);
    for (size_t i = 0; response->directories.items != NULL && i < count; i++) {
        const struct assign_replicas_to_dirs_request_directory_data *from =
            &asked->directories.items[i];
        struct assign_replicas_to_dirs_response_directory_data *to =
            &response->directories.items[i];
        size_t topics = from->topics.count > 0 ? (size_t)from->topics.count : 0;
        to->id = from->id;
        to->topics.items = arena_array(call->arena, topics, sizeof *to->topics.items);
        response->directories.count = (int32_t)i + 1;
        for (size_t j = 0; to->topics.items != NULL && j < topics; j++) {
            assign_topic(controller, call, broker, from->id, &from->topics.items[j],
                         &to->topics.items[j]);
            to->topics.count = (int32_t)j + 1;
        }
    }
}
