#include "log/leader_epoch.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/writer.h"

#define EPOCH_FILE_BYTES_MAX (16u << 20)

static int epochs_path(const struct log_place *place, char *path)
{
    int size = snprintf(path, LOG_PATH_BYTES, "%s/leader-epoch-checkpoint", place->directory);
    return size > 0 && size < LOG_PATH_BYTES ? 0 : ERR_RANGE;
}

void leader_epochs_init(struct leader_epochs *epochs)
{
    *epochs = (struct leader_epochs){0};
}

static bool epochs_rise(const struct leader_epochs *epochs)
{
    for (size_t i = 1; i < epochs->count; i++) {
        if (epochs->entries[i].epoch <= epochs->entries[i - 1].epoch ||
            epochs->entries[i].start_offset <= epochs->entries[i - 1].start_offset) {
            return false;
        }
    }
    return true;
}

void leader_epochs_assert_invariants(const struct leader_epochs *epochs)
{
    ASSERT(epochs->count <= epochs->capacity);
    ASSERT(epochs->count == 0 ||
           (epochs->entries[0].epoch >= 0 && epochs->entries[0].start_offset >= 0));
    ASSERT_SLOW(epochs_rise(epochs));
}

void leader_epochs_release(struct leader_epochs *epochs)
{
    mem_free_grown(epochs->entries, &epochs->only_entry);
    leader_epochs_init(epochs);
}

static void epochs_push(struct leader_epochs *epochs, int32_t epoch, int64_t start_offset)
{
    ASSERT(epoch > leader_epochs_latest(epochs) && start_offset >= 0);
    ASSERT(epochs->count < epochs->capacity);
    epochs->entries[epochs->count++] = (struct leader_epoch_entry){epoch, start_offset};
}

/* The text is "0\n<count>\n" and a line "epoch offset" for each. */
static int epochs_parse(struct leader_epochs *epochs, char *text)
{
    int version;
    size_t count;
    int used = 0;
    if (sscanf(text, "%d %zu%n", &version, &count, &used) != 2 || version != 0) {
        return ERR_CORRUPT;
    }
    const char *cursor = text + used;
    for (size_t i = 0; i < count; i++) {
        int64_t epoch;
        int64_t start_offset;
        if (sscanf(cursor, "%" SCNd64 " %" SCNd64 "%n", &epoch, &start_offset, &used) != 2 ||
            epoch < INT32_MIN || epoch > INT32_MAX) {
            return ERR_CORRUPT;
        }
        cursor += used;
        int error = leader_epochs_assign(epochs, (int32_t)epoch, start_offset);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

int leader_epochs_load(struct leader_epochs *epochs, const struct log_place *place)
{
    char path[LOG_PATH_BYTES];
    uint8_t *text;
    size_t size;
    int error = epochs_path(place, path);
    if (error == 0) {
        error = io_read_whole(place->fs, path, EPOCH_FILE_BYTES_MAX, &text, &size);
    }
    if (error == ERR_NOT_FOUND) {
        return 0;
    }
    if (error != 0) {
        return error;
    }
    error = size == 0 ? 0 : epochs_parse(epochs, (char *)text);
    epochs->unwritten = epochs->behind = false;
    mem_free(text);
    if (error == ERR_CORRUPT) {
        /* What is left is rebuilt from the batches by recovery. */
        leader_epochs_clear(epochs);
        return 0;
    }
    return error;
}

/* Whether the file says so already: reading it costs far less than two syncs. */
static bool epochs_are_written(struct io_fs *fs, const char *path, const struct writer *text)
{
    uint8_t *written;
    size_t size;
    if (io_read_whole(fs, path, EPOCH_FILE_BYTES_MAX, &written, &size) != 0) {
        return false;
    }
    bool same = size == text->size && memcmp(written, text->data, size) == 0;
    mem_free(written);
    return same;
}

int leader_epochs_print(const struct leader_epochs *epochs, const struct log_place *place,
                        char *path, struct writer *text)
{
    char line[64];
    int error = epochs_path(place, path);
    writer_init(text, EPOCH_FILE_BYTES_MAX);
    int size = snprintf(line, sizeof line, "0\n%zu\n", epochs->count);
    ASSERT(size > 0 && (size_t)size < sizeof line);
    writer_bytes(text, line, (size_t)size);
    for (size_t i = 0; i < epochs->count; i++) {
        size = snprintf(line, sizeof line, "%" PRId32 " %" PRId64 "\n", epochs->entries[i].epoch,
                        epochs->entries[i].start_offset);
        ASSERT(size > 0 && (size_t)size < sizeof line);
        writer_bytes(text, line, (size_t)size);
    }
    return error == 0 && text->failed ? ERR_NOMEM : error;
}

void leader_epochs_written(struct leader_epochs *epochs, uint32_t version)
{
    ASSERT((int32_t)(epochs->version - version) >= 0);
    /* What was written meanwhile may have been replaced by this. */
    epochs->unwritten = epochs->version != version;
    epochs->behind = epochs->behind && epochs->unwritten;
}

int leader_epochs_write(struct leader_epochs *epochs, const struct log_place *place)
{
    char path[LOG_PATH_BYTES];
    struct writer text;
    int error = leader_epochs_print(epochs, place, path, &text);
    if (error == 0 && !epochs_are_written(place->fs, path, &text)) {
        error = io_write_atomically(place->fs, path, text.data, text.size);
    }
    writer_release(&text);
    if (error == 0) {
        leader_epochs_written(epochs, epochs->version);
    }
    return error;
}

bool leader_epochs_due(const struct leader_epochs *epochs, int64_t log_end_offset)
{
    return epochs->unwritten && epochs->count > 0 &&
           (epochs->behind || epochs->entries[epochs->count - 1].start_offset < log_end_offset);
}

static void epochs_changed(struct leader_epochs *epochs)
{
    epochs->unwritten = true;
    epochs->version++;
}

int leader_epochs_assign(struct leader_epochs *epochs, int32_t epoch, int64_t start_offset)
{
    if (epoch < 0 || start_offset < 0) {
        return 0;
    }
    if (epochs->count > 0) {
        const struct leader_epoch_entry *last = &epochs->entries[epochs->count - 1];
        if (last->epoch == epoch && start_offset >= last->start_offset) {
            return 0;
        }
    }
    size_t kept = epochs->count;
    while (kept > 0 && (epochs->entries[kept - 1].epoch >= epoch ||
                        epochs->entries[kept - 1].start_offset >= start_offset)) {
        kept--;
    }
    int error = mem_grow_inside((void **)&epochs->entries, &epochs->capacity, kept + 1,
                                sizeof *epochs->entries, &epochs->only_entry);
    if (error != 0) {
        return error; /* before anything is forgotten */
    }
    epochs->count = kept;
    epochs->behind = kept > 0 && epochs->unwritten;
    epochs_changed(epochs);
    epochs_push(epochs, epoch, start_offset);
    leader_epochs_assert_invariants(epochs);
    return 0;
}

int leader_epochs_truncate_end(struct leader_epochs *epochs, int64_t offset)
{
    size_t before = epochs->count;
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= offset) {
        epochs->count--;
    }
    ASSERT(leader_epochs_of_offset(epochs, offset) == leader_epochs_latest(epochs));
    if (epochs->count == before) {
        return 0;
    }
    epochs_changed(epochs);
    return 1;
}

int leader_epochs_truncate_start(struct leader_epochs *epochs, int64_t offset)
{
    ASSERT(offset >= 0);
    size_t gone = 0;
    while (gone < epochs->count && epochs->entries[gone].start_offset <= offset) {
        gone++;
    }
    if (gone == 0 || (gone == 1 && epochs->entries[0].start_offset == offset)) {
        return 0;
    }
    /* The last of them holds offset: it stays, from there on. */
    size_t kept = gone - 1;
    epochs->entries[kept].start_offset = offset;
    memmove(epochs->entries, epochs->entries + kept,
            (epochs->count - kept) * sizeof *epochs->entries);
    epochs->count -= kept;
    epochs_changed(epochs);
    leader_epochs_assert_invariants(epochs);
    return 1;
}

void leader_epochs_clear(struct leader_epochs *epochs)
{
    epochs->count = 0;
    epochs_changed(epochs);
}

int32_t leader_epochs_latest(const struct leader_epochs *epochs)
{
    return epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
}

int32_t leader_epochs_of_offset(const struct leader_epochs *epochs, int64_t offset)
{
    for (size_t i = epochs->count; i > 0; i--) {
        if (epochs->entries[i - 1].start_offset <= offset) {
            return epochs->entries[i - 1].epoch;
        }
    }
    return -1;
}

void leader_epochs_end_offset(const struct leader_epochs *epochs, int32_t epoch,
                              int64_t log_end_offset, int32_t *found_epoch, int64_t *end_offset)
{
    *found_epoch = -1;
    *end_offset = -1;
    if (epoch == -1) {
        return;
    }
    if (epoch == leader_epochs_latest(epochs)) {
        *found_epoch = epoch;
        *end_offset = log_end_offset;
        return;
    }
    size_t higher = 0;
    while (higher < epochs->count && epochs->entries[higher].epoch <= epoch) {
        higher++;
    }
    if (higher == epochs->count) {
        return;
    }
    *found_epoch = higher == 0 ? epoch : epochs->entries[higher - 1].epoch;
    *end_offset = epochs->entries[higher].start_offset;
    ASSERT(*found_epoch <= epoch && epochs->entries[higher].epoch > epoch);
}
