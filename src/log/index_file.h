/* index_file.h: a file of fixed-size, sorted entries that only grows at its end: what offset, time
 * and transaction index have in common.
 *
 * New entries wait in memory and are written together, so an append to the log does not pay for two
 * more writes; after a crash the missing ones are found again from the log. The file is opened when
 * it is needed. Zero entries at the end, which Apache Kafka leaves when it dies, are not counted.
 * Owned by its segment. Thread: the log's owner.   Errors: ERR_IO and its likes. */
#ifndef BNB_LOG_INDEX_FILE_H
#define BNB_LOG_INDEX_FILE_H

#include "base/limits.h"
#include "io/file.h"

#define INDEX_ENTRY_BYTES_MAX 34

/* What a read that must not wait for the disk would have waited for: a part of one file. Whoever
 * has it may bring it into memory on another thread and read again. */
struct log_miss {
    int64_t base_offset;
    const char *suffix; /* static; NULL: nothing was missed */
    int64_t position;
    size_t size;
};
/* Where a log lives; shared by everything in it. */
struct log_place {
    struct io_fs *fs;
    char *directory; /* its owner's */
    struct log_miss *miss; /* reads that would wait fill it and give ERR_AGAIN; NULL: they wait */
};
/* Reads from an open file of the log as its place says; *suffix names the file. */
int64_t log_place_read(const struct log_place *place, int64_t base_offset, const char *suffix,
                       struct io_file *file, void *data, size_t size, int64_t position);
#define LOG_PATH_BYTES 1024
/* directory/%020d<suffix>; ERR_RANGE when it does not fit. */
int log_place_path(const struct log_place *place, int64_t number, const char *suffix, char *path);

struct index_kind {
    const char *suffix; /* ".index", ... */
    uint32_t entry_bytes;
};
struct index_file {
    const struct log_place *place;
    const struct index_kind *kind; /* static */
    int64_t base_offset;
    struct index_use *use; /* NULL: idle, and no more is known than this */
};

void index_file_init(struct index_file *index, const struct log_place *place, int64_t base_offset,
                     const struct index_kind *kind);
/* Neither open nor anything pending; then it holds no memory. */
static inline bool index_file_is_idle(const struct index_file *index)
{
    return index->use == NULL;
}
/* Entries that wait have memory, and behind how many they go is known. */
void index_file_assert_invariants(const struct index_file *index);
/* Forgets what is pending. */
void index_file_release(struct index_file *index);
/* Entries in all, or an error. A file that is not there has none. */
int64_t index_file_count(struct index_file *index);
/* Whether there were zeros behind the entries that were counted. */
bool index_file_is_padded(const struct index_file *index);
/* Entry number i, i < count. */
int index_file_read(struct index_file *index, uint32_t i, uint8_t *entry);
/* Memory for entries that wait, so that the next append needs none. */
int index_file_reserve(struct index_file *index);
int index_file_append(struct index_file *index, const uint8_t *entry);
/* Whether the next append writes what is pending. */
bool index_file_is_full(const struct index_file *index);
/* Keeps the first count entries. */
int index_file_truncate(struct index_file *index, uint32_t count);
/* Makes the file if it is not there; whether it is open stays as it was. */
int index_file_make(struct index_file *index);
/* Writes what is pending. */
int index_file_write_pending(struct index_file *index);
int index_file_sync(struct index_file *index);
/* Writes what is pending and goes idle: the file is closed, and opens again by itself. */
int index_file_idle(struct index_file *index);
/* The last entry whose key, as key_of reads it, is at most key: its number; -1: none; below that an
 * error code less one. */
int64_t index_file_floor(struct index_file *index, int64_t key,
                         int64_t (*key_of)(const uint8_t *entry), uint8_t *entry);

#endif
