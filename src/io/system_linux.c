#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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

#define CGROUP_ROOT "/sys/fs/cgroup"

struct memory_limit {
    int64_t bytes;
    const char *what;
};

static void memory_limit_lower(struct memory_limit *limit, int64_t bytes, const char *what)
{
    if (bytes >= 0 && bytes < limit->bytes) {
        *limit = (struct memory_limit){bytes, what};
    }
}

/* A file with one number; -1 when it is not there or says "max". */
static int64_t system_read_number(const char *path)
{
    int64_t number = -1;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%" SCNd64, &number) != 1) {
            number = -1;
        }
        fclose(file);
    }
    return number;
}

/* Every group from ours up to the root may have a bound. */
static void memory_limit_of_groups(struct memory_limit *limit, const char *root, char *group,
                                   const char *file, const char *what)
{
    char path[1200];
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", root, group, file);
        memory_limit_lower(limit, system_read_number(path), what);
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return;
        }
        *slash = '\0';
    }
}

/* Lines "hierarchy:controllers:path"; that of version 2 has no controllers. */
static void memory_limit_of_cgroups(struct memory_limit *limit)
{
    char line[1024];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL) {
            continue;
        }
        *group++ = '\0';
        group = strcmp(group, "/") == 0 ? group + 1 : group;
        if (strcmp(controllers + 1, "") == 0) {
            memory_limit_of_groups(limit, CGROUP_ROOT, group, "memory.max", "memory.max");
        } else if (strcmp(controllers + 1, "memory") == 0) {
            memory_limit_of_groups(limit, CGROUP_ROOT "/memory", group, "memory.limit_in_bytes",
                                   "memory.limit_in_bytes");
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

int64_t io_memory_max(const char **what)
{
    struct memory_limit limit = {
        (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), "the memory of the machine"};
    static const struct {
        int resource;
        const char *what;
    } resources[] = {{RLIMIT_AS, "RLIMIT_AS (ulimit -v)"},
                     {RLIMIT_DATA, "RLIMIT_DATA (ulimit -d)"}};
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        struct rlimit found;
        if (getrlimit(resources[i].resource, &found) == 0 && found.rlim_cur <= INT64_MAX) {
            memory_limit_lower(&limit, (int64_t)found.rlim_cur, resources[i].what);
        }
    }
    memory_limit_of_cgroups(&limit);
    *what = limit.what;
    return limit.bytes;
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
