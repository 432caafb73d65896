/* validate.h: what a leader checks of a batch that a client sent, and the changes it makes to it.
 *
 * Records are walked, never built, unless the topic asks for another codec or the batch numbers its
 * records in a way that cannot be stored. Mirrors Apache Kafka's LogValidator.
 * Thread: the log's owner.   Errors: wire errors (err_from_wire), ERR_NOMEM. */
#ifndef BNB_LOG_VALIDATE_H
#define BNB_LOG_VALIDATE_H

#include "base/limits.h"
#include "log/log.h"

/* Of Produce: from it on batches may be packed with zstd. */
#define VALIDATE_ZSTD_VERSION 7

/* What Apache Kafka checks of a request before it looks at a log (ProduceRequest.validateRecords):
 * one batch of format 2 and of a codec that the version of Produce has, and behind it at most a
 * part of another, which is ignored; *size becomes that of the batch. 0 or a wire error, and
 * result->refusal. */
int validate_framing(const uint8_t *data, size_t *size, int16_t api_version,
                     struct log_append_result *result);
/* Checks that data is one whole batch of format 2 with a CRC that holds, small enough and of the
 * shape a client may send; decodes its header. *size becomes that of the batch. */
int validate_client_batch(const struct log_config *config,
                          const struct log_append_options *options, uint8_t *data, size_t *size,
                          struct batch *batch, struct log_append_result *result);
/* Checks the records, sets timestamps as the topic wants them and stamps base offset and leader
 * epoch. When the batch had to be made anew, rebuilt holds it (otherwise it stays empty).
 * *batch is the header as it will be stored. */
int validate_records(const struct log_config *config, const struct log_append_options *options,
                     int64_t base_offset, uint8_t *data, struct batch *batch,
                     struct writer *rebuilt, struct log_append_result *result);

#endif
