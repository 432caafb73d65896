/* error.h: what the public calls say when they fail, and the memory of their results.
 * Thread: any for errors; a memory is its owner's. */
#ifndef BNB_CLIENT_ERROR_H
#define BNB_CLIENT_ERROR_H

#include <barnabas/barnabas.h>

#include "base/arena.h"
#include "base/err.h"

/* Sets error (may be NULL) and returns code. */
int client_error_set(struct bnb_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As above from a Kafka error code and the broker's own text, which may be null. */
int client_error_kafka(struct bnb_error *error, int16_t error_code, struct string_view text);
/* The default text that Kafka's clients show for an error code. */
const char *client_error_text(int16_t error_code);

struct bnb_memory {
    struct arena arena;
};
/* A NUL-terminated copy; NULL for null. */
const char *memory_string(struct bnb_memory *memory, struct string_view text);

#endif
