/* codec.h: one interpreter that defaults, decodes, encodes and prints every message.
 *
 * The generator writes, for each structure of a schema, a C struct and a constant table that says
 * where each field lies and in which versions and form it is on the wire. The interpreter walks
 * that table. Depth is bounded by the schemas (CODEC_DEPTH_MAX), not by input.
 * Thread: any; tables are constant. Errors: see each function. */
#ifndef BNB_PROTOCOL_CODEC_H
#define BNB_PROTOCOL_CODEC_H

#include "base/arena.h"
#include "base/reader.h"
#include "base/writer.h"
#include "protocol/primitives.h"

#define CODEC_DEPTH_MAX 8
/* Tag numbers are small and dense in every schema. */
#define CODEC_TAGS_MAX 16

enum codec_kind {
    CODEC_BOOL,
    CODEC_INT8,
    CODEC_INT16,
    CODEC_UINT16,
    CODEC_INT32,
    CODEC_UINT32,
    CODEC_INT64,
    CODEC_FLOAT64,
    CODEC_UUID,
    CODEC_STRING,
    CODEC_BYTES,
    CODEC_RECORDS,
    CODEC_STRUCT,
};

enum codec_flag {
    CODEC_ARRAY = 1,
    CODEC_IGNORABLE = 2,
    CODEC_NEVER_COMPACT = 4,
    CODEC_POINTER = 8, /* a nullable structure: the field is a pointer */
    CODEC_DEFAULT_NULL = 16,
};

/* Both ends inclusive; min > max is the empty set. */
struct codec_versions {
    int16_t min;
    int16_t max;
};

struct codec_struct;
struct codec_field {
    const char *name;
    const struct codec_struct *element; /* of CODEC_STRUCT */
    int64_t default_value;
    uint16_t offset;
    uint8_t kind;
    uint8_t flags;
    int16_t tag; /* -1: never tagged */
    struct codec_versions versions;
    struct codec_versions tagged;
    struct codec_versions nullable;
};
struct codec_struct {
    const char *name;
    const struct codec_field *fields;
    const void *defaults; /* a message with all of them */
    uint16_t field_count;
    uint16_t size;
    struct codec_versions versions; /* of the message */
    int16_t flexible;               /* first flexible version; INT16_MAX: none */
    bool has_tagged; /* in some version */
    bool has_pointers;
};
/* The layout that every generated array field has. */
struct codec_array {
    void *items;
    int32_t count;
};

/* Fills message with the defaults of its schema. */
void codec_default(const struct codec_struct *row, void *message);
/* 0; ERR_UNSUPPORTED for a version outside the schema; ERR_CORRUPT for bytes that are no such
 * message; ERR_NOMEM when the arena's bound is reached. Bytes after the message are left unread. */
int codec_decode(const struct codec_struct *row, struct reader *reader, int16_t version,
                 struct arena *arena, void *message);
/* 0; ERR_UNSUPPORTED as above; ERR_INVALID when a field has a value that this version cannot carry;
 * ERR_NOMEM when the writer failed. */
int codec_encode(const struct codec_struct *row, struct writer *writer, int16_t version,
                 const void *message);
/* Writes the fields of this version as JSON text. */
void codec_print(const struct codec_struct *row, struct writer *text, int16_t version,
                 const void *message);

#endif
