/* A broken product: whoever reads what is committed is not held up by open transactions. */
#include "log/log.h"

int64_t __wrap_log_last_stable_offset(const struct log *log, int64_t high_watermark);

int64_t __wrap_log_last_stable_offset(const struct log *log, int64_t high_watermark)
{
    (void)log;
    return high_watermark;
}
