#include "node/node.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/handlers.h"
#include "io/socket.h"
#include "io/system.h"
#include "node/access.h"
#include "node/lifecycle.h"
#include "node/quorum.h"
#include "protocol/api.h"
#include "protocol/error.h"

#define NODE_PATH_BYTES 1024
#define HELPERS_OF_FIRST_SHARD 2
#define HELPERS_OF_OTHER_SHARDS 1
/* Without a lower bound, so that tests need not write much. */
#define SEGMENT_BYTES_OF_TESTS "internal.metadata.log.segment.bytes"

/* One for each listener, since accept is told nothing but its context. */
struct node_port {
    struct node *node;
    int32_t index;
};
struct node {
    struct node_options options;
    struct log_dir *dirs[BROKER_DIRS_MAX + 1]; /* log.dirs, then metadata.log.dir if it is apart */
    int32_t dir_count;
    int32_t log_dir_count;
    struct loop *loops[BROKER_SHARDS_MAX];
    int32_t shard_count;
    int32_t started_count; /* loops with a thread of their own */
    struct quorum *quorum;
    struct broker *broker;
    struct net_listener *listeners[CONFIG_LISTENERS_MAX];
    struct node_port ports[CONFIG_LISTENERS_MAX];
    struct image_endpoint controller_endpoints[CONFIG_LISTENERS_MAX];
    struct lifecycle *lifecycle;
    struct metrics_registry *metrics;
    struct net_memory memory;
    int64_t began_ms;
    bool serving;
    bool closing;
    int error;
    struct err_message *message;
};

void node_stop(struct node *node) { loop_stop(node->loops[0]); }

struct string_view node_cluster_id(const struct node *node)
{
    int32_t first = 0; /* the metadata directory, at least, is not left out */
    while (first + 1 < node->dir_count && node->dirs[first]->offline) {
        first++;
    }
    return node->dirs[first]->properties.cluster_id;
}

uint16_t node_listener_port(const struct node *node, int32_t index)
{
    return node->listeners[index] == NULL ? 0 : net_listener_port(node->listeners[index]);
}

static void node_fatal(void *context, const char *why)
{
    struct node *node = context;
    node->error = err_set(node->message, ERR_IO, "%s", why);
    loop_stop(node->loops[0]);
}

/* The directory of the metadata log, NULL when it is not open. */
static struct log_dir *node_metadata_dir(const struct node *node)
{
    for (int32_t i = 0; i < node->dir_count; i++) {
        if (strcmp(node->dirs[i]->path, config_metadata_directory(node->options.config)) == 0) {
            return node->dirs[i];
        }
    }
    return NULL;
}

/* The metadata log cannot be written. */
static void node_quorum_failed(void *context, const char *why)
{
    struct node *node = context;
    log_dir_fail(node_metadata_dir(node));
    node_fatal(node, why);
}

static int node_count_entry(void *context, const char *name, bool is_directory)
{
    (void)name, (void)is_directory;
    ++*(size_t *)context;
    return 0;
}

/* All directories must be of this node and of one cluster. */
static int node_check_dir(const struct node *node, const struct log_dir *dir,
                          struct err_message *message)
{
    const struct log_dir_properties *properties = &dir->properties;
    int32_t node_id = config_node_id(node->options.config);
    if (properties->node_id != node_id) {
        return err_set(message, ERR_INVALID,
                       "%s belongs to node %d, but node.id is %d: use the directory of this node",
                       dir->path, properties->node_id, node_id);
    }
    for (int32_t i = 0; i < node->dir_count; i++) {
        const struct log_dir *other = node->dirs[i];
        if (other->offline || other == dir) {
            continue;
        }
        if (!string_view_equal(properties->cluster_id, other->properties.cluster_id)) {
            return err_set(message, ERR_INVALID, "%s belongs to another cluster than %s",
                           dir->path, other->path);
        }
        if (!uuid_is_zero(properties->directory_id) &&
            uuid_equal(properties->directory_id, other->properties.directory_id)) {
            return err_set(message, ERR_INVALID,
                           "%s has the directory.id of %s: one is named twice, or a copy of the "
                           "other",
                           dir->path, other->path);
        }
    }
    return 0;
}

/* A directory that cannot be read, or says nothing that can be understood, is left out, as Apache
 * Kafka does; but not one that was never formatted, is somebody else's, or holds the metadata. */
static bool node_can_do_without(const struct node *node, const char *path, int error)
{
    struct io_file file;
    if (error == ERR_NOT_FOUND && io_file_open(node->options.fs, path, IO_OPEN_READ, &file) == 0) {
        io_file_close(&file);
        size_t unused = 0;
        error = io_list(node->options.fs, path, node_count_entry, &unused); /* is it a file? */
        error = error == 0 ? ERR_NOT_FOUND : ERR_INVALID;
    }
    return error != ERR_NOMEM && error != ERR_NOT_FOUND && error != ERR_BUSY &&
           strcmp(path, config_metadata_directory(node->options.config)) != 0;
}

/* But for slashes at the end. */
static bool is_same_path(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    while (a_size > 0 && a[a_size - 1] == '/') {
        a_size--;
    }
    while (b_size > 0 && b[b_size - 1] == '/') {
        b_size--;
    }
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

int node_check_metadata_place(struct io_fs *fs, const struct config *config,
                              struct err_message *message)
{
    const char *metadata = config_metadata_directory(config);
    for (int32_t i = 0; i < config_log_directory_count(config); i++) {
        const char *directory = config_log_directory_at(config, i);
        char path[NODE_PATH_BYTES];
        size_t unused = 0;
        int size = snprintf(path, sizeof path, "%s/__cluster_metadata-0", directory);
        if (!is_same_path(directory, metadata) && size < (int)sizeof path &&
            io_list(fs, path, node_count_entry, &unused) == 0) {
            return err_set(message, ERR_INVALID,
                           "Found unexpected metadata location in data directory `%s` (the "
                           "configured metadata directory is `%s`).",
                           path, metadata);
        }
    }
    return 0;
}

/* One that was formatted before directories had ids, or has lost its own, gets one for good. */
static int node_give_directory_id(const struct node *node, struct log_dir *dir,
                                  struct err_message *message)
{
    if (!uuid_is_zero(dir->properties.directory_id)) {
        return 0;
    }
    dir->properties.directory_id = io_random_uuid();
    int error = log_dir_write_properties(node->options.fs, dir->path, &dir->properties,
                                         io_wall_ms());
    return error == 0 ? 0 : err_set(message, error, "%s: cannot write meta.properties: %s",
                                    dir->path, err_text(error));
}

static int node_open_dir(struct node *node, const char *path, struct err_message *message)
{
    struct log_dir **dir = &node->dirs[node->dir_count];
    int error = log_dir_open(node->options.fs, path, dir, message);
    if (error != 0 && node_can_do_without(node, path, error)) {
        fprintf(stderr, "log directory %s is offline: %s\n", path,
                message->text[0] != '\0' ? message->text : err_text(error));
        error = log_dir_open_offline(node->options.fs, path, dir);
    }
    if (error == 0) {
        node->dir_count++;
        error = (*dir)->offline ? 0 : node_check_dir(node, *dir, message);
    }
    return error != 0 || (*dir)->offline ? error : node_give_directory_id(node, *dir, message);
}

static int node_open_dirs(struct node *node, struct err_message *message)
{
    const struct config *config = node->options.config;
    int32_t count = config_log_directory_count(config);
    if (count > BROKER_DIRS_MAX) {
        return err_set(message, ERR_RANGE, "log.dirs: at most %d directories", BROKER_DIRS_MAX);
    }
    int misplaced = node_check_metadata_place(node->options.fs, config, message);
    if (misplaced != 0) {
        return misplaced;
    }
    for (int32_t i = 0; i < count; i++) {
        int error = node_open_dir(node, config_log_directory_at(config, i), message);
        if (error != 0) {
            return error;
        }
    }
    node->log_dir_count = node->dir_count;
    const char *metadata = config_metadata_directory(config);
    return node_metadata_dir(node) != NULL ? 0 : node_open_dir(node, metadata, message);
}

static const char *node_api_name(int16_t key)
{
    const struct api_row *row = api_find(key);
    return row == NULL ? NULL : row->name;
}

/* Shares out the memory that there is; one line when it does not hold what is configured. */
static void node_plan_memory(struct node *node)
{
    const struct config *config = node->options.config;
    const char *what;
    struct net_memory_options options = {
        .available_bytes = io_memory_max(&what),
        .request_bytes_max = config_int(config, "socket.request.max.bytes"),
        .queued_bytes = config_long(config, "queued.max.request.bytes"),
        .shard_count = node->shard_count,
    };
    if (options.available_bytes < ONE_HEAP_MEMORY_BYTES) {
        mem_use_one_heap();
    }
    net_memory_plan(&options, &node->memory);
    if (node->memory.request_bytes_max < options.request_bytes_max) {
        fprintf(stderr,
                "%lld MiB of memory (%s) hold requests of %d bytes at most: lower "
                "socket.request.max.bytes=%d, or raise that limit\n",
                (long long)(options.available_bytes >> 20), what, node->memory.request_bytes_max,
                options.request_bytes_max);
    }
}

static int node_no_threads(const struct node *node, int error, struct err_message *message)
{
    return err_set(message, error,
                   "cannot start the threads of %d shards: %s: raise RLIMIT_AS (ulimit -v) or "
                   "RLIMIT_NPROC (ulimit -u), or lower barnabas.shards",
                   node->shard_count, err_text(error));
}

static int node_create_loops(struct node *node, struct err_message *message)
{
    int32_t shards = config_int(node->options.config, "barnabas.shards");
    if (shards <= 0) {
        int32_t cores = io_core_count();
        shards = cores <= 2 ? 1 : cores;
    }
    node->shard_count = shards < BROKER_SHARDS_MAX ? shards : BROKER_SHARDS_MAX;
    node_plan_memory(node);
    for (int32_t i = 0; i < node->shard_count; i++) {
        int error = loop_create(i == 0 ? HELPERS_OF_FIRST_SHARD : HELPERS_OF_OTHER_SHARDS,
                                &node->loops[i]);
        if (error != 0) {
            return node_no_threads(node, error, message);
        }
    }
    return metrics_create(node->shard_count, API_COUNT, node_api_name, &node->metrics);
}

static int64_t node_accept_wait_ms(void *context)
{
    struct node_port *port = context;
    return broker_accept_wait_ms(port->node->broker, port->index);
}

static void node_on_room(void *context)
{
    struct node *node = context;
    for (int32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        if (node->listeners[i] != NULL) {
            net_listener_resume(node->listeners[i]);
        }
    }
}

static void node_accept(void *context, int descriptor)
{
    struct node_port *port = context;
    if (!access_listener_is_served(config_listener_at(port->node->options.config, port->index))) {
        io_socket_close(descriptor);
        return;
    }
    broker_adopt(port->node->broker, descriptor, port->index);
}

static int node_open_listeners(struct node *node, struct err_message *message)
{
    const struct config *config = node->options.config;
    int32_t count = config_listener_count(config);
    if (count > CONFIG_LISTENERS_MAX) {
        return err_set(message, ERR_RANGE, "listeners: at most %d", CONFIG_LISTENERS_MAX);
    }
    access_name_closed_listeners(config);
    for (int32_t i = 0; i < count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        char host[256];
        snprintf(host, sizeof host, "%.*s", (int)listener->host.size, listener->host.data);
        node->ports[i] = (struct node_port){node, i};
        struct net_listener_options options = {
            .loop = node->loops[0],
            .host = host,
            .port = listener->port,
            .backlog = config_int(config, "socket.listen.backlog.size"),
            .wait_ms = node_accept_wait_ms,
            .accept = node_accept,
            .context = &node->ports[i],
        };
        int error = net_listener_open(&options, &node->listeners[i], message);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static void node_on_image(void *context, const struct image *older, const struct image *newer)
{
    (void)older;
    struct node *node = context;
    if (!node->serving && node->error == 0) {
        node->error = access_check(node->options.config, newer, node->message);
        if (node->error != 0) {
            loop_stop(node->loops[0]);
            return;
        }
    }
    broker_apply_image(node->broker, newer);
    lifecycle_on_image(node->lifecycle, newer);
}

/* A submission of the broker carried by a request to the quorum. */
struct carrier {
    struct quorum_request request;
    struct broker_submission *submission;
};

static void carrier_done(struct quorum_request *request, int16_t error, const void *response)
{
    struct carrier *carrier = CONTAINER_OF(request, struct carrier, request);
    struct broker_submission *submission = carrier->submission;
    submission->done(submission, error, response);
    mem_free(carrier);
}

static void node_submit(void *context, struct broker_submission *submission)
{
    struct node *node = context;
    struct carrier *carrier = mem_calloc(1, sizeof *carrier);
    if (carrier == NULL) {
        submission->done(submission, KAFKA_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    carrier->submission = submission;
    carrier->request = (struct quorum_request){.api_key = submission->api_key,
                                               .api_version = submission->api_version,
                                               .request = submission->request,
                                               .principal = string_view_of("User:ANONYMOUS"),
                                               .deadline_ms = submission->deadline_ms,
                                               .done = carrier_done};
    quorum_submit(node->quorum, &carrier->request);
}

static int16_t node_kraft_version(void *context)
{
    const struct node *node = context;
    return quorum_kraft_version(node->quorum);
}

static int32_t node_controller_id(void *context)
{
    struct node *node = context;
    return quorum_leader_id(node->quorum);
}

/* Served by now: partitions are open, and the controller counts on us. A node that ends before does
 * not begin any more: what was under way still comes home, also after a directory has failed. */
static void node_serve_if_ready(struct node *node)
{
    if (node->serving || node->closing || node->error != 0 ||
        !lifecycle_is_unfenced(node->lifecycle) ||
        broker_is_applying(node->broker)) {
        return;
    }
    node->serving = true;
    broker_set_strays_aside(node->broker);
    for (int32_t i = 0; i < node->dir_count; i++) {
        if (i >= node->log_dir_count || !atomic_load(&node->broker->dirs[i].offline)) {
            log_dir_mark_recovered(node->dirs[i]);
        }
    }
    for (int32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        if (node->listeners[i] != NULL && net_listener_start(node->listeners[i]) != 0) {
            node_fatal(node, "cannot listen");
        }
    }
    node->options.on_ready(node->options.context, node, io_monotonic_ms() - node->began_ms);
}

static void node_on_applied(void *context, const struct image *image)
{
    struct node *node = context;
    if (node->quorum != NULL) {
        quorum_applied(node->quorum, image);
    }
    node_serve_if_ready(node);
}

static void node_on_unfenced(void *context, int64_t broker_epoch)
{
    struct node *node = context;
    broker_set_epoch(node->broker, broker_epoch);
    node_serve_if_ready(node);
}

static void node_on_dir_failed(void *context, int32_t dir)
{
    struct node *node = context;
    if (!node->closing) {
        lifecycle_on_dir_failed(node->lifecycle, dir);
    }
}

static int node_create_broker(struct node *node, struct err_message *message)
{
    const struct config *config = node->options.config;
    struct broker_options options = {
        .config = config,
        .fs = node->options.fs,
        .cluster_id = node_cluster_id(node),
        .node_id = config_node_id(config),
        .loops = node->loops,
        .shard_count = node->shard_count,
        .dirs = node->dirs,
        .dir_count = node->log_dir_count,
        .metadata_directory = config_metadata_directory(config),
        .random_seed = io_random_seed(),
        .metrics = node->metrics,
        .memory = &node->memory,
        .submit = node_submit,
        .controller_id = node_controller_id,
        .kraft_version = node_kraft_version,
        .on_applied = node_on_applied,
        .on_room = node_on_room,
        .on_dir_failed = node_on_dir_failed,
        .on_fatal = node_fatal,
        .context = node,
    };
    int error = broker_create(&options, &node->broker, message);
    if (error != 0) {
        return error;
    }
    struct lifecycle_options lifecycle = {
        .loop = node->loops[0],
        .config = config,
        .cluster_id = node_cluster_id(node),
        .dirs = node->dirs,
        .dir_count = node->log_dir_count,
        .submit = node_submit,
        .on_unfenced = node_on_unfenced,
        .on_refused = node_fatal,
        .incarnation_id = io_random_uuid(),
        .context = node,
    };
    return lifecycle_create(&lifecycle, &node->lifecycle);
}

static int node_open_quorum(struct node *node, struct err_message *message)
{
    const struct config *config = node->options.config;
    const char *directory = config_metadata_directory(config);
    const struct log_dir *dir = node_metadata_dir(node);
    struct quorum_options options = {
        .loop = node->loops[0],
        .budget = &node->memory.work,
        .fs = node->options.fs,
        .metrics = metrics_shard_at(node->metrics, 0),
        .metadata_directory = directory,
        .cluster_id = node_cluster_id(node),
        .node_id = config_node_id(config),
        .is_static = config_string(config, "controller.quorum.voters").size > 0,
        .directory_id = dir->properties.directory_id,
        .controller_endpoints = node->controller_endpoints,
        .random_seed = io_random_seed(),
        .segment_bytes = config_long(config, config_string(config, SEGMENT_BYTES_OF_TESTS).size > 0
                                                 ? SEGMENT_BYTES_OF_TESTS
                                                 : "metadata.log.segment.bytes"),
        .segment_ms = config_long(config, "metadata.log.segment.ms"),
        .snapshot_interval_bytes =
            config_long(config, "metadata.log.max.record.bytes.between.snapshots"),
        .snapshot_interval_ms = config_long(config, "metadata.log.max.snapshot.interval.ms"),
        .retention_bytes = config_long(config, "metadata.max.retention.bytes"),
        .retention_ms = config_long(config, "metadata.max.retention.ms"),
        .session_timeout_ms = config_long(config, "broker.session.timeout.ms"),
        .default_replication_factor = (int16_t)config_int(config, "default.replication.factor"),
        .default_partition_count = config_int(config, "num.partitions"),
        .min_insync_replicas = (int16_t)config_int(config, "min.insync.replicas"),
        .unstable_features = config_boolean(config, "unstable.feature.versions.enable"),
        .check_settings = config_check_settings,
        .list_setting = config_list_setting,
        .check_context = (void *)config,
        .on_image = node_on_image,
        .on_fatal = node_quorum_failed,
        .context = node,
        .page_cache_intact = dir->page_cache_intact,
    };
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (listener->is_controller) {
            struct string_view host =
                listener->advertised_host.size > 0 ? listener->advertised_host : listener->host;
            node->controller_endpoints[options.controller_endpoint_count++] =
                (struct image_endpoint){listener->name,
                                        host.size > 0 ? host : string_view_of("localhost"),
                                        listener->port, listener->security_protocol};
        }
    }
    return quorum_open(&options, &node->quorum, message);
}

/* Shard 0 is this thread. */
static int node_start_shards(struct node *node, struct err_message *message)
{
    node->started_count = 1;
    while (node->started_count < node->shard_count) {
        int error = loop_start(node->loops[node->started_count]);
        if (error != 0) {
            return node_no_threads(node, error, message);
        }
        node->started_count++;
    }
    return 0;
}

/* With the last connection and request gone, nobody holds anything. */
static void node_assert_memory_is_back(const struct net_memory *memory)
{
    ASSERT(budget_used(&memory->first) == 0);
    ASSERT(budget_used(&memory->rest) == 0);
    ASSERT(budget_used(&memory->begun) == 0);
    ASSERT(budget_used(&memory->sessions) == 0);
    ASSERT(budget_used(&memory->work) == 0);
}

static void node_close(struct node *node, bool clean)
{
    node->closing = true;
    for (int32_t i = 1; i < node->started_count; i++) {
        loop_stop(node->loops[i]);
        loop_join(node->loops[i]);
    }
    if (node->broker != NULL) {
        broker_stop(node->broker);
    }
    /* All loops are this thread's now; what one delivers may be work for another. */
    for (bool any = true; any;) {
        any = false;
        for (int32_t i = 0; i < node->shard_count && node->loops[i] != NULL; i++) {
            any |= loop_drain(node->loops[i]);
        }
    }
    for (int32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        net_listener_close(&node->listeners[i]);
    }
    int64_t broker_epoch = node->broker != NULL ? atomic_load(&node->broker->epoch) : -1;
    broker_destroy(&node->broker, clean);
    lifecycle_destroy(&node->lifecycle);
    quorum_close(&node->quorum);
    for (int32_t i = 0; i < node->dir_count; i++) {
        if (clean && !node->dirs[i]->offline) {
            (void)log_dir_close_clean(&node->dirs[i], broker_epoch);
        } else {
            if (node->dirs[i]->offline) {
                log_dir_fail(node->dirs[i]); /* in case the disk refused it before */
            }
            log_dir_release(&node->dirs[i]);
        }
    }
    for (int32_t i = 0; i < node->shard_count; i++) {
        if (node->loops[i] != NULL) {
            loop_destroy(&node->loops[i]);
        }
    }
    node_assert_memory_is_back(&node->memory);
}

int node_run(const struct node_options *options, struct err_message *message)
{
    struct node *node = mem_need(sizeof *node);
    node->options = *options;
    node->message = message;
    node->began_ms = io_monotonic_ms();
    int error = access_check_classes(options->config, message);
    if (error == 0) {
        error = node_open_dirs(node, message);
    }
    if (error == 0) {
        error = node_create_loops(node, message);
    }
    if (error == 0) {
        error = node_open_listeners(node, message);
    }
    if (error == 0) {
        error = node_create_broker(node, message);
    }
    if (error == 0) {
        error = node_start_shards(node, message);
    }
    if (error == 0) {
        error = node_open_quorum(node, message);
    }
    bool ran = error == 0;
    if (ran) {
        signals_watch(node);
        loop_run(node->loops[0]);
        signals_watch(NULL);
        error = node->error;
    }
    node_close(node, ran && error == 0);
    metrics_destroy(&node->metrics);
    mem_free(node);
    return error;
}
