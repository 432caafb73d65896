#include "metrics/histogram.h"

#include "base/assert.h"

#define PARTS (1u << HISTOGRAM_PARTS_LOG2)
#define VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_LOG2_MAX) - 1)

/* The power of two of a value chooses a row of PARTS buckets, the bits after its highest one the
 * bucket in it. Row 0 holds the values below PARTS. */
static size_t histogram_bucket(uint64_t value)
{
    if (value < PARTS) {
        return (size_t)value;
    }
    value = value < VALUE_MAX ? value : VALUE_MAX;
    unsigned log2 = 63 - (unsigned)__builtin_clzll(value);
    unsigned shift = log2 - HISTOGRAM_PARTS_LOG2;
    size_t bucket = ((size_t)shift << HISTOGRAM_PARTS_LOG2) + (size_t)(value >> shift);
    ASSERT(bucket < HISTOGRAM_BUCKETS);
    return bucket;
}

/* The largest value of a bucket. */
static uint64_t histogram_bucket_last(size_t bucket)
{
    if (bucket < PARTS) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_PARTS_LOG2) - 1;
    uint64_t first = (uint64_t)(PARTS + bucket % PARTS) << shift;
    return first + (UINT64_C(1) << shift) - 1;
}

static void add_relaxed(_Atomic uint64_t *value, uint64_t added)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + added,
                          memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    add_relaxed(&histogram->counts[histogram_bucket(value)], 1);
    add_relaxed(&histogram->sum, value);
}

void histogram_read(const struct histogram *histogram, struct histogram_total *total)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        total->counts[i] += count;
        total->count += count;
    }
    total->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}

uint64_t histogram_percentile(const struct histogram_total *total, uint32_t permille)
{
    ASSERT(permille <= 1000);
    uint64_t wanted = (total->count / 1000) * permille +
                      ((total->count % 1000) * permille + 999) / 1000;
    wanted = wanted > 0 ? wanted : 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += total->counts[i];
        if (seen >= wanted) {
            return histogram_bucket_last(i);
        }
    }
    return 0;
}
