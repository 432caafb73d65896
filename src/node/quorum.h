/* quorum.h: the metadata quorum of this node: raft and controller carried out on a loop.
 *
 * Owns the directory __cluster_metadata-0 of the metadata log directory: log, quorum-state,
 * snapshots. Drives the pure state machines of raft/ and controller/, writes and syncs what they
 * ask for, and publishes an image after every committed change.
 * Thread: the loop it was opened on, but for quorum_image.   Errors: opening says why; a failed
 * write of the metadata log ends the node, as it does in Apache Kafka. */
#ifndef BNB_NODE_QUORUM_H
#define BNB_NODE_QUORUM_H

#include "base/err.h"
#include "base/list.h"
#include "io/file.h"
#include "io/loop.h"
#include "metadata/image.h"
#include "metrics/registry.h"

struct quorum;

struct quorum_options {
    struct loop *loop;
    struct budget *budget; /* of the answers; NULL: none */
    struct io_fs *fs;
    struct metrics_shard *metrics; /* of the loop; NULL: nothing is counted */
    const char *metadata_directory; /* a formatted log directory */
    struct string_view cluster_id;
    int32_t node_id;
    bool is_static; /* its voters are named by the settings */
    struct uuid directory_id;
    const struct image_endpoint *controller_endpoints; /* of this node */
    int32_t controller_endpoint_count;
    uint64_t random_seed;
    int64_t segment_ms;
    int64_t segment_bytes;          /* metadata.log.segment.bytes */
    int64_t snapshot_interval_bytes; /* metadata.log.max.record.bytes.between.snapshots */
    int64_t snapshot_interval_ms;    /* metadata.log.max.snapshot.interval.ms; 0: never by time */
    int64_t retention_bytes;         /* metadata.max.retention.bytes; below zero: no bound */
    int64_t retention_ms;            /* metadata.max.retention.ms; below zero: no bound */
    int64_t session_timeout_ms;      /* broker.session.timeout.ms */
    int16_t default_replication_factor;
    int32_t default_partition_count;
    int16_t min_insync_replicas;
    bool unstable_features;
    /* Whether all that a resource is to have is known, and acceptable together: 0, or a wire error
     * with its text. Of a broker: what changes. */
    int16_t (*check_settings)(void *context, int8_t resource_type,
                              const struct image_setting *items, size_t count,
                              struct err_message *message);
    /* After each commit, on the loop; older is NULL the first time. Both are borrowed. Answers wait
     * until quorum_applied is called. */
    void (*on_image)(void *context, const struct image *older, const struct image *newer);
    /* The metadata log could not be written: the node must end. */
    void (*on_fatal)(void *context, const char *why);
    void *context;
    bool (*list_setting)(void *context, int8_t resource_type, struct string_view name,
                         struct string_view *value);
    void *check_context; /* of check_settings and list_setting */
    /* The kernel has not restarted since the directory was written to. */
    bool page_cache_intact;
};

/* A request to the active controller. The caller owns the struct and everything it points at until
 * done was called; response is valid during the call only. */
struct quorum_request {
    struct list node;
    int16_t api_key; /* API_CREATE_TOPICS, ... */
    int16_t api_version;
    const void *request; /* the decoded request structure of that API */
    struct string_view principal; /* "User:ANONYMOUS" */
    int64_t deadline_ms;          /* of loop_monotonic_ms */
    /* error is 0 and response the response structure of that API, once what it changed is
     * committed and (but for a heartbeat) applied; or error is a wire code for the whole request
     * (NOT_CONTROLLER, ...). */
    void (*done)(struct quorum_request *request, int16_t error, const void *response);
};

int quorum_open(const struct quorum_options *options, struct quorum **quorum,
                struct err_message *message);
/* Writes a clean end; requests that wait are answered NOT_CONTROLLER. */
void quorum_close(struct quorum **quorum);
/* Handled by the controller: CreateTopics, DeleteTopics, CreatePartitions, IncrementalAlterConfigs,
 * AlterConfigs, AllocateProducerIds, UpdateFeatures, BrokerRegistration, BrokerHeartbeat,
 * UnregisterBroker, AlterPartition, ElectLeaders, AlterPartitionReassignments,
 * ListPartitionReassignments, ControllerRegistration. By raft: DescribeQuorum.
 * Anything else: UNSUPPORTED_VERSION. */
void quorum_submit(struct quorum *quorum, struct quorum_request *request);
/* All of the node sees an image that on_image was given, so whoever asks with an answer in hand
 * meets what it tells of. May be called by on_image; not for every image: a later one will do. */
void quorum_applied(struct quorum *quorum, const struct image *image);
/* A reference to the newest image. Thread: any. */
struct image *quorum_image(struct quorum *quorum);
/* Leader of the quorum, -1 unknown. */
int32_t quorum_leader_id(const struct quorum *quorum);
/* 1 where voters may come and go, 0 in a static quorum. */
int16_t quorum_kraft_version(const struct quorum *quorum);
#endif
