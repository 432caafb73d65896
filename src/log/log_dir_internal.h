/* log_dir_internal.h: what log_dir.c needs of log_dir_checkpoint.c. Thread: the owner's. */
#ifndef BNB_LOG_LOG_DIR_INTERNAL_H
#define BNB_LOG_LOG_DIR_INTERNAL_H

#include "log/log_dir.h"

void log_dir_init_checkpoints(struct log_dir *dir);
/* Files that are missing or damaged say nothing. */
int log_dir_read_checkpoints(struct log_dir *dir);
void log_dir_release_checkpoints(struct log_dir *dir);

#endif
