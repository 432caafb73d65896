/* loop_sim.c: the loops of io/loop.h on virtual time: every shard and every helper in one thread.
 *
 * The loop that is run (shard 0's) is the scheduler: it hands out turns to all loops in a seeded
 * order, lets the world's events happen, and when nothing is left to do moves the clock on. A job
 * of a helper is an event of its own, some time after it was submitted. */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/system.h"
#include "net.h"
#include "sim.h"

#define LOOP_WAIT_MAX_MS 60000
#define LOOP_JOB_MAX_MS 20
/* Turns in which nothing became of anything: a loop that spins. */
#define LOOP_SPIN_MAX 100000

struct loop {
    struct list in_world;
    struct wheel wheel;
    struct list hooks;
    struct list watches;
    struct loop_mail *mail_first;
    struct loop_mail **mail_last;
    struct list jobs; /* that no helper has begun */
    size_t jobs_under_way;
    bool stopping;
    bool runs; /* loop_start or loop_run */
};
struct watch_item {
    struct list node;
    struct loop_watch *watch;
};
struct job_event {
    struct list node;
    struct sim_event event;
    struct loop_job *job;
};

static struct list *loops(void)
{
    static struct list all;
    if (all.next == NULL) {
        list_init(&all);
    }
    return &all;
}

int loop_create(unsigned helper_count, struct loop **created)
{
    (void)helper_count;
    struct loop *loop = mem_need(sizeof *loop);
    *loop = (struct loop){.stopping = false};
    wheel_init(&loop->wheel, io_monotonic_ms());
    list_init(&loop->hooks);
    list_init(&loop->watches);
    list_init(&loop->jobs);
    loop->mail_last = &loop->mail_first;
    list_push_back(loops(), &loop->in_world);
    *created = loop;
    return 0;
}

void loop_destroy(struct loop **loop)
{
    ASSERT((*loop)->jobs_under_way == 0 && (*loop)->wheel.armed_count == 0);
    LIST_FOR_EACH_SAFE(item, &(*loop)->watches)
    {
        mem_free(CONTAINER_OF(item, struct watch_item, node));
    }
    list_remove(&(*loop)->in_world);
    mem_free(*loop);
    *loop = NULL;
}

static bool loop_run_mail(struct loop *loop)
{
    struct loop_mail *mail = loop->mail_first;
    bool any = mail != NULL;
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
    while (mail != NULL) {
        struct loop_mail *next = mail->next;
        sim_work_begin(sim_world);
        mail->run(mail);
        sim_work_end(sim_world);
        mail = next;
    }
    return any;
}

static bool loop_run_watches(struct loop *loop)
{
    struct net *net = sim_world->net;
    struct loop_watch *ready[LOOP_EVENTS_MAX];
    size_t count = 0;
    LIST_FOR_EACH(item, &loop->watches)
    {
        struct loop_watch *watch = CONTAINER_OF(item, struct watch_item, node)->watch;
        if (count < LOOP_EVENTS_MAX &&
            net_readiness(net, watch->descriptor, watch->interest) != 0) {
            ready[count++] = watch;
        }
    }
    for (size_t i = 0; i < count; i++) {
        /* One that ran before may have removed it. */
        LIST_FOR_EACH(item, &loop->watches)
        {
            struct loop_watch *watch = CONTAINER_OF(item, struct watch_item, node)->watch;
            if (watch == ready[i]) {
                unsigned what = net_readiness(net, watch->descriptor, watch->interest);
                if (what != 0) {
                    watch->ready(watch, what);
                }
                break;
            }
        }
    }
    return count > 0;
}

/* One turn, when there is anything to do. */
static bool loop_turn(struct loop *loop)
{
    bool any = loop_run_watches(loop);
    any |= loop_run_mail(loop);
    int64_t now_ms = io_monotonic_ms();
    any |= wheel_wait_ms(&loop->wheel, LOOP_WAIT_MAX_MS) == 0 || loop->wheel.now_ms < now_ms;
    if (any) {
        sim_work_begin(sim_world);
        wheel_advance(&loop->wheel, now_ms);
        sim_work_end(sim_world);
        LIST_FOR_EACH_SAFE(item, &loop->hooks)
        {
            struct loop_hook *hook = CONTAINER_OF(item, struct loop_hook, node);
            sim_work_begin(sim_world);
            hook->turn_end(hook);
            sim_work_end(sim_world);
        }
    }
    return any;
}

/* Each running loop may have a turn; which of them do is the seed's choice. */
static bool loops_turn(struct sim *sim)
{
    bool any = false;
    LIST_FOR_EACH_SAFE(item, loops())
    {
        struct loop *loop = CONTAINER_OF(item, struct loop, in_world);
        if (loop->runs && !loop->stopping && !sim->dead) {
            if (sim_chance(sim, 25)) {
                any = true; /* it was not on the processor */
            } else {
                any |= loop_turn(loop);
            }
        }
    }
    return any;
}

static int64_t loops_next_ms(const struct sim *sim)
{
    int64_t next_ms = sim_next_ms(sim, sim->now_ms + LOOP_WAIT_MAX_MS);
    LIST_FOR_EACH(item, loops())
    {
        struct loop *loop = CONTAINER_OF(item, struct loop, in_world);
        if (loop->runs && !loop->stopping) {
            int64_t due_ms = loop->wheel.now_ms + wheel_wait_ms(&loop->wheel, LOOP_WAIT_MAX_MS);
            next_ms = due_ms < next_ms ? due_ms : next_ms;
        }
    }
    return next_ms;
}

void loop_run(struct loop *loop)
{
    struct sim *sim = sim_world;
    int spins = 0;
    loop->runs = true;
    while (!loop->stopping && !sim->dead && !sim->failed) {
        bool any = sim_run_due(sim);
        any |= loops_turn(sim);
        if (any && ++spins < LOOP_SPIN_MAX) {
            continue;
        }
        if (spins == LOOP_SPIN_MAX) {
            sim_fail(sim, "a loop spins");
        }
        spins = 0;
        int64_t next_ms = loops_next_ms(sim);
        sim->now_ms = next_ms > sim->now_ms ? next_ms : sim->now_ms + 1;
    }
}

int loop_start(struct loop *loop)
{
    loop->runs = true;
    return 0;
}

void loop_stop(struct loop *loop) { loop->stopping = true; }

int loop_watch_add(struct loop *loop, struct loop_watch *watch, unsigned interest)
{
    struct watch_item *item = mem_need(sizeof *item);
    item->watch = watch;
    watch->interest = interest;
    list_push_back(&loop->watches, &item->node);
    return 0;
}

void loop_watch_set(struct loop *loop, struct loop_watch *watch, unsigned interest)
{
    (void)loop;
    watch->interest = interest;
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
    LIST_FOR_EACH_SAFE(item, &loop->watches)
    {
        struct watch_item *found = CONTAINER_OF(item, struct watch_item, node);
        if (found->watch == watch) {
            list_remove(&found->node);
            mem_free(found);
        }
    }
}

void loop_timer_arm(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    wheel_arm(&loop->wheel, timer, wheel_deadline_ms(io_monotonic_ms(), delay_ms));
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    wheel_cancel(&loop->wheel, timer);
}

void loop_post(struct loop *loop, struct loop_mail *mail)
{
    mail->next = NULL;
    *loop->mail_last = mail;
    loop->mail_last = &mail->next;
}

static void loop_job_home(struct loop_mail *mail)
{
    struct loop_job *job = CONTAINER_OF(mail, struct loop_job, mail);
    job->loop->jobs_under_way--;
    job->done(job);
}

static void loop_job_run(struct sim_event *event)
{
    struct job_event *item = CONTAINER_OF(event, struct job_event, event);
    struct loop_job *job = item->job;
    list_remove(&item->node);
    mem_free(item);
    sim_work_begin(sim_world);
    job->work(job);
    sim_work_end(sim_world);
    job->mail.run = loop_job_home;
    loop_post(job->loop, &job->mail);
}

void loop_submit(struct loop *loop, struct loop_job *job)
{
    struct sim *sim = sim_world;
    struct job_event *item = mem_need(sizeof *item);
    *item = (struct job_event){.event.run = loop_job_run, .job = job};
    loop->jobs_under_way++;
    job->loop = loop;
    list_push_back(&loop->jobs, &item->node);
    int64_t most_ms = LOOP_JOB_MAX_MS + sim->slow_ms; /* a slow disk: the helpers wait for it */
    sim_schedule(sim, &item->event, (int64_t)sim_below(sim, (uint64_t)most_ms));
}

/* The helpers finish what they were given, whatever the time. */
bool loop_drain(struct loop *loop)
{
    bool any = false;
    while (loop->jobs_under_way > 0) {
        if (!list_empty(&loop->jobs)) {
            struct job_event *item = CONTAINER_OF(loop->jobs.next, struct job_event, node);
            sim_cancel(&item->event);
            loop_job_run(&item->event);
        }
        any |= loop_run_mail(loop);
    }
    return loop_run_mail(loop) || any;
}

void loop_join(struct loop *loop) { (void)loop_drain(loop); }

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
    list_push_back(&loop->hooks, &hook->node);
}

int64_t loop_monotonic_ms(const struct loop *loop)
{
    (void)loop;
    return io_monotonic_ms();
}

int64_t loop_wall_ms(const struct loop *loop)
{
    (void)loop;
    return io_wall_ms();
}
