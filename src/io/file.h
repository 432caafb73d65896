/* file.h: files and directories as an interface, so that a simulated disk fits behind it.
 *
 * A struct io_fs is a table of operations and a context. Files are opened by path and owned by who
 * opened them; ranges for sendfile name the descriptor of an open file. Calls return when the
 * operation has reached the page cache; only sync and sync_directory reach the disk.
 * Reads of what is not in the page cache wait for the disk; a loop asks first (io_file_read_cached,
 * io_file_resident) and lets a helper thread do the waiting (io_file_read_ahead).
 * Thread: any, one at a time per file, except that reads may run beside each other.
 * Errors: internal codes from errno; a short read is not an error, it means the end of the file. */
#ifndef BNB_IO_FILE_H
#define BNB_IO_FILE_H

#include <stdatomic.h>

#include "base/view.h"

struct io_fs;
struct io_file {
    struct io_fs *fs;
    int descriptor; /* for sendfile; -1 when the file is simulated */
    void *state;    /* of the implementation */
};

enum io_open_flag {
    IO_OPEN_READ = 0,
    IO_OPEN_WRITE = 1,
    IO_OPEN_CREATE = 2,
    IO_OPEN_EXCLUSIVE = 4,
    IO_OPEN_TRUNCATE = 8,
};

/* A part of an open file; whoever holds it calls release once. */
struct io_file_range {
    struct io_file *file;
    int64_t position;
    size_t size;
    bool hot; /* written a moment ago: it is in memory, nobody need look */
    void (*release)(struct io_file_range *range);
    void *owner;
};

/* The last six may be NULL: everything is in memory, no room can be taken ahead, files are synced
 * one by one, and at once. */
struct io_operations {
    int (*open)(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file);
    void (*close)(struct io_file *file);
    int64_t (*read)(struct io_file *file, void *data, size_t size, int64_t position);
    int (*write)(struct io_file *file, const void *data, size_t size, int64_t position);
    int (*sync)(struct io_file *file);
    int (*truncate)(struct io_file *file, int64_t size);
    int64_t (*size)(struct io_file *file);
    int (*lock)(struct io_file *file);
    int (*rename)(struct io_fs *fs, const char *from, const char *to);
    int (*remove)(struct io_fs *fs, const char *path);
    int (*make_directory)(struct io_fs *fs, const char *path);
    int (*remove_directory)(struct io_fs *fs, const char *path);
    int (*sync_directory)(struct io_fs *fs, const char *path);
    int (*list)(struct io_fs *fs, const char *path,
                int (*visit)(void *context, const char *name, bool is_directory), void *context);
    int64_t (*read_cached)(struct io_file *file, void *data, size_t size, int64_t position);
    bool (*resident)(struct io_file *file, int64_t position, size_t size);
    int (*read_ahead)(struct io_file *file, int64_t position, size_t size);
    int (*reserve)(struct io_file *file, int64_t position, size_t size);
    int (*sync_all)(struct io_file *file);
    int (*write_back)(struct io_file *file, int64_t position, size_t size);
    int64_t (*modified_ms)(struct io_file *file);
};
struct io_fs {
    const struct io_operations *operations;
    void *state;
};

/* The real one. */
struct io_fs io_fs_linux(void);

int io_file_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file);
void io_file_close(struct io_file *file);
/* Bytes read, fewer than size only at the end of the file, or an error. */
int64_t io_file_read(struct io_file *file, void *data, size_t size, int64_t position);
/* The same from memory only; ERR_AGAIN when a part of it would have to come from the disk. */
int64_t io_file_read_cached(struct io_file *file, void *data, size_t size, int64_t position);
/* Whether a read of all of it would come from memory; true when nobody can tell. */
bool io_file_resident(struct io_file *file, int64_t position, size_t size);
/* Brings a part into memory, where it stays until the kernel needs the room; ends at the end of the
 * file. Waits for the disk: for helper threads. */
int io_file_read_ahead(struct io_file *file, int64_t position, size_t size);
/* Writes all of it or fails: ERR_NO_SPACE, ERR_IO, ERR_ACCESS. */
int io_file_write(struct io_file *file, const void *data, size_t size, int64_t position);
/* Takes room on the disk for writes that will come there; the size of the file stays. Given back by
 * io_file_truncate. ERR_UNSUPPORTED, ERR_NO_SPACE: nothing is taken. */
int io_file_reserve(struct io_file *file, int64_t position, size_t size);
/* After a failed sync the file's content on disk is unknown: never retry, take it offline. */
int io_file_sync(struct io_file *file);
/* Writes a part of a file to the disk piece by piece, so that the sync after it has little to do
 * and holds nobody up; by itself it keeps nothing. Waits for the disk: for helper threads. An error
 * is that of a sync. */
int io_file_write_back(struct io_file *file, int64_t position, size_t size);
/* Syncs all files of the file system that file is on, and their names. An error is one that any
 * write to it has met since file was opened. ERR_UNSUPPORTED: it would not tell. */
int io_file_sync_all(struct io_file *file);
int io_file_truncate(struct io_file *file, int64_t size);
int64_t io_file_size(struct io_file *file);
/* Wall-clock time of the last write; ERR_UNSUPPORTED: nobody knows. */
int64_t io_file_modified_ms(struct io_file *file);
/* An exclusive lock against other processes, until close; ERR_BUSY when somebody has it. */
int io_file_lock(struct io_file *file);
int io_rename(struct io_fs *fs, const char *from, const char *to);
int io_remove(struct io_fs *fs, const char *path);
int io_make_directory(struct io_fs *fs, const char *path);
int io_remove_directory(struct io_fs *fs, const char *path);
int io_sync_directory(struct io_fs *fs, const char *path);
/* Calls visit for each entry but . and .., in no order, until it returns non-zero (returned). */
int io_list(struct io_fs *fs, const char *path,
            int (*visit)(void *context, const char *name, bool is_directory), void *context);
/* Reads a small file whole: 0 and mem_free-able bytes, NUL behind; ERR_RANGE above max_bytes. */
int io_read_whole(struct io_fs *fs, const char *path, size_t max_bytes, uint8_t **data,
                  size_t *size);
/* What io_write_... writes before it has its name ends so; a process that dies leaves it. */
#define IO_TEMPORARY_SUFFIX ".tmp"
/* Replaces a file so that after a crash either the old or the new content is there: writes
 * path.tmp, syncs it, renames it, syncs the directory. */
int io_write_atomically(struct io_fs *fs, const char *path, const void *data, size_t size);
/* The same beside other threads that write path, or a file of its name in a directory that got the
 * name of this one meanwhile: the temporary file has a name that none has twice. And not, with
 * ERR_AGAIN, if *off (NULL: nothing) was set before that was made. Who sets it before giving the
 * directory another name, and its name to another one, will never find in that one what was meant
 * for the first. */
int io_write_unless(struct io_fs *fs, const char *path, const void *data, size_t size,
                    const atomic_bool *off);
/* Writes a file that need not be there before; nothing is synced. */
int io_write_unsynced(struct io_fs *fs, const char *path, const void *data, size_t size);
/* The same for one that a process must find whole or not at all, whenever this one is killed: a
 * loss of power may leave it empty. */
int io_write_whole(struct io_fs *fs, const char *path, const void *data, size_t size);
/* As io_write_atomically without the last step: the caller syncs the directory, with what else it
 * makes there. */
int io_write_unnamed(struct io_fs *fs, const char *path, const void *data, size_t size);

#endif
