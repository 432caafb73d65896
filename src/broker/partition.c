#include "broker/assignment.h"
#include "broker/checkpoints.h"
#include "broker/cleaner.h"
#include "broker/partition_internal.h"
#include "broker/partition_move.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/topic_config.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define PARTITION_PATH_BYTES 1024

static uint64_t key_hash(const void *key, uint64_t seed)
{
    return map_hash_bytes(key, sizeof(struct partition_key), seed);
}
static const void *key_of(const void *element)
{
    return &((const struct partition *)element)->key;
}
static bool key_equal(const void *element, const void *key)
{
    return memcmp(&((const struct partition *)element)->key, key,
                  sizeof(struct partition_key)) == 0;
}

void partition_table_init(struct map *table, uint64_t seed)
{
    *table = (struct map){
        .seed = seed, .hash_key = key_hash, .key_of = key_of, .equal = key_equal};
}

struct partition *partition_find(const struct broker_shard *shard, struct uuid topic_id,
                                 int32_t partition)
{
    STATIC_ASSERT(sizeof(struct partition_key) == 20, "the key is hashed as bytes: no padding");
    struct partition_key key = {topic_id, partition};
    return map_find(&shard->partitions, &key);
}

static struct string_view partition_topic(const struct partition *partition)
{
    return (struct string_view){partition->topic, partition->topic_size};
}

/* Ends every wait and watch; the requests find out why by themselves. */
static void partition_release_waiters(struct partition *partition, int16_t error)
{
    while (!list_empty(&partition->waits)) {
        struct partition_wait *wait =
            CONTAINER_OF(partition->waits.next, struct partition_wait, node);
        list_remove(&wait->node);
        wait->done(wait, error);
    }
    LIST_FOR_EACH_SAFE(node, &partition->watches)
    {
        struct partition_watch *watch = CONTAINER_OF(node, struct partition_watch, node);
        watch->fire(watch, -1);
    }
}

int16_t partition_fault(struct partition *partition, int error)
{
    bool is_wire = error <= -ERR_WIRE_BASE;
    if (error == 0 || is_wire || error == ERR_NOMEM) {
        return kafka_error_from(error);
    }
    if (error == ERR_CORRUPT) {
        /* Of these files only: the others of the directory are none the worse. */
        fprintf(stderr, "%s/%s-%" PRId32 " has a damaged file\n", partition->dir->dir->path,
                partition->topic, partition->key.partition);
        return KAFKA_CORRUPT_MESSAGE;
    }
    broker_dir_fail(partition->shard, partition->dir, error);
    partition_release_waiters(partition, KAFKA_KAFKA_STORAGE_ERROR);
    return KAFKA_KAFKA_STORAGE_ERROR;
}

int16_t partition_check_leader(const struct partition *partition, int32_t current_leader_epoch)
{
    if (partition == NULL) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    bool offline = partition->log == NULL ||
                   atomic_load_explicit(&partition->dir->offline, memory_order_relaxed);
    if (offline && !partition->led_elsewhere) {
        return KAFKA_KAFKA_STORAGE_ERROR;
    }
    if (current_leader_epoch != -1 && current_leader_epoch < partition->leader_epoch) {
        return KAFKA_FENCED_LEADER_EPOCH;
    }
    if (current_leader_epoch > partition->leader_epoch) {
        return KAFKA_UNKNOWN_LEADER_EPOCH;
    }
    return partition->leader == partition->shard->broker->options.node_id
               ? 0
               : KAFKA_NOT_LEADER_OR_FOLLOWER;
}

void partition_raise_high_watermark(struct partition *partition, int64_t offset, int64_t bytes)
{
    if (offset <= partition->high_watermark) {
        return;
    }
    partition->high_watermark = offset;
    checkpoints_note(partition->shard);
    while (!list_empty(&partition->waits)) {
        struct partition_wait *wait =
            CONTAINER_OF(partition->waits.next, struct partition_wait, node);
        if (wait->required_offset >= offset) {
            break;
        }
        list_remove(&wait->node);
        wait->done(wait, 0);
    }
    LIST_FOR_EACH_SAFE(node, &partition->watches)
    {
        struct partition_watch *watch = CONTAINER_OF(node, struct partition_watch, node);
        watch->fire(watch, bytes);
    }
}

void partition_add_wait(struct partition *partition, struct partition_wait *wait)
{
    ASSERT(wait->required_offset >= partition->high_watermark);
    /* Appends come in order of their offsets, and so do their waits. */
    list_push_back(&partition->waits, &wait->node);
}

static int partition_append_from(struct partition *partition,
                                 const struct partition_append *append, enum log_origin origin,
                                 int16_t transaction_version, struct log_append_result *result,
                                 bool *wait_needed)
{
    *wait_needed = false;
    if (append->acks_all && partition->isr_count < partition->min_insync_replicas) {
        return err_from_wire(KAFKA_NOT_ENOUGH_REPLICAS);
    }
    struct broker_shard *shard = partition->shard;
    struct log_append_options options = {
        .origin = origin,
        .leader_epoch = partition->leader_epoch,
        .now_ms = loop_wall_ms(shard->loop),
        .high_watermark = partition->high_watermark,
        .api_version = append->api_version,
        .scratch = &shard->scratch,
        .verify = append->verify,
        .guard = append->guard,
        .transaction_version = transaction_version,
    };
    int error = log_append(partition->log, &options, append->data, append->size, result);
    if (error != 0) {
        return error;
    }
    if (!result->duplicate) {
        metrics_add(shard->metrics, METRIC_MESSAGES_IN,
                    result->last_offset - result->base_offset + 1);
        metrics_add(shard->metrics, METRIC_BYTES_IN, (int64_t)result->appended_bytes);
    }
    if (result->flush_due || result->flush_soon) {
        partition_want_flush(partition);
    }
    if (!result->flush_due && !result->duplicate) {
        partition_raise_high_watermark(partition, log_end_offset(partition->log),
                                       (int64_t)result->appended_bytes);
    }
    /* With one replica what is written is committed, unless it has to be synced first. A duplicate
     * may still be waiting for that. */
    *wait_needed = (append->acks_all || result->flush_due || result->duplicate) &&
                   result->last_offset >= partition->high_watermark;
    return 0;
}

int partition_append(struct partition *partition, const struct partition_append *append,
                     struct log_append_result *result, bool *wait_needed)
{
    return partition_append_from(partition, append, LOG_ORIGIN_CLIENT, 0, result, wait_needed);
}

int16_t partition_append_own(struct partition *partition, uint8_t *data, size_t size,
                             int16_t transaction_version, int64_t *last_offset,
                             bool *wait_needed)
{
    struct log_append_result result;
    struct partition_append append = {.data = data,
                                      .size = size,
                                      .api_version = PRODUCE_REQUEST_MAX_VERSION,
                                      .acks_all = true};
    int error = partition_append_from(partition, &append, LOG_ORIGIN_COORDINATOR,
                                      transaction_version, &result, wait_needed);
    *last_offset = error == 0 ? result.last_offset : -1;
    return partition_fault(partition, error);
}

static void partition_free(struct partition *partition)
{
    ASSERT(list_empty(&partition->waits) && list_empty(&partition->watches));
    ASSERT(partition->cleaning == NULL && partition->move == NULL);
    partition_forget_flush(partition);
    partition_forget_files(partition);
    list_remove(&partition->compacted_node);
    mem_free(partition);
}

/* A directory that does not work, or NULL. */
static struct broker_dir *partition_offline_dir(struct broker *broker)
{
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        if (atomic_load(&broker->dirs[i].offline)) {
            return &broker->dirs[i];
        }
    }
    return NULL;
}

/* The directory that new partitions go to: of those that work and are not cordoned the one with the
 * fewest, else the first that works. */
static struct broker_dir *partition_emptiest_dir(struct broker *broker)
{
    struct broker_dir *first = NULL;
    struct broker_dir *best = NULL;
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        if (atomic_load(&dir->offline)) {
            continue;
        }
        first = first == NULL ? dir : first;
        if (!atomic_load(&dir->cordoned) &&
            (best == NULL ||
             atomic_load(&dir->partition_count) < atomic_load(&best->partition_count))) {
            best = dir;
        }
    }
    return best != NULL ? best : first;
}

/* What the checkpoint files say counts for a directory that was there when they were read; for a
 * new one it is of an earlier partition of the name, and has to go first. */
static int partition_believe_checkpoints(struct partition *partition, bool found,
                                         struct log_options *options)
{
    struct log_dir *dir = partition->dir->dir;
    struct string_view topic = partition_topic(partition);
    int32_t number = partition->key.partition;
    int64_t recovery_point =
        log_dir_checkpoint(dir, LOG_CHECKPOINT_RECOVERY_POINT, topic, number);
    int64_t log_start = log_dir_checkpoint(dir, LOG_CHECKPOINT_LOG_START_OFFSET, topic, number);
    int64_t cleaned = log_dir_checkpoint(dir, LOG_CHECKPOINT_CLEANER, topic, number);
    if (found) {
        options->recovery_point = recovery_point;
        options->log_start_offset = log_start;
        partition->cleaned_offset = cleaned;
        return 0;
    }
    int error = 0;
    if (recovery_point > 0 || log_start > 0 || cleaned > 0) {
        error = log_dir_forget(dir, topic, number);
    }
    return error == 0 ? log_dir_settle(dir) : error;
}

/* The first of the directories found at the start that is not before name. */
static size_t partition_lower_bound(const struct broker *broker, const char *name)
{
    size_t low = 0;
    size_t high = broker->found_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(broker->found[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where the partition was at the start; NULL: nowhere. Those of earlier topics of the name are set
 * aside: a directory that was offline when its topic was deleted still has them. 0, or ERR_NOMEM:
 * to be called again. */
static int partition_claim(struct partition *partition, const char *name, struct broker_dir **dir)
{
    struct broker *broker = partition->shard->broker;
    struct broker_found *own = NULL;
    *dir = NULL;
    for (size_t i = partition_lower_bound(broker, name);
         i < broker->found_count && strcmp(broker->found[i].name, name) == 0; i++) {
        struct broker_found *found = &broker->found[i];
        char path[PARTITION_PATH_BYTES * 2];
        struct uuid there;
        if (atomic_exchange(&found->claimed, true)) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", found->dir->dir->path, name);
        int error = log_dir_read_topic_id(broker->options.fs, path, &there);
        if (error == ERR_NOMEM) {
            atomic_store(&found->claimed, false);
            if (own != NULL) {
                atomic_store(&own->claimed, false);
            }
            return ERR_NOMEM;
        }
        /* What says nothing of its topic is this one's. */
        if (own == NULL && (error != 0 || uuid_equal(there, partition->key.topic_id))) {
            own = found;
        } else {
            (void)broker_set_aside(broker, found);
        }
    }
    *dir = own == NULL ? NULL : own->dir;
    return 0;
}

/* A directory of an earlier topic of this name that could not be renamed is still in the way. What
 * is written into it would be that topic's at the next start: it goes now, or nothing is
 * written. */
static int partition_clear_way(struct partition *partition, char *name, const char *path,
                               struct err_message *message)
{
    struct broker *broker = partition->shard->broker;
    struct broker_found leftover = {.name = name, .dir = partition->dir};
    struct uuid there;
    int error = log_dir_read_topic_id(broker->options.fs, path, &there);
    if (error != 0 || uuid_equal(there, partition->key.topic_id)) {
        return error == ERR_NOMEM ? ERR_NOMEM : 0;
    }
    error = broker_set_aside(broker, &leftover);
    return error == 0 ? 0
                      : err_set(message, error,
                                "%s is of another topic and cannot be set aside: %s", path,
                                err_text(error));
}

static int partition_open_log(struct partition *partition, const struct log_config *config,
                              struct err_message *message)
{
    bool found = partition->was_there;
    struct broker *broker = partition->shard->broker;
    struct log_dir *dir = partition->dir->dir;
    char path[PARTITION_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%s-%d", dir->path, partition->topic,
                        partition->key.partition);
    if (size < 0 || size >= (int)sizeof path) {
        return ERR_RANGE;
    }
    struct log_options options = {
        .fs = broker->options.fs,
        .directory = path,
        .config = *config,
        .clean_shutdown = dir->clean_shutdown,
        .page_cache_intact = dir->page_cache_intact,
        .now_ms = loop_wall_ms(partition->shard->loop),
        .random = broker_shard_random(partition->shard),
    };
    char *name = strrchr(path, '/') + 1;
    /* Where this directory is the only one, the move that was about to end did not. */
    char mark[PARTITION_PATH_BYTES + sizeof MOVED_MARK + 1];
    snprintf(mark, sizeof mark, "%s/" MOVED_MARK, path);
    int error = found ? io_remove(broker->options.fs, mark)
                      : partition_clear_way(partition, name, path, message);
    error = error == ERR_NOT_FOUND ? 0 : error;
    if (error != 0) {
        return error;
    }
    error = partition_believe_checkpoints(partition, found, &options);
    if (error != 0) {
        return err_set(message, error, "the checkpoint files: %s", err_text(error));
    }
    error = log_open(&options, &partition->log, message);
    if (error != 0) {
        return error;
    }
    if (!found) {
        return partition_new_write(partition, path);
    }
    struct uuid known;
    error = log_dir_read_topic_id(broker->options.fs, path, &known);
    if (error == 0 || error == ERR_NOMEM) {
        return error;
    }
    error = log_dir_write_topic_id(broker->options.fs, path, partition->key.topic_id);
    return error == 0 ? io_sync_directory(broker->options.fs, path) : error;
}

/* Whether the image has it in a directory that is none of ours. */
static bool partition_is_assigned_elsewhere(const struct partition *partition,
                                            const struct image_partition *state)
{
    const struct broker_options *options = &partition->shard->broker->options;
    struct uuid ids[BROKER_DIRS_MAX];
    struct image_broker own = {.directories = ids, .directory_count = options->dir_count};
    ASSERT(options->dir_count > 0 && options->dir_count <= BROKER_DIRS_MAX);
    for (int32_t i = 0; i < options->dir_count; i++) {
        ids[i] = options->dirs[i]->properties.directory_id;
    }
    for (int32_t i = 0; state->directories != NULL && i < state->replicas.count; i++) {
        if (state->replicas.ids[i] == options->node_id) {
            return !image_broker_has_directory(&own, state->directories[i]);
        }
    }
    return false;
}

/* Chooses the directory, unless that was done before: 0, or ERR_NOMEM. */
static int partition_choose_dir(struct partition *partition, const struct image_partition *state,
                                const char *name)
{
    struct broker *broker = partition->shard->broker;
    struct broker_dir *dir;
    if (partition->dir_chosen) {
        return 0;
    }
    if (partition_claim(partition, name, &dir) != 0) {
        return ERR_NOMEM;
    }
    partition->was_there = dir != NULL;
    if (dir == NULL && !partition->shard->settled) {
        /* It is older than this start, and nowhere: it lies in a directory that cannot be read, or
         * that log.dirs does not name any more. An empty log in another one would pass for it
         * (Apache Kafka's LogManager.getOrCreateLog). */
        dir = partition_offline_dir(broker);
        partition->lies_elsewhere =
            dir == NULL && partition_is_assigned_elsewhere(partition, state);
    }
    if (dir == NULL && !partition->lies_elsewhere) {
        dir = preferred_dirs_take(&broker->preferred_dirs, partition_topic(partition),
                                  partition->key.partition);
        dir = dir != NULL && !atomic_load(&dir->offline) ? dir : partition_emptiest_dir(broker);
    }
    partition->dir = dir != NULL ? dir : &broker->dirs[0];
    partition->dir_chosen = true;
    return 0;
}

/* Opens the log; on failure the partition is there, but offline. */
static void partition_open(struct partition *partition, const struct image_partition *state,
                           const struct log_config *config)
{
    struct err_message message = {{0}};
    char name[PARTITION_PATH_BYTES];
    snprintf(name, sizeof name, "%s-%d", partition->topic, partition->key.partition);
    int error = partition_choose_dir(partition, state, name);
    if (error == 0 && partition->lies_elsewhere) {
        fprintf(stderr, "%s lies in a directory that log.dirs does not name\n", name);
    }
    if (error == 0 && (partition->lies_elsewhere || atomic_load(&partition->dir->offline))) {
        partition->open_again = false;
        return;
    }
    error = error == 0 ? partition_open_log(partition, config, &message) : error;
    partition->open_again = error == ERR_NOMEM;
    if (error != 0) {
        fprintf(stderr, "cannot open %s: %s\n", name,
                message.text[0] != '\0' ? message.text : err_text(error));
        log_abandon(&partition->log);
        if (error != ERR_NOMEM) {
            (void)partition_fault(partition, error);
        }
        return;
    }
    struct broker_dir *to =
        broker_find_move(partition->shard->broker, name, partition->key.topic_id);
    if (to != NULL) {
        (void)partition_move_to(partition, to); /* it was on its way when the last process ended */
    }
    atomic_fetch_add(&partition->dir->partition_count, 1);
    log_close_idle_files(partition->log, INT64_MAX);
    partition->high_watermark = log_end_offset(partition->log);
    partition->flushed_ms = loop_wall_ms(partition->shard->loop);
    checkpoints_note(partition->shard);
}

static struct partition *partition_create(struct broker_shard *shard,
                                          const struct image_topic *topic, int32_t index)
{
    struct partition *partition = mem_calloc(1, sizeof *partition + topic->name.size + 1);
    if (partition == NULL) {
        return NULL;
    }
    partition->key = (struct partition_key){topic->id, index};
    partition->shard = shard;
    partition->dir = &shard->broker->dirs[0]; /* until one is chosen */
    memcpy(partition->topic, topic->name.data, topic->name.size);
    partition->topic_size = (uint16_t)topic->name.size;
    partition->leader = -1;
    partition->leader_epoch = -1;
    list_init(&partition->watches);
    list_init(&partition->waits);
    list_init(&partition->flush_node);
    list_init(&partition->open_node);
    list_init(&partition->compacted_node);
    if (map_insert(&shard->partitions, partition) != 0) {
        partition_free(partition);
        return NULL;
    }
    metrics_add(shard->metrics, METRIC_PARTITION_COUNT, 1);
    partition->open_again = true;
    return partition;
}

int partition_settings_read(struct broker_shard *shard, const struct image *image,
                            struct string_view topic, struct partition_settings *out)
{
    const struct config *config = shard->broker->options.config;
    struct log_config log;
    topic_log_config(config, image, topic, &log);
    if (shard->log_config == NULL ||
        !log_config_equals(&log, shard->log_config)) {
        log_config_unref(&shard->log_config);
        shard->log_config = log_config_share(&log);
    }
    out->log = shard->log_config;
    out->min_insync_replicas =
        (int32_t)topic_setting_long(config, image, topic, "min.insync.replicas");
    return out->log == NULL ? ERR_NOMEM : 0;
}

int partition_apply(struct broker_shard *shard, const struct partition_settings *settings,
                    const struct image_topic *topic, int32_t index)
{
    const struct image_partition *state = &topic->partitions[index];
    struct partition *partition = partition_find(shard, topic->id, index);
    if (partition == NULL) {
        partition = partition_create(shard, topic, index);
    }
    if (partition != NULL && partition->open_again) {
        partition_open(partition, state, settings->log);
    }
    if (partition == NULL || partition->open_again) {
        return ERR_NOMEM;
    }
    if (partition->log == NULL) {
        partition->led_elsewhere = (partition->dir->missing || partition->lies_elsewhere) &&
                                   state->leader != shard->broker->options.node_id;
        partition->leader_epoch = state->leader_epoch;
        return 0;
    }
    log_use_config(partition->log, settings->log);
    list_remove(&partition->compacted_node);
    if (log_config(partition->log)->clean_compact) {
        list_push_back(&shard->compacted, &partition->compacted_node);
    }
    /* Nobody can ask for more replicas than there are. */
    partition->min_insync_replicas = settings->min_insync_replicas < state->replicas.count
                                         ? settings->min_insync_replicas
                                         : state->replicas.count;
    partition->isr_count = state->isr.count;
    bool changed = partition->leader != state->leader ||
                   partition->leader_epoch != state->leader_epoch;
    partition->leader = state->leader;
    partition->leader_epoch = state->leader_epoch;
    if (changed && state->leader == shard->broker->options.node_id) {
        int error = log_assign_epoch(partition->log, state->leader_epoch);
        if (error == ERR_NOMEM) {
            partition->leader = -1; /* not before the epoch is its own */
            partition_release_waiters(partition, KAFKA_NOT_LEADER_OR_FOLLOWER);
            return ERR_NOMEM;
        }
        if (error != 0) {
            (void)partition_fault(partition, error);
            return 0;
        }
    }
    if (changed) {
        partition_release_waiters(partition, KAFKA_NOT_LEADER_OR_FOLLOWER);
    }
    assignment_note(partition, state);
    return 0;
}

/* The files of a deleted partition go after a delay, on a helper thread, and so do segments that
 * retention gave up. */
struct partition_removal {
    struct list node; /* in the shard's */
    struct timer timer;
    struct loop_job job;
    struct broker_shard *shard;
    struct io_fs *fs;
    char *path;
    bool segments; /* only what ends in .deleted */
};

static void removal_work(struct loop_job *job)
{
    struct partition_removal *removal = CONTAINER_OF(job, struct partition_removal, job);
    /* What stays is found, and removed, at the next start. */
    if (removal->segments) {
        (void)log_remove_deleted(removal->fs, removal->path);
    } else {
        (void)log_dir_remove_tree(removal->fs, removal->path);
    }
}

static void removal_done(struct loop_job *job)
{
    struct partition_removal *removal = CONTAINER_OF(job, struct partition_removal, job);
    list_remove(&removal->node);
    mem_free(removal->path);
    mem_free(removal);
}

void partition_forget_removals(struct broker_shard *shard)
{
    while (!list_empty(&shard->removals)) {
        struct partition_removal *removal =
            CONTAINER_OF(shard->removals.next, struct partition_removal, node);
        loop_timer_cancel(shard->loop, &removal->timer);
        removal_done(&removal->job);
    }
}

static void removal_fire(struct timer *timer)
{
    struct partition_removal *removal = CONTAINER_OF(timer, struct partition_removal, timer);
    removal->job.work = removal_work;
    removal->job.done = removal_done;
    loop_submit(removal->shard->loop, &removal->job);
}

/* Takes path. */
static void partition_remove_later(struct partition *partition, char *path, int64_t delay_ms,
                                   bool segments)
{
    struct partition_removal *removal = mem_calloc(1, sizeof *removal);
    if (removal == NULL) {
        mem_free(path);
        return;
    }
    removal->shard = partition->shard;
    removal->fs = partition->shard->broker->options.fs;
    removal->path = path;
    removal->segments = segments;
    list_push_back(&removal->shard->removals, &removal->node);
    timer_init(&removal->timer, removal_fire);
    loop_timer_arm(partition->shard->loop, &removal->timer, delay_ms);
}

void partition_finish_delete_if_idle(struct partition *partition)
{
    if (partition->flush_running || partition->cleaning != NULL) {
        return;
    }
    if (partition->log != NULL) {
        int64_t delay_ms = log_config(partition->log)->file_delete_delay_ms;
        log_abandon(&partition->log);
        if (partition->renamed != NULL) {
            partition_remove_later(partition, partition->renamed, delay_ms, false);
        }
    }
    partition_free(partition);
}

/* Gets the directory out of the way of another topic of the same name. */
static void partition_rename_deleted(struct partition *partition)
{
    struct log_dir *dir = partition->dir->dir;
    struct uuid id;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        id.bytes[i] = (uint8_t)(broker_shard_random(partition->shard) >> 32);
    }
    /* Apache Kafka would open it once more before it removes it, and miss them. */
    int error = log_make_indexes(partition->log);
    if (error == 0) {
        error = log_dir_rename_deleted(dir, log_directory(partition->log), id,
                                       &partition->renamed);
    }
    if (error == 0) {
        error = log_dir_forget(dir, partition_topic(partition), partition->key.partition);
    }
    atomic_fetch_sub(&partition->dir->partition_count, 1);
    checkpoints_note(partition->shard);
    if (error != 0) {
        (void)partition_fault(partition, error);
    }
}

void partition_retire_log(struct partition *partition)
{
    struct broker_dir *dir = partition->dir;
    ASSERT(!partition->flush_running && partition->cleaning == NULL && !partition->doomed);
    int64_t delay_ms = log_config(partition->log)->file_delete_delay_ms;
    partition_rename_deleted(partition);
    int error = io_sync_directory(partition->shard->broker->options.fs, dir->dir->path);
    log_abandon(&partition->log);
    if (partition->renamed != NULL) {
        partition_remove_later(partition, partition->renamed, delay_ms, false);
        partition->renamed = NULL;
    }
    if (error != 0) {
        broker_dir_fail(partition->shard, dir, error);
    }
}

void partition_delete(struct partition *partition)
{
    struct broker_shard *shard = partition->shard;
    void *taken = map_take(&shard->partitions, &partition->key);
    ASSERT(taken == partition);
    metrics_add(shard->metrics, METRIC_PARTITION_COUNT, -1);
    partition_release_waiters(partition, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    /* A watch takes itself out when its fetch is told; from here on nobody may follow it back. */
    while (!list_empty(&partition->watches)) {
        list_remove(partition->watches.next);
    }
    /* Helper threads write by names, which are another topic's once the directory has moved. */
    cleaner_leave(partition);
    atomic_store(&partition->left, true);
    if (partition->log != NULL) {
        partition_rename_deleted(partition);
    }
    partition->doomed = true;
    list_remove(&partition->compacted_node);
    partition_move_end(partition);
    partition_finish_delete_if_idle(partition);
}

void partition_close(struct partition *partition)
{
    while (!list_empty(&partition->waits)) {
        list_remove(partition->waits.next);
    }
    while (!list_empty(&partition->watches)) {
        list_remove(partition->watches.next);
    }
    partition_move_leave(partition);
    /* A sync that comes after one that failed would succeed, and mean nothing. */
    if (partition->log != NULL && atomic_load(&partition->dir->offline)) {
        log_abandon(&partition->log);
    }
    if (partition->log != NULL && log_close(&partition->log) != 0) {
        atomic_store(&partition->dir->offline, true);
        log_abandon(&partition->log);
    }
    partition_free(partition);
}

void partition_remove_given_up(struct partition *partition)
{
    if (log_take_deleted(partition->log)) {
        const char *directory = log_directory(partition->log);
        char *path = mem_strndup(directory, strlen(directory));
        if (path != NULL) {
            partition_remove_later(partition, path,
                                   log_config(partition->log)->file_delete_delay_ms, true);
        }
    }
}

#define IDLE_FILES_MS 60000 /* for old segments of a log that is in use */

void partition_housekeep(struct partition *partition, int64_t now_ms)
{
    if (partition->log == NULL || atomic_load(&partition->dir->offline)) {
        return;
    }
    int32_t deleted;
    int error = log_apply_retention(partition->log, partition->high_watermark, now_ms, &deleted);
    if (error != 0) {
        (void)partition_fault(partition, error);
        return;
    }
    if (deleted > 0) {
        checkpoints_note(partition->shard);
    }
    partition_remove_given_up(partition);
    if (!partition->flush_running) {
        log_close_idle_files(partition->log, now_ms - IDLE_FILES_MS);
    }
}

void partition_expire_producers(struct partition *partition, int64_t now_ms)
{
    if (partition->log != NULL) {
        log_expire_producers(partition->log, now_ms);
    }
}
