/* admin_offsets.c: offsets by time, deletion of records, log directories. */
#include <stdlib.h>

#include "client/admin.h"
#include "io/system.h"
#include "protocol/error.h"

/* Requests carry one topic entry a partition: brokers take them as they come, and the answer is
 * matched by name and partition. */

static int16_t query_version_min(int64_t timestamp_ms)
{
    switch (timestamp_ms) {
    case BNB_OFFSET_MAX_TIMESTAMP:
        return 7;
    case BNB_OFFSET_EARLIEST_LOCAL:
        return 8;
    case BNB_OFFSET_LATEST_TIERED:
        return 9;
    case BNB_OFFSET_EARLIEST_PENDING_UPLOAD:
        return 11;
    default: /* an open set of timestamps */
        return 1;
    }
}

/* A query by its partition. */
struct offsets_place {
    const char *topic;
    int32_t partition;
    int32_t query;
};
struct offsets_job {
    const struct bnb_offset_query *queries;
    struct bnb_offset_answer *answers;
    struct admin_place *places;
    struct offsets_place *sorted; /* by topic, partition, then query */
    int32_t *turns; /* how many earlier queries have the same partition: brokers take it once */
    int32_t turn_count;
    int32_t count;
    bool read_committed;
};

static int offsets_place_order(const void *left, const void *right)
{
    const struct offsets_place *a = left;
    const struct offsets_place *b = right;
    int order = strcmp(a->topic, b->topic);
    if (order == 0) {
        order = (a->partition > b->partition) - (a->partition < b->partition);
    }
    return order != 0 ? order : (a->query > b->query) - (a->query < b->query);
}

/* Which request of a leader carries which query. */
static void offsets_take_turns(struct offsets_job *job)
{
    for (int32_t i = 0; i < job->count; i++) {
        job->sorted[i] =
            (struct offsets_place){job->queries[i].topic, job->queries[i].partition, i};
    }
    qsort(job->sorted, (size_t)job->count, sizeof *job->sorted, offsets_place_order);
    for (int32_t i = 0; i < job->count; i++) {
        const struct offsets_place *place = &job->sorted[i];
        bool again = i > 0 && place->partition == place[-1].partition &&
                     strcmp(place->topic, place[-1].topic) == 0;
        int32_t turn = again ? job->turns[place[-1].query] + 1 : 0;
        job->turns[place->query] = turn;
        job->turn_count = turn >= job->turn_count ? turn + 1 : job->turn_count;
    }
}

/* The query of that turn about a partition; -1: nobody asked. */
static int32_t offsets_query(const struct offsets_job *job, struct string_view topic,
                             int32_t partition, int32_t turn)
{
    int32_t low = 0;
    int32_t high = job->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        const struct offsets_place *place = &job->sorted[middle];
        int order = string_view_compare(string_view_of(place->topic), topic);
        if (order == 0) {
            order = (place->partition > partition) - (place->partition < partition);
        }
        if (order == 0) {
            order = (job->turns[place->query] > turn) - (job->turns[place->query] < turn);
        }
        if (order == 0) {
            return place->query;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return -1;
}

static void offsets_answer(struct bnb_memory *memory, const struct offsets_job *job,
                           int32_t leader, int32_t turn,
                           const struct list_offsets_response *response)
{
    for (int32_t t = 0; t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct list_offsets_response_list_offsets_partition_response *one =
                &response->topics.items[t].partitions.items[p];
            int32_t i = offsets_query(job, response->topics.items[t].name, one->partition_index,
                                      turn);
            if (i < 0 || job->places[i].leader != leader) {
                continue;
            }
            job->places[i].error_code = one->error_code;
            job->answers[i] = (struct bnb_offset_answer){
                admin_code(one->error_code),
                admin_text(memory, one->error_code, (struct string_view){NULL, 0}), one->offset,
                one->timestamp, one->leader_epoch};
        }
    }
}

static int offsets_ask(struct bnb_admin *admin, struct bnb_memory *memory,
                       const struct offsets_job *job, int32_t leader, int32_t turn,
                       struct bnb_error *error)
{
    struct list_offsets_request request;
    list_offsets_request_default(&request);
    request.replica_id = -1;
    request.isolation_level = job->read_committed ? 1 : 0;
    request.timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.topics.items = admin_array(memory, job->count, sizeof *request.topics.items, error);
    struct list_offsets_request_list_offsets_partition *partitions =
        admin_array(memory, job->count, sizeof *partitions, error);
    if (request.topics.items == NULL || partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int16_t version_min = 1;
    for (int32_t i = 0; i < job->count; i++) {
        if (job->places[i].leader != leader || job->places[i].error_code != 0 ||
            job->turns[i] != turn) {
            continue;
        }
        int16_t needed = query_version_min(job->queries[i].timestamp_ms);
        version_min = needed > version_min ? needed : version_min;
        partitions[i].partition_index = job->queries[i].partition;
        partitions[i].current_leader_epoch = -1;
        partitions[i].timestamp = job->queries[i].timestamp_ms;
        struct list_offsets_request_list_offsets_topic *topic = NULL;
        topic = &request.topics.items[request.topics.count++];
        topic->name = string_view_of(job->queries[i].topic);
        topic->partitions.items = &partitions[i];
        topic->partitions.count = 1;
    }
    struct client_call call = {
        .target = leader,
        .api_key = API_LIST_OFFSETS,
        .version_min = version_min,
        .request_row = &list_offsets_request_row,
        .request = &request,
        .response_row = &list_offsets_response_row,
        .arena = &memory->arena,
        .timeout_ms = admin->timeout_ms,
    };
    struct list_offsets_response *response;
    int result = request.topics.count == 0
                     ? 0
                     : client_call(admin->client, &call, &response, error);
    if (result == 0 && request.topics.count > 0) {
        offsets_answer(memory, job, leader, turn, response);
    }
    return result;
}

/* Finds leaders and asks each of them about what has no answer yet. *again: some answer may change
 * when it is asked for once more (a leader is being elected, or has moved). */
static int offsets_round(struct bnb_admin *admin, struct bnb_memory *memory,
                         const struct offsets_job *job, bool *again, struct bnb_error *error)
{
    int result = admin_find_leaders(admin, memory, job->places, job->count, error);
    *again = false;
    for (int32_t i = 0; result == 0 && i < job->count; i++) {
        if (job->places[i].error_code != 0) {
            job->answers[i] = (struct bnb_offset_answer){
                admin_code(job->places[i].error_code),
                client_error_text(job->places[i].error_code), -1, -1, -1};
            *again = *again || job->places[i].error_code == KAFKA_LEADER_NOT_AVAILABLE;
            continue;
        }
        bool asked = false;
        for (int32_t before = 0; before < i && !asked; before++) {
            asked = job->places[before].leader == job->places[i].leader;
        }
        for (int32_t turn = 0; !asked && result == 0 && turn < job->turn_count; turn++) {
            result = offsets_ask(admin, memory, job, job->places[i].leader, turn, error);
        }
    }
    for (int32_t i = 0; result == 0 && i < job->count; i++) {
        int code = job->answers[i].code;
        *again = *again || (code > 0 && bnb_error_is_retriable(code) &&
                            code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    return result;
}

int bnb_admin_list_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                           const struct bnb_offset_query *queries, int32_t count,
                           bool read_committed, const struct bnb_offset_answer **answers,
                           struct bnb_error *error)
{
    const struct client_config *config = client_config(admin->client);
    struct offsets_job job = {
        .queries = queries,
        .answers = admin_array(memory, count, sizeof *job.answers, error),
        .places = admin_array(memory, count, sizeof *job.places, error),
        .sorted = admin_array(memory, count, sizeof *job.sorted, error),
        .turns = admin_array(memory, count, sizeof *job.turns, error),
        .count = count,
        .read_committed = read_committed,
    };
    if (job.answers == NULL || job.places == NULL || job.sorted == NULL || job.turns == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        job.places[i].topic = queries[i].topic;
        job.places[i].partition = queries[i].partition;
    }
    offsets_take_turns(&job);
    int64_t deadline_ms =
        io_monotonic_ms() +
        (admin->timeout_ms >= 0 ? admin->timeout_ms : config->default_api_timeout_ms);
    int result = 0;
    bool again = count > 0;
    for (int32_t failures = 0; again && result == 0; failures++) {
        result = offsets_round(admin, memory, &job, &again, error);
        int64_t backoff_ms = client_backoff_ms(config->retry_backoff_ms,
                                               config->retry_backoff_max_ms, failures);
        again = again && io_monotonic_ms() + backoff_ms < deadline_ms;
        if (again && result == 0) {
            client_pause(backoff_ms);
        }
    }
    *answers = job.answers;
    return result;
}

/* ---- deletion ---- */

static int deletion_ask(struct bnb_admin *admin, struct bnb_memory *memory,
                        const struct bnb_record_deletion *deletion, int32_t leader,
                        struct bnb_record_deletion_outcome *outcome, struct bnb_error *error)
{
    struct delete_records_request_delete_records_partition partition = {deletion->partition,
                                                                        deletion->offset};
    struct delete_records_request_delete_records_topic topic;
    memset(&topic, 0, sizeof topic);
    topic.name = string_view_of(deletion->topic);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    struct delete_records_request request;
    delete_records_request_default(&request);
    request.timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct delete_records_response *response;
    int result = admin_call(admin, memory, leader, API_DELETE_RECORDS,
                            &delete_records_request_row, &request, &delete_records_response_row,
                            &response, error);
    if (result != 0) {
        return result;
    }
    if (response->topics.count != 1 || response->topics.items[0].partitions.count != 1) {
        return client_error_set(error, BNB_ERROR_CORRUPT, "the response does not fit the request");
    }
    const struct delete_records_response_delete_records_partition_result *one =
        &response->topics.items[0].partitions.items[0];
    *outcome = (struct bnb_record_deletion_outcome){
        admin_code(one->error_code),
        admin_text(memory, one->error_code, (struct string_view){NULL, 0}), one->low_watermark};
    return 0;
}

int bnb_admin_delete_records(struct bnb_admin *admin, struct bnb_memory *memory,
                             const struct bnb_record_deletion *deletions, int32_t count,
                             const struct bnb_record_deletion_outcome **outcomes,
                             struct bnb_error *error)
{
    struct bnb_record_deletion_outcome *made = admin_array(memory, count, sizeof *made, error);
    struct admin_place *places = admin_array(memory, count, sizeof *places, error);
    if (made == NULL || places == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        places[i].topic = deletions[i].topic;
        places[i].partition = deletions[i].partition;
    }
    int result = count > 0 ? admin_find_leaders(admin, memory, places, count, error) : 0;
    for (int32_t i = 0; i < count && result == 0; i++) {
        made[i] = (struct bnb_record_deletion_outcome){
            admin_code(places[i].error_code), client_error_text(places[i].error_code), -1};
        if (places[i].error_code == 0) {
            result = deletion_ask(admin, memory, &deletions[i], places[i].leader, &made[i], error);
        }
    }
    *outcomes = made;
    return result;
}

/* ---- log directories ---- */

static int log_dir_fill(struct bnb_memory *memory,
                        const struct describe_log_dirs_response_describe_log_dirs_result *from,
                        struct bnb_log_dir *to, struct bnb_error *error)
{
    int32_t count = 0;
    for (int32_t t = 0; t < from->topics.count; t++) {
        count += from->topics.items[t].partitions.count;
    }
    struct bnb_log_dir_partition *partitions =
        admin_array(memory, count, sizeof *partitions, error);
    if (partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int32_t at = 0;
    for (int32_t t = 0; t < from->topics.count; t++) {
        const char *name = memory_string(memory, from->topics.items[t].name);
        for (int32_t p = 0; p < from->topics.items[t].partitions.count; p++) {
            const struct describe_log_dirs_response_describe_log_dirs_partition *one =
                &from->topics.items[t].partitions.items[p];
            partitions[at++] = (struct bnb_log_dir_partition){
                name, one->partition_index, one->partition_size, one->offset_lag,
                one->is_future_key};
        }
    }
    *to = (struct bnb_log_dir){
        .path = memory_string(memory, from->log_dir),
        .code = admin_code(from->error_code),
        .error_text = admin_text(memory, from->error_code, (struct string_view){NULL, 0}),
        .partitions = partitions,
        .partition_count = count,
        .total_bytes = from->total_bytes,
        .usable_bytes = from->usable_bytes,
    };
    return 0;
}

int bnb_admin_describe_log_dirs(struct bnb_admin *admin, struct bnb_memory *memory, int32_t broker,
                                const struct bnb_log_dir **dirs, int32_t *count,
                                struct bnb_error *error)
{
    int result = admin_learn_nodes(admin, memory, error);
    struct describe_log_dirs_request request;
    describe_log_dirs_request_default(&request);
    request.topics.count = -1;
    struct describe_log_dirs_response *response;
    if (result == 0) {
        result = admin_call(admin, memory, broker, API_DESCRIBE_LOG_DIRS,
                            &describe_log_dirs_request_row, &request,
                            &describe_log_dirs_response_row, &response, error);
    }
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, (struct string_view){NULL, 0});
    }
    if (result != 0) {
        return result;
    }
    struct bnb_log_dir *made = admin_array(memory, response->results.count, sizeof *made, error);
    if (made == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < response->results.count && result == 0; i++) {
        result = log_dir_fill(memory, &response->results.items[i], &made[i], error);
    }
    *dirs = made;
    *count = response->results.count;
    return result;
}
