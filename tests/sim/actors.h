/* actors.h: the simulated applications: producers, consumers, members of a group, an administrator,
 * an auditor, and a stranger who asks for anything.
 *
 * Each has a connection, a seeded will of its own, and tells the model what it learns. They are
 * told when the node has started (after the audit) and when it is gone. */
#ifndef BNB_SIM_ACTORS_H
#define BNB_SIM_ACTORS_H

#include "group_facts.h"
#include "model.h"
#include "owner_facts.h"
#include "peer.h"
#include "transact_facts.h"

#define PRODUCER_BATCHES_MAX 5
#define PRODUCER_RECORDS_MAX 6

/* A batch that was sent and not answered. */
struct producer_batch {
    int32_t topic;
    int32_t partition;
    int32_t generation;
    int32_t base_sequence;
    int32_t record_count;
    uint64_t values[PRODUCER_RECORDS_MAX];
    int16_t acks;
};
struct producer {
    struct peer peer;
    struct model *model;
    int32_t index;
    bool idempotent;
    bool resting; /* sends nothing new */
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    bool gap_allowed; /* records of ours may be gone since the id was given */
    int32_t next_sequence[MODEL_TOPICS][MODEL_PARTITIONS];
    struct producer_batch batches[PRODUCER_BATCHES_MAX]; /* in the order of sending */
    size_t batch_count;
    size_t acknowledged; /* records, ever */
    struct sim_event think;
    bool think_set;
};
void producer_init(struct producer *producer, struct net *net, struct model *model,
                   int32_t index);
void producer_release(struct producer *producer);
void producer_start(struct producer *producer);
void producer_stop(struct producer *producer);

/* Reads one partition after the other, each as far as it knows. */
struct consumer {
    struct peer peer;
    struct model *model;
    int64_t positions[MODEL_TOPICS][MODEL_PARTITIONS];
    int64_t high_watermarks[MODEL_TOPICS][MODEL_PARTITIONS]; /* last seen on this connection */
    int32_t generations[MODEL_TOPICS];
    int32_t topic; /* of the fetch that is under way */
    int32_t partition;
    struct sim_event think;
    bool think_set;
};
void consumer_init(struct consumer *consumer, struct net *net, struct model *model,
                   const char *name);
void consumer_release(struct consumer *consumer);
void consumer_start(struct consumer *consumer);
void consumer_stop(struct consumer *consumer);

#define GROUP_MEMBERS 3
#define MEMBER_ID_BYTES 80

enum member_state {
    MEMBER_LOOKS, /* for the coordinator */
    MEMBER_JOINS,
    MEMBER_SYNCS,
    MEMBER_IS_IN,
};

/* One of the group: joins, commits, reads what was committed, leaves, or sleeps until it is given
 * up and speaks up then. */
struct member {
    struct peer peer;
    struct model *model;
    struct group_facts *facts;
    int32_t index;
    enum member_state state;
    char id[MEMBER_ID_BYTES]; /* "": none */
    int32_t generation;  /* that it is in, as far as it knows; 0: none */
    int32_t joined;      /* that it is about to be in */
    uint32_t partitions; /* a bit for each that it has */
    int32_t newest;      /* facts->generation when it last asked */
    bool loaded;         /* the coordinator that it asks has answered more than a heartbeat */
    int64_t known[GROUP_PARTITIONS]; /* facts->known then */
    bool committing;     /* the commit of asked_offset is not answered */
    int32_t asked_partition;
    int32_t asked_generation;
    int64_t asked_offset;
    bool asked_topic_exists; /* when it was asked */
    bool resting; /* commits nothing more */
    bool rested;  /* and is in, and has seen every offset once more */
    struct sim_event think;
    bool think_set;
};
void member_init(struct member *member, struct net *net, struct model *model,
                 struct group_facts *facts, int32_t index);
void member_release(struct member *member);
void member_start(struct member *member);
void member_stop(struct member *member);

/* One of the group that uses the consumer protocol; the first is static. */
struct owner {
    struct peer peer;
    struct model *model;
    struct owner_facts *facts;
    int32_t index;
    bool found; /* the coordinator is there */
    bool in;
    char id[MEMBER_ID_BYTES];
    int32_t lives; /* ids that it had */
    int32_t epoch;
    int32_t told_holes; /* facts->holes when it was told */
    int64_t asked;       /* facts->moment of what is under way, */
    int32_t newest;      /* facts->epoch then, */
    int32_t asked_epoch; /* and the epoch that it said */
    bool resting;        /* stays in */
    bool rested;         /* and is in */
    struct sim_event think;
    bool think_set;
};
void owner_init(struct owner *owner, struct net *net, struct model *model,
                struct owner_facts *facts, int32_t index);
void owner_release(struct owner *owner);
void owner_start(struct owner *owner);
void owner_stop(struct owner *owner);

#define TRANSACT_TOPIC "transacted"
#define WRITER_ID_BYTES 32

enum writer_state {
    WRITER_MAKES_TOPIC,
    WRITER_LOOKS, /* for the coordinator */
    WRITER_INITS,
    WRITER_IDLES,
    WRITER_WRITES,
    WRITER_COMMITS, /* an offset */
    WRITER_ENDS,
    WRITER_CHECKS,
};

/* Writes in transactions, two partitions and an offset each, and commits or aborts. */
struct writer_actor {
    struct peer peer;
    struct transact_facts *facts;
    int32_t index;
    int32_t generation; /* of losses, that its id is of */
    char id[WRITER_ID_BYTES];
    enum writer_state state;
    int64_t producer_id;
    int16_t producer_epoch;
    bool open;
    bool commits;
    size_t number;
    int32_t partition; /* of what was asked last; TRANSACT_PARTITIONS: the offset */
    bool resting;      /* begins nothing new */
    bool rested;       /* and has seen its offset */
    struct sim_event think;
    bool think_set;
};
void writer_actor_init(struct writer_actor *writer, struct net *net, struct transact_facts *facts,
                       int32_t index);
void writer_actor_release(struct writer_actor *writer);
void writer_actor_start(struct writer_actor *writer);
void writer_actor_stop(struct writer_actor *writer);

/* Reads what they have committed. */
struct committed {
    struct peer peer;
    struct transact_facts *facts;
    int32_t partition;
    int64_t position; /* -1: the next pass begins */
    bool resting;     /* the writers do */
    int32_t ends;     /* passes since, behind which nothing was open */
    struct sim_event think;
    bool think_set;
};
void committed_init(struct committed *reader, struct net *net, struct transact_facts *facts);
void committed_release(struct committed *reader);
void committed_start(struct committed *reader);
void committed_stop(struct committed *reader);
bool committed_has_rested(const struct committed *reader);

/* Makes and deletes topics, and deletes records. */
struct admin {
    struct peer peer;
    struct model *model;
    int32_t topic; /* of what is under way; -1: nothing */
    int32_t partition;
    int64_t offset;
    bool resting;
    bool two_directories; /* partitions may move between them */
    struct sim_event think;
    bool think_set;
};
void admin_init(struct admin *admin, struct net *net, struct model *model);
void admin_release(struct admin *admin);
void admin_start(struct admin *admin);
void admin_stop(struct admin *admin);

/* Asks every API there is in any version, mostly in vain: for a topic that nobody else uses. What
 * it does must not matter to anybody. */
struct stranger {
    struct peer peer;
    struct sim *sim;
    struct sim_event think;
};
void stranger_init(struct stranger *stranger, struct net *net, struct sim *sim);
void stranger_release(struct stranger *stranger);
void stranger_start(struct stranger *stranger);
void stranger_stop(struct stranger *stranger);

/* After a start: which topics are there, where each partition begins and ends, and every record in
 * between; then it says that it is done. */
struct audit {
    struct peer peer;
    struct model *model;
    int32_t topic;
    int32_t partition;
    int64_t start_offset;
    int64_t position;
    int64_t end_offset;
    bool running;
    void (*done)(struct audit *audit);
};
void audit_init(struct audit *audit, struct net *net, struct model *model);
void audit_release(struct audit *audit);
void audit_start(struct audit *audit);
void audit_stop(struct audit *audit);

/* Walks the batches of a fetch from position on and tells the model; the position after them. */
int64_t actors_read_records(struct model *model, int32_t topic, int32_t partition,
                            int64_t position, struct records_view records);
/* Asks for the records of one partition from position on. */
void actors_ask_fetch(struct peer *peer, struct model *model, int32_t topic, int32_t partition,
                      int64_t position, int32_t max_wait_ms);
const struct fetch_response_partition_data *
actors_fetched(const struct fetch_response *response);

#endif
