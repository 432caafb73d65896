#include "base/assert.h"
#include "base/mem.h"
#include "log/log_internal.h"

/* An index is bisected, so it is wanted whole; this is more than the largest that is usual. */
#define LOAD_INDEX_BYTES (16u << 20)

void log_read_begin(struct log *log, int64_t now_ms)
{
    ASSERT(log->place.miss == NULL);
    log->now_ms = now_ms;
    log->miss = (struct log_miss){0};
    log->place.miss = &log->miss;
}

void log_read_end(struct log *log)
{
    ASSERT(log->place.miss == &log->miss);
    log->place.miss = NULL;
}

int log_load_prepare(struct log *log, size_t at_least, struct log_load *load)
{
    const struct log_miss *miss = &log->miss;
    char path[LOG_PATH_BYTES];
    *load = (struct log_load){.fs = *log->place.fs};
    int error = miss->suffix == NULL
                    ? ERR_INVALID
                    : log_place_path(&log->place, miss->base_offset, miss->suffix, path);
    if (error != 0) {
        return error;
    }
    ASSERT(miss->position >= 0 && miss->base_offset >= 0);
    bool is_index = strcmp(miss->suffix, ".log") != 0;
    at_least = is_index ? (size_t)miss->position + LOAD_INDEX_BYTES : at_least;
    load->position = is_index ? 0 : miss->position;
    load->size = miss->size > at_least ? miss->size : at_least;
    load->path = mem_strndup(path, strlen(path));
    return load->path == NULL ? ERR_NOMEM : 0;
}

void log_load_run(struct log_load *load)
{
    struct io_file file;
    ASSERT(load->path != NULL && load->position >= 0);
    if (io_file_open(&load->fs, load->path, IO_OPEN_READ, &file) == 0) {
        (void)io_file_read_ahead(&file, load->position, load->size);
        io_file_close(&file);
    }
}

void log_load_release(struct log_load *load)
{
    mem_free(load->path);
    load->path = NULL;
}
