#!/usr/bin/env python3
"""Compaction from the outside: what is left of a topic, compared with what Apache Kafka leaves.

Apache Kafka fills a compacted topic (keys that repeat, tombstones, transactions that end either way,
idempotent producers, some of it compressed). Two copies of its directory are then cleaned, one
by Apache Kafka and one by us, in two rounds, the second past the horizon of the tombstones. Segment
by segment the batches must be the same, byte for byte where they are not compressed, but for the
times at which each cleaner ran. Then each side opens what the other has cleaned.
"""
import gzip
import os
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import time

import harness
import wirecodec as wire

TOPIC = "kept"
PRODUCE, FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN = 0, 10, 22, 24, 26
GZIP, APPEND_TIME, TRANSACTIONAL, CONTROL, HORIZON = 1, 0x08, 0x10, 0x20, 0x40
HEADER = struct.Struct(">qiibIhiqqqhii")
STAMP_MS = int(time.time() * 1000) - 3600000
KEYS = 60
CLEANER = ["log.cleaner.backoff.ms=100", "log.cleaner.min.cleanable.ratio=0.01",
           "log.initial.task.delay.ms=100", "log.flush.offset.checkpoint.interval.ms=200",
           "log.cleaner.enable=true", "log.cleaner.delete.retention.ms=1",
           "transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1"]


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {str(got)[:300]} and not {str(wanted)[:300]}")


# ---- filling ----

def record(delta, stamp_delta, key, value):
    body = b"\0" + wire.varint(stamp_delta) + wire.varint(delta) + wire.varint(len(key)) + key
    body += wire.varint(-1) if value is None else wire.varint(len(value)) + value
    body += wire.varint(1) + wire.varint(1) + b"h" + wire.varint(2) + b"hh"
    return wire.varint(len(body)) + body


def batch(records, producer=(-1, -1), sequence=-1, attributes=0):
    """records: (stamp, key, value)"""
    first = records[0][0]
    payload = b"".join(record(i, stamp - first, key, value)
                       for i, (stamp, key, value) in enumerate(records))
    if attributes & 7 == GZIP:
        payload = gzip.compress(payload, mtime=0)
    body = struct.pack(">hiqqqhii", attributes, len(records) - 1, first,
                       max(stamp for stamp, _, _ in records), *producer, sequence, len(records))
    tail = struct.pack(">ibI", -1, 2, wire.crc32c(body + payload)) + body + payload
    return struct.pack(">qi", 0, len(tail)) + tail


class Filler:
    """Writes the same batches to whoever is given: everything follows from its seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stamp, self.values = STAMP_MS, 0

    def records(self, count):
        made = []
        for _ in range(count):
            self.stamp += self.random.randrange(50)
            self.values += 1
            key = f"key-{self.random.randrange(KEYS)}".encode()
            value = None if self.random.random() < 0.2 else \
                f"value-{self.values}-".encode() + b"x" * self.random.randrange(120)
            made.append((self.stamp - self.random.randrange(30), key, value))
        return made

    def plain(self):
        attributes = GZIP if self.random.random() < 0.25 else 0
        return batch(self.records(1 + self.random.randrange(9)), attributes=attributes)


class Client:
    def __init__(self, port):
        self.wire = wire.Connection(port)

    def ask(self, api, version, body):
        self.wire.send(api, body, version)
        return self.wire.receive()[1]

    def produce(self, records, transactional_id=None):
        body = wire.string(transactional_id) + struct.pack(">hi", -1, 10000) + wire.array(
            [wire.string(TOPIC) + wire.array([struct.pack(">i", 0) + wire.blob(records)])])
        reader = self.ask(PRODUCE, 7, body)
        reader.take("i"), reader.string(), reader.take("i"), reader.take("i")
        error, base = reader.take("hq")
        check("an error of produce", error, 0)
        return base

    def producer(self, transactional_id=None):
        def once():
            reader = self.ask(INIT_PRODUCER_ID, 1,
                              wire.string(transactional_id) + struct.pack(">i", 60000))
            _, error, producer_id, epoch = reader.take("ihqh")
            return (producer_id, epoch) if error == 0 else None
        if transactional_id is not None:
            self.ask(FIND_COORDINATOR, 2, wire.string(transactional_id) + b"\1")
        return harness.wait_for(once, what="a producer id")

    def transaction(self, transactional_id, producer, sequence, records, commit):
        name = wire.string(transactional_id) + struct.pack(">qh", *producer)

        def begun():
            reader = self.ask(ADD_PARTITIONS, 2, name + wire.array(
                [wire.string(TOPIC) + wire.array([struct.pack(">i", 0)])]))
            return reader.take("ii") == (0, 1) and reader.string() == TOPIC and \
                reader.take("iih") == (1, 0, 0)
        harness.wait_for(begun, what="the partition to be taken into the transaction")
        self.produce(batch(records, producer, sequence, TRANSACTIONAL), transactional_id)
        harness.wait_for(lambda: self.ask(END_TXN, 2, name + struct.pack(">?", commit)).take("ih")
                         == (0, 0), what="the end of the transaction")


def fill(port, filler):
    """All sorts of batches; transactions of one producer end before the next one begins."""
    client = Client(port)
    idempotent = [client.producer() for _ in range(3)]
    transactional = [(f"t-{i}", client.producer(f"t-{i}")) for i in range(2)]
    sequences = dict.fromkeys(range(5), 0)
    for i in range(160):
        kind = i % 8
        if kind < 4:
            client.produce(filler.plain())
            continue
        records = filler.records(1 + filler.random.randrange(6))
        if kind < 6:
            which = i % 3
            client.produce(batch(records, idempotent[which], sequences[which]))
        else:
            which = 3 + i % 2
            client.transaction(*transactional[which - 3], sequences[which], records,
                               filler.random.random() < 0.5)
        sequences[which] += len(records)


# ---- reading what lies there ----

def batches_of(path):
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = struct.unpack(">i", data[at + 8:at + 12])[0] + 12
        found.append(data[at:at + size])
        at += size
    return found


def records_of(data):
    """Timestamp, offset delta and the rest of each record."""
    fields = HEADER.unpack(data[:61])
    attributes, base_stamp, max_stamp, count = fields[5], fields[7], fields[8], fields[12]
    payload = gzip.decompress(data[61:]) if attributes & 7 == GZIP and count else data[61:]
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = payload[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value >> 1 ^ -(value & 1)
    for _ in range(count):
        length = varint()
        end = at + length
        at += 1
        stamp = base_stamp + varint()
        found.append((max_stamp if attributes & APPEND_TIME else stamp, varint(), payload[at:end]))
        at = end
    check("bytes behind the records", at, len(payload))
    return found


def comparable(data, epochs):
    """What must be the same of a batch: all of it, but the leader epoch of records that each side
    was given by itself, and where there is a horizon the time of it and what follows from that."""
    fields = list(HEADER.unpack(data[:61]))
    check("a CRC", fields[4], wire.crc32c(data[21:]))
    fields[2] = fields[2] if epochs else None
    if not fields[5] & (HORIZON | 7):
        fields[4] = fields[4] if not fields[5] & HORIZON else None
        return tuple(fields), data[61:]
    fields[1] = fields[4] = None  # the size and the CRC
    if fields[5] & HORIZON:
        fields[7] = None
    return tuple(fields), records_of(data)


def topic_of(directory):
    return pathlib.Path(directory) / "data" / f"{TOPIC}-0"


def segments_of(directory, epochs=True):
    """{file name: batches in comparable form}; the index of aborted transactions as it is."""
    found = {}
    for path in sorted(topic_of(directory).iterdir()):
        if path.suffix == ".log":
            found[path.name] = [comparable(data, epochs) for data in batches_of(path)]
        elif path.suffix == ".txnindex" and path.stat().st_size:
            found[path.name] = path.read_bytes()
    return found


def values_of(directory):
    """The last committed value of each key, as a reader of all segments comes to it."""
    batches = [data for path in sorted(topic_of(directory).glob("*.log"))
               for data in batches_of(path)]
    ends, values = {}, {}
    for data in reversed(batches):
        fields = HEADER.unpack(data[:61])
        attributes, producer = fields[5], fields[9]
        if attributes & CONTROL:
            marker = records_of(data)[0][2] if fields[12] else b""
            ends[producer] = marker[1:5] == b"\0\0\0\0" if marker else ends.get(producer)
            continue
        if attributes & TRANSACTIONAL and ends.get(producer):
            continue
        for _, _, rest in reversed(records_of(data)):
            size = rest[0] >> 1
            key = rest[1:1 + size]
            values.setdefault(key, None if rest[1 + size] == 1 else rest[1 + size:])
    return {key: value for key, value in values.items() if value is not None}


def clean_offset(directory):
    path = pathlib.Path(directory) / "data" / "cleaner-offset-checkpoint"
    lines = path.read_text().split("\n") if path.exists() else []
    return next((int(line.split()[2]) for line in lines if line.startswith(f"{TOPIC} 0 ")), -1)


# ---- the course ----

class Side:
    """A copy of the directory, and who cleans it."""

    def __init__(self, name, directory, shards=1):
        self.name, self.directory, self.shards = name, directory, shards

    def run(self, work, overrides=(), name=None):
        broker = harness.Broker(shards=self.shards, directory=self.directory,
                                overrides=[*CLEANER, *overrides])
        broker.peer = name or self.name
        broker.start()
        try:
            result = work(broker)
            broker.end_in_order()
            return result
        finally:
            broker.stop()

    def clean_beyond(self, offset):
        """Until nothing is left to clean, which is more than up to that offset: the checkpoint is at the last segment."""
        def settled():
            found = clean_offset(self.directory)
            last = max(int(path.stem) for path in topic_of(self.directory).glob("*.log"))
            return found if found == last > offset else None
        return self.run(lambda broker: harness.wait_for(settled, what="the log to be clean"))


class Course:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="barnabas-compaction-")
        self.broken = None

    def folder(self, name):
        return os.path.join(self.root, name)

    def step(self, function):
        """What stands on a step that failed has nothing to say."""
        if self.broken:
            raise harness.Skip(f"{self.broken} failed")
        try:
            function()
        except BaseException:
            self.broken = function.__name__
            raise

    def apache_fills(self):
        harness.peer("java")
        os.mkdir(self.folder("made"))
        made = Side("apache", self.folder("made"))

        def work(broker):
            done = broker.tool(
                "topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", TOPIC,
                "--partitions", "1", "--config", "cleanup.policy=compact",
                "--config", "internal.segment.bytes=20000")
            check("topics --create", done[0], 0)
            fill(broker.port, Filler(1))
        made.run(work, ["log.cleaner.enable=false"])
        self.before = values_of(made.directory)
        self.sides = [Side("apache", self.folder("a")), Side("barnabas", self.folder("b")),
                      Side("barnabas", self.folder("c"), shards=3)]
        for side in self.sides:
            shutil.copytree(made.directory, side.directory)

    def both_clean_the_same(self):
        self.ends = [side.clean_beyond(-1) for side in self.sides]
        self.compare()

    def compare(self, epochs=True):
        check("the clean offset of one shard", self.ends[1], self.ends[0])
        check("the clean offset of three shards", self.ends[2], self.ends[0])
        theirs = segments_of(self.sides[0].directory, epochs)
        batches = sum(len(found) for name, found in theirs.items() if name.endswith(".log"))
        if batches < 50:
            raise AssertionError(f"only {batches} batches are left to be compared")
        for side in self.sides[1:]:
            ours = segments_of(side.directory, epochs)
            check("the files", sorted(ours), sorted(theirs))
            for name, wanted in theirs.items():
                if isinstance(wanted, bytes):
                    check(name, ours[name].hex(), wanted.hex())
                    continue
                check(f"the batches of {name}", [found[0][0] for found in ours[name]],
                      [found[0][0] for found in wanted])
                for got, want in zip(ours[name], wanted):
                    check(f"a batch of {name}", got, want)

    def a_reader_comes_to_the_same(self):
        for side in self.sides:
            check("the values", values_of(side.directory), self.before)

    def both_clean_the_same_past_the_horizon(self):
        """More records of each side's own, and the tombstones of the first round may go."""
        def more(broker):
            filler, client = Filler(2), Client(broker.port)
            for _ in range(100):
                client.produce(filler.plain())
        for side in self.sides:
            side.run(more, ["log.cleaner.enable=false"])
        self.before = values_of(self.sides[0].directory)
        before = [tombstones(side.directory) for side in self.sides]
        self.ends = [side.clean_beyond(end) for side, end in zip(self.sides, self.ends)]
        self.compare(epochs=False)
        for side, count in zip(self.sides, before):
            if tombstones(side.directory) >= count:
                raise AssertionError(f"{count} tombstones, and none has gone")
            check("the values", values_of(side.directory), self.before)

    def each_opens_what_the_other_cleaned(self):
        for side, other in zip(self.sides, ("barnabas", "apache", "apache")):
            side.run(lambda broker: harness.unhurried(lambda ms, broker=broker: self.consume(broker, ms), 4000, 40000),
                     ["log.cleaner.enable=false"], name=other)

    def consume(self, broker, timeout_ms):
        """Until nothing has come for so long."""
        values = {}
        for line in broker.tool(
                "console-consumer", "--bootstrap-server", broker.bootstrap, "--topic", TOPIC,
                "--from-beginning", "--timeout-ms", str(timeout_ms), "--isolation-level", "read_committed",
                "--formatter-property", "print.key=true")[1].splitlines():
            key, _, value = line.partition("\t")
            values[key] = value
        found = {key for key, value in values.items() if value != "null"}
        check("the keys that a consumer finds", found, {key.decode() for key in self.before})

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def tombstones(directory):
    return sum(rest[1 + (rest[0] >> 1)] == 1 for path in topic_of(directory).glob("*.log")
               for data in batches_of(path) if not HEADER.unpack(data[:61])[5] & CONTROL
               for _, _, rest in records_of(data))


def main():
    course = Course()
    steps = [course.apache_fills, course.both_clean_the_same, course.a_reader_comes_to_the_same,
             course.both_clean_the_same_past_the_horizon, course.each_opens_what_the_other_cleaned]
    try:
        harness.run([(f"compaction__{step.__name__}", lambda step=step: course.step(step))
                     for step in steps])
    finally:
        if not os.environ.get("KEEP"):
            course.remove()
        else:
            print(course.root, file=sys.stderr)


if __name__ == "__main__":
    main()
