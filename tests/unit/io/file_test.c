/* The Linux half of the file interface does what the header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/file.h"

static char directory[64];

static int make(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/barnabas-file-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void file__reads_back_what_was_written_and_ends_short(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    char read[10];
    assert_int_equal(io_file_open(&fs, path_of("a"), IO_OPEN_READ, &file), ERR_NOT_FOUND);
    assert_int_equal(io_file_open(&fs, path_of("a"), IO_OPEN_WRITE | IO_OPEN_CREATE, &file), 0);
    assert_int_equal(io_file_write(&file, "hello", 5, 3), 0);
    assert_int_equal(io_file_size(&file), 8);
    assert_int_equal(io_file_read(&file, read, sizeof read, 3), 5);
    assert_memory_equal(read, "hello", 5);
    assert_int_equal(io_file_truncate(&file, 4), 0);
    assert_int_equal(io_file_read(&file, read, sizeof read, 4), 0);
    assert_int_equal(io_file_sync(&file), 0);
    io_file_close(&file);
    unsigned exclusive = IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE;
    assert_int_equal(io_file_open(&fs, path_of("a"), exclusive, &file), ERR_EXISTS);
    assert_int_equal(io_remove(&fs, path_of("a")), 0);
}

static int count_entries(void *context, const char *name, bool is_directory)
{
    (void)is_directory;
    assert_string_not_equal(name, ".");
    ++*(int *)context;
    return 0;
}

static void file__atomic_write_replaces_and_leaves_no_rest(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    uint8_t *data;
    size_t size;
    int entries = 0;
    assert_int_equal(io_write_atomically(&fs, path_of("b"), "first", 5), 0);
    assert_int_equal(io_write_atomically(&fs, path_of("b"), "2nd", 3), 0);
    assert_int_equal(io_read_whole(&fs, path_of("b"), 100, &data, &size), 0);
    assert_int_equal(size, 3);
    assert_string_equal((char *)data, "2nd");
    mem_free(data);
    assert_int_equal(io_read_whole(&fs, path_of("b"), 2, &data, &size), ERR_RANGE);
    assert_int_equal(io_list(&fs, directory, count_entries, &entries), 0);
    assert_int_equal(entries, 1);
    assert_int_equal(io_remove(&fs, path_of("b")), 0);
    assert_int_equal(io_remove_directory(&fs, directory), 0);
}

static void file__a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    int entries = 0;
    assert_int_equal(io_make_directory(&fs, path_of("taken")), 0);
    assert_int_not_equal(io_write_atomically(&fs, path_of("taken"), "x", 1), 0);
    assert_int_equal(io_list(&fs, directory, count_entries, &entries), 0);
    assert_int_equal(entries, 1);
    assert_int_equal(io_remove_directory(&fs, path_of("taken")), 0);
}

/* Whoever is killed while it writes leaves the file whole or not at all: here the disk is full. */
static void file__a_whole_file_has_no_name_before_it_is_written(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct rlimit unlimited;
    uint8_t *data;
    size_t size;
    assert_int_equal(io_write_whole(&fs, path_of("c"), "whole", 5), 0);
    assert_int_equal(io_read_whole(&fs, path_of("c"), 100, &data, &size), 0);
    assert_string_equal((char *)data, "whole");
    mem_free(data);
    assert_int_equal(io_remove(&fs, path_of("c")), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    struct rlimit none = {0, unlimited.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int error = io_write_whole(&fs, path_of("c"), "whole", 5);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_not_equal(error, 0);
    assert_int_equal(io_read_whole(&fs, path_of("c"), 100, &data, &size), ERR_NOT_FOUND);
    (void)io_remove(&fs, path_of("c" IO_TEMPORARY_SUFFIX));
}

/* Puts another file in the place of the directory that is being listed. */
static int take_directory_away(void *context, const char *name, bool is_directory)
{
    (void)name, (void)is_directory;
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(dup2(other, *(int *)context), *(int *)context);
    close(other);
    return 0;
}

/* A listing that ends with an error is none: what is not named in it may be there all the same. */
static void file__a_directory_that_cannot_be_read_to_its_end_is_an_error(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    assert_int_equal(io_file_open(&fs, path_of("c"), IO_OPEN_WRITE | IO_OPEN_CREATE, &file), 0);
    int next = file.descriptor; /* the lowest that is free, once it is closed */
    io_file_close(&file);
    assert_int_not_equal(io_list(&fs, directory, take_directory_away, &next), 0);
    assert_int_equal(io_remove(&fs, path_of("c")), 0);
}

#define COLD_BYTES 300000
#define COLD_TRIES 1000

/* Drops the pages and looks, again and again: a look alone may make the kernel read ahead, and
 * pages that are being read cannot be dropped. */
static bool says_when_cold(struct io_file *file, size_t size)
{
    bool absent = false;
    bool would_wait = false;
    for (int i = 0; i < COLD_TRIES && !(absent && would_wait); i++) {
        uint8_t bytes[100];
        assert_int_equal(posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
        if (!absent) {
            absent = !io_file_resident(file, (int64_t)size - 1, 1);
        } else {
            int64_t got = io_file_read_cached(file, bytes, sizeof bytes, 5000);
            assert_true(got == ERR_AGAIN || got == sizeof bytes);
            would_wait = got == ERR_AGAIN;
        }
    }
    assert_int_equal(absent, would_wait);
    return absent;
}

static void file__knows_what_is_in_memory_and_brings_it_there(void **state)
{
    (void)state;
    static uint8_t bytes[COLD_BYTES];
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    assert_int_equal(io_file_open(&fs, path_of("c"), IO_OPEN_WRITE | IO_OPEN_CREATE, &file), 0);
    assert_int_equal(io_file_write(&file, bytes, sizeof bytes, 0), 0);
    assert_true(io_file_resident(&file, 0, sizeof bytes));
    assert_int_equal(io_file_read_cached(&file, bytes, sizeof bytes, 0), sizeof bytes);
    /* Short at the end of the file only. */
    assert_int_equal(io_file_read_cached(&file, bytes, 100, sizeof bytes - 40), 40);
    assert_int_equal(io_file_sync(&file), 0);
    if (!says_when_cold(&file, COLD_BYTES)) {
        print_message("this file system keeps everything in memory: nothing to see\n");
    } else {
        assert_int_equal(io_file_read_ahead(&file, 0, COLD_BYTES * 2), 0);
        assert_true(io_file_resident(&file, 0, sizeof bytes));
        assert_int_equal(io_file_read_cached(&file, bytes, 100, 5000), 100);
    }
    io_file_close(&file);
    assert_int_equal(io_remove(&fs, path_of("c")), 0);
}

/* Room that is taken ahead is on the disk but not in the file, and a truncation gives it back. */
static void file__takes_room_ahead_and_gives_it_back(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    struct stat before;
    struct stat after;
    assert_int_equal(io_file_open(&fs, path_of("r"), IO_OPEN_WRITE | IO_OPEN_CREATE, &file), 0);
    assert_int_equal(io_file_write(&file, "hello", 5, 0), 0);
    int error = io_file_reserve(&file, 5, 1 << 20);
    if (error == 0) {
        assert_int_equal(io_file_size(&file), 5);
        assert_int_equal(fstat(file.descriptor, &before), 0);
        assert_true(before.st_blocks * 512 >= 1 << 20);
        assert_int_equal(io_file_truncate(&file, 5), 0);
        assert_int_equal(fstat(file.descriptor, &after), 0);
        assert_true(after.st_blocks * 512 < 1 << 20);
    } else {
        print_message("this file system takes no room ahead: %s\n", err_text(error));
    }
    io_file_close(&file);
    assert_int_equal(io_remove(&fs, path_of("r")), 0);
}

/* The disk is not to blame for it. */
static void file__without_a_descriptor_left_memory_is_short(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = open("/dev/null", O_RDONLY);
    struct rlimit none = {(rlim_t)next, before.rlim_max};
    assert_int_equal(close(next), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int opened = io_file_open(&fs, path_of("n"), IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    int synced = io_sync_directory(&fs, directory);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(opened, ERR_NOMEM);
    assert_int_equal(synced, ERR_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file__reads_back_what_was_written_and_ends_short),
        cmocka_unit_test(file__takes_room_ahead_and_gives_it_back),
        cmocka_unit_test(file__knows_what_is_in_memory_and_brings_it_there),
        cmocka_unit_test(file__a_write_that_fails_leaves_nothing),
        cmocka_unit_test(file__a_whole_file_has_no_name_before_it_is_written),
        cmocka_unit_test(file__a_directory_that_cannot_be_read_to_its_end_is_an_error),
        cmocka_unit_test(file__without_a_descriptor_left_memory_is_short),
        cmocka_unit_test(file__atomic_write_replaces_and_leaves_no_rest),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
