#include <errno.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "io/system.h"

static int64_t system_clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t io_monotonic_ms(void) { return system_clock_us(CLOCK_MONOTONIC) / 1000; }
int64_t io_wall_ms(void) { return system_clock_us(CLOCK_REALTIME) / 1000; }
int64_t io_monotonic_us(void) { return system_clock_us(CLOCK_MONOTONIC); }

void io_random_bytes(void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = getrandom((uint8_t *)data + done, size - done, 0);
        ASSERT(got > 0 || errno == EINTR);
        done += got > 0 ? (size_t)got : 0;
    }
}

int32_t io_core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (int32_t)cores;
}

int64_t io_descriptors_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    rlim_t most = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? limit.rlim_max : limit.rlim_cur;
    return most < INT32_MAX ? (int64_t)most : INT32_MAX;
}

int io_disk_space(const char *path, int64_t *total_bytes, int64_t *usable_bytes)
{
    struct statvfs space;
    if (statvfs(path, &space) != 0) {
        return err_from_errno(errno);
    }
    *total_bytes = (int64_t)(space.f_blocks * space.f_frsize);
    *usable_bytes = (int64_t)(space.f_bavail * space.f_frsize);
    return 0;
}
