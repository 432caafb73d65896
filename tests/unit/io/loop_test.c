/* Mail, jobs, timers and readiness all arrive on the loop's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "io/loop.h"

#define SENDERS 3
#define MAILS 1000

static struct loop *loop;
static pthread_t loop_thread;

static int create(void **state)
{
    (void)state;
    loop_thread = pthread_self();
    return loop_create(2, &loop);
}

static int destroy(void **state)
{
    (void)state;
    loop_destroy(&loop);
    return 0;
}

struct letter {
    struct loop_mail mail;
    int sender;
    int number;
};

static struct letter letters[SENDERS][MAILS];
static int arrived[SENDERS];

static void letter_arrives(struct loop_mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(letter->number, arrived[letter->sender]);
    arrived[letter->sender]++;
    if (arrived[0] == MAILS && arrived[1] == MAILS && arrived[2] == MAILS) {
        loop_stop(loop);
    }
}

static void *send_letters(void *argument)
{
    struct letter *mine = argument;
    for (int i = 0; i < MAILS; i++) {
        loop_post(loop, &mine[i].mail);
    }
    return NULL;
}

static void loop__mail_of_each_thread_arrives_in_order(void **state)
{
    (void)state;
    pthread_t threads[SENDERS];
    for (int s = 0; s < SENDERS; s++) {
        for (int i = 0; i < MAILS; i++) {
            letters[s][i] = (struct letter){{NULL, letter_arrives}, s, i};
        }
        assert_int_equal(pthread_create(&threads[s], NULL, send_letters, letters[s]), 0);
    }
    loop_run(loop);
    for (int s = 0; s < SENDERS; s++) {
        pthread_join(threads[s], NULL);
        assert_int_equal(arrived[s], MAILS);
    }
}

static int jobs_done;
static int jobs_elsewhere;

struct errand {
    struct loop_job job;
    int elsewhere;
};

static void errand_work(struct loop_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    errand->elsewhere = !pthread_equal(pthread_self(), loop_thread);
}

static void errand_done(struct loop_job *job)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    jobs_elsewhere += CONTAINER_OF(job, struct errand, job)->elsewhere;
    if (++jobs_done == 10) {
        loop_stop(loop);
    }
}

static void loop__jobs_work_on_helpers_and_end_on_the_loop(void **state)
{
    (void)state;
    struct errand errands[10] = {0};
    for (int i = 0; i < 10; i++) {
        errands[i].job.work = errand_work;
        errands[i].job.done = errand_done;
        loop_submit(loop, &errands[i].job);
    }
    loop_run(loop);
    assert_int_equal(jobs_elsewhere, 10);
}

struct pipe_end {
    struct loop_watch watch;
    struct timer timer;
    int write_end;
    char got;
};

static void pipe_ready(struct loop_watch *watch, unsigned what)
{
    struct pipe_end *end = CONTAINER_OF(watch, struct pipe_end, watch);
    assert_true(what & LOOP_READABLE);
    assert_int_equal(read(watch->descriptor, &end->got, 1), 1);
    loop_watch_remove(loop, watch);
    loop_stop(loop);
}

static void timer_writes(struct timer *timer)
{
    struct pipe_end *end = CONTAINER_OF(timer, struct pipe_end, timer);
    assert_int_equal(write(end->write_end, "x", 1), 1);
}

static void loop__a_timer_fires_and_a_descriptor_becomes_ready(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct pipe_end end = {.watch = {ends[0], 0, pipe_ready}, .write_end = ends[1]};
    timer_init(&end.timer, timer_writes);
    assert_int_equal(loop_watch_add(loop, &end.watch, LOOP_READABLE), 0);
    loop_timer_arm(loop, &end.timer, 5);
    loop_run(loop);
    assert_int_equal(end.got, 'x');
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loop__mail_of_each_thread_arrives_in_order, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(loop__jobs_work_on_helpers_and_end_on_the_loop, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(loop__a_timer_fires_and_a_descriptor_becomes_ready, create,
                                        destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
