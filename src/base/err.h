/* err.h: internal error codes and the message that travels with them.
 *
 * Zero is success, every failure is negative. Codes below -ERR_WIRE_BASE carry a Kafka error
 * code: err_wire(code) maps either kind to the code that goes on the wire.
 * Thread: any.   Locks: none. */
#ifndef BNB_BASE_ERR_H
#define BNB_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum err {
    ERR_OK = 0,
    ERR_NOMEM = -1,
    ERR_IO = -2,
    ERR_CORRUPT = -3,
    ERR_NOT_FOUND = -4,
    ERR_EXISTS = -5,
    ERR_INVALID = -6,
    ERR_FULL = -7,
    ERR_AGAIN = -8,
    ERR_CLOSED = -9,
    ERR_TIMEOUT = -10,
    ERR_UNSUPPORTED = -11,
    ERR_NO_SPACE = -12,
    ERR_BUSY = -13,
    ERR_RANGE = -14,
    ERR_ACCESS = -15,
};

#define ERR_WIRE_BASE 1000

/* The internal form of a Kafka error code; that of UNKNOWN_SERVER_ERROR (-1) is the base itself. */
static inline int err_from_wire(int16_t error_code)
{
    return error_code == 0 ? 0 : -ERR_WIRE_BASE - (error_code < 0 ? 0 : error_code);
}

/* A bounded message that each layer prefixes on the way up. */
#define ERR_MESSAGE_BYTES 512
struct err_message {
    char text[ERR_MESSAGE_BYTES];
};

/* Replaces the text and returns code. message may be NULL. */
int err_set(struct err_message *message, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text, or before that of code where there is none, and returns code.
 * message may be NULL. */
int err_wrap(struct err_message *message, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A static description of an internal code. */
const char *err_text(int code);
/* The internal code for an errno value. */
int err_from_errno(int errno_value);

#endif
