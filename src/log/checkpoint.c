/* Checkpoint files of a log directory: "0\n<count>\n" and a line "topic partition offset" each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/writer.h"
#include "log/log_dir.h"

#define CHECKPOINT_BYTES_MAX (256u << 20)

static int checkpoint_compare(struct string_view topic, int32_t partition,
                              const struct log_checkpoint_entry *entry)
{
    int order = string_view_compare(topic, entry->topic);
    return order != 0 ? order : (partition > entry->partition) - (partition < entry->partition);
}

static int checkpoint_order(const void *a, const void *b)
{
    const struct log_checkpoint_entry *left = a;
    return checkpoint_compare(left->topic, left->partition, b);
}

int log_checkpoint_add(struct log_checkpoint *checkpoint, struct string_view topic,
                       int32_t partition, int64_t offset)
{
    ASSERT(topic.size > 0 && partition >= 0 && offset >= 0);
    int error = mem_grow((void **)&checkpoint->entries, &checkpoint->capacity,
                         checkpoint->count + 1, sizeof *checkpoint->entries);
    if (error == 0) {
        checkpoint->entries[checkpoint->count++] =
            (struct log_checkpoint_entry){topic, partition, offset};
    }
    return error;
}

/* The next line, its end cut off; NULL at the end. */
static char *checkpoint_line(char **cursor)
{
    char *line = *cursor;
    if (*line == '\0') {
        return NULL;
    }
    char *end = strchr(line, '\n');
    if (end == NULL) {
        *cursor = line + strlen(line);
    } else {
        *end = '\0';
        *cursor = end + 1;
    }
    return line;
}

static int checkpoint_parse_line(struct log_checkpoint *checkpoint, char *line)
{
    size_t topic_size = strcspn(line, " \t");
    int64_t partition;
    int64_t offset;
    int used = 0;
    if (topic_size == 0 ||
        sscanf(line + topic_size, "%" SCNd64 " %" SCNd64 "%n", &partition, &offset, &used) != 2 ||
        partition < 0 || partition > INT32_MAX || offset < 0 || offset > LOG_OFFSET_MAX ||
        line[topic_size + (size_t)used + strspn(line + topic_size + used, " \t\r")] != '\0') {
        return ERR_CORRUPT;
    }
    return log_checkpoint_add(checkpoint, (struct string_view){line, topic_size},
                              (int32_t)partition, offset);
}

static int checkpoint_parse(struct log_checkpoint *checkpoint)
{
    char *cursor = checkpoint->text;
    const char *version = checkpoint_line(&cursor);
    if (version == NULL) {
        return 0; /* an empty file has no entries */
    }
    const char *count = checkpoint_line(&cursor);
    if (strcmp(version, "0") != 0 || count == NULL) {
        return ERR_CORRUPT;
    }
    int error = 0;
    for (char *line; error == 0 && (line = checkpoint_line(&cursor)) != NULL;) {
        error = checkpoint_parse_line(checkpoint, line);
    }
    if (error == 0 && strtoull(count, NULL, 10) != checkpoint->count) {
        error = ERR_CORRUPT;
    }
    return error;
}

int log_checkpoint_read(struct io_fs *fs, const char *path, struct log_checkpoint *checkpoint)
{
    *checkpoint = (struct log_checkpoint){0};
    uint8_t *text;
    size_t size;
    int error = io_read_whole(fs, path, CHECKPOINT_BYTES_MAX, &text, &size);
    if (error != 0) {
        return error == ERR_NOT_FOUND ? 0 : error;
    }
    checkpoint->text = (char *)text;
    error = strlen(checkpoint->text) == size ? checkpoint_parse(checkpoint) : ERR_CORRUPT;
    if (error != 0) {
        log_checkpoint_release(checkpoint);
    } else if (checkpoint->count > 0) {
        qsort(checkpoint->entries, checkpoint->count, sizeof *checkpoint->entries,
              checkpoint_order);
    }
    return error;
}

int64_t log_checkpoint_find(const struct log_checkpoint *checkpoint, struct string_view topic,
                            int32_t partition, int64_t otherwise)
{
    size_t low = 0;
    size_t high = checkpoint->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = checkpoint_compare(topic, partition, &checkpoint->entries[middle]);
        if (order == 0) {
            return checkpoint->entries[middle].offset;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    ASSERT(low == checkpoint->count ||
           checkpoint_compare(topic, partition, &checkpoint->entries[low]) < 0);
    return otherwise;
}

int log_checkpoint_write(struct io_fs *fs, const char *path,
                         const struct log_checkpoint *checkpoint)
{
    struct writer text;
    char line[320];
    writer_init(&text, CHECKPOINT_BYTES_MAX);
    int size = snprintf(line, sizeof line, "0\n%zu\n", checkpoint->count);
    ASSERT(size > 0 && (size_t)size < sizeof line);
    writer_bytes(&text, line, (size_t)size);
    for (size_t i = 0; i < checkpoint->count; i++) {
        const struct log_checkpoint_entry *entry = &checkpoint->entries[i];
        size = snprintf(line, sizeof line, "%.*s %" PRId32 " %" PRId64 "\n",
                        (int)entry->topic.size, entry->topic.data, entry->partition,
                        entry->offset);
        if (size < 0 || (size_t)size >= sizeof line) {
            writer_release(&text);
            return ERR_INVALID;
        }
        writer_bytes(&text, line, (size_t)size);
    }
    int error = text.failed ? ERR_NOMEM : io_write_atomically(fs, path, text.data, text.size);
    writer_release(&text);
    return error;
}

void log_checkpoint_release(struct log_checkpoint *checkpoint)
{
    mem_free(checkpoint->entries);
    mem_free(checkpoint->text);
    *checkpoint = (struct log_checkpoint){0};
}
