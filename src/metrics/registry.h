/* registry.h: the counters of a broker, one block a shard, and the page that shows them.
 *
 * The node creates the registry; each shard gets the address of its block and is the only one that
 * writes there, with relaxed stores: counting costs an addition and no other shard's cache line. A
 * reader adds the blocks up; sums of one moment may be apart by what happens meanwhile.
 * The metrics are the rows of metrics.def.
 * Thread: the functions with a metrics_shard: its owner; create and destroy: no shard is running;
 * reading and printing: any.
 * Bounds: shards and APIs are given at creation.   Errors: ERR_NOMEM from create. */
#ifndef BNB_METRICS_REGISTRY_H
#define BNB_METRICS_REGISTRY_H

#include "base/writer.h"
#include "metrics/histogram.h"

#define DIRECTORY(id, unit, name, mbean, doc)
#define PLAIN(id, kind, unit, name, mbean, doc) METRIC_##id,
#define REQUEST(id, kind, unit, name, mbean, doc)
#define TIMES(id, unit, name, mbean, doc)
#define REQUEST_TIMES(id, unit, name, mbean, doc)
enum metric_plain {
#include "metrics/metrics.def"
    METRIC_PLAIN_COUNT
};
#undef PLAIN
#undef REQUEST
#define PLAIN(id, kind, unit, name, mbean, doc)
#define REQUEST(id, kind, unit, name, mbean, doc) METRIC_##id,
enum metric_request {
#include "metrics/metrics.def"
    METRIC_REQUEST_COUNT
};
#undef REQUEST
#undef TIMES
#define REQUEST(id, kind, unit, name, mbean, doc)
#define TIMES(id, unit, name, mbean, doc) METRIC_##id,
enum metric_times {
#include "metrics/metrics.def"
    METRIC_TIMES_COUNT
};
#undef TIMES
#undef REQUEST_TIMES
#define TIMES(id, unit, name, mbean, doc)
#define REQUEST_TIMES(id, unit, name, mbean, doc) METRIC_##id,
enum metric_request_times {
#include "metrics/metrics.def"
    METRIC_REQUEST_TIMES_COUNT
};
#undef REQUEST_TIMES
#undef DIRECTORY
#define REQUEST_TIMES(id, unit, name, mbean, doc)
#define DIRECTORY(id, unit, name, mbean, doc) METRIC_DIRECTORY_##id,
enum metric_directory {
#include "metrics/metrics.def"
    METRIC_DIRECTORY_COUNT
};
#undef PLAIN
#undef REQUEST
#undef TIMES
#undef REQUEST_TIMES
#undef DIRECTORY

struct metrics_registry;
struct metrics_shard;

/* What the label "request" of an API is called, NULL for a number that is no API. */
typedef const char *metrics_request_name(int16_t request);

int metrics_create(int32_t shard_count, int16_t request_count, metrics_request_name *name,
                   struct metrics_registry **registry);
void metrics_destroy(struct metrics_registry **registry);
/* Borrowed: until the registry is destroyed. */
struct metrics_shard *metrics_shard_at(struct metrics_registry *registry, int32_t index);

/* Every function for a shard takes NULL too, and then does nothing: what is counted need not be. */
void metrics_add(struct metrics_shard *shard, enum metric_plain metric, int64_t added);
/* For gauges: this shard's part of the sum. */
void metrics_set(struct metrics_shard *shard, enum metric_plain metric, int64_t value);
/* As metrics_set, where value is more than what is there. */
void metrics_raise(struct metrics_shard *shard, enum metric_plain metric, int64_t value);
/* request is below the request_count of the registry. */
void metrics_request_add(struct metrics_shard *shard, enum metric_request metric, int16_t request,
                         int64_t added);
void metrics_time_add(struct metrics_shard *shard, enum metric_times metric, int64_t us);
void metrics_request_time_add(struct metrics_shard *shard, enum metric_request_times metric,
                              int16_t request, int64_t us);

/* Names a log directory, below BROKER_DIRS_MAX; the path is borrowed until the registry is
 * destroyed. One that was not named is not printed. These three take NULL too. Thread: any. */
void metrics_directory_name(struct metrics_registry *registry, int32_t directory,
                            const char *path);
void metrics_directory_set(struct metrics_registry *registry, enum metric_directory metric,
                           int32_t directory, int64_t value);
void metrics_directory_add(struct metrics_registry *registry, enum metric_directory metric,
                           int32_t directory, int64_t added);

int64_t metrics_value(const struct metrics_registry *registry, enum metric_plain metric);
int64_t metrics_request_value(const struct metrics_registry *registry, enum metric_request metric,
                              int16_t request);
int64_t metrics_directory_value(const struct metrics_registry *registry,
                                enum metric_directory metric, int32_t directory);
uint64_t metrics_time_count(const struct metrics_registry *registry, enum metric_times metric);

/* The text form of Prometheus: # HELP, # TYPE and the samples. An API that was never called is left
 * out. writer->failed says whether there was room. */
void metrics_print(const struct metrics_registry *registry, struct writer *writer);

#endif
