/* error.h: Kafka's error codes, from the table errors.def. Thread: any. */
#ifndef BNB_PROTOCOL_ERROR_H
#define BNB_PROTOCOL_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define KAFKA_ERROR(code, name, retriable, refresh) KAFKA_##name = code,
enum kafka_error {
#include "protocol/errors.def"
};
#undef KAFKA_ERROR

/* "NONE", "OFFSET_OUT_OF_RANGE", ...; "UNKNOWN_SERVER_ERROR" for one that is not there. */
const char *kafka_error_name(int16_t error_code);
bool kafka_error_is_retriable(int16_t error_code);
bool kafka_error_wants_metadata(int16_t error_code);
/* The wire code for an internal one (base/err.h). */
int16_t kafka_error_from(int internal_code);

#endif
