#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/system.h"

#define IO_PATH_BYTES 4096

int io_file_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    *file = (struct io_file){.fs = fs, .descriptor = -1};
    return fs->operations->open(fs, path, flags, file);
}

void io_file_close(struct io_file *file)
{
    if (file->fs != NULL) {
        file->fs->operations->close(file);
        *file = (struct io_file){.descriptor = -1};
    }
}

int64_t io_file_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    return file->fs->operations->read(file, data, size, position);
}

int64_t io_file_read_cached(struct io_file *file, void *data, size_t size, int64_t position)
{
    const struct io_operations *operations = file->fs->operations;
    return operations->read_cached != NULL ? operations->read_cached(file, data, size, position)
                                           : operations->read(file, data, size, position);
}

bool io_file_resident(struct io_file *file, int64_t position, size_t size)
{
    const struct io_operations *operations = file->fs->operations;
    return operations->resident == NULL || size == 0 || operations->resident(file, position, size);
}

int io_file_read_ahead(struct io_file *file, int64_t position, size_t size)
{
    const struct io_operations *operations = file->fs->operations;
    return operations->read_ahead == NULL ? 0 : operations->read_ahead(file, position, size);
}

int io_file_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    return file->fs->operations->write(file, data, size, position);
}

int io_file_reserve(struct io_file *file, int64_t position, size_t size)
{
    const struct io_operations *operations = file->fs->operations;
    return operations->reserve == NULL ? ERR_UNSUPPORTED
                                       : operations->reserve(file, position, size);
}

int io_file_sync(struct io_file *file)
{
    return file->fs->operations->sync(file);
}

int io_file_write_back(struct io_file *file, int64_t position, size_t size)
{
    const struct io_operations *operations = file->fs->operations;
    return operations->write_back == NULL ? 0 : operations->write_back(file, position, size);
}

int io_file_sync_all(struct io_file *file)
{
    return file->fs->operations->sync_all != NULL ? file->fs->operations->sync_all(file)
                                                  : ERR_UNSUPPORTED;
}

int io_file_truncate(struct io_file *file, int64_t size)
{
    return file->fs->operations->truncate(file, size);
}

int64_t io_file_size(struct io_file *file)
{
    return file->fs->operations->size(file);
}

int64_t io_file_modified_ms(struct io_file *file)
{
    return file->fs->operations->modified_ms != NULL ? file->fs->operations->modified_ms(file)
                                                     : ERR_UNSUPPORTED;
}

int io_file_lock(struct io_file *file)
{
    return file->fs->operations->lock(file);
}

int io_rename(struct io_fs *fs, const char *from, const char *to)
{
    return fs->operations->rename(fs, from, to);
}

int io_remove(struct io_fs *fs, const char *path)
{
    return fs->operations->remove(fs, path);
}

int io_make_directory(struct io_fs *fs, const char *path)
{
    return fs->operations->make_directory(fs, path);
}

int io_remove_directory(struct io_fs *fs, const char *path)
{
    return fs->operations->remove_directory(fs, path);
}

int io_sync_directory(struct io_fs *fs, const char *path)
{
    return fs->operations->sync_directory(fs, path);
}

int io_list(struct io_fs *fs, const char *path,
            int (*visit)(void *context, const char *name, bool is_directory), void *context)
{
    return fs->operations->list(fs, path, visit, context);
}

int io_read_whole(struct io_fs *fs, const char *path, size_t max_bytes, uint8_t **data,
                  size_t *size)
{
    struct io_file file;
    int error = io_file_open(fs, path, IO_OPEN_READ, &file);
    if (error != 0) {
        return error;
    }
    int64_t length = io_file_size(&file);
    if (length < 0 || (uint64_t)length > max_bytes) {
        io_file_close(&file);
        return length < 0 ? (int)length : ERR_RANGE;
    }
    uint8_t *bytes = mem_alloc((size_t)length + 1);
    int64_t got = bytes == NULL ? ERR_NOMEM : io_file_read(&file, bytes, (size_t)length, 0);
    io_file_close(&file);
    if (got < 0) {
        mem_free(bytes);
        return (int)got;
    }
    bytes[got] = '\0';
    *data = bytes;
    *size = (size_t)got;
    return 0;
}

/* The directory part of path; "." without one. */
static void io_parent(const char *path, char parent[IO_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size == 0 || size >= IO_PATH_BYTES) {
        memcpy(parent, ".", 2);
        return;
    }
    memcpy(parent, path, size);
    parent[size] = '\0';
}

static int io_write_new(struct io_fs *fs, const char *path, const void *data, size_t size,
                        bool sync)
{
    struct io_file file;
    int error = io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (error != 0) {
        return error;
    }
    error = io_file_write(&file, data, size, 0);
    if (error == 0 && sync) {
        error = io_file_sync(&file);
    }
    io_file_close(&file);
    return error;
}

int io_write_unsynced(struct io_fs *fs, const char *path, const void *data, size_t size)
{
    return io_write_new(fs, path, data, size, false);
}

/* The content is on the disk before it has its name. What failed leaves nothing: a full disk would
 * only be fuller. */
static int io_write_and_rename(struct io_fs *fs, const char *temporary, const char *path,
                               const void *data, size_t size, const atomic_bool *off)
{
    int error = io_write_new(fs, temporary, data, size, true);
    /* Made in the directory of before, it went away with it, and has no place here to be renamed
     * from; made in the one of now, *off was set when it was made. */
    if (error == 0 && off != NULL && atomic_load(off)) {
        error = ERR_AGAIN;
    }
    error = error == 0 ? io_rename(fs, temporary, path) : error;
    if (error != 0) {
        (void)io_remove(fs, temporary);
    }
    return error;
}

static int io_temporary_path(const char *path, char temporary[IO_PATH_BYTES])
{
    int length = snprintf(temporary, IO_PATH_BYTES, "%s" IO_TEMPORARY_SUFFIX, path);
    return length < 0 || length >= IO_PATH_BYTES ? ERR_INVALID : 0;
}

int io_write_whole(struct io_fs *fs, const char *path, const void *data, size_t size)
{
    char temporary[IO_PATH_BYTES];
    int error = io_temporary_path(path, temporary);
    if (error == 0) {
        error = io_write_new(fs, temporary, data, size, false);
    }
    return error == 0 ? io_rename(fs, temporary, path) : error;
}

static int io_write_named(struct io_fs *fs, const char *temporary, const char *path,
                          const void *data, size_t size, const atomic_bool *off)
{
    char parent[IO_PATH_BYTES];
    int error = io_write_and_rename(fs, temporary, path, data, size, off);
    if (error == 0) {
        io_parent(path, parent);
        error = io_sync_directory(fs, parent);
    }
    return error;
}

int io_write_atomically(struct io_fs *fs, const char *path, const void *data, size_t size)
{
    char temporary[IO_PATH_BYTES];
    int error = io_temporary_path(path, temporary);
    return error == 0 ? io_write_named(fs, temporary, path, data, size, NULL) : error;
}

int io_write_unless(struct io_fs *fs, const char *path, const void *data, size_t size,
                    const atomic_bool *off)
{
    char temporary[IO_PATH_BYTES];
    uint64_t number;
    io_random_bytes(&number, sizeof number);
    int length = snprintf(temporary, sizeof temporary, "%s.%016" PRIx64 IO_TEMPORARY_SUFFIX, path,
                          number);
    return length < 0 || (size_t)length >= sizeof temporary
               ? ERR_INVALID
               : io_write_named(fs, temporary, path, data, size, off);
}

int io_write_unnamed(struct io_fs *fs, const char *path, const void *data, size_t size)
{
    char temporary[IO_PATH_BYTES];
    int error = io_temporary_path(path, temporary);
    return error == 0 ? io_write_and_rename(fs, temporary, path, data, size, NULL) : error;
}
