/* disk.h: a disk that loses power: the file interface of io/file.h over memory.
 *
 * Each file has the content that a reader sees and the content that is on the platter, and between
 * them its writes that were not synced yet, in order. Each directory has its entries in the same
 * two forms, and between them the changes since it was last synced. A process death keeps what
 * readers saw; after a power loss the platter is what is left, with a seeded part of the rest:
 * writes may be there, be missing (a hole reads as zeros), be cut short at a byte or at a sector,
 * or have a bit flipped; of the changes of a directory the first few are there.
 * When a sync fails, what it was to write is lost to the platter for good, as Linux has it: readers
 * see it until the process ends, and a sync that is tried again succeeds without it.
 * Nodes that are unlinked stay until the disk goes. Thread: the one of the simulation.
 * Errors: those of a real disk, and ERR_IO for everything once the process is dead. */
#ifndef BNB_SIM_DISK_H
#define BNB_SIM_DISK_H

#include "io/file.h"
#include "sim.h"

struct disk {
    struct sim *sim;
    struct io_fs fs;
    struct list nodes; /* all there ever were */
    struct disk_node *root;
    struct disk_node *boot_id; /* differs from boot to boot of the machine */
    size_t open_count;
    size_t lock_count;
};

void disk_init(struct disk *disk, struct sim *sim);
void disk_release(struct disk *disk);
/* What the next process finds. */
void disk_after_death(struct disk *disk);
void disk_after_power_loss(struct disk *disk);
/* Between two lives: flips bits in some indexes, producer snapshots and epoch checkpoints. */
void disk_rot(struct disk *disk);
/* The end of the path under which an open file was made. */
const char *disk_file_label(const struct io_file *file);
/* Everything there is, is on the platter. */
void disk_sync_all(struct disk *disk);

#endif
