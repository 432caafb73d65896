/* partition_move.h: a partition moves to another log directory, written and read all the while.
 *
 * A copy grows in <topic>-<partition>.<hex>-future of the other directory: helper threads append to
 * it what the log has, a piece at a time. Once it is synced and nearly as long as the log, the
 * shard adds the rest and lets it take the log's place in one step: in that step nothing is
 * appended.
 *
 *     1  the old directory gets MOVED_MARK, synced        a mark alone means nothing
 *     2  -future is renamed to the partition's name, synced
 *     3  the old directory is renamed to -delete, synced  and removed later
 *
 * A start that finds both has died between 2 and 3: the one with the mark is the old one, and goes.
 * A start that finds a -future directory begins the move anew. The controller is told afterwards.
 * Thread: the partition's shard.   Errors: a disk that fails ends the move and takes the directory
 * offline that is to blame. */
#ifndef BNB_BROKER_PARTITION_MOVE_H
#define BNB_BROKER_PARTITION_MOVE_H

#include "broker/partition.h"

#define MOVED_MARK ".barnabas_moved"

struct partition_move;
/* Whether a file name has room for that of a copy: not for the longest topic names. */
bool partition_move_has_name(struct string_view topic, int32_t partition);
/* A move to another directory ends first; one to where the partition is already just ends it. 0, or
 * a wire error. */
int16_t partition_move_to(struct partition *partition, struct broker_dir *to);
/* Ends a move; what has been copied goes. For a partition that goes or is offline. */
void partition_move_end(struct partition *partition);
/* At shutdown: an empty copy stays, by which the next start knows that it is to be made. */
void partition_move_leave(struct partition *partition);
/* Where it is going, how far it is, and its size so far; NULL: it does not move. */
struct broker_dir *partition_move_view(const struct partition *partition, int64_t *offset_lag,
                                       int64_t *size_bytes);

#endif
