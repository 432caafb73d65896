/* owner.c: a member of the simulated group of the consumer protocol (KIP-848). It sends heartbeats,
 * one at a time; says what it owns, gives up what it is told to, after a while; leaves, for good or
 * as a static member for some time, and sleeps until it is given up. */
#include <stdio.h>
#include <string.h>

#include "actors.h"
#include "base/assert.h"
#include "protocol/error.h"

#define OWNER_THINK_MAX_MS 150
#define OWNER_SLEEP_MAX_MS 2500
#define OWNER_AGAIN_MAX_MS 300
#define OWNER_REBALANCE_MS 1500
#define FIND_COORDINATOR_VERSION 3

static const char group_name[] = "the-owners";

static void think_later(struct owner *owner, int64_t most_ms)
{
    if (!owner->think_set) {
        owner->think_set = true;
        sim_schedule(owner->facts->sim, &owner->think,
                     (int64_t)sim_below(owner->facts->sim, (uint64_t)most_ms));
    }
}

static void ask_coordinator(struct owner *owner)
{
    struct find_coordinator_request request;
    find_coordinator_request_default(&request);
    request.key = string_view_of(group_name);
    peer_ask(&owner->peer, FIND_COORDINATOR_REQUEST_KEY, FIND_COORDINATOR_VERSION, &request, true);
}

static void new_id(struct owner *owner)
{
    snprintf(owner->id, sizeof owner->id, "owner-%d-%d", owner->index, ++owner->lives);
    owner->epoch = 0;
    owner_facts_gone(owner->facts, owner->index);
}

/* It subscribes by names, or by an expression that matches the same. */
static void fill_subscription(const struct owner *owner, struct string_view *names, char *regex,
                              size_t regex_size,
                              struct consumer_group_heartbeat_request *request)
{
    const struct model *model = owner->model;
    if (owner->index % 2 == 1) {
        snprintf(regex, regex_size, "(%s|%s)", model->topics[0].name, model->topics[1].name);
        request->subscribed_topic_regex = string_view_of(regex);
        return;
    }
    for (int32_t i = 0; i < MODEL_TOPICS_PERMANENT; i++) {
        names[i] = string_view_of(model->topics[i].name);
    }
    request->subscribed_topic_names.items = names;
    request->subscribed_topic_names.count = MODEL_TOPICS_PERMANENT;
}

static void ask_heartbeat(struct owner *owner, int32_t epoch, bool everything, bool says)
{
    const struct owner_set *set = &owner->facts->sets[owner->index];
    struct consumer_group_heartbeat_request_topic_partitions topics[OWNED_MAX];
    int32_t numbers[OWNED_MAX];
    struct string_view names[MODEL_TOPICS_PERMANENT];
    struct consumer_group_heartbeat_request request;
    char regex[64];
    consumer_group_heartbeat_request_default(&request);
    request.group_id = string_view_of(group_name);
    request.member_id = string_view_of(owner->id);
    request.member_epoch = epoch;
    if (owner->index == 0) {
        request.instance_id = string_view_of("the-first");
    }
    if (epoch >= 0 && (everything || says)) {
        for (size_t i = 0; i < set->count; i++) {
            numbers[i] = set->items[i].partition;
            topics[i].topic_id = set->items[i].topic;
            topics[i].partitions.items = &numbers[i];
            topics[i].partitions.count = 1;
        }
        request.topic_partitions.items = topics;
        request.topic_partitions.count = epoch == 0 ? 0 : (int32_t)set->count;
    }
    if (everything) {
        request.rebalance_timeout_ms = OWNER_REBALANCE_MS;
        fill_subscription(owner, names, regex, sizeof regex, &request);
    }
    owner->asked = ++owner->facts->moment;
    owner->newest = owner->facts->epoch;
    owner->asked_epoch = epoch;
    peer_ask(&owner->peer, CONSUMER_GROUP_HEARTBEAT_REQUEST_KEY, 1, &request, true);
}

static void join(struct owner *owner)
{
    owner_facts_gone(owner->facts, owner->index);
    owner->epoch = 0;
    owner->in = false;
    ask_heartbeat(owner, 0, true, true);
}

static void owner_think(struct sim_event *event)
{
    struct owner *owner = CONTAINER_OF(event, struct owner, think);
    owner->think_set = false;
    if (!peer_is_connected(&owner->peer) || owner->peer.asked_count > 0) {
        return;
    }
    if (!owner->found) {
        ask_coordinator(owner);
        return;
    }
    if (!owner->in) {
        join(owner);
        return;
    }
    uint64_t what = sim_below(owner->facts->sim, 100);
    if (owner->resting || what < 60) {
        ask_heartbeat(owner, owner->epoch, what % 10 == 0, what % 4 != 0);
    } else if (what < 63) {
        owner_facts_gone(owner->facts, owner->index);
        owner->in = false;
        bool stays = owner->index == 0 && sim_chance(owner->facts->sim, 50);
        ask_heartbeat(owner, stays ? -2 : -1, false, false);
    } else if (what < 66) {
        think_later(owner, OWNER_SLEEP_MAX_MS); /* long enough to be given up */
    } else {
        ask_heartbeat(owner, owner->epoch, false, true);
    }
}

/* What an error says of the membership. */
static void refused(struct owner *owner, const char *what, int16_t error)
{
    struct sim *sim = owner->facts->sim;
    sim_note(sim, "%s: %s: error %d", owner->peer.name, what, error);
    switch (error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_MEMBER_EPOCH:
    case KAFKA_GROUP_ID_NOT_FOUND:
    case KAFKA_UNRELEASED_INSTANCE_ID:
    case KAFKA_FENCED_INSTANCE_ID:
        if (owner->asked_epoch == 0 && error != KAFKA_UNRELEASED_INSTANCE_ID) {
            sim_fail(sim, "%s joins and is refused: error %d", owner->peer.name, error);
        }
        owner->in = false;
        owner_facts_gone(owner->facts, owner->index);
        break;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
        owner->found = false;
        break;
    default:
        if (!sim->starved || error != KAFKA_UNKNOWN_SERVER_ERROR) {
            sim_fail(sim, "%s: %s: error %d", owner->peer.name, what, error);
        }
        owner->found = false;
    }
    think_later(owner, OWNER_AGAIN_MAX_MS);
}

static void take_assignment(const struct consumer_group_heartbeat_response_assignment *told,
                            struct owner_set *set)
{
    set->count = 0;
    for (int32_t i = 0; i < told->topic_partitions.count; i++) {
        for (int32_t j = 0; j < told->topic_partitions.items[i].partitions.count; j++) {
            ASSERT(set->count < OWNED_MAX);
            set->items[set->count++] =
                (struct owned_partition){told->topic_partitions.items[i].topic_id,
                                         told->topic_partitions.items[i].partitions.items[j]};
        }
    }
}

static void take_heartbeat(struct owner *owner,
                           const struct consumer_group_heartbeat_response *response)
{
    struct owner_set set;
    if (owner->asked_epoch < 0) { /* it has left, whatever came of it */
        if (owner->asked_epoch == -1 || owner->index != 0 || sim_chance(owner->facts->sim, 50)) {
            new_id(owner);
        }
        think_later(owner, OWNER_SLEEP_MAX_MS);
        return;
    }
    if (response->error_code != 0) {
        refused(owner, "heartbeat", response->error_code);
        return;
    }
    /* A sync that failed may lose the middle of a log of which the end is kept: the group's epoch
     * without the member's. */
    if (owner->asked_epoch > 0 && response->member_epoch < owner->epoch &&
        owner->told_holes == owner->facts->holes) {
        sim_fail(owner->facts->sim, "%s is told epoch %d after %d", owner->peer.name,
                 response->member_epoch, owner->epoch);
    }
    if (response->assignment != NULL) {
        take_assignment(response->assignment, &set);
    }
    owner->epoch = response->member_epoch;
    owner->told_holes = owner->facts->holes;
    owner->in = true;
    owner_facts_told(owner->facts, owner->index, response->assignment != NULL ? &set : NULL,
                     owner->epoch, owner->asked, owner->asked_epoch == 0, owner->newest);
    owner->rested = owner->resting;
    think_later(owner, OWNER_THINK_MAX_MS);
}

static void owner_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct owner *owner = CONTAINER_OF(peer, struct owner, peer);
    if (api_key == CONSUMER_GROUP_HEARTBEAT_REQUEST_KEY) {
        take_heartbeat(owner, message);
        return;
    }
    int16_t error = ((const struct find_coordinator_response *)message)->error_code;
    if (error != 0) {
        refused(owner, "coordinator", error);
        return;
    }
    owner->found = true;
    think_later(owner, OWNER_THINK_MAX_MS);
}

static void owner_connected(struct peer *peer)
{
    struct owner *owner = CONTAINER_OF(peer, struct owner, peer);
    owner->found = false;
    think_later(owner, OWNER_AGAIN_MAX_MS);
}

static void owner_lost(struct peer *peer) { (void)peer; }

void owner_init(struct owner *owner, struct net *net, struct model *model,
                struct owner_facts *facts, int32_t index)
{
    static const char *const names[GROUP_OWNERS] = {"owner-0", "owner-1", "owner-2"};
    ASSERT(index >= 0 && index < GROUP_OWNERS);
    *owner = (struct owner){.model = model, .facts = facts, .index = index};
    peer_init(&owner->peer, net, facts->sim, names[index]);
    owner->peer.connected = owner_connected;
    owner->peer.lost = owner_lost;
    owner->peer.answered = owner_answered;
    owner->think.run = owner_think;
    list_init(&owner->think.node);
    new_id(owner);
}

void owner_release(struct owner *owner)
{
    owner_stop(owner);
    peer_release(&owner->peer);
}

void owner_start(struct owner *owner) { peer_start(&owner->peer); }

void owner_stop(struct owner *owner)
{
    if (owner->think_set) {
        sim_cancel(&owner->think);
        owner->think_set = false;
    }
    peer_stop(&owner->peer);
}
