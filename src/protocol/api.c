#include "protocol/api.h"

#include <string.h>

#include "base/err.h"

const struct api_row *api_find(int16_t key)
{
    for (size_t i = 0; i < API_COUNT; i++) {
        if (protocol_apis[i].key == key) {
            return &protocol_apis[i];
        }
    }
    return NULL;
}

static const struct codec_field *api_field(const struct codec_struct *message, uint8_t kind,
                                           const char *name)
{
    for (uint16_t i = 0; i < message->field_count; i++) {
        const struct codec_field *field = &message->fields[i];
        if (field->kind == kind && (field->flags & CODEC_ARRAY) == 0 &&
            strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

const struct codec_field *api_error_field(const struct codec_struct *response)
{
    return api_field(response, CODEC_INT16, "error_code");
}

const struct codec_field *api_timeout_field(const struct codec_struct *request)
{
    return api_field(request, CODEC_INT32, "timeout_ms");
}

static bool api_is_flexible(int16_t key, int16_t version)
{
    const struct api_row *row = api_find(key);
    return row != NULL && version >= row->flexible_version;
}

/* ApiVersions answers with header v0 in every version: the client may not know what we speak. */
static int16_t api_response_header_version(int16_t key, int16_t version)
{
    return key != API_API_VERSIONS && api_is_flexible(key, version) ? 1 : 0;
}

int api_request_header_decode(struct reader *reader, struct arena *arena,
                              struct request_header *header)
{
    struct reader ahead = *reader;
    request_header_default(header);
    header->request_api_key = reader_i16(&ahead);
    header->request_api_version = reader_i16(&ahead);
    header->correlation_id = reader_i32(&ahead);
    if (ahead.failed) {
        return ERR_CORRUPT;
    }
    int16_t version = header->request_api_version;
    const struct api_row *row = api_find(header->request_api_key);
    if (row == NULL || version < row->min_version || version > row->max_version) {
        return ERR_UNSUPPORTED;
    }
    int16_t header_version = api_is_flexible(row->key, version) ? 2 : 1;
    return request_header_decode(reader, header_version, arena, header);
}

int api_request_header_encode(struct writer *writer, const struct request_header *header)
{
    bool flexible = api_is_flexible(header->request_api_key, header->request_api_version);
    return request_header_encode(writer, flexible ? 2 : 1, header);
}

void api_response_header_encode(struct writer *writer, int16_t api_key, int16_t version,
                                int32_t correlation_id)
{
    writer_i32(writer, correlation_id);
    if (api_response_header_version(api_key, version) == 1) {
        writer_uvarint(writer, 0);
    }
}

int api_response_header_decode(struct reader *reader, struct arena *arena, int16_t api_key,
                               int16_t version, int32_t *correlation_id)
{
    struct response_header header;
    int16_t header_version = api_response_header_version(api_key, version);
    int error = response_header_decode(reader, header_version, arena, &header);
    *correlation_id = header.correlation_id;
    return error;
}
