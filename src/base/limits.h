/* limits.h: the bounds of what a node holds or does at once, each with its reason.
 *
 * What a setting bounds (socket.request.max.bytes, max.connections, ...) is not here, nor are sizes
 * that a format fixes. With BNB_HOSTILE the bounds that only cut work into pieces are tiny, so that
 * every test passes each of them many times. */
#ifndef BNB_BASE_LIMITS_H
#define BNB_BASE_LIMITS_H

#include <stdint.h>

#include "base/assert.h"

#ifdef BNB_HOSTILE
#define LIMIT(usual, hostile) (hostile)
#else
#define LIMIT(usual, hostile) (usual)
#endif

/* ---- base, io ---- */

/* Requests are small: one chunk holds most of them. */
#define ARENA_CHUNK_BYTES LIMIT(4096u, 64u)
/* A response that is small needs no second allocation. */
#define WRITER_FIRST_BYTES LIMIT(256u, 1u)
/* One turn of the timing wheel is 4 s, so that few timers ride around. */
#define WHEEL_SLOTS LIMIT(4096, 8)
/* Events of one epoll wait: what more there is comes with the next turn. */
/* Of each thread: frames are small, what is large is on the heap. */
#define LOOP_STACK_BYTES (1u << 20)
#define LOOP_EVENTS_MAX LIMIT(256, 2)

/* So many partitions of a log directory are synced one by one; more than that with their whole file
 * system, which a flush or two of the disk for each would outlast by far. */
#define SYNC_EACH_MAX LIMIT(32, 1)

/* What was written to a file goes to the disk in pieces, one after the other, before it is synced,
 * where it is more than a little: all at once it would hold up who else wants the processor or the
 * disk. */
#define WRITE_BACK_BYTES_MIN LIMIT(256u << 10, 4096u)
#define WRITE_BACK_BYTES_MAX LIMIT(4u << 20, 8192u)

/* What a file says of an offset beyond this is damage: from here on one can count for ever. */
#define LOG_OFFSET_MAX (INT64_MAX / 2)

/* ---- connections ---- */

/* A frame up to here is received into memory of its full size at once; a longer one grows with what
 * really arrives, so that a size alone costs nothing. */
#define NET_FIRST_BYTES LIMIT(64u << 10, 7u)
/* By that it grows each time: what came before is copied, of most frames just the beginning. */
#define NET_FRAME_GROWTH LIMIT(32u, 4u)
/* Memory that a connection holds for less than this is not worth taking back. */
#define NET_HOLD_SMALL_BYTES LIMIT(4096u, 1u)
/* While others wait for memory: how often it is looked at, and how long a connection may hold some
 * without getting on, at the least of NET_SLOW_BYTES_A_MS on average, before it is closed. */
#define NET_PRESSURE_MS 20
#define NET_STALLED_MS 5000
#define NET_SLOW_BYTES_A_MS 16
/* Shares of the memory that the process may have; see net_memory_plan. Beyond the upper bounds more
 * memory does not make a broker faster. */
#define NET_FIRST_MEMORY_MIN (2u << 20)
#define NET_FIRST_MEMORY_MAX (256u << 20)
#define NET_REST_MEMORY_MAX (768u << 20)
#define NET_WORK_MEMORY_MIN (8u << 20)
#define NET_WORK_MEMORY_MAX (1u << 30)
/* What a broker takes without any client: code, stacks, helpers, tables. */
#define PROCESS_MEMORY_BYTES (32u << 20)
/* Below this much memory there is one heap for all threads: each of more would take 64 MiB of
 * addresses. */
#define ONE_HEAP_MEMORY_BYTES (INT64_C(2) << 30)
/* Received with one call where less is wanted: a small request comes as a whole, and with those
 * that were sent behind it. What is behind it is kept, if there is memory, until its turn comes. */
#define NET_AHEAD_BYTES LIMIT(8u << 10, 9u)
/* Sent in one turn to one connection, so that the others get theirs. */
#define NET_TURN_BYTES LIMIT(4u << 20, 2500u)
/* Send buffer of a connection that is given so much of a file at once: what waits in it are pages
 * of the page cache, not copies. Fetches of 1 MB cost 0.20 CPU-s/GB with it, 0.30 with 100 KB. */
#define NET_WIDE_BYTES LIMIT(512u << 10, 500u)
/* Memory of large frames that is kept for the next: one that is read, one ahead, one under way. */
#define FRAME_POOL_FRAMES 4u
#define FRAME_POOL_BYTES_MIN LIMIT((size_t)128 << 10, (size_t)64)
#define FRAME_POOL_BYTES_MAX LIMIT((size_t)4 << 20, (size_t)1024)
/* Buffers of a client's connection once its own were full, or are small for what is fetched: sender
 * and receiver otherwise wake each other for every 128 KB, and both cores wait for a third of the
 * time (0.6 GB/s of large batches; 0.95 with this). */
#define CHANNEL_WIDE_BYTES LIMIT(1u << 20, 1000u)
/* One call of sendfile: short enough to be resident as a whole, mostly. */
#define NET_SENDFILE_BYTES LIMIT(1u << 20, 1000u)
/* New connections of one turn, so that a storm of them does not starve the old ones. */
#define LISTENER_ACCEPTS_A_TURN LIMIT(64, 1)
/* After a failed accept: descriptors or memory are out, and the connection waits in the backlog. */
#define LISTENER_RETRY_MS 100
/* Windows over which a rate is measured (quota.window.num is 11). */
#define NET_RATE_SAMPLES_MAX 1000
/* max.connections.per.ip.overrides, and the text of them. */
#define CONNECTION_OVERRIDES_MAX 256
#define CONNECTION_OVERRIDES_BYTES_MAX (1u << 20)
/* While there are more connections than allowed, how often some that rest are closed. */
#define CONNECTIONS_EXCESS_MS 100
/* Descriptors for neither connections nor files of partitions: listeners, loops, metadata. */
#define DESCRIPTORS_SPARE LIMIT(64, 2)
/* One of so many descriptors is for files of partitions; those that are closed are opened again,
 * connections are not. */
#define DESCRIPTORS_FILES_SHARE 4
/* A broker that can take fewer than this says so at its start. */
#define CONNECTIONS_FEW 1000
/* listeners */
#define CONFIG_LISTENERS_MAX 16
/* Small responses come to a client in one read; of larger ones only the first part is copied. */
#define CHANNEL_STAGE_BYTES LIMIT(16384, 16)
/* Requests that one call sends together. */
#define CHANNEL_GATHER_MAX LIMIT(32, 1)

/* ---- requests ---- */

/* What the structures of one request may take, beyond its own bytes. A request of the largest size
 * (100 MiB by default) that holds the smallest elements takes some four times that. */
#define REQUEST_ARENA_BYTES_MAX (512u << 20)
/* Its size is a signed 32-bit number on the wire, and the file ranges of a fetch count in it. */
#define RESPONSE_BYTES_MAX (1u << 30)
/* Records of a partition up to here are copied into a Fetch response, as long as all of its copies
 * stay below the second bound: one read and no call of its own to send it. */
#define FETCH_COPY_BYTES LIMIT(16u << 10, 300u)
#define FETCH_COPIES_BYTES LIMIT(64u << 10, 600u)
/* Requests that a shard keeps for the next ones, each with a chunk of its arena: 1 MB. */
#define REQUESTS_KEPT_MAX LIMIT(256u, 0u)
/* A request that is copied for the controller, and its answer. */
#define FORWARD_BYTES_MAX (256u << 20)
/* A read that finds its way through index, batch headers and transaction index lacks something in
 * memory about five times at most; each time more of the records is loaded. Then it waits. */
#define FANOUT_LOADS_MAX LIMIT(12, 2)
/* Records of one produced batch, unpacked to be checked or converted: a small compressed batch must
 * not fill the memory. */
#define SCRATCH_BYTES_MAX (256u << 20)
#define VALIDATE_UNPACKED_BYTES_MAX SCRATCH_BYTES_MAX
/* Of that, what a shard keeps from one turn to the next. */
#define SCRATCH_KEEP_BYTES LIMIT(4u << 20, 64u)
/* One a core; more cores than this share. */
#define BROKER_SHARDS_MAX 64
/* log.dirs */
#define BROKER_DIRS_MAX 64
/* Replicas whose directory one request tells: what is made at once fits in a few. */
#define ASSIGNMENT_PARTITIONS_MAX LIMIT(500u, 2u)

/* ---- logs ---- */

/* Index entries that wait in memory: one write for many. */
#define INDEX_PENDING_MAX LIMIT(64, 2)
/* Of a segment, what the entries that wait may be about: large batches have few. */
#define SEGMENT_UNINDEXED_BYTES LIMIT(4 << 20, 300)
/* Written between two snapshots of the producers, and more for each of them, since a snapshot names
 * all: after a crash of the process no more is walked. */
#define LOG_SNAPSHOT_BYTES LIMIT(INT64_C(64) << 20, INT64_C(2000))
#define LOG_SNAPSHOT_PRODUCER_BYTES LIMIT(16 << 10, 1000)
/* Newest batches whose places a log remembers, so that a reader at the end needs no index. */
#define LOG_RECENT_MAX LIMIT(8, 1)
/* Written within the last seconds: in memory without a look, as long as it is not more. */
#define LOG_HOT_BYTES LIMIT(64 << 20, 8 << 10)
/* One read of a walk over batch headers; it must hold any of them. */
#define SEGMENT_SCAN_BYTES LIMIT(4096, 128)
/* One read of a search through an index. */
#define INDEX_WINDOW_BYTES LIMIT(4096, 80)
/* Room that a growing segment takes ahead of its end: a small one none, a large one a little. */
#define SEGMENT_RESERVE_BYTES_MIN LIMIT(INT64_C(1) << 20, INT64_C(256))
#define SEGMENT_RESERVE_BYTES_MAX LIMIT(INT64_C(16) << 20, INT64_C(1000))
/* What a cleaning reads in one job of a helper thread: a sync that waits for the thread is not
 * held up for more than some milliseconds. */
#define CLEAN_WORK_BYTES LIMIT(2 << 20, 1000)
/* One piece of a partition that moves to another log directory; and what may be missing of it, in
 * bytes and in offsets, when its shard copies the rest itself: some milliseconds. */
#define MOVE_BYTES LIMIT(1u << 20, 8u << 10)
#define MOVE_REST_BYTES LIMIT(256 << 10, 4 << 10)
#define MOVE_REST_OFFSETS 65536
/* Of a move that is throttled, until it looks at the rate again. */
#define MOVE_THROTTLE_WAIT_MS 500
/* Partitions that are not there yet and whose log directory is known already. */
#define PREFERRED_DIRS_MAX LIMIT(4096, 2)
/* log.cleaner.threads: cleanings at once. */
#define CLEANERS_MAX 16
/* Of the memory there is, the least part that the tables of all cleanings may take: what
 * log.cleaner.dedupe.buffer.size has beyond it costs more passes. */
#define CLEAN_MEMORY_SHARE 8
#define CLEAN_MEMORY_MIN (2u << 20)

/* ---- regular expressions ---- */

/* An expression, the program that it becomes, the counts in {n,m} (as RE2 has it), and groups
 * within groups: each is parsed by a call of its own. */
#define REGEX_BYTES_MAX 8192u
#define REGEX_STEPS_MAX 100000u
#define REGEX_REPEATS_MAX 1000u
#define REGEX_DEPTH_MAX 100u
/* Steps of expressions of groups that a turn takes: some milliseconds. A single topic is always
 * finished. */
#define REGEX_WORK_A_TURN LIMIT(1u << 20, 100u)

/* ---- metadata ---- */

/* Records of one batch of the metadata log; an operation of a user fits in one. */
#define METADATA_BATCH_RECORDS_MAX LIMIT(10000u, 10u)

/* ---- coordinators ---- */

/* Records of several operations that one append writes: below every usual max.message.bytes. */
#define COORDINATOR_BATCH_BYTES LIMIT(256u << 10, 200u)
/* Records of one operation: what is larger than max.message.bytes is refused by the log. */
#define COORDINATOR_OPERATION_BYTES_MAX (64u << 20)
/* Of the room for them, what is kept from one operation to the next. */
#define COORDINATOR_STAGE_KEEP_BYTES LIMIT(64u << 10, 64u)
/* The most of one read while the log of a coordinator is loaded, since many load at once; a batch
 * that is larger is read whole. */
#define COORDINATOR_LOAD_BYTES LIMIT(256u << 10, 300u)
/* A marker that could not be written is tried again after this long, then after twice as long. */
#define MARKER_RETRY_MS LIMIT(100, 10)
#define MARKER_RETRY_MS_MAX 5000
/* Transactions that one turn of a timer ends, or ids that it removes: a batch of usual size. */
#define TRANSACTIONS_A_TURN LIMIT(1000u, 1u)

/* Rounds over all topics in which the uniform assignor moves partitions to balance members that
 * read different topics: what is left after these is within one or two a topic. */
#define ASSIGNOR_ROUNDS_MAX 16u

STATIC_ASSERT(NET_FIRST_BYTES > 0, "a frame must be able to grow");
STATIC_ASSERT(NET_SENDFILE_BYTES <= NET_TURN_BYTES, "a turn sends at least one piece");
STATIC_ASSERT(RESPONSE_BYTES_MAX <= INT32_MAX, "the size of a frame is an int32");
STATIC_ASSERT(SCRATCH_KEEP_BYTES < SCRATCH_BYTES_MAX, "what is kept is part of it");
STATIC_ASSERT(SEGMENT_SCAN_BYTES >= 61, "the header of a batch");
STATIC_ASSERT(SEGMENT_RESERVE_BYTES_MIN <= SEGMENT_RESERVE_BYTES_MAX, "least and most");
STATIC_ASSERT(COORDINATOR_BATCH_BYTES <= COORDINATOR_OPERATION_BYTES_MAX, "a batch of one");
STATIC_ASSERT(CHANNEL_STAGE_BYTES >= 8, "the size of a frame and its correlation id");

#endif
