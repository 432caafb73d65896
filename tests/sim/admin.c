#include <inttypes.h>

#include "actors.h"
#include "base/assert.h"
#include "protocol/error.h"

#define ADMIN_THINK_MAX_MS 400
/* Longer than any request of a connection that broke can still be under way. */
#define ADMIN_SURE_MS 2000
#define CREATE_TOPICS_VERSION 7
#define DELETE_TOPICS_VERSION 6
#define DELETE_RECORDS_VERSION 2
#define METADATA_VERSION 12
#define ALTER_REPLICA_LOG_DIRS_VERSION 2
#define INCREMENTAL_ALTER_CONFIGS_VERSION 1
#define TOPIC_RESOURCE 2
#define ADMIN_TIMEOUT_MS 30000
#define ADMIN_CONFIGS 7

static void admin_create(struct admin *admin, int32_t index)
{
    struct model_topic *topic = &admin->model->topics[index];
    /* Small segments and a dense index, so that a short run sees all of it. */
    struct create_topics_request_creatable_topic_config configs[ADMIN_CONFIGS] = {
        {string_view_of("segment.ms"), string_view_of("300")},
        {string_view_of("index.interval.bytes"), string_view_of("64")},
        {string_view_of("file.delete.delay.ms"), string_view_of("500")},
    };
    int32_t count = 3;
    if (topic->durable) {
        configs[count++] = (struct create_topics_request_creatable_topic_config){
            string_view_of("flush.messages"), string_view_of("1")};
    }
    if (topic->compacted) {
        configs[count++] = (struct create_topics_request_creatable_topic_config){
            string_view_of("cleanup.policy"), string_view_of("compact,delete")};
        configs[count++] = (struct create_topics_request_creatable_topic_config){
            string_view_of("min.cleanable.dirty.ratio"), string_view_of("0.1")};
        configs[count++] = (struct create_topics_request_creatable_topic_config){
            string_view_of("delete.retention.ms"), string_view_of("700")};
    }
    struct create_topics_request request;
    struct create_topics_request_creatable_topic wanted;
    create_topics_request_default(&request);
    wanted = (struct create_topics_request_creatable_topic){0};
    wanted.name = string_view_of(topic->name);
    wanted.num_partitions = MODEL_PARTITIONS;
    wanted.replication_factor = 1;
    wanted.configs.items = configs;
    wanted.configs.count = count;
    request.topics.items = &wanted;
    request.topics.count = 1;
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    topic->state = TOPIC_UNSURE;
    topic->may_exist = true;
    topic->may_vanish = true; /* it was not there */
    sim_note(admin->model->sim, "admin creates %s", topic->name);
    peer_ask(&admin->peer, CREATE_TOPICS_REQUEST_KEY, CREATE_TOPICS_VERSION, &request, true);
}

static void admin_delete(struct admin *admin, int32_t index)
{
    struct model_topic *topic = &admin->model->topics[index];
    struct delete_topics_request request;
    struct delete_topics_request_delete_topic_state state;
    delete_topics_request_default(&request);
    state = (struct delete_topics_request_delete_topic_state){0};
    state.topic_id = topic->id;
    request.topics.items = &state;
    request.topics.count = 1;
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    topic->state = TOPIC_UNSURE;
    topic->may_exist = false;
    topic->may_vanish = true;
    sim_note(admin->model->sim, "admin deletes %s", topic->name);
    peer_ask(&admin->peer, DELETE_TOPICS_REQUEST_KEY, DELETE_TOPICS_VERSION, &request, true);
}

static void admin_delete_records(struct admin *admin, int32_t index)
{
    struct model_topic *topic = &admin->model->topics[index];
    struct sim *sim = admin->model->sim;
    admin->partition = (int32_t)sim_below(sim, MODEL_PARTITIONS);
    struct model_partition *partition = &topic->partitions[admin->partition];
    struct delete_records_request request;
    struct delete_records_request_delete_records_topic wanted;
    struct delete_records_request_delete_records_partition at;
    delete_records_request_default(&request);
    wanted = (struct delete_records_request_delete_records_topic){0};
    at = (struct delete_records_request_delete_records_partition){0};
    at.partition_index = admin->partition;
    at.offset = admin->offset = (int64_t)sim_below(sim, (uint64_t)partition->high_watermark + 1);
    wanted.name = string_view_of(topic->name);
    wanted.partitions.items = &at;
    wanted.partitions.count = 1;
    request.topics.items = &wanted;
    request.topics.count = 1;
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    if (admin->offset > partition->start_asked) {
        partition->start_asked = admin->offset;
    }
    sim_note(sim, "admin deletes %s-%d below %" PRId64, topic->name, admin->partition,
             admin->offset);
    peer_ask(&admin->peer, DELETE_RECORDS_REQUEST_KEY, DELETE_RECORDS_VERSION, &request, true);
}

/* To the directory that it is in, or to the other one. */
static void admin_move(struct admin *admin, int32_t index)
{
    static const char *const paths[] = {"/data", "/more"};
    struct sim *sim = admin->model->sim;
    struct alter_replica_log_dirs_request request;
    struct alter_replica_log_dirs_request_alter_replica_log_dir dir;
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topic;
    int32_t partition = (int32_t)sim_below(sim, MODEL_PARTITIONS);
    alter_replica_log_dirs_request_default(&request);
    dir = (struct alter_replica_log_dirs_request_alter_replica_log_dir){0};
    topic = (struct alter_replica_log_dirs_request_alter_replica_log_dir_topic){0};
    topic.name = string_view_of(admin->model->topics[index].name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    dir.path = string_view_of(paths[sim_below(sim, 2)]);
    dir.topics.items = &topic;
    dir.topics.count = 1;
    request.dirs.items = &dir;
    request.dirs.count = 1;
    sim_note(sim, "admin moves %s-%d to %.*s", admin->model->topics[index].name, partition,
             (int)dir.path.size, dir.path.data);
    peer_ask(&admin->peer, ALTER_REPLICA_LOG_DIRS_REQUEST_KEY, ALTER_REPLICA_LOG_DIRS_VERSION,
             &request, true);
}

/* Another value of a setting, while the topic is written to, read, compacted or moved. None of them
 * changes what may be lost. */
static void admin_alter(struct admin *admin, int32_t index)
{
    static const struct {
        const char *name;
        const char *values[5];
        bool compacted; /* of such topics only */
    } rows[] = {
        {"cleanup.policy", {"delete", "compact", "compact,delete"}, true},
        {"min.compaction.lag.ms", {"0", "100"}, true},
        {"max.compaction.lag.ms", {"100", "9000"}, true},
        {"compression.type", {"producer", "gzip", "snappy", "lz4", "zstd"}, false},
        {"message.timestamp.type", {"CreateTime", "LogAppendTime"}, false},
        {"segment.ms", {"100", "300", "5000"}, false},
        {"internal.segment.bytes", {"4000", "20000", "1048576"}, false},
        {"index.interval.bytes", {"0", "64", "4096"}, false},
        {"segment.index.bytes", {"30", "1048576"}, false},
        {"preallocate", {"true", "false"}, false},
        {"file.delete.delay.ms", {"0", "500"}, false},
    };
    struct sim *sim = admin->model->sim;
    const struct model_topic *topic = &admin->model->topics[index];
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_alter_configs_resource resource = {0};
    struct incremental_alter_configs_request_alterable_config change = {0};
    size_t row = sim_below(sim, sizeof rows / sizeof rows[0]);
    size_t count = 0;
    if (rows[row].compacted && !topic->compacted) {
        return;
    }
    while (count < sizeof rows[row].values / sizeof rows[row].values[0] &&
           rows[row].values[count] != NULL) {
        count++;
    }
    incremental_alter_configs_request_default(&request);
    change.name = string_view_of(rows[row].name);
    change.value = string_view_of(rows[row].values[sim_below(sim, count)]);
    resource.resource_type = TOPIC_RESOURCE;
    resource.resource_name = string_view_of(topic->name);
    resource.configs.items = &change;
    resource.configs.count = 1;
    request.resources.items = &resource;
    request.resources.count = 1;
    sim_note(sim, "admin sets %s=%.*s of %s", rows[row].name, (int)change.value.size,
             change.value.data, topic->name);
    peer_ask(&admin->peer, INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY,
             INCREMENTAL_ALTER_CONFIGS_VERSION, &request, true);
}

static void admin_look(struct admin *admin, int32_t index)
{
    struct metadata_request request;
    struct metadata_request_metadata_request_topic name;
    metadata_request_default(&request);
    name = (struct metadata_request_metadata_request_topic){0};
    name.name = string_view_of(admin->model->topics[index].name);
    request.topics.items = &name;
    request.topics.count = 1;
    request.allow_auto_topic_creation = false;
    peer_ask(&admin->peer, METADATA_REQUEST_KEY, METADATA_VERSION, &request, true);
}

static void admin_think_later(struct admin *admin, int64_t delay_ms)
{
    if (!admin->think_set) {
        admin->think_set = true;
        sim_schedule(admin->model->sim, &admin->think, delay_ms);
    }
}

static void admin_act(struct admin *admin)
{
    struct sim *sim = admin->model->sim;
    admin->topic = (int32_t)sim_below(sim, MODEL_TOPICS);
    switch (admin->model->topics[admin->topic].state) {
    case TOPIC_ABSENT:
        if (!admin->resting) {
            admin_create(admin, admin->topic);
        }
        return;
    case TOPIC_UNSURE:
        admin_look(admin, admin->topic);
        return;
    case TOPIC_EXISTS:
        if (admin->resting) {
            return;
        }
        if (admin->topic >= MODEL_TOPICS_PERMANENT && sim_chance(sim, 30)) {
            admin_delete(admin, admin->topic);
        } else if (sim_chance(sim, 30)) {
            admin_delete_records(admin, admin->topic);
        } else if (sim_chance(sim, 40)) {
            admin_alter(admin, admin->topic);
        } else if (admin->two_directories && sim_chance(sim, 40)) {
            admin_move(admin, admin->topic);
        }
        return;
    }
}

static void admin_think(struct sim_event *event)
{
    struct admin *admin = CONTAINER_OF(event, struct admin, think);
    admin->think_set = false;
    if (!peer_is_connected(&admin->peer)) {
        return;
    }
    if (admin->peer.asked_count == 0) {
        admin_act(admin);
    }
    if (admin->peer.asked_count == 0) {
        admin_think_later(admin, (int64_t)sim_below(admin->model->sim, ADMIN_THINK_MAX_MS));
    }
}

static bool admin_was_starved(const struct admin *admin, int16_t error)
{
    return admin->model->sim->starved && error == KAFKA_UNKNOWN_SERVER_ERROR;
}

static void admin_created(struct admin *admin, const struct create_topics_response *response)
{
    const struct create_topics_response_creatable_topic_result *result =
        &response->topics.items[0];
    if (result->error_code == 0) {
        model_topic_exists(admin->model, admin->topic, result->topic_id);
    } else if (result->error_code != KAFKA_TOPIC_ALREADY_EXISTS &&
               result->error_code != KAFKA_REQUEST_TIMED_OUT &&
               result->error_code != KAFKA_NOT_CONTROLLER &&
               !admin_was_starved(admin, result->error_code)) {
        sim_fail(admin->model->sim, "admin: creation: error %d", result->error_code);
    }
}

static void admin_deleted(struct admin *admin, const struct delete_topics_response *response)
{
    int16_t error = response->responses.items[0].error_code;
    if (error == 0 || error == KAFKA_UNKNOWN_TOPIC_ID) {
        model_topic_absent(admin->model, admin->topic);
    } else if (error != KAFKA_REQUEST_TIMED_OUT && error != KAFKA_NOT_CONTROLLER &&
               !admin_was_starved(admin, error)) {
        sim_fail(admin->model->sim, "admin: deletion: error %d", error);
    }
}

static void admin_deleted_records(struct admin *admin,
                                  const struct delete_records_response *response)
{
    struct sim *sim = admin->model->sim;
    const struct delete_records_response_delete_records_partition_result *result =
        &response->topics.items[0].partitions.items[0];
    struct model_partition *partition =
        &admin->model->topics[admin->topic].partitions[admin->partition];
    switch (result->error_code) {
    case 0:
        if (result->low_watermark < admin->offset ||
            result->low_watermark < partition->start_confirmed ||
            result->low_watermark > partition->start_asked) {
            sim_fail(sim, "admin: deleted below %" PRId64 ", low watermark %" PRId64,
                     admin->offset, result->low_watermark);
        }
        partition->start_confirmed = result->low_watermark;
        break;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_OFFSET_OUT_OF_RANGE: /* the records were lost with the power */
    case KAFKA_POLICY_VIOLATION:    /* the policy is to compact and nothing else, by now */
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        break;
    default:
        if (!admin_was_starved(admin, result->error_code)) {
            sim_fail(sim, "admin: deletion of records: error %d", result->error_code);
        }
    }
}

static void admin_moved(struct admin *admin,
                        const struct alter_replica_log_dirs_response *response)
{
    int16_t error = response->results.items[0].partitions.items[0].error_code;
    switch (error) {
    case 0:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        break;
    default:
        if (!admin_was_starved(admin, error)) {
            sim_fail(admin->model->sim, "admin: a move: error %d", error);
        }
    }
}

static void admin_altered(struct admin *admin,
                          const struct incremental_alter_configs_response *response)
{
    int16_t error = response->responses.items[0].error_code;
    if (error != 0 && error != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
        error != KAFKA_REQUEST_TIMED_OUT && error != KAFKA_NOT_CONTROLLER &&
        !admin_was_starved(admin, error)) {
        sim_fail(admin->model->sim, "admin: a setting: error %d", error);
    }
}

static void admin_looked(struct admin *admin, const struct metadata_response *response)
{
    const struct metadata_response_metadata_response_topic *topic = &response->topics.items[0];
    if (topic->error_code == 0) {
        model_topic_exists(admin->model, admin->topic, topic->topic_id);
    } else if (topic->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        model_topic_absent(admin->model, admin->topic);
    }
}

static void admin_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct admin *admin = CONTAINER_OF(peer, struct admin, peer);
    switch (api_key) {
    case CREATE_TOPICS_REQUEST_KEY:
        admin_created(admin, message);
        break;
    case DELETE_TOPICS_REQUEST_KEY:
        admin_deleted(admin, message);
        break;
    case DELETE_RECORDS_REQUEST_KEY:
        admin_deleted_records(admin, message);
        break;
    case ALTER_REPLICA_LOG_DIRS_REQUEST_KEY:
        admin_moved(admin, message);
        break;
    case INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY:
        admin_altered(admin, message);
        break;
    default:
        admin_looked(admin, message);
        break;
    }
    admin_think_later(admin, (int64_t)sim_below(admin->model->sim, ADMIN_THINK_MAX_MS));
}

static void admin_connected(struct peer *peer)
{
    admin_think_later(CONTAINER_OF(peer, struct admin, peer), ADMIN_SURE_MS);
}

static void admin_lost(struct peer *peer) { (void)peer; }

void admin_init(struct admin *admin, struct net *net, struct model *model)
{
    *admin = (struct admin){.model = model};
    peer_init(&admin->peer, net, model->sim, "admin");
    admin->peer.connected = admin_connected;
    admin->peer.lost = admin_lost;
    admin->peer.answered = admin_answered;
    admin->think.run = admin_think;
}

void admin_release(struct admin *admin)
{
    admin_stop(admin);
    peer_release(&admin->peer);
}

void admin_start(struct admin *admin)
{
    peer_start(&admin->peer);
    /* The audit has seen what is there: nothing is under way any more. */
    if (!admin->think_set) {
        admin->think_set = true;
        sim_schedule(admin->model->sim, &admin->think, 1);
    }
}

void admin_stop(struct admin *admin)
{
    if (admin->think_set) {
        sim_cancel(&admin->think);
        admin->think_set = false;
    }
    peer_stop(&admin->peer);
}
