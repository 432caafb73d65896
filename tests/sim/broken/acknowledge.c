/* A broken product: what goes to a log is written some time after it was acknowledged. */
#include <string.h>

#include "base/mem.h"
#include "disk.h"

#define BROKEN_DELAY_MS 40

struct late_write {
    struct sim_event event;
    struct late_write *next;
    struct io_file file;
    int64_t position;
    size_t size;
    uint8_t data[];
};

static struct late_write *late_writes;

int __real_io_file_write(struct io_file *file, const void *data, size_t size, int64_t position);
int __wrap_io_file_write(struct io_file *file, const void *data, size_t size, int64_t position);
int64_t __real_io_file_read(struct io_file *file, void *data, size_t size, int64_t position);
int64_t __wrap_io_file_read(struct io_file *file, void *data, size_t size, int64_t position);
int64_t __real_io_file_size(struct io_file *file);
int64_t __wrap_io_file_size(struct io_file *file);
int __real_io_file_sync(struct io_file *file);
int __wrap_io_file_sync(struct io_file *file);
int __real_io_file_truncate(struct io_file *file, int64_t size);
int __wrap_io_file_truncate(struct io_file *file, int64_t size);
void __real_io_file_close(struct io_file *file);
void __wrap_io_file_close(struct io_file *file);

static void late_write_run(struct sim_event *event)
{
    struct late_write *late = CONTAINER_OF(event, struct late_write, event);
    for (struct late_write **link = &late_writes; *link != NULL; link = &(*link)->next) {
        if (*link == late) {
            *link = late->next;
            break;
        }
    }
    (void)__real_io_file_write(&late->file, late->data, late->size, late->position);
    mem_free(late);
}

/* Nobody but the disk is to notice. */
static void late_writes_finish(const struct io_file *file)
{
    for (struct late_write *late = late_writes; late != NULL;) {
        struct late_write *next = late->next;
        if (late->file.state == file->state) {
            sim_cancel(&late->event);
            late_write_run(&late->event);
        }
        late = next;
    }
}

int __wrap_io_file_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    if (strstr(disk_file_label(file), "/topic-") == NULL ||
        strstr(disk_file_label(file), ".log") == NULL) {
        return __real_io_file_write(file, data, size, position);
    }
    struct late_write *late = mem_need(sizeof *late + size);
    late->event.run = late_write_run;
    late->file = *file;
    late->position = position;
    late->size = size;
    memcpy(late->data, data, size);
    struct late_write **last = &late_writes;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = late;
    sim_schedule(sim_world, &late->event, BROKEN_DELAY_MS);
    return 0;
}

int64_t __wrap_io_file_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    late_writes_finish(file);
    return __real_io_file_read(file, data, size, position);
}

int64_t __wrap_io_file_size(struct io_file *file)
{
    late_writes_finish(file);
    return __real_io_file_size(file);
}

int __wrap_io_file_sync(struct io_file *file)
{
    late_writes_finish(file);
    return __real_io_file_sync(file);
}

int __wrap_io_file_truncate(struct io_file *file, int64_t size)
{
    late_writes_finish(file);
    return __real_io_file_truncate(file, size);
}

void __wrap_io_file_close(struct io_file *file)
{
    if (file->fs != NULL) {
        late_writes_finish(file);
    }
    __real_io_file_close(file);
}
