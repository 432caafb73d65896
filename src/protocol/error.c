#include "protocol/error.h"

#include <stddef.h>

#include "base/err.h"

struct kafka_error_row {
    int16_t code;
    bool retriable;
    bool wants_metadata;
    const char *name;
};

static const struct kafka_error_row *kafka_error_find(int16_t error_code)
{
#define KAFKA_ERROR(code, name, retriable, refresh) {code, retriable, refresh, #name},
    static const struct kafka_error_row rows[] = {
#include "protocol/errors.def"
    };
#undef KAFKA_ERROR
    /* The table starts at -1 and has no gaps; tests/unit/protocol/codec_test.c checks it. */
    size_t count = sizeof rows / sizeof rows[0];
    return error_code >= -1 && (size_t)(error_code + 1) < count ? &rows[error_code + 1] : &rows[0];
}

const char *kafka_error_name(int16_t error_code)
{
    return kafka_error_find(error_code)->name;
}

bool kafka_error_is_retriable(int16_t error_code)
{
    return kafka_error_find(error_code)->retriable;
}

bool kafka_error_wants_metadata(int16_t error_code)
{
    return kafka_error_find(error_code)->wants_metadata;
}

int16_t kafka_error_from(int internal_code)
{
    if (internal_code == -ERR_WIRE_BASE) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (internal_code < -ERR_WIRE_BASE) {
        return (int16_t)(-ERR_WIRE_BASE - internal_code);
    }
    switch (internal_code) {
    case ERR_OK:
        return KAFKA_NONE;
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_ACCESS:
        return KAFKA_KAFKA_STORAGE_ERROR;
    case ERR_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case ERR_INVALID:
        return KAFKA_INVALID_REQUEST;
    case ERR_RANGE:
        return KAFKA_OFFSET_OUT_OF_RANGE;
    case ERR_UNSUPPORTED:
        return KAFKA_UNSUPPORTED_VERSION;
    case ERR_TIMEOUT:
        return KAFKA_REQUEST_TIMED_OUT;
    default: /* internal codes without a counterpart of their own */
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}
