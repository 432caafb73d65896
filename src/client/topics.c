/* topics.c: topics as the newest metadata has them. */
#include "client/topics.h"

#include <stdlib.h>

#include "base/err.h"

#define TOPICS_BYTES_MAX ((size_t)1 << 28)

static int facts_order(const void *a, const void *b)
{
    return string_view_compare(((const struct topic_facts *)a)->name,
                               ((const struct topic_facts *)b)->name);
}

void topics_init(struct topics *topics)
{
    *topics = (struct topics){.items = NULL};
    arena_init(&topics->arena, TOPICS_BYTES_MAX);
}

void topics_release(struct topics *topics)
{
    arena_release(&topics->arena);
    topics_init(topics);
}

int topics_take(struct topics *topics, const struct metadata_response *response)
{
    uint32_t version = topics->version;
    topics_release(topics);
    size_t count = response->topics.count > 0 ? (size_t)response->topics.count : 0;
    topics->items = arena_array(&topics->arena, count + 1, sizeof *topics->items);
    for (size_t i = 0; i < count && topics->items != NULL; i++) {
        const struct metadata_response_metadata_response_topic *from = &response->topics.items[i];
        if (from->name.data == NULL) {
            continue;
        }
        topics->items[topics->count++] = (struct topic_facts){
            .name = arena_string(&topics->arena, from->name),
            .id = from->topic_id,
            .partition_count = from->error_code == 0 ? from->partitions.count : 0,
            .error_code = from->error_code,
            .is_internal = from->is_internal,
        };
    }
    if (topics->arena.failed) {
        topics_release(topics);
        return ERR_NOMEM;
    }
    qsort(topics->items, topics->count, sizeof *topics->items, facts_order);
    topics->version = version + 1;
    return 0;
}

const struct topic_facts *topics_find(const struct topics *topics, struct string_view name)
{
    struct topic_facts key = {.name = name};
    return topics->count > 0
               ? bsearch(&key, topics->items, topics->count, sizeof *topics->items, facts_order)
               : NULL;
}

const struct topic_facts *topics_find_id(const struct topics *topics, struct uuid id)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (uuid_equal(topics->items[i].id, id)) {
            return &topics->items[i];
        }
    }
    return NULL;
}
