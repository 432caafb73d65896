/* transactions paced BOOTSTRAP TOPIC RATE SECONDS
 * transactions stream BOOTSTRAP TOPIC MEGABYTES MILLISECONDS
 *
 * One producer and one partition of a topic.
 * paced: RATE small transactions a second, each when it is due or, if that has passed, after the
 * one before: a Produce of one record of 100 bytes, which adds the partition, and an EndTxn. An
 * answer that says that the transaction before is still being ended is met with another try after
 * a pause. commit is the time of EndTxn, transaction that from when it was due. The first fifth is
 * left out.
 * stream: batches of 100 records of 1 kB, five requests under way, in transactions that end after
 * so many milliseconds; 0: without transactions.
 * Prints one JSON object. */
#include "protocol/record/batch.h"
#include "wire.h"

#define RETRY_PAUSE_NS 1000000
#define IN_FLIGHT 5
#define PACED_RECORD_BYTES 100
#define STREAM_RECORD_BYTES 1000
#define STREAM_RECORDS 100
#define TRANSACTIONAL_ID "bench"
#define TIMEOUT_MS 60000

static const struct wire_api init_api = {API_INIT_PRODUCER_ID, 5, &init_producer_id_request_row,
                                         &init_producer_id_response_row};
static const struct wire_api produce_api = {API_PRODUCE, 13, &produce_request_row,
                                            &produce_response_row};
static const struct wire_api end_api = {API_END_TXN, 5, &end_txn_request_row,
                                        &end_txn_response_row};

struct producer {
    struct wire wire;
    struct string_view transactional_id; /* null: none */
    struct uuid topic;
    int64_t id;
    int16_t epoch;
    int32_t sequence;
    struct writer batch;
    int32_t records; /* a batch */
    long retries;
};

static void producer_open(struct producer *producer, const char *bootstrap, const char *topic,
                          bool transactional)
{
    *producer = (struct producer){0};
    wire_open(&producer->wire, bootstrap);
    writer_init(&producer->batch, WIRE_BYTES_MAX);
    producer->topic = wire_topic(&producer->wire, topic, NULL);
    if (transactional) {
        producer->transactional_id = string_view_of(TRANSACTIONAL_ID);
        wire_find_coordinator(&producer->wire, TRANSACTIONAL_ID, 1);
    }
    struct init_producer_id_request request;
    struct init_producer_id_response response;
    init_producer_id_request_default(&request);
    request.transactional_id = producer->transactional_id;
    request.transaction_timeout_ms = TIMEOUT_MS;
    do {
        wire_call(&producer->wire, &init_api, &request, &response);
    } while (wire_not_yet(response.error_code) ||
             response.error_code == KAFKA_CONCURRENT_TRANSACTIONS);
    wire_good(response.error_code, "the producer's id");
    producer->id = response.producer_id;
    producer->epoch = response.producer_epoch;
}

static void producer_close(struct producer *producer)
{
    wire_close(&producer->wire);
    writer_release(&producer->batch);
}

/* A batch of records of that size, for the next sequence. */
static void build_batch(struct producer *producer, int32_t records, size_t record_bytes)
{
    static const uint8_t value[STREAM_RECORD_BYTES];
    struct batch_builder builder;
    struct batch header = batch_header_empty(0);
    header.producer_id = producer->id;
    header.producer_epoch = producer->epoch;
    header.base_sequence = producer->sequence;
    header.base_timestamp_ms = header.max_timestamp_ms = now_ns() / 1000000;
    if (producer->transactional_id.data != NULL) {
        header.attributes = BATCH_TRANSACTIONAL;
    }
    producer->batch.size = 0;
    producer->records = records;
    batch_builder_init(&builder, &producer->batch, &header);
    for (int32_t i = 0; i < records; i++) {
        struct record record = {.offset = i,
                                .timestamp_ms = header.base_timestamp_ms,
                                .value = {value, record_bytes}};
        batch_builder_add(&builder, &record);
    }
    wire_need(batch_builder_finish(&builder) == 0, "batch");
}

static void send_batch(struct producer *producer)
{
    struct produce_request_partition_produce_data partition = {
        .records = {producer->batch.data, producer->batch.size, NULL}};
    struct produce_request_topic_produce_data topic = {.topic_id = producer->topic};
    topic.partition_data.items = &partition;
    topic.partition_data.count = 1;
    struct produce_request request;
    produce_request_default(&request);
    request.transactional_id = producer->transactional_id;
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    wire_send(&producer->wire, &produce_api, &request);
    producer->sequence = batch_sequence_add(producer->sequence, producer->records);
}

static int16_t take_produced(struct producer *producer)
{
    struct produce_response response;
    wire_take(&producer->wire, &produce_api, &response);
    return response.responses.items[0].partition_responses.items[0].error_code;
}

/* Whether it is to be tried again, after a pause: the transaction before is still being ended, or
 * the topic has only just been made. */
static bool try_again(struct producer *producer, int16_t error)
{
    if (error != KAFKA_CONCURRENT_TRANSACTIONS && error != KAFKA_NOT_LEADER_OR_FOLLOWER &&
        error != KAFKA_UNKNOWN_TOPIC_ID && error != KAFKA_NOT_ENOUGH_REPLICAS) {
        return false;
    }
    producer->retries++;
    sleep_until(now_ns() + RETRY_PAUSE_NS);
    return true;
}

/* The first batch of a transaction. */
static void produce_first(struct producer *producer, int32_t records, size_t record_bytes)
{
    int32_t sequence = producer->sequence;
    int16_t error;
    do {
        producer->sequence = sequence;
        build_batch(producer, records, record_bytes);
        send_batch(producer);
        error = take_produced(producer);
    } while (try_again(producer, error));
    wire_good(error, "produce");
}

static void end(struct producer *producer)
{
    struct end_txn_request request = {producer->transactional_id, producer->id, producer->epoch,
                                      true};
    struct end_txn_response response;
    do {
        wire_call(&producer->wire, &end_api, &request, &response);
    } while (try_again(producer, response.error_code));
    wire_good(response.error_code, "end");
    producer->id = response.producer_id;
    producer->epoch = response.producer_epoch;
    producer->sequence = 0; /* of the new epoch */
}

static void paced(const char *bootstrap, const char *topic, long rate, long seconds)
{
    struct producer producer;
    size_t count = 0;
    size_t most = (size_t)(rate * seconds);
    double *commits_ms = mem_need(most * sizeof *commits_ms);
    double *transactions_ms = mem_need(most * sizeof *transactions_ms);
    producer_open(&producer, bootstrap, topic, true);
    wire_ready();
    int64_t began_ns = now_ns();
    int64_t until_ns = began_ns + seconds * NANOSECONDS;
    for (int64_t now = began_ns; count < most && now < until_ns; count++) {
        int64_t due_ns = began_ns + (int64_t)count * NANOSECONDS / rate;
        sleep_until(due_ns);
        produce_first(&producer, 1, PACED_RECORD_BYTES);
        int64_t end_ns = now_ns();
        end(&producer);
        now = now_ns();
        commits_ms[count] = (double)(now - end_ns) / 1e6;
        transactions_ms[count] = (double)(now - due_ns) / 1e6;
    }
    double took = (double)(now_ns() - began_ns) / NANOSECONDS;
    size_t first = count / 5;
    printf("{\"done\": %zu, \"per_second\": %.1f, \"retries\": %ld, ", count, (double)count / took,
           producer.retries);
    wire_print_percentiles("commit", commits_ms + first, count - first);
    printf(", ");
    wire_print_percentiles("transaction", transactions_ms + first, count - first);
    printf("}\n");
    producer_close(&producer);
    mem_free(commits_ms);
    mem_free(transactions_ms);
}

static void stream(const char *bootstrap, const char *topic, long megabytes, long end_ms)
{
    struct producer producer;
    long batches = megabytes * 1000000 / (STREAM_RECORDS * STREAM_RECORD_BYTES);
    long sent = 0;
    long transactions = 0;
    producer_open(&producer, bootstrap, topic, end_ms > 0);
    wire_ready();
    int64_t began_ns = now_ns();
    while (sent < batches) {
        int64_t until_ns = end_ms > 0 ? now_ns() + end_ms * 1000000 : INT64_MAX;
        long under_way = 0;
        produce_first(&producer, STREAM_RECORDS, STREAM_RECORD_BYTES);
        sent++;
        while (sent < batches && now_ns() < until_ns) {
            if (under_way == IN_FLIGHT) {
                wire_good(take_produced(&producer), "produce");
                under_way--;
            }
            build_batch(&producer, STREAM_RECORDS, STREAM_RECORD_BYTES);
            send_batch(&producer);
            sent++;
            under_way++;
        }
        for (; under_way > 0; under_way--) {
            wire_good(take_produced(&producer), "produce");
        }
        if (end_ms > 0) {
            end(&producer);
            transactions++;
        }
    }
    double took = (double)(now_ns() - began_ns) / NANOSECONDS;
    printf("{\"mb_per_second\": %.1f, \"transactions\": %ld, \"retries\": %ld}\n",
           (double)megabytes / took, transactions, producer.retries);
    producer_close(&producer);
}

int main(int argc, char **argv)
{
    wire_need(argc == 6, "usage: transactions paced BOOTSTRAP TOPIC RATE SECONDS | "
                         "stream BOOTSTRAP TOPIC MEGABYTES MILLISECONDS");
    long amount = strtol(argv[4], NULL, 10);
    long time = strtol(argv[5], NULL, 10);
    if (strcmp(argv[1], "paced") == 0) {
        wire_need(amount > 0 && time > 0, "rate and seconds");
        paced(argv[2], argv[3], amount, time);
    } else {
        stream(argv[2], argv[3], amount, time);
    }
    return 0;
}
