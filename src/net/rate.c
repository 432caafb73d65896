#include "net/rate.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

int net_rate_init(struct net_rate *rate, int32_t sample_count, int64_t window_ms)
{
    ASSERT(sample_count > 0 && window_ms > 0);
    int32_t kept = sample_count < NET_RATE_SAMPLES_MAX ? sample_count : NET_RATE_SAMPLES_MAX;
    *rate = (struct net_rate){.sample_count = kept, .window_ms = window_ms};
    rate->samples = mem_alloc((size_t)kept * sizeof *rate->samples);
    if (rate->samples == NULL) {
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < kept; i++) {
        rate->samples[i] = (struct net_rate_sample){.began_ms = -1};
    }
    return 0;
}

void net_rate_release(struct net_rate *rate)
{
    mem_free(rate->samples);
    rate->samples = NULL;
}

/* Forgets what is older than all windows together and gives the count of the rest. */
static int64_t rate_total(struct net_rate *rate, int64_t now_ms, int64_t *oldest_ms)
{
    int64_t total = 0;
    *oldest_ms = now_ms;
    for (int32_t i = 0; i < rate->sample_count; i++) {
        struct net_rate_sample *sample = &rate->samples[i];
        if (sample->began_ms >= 0 &&
            now_ms - sample->began_ms >= rate->sample_count * rate->window_ms) {
            *sample = (struct net_rate_sample){.began_ms = -1};
        }
        if (sample->began_ms >= 0) {
            total += sample->count;
            *oldest_ms = sample->began_ms < *oldest_ms ? sample->began_ms : *oldest_ms;
        }
    }
    return total;
}

/* A young rate counts as if all but one of its windows had passed, so that the first few of a start
 * do not look like a storm. */
static int64_t rate_span_ms(const struct net_rate *rate, int64_t elapsed_ms)
{
    int64_t missing = rate->sample_count - 1 - elapsed_ms / rate->window_ms;
    int64_t span_ms = elapsed_ms + (missing > 0 ? missing * rate->window_ms : 0);
    return span_ms > rate->window_ms ? span_ms : rate->window_ms;
}

int64_t net_rate_count(struct net_rate *rate, double a_second_max, int64_t now_ms)
{
    struct net_rate_sample *current = &rate->samples[rate->current];
    if (current->began_ms >= 0 && now_ms - current->began_ms >= rate->window_ms) {
        rate->current = (rate->current + 1) % rate->sample_count;
        current = &rate->samples[rate->current];
        *current = (struct net_rate_sample){.began_ms = -1};
    }
    if (current->began_ms < 0) {
        current->began_ms = now_ms;
    }
    current->count++;
    int64_t oldest_ms;
    int64_t total = rate_total(rate, now_ms, &oldest_ms);
    int64_t span_ms = rate_span_ms(rate, now_ms - oldest_ms);
    double a_second = (double)total * 1000.0 / (double)span_ms;
    if (a_second <= a_second_max) {
        return 0;
    }
    double wait_ms = a_second_max > 0 ? (a_second - a_second_max) / a_second_max * (double)span_ms
                                      : (double)rate->window_ms;
    return wait_ms < 1                          ? 1
           : wait_ms < (double)rate->window_ms ? (int64_t)wait_ms
                                                : rate->window_ms;
}
