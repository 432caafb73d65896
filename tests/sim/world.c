#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors.h"
#include "base/assert.h"
#include "base/err.h"
#include "broker/config.h"
#include "disk.h"
#include "io/system.h"
#include "node/node.h"
#include "node/storage_format.h"

#define WORLD_CONSUMERS 2
#define WORLD_LIVES_MAX 5
#define WORLD_EFFECTS_MAX 400
#define WORLD_COORDINATORS_PERCENT 40 /* of lives with two directories: only their logs fail */
#define WORLD_LIFE_MAX_MS 15000
#define WORLD_CALM_MS 6000
#define WORLD_STARTS_MAX 50
#define WORLD_BREAK_MAX_MS 4000
#define WORLD_DIRECTORY "/data"
#define WORLD_OTHER_DIRECTORY "/more"
#define WORLD_FAULTS_MAX 30
#define WORLD_RESTS_MAX 1200
#define WORLD_SLOW_MAX_MS 300
#define WORLD_JUMP_MAX_MS INT64_C(172800000) /* two days: less than any retention */
#define WORLD_METADATA_VERSION 30

struct world {
    struct sim sim;
    struct disk disk;
    struct net *net;
    struct model model;
    struct group_facts group;
    struct transact_facts transact;
    struct producer producers[MODEL_PRODUCERS];
    struct consumer consumers[WORLD_CONSUMERS];
    struct member members[GROUP_MEMBERS];
    struct owner_facts owned;
    struct owner owners[GROUP_OWNERS];
    struct writer_actor writers[TRANSACT_WRITERS];
    struct committed committed;
    struct admin admin;
    struct stranger stranger;
    struct audit audit;
    struct config *config;
    struct node *node; /* while it serves */
    bool last_life;
    bool resting;
    int32_t rests; /* how often the clients were asked whether they do */
    bool two_directories;
    bool short_delay;
    struct sim_event break_event;
    struct sim_event stop_event;
    struct sim_event jump_event;
    struct world_result *result;
};

static void world_start_clients(struct world *world)
{
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        producer_start(&world->producers[i]);
    }
    for (int32_t i = 0; i < WORLD_CONSUMERS; i++) {
        consumer_start(&world->consumers[i]);
    }
    for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
        member_start(&world->members[i]);
    }
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        owner_start(&world->owners[i]);
    }
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        writer_actor_start(&world->writers[i]);
    }
    committed_start(&world->committed);
    admin_start(&world->admin);
    stranger_start(&world->stranger);
}

static void world_stop_clients(struct world *world)
{
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        producer_stop(&world->producers[i]);
    }
    for (int32_t i = 0; i < WORLD_CONSUMERS; i++) {
        consumer_stop(&world->consumers[i]);
    }
    for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
        member_stop(&world->members[i]);
    }
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        owner_stop(&world->owners[i]);
    }
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        writer_actor_stop(&world->writers[i]);
    }
    committed_stop(&world->committed);
    admin_stop(&world->admin);
    stranger_stop(&world->stranger);
    audit_stop(&world->audit);
}

static void world_audited(struct audit *audit)
{
    struct world *world = CONTAINER_OF(audit, struct world, audit);
    sim_note(&world->sim, "audited");
    peer_stop(&audit->peer);
    if (world->resting) {
        node_stop(world->node);
    } else {
        world_start_clients(world);
    }
}

static void world_on_ready(void *context, struct node *node, int64_t ms)
{
    struct world *world = context;
    sim_note(&world->sim, "the node is ready after %" PRId64 " ms", ms);
    world->node = node;
    audit_start(&world->audit);
}

static void world_break(struct sim_event *event)
{
    struct world *world = CONTAINER_OF(event, struct world, break_event);
    net_break_one(world->net);
    sim_schedule(&world->sim, event, (int64_t)sim_below(&world->sim, WORLD_BREAK_MAX_MS));
}

/* The wall clock jumps, forwards or backwards (row 31). */
static void world_jump(struct sim_event *event)
{
    struct world *world = CONTAINER_OF(event, struct world, jump_event);
    struct sim *sim = &world->sim;
    sim->wall_offset_ms =
        (int64_t)sim_below(sim, 2 * WORLD_JUMP_MAX_MS) - WORLD_JUMP_MAX_MS;
    sim_note(sim, "the clock jumps to %" PRId64, sim->wall_offset_ms);
    sim_schedule(sim, event, (int64_t)sim_below(sim, WORLD_LIFE_MAX_MS));
}

static size_t world_permanent_partitions(const struct world *world)
{
    size_t topics = 0;
    for (int32_t i = 0; i < MODEL_TOPICS_PERMANENT; i++) {
        topics += world->model.topics[i].state == TOPIC_EXISTS;
    }
    return topics * MODEL_PARTITIONS;
}

/* Who does not rest yet, or NULL. */
static const char *world_restless(const struct world *world)
{
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        if (world->producers[i].batch_count > 0) {
            return world->producers[i].peer.name;
        }
    }
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        if (world->model.topics[i].state == TOPIC_UNSURE) {
            return world->model.topics[i].name;
        }
    }
    for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
        if (!world->members[i].rested) {
            return world->members[i].peer.name;
        }
    }
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        if (!world->owners[i].rested) {
            return world->owners[i].peer.name;
        }
    }
    if (!owner_facts_shared(&world->owned, world_permanent_partitions(world))) {
        return "some partition, which does not have one owner,";
    }
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        if (!world->writers[i].rested) {
            return world->writers[i].peer.name;
        }
    }
    /* After a loss what is open may have lost the coordinator that would end it. */
    if (world->transact.generation == 0 && !committed_has_rested(&world->committed)) {
        return world->committed.peer.name;
    }
    return world->admin.peer.asked_count > 0 ? world->admin.peer.name : NULL;
}

/* The end of a life by its time: the last one first comes to rest, others just stop. */
static void world_time_is_up(struct sim_event *event)
{
    struct world *world = CONTAINER_OF(event, struct world, stop_event);
    if (world->node == NULL) {
        sim_schedule(&world->sim, event, 100); /* it is still starting */
    } else if (!world->last_life) {
        node_stop(world->node);
    } else if (!world->audit.running) {
        for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
            world->producers[i].resting = true;
        }
        for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
            world->members[i].resting = true;
        }
        for (int32_t i = 0; i < GROUP_OWNERS; i++) {
            world->owners[i].resting = true;
        }
        bool writers_rest = true;
        for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
            world->writers[i].resting = true;
            writers_rest &= world->writers[i].rested;
        }
        world->committed.resting = writers_rest;
        world->admin.resting = true;
        const char *restless = world_restless(world);
        if (++world->rests > WORLD_RESTS_MAX && restless != NULL) {
            sim_fail(&world->sim, "the clients do not come to rest: %s", restless);
        }
        if (restless == NULL) {
            world_stop_clients(world);
            world->resting = true;
            audit_start(&world->audit);
            return;
        }
        sim_schedule(&world->sim, event, 100);
    } else {
        sim_schedule(&world->sim, event, 100);
    }
}

static void world_choose_death(struct world *world)
{
    struct sim *sim = &world->sim;
    static const enum sim_death deaths[] = {SIM_PROCESS_DEATH, SIM_PROCESS_DEATH,
                                            SIM_PROCESS_DEATH, SIM_POWER_LOSS, SIM_POWER_LOSS,
                                            SIM_POWER_LOSS,    SIM_IO_ERROR,   SIM_NO_SPACE,
                                            SIM_SYNC_ERROR,    SIM_SYNC_ERROR, SIM_READ_ONLY,
                                            SIM_CLEAN};
    sim->dead = sim->sync_failed = sim->short_of_memory = false;
    sim->calm = world->last_life;
    sim->fault_part = world->two_directories && sim_chance(sim, 70) ? WORLD_OTHER_DIRECTORY "/"
                                                                    : NULL;
    sim->slow_ms = !world->last_life && sim_chance(sim, 20)
                       ? (int64_t)sim_below(sim, WORLD_SLOW_MAX_MS)
                       : 0;
    size_t chosen = sim_below(sim, sizeof deaths / sizeof *deaths);
    sim->death = world->last_life ? SIM_CLEAN : deaths[chosen];
    sim->effects_left =
        sim->death == SIM_CLEAN ? -1 : (int64_t)sim_below(sim, WORLD_EFFECTS_MAX);
    sim->faults_left = 1 + (int64_t)sim_below(sim, WORLD_FAULTS_MAX);
    if (sim->death == SIM_READ_ONLY || sim->death == SIM_SYNC_ERROR) {
        sim->faults_left = sim->death == SIM_READ_ONLY ? INT64_MAX : 1;
    }
    /* Only a failure there that the node outlives shows whether a coordinator told too early. */
    if (!world->last_life && world->two_directories &&
        sim_chance(sim, WORLD_COORDINATORS_PERCENT)) {
        sim->death = SIM_IO_ERROR;
        sim->fault_part = sim_chance(sim, 50) ? WORLD_OTHER_DIRECTORY "/__consumer_offsets-"
                                              : WORLD_OTHER_DIRECTORY "/__transaction_state-";
        sim->faults_left = 1;
        sim->effects_left = (int64_t)sim_below(sim, WORLD_EFFECTS_MAX);
    }
    sim_note(sim, "a life: death %d after %" PRId64 " effects", sim->death, sim->effects_left);
}

/* A start that finds no memory ends with a line that says so; a node that serves goes on. */
static bool world_was_short(const struct world *world, int error, const struct err_message *message)
{
    const char *text = message->text[0] != '\0' ? message->text : err_text(error);
    return world->node == NULL && world->sim.short_of_memory && strstr(text, "memory") != NULL;
}

static void world_live(struct world *world)
{
    struct sim *sim = &world->sim;
    struct err_message message = {{0}};
    world_choose_death(world);
    model_new_life(&world->model);
    world->node = NULL;
    sim_schedule(sim, &world->stop_event,
                 world->last_life ? WORLD_CALM_MS
                                  : (int64_t)sim_below(sim, WORLD_LIFE_MAX_MS) + 500);
    if (!world->last_life) {
        sim_schedule(sim, &world->break_event, (int64_t)sim_below(sim, WORLD_BREAK_MAX_MS));
        if (sim_chance(sim, 20)) {
            sim_schedule(sim, &world->jump_event, (int64_t)sim_below(sim, WORLD_LIFE_MAX_MS));
        }
    }
    struct node_options options = {.config = world->config,
                                   .fs = &world->disk.fs,
                                   .on_ready = world_on_ready,
                                   .context = world};
    int error = node_run(&options, &message);
    sim_note(sim, "the node has ended: %s", error == 0 ? "in order" : message.text);
    bool fault = sim->dead || (sim->death != SIM_CLEAN && sim->effects_left == 0);
    if (error != 0 && !fault && !world_was_short(world, error, &message)) {
        sim_fail(sim, "the node does not run: %s", message.text);
    }
    sim_cancel(&world->stop_event);
    sim_cancel(&world->break_event);
    sim_cancel(&world->jump_event);
    if (!sim->failed && (world->disk.open_count != 0 || net_open_count(world->net) != 0)) {
        sim_fail(sim, "%zu files and %zu sockets were left open", world->disk.open_count,
                 net_open_count(world->net));
    }
    world->result->deaths[sim->death]++;
    world_stop_clients(world);
    bool power_lost = sim->dead && sim->death == SIM_POWER_LOSS;
    if (power_lost || sim->sync_failed) {
        model_lose(&world->model);
        group_facts_lose(&world->group);
        owner_facts_lose(&world->owned, sim->sync_failed);
        transact_facts_lose(&world->transact);
        for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
            world->producers[i].gap_allowed = true;
        }
    }
    if (power_lost) {
        disk_after_power_loss(&world->disk);
    } else {
        disk_after_death(&world->disk);
    }
    if (sim_chance(sim, 15)) {
        disk_rot(&world->disk);
    }
    sim->dead = false;
    net_reset(world->net);
}

static void world_configure(struct world *world)
{
    struct sim *sim = &world->sim;
    char shards[32];
    char snapshot[96];
    snprintf(shards, sizeof shards, "barnabas.shards=%d", sim_chance(sim, 50) ? 1 : 3);
    snprintf(snapshot, sizeof snapshot, "metadata.log.max.record.bytes.between.snapshots=%d",
             sim_chance(sim, 50) ? 600 : 20 << 20);
    const char *const settings[] = {
        "process.roles=broker,controller",
        "node.id=1",
        "controller.listener.names=CONTROLLER",
        "controller.quorum.bootstrap.servers=localhost:9093",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        world->two_directories ? "log.dirs=" WORLD_DIRECTORY "," WORLD_OTHER_DIRECTORY
                               : "log.dirs=" WORLD_DIRECTORY,
        "metadata.log.dir=" WORLD_DIRECTORY,
        "metadata.max.retention.bytes=3000",
        "log.flush.offset.checkpoint.interval.ms=1500",
        "log.flush.start.offset.checkpoint.interval.ms=1500",
        "auto.create.topics.enable=false",
        "offsets.topic.num.partitions=2",
        "transaction.state.log.num.partitions=2",
        "transaction.state.log.replication.factor=1",
        "transaction.state.log.min.isr=1",
        "log.roll.ms=400",
        "log.cleaner.min.cleanable.ratio=0.1",
        "log.cleaner.delete.retention.ms=700",
        "offsets.topic.replication.factor=1",
        /* An audit may take minutes: a group that is empty then begins anew, and may. */
        "offsets.retention.check.interval.ms=864000000",
        "group.min.session.timeout.ms=100",
        "group.consumer.min.session.timeout.ms=100",
        "group.consumer.session.timeout.ms=1200",
        "group.consumer.min.heartbeat.interval.ms=50",
        "group.consumer.heartbeat.interval.ms=100",
        "group.consumer.assignment.interval.ms=50",
        world->short_delay ? "group.initial.rebalance.delay.ms=0"
                           : "group.initial.rebalance.delay.ms=300",
        "log.cleaner.backoff.ms=200",
        "log.cleaner.threads=2",
        "log.cleaner.io.buffer.size=16384",
        shards,
        snapshot,
    };
    struct err_message message = {{0}};
    int error = config_open(&world->disk.fs, NULL, settings, sizeof settings / sizeof *settings,
                            &world->config, &message);
    if (error != 0) {
        sim_fail(sim, "settings: %s", message.text);
    }
}

static void world_format(struct world *world)
{
    static const char *const directories[] = {WORLD_DIRECTORY, WORLD_OTHER_DIRECTORY};
    struct storage_voter self = {.id = 1, .host = string_view_of("localhost"), .port = 9093};
    struct storage_format_options options = {
        .fs = &world->disk.fs,
        .directories = directories,
        .directory_count = world->two_directories ? 2 : 1,
        .metadata_directory = WORLD_DIRECTORY,
        .cluster_id = string_view_of("4L6g3nShT-eMCtK--X86sw"),
        .node_id = 1,
        .quorum = STORAGE_STANDALONE,
        .voters = &self,
        .voter_count = 1,
        .controller_listener = string_view_of("CONTROLLER"),
        .metadata_version = WORLD_METADATA_VERSION,
        .now_ms = io_wall_ms(),
    };
    struct err_message message = {{0}};
    if (storage_format(&options, &message) != 0) {
        sim_fail(&world->sim, "formatting: %s", message.text);
    }
    disk_sync_all(&world->disk);
}

static void world_init(struct world *world, uint64_t seed, bool verbose)
{
    struct sim *sim = &world->sim;
    *world = (struct world){.node = NULL};
    sim_init(sim, seed, verbose);
    sim_world = sim;
    disk_init(&world->disk, sim);
    world->net = sim->net = net_create(sim);
    model_init(&world->model, sim);
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        producer_init(&world->producers[i], world->net, &world->model, i);
    }
    group_facts_init(&world->group, sim);
    for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
        member_init(&world->members[i], world->net, &world->model, &world->group, i);
    }
    owner_facts_init(&world->owned, sim);
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        owner_init(&world->owners[i], world->net, &world->model, &world->owned, i);
    }
    transact_facts_init(&world->transact, sim);
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        writer_actor_init(&world->writers[i], world->net, &world->transact, i);
    }
    committed_init(&world->committed, world->net, &world->transact);
    consumer_init(&world->consumers[0], world->net, &world->model, "consumer-0");
    consumer_init(&world->consumers[1], world->net, &world->model, "consumer-1");
    admin_init(&world->admin, world->net, &world->model);
    stranger_init(&world->stranger, world->net, sim);
    audit_init(&world->audit, world->net, &world->model);
    world->audit.done = world_audited;
    world->break_event.run = world_break;
    world->stop_event.run = world_time_is_up;
    world->jump_event.run = world_jump;
    world->two_directories = sim_chance(sim, 50);
    world->admin.two_directories = world->two_directories;
    world->short_delay = sim_chance(sim, 50);
    list_init(&world->jump_event.node);
    list_init(&world->break_event.node);
    list_init(&world->stop_event.node);
    world_configure(world);
    world_format(world);
}

static void world_release(struct world *world)
{
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        world->result->acknowledged += (int64_t)world->producers[i].acknowledged;
        producer_release(&world->producers[i]);
    }
    for (int32_t i = 0; i < WORLD_CONSUMERS; i++) {
        consumer_release(&world->consumers[i]);
    }
    for (int32_t i = 0; i < GROUP_MEMBERS; i++) {
        member_release(&world->members[i]);
    }
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        owner_release(&world->owners[i]);
    }
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        writer_actor_release(&world->writers[i]);
    }
    committed_release(&world->committed);
    transact_facts_release(&world->transact);
    admin_release(&world->admin);
    stranger_release(&world->stranger);
    audit_release(&world->audit);
    config_close(&world->config);
    net_destroy(&world->net);
    model_release(&world->model);
    disk_release(&world->disk);
    sim_world = NULL;
}

void world_run(uint64_t seed, bool verbose, struct world_result *result)
{
    struct world world;
    *result = (struct world_result){.failed = false};
    world_init(&world, seed, verbose);
    world.result = result;
    int32_t lives = 1 + (int32_t)sim_below(&world.sim, WORLD_LIVES_MAX);
    for (int32_t i = 0; i <= lives && !world.sim.failed; i++) {
        world.last_life = i == lives;
        world_live(&world);
    }
    result->history = world.sim.history;
    result->effects = world.sim.effect_count;
    result->commits = world.group.commits;
    result->transactions = world.transact.commits;
    result->failed = world.sim.failed;
    snprintf(result->failure, sizeof result->failure, "%s", world.sim.failure);
    world_release(&world);
}
