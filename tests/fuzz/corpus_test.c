/* Feeds each fuzz target what was found worth keeping: tests/fuzz/corpus/NAME. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "io/file.h"
#include "targets.h"

#define PATH_BYTES 1024
#define INPUT_BYTES_MAX (1u << 20)

struct feeding {
    const struct fuzz_target *target;
    struct io_fs fs;
    char folder[PATH_BYTES];
    size_t count;
};

static int feed_visit(void *context, const char *name, bool is_directory)
{
    struct feeding *feeding = context;
    char path[PATH_BYTES * 2];
    uint8_t *data;
    size_t size;
    (void)is_directory;
    snprintf(path, sizeof path, "%s/%s", feeding->folder, name);
    if (io_read_whole(&feeding->fs, path, INPUT_BYTES_MAX, &data, &size) != 0) {
        return -1;
    }
    /* Of its very size, so that a read behind its end is seen. */
    uint8_t *input = mem_need(size > 0 ? size : 1);
    memcpy(input, data, size);
    mem_free(data);
    feeding->target->run(input, size);
    mem_free(input);
    feeding->count++;
    return 0;
}

static void fuzz__the_corpus_of_every_target(void **state)
{
    (void)state;
    for (const struct fuzz_target *target = fuzz_targets; target->name != NULL; target++) {
        struct feeding feeding = {.target = target, .fs = io_fs_linux()};
        snprintf(feeding.folder, sizeof feeding.folder, "%s/%s", FUZZ_CORPUS, target->name);
        print_message("%s\n", target->name);
        assert_int_equal(io_list(&feeding.fs, feeding.folder, feed_visit, &feeding), 0);
        assert_true(feeding.count > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fuzz__the_corpus_of_every_target)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
