/* histogram.h: how often values of which size occurred, in a fixed number of buckets.
 *
 * Values below 8 have a bucket each; above, every power of two is cut into 8 equal parts, so that a
 * percentile is at most an eighth too high. What does not fit counts as the largest value.
 * Thread: one writer; read by any, with the counts of that moment.
 * Bounds: HISTOGRAM_BUCKETS, a constant.   Errors: none. */
#ifndef BNB_METRICS_HISTOGRAM_H
#define BNB_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_PARTS_LOG2 3
/* Values up to 2^36 - 1: in microseconds, nineteen hours. */
#define HISTOGRAM_VALUE_LOG2_MAX 36
#define HISTOGRAM_BUCKETS \
    ((HISTOGRAM_VALUE_LOG2_MAX - HISTOGRAM_PARTS_LOG2 + 1) << HISTOGRAM_PARTS_LOG2)

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum;
};
/* What was read of one or several histograms. Zeroed at the start. */
struct histogram_total {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum;
};

/* Thread: the writer. */
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_read(const struct histogram *histogram, struct histogram_total *total);
/* The smallest value that is at least as large as permille of a thousand values that were added,
 * rounded up to the end of its bucket; 0 when there is none. */
uint64_t histogram_percentile(const struct histogram_total *total, uint32_t permille);

#endif
