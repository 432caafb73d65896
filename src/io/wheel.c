#include "io/wheel.h"

#include "base/assert.h"

static struct list *wheel_slot(struct wheel *wheel, int64_t tick_ms)
{
    return &wheel->slots[(uint64_t)tick_ms % WHEEL_SLOTS];
}

void wheel_init(struct wheel *wheel, int64_t now_ms)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
    wheel->now_ms = now_ms;
    wheel->earliest_ms = INT64_MAX;
    wheel->armed_count = 0;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    list_init(&timer->node);
    timer->deadline_ms = 0;
    timer->fire = fire;
}

void wheel_arm(struct wheel *wheel, struct timer *timer, int64_t deadline_ms)
{
    wheel_cancel(wheel, timer);
    timer->deadline_ms = deadline_ms > wheel->now_ms ? deadline_ms : wheel->now_ms + 1;
    list_push_back(wheel_slot(wheel, timer->deadline_ms), &timer->node);
    if (timer->deadline_ms < wheel->earliest_ms) {
        wheel->earliest_ms = timer->deadline_ms;
    }
    wheel->armed_count++;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    if (timer_is_armed(timer)) {
        list_remove(&timer->node);
        ASSERT(wheel->armed_count > 0);
        wheel->armed_count--;
    }
}

/* The due timers of one slot. They are taken one at a time, because each may cancel the next. */
static void wheel_fire_slot(struct wheel *wheel, struct list *slot)
{
    struct list due;
    list_init(&due);
    LIST_FOR_EACH_SAFE(node, slot)
    {
        if (CONTAINER_OF(node, struct timer, node)->deadline_ms <= wheel->now_ms) {
            list_remove(node);
            list_push_back(&due, node);
        }
    }
    while (!list_empty(&due)) {
        struct timer *timer = CONTAINER_OF(due.next, struct timer, node);
        wheel_cancel(wheel, timer);
        timer->fire(timer);
    }
}

void wheel_advance(struct wheel *wheel, int64_t now_ms)
{
    /* After a long pause one pass over all slots is enough: each fires all that is due. */
    if (now_ms - wheel->now_ms > WHEEL_SLOTS) {
        wheel->now_ms = now_ms - WHEEL_SLOTS;
    }
    while (wheel->now_ms < now_ms && wheel->earliest_ms <= now_ms && wheel->armed_count > 0) {
        wheel->now_ms++;
        wheel_fire_slot(wheel, wheel_slot(wheel, wheel->now_ms));
    }
    wheel->now_ms = now_ms > wheel->now_ms ? now_ms : wheel->now_ms;
}

/* The deadline of the next timer within one turn of the wheel, or its end. */
static int64_t wheel_find_earliest(const struct wheel *wheel)
{
    for (int64_t at_ms = wheel->now_ms + 1; at_ms < wheel->now_ms + WHEEL_SLOTS; at_ms++) {
        const struct list *slot = &wheel->slots[(uint64_t)at_ms % WHEEL_SLOTS];
        LIST_FOR_EACH(node, slot)
        {
            if (CONTAINER_OF(node, struct timer, node)->deadline_ms <= at_ms) {
                return at_ms;
            }
        }
    }
    return wheel->now_ms + WHEEL_SLOTS;
}

int64_t wheel_wait_ms(struct wheel *wheel, int64_t limit_ms)
{
    if (wheel->armed_count == 0) {
        wheel->earliest_ms = INT64_MAX;
        return limit_ms;
    }
    if (wheel->earliest_ms <= wheel->now_ms) {
        wheel->earliest_ms = wheel_find_earliest(wheel);
    }
    int64_t wait_ms = wheel->earliest_ms - wheel->now_ms;
    return wait_ms < limit_ms ? wait_ms : limit_ms;
}
