/* The keys of SCRAM against the worked example of RFC 7677. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "security/scram.h"

/* base64 "W22ZaJ0SNY7soEsUEjb6gQ==", password "pencil", 4096 rounds; the proof of the example is
 * ClientKey xor HMAC(StoredKey, AuthMessage), so these are the keys that make it come out. */
static const uint8_t salt[] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                               0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};
static const uint8_t stored_key[] = {
    0x58, 0x6e, 0x5d, 0xf2, 0x83, 0xe6, 0xdc, 0xeb, 0x5c, 0x3e, 0x79, 0x1d, 0x8b, 0x85, 0x28, 0xec,
    0x19, 0x1e, 0x66, 0x40, 0x45, 0xce, 0x97, 0x17, 0x92, 0xe2, 0xe6, 0xb5, 0xbb, 0x13, 0xe2, 0xa6};

static void scram__finds_the_mechanisms_by_name(void **state)
{
    (void)state;
    enum scram_mechanism mechanism;
    assert_true(scram_mechanism_find(string_view_of("SCRAM-SHA-512"), &mechanism));
    assert_int_equal(mechanism, SCRAM_SHA_512);
    assert_int_equal(scram_key_bytes(mechanism), 64);
    assert_false(scram_mechanism_find(string_view_of("SCRAM-SHA-1"), &mechanism));
}

static void scram__derives_the_keys_of_the_rfc(void **state)
{
    (void)state;
    uint8_t salted[SCRAM_KEY_BYTES_MAX];
    struct scram_keys keys;
    struct bytes_view password = {(const uint8_t *)"pencil", 6};
    assert_int_equal(scram_salt_password(SCRAM_SHA_256, password,
                                         (struct bytes_view){salt, sizeof salt}, 4096, salted),
                     0);
    assert_int_equal(
        scram_derive_keys(SCRAM_SHA_256, (struct bytes_view){salted, 32}, &keys), 0);
    assert_memory_equal(keys.stored_key, stored_key, sizeof stored_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram__finds_the_mechanisms_by_name),
        cmocka_unit_test(scram__derives_the_keys_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
