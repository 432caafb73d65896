/* member.c: a consumer of the simulated group, by the classic protocol. It asks one thing at a
 * time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors.h"
#include "base/assert.h"
#include "protocol/error.h"

#define MEMBER_THINK_MAX_MS 200
#define MEMBER_SLEEP_MAX_MS 3000
#define MEMBER_AGAIN_MAX_MS 300
#define MEMBER_SESSION_MS 1000
#define MEMBER_REBALANCE_MS 1500
#define MEMBERS_MAX 32
#define FIND_COORDINATOR_VERSION 3
#define JOIN_VERSION 9
#define SYNC_VERSION 5
#define HEARTBEAT_VERSION 4
#define COMMIT_VERSION 8
#define FETCH_VERSION 8
#define LEAVE_VERSION 4

static const char group_name[] = "the-group";
static const char protocol_type[] = "simulated";
static const char protocol_name[] = "by turns";

static struct string_view none(void) { return (struct string_view){NULL, 0}; }

static void member_think_later(struct member *member, int64_t most_ms)
{
    if (!member->think_set) {
        member->think_set = true;
        sim_schedule(member->facts->sim, &member->think,
                     (int64_t)sim_below(member->facts->sim, (uint64_t)most_ms));
    }
}

static void member_ask(struct member *member, int16_t api_key, int16_t version, const void *request)
{
    member->newest = member->facts->generation;
    memcpy(member->known, member->facts->known, sizeof member->known);
    peer_ask(&member->peer, api_key, version, request, true);
}

static void ask_coordinator(struct member *member)
{
    struct find_coordinator_request request;
    find_coordinator_request_default(&request);
    request.key = string_view_of(group_name);
    member_ask(member, FIND_COORDINATOR_REQUEST_KEY, FIND_COORDINATOR_VERSION, &request);
}

static void ask_join(struct member *member)
{
    struct join_group_request_join_group_request_protocol protocol = {
        .name = string_view_of(protocol_name), .metadata = {(const uint8_t *)"", 0}};
    struct join_group_request request;
    join_group_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.session_timeout_ms = MEMBER_SESSION_MS;
    request.rebalance_timeout_ms = MEMBER_REBALANCE_MS;
    request.member_id = string_view_of(member->id);
    request.group_instance_id = none();
    request.protocol_type = string_view_of(protocol_type);
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    member->state = MEMBER_JOINS;
    member_ask(member, JOIN_GROUP_REQUEST_KEY, JOIN_VERSION, &request);
}

/* The leader gives every partition to one member; an assignment is a byte with a bit for each. */
static void ask_sync(struct member *member, const struct join_group_response *joined)
{
    struct sync_group_request_sync_group_request_assignment assignments[MEMBERS_MAX];
    uint8_t partitions[MEMBERS_MAX] = {0};
    int32_t count = joined->members.count < MEMBERS_MAX ? joined->members.count : MEMBERS_MAX;
    for (int32_t i = 0; i < GROUP_PARTITIONS && count > 0; i++) {
        partitions[sim_below(member->facts->sim, (uint64_t)count)] |= (uint8_t)(1u << i);
    }
    for (int32_t i = 0; i < count; i++) {
        assignments[i] = (struct sync_group_request_sync_group_request_assignment){
            joined->members.items[i].member_id, {&partitions[i], 1}};
    }
    struct sync_group_request request;
    sync_group_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.generation_id = member->joined;
    request.member_id = string_view_of(member->id);
    request.group_instance_id = none();
    request.protocol_type = string_view_of(protocol_type);
    request.protocol_name = string_view_of(protocol_name);
    request.assignments.items = assignments;
    request.assignments.count = count;
    member->state = MEMBER_SYNCS;
    member_ask(member, SYNC_GROUP_REQUEST_KEY, SYNC_VERSION, &request);
}

static void ask_heartbeat(struct member *member)
{
    struct heartbeat_request request;
    heartbeat_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.generation_id = member->generation;
    request.member_id = string_view_of(member->id);
    request.group_instance_id = none();
    member_ask(member, HEARTBEAT_REQUEST_KEY, HEARTBEAT_VERSION, &request);
}

static void ask_leave(struct member *member)
{
    struct leave_group_request_member_identity self = {string_view_of(member->id), none(), none()};
    struct leave_group_request request;
    leave_group_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.members.items = &self;
    request.members.count = 1;
    member_ask(member, LEAVE_GROUP_REQUEST_KEY, LEAVE_VERSION, &request);
}

static struct string_view topic_name_of(const struct member *member, int32_t partition)
{
    return string_view_of(member->model->topics[partition / MODEL_PARTITIONS].name);
}

/* Of one of its partitions. late: in the name of the generation before its own. */
static void ask_commit(struct member *member, bool late)
{
    int32_t chosen = (int32_t)sim_below(member->facts->sim, GROUP_PARTITIONS);
    while ((member->partitions >> chosen & 1) == 0) {
        chosen = (chosen + 1) % GROUP_PARTITIONS;
    }
    struct offset_commit_request_offset_commit_request_partition partition = {
        .partition_index = chosen % MODEL_PARTITIONS,
        .committed_offset = group_facts_send(member->facts, chosen),
        .committed_leader_epoch = -1,
        .committed_metadata = string_view_of("")};
    struct offset_commit_request_offset_commit_request_topic topic = {
        .name = topic_name_of(member, chosen), .partitions = {&partition, 1}};
    struct offset_commit_request request;
    offset_commit_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.generation_id_or_member_epoch = member->generation - late;
    request.member_id = string_view_of(member->id);
    request.group_instance_id = none();
    request.topics.items = &topic;
    request.topics.count = 1;
    member->committing = true;
    member->asked_generation = member->generation - late;
    member->asked_partition = chosen;
    member->asked_topic_exists =
        member->model->topics[chosen / MODEL_PARTITIONS].state == TOPIC_EXISTS;
    member->asked_offset = partition.committed_offset;
    member_ask(member, OFFSET_COMMIT_REQUEST_KEY, COMMIT_VERSION, &request);
}

/* Of all partitions of the group. */
static void ask_offsets(struct member *member)
{
    int32_t indexes[MODEL_PARTITIONS];
    struct offset_fetch_request_offset_fetch_request_topics topics[MODEL_TOPICS_PERMANENT];
    for (int32_t i = 0; i < MODEL_PARTITIONS; i++) {
        indexes[i] = i;
    }
    for (int32_t i = 0; i < MODEL_TOPICS_PERMANENT; i++) {
        topics[i] = (struct offset_fetch_request_offset_fetch_request_topics){
            .name = topic_name_of(member, i * MODEL_PARTITIONS),
            .partition_indexes = {indexes, MODEL_PARTITIONS}};
    }
    struct offset_fetch_request_offset_fetch_request_group group = {
        .group_id = string_view_of(group_name),
        .member_id = none(),
        .member_epoch = -1,
        .topics = {topics, MODEL_TOPICS_PERMANENT}};
    struct offset_fetch_request request;
    offset_fetch_request_default(&request);
    request.groups.items = &group;
    request.groups.count = 1;
    request.require_stable = sim_chance(member->facts->sim, 50);
    member_ask(member, OFFSET_FETCH_REQUEST_KEY, FETCH_VERSION, &request);
}

static void member_think(struct sim_event *event)
{
    struct member *member = CONTAINER_OF(event, struct member, think);
    struct sim *sim = member->facts->sim;
    member->think_set = false;
    if (!peer_is_connected(&member->peer) || member->peer.asked_count > 0) {
        return;
    }
    switch (member->state) {
    case MEMBER_LOOKS:
        ask_coordinator(member);
        return;
    case MEMBER_JOINS:
    case MEMBER_SYNCS:
        ask_join(member);
        return;
    case MEMBER_IS_IN:
        break;
    }
    uint64_t what = sim_below(sim, 100);
    if (member->resting || what >= 95) {
        ask_offsets(member);
    } else if (what < 40) {
        ask_heartbeat(member);
    } else if (what < 85 && member->partitions != 0) {
        ask_commit(member, what >= 83);
    } else if (what < 88) {
        ask_leave(member);
    } else if (what < 92) {
        member_think_later(member, MEMBER_SLEEP_MAX_MS); /* long enough to be given up */
    } else {
        ask_heartbeat(member);
    }
}

static void member_forget(struct member *member)
{
    member->id[0] = '\0';
    member->generation = 0;
}

/* What an error says of the membership. */
static void member_refused(struct member *member, const char *what, int16_t error)
{
    struct sim *sim = member->facts->sim;
    sim_note(sim, "%s: %s: error %d", member->peer.name, what, error);
    switch (error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
        member_forget(member);
        member->state = MEMBER_JOINS;
        break;
    case KAFKA_ILLEGAL_GENERATION:
        member->generation = 0;
        member->state = MEMBER_JOINS;
        break;
    case KAFKA_REBALANCE_IN_PROGRESS:
        member->state = MEMBER_JOINS;
        break;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
        member->state = MEMBER_LOOKS;
        member->loaded = false;
        break;
    default:
        if (!sim->starved || error != KAFKA_UNKNOWN_SERVER_ERROR) {
            sim_fail(sim, "%s: %s: error %d", member->peer.name, what, error);
        }
        member->state = MEMBER_LOOKS;
        member->loaded = false;
    }
    member_think_later(member, MEMBER_AGAIN_MAX_MS);
}

static void take_join(struct member *member, const struct join_group_response *response)
{
    if (response->error_code == KAFKA_MEMBER_ID_REQUIRED || response->error_code == 0) {
        snprintf(member->id, sizeof member->id, "%.*s", (int)response->member_id.size,
                 response->member_id.data);
    }
    if (response->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        ask_join(member);
    } else if (response->error_code != 0) {
        member_refused(member, "join", response->error_code);
    } else {
        member->joined = response->generation_id;
        member->loaded = true;
        group_facts_believed(member->facts, member->index, member->joined, member->newest);
        ask_sync(member, response);
    }
}

static void take_sync(struct member *member, const struct sync_group_response *response)
{
    if (response->error_code != 0) {
        member_refused(member, "sync", response->error_code);
        return;
    }
    member->generation = member->joined;
    group_facts_believed(member->facts, member->index, member->generation, member->newest);
    member->state = MEMBER_IS_IN;
    member->partitions = response->assignment.size == 1 ? response->assignment.data[0] : 0;
    group_facts_assigned(member->facts, member->index, member->generation, member->partitions);
    ask_offsets(member);
}

static void take_heartbeat(struct member *member, int16_t error)
{
    if (error != 0) {
        member_refused(member, "heartbeat", error);
        return;
    }
    /* A coordinator that loads answers every heartbeat so, as Apache Kafka's does, and believes
     * nobody: it counts once this one has answered something else. */
    if (member->loaded) {
        group_facts_believed(member->facts, member->index, member->generation, member->newest);
    }
    member_think_later(member, MEMBER_THINK_MAX_MS);
}

static void take_commit(struct member *member, const struct offset_commit_response *response)
{
    int16_t error = response->topics.count == 1 && response->topics.items[0].partitions.count == 1
                        ? response->topics.items[0].partitions.items[0].error_code
                        : KAFKA_CORRUPT_MESSAGE;
    member->committing = false;
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && !member->asked_topic_exists) {
        error = 0; /* it was not made yet */
    } else if (error == 0) {
        member->loaded = true;
        group_facts_believed(member->facts, member->index, member->asked_generation,
                             member->newest);
        group_facts_committed(member->facts, member->asked_partition, member->asked_offset);
    }
    if (error != 0) {
        member_refused(member, "commit", error);
    } else {
        member_think_later(member, MEMBER_THINK_MAX_MS);
    }
}

static void take_offsets(struct member *member, const struct offset_fetch_response *response)
{
    const struct offset_fetch_response_offset_fetch_response_group *group =
        response->groups.count == 1 ? &response->groups.items[0] : NULL;
    int16_t error = group == NULL ? KAFKA_CORRUPT_MESSAGE : group->error_code;
    for (int32_t i = 0; error == 0 && i < GROUP_PARTITIONS; i++) {
        const struct offset_fetch_response_offset_fetch_response_partitions *found =
            &group->topics.items[i / MODEL_PARTITIONS].partitions.items[i % MODEL_PARTITIONS];
        error = found->error_code;
        if (error == 0) {
            group_facts_read(member->facts, i, found->committed_offset, member->known[i]);
        }
    }
    if (error != 0) {
        member_refused(member, "offsets", error);
        return;
    }
    member->rested = member->resting;
    member_think_later(member, MEMBER_THINK_MAX_MS);
}

static void member_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct member *member = CONTAINER_OF(peer, struct member, peer);
    switch (api_key) {
    case FIND_COORDINATOR_REQUEST_KEY: {
        int16_t error = ((const struct find_coordinator_response *)message)->error_code;
        if (error != 0) {
            member_refused(member, "coordinator", error);
        } else {
            ask_join(member);
        }
        return;
    }
    case JOIN_GROUP_REQUEST_KEY:
        take_join(member, message);
        return;
    case SYNC_GROUP_REQUEST_KEY:
        take_sync(member, message);
        return;
    case HEARTBEAT_REQUEST_KEY:
        take_heartbeat(member, ((const struct heartbeat_response *)message)->error_code);
        return;
    case OFFSET_COMMIT_REQUEST_KEY:
        take_commit(member, message);
        return;
    case OFFSET_FETCH_REQUEST_KEY:
        take_offsets(member, message);
        return;
    default: /* LeaveGroup, whatever came of it */
        member_forget(member);
        member->state = MEMBER_LOOKS;
        member->loaded = false;
        member_think_later(member, MEMBER_SLEEP_MAX_MS);
    }
}

static void member_connected(struct peer *peer)
{
    struct member *member = CONTAINER_OF(peer, struct member, peer);
    if (member->committing) {
        member_forget(member); /* that commit may still come: never again in the same name */
        member->committing = false;
    }
    /* It may have joined another generation, and not have heard of it. */
    bool goes_on = member->generation > 0 && sim_chance(member->facts->sim, 50);
    member->state = goes_on ? MEMBER_IS_IN : MEMBER_LOOKS;
    member->loaded = false;
    member_think_later(member, MEMBER_AGAIN_MAX_MS);
}

static void member_lost(struct peer *peer) { (void)peer; }

void member_init(struct member *member, struct net *net, struct model *model,
                 struct group_facts *facts, int32_t index)
{
    static const char *const names[GROUP_MEMBERS] = {"member-0", "member-1", "member-2"};
    *member = (struct member){.model = model, .facts = facts, .index = index};
    peer_init(&member->peer, net, facts->sim, names[index]);
    member->peer.connected = member_connected;
    member->peer.lost = member_lost;
    member->peer.answered = member_answered;
    member->think.run = member_think;
}

void member_release(struct member *member)
{
    member_stop(member);
    peer_release(&member->peer);
}

void member_start(struct member *member) { peer_start(&member->peer); }

void member_stop(struct member *member)
{
    if (member->think_set) {
        sim_cancel(&member->think);
        member->think_set = false;
    }
    peer_stop(&member->peer);
}
