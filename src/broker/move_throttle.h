/* move_throttle.h: replica.alter.log.dirs.io.max.bytes.per.second: how fast partitions move between
 * log directories, all of a broker together.
 *
 * What was copied is a debt that is paid off at the rate; nothing is copied while there is one. So
 * the rate holds from the first piece on, and a change of it counts at once. As with Apache Kafka
 * the rate is the mean over a window of samples: what moves leave of it is saved for pieces to
 * come, as far as the samples before this one reach back, and lost once nothing moves for so long.
 * Thread: any. */
#ifndef BNB_BROKER_MOVE_THROTTLE_H
#define BNB_BROKER_MOVE_THROTTLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct move_throttle {
    _Atomic int64_t debt_bytes; /* below zero: saved */
    _Atomic int64_t paid_us;    /* up to when */
    int64_t saved_us;           /* the most that is saved, as time; set before the first use */
};
/* alter.log.dirs.replication.quota.window.num and .size.seconds. */
void move_throttle_init(struct move_throttle *throttle, int64_t samples, int64_t sample_seconds);
/* How long to wait before the next piece; at most MOVE_THROTTLE_WAIT_MS, since the rate may change.
 * rate INT64_MAX: none; 0: nothing moves. */
int64_t move_throttle_wait_ms(struct move_throttle *throttle, int64_t bytes_a_second,
                              int64_t now_us);
void move_throttle_add(struct move_throttle *throttle, size_t bytes);

#endif
