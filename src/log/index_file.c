#include "log/index_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

/* What an index that is being used needs. A node has many logs that nobody uses. */
struct index_use {
    uint32_t written_count; /* entries in the file */
    uint32_t pending_count;
    uint32_t floor_hint; /* entry that was found last */
    bool is_open;
    bool is_counted; /* written_count is known */
    bool is_padded;  /* there were zeros behind them when they were counted */
    uint8_t *pending;
    struct io_file file;
};

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
                     const struct index_kind *kind)
{
    ASSERT(kind->entry_bytes > 0 && kind->entry_bytes <= INDEX_ENTRY_BYTES_MAX);
    *index = (struct index_file){.place = place, .kind = kind, .base_offset = base_offset};
}

void index_file_assert_invariants(const struct index_file *index)
{
    const struct index_use *use = index->use;
    ASSERT(use == NULL || use->pending_count <= INDEX_PENDING_MAX);
    ASSERT(use == NULL || use->pending_count == 0 || (use->pending != NULL && use->is_counted));
}

void index_file_release(struct index_file *index)
{
    if (index->use == NULL) {
        return;
    }
    if (index->use->is_open) {
        io_file_close(&index->use->file);
    }
    mem_free(index->use->pending);
    mem_free(index->use);
    index->use = NULL;
}

static int index_file_begin_use(struct index_file *index)
{
    if (index->use == NULL) {
        index->use = mem_calloc(1, sizeof *index->use);
    }
    return index->use == NULL ? ERR_NOMEM : 0;
}

/* Opens the file if it is there; with create it is made. 1 open, 0 absent, or an error. */
static int index_file_open(struct index_file *index, bool create)
{
    int error = index_file_begin_use(index);
    if (error != 0) {
        return error;
    }
    if (index->use->is_open) {
        return 1;
    }
    char path[LOG_PATH_BYTES];
    error = log_place_path(index->place, index->base_offset, index->kind->suffix, path);
    if (error != 0) {
        return error;
    }
    error = io_file_open(index->place->fs, path,
                         IO_OPEN_READ | IO_OPEN_WRITE | (create ? IO_OPEN_CREATE : 0),
                         &index->use->file);
    if (error == ERR_NOT_FOUND && !create) {
        return 0;
    }
    if (error != 0) {
        return error;
    }
    index->use->is_open = true;
    return 1;
}

static int64_t index_file_read_at(struct index_file *index, void *data, size_t size,
                                  int64_t position)
{
    return log_place_read(index->place, index->base_offset, index->kind->suffix,
                          &index->use->file, data, size, position);
}

static int index_file_read_written(struct index_file *index, uint32_t i, uint8_t *entry)
{
    ASSERT(i < index->use->written_count && index->use->is_open);
    int64_t got = index_file_read_at(index, entry, index->kind->entry_bytes,
                                     (int64_t)i * index->kind->entry_bytes);
    if (got < 0) {
        return (int)got;
    }
    return got == (int64_t)index->kind->entry_bytes ? 0 : ERR_CORRUPT;
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
    uint32_t high = index->use->written_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int error = index_file_read_written(index, middle, entry);
        if (error != 0) {
            return error;
        }
        if (index_entry_is_zero(entry, index->kind->entry_bytes)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    index->use->written_count = low;
    index->use->is_padded = true;
    return 0;
}

static int index_file_learn_count(struct index_file *index)
{
    if (index->use != NULL && index->use->is_counted) {
        return 0;
    }
    int open = index_file_open(index, false);
    if (open < 0) {
        return open;
    }
    index->use->written_count = 0;
    if (open == 1) {
        int64_t size = io_file_size(&index->use->file);
        if (size < 0) {
            return (int)size;
        }
        if (size / index->kind->entry_bytes > UINT32_MAX) {
            return ERR_CORRUPT;
        }
        index->use->written_count = (uint32_t)(size / index->kind->entry_bytes);
        uint8_t last[INDEX_ENTRY_BYTES_MAX];
        if (index->use->written_count > 0) {
            int error = index_file_read_written(index, index->use->written_count - 1, last);
            if (error == 0 && index_entry_is_zero(last, index->kind->entry_bytes)) {
                error = index_file_trim_padding(index);
            }
            if (error != 0) {
                return error;
            }
        }
    }
    index->use->is_counted = true;
    return 0;
}

int64_t index_file_count(struct index_file *index)
{
    int error = index_file_learn_count(index);
    return error != 0 ? error : (int64_t)index->use->written_count + index->use->pending_count;
}

int index_file_read(struct index_file *index, uint32_t i, uint8_t *entry)
{
    ASSERT(index->use != NULL && index->use->is_counted);
    if (i < index->use->written_count) {
        int open = index_file_open(index, false);
        return open == 1 ? index_file_read_written(index, i, entry)
                         : (open < 0 ? open : ERR_CORRUPT);
    }
    ASSERT(i - index->use->written_count < index->use->pending_count);
    size_t at = (size_t)(i - index->use->written_count) * index->kind->entry_bytes;
    memcpy(entry, index->use->pending + at, index->kind->entry_bytes);
    return 0;
}

int index_file_make(struct index_file *index)
{
    bool was_idle = index_file_is_idle(index);
    bool was_open = !was_idle && index->use->is_open;
    int open = index_file_open(index, true);
    if (was_idle) {
        index_file_release(index);
    } else if (open == 1 && !was_open) {
        io_file_close(&index->use->file);
        index->use->is_open = false;
    }
    return open < 0 ? open : 0;
}

int index_file_write_pending(struct index_file *index)
{
    index_file_assert_invariants(index);
    if (index->use == NULL || index->use->pending_count == 0) {
        return 0;
    }
    int open = index_file_open(index, true);
    if (open < 0) {
        return open;
    }
    int error = io_file_write(&index->use->file, index->use->pending,
                              (size_t)index->use->pending_count * index->kind->entry_bytes,
                              (int64_t)index->use->written_count * index->kind->entry_bytes);
    if (error == 0) {
        index->use->written_count += index->use->pending_count;
        index->use->pending_count = 0;
    }
    return error;
}

int index_file_reserve(struct index_file *index)
{
    int error = index_file_learn_count(index);
    if (error == 0 && index->use->pending == NULL) {
        index->use->pending = mem_alloc((size_t)INDEX_PENDING_MAX * index->kind->entry_bytes);
        error = index->use->pending == NULL ? ERR_NOMEM : 0;
    }
    return error;
}

bool index_file_is_padded(const struct index_file *index)
{
    return index->use != NULL && index->use->is_padded;
}

bool index_file_is_full(const struct index_file *index)
{
    return index->use != NULL && index->use->pending_count == INDEX_PENDING_MAX;
}

int index_file_append(struct index_file *index, const uint8_t *entry)
{
    int error = index_file_reserve(index);
    if (error == 0 && index_file_is_full(index)) {
        error = index_file_write_pending(index);
    }
    if (error == 0) {
        size_t at = (size_t)index->use->pending_count * index->kind->entry_bytes;
        memcpy(index->use->pending + at, entry, index->kind->entry_bytes);
        index->use->pending_count++;
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
    if (count >= index->use->written_count) {
        index->use->pending_count = count - index->use->written_count;
    } else {
        index->use->pending_count = 0;
        index->use->written_count = count;
    }
    ASSERT((int64_t)index->use->written_count + index->use->pending_count == (int64_t)count);
    index_file_assert_invariants(index);
    int open = index_file_open(index, false);
    if (open <= 0) {
        return open;
    }
    /* Also cuts padding, so that the file ends where the entries end. */
    int64_t bytes = (int64_t)index->use->written_count * index->kind->entry_bytes;
    struct io_file *file = &index->use->file;
    return io_file_size(file) == bytes ? 0 : io_file_truncate(file, bytes);
}

int index_file_sync(struct index_file *index)
{
    int error = index_file_write_pending(index);
    bool is_open = index->use != NULL && index->use->is_open;
    return error == 0 && is_open ? io_file_sync(&index->use->file) : error;
}

int index_file_idle(struct index_file *index)
{
    int error = index_file_write_pending(index);
    if (error == 0) {
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
    uint32_t room = INDEX_WINDOW_BYTES / index->kind->entry_bytes;
    uint32_t in_reach = end - first;
    window->first = first;
    window->count = in_reach < room ? in_reach : room;
    if (first >= index->use->written_count) {
        uint32_t at = first - index->use->written_count;
        ASSERT(at + window->count <= index->use->pending_count);
        memcpy(window->bytes, index->use->pending + (size_t)at * index->kind->entry_bytes,
               (size_t)window->count * index->kind->entry_bytes);
        return 0;
    }
    if (window->count > index->use->written_count - first) {
        window->count = index->use->written_count - first;
    }
    int open = index_file_open(index, false);
    if (open <= 0) {
        return open < 0 ? open : ERR_CORRUPT;
    }
    size_t bytes = (size_t)window->count * index->kind->entry_bytes;
    int64_t got = index_file_read_at(index, window->bytes, bytes,
                                     (int64_t)first * index->kind->entry_bytes);
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
        if (key_of(window->bytes + (size_t)middle * index->kind->entry_bytes) <= key) {
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
    uint32_t half = INDEX_WINDOW_BYTES / index->kind->entry_bytes / 2;
    uint32_t low = 0; /* entries below it have keys of at most key */
    uint32_t high = (uint32_t)count; /* from it on none has */
    /* Whoever reads on asks next for what follows; who has not read yet, mostly for the end. */
    uint32_t first = index->use->floor_hint;
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
            memcpy(entry, window.bytes + (size_t)(below - 1) * index->kind->entry_bytes,
                   index->kind->entry_bytes);
        }
        if (below < window.count) {
            high = window.first + below;
        }
        uint32_t middle = low + (high - low) / 2;
        first = middle - low > half ? middle - half : low;
    }
    index->use->floor_hint = low > 0 ? low - 1 : 0;
    return (int64_t)low - 1;
}
