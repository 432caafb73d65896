/* A broken product: a sync that failed is tried again, and believed when it then succeeds. */
#include "io/file.h"

int __real_io_file_sync(struct io_file *file);
int __wrap_io_file_sync(struct io_file *file);

int __wrap_io_file_sync(struct io_file *file)
{
    int error = __real_io_file_sync(file);
    return error == 0 ? 0 : __real_io_file_sync(file);
}
