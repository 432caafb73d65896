/* Makes calls of another program fail: LD_PRELOAD of tests/integration/faults.py.
 *
 * The file that FAULTS_CONTROL names holds one line "<call> <part of a path> <errno> <times>",
 * call being sync, write or rename (of the old name); it is looked at before each call, and the
 * times are counted since the line changed. What fails has no effect, and what comes after
 * succeeds, as on Linux after a failed fsync. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define LINE_BYTES 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[LINE_BYTES];
static int left;

static int read_text(const char *path, char *text)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = descriptor < 0 ? -1 : read(descriptor, text, LINE_BYTES - 1);
    if (descriptor >= 0) {
        close(descriptor);
    }
    text[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

/* The errno that the call on this file, by its name or else its descriptor, gets; 0: none. */
static int fault(const char *call, const char *file, int descriptor)
{
    const char *control = getenv("FAULTS_CONTROL");
    char line[LINE_BYTES];
    char name[32];
    char part[LINE_BYTES];
    char link[64];
    char path[LINE_BYTES];
    int number;
    int times;
    if (control == NULL || !read_text(control, line) ||
        sscanf(line, "%31s %511s %d %d", name, part, &number, &times) != 4 ||
        strcmp(name, call) != 0) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = file == NULL ? readlink(link, path, sizeof path - 1)
                                : snprintf(path, sizeof path, "%s", file);
    path[size < 0 || size >= (ssize_t)sizeof path ? 0 : size] = '\0';
    if (strstr(path, part) == NULL) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    if (strcmp(seen, line) != 0) {
        snprintf(seen, sizeof seen, "%s", line);
        left = times;
    }
    int fails = left > 0;
    left -= fails;
    pthread_mutex_unlock(&lock);
    return fails ? number : 0;
}

static int fails(const char *call, const char *file, int descriptor)
{
    int number = fault(call, file, descriptor);
    errno = number != 0 ? number : errno;
    return number != 0;
}

int fdatasync(int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails("sync", NULL, descriptor) ? -1 : real(descriptor);
}

int fsync(int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails("sync", NULL, descriptor) ? -1 : real(descriptor);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t position)
{
    ssize_t (*real)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return fails("write", NULL, descriptor) ? -1 : real(descriptor, data, size, position);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    return fails("rename", from, -1) ? -1 : real(from, to);
}
