/* What a log goes by, shared by the logs that go by the same. */
#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "log/log_internal.h"
#include "protocol/record/compress.h"

struct log_config log_config_default(void)
{
    return (struct log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = 604800000,
        .segment_index_bytes = 10485760,
        .index_interval_bytes = 4096,
        .retention_bytes = -1,
        .retention_ms = 604800000,
        .file_delete_delay_ms = 60000,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .max_compaction_lag_ms = INT64_MAX,
        .delete_retention_ms = 86400000,
        .min_cleanable_ratio = 0.5,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .producer_id_expiration_ms = 86400000,
        .max_message_bytes = 1048588,
        .codec = LOG_CODEC_PRODUCER,
        .codec_level = COMPRESS_LEVEL_DEFAULT,
        .clean_delete = true,
    };
}

struct shared_config {
    atomic_int references;
    struct log_config config;
};

STATIC_ASSERT(sizeof(struct log_config) == 15 * 8 + 5 * 4 + 4, "no padding: compared as it lies");

bool log_config_equals(const struct log_config *a, const struct log_config *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

const struct log_config *log_config_share(const struct log_config *config)
{
    ASSERT(config->flush_messages > 0);
    ASSERT(config->index_interval_bytes >= 0 && config->segment_index_bytes >= 0);
    ASSERT(config->codec >= LOG_CODEC_PRODUCER && config->codec < BATCH_CODEC_COUNT);
    struct shared_config *shared = mem_alloc(sizeof *shared);
    if (shared == NULL) {
        return NULL;
    }
    atomic_init(&shared->references, 1);
    shared->config = *config;
    return &shared->config;
}

static struct shared_config *shared_config_of(const struct log_config *config)
{
    return CONTAINER_OF(config, struct shared_config, config);
}

void log_config_unref(const struct log_config **held)
{
    if (*held == NULL) {
        return;
    }
    struct shared_config *shared = shared_config_of(*held);
    *held = NULL;
    int before = atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(shared);
    }
}

const struct log_config *log_config(const struct log *log) { return log->config; }

void log_use_config(struct log *log, const struct log_config *shared)
{
    int before = atomic_fetch_add_explicit(&shared_config_of(shared)->references, 1,
                                           memory_order_relaxed);
    ASSERT(before > 0);
    log_config_unref(&log->config);
    log->config = shared;
}

void log_use_config_of(struct log *log, const struct log *other)
{
    log_use_config(log, other->config);
}

int log_set_config(struct log *log, const struct log_config *config)
{
    const struct log_config *shared = log_config_share(config);
    if (shared == NULL) {
        return ERR_NOMEM;
    }
    log_use_config(log, shared);
    log_config_unref(&shared);
    return 0;
}
