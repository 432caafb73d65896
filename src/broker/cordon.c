#include "broker/cordon.h"

#include "base/writer.h"
#include "broker/config_internal.h"
#include "broker/resource.h"
#include "broker/topic_config.h"

/* The next entry of a list, trimmed; empty ones are passed over. False: there are no more. */
static bool next_entry(struct string_view list, size_t *at, struct string_view *entry)
{
    while (list.data != NULL && *at < list.size) {
        const char *comma = memchr(list.data + *at, ',', list.size - *at);
        size_t end = comma != NULL ? (size_t)(comma - list.data) : list.size;
        *entry = config_trim((struct string_view){list.data + *at, end - *at});
        *at = end + 1;
        if (entry->size > 0) {
            return true;
        }
    }
    return false;
}

static bool has_entry(struct string_view list, struct string_view wanted)
{
    struct string_view entry;
    for (size_t at = 0; next_entry(list, &at, &entry);) {
        if (string_view_equal(entry, wanted)) {
            return true;
        }
    }
    return false;
}

bool cordon_covers(const struct config *config, const struct image *image, const char *directory)
{
    const struct config_row *row =
        config_row_find(CONFIG_SCOPE_BROKER, string_view_of(CORDON_SETTING));
    struct arena arena;
    ASSERT(row != NULL && directory != NULL);
    arena_init(&arena, 1u << 20);
    struct string_view list = broker_setting_in_force(config, image, row, &arena);
    bool covered = has_entry(list, string_view_of("*")) ||
                   has_entry(list, string_view_of(directory));
    arena_release(&arena);
    return covered;
}

void cordon_apply(struct broker *broker, const struct image *image)
{
    int64_t count = 0;
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        bool covered = cordon_covers(broker->options.config, image, dir->dir->path);
        atomic_store(&dir->cordoned, covered);
        metrics_directory_set(broker->options.metrics, METRIC_DIRECTORY_CORDONED, i, covered);
        count += covered ? 1 : 0;
    }
    metrics_set(broker->shards[0].metrics, METRIC_CORDONED_DIRECTORIES, count);
}

struct string_view cordon_changed(struct string_view current, struct string_view value,
                                  int8_t operation, struct arena *arena)
{
    struct string_view entry;
    struct writer text;
    if (operation == RESOURCE_SET || operation == RESOURCE_DELETE) {
        return operation == RESOURCE_SET ? value : (struct string_view){NULL, 0};
    }
    bool adds = operation == RESOURCE_APPEND;
    writer_init(&text, 1 << 20);
    for (size_t at = 0; next_entry(current, &at, &entry);) {
        if (adds || !has_entry(value, entry)) {
            writer_bytes(&text, ",", text.size > 0 ? 1 : 0);
            writer_bytes(&text, entry.data, entry.size);
        }
    }
    for (size_t at = 0; adds && next_entry(value, &at, &entry);) {
        if (!has_entry(current, entry)) {
            writer_bytes(&text, ",", text.size > 0 ? 1 : 0);
            writer_bytes(&text, entry.data, entry.size);
        }
    }
    struct string_view changed = arena_string(
        arena, (struct string_view){text.data == NULL ? "" : (char *)text.data, text.size});
    writer_release(&text);
    return changed;
}

bool cordon_is_narrower(struct string_view value, struct string_view current)
{
    struct string_view entry;
    for (size_t at = 0; next_entry(value, &at, &entry);) {
        if (!has_entry(current, entry)) {
            return false;
        }
    }
    return true;
}
