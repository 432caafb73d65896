#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "io/file.h"

static int linux_result(int result)
{
    return result == 0 ? 0 : err_from_errno(errno);
}

/* A process without descriptors to spare is short of memory: no disk is to blame. */
static int linux_open_error(int number)
{
    return number == EMFILE || number == ENFILE ? ERR_NOMEM : err_from_errno(number);
}

static int linux_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    (void)fs;
    int mode = O_CLOEXEC | (flags & IO_OPEN_WRITE ? O_RDWR : O_RDONLY);
    mode |= flags & IO_OPEN_CREATE ? O_CREAT : 0;
    mode |= flags & IO_OPEN_EXCLUSIVE ? O_EXCL : 0;
    mode |= flags & IO_OPEN_TRUNCATE ? O_TRUNC : 0;
    file->descriptor = open(path, mode, 0644);
    return file->descriptor >= 0 ? 0 : linux_open_error(errno);
}

static void linux_close(struct io_file *file)
{
    close(file->descriptor);
}

static int64_t linux_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file->descriptor, (uint8_t *)data + done, size - done,
                            position + (int64_t)done);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return (int64_t)done;
}

/* With a kernel or a file system that cannot say so beforehand it is a plain read. */
static int64_t linux_read_cached(struct io_file *file, void *data, size_t size, int64_t position)
{
    struct iovec part = {data, size};
    ssize_t got = preadv2(file->descriptor, &part, 1, position, RWF_NOWAIT);
    if (got == (ssize_t)size) {
        return got;
    }
    if (got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR)) {
        return linux_read(file, data, size, position);
    }
    if (got < 0 && errno != EAGAIN) {
        return err_from_errno(errno);
    }
    if (got >= 0 && io_file_size(file) <= position + got) {
        return got; /* short because the file ends there */
    }
    return ERR_AGAIN;
}

/* Of cachestat(2), Linux 6.5, which the C library's headers may not know yet. */
#define LINUX_CACHESTAT 451
struct linux_cachestat_range {
    uint64_t position;
    uint64_t size;
};
struct linux_cachestat {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

/* Counted in pages. One that is still on its way from the disk counts as well; it is the last of
 * its read-ahead that comes last, so a look at the last byte of the range finds it out. */
static bool linux_resident(struct io_file *file, int64_t position, size_t size)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    uint64_t pages = (uint64_t)((position + (int64_t)size - 1) / page - position / page + 1);
    struct linux_cachestat_range range = {(uint64_t)position, size};
    struct linux_cachestat counts;
    if (syscall(LINUX_CACHESTAT, file->descriptor, &range, &counts, 0u) == 0 &&
        counts.cached < pages) {
        return false;
    }
    uint8_t last;
    return linux_read_cached(file, &last, 1, position + (int64_t)size - 1) != ERR_AGAIN;
}

#define LINUX_READ_AHEAD_BYTES (64u << 10)

/* Reading is what tells that the bytes have come; readahead(2) only sets off. */
static int linux_read_ahead(struct io_file *file, int64_t position, size_t size)
{
    uint8_t bytes[LINUX_READ_AHEAD_BYTES];
    (void)posix_fadvise(file->descriptor, position, (off_t)size, POSIX_FADV_WILLNEED);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < sizeof bytes ? size - done : sizeof bytes;
        int64_t got = linux_read(file, bytes, part, position + (int64_t)done);
        if (got <= 0) {
            return (int)got;
        }
        done += (size_t)got;
    }
    return 0;
}

static int linux_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(file->descriptor, (const uint8_t *)data + done, size - done,
                             position + (int64_t)done);
        if (put < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int linux_reserve(struct io_file *file, int64_t position, size_t size)
{
    return linux_result(
        fallocate(file->descriptor, FALLOC_FL_KEEP_SIZE, position, (off_t)size));
}

static int linux_sync(struct io_file *file)
{
    return linux_result(fdatasync(file->descriptor));
}

static int linux_write_back(struct io_file *file, int64_t position, size_t size)
{
    unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                     SYNC_FILE_RANGE_WAIT_AFTER;
    for (size_t done = 0; done < size; done += WRITE_BACK_BYTES_MAX) {
        size_t part = size - done < WRITE_BACK_BYTES_MAX ? size - done : WRITE_BACK_BYTES_MAX;
        if (sync_file_range(file->descriptor, position + (int64_t)done, (off_t)part, flags) == 0) {
            continue;
        }
        /* A file system that cannot do it leaves all to the sync. Everything else is said once: the
         * sync would not know of it any more. */
        return errno == ENOSYS || errno == EINVAL || errno == ESPIPE ? 0 : err_from_errno(errno);
    }
    return 0;
}

/* Since Linux 5.8 syncfs tells of writes that failed; these file systems are known to do all that
 * fsync does, for every file. */
static bool linux_tells_of_errors(struct io_file *file)
{
    struct utsname kernel;
    struct statfs facts;
    int major = 0;
    int minor = 0;
    return uname(&kernel) == 0 && sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 8)) && fstatfs(file->descriptor, &facts) == 0 &&
           (facts.f_type == EXT4_SUPER_MAGIC || facts.f_type == XFS_SUPER_MAGIC ||
            facts.f_type == BTRFS_SUPER_MAGIC);
}

static int linux_sync_all(struct io_file *file)
{
    return linux_tells_of_errors(file) ? linux_result(syncfs(file->descriptor)) : ERR_UNSUPPORTED;
}

static int linux_truncate(struct io_file *file, int64_t size)
{
    return linux_result(ftruncate(file->descriptor, size));
}

static int64_t linux_size(struct io_file *file)
{
    struct stat facts;
    return fstat(file->descriptor, &facts) == 0 ? (int64_t)facts.st_size : err_from_errno(errno);
}

static int64_t linux_modified_ms(struct io_file *file)
{
    struct stat facts;
    return fstat(file->descriptor, &facts) == 0
               ? (int64_t)facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1000000
               : err_from_errno(errno);
}

/* A POSIX record lock over the whole file: what Java's FileChannel.tryLock takes. */
static int linux_lock(struct io_file *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file->descriptor, F_SETLK, &lock) == 0) {
        return 0;
    }
    return errno == EAGAIN || errno == EACCES ? ERR_BUSY : err_from_errno(errno);
}

static int linux_rename(struct io_fs *fs, const char *from, const char *to)
{
    (void)fs;
    return linux_result(rename(from, to));
}

static int linux_remove(struct io_fs *fs, const char *path)
{
    (void)fs;
    return linux_result(unlink(path));
}

static int linux_make_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    return linux_result(mkdir(path, 0755));
}

static int linux_remove_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    return linux_result(rmdir(path));
}

static int linux_sync_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return linux_open_error(errno);
    }
    int error = linux_result(fsync(descriptor));
    close(descriptor);
    return error;
}

/* Not every file system says what an entry is, and a link is what it points to. */
static bool entry_is_directory(DIR *directory, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) {
        return entry->d_type == DT_DIR;
    }
    struct stat facts;
    return fstatat(dirfd(directory), entry->d_name, &facts, 0) == 0 && S_ISDIR(facts.st_mode);
}

static int linux_list(struct io_fs *fs, const char *path,
                      int (*visit)(void *context, const char *name, bool is_directory),
                      void *context)
{
    (void)fs;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return linux_open_error(errno);
    }
    int result = 0;
    while (result == 0) {
        errno = 0; /* the end and an error look alike */
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = err_from_errno(errno);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = visit(context, entry->d_name, entry_is_directory(directory, entry));
        }
    }
    closedir(directory);
    return result;
}

struct io_fs io_fs_linux(void)
{
    static const struct io_operations operations = {
        .open = linux_open,
        .close = linux_close,
        .read = linux_read,
        .write = linux_write,
        .sync = linux_sync,
        .truncate = linux_truncate,
        .size = linux_size,
        .lock = linux_lock,
        .rename = linux_rename,
        .remove = linux_remove,
        .make_directory = linux_make_directory,
        .remove_directory = linux_remove_directory,
        .sync_directory = linux_sync_directory,
        .list = linux_list,
        .read_cached = linux_read_cached,
        .resident = linux_resident,
        .read_ahead = linux_read_ahead,
        .sync_all = linux_sync_all,
        .write_back = linux_write_back,
        .modified_ms = linux_modified_ms,
        .reserve = linux_reserve,
    };
    return (struct io_fs){&operations, NULL};
}
