#include "security/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"
#include "base/err.h"

static const char *const mechanism_names[] = {
    [SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SCRAM_SHA_512] = "SCRAM-SHA-512",
};

static const EVP_MD *scram_hash(enum scram_mechanism mechanism)
{
    switch (mechanism) {
    case SCRAM_SHA_256:
        return EVP_sha256();
    case SCRAM_SHA_512:
        return EVP_sha512();
    }
    ASSERT(false);
    return NULL;
}

size_t scram_key_bytes(enum scram_mechanism mechanism)
{
    return mechanism == SCRAM_SHA_256 ? 32 : 64;
}

bool scram_mechanism_find(struct string_view name, enum scram_mechanism *mechanism)
{
    for (int i = SCRAM_SHA_256; i <= SCRAM_SHA_512; i++) {
        if (string_view_is(name, mechanism_names[i])) {
            *mechanism = (enum scram_mechanism)i;
            return true;
        }
    }
    return false;
}

int scram_salt_password(enum scram_mechanism mechanism, struct bytes_view password,
                        struct bytes_view salt, int32_t iterations,
                        uint8_t salted[SCRAM_KEY_BYTES_MAX])
{
    ASSERT(iterations > 0 && password.size <= INT32_MAX && salt.size <= INT32_MAX);
    int done = PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.size, salt.data,
                                 (int)salt.size, iterations, scram_hash(mechanism),
                                 (int)scram_key_bytes(mechanism), salted);
    return done == 1 ? 0 : ERR_NOMEM;
}

static int scram_hmac(enum scram_mechanism mechanism, struct bytes_view key, const char *text,
                      uint8_t *mac)
{
    unsigned size = SCRAM_KEY_BYTES_MAX;
    return HMAC(scram_hash(mechanism), key.data, (int)key.size, (const uint8_t *)text,
                strlen(text), mac, &size) != NULL
               ? 0
               : ERR_NOMEM;
}

int scram_derive_keys(enum scram_mechanism mechanism, struct bytes_view salted,
                      struct scram_keys *keys)
{
    uint8_t client_key[SCRAM_KEY_BYTES_MAX];
    int error = scram_hmac(mechanism, salted, "Client Key", client_key);
    if (error == 0 && EVP_Digest(client_key, scram_key_bytes(mechanism), keys->stored_key, NULL,
                                 scram_hash(mechanism), NULL) != 1) {
        error = ERR_NOMEM;
    }
    return error != 0 ? error : scram_hmac(mechanism, salted, "Server Key", keys->server_key);
}
