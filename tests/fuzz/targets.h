/* targets.h: what the fuzzer feeds bytes to. Each takes any bytes and must end without a fault.
 *
 * A target builds as tests/fuzz/fuzz_NAME with libFuzzer (preset fuzz); tests/unit/fuzz feeds all
 * of them a few seconds of mutated messages without it. Thread: one. Memory: freed before return.
 * Errors: a broken promise ends the process. */
#ifndef BNB_TESTS_FUZZ_TARGETS_H
#define BNB_TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

/* A request frame without its size: header, then the body of the API and version that it names. */
void fuzz_request(const uint8_t *data, size_t size);
/* Two bytes choose a message of any kind, one its version; the rest is decoded. */
void fuzz_message(const uint8_t *data, size_t size);
/* Record batches: header, CRC, decompression, records and their headers. */
void fuzz_batch(const uint8_t *data, size_t size);

#endif
