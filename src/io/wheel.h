/* wheel.h: a hashed timing wheel with millisecond ticks. Pure: time is a parameter.
 *
 * The owner of a timer embeds it and must cancel it before its memory goes. Arming, moving and
 * cancelling are O(1); no timer costs anything while it waits. Thread: the loop that owns it. */
#ifndef BNB_IO_WHEEL_H
#define BNB_IO_WHEEL_H

#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"

struct timer {
    struct list node;
    int64_t deadline_ms;
    void (*fire)(struct timer *timer);
};
struct wheel {
    struct list slots[WHEEL_SLOTS];
    int64_t now_ms;      /* every timer due at or before it has fired */
    int64_t earliest_ms; /* no timer is due before it; a cancelled one may leave it too low */
    size_t armed_count;
};

void wheel_init(struct wheel *wheel, int64_t now_ms);
/* An initialised timer is not armed. */
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
static inline bool timer_is_armed(const struct timer *timer) { return !list_empty(&timer->node); }
/* now_ms + delay_ms; settings may say INT64_MAX for never. */
static inline int64_t wheel_deadline_ms(int64_t now_ms, int64_t delay_ms)
{
    return delay_ms < INT64_MAX - now_ms ? now_ms + delay_ms : INT64_MAX;
}
/* Arms or moves; a deadline in the past fires at the next advance. */
void wheel_arm(struct wheel *wheel, struct timer *timer, int64_t deadline_ms);
void wheel_cancel(struct wheel *wheel, struct timer *timer);
/* Fires what is due, in order of deadline between ticks. Timers may arm and cancel any timer. */
void wheel_advance(struct wheel *wheel, int64_t now_ms);
/* Milliseconds until something may be due, at most limit_ms. */
int64_t wheel_wait_ms(struct wheel *wheel, int64_t limit_ms);

#endif
