/* barnabas.h: what producer, consumer and admin client have in common.
 *
 * Settings go by Kafka's own names ("bootstrap.servers", "acks", "linger.ms"). Text is UTF-8 and
 * NUL-terminated; bytes carry their size, and data == NULL is Kafka's null.
 * Thread: every call may be made from any thread; calls on one consumer must not overlap.
 * Errors: functions return 0, a positive Kafka error code, or a negative enum bnb_error_code; a
 * struct bnb_error (which may be NULL) also gets the text. */
#ifndef BARNABAS_BARNABAS_H
#define BARNABAS_BARNABAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNB_EXPORT __attribute__((visibility("default")))

enum bnb_error_code {
    BNB_ERROR_NO_MEMORY = -1,
    BNB_ERROR_IO = -2,
    BNB_ERROR_CORRUPT = -3,
    BNB_ERROR_NOT_FOUND = -4,
    BNB_ERROR_EXISTS = -5,
    BNB_ERROR_INVALID = -6,
    BNB_ERROR_FULL = -7,
    BNB_ERROR_AGAIN = -8,
    BNB_ERROR_CLOSED = -9,
    BNB_ERROR_TIMEOUT = -10,
    BNB_ERROR_UNSUPPORTED = -11,
    BNB_ERROR_NO_OFFSET = -16, /* neither committed, nor is there a reset policy */
    BNB_ERROR_ABORTED = -17,   /* its transaction was aborted before it was sent */
    BNB_ERROR_UNKNOWN_SERVER = -100, /* Kafka's -1 */
};

#define BNB_ERROR_BYTES 512
struct bnb_error {
    int code;
    char text[BNB_ERROR_BYTES];
};

/* The version of this library. */
BNB_EXPORT const char *bnb_version(void);
/* "UNKNOWN_TOPIC_OR_PARTITION" and the like for Kafka's codes; a few words for ours. */
BNB_EXPORT const char *bnb_error_name(int code);
/* Whether trying again may help. */
BNB_EXPORT bool bnb_error_is_retriable(int code);

/* Settings. One may be used for several clients; each copies what it needs. */
struct bnb_config;
BNB_EXPORT struct bnb_config *bnb_config_create(void);
BNB_EXPORT void bnb_config_destroy(struct bnb_config **config);
/* Values are checked when a client is created. Setting a name again replaces the value. */
BNB_EXPORT int bnb_config_set(struct bnb_config *config, const char *name, const char *value);
/* The value set, or NULL. Borrowed until it is set again. */
BNB_EXPORT const char *bnb_config_get(const struct bnb_config *config, const char *name);
/* The index-th setting; false when there are fewer. Borrowed until settings change. */
BNB_EXPORT bool bnb_config_at(const struct bnb_config *config, size_t index, const char **name,
                              const char **value);
/* Reads a Java properties file. */
BNB_EXPORT int bnb_config_load(struct bnb_config *config, const char *path,
                               struct bnb_error *error);
/* Warnings: connections that fail, settings that nobody knows. Called from the network thread of a
 * client; NULL (the default): they are dropped. */
BNB_EXPORT void bnb_config_set_warn(struct bnb_config *config,
                                    void (*warn)(void *context, const char *text), void *context);

/* Results live in a memory that the caller owns; destroying it frees all of them at once. */
struct bnb_memory;
BNB_EXPORT struct bnb_memory *bnb_memory_create(void);
BNB_EXPORT void bnb_memory_destroy(struct bnb_memory **memory);
BNB_EXPORT void bnb_memory_reset(struct bnb_memory *memory);

/* A topic id: all zero when there is none. */
struct bnb_uuid {
    uint8_t bytes[16];
};
/* Kafka's text form: 22 characters and a NUL. */
#define BNB_UUID_TEXT_BYTES 23
BNB_EXPORT char *bnb_uuid_format(struct bnb_uuid id, char text[BNB_UUID_TEXT_BYTES]);
BNB_EXPORT int bnb_uuid_parse(const char *text, struct bnb_uuid *id);

struct bnb_topic_partition {
    const char *topic;
    int32_t partition;
};
/* Offsets by time. */
#define BNB_OFFSET_LATEST (-1)
#define BNB_OFFSET_EARLIEST (-2)
#define BNB_OFFSET_MAX_TIMESTAMP (-3)
#define BNB_OFFSET_EARLIEST_LOCAL (-4)
#define BNB_OFFSET_LATEST_TIERED (-5)
#define BNB_OFFSET_EARLIEST_PENDING_UPLOAD (-6)
struct bnb_offset_query {
    const char *topic;
    int32_t partition;
    int64_t timestamp_ms; /* or one of BNB_OFFSET_* */
};
struct bnb_offset_answer {
    int code;
    const char *error_text;
    int64_t offset; /* -1: none */
    int64_t timestamp_ms;
    int32_t leader_epoch;
};
struct bnb_consumer_offset {
    const char *topic;
    int32_t partition;
    int32_t leader_epoch; /* -1: unknown */
    int64_t offset;       /* of the next record to read; -1: none is committed */
    const char *metadata; /* "" or NULL: none */
};
/* A consumer as its group knows it. */
struct bnb_group_metadata {
    const char *group_id;
    int32_t generation;            /* or member epoch; -1: no member */
    const char *member_id;         /* "": no member */
    const char *group_instance_id; /* NULL: a dynamic member */
};
struct bnb_header {
    const char *key;
    const void *value; /* NULL: null */
    size_t value_size;
};

#ifdef __cplusplus
}
#endif
#endif
