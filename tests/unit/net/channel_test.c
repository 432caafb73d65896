/* Outgoing connections against a tiny server in the same process: pipelining, order, large
 * responses, broken protocol, timeouts, loss. The server is a thread that follows a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/reader.h"
#include "net/channel.h"

#define CALLS_MAX 64
#define LARGE_BYTES 3000000
#define PATIENCE_MS 120000

enum script {
    SCRIPT_ECHO,       /* each request comes back */
    SCRIPT_LATE,       /* all requests first, then all answers, in one write */
    SCRIPT_LARGE,      /* an answer of LARGE_BYTES */
    SCRIPT_WRONG_ID,   /* an answer that nobody asked for */
    SCRIPT_HUGE,       /* a length beyond the bound */
    SCRIPT_CLOSE,      /* closes after the first request */
    SCRIPT_SILENT,     /* never answers */
    SCRIPT_SUM,        /* requests of SPLICED_BYTES: the sum of their bytes behind the header */
};
/* Of a request in pieces: a value, a splice, a byte, two splices. */
#define PIECE_BYTES 700000
#define SPLICED_BYTES (16 + 3 * PIECE_BYTES + 1)

struct seen_call {
    struct net_call call;
    int error;
    int32_t value; /* behind the correlation id */
    size_t size;
    bool done;
};
static struct {
    enum script script;
    int32_t expected;
    int listener;
    uint16_t port;
    pthread_t thread;
    struct loop *loop;
    struct net_resolver resolver;
    struct net_channel *channel;
    struct seen_call calls[CALLS_MAX];
    int32_t done_count;
    int32_t stop_at; /* calls done before the loop stops */
    int state_error; /* 1: never told */
    const char *state_why;
    bool destroy_in_callback;
    bool stop_on_state;
} test;

/* ---- the server ---- */

static bool receive_exactly(int peer, void *data, size_t size)
{
    return recv(peer, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void send_frame(int peer, int32_t correlation_id, int32_t value, size_t size)
{
    struct writer frame;
    writer_init(&frame, LARGE_BYTES + 64);
    writer_i32(&frame, (int32_t)size);
    writer_i32(&frame, correlation_id);
    writer_i32(&frame, value);
    if (size > 8) {
        memset(writer_reserve(&frame, size - 8), 'x', size - 8);
    }
    ssize_t sent = send(peer, frame.data, frame.size, MSG_NOSIGNAL);
    (void)sent;
    writer_release(&frame);
}

/* The sum weighs bytes by their place, so that pieces out of order show. */
static int32_t weighed_sum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + data[i];
    }
    return (int32_t)sum;
}

static void serve_sum(int peer, const uint8_t *head)
{
    static uint8_t body[SPLICED_BYTES - 16];
    struct reader reader;
    reader_init(&reader, head, 16);
    bool whole = reader_i32(&reader) == SPLICED_BYTES - 4 &&
                 receive_exactly(peer, body, sizeof body);
    (void)reader_i32(&reader);
    send_frame(peer, reader_i32(&reader), whole ? weighed_sum(0, body, sizeof body) : -1, 8);
}

static void *serve(void *unused)
{
    (void)unused;
    int peer = accept(test.listener, NULL, NULL);
    int32_t ids[CALLS_MAX];
    int32_t values[CALLS_MAX];
    int32_t count = 0;
    uint8_t head[16];
    while (test.script == SCRIPT_SUM && receive_exactly(peer, head, sizeof head)) {
        serve_sum(peer, head);
    }
    /* size, key, version, correlation id, value */
    while (count < CALLS_MAX && receive_exactly(peer, head, sizeof head)) {
        struct reader reader;
        reader_init(&reader, head + NET_CORRELATION_AT, 8);
        ids[count] = reader_i32(&reader);
        values[count] = reader_i32(&reader);
        count++;
        if (test.script == SCRIPT_ECHO) {
            send_frame(peer, ids[count - 1], values[count - 1], 8);
        } else if (test.script == SCRIPT_LARGE) {
            send_frame(peer, ids[count - 1], values[count - 1], LARGE_BYTES);
        } else if (test.script == SCRIPT_WRONG_ID) {
            send_frame(peer, ids[count - 1] + 1, 0, 8);
        } else if (test.script == SCRIPT_HUGE) {
            send(peer, "\x7f\xff\xff\xff", 4, MSG_NOSIGNAL);
        } else if (test.script == SCRIPT_CLOSE) {
            break;
        } else if (test.script == SCRIPT_LATE && count == test.expected) {
            for (int32_t i = 0; i < count; i++) {
                send_frame(peer, ids[i], values[i], 8);
            }
        }
    }
    close(peer);
    return NULL;
}

static int bind_any_port(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

/* ---- the client ---- */

static void on_state(void *context, struct net_channel *channel, int error, const char *why)
{
    (void)context;
    (void)channel;
    test.state_error = error;
    test.state_why = why;
    if (test.stop_on_state && error != 0) {
        loop_stop(test.loop);
    }
}

static void on_done(struct net_call *call, int error, struct net_response *response)
{
    struct seen_call *seen = CONTAINER_OF(call, struct seen_call, call);
    assert_false(seen->done);
    seen->done = true;
    seen->error = error;
    seen->size = response->size;
    if (response->data != NULL) {
        struct reader reader;
        reader_init(&reader, response->data + 4, 4);
        seen->value = reader_i32(&reader);
    }
    test.done_count++;
    if (test.destroy_in_callback) {
        net_channel_destroy(&test.channel);
    }
    if (test.done_count == test.stop_at) {
        loop_stop(test.loop);
    }
}

static void begin(enum script script, const char *host)
{
    memset(&test, 0, sizeof test);
    test.script = script;
    test.state_error = 1;
    test.listener = bind_any_port(&test.port);
    assert_int_equal(listen(test.listener, 4), 0);
    assert_int_equal(pthread_create(&test.thread, NULL, serve, NULL), 0);
    assert_int_equal(loop_create(1, &test.loop), 0);
    test.resolver.loop = test.loop;
    struct net_channel_options options = {
        .resolver = &test.resolver,
        .host = host,
        .port = test.port,
        .connect_timeout_ms = PATIENCE_MS,
        .buffers = {-1, -1},
        .response_bytes_max = LARGE_BYTES + 1000,
        .on_state = on_state,
    };
    assert_int_equal(net_channel_open(&options, &test.channel), 0);
}

static void begin_frame(struct writer *frame, int32_t index)
{
    writer_init(frame, 1024);
    writer_i32(frame, 0);
    writer_i16(frame, 18);
    writer_i16(frame, 0);
    writer_i32(frame, 0);
    writer_i32(frame, 1000 + index);
}

static int send_call(int32_t index, int64_t timeout_ms, bool expects_response)
{
    struct writer frame;
    struct seen_call *seen = &test.calls[index];
    begin_frame(&frame, index);
    seen->call.expects_response = expects_response;
    seen->call.done = on_done;
    int result = net_channel_send(test.channel, &seen->call, &frame, timeout_ms);
    writer_release(&frame);
    return result;
}

static void run_until(int32_t done)
{
    test.stop_at = done;
    loop_run(test.loop);
}

static void end(void)
{
    net_channel_destroy(&test.channel);
    loop_destroy(&test.loop);
    pthread_join(test.thread, NULL);
    close(test.listener);
}

static void channel__pipelines_and_completes_in_order(void **state)
{
    (void)state;
    begin(SCRIPT_LATE, "127.0.0.1");
    test.expected = 10;
    for (int32_t i = 0; i < 10; i++) {
        assert_int_equal(send_call(i, PATIENCE_MS, true), 0);
    }
    assert_int_equal(net_channel_call_count(test.channel), 10);
    run_until(10);
    for (int32_t i = 0; i < 10; i++) {
        assert_int_equal(test.calls[i].error, 0);
        assert_int_equal(test.calls[i].value, 1000 + i);
    }
    assert_int_equal(test.state_error, 0);
    assert_int_equal(net_channel_call_count(test.channel), 0);
    end();
}

static void channel__finds_hosts_by_name(void **state)
{
    (void)state;
    begin(SCRIPT_ECHO, "localhost");
    assert_int_equal(net_channel_state(test.channel), NET_CHANNEL_RESOLVING);
    assert_int_equal(send_call(0, PATIENCE_MS, true), 0);
    run_until(1);
    assert_int_equal(test.calls[0].error, 0);
    assert_int_equal(test.resolver.pending, 0);
    end();
}

static void channel__receives_large_responses(void **state)
{
    (void)state;
    begin(SCRIPT_LARGE, "127.0.0.1");
    assert_int_equal(send_call(0, PATIENCE_MS, true), 0);
    assert_int_equal(send_call(1, PATIENCE_MS, true), 0);
    run_until(2);
    assert_int_equal(test.calls[0].size, LARGE_BYTES);
    assert_int_equal(test.calls[1].size, LARGE_BYTES);
    assert_int_equal(test.calls[1].value, 1001);
    end();
}

static void channel__sends_splices_in_their_places(void **state)
{
    (void)state;
    static uint8_t pieces[3][PIECE_BYTES];
    begin(SCRIPT_SUM, "127.0.0.1");
    uint32_t sum = 0;
    for (int i = 0; i < 3; i++) {
        for (size_t at = 0; at < PIECE_BYTES; at++) {
            pieces[i][at] = (uint8_t)(at * 7 + at / 251 + (size_t)i);
        }
        sum = (uint32_t)weighed_sum(sum, pieces[i], PIECE_BYTES);
        sum = i == 0 ? (uint32_t)weighed_sum(sum, (const uint8_t *)"m", 1) : sum;
    }
    for (int32_t i = 0; i < 3; i++) {
        struct writer frame;
        begin_frame(&frame, i);
        writer_splice(&frame, pieces[0], PIECE_BYTES);
        writer_i8(&frame, 'm');
        writer_splice(&frame, pieces[1], PIECE_BYTES);
        writer_splice(&frame, pieces[2], PIECE_BYTES);
        test.calls[i].call.expects_response = true;
        test.calls[i].call.done = on_done;
        struct net_call *call = &test.calls[i].call;
        assert_int_equal(net_channel_send(test.channel, call, &frame, PATIENCE_MS), 0);
    }
    run_until(3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(test.calls[i].error, 0);
        assert_int_equal(test.calls[i].value, (int32_t)sum);
    }
    end();
}

static void channel__completes_sends_without_response_once_sent(void **state)
{
    (void)state;
    begin(SCRIPT_SILENT, "127.0.0.1");
    assert_int_equal(send_call(0, PATIENCE_MS, false), 0);
    run_until(1);
    assert_int_equal(test.calls[0].error, 0);
    end();
}

static void ends_with(enum script script, int error)
{
    begin(script, "127.0.0.1");
    assert_int_equal(send_call(0, PATIENCE_MS, true), 0);
    assert_int_equal(send_call(1, PATIENCE_MS, true), 0);
    test.stop_on_state = true;
    run_until(-1);
    assert_int_equal(test.state_error, error);
    assert_int_equal(test.calls[0].error, error);
    assert_int_equal(test.calls[1].error, error);
    assert_int_equal(send_call(2, PATIENCE_MS, true), ERR_CLOSED);
    assert_false(test.calls[2].done);
    end();
}

static void channel__ends_on_a_response_nobody_asked_for(void **state)
{
    (void)state;
    ends_with(SCRIPT_WRONG_ID, ERR_CORRUPT);
}

static void channel__ends_on_a_response_beyond_its_bound(void **state)
{
    (void)state;
    ends_with(SCRIPT_HUGE, ERR_CORRUPT);
}

static void channel__fails_every_call_when_the_peer_goes(void **state)
{
    (void)state;
    ends_with(SCRIPT_CLOSE, ERR_CLOSED);
}

static void channel__ends_when_a_call_times_out(void **state)
{
    (void)state;
    begin(SCRIPT_SILENT, "127.0.0.1");
    assert_int_equal(send_call(0, PATIENCE_MS, true), 0);
    assert_int_equal(send_call(1, 20, true), 0);
    test.stop_on_state = true;
    run_until(-1);
    assert_int_equal(test.calls[0].error, ERR_TIMEOUT);
    assert_int_equal(test.calls[1].error, ERR_TIMEOUT);
    assert_int_equal(test.state_error, ERR_TIMEOUT);
    end();
}

static void channel__may_be_destroyed_in_a_callback(void **state)
{
    (void)state;
    begin(SCRIPT_LATE, "127.0.0.1");
    test.expected = 3;
    test.destroy_in_callback = true;
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(send_call(i, PATIENCE_MS, true), 0);
    }
    run_until(3);
    assert_int_equal(test.calls[0].error, 0);
    assert_int_equal(test.calls[1].error, ERR_CLOSED);
    assert_int_equal(test.calls[2].error, ERR_CLOSED);
    assert_null(test.channel);
    end();
}

static void channel__tells_of_a_refused_connection(void **state)
{
    (void)state;
    begin(SCRIPT_SILENT, "127.0.0.1");
    /* A second channel, to a port that nobody listens on. */
    uint16_t port;
    int deaf = bind_any_port(&port);
    struct net_channel *other;
    struct net_channel_options options = {.resolver = &test.resolver,
                                          .host = "127.0.0.1",
                                          .port = port,
                                          .connect_timeout_ms = PATIENCE_MS,
                                          .response_bytes_max = 1000,
                                          .buffers = {-1, -1},
                                          .on_state = on_state};
    assert_int_equal(net_channel_open(&options, &other), 0);
    test.stop_on_state = true;
    run_until(-1);
    assert_int_equal(test.state_error, ERR_CLOSED);
    assert_string_equal(test.state_why, "Connection refused");
    assert_int_equal(net_channel_state(other), NET_CHANNEL_CLOSED);
    net_channel_destroy(&other);
    close(deaf);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel__pipelines_and_completes_in_order),
        cmocka_unit_test(channel__finds_hosts_by_name),
        cmocka_unit_test(channel__receives_large_responses),
        cmocka_unit_test(channel__sends_splices_in_their_places),
        cmocka_unit_test(channel__completes_sends_without_response_once_sent),
        cmocka_unit_test(channel__ends_on_a_response_nobody_asked_for),
        cmocka_unit_test(channel__ends_on_a_response_beyond_its_bound),
        cmocka_unit_test(channel__fails_every_call_when_the_peer_goes),
        cmocka_unit_test(channel__ends_when_a_call_times_out),
        cmocka_unit_test(channel__may_be_destroyed_in_a_callback),
        cmocka_unit_test(channel__tells_of_a_refused_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
