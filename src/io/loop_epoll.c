#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/system.h"

#define LOOP_HELPERS_MAX 16
#define LOOP_WAIT_MAX_MS 60000

struct loop {
    struct wheel wheel;
    struct list hooks;
    int epoll;
    int wake; /* eventfd */
    struct loop_watch wake_watch; /* only its address is used: it marks the event of wake */
    bool woken;
    int64_t monotonic_ms;
    int64_t wall_ms;
    atomic_bool stopping;
    struct epoll_event events[LOOP_EVENTS_MAX];
    int event_count;

    /* Mail that the loop's thread posts to itself: no lock, no wake-up. */
    _Atomic(pthread_t) owner; /* who runs it; 0: nobody yet */
    struct loop_mail *own_first;
    struct loop_mail **own_last;

    /* Mail of others, protected by mail_lock. */
    pthread_mutex_t mail_lock;
    struct loop_mail *mail_first;
    struct loop_mail **mail_last;

    /* Jobs, protected by job_lock. */
    pthread_mutex_t job_lock;
    pthread_cond_t job_ready;
    struct loop_job *job_first;
    struct loop_job **job_last;
    bool helpers_end;

    size_t jobs_under_way; /* of the loop's own thread */

    pthread_t thread; /* of loop_start */
    pthread_t helpers[LOOP_HELPERS_MAX];
    unsigned helper_count;
};

static void loop_read_clocks(struct loop *loop)
{
    loop->monotonic_ms = io_monotonic_ms();
    loop->wall_ms = io_wall_ms();
}

static void loop_job_home(struct loop_mail *mail)
{
    struct loop_job *job = CONTAINER_OF(mail, struct loop_job, mail);
    ASSERT(job->loop->jobs_under_way > 0);
    job->loop->jobs_under_way--;
    job->done(job);
}

static void *loop_helper(void *argument)
{
    struct loop *loop = argument;
    pthread_mutex_lock(&loop->job_lock);
    for (;;) {
        struct loop_job *job = loop->job_first;
        if (job == NULL && loop->helpers_end) {
            break;
        }
        if (job == NULL) {
            pthread_cond_wait(&loop->job_ready, &loop->job_lock);
            continue;
        }
        loop->job_first = job->next;
        if (loop->job_first == NULL) {
            loop->job_last = &loop->job_first;
        }
        pthread_mutex_unlock(&loop->job_lock);
        job->work(job);
        job->mail.run = loop_job_home;
        loop_post(job->loop, &job->mail);
        pthread_mutex_lock(&loop->job_lock);
    }
    pthread_mutex_unlock(&loop->job_lock);
    return NULL;
}

/* The default stack, 8 MiB, would be most of what a process with little room may have. What fails
 * for want of room is told as EAGAIN, as if it would pass. */
static int loop_thread_create(pthread_t *thread, void *(*run)(void *), struct loop *loop)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        error = pthread_attr_setstacksize(&attributes, LOOP_STACK_BYTES);
        error = error != 0 ? error : pthread_create(thread, &attributes, run, loop);
        pthread_attr_destroy(&attributes);
    }
    return error == EAGAIN ? ERR_NOMEM : err_from_errno(error);
}

int loop_create(unsigned helper_count, struct loop **created)
{
    ASSERT(helper_count <= LOOP_HELPERS_MAX);
    struct loop *loop = mem_calloc(1, sizeof *loop);
    if (loop == NULL) {
        return ERR_NOMEM;
    }
    loop_read_clocks(loop);
    wheel_init(&loop->wheel, loop->monotonic_ms);
    list_init(&loop->hooks);
    pthread_mutex_init(&loop->mail_lock, NULL);
    pthread_mutex_init(&loop->job_lock, NULL);
    pthread_cond_init(&loop->job_ready, NULL);
    loop->mail_last = &loop->mail_first;
    loop->own_last = &loop->own_first;
    loop->job_last = &loop->job_first;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->wake_watch};
    int error = loop->epoll < 0 || loop->wake < 0 ||
                        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0
                    ? err_from_errno(errno)
                    : 0;
    while (error == 0 && loop->helper_count < helper_count) {
        error = loop_thread_create(&loop->helpers[loop->helper_count], loop_helper, loop);
        loop->helper_count += error == 0;
    }
    *created = loop;
    if (error != 0) {
        loop_destroy(created);
    }
    return error;
}

void loop_destroy(struct loop **destroyed)
{
    struct loop *loop = *destroyed;
    *destroyed = NULL;
    ASSERT(loop->wheel.armed_count == 0);
    pthread_mutex_lock(&loop->job_lock);
    loop->helpers_end = true;
    pthread_cond_broadcast(&loop->job_ready);
    pthread_mutex_unlock(&loop->job_lock);
    for (unsigned i = 0; i < loop->helper_count; i++) {
        pthread_join(loop->helpers[i], NULL);
    }
    if (loop->epoll >= 0) {
        close(loop->epoll);
    }
    if (loop->wake >= 0) {
        close(loop->wake);
    }
    pthread_cond_destroy(&loop->job_ready);
    pthread_mutex_destroy(&loop->job_lock);
    pthread_mutex_destroy(&loop->mail_lock);
    mem_free(loop);
}

static void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake, &one, sizeof one);
    (void)written; /* a full counter wakes as well */
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    loop_wake(loop);
}

void loop_post(struct loop *loop, struct loop_mail *mail)
{
    mail->next = NULL;
    if (pthread_equal(atomic_load_explicit(&loop->owner, memory_order_relaxed), pthread_self())) {
        *loop->own_last = mail;
        loop->own_last = &mail->next;
        return;
    }
    pthread_mutex_lock(&loop->mail_lock);
    bool was_empty = loop->mail_first == NULL;
    *loop->mail_last = mail;
    loop->mail_last = &mail->next;
    pthread_mutex_unlock(&loop->mail_lock);
    if (was_empty) {
        loop_wake(loop);
    }
}

void loop_submit(struct loop *loop, struct loop_job *job)
{
    ASSERT(loop->helper_count > 0);
    loop->jobs_under_way++;
    job->loop = loop;
    job->next = NULL;
    pthread_mutex_lock(&loop->job_lock);
    *loop->job_last = job;
    loop->job_last = &job->next;
    pthread_cond_signal(&loop->job_ready);
    pthread_mutex_unlock(&loop->job_lock);
}

static bool loop_deliver(struct loop_mail *mail)
{
    bool any = mail != NULL;
    while (mail != NULL) {
        struct loop_mail *next = mail->next;
        mail->run(mail);
        mail = next;
    }
    return any;
}

/* What is posted meanwhile comes with the next turn. */
static bool loop_run_own_mail(struct loop *loop)
{
    struct loop_mail *mail = loop->own_first;
    loop->own_first = NULL;
    loop->own_last = &loop->own_first;
    return loop_deliver(mail);
}

/* Takes all mail of others under the lock and runs it outside. */
static bool loop_run_mail(struct loop *loop)
{
    uint64_t count;
    ssize_t got = read(loop->wake, &count, sizeof count);
    (void)got; /* nothing to read: somebody else's post emptied it */
    loop->woken = false;
    pthread_mutex_lock(&loop->mail_lock);
    struct loop_mail *mail = loop->mail_first;
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
    pthread_mutex_unlock(&loop->mail_lock);
    return loop_deliver(mail);
}

static void loop_run_events(struct loop *loop)
{
    for (int i = 0; i < loop->event_count; i++) {
        struct loop_watch *watch = loop->events[i].data.ptr;
        uint32_t flags = loop->events[i].events;
        if (watch == &loop->wake_watch) {
            loop->woken = true;
        } else if (watch != NULL) {
            bool broken = (flags & (EPOLLERR | EPOLLHUP)) != 0;
            unsigned what = (flags & EPOLLIN || broken ? LOOP_READABLE : 0u) |
                            (flags & EPOLLOUT || broken ? LOOP_WRITABLE : 0u);
            watch->ready(watch, what);
        }
    }
    loop->event_count = 0;
}

void loop_run(struct loop *loop)
{
    atomic_store(&loop->owner, pthread_self());
    while (!atomic_load(&loop->stopping)) {
        int64_t wait_ms =
            loop->own_first != NULL ? 0 : wheel_wait_ms(&loop->wheel, LOOP_WAIT_MAX_MS);
        int count = epoll_wait(loop->epoll, loop->events, LOOP_EVENTS_MAX, (int)wait_ms);
        loop->event_count = count > 0 ? count : 0;
        loop_read_clocks(loop);
        loop_run_events(loop);
        if (loop->woken) {
            (void)loop_run_mail(loop);
        }
        (void)loop_run_own_mail(loop);
        wheel_advance(&loop->wheel, loop->monotonic_ms);
        LIST_FOR_EACH_SAFE(node, &loop->hooks)
        {
            struct loop_hook *hook = CONTAINER_OF(node, struct loop_hook, node);
            hook->turn_end(hook);
        }
    }
}

bool loop_drain(struct loop *loop)
{
    bool any = false;
    while (loop->jobs_under_way > 0) {
        struct epoll_event event;
        /* Only the wake-up is of interest: connections are not served any more. */
        (void)epoll_wait(loop->epoll, &event, 1, 1);
        loop_read_clocks(loop);
        any |= loop_run_mail(loop);
    }
    any |= loop_run_mail(loop);
    return loop_run_own_mail(loop) || any;
}

static void *loop_thread(void *argument)
{
    loop_run(argument);
    (void)loop_drain(argument);
    return NULL;
}

int loop_start(struct loop *loop)
{
    return loop_thread_create(&loop->thread, loop_thread, loop);
}

void loop_join(struct loop *loop) { pthread_join(loop->thread, NULL); }

static int loop_control(struct loop *loop, int operation, struct loop_watch *watch)
{
    struct epoll_event event = {
        .events = (watch->interest & LOOP_READABLE ? EPOLLIN : 0u) |
                  (watch->interest & LOOP_WRITABLE ? EPOLLOUT : 0u),
        .data.ptr = watch,
    };
    int result = epoll_ctl(loop->epoll, operation, watch->descriptor, &event);
    return result == 0 ? 0 : err_from_errno(errno);
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, unsigned interest)
{
    watch->interest = interest;
    return loop_control(loop, EPOLL_CTL_ADD, watch);
}

void loop_watch_set(struct loop *loop, struct loop_watch *watch, unsigned interest)
{
    if (watch->interest != interest) {
        watch->interest = interest;
        int error = loop_control(loop, EPOLL_CTL_MOD, watch);
        ASSERT(error == 0);
    }
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
    (void)loop_control(loop, EPOLL_CTL_DEL, watch);
    for (int i = 0; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

void loop_timer_arm(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    wheel_arm(&loop->wheel, timer, wheel_deadline_ms(loop->monotonic_ms, delay_ms));
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    wheel_cancel(&loop->wheel, timer);
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
    list_push_back(&loop->hooks, &hook->node);
}

int64_t loop_monotonic_ms(const struct loop *loop)
{
    return loop->monotonic_ms;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}
