#include "metrics/registry.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#define CACHE_LINE_BYTES 64
#define LINE_BYTES 512 /* of the page: the longest # HELP is half of it */
#define US_A_MS 1000.0

struct metrics_shard {
    _Alignas(CACHE_LINE_BYTES) _Atomic int64_t plain[METRIC_PLAIN_COUNT];
    struct histogram times[METRIC_TIMES_COUNT];
    int16_t request_count;
    _Atomic int64_t *requests; /* METRIC_REQUEST_COUNT rows of request_count */
    struct histogram *request_times; /* likewise */
};
struct metrics_registry {
    void *memory; /* of the shards, before it was aligned */
    struct metrics_shard *shards;
    int32_t shard_count;
    int16_t request_count;
    metrics_request_name *request_name;
    struct metrics_directory {
        _Atomic(const char *) path; /* NULL: there is none */
        _Atomic int64_t values[METRIC_DIRECTORY_COUNT];
    } directories[BROKER_DIRS_MAX];
};

/* What a page shows of the shards' values. */
enum metric_fold { METRIC_SUM, METRIC_GREATEST };
struct metric_row {
    const char *type; /* as Prometheus calls it */
    enum metric_fold fold;
    const char *unit;
    const char *name;
    const char *mbean;
    const char *doc;
};
#define COUNTER "counter", METRIC_SUM
#define GAUGE "gauge", METRIC_SUM
#define GREATEST "gauge", METRIC_GREATEST
#define SUMMARY "summary", METRIC_SUM

#define DIRECTORY(id, unit, name, mbean, doc)
#define PLAIN(id, kind, unit, name, mbean, doc) {kind, unit, name, mbean, doc},
#define REQUEST(id, kind, unit, name, mbean, doc)
#define TIMES(id, unit, name, mbean, doc)
#define REQUEST_TIMES(id, unit, name, mbean, doc)
static const struct metric_row plain_rows[] = {
#include "metrics/metrics.def"
};
#undef PLAIN
#undef REQUEST
#define PLAIN(id, kind, unit, name, mbean, doc)
#define REQUEST(id, kind, unit, name, mbean, doc) {kind, unit, name, mbean, doc},
static const struct metric_row request_rows[] = {
#include "metrics/metrics.def"
};
#undef REQUEST
#undef TIMES
#define REQUEST(id, kind, unit, name, mbean, doc)
#define TIMES(id, unit, name, mbean, doc) {SUMMARY, unit, name, mbean, doc},
static const struct metric_row times_rows[] = {
#include "metrics/metrics.def"
};
#undef TIMES
#undef REQUEST_TIMES
#define TIMES(id, unit, name, mbean, doc)
#define REQUEST_TIMES(id, unit, name, mbean, doc) {SUMMARY, unit, name, mbean, doc},
static const struct metric_row request_times_rows[] = {
#include "metrics/metrics.def"
};
#undef REQUEST_TIMES
#undef DIRECTORY
#define REQUEST_TIMES(id, unit, name, mbean, doc)
#define DIRECTORY(id, unit, name, mbean, doc) {GAUGE, unit, name, mbean, doc},
static const struct metric_row directory_rows[] = {
#include "metrics/metrics.def"
};
STATIC_ASSERT(sizeof plain_rows / sizeof plain_rows[0] == METRIC_PLAIN_COUNT, "a row each");
STATIC_ASSERT(sizeof request_rows / sizeof request_rows[0] == METRIC_REQUEST_COUNT, "a row each");

int metrics_create(int32_t shard_count, int16_t request_count, metrics_request_name *name,
                   struct metrics_registry **created)
{
    ASSERT(shard_count > 0 && request_count > 0);
    struct metrics_registry *registry = mem_calloc(1, sizeof *registry);
    *created = registry;
    if (registry == NULL) {
        return ERR_NOMEM;
    }
    registry->request_count = request_count;
    registry->request_name = name;
    /* One more, to begin at a cache line. */
    registry->memory = mem_calloc((size_t)shard_count + 1, sizeof *registry->shards);
    if (registry->memory == NULL) {
        metrics_destroy(created);
        return ERR_NOMEM;
    }
    size_t past = (uintptr_t)registry->memory % CACHE_LINE_BYTES;
    registry->shards = (void *)((uint8_t *)registry->memory +
                                (past > 0 ? CACHE_LINE_BYTES - past : 0));
    registry->shard_count = shard_count;
    for (int32_t i = 0; i < shard_count; i++) {
        struct metrics_shard *shard = &registry->shards[i];
        size_t count = (size_t)request_count;
        shard->request_count = request_count;
        shard->requests = mem_calloc(METRIC_REQUEST_COUNT * count, sizeof *shard->requests);
        /* Mostly of APIs that are never called: such pages stay untouched. */
        shard->request_times = mem_calloc(METRIC_REQUEST_TIMES_COUNT * count,
                                          sizeof *shard->request_times);
        if (shard->requests == NULL || shard->request_times == NULL) {
            metrics_destroy(created);
            return ERR_NOMEM;
        }
    }
    return 0;
}

void metrics_destroy(struct metrics_registry **destroyed)
{
    struct metrics_registry *registry = *destroyed;
    for (int32_t i = 0; registry != NULL && i < registry->shard_count; i++) {
        mem_free(registry->shards[i].requests);
        mem_free(registry->shards[i].request_times);
    }
    if (registry != NULL) {
        mem_free(registry->memory);
        mem_free(registry);
    }
    *destroyed = NULL;
}

struct metrics_shard *metrics_shard_at(struct metrics_registry *registry, int32_t index)
{
    ASSERT(index >= 0 && index < registry->shard_count);
    return &registry->shards[index];
}

/* The owner alone writes: no read-modify-write of the processor is needed. */
static void add_relaxed(_Atomic int64_t *value, int64_t added)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + added,
                          memory_order_relaxed);
}

void metrics_add(struct metrics_shard *shard, enum metric_plain metric, int64_t added)
{
    ASSERT(metric < METRIC_PLAIN_COUNT);
    if (shard != NULL) {
        add_relaxed(&shard->plain[metric], added);
    }
}

void metrics_raise(struct metrics_shard *shard, enum metric_plain metric, int64_t value)
{
    if (shard != NULL &&
        value > atomic_load_explicit(&shard->plain[metric], memory_order_relaxed)) {
        atomic_store_explicit(&shard->plain[metric], value, memory_order_relaxed);
    }
}

void metrics_set(struct metrics_shard *shard, enum metric_plain metric, int64_t value)
{
    ASSERT(metric < METRIC_PLAIN_COUNT);
    if (shard != NULL) {
        atomic_store_explicit(&shard->plain[metric], value, memory_order_relaxed);
    }
}

void metrics_request_add(struct metrics_shard *shard, enum metric_request metric, int16_t request,
                         int64_t added)
{
    if (shard != NULL) {
        ASSERT(metric < METRIC_REQUEST_COUNT && request >= 0 && request < shard->request_count);
        add_relaxed(&shard->requests[(size_t)metric * (size_t)shard->request_count +
                                     (size_t)request], added);
    }
}

void metrics_time_add(struct metrics_shard *shard, enum metric_times metric, int64_t us)
{
    ASSERT(metric < METRIC_TIMES_COUNT);
    if (shard != NULL) {
        histogram_add(&shard->times[metric], us > 0 ? (uint64_t)us : 0);
    }
}

void metrics_request_time_add(struct metrics_shard *shard, enum metric_request_times metric,
                              int16_t request, int64_t us)
{
    if (shard != NULL) {
        ASSERT(metric < METRIC_REQUEST_TIMES_COUNT);
        ASSERT(request >= 0 && request < shard->request_count);
        histogram_add(&shard->request_times[(size_t)metric * (size_t)shard->request_count +
                                            (size_t)request], us > 0 ? (uint64_t)us : 0);
    }
}

void metrics_directory_name(struct metrics_registry *registry, int32_t directory, const char *path)
{
    ASSERT(directory >= 0 && directory < BROKER_DIRS_MAX && path != NULL);
    if (registry != NULL) {
        atomic_store(&registry->directories[directory].path, path);
    }
}

void metrics_directory_set(struct metrics_registry *registry, enum metric_directory metric,
                           int32_t directory, int64_t value)
{
    ASSERT(directory >= 0 && directory < BROKER_DIRS_MAX);
    if (registry != NULL) {
        atomic_store_explicit(&registry->directories[directory].values[metric], value,
                              memory_order_relaxed);
    }
}

void metrics_directory_add(struct metrics_registry *registry, enum metric_directory metric,
                           int32_t directory, int64_t added)
{
    ASSERT(directory >= 0 && directory < BROKER_DIRS_MAX);
    if (registry != NULL) {
        atomic_fetch_add_explicit(&registry->directories[directory].values[metric], added,
                                  memory_order_relaxed);
    }
}

int64_t metrics_directory_value(const struct metrics_registry *registry,
                                enum metric_directory metric, int32_t directory)
{
    ASSERT(directory >= 0 && directory < BROKER_DIRS_MAX);
    return atomic_load_explicit(&registry->directories[directory].values[metric],
                                memory_order_relaxed);
}

int64_t metrics_value(const struct metrics_registry *registry, enum metric_plain metric)
{
    int64_t sum = 0;
    int64_t greatest = 0;
    for (int32_t i = 0; i < registry->shard_count; i++) {
        int64_t value =
            atomic_load_explicit(&registry->shards[i].plain[metric], memory_order_relaxed);
        sum += value;
        greatest = value > greatest ? value : greatest;
    }
    return plain_rows[metric].fold == METRIC_SUM ? sum : greatest;
}

int64_t metrics_request_value(const struct metrics_registry *registry, enum metric_request metric,
                              int16_t request)
{
    ASSERT(request >= 0 && request < registry->request_count);
    int64_t value = 0;
    for (int32_t i = 0; i < registry->shard_count; i++) {
        const struct metrics_shard *shard = &registry->shards[i];
        value += atomic_load_explicit(
            &shard->requests[(size_t)metric * (size_t)shard->request_count + (size_t)request],
            memory_order_relaxed);
    }
    return value;
}

static void metrics_read_times(const struct metrics_registry *registry, enum metric_times metric,
                               struct histogram_total *total)
{
    *total = (struct histogram_total){.count = 0};
    for (int32_t i = 0; i < registry->shard_count; i++) {
        histogram_read(&registry->shards[i].times[metric], total);
    }
}

uint64_t metrics_time_count(const struct metrics_registry *registry, enum metric_times metric)
{
    struct histogram_total total;
    metrics_read_times(registry, metric, &total);
    return total.count;
}

__attribute__((format(printf, 2, 3))) static void print(struct writer *writer, const char *format,
                                                        ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && size < (int)sizeof line);
    writer_bytes(writer, line, (size_t)size);
}

static void print_head(struct writer *writer, const struct metric_row *row)
{
    print(writer, "# HELP %s %s (%s%s%s).\n# TYPE %s %s\n", row->name, row->doc, row->unit,
          row->mbean[0] != '\0' ? "; " : "", row->mbean, row->name, row->type);
}

/* label is "" or request="NAME"; times go out in milliseconds, as Kafka's do. */
static void print_times(struct writer *writer, const char *name, const char *label,
                        const struct histogram_total *total)
{
    static const uint16_t permilles[] = {500, 750, 950, 980, 990, 999};
    const char *comma = label[0] != '\0' ? "," : "";
    const char *open = label[0] != '\0' ? "{" : "";
    const char *close = label[0] != '\0' ? "}" : "";
    for (size_t i = 0; i < sizeof permilles / sizeof permilles[0]; i++) {
        print(writer, "%s{%s%squantile=\"%g\"} %.3f\n", name, label, comma, permilles[i] / 1000.0,
              (double)histogram_percentile(total, permilles[i]) / US_A_MS);
    }
    print(writer, "%s_sum%s%s%s %.3f\n", name, open, label, close, (double)total->sum / US_A_MS);
    print(writer, "%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, total->count);
}

static void print_request_times(const struct metrics_registry *registry, struct writer *writer,
                                size_t metric)
{
    for (int16_t request = 0; request < registry->request_count; request++) {
        struct histogram_total total = {.count = 0};
        for (int32_t i = 0; i < registry->shard_count; i++) {
            const struct metrics_shard *shard = &registry->shards[i];
            histogram_read(&shard->request_times[metric * (size_t)shard->request_count +
                                                 (size_t)request], &total);
        }
        const char *name = registry->request_name(request);
        if (total.count > 0 && name != NULL) {
            char label[LINE_BYTES / 4];
            snprintf(label, sizeof label, "request=\"%s\"", name);
            print_times(writer, request_times_rows[metric].name, label, &total);
        }
    }
}

/* The text of a label: what ends it, or a line, is escaped. */
static void print_label_text(struct writer *writer, const char *text)
{
    for (; *text != '\0'; text++) {
        bool special = *text == '"' || *text == '\\' || *text == '\n';
        writer_bytes(writer, "\\", special ? 1 : 0);
        writer_bytes(writer, *text == '\n' ? "n" : text, 1);
    }
}

static void print_directories(const struct metrics_registry *registry, struct writer *writer,
                              enum metric_directory metric)
{
    const struct metric_row *row = &directory_rows[metric];
    print_head(writer, row);
    for (int32_t i = 0; i < BROKER_DIRS_MAX; i++) {
        const char *path = atomic_load(&registry->directories[i].path);
        if (path != NULL) {
            print(writer, "%s{logDirectory=\"", row->name);
            print_label_text(writer, path);
            print(writer, "\"} %" PRId64 "\n", metrics_directory_value(registry, metric, i));
        }
    }
}

void metrics_print(const struct metrics_registry *registry, struct writer *writer)
{
    for (size_t i = 0; i < METRIC_PLAIN_COUNT; i++) {
        print_head(writer, &plain_rows[i]);
        print(writer, "%s %" PRId64 "\n", plain_rows[i].name,
              metrics_value(registry, (enum metric_plain)i));
    }
    for (size_t i = 0; i < METRIC_DIRECTORY_COUNT; i++) {
        print_directories(registry, writer, (enum metric_directory)i);
    }
    for (size_t i = 0; i < METRIC_REQUEST_COUNT; i++) {
        print_head(writer, &request_rows[i]);
        for (int16_t request = 0; request < registry->request_count; request++) {
            const char *name = registry->request_name(request);
            int64_t value = metrics_request_value(registry, (enum metric_request)i, request);
            if (value != 0 && name != NULL) {
                print(writer, "%s{request=\"%s\"} %" PRId64 "\n", request_rows[i].name, name,
                      value);
            }
        }
    }
    for (size_t i = 0; i < METRIC_TIMES_COUNT; i++) {
        struct histogram_total total;
        metrics_read_times(registry, (enum metric_times)i, &total);
        print_head(writer, &times_rows[i]);
        print_times(writer, times_rows[i].name, "", &total);
    }
    for (size_t i = 0; i < METRIC_REQUEST_TIMES_COUNT; i++) {
        print_head(writer, &request_times_rows[i]);
        print_request_times(registry, writer, i);
    }
}
