#include "broker/coordinator_driver.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/coordinator_internal.h"
#include "broker/images.h"
#include "broker/partition.h"
#include "broker/topic_config.h"
#include "broker/transaction_markers.h"
#include "protocol/record/compress.h"

#define MS_A_MINUTE 60000
#define OPTIONS_ARENA_BYTES (1u << 20)

int coordinators_create(struct broker_shard *shard, struct coordinators **created)
{
    struct coordinators *coordinators = mem_calloc(1, sizeof *coordinators);
    *created = coordinators;
    if (coordinators == NULL) {
        return ERR_NOMEM;
    }
    coordinators->shard = shard;
    coordinators->codec =
        config_int(shard->broker->options.config, "offsets.topic.compression.codec");
    coordinator_cluster_init(&coordinators->cluster, shard);
    list_init(&coordinators->dirty);
    list_init(&coordinators->leaving);
    writer_init(&coordinators->batch, COORDINATOR_OPERATION_BYTES_MAX * 2);
    writer_init(&coordinators->packed, COORDINATOR_OPERATION_BYTES_MAX * 2);
    return 0;
}

struct coordinator *coordinator_at(const struct coordinators *coordinators,
                                   enum coordinator_kind kind, int32_t partition)
{
    const struct coordinator_table *table = &coordinators->tables[kind];
    return (size_t)partition < table->capacity ? table->items[partition] : NULL;
}

struct runtime_time coordinator_now(const struct broker_shard *shard)
{
    return (struct runtime_time){loop_monotonic_ms(shard->loop), loop_wall_ms(shard->loop)};
}

void coordinator_mark(struct coordinator *coordinator)
{
    if (list_empty(&coordinator->dirty_node)) {
        list_push_back(&coordinator->shard->coordinators->dirty, &coordinator->dirty_node);
    }
}

struct partition *coordinator_partition(const struct coordinator *coordinator)
{
    return partition_find(coordinator->shard, coordinator->topic_id, coordinator->partition);
}

static void coordinator_fire(struct timer *timer)
{
    struct coordinator *coordinator = CONTAINER_OF(timer, struct coordinator, timer);
    runtime_tick(coordinator->runtime, coordinator_now(coordinator->shard));
    coordinator_mark(coordinator);
}

/* The high watermark has moved, maybe in the midst of an append of ours: seen to at the turn's
 * end. */
static void coordinator_waited(struct partition_wait *wait, int16_t error)
{
    struct coordinator *coordinator = CONTAINER_OF(wait, struct coordinator, wait);
    coordinator->waiting = false;
    /* A new leader epoch ends every wait; as long as the partition is led here what was appended is
     * still there and waits again. */
    coordinator->failed |= error == KAFKA_KAFKA_STORAGE_ERROR;
    coordinator_mark(coordinator);
    broker_shard_nudge(coordinator->shard);
}

static struct group_options coordinator_plain_options(struct broker_shard *shard)
{
    const struct config *config = shard->broker->options.config;
    return (struct group_options){
        .seed = broker_shard_random(shard),
        .min_session_timeout_ms = config_int(config, "group.min.session.timeout.ms"),
        .max_session_timeout_ms = config_int(config, "group.max.session.timeout.ms"),
        .initial_rebalance_delay_ms = config_int(config, "group.initial.rebalance.delay.ms"),
        .max_size = config_int(config, "group.max.size"),
        .offset_metadata_max_bytes = config_int(config, "offset.metadata.max.bytes"),
        .offsets_retention_ms =
            (int64_t)config_int(config, "offsets.retention.minutes") * MS_A_MINUTE,
        .offsets_retention_check_interval_ms =
            config_long(config, "offsets.retention.check.interval.ms"),
    };
}

/* By its name, or the name of the class of Apache Kafka. */
static const struct assignor *assignor_of(struct string_view name)
{
    static const struct {
        const char *class_name;
        const char *name;
    } rows[] = {
        {"org.apache.kafka.coordinator.group.assignor.UniformAssignor", "uniform"},
        {"org.apache.kafka.coordinator.group.assignor.RangeAssignor", "range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (string_view_is(name, rows[i].class_name)) {
            return assignor_find(string_view_of(rows[i].name));
        }
    }
    return assignor_find(name);
}

size_t coordinator_assignors(const struct config *config, struct arena *arena,
                             const struct assignor *assignors[GROUP_ASSIGNORS_MAX])
{
    int32_t count;
    size_t known = 0;
    struct string_view *names = config_list(config, "group.consumer.assignors", arena, &count);
    for (int32_t i = 0; names != NULL && i < count && known < GROUP_ASSIGNORS_MAX; i++) {
        const struct assignor *assignor = assignor_of(names[i]);
        if (assignor != NULL) {
            assignors[known++] = assignor;
        }
    }
    if (known == 0) {
        assignors[known++] = assignor_find(string_view_of("uniform"));
    }
    return known;
}

static enum group_migration migration_policy(const struct config *config)
{
    static const struct {
        const char *name;
        enum group_migration policy;
    } rows[] = {
        {"disabled", GROUP_MIGRATION_DISABLED},
        {"upgrade", GROUP_MIGRATION_UPGRADE},
        {"downgrade", GROUP_MIGRATION_DOWNGRADE},
        {"bidirectional", GROUP_MIGRATION_BIDIRECTIONAL},
    };
    struct string_view name = config_string(config, "group.consumer.migration.policy");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (name.size == strlen(rows[i].name) &&
            strncasecmp(name.data, rows[i].name, name.size) == 0) {
            return rows[i].policy;
        }
    }
    return GROUP_MIGRATION_BIDIRECTIONAL;
}

static struct group_options coordinator_options(struct broker_shard *shard)
{
    const struct config *config = shard->broker->options.config;
    struct group_options options = coordinator_plain_options(shard);
    struct arena arena;
    arena_init(&arena, OPTIONS_ARENA_BYTES);
    options.cluster = &shard->coordinators->cluster;
    options.assignor_count = coordinator_assignors(config, &arena, options.assignors);
    arena_release(&arena);
    options.consumer_max_size = config_int(config, "group.consumer.max.size");
    options.consumer_regex_refresh_ms =
        config_int(config, "group.consumer.regex.refresh.interval.ms");
    options.migration = migration_policy(config);
    return options;
}

/* The level of transaction.version that image has. */
static void coordinator_follow_version(struct coordinator *coordinator, const struct image *image)
{
    if (coordinator->kind == COORDINATOR_TRANSACTIONS) {
        transaction_coordinator_set_version(
            coordinator->transactions,
            image_feature_level(image, "transaction.version"));
    }
}

static struct transaction_options transaction_options(struct broker_shard *shard)
{
    const struct config *config = shard->broker->options.config;
    return (struct transaction_options){
        .seed = broker_shard_random(shard),
        .max_timeout_ms = config_int(config, "transaction.max.timeout.ms"),
        .id_expiration_ms = config_int(config, "transactional.id.expiration.ms"),
        .abort_interval_ms =
            config_int(config, "transaction.abort.timed.out.transaction.cleanup.interval.ms"),
        .remove_interval_ms =
            config_int(config, "transaction.remove.expired.transaction.cleanup.interval.ms"),
        .two_phase_commit = config_boolean(config, "transaction.two.phase.commit.enable"),
    };
}

/* The state machine of its kind: ERR_NOMEM. */
static int coordinator_make_machine(struct coordinator *coordinator)
{
    struct broker_shard *shard = coordinator->shard;
    int error = 0;
    switch (coordinator->kind) {
    case COORDINATOR_GROUPS: {
        struct group_options options = coordinator_options(shard);
        error = group_coordinator_create(&options, &coordinator->groups);
        if (error == 0) {
            coordinator->runtime = group_coordinator_runtime(coordinator->groups);
        }
        break;
    }
    case COORDINATOR_TRANSACTIONS: {
        struct transaction_options options = transaction_options(shard);
        error = transaction_coordinator_create(&options, &coordinator->transactions);
        if (error == 0) {
            coordinator->runtime = transaction_coordinator_runtime(coordinator->transactions);
        }
        break;
    }
    case COORDINATOR_KINDS:
        ASSERT(false);
    }
    return error;
}

static int coordinator_create(struct coordinators *coordinators, enum coordinator_kind kind,
                              struct uuid topic_id, int32_t partition)
{
    struct broker_shard *shard = coordinators->shard;
    struct coordinator_table *table = &coordinators->tables[kind];
    size_t before = table->capacity;
    int error = mem_grow((void **)&table->items, &table->capacity, (size_t)partition + 1,
                         sizeof(struct coordinator *));
    if (error != 0) {
        return error;
    }
    for (size_t i = before; i < table->capacity; i++) {
        table->items[i] = NULL;
    }
    struct coordinator *coordinator = mem_calloc(1, sizeof *coordinator);
    if (coordinator == NULL) {
        return ERR_NOMEM;
    }
    coordinator->shard = shard;
    coordinator->kind = kind;
    coordinator->topic_id = topic_id;
    coordinator->partition = partition;
    if (coordinator_make_machine(coordinator) != 0) {
        mem_free(coordinator);
        return ERR_NOMEM;
    }
    list_init(&coordinator->dirty_node);
    list_init(&coordinator->leaving_node);
    list_init(&coordinator->wait.node);
    coordinator->wait.done = coordinator_waited;
    timer_init(&coordinator->timer, coordinator_fire);
    table->items[partition] = coordinator;
    if (kind == COORDINATOR_GROUPS) {
        metrics_add(shard->metrics, METRIC_COORDINATORS_LOADING, 1);
    } else {
        coordinator_follow_version(coordinator, shard->image);
    }
    coordinator_load(coordinator);
    return 0;
}

void coordinator_free(struct coordinator *coordinator)
{
    ASSERT(!coordinator->job_running);
    loop_timer_cancel(coordinator->shard->loop, &coordinator->timer);
    list_remove(&coordinator->dirty_node);
    list_remove(&coordinator->leaving_node);
    list_remove(&coordinator->wait.node);
    group_coordinator_destroy(&coordinator->groups);
    transaction_coordinator_destroy(&coordinator->transactions);
    mem_free(coordinator->buffer);
    mem_free(coordinator);
}

/* ---- what comes out of the machines ---- */

static void ask_home(struct loop_mail *mail)
{
    struct coordinator_ask *ask = CONTAINER_OF(mail, struct coordinator_ask, mail);
    ask->done(ask);
}

static void ask_return(struct coordinator_ask *ask)
{
    if (ask->owner == ask->request->shard) {
        ask->done(ask);
    } else {
        ask->mail.run = ask_home;
        loop_post(ask->request->shard->loop, &ask->mail);
    }
}

static void coordinator_tell_groups(struct coordinator *coordinator)
{
    static const struct {
        enum metric_plain metric;
        size_t offset;
    } rows[] = {
        {METRIC_GROUPS, offsetof(struct group_counts, groups)},
        {METRIC_GROUPS_PREPARING, offsetof(struct group_counts, preparing_rebalance)},
        {METRIC_GROUPS_COMPLETING, offsetof(struct group_counts, completing_rebalance)},
        {METRIC_GROUPS_STABLE, offsetof(struct group_counts, stable)},
        {METRIC_GROUPS_EMPTY, offsetof(struct group_counts, empty)},
        {METRIC_GROUPS_DEAD, offsetof(struct group_counts, dead)},
        {METRIC_GROUPS_OF_CLASSIC, offsetof(struct group_counts, of_kind[0])},
        {METRIC_GROUPS_OF_CONSUMER, offsetof(struct group_counts, of_kind[1])},
        {METRIC_GROUPS_OF_SHARE, offsetof(struct group_counts, of_kind[2])},
        {METRIC_GROUPS_OF_STREAMS, offsetof(struct group_counts, of_kind[3])},
        {METRIC_CONSUMER_GROUPS_EMPTY,
         offsetof(struct group_counts, consumer_state[CONSUMER_GROUP_EMPTY])},
        {METRIC_CONSUMER_GROUPS_ASSIGNING,
         offsetof(struct group_counts, consumer_state[CONSUMER_GROUP_ASSIGNING])},
        {METRIC_CONSUMER_GROUPS_RECONCILING,
         offsetof(struct group_counts, consumer_state[CONSUMER_GROUP_RECONCILING])},
        {METRIC_CONSUMER_GROUPS_STABLE,
         offsetof(struct group_counts, consumer_state[CONSUMER_GROUP_STABLE])},
        {METRIC_GROUP_OFFSETS, offsetof(struct group_counts, offsets)},
        {METRIC_REBALANCES, offsetof(struct group_counts, rebalances)},
        {METRIC_CONSUMER_REBALANCES, offsetof(struct group_counts, consumer_rebalances)},
        {METRIC_OFFSET_COMMITS, offsetof(struct group_counts, commits)},
        {METRIC_OFFSET_EXPIRATIONS, offsetof(struct group_counts, expirations)},
        {METRIC_OFFSET_DELETIONS, offsetof(struct group_counts, deletions)},
    };
    struct group_counts now = group_coordinator_counts(coordinator->groups);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t *told = (int64_t *)((char *)&coordinator->told + rows[i].offset);
        int64_t value = *(int64_t *)((char *)&now + rows[i].offset);
        if (value != *told) {
            metrics_add(coordinator->shard->metrics, rows[i].metric, value - *told);
            *told = value;
        }
    }
}

static void coordinator_tell_transactions(struct coordinator *coordinator)
{
    struct metrics_shard *metrics = coordinator->shard->metrics;
    struct transaction_counts *told = &coordinator->transactions_told;
    struct transaction_counts now = transaction_coordinator_counts(coordinator->transactions);
    metrics_add(metrics, METRIC_TRANSACTIONAL_IDS, now.ids - told->ids);
    metrics_add(metrics, METRIC_TRANSACTIONS_ONGOING, now.ongoing - told->ongoing);
    metrics_add(metrics, METRIC_COMPLETIONS_TO_RETRY, now.to_complete - told->to_complete);
    *told = now;
}

static void coordinator_tell_metrics(struct coordinator *coordinator)
{
    if (coordinator->kind == COORDINATOR_GROUPS) {
        coordinator_tell_groups(coordinator);
    } else {
        coordinator_tell_transactions(coordinator);
    }
}

void coordinator_emit(struct coordinator *coordinator)
{
    struct runtime_note *note;
    while ((note = runtime_take_note(coordinator->runtime)) != NULL) {
        fprintf(stderr, "%s\n", note->text);
        mem_free(note);
    }
    struct runtime_call *call;
    while ((call = runtime_take_reply(coordinator->runtime)) != NULL) {
        ask_return(CONTAINER_OF(call, struct coordinator_ask, call));
    }
    coordinator_tell_metrics(coordinator);
}

/* Our batches are not compressed unless offsets.topic.compression.codec says so. Control batches
 * never are. */
static int coordinator_pack(struct coordinators *coordinators, bool packs, uint8_t **data,
                            size_t *size)
{
    struct writer *plain = &coordinators->batch;
    struct writer *packed = &coordinators->packed;
    *data = plain->data;
    *size = plain->size;
    if (!packs || coordinators->codec <= BATCH_CODEC_NONE ||
        coordinators->codec >= BATCH_CODEC_COUNT) {
        return 0;
    }
    packed->size = 0;
    writer_bytes(packed, plain->data, BATCH_HEADER_BYTES);
    struct bytes_view records = {plain->data + BATCH_HEADER_BYTES,
                                 plain->size - BATCH_HEADER_BYTES};
    int error = compress_append((enum batch_codec)coordinators->codec, COMPRESS_LEVEL_DEFAULT,
                                records, packed);
    if (error != 0 || packed->failed) {
        return ERR_NOMEM;
    }
    batch_seal(packed->data, packed->size, (enum batch_codec)coordinators->codec);
    *data = packed->data;
    *size = packed->size;
    return 0;
}

static int16_t coordinator_append(struct coordinator *coordinator, struct partition *partition,
                                  const struct runtime_batch *batch, int64_t *last_offset)
{
    struct coordinators *coordinators = coordinator->shard->coordinators;
    uint8_t *data;
    size_t size;
    bool wait_needed;
    int16_t error = partition_check_leader(partition, -1);
    *last_offset = -1;
    if (error != 0) {
        return error;
    }
    partition_touch(partition);
    coordinators->batch.size = 0;
    if (runtime_batch_build(batch, partition->leader_epoch, &coordinators->batch) != 0 ||
        coordinator_pack(coordinators,
                         coordinator->kind == COORDINATOR_GROUPS && !batch->is_marker, &data,
                         &size) != 0) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    error = partition_append_own(partition, data, size, batch->marker.transaction_version,
                                 last_offset, &wait_needed);
    if (error == 0) {
        coordinator->last_appended = *last_offset;
    }
    return error;
}

static void coordinator_wait(struct coordinator *coordinator, struct partition *partition)
{
    if (!coordinator->waiting && partition_check_leader(partition, -1) == 0 &&
        coordinator->last_appended >= partition->high_watermark) {
        coordinator->waiting = true;
        coordinator->wait.required_offset = coordinator->last_appended;
        partition_add_wait(partition, &coordinator->wait);
    }
}

void coordinator_append_all(struct coordinator *coordinator)
{
    struct broker_shard *shard = coordinator->shard;
    struct runtime *runtime = coordinator->runtime;
    struct partition *partition = coordinator_partition(coordinator);
    struct runtime_batch *batch;
    if (partition != NULL) {
        runtime_committed(runtime, partition->high_watermark, coordinator_now(shard));
    }
    while ((batch = runtime_next_batch(runtime)) != NULL) {
        int64_t last_offset;
        int16_t error = coordinator_append(coordinator, partition, batch, &last_offset);
        runtime_appended(runtime, batch, error, last_offset, coordinator_now(shard));
        if (error == KAFKA_KAFKA_STORAGE_ERROR && !coordinator->failed) {
            coordinator->failed = true; /* nobody may join what cannot be written any more */
            coordinator_mark(coordinator);
        }
        if (error == 0) {
            runtime_committed(runtime, partition->high_watermark, coordinator_now(shard));
        }
    }
    coordinator_wait(coordinator, partition);
}

static void coordinator_end_failed(struct coordinator *coordinator)
{
    if (coordinator->kind == COORDINATOR_GROUPS) {
        metrics_add(coordinator->shard->metrics, METRIC_COORDINATORS_ACTIVE, -1);
        metrics_add(coordinator->shard->metrics, METRIC_COORDINATORS_FAILED, 1);
    }
    fprintf(stderr,
            "%s-%" PRId32 " has no coordinator any more: its log directory has failed\n",
            coordinator_topic(coordinator->kind).data, coordinator->partition);
    runtime_unload(coordinator->runtime);
}

static void coordinator_leave(struct coordinator *coordinator);

static void coordinator_settle(struct coordinator *coordinator)
{
    struct broker_shard *shard = coordinator->shard;
    struct runtime *runtime = coordinator->runtime;
    if (coordinator->short_of_memory) {
        coordinator_leave(coordinator);
        images_shard_again(shard);
        return;
    }
    if (coordinator->failed && runtime_state(runtime) == RUNTIME_ACTIVE) {
        coordinator_end_failed(coordinator);
    }
    coordinator_append_all(coordinator);
    if (coordinator->kind == COORDINATOR_TRANSACTIONS) {
        markers_begin(coordinator);
    }
    coordinator_emit(coordinator);
    int64_t deadline_ms = runtime_next_deadline_ms(runtime);
    if (deadline_ms == INT64_MAX) {
        loop_timer_cancel(shard->loop, &coordinator->timer);
    } else if (!timer_is_armed(&coordinator->timer) ||
               coordinator->timer.deadline_ms != deadline_ms) {
        int64_t delay_ms = deadline_ms - loop_monotonic_ms(shard->loop);
        loop_timer_arm(shard->loop, &coordinator->timer, delay_ms > 0 ? delay_ms : 0);
    }
}

/* Of the room in which a batch is put together, what is kept for the next. */
static void coordinators_keep_buffers(struct coordinators *coordinators)
{
    const struct broker_shard *shard = coordinators->shard;
    struct writer *buffers[] = {&coordinators->batch, &coordinators->packed};
    bool given_back = false;
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->capacity > COORDINATOR_BATCH_BYTES &&
            (int64_t)buffers[i]->capacity >
                broker_setting_long(shard->broker->options.config, shard->image,
                                    string_view_of("group.coordinator.cached.buffer.max.bytes"))) {
            writer_release(buffers[i]);
            writer_init(buffers[i], COORDINATOR_OPERATION_BYTES_MAX * 2);
            given_back = true;
        }
    }
    if (given_back) {
        mem_trim(); /* the heap would keep what does not lie at its end */
    }
}

void coordinators_run(struct broker_shard *shard)
{
    struct coordinators *coordinators = shard->coordinators;
    while (!list_empty(&coordinators->dirty)) {
        struct coordinator *coordinator =
            CONTAINER_OF(coordinators->dirty.next, struct coordinator, dirty_node);
        list_remove(&coordinator->dirty_node);
        coordinator_settle(coordinator);
    }
    coordinators_keep_buffers(coordinators);
}

/* ---- coming and going ---- */

static void coordinator_leave(struct coordinator *coordinator)
{
    struct coordinators *coordinators = coordinator->shard->coordinators;
    struct coordinator_table *table = &coordinators->tables[coordinator->kind];
    ASSERT(table->items[coordinator->partition] == coordinator);
    table->items[coordinator->partition] = NULL;
    enum runtime_state state = runtime_state(coordinator->runtime);
    if (coordinator->kind == COORDINATOR_GROUPS) {
        metrics_add(coordinator->shard->metrics,
                    state == RUNTIME_LOADING  ? METRIC_COORDINATORS_LOADING
                    : state == RUNTIME_ACTIVE ? METRIC_COORDINATORS_ACTIVE
                                              : METRIC_COORDINATORS_FAILED,
                    -1);
    }
    runtime_unload(coordinator->runtime);
    coordinator_emit(coordinator);
    loop_timer_cancel(coordinator->shard->loop, &coordinator->timer);
    list_remove(&coordinator->dirty_node);
    list_remove(&coordinator->wait.node);
    if (coordinator->job_running) {
        list_push_back(&coordinators->leaving, &coordinator->leaving_node);
    } else {
        coordinator_free(coordinator);
    }
}

static bool is_led_here(const struct broker_shard *shard, const struct image *image,
                        struct uuid topic_id, int32_t partition)
{
    const struct image_topic *topic = image_topic_by_id(image, topic_id);
    return topic != NULL && partition < topic->partition_count &&
           topic->partitions[partition].leader == shard->broker->options.node_id;
}

static void coordinators_forget_topics(struct coordinators *coordinators,
                                       const struct image *newer)
{
    const struct broker_shard *shard = coordinators->shard;
    const struct image *older = shard->image;
    const struct coordinator_table *table = &coordinators->tables[COORDINATOR_GROUPS];
    for (size_t i = 0; older != NULL && i < image_topic_count(older); i++) {
        const struct image_topic *topic = image_topic_at(older, i);
        if (image_topic_by_id(newer, topic->id) != NULL) {
            continue;
        }
        for (size_t j = 0; j < table->capacity; j++) {
            struct coordinator *coordinator = table->items[j];
            if (coordinator != NULL) {
                group_coordinator_forget_topic(coordinator->groups, topic->name, topic->id,
                                               coordinator_now(shard));
                coordinator_mark(coordinator);
                broker_shard_nudge(coordinators->shard);
            }
        }
    }
}

/* Calls visit with every coordinator of the shard; it may take that one away. */
static void coordinators_visit(struct coordinators *coordinators,
                               void (*visit)(struct coordinator *coordinator,
                                             const struct image *image),
                               const struct image *image)
{
    for (size_t kind = 0; kind < COORDINATOR_KINDS; kind++) {
        struct coordinator_table *table = &coordinators->tables[kind];
        for (size_t i = 0; i < table->capacity; i++) {
            if (table->items[i] != NULL) {
                visit(table->items[i], image);
            }
        }
    }
}

static void coordinator_give_up(struct coordinator *coordinator, const struct image *newer)
{
    if (!is_led_here(coordinator->shard, newer, coordinator->topic_id, coordinator->partition)) {
        coordinator_leave(coordinator);
    }
}

/* What groups have to hear of, once the image is there. */
void coordinators_compare_topics(struct broker_shard *shard, const struct image *newer)
{
    struct coordinators *coordinators = shard->coordinators;
    const struct image *older = shard->image;
    size_t same = 0;
    size_t count = image_topic_count(newer);
    for (size_t i = 0; i < count; i++) {
        const struct image_topic *topic = image_topic_at(newer, i);
        const struct image_topic *before =
            older == NULL ? NULL : image_topic_by_id(older, topic->id);
        coordinators->topics_created |= before == NULL;
        same += before == topic;
    }
    coordinators->topics_changed |=
        older == NULL || same != count || image_topic_count(older) != count;
}

void coordinators_give_up(struct broker_shard *shard, const struct image *newer)
{
    coordinators_visit(shard->coordinators, coordinator_give_up, newer);
    coordinators_forget_topics(shard->coordinators, newer);
}

static void coordinators_take_on_kind(struct coordinators *coordinators,
                                      enum coordinator_kind kind, const struct image *image)
{
    struct broker_shard *shard = coordinators->shard;
    const struct image_topic *topic = image_topic_by_name(image, coordinator_topic(kind));
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++) {
        if (broker_shard_of(shard->broker, topic->id, i) == shard &&
            is_led_here(shard, image, topic->id, i) &&
            coordinator_at(coordinators, kind, i) == NULL &&
            coordinator_create(coordinators, kind, topic->id, i) != 0) {
            fprintf(stderr, "no memory for the coordinator of %s-%" PRId32 "\n",
                    coordinator_topic(kind).data, i);
            images_shard_again(shard);
        }
    }
}

static void coordinator_update(struct coordinator *coordinator, const struct image *image)
{
    const struct coordinators *coordinators = coordinator->shard->coordinators;
    coordinator_follow_version(coordinator, image);
    if (coordinator->kind == COORDINATOR_GROUPS && coordinators->topics_changed) {
        group_coordinator_follow_topics(coordinator->groups, coordinators->topics_created);
    }
}

void coordinators_take_on(struct broker_shard *shard, const struct image *image)
{
    coordinators_give_up(shard, image);
    if (shard->coordinators->stopped) {
        return; /* an image that came while the node ends */
    }
    for (int kind = 0; kind < COORDINATOR_KINDS; kind++) {
        coordinators_take_on_kind(shard->coordinators, (enum coordinator_kind)kind, image);
    }
    coordinators_visit(shard->coordinators, coordinator_update, image);
    shard->coordinators->topics_changed = shard->coordinators->topics_created = false;
}

static void coordinator_stop(struct coordinator *coordinator, const struct image *image)
{
    (void)image;
    coordinator_leave(coordinator);
}

void coordinators_stop(struct broker_shard *shard)
{
    if (shard->coordinators != NULL) {
        shard->coordinators->stopped = true;
        coordinators_visit(shard->coordinators, coordinator_stop, NULL);
    }
}

static void coordinator_destroy(struct coordinator *coordinator, const struct image *image)
{
    (void)image;
    coordinator_free(coordinator);
}

void coordinators_destroy(struct coordinators **destroyed)
{
    struct coordinators *coordinators = *destroyed;
    if (coordinators == NULL) {
        return;
    }
    ASSERT(list_empty(&coordinators->leaving) && list_empty(&coordinators->dirty));
    coordinators_visit(coordinators, coordinator_destroy, NULL);
    for (size_t kind = 0; kind < COORDINATOR_KINDS; kind++) {
        mem_free(coordinators->tables[kind].items);
    }
    writer_release(&coordinators->batch);
    writer_release(&coordinators->packed);
    mem_free(coordinators);
    *destroyed = NULL;
}

struct group_coordinator *coordinator_active_groups(struct broker_shard *shard,
                                                    int32_t partition)
{
    struct coordinator *coordinator =
        coordinator_at(shard->coordinators, COORDINATOR_GROUPS, partition);
    return coordinator == NULL || runtime_state(coordinator->runtime) != RUNTIME_ACTIVE
               ? NULL
               : coordinator->groups;
}

void coordinator_append_groups(struct broker_shard *shard, int32_t partition)
{
    struct coordinator *coordinator =
        coordinator_at(shard->coordinators, COORDINATOR_GROUPS, partition);
    if (coordinator != NULL) {
        coordinator_append_all(coordinator);
        coordinator_mark(coordinator); /* replies, timers */
    }
}

/* ---- asking ---- */

static void ask_refuse(struct coordinator_ask *ask, int16_t error)
{
    switch (ask->kind) {
    case COORDINATOR_GROUPS:
        group_call_refuse(&ask->call, error);
        break;
    case COORDINATOR_TRANSACTIONS:
        transaction_call_refuse(&ask->call, error);
        break;
    case COORDINATOR_KINDS:
        ASSERT(false);
    }
}

static void ask_arrive(struct loop_mail *mail)
{
    struct coordinator_ask *ask = CONTAINER_OF(mail, struct coordinator_ask, mail);
    struct coordinator *coordinator =
        coordinator_at(ask->owner->coordinators, ask->kind, ask->partition);
    int16_t error = coordinator == NULL ? KAFKA_NOT_COORDINATOR : 0;
    if (error == 0 && ask->before != NULL &&
        runtime_state(coordinator->runtime) == RUNTIME_ACTIVE) {
        error = ask->before(ask, coordinator);
    }
    if (error != 0) {
        if (error != COORDINATOR_ASK_BACK) {
            ask_refuse(ask, error);
        }
        ask_return(ask);
        return;
    }
    runtime_handle(coordinator->runtime, &ask->call, coordinator_now(ask->owner));
    coordinator_mark(coordinator);
}

static struct string_view client_host(struct broker_request *request)
{
    return arena_format(&request->arena, "/%s", net_connection_peer(request->connection));
}

void coordinator_ask_partition(struct coordinator_ask *ask, struct broker_request *request,
                               const void *message, enum coordinator_kind kind,
                               int32_t partition)
{
    const struct image_topic *topic =
        image_topic_by_name(broker_image(request), coordinator_topic(kind));
    *ask = (struct coordinator_ask){
        .call = {.api_key = request->header.request_api_key,
                 .api_version = request->header.request_api_version,
                 .request = message,
                 .client_id = request->header.client_id,
                 .arena = &request->arena,
                 .new_producer_id = -1},
        .request = request,
        .kind = kind,
        .partition = partition,
    };
    if (topic != NULL) {
        ask->owner = broker_shard_of(request->shard->broker, topic->id, partition);
    }
}

static void ask_init(struct coordinator_ask *ask, struct broker_request *request,
                     const void *message, enum coordinator_kind kind, struct string_view id)
{
    const struct image_topic *topic =
        image_topic_by_name(broker_image(request), coordinator_topic(kind));
    int32_t count = topic == NULL ? 0 : topic->partition_count;
    coordinator_ask_partition(ask, request, message, kind,
                              count == 0 ? -1 : coordinator_partition_of(id, count));
}

void coordinator_ask_init(struct coordinator_ask *ask, struct broker_request *request,
                          const void *message, struct string_view group)
{
    ask_init(ask, request, message, COORDINATOR_GROUPS, group);
    if (ask->call.api_key == API_JOIN_GROUP ||
        ask->call.api_key == API_CONSUMER_GROUP_HEARTBEAT) {
        ask->call.client_host = client_host(request);
        for (size_t i = 0; i < sizeof ask->call.random; i += 8) {
            uint64_t random = broker_shard_random(request->shard);
            memcpy(ask->call.random + i, &random, 8);
        }
    }
}

void coordinator_ask_transaction(struct coordinator_ask *ask, struct broker_request *request,
                                 const void *message, struct string_view transactional_id)
{
    ask_init(ask, request, message, COORDINATOR_TRANSACTIONS, transactional_id);
}

void coordinator_ask(struct coordinator_ask *ask)
{
    ASSERT(ask->done != NULL);
    if (ask->error != 0 || ask->owner == NULL) { /* else: there is no topic yet */
        ask->owner = ask->request->shard;
        ask_refuse(ask, ask->error != 0 ? ask->error : KAFKA_NOT_COORDINATOR);
        ask_return(ask);
        return;
    }
    if (ask->owner == ask->request->shard) {
        ask_arrive(&ask->mail);
    } else {
        ask->mail.run = ask_arrive;
        loop_post(ask->owner->loop, &ask->mail);
    }
}
