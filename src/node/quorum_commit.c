#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/quorum_internal.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define APPEND_BYTES_MAX (64u << 20)
#define LEVEL_MIN 7 /* of metadata.version: 3.3-IV3 */

uint64_t quorum_random(struct quorum *quorum)
{
    quorum->random ^= quorum->random << 13;
    quorum->random ^= quorum->random >> 7;
    quorum->random ^= quorum->random << 17;
    return quorum->random * 0x2545f4914f6cdd1du;
}

void quorum_fail(struct quorum *quorum, const char *why)
{
    if (!quorum->failed) {
        quorum->failed = true;
        quorum->options.on_fatal(quorum->options.context, why);
        quorum_give_up(quorum);
    }
}

void quorum_give_up(struct quorum *quorum)
{
    ASSERT(quorum->failed);
    while (!list_empty(&quorum->pending)) {
        struct quorum_pending *pending =
            CONTAINER_OF(quorum->pending.next, struct quorum_pending, node);
        list_remove(&pending->node);
        pending->request->done(pending->request, KAFKA_NOT_CONTROLLER, NULL);
        arena_release(&pending->arena);
        mem_free(pending);
    }
}

static void quorum_count(const struct quorum *quorum)
{
    int64_t committed = quorum->raft.high_watermark;
    metrics_set(quorum->options.metrics, METRIC_UNCOMMITTED_METADATA,
                committed < 0 ? 0 : log_end_offset(quorum->log) - committed);
}

static int quorum_append_batches(struct quorum *quorum, uint8_t *data, size_t size)
{
    struct log_append_options options = {.origin = LOG_ORIGIN_RAFT_LEADER,
                                         .leader_epoch = quorum->raft.durable.epoch,
                                         .now_ms = loop_wall_ms(quorum->options.loop)};
    struct log_append_result *result = mem_alloc(sizeof *result);
    int error = result == NULL ? ERR_NOMEM
                               : log_append(quorum->log, &options, data, size, result);
    mem_free(result);
    if (error == 0) {
        struct raft_effects effects;
        quorum->appended_bytes += (int64_t)size;
        raft_appended(&quorum->raft, log_end_offset(quorum->log), &effects);
        ASSERT(effects.count == 0);
        quorum_count(quorum);
    }
    return error;
}

/* The image after what was appended; the controller sees it at once, everybody else once it is
 * committed. */
static int quorum_advance_image(struct quorum *quorum, struct image_builder **builder)
{
    struct image *next;
    int error = image_builder_finish(builder, log_end_offset(quorum->log) - 1,
                                     quorum->raft.durable.epoch,
                                     loop_wall_ms(quorum->options.loop), &next);
    if (error == 0) {
        image_unref(&quorum->newest);
        quorum->newest = next;
        controller_set_image(quorum->controller, next);
    }
    return error;
}

/* Makes a batch of records [first, end), and replays them. */
static int quorum_build_some(struct quorum *quorum, const struct controller_records *records,
                             size_t first, size_t end, struct writer *batches,
                             struct image_builder *images, struct err_message *message)
{
    struct batch_builder batch;
    struct batch header = batch_header_empty(0);
    header.base_timestamp_ms = loop_wall_ms(quorum->options.loop);
    batch_builder_init(&batch, batches, &header);
    int error = 0;
    for (size_t i = first; error == 0 && i < end; i++) {
        struct record record = {.offset = (int64_t)(i - first),
                                .timestamp_ms = header.base_timestamp_ms,
                                .value = controller_records_at(records, i)};
        batch_builder_add(&batch, &record);
        /* Before the write: records that do not replay must never be written. */
        error = image_builder_replay(images, record.value, message);
    }
    return error == 0 ? batch_builder_finish(&batch) : error;
}

int64_t quorum_append_records(struct quorum *quorum, const struct controller_records *records)
{
    ASSERT(records->count > 0 && raft_is_leader(&quorum->raft));
    struct image_builder *images = NULL;
    struct err_message message = {{0}};
    struct writer batches;
    writer_init(&batches, APPEND_BYTES_MAX);
    int error = image_builder_create(quorum->newest, &images);
    for (size_t first = 0; error == 0 && first < records->count;) {
        size_t left = records->count - first;
        size_t end = first + (left < METADATA_BATCH_RECORDS_MAX ? left
                                                                : METADATA_BATCH_RECORDS_MAX);
        error = quorum_build_some(quorum, records, first, end, &batches, images, &message);
        first = end;
    }
    if (error == 0) {
        error = quorum_append_batches(quorum, batches.data, batches.size);
    }
    writer_release(&batches);
    if (error == 0) {
        error = quorum_advance_image(quorum, &images);
    }
    image_builder_destroy(&images);
    if (error == ERR_NOMEM) {
        return error; /* nothing is written, and only who asked has to know */
    }
    if (error != 0) {
        quorum_fail(quorum, message.text[0] != '\0' ? message.text
                                                    : "the metadata log cannot be written");
        return error;
    }
    quorum_start_flush(quorum);
    return log_end_offset(quorum->log);
}

/* LEADER_CHANGE, and with it the voters when only the first snapshot knows them. */
static void quorum_append_leader_change(struct quorum *quorum, int32_t epoch)
{
    struct leader_change_message change;
    struct leader_change_message_voter self = {.voter_id = quorum->options.node_id};
    struct writer value;
    struct writer batch;
    leader_change_message_default(&change);
    change.leader_id = quorum->options.node_id;
    change.voters.items = &self;
    change.voters.count = 1;
    change.granting_voters.items = &self;
    change.granting_voters.count = 1;
    writer_init(&value, 1024);
    writer_init(&batch, APPEND_BYTES_MAX);
    int error = leader_change_message_encode(&value, 0, &change);
    struct quorum_control_record controls[3] = {
        {QUORUM_LEADER_CHANGE, {value.data, value.size}},
        {QUORUM_KRAFT_VERSION, quorum->kraft_version},
        {QUORUM_KRAFT_VOTERS, quorum->voters}};
    if (error == 0) {
        error = quorum_build_control(&batch, log_end_offset(quorum->log), epoch,
                                     loop_wall_ms(quorum->options.loop), controls,
                                     quorum->voters_from_bootstrap ? 3 : 1);
    }
    if (error == 0) {
        error = log_assign_epoch(quorum->log, epoch);
    }
    if (error == 0) {
        error = quorum_append_batches(quorum, batch.data, batch.size);
    }
    writer_release(&value);
    writer_release(&batch);
    struct image_builder *images = NULL;
    if (error == 0) {
        error = image_builder_create(quorum->newest, &images);
    }
    if (error == 0) {
        error = quorum_advance_image(quorum, &images);
    }
    if (error != 0) {
        quorum_fail(quorum, error == ERR_NOMEM ? "out of memory"
                                               : "the metadata log cannot be written");
    } else {
        quorum->voters_from_bootstrap = false;
        quorum_start_flush(quorum);
    }
}

static void quorum_publish(struct quorum *quorum, struct image *next)
{
    pthread_mutex_lock(&quorum->image_lock);
    struct image *older = quorum->published;
    quorum->published = next;
    pthread_mutex_unlock(&quorum->image_lock);
    quorum->publishing = true;
    quorum->options.on_image(quorum->options.context, older, next);
    quorum->publishing = false;
    image_unref(&older);
}

bool quorum_may_answer(const struct quorum *quorum, int16_t api_key, int64_t offset)
{
    return offset <= (api_key == API_BROKER_HEARTBEAT ? quorum->raft.high_watermark
                                                      : quorum->applied_end);
}

/* Answers what is committed and applied, in order. */
static void quorum_answer(struct quorum *quorum)
{
    struct list *next = quorum->pending.next;
    while (!quorum->failed && next != &quorum->pending) {
        struct quorum_pending *pending = CONTAINER_OF(next, struct quorum_pending, node);
        next = next->next;
        if (!quorum_may_answer(quorum, pending->request->api_key, pending->offset)) {
            continue;
        }
        list_remove(&pending->node);
        pending->request->done(pending->request, 0, pending->response);
        arena_release(&pending->arena);
        mem_free(pending);
    }
}

void quorum_applied(struct quorum *quorum, const struct image *image)
{
    int64_t end = image_offset(image) + 1;
    ASSERT(end >= quorum->applied_end && end <= quorum->raft.high_watermark);
    quorum->applied_end = end;
    if (!quorum->publishing) {
        quorum_answer(quorum);
    }
}

static void quorum_activate(struct quorum *quorum)
{
    struct controller_records records;
    struct bytes_view *bootstrap = NULL;
    size_t count = 0;
    uint8_t *bytes = NULL;
    struct err_message message = {{0}};
    controller_records_init(&records);
    if (image_feature_level(quorum->newest, "metadata.version") == 0 &&
        quorum_read_bootstrap(quorum, &bytes, &bootstrap, &count, &message) != 0) {
        quorum_fail(quorum, message.text);
    } else {
        controller_activate(quorum->controller, bootstrap, count, &records);
    }
    if (records.failed) {
        quorum_fail(quorum, "out of memory");
    }
    if (!quorum->failed && records.count > 0) {
        if (quorum_append_records(quorum, &records) == ERR_NOMEM) {
            quorum_fail(quorum, "out of memory");
        }
    }
    if (!quorum->failed && image_feature_level(quorum->newest, "metadata.version") < LEVEL_MIN) {
        quorum_fail(quorum, "bootstrap.checkpoint sets no metadata.version that is supported");
    }
    mem_free(bytes);
    mem_free(bootstrap);
    controller_records_release(&records);
}

void quorum_carry_out(struct quorum *quorum, const struct raft_effects *effects)
{
    struct raft_effects next = {.count = 0};
    for (int i = 0; i < effects->count && !quorum->failed; i++) {
        const struct raft_effect *effect = &effects->items[i];
        char text[QUORUM_TEXT_BYTES];
        switch (effect->kind) {
        case RAFT_PERSIST:
            if (raft_is_leader(&quorum->raft)) {
                quorum->state_dirty = true; /* goes with the next flush */
                break;
            }
            quorum_state_text(quorum, text);
            if (quorum_write_state(quorum, text) != 0) {
                quorum_fail(quorum, "the quorum state cannot be written");
                break;
            }
            raft_persisted(&quorum->raft, &next);
            quorum_carry_out(quorum, &next);
            break;
        case RAFT_APPEND_LEADER_CHANGE:
            quorum_append_leader_change(quorum, effect->epoch);
            break;
        case RAFT_ACTIVE:
            quorum_activate(quorum);
            break;
        case RAFT_COMMITTED:
            break;
        }
    }
}

static void flush_work(struct loop_job *job)
{
    struct quorum_flush *flush = CONTAINER_OF(job, struct quorum_flush, job);
    flush->error = 0;
    if (flush->writes_state) {
        flush->error = quorum_write_state(flush->quorum, flush->state);
    }
    if (flush->error == 0) {
        log_flush_run(&flush->flush);
    }
}

/* With everything appended so far on the disk, the newest image is the committed one; while more
 * was appended meanwhile, the one that was newest when the flush began. */
static void flush_done(struct loop_job *job)
{
    struct quorum_flush *flush = CONTAINER_OF(job, struct quorum_flush, job);
    struct quorum *quorum = flush->quorum;
    int64_t offset = flush->flush.offset;
    struct image *image = quorum->committed_next;
    quorum->committed_next = NULL;
    quorum->flush_running = false;
    int error = log_flush_finish(quorum->log, &flush->flush);
    if (quorum->closing) {
        image_unref(&image);
        return;
    }
    if (flush->short_of_memory && flush->error == 0) {
        image_unref(&image);
        quorum_start_flush(quorum);
        return;
    }
    if (error != 0 || flush->error != 0) {
        image_unref(&image);
        quorum_fail(quorum, "the metadata log cannot be synced");
        return;
    }
    struct raft_effects effects;
    raft_synced(&quorum->raft, offset, &effects);
    quorum_count(quorum);
    bool bootstrapped = image_feature_level(image, "metadata.version") > 0;
    quorum_carry_out(quorum, &effects);
    if (bootstrapped && quorum->raft.high_watermark >= offset && !quorum->failed) {
        quorum_publish(quorum, image);
        quorum->published_bytes = flush->appended_bytes;
        quorum_answer(quorum);
        quorum_maybe_snapshot(quorum);
    } else {
        image_unref(&image);
    }
    if (quorum->flush_again) {
        quorum->flush_again = false;
        quorum_start_flush(quorum);
    }
}

void quorum_start_flush(struct quorum *quorum)
{
    if (quorum->flush_running) {
        quorum->flush_again = true;
        return;
    }
    struct quorum_flush *flush = &quorum->flush;
    flush->quorum = quorum;
    flush->job.work = flush_work;
    flush->job.done = flush_done;
    flush->writes_state = quorum->state_dirty;
    if (quorum->state_dirty) {
        quorum_state_text(quorum, flush->state);
        quorum->state_dirty = false;
    }
    quorum->flush_running = true;
    quorum->committed_next = image_ref(quorum->newest);
    flush->appended_bytes = quorum->appended_bytes;
    /* What was appended stays appended: without memory to sync it, it is tried again. A sync that
     * failed never is. */
    flush->short_of_memory = log_flush_prepare(quorum->log, &flush->flush) == ERR_NOMEM;
    loop_submit(quorum->options.loop, &flush->job);
}
