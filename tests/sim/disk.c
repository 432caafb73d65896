#include "disk.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

#define DISK_NAME_BYTES 256
#define DISK_SECTOR_BYTES 512
#define DISK_BOOT_PATH "/proc/sys/kernel/random/boot_id"
#define DISK_BOOT_FORMAT "00000000-0000-4000-8000-%012llx"

struct disk_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};
/* A write or, with data NULL, a change of the size. */
struct disk_write {
    size_t position;
    size_t size;
    uint8_t *data;
};
struct disk_entry {
    char name[DISK_NAME_BYTES];
    struct disk_node *node;
};
struct disk_entries {
    struct disk_entry *items;
    size_t count;
    size_t capacity;
};
/* An entry comes (node) and another goes (gone), or one of the two; "" for none. */
struct disk_change {
    char come[DISK_NAME_BYTES];
    char gone[DISK_NAME_BYTES];
    struct disk_node *node;
};
struct disk_node {
    struct list in_disk;
    struct disk *disk;
    bool is_directory;
    bool locked;
    bool torn; /* a sync failed: what it was to write is on the platter in part, and will not be */
    char label[96]; /* the end of the path it was made under */
    /* A file. */
    struct disk_bytes content;
    struct disk_bytes platter;
    struct disk_write *writes;
    size_t write_count;
    size_t write_capacity;
    /* A directory. */
    struct disk_entries entries;
    struct disk_entries platter_entries;
    struct disk_change *changes;
    size_t change_count;
    size_t change_capacity;
};
/* What an open file's state points at. */
struct disk_handle {
    struct disk_node *node;
    bool locks;
};

static void grow(void **array, size_t *capacity, size_t count, size_t element_size)
{
    if (count > *capacity) {
        size_t wanted = count * 2 + 8;
        void *grown = mem_need(wanted * element_size); /* no failure that is meant for the node */
        if (*capacity > 0) {
            memcpy(grown, *array, *capacity * element_size);
        }
        mem_free(*array);
        *array = grown;
        *capacity = wanted;
    }
}

static void bytes_resize(struct disk_bytes *bytes, size_t size)
{
    grow((void **)&bytes->data, &bytes->capacity, size + 1, 1);
    if (size > bytes->size) {
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

static void bytes_write(struct disk_bytes *bytes, const void *data, size_t size, size_t position)
{
    if (position + size > bytes->size) {
        bytes_resize(bytes, position + size);
    }
    memcpy(bytes->data + position, data, size);
}

static void bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    bytes_resize(to, from->size);
    if (from->size > 0) {
        memcpy(to->data, from->data, from->size);
    }
}

static struct disk_entry *entries_find(const struct disk_entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].name, name) == 0) {
            return &entries->items[i];
        }
    }
    return NULL;
}

static void entries_set(struct disk_entries *entries, const char *name, struct disk_node *node)
{
    struct disk_entry *entry = entries_find(entries, name);
    if (entry == NULL) {
        grow((void **)&entries->items, &entries->capacity, entries->count + 1,
             sizeof *entries->items);
        entry = &entries->items[entries->count++];
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

static void entries_drop(struct disk_entries *entries, const char *name)
{
    struct disk_entry *entry = entries_find(entries, name);
    if (entry != NULL) {
        *entry = entries->items[--entries->count];
    }
}

static void entries_apply(struct disk_entries *entries, const struct disk_change *change)
{
    if (change->gone[0] != '\0') {
        entries_drop(entries, change->gone);
    }
    if (change->come[0] != '\0') {
        entries_set(entries, change->come, change->node);
    }
}

static void entries_copy(struct disk_entries *to, const struct disk_entries *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        entries_set(to, from->items[i].name, from->items[i].node);
    }
}

static struct disk_node *node_create(struct disk *disk, bool is_directory)
{
    struct disk_node *node = mem_need(sizeof *node);
    *node = (struct disk_node){.disk = disk, .is_directory = is_directory};
    list_push_back(&disk->nodes, &node->in_disk);
    return node;
}

static void node_change(struct disk_node *directory, const char *come, const char *gone,
                        struct disk_node *node)
{
    grow((void **)&directory->changes, &directory->change_capacity, directory->change_count + 1,
         sizeof *directory->changes);
    struct disk_change *change = &directory->changes[directory->change_count++];
    *change = (struct disk_change){.node = node};
    snprintf(change->come, sizeof change->come, "%s", come);
    snprintf(change->gone, sizeof change->gone, "%s", gone);
    entries_apply(&directory->entries, change);
}

static void node_forget_writes(struct disk_node *node)
{
    for (size_t i = 0; i < node->write_count; i++) {
        mem_free(node->writes[i].data);
    }
    node->write_count = 0;
    node->change_count = 0;
}

/* Everything that was not synced goes to the platter, as it was written. */
static void node_settle(struct disk_node *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        entries_apply(&node->platter_entries, &node->changes[i]);
    }
    for (size_t i = 0; i < node->write_count; i++) {
        const struct disk_write *write = &node->writes[i];
        if (write->data == NULL) {
            bytes_resize(&node->platter, write->position);
        } else {
            bytes_write(&node->platter, write->data, write->size, write->position);
        }
    }
    node_forget_writes(node);
}

static void node_sync(struct disk_node *node)
{
    if (node->torn) {
        node_settle(node); /* what an earlier sync lost it does not bring back */
    } else if (node->is_directory) {
        entries_copy(&node->platter_entries, &node->entries);
    } else {
        bytes_copy(&node->platter, &node->content);
    }
    node_forget_writes(node);
}

/* Finds the directory of path and its last name; NULL when there is none. */
static struct disk_node *disk_parent(struct disk *disk, const char *path,
                                     char name[DISK_NAME_BYTES])
{
    struct disk_node *node = disk->root;
    for (;;) {
        while (*path == '/') {
            path++;
        }
        const char *end = strchr(path, '/');
        size_t size = end == NULL ? strlen(path) : (size_t)(end - path);
        if (size >= DISK_NAME_BYTES) {
            return NULL;
        }
        memcpy(name, path, size);
        name[size] = '\0';
        if (end == NULL) {
            return node;
        }
        struct disk_entry *entry = entries_find(&node->entries, name);
        if (entry == NULL || !entry->node->is_directory) {
            return NULL;
        }
        node = entry->node;
        path = end;
    }
}

static struct disk_node *disk_find(struct disk *disk, const char *path)
{
    char name[DISK_NAME_BYTES];
    struct disk_node *parent = disk_parent(disk, path, name);
    struct disk_entry *entry = parent == NULL ? NULL : entries_find(&parent->entries, name);
    return name[0] == '\0' ? parent : entry == NULL ? NULL : entry->node;
}

/* As disk_parent, for a call of the product: 0, ERR_IO from a dead process, or ERR_NOT_FOUND. */
static int disk_reach(struct disk *disk, const char *path, char name[DISK_NAME_BYTES],
                      struct disk_node **parent)
{
    *parent = disk_parent(disk, path, name);
    return disk->sim->dead ? ERR_IO : *parent == NULL ? ERR_NOT_FOUND : 0;
}

/* Counts an effect of the disk: 0 when it happens; ERR_CLOSED when it is the one at which the
 * process dies, so it may happen in part. */
static int disk_effect(struct disk *disk, const char *what, const char *path, size_t size)
{
    struct sim *sim = disk->sim;
    bool sync = strncmp(what, "sync", 4) == 0;
    enum sim_effect effect = sim_count_effect(sim, path, sync);
    switch (effect) {
    case SIM_EFFECT_HAPPENS:
        sim_note(sim, "disk %s %s %zu", what, path, size);
        return 0;
    case SIM_EFFECT_KILLS:
        sim_note(sim, "disk %s %s %zu: the process dies", what, path, size);
        return ERR_CLOSED;
    case SIM_EFFECT_FAILS:
        sim_note(sim, "disk %s %s %zu: fails", what, path, size);
        return sim->death == SIM_NO_SPACE    ? ERR_NO_SPACE
               : sim->death == SIM_READ_ONLY ? ERR_ACCESS
                                             : ERR_IO;
    case SIM_EFFECT_DEAD:
        return ERR_IO;
    }
    return ERR_IO;
}

/* A call that dies half-way has not happened, unless the seed says that it was done already. */
static int disk_effect_whole(struct disk *disk, const char *what, const char *path)
{
    int error = disk_effect(disk, what, path, 0);
    if (error == ERR_CLOSED) {
        return sim_chance(disk->sim, 50) ? 0 : ERR_IO;
    }
    return error;
}

static void node_tear(struct disk_node *node);

static void sim_close(struct io_file *file)
{
    struct disk_handle *handle = file->state;
    if (handle->locks) {
        handle->node->locked = false;
    }
    handle->node->disk->open_count--;
    mem_free(handle);
}

static int sim_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    struct disk *disk = fs->state;
    char name[DISK_NAME_BYTES];
    struct disk_node *parent;
    int error = disk_reach(disk, path, name, &parent);
    if (error != 0) {
        return error;
    }
    struct disk_entry *entry = entries_find(&parent->entries, name);
    struct disk_node *node = entry == NULL ? NULL : entry->node;
    if (node != NULL && (flags & IO_OPEN_EXCLUSIVE) != 0) {
        return ERR_EXISTS;
    }
    if (node == NULL) {
        if ((flags & IO_OPEN_CREATE) == 0) {
            return ERR_NOT_FOUND;
        }
        error = disk_effect_whole(disk, "create", path);
        if (error != 0) {
            return error;
        }
        node = node_create(disk, false);
        size_t length = strlen(path);
        size_t shown = length < sizeof node->label - 1 ? length : sizeof node->label - 1;
        memcpy(node->label, path + length - shown, shown);
        node_change(parent, name, "", node);
    }
    if (node->is_directory) {
        return ERR_INVALID;
    }
    struct disk_handle *handle = mem_need(sizeof *handle);
    *handle = (struct disk_handle){node, false};
    file->state = handle;
    file->descriptor = -1;
    disk->open_count++;
    error = (flags & IO_OPEN_TRUNCATE) != 0 ? io_file_truncate(file, 0) : 0;
    if (error != 0) {
        sim_close(file);
    }
    return error;
}

static struct disk_node *file_node(const struct io_file *file)
{
    return ((struct disk_handle *)file->state)->node;
}

const char *disk_file_label(const struct io_file *file) { return file_node(file)->label; }

static int64_t sim_read(struct io_file *file, void *data, size_t size, int64_t position)
{
    struct disk_node *node = file_node(file);
    if (node->disk->sim->dead) {
        return ERR_IO;
    }
    if (position < 0 || (size_t)position >= node->content.size) {
        return 0;
    }
    size_t left = node->content.size - (size_t)position;
    size = size < left ? size : left;
    memcpy(data, node->content.data + position, size);
    return (int64_t)size;
}

static void node_write(struct disk_node *node, const void *data, size_t size, size_t position)
{
    bytes_write(&node->content, data, size, position);
    grow((void **)&node->writes, &node->write_capacity, node->write_count + 1,
         sizeof *node->writes);
    uint8_t *copy = mem_need(size + 1);
    memcpy(copy, data, size);
    node->writes[node->write_count++] = (struct disk_write){position, size, copy};
}

static int sim_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    struct disk_node *node = file_node(file);
    struct sim *sim = node->disk->sim;
    int error = disk_effect(node->disk, "write", node->label, size);
    if (error == 0) {
        sim_hash(sim, data, size);
        node_write(node, data, size, (size_t)position);
        return 0;
    }
    if (error == ERR_CLOSED || (error == ERR_NO_SPACE && !sim->dead)) {
        /* A part of it may have been written. */
        size_t part = sim_below(sim, size + 1);
        if (part > 0) {
            node_write(node, data, part, (size_t)position);
        }
    }
    return error == ERR_CLOSED ? ERR_IO : error;
}

static int sim_sync(struct io_file *file)
{
    struct disk_node *node = file_node(file);
    int error = disk_effect_whole(node->disk, "sync", node->label);
    if (error == 0) {
        node_sync(node);
    } else if (!node->disk->sim->dead) {
        node_tear(node);
    }
    return node->disk->sim->dead ? ERR_IO : error;
}

static int sim_truncate(struct io_file *file, int64_t size)
{
    struct disk_node *node = file_node(file);
    int error = disk_effect_whole(node->disk, "truncate", node->label);
    if (error == 0) {
        bytes_resize(&node->content, (size_t)size);
        grow((void **)&node->writes, &node->write_capacity, node->write_count + 1,
             sizeof *node->writes);
        node->writes[node->write_count++] = (struct disk_write){(size_t)size, 0, NULL};
    }
    return node->disk->sim->dead ? ERR_IO : error;
}

static int64_t sim_size(struct io_file *file)
{
    const struct disk_node *node = file_node(file);
    return node->disk->sim->dead ? ERR_IO : (int64_t)node->content.size;
}

static int sim_lock(struct io_file *file)
{
    struct disk_handle *handle = file->state;
    if (handle->node->locked) {
        return ERR_BUSY;
    }
    handle->locks = handle->node->locked = true;
    return 0;
}

static int sim_rename(struct io_fs *fs, const char *from, const char *to)
{
    struct disk *disk = fs->state;
    char old_name[DISK_NAME_BYTES];
    char new_name[DISK_NAME_BYTES];
    struct disk_node *old_parent = disk_parent(disk, from, old_name);
    struct disk_node *new_parent = disk_parent(disk, to, new_name);
    struct disk_entry *entry =
        old_parent == NULL ? NULL : entries_find(&old_parent->entries, old_name);
    if (disk->sim->dead) {
        return ERR_IO;
    }
    if (entry == NULL || new_parent == NULL) {
        return ERR_NOT_FOUND;
    }
    struct disk_node *node = entry->node;
    int error = disk_effect_whole(disk, "rename", to);
    if (error != 0) {
        return error;
    }
    if (old_parent == new_parent) {
        node_change(old_parent, new_name, old_name, node);
    } else {
        node_change(new_parent, new_name, "", node);
        node_change(old_parent, "", old_name, NULL);
    }
    return disk->sim->dead ? ERR_IO : 0;
}

static int disk_unlink(struct disk *disk, const char *path, bool directory)
{
    char name[DISK_NAME_BYTES];
    struct disk_node *parent = disk_parent(disk, path, name);
    struct disk_entry *entry = parent == NULL ? NULL : entries_find(&parent->entries, name);
    if (disk->sim->dead) {
        return ERR_IO;
    }
    if (entry == NULL) {
        return ERR_NOT_FOUND;
    }
    if (entry->node->is_directory != directory ||
        (directory && entry->node->entries.count > 0)) {
        return ERR_INVALID;
    }
    int error = disk_effect_whole(disk, "remove", path);
    if (error == 0) {
        node_change(parent, "", name, NULL);
    }
    return disk->sim->dead ? ERR_IO : error;
}

static int sim_remove(struct io_fs *fs, const char *path)
{
    return disk_unlink(fs->state, path, false);
}

static int sim_remove_directory(struct io_fs *fs, const char *path)
{
    return disk_unlink(fs->state, path, true);
}

static int sim_make_directory(struct io_fs *fs, const char *path)
{
    struct disk *disk = fs->state;
    char name[DISK_NAME_BYTES];
    struct disk_node *parent;
    int error = disk_reach(disk, path, name, &parent);
    if (error != 0) {
        return error;
    }
    if (entries_find(&parent->entries, name) != NULL) {
        return ERR_EXISTS;
    }
    error = disk_effect_whole(disk, "mkdir", path);
    if (error == 0) {
        node_change(parent, name, "", node_create(disk, true));
    }
    return disk->sim->dead ? ERR_IO : error;
}

static int sim_sync_directory(struct io_fs *fs, const char *path)
{
    struct disk *disk = fs->state;
    struct disk_node *node = disk_find(disk, path);
    if (disk->sim->dead) {
        return ERR_IO;
    }
    if (node == NULL || !node->is_directory) {
        return ERR_NOT_FOUND;
    }
    int error = disk_effect_whole(disk, "syncdir", path);
    if (error == 0) {
        node_sync(node);
    } else if (!disk->sim->dead) {
        node_tear(node);
    }
    return disk->sim->dead ? ERR_IO : error;
}

static int sim_list(struct io_fs *fs, const char *path,
                    int (*visit)(void *context, const char *name, bool is_directory),
                    void *context)
{
    struct disk *disk = fs->state;
    struct disk_node *node = disk_find(disk, path);
    if (disk->sim->dead) {
        return ERR_IO;
    }
    if (node == NULL || !node->is_directory) {
        return ERR_NOT_FOUND;
    }
    /* A copy, in a seeded order: the visitor may remove what it is shown. */
    struct disk_entries copy = {NULL, 0, 0};
    entries_copy(&copy, &node->entries);
    int result = 0;
    while (copy.count > 0 && result == 0) {
        size_t i = sim_below(disk->sim, copy.count);
        struct disk_entry entry = copy.items[i];
        copy.items[i] = copy.items[--copy.count];
        result = visit(context, entry.name, entry.node->is_directory);
    }
    mem_free(copy.items);
    return result;
}

/* Bits flip at rest in files that the product can do without, or makes anew from the records. */
void disk_rot(struct disk *disk)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".snapshot",
                                           "leader-epoch-checkpoint"};
    LIST_FOR_EACH(item, &disk->nodes)
    {
        struct disk_node *node = CONTAINER_OF(item, struct disk_node, in_disk);
        size_t length = strlen(node->label);
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
            size_t size = strlen(suffixes[i]);
            if (node->content.size > 0 && length > size &&
                strcmp(node->label + length - size, suffixes[i]) == 0 &&
                strstr(node->label, "__cluster_metadata") == NULL && sim_chance(disk->sim, 20)) {
                size_t at = sim_below(disk->sim, node->content.size);
                node->content.data[at] ^= (uint8_t)(1u << sim_below(disk->sim, 8));
                bytes_copy(&node->platter, &node->content);
                node_forget_writes(node);
                sim_note(disk->sim, "a bit of %s flips at %zu", node->label, at);
            }
        }
    }
}

static const struct io_operations disk_operations = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .size = sim_size,
    .lock = sim_lock,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_directory = sim_make_directory,
    .remove_directory = sim_remove_directory,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
};

static void disk_boot(struct disk *disk)
{
    char text[64];
    int size = snprintf(text, sizeof text, DISK_BOOT_FORMAT,
                        (unsigned long long)(sim_random(disk->sim) >> 16));
    bytes_resize(&disk->boot_id->content, 0);
    bytes_write(&disk->boot_id->content, text, (size_t)size, 0);
}

void disk_init(struct disk *disk, struct sim *sim)
{
    *disk = (struct disk){.sim = sim, .fs = {&disk_operations, disk}};
    list_init(&disk->nodes);
    disk->root = node_create(disk, true);
    struct disk_node *directory = disk->root;
    static const char *const parts[] = {"proc", "sys", "kernel", "random"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct disk_node *child = node_create(disk, true);
        node_change(directory, parts[i], "", child);
        directory = child;
    }
    disk->boot_id = node_create(disk, false);
    node_change(directory, "boot_id", "", disk->boot_id);
    disk_boot(disk);
    disk_sync_all(disk);
}

void disk_release(struct disk *disk)
{
    LIST_FOR_EACH_SAFE(item, &disk->nodes)
    {
        struct disk_node *node = CONTAINER_OF(item, struct disk_node, in_disk);
        node_forget_writes(node);
        mem_free(node->content.data);
        mem_free(node->platter.data);
        mem_free(node->writes);
        mem_free(node->entries.items);
        mem_free(node->platter_entries.items);
        mem_free(node->changes);
        mem_free(node);
    }
}

void disk_sync_all(struct disk *disk)
{
    LIST_FOR_EACH(item, &disk->nodes)
    {
        node_sync(CONTAINER_OF(item, struct disk_node, in_disk));
    }
}

/* What the page cache held of files whose sync failed is not there any more. */
void disk_after_death(struct disk *disk)
{
    LIST_FOR_EACH(item, &disk->nodes)
    {
        struct disk_node *node = CONTAINER_OF(item, struct disk_node, in_disk);
        node->locked = false;
        if (node->torn) {
            node_settle(node);
            entries_copy(&node->entries, &node->platter_entries);
            bytes_copy(&node->content, &node->platter);
            node->torn = false;
        }
    }
}

/* Puts one write that was not synced on the platter, as far as it got there. */
static void platter_write(struct sim *sim, struct disk_bytes *platter,
                          const struct disk_write *write)
{
    if (write->data == NULL) {
        if (sim_chance(sim, 50)) {
            bytes_resize(platter, write->position);
        }
        return;
    }
    size_t size = write->size;
    switch (sim_below(sim, 8)) {
    case 0:
    case 1:
        return;
    case 2: /* the size of the file is there, the bytes are not */
        if (write->position + size > platter->size) {
            bytes_resize(platter, write->position + size);
        }
        return;
    case 3:
        size = sim_below(sim, size + 1);
        break;
    case 4:
        size = sim_below(sim, size + 1) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
        break;
    case 5:
        if (size > 0) {
            write->data[sim_below(sim, size)] ^= (uint8_t)(1u << sim_below(sim, 8));
        }
        break;
    default:
        break;
    }
    if (size > 0) {
        bytes_write(platter, write->data, size, write->position);
    }
}

/* Of what was not synced a seeded part gets to the platter, the rest nowhere. */
static void node_lose(struct disk_node *node)
{
    struct sim *sim = node->disk->sim;
    size_t kept = sim_below(sim, node->change_count + 1);
    for (size_t i = 0; i < kept; i++) {
        entries_apply(&node->platter_entries, &node->changes[i]);
    }
    for (size_t i = 0; i < node->write_count; i++) {
        platter_write(sim, &node->platter, &node->writes[i]);
    }
    node_forget_writes(node);
}

static void node_tear(struct disk_node *node)
{
    node->disk->sim->sync_failed = true;
    node->torn = true;
    node_lose(node);
}

void disk_after_power_loss(struct disk *disk)
{
    LIST_FOR_EACH(item, &disk->nodes)
    {
        struct disk_node *node = CONTAINER_OF(item, struct disk_node, in_disk);
        node->locked = node->torn = false;
        node_lose(node);
        entries_copy(&node->entries, &node->platter_entries);
        bytes_copy(&node->content, &node->platter);
    }
    disk_boot(disk);
    node_sync(disk->boot_id);
}
