/* system.h: clocks, randomness and the size of the machine, where no loop is at hand.
 *
 * Everything else takes the time and the randomness that it is given.
 * Thread: any.   Errors: none; a system without randomness ends the process. */
#ifndef BNB_IO_SYSTEM_H
#define BNB_IO_SYSTEM_H

#include "base/uuid.h"

int64_t io_monotonic_ms(void);
int64_t io_wall_ms(void);
/* For measuring how long something took. */
int64_t io_monotonic_us(void);
void io_random_bytes(void *data, size_t size);
uint64_t io_random_seed(void);
/* Of version 4, and not one whose text begins with a dash: that would look like a flag. */
struct uuid io_random_uuid(void);
int32_t io_core_count(void);
/* Descriptors that the process may have, after it was given as many as it can get. */
int64_t io_descriptors_max(void);
/* Bytes of memory that the process may have: the machine's, or what a limit leaves of it (control
 * groups, RLIMIT_AS, RLIMIT_DATA); *what names the one that holds, a static text. */
int64_t io_memory_max(const char **what);
/* Room of the file system that path is on. */
int io_disk_space(const char *path, int64_t *total_bytes, int64_t *usable_bytes);

#endif
