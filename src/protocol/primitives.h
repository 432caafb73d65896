/* primitives.h: the value types of decoded messages that base does not have.
 *
 * Strings, bytes, records and arrays are borrowed: they point into the frame or the arena that the
 * message was decoded with, and live as long as those. */
#ifndef BNB_PROTOCOL_PRIMITIVES_H
#define BNB_PROTOCOL_PRIMITIVES_H

#include "base/view.h"

/* Record batches inside a message. data and source NULL: null. With a source the bytes are not in
 * memory: the encoder leaves a splice of size bytes to whoever sends the message. */
struct records_view {
    const uint8_t *data;
    size_t size;
    const void *source;
};

#endif
