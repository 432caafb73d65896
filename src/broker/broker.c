#include "broker/broker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/assignment.h"
#include "broker/checkpoints.h"
#include "broker/cleaner.h"
#include "broker/connections.h"
#include "broker/coordinator_driver.h"
#include "broker/dispatch.h"
#include "broker/fetch_session.h"
#include "broker/images.h"
#include "broker/partition.h"
#include "broker/partition_move.h"
#include "broker/transaction_markers.h"
#include "io/system.h"
#include "broker/wake.h"
#include "broker/request.h"

#define DIR_NAME_BYTES 1024
/* The default of socket.receive.buffer.bytes. */
#define SOCKET_RECEIVE_BYTES_LEFT 102400

uint64_t broker_shard_random(struct broker_shard *shard)
{
    shard->random ^= shard->random << 13;
    shard->random ^= shard->random >> 7;
    shard->random ^= shard->random << 17;
    return shard->random * 0x2545f4914f6cdd1du;
}

struct broker_shard *broker_shard_of(struct broker *broker, struct uuid topic_id,
                                     int32_t partition)
{
    if (broker->options.shard_count == 1) {
        return &broker->shards[0];
    }
    /* Consecutive partitions of a topic go to different shards. */
    uint64_t hash = map_hash_bytes(topic_id.bytes, sizeof topic_id.bytes, 0);
    return &broker->shards[(hash + (uint32_t)partition) % (uint64_t)broker->options.shard_count];
}

static void shard_nudged(struct loop_mail *mail)
{
    CONTAINER_OF(mail, struct broker_shard, nudge)->nudged = false;
}

void broker_shard_nudge(struct broker_shard *shard)
{
    if (!shard->nudged) {
        shard->nudged = true;
        loop_post(shard->loop, &shard->nudge);
    }
}

static size_t broker_scratch_bytes(const struct broker *broker)
{
    return broker->options.memory->scratch_bytes;
}

/* Memory is short: who holds some and does not get on with it goes, and fetches that wait for bytes
 * are answered with what there is. */
static void shard_relieve(struct loop_mail *mail)
{
    struct broker_shard *shard = CONTAINER_OF(mail, struct broker_shard, relief);
    atomic_store(&shard->relieving, false);
    net_server_relieve(shard->server);
    fetch_end_waits(shard);
}

/* One shard has connections that wait: what they wait for may be held on any. */
static void shard_on_pressure(void *context)
{
    struct broker *broker = ((struct broker_shard *)context)->broker;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        struct broker_shard *shard = &broker->shards[i];
        if (!atomic_exchange(&shard->relieving, true)) {
            loop_post(shard->loop, &shard->relief);
        }
    }
}

static void shard_turn_end(struct loop_hook *hook)
{
    struct broker_shard *shard = CONTAINER_OF(hook, struct broker_shard, hook);
    coordinators_run(shard);
    partition_run_flushes(shard);
    fetch_run_woken(shard);
    if (shard->scratch.capacity > SCRATCH_KEEP_BYTES) {
        writer_release(&shard->scratch);
        writer_init(&shard->scratch, broker_scratch_bytes(shard->broker));
    }
}

static void shard_housekeep(struct timer *timer)
{
    struct broker_shard *shard = CONTAINER_OF(timer, struct broker_shard, housekeeping);
    size_t cursor = 0;
    struct partition *partition;
    int64_t now_ms = loop_wall_ms(shard->loop);
    while ((partition = map_next(&shard->partitions, &cursor)) != NULL) {
        partition_housekeep(partition, now_ms);
    }
    loop_timer_arm(shard->loop, timer,
                   config_long(shard->broker->options.config, "log.retention.check.interval.ms"));
}

/* As Apache Kafka's scheduler has it: a negative period means once. */
static void shard_flush_old(struct timer *timer)
{
    struct broker_shard *shard = CONTAINER_OF(timer, struct broker_shard, flush_timer);
    int64_t every_ms =
        config_long(shard->broker->options.config, "log.flush.scheduler.interval.ms");
    int64_t now_ms = loop_wall_ms(shard->loop);
    size_t cursor = 0;
    struct partition *partition;
    while ((partition = map_next(&shard->partitions, &cursor)) != NULL) {
        partition_flush_if_old(partition, now_ms);
    }
    if (every_ms >= 0) {
        loop_timer_arm(shard->loop, timer, every_ms);
    }
}

static void shard_arm_expiry(struct broker_shard *shard)
{
    loop_timer_arm(shard->loop, &shard->expiry_timer,
                   config_int(shard->broker->options.config,
                              "producer.id.expiration.check.interval.ms"));
}

static void shard_expire_producers(struct timer *timer)
{
    struct broker_shard *shard = CONTAINER_OF(timer, struct broker_shard, expiry_timer);
    size_t cursor = 0;
    struct partition *partition;
    while ((partition = map_next(&shard->partitions, &cursor)) != NULL) {
        partition_expire_producers(partition, loop_wall_ms(shard->loop));
    }
    shard_arm_expiry(shard);
}

/* A receive buffer of the default size is left to the kernel, which begins with more and lets it
 * grow with the speed of the connection: a sender that may not be ahead costs a wake-up and an
 * acknowledgement each 128 KB, which is nearly half of taking a batch in. Sending gains nothing by
 * it. */
static struct io_socket_buffers shard_socket_buffers(const struct config *config)
{
    int32_t receive_bytes = config_int(config, "socket.receive.buffer.bytes");
    return (struct io_socket_buffers){
        .send_bytes = config_int(config, "socket.send.buffer.bytes"),
        .receive_bytes = receive_bytes == SOCKET_RECEIVE_BYTES_LEFT ? -1 : receive_bytes,
    };
}

static int shard_init(struct broker *broker, int32_t index)
{
    struct broker_shard *shard = &broker->shards[index];
    const struct broker_options *options = &broker->options;
    *shard = (struct broker_shard){.broker = broker, .index = index,
                                   .loop = options->loops[index]};
    shard->metrics =
        options->metrics == NULL ? NULL : metrics_shard_at(options->metrics, index);
    shard->random = (options->random_seed + (uint64_t)index * 0x9e3779b97f4a7c15u) | 1;
    partition_table_init(&shard->partitions, broker_shard_random(shard));
    list_init(&shard->requests);
    pool_init(&shard->request_pool, sizeof(struct broker_request), REQUESTS_KEPT_MAX);
    list_init(&shard->removals);
    list_init(&shard->assignments_resting);
    list_init(&shard->compacted);
    int error = 0;
    for (int32_t i = 0; i < options->dir_count && error == 0; i++) {
        error = partition_flushes_init(&shard->flushes[i]);
    }
    list_init(&shard->woken);
    list_init(&shard->producer_id_waiters);
    list_init(&shard->marker_works);
    partition_files_init(shard, options->shard_count);
    writer_init(&shard->scratch, broker_scratch_bytes(shard->broker));
    shard->nudge.run = shard_nudged;
    shard->relief.run = shard_relieve;
    shard->hook.turn_end = shard_turn_end;
    loop_hook_add(shard->loop, &shard->hook);
    timer_init(&shard->housekeeping, shard_housekeep);
    int64_t delay_ms = config_long(options->config, "log.initial.task.delay.ms");
    loop_timer_arm(shard->loop, &shard->housekeeping, delay_ms);
    timer_init(&shard->flush_timer, shard_flush_old);
    loop_timer_arm(shard->loop, &shard->flush_timer, delay_ms);
    timer_init(&shard->expiry_timer, shard_expire_producers);
    shard_arm_expiry(shard);
    images_shard_init(shard);
    if (error == 0) {
        error = fetch_sessions_create(&shard->broker->fetch_session_slots,
                                      &options->memory->sessions, broker_shard_random(shard),
                                      &shard->sessions);
    }
    if (error == 0) {
        error = coordinators_create(shard, &shard->coordinators);
    }
    struct net_server_options server = {
        .loop = shard->loop,
        .request_bytes_max = options->memory->request_bytes_max,
        .idle_max_ms = config_long(options->config, "connections.max.idle.ms"),
        .buffers = shard_socket_buffers(options->config),
        .metrics = shard->metrics,
        .on_request = dispatch_request,
        .on_closed = connections_left,
        .on_pressure = shard_on_pressure,
        .memory = options->memory,
        .context = shard,
    };
    return error == 0 ? net_server_create(&server, &shard->server) : error;
}

struct find_dirs {
    struct broker *broker;
    struct broker_dir *dir;
    size_t capacity;
    size_t moving_capacity;
};

struct broker_dir *broker_find_move(const struct broker *broker, const char *name,
                                    struct uuid topic_id)
{
    for (size_t i = 0; i < broker->moving_count; i++) {
        struct uuid known = broker->moving[i].topic_id;
        if (strcmp(broker->moving[i].name, name) == 0 &&
            (uuid_is_zero(known) || uuid_equal(known, topic_id))) {
            return broker->moving[i].to;
        }
    }
    return NULL;
}

/* A copy that was not complete: what it lacks and what it has too much of nobody knows, so it is
 * made anew. */
static int find_dirs_moving(struct find_dirs *find, const char *name, const char *path)
{
    struct broker *broker = find->broker;
    struct uuid topic_id;
    if (log_dir_read_topic_id(broker->options.fs, path, &topic_id) != 0) {
        topic_id = (struct uuid){{0}}; /* it was about to be written */
    }
    int error = mem_grow((void **)&broker->moving, &find->moving_capacity,
                         broker->moving_count + 1, sizeof *broker->moving);
    const char *dot = strrchr(name, '.'); /* the name of a topic may have dots */
    char *copy = error == 0 ? mem_strndup(name, (size_t)(dot - name)) : NULL;
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    broker->moving[broker->moving_count++] = (struct broker_moving){copy, find->dir, topic_id};
    return log_dir_remove_tree(broker->options.fs, path);
}

static int find_dirs_visit(void *context, const char *name, bool is_directory)
{
    struct find_dirs *find = context;
    struct string_view topic;
    int32_t partition;
    enum log_dir_kind kind;
    if (!is_directory || strcmp(name, "__cluster_metadata-0") == 0 ||
        log_dir_parse_name(name, &topic, &partition, &kind) != 0) {
        return 0;
    }
    if (kind == LOG_DIR_DELETED || kind == LOG_DIR_FUTURE) {
        char path[DIR_NAME_BYTES];
        int size = snprintf(path, sizeof path, "%s/%s", find->dir->dir->path, name);
        if (size >= (int)sizeof path) {
            return 0;
        }
        return kind == LOG_DIR_FUTURE ? find_dirs_moving(find, name, path)
                                      : log_dir_remove_tree(find->broker->options.fs, path);
    }
    if (kind != LOG_DIR_CURRENT) {
        return 0;
    }
    struct broker *broker = find->broker;
    int error = mem_grow((void **)&broker->found, &find->capacity, broker->found_count + 1,
                         sizeof *broker->found);
    char *copy = error == 0 ? mem_strndup(name, strlen(name)) : NULL;
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    struct broker_found *found = &broker->found[broker->found_count++];
    found->name = copy;
    found->dir = find->dir;
    atomic_init(&found->claimed, false);
    return 0;
}

static int found_order(const void *a, const void *b)
{
    return strcmp(((const struct broker_found *)a)->name, ((const struct broker_found *)b)->name);
}

/* Whether two directories are of one partition, and not of topics that had the name by turns. */
static bool found_are_one(struct io_fs *fs, const struct broker_found *a,
                          const struct broker_found *b)
{
    char path[DIR_NAME_BYTES * 2];
    struct uuid ids[2];
    if (strcmp(a->name, b->name) != 0) {
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", a->dir->dir->path, a->name);
    if (log_dir_read_topic_id(fs, path, &ids[0]) != 0) {
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", b->dir->dir->path, b->name);
    return log_dir_read_topic_id(fs, path, &ids[1]) == 0 && uuid_equal(ids[0], ids[1]);
}

/* Of two directories of one partition: 1 when the process died while the one took the other's
 * place, which was marked before and is gone now; 0 when this one is not marked, or an error. */
static int found_finish_move(struct broker *broker, struct broker_found *found)
{
    char path[DIR_NAME_BYTES * 2];
    uint8_t *text;
    size_t size;
    snprintf(path, sizeof path, "%s/%s/" MOVED_MARK, found->dir->dir->path, found->name);
    int error = io_read_whole(broker->options.fs, path, 1, &text, &size);
    if (error != 0) {
        return error == ERR_NOT_FOUND ? 0 : error;
    }
    mem_free(text);
    snprintf(path, sizeof path, "%s/%s", found->dir->dir->path, found->name);
    error = log_dir_remove_tree(broker->options.fs, path);
    atomic_store(&found->claimed, true);
    return error == 0 ? 1 : error;
}

static int broker_find_partitions(struct broker *broker, struct err_message *message)
{
    struct find_dirs find = {.broker = broker};
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        broker->dirs[i].dir = broker->options.dirs[i];
        broker->dirs[i].broker = broker;
        broker->dirs[i].missing = broker->options.dirs[i]->offline;
        atomic_init(&broker->dirs[i].offline, broker->options.dirs[i]->offline);
        find.dir = &broker->dirs[i];
        int error = broker->options.dirs[i]->offline
                        ? 0
                        : io_list(broker->options.fs, broker->options.dirs[i]->path,
                                  find_dirs_visit, &find);
        if (error != 0) {
            return err_set(message, error, "cannot read log directory %s: %s",
                           broker->options.dirs[i]->path, err_text(error));
        }
    }
    if (broker->found_count > 0) {
        qsort(broker->found, broker->found_count, sizeof *broker->found, found_order);
    }
    for (size_t i = 1; i < broker->found_count; i++) {
        if (!found_are_one(broker->options.fs, &broker->found[i - 1], &broker->found[i])) {
            continue;
        }
        int gone = found_finish_move(broker, &broker->found[i - 1]);
        gone = gone == 0 ? found_finish_move(broker, &broker->found[i]) : gone;
        if (gone != 1) {
            return err_set(message, ERR_INVALID, "partition %s is in %s and in %s: remove one",
                           broker->found[i].name, broker->found[i - 1].dir->dir->path,
                           broker->found[i].dir->dir->path);
        }
    }
    return 0;
}

int broker_create(const struct broker_options *options, struct broker **created,
                  struct err_message *message)
{
    ASSERT(options->shard_count > 0 && options->shard_count <= BROKER_SHARDS_MAX);
    ASSERT(options->dir_count > 0 && options->dir_count <= BROKER_DIRS_MAX);
    struct broker *broker = mem_calloc(1, sizeof *broker);
    *created = broker;
    if (broker == NULL) {
        return ERR_NOMEM;
    }
    broker->options = *options;
    preferred_dirs_init(&broker->preferred_dirs);
    list_init(&broker->assignments);
    list_init(&broker->assignments_sent);
    move_throttle_init(
        &broker->move_throttle,
        config_int(options->config, "alter.log.dirs.replication.quota.window.num"),
        config_int(options->config, "alter.log.dirs.replication.quota.window.size.seconds"));
    broker->unstable_apis = config_boolean(options->config, "unstable.api.versions.enable");
    atomic_init(&broker->epoch, -1);
    int32_t slots = config_int(options->config, "max.incremental.fetch.session.cache.slots");
    broker->fetch_session_slots.max_bytes = (size_t)slots;
    int error = broker_find_partitions(broker, message);
    for (int32_t i = 0; error == 0 && i < options->shard_count; i++) {
        error = shard_init(broker, i);
    }
    for (int32_t i = 0; error == 0 && i < options->dir_count; i++) {
        metrics_add(broker->shards[0].metrics, METRIC_OFFLINE_DIRECTORIES,
                    options->dirs[i]->offline);
        metrics_directory_name(options->metrics, i, options->dirs[i]->path);
        metrics_directory_set(options->metrics, METRIC_DIRECTORY_OFFLINE, i,
                              options->dirs[i]->offline);
    }
    if (error == 0) {
        error = connections_create(broker);
    }
    if (error == 0) {
        error = images_create(broker);
    }
    if (error == 0) {
        error = cleaner_create(broker);
    }
    if (error == 0) {
        checkpoints_start(broker);
    }
    return error;
}

void broker_stop(struct broker *broker)
{
    broker->stopped = true;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        if (broker->shards[i].server != NULL) {
            net_server_stop(broker->shards[i].server);
        }
        coordinators_stop(&broker->shards[i]);
    }
}

static void shard_close(struct broker_shard *shard)
{
    if (shard->loop == NULL) {
        return;
    }
    net_server_destroy(&shard->server);
    coordinators_destroy(&shard->coordinators);
    assignment_destroy(shard);
    size_t cursor = 0;
    struct partition *partition;
    while ((partition = map_next(&shard->partitions, &cursor)) != NULL) {
        partition_close(partition);
    }
}

static void broker_forget_found(struct broker *broker)
{
    for (size_t i = 0; i < broker->found_count; i++) {
        mem_free(broker->found[i].name);
    }
    mem_free(broker->found);
    broker->found = NULL;
    broker->found_count = 0;
}

static void shard_release(struct broker_shard *shard)
{
    if (shard->loop == NULL) {
        return;
    }
    loop_timer_cancel(shard->loop, &shard->housekeeping);
    loop_timer_cancel(shard->loop, &shard->flush_timer);
    loop_timer_cancel(shard->loop, &shard->expiry_timer);
    loop_timer_cancel(shard->loop, &shard->files_timer);
    loop_timer_cancel(shard->loop, &shard->apply_again);
    for (int32_t i = 0; i < shard->broker->options.dir_count; i++) {
        partition_flushes_release(&shard->flushes[i]);
    }
    dispatch_forget_requests(shard);
    markers_forget(shard);
    partition_forget_removals(shard);
    map_release(&shard->partitions);
    fetch_sessions_destroy(&shard->sessions);
    image_unref(&shard->image);
    log_config_unref(&shard->log_config);
    writer_release(&shard->scratch);
}

void broker_destroy(struct broker **destroyed, bool clean)
{
    struct broker *broker = *destroyed;
    if (broker == NULL) {
        return;
    }
    broker->stopped = true;
    cleaner_destroy(broker);
    if (clean) {
        checkpoints_write_closing(broker);
    }
    /* Requests of any shard hang in the lists of partitions of any other: those go first. */
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        shard_close(&broker->shards[i]);
    }
    connections_destroy(broker);
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        shard_release(&broker->shards[i]);
    }
    checkpoints_stop(broker);
    broker_forget_found(broker);
    for (size_t i = 0; i < broker->moving_count; i++) {
        mem_free(broker->moving[i].name);
    }
    mem_free(broker->moving);
    preferred_dirs_release(&broker->preferred_dirs);
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        if (atomic_load(&broker->dirs[i].offline) && !broker->options.dirs[i]->offline) {
            log_dir_fail(broker->options.dirs[i]); /* while it was closed */
        }
    }
    images_release(broker);
    mem_free(broker);
    *destroyed = NULL;
}

static void broker_tell_failed(struct loop_mail *mail)
{
    struct broker_dir *dir = CONTAINER_OF(mail, struct broker_dir, failed);
    const struct broker_options *options = &dir->broker->options;
    options->on_dir_failed(options->context, (int32_t)(dir - dir->broker->dirs));
}

void broker_dir_fail(struct broker_shard *shard, struct broker_dir *dir, int error)
{
    struct broker *broker = shard->broker;
    const char *path = dir->dir->path;
    if (atomic_exchange(&dir->offline, true)) {
        return;
    }
    metrics_add(shard->metrics, METRIC_OFFLINE_DIRECTORIES, 1);
    metrics_directory_set(broker->options.metrics, METRIC_DIRECTORY_OFFLINE,
                          (int32_t)(dir - broker->dirs), 1);
    fprintf(stderr, "log directory %s failed (%s): its partitions are offline\n", path,
            err_text(error));
    log_dir_fail(dir->dir);
    bool any = false;
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        any |= !atomic_load(&broker->dirs[i].offline);
    }
    const char *metadata = broker->options.metadata_directory;
    char why[DIR_NAME_BYTES + 64];
    if (metadata != NULL && strcmp(path, metadata) == 0) {
        snprintf(why, sizeof why, "the metadata log directory %s has failed", path);
        broker->options.on_fatal(broker->options.context, why);
    } else if (!any) {
        broker->options.on_fatal(broker->options.context, "every log directory has failed");
    } else if (broker->options.on_dir_failed != NULL && !broker->stopped) {
        dir->failed.run = broker_tell_failed;
        loop_post(broker->shards[0].loop, &dir->failed);
    }
}

void broker_set_epoch(struct broker *broker, int64_t broker_epoch)
{
    atomic_store(&broker->epoch, broker_epoch);
    assignment_registered(broker);
}

int broker_set_aside(struct broker *broker, const struct broker_found *found)
{
    char from[DIR_NAME_BYTES];
    char to[DIR_NAME_BYTES];
    struct uuid id = io_random_uuid();
    const char *dash = strrchr(found->name, '-');
    int size = snprintf(from, sizeof from, "%s/%s", found->dir->dir->path, found->name);
    char hex[33];
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        snprintf(hex + 2 * i, 3, "%02x", id.bytes[i]);
    }
    int to_size = snprintf(to, sizeof to, "%s/%.*s%s.%s-stray", found->dir->dir->path,
                           (int)(dash - found->name > 200 ? 200 : dash - found->name), found->name,
                           dash, hex);
    if (size >= (int)sizeof from || to_size >= (int)sizeof to) {
        return ERR_RANGE;
    }
    fprintf(stderr, "%s belongs to no topic of this cluster: it is set aside as %s\n", from, to);
    return io_rename(broker->options.fs, from, to);
}

void broker_set_strays_aside(struct broker *broker)
{
    for (size_t i = 0; i < broker->found_count; i++) {
        if (!atomic_load(&broker->found[i].claimed) &&
            broker_set_aside(broker, &broker->found[i]) != 0) {
            fprintf(stderr, "cannot set %s aside\n", broker->found[i].name);
        }
    }
    broker_forget_found(broker);
    mem_trim();
}
