#include "log/log_dir_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/uuid.h"

#define DIR_PATH_BYTES 1024
#define SMALL_FILE_BYTES_MAX (1u << 20)
#define BOOT_ID_BYTES 36
/* Names the boot of the kernel under which every log here was last recovered. */
#define BOOT_MARKER ".barnabas_boot"
#define CLEAN_MARKER ".kafka_cleanshutdown"

static int dir_path(const char *directory, const char *name, char *path)
{
    int size = snprintf(path, DIR_PATH_BYTES, "%s/%s", directory, name);
    return size > 0 && size < DIR_PATH_BYTES ? 0 : ERR_RANGE;
}

/* The boot id of this kernel; false where there is none, as on a simulated machine. */
static bool dir_boot_id(struct io_fs *fs, char *boot_id)
{
    struct io_file file;
    if (io_file_open(fs, "/proc/sys/kernel/random/boot_id", IO_OPEN_READ, &file) != 0) {
        return false;
    }
    int64_t got = io_file_read(&file, boot_id, BOOT_ID_BYTES, 0);
    io_file_close(&file);
    return got == BOOT_ID_BYTES;
}

/* Whether the last writer that finished its recovery did so on the kernel that runs now. */
static bool dir_boot_marker_holds(const struct log_dir *dir)
{
    char path[DIR_PATH_BYTES];
    char now[BOOT_ID_BYTES];
    char before[BOOT_ID_BYTES];
    struct io_file file;
    if (!dir_boot_id(dir->fs, now) || dir_path(dir->path, BOOT_MARKER, path) != 0 ||
        io_file_open(dir->fs, path, IO_OPEN_READ, &file) != 0) {
        return false;
    }
    bool same = io_file_read(&file, before, sizeof before, 0) == BOOT_ID_BYTES &&
                memcmp(before, now, sizeof now) == 0;
    io_file_close(&file);
    return same;
}

void log_dir_mark_recovered(struct log_dir *dir)
{
    char path[DIR_PATH_BYTES];
    char now[BOOT_ID_BYTES];
    struct io_file file;
    ASSERT(!dir->offline);
    if (dir->page_cache_intact || !dir_boot_id(dir->fs, now) ||
        dir_path(dir->path, BOOT_MARKER, path) != 0 ||
        io_file_open(dir->fs, path, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE, &file) != 0) {
        return;
    }
    (void)io_file_write(&file, now, sizeof now, 0);
    io_file_close(&file);
}

static void dir_take_clean_marker(struct log_dir *dir)
{
    char path[DIR_PATH_BYTES];
    uint8_t *text;
    size_t size;
    dir->previous_broker_epoch = -1;
    if (dir_path(dir->path, CLEAN_MARKER, path) != 0 ||
        io_read_whole(dir->fs, path, SMALL_FILE_BYTES_MAX, &text, &size) != 0) {
        return;
    }
    dir->clean_shutdown = true;
    const char *epoch = strstr((char *)text, "\"brokerEpoch\":");
    if (epoch != NULL) {
        dir->previous_broker_epoch = strtoll(epoch + strlen("\"brokerEpoch\":"), NULL, 10);
    }
    mem_free(text);
    /* Gone, for good, before any log is touched. */
    if (io_remove(dir->fs, path) != 0 || io_sync_directory(dir->fs, dir->path) != 0) {
        dir->clean_shutdown = false;
    }
}

int log_dir_lock(struct io_fs *fs, const char *directory, struct io_file *lock,
                 struct err_message *message)
{
    char path[DIR_PATH_BYTES];
    *lock = (struct io_file){0};
    int error = dir_path(directory, LOG_DIR_LOCK_FILE, path);
    if (error == 0) {
        error = io_file_open(fs, path, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE, lock);
    }
    if (error != 0) {
        *lock = (struct io_file){0};
        return err_set(message, error, "cannot open %s: %s", path, err_text(error));
    }
    error = io_file_lock(lock);
    if (error == 0) {
        return 0;
    }
    io_file_close(lock);
    *lock = (struct io_file){0};
    return error == ERR_BUSY
               ? err_set(message, error,
                         "%s is locked: another broker uses this directory; stop it or choose "
                         "another one",
                         directory)
               : err_set(message, error, "cannot lock %s: %s", directory, err_text(error));
}

static int dir_create(struct io_fs *fs, const char *path, struct log_dir **created)
{
    struct log_dir *dir = mem_calloc(1, sizeof *dir);
    *created = dir;
    if (dir == NULL) {
        return ERR_NOMEM;
    }
    dir->fs = fs;
    log_dir_init_checkpoints(dir);
    dir->path = mem_strndup(path, strlen(path));
    if (dir->path == NULL) {
        log_dir_release(created);
        return ERR_NOMEM;
    }
    return 0;
}

int log_dir_open_offline(struct io_fs *fs, const char *path, struct log_dir **dir)
{
    int error = dir_create(fs, path, dir);
    if (error == 0) {
        (*dir)->offline = true;
    }
    return error;
}

/* A failed sync may bring a removed name back, so the marker is emptied as well, and both are
 * synced as far as the disk still can. */
void log_dir_fail(struct log_dir *dir)
{
    char path[DIR_PATH_BYTES];
    struct io_file file;
    dir->offline = true;
    if (dir_path(dir->path, BOOT_MARKER, path) != 0) {
        return;
    }
    if (io_file_open(dir->fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file) == 0) {
        (void)io_file_truncate(&file, 0);
        (void)io_file_sync(&file);
        io_file_close(&file);
    }
    (void)io_remove(dir->fs, path);
    (void)io_sync_directory(dir->fs, dir->path);
}

int log_dir_open(struct io_fs *fs, const char *path, struct log_dir **opened,
                 struct err_message *message)
{
    struct log_dir *dir;
    *opened = NULL;
    int error = dir_create(fs, path, &dir);
    if (error != 0) {
        return error;
    }
    error = log_dir_read_properties(fs, path, &dir->properties, message);
    if (error == 0) {
        error = log_dir_lock(fs, path, &dir->lock, message);
    }
    if (error == 0) {
        dir->page_cache_intact = dir_boot_marker_holds(dir);
        dir_take_clean_marker(dir);
        /* The last process may have died before it synced the partitions it made. */
        error = io_sync_directory(fs, path);
    }
    if (error == 0) {
        error = log_dir_read_checkpoints(dir);
    }
    if (error != 0) {
        log_dir_release(&dir);
        return error;
    }
    ASSERT(dir->lock.fs != NULL && !dir->offline);
    *opened = dir;
    return 0;
}

int log_dir_close_clean(struct log_dir **dir, int64_t broker_epoch)
{
    ASSERT(!(*dir)->offline && (*dir)->lock.fs != NULL);
    char path[DIR_PATH_BYTES];
    char text[80];
    int size = snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%" PRId64 "}",
                        broker_epoch);
    int error = dir_path((*dir)->path, CLEAN_MARKER, path);
    if (error == 0) {
        error = io_write_atomically((*dir)->fs, path, text, (size_t)size);
    }
    /* .lock stays, as for Apache Kafka: who has opened it by now would lock what nobody finds. */
    log_dir_release(dir);
    return error;
}

void log_dir_release(struct log_dir **dir)
{
    if (*dir == NULL) {
        return;
    }
    if ((*dir)->lock.fs != NULL) {
        io_file_close(&(*dir)->lock);
    }
    log_dir_release_checkpoints(*dir);
    mem_free((*dir)->path);
    mem_free(*dir);
    *dir = NULL;
}

static bool dir_is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') ||
                     (text[i] >= 'A' && text[i] <= 'F');
        if (!digit) {
            return false;
        }
    }
    return true;
}

/* "<topic>-<partition>" of size bytes. */
static int dir_parse_partition(const char *name, size_t size, struct string_view *topic,
                               int32_t *partition)
{
    size_t dash = size;
    while (dash > 0 && name[dash - 1] != '-') {
        dash--;
    }
    if (dash <= 1 || dash == size || size - dash > 10) {
        return ERR_INVALID;
    }
    int64_t number = 0;
    for (size_t i = dash; i < size; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return ERR_INVALID;
        }
        number = number * 10 + (name[i] - '0');
    }
    *topic = (struct string_view){name, dash - 1};
    *partition = (int32_t)number;
    return number > INT32_MAX ? ERR_INVALID : 0;
}

int log_dir_parse_name(const char *name, struct string_view *topic, int32_t *partition,
                       enum log_dir_kind *kind)
{
    static const struct {
        const char *suffix;
        enum log_dir_kind kind;
    } suffixes[] = {
        {"-delete", LOG_DIR_DELETED}, {"-future", LOG_DIR_FUTURE}, {"-stray", LOG_DIR_STRAY}};
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t tail = strlen(suffixes[i].suffix) + 33; /* dot and 32 hex digits */
        if (size > tail && name[size - tail] == '.' &&
            strcmp(name + size - strlen(suffixes[i].suffix), suffixes[i].suffix) == 0 &&
            dir_is_hex(name + size - tail + 1, 32)) {
            *kind = suffixes[i].kind;
            return dir_parse_partition(name, size - tail, topic, partition);
        }
    }
    *kind = LOG_DIR_CURRENT;
    return dir_parse_partition(name, size, topic, partition);
}

int log_dir_read_topic_id(struct io_fs *fs, const char *partition_directory, struct uuid *topic_id)
{
    char path[DIR_PATH_BYTES];
    uint8_t *text;
    size_t size;
    int error = dir_path(partition_directory, "partition.metadata", path);
    if (error == 0) {
        error = io_read_whole(fs, path, SMALL_FILE_BYTES_MAX, &text, &size);
    }
    if (error != 0) {
        return error;
    }
    const char *value = strstr((char *)text, "topic_id:");
    error = ERR_CORRUPT;
    if (strncmp((char *)text, "version:", 8) == 0 && value != NULL) {
        value += strlen("topic_id:");
        value += strspn(value, " \t");
        size_t value_size = strcspn(value, " \t\r\n");
        error = uuid_parse((struct string_view){value, value_size}, topic_id) != 0 ||
                        uuid_is_zero(*topic_id)
                    ? ERR_CORRUPT
                    : 0;
    }
    mem_free(text);
    ASSERT(error != 0 || !uuid_is_zero(*topic_id));
    return error;
}

static int topic_id_write(struct io_fs *fs, const char *partition_directory, struct uuid topic_id,
                          int (*write)(struct io_fs *fs, const char *path, const void *data,
                                       size_t size))
{
    char path[DIR_PATH_BYTES];
    char id[UUID_TEXT_BYTES];
    char text[64];
    ASSERT(!uuid_is_zero(topic_id));
    uuid_format(topic_id, id);
    int size = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    int error = dir_path(partition_directory, "partition.metadata", path);
    return error == 0 ? write(fs, path, text, (size_t)size) : error;
}

int log_dir_write_topic_id(struct io_fs *fs, const char *partition_directory,
                           struct uuid topic_id)
{
    return topic_id_write(fs, partition_directory, topic_id, io_write_unnamed);
}

int log_dir_name_topic_id(struct io_fs *fs, const char *partition_directory, struct uuid topic_id)
{
    return topic_id_write(fs, partition_directory, topic_id, io_write_whole);
}

int log_dir_sync_topic_id(struct io_fs *fs, const char *partition_directory)
{
    char path[DIR_PATH_BYTES];
    struct io_file file;
    int error = dir_path(partition_directory, "partition.metadata", path);
    if (error == 0) {
        error = io_file_open(fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file);
    }
    if (error == 0) {
        error = io_file_sync(&file);
        io_file_close(&file);
    }
    return error;
}

int log_dir_rename_deleted(struct log_dir *dir, const char *partition_directory,
                           struct uuid random_id, char **renamed)
{
    const char *name = strrchr(partition_directory, '/');
    name = name == NULL ? partition_directory : name + 1;
    struct string_view topic;
    int32_t partition;
    enum log_dir_kind kind;
    int error = log_dir_parse_name(name, &topic, &partition, &kind);
    if (error != 0) {
        return error;
    }
    char tail[64];
    int tail_size = snprintf(tail, sizeof tail, "-%" PRId32 ".", partition);
    for (size_t i = 0; i < sizeof random_id.bytes; i++) {
        tail_size += snprintf(tail + tail_size, sizeof tail - (size_t)tail_size, "%02x",
                              random_id.bytes[i]);
    }
    tail_size += snprintf(tail + tail_size, sizeof tail - (size_t)tail_size, "-delete");
    ASSERT(tail_size > 0 && (size_t)tail_size < sizeof tail);
    size_t topic_size = topic.size + (size_t)tail_size > LOG_DIR_NAME_BYTES_MAX
                            ? LOG_DIR_NAME_BYTES_MAX - (size_t)tail_size
                            : topic.size;
    char path[DIR_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%.*s%s", dir->path, (int)topic_size, topic.data,
                        tail);
    if (size < 0 || size >= DIR_PATH_BYTES) {
        return ERR_RANGE;
    }
    *renamed = mem_strndup(path, (size_t)size);
    if (*renamed == NULL) {
        return ERR_NOMEM;
    }
    error = io_rename(dir->fs, partition_directory, path);
    if (error != 0) {
        mem_free(*renamed);
        *renamed = NULL;
    }
    return error;
}

struct remove_tree {
    struct io_fs *fs;
    const char *path;
};

static int remove_tree_visit(void *context, const char *name, bool is_directory)
{
    const struct remove_tree *tree = context;
    char path[DIR_PATH_BYTES];
    int error = dir_path(tree->path, name, path);
    if (error != 0) {
        return error;
    }
    return is_directory ? log_dir_remove_tree(tree->fs, path) : io_remove(tree->fs, path);
}

int log_dir_remove_tree(struct io_fs *fs, const char *path)
{
    struct remove_tree tree = {fs, path};
    ASSERT(path[0] != '\0' && strcmp(path, "/") != 0);
    int error = io_list(fs, path, remove_tree_visit, &tree);
    return error == 0 ? io_remove_directory(fs, path) : error;
}
