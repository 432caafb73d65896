/* admin_group_describe.c: groups of consumers and their members. Each group is asked about by the
 * newer protocol first, and by the classic one when it is not of that. */
#include <stdlib.h>

#include "base/reader.h"
#include "client/admin_groups.h"
#include "protocol/error.h"

static int partitions_order(const void *a, const void *b)
{
    const struct bnb_topic_partition *left = a;
    const struct bnb_topic_partition *right = b;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* Sorted, each once. */
static int32_t partitions_settle(struct bnb_topic_partition *partitions, int32_t count)
{
    int32_t kept = 0;
    if (count > 0) {
        qsort(partitions, (size_t)count, sizeof *partitions, partitions_order);
    }
    for (int32_t i = 0; i < count; i++) {
        if (kept == 0 || partitions_order(&partitions[i], &partitions[kept - 1]) != 0) {
            partitions[kept++] = partitions[i];
        }
    }
    return kept;
}

/* What both protocols tell of a group; there are no epochs yet. */
static struct bnb_group group_at(const struct group_place *place,
                                 const struct bnb_group_member *members, int32_t member_count)
{
    return (struct bnb_group){
        .id = place->id,
        .error_text = "",
        .epoch = -1,
        .target_epoch = -1,
        .coordinator = place->node,
        .coordinator_host = place->host,
        .coordinator_port = place->port,
        .members = members,
        .member_count = member_count,
    };
}

/* ---- the newer protocol ---- */

static struct bnb_topic_partition *
newer_partitions(struct group_job *job,
                 const struct consumer_group_describe_response_assignment *assignment,
                 int32_t *count, struct bnb_error *error)
{
    int32_t total = 0;
    for (int32_t i = 0; i < assignment->topic_partitions.count; i++) {
        total += assignment->topic_partitions.items[i].partitions.count;
    }
    struct bnb_topic_partition *made = admin_array(job->memory, total, sizeof *made, error);
    *count = 0;
    for (int32_t i = 0; made != NULL && i < assignment->topic_partitions.count; i++) {
        const struct consumer_group_describe_response_topic_partitions *topic =
            &assignment->topic_partitions.items[i];
        const char *name = memory_string(job->memory, topic->topic_name);
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            made[(*count)++] = (struct bnb_topic_partition){name, topic->partitions.items[p]};
        }
    }
    *count = made != NULL ? partitions_settle(made, *count) : 0;
    return made;
}

static int newer_fill(struct group_job *job, const struct group_place *place,
                      const struct consumer_group_describe_response_described_group *told,
                      struct bnb_group *out, struct bnb_error *error)
{
    struct bnb_memory *memory = job->memory;
    struct bnb_group_member *members =
        admin_array(memory, told->members.count, sizeof *members, error);
    if (members == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < told->members.count; i++) {
        const struct consumer_group_describe_response_member *from = &told->members.items[i];
        struct bnb_group_member *to = &members[i];
        *to = (struct bnb_group_member){
            .id = memory_string(memory, from->member_id),
            .instance_id = memory_string(memory, from->instance_id),
            .client_id = memory_string(memory, from->client_id),
            .host = memory_string(memory, from->client_host),
            .epoch = from->member_epoch,
            .is_upgraded = from->member_type,
        };
        to->partitions = newer_partitions(job, &from->assignment, &to->partition_count, error);
        to->target = newer_partitions(job, &from->target_assignment, &to->target_count, error);
        if (to->partitions == NULL || to->target == NULL) {
            return BNB_ERROR_NO_MEMORY;
        }
    }
    *out = group_at(place, members, told->members.count);
    out->protocol_type = "consumer";
    out->state = memory_string(memory, told->group_state);
    out->assignor = memory_string(memory, told->assignor_name);
    out->epoch = told->group_epoch;
    out->target_epoch = told->assignment_epoch;
    return 0;
}

static int newer_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response *response;
    struct bnb_group *groups = job->context;
    consumer_group_describe_request_default(&request);
    request.group_ids.items = group_job_ids(job, node, false, &request.group_ids.count, error);
    if (request.group_ids.items == NULL || request.group_ids.count == 0) {
        return request.group_ids.items == NULL ? BNB_ERROR_NO_MEMORY : 0;
    }
    int result = admin_call(job->admin, job->memory, node, API_CONSUMER_GROUP_DESCRIBE,
                            &consumer_group_describe_request_row, &request,
                            &consumer_group_describe_response_row, &response, error);
    if (result == BNB_ERROR_UNSUPPORTED) {
        for (int32_t i = 0; i < job->count; i++) {
            job->places[i].is_classic = job->places[i].is_classic || job->places[i].node == node;
        }
        return 0;
    }
    for (int32_t i = 0; result == 0 && i < response->groups.count; i++) {
        const struct consumer_group_describe_response_described_group *told =
            &response->groups.items[i];
        struct group_place *place = group_job_find(job, told->group_id);
        if (place == NULL) {
            continue;
        }
        if (told->error_code == KAFKA_GROUP_ID_NOT_FOUND ||
            told->error_code == KAFKA_UNSUPPORTED_VERSION) {
            place->is_classic = true;
            place->stranger_text = memory_string(job->memory, told->error_message);
            continue;
        }
        group_job_settle(job, place, told->error_code, told->error_message);
        if (told->error_code == 0) {
            result = newer_fill(job, place, told, &groups[place - job->places], error);
        }
    }
    return result;
}

/* ---- the classic protocol ---- */

/* What a member was given, as the consumers' own protocol writes it: a version, and its message.
 * Nothing of bytes that are none of it. */
static struct bnb_topic_partition *classic_partitions(struct group_job *job,
                                                      struct bytes_view bytes, int32_t *count,
                                                      struct bnb_error *error)
{
    struct consumer_protocol_assignment assignment;
    struct reader reader;
    reader_init(&reader, bytes.data, bytes.size);
    int16_t version = reader_i16(&reader);
    version = version > CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION
                  ? CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION
                  : version; /* a newer one only adds fields at its end */
    consumer_protocol_assignment_default(&assignment);
    if (version < 0 || reader.failed ||
        consumer_protocol_assignment_decode(&reader, version, &job->memory->arena,
                                            &assignment) != 0) {
        assignment.assigned_partitions.count = 0;
    }
    int32_t total = 0;
    for (int32_t i = 0; i < assignment.assigned_partitions.count; i++) {
        total += assignment.assigned_partitions.items[i].partitions.count;
    }
    struct bnb_topic_partition *made = admin_array(job->memory, total, sizeof *made, error);
    *count = 0;
    for (int32_t i = 0; made != NULL && i < assignment.assigned_partitions.count; i++) {
        const char *topic =
            memory_string(job->memory, assignment.assigned_partitions.items[i].topic);
        for (int32_t p = 0; p < assignment.assigned_partitions.items[i].partitions.count; p++) {
            made[(*count)++] = (struct bnb_topic_partition){
                topic, assignment.assigned_partitions.items[i].partitions.items[p]};
        }
    }
    *count = made != NULL ? partitions_settle(made, *count) : 0;
    return made;
}

static int classic_fill(struct group_job *job, const struct group_place *place,
                        const struct describe_groups_response_described_group *told,
                        struct bnb_group *out, struct bnb_error *error)
{
    struct bnb_memory *memory = job->memory;
    struct bnb_group_member *members =
        admin_array(memory, told->members.count, sizeof *members, error);
    if (members == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    *out = group_at(place, members, told->members.count);
    out->is_of_others =
        told->protocol_type.size > 0 && !string_view_is(told->protocol_type, "consumer");
    out->protocol_type = memory_string(memory, told->protocol_type);
    out->state = memory_string(memory, told->group_state);
    out->assignor = memory_string(memory, told->protocol_data);
    for (int32_t i = 0; i < told->members.count; i++) {
        const struct describe_groups_response_described_group_member *from =
            &told->members.items[i];
        members[i] = (struct bnb_group_member){
            .id = memory_string(memory, from->member_id),
            .instance_id = memory_string(memory, from->group_instance_id),
            .client_id = memory_string(memory, from->client_id),
            .host = memory_string(memory, from->client_host),
            .epoch = -1,
            .is_upgraded = -1,
        };
        struct bytes_view given = from->member_assignment;
        given.size = out->is_of_others ? 0 : given.size;
        members[i].partitions =
            classic_partitions(job, given, &members[i].partition_count, error);
        if (members[i].partitions == NULL) {
            return BNB_ERROR_NO_MEMORY;
        }
    }
    return 0;
}

static int classic_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    struct describe_groups_request request;
    struct describe_groups_response *response;
    struct bnb_group *groups = job->context;
    describe_groups_request_default(&request);
    request.groups.items = group_job_ids(job, node, true, &request.groups.count, error);
    if (request.groups.items == NULL || request.groups.count == 0) {
        return request.groups.items == NULL ? BNB_ERROR_NO_MEMORY : 0;
    }
    int result = admin_call(job->admin, job->memory, node, API_DESCRIBE_GROUPS,
                            &describe_groups_request_row, &request,
                            &describe_groups_response_row, &response, error);
    for (int32_t i = 0; result == 0 && i < response->groups.count; i++) {
        const struct describe_groups_response_described_group *told = &response->groups.items[i];
        struct group_place *place = group_job_find(job, told->group_id);
        if (place == NULL) {
            continue;
        }
        group_job_settle(job, place, told->error_code, told->error_message);
        if (told->error_code == KAFKA_GROUP_ID_NOT_FOUND && place->stranger_text != NULL) {
            place->error_text = place->stranger_text; /* the first answer says more */
        }
        if (told->error_code == 0) {
            result = classic_fill(job, place, told, &groups[place - job->places], error);
        }
    }
    return result;
}

static int describe_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    int result = newer_ask(job, node, error);
    return result == 0 ? classic_ask(job, node, error) : result;
}

int bnb_admin_describe_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                              const char *const *ids, int32_t count,
                              const struct bnb_group **groups, struct bnb_error *error)
{
    struct group_job job = {
        .admin = admin, .memory = memory, .name = "describeConsumerGroups", .ask = describe_ask};
    struct bnb_group *made = admin_array(memory, count, sizeof *made, error);
    job.context = made;
    int result = made == NULL ? BNB_ERROR_NO_MEMORY : group_job_init(&job, ids, count, error);
    result = result == 0 ? group_job_run(&job, error) : result;
    for (int32_t i = 0; result == 0 && i < count; i++) {
        made[i].id = ids[i];
        made[i].code = job.places[i].code;
        made[i].error_text = job.places[i].error_text;
    }
    *groups = made;
    return result;
}
