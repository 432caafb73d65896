/* image_builder.h: makes the next image out of an image and the records that follow it.
 *
 * A record is the value of a record of __cluster_metadata: uvarint frame version 1, uvarint API
 * key, uvarint version, body. Records whose content the image has no structure for (quotas, ACLs,
 * SCRAM, delegation tokens, controllers, and whatever is younger than this code) are kept as they
 * are, so that a snapshot loses nothing.
 * A builder is owned by who created it and used by one thread. The cost of a build follows what
 * changed, but for the arrays of pointers to topics and brokers.
 * Errors: ERR_CORRUPT for a record that is none or refers to what is not there, ERR_NOMEM. */
#ifndef BNB_METADATA_IMAGE_BUILDER_H
#define BNB_METADATA_IMAGE_BUILDER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/writer.h"
#include "metadata/image.h"
#include "protocol/codec.h"

struct image_builder;

/* from: the image to start from; NULL: nothing. A reference is taken. */
int image_builder_create(const struct image *from, struct image_builder **builder);
void image_builder_destroy(struct image_builder **builder);
int image_builder_replay(struct image_builder *builder, struct bytes_view record,
                         struct err_message *message);
/* The image as of the records so far, with one reference for the caller. The builder ends. */
int image_builder_finish(struct image_builder **builder, int64_t offset, int32_t epoch,
                         int64_t timestamp_ms, struct image **image);

/* Calls visit with each record that makes this image out of nothing: features first
 * (metadata.version before all), then brokers, topics with their partitions, configs, producer
 * ids, what was kept. ERR_BUSY inside a metadata transaction. */
int image_visit_records(const struct image *image,
                        int (*visit)(void *context, struct bytes_view record), void *context);

/* Whether records of a metadata transaction wait for its end. */
bool image_in_transaction(const struct image *image);
/* First producer id of the next block; 0 before any was given. */
int64_t image_next_producer_id(const struct image *image);

/* Appends a framed record: message is the structure of codec row, e.g. topic_record_row. */
int metadata_record_encode(struct writer *writer, int16_t api_key, int16_t version,
                           const struct codec_struct *row, const void *message);
/* Splits the frame off; body is what is left in reader. */
int metadata_record_decode(struct reader *reader, int16_t *api_key, int16_t *version);

#endif
