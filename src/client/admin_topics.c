/* admin_topics.c: create, delete, extend, list and describe topics. */
#include <stdlib.h>

#include "client/admin.h"
#include "protocol/error.h"

static struct bnb_ids topic_ids(const int32_t *items, int32_t count)
{
    return (struct bnb_ids){items, count > 0 ? count : 0};
}

/* ---- outcomes ---- */

/* Names that were asked about, by name and then by place. */
struct asked {
    const char *name;
    int32_t place;
};

static int asked_order(const void *a, const void *b)
{
    const struct asked *left = a;
    const struct asked *right = b;
    int by_name = strcmp(left->name, right->name);
    return by_name != 0 ? by_name : left->place < right->place ? -1 : left->place > right->place;
}

/* Which of count names come for the first time: a controller is asked about each once, as Java's
 * client does. NULL and error set: no memory. */
static bool *names_first(struct bnb_memory *memory, const char *const *names, int32_t count,
                         struct bnb_error *error)
{
    bool *first = admin_array(memory, count, sizeof *first, error);
    struct asked *asked = admin_array(memory, count, sizeof *asked, error);
    if (first == NULL || asked == NULL) {
        return NULL;
    }
    for (int32_t i = 0; i < count; i++) {
        asked[i] = (struct asked){names[i], i};
    }
    qsort(asked, (size_t)count, sizeof *asked, asked_order);
    for (int32_t i = 0; i < count; i++) {
        first[asked[i].place] = i == 0 || strcmp(asked[i - 1].name, asked[i].name) != 0;
    }
    return first;
}

static int outcome_by_name(const void *a, const void *b)
{
    return strcmp(((const struct bnb_topic_outcome *)a)->name,
                  ((const struct bnb_topic_outcome *)b)->name);
}

/* What was answered about each of count names, in their order; answered gets sorted. */
static int outcomes_for(struct bnb_memory *memory, const char *const *names, int32_t count,
                        struct bnb_topic_outcome *answered, int32_t answered_count,
                        const struct bnb_topic_outcome **outcomes, struct bnb_error *error)
{
    struct bnb_topic_outcome *made = admin_array(memory, count, sizeof *made, error);
    if (made == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    qsort(answered, (size_t)answered_count, sizeof *answered, outcome_by_name);
    for (int32_t i = 0; i < count; i++) {
        made[i] = (struct bnb_topic_outcome){.name = names[i]};
        const struct bnb_topic_outcome *found =
            bsearch(&made[i], answered, (size_t)answered_count, sizeof *answered, outcome_by_name);
        if (found != NULL) {
            made[i] = *found;
        } else {
            made[i].code = BNB_ERROR_CORRUPT;
            made[i].error_text = "the controller's response says nothing of it";
        }
    }
    *outcomes = made;
    return 0;
}

/* Adds one outcome to count, unless it is nobody's. */
static void outcome_add(struct bnb_memory *memory, struct bnb_topic_outcome *answered,
                        int32_t *count, struct string_view name, struct uuid id,
                        int16_t error_code, struct string_view error_message)
{
    const char *copy = memory_string(memory, name);
    if (copy != NULL) {
        answered[(*count)++] =
            (struct bnb_topic_outcome){copy, admin_uuid(id), admin_code(error_code),
                                       admin_text(memory, error_code, error_message)};
    }
}

/* ---- create, delete, extend ---- */

static int topic_fill_new(struct bnb_memory *memory, const struct bnb_new_topic *from,
                          struct create_topics_request_creatable_topic *to,
                          struct bnb_error *error)
{
    to->name = string_view_of(from->name);
    to->num_partitions = from->assignment_count > 0 ? -1 : from->partition_count;
    to->replication_factor = from->assignment_count > 0 ? -1 : from->replication_factor;
    to->assignments.items =
        admin_array(memory, from->assignment_count, sizeof *to->assignments.items, error);
    to->configs.items = admin_array(memory, from->setting_count, sizeof *to->configs.items, error);
    if (to->assignments.items == NULL || to->configs.items == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    to->assignments.count = from->assignment_count;
    for (int32_t i = 0; i < from->assignment_count; i++) {
        to->assignments.items[i].partition_index = i;
        to->assignments.items[i].broker_ids.items = (int32_t *)from->assignments[i].ids;
        to->assignments.items[i].broker_ids.count = from->assignments[i].count;
    }
    to->configs.count = from->setting_count;
    for (int32_t i = 0; i < from->setting_count; i++) {
        to->configs.items[i].name = string_view_of(from->settings[i].name);
        to->configs.items[i].value = string_view_of(from->settings[i].value);
    }
    return 0;
}

/* Fills in those that come for the first time. */
static int create_fill(struct bnb_memory *memory, const struct bnb_new_topic *topics,
                       const char *const *names, int32_t count,
                       struct create_topics_request *request, struct bnb_error *error)
{
    const bool *first = names_first(memory, names, count, error);
    int result = first == NULL ? BNB_ERROR_NO_MEMORY : 0;
    for (int32_t i = 0; i < count && result == 0; i++) {
        if (first[i]) {
            result = topic_fill_new(memory, &topics[i],
                                    &request->topics.items[request->topics.count++], error);
        }
    }
    return result;
}

int bnb_admin_create_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                            const struct bnb_new_topic *topics, int32_t count, bool validate_only,
                            const struct bnb_topic_outcome **outcomes, struct bnb_error *error)
{
    struct create_topics_request request;
    create_topics_request_default(&request);
    request.timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.validate_only = validate_only;
    request.topics.items = admin_array(memory, count, sizeof *request.topics.items, error);
    const char **names = admin_array(memory, count, sizeof *names, error);
    if (request.topics.items == NULL || names == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = topics[i].name;
    }
    int result = create_fill(memory, topics, names, count, &request, error);
    if (result != 0) {
        return result;
    }
    struct create_topics_response *response;
    result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_CREATE_TOPICS,
                            &create_topics_request_row, &request, &create_topics_response_row,
                            &response, error);
    if (result != 0) {
        return result;
    }
    struct bnb_topic_outcome *answered =
        admin_array(memory, response->topics.count, sizeof *answered, error);
    int32_t answered_count = 0;
    for (int32_t i = 0; answered != NULL && i < response->topics.count; i++) {
        const struct create_topics_response_creatable_topic_result *topic =
            &response->topics.items[i];
        outcome_add(memory, answered, &answered_count, topic->name, topic->topic_id,
                    topic->error_code, topic->error_message);
    }
    return answered == NULL ? BNB_ERROR_NO_MEMORY
                            : outcomes_for(memory, names, count, answered, answered_count,
                                           outcomes, error);
}

static void delete_prepare(struct client_request *request, int16_t version)
{
    /* Before version 6 names are a list of their own. */
    struct delete_topics_request *message = (struct delete_topics_request *)request->request;
    if (version >= 6) {
        message->topic_names.count = 0;
    } else {
        message->topics.count = 0;
    }
}

int bnb_admin_delete_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                            const char *const *names, int32_t count,
                            const struct bnb_topic_outcome **outcomes, struct bnb_error *error)
{
    struct delete_topics_request request;
    delete_topics_request_default(&request);
    request.timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.topics.items = admin_array(memory, count, sizeof *request.topics.items, error);
    request.topic_names.items =
        admin_array(memory, count, sizeof *request.topic_names.items, error);
    const bool *first = names_first(memory, names, count, error);
    if (request.topics.items == NULL || request.topic_names.items == NULL || first == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        if (first[i]) {
            request.topics.items[request.topics.count++].name = string_view_of(names[i]);
            request.topic_names.items[request.topic_names.count++] = string_view_of(names[i]);
        }
    }
    struct client_call call = {
        .target = CLIENT_NODE_CONTROLLER,
        .api_key = API_DELETE_TOPICS,
        .request_row = &delete_topics_request_row,
        .request = &request,
        .response_row = &delete_topics_response_row,
        .arena = &memory->arena,
        .timeout_ms = admin->timeout_ms,
        .prepare = delete_prepare,
    };
    struct delete_topics_response *response;
    int result = client_call(admin->client, &call, &response, error);
    if (result != 0) {
        return result;
    }
    struct bnb_topic_outcome *answered =
        admin_array(memory, response->responses.count, sizeof *answered, error);
    int32_t answered_count = 0;
    for (int32_t i = 0; answered != NULL && i < response->responses.count; i++) {
        const struct delete_topics_response_deletable_topic_result *topic =
            &response->responses.items[i];
        outcome_add(memory, answered, &answered_count, topic->name, topic->topic_id,
                    topic->error_code, topic->error_message);
    }
    return answered == NULL ? BNB_ERROR_NO_MEMORY
                            : outcomes_for(memory, names, count, answered, answered_count,
                                           outcomes, error);
}

int bnb_admin_create_partitions(struct bnb_admin *admin, struct bnb_memory *memory,
                                const struct bnb_new_partitions *topics, int32_t count,
                                const struct bnb_topic_outcome **outcomes,
                                struct bnb_error *error)
{
    struct create_partitions_request request;
    create_partitions_request_default(&request);
    request.timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.topics.items = admin_array(memory, count, sizeof *request.topics.items, error);
    const char **names = admin_array(memory, count, sizeof *names, error);
    for (int32_t i = 0; names != NULL && i < count; i++) {
        names[i] = topics[i].topic;
    }
    const bool *first = names != NULL ? names_first(memory, names, count, error) : NULL;
    if (request.topics.items == NULL || first == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        if (!first[i]) {
            continue;
        }
        struct create_partitions_request_create_partitions_topic *to =
            &request.topics.items[request.topics.count++];
        to->name = string_view_of(topics[i].topic);
        to->count = topics[i].total_count;
        to->assignments.count = topics[i].assignments == NULL ? -1 : topics[i].assignment_count;
        if (to->assignments.count > 0) {
            to->assignments.items = admin_array(memory, to->assignments.count,
                                                sizeof *to->assignments.items, error);
        }
        for (int32_t a = 0; a < to->assignments.count && to->assignments.items != NULL; a++) {
            to->assignments.items[a].broker_ids.items =
                (int32_t *)topics[i].assignments[a].ids;
            to->assignments.items[a].broker_ids.count = topics[i].assignments[a].count;
        }
    }
    struct create_partitions_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_CREATE_PARTITIONS,
                            &create_partitions_request_row, &request,
                            &create_partitions_response_row, &response, error);
    if (result != 0) {
        return result;
    }
    struct bnb_topic_outcome *answered =
        admin_array(memory, response->results.count, sizeof *answered, error);
    int32_t answered_count = 0;
    for (int32_t i = 0; answered != NULL && i < response->results.count; i++) {
        const struct create_partitions_response_create_partitions_topic_result *topic =
            &response->results.items[i];
        outcome_add(memory, answered, &answered_count, topic->name, (struct uuid){{0}},
                    topic->error_code, topic->error_message);
    }
    return answered == NULL ? BNB_ERROR_NO_MEMORY
                            : outcomes_for(memory, names, count, answered, answered_count,
                                           outcomes, error);
}

/* ---- list and describe ---- */

static int topic_by_name(const void *a, const void *b)
{
    return strcmp(((const struct bnb_topic *)a)->name, ((const struct bnb_topic *)b)->name);
}

static int partition_by_id(const void *a, const void *b)
{
    int32_t left = ((const struct bnb_partition *)a)->id;
    int32_t right = ((const struct bnb_partition *)b)->id;
    return left < right ? -1 : left > right;
}

/* A topic without a name is left out: nobody could ask for it. */
static int topics_from_metadata(struct bnb_memory *memory, const struct metadata_response *metadata,
                                struct bnb_topic **made, int32_t *count, struct bnb_error *error)
{
    struct bnb_topic *topics = admin_array(memory, metadata->topics.count, sizeof *topics, error);
    *count = 0;
    for (int32_t i = 0; topics != NULL && i < metadata->topics.count; i++) {
        const struct metadata_response_metadata_response_topic *from = &metadata->topics.items[i];
        struct bnb_partition *partitions =
            admin_array(memory, from->partitions.count, sizeof *partitions, error);
        if (partitions == NULL) {
            return BNB_ERROR_NO_MEMORY;
        }
        if (from->name.data == NULL) {
            continue;
        }
        for (int32_t p = 0; p < from->partitions.count; p++) {
            const struct metadata_response_metadata_response_partition *partition =
                &from->partitions.items[p];
            partitions[p] = (struct bnb_partition){
                .id = partition->partition_index,
                .leader = partition->leader_id,
                .leader_epoch = partition->leader_epoch,
                .replicas = topic_ids(partition->replica_nodes.items,
                                      partition->replica_nodes.count),
                .isr = topic_ids(partition->isr_nodes.items, partition->isr_nodes.count),
            };
        }
        if (from->partitions.count > 0) {
            qsort(partitions, (size_t)from->partitions.count, sizeof *partitions, partition_by_id);
        }
        topics[(*count)++] = (struct bnb_topic){
            .name = memory_string(memory, from->name),
            .id = admin_uuid(from->topic_id),
            .is_internal = from->is_internal,
            .code = admin_code(from->error_code),
            .error_text = admin_text(memory, from->error_code, (struct string_view){NULL, 0}),
            .partitions = partitions,
            .partition_count = from->partitions.count > 0 ? from->partitions.count : 0,
        };
    }
    *made = topics;
    return topics != NULL ? 0 : BNB_ERROR_NO_MEMORY;
}

int bnb_admin_list_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                          const struct bnb_topic **topics, int32_t *count, struct bnb_error *error)
{
    struct metadata_response *metadata;
    struct bnb_topic *made = NULL;
    int result = client_call_metadata(admin->client, &memory->arena, NULL, 0, false,
                                      admin->timeout_ms, &metadata, error);
    if (result == 0) {
        result = topics_from_metadata(memory, metadata, &made, count, error);
    }
    if (result == 0) {
        qsort(made, (size_t)*count, sizeof *made, topic_by_name);
        *topics = made;
    }
    return result;
}

/* Adds one page of a description to the topic that it belongs to. */
static int describe_merge(
    struct bnb_memory *memory, struct bnb_topic *topic,
    const struct describe_topic_partitions_response_describe_topic_partitions_response_topic *from,
    struct bnb_error *error)
{
    int32_t total = topic->partition_count + (from->partitions.count > 0 ? from->partitions.count
                                                                         : 0);
    struct bnb_partition *partitions = admin_array(memory, total, sizeof *partitions, error);
    if (partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    if (topic->partition_count > 0) {
        memcpy(partitions, topic->partitions,
               (size_t)topic->partition_count * sizeof *partitions);
    }
    for (int32_t p = 0; p < from->partitions.count; p++) {
        const struct
            describe_topic_partitions_response_describe_topic_partitions_response_partition *one =
                &from->partitions.items[p];
        partitions[topic->partition_count + p] = (struct bnb_partition){
            .id = one->partition_index,
            .leader = one->leader_id,
            .leader_epoch = one->leader_epoch,
            .replicas = topic_ids(one->replica_nodes.items, one->replica_nodes.count),
            .isr = topic_ids(one->isr_nodes.items, one->isr_nodes.count),
            .has_eligible_leaders = one->eligible_leader_replicas.count >= 0,
            .eligible_leaders = topic_ids(one->eligible_leader_replicas.items,
                                          one->eligible_leader_replicas.count),
            .last_known_eligible_leaders =
                topic_ids(one->last_known_elr.items, one->last_known_elr.count),
        };
    }
    qsort(partitions, (size_t)total, sizeof *partitions, partition_by_id);
    topic->partitions = partitions;
    topic->partition_count = total;
    topic->id = admin_uuid(from->topic_id);
    topic->is_internal = from->is_internal;
    topic->code = admin_code(from->error_code);
    topic->error_text = admin_text(memory, from->error_code, (struct string_view){NULL, 0});
    return 0;
}

static int describe_page(struct bnb_admin *admin, struct bnb_memory *memory,
                         struct describe_topic_partitions_request *request,
                         struct bnb_topic *topics, int32_t count,
                         struct describe_topic_partitions_response **page, struct bnb_error *error)
{
    struct describe_topic_partitions_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_ANY, API_DESCRIBE_TOPIC_PARTITIONS,
                            &describe_topic_partitions_request_row, request,
                            &describe_topic_partitions_response_row, &response, error);
    *page = response;
    for (int32_t i = 0; result == 0 && i < response->topics.count; i++) {
        for (int32_t t = 0; result == 0 && t < count; t++) {
            if (string_view_is(response->topics.items[i].name, topics[t].name)) {
                result = describe_merge(memory, &topics[t], &response->topics.items[i], error);
            }
        }
    }
    return result;
}

/* Brokers before 3.8 have no DescribeTopicPartitions. */
static int describe_by_metadata(struct bnb_admin *admin, struct bnb_memory *memory,
                                struct bnb_topic *topics, int32_t count, struct bnb_error *error)
{
    struct string_view *names = admin_array(memory, count, sizeof *names, error);
    struct metadata_response *metadata;
    struct bnb_topic *found;
    int32_t found_count = 0;
    if (names == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = string_view_of(topics[i].name);
    }
    int result = client_call_metadata(admin->client, &memory->arena, names, count, false,
                                      admin->timeout_ms, &metadata, error);
    if (result == 0) {
        result = topics_from_metadata(memory, metadata, &found, &found_count, error);
    }
    for (int32_t i = 0; result == 0 && i < found_count; i++) {
        for (int32_t t = 0; t < count; t++) {
            if (strcmp(found[i].name, topics[t].name) == 0) {
                topics[t] = found[i];
            }
        }
    }
    return result;
}

int bnb_admin_describe_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                              const char *const *names, int32_t count, int32_t partition_limit,
                              const struct bnb_topic **topics, struct bnb_error *error)
{
    struct bnb_topic *made = admin_array(memory, count, sizeof *made, error);
    struct describe_topic_partitions_request request;
    describe_topic_partitions_request_default(&request);
    request.topics.items = admin_array(memory, count, sizeof *request.topics.items, error);
    if (made == NULL || request.topics.items == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    request.topics.count = count;
    request.response_partition_limit = partition_limit > 0 ? partition_limit : 2000;
    for (int32_t i = 0; i < count; i++) {
        request.topics.items[i].name = string_view_of(names[i]);
        made[i] = (struct bnb_topic){.name = names[i],
                                     .code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                     .error_text =
                                         client_error_text(KAFKA_UNKNOWN_TOPIC_OR_PARTITION)};
    }
    struct describe_topic_partitions_request_cursor cursor;
    int result = 0;
    for (bool more = count > 0; more && result == 0;) {
        struct describe_topic_partitions_response *page;
        result = describe_page(admin, memory, &request, made, count, &page, error);
        more = result == 0 && page->next_cursor != NULL;
        if (more) {
            cursor.topic_name = page->next_cursor->topic_name;
            cursor.partition_index = page->next_cursor->partition_index;
            request.cursor = &cursor;
        }
    }
    if (result == BNB_ERROR_UNSUPPORTED) {
        result = describe_by_metadata(admin, memory, made, count, error);
    }
    *topics = made;
    return result;
}

int bnb_admin_list_reassignments(struct bnb_admin *admin, struct bnb_memory *memory,
                                 const struct bnb_reassignment **reassignments, int32_t *count,
                                 struct bnb_error *error)
{
    struct list_partition_reassignments_request request;
    list_partition_reassignments_request_default(&request);
    request.topics.count = -1;
    struct list_partition_reassignments_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER,
                            API_LIST_PARTITION_REASSIGNMENTS,
                            &list_partition_reassignments_request_row, &request,
                            &list_partition_reassignments_response_row, &response, error);
    if (result != 0) {
        return result;
    }
    if (response->error_code != 0) {
        return client_error_kafka(error, response->error_code, response->error_message);
    }
    int32_t total = 0;
    for (int32_t i = 0; i < response->topics.count; i++) {
        total += response->topics.items[i].partitions.count;
    }
    struct bnb_reassignment *made = admin_array(memory, total, sizeof *made, error);
    if (made == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    *count = 0;
    for (int32_t i = 0; i < response->topics.count; i++) {
        const char *name = memory_string(memory, response->topics.items[i].name);
        for (int32_t p = 0; p < response->topics.items[i].partitions.count; p++) {
            const struct list_partition_reassignments_response_ongoing_partition_reassignment
                *one = &response->topics.items[i].partitions.items[p];
            made[(*count)++] = (struct bnb_reassignment){
                name, one->partition_index,
                topic_ids(one->replicas.items, one->replicas.count),
                topic_ids(one->adding_replicas.items, one->adding_replicas.count),
                topic_ids(one->removing_replicas.items, one->removing_replicas.count)};
        }
    }
    *reassignments = made;
    return 0;
}
