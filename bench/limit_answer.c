/* limit_answer: the least that answering small requests can cost, in time and in CPU.
 *
 *   serve FILE BYTES                 appends each request of BYTES to FILE, with its CRC checked,
 *                                    and answers it; prints "ready PORT", at the end
 *                                    "BYTES CPU-SECONDS"
 *   ask PORT BYTES COUNT WINDOW GAP  COUNT requests, WINDOW of them under way at most, GAP
 *                                    microseconds of work for each; prints requests a second
 *   pace PORT BYTES RATE SECONDS     RATE requests a second; prints p50 p99 p999 max of the time
 *                                    from when each was due, in ms, the first fifth left out */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "limit.h"

#define REQUEST_BYTES_MAX ((size_t)1 << 20)
#define ANSWER_BYTES 64

static uint8_t buffer[REQUEST_BYTES_MAX];
static uint8_t answers[REQUEST_BYTES_MAX];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t request_bytes(const char *text)
{
    size_t bytes = strtoull(text, NULL, 10);
    limit_need(bytes >= ANSWER_BYTES && bytes <= REQUEST_BYTES_MAX, "the size of a request");
    return bytes;
}

static int serve(const char *path, size_t bytes)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    limit_need(file >= 0, path);
    int connection = limit_accept();
    double cpu_before = limit_cpu_seconds();
    uint32_t expected = crc32c(0, buffer, bytes);
    size_t held = 0;
    long long total = 0;
    ssize_t got;
    while ((got = recv(connection, buffer + held, sizeof buffer - held, 0)) > 0) {
        held += (size_t)got;
        size_t whole = held / bytes * bytes;
        for (size_t at = 0; at < whole; at += bytes) {
            limit_need(crc32c(0, buffer + at, bytes) == expected, "the CRC of a request");
            limit_need(pwrite(file, buffer + at, bytes, total) == (ssize_t)bytes, "pwrite");
            total += (long long)bytes;
        }
        size_t answer = whole / bytes * ANSWER_BYTES;
        limit_need(send(connection, answers, answer, 0) == (ssize_t)answer, "send");
        held -= whole;
        memmove(buffer, buffer + whole, held);
    }
    printf("%lld %.6f\n", total, limit_cpu_seconds() - cpu_before);
    return 0;
}

static int reach(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    limit_need(connection >= 0, "socket");
    limit_need(connect(connection, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

static int ask(int connection, size_t bytes, long count, long window, double gap_s)
{
    double began = now();
    long sent = 0;
    long long answered_bytes = 0;
    while (answered_bytes < (long long)count * ANSWER_BYTES) {
        long under_way = sent - (long)(answered_bytes / ANSWER_BYTES);
        bool may_send = sent < count && under_way < window;
        if (may_send) {
            for (double from = now(); now() - from < gap_s;) {
            }
            limit_need(send(connection, buffer, bytes, 0) == (ssize_t)bytes, "send");
            sent++;
        }
        ssize_t got = recv(connection, answers, sizeof answers, may_send ? MSG_DONTWAIT : 0);
        answered_bytes += got > 0 ? got : 0;
    }
    printf("%.0f\n", (double)count / (now() - began));
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

struct pace {
    int connection;
    size_t count;
    double began;
    double rate;
    double *late_ms; /* by request */
};

static double due(const struct pace *pace, size_t i)
{
    return pace->began + (double)i / pace->rate;
}

static void *take_answers(void *context)
{
    struct pace *pace = context;
    size_t bytes = 0;
    for (size_t i = 0; i < pace->count;) {
        ssize_t got = recv(pace->connection, answers, sizeof answers, 0);
        limit_need(got > 0, "recv");
        bytes += (size_t)got;
        for (double at = now(); i < bytes / ANSWER_BYTES; i++) {
            pace->late_ms[i] = (at - due(pace, i)) * 1e3;
        }
    }
    return NULL;
}

static int pace(int connection, size_t bytes, long rate, long seconds)
{
    struct pace pace = {.connection = connection,
                        .count = (size_t)(rate * seconds),
                        .rate = (double)rate,
                        .began = now()};
    pace.late_ms = calloc(pace.count, sizeof *pace.late_ms);
    limit_need(pace.late_ms != NULL, "memory");
    pthread_t taker;
    limit_need(pthread_create(&taker, NULL, take_answers, &pace) == 0, "thread");
    for (size_t i = 0; i < pace.count; i++) {
        double wait = due(&pace, i) - now();
        if (wait > 0) {
            struct timespec pause = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
            nanosleep(&pause, NULL);
        }
        limit_need(send(connection, buffer, bytes, 0) == (ssize_t)bytes, "send");
    }
    pthread_join(taker, NULL);
    double *kept = pace.late_ms + pace.count / 5;
    size_t count = pace.count - pace.count / 5;
    qsort(kept, count, sizeof *kept, by_value);
    printf("%.3f %.3f %.3f %.3f\n", kept[count / 2], kept[count * 99 / 100],
           kept[count * 999 / 1000], kept[count - 1]);
    free(pace.late_ms);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (argc == 4 && strcmp(command, "serve") == 0) {
        return serve(argv[2], request_bytes(argv[3]));
    }
    if (argc == 7 && strcmp(command, "ask") == 0) {
        return ask(reach(argv[2]), request_bytes(argv[3]), strtol(argv[4], NULL, 10),
                   strtol(argv[5], NULL, 10), strtod(argv[6], NULL) / 1e6);
    }
    limit_need(argc == 6 && strcmp(command, "pace") == 0,
               "usage: limit_answer serve FILE BYTES | ask PORT BYTES COUNT WINDOW GAP | "
               "pace PORT BYTES RATE SECONDS");
    return pace(reach(argv[2]), request_bytes(argv[3]), strtol(argv[4], NULL, 10),
                strtol(argv[5], NULL, 10));
}
