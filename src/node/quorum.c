#include "node/quorum.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "log/log_dir.h"
#include "node/quorum_internal.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define ARENA_BYTES_MAX (256u << 20)
#define READ_BYTES (1u << 20)
#define VOTERS_BYTES_MAX (16u << 20)

/* The id of the metadata topic, reserved. */
static const struct uuid metadata_topic_id = {{[15] = 1}};

static int quorum_open_log(struct quorum *quorum, int64_t snapshot_end,
                           struct err_message *message)
{
    struct log_options options = {
        .fs = &quorum->fs,
        .directory = quorum->directory,
        .config = log_config_default(),
        .clean_shutdown = false,
        .page_cache_intact = quorum->options.page_cache_intact,
        .now_ms = loop_wall_ms(quorum->options.loop),
        .random = quorum_random(quorum),
    };
    options.config.segment_bytes = quorum->options.segment_bytes;
    options.config.segment_ms = quorum->options.segment_ms;
    options.config.retention_ms = -1;
    options.config.retention_bytes = -1;
    options.config.clean_delete = false;
    options.config.max_message_bytes = INT32_MAX;
    int error = log_open(&options, &quorum->log, message);
    if (error == 0 && log_end_offset(quorum->log) < snapshot_end) {
        error = log_restart_at(quorum->log, snapshot_end);
    }
    struct uuid known;
    if (error == 0 && log_dir_read_topic_id(&quorum->fs, quorum->directory, &known) != 0) {
        error = log_dir_write_topic_id(&quorum->fs, quorum->directory, metadata_topic_id);
    }
    return error;
}

/* Reads the log from offset on and replays it. */
static int quorum_replay_log(struct quorum *quorum, struct image_builder *builder, int64_t offset,
                             struct err_message *message)
{
    int error = 0;
    while (error == 0 && offset < log_end_offset(quorum->log)) {
        struct log_read_result read;
        error = log_read(quorum->log, offset, log_end_offset(quorum->log), READ_BYTES, true,
                         &read);
        if (error != 0 || !read.has_range) {
            return error != 0 ? error
                              : err_set(message, ERR_CORRUPT, "the metadata log has a gap");
        }
        uint8_t *bytes = mem_alloc(read.range.size);
        size_t used = 0;
        if (bytes == NULL) {
            error = ERR_NOMEM;
        } else if (io_file_read(read.range.file, bytes, read.range.size, read.range.position) !=
                   (int64_t)read.range.size) {
            error = ERR_IO;
        } else {
            error = quorum_replay_batches(quorum, builder, bytes, read.range.size, &used,
                                          message);
        }
        for (size_t at = 0; error == 0 && at < used;) {
            struct batch batch;
            error = batch_decode(bytes + at, used - at, &batch);
            offset = batch_last_offset(&batch) + 1;
            quorum->appended_bytes += batch.size_bytes;
            at += batch.size_bytes;
        }
        if (error == 0 && used == 0) {
            error = ERR_CORRUPT;
        }
        mem_free(bytes);
        read.range.release(&read.range);
    }
    return error;
}

/* Whether snapshot and log together leave nothing out. */
static int quorum_check_loaded(const struct quorum *quorum, const struct quorum_loaded *loaded,
                               struct err_message *message)
{
    int64_t start_offset = log_start_offset(quorum->log);
    int64_t end_offset = log_end_offset(quorum->log);
    if (start_offset > loaded->end_offset) {
        return err_set(message, ERR_CORRUPT,
                       "the log begins at offset %" PRId64 " and no snapshot reaches as far",
                       start_offset);
    }
    if (loaded->damaged_end_offset >= 0 &&
        (end_offset == 0 || end_offset < loaded->damaged_end_offset)) {
        return err_set(message, ERR_CORRUPT,
                       "the snapshot at offset %" PRId64 " is damaged, and the log ends at "
                       "%" PRId64,
                       loaded->damaged_end_offset, end_offset);
    }
    return 0;
}

static int quorum_load(struct quorum *quorum, struct err_message *message)
{
    struct image_builder *builder = NULL;
    struct quorum_loaded loaded = {0};
    int error = io_make_directory(&quorum->fs, quorum->directory);
    if (error == ERR_EXISTS) {
        error = 0;
    }
    if (error == 0) {
        error = quorum_load_snapshot(quorum, &builder, &loaded, message);
    }
    if (error == 0) {
        error = quorum_open_log(quorum, loaded.end_offset, message);
    }
    if (error == 0) {
        error = quorum_check_loaded(quorum, &loaded, message);
    }
    if (error == 0) {
        int64_t from = loaded.end_offset > log_start_offset(quorum->log)
                           ? loaded.end_offset
                           : log_start_offset(quorum->log);
        error = quorum_replay_log(quorum, builder, from, message);
    }
    if (error == 0) {
        int32_t epoch = log_latest_epoch(quorum->log);
        error = image_builder_finish(&builder, log_end_offset(quorum->log) - 1,
                                     epoch >= 0 ? epoch : loaded.epoch,
                                     loop_wall_ms(quorum->options.loop), &quorum->newest);
    }
    image_builder_destroy(&builder);
    return error;
}

static int quorum_no_voters(struct err_message *message)
{
    return err_set(message, ERR_UNSUPPORTED,
                   "there are no voters: controller.quorum.voters names none, and the metadata log "
                   "has none; is the directory that has it metadata.log.dir, or the first of "
                   "log.dirs?");
}

static int quorum_pass_over(void *context, const char *name, bool is_directory)
{
    (void)context, (void)name, (void)is_directory;
    return 0;
}

/* Where nothing was written, and no settings name voters, there are none: said before anything is
 * made that would pass for the metadata log. */
static int quorum_check_made(const struct quorum *quorum, struct err_message *message)
{
    struct io_fs fs = quorum->fs;
    bool made = io_list(&fs, quorum->directory, quorum_pass_over, NULL) != ERR_NOT_FOUND;
    return made || quorum->options.is_static ? 0 : quorum_no_voters(message);
}

/* Leading without being the only voter would split the cluster: refused. */
static int quorum_check_voters(const struct quorum *quorum, struct err_message *message)
{
    struct voters_record record;
    struct reader reader;
    struct arena arena;
    if (quorum->voters.data == NULL) { /* a static quorum, which the caller has checked, or none */
        return quorum->options.is_static ? 0 : quorum_no_voters(message);
    }
    arena_init(&arena, VOTERS_BYTES_MAX);
    reader_init(&reader, quorum->voters.data, quorum->voters.size);
    int error = voters_record_decode(&reader, 0, &arena, &record);
    if (error != 0) {
        error = err_set(message, error, "the record of the voters: %s", err_text(error));
    } else if (record.voters.count != 1) {
        error = err_set(message, ERR_UNSUPPORTED, "a quorum of %d voters is not supported",
                        record.voters.count);
    } else if (record.voters.items[0].voter_id != quorum->options.node_id ||
               (!uuid_is_zero(record.voters.items[0].voter_directory_id) &&
                !uuid_equal(record.voters.items[0].voter_directory_id,
                            quorum->options.directory_id))) {
        error = err_set(message, ERR_UNSUPPORTED,
                        "this node is not the voter of its quorum (voter %d has another id or "
                        "directory id)",
                        record.voters.items[0].voter_id);
    }
    arena_release(&arena);
    return error;
}

static int quorum_begin(struct quorum *quorum, struct err_message *message)
{
    struct raft_durable durable;
    int error = quorum_check_made(quorum, message);
    if (error == 0) {
        error = quorum_read_state(quorum, &durable, message);
    }
    if (error == 0) {
        error = quorum_load(quorum, message);
    }
    if (error == 0) {
        error = quorum_check_voters(quorum, message);
    }
    if (error != 0) {
        return err_wrap(message, error, "%s", quorum->directory);
    }
    int32_t epoch = image_epoch(quorum->newest);
    if (epoch == INT32_MAX) {
        return err_set(message, ERR_CORRUPT, "%s: the log has the last leader epoch there is",
                       quorum->directory);
    }
    controller_set_image(quorum->controller, quorum->newest);
    struct raft_effects effects;
    raft_start(&quorum->raft, quorum->options.node_id, &durable, epoch > 0 ? epoch : 0,
               log_end_offset(quorum->log), &effects);
    quorum_carry_out(quorum, &effects);
    return quorum->failed ? ERR_IO : 0;
}

int quorum_open(const struct quorum_options *options, struct quorum **opened,
                struct err_message *message)
{
    struct quorum *quorum = mem_calloc(1, sizeof *quorum);
    *opened = quorum;
    if (quorum == NULL) {
        return ERR_NOMEM;
    }
    quorum->options = *options;
    quorum->fs = *options->fs;
    quorum->snapshot_ms = loop_monotonic_ms(options->loop);
    quorum->random = options->random_seed | 1;
    list_init(&quorum->pending);
    pthread_mutex_init(&quorum->image_lock, NULL);
    snprintf(quorum->directory, sizeof quorum->directory, "%s/__cluster_metadata-0",
             options->metadata_directory);
    struct controller_options controller = {
        .node_id = options->node_id,
        .cluster_id = options->cluster_id,
        .default_replication_factor = options->default_replication_factor,
        .default_partition_count = options->default_partition_count,
        .min_insync_replicas = options->min_insync_replicas,
        .session_timeout_ms = options->session_timeout_ms,
        .unstable_features = options->unstable_features,
        .check_settings = options->check_settings,
        .list_setting = options->list_setting,
        .context = options->check_context,
    };
    int error = controller_create(&controller, &quorum->controller);
    if (error == 0) {
        error = quorum_begin(quorum, message);
    }
    if (error != 0) {
        quorum_close(opened);
    }
    return error;
}

void quorum_close(struct quorum **closed)
{
    struct quorum *quorum = *closed;
    *closed = NULL;
    if (quorum == NULL) {
        return;
    }
    if (quorum->flush_running || quorum->snapshot_running) {
        /* Their jobs point into the quorum. */
        quorum->closing = true;
        loop_drain(quorum->options.loop);
    }
    ASSERT(!quorum->flush_running && !quorum->snapshot_running);
    bool is_bad = quorum->failed;
    quorum->failed = true; /* whoever asks again while being answered is told to look elsewhere */
    quorum_give_up(quorum);
    raft_resign(&quorum->raft);
    /* A sync that comes after one that failed would succeed, and mean nothing. */
    if (is_bad || log_close(&quorum->log) != 0) {
        log_abandon(&quorum->log);
    }
    controller_destroy(&quorum->controller);
    image_unref(&quorum->newest);
    image_unref(&quorum->committed_next);
    image_unref(&quorum->published);
    mem_free(quorum->voters_bytes);
    mem_free(quorum->kraft_version_bytes);
    pthread_mutex_destroy(&quorum->image_lock);
    mem_free(quorum);
}

static void quorum_handle(struct quorum *quorum, struct quorum_request *request)
{
    struct quorum_pending *pending = mem_calloc(1, sizeof *pending);
    struct controller_records records;
    if (pending == NULL) {
        request->done(request, KAFKA_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    pending->request = request;
    arena_init(&pending->arena, ARENA_BYTES_MAX);
    pending->arena.budget = quorum->options.budget;
    controller_records_init(&records);
    struct controller_call call = {
        .api_key = request->api_key,
        .api_version = request->api_version,
        .request = request->request,
        .now_ms = loop_monotonic_ms(quorum->options.loop),
        .next_offset = log_end_offset(quorum->log),
        .random = quorum_random(quorum),
        .arena = &pending->arena,
        .records = &records,
    };
    controller_handle(quorum->controller, &call);
    pending->response = call.response;
    pending->offset = quorum->applied_end;
    if (call.error == 0 && records.count > 0) {
        pending->offset = quorum_append_records(quorum, &records);
        if (pending->offset < 0) {
            call.error = KAFKA_UNKNOWN_SERVER_ERROR;
        }
    } else if (!list_empty(&quorum->pending)) {
        /* The answer may rest on what is not committed or seen yet. */
        pending->offset =
            CONTAINER_OF(quorum->pending.prev, struct quorum_pending, node)->offset;
    }
    controller_records_release(&records);
    if (call.error == 0 && !quorum_may_answer(quorum, request->api_key, pending->offset)) {
        list_push_back(&quorum->pending, &pending->node);
        return;
    }
    request->done(request, call.error, call.error == 0 ? pending->response : NULL);
    arena_release(&pending->arena);
    mem_free(pending);
}

void quorum_submit(struct quorum *quorum, struct quorum_request *request)
{
    if (request->api_key == API_DESCRIBE_QUORUM) {
        quorum_describe(quorum, request);
    } else if (!controller_serves(request->api_key)) {
        request->done(request, KAFKA_UNSUPPORTED_VERSION, NULL);
    } else if (quorum->failed || !quorum->raft.active || quorum->published == NULL) {
        request->done(request, KAFKA_NOT_CONTROLLER, NULL);
    } else {
        quorum_handle(quorum, request);
    }
}

struct image *quorum_image(struct quorum *quorum)
{
    pthread_mutex_lock(&quorum->image_lock);
    struct image *image = quorum->published == NULL ? NULL : image_ref(quorum->published);
    pthread_mutex_unlock(&quorum->image_lock);
    return image;
}

int16_t quorum_kraft_version(const struct quorum *quorum)
{
    return quorum->voters.data != NULL ? 1 : 0;
}

int32_t quorum_leader_id(const struct quorum *quorum)
{
    return raft_is_leader(&quorum->raft) ? quorum->options.node_id : -1;
}
