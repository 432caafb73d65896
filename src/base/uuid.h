/* uuid.h: Kafka's text form of a uuid: URL-safe base64 without padding, 22 characters. */
#ifndef BNB_BASE_UUID_H
#define BNB_BASE_UUID_H

#include "base/view.h"

#define UUID_TEXT_BYTES 23

/* Writes 22 characters and a NUL. Returns text. */
char *uuid_format(struct uuid id, char text[UUID_TEXT_BYTES]);
/* 0, or ERR_INVALID when text is no uuid. */
int uuid_parse(struct string_view text, struct uuid *id);
/* Makes a version-4 uuid from 16 random bytes; its text does not begin with a dash, which would
 * look like a flag to tools. */
struct uuid uuid_from_random(const uint8_t random[16]);

#endif
