/* Served connections: a response whose file bytes are not in memory waits for a helper thread, and
 * nobody else waits with it. The disk is simulated; clients are sockets of this thread's making. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/server.h"

#define SPLICE_BYTES 3000000
#define READ_AHEAD_BYTES ((int)NET_SENDFILE_BYTES) /* of the server, at a time */

static struct {
    struct loop *loop;
    struct net_server *server;
    struct metrics_registry *registry;
    struct io_fs fs;
    struct io_file file;
    sem_t disk;          /* what a read ahead waits for */
    atomic_int warm_to;  /* bytes of the file that are in memory */
    atomic_int cold_reads;
    atomic_int released;
    int disk_error;
    struct net_memory memory;
    size_t given_under_pressure;
    bool adopted;
    int closed;
    int close_at; /* connections closed before the loop stops */
    bool close_others; /* who hears that a connection is gone closes all others */
    size_t closed_others;
    struct net_connection *kept; /* its request waits for an answer */
    int kept_descriptor;
    struct loop_hook answer_hook;
    bool taking_fails; /* there is no memory to take an answer over */
} test;

static int64_t disk_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    (void)file;
    test.cold_reads += position + (int64_t)size > test.warm_to;
    memset(data, 'x', size);
    return (int64_t)size;
}

static bool disk_resident(struct io_file *file, int64_t position, size_t size)
{
    (void)file;
    return position + (int64_t)size <= test.warm_to;
}

static int disk_read_ahead(struct io_file *file, int64_t position, size_t size)
{
    (void)file;
    sem_wait(&test.disk);
    atomic_store(&test.warm_to, (int)(position + (int64_t)size));
    return test.disk_error;
}

static void range_release(struct io_file_range *range)
{
    (void)range;
    test.released++;
}

static void respond(struct net_connection *connection, uint8_t byte, bool with_file)
{
    struct writer response;
    writer_init(&response, 1000);
    response.budget = &test.memory.work;
    struct io_file_range range = {&test.file, 0, SPLICE_BYTES, false, range_release, NULL};
    writer_bytes(&response, &byte, 1);
    if (with_file) {
        writer_splice(&response, &range, SPLICE_BYTES);
    }
    if (test.taking_fails) {
        mem_fail_after(1);
    }
    net_connection_respond(connection, &response);
    writer_release(&response);
}

/* 'f': a byte, then the file; 'K': it is kept; else the byte. */
static void on_request(void *context, struct net_connection *connection, struct net_frame *frame)
{
    (void)context;
    uint8_t byte = frame->data[0];
    net_frame_free(&frame);
    if (byte == 'K') {
        test.kept = connection;
    } else {
        respond(connection, byte, byte == 'f');
    }
}

static void on_closed(void *context, struct net_connection *connection)
{
    (void)context;
    (void)connection;
    if (test.close_others) {
        test.closed_others += net_server_close_unused(test.server, SIZE_MAX, -1);
    }
    if (++test.closed == test.close_at) {
        loop_stop(test.loop);
    }
}

static void on_pressure(void *context)
{
    (void)context;
    budget_give(&test.memory.work, test.given_under_pressure);
    test.given_under_pressure = 0;
}

static int setup(void **state)
{
    (void)state;
    static const struct io_operations operations = {
        .read = disk_read, .resident = disk_resident, .read_ahead = disk_read_ahead};
    memset(&test, 0, sizeof test);
    test.fs.operations = &operations;
    test.file = (struct io_file){&test.fs, -1, NULL};
    sem_init(&test.disk, 0, 0);
    assert_int_equal(loop_create(1, &test.loop), 0);
    assert_int_equal(metrics_create(1, 1, NULL, &test.registry), 0);
    struct net_server_options options = {.loop = test.loop,
                                         .request_bytes_max = 1000,
                                         .idle_max_ms = -1,
                                         .metrics = metrics_shard_at(test.registry, 0),
                                         .on_request = on_request,
                                         .on_closed = on_closed,
                                         .memory = &test.memory,
                                         .on_pressure = on_pressure};
    struct net_memory_options memory = {
        .available_bytes = INT64_C(256) << 20, .request_bytes_max = 1000, .shard_count = 1};
    net_memory_plan(&memory, &test.memory);
    assert_int_equal(net_server_create(&options, &test.server), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_drain(test.loop);
    net_server_destroy(&test.server);
    metrics_destroy(&test.registry);
    loop_destroy(&test.loop);
    sem_destroy(&test.disk);
    return 0;
}

static int connect_client(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    assert_true(net_server_adopt(test.server, pair[1], 0, NULL));
    return pair[0];
}

static void ask(int client, const char *what)
{
    uint8_t frame[5] = {0, 0, 0, 1, (uint8_t)what[0]};
    ASSERT(send(client, frame, sizeof frame, MSG_NOSIGNAL) == sizeof frame);
}

static char receive_byte(int client)
{
    char byte = 0;
    return recv(client, &byte, 1, MSG_WAITALL) == 1 ? byte : '\0';
}

struct clients {
    int slow;
    int quick;
};

/* In a thread beside the loop's: cmocka's checks are for the main one, so these abort. */
static void *follow_both(void *argument)
{
    struct clients *clients = argument;
    ask(clients->slow, "f");
    ASSERT(receive_byte(clients->slow) == 'f');
    ask(clients->slow, "z"); /* answered behind the file */
    for (int i = 0; i < 100; i++) {
        ask(clients->quick, "q");
        ASSERT(receive_byte(clients->quick) == 'q');
    }
    ASSERT(test.warm_to == 0);
    for (int i = 0; i < SPLICE_BYTES / READ_AHEAD_BYTES + 1; i++) {
        sem_post(&test.disk);
    }
    static char bytes[SPLICE_BYTES];
    ASSERT(recv(clients->slow, bytes, sizeof bytes, MSG_WAITALL) == SPLICE_BYTES);
    ASSERT(bytes[0] == 'x' && bytes[SPLICE_BYTES - 1] == 'x');
    ASSERT(receive_byte(clients->slow) == 'z');
    close(clients->slow);
    close(clients->quick);
    return NULL;
}

static void server__others_are_served_while_one_waits_for_the_disk(void **state)
{
    (void)state;
    pthread_t thread;
    struct clients clients = {connect_client(), connect_client()};
    test.close_at = 2;
    assert_int_equal(pthread_create(&thread, NULL, follow_both, &clients), 0);
    loop_run(test.loop);
    pthread_join(thread, NULL);
    assert_int_equal(test.cold_reads, 0);
    assert_int_equal(metrics_value(test.registry, METRIC_CONNECTIONS_OPENED), 2);
    assert_int_equal(metrics_value(test.registry, METRIC_CONNECTIONS_CLOSED), 2);
    assert_int_equal(metrics_value(test.registry, METRIC_CONNECTIONS), 0);
    /* 102 frames of one byte and its size; as many answers of a byte, and the file. */
    assert_int_equal(metrics_value(test.registry, METRIC_INCOMING_BYTES), 102 * 5);
    assert_int_equal(metrics_value(test.registry, METRIC_OUTGOING_BYTES), 102 + SPLICE_BYTES);
    assert_int_equal(test.released, 1);
}

static void *leave_early(void *argument)
{
    int client = *(int *)argument;
    ask(client, "f");
    ASSERT(receive_byte(client) == 'f');
    close(client);
    sem_post(&test.disk);
    return NULL;
}

static void server__a_client_that_goes_during_the_wait_costs_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    int client = connect_client();
    test.close_at = 1;
    assert_int_equal(pthread_create(&thread, NULL, leave_early, &client), 0);
    loop_run(test.loop);
    pthread_join(thread, NULL);
    assert_int_equal(test.released, 1);
}

/* Sent at once, and cut where it is least convenient: answered one by one, in order, and nothing of
 * what was received ahead stays behind. */
static void *pipeline(void *argument)
{
    int client = *(int *)argument;
    uint8_t frames[260 * 5];
    for (size_t i = 0; i < 260; i++) {
        memcpy(frames + 5 * i, (uint8_t[]){0, 0, 0, 1, (uint8_t)('g' + i % 10)}, 5);
    }
    size_t sent = 0;
    for (size_t cut = 1; sent < sizeof frames; cut = cut * 2 + 1) {
        size_t size = cut < sizeof frames - sent ? cut : sizeof frames - sent;
        ASSERT(send(client, frames + sent, size, MSG_NOSIGNAL) == (ssize_t)size);
        sent += size;
    }
    for (size_t i = 0; i < 260; i++) {
        ASSERT(receive_byte(client) == (char)('g' + i % 10));
    }
    close(client);
    return NULL;
}

static void server__what_comes_ahead_is_answered_in_order(void **state)
{
    (void)state;
    pthread_t thread;
    int client = connect_client();
    test.close_at = 1;
    assert_int_equal(pthread_create(&thread, NULL, pipeline, &client), 0);
    loop_run(test.loop);
    pthread_join(thread, NULL);
    assert_int_equal(metrics_value(test.registry, METRIC_INCOMING_BYTES), 260 * 5);
    assert_int_equal(budget_used(&test.memory.work), 0);
    assert_int_equal(budget_used(&test.memory.first), 0);
}

/* A size beyond the bound ends the connection, and is counted as that. */
static void server__a_size_beyond_the_bound_is_counted(void **state)
{
    (void)state;
    int client = connect_client();
    uint8_t size[4] = {0, 0, 4, 0};
    test.close_at = 1;
    ASSERT(send(client, size, sizeof size, MSG_NOSIGNAL) == sizeof size);
    loop_run(test.loop);
    close(client);
    assert_int_equal(metrics_value(test.registry, METRIC_CONNECTIONS_ENDED_FOR_RULE), 1);
}

static void *meet_error(void *argument)
{
    int client = *(int *)argument;
    ask(client, "f");
    ASSERT(receive_byte(client) == 'f');
    sem_post(&test.disk);
    ASSERT(receive_byte(client) == '\0');
    close(client);
    return NULL;
}

static void server__a_failed_disk_ends_the_connection(void **state)
{
    (void)state;
    pthread_t thread;
    int client = connect_client();
    test.close_at = 1;
    test.disk_error = ERR_IO;
    assert_int_equal(pthread_create(&thread, NULL, meet_error, &client), 0);
    loop_run(test.loop);
    pthread_join(thread, NULL);
    assert_int_equal(test.released, 1);
}

/* Asks, and says that nothing more comes: the loop ends once the connection is closed. */
static int ask_once(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    ask(pair[0], "x");
    assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
    test.adopted = net_server_adopt(test.server, pair[1], 0, NULL);
    test.close_at = 1;
    return pair[0];
}

/* Each allocation of an exchange fails once: the connection ends and the process goes on. Without a
 * failure left to come the answer is there. */
static void server__any_allocation_may_fail(void **state)
{
    bool answered = false;
    for (int countdown = 1; !answered; countdown++) {
        assert_true(countdown < 20);
        mem_fail_after(countdown);
        int client = ask_once();
        if (test.adopted) {
            loop_run(test.loop);
        }
        mem_fail_after(0);
        answered = receive_byte(client) == 'x';
        close(client);
        assert_int_equal(net_server_connection_count(test.server), 0);
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
    }
}

/* Answers what was kept once its socket is closed, without memory to take the answer over. */
static void answer_too_late(struct loop_hook *hook)
{
    (void)hook;
    if (test.kept != NULL && fcntl(test.kept_descriptor, F_GETFD) < 0) {
        struct net_connection *connection = test.kept;
        test.kept = NULL;
        test.taking_fails = true;
        respond(connection, 'K', true);
    }
}

/* What a handler answers to a client that has gone is given back, also where the answer cannot even
 * be taken over. */
static void server__an_answer_for_nobody_gives_its_memory_back(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    test.kept_descriptor = pair[1];
    test.answer_hook.turn_end = answer_too_late;
    loop_hook_add(test.loop, &test.answer_hook);
    assert_true(net_server_adopt(test.server, pair[1], 0, NULL));
    ask(pair[0], "K");
    close(pair[0]);
    test.close_at = 1;
    loop_run(test.loop);
    mem_fail_after(0);
    assert_int_equal(test.released, 1);
    assert_int_equal(budget_used(&test.memory.work), 0);
}

/* While half of the memory for work is used no frame is begun; it is once some is given back. */
static void server__a_frame_waits_for_memory(void **state)
{
    (void)state;
    size_t all = test.memory.work.max_bytes;
    assert_true(budget_take(&test.memory.work, all));
    test.given_under_pressure = all;
    int client = ask_once();
    loop_run(test.loop);
    assert_int_equal(test.given_under_pressure, 0);
    assert_int_equal(receive_byte(client), 'x');
    assert_int_equal(budget_used(&test.memory.first), 0);
    close(client);
}

/* Somebody who hears that a connection is gone may want others gone too, while the server goes from
 * one to the next: those stay, and nothing is freed twice. */
static void server__closes_no_others_while_it_closes_some(void **state)
{
    (void)state;
    int clients[3] = {connect_client(), connect_client(), connect_client()};
    test.close_others = true;
    assert_int_equal(net_server_close_unused(test.server, 1, -1), 1);
    assert_int_equal(test.closed_others, 0);
    assert_int_equal(net_server_connection_count(test.server), 2);
    assert_int_equal(net_server_close_unused(test.server, 2, -1), 2);
    assert_int_equal(net_server_connection_count(test.server), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(receive_byte(clients[i]), '\0');
        close(clients[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(server__others_are_served_while_one_waits_for_the_disk),
        CASE(server__a_client_that_goes_during_the_wait_costs_nothing),
        CASE(server__what_comes_ahead_is_answered_in_order),
        CASE(server__a_failed_disk_ends_the_connection),
        CASE(server__any_allocation_may_fail),
        CASE(server__an_answer_for_nobody_gives_its_memory_back),
        CASE(server__a_frame_waits_for_memory),
        CASE(server__closes_no_others_while_it_closes_some),
        CASE(server__a_size_beyond_the_bound_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
