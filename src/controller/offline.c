/* Replicas in log directories that have failed: they leave the ISR and, where they lead, the
 * leadership (KIP-858), until their broker registers with the directory again. */
#include <stdlib.h>

#include "base/assert.h"
#include "controller/controller_internal.h"

#define TOPIC_RESOURCE 2
#define BROKER_RESOURCE 4

static bool ids_have(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool uuids_have(const struct uuid *ids, int32_t count, struct uuid id)
{
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(ids[i], id)) {
            return true;
        }
    }
    return false;
}

/* The directory of a broker's replica; zero, which says nothing, where none is assigned. */
static struct uuid directory_of(const struct image_partition *partition, int32_t broker_id)
{
    for (int32_t i = 0; partition->directories != NULL && i < partition->replicas.count; i++) {
        if (partition->replicas.ids[i] == broker_id) {
            return partition->directories[i];
        }
    }
    return (struct uuid){{0}};
}

bool controller_replica_is_online(const struct controller *controller,
                                  const struct image_partition *partition, int32_t broker_id)
{
    const struct image_broker *broker = image_broker_by_id(controller->image, broker_id);
    ASSERT(partition->replicas.count > 0);
    return broker != NULL &&
           image_broker_has_directory(broker, directory_of(partition, broker_id));
}

/* As many as must be in sync; with fewer, those that were are remembered as eligible. */
static int32_t min_isr(const struct controller *controller, const struct image_topic *topic,
                       const struct image_partition *partition)
{
    struct string_view name = string_view_of("min.insync.replicas");
    struct string_view text;
    char digits[16] = "";
    long count = controller->options.min_insync_replicas;
    if ((image_setting(controller->image, TOPIC_RESOURCE, topic->name, name, &text) ||
         image_setting(controller->image, BROKER_RESOURCE, string_view_of(""), name, &text)) &&
        text.size < sizeof digits) {
        memcpy(digits, text.data, text.size);
        count = strtol(digits, NULL, 10);
    }
    ASSERT(partition->replicas.count > 0);
    return count < 1                           ? 1
           : count > partition->replicas.count ? partition->replicas.count
                                               : (int32_t)count;
}

/* What a partition becomes without a replica. The lists have room for all replicas. */
struct departure {
    struct controller *controller;
    const struct image_partition *partition;
    int32_t gone;
    int32_t leader;
    int32_t isr_count;
    int32_t eligible_count;
    int32_t *isr;
    int32_t *eligible;
};

static bool may_lead(const struct departure *departure, int32_t id)
{
    const struct image_broker *broker = image_broker_by_id(departure->controller->image, id);
    return id != departure->gone && broker != NULL && !broker->fenced &&
           !broker->in_controlled_shutdown &&
           controller_replica_is_online(departure->controller, departure->partition, id);
}

/* The first replica that is in sync, or, with none of those, eligible; -1: none can. */
static int32_t leader_without(const struct departure *departure)
{
    const struct image_ids *replicas = &departure->partition->replicas;
    if (departure->partition->leader != departure->gone) {
        return departure->partition->leader;
    }
    for (int32_t i = 0; i < replicas->count; i++) {
        int32_t id = replicas->ids[i];
        if (may_lead(departure, id) &&
            (departure->isr_count > 0
                 ? ids_have(departure->isr, departure->isr_count, id)
                 : ids_have(departure->eligible, departure->eligible_count, id))) {
            return id;
        }
    }
    return -1;
}

/* The ISR without the replica; who stays eligible, the replica itself too; who leads. */
static void departure_settle(struct departure *departure, int32_t wanted_in_sync)
{
    const struct image_partition *partition = departure->partition;
    for (int32_t i = 0; i < partition->isr.count; i++) {
        if (partition->isr.ids[i] != departure->gone) {
            departure->isr[departure->isr_count++] = partition->isr.ids[i];
        }
    }
    for (int32_t i = 0; departure->isr_count < wanted_in_sync && i < partition->replicas.count;
         i++) {
        int32_t id = partition->replicas.ids[i];
        bool was = ids_have(partition->isr.ids, partition->isr.count, id) ||
                   ids_have(partition->eligible_leaders.ids, partition->eligible_leaders.count, id);
        if (was && !ids_have(departure->isr, departure->isr_count, id)) {
            departure->eligible[departure->eligible_count++] = id;
        }
    }
    departure->leader = leader_without(departure);
    if (departure->leader >= 0 && departure->isr_count == 0) {
        int32_t kept = 0;
        departure->isr[departure->isr_count++] = departure->leader;
        for (int32_t i = 0; i < departure->eligible_count; i++) {
            if (departure->eligible[i] != departure->leader) {
                departure->eligible[kept++] = departure->eligible[i];
            }
        }
        departure->eligible_count = kept;
    }
    ASSERT(departure->isr_count + departure->eligible_count <= partition->replicas.count);
}

static bool same_ids(struct image_ids known, const int32_t *ids, int32_t count)
{
    bool same = known.count == count;
    for (int32_t i = 0; same && i < count; i++) {
        same = known.ids[i] == ids[i];
    }
    return same;
}

/* With eligible leader replicas (KIP-966): the lists of those, where they change. */
static void departure_fill_eligible(const struct departure *departure, int32_t *old_leader,
                                    struct partition_change_record *record)
{
    const struct image_partition *partition = departure->partition;
    if (!same_ids(partition->eligible_leaders, departure->eligible, departure->eligible_count)) {
        record->eligible_leader_replicas.items = departure->eligible;
        record->eligible_leader_replicas.count = departure->eligible_count;
    }
    if (departure->leader < 0 && partition->leader >= 0 &&
        partition->last_known_eligible_leaders.count == 0) {
        *old_leader = partition->leader;
        record->last_known_elr.items = old_leader;
        record->last_known_elr.count = 1;
    }
}

void controller_take_offline(struct controller *controller, struct controller_call *call,
                             const struct image_topic *topic, int32_t index, int32_t broker_id)
{
    const struct image_partition *partition = &topic->partitions[index];
    size_t count = (size_t)partition->replicas.count;
    bool remembers =
        image_feature_level(controller->image, "eligible.leader.replicas.version") > 0;
    bool leads = partition->leader == broker_id;
    /* Where nothing else remembers it, the last one in sync stays that. */
    bool leaves = ids_have(partition->isr.ids, partition->isr.count, broker_id) &&
                  (remembers || partition->isr.count > 1);
    int32_t *room = arena_array(call->arena, 2 * count + 1, sizeof *room);
    struct departure departure = {.controller = controller,
                                  .partition = partition,
                                  .gone = broker_id,
                                  .isr = room,
                                  .eligible = room + count};
    struct partition_change_record record;
    if (room == NULL || (!leads && !leaves)) {
        return;
    }
    departure_settle(&departure, remembers ? min_isr(controller, topic, partition) : 0);
    partition_change_record_default(&record);
    record.topic_id = topic->id;
    record.partition_id = index;
    if (departure.leader != partition->leader) {
        record.leader = departure.leader;
    }
    if (leaves) {
        record.isr.items = departure.isr;
        record.isr.count = departure.isr_count;
    }
    if (remembers) {
        departure_fill_eligible(&departure, room + 2 * count, &record);
    }
    controller_add_partition_change(controller, call->records, &record);
}

static void forget_one(struct controller *controller, struct controller_call *call,
                       const struct image_topic *topic, int32_t index, int32_t broker_id)
{
    const struct image_ids *eligible = &topic->partitions[index].eligible_leaders;
    struct partition_change_record record;
    int32_t *left = arena_array(call->arena, (size_t)eligible->count, sizeof *left);
    if (left == NULL || !ids_have(eligible->ids, eligible->count, broker_id)) {
        return;
    }
    partition_change_record_default(&record);
    record.topic_id = topic->id;
    record.partition_id = index;
    record.eligible_leader_replicas.items = left;
    record.eligible_leader_replicas.count = 0;
    for (int32_t i = 0; i < eligible->count; i++) {
        if (eligible->ids[i] != broker_id) {
            left[record.eligible_leader_replicas.count++] = eligible->ids[i];
        }
    }
    ASSERT(record.eligible_leader_replicas.count < eligible->count);
    controller_add_partition_change(controller, call->records, &record);
}

void controller_forget_eligible(struct controller *controller, struct controller_call *call,
                                int32_t broker_id)
{
    ASSERT(call->records->count == 0);
    for (size_t i = 0; i < image_topic_count(controller->image); i++) {
        const struct image_topic *topic = image_topic_at(controller->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            if (topic->partitions[j].eligible_leaders.count > 0) {
                forget_one(controller, call, topic, j, broker_id);
            }
        }
    }
}

/* Those of the broker's directories that are not said to have failed; how many. */
static int32_t directories_left(const struct image_broker *broker, const struct uuid *failed,
                                int32_t failed_count, struct uuid *left)
{
    int32_t count = 0;
    for (int32_t i = 0; i < broker->directory_count; i++) {
        if (!uuids_have(failed, failed_count, broker->directories[i])) {
            left[count++] = broker->directories[i];
        }
    }
    return count;
}

bool controller_fail_directories(struct controller *controller, struct controller_call *call,
                                 const struct image_broker *broker, const struct uuid *failed,
                                 int32_t failed_count)
{
    struct uuid *left = arena_array(call->arena, (size_t)broker->directory_count + 1,
                                    sizeof *left);
    struct broker_registration_change_record record;
    int32_t count = left == NULL
                        ? broker->directory_count
                        : directories_left(broker, failed, failed_count, left);
    if (count == broker->directory_count) {
        return false;
    }
    ASSERT(failed_count > 0 && count < broker->directory_count);
    for (size_t i = 0; i < image_topic_count(controller->image); i++) {
        const struct image_topic *topic = image_topic_at(controller->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            struct uuid directory = directory_of(&topic->partitions[j], broker->id);
            if (uuids_have(failed, failed_count, directory) &&
                uuids_have(broker->directories, broker->directory_count, directory)) {
                controller_take_offline(controller, call, topic, j, broker->id);
            }
        }
    }
    if (count > 0) { /* an empty list would mean that nothing changes */
        broker_registration_change_record_default(&record);
        record.broker_id = broker->id;
        record.broker_epoch = broker->epoch;
        record.log_dirs.items = left;
        record.log_dirs.count = count;
        controller_records_add(call->records, BROKER_REGISTRATION_CHANGE_RECORD_KEY, 2,
                               &broker_registration_change_record_row, &record);
    }
    return true;
}
