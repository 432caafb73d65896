#include "log/index_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

STATIC_ASSERT(INDEX_WINDOW_BYTES >= 2 * INDEX_ENTRY_BYTES_MAX, "a window has halves");

int log_place_path(const struct log_place *place, int64_t number, const char *suffix, char *path)
{
    ASSERT(number >= 0);
    int size = snprintf(path, LOG_PATH_BYTES, "%s/%020" PRId64 "%s", place->directory, number,
                        suffix);
    return size > 0 && size < LOG_PATH_BYTES ? 0 : ERR_RANGE;
}

int64_t log_place_read(const struct log_place *place, int64_t base_offset, const char *suffix,
                       struct io_file *file, void *data, size_t size, int64_t position)
{
    ASSERT(position >= 0);
    if (place->miss == NULL) {
        return io_file_read(file, data, size, position);
    }
    int64_t got = io_file_read_cached(file, data, size, position);
    ASSERT(got <= (int64_t)size);
    if (got == ERR_AGAIN) {
        *place->miss = (struct log_miss){base_offset, suffix, position, size};
    }
    return got;
}

void index_file_init(struct index_file *index, const struct log_place *place, int64_t base_offset,
                     const char *suffix, uint32_t entry_bytes)
{
    ASSERT(entry_bytes > 0 && entry_bytes <= INDEX_ENTRY_BYTES_MAX);
    *index = (struct index_file){.place = place,
                                 .suffix = suffix,
                                 .base_offset = base_offset,
                                 .entry_bytes = entry_bytes};
}

void index_file_assert_invariants(const struct index_file *index)
{
    ASSERT(index->pending_count <= INDEX_PENDING_MAX);
    ASSERT(index->pending_count == 0 || index->pending != NULL);
    ASSERT(index->pending_count == 0 || index->is_counted);
}

void index_file_release(struct index_file *index)
{
    if (index->is_open) {
        io_file_close(&index->file);
        index->is_open = false;
    }
    mem_free(index->pending);
    index->pending = NULL;
    index->pending_count = 0;
}

/* Opens the file if it is there; with create it is made. 1 open, 0 absent, or an error. */
static int index_file_open(struct index_file *index, bool create)
{
    if (index->is_open) {
        return 1;
    }
    char path[LOG_PATH_BYTES];
    int error = log_place_path(index->place, index->base_offset, index->suffix, path);
    if (error != 0) {
        return error;
    }
    error = io_file_open(index->place->fs, path,
                         IO_OPEN_READ | IO_OPEN_WRITE | (create ? IO_OPEN_CREATE : 0),
                         &index->file);
    if (error == ERR_NOT_FOUND && !create) {
        return 0;
    }
    if (error != 0) {
        return error;
    }
    index->is_open = true;
    return 1;
}

static int index_file_read_written(struct index_file *index, uint32_t i, uint8_t *entry)
{
    ASSERT(i < index->written_count && index->is_open);
    int64_t got = log_place_read(index->place, index->base_offset, index->suffix, &index->file,
                                 entry, index->entry_bytes, (int64_t)i * index->entry_bytes);
    if (got < 0) {
        return (int)got;
    }
    return got == (int64_t)index->entry_bytes ? 0 : ERR_CORRUPT;
}

static bool index_entry_is_zero(const uint8_t *entry, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (entry[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Padding is all zero and at the end, so a bisection finds its start. */
static int index_file_trim_padding(struct index_file *index)
{
    uint8_t entry[INDEX_ENTRY_BYTES_MAX];
    uint32_t low = 0;
    uint32_t high = index->written_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int error = index_file_read_written(index, middle, entry);
        if (error != 0) {
            return error;
        }
        if (index_entry_is_zero(entry, index->entry_bytes)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    index->written_count = low;
    return 0;
}

static int index_file_learn_count(struct index_file *index)
{
    if (index->is_counted) {
        return 0;
    }
    int open = index_file_open(index, false);
    if (open < 0) {
        return open;
    }
    index->written_count = 0;
    if (open == 1) {
        int64_t size = io_file_size(&index->file);
        if (size < 0) {
            return (int)size;
        }
        if (size / index->entry_bytes > UINT32_MAX) {
            return ERR_CORRUPT;
        }
        index->written_count = (uint32_t)(size / index->entry_bytes);
        uint8_t last[INDEX_ENTRY_BYTES_MAX];
        if (index->written_count > 0) {
            int error = index_file_read_written(index, index->written_count - 1, last);
            if (error == 0 && index_entry_is_zero(last, index->entry_bytes)) {
                error = index_file_trim_padding(index);
            }
            if (error != 0) {
                return error;
            }
        }
    }
    index->is_counted = true;
    return 0;
}

int64_t index_file_count(struct index_file *index)
{
    int error = index_file_learn_count(index);
    return error != 0 ? error : (int64_t)index->written_count + index->pending_count;
}

int index_file_read(struct index_file *index, uint32_t i, uint8_t *entry)
{
    ASSERT(index->is_counted);
    if (i < index->written_count) {
        int open = index_file_open(index, false);
        return open == 1 ? index_file_read_written(index, i, entry)
                         : (open < 0 ? open : ERR_CORRUPT);
    }
    ASSERT(i - index->written_count < index->pending_count);
    memcpy(entry, index->pending + (size_t)(i - index->written_count) * index->entry_bytes,
           index->entry_bytes);
    return 0;
}

int index_file_make(struct index_file *index)
{
    bool was_open = index->is_open;
    int open = index_file_open(index, true);
    if (open == 1 && !was_open) {
        io_file_close(&index->file);
        index->is_open = false;
    }
    return open < 0 ? open : 0;
}

int index_file_write_pending(struct index_file *index)
{
    index_file_assert_invariants(index);
    if (index->pending_count == 0) {
        return 0;
    }
    int open = index_file_open(index, true);
    if (open < 0) {
        return open;
    }
    int error = io_file_write(&index->file, index->pending,
                              (size_t)index->pending_count * index->entry_bytes,
                              (int64_t)index->written_count * index->entry_bytes);
    if (error == 0) {
        index->written_count += index->pending_count;
        index->pending_count = 0;
    }
    return error;
}

int index_file_reserve(struct index_file *index)
{
    if (index->pending == NULL) {
        index->pending = mem_alloc((size_t)INDEX_PENDING_MAX * index->entry_bytes);
    }
    return index->pending == NULL ? ERR_NOMEM : 0;
}

int index_file_append(struct index_file *index, const uint8_t *entry)
{
    int error = index_file_learn_count(index);
    if (error == 0) {
        error = index_file_reserve(index);
    }
    if (error == 0 && index->pending_count == INDEX_PENDING_MAX) {
        error = index_file_write_pending(index);
    }
    if (error == 0) {
        memcpy(index->pending + (size_t)index->pending_count * index->entry_bytes, entry,
               index->entry_bytes);
        index->pending_count++;
    }
    index_file_assert_invariants(index);
    return error;
}

int index_file_truncate(struct index_file *index, uint32_t count)
{
    int64_t all = index_file_count(index);
    if (all < 0) {
        return (int)all;
    }
    if (count >= (uint32_t)all) {
        count = (uint32_t)all;
    }
    if (count >= index->written_count) {
        index->pending_count = count - index->written_count;
    } else {
        index->pending_count = 0;
        index->written_count = count;
    }
    ASSERT((int64_t)index->written_count + index->pending_count == (int64_t)count);
    index_file_assert_invariants(index);
    int open = index_file_open(index, false);
    if (open <= 0) {
        return open;
    }
    /* Also cuts padding, so that the file ends where the entries end. */
    int64_t bytes = (int64_t)index->written_count * index->entry_bytes;
    return io_file_size(&index->file) == bytes ? 0 : io_file_truncate(&index->file, bytes);
}

int index_file_sync(struct index_file *index)
{
    int error = index_file_write_pending(index);
    return error == 0 && index->is_open ? io_file_sync(&index->file) : error;
}

int index_file_idle(struct index_file *index)
{
    int error = index_file_write_pending(index);
    if (error == 0) {
        ASSERT(index->pending_count == 0);
        index_file_release(index);
    }
    return error;
}

/* Entries that lie side by side, read with one call. */
struct index_window {
    uint32_t first;
    uint32_t count;
    uint8_t bytes[INDEX_WINDOW_BYTES];
};

/* Fills the window with entries from first on, in front of end: as many as there is room for. */
static int index_window_read(struct index_file *index, uint32_t first, uint32_t end,
                             struct index_window *window)
{
    ASSERT(first < end);
    uint32_t room = INDEX_WINDOW_BYTES / index->entry_bytes;
    uint32_t in_reach = end - first;
    window->first = first;
    window->count = in_reach < room ? in_reach : room;
    if (first >= index->written_count) {
        uint32_t at = first - index->written_count;
        ASSERT(at + window->count <= index->pending_count);
        memcpy(window->bytes, index->pending + (size_t)at * index->entry_bytes,
               (size_t)window->count * index->entry_bytes);
        return 0;
    }
    if (window->count > index->written_count - first) {
        window->count = index->written_count - first;
    }
    int open = index_file_open(index, false);
    if (open <= 0) {
        return open < 0 ? open : ERR_CORRUPT;
    }
    size_t bytes = (size_t)window->count * index->entry_bytes;
    int64_t got = log_place_read(index->place, index->base_offset, index->suffix, &index->file,
                                 window->bytes, bytes, (int64_t)first * index->entry_bytes);
    if (got < 0) {
        return (int)got;
    }
    return got == (int64_t)bytes ? 0 : ERR_CORRUPT;
}

/* How many entries of the window have keys of at most key. */
static uint32_t index_window_search(const struct index_file *index,
                                    const struct index_window *window, int64_t key,
                                    int64_t (*key_of)(const uint8_t *entry))
{
    uint32_t low = 0;
    uint32_t high = window->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key_of(window->bytes + (size_t)middle * index->entry_bytes) <= key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int64_t index_file_floor(struct index_file *index, int64_t key,
                         int64_t (*key_of)(const uint8_t *entry), uint8_t *entry)
{
    int64_t count = index_file_count(index);
    if (count < 0) {
        return count - 1; /* errors stay below -1 */
    }
    struct index_window window;
    uint32_t half = INDEX_WINDOW_BYTES / index->entry_bytes / 2;
    uint32_t low = 0; /* entries below it have keys of at most key */
    uint32_t high = (uint32_t)count; /* from it on none has */
    /* Whoever reads on asks next for what follows; who has not read yet, mostly for the end. */
    uint32_t first = index->floor_hint;
    if (first == 0 || first >= high) {
        first = high > 2 * half ? high - 2 * half : 0;
    }
    while (low < high) {
        ASSERT(first >= low && first < high);
        int error = index_window_read(index, first, high, &window);
        if (error != 0) {
            return error - 1;
        }
        uint32_t below = index_window_search(index, &window, key, key_of);
        if (below > 0) {
            low = window.first + below;
            memcpy(entry, window.bytes + (size_t)(below - 1) * index->entry_bytes,
                   index->entry_bytes);
        }
        if (below < window.count) {
            high = window.first + below;
        }
        uint32_t middle = low + (high - low) / 2;
        first = middle - low > half ? middle - half : low;
    }
    index->floor_hint = low > 0 ? low - 1 : 0;
    return (int64_t)low - 1;
}
