#include "net/memory.h"

#include "base/limits.h"

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

void net_memory_plan(const struct net_memory_options *options, struct net_memory *memory)
{
    ASSERT(options->shard_count > 0);
    int64_t available = options->available_bytes - PROCESS_MEMORY_BYTES;
    available = available > 0 ? available : 0;
    int64_t first = clamp(available / 16, NET_FIRST_MEMORY_MIN, NET_FIRST_MEMORY_MAX);
    int64_t rest = clamp(available * 3 / 16, NET_FIRST_MEMORY_MIN, NET_REST_MEMORY_MAX);
    /* One request of the largest size fits, unless that alone is a third of the memory. */
    int64_t one = smaller(options->request_bytes_max, available * 5 / 16);
    if (options->queued_bytes > 0) {
        first = clamp(options->queued_bytes / 4, NET_FIRST_MEMORY_MIN, NET_FIRST_MEMORY_MAX);
        rest = smaller(options->queued_bytes - options->queued_bytes / 4, available);
        one = options->request_bytes_max;
    }
    rest = rest > one ? rest : one;
    int64_t work = clamp(available / 4, NET_WORK_MEMORY_MIN, NET_WORK_MEMORY_MAX);
    int64_t scratch = clamp(available / 8 / options->shard_count, NET_FIRST_MEMORY_MIN,
                            SCRATCH_BYTES_MAX);
    memory->first.max_bytes = (size_t)first;
    memory->rest.max_bytes = (size_t)rest;
    memory->work.max_bytes = (size_t)work;
    memory->sessions.max_bytes = (size_t)work / 8;
    memory->begun.max_bytes = (size_t)first / 2;
    memory->scratch_bytes = (size_t)scratch;
    memory->cleaner_bytes = (size_t)clamp(available / CLEAN_MEMORY_SHARE, CLEAN_MEMORY_MIN,
                                          INT64_MAX);
    memory->request_bytes_max = (int32_t)smaller(options->request_bytes_max, rest);
    memory->total_bytes = (size_t)(first + rest + work + work / 8 +
                                   2 * scratch * options->shard_count);
}

static size_t memory_first(size_t frame_size)
{
    return frame_size < NET_FIRST_BYTES ? frame_size : NET_FIRST_BYTES;
}

bool net_memory_begin(struct net_memory *memory, size_t frame_size)
{
    if (memory == NULL) {
        return true;
    }
    size_t first = memory_first(frame_size);
    bool is_long = first < frame_size;
    if (budget_used(&memory->work) > memory->work.max_bytes / 2 ||
        (is_long && !budget_take(&memory->begun, first))) {
        return false;
    }
    if (budget_take(&memory->first, first)) {
        return true;
    }
    budget_give(&memory->begun, is_long ? first : 0);
    return false;
}

bool net_memory_go_on(struct net_memory *memory, size_t frame_size)
{
    size_t first = memory_first(frame_size);
    ASSERT(first < frame_size);
    if (memory == NULL) {
        return true;
    }
    if (!budget_take(&memory->rest, frame_size - first)) {
        return false;
    }
    budget_give(&memory->begun, first);
    return true;
}

void net_memory_give_frame(struct net_memory *memory, size_t frame_size, bool with_rest)
{
    if (memory == NULL) {
        return;
    }
    size_t first = memory_first(frame_size);
    budget_give(&memory->first, first);
    if (with_rest) {
        budget_give(&memory->rest, frame_size - first);
    } else if (first < frame_size) {
        budget_give(&memory->begun, first);
    }
}

bool net_memory_is_ample(const struct net_memory *memory)
{
    return budget_used(&memory->first) <= memory->first.max_bytes / 2 &&
           budget_used(&memory->rest) <= memory->rest.max_bytes / 2 &&
           budget_used(&memory->work) <= memory->work.max_bytes / 4;
}
