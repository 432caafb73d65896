#include "broker/cleaner.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/config_internal.h"
#include "broker/partition_internal.h"
#include "broker/topic_config.h"
#include "log/clean.h"

#define CLEANER_TOPIC_BYTES 256
#define CLEANER_IO_BYTES_MIN 4096

/* A cleaning. Busy from the choice of its log until the news of its end are home. */
struct cleaner_slot {
    struct cleaner *cleaner;
    bool busy; /* shard 0's */
    struct partition_key key;
    char topic[CLEANER_TOPIC_BYTES]; /* a directory of this name may still be written to */
    struct broker_shard *shard;      /* that owns the partition */
    struct loop_mail mail;
    /* From here on the owner's. */
    struct partition *partition; /* NULL: gone, or never begun */
    struct log_clean *clean;
    struct loop_job job;
    struct timer timer;
    bool working; /* the job is under way */
    int64_t began_ms;
    int64_t pace_ms; /* when the part under way began, or should have */
    int64_t moved_bytes;
    double bytes_a_second;
    int error;
    struct log_clean_result result;
};
/* The log that a look found. */
struct cleaner_choice {
    bool found;
    double ratio;
    struct partition_key key;
    char topic[CLEANER_TOPIC_BYTES];
    struct broker_shard *shard;
};
struct cleaner {
    struct broker *broker;
    struct timer timer;
    struct cleaner_slot slots[CLEANERS_MAX];
    /* A look: goes from shard to shard. */
    struct loop_mail mail;
    bool looking;
    bool look_again;
    int32_t next_shard;
    struct cleaner_choice choice;
    double dirtiest;
    int64_t overdue_ms;
    int64_t longest_ms; /* that a cleaning took */
};

static int64_t cleaner_setting(const struct broker_shard *shard, const char *name)
{
    return broker_setting_long(shard->broker->options.config, shard->image, string_view_of(name));
}

static double cleaner_setting_double(const struct broker_shard *shard, const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, string_view_of(name));
    struct arena arena;
    double number = 0;
    ASSERT(row != NULL);
    arena_init(&arena, 1u << 20);
    int error = config_parse_double(
        config_trim(broker_setting_in_force(shard->broker->options.config, shard->image, row,
                                            &arena)),
        &number);
    arena_release(&arena);
    return error == 0 ? number : config_double(shard->broker->options.config, name);
}

static int32_t cleaner_threads(const struct broker_shard *shard)
{
    int64_t threads = cleaner_setting(shard, "log.cleaner.threads");
    return threads < 1 ? 1 : (threads > CLEANERS_MAX ? CLEANERS_MAX : (int32_t)threads);
}

/* ---- one cleaning, on the shard of its partition ---- */

static void slot_home(struct loop_mail *mail);

static void slot_send_home(struct cleaner_slot *slot)
{
    slot->mail.run = slot_home;
    loop_post(slot->cleaner->broker->shards[0].loop, &slot->mail);
}

static void slot_report(const struct cleaner_slot *slot, int error)
{
    const struct partition *partition = slot->partition;
    fprintf(stderr, "%s/%s-%" PRId32 " cannot be compacted (%s): it is left as it is until the "
                    "next start\n",
            partition->dir->dir->path, partition->topic, partition->key.partition,
            error == ERR_UNSUPPORTED
                ? "it has records of an old format"
                : (error == ERR_FULL ? "log.cleaner.dedupe.buffer.size is too small"
                                     : err_text(error)));
}

/* Of what failed: whose fault it is. */
static void slot_blame(struct cleaner_slot *slot, int error)
{
    struct partition *partition = slot->partition;
    switch (error) {
    case ERR_AGAIN:
    case ERR_NOMEM:
        break;
    case ERR_CORRUPT:
    case ERR_UNSUPPORTED:
    case ERR_RANGE:
    case ERR_FULL:
        slot_report(slot, error);
        partition->uncleanable = true;
        metrics_directory_add(slot->shard->broker->options.metrics, METRIC_DIRECTORY_UNCLEANABLE,
                              (int32_t)(partition->dir - slot->shard->broker->dirs), 1);
        break;
    default:
        (void)partition_fault(partition, error);
    }
}

static void slot_end(struct cleaner_slot *slot, int error)
{
    struct partition *partition = slot->partition;
    struct metrics_shard *metrics = slot->shard->metrics;
    ASSERT(partition->cleaning == slot);
    log_clean_view(slot->clean, &slot->result);
    log_clean_end(partition->log, &slot->clean);
    partition->cleaning = NULL;
    slot->error = error;
    metrics_add(metrics, METRIC_RECORDS_WITHOUT_KEY, slot->result.records_without_key);
    if (partition->doomed) {
        slot->error = ERR_AGAIN;
        partition_finish_delete_if_idle(partition);
    } else if (error == 0) {
        partition->cleaned_offset = slot->result.cleaned_offset;
        metrics_add(metrics, METRIC_CLEANED_BYTES, slot->result.source_bytes);
        metrics_add(metrics, METRIC_CLEANS, 1);
    } else if (!atomic_load(&partition->dir->offline)) {
        slot_blame(slot, error);
    }
    slot->partition = NULL;
    slot_send_home(slot);
}

static void slot_work(struct loop_job *job)
{
    log_clean_work(CONTAINER_OF(job, struct cleaner_slot, job)->clean);
}

/* How long to wait so that no more than so many bytes a second are read and written. */
static int64_t slot_pause_ms(struct cleaner_slot *slot, int64_t now_ms)
{
    struct log_clean_result result;
    log_clean_view(slot->clean, &result);
    int64_t moved = result.read_bytes + result.written_bytes - slot->moved_bytes;
    slot->moved_bytes += moved;
    double due_ms = 1000.0 * (double)moved / slot->bytes_a_second;
    slot->pace_ms += due_ms < 3600e3 ? (int64_t)due_ms : 3600000;
    if (slot->pace_ms < now_ms) {
        slot->pace_ms = now_ms; /* what was not used is not saved up */
    }
    return slot->pace_ms - now_ms;
}

static void slot_done(struct loop_job *job)
{
    struct cleaner_slot *slot = CONTAINER_OF(job, struct cleaner_slot, job);
    struct partition *partition = slot->partition;
    struct loop *loop = slot->shard->loop;
    slot->working = false;
    if (partition->doomed || atomic_load(&partition->dir->offline) ||
        !log_config(partition->log)->clean_compact) {
        log_clean_stop(slot->clean);
    }
    int more = log_clean_advance(partition->log, slot->clean);
    if (!partition->doomed) {
        partition_remove_given_up(partition);
    }
    if (more != 1) {
        slot_end(slot, more);
        return;
    }
    /* By way of a timer, since none fires any more while the loops end. */
    loop_timer_arm(loop, &slot->timer, slot_pause_ms(slot, loop_monotonic_ms(loop)));
}

static void slot_go_on(struct timer *timer)
{
    struct cleaner_slot *slot = CONTAINER_OF(timer, struct cleaner_slot, timer);
    slot->job.work = slot_work;
    slot->job.done = slot_done;
    slot->working = true;
    loop_submit(slot->shard->loop, &slot->job);
}

static int slot_prepare(struct cleaner_slot *slot, struct partition *partition)
{
    struct broker_shard *shard = slot->shard;
    int64_t now_ms = loop_wall_ms(shard->loop);
    int32_t threads = cleaner_threads(shard);
    struct log_clean_survey survey;
    int error = log_clean_survey(partition->log, partition->cleaned_offset,
                                 partition->high_watermark, now_ms, &survey);
    if (error != 0 || survey.cleanable_bytes == 0 ||
        survey.first_dirty_offset >= survey.round_end_offset) {
        return error != 0 ? error : ERR_AGAIN;
    }
    int64_t map_bytes = cleaner_setting(shard, "log.cleaner.dedupe.buffer.size");
    int64_t bound = (int64_t)shard->broker->options.memory->cleaner_bytes;
    int64_t io_bytes = cleaner_setting(shard, "log.cleaner.io.buffer.size") / threads / 2;
    double load_factor = cleaner_setting_double(shard, "log.cleaner.io.buffer.load.factor");
    struct log_clean_options options = {
        .first_dirty_offset = survey.first_dirty_offset,
        .round_end_offset = survey.round_end_offset,
        .now_ms = now_ms,
        .map_bytes = (size_t)((map_bytes < bound ? map_bytes : bound) / threads),
        .map_load_factor = load_factor > 0 && load_factor <= 1 ? load_factor : 0.9,
        .io_bytes = io_bytes > CLEANER_IO_BYTES_MIN ? (size_t)io_bytes : CLEANER_IO_BYTES_MIN,
        .random = {broker_shard_random(shard), broker_shard_random(shard),
                   broker_shard_random(shard)},
    };
    slot->bytes_a_second =
        cleaner_setting_double(shard, "log.cleaner.io.max.bytes.per.second") / threads;
    return log_clean_begin(partition->log, &options, &slot->clean);
}

static void slot_begin(struct loop_mail *mail)
{
    struct cleaner_slot *slot = CONTAINER_OF(mail, struct cleaner_slot, mail);
    struct broker_shard *shard = slot->shard;
    struct partition *partition =
        partition_find(shard, slot->key.topic_id, slot->key.partition);
    bool may = partition != NULL && partition->log != NULL && !partition->uncleanable &&
               partition->move == NULL &&
               !atomic_load(&partition->dir->offline) && !shard->broker->stopped;
    slot->error = may ? slot_prepare(slot, partition) : ERR_AGAIN;
    if (slot->error != 0) {
        slot_send_home(slot);
        return;
    }
    ASSERT(partition->cleaning == NULL);
    slot->partition = partition;
    partition->cleaning = slot;
    slot->moved_bytes = 0;
    slot->began_ms = loop_monotonic_ms(shard->loop);
    slot->pace_ms = slot->began_ms;
    timer_init(&slot->timer, slot_go_on);
    slot_go_on(&slot->timer);
}

void cleaner_stop(struct partition *partition)
{
    if (partition->cleaning != NULL) {
        log_clean_stop(partition->cleaning->clean);
    }
}

void cleaner_leave(struct partition *partition)
{
    if (partition->cleaning != NULL) {
        log_clean_leave(partition->cleaning->clean);
    }
}

/* ---- the choice, on shard 0 ---- */

static void cleaner_look(struct cleaner *cleaner);

static void slot_home(struct loop_mail *mail)
{
    struct cleaner_slot *slot = CONTAINER_OF(mail, struct cleaner_slot, mail);
    struct cleaner *cleaner = slot->cleaner;
    struct metrics_shard *metrics = cleaner->broker->shards[0].metrics;
    slot->busy = false;
    if (slot->error != 0) {
        return; /* the next look comes with the timer */
    }
    const struct log_clean_result *result = &slot->result;
    int64_t took_ms = loop_monotonic_ms(cleaner->broker->shards[0].loop) - slot->began_ms;
    cleaner->longest_ms = took_ms > cleaner->longest_ms ? took_ms : cleaner->longest_ms;
    metrics_set(metrics, METRIC_CLEAN_LONGEST, cleaner->longest_ms / 1000);
    metrics_set(metrics, METRIC_CLEAN_BUFFER, (int64_t)(100 * result->map_use));
    metrics_set(metrics, METRIC_CLEAN_RECOPY,
                result->source_bytes > 0 ? 100 * result->kept_bytes / result->source_bytes : 0);
    checkpoints_write_cleaned(cleaner->broker);
    cleaner_look(cleaner);
}

/* One that is not busy, unless as many are as there may be. */
static struct cleaner_slot *cleaner_free_slot(struct cleaner *cleaner)
{
    int32_t threads = cleaner_threads(&cleaner->broker->shards[0]);
    struct cleaner_slot *free_slot = NULL;
    for (int32_t i = 0; i < CLEANERS_MAX; i++) {
        threads -= cleaner->slots[i].busy;
        if (!cleaner->slots[i].busy && free_slot == NULL) {
            free_slot = &cleaner->slots[i];
        }
    }
    return threads > 0 ? free_slot : NULL;
}

/* Whether a directory of that name may still be written to, by the cleaning of an earlier topic. */
static bool cleaner_name_is_busy(const struct cleaner *cleaner,
                                 const struct cleaner_choice *choice)
{
    for (int32_t i = 0; i < CLEANERS_MAX; i++) {
        const struct cleaner_slot *slot = &cleaner->slots[i];
        if (slot->busy && slot->key.partition == choice->key.partition &&
            strcmp(slot->topic, choice->topic) == 0) {
            return true;
        }
    }
    return false;
}

static void cleaner_arm(struct cleaner *cleaner)
{
    struct broker_shard *shard = &cleaner->broker->shards[0];
    int64_t backoff_ms = cleaner_setting(shard, "log.cleaner.backoff.ms");
    loop_timer_cancel(shard->loop, &cleaner->timer);
    loop_timer_arm(shard->loop, &cleaner->timer, backoff_ms > 0 ? backoff_ms : 1);
}

static void cleaner_look_end(struct cleaner *cleaner)
{
    struct metrics_shard *metrics = cleaner->broker->shards[0].metrics;
    const struct cleaner_choice *choice = &cleaner->choice;
    struct cleaner_slot *slot = cleaner_free_slot(cleaner);
    cleaner->looking = false;
    metrics_set(metrics, METRIC_CLEAN_DIRTIEST, (int64_t)(100 * cleaner->dirtiest));
    metrics_set(metrics, METRIC_CLEAN_OVERDUE, cleaner->overdue_ms / 1000);
    cleaner_arm(cleaner);
    if (choice->found && slot != NULL && !cleaner->broker->stopped &&
        !cleaner_name_is_busy(cleaner, choice)) {
        slot->busy = true;
        slot->key = choice->key;
        slot->shard = choice->shard;
        memcpy(slot->topic, choice->topic, sizeof slot->topic);
        slot->mail.run = slot_begin;
        loop_post(slot->shard->loop, &slot->mail);
        cleaner->look_again |= cleaner_free_slot(cleaner) != NULL;
    }
    if (cleaner->look_again) {
        cleaner_look(cleaner);
    }
}

static void look_at(struct cleaner *cleaner, struct broker_shard *shard,
                    struct partition *partition)
{
    struct log_clean_survey survey;
    struct cleaner_choice *choice = &cleaner->choice;
    if (partition->cleaning != NULL || partition->move != NULL || partition->uncleanable ||
        partition->log == NULL || atomic_load(&partition->dir->offline)) {
        return;
    }
    int64_t now_ms = loop_wall_ms(shard->loop);
    partition_housekeep(partition, now_ms);
    if (atomic_load(&partition->dir->offline)) {
        return;
    }
    int error = log_clean_survey(partition->log, partition->cleaned_offset,
                                 partition->high_watermark, now_ms, &survey);
    if (error != 0) {
        (void)partition_fault(partition, error);
        return;
    }
    double ratio = log_clean_ratio(&survey);
    cleaner->dirtiest = ratio > cleaner->dirtiest ? ratio : cleaner->dirtiest;
    cleaner->overdue_ms =
        survey.overdue_ms > cleaner->overdue_ms ? survey.overdue_ms : cleaner->overdue_ms;
    bool due = (survey.overdue_ms > 0 && survey.cleanable_bytes > 0) ||
               ratio > log_config(partition->log)->min_cleanable_ratio;
    if (due && survey.first_dirty_offset < survey.round_end_offset &&
        (!choice->found || ratio > choice->ratio)) {
        *choice = (struct cleaner_choice){
            .found = true, .ratio = ratio, .key = partition->key, .shard = shard};
        snprintf(choice->topic, sizeof choice->topic, "%s", partition->topic);
    }
}

static void look_home(struct loop_mail *mail);

static void look_run(struct loop_mail *mail)
{
    struct cleaner *cleaner = CONTAINER_OF(mail, struct cleaner, mail);
    struct broker_shard *shard = &cleaner->broker->shards[cleaner->next_shard];
    LIST_FOR_EACH_SAFE(node, &shard->compacted)
    {
        look_at(cleaner, shard, CONTAINER_OF(node, struct partition, compacted_node));
    }
    mail->run = look_home;
    loop_post(cleaner->broker->shards[0].loop, mail);
}

static void look_next(struct cleaner *cleaner)
{
    cleaner->mail.run = look_run;
    loop_post(cleaner->broker->shards[cleaner->next_shard].loop, &cleaner->mail);
}

static void look_home(struct loop_mail *mail)
{
    struct cleaner *cleaner = CONTAINER_OF(mail, struct cleaner, mail);
    if (++cleaner->next_shard < cleaner->broker->options.shard_count) {
        look_next(cleaner);
    } else {
        cleaner_look_end(cleaner);
    }
}

static void cleaner_look(struct cleaner *cleaner)
{
    if (cleaner->looking) {
        cleaner->look_again = true;
        return;
    }
    cleaner->looking = true;
    cleaner->look_again = false;
    cleaner->next_shard = 0;
    cleaner->choice.found = false;
    cleaner->dirtiest = 0;
    cleaner->overdue_ms = 0;
    look_next(cleaner);
}

static void cleaner_fire(struct timer *timer)
{
    cleaner_look(CONTAINER_OF(timer, struct cleaner, timer));
}

int cleaner_create(struct broker *broker)
{
    if (!config_boolean(broker->options.config, "log.cleaner.enable")) {
        return 0;
    }
    struct cleaner *cleaner = mem_calloc(1, sizeof *cleaner);
    if (cleaner == NULL) {
        return ERR_NOMEM;
    }
    broker->cleaner = cleaner;
    cleaner->broker = broker;
    for (int32_t i = 0; i < CLEANERS_MAX; i++) {
        cleaner->slots[i].cleaner = cleaner;
    }
    timer_init(&cleaner->timer, cleaner_fire);
    cleaner_arm(cleaner);
    return 0;
}

void cleaner_destroy(struct broker *broker)
{
    struct cleaner *cleaner = broker->cleaner;
    if (cleaner == NULL) {
        return;
    }
    loop_timer_cancel(broker->shards[0].loop, &cleaner->timer);
    for (int32_t i = 0; i < CLEANERS_MAX; i++) {
        struct cleaner_slot *slot = &cleaner->slots[i];
        if (!slot->busy || slot->partition == NULL) {
            continue;
        }
        struct partition *partition = slot->partition;
        ASSERT(!slot->working);
        loop_timer_cancel(slot->shard->loop, &slot->timer);
        log_clean_end(partition->log, &slot->clean);
        partition->cleaning = NULL;
        if (partition->doomed) {
            partition_finish_delete_if_idle(partition);
        }
    }
    mem_free(cleaner);
    broker->cleaner = NULL;
}
