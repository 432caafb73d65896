/* A broken product: after a loss of power it believes its indexes. */
#include "log/log_dir.h"

int __real_log_dir_open(struct io_fs *fs, const char *path, struct log_dir **dir,
                        struct err_message *message);
int __wrap_log_dir_open(struct io_fs *fs, const char *path, struct log_dir **dir,
                        struct err_message *message);

int __wrap_log_dir_open(struct io_fs *fs, const char *path, struct log_dir **dir,
                        struct err_message *message)
{
    int error = __real_log_dir_open(fs, path, dir, message);
    if (error == 0) {
        (*dir)->page_cache_intact = true;
    }
    return error;
}
