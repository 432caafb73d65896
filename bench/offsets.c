/* offsets BOOTSTRAP MILLIONS GROUPS: writes so many commits into __consumer_offsets-0, as a
 * coordinator would: GROUPS groups in turn, each with a thousand partitions of one topic. Both
 * brokers let a client of this id write there. */
#include <barnabas/producer.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/writer.h"
#include "protocol/messages.h"

#define PARTITIONS 1000
#define VALUE_VERSION 3

static void need(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

/* first: the type of the record, or the version of its value. */
static void encode(struct writer *out, int16_t first, const struct codec_struct *row,
                   int16_t version, const void *message)
{
    writer_i16(out, first);
    need(codec_encode(row, out, version, message) == 0 && !out->failed, "a record does not fit");
}

static void send_commit(struct bnb_producer *producer, int64_t index, int64_t groups)
{
    char group[32];
    uint8_t key_bytes[128];
    uint8_t value_bytes[128];
    struct writer key;
    struct writer value;
    struct bnb_error error;
    int64_t turn = index / PARTITIONS;
    snprintf(group, sizeof group, "group-%lld", (long long)(turn % groups));
    struct offset_commit_key key_message = {string_view_of(group), string_view_of("topic"),
                                            (int32_t)(index % PARTITIONS)};
    struct offset_commit_value value_message;
    offset_commit_value_default(&value_message);
    value_message.offset = index;
    value_message.leader_epoch = 0;
    value_message.metadata = string_view_of("");
    value_message.commit_timestamp = 1700000000000 + turn;
    writer_init_fixed(&key, key_bytes, sizeof key_bytes);
    writer_init_fixed(&value, value_bytes, sizeof value_bytes);
    encode(&key, OFFSET_COMMIT_KEY_KEY, &offset_commit_key_row, 0, &key_message);
    encode(&value, VALUE_VERSION, &offset_commit_value_row, VALUE_VERSION, &value_message);
    struct bnb_producer_record record = {.topic = "__consumer_offsets",
                                         .partition = 0,
                                         .timestamp_ms = BNB_TIMESTAMP_NOW,
                                         .key = key.data,
                                         .key_size = key.size,
                                         .value = value.data,
                                         .value_size = value.size};
    need(bnb_producer_send(producer, &record, NULL, NULL, &error) == 0, error.text);
}

int main(int argc, char **argv)
{
    struct bnb_error error;
    struct bnb_producer *producer;
    need(argc == 4, "offsets BOOTSTRAP MILLIONS GROUPS");
    struct bnb_config *config = bnb_config_create();
    bnb_config_set(config, "bootstrap.servers", argv[1]);
    bnb_config_set(config, "client.id", "__admin_client");
    need(bnb_producer_create(config, &producer, &error) == 0, error.text);
    int64_t count = (int64_t)(strtod(argv[2], NULL) * 1e6);
    for (int64_t i = 0; i < count; i++) {
        send_commit(producer, i, strtol(argv[3], NULL, 10));
    }
    bnb_producer_close(&producer, -1);
    bnb_config_destroy(&config);
    return 0;
}
