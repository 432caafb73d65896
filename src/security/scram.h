/* scram.h: the keys that SCRAM stores instead of a password (RFC 5802, RFC 7677).
 *
 * Lengths are the hash's: 32 bytes for SHA-256, 64 for SHA-512. Hash and HMAC are OpenSSL's.
 * Thread: any.   Errors: ERR_NOMEM, where OpenSSL fails. */
#ifndef BNB_SECURITY_SCRAM_H
#define BNB_SECURITY_SCRAM_H

#include "base/view.h"

/* Numbers as metadata records and AlterUserScramCredentials have them. */
enum scram_mechanism {
    SCRAM_SHA_256 = 1,
    SCRAM_SHA_512 = 2,
};
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384
#define SCRAM_KEY_BYTES_MAX 64

struct scram_keys {
    uint8_t stored_key[SCRAM_KEY_BYTES_MAX];
    uint8_t server_key[SCRAM_KEY_BYTES_MAX];
};

size_t scram_key_bytes(enum scram_mechanism mechanism);
/* "SCRAM-SHA-256" or "SCRAM-SHA-512". */
bool scram_mechanism_find(struct string_view name, enum scram_mechanism *mechanism);
/* SaltedPassword, which takes a while: that is its purpose. iterations > 0. */
int scram_salt_password(enum scram_mechanism mechanism, struct bytes_view password,
                        struct bytes_view salt, int32_t iterations,
                        uint8_t salted[SCRAM_KEY_BYTES_MAX]);
int scram_derive_keys(enum scram_mechanism mechanism, struct bytes_view salted,
                      struct scram_keys *keys);

#endif
