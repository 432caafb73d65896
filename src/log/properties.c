/* meta.properties: Java properties text, one a log directory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "base/writer.h"
#include "log/log_dir.h"

#define PROPERTIES_BYTES_MAX (1u << 20)

/* Cuts the line at cursor into key and value in place, escapes resolved; false for a comment or an
 * empty line. */
static bool property_split(char *line, char **key, char **value)
{
    line += strspn(line, " \t\f");
    if (*line == '#' || *line == '!' || *line == '\0') {
        return false;
    }
    char *out = line;
    *key = line;
    *value = NULL;
    for (char *in = line; *in != '\0' && *in != '\r'; in++) {
        if (*in == '\\' && in[1] != '\0') {
            in++;
        } else if (*value == NULL && (*in == '=' || *in == ':')) {
            while (out > *key && (out[-1] == ' ' || out[-1] == '\t')) {
                out--;
            }
            *out++ = '\0';
            *value = out;
            in += strspn(in + 1, " \t");
            continue;
        }
        *out++ = *in;
    }
    *out = '\0';
    return *value != NULL;
}

static void property_take(struct log_dir_properties *properties, const char *key,
                          const char *value, int *error)
{
    if (strcmp(key, "version") == 0) {
        properties->version = (int32_t)strtol(value, NULL, 10);
    } else if (strcmp(key, "node.id") == 0 || strcmp(key, "broker.id") == 0) {
        properties->node_id = (int32_t)strtol(value, NULL, 10);
    } else if (strcmp(key, "cluster.id") == 0) {
        int size = snprintf(properties->text, sizeof properties->text, "%s", value);
        if (size < 0 || (size_t)size >= sizeof properties->text) {
            *error = ERR_RANGE;
        } else {
            properties->cluster_id = (struct string_view){properties->text, (size_t)size};
        }
    } else if (strcmp(key, "directory.id") == 0) {
        if (uuid_parse(string_view_of(value), &properties->directory_id) != 0) {
            *error = ERR_CORRUPT;
        }
    }
}

int log_dir_read_properties(struct io_fs *fs, const char *path,
                            struct log_dir_properties *properties, struct err_message *message)
{
    char file[1024];
    uint8_t *text;
    size_t size;
    *properties = (struct log_dir_properties){.node_id = -1};
    if (snprintf(file, sizeof file, "%s/meta.properties", path) >= (int)sizeof file) {
        return err_set(message, ERR_RANGE, "the path of log directory %s is too long", path);
    }
    int error = io_read_whole(fs, file, PROPERTIES_BYTES_MAX, &text, &size);
    if (error == ERR_NOT_FOUND) {
        return err_set(message, error,
                       "No `meta.properties` found in %s (have you run `barnabas storage format` "
                       "on it?)",
                       path);
    }
    if (error != 0) {
        return err_set(message, error, "cannot read %s: %s", file, err_text(error));
    }
    char *line = (char *)text;
    while (line != NULL) {
        char *next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *key;
        char *value;
        if (property_split(line, &key, &value)) {
            property_take(properties, key, value, &error);
        }
        line = next;
    }
    mem_free(text);
    bool complete = properties->cluster_id.data != NULL && properties->node_id >= 0;
    if (error == 0 && (properties->version < 0 || properties->version > 1 ||
                       (properties->version == 1 && !complete))) {
        error = ERR_CORRUPT;
    }
    return error == 0 ? 0
                      : err_set(message, error, "%s is damaged: it needs version=1, cluster.id and "
                                                "node.id",
                                file);
}

int log_dir_write_properties(struct io_fs *fs, const char *path,
                             const struct log_dir_properties *properties, int64_t now_ms)
{
    char file[1024];
    char id[UUID_TEXT_BYTES];
    char date[64];
    char text[1024];
    struct tm fields;
    time_t seconds = (time_t)(now_ms / 1000);
    gmtime_r(&seconds, &fields);
    strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &fields);
    ASSERT(properties->node_id >= 0 && properties->cluster_id.size > 0);
    uuid_format(properties->directory_id, id);
    int size = snprintf(text, sizeof text,
                        "#\n#%s\ncluster.id=%.*s\ndirectory.id=%s\nnode.id=%" PRId32
                        "\nversion=1\n",
                        date, (int)properties->cluster_id.size, properties->cluster_id.data, id,
                        properties->node_id);
    if (size < 0 || (size_t)size >= sizeof text ||
        snprintf(file, sizeof file, "%s/meta.properties", path) >= (int)sizeof file) {
        return ERR_RANGE;
    }
    return io_write_atomically(fs, file, text, (size_t)size);
}
