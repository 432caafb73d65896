#include "base/uuid.h"

#include "base/err.h"

static const char uuid_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *uuid_format(struct uuid id, char text[UUID_TEXT_BYTES])
{
    /* 128 bits are 21 full groups of six and one group of two bits, shifted up. */
    for (size_t i = 0; i < 22; i++) {
        size_t bit = i * 6;
        uint32_t pair = (uint32_t)id.bytes[bit / 8] << 8;
        pair |= bit / 8 + 1 < 16 ? id.bytes[bit / 8 + 1] : 0;
        text[i] = uuid_alphabet[pair >> (10 - bit % 8) & 63];
    }
    text[22] = '\0';
    return text;
}

int uuid_parse(struct string_view text, struct uuid *id)
{
    struct uuid parsed = {{0}};
    if (text.size != 22) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < 22; i++) {
        const char *place = text.data[i] != '\0' ? strchr(uuid_alphabet, text.data[i]) : NULL;
        if (place == NULL) {
            return ERR_INVALID;
        }
        uint32_t value = (uint32_t)(place - uuid_alphabet);
        for (size_t b = 0; b < 6; b++) {
            size_t bit = i * 6 + b;
            if (bit < 128 && (value >> (5 - b) & 1) != 0) {
                parsed.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
            }
        }
    }
    *id = parsed;
    return 0;
}

struct uuid uuid_from_random(const uint8_t random[16])
{
    struct uuid id;
    memcpy(id.bytes, random, 16);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    if (uuid_alphabet[id.bytes[0] >> 2] == '-') {
        id.bytes[0] ^= 0x80;
    }
    return id;
}
