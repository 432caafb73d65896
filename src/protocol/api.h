/* api.h: the table of APIs and the headers around every message. Thread: any. */
#ifndef BNB_PROTOCOL_API_H
#define BNB_PROTOCOL_API_H

#include "protocol/messages.h"

/* One row an API, from the schema of its request. */
struct api_row {
    int16_t key;
    const char *name; /* "Produce" */
    int16_t min_version;
    int16_t max_version; /* below min_version: no version is left */
    int16_t flexible_version;
    bool latest_unstable; /* max_version needs unstable.api.versions.enable */
    bool on_broker;
    bool on_controller;
};

extern const struct api_row protocol_apis[API_COUNT];

/* NULL for a key that is not in the table. */
const struct api_row *api_find(int16_t key);
/* Where a response says what is wrong with the whole request; NULL when it has no such field. */
const struct codec_field *api_error_field(const struct codec_struct *response);
/* Where a request says how many ms it may take; NULL when it has no such field. */
const struct codec_field *api_timeout_field(const struct codec_struct *request);
/* Reads the header in the form that its own api key and version call for; strings are borrowed.
 * 0; ERR_UNSUPPORTED for an API or version that is not in the table, with key, version and
 * correlation id filled in; ERR_CORRUPT when it is cut short. */
int api_request_header_decode(struct reader *reader, struct arena *arena,
                              struct request_header *header);
int api_request_header_encode(struct writer *writer, const struct request_header *header);
void api_response_header_encode(struct writer *writer, int16_t api_key, int16_t version,
                                int32_t correlation_id);
int api_response_header_decode(struct reader *reader, struct arena *arena, int16_t api_key,
                               int16_t version, int32_t *correlation_id);

#endif
