#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err_message *message, int code, const char *format, ...)
{
    if (message != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message->text, sizeof message->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

int err_wrap(struct err_message *message, int code, const char *format, ...)
{
    if (message == NULL) {
        return code;
    }
    char inner[ERR_MESSAGE_BYTES];
    if (message->text[0] == '\0') {
        snprintf(message->text, sizeof message->text, "%s", err_text(code));
    }
    memcpy(inner, message->text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message->text, sizeof message->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(message->text);
    const char *from = used == 0 ? "" : ": ";
    for (; *from != '\0' && used + 1 < sizeof inner; from++) {
        message->text[used++] = *from;
    }
    size_t rest = strnlen(inner, sizeof inner - 1 - used);
    memcpy(message->text + used, inner, rest);
    message->text[used + rest] = '\0';
    return code;
}

const char *err_text(int code)
{
    static const char *const texts[] = {
        [-ERR_OK] = "success",
        [-ERR_NOMEM] = "out of memory",
        [-ERR_IO] = "input/output error",
        [-ERR_CORRUPT] = "corrupt data",
        [-ERR_NOT_FOUND] = "not found",
        [-ERR_EXISTS] = "exists already",
        [-ERR_INVALID] = "invalid argument",
        [-ERR_FULL] = "full",
        [-ERR_AGAIN] = "try again",
        [-ERR_CLOSED] = "closed",
        [-ERR_TIMEOUT] = "timed out",
        [-ERR_UNSUPPORTED] = "unsupported",
        [-ERR_NO_SPACE] = "no space left on the device",
        [-ERR_BUSY] = "in use",
        [-ERR_RANGE] = "out of range",
        [-ERR_ACCESS] = "permission denied",
    };
    size_t index = (size_t)-(int64_t)code;
    return code <= 0 && index < sizeof texts / sizeof texts[0] ? texts[index] : "error";
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return ERR_OK;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case EINVAL:
        return ERR_INVALID;
    case EAGAIN:
    case EINTR:
        return ERR_AGAIN;
    case EPIPE:
    case ECONNRESET:
        return ERR_CLOSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EBUSY:
    case EADDRINUSE:
        return ERR_BUSY;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_ACCESS;
    default: /* errno is an open set */
        return ERR_IO;
    }
}
