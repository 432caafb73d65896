#include "broker/checkpoints.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/mem.h"
#include "broker/partition.h"

#define CHECKPOINT_PATH_BYTES 1024

/* The three files of one log directory. */
struct checkpoint_set {
    struct log_checkpoint recovery_points;
    struct log_checkpoint log_start_offsets;
    struct log_checkpoint high_watermarks;
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
    int32_t number = partition->key.partition;
    if (topic.data == NULL) {
        return ERR_NOMEM;
    }
    int error = log_checkpoint_add(&set->recovery_points, topic, number,
                                   log_recovery_point(partition->log));
    if (error == 0 && log_start_offset(partition->log) > 0) {
        error = log_checkpoint_add(&set->log_start_offsets, topic, number,
                                   log_start_offset(partition->log));
    }
    return error == 0 ? log_checkpoint_add(&set->high_watermarks, topic, number,
                                           partition->high_watermark)
                      : error;
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

static int checkpoint_write_file(const struct log_dir *dir, const char *name,
                                 const struct log_checkpoint *checkpoint)
{
    char path[CHECKPOINT_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%s", dir->path, name);
    return size < (int)sizeof path ? log_checkpoint_write(dir->fs, path, checkpoint) : ERR_RANGE;
}

static void checkpoint_write_set(struct broker_dir *dir, const struct checkpoint_set *set)
{
    if (atomic_load(&dir->offline)) {
        return;
    }
    int error = checkpoint_write_file(dir->dir, "recovery-point-offset-checkpoint",
                                      &set->recovery_points);
    if (error == 0) {
        error = checkpoint_write_file(dir->dir, "log-start-offset-checkpoint",
                                      &set->log_start_offsets);
    }
    if (error == 0) {
        error = checkpoint_write_file(dir->dir, "replication-offset-checkpoint",
                                      &set->high_watermarks);
    }
    if (error != 0) {
        fprintf(stderr, "cannot write the checkpoints of %s: %s\n", dir->dir->path,
                err_text(error));
    }
}

static void checkpoint_round_write(struct checkpoint_round *round)
{
    for (int32_t i = 0; i < round->broker->options.dir_count; i++) {
        checkpoint_write_set(&round->broker->dirs[i], &round->sets[i]);
    }
}

static void checkpoint_round_free(struct checkpoint_round *round)
{
    for (int32_t i = 0; i < round->broker->options.dir_count; i++) {
        log_checkpoint_release(&round->sets[i].recovery_points);
        log_checkpoint_release(&round->sets[i].log_start_offsets);
        log_checkpoint_release(&round->sets[i].high_watermarks);
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

static void checkpoint_done(struct loop_job *job)
{
    checkpoint_round_free(CONTAINER_OF(job, struct checkpoint_round, job));
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
        checkpoint_round_free(round);
        return;
    }
    round->job.work = checkpoint_work;
    round->job.done = checkpoint_done;
    loop_submit(broker->shards[0].loop, &round->job);
}

static struct checkpoint_round *checkpoint_round_create(struct broker *broker)
{
    struct checkpoint_round *round = mem_calloc(1, sizeof *round);
    if (round == NULL) {
        return NULL;
    }
    round->broker = broker;
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        round->parts[i].round = round;
        round->parts[i].shard = &broker->shards[i];
        arena_init(&round->parts[i].names, NAMES_BYTES_MAX);
    }
    return round;
}

static void checkpoints_arm(struct broker *broker)
{
    int64_t every_ms =
        config_long(broker->options.config, "log.flush.offset.checkpoint.interval.ms");
    loop_timer_arm(broker->shards[0].loop, &broker->checkpoint_timer, every_ms);
}

static void checkpoints_fire(struct timer *timer)
{
    struct broker *broker = CONTAINER_OF(timer, struct broker, checkpoint_timer);
    checkpoints_arm(broker);
    if (broker->checkpoint_round == NULL) {
        broker->checkpoint_round = checkpoint_round_create(broker);
        if (broker->checkpoint_round != NULL) {
            checkpoint_next_part(broker->checkpoint_round);
        }
    }
}

void checkpoints_start(struct broker *broker)
{
    timer_init(&broker->checkpoint_timer, checkpoints_fire);
    checkpoints_arm(broker);
}

void checkpoints_write_closing(struct broker *broker)
{
    struct checkpoint_round *round = checkpoint_round_create(broker);
    if (round == NULL) {
        return;
    }
    for (int32_t i = 0; i < broker->options.shard_count; i++) {
        size_t cursor = 0;
        struct partition *partition;
        while ((partition = map_next(&broker->shards[i].partitions, &cursor)) != NULL) {
            if (partition->log != NULL && log_flush(partition->log) != 0) {
                atomic_store(&partition->dir->offline, true);
            }
        }
        checkpoint_list(&round->parts[i]);
    }
    checkpoint_round_write(round);
    checkpoint_round_free(round);
}
