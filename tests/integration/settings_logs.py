#!/usr/bin/env python3
"""Settings of topics and of the cleaner: each is set, most of them when there is data already, and then looked for
in the files of the partition, or in an answer. The same holds for Apache Kafka (PEER=apache), but where it is said."""
import contextlib
import pathlib
import random
import struct
import time

import harness
import wirecodec as wire
from wirecodec import Connection

INCREMENTAL_ALTER_CONFIGS = 44
TOPIC, BROKER, SET = 2, 4, 0
MESSAGE_TOO_LARGE, INVALID_TIMESTAMP = 10, 32
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HOUR_MS = 3600000
QUICK = ("log.initial.task.delay.ms=50", "log.retention.check.interval.ms=200", "log.cleaner.backoff.ms=100")


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


@contextlib.contextmanager
def serving(*overrides):
    broker = harness.own_broker(overrides=[*QUICK, *overrides])
    try:
        broker.start()
        with Connection(broker.port) as connection:
            yield broker, connection
        broker.end_in_order()
    finally:
        broker.remove()


def alter(connection, name, value, topic="t", kind=TOPIC):
    change = wire.string(name) + struct.pack(">b", SET) + wire.string(str(value))
    body = wire.array([struct.pack(">b", kind) + wire.string(topic) + wire.array([change])]) + b"\0"
    reader = connection.ask(INCREMENTAL_ALTER_CONFIGS, body, 0)
    reader.take("i")
    (error,) = reader.array(lambda: (reader.take("h"), reader.string(), reader.take("b"), reader.string())[0])
    check(error, 0, f"{name}={value}")


def files(broker, suffix, topic="t"):
    return sorted(pathlib.Path(broker.directory, f"data/{topic}-0").glob(f"*{suffix}"))


def batches(path):
    """Attributes, size and base offset of each batch of a segment."""
    data, at, found = path.read_bytes(), 0, []
    while at + 61 <= len(data) and data[at + 8:at + 12] != bytes(4):
        size = struct.unpack(">i", data[at + 8:at + 12])[0] + 12
        found.append((struct.unpack(">h", data[at + 21:at + 23])[0], size, struct.unpack(">q", data[at:at + 8])[0]))
        at += size
    return found


def last_batch(broker):
    return batches(files(broker, ".log")[-1])[-1]


def text(size, seed=1):
    """Words that come again, so that it matters how hard a codec looks for them."""
    source = random.Random(seed)
    words = [bytes(source.choices(range(97, 123), k=source.randrange(3, 12))) for _ in range(2000)]
    return b" ".join(source.choices(words, k=size // 7))[:size]


def now_ms():
    return int(time.time() * 1000)


def plain(value, age_ms=0):
    """A batch of one record, which is new: what is old goes by the usual retention."""
    return wire.batch([value], timestamp=now_ms() - age_ms)


def keyed(key, value):
    """The same with a key."""
    body = b"\0\0\0" + wire.varint(len(key)) + key + wire.varint(len(value)) + value + wire.varint(0)
    payload = wire.varint(len(body)) + body
    stamp_ms = now_ms()
    rest = struct.pack(">hiqqqhii", 0, 0, stamp_ms, stamp_ms, -1, -1, -1, 1) + payload
    return struct.pack(">qiibI", 0, len(rest) + 9, -1, 2, wire.crc32c(rest)) + rest


def await_setting(act, what):
    """A setting is with the partition a moment after the answer."""
    return harness.wait_for(act, what=what)


# ---- what is written ----

def levels_of_compression_act_on_the_next_batch(payload=text(120000)):
    with serving() as (broker, connection):
        connection.create_topic("t")
        check(connection.produce("t", plain(payload))[0], 0, "as it comes")
        check(last_batch(broker)[0] & 7, 0, "its codec")
        for codec, low, high in (("gzip", 1, 9), ("lz4", 1, 17), ("zstd", 1, 19)):
            alter(connection, "compression.type", codec)

            def size(level, codec=codec, changed=None):
                alter(connection, f"compression.{codec}.level", level)

                def written():
                    check(connection.produce("t", plain(payload))[0], 0, "a produce")
                    attributes, bytes_, _ = last_batch(broker)
                    return bytes_ if attributes & 7 == CODECS[codec] and bytes_ != changed else None
                return await_setting(written, f"{codec} at level {level}")
            fast = size(low)
            check(size(high, changed=fast) < fast, True, f"{codec} at level {high} is smaller")
        alter(connection, "compression.type", "uncompressed")
        await_setting(lambda: connection.produce("t", plain(payload)) and last_batch(broker)[0] & 7 == 0, "no codec")


def the_largest_batch_is_as_large_as_was_set():
    with serving() as (_, connection):
        connection.create_topic("t")
        large = plain(b"x" * 2000)
        check(connection.produce("t", large)[0], 0, "before")
        alter(connection, "max.message.bytes", len(large) - 1)
        await_setting(lambda: connection.produce("t", large)[0] == MESSAGE_TOO_LARGE, "it to be refused")
        alter(connection, "max.message.bytes", len(large))
        await_setting(lambda: connection.produce("t", large)[0] == 0, "it to be taken again")


def timestamps_are_those_that_were_asked_for():
    with serving() as (_, connection):
        connection.create_topic("t")

        def error(age_ms):
            return connection.produce("t", plain(b"x", age_ms))[0]
        check((error(HOUR_MS), error(-HOUR_MS // 2)), (0, 0), "an hour old, half an hour early")
        alter(connection, "message.timestamp.before.max.ms", HOUR_MS // 2)
        await_setting(lambda: error(HOUR_MS) == INVALID_TIMESTAMP, "what is too old to be refused")
        alter(connection, "message.timestamp.after.max.ms", HOUR_MS // 4)
        await_setting(lambda: error(-HOUR_MS // 2) == INVALID_TIMESTAMP, "what is too early to be refused")
        alter(connection, "message.timestamp.type", "LogAppendTime")
        await_setting(lambda: error(HOUR_MS) == 0, "the time of the append")
        check(connection.list_offset("t", now_ms() - HOUR_MS // 4)[2] >= 0, True, "a record of now")


# ---- segments ----

def segments_are_as_old_and_large_as_was_set():
    with serving() as (broker, connection):
        connection.create_topic("t")

        def segments():
            check(connection.produce("t", plain(b"x" * 1000))[0], 0, "a produce")
            return len(files(broker, ".log"))
        check([segments() for _ in range(3)], [1, 1, 1], "segments")
        alter(connection, "segment.ms", 100)
        await_setting(lambda: segments() > 2, "segments of a tenth of a second")
        alter(connection, "segment.ms", HOUR_MS)
        alter(connection, "segment.bytes", 1048576)
        before = segments()
        alter(connection, "preallocate", "true")
        for _ in range(2):
            check(connection.produce("t", plain(b"x" * 600000))[0], 0, "a large produce")
        check(len(files(broker, ".log")), before + 1, "segments of a megabyte")
        facts = files(broker, ".log")[-1].stat()
        check(max(facts.st_size, facts.st_blocks * 512) >= 1048576, True, "what is taken for the next one at once")


def what_was_deleted_stays_for_its_time():
    for delay_ms, stays in ((0, False), (600000, True)):
        with serving() as (broker, connection):
            connection.create_topic("t", configs=[("file.delete.delay.ms", str(delay_ms)),
                                                  ("internal.segment.bytes", "5000")])
            for _ in range(20):
                check(connection.produce("t", plain(b"x" * 1000))[0], 0, "a produce")
            alter(connection, "retention.bytes", 6000)
            harness.wait_for(lambda: len(files(broker, ".log")) <= 2, what="retention by size")
            start = connection.list_offset("t", -2)[2]
            check(start > 0, True, "the log start offset")
            harness.wait_for(lambda: bool(files(broker, ".log.deleted")) == stays,
                             what=f"files after {delay_ms} ms")
            alter(connection, "retention.ms", 1)
            harness.wait_for(lambda: connection.list_offset("t", -2)[2] == 20, what="retention by time")
            broker.kill()
            broker.start()
            with Connection(broker.port) as again:
                harness.wait_for(lambda: again.list_offset("t", -2)[2] == 20, what="the start after a kill")


# ---- compaction ----

def what_is_compacted_and_old_goes_too():
    """cleanup.policy=compact,delete: of a key the last value stays, and goes with its segment."""
    with serving() as (broker, connection):
        connection.create_topic("t", configs=[("internal.segment.bytes", "2000"),
                                              ("min.cleanable.dirty.ratio", "0.01")])
        for i in range(30):
            check(connection.produce("t", keyed(b"k%d" % (i % 3), b"x" * 500))[0], 0, "a produce")
        alter(connection, "cleanup.policy", "compact,delete")
        records = lambda: sum(len(batches(path)) for path in files(broker, ".log"))  # noqa: E731
        harness.wait_for(lambda: records() < 10, what="compaction")
        check(connection.list_offset("t", -2)[2], 0, "the start of a log that was compacted only")
        alter(connection, "retention.ms", 1)
        harness.wait_for(lambda: connection.list_offset("t", -2)[2] == 30,
                         what="retention of what was compacted")


def clean_offset(broker):
    path = pathlib.Path(broker.directory, "data/cleaner-offset-checkpoint")
    lines = path.read_text().split("\n") if path.exists() else []
    return next((int(line.split()[2]) for line in lines if line.startswith("t 0 ")), 0)


def compaction_is_as_slow_as_was_set(rate=100000, more=2000):
    """Reading twice and writing some 200 kB at so many bytes a second; it is altered while it runs: two megabytes at
    the old rate would take a minute."""
    with serving(f"log.cleaner.io.max.bytes.per.second={rate}") as (broker, connection):
        connection.create_topic("t", configs=[("internal.segment.bytes", "50000"), ("cleanup.policy", "compact"),
                                              ("min.cleanable.dirty.ratio", "1")])
        for i in range(300):
            check(connection.produce("t", keyed(b"k%d" % i, b"x" * 1000))[0], 0, "a produce")
        began = time.monotonic()
        alter(connection, "min.cleanable.dirty.ratio", "0.01")
        harness.wait_for(lambda: clean_offset(broker) > 200, what="a slow compaction")
        check(time.monotonic() - began > 3, True, f"slow: {time.monotonic() - began:.1f} s")
        alter(connection, "log.cleaner.io.max.bytes.per.second", "1e12", "", BROKER)
        for i in range(more):
            check(connection.produce("t", keyed(b"k%d" % i, b"x" * 1000))[0], 0, "a produce")
        began = time.monotonic()
        harness.wait_for(lambda: clean_offset(broker) > more, what="a fast compaction")
        check(time.monotonic() - began < 30, True, f"fast: {time.monotonic() - began:.1f} s")


CASES = (levels_of_compression_act_on_the_next_batch, the_largest_batch_is_as_large_as_was_set,
         timestamps_are_those_that_were_asked_for, segments_are_as_old_and_large_as_was_set,
         what_was_deleted_stays_for_its_time, what_is_compacted_and_old_goes_too, compaction_is_as_slow_as_was_set)

if __name__ == "__main__":
    harness.run([(f"settings__{case.__name__}", case) for case in CASES])
