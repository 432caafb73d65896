#include "broker/checkpoints.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "broker/partition.h"

#define CHECKPOINT_ALL ((1u << LOG_CHECKPOINT_KINDS) - 1)

/* NULL: not by time. */
static const char *const checkpoint_intervals[LOG_CHECKPOINT_KINDS] = {
    [LOG_CHECKPOINT_RECOVERY_POINT] = "log.flush.offset.checkpoint.interval.ms",
    [LOG_CHECKPOINT_LOG_START_OFFSET] = "log.flush.start.offset.checkpoint.interval.ms",
    [LOG_CHECKPOINT_HIGH_WATERMARK] = "replica.high.watermark.checkpoint.interval.ms",
};

/* The files of one log directory. */
struct checkpoint_set {
    struct log_checkpoint kinds[LOG_CHECKPOINT_KINDS];
    uint64_t begun;
    int error; /* of writing them */
};
/* One round: a part for each shard, which lists its partitions there. */
struct checkpoint_part {
    struct loop_mail mail;
    struct checkpoint_round *round;
    struct broker_shard *shard;
    struct arena names;
    bool failed;
};
struct checkpoint_round {
    struct loop_job job;
    struct broker *broker;
    unsigned kinds; /* bits of enum log_checkpoint_kind */
    int32_t next_part; /* parts list one after the other: the sets are shared */
    struct checkpoint_set sets[BROKER_DIRS_MAX];
    struct checkpoint_part parts[BROKER_SHARDS_MAX];
};

#define NAMES_BYTES_MAX (256u << 20)

static int checkpoint_add(struct checkpoint_round *round, struct checkpoint_part *part,
                          const struct partition *partition)
{
    size_t index = (size_t)(partition->dir - round->broker->dirs);
    struct checkpoint_set *set = &round->sets[index];
    struct string_view topic = arena_string(
        &part->names, (struct string_view){partition->topic, partition->topic_size});
    if (topic.data == NULL) {
        return ERR_NOMEM;
    }
    int64_t values[LOG_CHECKPOINT_KINDS] = {
        [LOG_CHECKPOINT_RECOVERY_POINT] = log_recovery_point(partition->log),
        [LOG_CHECKPOINT_LOG_START_OFFSET] = log_start_offset(partition->log),
        [LOG_CHECKPOINT_HIGH_WATERMARK] = partition->high_watermark,
        [LOG_CHECKPOINT_CLEANER] = partition->cleaned_offset,
    };
    int error = 0;
    for (int kind = 0; error == 0 && kind < LOG_CHECKPOINT_KINDS; kind++) {
        bool none = values[kind] == 0 && (kind == LOG_CHECKPOINT_LOG_START_OFFSET ||
                                          kind == LOG_CHECKPOINT_CLEANER);
        bool wanted = (round->kinds & 1u << kind) != 0 && !none;
        error = wanted ? log_checkpoint_add(&set->kinds[kind], topic, partition->key.partition,
                                            values[kind])
                       : 0;
    }
    return error;
}

static void checkpoint_list(struct checkpoint_part *part)
{
    size_t cursor = 0;
    const struct partition *partition;
    while ((partition = map_next(&part->shard->partitions, &cursor)) != NULL) {
        if (partition->log != NULL && !atomic_load(&partition->dir->offline)) {
            part->failed |= checkpoint_add(part->round, part, partition) != 0;
        }
    }
}

static void checkpoint_write_set(struct broker_dir *dir, struct checkpoint_set *set,
                                 unsigned kinds)
{
    /* High watermarks come before log starts: none on the disk may be below its log's start. */
    for (int kind = LOG_CHECKPOINT_KINDS - 1; kind >= 0 && set->error == 0; kind--) {
        if ((kinds & 1u << kind) != 0 && !atomic_load(&dir->offline)) {
            set->error = log_dir_write_checkpoint(dir->dir, (enum log_checkpoint_kind)kind,
                                                  &set->kinds[kind], set->begun);
        }
    }
}

static void checkpoint_round_write(struct checkpoint_round *round)
{
    for (int32_t i = 0; i < round->broker->options.dir_count; i++) {
        checkpoint_write_set(&round->broker->dirs[i], &round->sets[i], round->kinds);
    }
}

static void checkpoint_round_free(struct checkpoint_round *round)
{
    for (int32_t i = 0; i < round->broker->options.dir_count; i++) {
        for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
            log_checkpoint_release(&round->sets[i].kinds[kind]);
        }
    }
    for (int32_t i = 0; i < round->broker->options.shard_count; i++) {
        arena_release(&round->parts[i].names);
    }
    round->broker->checkpoint_round = NULL;
    mem_free(round);
}

static void checkpoint_work(struct loop_job *job)
{
    checkpoint_round_write(CONTAINER_OF(job, struct checkpoint_round, job));
}

static void checkpoints_begin(struct broker *broker, unsigned kinds);

/* As for Apache Kafka's LogManager, a directory whose checkpoint cannot be written has failed. */
static void checkpoint_round_fail_dirs(struct checkpoint_round *round)
{
    struct broker *broker = round->broker;
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        int error = round->sets[i].error;
        if (error != 0 && error != ERR_NOMEM) {
            broker_dir_fail(&broker->shards[0], &broker->dirs[i], error);
        }
    }
}

static void checkpoint_round_end(struct checkpoint_round *round)
{
    struct broker *broker = round->broker;
    checkpoint_round_fail_dirs(round);
    unsigned missed = broker->checkpoints_missed;
    broker->checkpoints_missed = 0;
    checkpoint_round_free(round);
    checkpoints_begin(broker, missed);
}

static void checkpoint_done(struct loop_job *job)
{
    checkpoint_round_end(CONTAINER_OF(job, struct checkpoint_round, job));
}

static void checkpoint_next_part(struct checkpoint_round *round);

static void checkpoint_part_home(struct loop_mail *mail)
{
    checkpoint_next_part(CONTAINER_OF(mail, struct checkpoint_part, mail)->round);
}

static void checkpoint_part_run(struct loop_mail *mail)
{
    struct checkpoint_part *part = CONTAINER_OF(mail, struct checkpoint_part, mail);
    checkpoint_list(part);
    part->mail.run = checkpoint_part_home;
    loop_post(part->round->broker->shards[0].loop, &part->mail);
}

static void checkpoint_next_part(struct checkpoint_round *round)
{
    struct broker *broker = round->broker;
    if (round->next_part < broker->options.shard_count) {
        struct checkpoint_part *part = &round->parts[round->next_part++];
        part->mail.run = checkpoint_part_run;
        loop_post(part->shard->loop, &part->mail);
        return;
    }
    bool failed = false;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        failed |= round->parts[i].failed;
    }
    if (failed) {
        checkpoint_round_end(round);
        return;
    }
    round->job.work = checkpoint_work;
    round->job.done = checkpoint_done;
    loop_submit(broker->shards[0].loop, &round->job);
}

static struct checkpoint_round *checkpoint_round_create(struct broker *broker, unsigned kinds)
{
    struct checkpoint_round *round = mem_calloc(1, sizeof *round);
    if (round == NULL) {
        return NULL;
    }
    round->broker = broker;
    round->kinds = kinds;
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        round->sets[i].begun = log_dir_begin_checkpoint(broker->dirs[i].dir);
    }
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        round->parts[i].round = round;
        round->parts[i].shard = &broker->shards[i];
        arena_init(&round->parts[i].names, NAMES_BYTES_MAX);
    }
    return round;
}

void checkpoints_note(struct broker_shard *shard)
{
    if (atomic_load_explicit(&shard->checkpoints_due, memory_order_relaxed) != CHECKPOINT_ALL) {
        atomic_store(&shard->checkpoints_due, CHECKPOINT_ALL);
    }
}

/* Those of the kinds of which something changed, and notes that they are seen to. A change that is
 * noted meanwhile is in this round or in the next, or in both. */
static unsigned checkpoints_take_due(struct broker *broker, unsigned kinds)
{
    unsigned due = 0;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        due |= atomic_fetch_and(&broker->shards[i].checkpoints_due, ~kinds);
    }
    return due & kinds;
}

static void checkpoints_begin(struct broker *broker, unsigned kinds)
{
    if (broker->checkpoint_round != NULL) {
        broker->checkpoints_missed |= kinds;
        return;
    }
    kinds |= kinds & 1u << LOG_CHECKPOINT_LOG_START_OFFSET ? 1u << LOG_CHECKPOINT_HIGH_WATERMARK
                                                           : 0;
    unsigned due = checkpoints_take_due(broker, kinds);
    if (due != 0) {
        broker->checkpoint_round = checkpoint_round_create(broker, due);
        if (broker->checkpoint_round != NULL) {
            checkpoint_next_part(broker->checkpoint_round);
        }
    }
}

/* As Apache Kafka's scheduler has it: a negative interval means once. */
static void checkpoints_fire(struct timer *timer)
{
    struct checkpoint_timer *fired = CONTAINER_OF(timer, struct checkpoint_timer, timer);
    struct broker *broker = fired->broker;
    size_t kind = (size_t)(fired - broker->checkpoint_timers);
    int64_t every_ms = config_long(broker->options.config, checkpoint_intervals[kind]);
    if (every_ms >= 0) {
        loop_timer_arm(broker->shards[0].loop, timer, every_ms);
    }
    checkpoints_begin(broker, 1u << kind);
}

void checkpoints_start(struct broker *broker)
{
    int64_t delay_ms = config_long(broker->options.config, "log.initial.task.delay.ms");
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        struct checkpoint_timer *timer = &broker->checkpoint_timers[kind];
        if (checkpoint_intervals[kind] == NULL) {
            continue;
        }
        timer->broker = broker;
        timer_init(&timer->timer, checkpoints_fire);
        loop_timer_arm(broker->shards[0].loop, &timer->timer,
                       kind == LOG_CHECKPOINT_HIGH_WATERMARK ? 0 : delay_ms);
    }
}

void checkpoints_write_cleaned(struct broker *broker)
{
    checkpoints_note(&broker->shards[0]);
    checkpoints_begin(broker, 1u << LOG_CHECKPOINT_CLEANER);
}

void checkpoints_stop(struct broker *broker)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        struct checkpoint_timer *timer = &broker->checkpoint_timers[kind];
        if (timer->broker != NULL) {
            loop_timer_cancel(broker->shards[0].loop, &timer->timer);
        }
    }
}

/* ---- at the end ---- */

/* Calls step for each log of a directory that is not synced yet; their number, or an error. */
static int64_t closing_each(struct broker *broker, const struct broker_dir *dir,
                            int (*step)(struct log *log))
{
    int64_t count = 0;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        size_t cursor = 0;
        struct partition *partition;
        while ((partition = map_next(&broker->shards[i].partitions, &cursor)) != NULL) {
            if (partition->log == NULL || partition->dir != dir || log_is_synced(partition->log)) {
                continue;
            }
            int error = step != NULL ? step(partition->log) : 0;
            if (error != 0) {
                return error;
            }
            count++;
        }
    }
    return count;
}

static int closing_told(struct log *log)
{
    log_end_synced(log);
    return 0;
}

/* Many logs of a directory are synced with their file system. What it does not do is left to be
 * synced one by one. */
static void closing_sync_together(struct broker_dir *dir, struct broker *broker)
{
    if (atomic_load(&dir->offline) || closing_each(broker, dir, NULL) <= SYNC_EACH_MAX) {
        return;
    }
    int64_t error = closing_each(broker, dir, log_end_write);
    error = error > 0 ? io_file_sync_all(&dir->dir->lock) : error;
    if (error == ERR_UNSUPPORTED) {
        return;
    }
    if (error == 0) {
        error = closing_each(broker, dir, log_end_name);
    }
    error = error > 0 ? io_file_sync_all(&dir->dir->lock) : error;
    if (error == 0) {
        error = closing_each(broker, dir, closing_told);
    }
    if (error < 0) {
        atomic_store(&dir->offline, true);
    }
}

void checkpoints_write_closing(struct broker *broker)
{
    struct checkpoint_round *round = checkpoint_round_create(broker, CHECKPOINT_ALL);
    if (round == NULL) {
        return;
    }
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        closing_sync_together(&broker->dirs[i], broker);
    }
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        size_t cursor = 0;
        struct partition *partition;
        while ((partition = map_next(&broker->shards[i].partitions, &cursor)) != NULL) {
            if (partition->log != NULL && !atomic_load(&partition->dir->offline) &&
                log_end(partition->log) != 0) {
                atomic_store(&partition->dir->offline, true);
            }
            if (partition->log != NULL) {
                log_close_idle_files(partition->log, INT64_MAX);
            }
        }
        checkpoint_list(&round->parts[i]);
    }
    checkpoint_round_write(round);
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        if (round->sets[i].error != 0) {
            atomic_store(&broker->dirs[i].offline, true);
        }
    }
    checkpoint_round_free(round);
}
