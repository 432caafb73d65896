/* memory_fs.h: a few files in memory behind io/file.h, for targets that parse what lies on a disk.
 *
 * Names are whole paths; a directory is there once it was made. Nothing fails but what is not
 * there and what has no room. Thread: one. Memory: released with the file system. */
#ifndef BNB_TESTS_FUZZ_MEMORY_FS_H
#define BNB_TESTS_FUZZ_MEMORY_FS_H

#include "io/file.h"

#define MEMORY_FILES_MAX 64
#define MEMORY_PATH_BYTES 160

struct memory_file {
    char path[MEMORY_PATH_BYTES]; /* "": free, or removed while it is open */
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t open_count;
    bool is_directory;
};
struct memory_fs {
    struct io_fs fs;
    struct memory_file files[MEMORY_FILES_MAX];
};

void memory_fs_init(struct memory_fs *memory);
/* The same files in another; none may be open. */
void memory_fs_copy(struct memory_fs *to, const struct memory_fs *from);
/* No file may be open. */
void memory_fs_release(struct memory_fs *memory);
void memory_fs_put(struct memory_fs *memory, const char *path, const void *data, size_t size);
/* NULL when it is not there. */
const struct memory_file *memory_fs_get(const struct memory_fs *memory, const char *path);

#endif
