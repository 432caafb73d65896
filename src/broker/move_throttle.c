#include "broker/move_throttle.h"

#include "base/assert.h"
#include "base/limits.h"

/* More than any debt, and twice of it is a number. */
#define PAID_BYTES_MAX (INT64_MAX / 4)

static int64_t paid_off(int64_t elapsed_us, int64_t bytes_a_second)
{
    int64_t bytes;
    return __builtin_mul_overflow(elapsed_us, bytes_a_second, &bytes) ? PAID_BYTES_MAX
                                                                      : bytes / 1000000;
}

void move_throttle_init(struct move_throttle *throttle, int64_t samples, int64_t sample_seconds)
{
    ASSERT(samples >= 1 && sample_seconds >= 1);
    int64_t window_us;
    if (__builtin_mul_overflow(samples - 1, sample_seconds * 1000000, &window_us)) {
        window_us = INT64_MAX;
    }
    *throttle = (struct move_throttle){.saved_us = window_us};
}

int64_t move_throttle_wait_ms(struct move_throttle *throttle, int64_t bytes_a_second,
                              int64_t now_us)
{
    int64_t before_us = atomic_load(&throttle->paid_us);
    ASSERT(bytes_a_second >= 0);
    if (bytes_a_second == INT64_MAX) {
        atomic_store(&throttle->debt_bytes, 0);
        return 0;
    }
    /* Two threads that come at once pay together, not twice. */
    if (now_us > before_us &&
        atomic_compare_exchange_strong(&throttle->paid_us, &before_us, now_us)) {
        int64_t paid = paid_off(now_us - before_us, bytes_a_second);
        int64_t least = before_us == 0 || now_us - before_us > throttle->saved_us
                            ? 0
                            : -paid_off(throttle->saved_us, bytes_a_second);
        int64_t debt = atomic_load(&throttle->debt_bytes);
        while (!atomic_compare_exchange_weak(&throttle->debt_bytes, &debt,
                                             debt - least > paid ? debt - paid : least)) {
        }
    }
    int64_t debt = atomic_load(&throttle->debt_bytes);
    if (bytes_a_second == 0) {
        return MOVE_THROTTLE_WAIT_MS;
    }
    if (debt <= 0) {
        return 0;
    }
    int64_t wait_ms = debt / ((bytes_a_second + 999) / 1000) + 1;
    return wait_ms < MOVE_THROTTLE_WAIT_MS ? wait_ms : MOVE_THROTTLE_WAIT_MS;
}

void move_throttle_add(struct move_throttle *throttle, size_t bytes)
{
    atomic_fetch_add(&throttle->debt_bytes, (int64_t)bytes);
}
