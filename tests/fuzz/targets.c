#include "targets.h"

#include <stdio.h>
#include <stdlib.h>

const struct fuzz_target fuzz_targets[] = {
    {"request", fuzz_request},
    {"message", fuzz_message},
    {"batch", fuzz_batch},
    {"records", fuzz_records},
    {"gzip", fuzz_gzip},
    {"snappy", fuzz_snappy},
    {"lz4", fuzz_lz4},
    {"zstd", fuzz_zstd},
    {"segment", fuzz_segment},
    {"offset_index", fuzz_offset_index},
    {"time_index", fuzz_time_index},
    {"txn_index", fuzz_txn_index},
    {"producer_snapshot", fuzz_producer_snapshot},
    {"leader_epochs", fuzz_leader_epochs},
    {"produced", fuzz_produced},
    {"checkpoint", fuzz_checkpoint},
    {"partition_metadata", fuzz_partition_metadata},
    {"meta_properties", fuzz_meta_properties},
    {"server_properties", fuzz_server_properties},
    {"setting", fuzz_setting},
    {"arguments", fuzz_arguments},
    {"json", fuzz_json},
    {"metadata_records", fuzz_metadata_records},
    {"metadata_snapshot", fuzz_metadata_snapshot},
    {"bootstrap", fuzz_bootstrap},
    {"quorum_state", fuzz_quorum_state},
    {"group_records", fuzz_group_records},
    {"group_calls", fuzz_group_calls},
    {"transaction_records", fuzz_transaction_records},
    {"regex", fuzz_regex},
    {"subscription", fuzz_subscription},
    {"assign", fuzz_assign},
    {NULL, NULL},
};

void fuzz_require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

struct bytes_view fuzz_take_part(struct reader *reader, const uint8_t *data, size_t size)
{
    int16_t wanted = reader_i16(reader);
    size_t left = reader_left(reader);
    if (wanted < 0 || reader->failed) {
        return (struct bytes_view){NULL, 0};
    }
    size_t part = (size_t)wanted < left ? (size_t)wanted : left;
    struct bytes_view found = {data + (size - left), part};
    for (size_t i = 0; i < part; i++) {
        (void)reader_i8(reader);
    }
    return found;
}
