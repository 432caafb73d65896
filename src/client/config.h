/* config.h: the settings of a client: Kafka's names, checked and in parsed form.
 *
 * struct bnb_config holds texts as they were given; client_config_parse turns them into a struct
 * client_config by one table. The parsed form owns its strings.
 * Thread: reading any; the text form is its owner's. */
#ifndef BNB_CLIENT_CONFIG_H
#define BNB_CLIENT_CONFIG_H

#include <barnabas/barnabas.h>

#include "base/view.h"

enum client_kind {
    CLIENT_PRODUCER = 1,
    CLIENT_CONSUMER = 2,
    CLIENT_ADMIN = 4,
};

#define CLIENT_ASSIGNORS_MAX 8
/* A longer number is taken for this one: as milliseconds 285,000 years, to which a clock and a
 * backoff with its jitter can be added. */
#define CLIENT_LONG_MAX ((int64_t)1 << 53)
/* auto.offset.reset=by_duration:...: the offset of so long ago. */
#define CLIENT_RESET_DURATION (-5)

/* One member a setting that the library acts on; units as in the names. */
struct client_config {
    char *bootstrap_servers;
    char *client_id;
    char *client_rack;
    char *security_protocol;
    char *bootstrap_controllers;
    int64_t request_timeout_ms;
    int64_t default_api_timeout_ms;
    int64_t retry_backoff_ms;
    int64_t retry_backoff_max_ms;
    int64_t reconnect_backoff_ms;
    int64_t reconnect_backoff_max_ms;
    int64_t connection_setup_timeout_ms;
    int64_t metadata_max_age_ms;
    int64_t send_buffer_bytes;
    int64_t receive_buffer_bytes;
    /* producer */
    int64_t acks;
    int64_t retries;
    int64_t batch_bytes;
    int64_t linger_ms;
    int64_t buffer_memory_bytes;
    int64_t max_block_ms;
    int64_t max_request_bytes;
    int64_t delivery_timeout_ms;
    int64_t max_in_flight;
    int64_t codec;
    int64_t gzip_level;
    int64_t lz4_level;
    int64_t zstd_level;
    char *transactional_id; /* NULL: none */
    int64_t transaction_timeout_ms;
    bool enable_idempotence;
    bool partitioner_ignore_keys;
    /* consumer */
    int64_t fetch_min_bytes;
    int64_t fetch_max_bytes;
    int64_t max_partition_fetch_bytes;
    int64_t fetch_max_wait_ms;
    int64_t max_poll_records;
    int64_t reset_policy; /* BNB_OFFSET_BEGINNING, BNB_OFFSET_END; BNB_OFFSET_RESET_POLICY: none */
    int64_t reset_duration_ms;    /* of CLIENT_RESET_DURATION */
    char *group_id;               /* "": none */
    char *group_instance_id;      /* "": none */
    char *group_remote_assignor;  /* "": the coordinator's choice */
    int64_t session_timeout_ms;
    int64_t heartbeat_interval_ms;
    int64_t max_poll_interval_ms;
    int64_t auto_commit_interval_ms;
    int64_t assignors[CLIENT_ASSIGNORS_MAX]; /* enum assign_kind, the preferred one first */
    int64_t assignors_count;
    bool group_protocol_consumer; /* KIP-848; else classic */
    bool enable_auto_commit;      /* only with a group */
    bool exclude_internal_topics;
    bool allow_auto_create_topics;
    bool check_crcs;
    bool read_committed;
    void (*warn)(void *context, const char *text);
    void *warn_context;
};

/* Fills parsed with defaults and the values set. BNB_ERROR_INVALID with Kafka's text. */
int client_config_parse(const struct bnb_config *config, enum client_kind kind,
                        struct client_config *parsed, struct bnb_error *error);
void client_config_release(struct client_config *parsed);
/* Tells warn, if there is one. */
void client_config_warn(const struct client_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
