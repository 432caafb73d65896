/* log_support.h: a log in a directory of its own, for the tests of logs; batches for it. */
#ifndef BNB_TESTS_UNIT_LOG_LOG_SUPPORT_H
#define BNB_TESTS_UNIT_LOG_LOG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "log/log_dir.h"
#include "log/log_internal.h"

#define NOW_MS 1700000000000
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

struct fixture {
    char root[64];
    char directory[128];
    struct io_fs fs;
    struct log_config config;
    struct log *log;
};
enum start { START_CLEAN, START_KILLED, START_POWER_LOST };
struct sample {
    int32_t count;
    int64_t timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    size_t value_size;
    uint16_t attributes;
};

int setup(void **state);
int teardown(void **state);
/* Opens it as after such an end of the process before; 0 or an error. */
int open_log(struct fixture *fixture, enum start start, int64_t recovery_point, int64_t log_start);
/* Records of no producer. */
struct sample plain(int32_t count);
void build(const struct sample *sample, struct writer *writer);
int append_in_epoch(struct fixture *fixture, struct sample sample, int32_t leader_epoch,
                    struct log_append_result *result);
int append(struct fixture *fixture, struct sample sample, struct log_append_result *result);
/* Batches of two records. */
void append_many(struct fixture *fixture, int count);

#endif
