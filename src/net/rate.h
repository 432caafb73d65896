/* rate.h: how often something happens a second, over the last windows, as Apache Kafka's quotas
 * measure it, and how long to wait so that a bound is kept.
 *
 * Pure: the time is a parameter. The owner embeds it.   Thread: one.
 * Bounds: NET_RATE_SAMPLES_MAX.
 * Errors: initialisation only. */
#ifndef BNB_NET_RATE_H
#define BNB_NET_RATE_H

#include <stdint.h>

struct net_rate_sample {
    int64_t began_ms; /* -1: not used yet */
    int64_t count;
};
struct net_rate {
    struct net_rate_sample *samples;
    int32_t sample_count;
    int32_t current;
    int64_t window_ms; /* of one sample */
};

/* sample_count is cut to what is allowed. ERR_NOMEM. */
int net_rate_init(struct net_rate *rate, int32_t sample_count, int64_t window_ms);
void net_rate_release(struct net_rate *rate);
/* Counts one. What its cause has to wait, so that no more than a_second_max come a second on the
 * average of all windows: 0 when it is within the bound, at most one window. */
int64_t net_rate_count(struct net_rate *rate, double a_second_max, int64_t now_ms);

#endif
