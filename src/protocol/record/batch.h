/* batch.h: the record batch of format 2: header, check, patch in place, build.
 *
 *   off size field                     off size field
 *     0    8 base_offset                27    8 base_timestamp_ms
 *     8    4 length after this field    35    8 max_timestamp_ms
 *    12    4 partition_leader_epoch     43    8 producer_id          (-1 none)
 *    16    1 magic (2)                  51    2 producer_epoch       (-1 none)
 *    17    4 crc32c of [21, end)        53    4 base_sequence        (-1 none)
 *    21    2 attributes                 57    4 record_count
 *    23    4 last_offset_delta          61      records, as one stream if compressed
 *
 * Base offset, leader epoch and magic lie outside the CRC, so a leader patches them in place.
 * Nothing here owns memory but the builder. Thread: one per batch. Errors: see each function. */
#ifndef BNB_PROTOCOL_RECORD_BATCH_H
#define BNB_PROTOCOL_RECORD_BATCH_H

#include "base/view.h"
#include "base/writer.h"

#define BATCH_HEADER_BYTES 61
/* Base offset and length: what batch_view_size needs to see. */
#define BATCH_PREFIX_BYTES 12
#define BATCH_MAGIC 2

enum batch_attribute {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

enum batch_codec {
    BATCH_CODEC_NONE = 0,
    BATCH_CODEC_GZIP = 1,
    BATCH_CODEC_SNAPPY = 2,
    BATCH_CODEC_LZ4 = 3,
    BATCH_CODEC_ZSTD = 4,
    BATCH_CODEC_COUNT = 5,
};

/* A decoded header. */
struct batch {
    int64_t base_offset;
    uint32_t size_bytes; /* of the whole batch */
    int32_t partition_leader_epoch;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    const uint8_t *records; /* borrowed; size_bytes - BATCH_HEADER_BYTES bytes */
};

/* The whole size of the batch that starts at data, 0 when fewer than BATCH_PREFIX_BYTES are there,
 * or ERR_CORRUPT for a length that no batch has. */
int64_t batch_view_size(const uint8_t *data, size_t size);
/* Of a batch of which batch_view_size told the size. */
uint8_t batch_magic(const uint8_t *data);
/* Decodes the header of the batch at data. 0; ERR_CORRUPT for a bad length or a batch that is cut
 * short; ERR_UNSUPPORTED for another magic. The CRC is not looked at. */
int batch_decode(const uint8_t *data, size_t size, struct batch *batch);
/* Reads the header from BATCH_HEADER_BYTES bytes, unchecked; records points behind them. */
void batch_header_read(const uint8_t *data, struct batch *batch);
/* Whether the CRC of a decoded batch holds. */
bool batch_crc_holds(const uint8_t *data, const struct batch *batch);
/* The same for a whole entry of any format on disk: 2, or the message sets of format 0 and 1, whose
 * CRC-32 (not C) follows the length. */
bool batch_any_crc_holds(const uint8_t *data, size_t size);

static inline int64_t batch_last_offset(const struct batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}
static inline bool batch_is_control(const struct batch *batch)
{
    return (batch->attributes & BATCH_CONTROL) != 0;
}
static inline bool batch_is_transactional(const struct batch *batch)
{
    return (batch->attributes & BATCH_TRANSACTIONAL) != 0;
}
/* Sequences wrap from 2^31 - 1 to 0. */
int32_t batch_sequence_add(int32_t sequence, int32_t delta);

/* Patches outside the CRC. */
void batch_patch_base_offset(uint8_t *data, int64_t base_offset);
void batch_patch_leader_epoch(uint8_t *data, int32_t partition_leader_epoch);
/* Finishes a header whose records were replaced by size - BATCH_HEADER_BYTES bytes of that codec:
 * sets length, codec and CRC. */
void batch_seal(uint8_t *data, size_t size, enum batch_codec codec);
/* Sets maximum and type of the timestamps, and the CRC anew when they change. batch is what data
 * says so far, with a CRC that holds. */
void batch_patch_timestamp(uint8_t *data, const struct batch *batch, bool log_append_time,
                           int64_t max_timestamp_ms);

struct record_header {
    struct string_view key;
    struct bytes_view value;
};
struct record {
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes_view key;
    struct bytes_view value;
    const struct record_header *headers; /* builder only */
    int32_t header_count;
};

/* Builds an uncompressed batch at the end of a writer. */
struct batch_builder {
    struct writer *writer;
    size_t start;
    struct batch header;
    uint32_t crc;         /* of the first records: */
    size_t checked_bytes; /* so many */
};

/* The caller sets the fields of header that it cares for: base offset, leader epoch, attributes
 * without codec, base timestamp, producer. Offsets and timestamps of records are absolute. */
void batch_builder_init(struct batch_builder *builder, struct writer *writer,
                        const struct batch *header);
void batch_builder_add(struct batch_builder *builder, const struct record *record);
/* Takes what was added into the CRC while it is in the nearest cache; worth it for a batch that is
 * stored or sent as it is, when it has become large. Nothing of it may change afterwards. */
void batch_builder_check(struct batch_builder *builder);
/* Fills the header in; may be done again with other fields. 0; ERR_NOMEM when the writer failed. */
int batch_builder_finish(struct batch_builder *builder);
/* A header with nothing set: no producer, no epoch, no timestamp. */
struct batch batch_header_empty(int64_t base_offset);

#endif
