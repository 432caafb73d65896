/* config_table.h: what the table of settings says beyond struct config_row. Inside the config
 * module and the handlers of configurations only.
 * Thread: any; the tables are constant. */
#ifndef BNB_BROKER_CONFIG_TABLE_H
#define BNB_BROKER_CONFIG_TABLE_H

#include "broker/config.h"

/* How a value is checked beyond type and bounds. */
enum config_check {
    CONFIG_CHECK_NONE,
    CONFIG_CHECK_ONE_OF,       /* a string of row.allowed */
    CONFIG_CHECK_CASELESS,     /* the same, letters of either case */
    CONFIG_CHECK_LIST,         /* no duplicates, elements of row.allowed, not empty if nonempty */
    CONFIG_CHECK_NONEMPTY,     /* a string that is not empty */
    CONFIG_CHECK_NONNULL,
    CONFIG_CHECK_GZIP_LEVEL,   /* 1..9 or -1 */
    CONFIG_CHECK_VOTERS,       /* id@host:port, ... */
    CONFIG_CHECK_SERVERS,      /* host:port, ... */
    CONFIG_CHECK_THROTTLED,    /* partition:broker, ... or * */
    CONFIG_CHECK_HOST_COUNTS,  /* host:count, ... */
    CONFIG_CHECK_OFFSET_RESET, /* latest, earliest, by_duration:PnDTnHnMn.nS */
};

enum config_flag {
    CONFIG_FLAG_ACTS = 1,
    CONFIG_FLAG_INTERNAL = 2,     /* undocumented: DescribeConfigs names it only when it is set */
    CONFIG_FLAG_REQUIRED = 4,
    CONFIG_FLAG_UNLISTED = 8,     /* not of Kafka's own table: as INTERNAL */
    CONFIG_FLAG_DYNAMIC_ONLY = 16, /* never read from a file, never listed unless set */
    /* What has no meaning here, and why (config_row_moot). */
    CONFIG_FLAG_OF_JAVA = 32,
    CONFIG_FLAG_OF_THREADS = 64,
    CONFIG_FLAG_OF_WAITS = 128,
    CONFIG_FLAG_OF_MEASURES = 256,
    CONFIG_FLAG_OF_TURNS = 512,
    /* What does not act yet, and what it waits for (config_row_awaits). */
    CONFIG_FLAG_FOR_NODES = 1024,
    CONFIG_FLAG_FOR_SECURITY = 2048,
    CONFIG_FLAG_FOR_TIERS = 4096,
    CONFIG_FLAG_FOR_GROUPS = 8192,
    CONFIG_FLAG_FOR_TELEMETRY = 16384,
};

struct config_entry {
    struct config_row row;
    enum config_check check;
    bool null_allowed; /* of a list without a value */
    unsigned flags;
};

static inline const struct config_entry *config_entry_of(const struct config_row *row)
{
    return (const struct config_entry *)row;
}
static inline bool config_row_is_listed(const struct config_row *row)
{
    return (config_entry_of(row)->flags &
            (CONFIG_FLAG_INTERNAL | CONFIG_FLAG_UNLISTED | CONFIG_FLAG_DYNAMIC_ONLY)) == 0;
}

/* Why a setting has no meaning here; NULL: it acts, or will. */
const char *config_row_moot(const struct config_row *row);
/* What a setting waits for that does not act yet; NULL: it acts, or is moot. */
const char *config_row_awaits(const struct config_row *row);
/* Position of a row of a scope in its table. */
size_t config_row_index(const struct config_row *row);

#endif
