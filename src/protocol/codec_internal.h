/* codec_internal.h: what the three walks over a codec table share. */
#ifndef BNB_PROTOCOL_CODEC_INTERNAL_H
#define BNB_PROTOCOL_CODEC_INTERNAL_H

#include "protocol/codec.h"

static inline bool codec_in(struct codec_versions versions, int16_t version)
{
    return version >= versions.min && version <= versions.max;
}

static inline bool codec_is_tagged(const struct codec_field *field, int16_t version)
{
    return field->tag >= 0 && codec_in(field->tagged, version);
}

static inline bool codec_is_flexible(const struct codec_struct *row, int16_t version)
{
    return version >= row->flexible;
}

/* Bytes that one value of the kind takes in memory. */
size_t codec_size_of(const struct codec_field *field);
/* Whether the field holds what codec_default would put there. */
bool codec_is_default(const struct codec_field *field, const void *value);
/* A number of any kind but float64 and uuid. */
int64_t codec_load(const struct codec_field *field, const void *value);

#endif
