#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/config_internal.h"

#define CONFIG_ARENA_BYTES_MAX (64u << 20)
#define MINUTE_MS 60000
#define HOUR_MS 3600000

struct loading {
    struct config *config;
    struct err_message *message;
};

static int setting_compare(const void *left, const void *right)
{
    const struct config_setting *a = left;
    const struct config_setting *b = right;
    return string_view_compare(a->name, b->name);
}

static int setting_put(void *context, struct string_view key, struct string_view value)
{
    struct loading *loading = context;
    struct config *config = loading->config;
    struct config_setting setting = {
        .name = key,
        .value = config_trim(value),
        .row = config_row_find(CONFIG_SCOPE_BROKER, key),
    };
    for (size_t i = 0; i < config->setting_count; i++) {
        if (string_view_equal(config->settings[i].name, key)) {
            config->settings[i] = setting;
            return 0;
        }
    }
    if (config->setting_count == CONFIG_SETTINGS_MAX) {
        return err_set(loading->message, ERR_FULL, "more than %d settings", CONFIG_SETTINGS_MAX);
    }
    if (mem_grow((void **)&config->settings, &config->setting_capacity, config->setting_count + 1,
                 sizeof(setting)) != 0) {
        return err_set(loading->message, ERR_NOMEM, "out of memory");
    }
    config->settings[config->setting_count++] = setting;
    return 0;
}

static int read_file(struct loading *loading, struct io_fs *fs, const char *path)
{
    uint8_t *data = NULL;
    size_t size = 0;
    int code = io_read_whole(fs, path, CONFIG_FILE_BYTES_MAX, &data, &size);
    if (code != 0) {
        return err_set(loading->message, code, "%s: cannot be read: %s", path, err_text(code));
    }
    code = config_properties_parse((struct bytes_view){data, size}, &loading->config->arena,
                                   setting_put, loading, loading->message);
    mem_free(data);
    return code != 0 ? err_wrap(loading->message, code, "%s", path) : 0;
}

static int read_overrides(struct loading *loading, const char *const *overrides, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct string_view text = arena_string(&loading->config->arena,
                                               string_view_of(overrides[i]));
        const char *equals = text.size > 0 ? memchr(text.data, '=', text.size) : NULL;
        if (equals == NULL || equals == text.data) {
            return err_set(loading->message, ERR_INVALID, "override %s: not of the form key=value",
                           overrides[i]);
        }
        struct string_view key = {text.data, (size_t)(equals - text.data)};
        struct string_view value = {equals + 1, text.size - key.size - 1};
        int code = setting_put(loading, config_trim(key), value);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static int check_values(const struct config *config, struct err_message *message)
{
    for (size_t i = 0; i < config->setting_count; i++) {
        const struct config_setting *setting = &config->settings[i];
        int code = setting->row != NULL ? config_check(setting->row, setting->value, message) : 0;
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

const struct config_setting *config_setting_find(const struct config *config,
                                                 struct string_view name)
{
    struct config_setting wanted = {.name = name};
    if (config->setting_count == 0) {
        return NULL;
    }
    return bsearch(&wanted, config->settings, config->setting_count, sizeof(wanted),
                   setting_compare);
}

static bool ends_with(struct string_view text, const char *suffix)
{
    size_t size = strlen(suffix);
    return text.size >= size && memcmp(text.data + text.size - size, suffix, size) == 0;
}

/* The value of an older name in the unit of the newer one: hours and minutes become milliseconds,
 * any negative number the -1 that stands for no bound. */
static struct string_view converted(struct config *config, const struct config_row *row,
                                    struct string_view older, struct string_view value)
{
    int64_t factor = 1;
    if (ends_with(string_view_of(row->name), ".ms") && ends_with(older, ".hours")) {
        factor = HOUR_MS;
    } else if (ends_with(string_view_of(row->name), ".ms") && ends_with(older, ".minutes")) {
        factor = MINUTE_MS;
    }
    int64_t number = 0;
    if (factor == 1 || config_parse_long(value, INT32_MIN, INT32_MAX, &number) != 0) {
        return value;
    }
    return arena_format(&config->arena, "%lld",
                        (long long)(number < 0 ? -1 : number * factor));
}

/* What the file says under the name, then under its older names; then the defaults alike. */
static struct string_view resolve(struct config *config, const struct config_row *row)
{
    struct string_view own = string_view_of(row->name);
    const struct config_setting *setting = config_setting_find(config, own);
    struct string_view rest = config_list_start(string_view_of(row->fallbacks));
    struct string_view older;
    while (setting == NULL && config_list_next(&rest, &older)) {
        setting = config_setting_find(config, older);
        if (setting != NULL) {
            return converted(config, row, older, setting->value);
        }
    }
    if (setting != NULL) {
        return setting->value;
    }
    if (row->default_value != NULL || row->required) {
        return string_view_of(row->default_value);
    }
    rest = config_list_start(string_view_of(row->fallbacks));
    while (config_list_next(&rest, &older)) {
        const struct config_row *other = config_row_find(CONFIG_SCOPE_BROKER, older);
        ASSERT(other != NULL);
        if (other->default_value != NULL) {
            return converted(config, row, older, string_view_of(other->default_value));
        }
    }
    return (struct string_view){NULL, 0};
}

/* What must be set and is not, in the order in which Apache Kafka looks for it. */
static int check_required(const struct config *config, struct err_message *message)
{
    static const char *const first[] = {"process.roles", "node.id"};
    const struct config_row *missing = NULL;
    for (size_t i = config_row_count(CONFIG_SCOPE_BROKER); i-- > 0;) {
        const struct config_row *row = config_row_at(CONFIG_SCOPE_BROKER, i);
        missing = row->required && config->values[i].data == NULL ? row : missing;
    }
    for (size_t i = sizeof first / sizeof first[0]; i-- > 0;) {
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER,
                                                       string_view_of(first[i]));
        if (row != NULL && row->required && config_string(config, first[i]).data == NULL) {
            missing = row;
        }
    }
    return missing == NULL
               ? 0 : err_set(message, ERR_INVALID,
                             "Missing required configuration \"%s\" which has no default value.",
                             missing->name);
}

static int resolve_values(struct config *config, struct err_message *message)
{
    size_t count = config_row_count(CONFIG_SCOPE_BROKER);
    config->values = arena_array(&config->arena, count, sizeof(*config->values));
    if (config->values == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        const struct config_row *row = config_row_at(CONFIG_SCOPE_BROKER, i);
        config->values[i] = resolve(config, row);
    }
    if (config->arena.failed) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    return check_required(config, message);
}

static int load(struct loading *loading, struct io_fs *fs, const char *path,
                const char *const *overrides, int32_t override_count)
{
    struct config *config = loading->config;
    int code = path != NULL ? read_file(loading, fs, path) : 0;
    if (code == 0) {
        code = read_overrides(loading, overrides, override_count);
    }
    if (code != 0) {
        return code;
    }
    if (config->setting_count > 0) {
        qsort(config->settings, config->setting_count, sizeof(config->settings[0]),
              setting_compare);
    }
    int (*const steps[])(struct config *, struct err_message *) = {
        resolve_values, config_roles_resolve, config_directories_resolve,
        config_listeners_resolve, config_rules_check,
    };
    code = check_values(config, loading->message);
    for (size_t i = 0; code == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        code = steps[i](config, loading->message);
    }
    return code;
}

int config_open(struct io_fs *fs, const char *path, const char *const *overrides,
                int32_t override_count, struct config **config, struct err_message *message)
{
    *config = NULL;
    struct config *made = mem_calloc(1, sizeof(*made));
    if (made == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    arena_init(&made->arena, CONFIG_ARENA_BYTES_MAX);
    struct loading loading = {made, message};
    int code = load(&loading, fs, path, overrides, override_count);
    if (code != 0) {
        config_close(&made);
        return code;
    }
    *config = made;
    return 0;
}

void config_close(struct config **config)
{
    if (*config == NULL) {
        return;
    }
    mem_free((*config)->settings);
    arena_release(&(*config)->arena);
    mem_free(*config);
    *config = NULL;
}

static bool starts_with(struct string_view text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

void config_visit_ignored(const struct config *config,
                          void (*visit)(void *context, const char *line), void *context)
{
    static const char *const known_prefixes[] = {"listener.name.", "rsm.config.", "rlmm.config.",
                                                 "config.providers."};
    for (size_t i = 0; i < config->setting_count; i++) {
        const struct config_setting *setting = &config->settings[i];
        if ((setting->row != NULL && setting->row->acts) ||
            config_listener_row_acts(config_listener_row(setting->name))) {
            continue;
        }
        bool known = setting->row != NULL;
        for (size_t j = 0; j < sizeof(known_prefixes) / sizeof(known_prefixes[0]); j++) {
            known = known || starts_with(setting->name, known_prefixes[j]);
        }
        struct err_message line;
        int shown = setting->name.size < 300 ? (int)setting->name.size : 300;
        const char *moot = setting->row != NULL ? config_row_moot(setting->row) : NULL;
        const char *later = setting->row != NULL ? config_row_awaits(setting->row) : NULL;
        (void)err_set(&line, 0, "%.*s: %s%s%s", shown, setting->name.data,
                      moot != NULL    ? "without meaning here: "
                      : later != NULL ? "without effect: not there yet are "
                      : known         ? "without effect: what it is about is not there yet"
                                      : "unknown setting, ignored",
                      moot != NULL ? moot : "", later != NULL ? later : "");
        visit(context, line.text);
    }
}

struct string_view config_string(const struct config *config, const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, string_view_of(name));
    ASSERT(row != NULL);
    return config->values[config_row_index(row)];
}

/* Values were checked when the config was opened; what is null is -1. */
int64_t config_long(const struct config *config, const char *name)
{
    int64_t number = -1;
    struct string_view text = config_string(config, name);
    if (text.data != NULL) {
        int code = config_parse_long(text, INT64_MIN, INT64_MAX, &number);
        ASSERT(code == 0);
    }
    return number;
}

int32_t config_int(const struct config *config, const char *name)
{
    int64_t number = config_long(config, name);
    ASSERT(number >= INT32_MIN && number <= INT32_MAX);
    return (int32_t)number;
}

bool config_boolean(const struct config *config, const char *name)
{
    bool result = false;
    int code = config_parse_boolean(config_string(config, name), &result);
    ASSERT(code == 0);
    return result;
}

double config_double(const struct config *config, const char *name)
{
    double number = 0;
    int code = config_parse_double(config_string(config, name), &number);
    ASSERT(code == 0);
    return number;
}

struct string_view *config_list(const struct config *config, const char *name,
                                struct arena *arena, int32_t *count)
{
    struct string_view value = config_string(config, name);
    struct string_view element;
    int32_t total = 0;
    *count = 0;
    struct string_view rest = config_list_start(value);
    while (config_list_next(&rest, &element)) {
        total++;
    }
    struct string_view *elements = arena_array(arena, (size_t)total + 1, sizeof(*elements));
    rest = config_list_start(value);
    while (elements != NULL && config_list_next(&rest, &element)) {
        if (!config_list_repeats(value, element)) {
            elements[(*count)++] = element;
        }
    }
    return elements;
}

bool config_is_set(const struct config *config, const char *name)
{
    return config_setting_find(config, string_view_of(name)) != NULL;
}

int32_t config_listener_count(const struct config *config)
{
    return config->listener_count;
}

const struct config_listener *config_listener_at(const struct config *config, int32_t index)
{
    ASSERT(index >= 0 && index < config->listener_count);
    return &config->listeners[index];
}

bool config_is_broker(const struct config *config)
{
    return config->is_broker;
}

bool config_is_controller(const struct config *config)
{
    return config->is_controller;
}

int32_t config_node_id(const struct config *config)
{
    return config->node_id;
}

int32_t config_log_directory_count(const struct config *config)
{
    return config->log_directory_count;
}

const char *config_log_directory_at(const struct config *config, int32_t index)
{
    ASSERT(index >= 0 && index < config->log_directory_count);
    return config->log_directories[index];
}

const char *config_metadata_directory(const struct config *config)
{
    return config->metadata_directory;
}
