/* admin_group_offsets.c: what groups have committed. One group a call. */
#include "client/admin_groups.h"
#include "protocol/error.h"

/* What a call is about, and where its answers go. */
struct offsets_ask {
    const struct bnb_group_offset *offsets;
    const struct bnb_topic_partition *partitions;
    int32_t count;
    struct bnb_group_offset_outcome *outcomes;
    struct bnb_group_offset *found;
    int32_t found_count;
};

static int offsets_run(struct group_job *job, const char *id, struct bnb_error *error)
{
    const char *const ids[] = {id};
    int result = group_job_init(job, ids, 1, error);
    result = result == 0 ? group_job_run(job, error) : result;
    return result == 0 && job->places[0].code != 0
               ? client_error_set(error, job->places[0].code, "%s", job->places[0].error_text)
               : result;
}

static int partition_order(const char *topic, int32_t partition, struct string_view other,
                           int32_t other_partition)
{
    int order = string_view_compare(string_view_of(topic), other);
    return order != 0 ? order : (partition > other_partition) - (partition < other_partition);
}

/* ---- listing ---- */

static int list_fill(struct group_job *job,
                     const struct offset_fetch_response_offset_fetch_response_group *told,
                     struct bnb_error *error)
{
    struct offsets_ask *asked = job->context;
    int32_t total = 0;
    for (int32_t i = 0; i < told->topics.count; i++) {
        total += told->topics.items[i].partitions.count;
    }
    asked->found = admin_array(job->memory, total, sizeof *asked->found, error);
    asked->found_count = 0;
    for (int32_t i = 0; asked->found != NULL && i < told->topics.count; i++) {
        const char *name = memory_string(job->memory, told->topics.items[i].name);
        for (int32_t p = 0; p < told->topics.items[i].partitions.count; p++) {
            const struct offset_fetch_response_offset_fetch_response_partitions *one =
                &told->topics.items[i].partitions.items[p];
            if (one->error_code == 0 && one->committed_offset >= 0) {
                asked->found[asked->found_count++] =
                    (struct bnb_group_offset){name, one->partition_index, one->committed_offset,
                                              one->committed_leader_epoch};
            }
        }
    }
    return asked->found == NULL ? BNB_ERROR_NO_MEMORY : 0;
}

static int list_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    struct offset_fetch_request_offset_fetch_request_group group = {
        .group_id = string_view_of(job->places[0].id), .member_epoch = -1};
    struct offset_fetch_request request;
    struct offset_fetch_response *response;
    offset_fetch_request_default(&request);
    group.topics.count = -1;
    request.groups.items = &group;
    request.groups.count = 1;
    struct client_call call = {
        .target = node,
        .api_key = API_OFFSET_FETCH,
        .version_min = 8,
        .version_max = 9, /* from 10 on topics go by their ids */
        .request_row = &offset_fetch_request_row,
        .request = &request,
        .response_row = &offset_fetch_response_row,
        .arena = &job->memory->arena,
        .timeout_ms = job->admin->timeout_ms,
    };
    int result = client_call(job->admin->client, &call, &response, error);
    if (result == 0 && response->groups.count == 1) {
        int16_t code = response->groups.items[0].error_code;
        group_job_settle(job, &job->places[0], code, (struct string_view){NULL, 0});
        result = code == 0 ? list_fill(job, &response->groups.items[0], error) : 0;
    }
    return result;
}

int bnb_admin_list_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                 const char *id, const struct bnb_group_offset **offsets,
                                 int32_t *count, struct bnb_error *error)
{
    struct offsets_ask asked = {.count = 0};
    struct group_job job = {.admin = admin,
                            .memory = memory,
                            .name = "listConsumerGroupOffsets",
                            .context = &asked,
                            .ask = list_ask};
    int result = offsets_run(&job, id, error);
    *offsets = asked.found;
    *count = asked.found_count;
    return result;
}

/* ---- altering ---- */

static void alter_answer(struct group_job *job, const struct offset_commit_response *response)
{
    const struct offsets_ask *asked = job->context;
    struct group_place *place = &job->places[0];
    group_job_settle(job, place, 0, (struct string_view){NULL, 0});
    for (int32_t t = 0; t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct offset_commit_response_offset_commit_response_partition *one =
                &response->topics.items[t].partitions.items[p];
            int16_t code = one->error_code;
            if (code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
                code == KAFKA_COORDINATOR_NOT_AVAILABLE || code == KAFKA_NOT_COORDINATOR) {
                place->is_done = false;
                group_job_settle(job, place, code, (struct string_view){NULL, 0});
                continue;
            }
            for (int32_t i = 0; i < asked->count; i++) {
                if (partition_order(asked->offsets[i].topic, asked->offsets[i].partition,
                                    response->topics.items[t].name, one->partition_index) == 0) {
                    asked->outcomes[i] = (struct bnb_group_offset_outcome){
                        admin_code(code), admin_text(job->memory, code,
                                                     (struct string_view){NULL, 0})};
                }
            }
        }
    }
}

/* One topic entry a partition; answers are matched by name and partition. */
static int alter_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    const struct offsets_ask *asked = job->context;
    struct offset_commit_request request;
    struct offset_commit_response *response;
    offset_commit_request_default(&request);
    request.group_id = string_view_of(job->places[0].id);
    request.member_id = string_view_of("");
    request.topics.items =
        admin_array(job->memory, asked->count, sizeof *request.topics.items, error);
    request.topics.count = asked->count;
    struct offset_commit_request_offset_commit_request_partition *partitions =
        admin_array(job->memory, asked->count, sizeof *partitions, error);
    if (request.topics.items == NULL || partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < asked->count; i++) {
        partitions[i] = (struct offset_commit_request_offset_commit_request_partition){
            asked->offsets[i].partition, asked->offsets[i].offset, asked->offsets[i].leader_epoch,
            string_view_of("")};
        request.topics.items[i].name = string_view_of(asked->offsets[i].topic);
        request.topics.items[i].partitions.items = &partitions[i];
        request.topics.items[i].partitions.count = 1;
    }
    struct client_call call = {
        .target = node,
        .api_key = API_OFFSET_COMMIT,
        .version_min = 2,
        .version_max = 9, /* from 10 on topics go by their ids */
        .request_row = &offset_commit_request_row,
        .request = &request,
        .response_row = &offset_commit_response_row,
        .arena = &job->memory->arena,
        .timeout_ms = job->admin->timeout_ms,
    };
    int result = client_call(job->admin->client, &call, &response, error);
    if (result == 0) {
        alter_answer(job, response);
    }
    return result;
}

static int run_outcomes(struct group_job *job, const char *id,
                        const struct bnb_group_offset_outcome **outcomes, struct bnb_error *error)
{
    struct offsets_ask *asked = job->context;
    asked->outcomes = admin_array(job->memory, asked->count, sizeof *asked->outcomes, error);
    if (asked->outcomes == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int result = offsets_run(job, id, error);
    for (int32_t i = 0; result == 0 && i < asked->count; i++) {
        if (asked->outcomes[i].error_text == NULL) {
            asked->outcomes[i].error_text = "";
        }
    }
    *outcomes = asked->outcomes;
    return result;
}

int bnb_admin_alter_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                  const char *id, const struct bnb_group_offset *offsets,
                                  int32_t count,
                                  const struct bnb_group_offset_outcome **outcomes,
                                  struct bnb_error *error)
{
    struct offsets_ask asked = {.offsets = offsets, .count = count};
    struct group_job job = {.admin = admin,
                            .memory = memory,
                            .name = "alterConsumerGroupOffsets",
                            .context = &asked,
                            .ask = alter_ask};
    return run_outcomes(&job, id, outcomes, error);
}

/* ---- deletion ---- */

static void delete_answer(struct group_job *job, const struct offset_delete_response *response)
{
    const struct offsets_ask *asked = job->context;
    for (int32_t t = 0; t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct offset_delete_response_offset_delete_response_partition *one =
                &response->topics.items[t].partitions.items[p];
            for (int32_t i = 0; i < asked->count; i++) {
                if (partition_order(asked->partitions[i].topic, asked->partitions[i].partition,
                                    response->topics.items[t].name, one->partition_index) == 0) {
                    asked->outcomes[i] = (struct bnb_group_offset_outcome){
                        admin_code(one->error_code),
                        admin_text(job->memory, one->error_code, (struct string_view){NULL, 0})};
                }
            }
        }
    }
}

/* A topic stands in one entry, with all of its partitions. */
static int delete_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    const struct offsets_ask *asked = job->context;
    struct offset_delete_request request;
    struct offset_delete_response *response;
    offset_delete_request_default(&request);
    request.group_id = string_view_of(job->places[0].id);
    request.topics.items =
        admin_array(job->memory, asked->count, sizeof *request.topics.items, error);
    struct offset_delete_request_offset_delete_request_partition *partitions =
        admin_array(job->memory, asked->count, sizeof *partitions, error);
    if (request.topics.items == NULL || partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int32_t used = 0;
    for (int32_t i = 0; i < asked->count; i++) {
        struct string_view name = string_view_of(asked->partitions[i].topic);
        int32_t before = 0;
        while (before < request.topics.count &&
               !string_view_equal(request.topics.items[before].name, name)) {
            before++;
        }
        if (before < request.topics.count) {
            continue; /* with the first of the topic */
        }
        struct offset_delete_request_offset_delete_request_topic *topic =
            &request.topics.items[request.topics.count++];
        topic->name = name;
        topic->partitions.items = &partitions[used];
        topic->partitions.count = 0;
        for (int32_t j = i; j < asked->count; j++) {
            if (strcmp(asked->partitions[j].topic, asked->partitions[i].topic) == 0) {
                partitions[used++].partition_index = asked->partitions[j].partition;
                topic->partitions.count++;
            }
        }
    }
    int result = admin_call(job->admin, job->memory, node, API_OFFSET_DELETE,
                            &offset_delete_request_row, &request, &offset_delete_response_row,
                            &response, error);
    if (result == 0) {
        group_job_settle(job, &job->places[0], response->error_code,
                         (struct string_view){NULL, 0});
        delete_answer(job, response);
    }
    return result;
}

int bnb_admin_delete_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                   const char *id, const struct bnb_topic_partition *partitions,
                                   int32_t count,
                                   const struct bnb_group_offset_outcome **outcomes,
                                   struct bnb_error *error)
{
    struct offsets_ask asked = {.partitions = partitions, .count = count};
    struct group_job job = {.admin = admin,
                            .memory = memory,
                            .name = "deleteConsumerGroupOffsets",
                            .context = &asked,
                            .ask = delete_ask};
    return run_outcomes(&job, id, outcomes, error);
}
