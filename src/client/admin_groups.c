/* admin_groups.c: which groups there are, how coordinators are asked about them, and their end. */
#include "client/admin_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "io/system.h"
#include "protocol/error.h"

#define KEY_GROUP 0

void bnb_admin_set_timeout(struct bnb_admin *admin, int64_t timeout_ms)
{
    admin->timeout_ms = timeout_ms;
}

/* ---- coordinators ---- */

int group_job_init(struct group_job *job, const char *const *ids, int32_t count,
                   struct bnb_error *error)
{
    job->places = admin_array(job->memory, count, sizeof *job->places, error);
    job->count = count;
    for (int32_t i = 0; job->places != NULL && i < count; i++) {
        job->places[i] = (struct group_place){.id = ids[i], .node = -1, .error_text = ""};
    }
    return job->places == NULL ? BNB_ERROR_NO_MEMORY : 0;
}

struct group_place *group_job_find(struct group_job *job, struct string_view id)
{
    for (int32_t i = 0; i < job->count; i++) {
        int32_t at = (job->cursor + i) % job->count; /* answers come in the order of the question */
        if (!job->places[at].is_done && string_view_is(id, job->places[at].id)) {
            job->cursor = at + 1;
            return &job->places[at];
        }
    }
    return NULL;
}

struct string_view *group_job_ids(struct group_job *job, int32_t node, bool is_classic,
                                  int32_t *count, struct bnb_error *error)
{
    struct string_view *ids = admin_array(job->memory, job->count, sizeof *ids, error);
    *count = 0;
    for (int32_t i = 0; ids != NULL && i < job->count; i++) {
        const struct group_place *place = &job->places[i];
        if (!place->is_done && place->node == node && place->is_classic == is_classic) {
            ids[(*count)++] = string_view_of(place->id);
        }
    }
    return ids;
}

void group_job_settle(struct group_job *job, struct group_place *place, int16_t error_code,
                      struct string_view text)
{
    bool lost = error_code == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                error_code == KAFKA_NOT_COORDINATOR;
    place->code = admin_code(error_code);
    place->error_text = admin_text(job->memory, error_code, text);
    if (lost || error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS) {
        place->node = lost ? -1 : place->node;
        job->waits = true;
        return;
    }
    place->is_done = true;
}

static void coordinator_found(struct group_job *job,
                              const struct find_coordinator_response_coordinator *found)
{
    struct group_place *place = group_job_find(job, found->key);
    if (place == NULL || place->node >= 0) {
        return;
    }
    if (found->error_code != 0) {
        group_job_settle(job, place, found->error_code, found->error_message);
        return;
    }
    place->node = found->node_id;
    place->host = memory_string(job->memory, found->host);
    place->port = found->port;
}

/* A coordinator for every place that has none. */
static int find_coordinators(struct group_job *job, struct bnb_error *error)
{
    struct find_coordinator_request request;
    struct find_coordinator_response *response;
    char name[64];
    find_coordinator_request_default(&request);
    request.key_type = KEY_GROUP;
    request.coordinator_keys.items =
        group_job_ids(job, -1, false, &request.coordinator_keys.count, error);
    if (request.coordinator_keys.items == NULL || request.coordinator_keys.count == 0) {
        return request.coordinator_keys.items == NULL ? BNB_ERROR_NO_MEMORY : 0;
    }
    snprintf(name, sizeof name, "%s(api=FIND_COORDINATOR)", job->name);
    struct client_call call = {
        .target = CLIENT_NODE_ANY,
        .api_key = API_FIND_COORDINATOR,
        .version_min = 4,
        .version_max = FIND_COORDINATOR_REQUEST_MAX_VERSION,
        .request_row = &find_coordinator_request_row,
        .request = &request,
        .response_row = &find_coordinator_response_row,
        .arena = &job->memory->arena,
        .timeout_ms = job->admin->timeout_ms,
        .name = name,
    };
    int result = client_call(job->admin->client, &call, &response, error);
    if (result == 0) {
        result = admin_learn_nodes(job->admin, job->memory, error);
    }
    for (int32_t i = 0; result == 0 && i < response->coordinators.count; i++) {
        coordinator_found(job, &response->coordinators.items[i]);
    }
    return result;
}

/* How far the places are; it grows with every round that gets somewhere. */
static int64_t job_progress(const struct group_job *job)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < job->count; i++) {
        const struct group_place *place = &job->places[i];
        sum += place->is_done ? 3 : (place->node >= 0 ? 1 : 0) + (place->is_classic ? 1 : 0);
    }
    return sum;
}

/* Asks each coordinator once. */
static int job_round(struct group_job *job, struct bnb_error *error)
{
    int64_t before_round = job_progress(job);
    for (int32_t i = 0; i < job->count; i++) {
        job->places[i].is_classic = job->places[i].is_classic && job->places[i].node >= 0;
    }
    int result = find_coordinators(job, error);
    for (int32_t i = 0; result == 0 && i < job->count; i++) {
        int32_t node = job->places[i].node;
        bool asked = job->places[i].is_done || node < 0;
        for (int32_t before = 0; before < i && !asked; before++) {
            asked = job->places[before].node == node;
        }
        result = asked ? 0 : job->ask(job, node, error);
    }
    job->waits = job->waits || job_progress(job) <= before_round;
    return result;
}

int group_job_run(struct group_job *job, struct bnb_error *error)
{
    const struct client_config *config = client_config(job->admin->client);
    int64_t timeout_ms = job->admin->timeout_ms >= 0 ? job->admin->timeout_ms
                                                     : config->default_api_timeout_ms;
    int64_t deadline_ms = io_monotonic_ms() + timeout_ms;
    for (int32_t failures = 0;;) {
        job->waits = false;
        int result = job_round(job, error);
        bool left = false;
        for (int32_t i = 0; i < job->count; i++) {
            left = left || !job->places[i].is_done;
        }
        if (result != 0 || !left) {
            return result;
        }
        int64_t backoff_ms = client_backoff_ms(config->retry_backoff_ms,
                                               config->retry_backoff_max_ms, failures);
        if (job->waits && io_monotonic_ms() + backoff_ms >= deadline_ms) {
            break;
        }
        if (job->waits) {
            failures++;
            client_pause(backoff_ms);
        }
    }
    for (int32_t i = 0; i < job->count; i++) {
        if (!job->places[i].is_done && job->places[i].code == 0) {
            job->places[i].code = BNB_ERROR_TIMEOUT;
            job->places[i].error_text = "The coordinator gave no answer in time.";
        }
    }
    return 0;
}

/* ---- listing ---- */

static int32_t filter_count(const char *const *words)
{
    int32_t count = 0;
    while (words != NULL && words[count] != NULL) {
        count++;
    }
    return count;
}

static struct string_view *filter_views(struct bnb_memory *memory, const char *const *words,
                                        int32_t count, struct bnb_error *error)
{
    struct string_view *views = admin_array(memory, count, sizeof *views, error);
    for (int32_t i = 0; views != NULL && i < count; i++) {
        views[i] = string_view_of(words[i]);
    }
    return views;
}

static int list_broker(struct bnb_admin *admin, struct bnb_memory *memory, int32_t broker,
                       const struct list_groups_request *request,
                       struct list_groups_response **response, struct bnb_error *error)
{
    int16_t version_min = request->types_filter.count > 0    ? 5
                          : request->states_filter.count > 0 ? 4
                                                             : 0;
    const struct client_config *config = client_config(admin->client);
    int64_t deadline_ms = io_monotonic_ms() + config->default_api_timeout_ms;
    for (int32_t failures = 0;; failures++) {
        struct client_call call = {
            .target = broker,
            .api_key = API_LIST_GROUPS,
            .version_min = version_min,
            .version_max = LIST_GROUPS_REQUEST_MAX_VERSION,
            .request_row = &list_groups_request_row,
            .request = request,
            .response_row = &list_groups_response_row,
            .arena = &memory->arena,
            .timeout_ms = admin->timeout_ms,
        };
        int result = client_call(admin->client, &call, response, error);
        if (result != 0) {
            return result;
        }
        int16_t code = (*response)->error_code;
        int64_t backoff_ms = client_backoff_ms(config->retry_backoff_ms,
                                               config->retry_backoff_max_ms, failures);
        bool patience = code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
                        code == KAFKA_COORDINATOR_NOT_AVAILABLE;
        if (!patience || io_monotonic_ms() + backoff_ms >= deadline_ms) {
            return code == 0 ? 0
                             : client_error_set(error, admin_code(code),
                                                "Error listing groups on broker %d: %s", broker,
                                                client_error_text(code));
        }
        client_pause(backoff_ms);
    }
}

static int listings_order(const void *a, const void *b)
{
    const struct bnb_group_listing *left = a;
    const struct bnb_group_listing *right = b;
    return strcmp(left->id, right->id);
}

/* Sorts, and drops what two brokers have told: a group may move between the two questions. */
static void listings_settle(struct bnb_group_listing *all, int32_t *count)
{
    int32_t kept = 0;
    if (*count > 0) {
        qsort(all, (size_t)*count, sizeof *all, listings_order);
    }
    for (int32_t i = 0; i < *count; i++) {
        if (kept == 0 || strcmp(all[i].id, all[kept - 1].id) != 0) {
            all[kept++] = all[i];
        }
    }
    *count = kept;
}

/* Brokers write types in small letters; everybody else does not. */
static const char *type_name(struct string_view type)
{
    static const char *const names[] = {"Classic", "Consumer", "Share", "Streams"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (type.size == strlen(names[i]) && strncasecmp(type.data, names[i], type.size) == 0) {
            return names[i];
        }
    }
    return type.size == 0 ? "" : "Unknown";
}

int bnb_admin_list_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                          const struct bnb_group_filter *filter,
                          const struct bnb_group_listing **listings, int32_t *count,
                          struct bnb_error *error)
{
    struct list_groups_request request;
    struct bnb_cluster cluster;
    struct bnb_group_listing *all = NULL;
    list_groups_request_default(&request);
    request.states_filter.count = filter_count(filter->states);
    request.types_filter.count = filter_count(filter->types);
    request.states_filter.items =
        filter_views(memory, filter->states, request.states_filter.count, error);
    request.types_filter.items =
        filter_views(memory, filter->types, request.types_filter.count, error);
    *count = 0;
    if (request.states_filter.items == NULL || request.types_filter.items == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int result = bnb_admin_describe_cluster(admin, memory, false, &cluster, error);
    if (result == BNB_ERROR_TIMEOUT) {
        return client_error_set(error, BNB_ERROR_NOT_FOUND,
                                "Failed to find brokers to send ListGroups");
    }
    for (int32_t i = 0; result == 0 && i < cluster.node_count; i++) {
        struct list_groups_response *response;
        result = list_broker(admin, memory, cluster.nodes[i].id, &request, &response, error);
        int32_t more = result == 0 ? response->groups.count : 0;
        all = result == 0
                  ? admin_array_longer(memory, all, *count, more, sizeof *all, error) : NULL;
        if (all == NULL) {
            return result != 0 ? result : BNB_ERROR_NO_MEMORY;
        }
        for (int32_t j = 0; j < more; j++) {
            const struct list_groups_response_listed_group *one = &response->groups.items[j];
            all[(*count)++] = (struct bnb_group_listing){
                memory_string(memory, one->group_id), memory_string(memory, one->protocol_type),
                memory_string(memory, one->group_state), type_name(one->group_type)};
        }
    }
    listings_settle(all, count);
    *listings = all;
    return result;
}

/* ---- deletion ---- */

static int delete_ask(struct group_job *job, int32_t node, struct bnb_error *error)
{
    struct delete_groups_request request;
    struct delete_groups_response *response;
    delete_groups_request_default(&request);
    request.groups_names.items =
        group_job_ids(job, node, false, &request.groups_names.count, error);
    if (request.groups_names.items == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int result = admin_call(job->admin, job->memory, node, API_DELETE_GROUPS,
                            &delete_groups_request_row, &request, &delete_groups_response_row,
                            &response, error);
    for (int32_t i = 0; result == 0 && i < response->results.count; i++) {
        struct group_place *place = group_job_find(job, response->results.items[i].group_id);
        if (place != NULL) {
            group_job_settle(job, place, response->results.items[i].error_code,
                             (struct string_view){NULL, 0});
        }
    }
    return result;
}

int bnb_admin_delete_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                            const char *const *ids, int32_t count,
                            const struct bnb_group_outcome **outcomes, struct bnb_error *error)
{
    struct group_job job = {
        .admin = admin, .memory = memory, .name = "deleteConsumerGroups", .ask = delete_ask};
    struct bnb_group_outcome *made = admin_array(memory, count, sizeof *made, error);
    int result = made == NULL ? BNB_ERROR_NO_MEMORY : group_job_init(&job, ids, count, error);
    result = result == 0 ? group_job_run(&job, error) : result;
    for (int32_t i = 0; result == 0 && i < count; i++) {
        made[i] = (struct bnb_group_outcome){ids[i], job.places[i].code, job.places[i].error_text};
    }
    *outcomes = made;
    return result;
}
