/* loop.h: one thread's event loop: readiness, timers, mail from other threads, jobs on helpers.
 *
 * A loop is created, run and destroyed by one thread, which is the only one that may call anything
 * here but loop_post and loop_stop. Watches, timers, mail and jobs are embedded in their owners;
 * their memory must stay until they are removed or have completed.
 * Bounds: one epoll wait handles LOOP_EVENTS_MAX events; helper threads are fixed at creation.
 * Errors: creation only. */
#ifndef BNB_IO_LOOP_H
#define BNB_IO_LOOP_H

#include "base/limits.h"
#include "io/wheel.h"

struct loop;

enum loop_ready {
    LOOP_READABLE = 1,
    LOOP_WRITABLE = 2,
};

/* A watched descriptor. ready gets what is possible now; errors and hang-ups count as both. */
struct loop_watch {
    int descriptor;
    unsigned interest;
    void (*ready)(struct loop_watch *watch, unsigned what);
};

/* A message to the loop: run is called on its thread, in the order of posting. */
struct loop_mail {
    struct loop_mail *next;
    void (*run)(struct loop_mail *mail);
};

/* Work that may block: work runs on a helper thread, then done on the loop. */
struct loop_job {
    struct loop_mail mail; /* brings the job home */
    struct loop *loop;
    struct loop_job *next;
    void (*work)(struct loop_job *job);
    void (*done)(struct loop_job *job);
};

/* Called once at the end of each turn in which anything happened: what is due for many is done
 * here in one go. */
struct loop_hook {
    struct list node;
    void (*turn_end)(struct loop_hook *hook);
};

int loop_create(unsigned helper_count, struct loop **created);
/* Joins the helpers; every job must be done and every timer cancelled. */
void loop_destroy(struct loop **loop);
/* Runs it on a thread of its own until loop_stop; then the jobs still under way are brought home
 * there, and loop_join returns. */
int loop_start(struct loop *loop);
void loop_join(struct loop *loop);
/* Runs it on the caller's thread; returns after loop_stop. */
void loop_run(struct loop *loop);
/* After loop_run, or after loop_join for another thread's: waits for the jobs that are still under
 * way, brings them home and delivers the mail. Whether there was anything. */
bool loop_drain(struct loop *loop);
/* Thread: any; also from a signal handler. */
void loop_stop(struct loop *loop);

int loop_watch_add(struct loop *loop, struct loop_watch *watch, unsigned interest);
void loop_watch_set(struct loop *loop, struct loop_watch *watch, unsigned interest);
/* No call of ready follows, not even for an event of this turn. */
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

void loop_timer_arm(struct loop *loop, struct timer *timer, int64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct timer *timer);
/* Thread: any. mail is the loop's until run is called. */
void loop_post(struct loop *loop, struct loop_mail *mail);
void loop_submit(struct loop *loop, struct loop_job *job);
void loop_hook_add(struct loop *loop, struct loop_hook *hook);

/* Time at the start of this turn: monotonic, and since the epoch. */
int64_t loop_monotonic_ms(const struct loop *loop);
int64_t loop_wall_ms(const struct loop *loop);

#endif
