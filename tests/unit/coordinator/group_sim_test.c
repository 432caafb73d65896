/* A group among many members that join, leave, die, lose answers and get them late, over a log
 * whose appends fail and a coordinator that is restarted, from one seed. At any time: no partition
 * has two owners in one generation, generations only grow, an offset whose commit was answered
 * never goes back. In the end, when all is quiet, the members that are left share all
 * partitions. */
#include "fixture.h"

#include "protocol/messages.h"

#define GROUP "g"
#define TOPIC "t"
#define PARTITIONS 12
#define ACTORS 9
#define STEPS 3000
#define QUIET_STEPS 1000 /* 200 s: longer than any wait that may be under way */
#define SEEDS 150
#define GENERATIONS 4000
#define ID_BYTES 80
#define SESSION_MS 10000
#define REBALANCE_MS 20000

enum actor_state {
    ACTOR_AWAY,
    ACTOR_JOINING,
    ACTOR_SYNCING,
    ACTOR_MEMBER,
};
/* A request under way, and what it was about. */
struct flight {
    struct ask ask;
    struct list node; /* of those that are late */
    struct actor *actor;
    bool lost;
    int64_t due_ms;
    int32_t partition;
    int64_t offset;
    union {
        struct join_group_request join;
        struct sync_group_request sync;
        struct heartbeat_request heartbeat;
        struct leave_group_request leave;
        struct offset_commit_request commit;
        struct group_offset_fetch fetch;
    } request;
    struct join_group_request_join_group_request_protocol protocol;
    struct sync_group_request_sync_group_request_assignment assignments[ACTORS * 4];
    uint8_t owned[ACTORS * 4][PARTITIONS];
    struct leave_group_request_member_identity identity;
    struct offset_commit_request_offset_commit_request_topic topic;
    struct offset_commit_request_offset_commit_request_partition committed;
    struct offset_fetch_request_offset_fetch_request_topics fetched;
    char id[ID_BYTES];
};
struct actor {
    struct sim *sim;
    enum actor_state state;
    char id[ID_BYTES];
    char instance[8]; /* "": dynamic */
    int32_t generation;
    bool owns[PARTITIONS];
    int64_t position[PARTITIONS]; /* -1: to be fetched */
    struct flight *flight;        /* that it waits for */
    int64_t gives_up_ms;
    int64_t next_heartbeat_ms;
};
struct sim {
    struct fixture fixture;
    uint64_t random;
    struct actor actors[ACTORS];
    struct list flights; /* all that are not answered */
    struct list late;
    int64_t acked[PARTITIONS];
    int64_t attempted[PARTITIONS];
    char owner[GENERATIONS][PARTITIONS][ID_BYTES];
    int32_t newest_synced;
    int32_t newest_joined; /* since the last restart */
    bool quiet;
    int64_t settled_members;
};

static uint64_t next_random(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random * 0x2545f4914f6cdd1du >> 16;
}

static bool chance(struct sim *sim, unsigned percent)
{
    return !sim->quiet && next_random(sim) % 100 < percent;
}

static void flight_free(struct flight *flight)
{
    list_remove(&flight->node);
    if (flight->actor->flight == flight) {
        flight->actor->flight = NULL;
    }
    arena_release(&flight->ask.arena);
    free(flight);
}

static struct flight *flight_make(struct actor *actor, int16_t api_key, int16_t version)
{
    struct flight *flight = calloc(1, sizeof *flight);
    assert_non_null(flight);
    flight->actor = actor;
    ask_init(&flight->ask, api_key, version, &flight->request);
    uint64_t random[2] = {next_random(actor->sim), next_random(actor->sim)};
    memcpy(flight->ask.call.random, random, sizeof random);
    memcpy(flight->id, actor->id, sizeof flight->id);
    list_init(&flight->node);
    return flight;
}

static struct string_view instance_of(const struct actor *actor)
{
    return actor->instance[0] == '\0' ? (struct string_view){NULL, 0}
                                      : string_view_of(actor->instance);
}

static void take_answers(struct sim *sim);

static void send_flight(struct flight *flight, bool waits)
{
    struct actor *actor = flight->actor;
    struct sim *sim = actor->sim;
    flight->lost = chance(sim, 5);
    list_push_back(&sim->flights, &flight->node);
    if (waits) {
        actor->flight = flight;
        actor->gives_up_ms = sim->fixture.now.monotonic_ms + REBALANCE_MS + 10000;
    }
    if (chance(sim, 2)) {
        sim->fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    }
    runtime_handle(sim->fixture.runtime, &flight->ask.call, sim->fixture.now);
    if (chance(sim, 70) || sim->quiet) {
        take_answers(sim);
    }
}

static void actor_reset(struct actor *actor, enum actor_state state)
{
    actor->state = state;
    actor->flight = NULL;
    memset(actor->owns, 0, sizeof actor->owns);
}

static void send_join(struct actor *actor)
{
    struct flight *flight = flight_make(actor, API_JOIN_GROUP, 9);
    struct join_group_request *join = &flight->request.join;
    *join = (struct join_group_request){
        .group_id = string_view_of(GROUP),
        .session_timeout_ms = SESSION_MS,
        .rebalance_timeout_ms = REBALANCE_MS,
        .member_id = string_view_of(flight->id),
        .group_instance_id = instance_of(actor),
        .protocol_type = string_view_of("test"),
    };
    flight->protocol.name = string_view_of("share");
    flight->protocol.metadata = (struct bytes_view){(const uint8_t *)"", 0};
    join->protocols.items = &flight->protocol;
    join->protocols.count = 1;
    actor_reset(actor, ACTOR_JOINING);
    send_flight(flight, true);
}

/* The leader gives partitions out in turn: an assignment is a list of their numbers. */
static void send_sync(struct actor *actor, const struct join_group_response *joined)
{
    struct flight *flight = flight_make(actor, API_SYNC_GROUP, 5);
    struct sync_group_request *sync = &flight->request.sync;
    *sync = (struct sync_group_request){
        .group_id = string_view_of(GROUP),
        .generation_id = actor->generation,
        .member_id = string_view_of(flight->id),
        .group_instance_id = instance_of(actor),
        .protocol_type = string_view_of("test"),
        .protocol_name = string_view_of("share"),
    };
    int32_t members = joined->members.count;
    assert_in_range(members, 0, ACTORS * 4);
    sync->assignments.items = flight->assignments;
    for (int32_t i = 0; i < members; i++) {
        size_t count = 0;
        for (int32_t partition = i; partition < PARTITIONS; partition += members) {
            flight->owned[i][count++] = (uint8_t)partition;
        }
        /* Ids live in the answer, which goes: they are copied into the call's own arena. */
        flight->assignments[i].member_id =
            arena_string(&flight->ask.arena, joined->members.items[i].member_id);
        flight->assignments[i].assignment = (struct bytes_view){flight->owned[i], count};
        sync->assignments.count = i + 1;
    }
    actor->state = ACTOR_SYNCING;
    send_flight(flight, true);
}

static void send_heartbeat(struct actor *actor)
{
    struct flight *flight = flight_make(actor, API_HEARTBEAT, 4);
    flight->request.heartbeat =
        (struct heartbeat_request){.group_id = string_view_of(GROUP),
                                   .generation_id = actor->generation,
                                   .member_id = string_view_of(flight->id),
                                   .group_instance_id = instance_of(actor)};
    actor->next_heartbeat_ms = actor->sim->fixture.now.monotonic_ms + 3000;
    send_flight(flight, true);
}

static void send_leave(struct actor *actor)
{
    struct flight *flight = flight_make(actor, API_LEAVE_GROUP, 5);
    flight->identity.member_id = string_view_of(flight->id);
    flight->identity.group_instance_id = instance_of(actor);
    flight->request.leave.group_id = string_view_of(GROUP);
    flight->request.leave.members.items = &flight->identity;
    flight->request.leave.members.count = 1;
    actor_reset(actor, ACTOR_AWAY);
    actor->id[0] = '\0';
    send_flight(flight, false);
}

static void send_fetch(struct actor *actor, int32_t partition)
{
    struct flight *flight = flight_make(actor, API_OFFSET_FETCH, 9);
    struct group_offset_fetch *fetch = &flight->request.fetch;
    flight->partition = partition;
    flight->offset = actor->sim->acked[partition];
    flight->fetched.name = string_view_of(TOPIC);
    flight->fetched.partition_indexes.items = &flight->partition;
    flight->fetched.partition_indexes.count = 1;
    fetch->group.group_id = string_view_of(GROUP);
    fetch->group.topics.items = &flight->fetched;
    fetch->group.topics.count = 1;
    fetch->require_stable = next_random(actor->sim) % 2 == 0;
    send_flight(flight, true);
}

static void send_commit(struct actor *actor, int32_t partition)
{
    struct sim *sim = actor->sim;
    struct flight *flight = flight_make(actor, API_OFFSET_COMMIT, 9);
    struct offset_commit_request *commit = &flight->request.commit;
    flight->partition = partition;
    flight->offset = actor->position[partition] + 1;
    flight->committed.partition_index = partition;
    flight->committed.committed_offset = flight->offset;
    flight->topic.name = string_view_of(TOPIC);
    flight->topic.partitions.items = &flight->committed;
    flight->topic.partitions.count = 1;
    *commit = (struct offset_commit_request){.group_id = string_view_of(GROUP),
                                             .generation_id_or_member_epoch = actor->generation,
                                             .member_id = string_view_of(flight->id),
                                             .group_instance_id = instance_of(actor),
                                             .retention_time_ms = -1};
    commit->topics.items = &flight->topic;
    commit->topics.count = 1;
    sim->attempted[partition] = flight->offset > sim->attempted[partition]
                                    ? flight->offset
                                    : sim->attempted[partition];
    send_flight(flight, true);
}

/* ---- answers ---- */

static void copy_id(char id[ID_BYTES], struct string_view from)
{
    assert_true(from.size < ID_BYTES);
    memcpy(id, from.data, from.size);
    id[from.size] = '\0';
}

static void begin_anew(struct actor *actor, int16_t error)
{
    bool known = error == KAFKA_REBALANCE_IN_PROGRESS || error == KAFKA_NOT_COORDINATOR ||
                 error == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                 error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (!known) {
        actor->id[0] = '\0';
    }
    actor_reset(actor, ACTOR_JOINING);
}

/* Of what is answered, whether it arrives or not. A generation is kept once somebody has heard of
 * its assignment; one that was only joined may come again after a restart. */
static void on_answered(struct ask *ask)
{
    struct flight *flight = CONTAINER_OF(ask, struct flight, ask);
    struct sim *sim = flight->actor->sim;
    const struct join_group_response *joined = ask->call.response;
    const struct sync_group_response *synced = ask->call.response;
    if (ask->call.api_key == API_JOIN_GROUP && joined->error_code == 0) {
        assert_in_range(joined->generation_id, 1, GENERATIONS - 1);
        assert_true(joined->generation_id >= sim->newest_synced);
        assert_true(joined->generation_id >= sim->newest_joined);
        sim->newest_joined = joined->generation_id;
    }
    if (ask->call.api_key == API_SYNC_GROUP && synced->error_code == 0) {
        assert_true(flight->request.sync.generation_id >= sim->newest_synced);
        sim->newest_synced = flight->request.sync.generation_id;
    }
}

static void on_join(struct actor *actor, const struct join_group_response *joined)
{
    if (joined->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        copy_id(actor->id, joined->member_id);
        return;
    }
    if (joined->error_code != 0) {
        begin_anew(actor, joined->error_code);
        return;
    }
    copy_id(actor->id, joined->member_id);
    actor->generation = joined->generation_id;
    send_sync(actor, joined);
}

static void on_sync(struct actor *actor, const struct sync_group_response *synced)
{
    struct sim *sim = actor->sim;
    if (synced->error_code != 0) {
        begin_anew(actor, synced->error_code);
        return;
    }
    actor->state = ACTOR_MEMBER;
    actor->next_heartbeat_ms = sim->fixture.now.monotonic_ms;
    for (size_t i = 0; i < synced->assignment.size; i++) {
        uint8_t partition = synced->assignment.data[i];
        assert_true(partition < PARTITIONS);
        char *owner = sim->owner[actor->generation][partition];
        /* A static member that comes back has what it had, under another id. */
        const char *name = actor->instance[0] != '\0' ? actor->instance : actor->id;
        assert_true(owner[0] == '\0' || strcmp(owner, name) == 0);
        copy_id(owner, string_view_of(name));
        actor->owns[partition] = true;
        actor->position[partition] = -1;
    }
}

static void on_fetch(struct actor *actor, const struct flight *flight,
                     const struct offset_fetch_response_offset_fetch_response_group *fetched)
{
    struct sim *sim = actor->sim;
    if (fetched->error_code != 0) {
        return;
    }
    assert_int_equal(fetched->topics.count, 1);
    assert_int_equal(fetched->topics.items[0].partitions.items[0].error_code, 0);
    int64_t offset = fetched->topics.items[0].partitions.items[0].committed_offset;
    assert_true(offset >= flight->offset);
    assert_true(offset <= sim->attempted[flight->partition]);
    actor->position[flight->partition] = offset < 0 ? 0 : offset;
}

static void on_commit(struct actor *actor, const struct flight *flight,
                      const struct offset_commit_response *committed)
{
    struct sim *sim = actor->sim;
    int16_t error = committed->topics.items[0].partitions.items[0].error_code;
    if (error == 0) {
        if (flight->offset > sim->acked[flight->partition]) {
            sim->acked[flight->partition] = flight->offset;
        }
        actor->position[flight->partition] = flight->offset;
    } else if (error == KAFKA_COORDINATOR_NOT_AVAILABLE || error == KAFKA_NOT_COORDINATOR) {
        actor->position[flight->partition] = -1; /* nobody knows: ask */
    } else {
        begin_anew(actor, error);
    }
}

static void on_answer(struct flight *flight)
{
    struct actor *actor = flight->actor;
    const void *response = flight->ask.call.response;
    assert_non_null(response);
    if (actor->flight != flight) {
        return; /* it does not wait for this any more */
    }
    actor->flight = NULL;
    switch (flight->ask.call.api_key) {
    case API_JOIN_GROUP:
        on_join(actor, response);
        break;
    case API_SYNC_GROUP:
        on_sync(actor, response);
        break;
    case API_HEARTBEAT:
        if (((const struct heartbeat_response *)response)->error_code != 0) {
            begin_anew(actor, ((const struct heartbeat_response *)response)->error_code);
        }
        break;
    case API_OFFSET_FETCH:
        on_fetch(actor, flight, response);
        break;
    case API_OFFSET_COMMIT:
        on_commit(actor, flight, response);
        break;
    default:
        break;
    }
}

static void take_answers(struct sim *sim)
{
    fixture_settle(&sim->fixture);
    for (bool again = true; again;) {
        again = false;
        LIST_FOR_EACH(node, &sim->flights)
        {
            struct flight *flight = CONTAINER_OF(node, struct flight, node);
            if (!flight->ask.answered) {
                continue;
            }
            list_remove(node);
            again = true;
            if (flight->lost) {
                flight_free(flight);
            } else if (chance(sim, 5)) {
                flight->due_ms =
                    sim->fixture.now.monotonic_ms + (int64_t)(next_random(sim) % 15000);
                list_push_back(&sim->late, &flight->node);
            } else {
                on_answer(flight);
                flight_free(flight);
            }
            break;
        }
    }
}

static void take_late(struct sim *sim)
{
    LIST_FOR_EACH_SAFE(node, &sim->late)
    {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (flight->due_ms <= sim->fixture.now.monotonic_ms) {
            list_remove(node);
            on_answer(flight);
            flight_free(flight);
        }
    }
}

/* ---- the world ---- */

static void actor_work(struct actor *actor)
{
    struct sim *sim = actor->sim;
    int32_t partition = (int32_t)(next_random(sim) % PARTITIONS);
    if (sim->fixture.now.monotonic_ms >= actor->next_heartbeat_ms) {
        send_heartbeat(actor);
    } else if (actor->owns[partition] && actor->position[partition] < 0) {
        send_fetch(actor, partition);
    } else if (actor->owns[partition]) {
        send_commit(actor, partition);
    }
}

static void actor_step(struct actor *actor)
{
    struct sim *sim = actor->sim;
    if (actor->flight != NULL && sim->fixture.now.monotonic_ms < actor->gives_up_ms) {
        return;
    }
    if (actor->flight != NULL) { /* no answer: again, from where it knows */
        actor->flight = NULL;
        if (actor->state == ACTOR_SYNCING) {
            actor->state = ACTOR_JOINING;
        }
    }
    switch (actor->state) {
    case ACTOR_AWAY:
        if (chance(sim, 10)) {
            actor->state = ACTOR_JOINING;
        }
        break;
    case ACTOR_JOINING:
        send_join(actor);
        break;
    case ACTOR_SYNCING:
        actor->state = ACTOR_JOINING;
        break;
    case ACTOR_MEMBER:
        if (chance(sim, 1)) {
            send_leave(actor);
        } else if (chance(sim, 1)) {
            actor_reset(actor, ACTOR_AWAY); /* dies; a static one comes back without its id */
            actor->id[0] = '\0';
        } else {
            actor_work(actor);
        }
        break;
    }
}

/* The process dies: what was not answered never will be. */
static void sim_restart(struct sim *sim)
{
    group_coordinator_destroy(&sim->fixture.groups);
    LIST_FOR_EACH_SAFE(node, &sim->flights)
    {
        flight_free(CONTAINER_OF(node, struct flight, node));
    }
    fixture_restart(&sim->fixture);
    sim->newest_joined = 0;
}

static void sim_step(struct sim *sim)
{
    int64_t ms = (int64_t)(next_random(sim) % 400);
    sim->fixture.hold = chance(sim, 20);
    fixture_pass(&sim->fixture, ms);
    take_answers(sim);
    take_late(sim);
    for (int i = 0; sim->quiet && i < ACTORS; i++) {
        actor_step(&sim->actors[i]);
    }
    actor_step(&sim->actors[next_random(sim) % ACTORS]);
    if (next_random(sim) % 400 == 0 && !sim->quiet) {
        sim_restart(sim);
    }
}

/* All partitions have one owner among those that are here, and offsets are what was answered. */
static void sim_check_settled(struct sim *sim)
{
    int32_t owners[PARTITIONS] = {0};
    int32_t generation = -1;
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *actor = &sim->actors[i];
        assert_true(actor->state == ACTOR_MEMBER || actor->state == ACTOR_AWAY);
        if (actor->state == ACTOR_AWAY) {
            continue;
        }
        sim->settled_members++;
        assert_true(generation == -1 || generation == actor->generation);
        generation = actor->generation;
        for (int32_t j = 0; j < PARTITIONS; j++) {
            owners[j] += actor->owns[j];
        }
    }
    for (int32_t j = 0; sim->settled_members > 0 && j < PARTITIONS; j++) {
        assert_int_equal(owners[j], 1);
    }
}

static int64_t sim_run(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    sim->random = seed * 0x9e3779b97f4a7c15u | 1;
    list_init(&sim->flights);
    list_init(&sim->late);
    fixture_init(&sim->fixture);
    sim->fixture.on_answer = on_answered;
    for (int i = 0; i < ACTORS; i++) {
        sim->actors[i].sim = sim;
        if (i < 3) {
            snprintf(sim->actors[i].instance, sizeof sim->actors[i].instance, "i%d", i);
        }
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        sim->acked[i] = sim->attempted[i] = -1;
    }
    for (int step = 0; step < STEPS; step++) {
        sim_step(sim);
    }
    sim->quiet = true;
    sim->fixture.hold = false;
    for (int step = 0; step < QUIET_STEPS; step++) {
        sim_step(sim);
    }
    for (int i = 0; i < ACTORS; i++) { /* whatever is under way ends */
        while (sim->actors[i].state != ACTOR_AWAY && sim->actors[i].state != ACTOR_MEMBER) {
            sim_step(sim);
        }
    }
    sim_check_settled(sim);
    int64_t members = sim->settled_members;
    fixture_release(&sim->fixture);
    LIST_FOR_EACH_SAFE(node, &sim->flights)
    {
        flight_free(CONTAINER_OF(node, struct flight, node));
    }
    LIST_FOR_EACH_SAFE(at, &sim->late)
    {
        flight_free(CONTAINER_OF(at, struct flight, node));
    }
    free(sim);
    return members;
}

static void groups__settle_and_keep_their_offsets_whatever_happens(void **state)
{
    (void)state;
    const char *one = getenv("GROUP_SIM_SEED");
    int64_t members = 0;
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    uint64_t last = one == NULL ? SEEDS : first;
    for (uint64_t seed = first; seed <= last; seed++) {
        fprintf(stderr, "seed %llu (GROUP_SIM_SEED)\n", (unsigned long long)seed);
        members += sim_run(seed);
    }
    assert_true(members > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups__settle_and_keep_their_offsets_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
