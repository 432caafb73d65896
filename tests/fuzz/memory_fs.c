#include "memory_fs.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

#define MEMORY_FILE_BYTES_MAX ((size_t)64 << 20)

static struct memory_fs *memory_of(struct io_fs *fs) { return fs->state; }
static struct memory_file *file_of(const struct io_file *file) { return file->state; }

static struct memory_file *memory_find(struct memory_fs *memory, const char *path)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        if (strcmp(memory->files[i].path, path) == 0) {
            return &memory->files[i];
        }
    }
    return NULL;
}

const struct memory_file *memory_fs_get(const struct memory_fs *memory, const char *path)
{
    return memory_find((struct memory_fs *)memory, path);
}

static struct memory_file *memory_add(struct memory_fs *memory, const char *path)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &memory->files[i];
        if (file->path[0] == '\0' && file->open_count == 0) {
            mem_free(file->data);
            *file = (struct memory_file){.data = NULL};
            int size = snprintf(file->path, sizeof file->path, "%s", path);
            ASSERT(size > 0 && size < MEMORY_PATH_BYTES);
            return file;
        }
    }
    return NULL;
}

static int file_resize(struct memory_file *file, size_t size)
{
    if (size > MEMORY_FILE_BYTES_MAX) {
        return ERR_NO_SPACE;
    }
    int error = mem_grow((void **)&file->data, &file->capacity, size + 1, 1);
    if (error == 0 && size > file->size) {
        memset(file->data + file->size, 0, size - file->size);
    }
    file->size = error == 0 ? size : file->size;
    return error;
}

static int memory_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    struct memory_file *found = memory_find(memory_of(fs), path);
    if (found != NULL && (found->is_directory || (flags & IO_OPEN_EXCLUSIVE) != 0)) {
        return found->is_directory ? ERR_INVALID : ERR_EXISTS;
    }
    if (found == NULL) {
        found = (flags & IO_OPEN_CREATE) != 0 ? memory_add(memory_of(fs), path) : NULL;
        if (found == NULL) {
            return (flags & IO_OPEN_CREATE) != 0 ? ERR_NO_SPACE : ERR_NOT_FOUND;
        }
    }
    if ((flags & IO_OPEN_TRUNCATE) != 0) {
        found->size = 0;
    }
    found->open_count++;
    file->state = found;
    return 0;
}

static void memory_close(struct io_file *file) { file_of(file)->open_count--; }

static int64_t memory_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    const struct memory_file *from = file_of(file);
    if (position < 0 || (size_t)position >= from->size) {
        return 0;
    }
    size_t left = from->size - (size_t)position;
    size = size < left ? size : left;
    memcpy(data, from->data + position, size);
    return (int64_t)size;
}

static int memory_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    struct memory_file *to = file_of(file);
    size_t end = (size_t)position + size;
    int error = end > to->size ? file_resize(to, end) : 0;
    if (error == 0 && size > 0) {
        memcpy(to->data + position, data, size);
    }
    return error;
}

static int memory_truncate(struct io_file *file, int64_t size)
{
    return file_resize(file_of(file), (size_t)size);
}

static int64_t memory_size(struct io_file *file) { return (int64_t)file_of(file)->size; }
static int memory_sync(struct io_file *file) { return (void)file, 0; }
static int memory_lock(struct io_file *file) { return (void)file, 0; }

static int memory_remove(struct io_fs *fs, const char *path)
{
    struct memory_file *file = memory_find(memory_of(fs), path);
    if (file == NULL) {
        return ERR_NOT_FOUND;
    }
    file->path[0] = '\0';
    return 0;
}

static int memory_rename(struct io_fs *fs, const char *from, const char *to)
{
    struct memory_file *file = memory_find(memory_of(fs), from);
    if (file == NULL) {
        return ERR_NOT_FOUND;
    }
    (void)memory_remove(fs, to);
    snprintf(file->path, sizeof file->path, "%s", to);
    return 0;
}

static int memory_make_directory(struct io_fs *fs, const char *path)
{
    if (memory_find(memory_of(fs), path) != NULL) {
        return ERR_EXISTS;
    }
    struct memory_file *made = memory_add(memory_of(fs), path);
    if (made != NULL) {
        made->is_directory = true;
    }
    return made != NULL ? 0 : ERR_NO_SPACE;
}

static int memory_sync_directory(struct io_fs *fs, const char *path)
{
    return memory_find(memory_of(fs), path) != NULL ? 0 : ERR_NOT_FOUND;
}

static int memory_list(struct io_fs *fs, const char *path,
                       int (*visit)(void *context, const char *name, bool is_directory),
                       void *context)
{
    size_t size = strlen(path);
    int result = 0;
    if (memory_find(memory_of(fs), path) == NULL) {
        return ERR_NOT_FOUND;
    }
    for (size_t i = 0; result == 0 && i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &memory_of(fs)->files[i];
        const char *name = file->path + size + 1;
        if (strncmp(file->path, path, size) == 0 && file->path[size] == '/' &&
            strchr(name, '/') == NULL) {
            char copy[MEMORY_PATH_BYTES]; /* the visitor may remove it */
            snprintf(copy, sizeof copy, "%s", name);
            result = visit(context, copy, file->is_directory);
        }
    }
    return result;
}

void memory_fs_init(struct memory_fs *memory)
{
    static const struct io_operations operations = {
        .open = memory_open,
        .close = memory_close,
        .read = memory_read,
        .write = memory_write,
        .sync = memory_sync,
        .truncate = memory_truncate,
        .size = memory_size,
        .lock = memory_lock,
        .rename = memory_rename,
        .remove = memory_remove,
        .make_directory = memory_make_directory,
        .remove_directory = memory_remove,
        .sync_directory = memory_sync_directory,
        .list = memory_list,
    };
    memset(memory, 0, sizeof *memory);
    memory->fs = (struct io_fs){&operations, memory};
}

void memory_fs_copy(struct memory_fs *to, const struct memory_fs *from)
{
    memory_fs_init(to);
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &from->files[i];
        if (file->path[0] != '\0') {
            ASSERT(file->open_count == 0);
            memory_fs_put(to, file->path, file->data, file->size);
            memory_find(to, file->path)->is_directory = file->is_directory;
        }
    }
}

void memory_fs_release(struct memory_fs *memory)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        ASSERT(memory->files[i].open_count == 0);
        mem_free(memory->files[i].data);
    }
}

void memory_fs_put(struct memory_fs *memory, const char *path, const void *data, size_t size)
{
    struct memory_file *file = memory_find(memory, path);
    file = file != NULL ? file : memory_add(memory, path);
    int error = file != NULL ? file_resize(file, size) : ERR_NO_SPACE;
    ASSERT(error == 0);
    if (size > 0) {
        memcpy(file->data, data, size);
    }
}
