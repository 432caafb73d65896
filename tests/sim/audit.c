#include <inttypes.h>

#include "actors.h"
#include "protocol/error.h"

#define METADATA_VERSION 12
#define LIST_OFFSETS_VERSION 7
#define LIST_OFFSETS_LATEST (-1)
#define LIST_OFFSETS_EARLIEST (-2)

static void audit_next(struct audit *audit);

static void audit_fail(struct audit *audit, const char *what, int16_t error)
{
    const struct sim *sim = audit->model->sim;
    bool disk_failed = sim->death != SIM_CLEAN && sim->effects_left == 0;
    if (error == KAFKA_KAFKA_STORAGE_ERROR && disk_failed) {
        audit_next(audit); /* its directory is offline: a later start shows what is there */
        return;
    }
    if (sim->starved && error == KAFKA_UNKNOWN_SERVER_ERROR) {
        peer_stop(&audit->peer); /* from the beginning */
        peer_start(&audit->peer);
        return;
    }
    sim_fail(audit->model->sim, "audit: %s of %s-%d: error %d", what,
             audit->model->topics[audit->topic].name, audit->partition, error);
}

static void audit_ask_metadata(struct audit *audit)
{
    struct metadata_request request;
    struct metadata_request_metadata_request_topic names[MODEL_TOPICS];
    metadata_request_default(&request);
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        names[i] = (struct metadata_request_metadata_request_topic){0};
        names[i].name = string_view_of(audit->model->topics[i].name);
    }
    request.topics.items = names;
    request.topics.count = MODEL_TOPICS;
    request.allow_auto_topic_creation = false;
    peer_ask(&audit->peer, METADATA_REQUEST_KEY, METADATA_VERSION, &request, true);
}

static void audit_ask_offset(struct audit *audit, int64_t timestamp)
{
    struct list_offsets_request request;
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request_list_offsets_partition partition;
    list_offsets_request_default(&request);
    topic = (struct list_offsets_request_list_offsets_topic){0};
    partition = (struct list_offsets_request_list_offsets_partition){0};
    partition.partition_index = audit->partition;
    partition.current_leader_epoch = -1;
    partition.timestamp = timestamp;
    topic.name = string_view_of(audit->model->topics[audit->topic].name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.replica_id = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    peer_ask(&audit->peer, LIST_OFFSETS_REQUEST_KEY, LIST_OFFSETS_VERSION, &request, true);
}

/* Goes to the next partition of a topic that exists, or says that all are seen. */
static void audit_next(struct audit *audit)
{
    for (;;) {
        audit->partition++;
        if (audit->partition == MODEL_PARTITIONS) {
            audit->partition = 0;
            audit->topic++;
        }
        if (audit->topic == MODEL_TOPICS) {
            audit->running = false;
            audit->done(audit);
            return;
        }
        if (audit->model->topics[audit->topic].state == TOPIC_EXISTS) {
            audit->start_offset = -1;
            audit_ask_offset(audit, LIST_OFFSETS_EARLIEST);
            return;
        }
    }
}

static void audit_take_metadata(struct audit *audit, const struct metadata_response *response)
{
    for (int32_t i = 0; i < response->topics.count; i++) {
        const struct metadata_response_metadata_response_topic *found = &response->topics.items[i];
        for (int32_t topic = 0; topic < MODEL_TOPICS; topic++) {
            if (!string_view_is(found->name, audit->model->topics[topic].name)) {
                continue;
            }
            if (found->error_code == 0) {
                model_topic_exists(audit->model, topic, found->topic_id);
            } else if (found->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
                model_topic_absent(audit->model, topic);
            } else {
                sim_fail(audit->model->sim, "audit: metadata error %d", found->error_code);
            }
        }
    }
    audit->topic = 0;
    audit->partition = -1;
    audit_next(audit);
}

static void audit_take_offset(struct audit *audit, const struct list_offsets_response *response)
{
    const struct list_offsets_response_list_offsets_partition_response *partition =
        &response->topics.items[0].partitions.items[0];
    if (partition->error_code != 0) {
        audit_fail(audit, "offsets", partition->error_code);
        return;
    }
    if (audit->start_offset < 0) {
        audit->start_offset = audit->position = partition->offset;
        audit_ask_offset(audit, LIST_OFFSETS_LATEST);
        return;
    }
    audit->end_offset = partition->offset;
    model_audit(audit->model, audit->topic, audit->partition, audit->start_offset,
                audit->end_offset);
    if (audit->position < audit->end_offset) {
        actors_ask_fetch(&audit->peer, audit->model, audit->topic, audit->partition,
                         audit->position, 0);
    } else {
        model_audited(audit->model, audit->topic, audit->partition, audit->start_offset,
                      audit->end_offset);
        audit_next(audit);
    }
}

static void audit_take_records(struct audit *audit, const struct fetch_response *response)
{
    const struct fetch_response_partition_data *data = actors_fetched(response);
    if (data == NULL || data->error_code != 0) {
        audit_fail(audit, "records", data == NULL ? response->error_code : data->error_code);
        return;
    }
    const struct model_topic *topic = &audit->model->topics[audit->topic];
    int64_t position = actors_read_records(audit->model, audit->topic, audit->partition,
                                           audit->position, data->records);
    if (position == audit->position && topic->compacted &&
        topic->partitions[audit->partition].may_have_holes) {
        /* What was not synced went with the power, at the end of a segment that has an empty one
         * behind it: of a compacted topic that is a gap like any other. */
        position = audit->end_offset;
    }
    if (position == audit->position) {
        sim_fail(audit->model->sim, "audit: no record of %s-%d at %" PRId64,
                 audit->model->topics[audit->topic].name, audit->partition, position);
        return;
    }
    audit->position = position;
    if (position < audit->end_offset) {
        actors_ask_fetch(&audit->peer, audit->model, audit->topic, audit->partition, position, 0);
    } else {
        model_audited(audit->model, audit->topic, audit->partition, audit->start_offset,
                      audit->end_offset);
        audit_next(audit);
    }
}

static void audit_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct audit *audit = CONTAINER_OF(peer, struct audit, peer);
    if (api_key == METADATA_REQUEST_KEY) {
        audit_take_metadata(audit, message);
    } else if (api_key == LIST_OFFSETS_REQUEST_KEY) {
        audit_take_offset(audit, message);
    } else {
        audit_take_records(audit, message);
    }
}

static void audit_connected(struct peer *peer)
{
    struct audit *audit = CONTAINER_OF(peer, struct audit, peer);
    if (audit->running) {
        audit_ask_metadata(audit);
    }
}

static void audit_lost(struct peer *peer) { (void)peer; }

void audit_init(struct audit *audit, struct net *net, struct model *model)
{
    *audit = (struct audit){.model = model};
    peer_init(&audit->peer, net, model->sim, "audit");
    audit->peer.connected = audit_connected;
    audit->peer.lost = audit_lost;
    audit->peer.answered = audit_answered;
}

void audit_release(struct audit *audit) { peer_release(&audit->peer); }

void audit_start(struct audit *audit)
{
    audit->running = true;
    peer_start(&audit->peer);
}

void audit_stop(struct audit *audit)
{
    audit->running = false;
    peer_stop(&audit->peer);
}
