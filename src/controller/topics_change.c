/* DeleteTopics, CreatePartitions, ElectLeaders, ListPartitionReassignments. */
#include "base/assert.h"
#include "controller/controller_internal.h"

static void delete_topic(struct controller *controller, struct controller_call *call,
                         const struct delete_topics_request_delete_topic_state *asked,
                         struct delete_topics_response_deletable_topic_result *result)
{
    bool by_id = asked->name.data == NULL;
    *result = (struct delete_topics_response_deletable_topic_result){.name = asked->name,
                                                                     .topic_id = asked->topic_id};
    if (by_id == uuid_is_zero(asked->topic_id)) {
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message =
            string_view_of(by_id ? "Neither topic name nor id were specified."
                                 : "You may not specify both topic name and topic id.");
        return;
    }
    const struct image_topic *topic =
        by_id ? image_topic_by_id(controller->image, asked->topic_id)
              : image_topic_by_name(controller->image, asked->name);
    if (topic == NULL) {
        result->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message =
            string_view_of(by_id ? "This server does not host this topic ID."
                                 : "This server does not host this topic-partition.");
        return;
    }
    struct remove_topic_record record;
    ASSERT(result->error_code == 0 && !uuid_is_zero(topic->id));
    remove_topic_record_default(&record);
    record.topic_id = topic->id;
    controller_records_add(call->records, REMOVE_TOPIC_RECORD_KEY, 0, &remove_topic_record_row,
                           &record);
    result->topic_id = topic->id;
    /* Borrowed from the image that is about to be replaced. */
    result->name = arena_string(call->arena, topic->name);
}

static bool deletes_same(const struct delete_topics_request_delete_topic_state *a,
                         const struct delete_topics_request_delete_topic_state *b)
{
    return a->name.data != NULL ? string_view_equal(a->name, b->name)
                                : b->name.data == NULL && uuid_equal(a->topic_id, b->topic_id);
}

/* Versions below 6 name topics only; they are asked for in the newer form. */
static struct delete_topics_request_delete_topic_state *deletions(
    struct controller_call *call, const struct delete_topics_request *asked, size_t *count)
{
    *count = 0;
    size_t all = (size_t)(asked->topics.count > 0 ? asked->topics.count : 0) +
                 (size_t)(asked->topic_names.count > 0 ? asked->topic_names.count : 0);
    struct delete_topics_request_delete_topic_state *list =
        arena_array(call->arena, all, sizeof *list);
    for (int32_t i = 0; list != NULL && i < asked->topics.count; i++) {
        list[(*count)++] = asked->topics.items[i];
    }
    for (int32_t i = 0; list != NULL && i < asked->topic_names.count; i++) {
        list[(*count)++] =
            (struct delete_topics_request_delete_topic_state){.name = asked->topic_names.items[i]};
    }
    return list;
}

/* Whether a topic that is named here is asked for by its id as well. */
static bool deletes_by_id_too(const struct controller *controller,
                              const struct delete_topics_request_delete_topic_state *list,
                              size_t count, size_t index)
{
    const struct image_topic *topic = image_topic_by_name(controller->image, list[index].name);
    for (size_t i = 0; topic != NULL && i < count; i++) {
        if (list[i].name.data == NULL && uuid_equal(list[i].topic_id, topic->id)) {
            return true;
        }
    }
    return false;
}

/* The topic at index, unless it was answered before. A topic is removed once at most: a second
 * record for it would not replay. */
static void delete_asked(struct controller *controller, struct controller_call *call,
                         const struct delete_topics_request_delete_topic_state *list, size_t count,
                         size_t index, struct delete_topics_response *response)
{
    const struct delete_topics_request_delete_topic_state *asked = &list[index];
    const char *wrong = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i != index && deletes_same(&list[i], asked)) {
            if (i < index) {
                return;
            }
            wrong = asked->name.data != NULL ? "Duplicate topic name." : "Duplicate topic id.";
        }
    }
    if (wrong == NULL && asked->name.data != NULL &&
        deletes_by_id_too(controller, list, count, index)) {
        wrong = "The provided topic name maps to an ID that was already supplied.";
    }
    ASSERT((size_t)response->responses.count < count);
    struct delete_topics_response_deletable_topic_result *result =
        &response->responses.items[response->responses.count++];
    if (wrong == NULL) {
        delete_topic(controller, call, asked, result);
        return;
    }
    *result = (struct delete_topics_response_deletable_topic_result){
        .name = asked->name,
        .topic_id = asked->topic_id,
        .error_code = KAFKA_INVALID_REQUEST,
        .error_message = string_view_of(wrong)};
}

void controller_delete_topics(struct controller *controller, struct controller_call *call)
{
    struct delete_topics_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count;
    struct delete_topics_request_delete_topic_state *list =
        deletions(call, call->request, &count);
    if (response == NULL || list == NULL) {
        return;
    }
    if (count > CONTROLLER_RECORDS_MAX) { /* each is compared with all others */
        call->error = KAFKA_POLICY_VIOLATION;
        return;
    }
    delete_topics_response_default(response);
    response->responses.items =
        arena_array(call->arena, count, sizeof *response->responses.items);
    for (size_t i = 0; response->responses.items != NULL && i < count; i++) {
        delete_asked(controller, call, list, count, i, response);
    }
    call->response = response;
}

struct growth {
    struct controller *controller;
    struct controller_call *call;
    const struct create_partitions_request_create_partitions_topic *asked;
    struct create_partitions_response_create_partitions_topic_result *result;
    const struct image_topic *topic;
};

static bool growth_check(struct growth *growth)
{
    struct create_partitions_response_create_partitions_topic_result *result = growth->result;
    if (growth->topic == NULL) {
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return false;
    }
    int32_t have = growth->topic->partition_count;
    if (growth->asked->count <= have) {
        result->error_code = KAFKA_INVALID_PARTITIONS;
        result->error_message =
            growth->asked->count == have
                ? arena_format(growth->call->arena, "Topic already has %d partition(s).", have)
                : arena_format(growth->call->arena,
                               "The topic %.*s currently has %d partition(s); %d would not be an "
                               "increase.",
                               (int)growth->asked->name.size, growth->asked->name.data, have,
                               growth->asked->count);
        return false;
    }
    if (growth->asked->count > CONTROLLER_RECORDS_MAX) {
        result->error_code = KAFKA_POLICY_VIOLATION;
        return false;
    }
    if (growth->asked->assignments.count >= 0 && /* null: the controller places them */
        growth->asked->assignments.count != growth->asked->count - have) {
        result->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        result->error_message = arena_format(
            growth->call->arena,
            "Attempted to add %d additional partition(s), but only %d assignment(s) were "
            "specified.",
            growth->asked->count - have, growth->asked->assignments.count);
        return false;
    }
    return true;
}

/* All of them before the first record is made. */
static int16_t growth_check_assignments(struct growth *growth, int16_t width)
{
    int16_t error = 0;
    ASSERT(width > 0);
    for (int32_t i = 0; error == 0 && i < growth->asked->assignments.count; i++) {
        const struct create_partitions_request_create_partitions_assignment *given =
            &growth->asked->assignments.items[i];
        error = controller_check_replicas(growth->controller, growth->call,
                                          given->broker_ids.items, given->broker_ids.count, width,
                                          &growth->result->error_message);
    }
    return error;
}

static void growth_add(struct growth *growth, bool validate_only)
{
    const struct image_topic *topic = growth->topic;
    ASSERT(topic != NULL && growth->asked->count > topic->partition_count);
    int16_t width =
        topic->partition_count > 0 ? (int16_t)topic->partitions[0].replicas.count : 1;
    struct placement placement;
    int16_t error = placement_init(&placement, growth->controller, growth->call, width,
                                   &growth->result->error_message);
    if (error != 0 && growth->asked->assignments.count <= 0) {
        growth->result->error_code = error;
        return;
    }
    growth->result->error_message = (struct string_view){NULL, 0};
    error = growth_check_assignments(growth, width);
    if (error != 0) {
        growth->result->error_code = error;
        return;
    }
    for (int32_t i = topic->partition_count; !validate_only && i < growth->asked->count; i++) {
        int32_t *replicas = arena_array(growth->call->arena, (size_t)width, sizeof *replicas);
        struct uuid *directories =
            arena_array(growth->call->arena, (size_t)width, sizeof *directories);
        if (replicas == NULL || directories == NULL) {
            return;
        }
        if (growth->asked->assignments.count > 0) {
            const struct create_partitions_request_create_partitions_assignment *given =
                &growth->asked->assignments.items[i - topic->partition_count];
            ASSERT(given->broker_ids.count == width);
            memcpy(replicas, given->broker_ids.items, (size_t)width * sizeof *replicas);
        } else {
            placement_next(&placement, width, replicas);
        }
        controller_add_new_partition(growth->controller, growth->call, topic->id, i, replicas,
                                     width, directories);
    }
}

void controller_create_partitions(struct controller *controller, struct controller_call *call)
{
    const struct create_partitions_request *asked = call->request;
    struct create_partitions_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response == NULL) {
        return;
    }
    if (count > CONTROLLER_RECORDS_MAX) { /* likewise */
        call->error = KAFKA_POLICY_VIOLATION;
        return;
    }
    create_partitions_response_default(response);
    response->results.items = arena_array(call->arena, count, sizeof *response->results.items);
    for (size_t i = 0; response->results.items != NULL && i < count; i++) {
        struct string_view name = asked->topics.items[i].name;
        bool first = true;
        bool repeated = false;
        for (size_t j = 0; j < count; j++) {
            if (j != i && string_view_equal(asked->topics.items[j].name, name)) {
                repeated = true;
                first &= j > i;
            }
        }
        if (!first) {
            continue; /* answered once */
        }
        struct growth growth = {controller, call, &asked->topics.items[i],
                                &response->results.items[response->results.count++],
                                image_topic_by_name(controller->image, name)};
        growth.result->name = name;
        if (repeated) {
            growth.result->error_code = KAFKA_INVALID_REQUEST;
            growth.result->error_message = string_view_of("Duplicate topic name.");
            continue;
        }
        struct records_mark mark = controller_records_mark(call->records);
        if (growth_check(&growth)) {
            growth_add(&growth, asked->validate_only);
        }
        if (growth.result->error_code != 0) {
            controller_records_return(call->records, mark); /* failed half way: adds nothing */
        }
    }
    call->response = response;
}

static bool ids_have(struct image_ids ids, int32_t id)
{
    for (int32_t i = 0; i < ids.count; i++) {
        if (ids.ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Who may lead as its log has all that was committed: in the ISR, or eligible. */
static bool has_all(const struct image_partition *partition, int32_t id)
{
    return ids_have(partition->isr, id) || ids_have(partition->eligible_leaders, id);
}

/* Who is to lead: the preferred one if it is in sync; else the first that has all, or, as is asked
 * for, the first that is there at all; -1: nobody can. */
static int32_t elect_one(const struct controller *controller,
                         const struct image_partition *partition, bool preferred)
{
    int32_t any = -1;
    for (int32_t i = 0; i < (preferred ? 1 : partition->replicas.count); i++) {
        int32_t id = partition->replicas.ids[i];
        const struct image_broker *broker = image_broker_by_id(controller->image, id);
        if (broker == NULL || broker->fenced || broker->in_controlled_shutdown ||
            !controller_replica_is_online(controller, partition, id)) {
            continue;
        }
        if (preferred ? ids_have(partition->isr, id) : has_all(partition, id)) {
            return id;
        }
        any = any < 0 && !preferred ? id : any;
    }
    return any;
}

#define ELECTION_PREFERRED 0
#define ELECTION_UNCLEAN 1

static bool election_is_known(int8_t type)
{
    return type == ELECTION_PREFERRED || type == ELECTION_UNCLEAN;
}

static int16_t elect(struct controller *controller, struct controller_call *call,
                     struct string_view name, int32_t index, struct string_view *message)
{
    const struct elect_leaders_request *asked = call->request;
    if (!election_is_known(asked->election_type)) {
        *message = arena_format(call->arena, "Unknown election type %d", asked->election_type);
        return KAFKA_INVALID_REQUEST;
    }
    const struct image_topic *topic = image_topic_by_name(controller->image, name);
    if (topic == NULL) {
        *message = arena_format(call->arena, "No such topic as %.*s", (int)name.size, name.data);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (index < 0 || index >= topic->partition_count) {
        *message = arena_format(call->arena, "No such partition as %.*s-%d", (int)name.size,
                                name.data, index);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    const struct image_partition *partition = &topic->partitions[index];
    bool preferred = asked->election_type == ELECTION_PREFERRED;
    ASSERT(partition->replicas.count > 0);
    if (preferred ? partition->leader == partition->replicas.ids[0] : partition->leader >= 0) {
        *message = string_view_of("Leader election not needed for topic partition.");
        return KAFKA_ELECTION_NOT_NEEDED;
    }
    int32_t wanted = elect_one(controller, partition, preferred);
    if (wanted < 0) {
        *message = string_view_of(preferred ? "The preferred leader was not available."
                                            : "Eligible topic partition leaders are not "
                                              "available.");
        return preferred ? KAFKA_PREFERRED_LEADER_NOT_AVAILABLE
                         : KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE;
    }
    ASSERT(partition->leader != wanted);
    if (ids_have(partition->isr, wanted)) {
        controller_add_leader_change(controller, call->records, topic->id, index, wanted);
    } else {
        controller_lead_alone(controller, call, topic, index, wanted,
                              !has_all(partition, wanted));
    }
    return 0;
}

/* Without a list of partitions, all of them: then those that have the leader they should are not
 * worth a word. */
static void elect_topic(struct controller *controller, struct controller_call *call,
                        struct string_view name, const int32_t *partitions, int32_t count,
                        struct elect_leaders_response_replica_election_result *result)
{
    result->topic = arena_string(call->arena, name);
    result->partition_result.items =
        arena_array(call->arena, (size_t)count, sizeof *result->partition_result.items);
    for (int32_t i = 0; result->partition_result.items != NULL && i < count; i++) {
        int32_t index = partitions == NULL ? i : partitions[i];
        struct string_view message = {NULL, 0};
        int16_t error = elect(controller, call, name, index, &message);
        if (error == KAFKA_ELECTION_NOT_NEEDED && partitions == NULL) {
            continue;
        }
        result->partition_result.items[result->partition_result.count++] =
            (struct elect_leaders_response_partition_result){index, error, message};
    }
}

void controller_elect_leaders(struct controller *controller, struct controller_call *call)
{
    const struct elect_leaders_request *asked = call->request;
    struct elect_leaders_response *response = arena_alloc(call->arena, sizeof *response);
    bool all = asked->topic_partitions.count < 0;
    size_t count = all ? image_topic_count(controller->image)
                       : (size_t)asked->topic_partitions.count;
    if (response == NULL) {
        return;
    }
    elect_leaders_response_default(response);
    if (!election_is_known(asked->election_type) && (all || count > 0)) {
        response->error_code = KAFKA_INVALID_REQUEST;
        count = all ? 0 : count;
    }
    response->replica_election_results.items =
        arena_array(call->arena, count, sizeof *response->replica_election_results.items);
    for (size_t i = 0; response->replica_election_results.items != NULL && i < count; i++) {
        struct elect_leaders_response_replica_election_result *result =
            &response->replica_election_results.items[i];
        if (all) {
            const struct image_topic *topic = image_topic_at(controller->image, i);
            elect_topic(controller, call, topic->name, NULL, topic->partition_count, result);
        } else {
            const struct elect_leaders_request_topic_partitions *topic =
                &asked->topic_partitions.items[i];
            elect_topic(controller, call, topic->topic, topic->partitions.items,
                        topic->partitions.count, result);
        }
        response->replica_election_results.count = (int32_t)i + 1;
    }
    call->response = response;
}

void controller_list_reassignments(struct controller *controller, struct controller_call *call)
{
    (void)controller; /* reassignments need a second broker */
    struct list_partition_reassignments_response *response =
        arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        list_partition_reassignments_response_default(response);
        response->error_message = (struct string_view){NULL, 0};
        call->response = response;
    }
}
