#!/usr/bin/env python3
"""Everything at once on a node that is killed again and again: what it holds at the end is what a model says.

    storm.py [--seeds A-B] [--seconds N] [--by-turns]    random storms of these seeds, each so long

Threads write with sequence numbers, in transactions of both kinds, into a compacted topic, and commit offsets;
others change settings, move partitions between directories, delete records, and make and delete topics, while the
node is killed, stopped in order, or stands still, and loses files that can be made anew, or finds half a batch at the
end of a log. Each thread knows what was acknowledged to it. At the end no
acknowledged record may be missing, none may be there twice or out of order, no transaction half, and the
directories must be sound. --by-turns: every now and then it is Apache Kafka that starts on the directories.
"""
import argparse
import gzip
import pathlib
import random
import struct
import sys
import threading
import time
import traceback

import harness
import transactions
import wirecodec as wire
from transactions import check

PARTITIONS = 3
KEYS = 12
DIRECTORIES = 3
SECONDS = 12
SETTINGS = ["offsets.topic.num.partitions=2", "transaction.state.log.num.partitions=2", "log.segment.bytes=1048576",
            "log.cleaner.backoff.ms=100", "log.cleaner.min.cleanable.ratio=0.01", "log.segment.delete.delay.ms=100",
            "log.initial.task.delay.ms=100", "log.retention.check.interval.ms=300",
            "offsets.topic.segment.bytes=1048576", "producer.id.expiration.ms=86400000"]
DUPLICATE_SEQUENCE = 46
OFFSET_OUT_OF_RANGE, INVALID_TXN_STATE = 1, 48
STARTING = {3, 5, 7, 56}  # what Apache Kafka says until it has opened its logs
LOST = (OSError, EOFError, struct.error)


class Ended(Exception):
    """The storm is over."""


class Worker(threading.Thread):
    """A thread with a connection of its own that comes back after each kill."""

    def __init__(self, storm, seed):
        super().__init__(daemon=True)
        self.storm, self.random = storm, random.Random(seed)
        self.connection = self.fault = None

    def run(self):
        try:
            while True:
                self.step()
        except Ended:
            pass
        except Exception:  # told by the storm, with what it is about
            self.fault = traceback.format_exc()

    def ask(self, api, version, values):
        """The answer; asked again through kills until there is one. What is asked must bear that."""
        while True:
            self.storm.check_open()
            answer = self.ask_once(api, version, values)
            if answer is not None:
                return answer

    def ask_once(self, api, version, values):
        """The answer, or None: what became of it is not known."""
        try:
            if self.connection is None:
                self.connection = transactions.reconnect(self.storm.broker)
            return self.connection.ask(api, version, values)
        except LOST:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            time.sleep(0.01)
            return None

    def until(self, api, version, values, errors, wanted=(0,)):
        """As ask, until no error asks for patience; the errors must be of wanted."""
        while True:
            answer = self.ask(api, version, values)
            found = set(errors(answer))
            if not found & (transactions.PATIENCE | STARTING):
                check(found <= set(wanted), True, f"{type(self).__name__}: errors of {api}: {found}")
                return answer
            time.sleep(0.01)

    def producer_id(self, name=None):
        answer = self.until("InitProducerId", 5, {"transactionalId": name, "transactionTimeoutMs": 60000,
                                                  "producerId": -1, "producerEpoch": -1}, transactions.single)
        return answer["producerId"], answer["producerEpoch"]

    def produce(self, topic, partition, version, name, data, wanted=(0,)):
        answer = self.until("Produce", version, {"transactionalId": name, "acks": -1, "timeoutMs": 10000, "topicData": [
            {"name": topic, "partitionData": [{"index": partition, "records": data}]}]}, transactions.produced, wanted)
        return answer["responses"][0]["partitionResponses"][0]


class Writer(Worker):
    """Idempotent batches, one at a time a partition; each is sent until it is acknowledged."""

    def __init__(self, storm, seed, name, topic, keyed):
        super().__init__(storm, seed)
        self.name, self.topic, self.keyed = name, topic, keyed
        self.id = None
        self.sequences = [0] * PARTITIONS
        self.number = 0
        self.acknowledged = [{} for _ in range(PARTITIONS)]  # offset: (key, value)
        self.last = {}  # value of each key, once it is acknowledged
        self.sent = [[] for _ in range(PARTITIONS)]  # (key, value) in order

    def record(self, partition):
        self.number += 1
        filler = b"." * self.random.choice((0, 0, 10, 10, 300, 10000))
        value = b"%s-%d%s" % (self.name.encode(), self.number, filler)
        if not self.keyed:
            return None, value
        key = b"%s-%d" % (self.name.encode(), self.random.randrange(KEYS) * PARTITIONS + partition)
        return key, None if self.random.random() < 0.1 else value

    def step(self):
        if self.id is None:
            self.id = self.producer_id()
        partition = self.random.randrange(PARTITIONS)
        records = [self.record(partition) for _ in range(self.random.randint(1, 5))]
        self.sent[partition] += records
        data = wire.batch([value for _, value in records], *self.id, self.sequences[partition],
                          int(time.time() * 1000), keys=[key for key, _ in records])
        told = self.produce(self.topic, partition, 9, None, data, (0, DUPLICATE_SEQUENCE))
        self.sequences[partition] += len(records)
        for i, (key, value) in enumerate(records):
            if told["baseOffset"] >= 0:
                self.acknowledged[partition][told["baseOffset"] + i] = key, value
            self.last[key] = value


class Transactor(Worker):
    """Transactions over all partitions, committed or aborted, some left to whoever comes next."""

    def __init__(self, storm, seed, name, newer):
        super().__init__(storm, seed)
        self.name, self.newer = name, newer
        self.who, self.number = None, 0
        self.committed, self.aborted, self.unknown = [], [], []  # lists of (partition, value)

    def step(self):
        if self.who is None:
            self.who = self.producer_id(self.name)
            self.sequences = [0] * PARTITIONS
        self.number += 1
        written = []
        try:
            if not self.fill(written):
                self.who = None  # what is open is aborted by whoever takes the id
                self.aborted.append(written)
                return
        except Ended:
            self.unknown.append(written)
            raise
        ends_well = self.random.random() < 0.6
        self.end(written, ends_well)

    def fill(self, written):
        identity = {"transactionalId": self.name, "producerId": self.who[0], "producerEpoch": self.who[1]}
        version = 12 if self.newer else 11
        if not self.newer:
            old = {f"v3AndBelow{key[0].upper()}{key[1:]}": value for key, value in identity.items()}
            self.until("AddPartitionsToTxn", 3, {**old, "v3AndBelowTopics": [
                {"name": "txn", "partitions": list(range(PARTITIONS))}]}, transactions.added)
        for _ in range(self.random.randint(1, 4)):
            partition = self.random.randrange(PARTITIONS)
            value = b"%s-%d-%d%s" % (self.name.encode(), self.number, len(written),
                                     b"." * self.random.choice((0, 3000)))
            written.append((partition, value))
            data = wire.batch([value], *self.who, self.sequences[partition], int(time.time() * 1000), 0x10)
            told = self.produce("txn", partition, version, self.name, data,
                                (0, DUPLICATE_SEQUENCE, *[INVALID_TXN_STATE] * self.storm.by_turns))
            if told["errorCode"] == INVALID_TXN_STATE:
                return False
            self.sequences[partition] += 1
        return self.random.random() < 0.9

    def end(self, written, commits):
        values = {"transactionalId": self.name, "producerId": self.who[0], "producerEpoch": self.who[1],
                  "committed": commits}
        while True:
            self.storm_open_or(written)
            answer = self.ask_once("EndTxn", 5 if self.newer else 3, values)
            if answer is None:
                continue
            if answer["errorCode"] in transactions.PATIENCE:
                time.sleep(0.01)
                continue
            break
        check(answer["errorCode"], 0, f"EndTxn of {self.name}")
        (self.committed if commits else self.aborted).append(written)
        if self.newer:
            moved = (answer["producerId"], answer["producerEpoch"])
            if moved != self.who:
                self.who, self.sequences = moved, [0] * PARTITIONS

    def storm_open_or(self, written):
        try:
            self.storm.check_open()
        except Ended:
            self.unknown.append(written)
            raise


class Committer(Worker):
    """Offsets of a group that go up."""

    def __init__(self, storm, seed, group):
        super().__init__(storm, seed)
        self.group, self.offset, self.last = group, 0, -1

    def step(self):
        self.offset += 1
        self.until("OffsetCommit", 7, {"groupId": self.group, "generationIdOrMemberEpoch": -1, "memberId": "",
                                       "topics": [{"name": "plain", "partitions": [
                                           {"partitionIndex": 0, "committedOffset": self.offset,
                                            "committedMetadata": "m" * self.random.randrange(50)}]}]},
                   transactions.committed)
        self.last = self.offset
        time.sleep(0.001)


class Keeper(Worker):
    """Changes everything that may be changed under way."""

    def __init__(self, storm, seed):
        super().__init__(storm, seed)
        self.starts = [0] * PARTITIONS  # of "plain", at most

    def step(self):
        self.random.choice((self.move, self.move, self.alter, self.alter, self.delete_records, self.come_and_go))()
        time.sleep(self.random.random() * 0.05)

    def move(self):
        topic = self.random.choice(("plain", "keys", "txn", "__consumer_offsets"))
        self.ask("AlterReplicaLogDirs", 2, {"dirs": [{
            "path": self.storm.directory(self.random.randrange(DIRECTORIES)),
            "topics": [{"name": topic, "partitions": [self.random.randrange(2)]}]}]})

    def alter(self):
        topic, name, value = self.random.choice((
            ("plain", "compression.type", self.random.choice(("producer", "gzip", "uncompressed"))),
            ("keys", "compression.type", self.random.choice(("producer", "gzip"))),
            ("keys", "min.cleanable.dirty.ratio", self.random.choice(("0", "0.5"))),
            ("keys", "segment.ms", self.random.choice(("100", "1000", "604800000"))),
            ("plain", "segment.ms", self.random.choice(("100", "1000", "604800000"))),
            ("txn", "segment.ms", self.random.choice(("100", "1000", "604800000"))),
            ("plain", "flush.messages", self.random.choice(("1", "10", "9223372036854775807"))),
            ("txn", "index.interval.bytes", self.random.choice(("0", "100", "4096"))),
            ("plain", "preallocate", self.random.choice(("true", "false")))))
        self.ask("IncrementalAlterConfigs", 1, {"validateOnly": False, "resources": [
            {"resourceType": 2, "resourceName": topic, "configs": [
                {"name": name, "configOperation": 0, "value": value}]}]})

    def delete_records(self):
        partition = self.random.randrange(PARTITIONS)
        known = [offset for writer in self.storm.plain for offset in list(writer.acknowledged[partition])]
        if not known or self.random.random() < 0.5:
            return
        offset = sorted(known)[len(known) // 3]
        self.starts[partition] = max(offset, self.starts[partition])
        self.ask("DeleteRecords", 2, {"timeoutMs": 5000, "topics": [
            {"name": "plain", "partitions": [{"partitionIndex": partition, "offset": offset}]}]})

    def come_and_go(self):
        name = f"temporary-{self.random.randrange(3)}"
        if self.random.random() < 0.5:
            self.ask_once("CreateTopics", 4, {"topics": [
                {"name": name, "numPartitions": 2, "replicationFactor": 1, "assignments": [], "configs": [
                    {"name": "cleanup.policy", "value": self.random.choice(("delete", "compact"))}]}],
                "timeoutMs": 5000, "validateOnly": False})
            data = wire.batch([b"x" * 1000], timestamp=int(time.time() * 1000), keys=[b"k"])
            self.ask_once("Produce", 9, {"transactionalId": None, "acks": -1, "timeoutMs": 1000, "topicData": [
                {"name": name, "partitionData": [{"index": 0, "records": data}]}]})
        else:
            self.ask_once("DeleteTopics", 4, {"topicNames": [name], "timeoutMs": 5000})


class Storm:
    def __init__(self, seed, seconds, by_turns):
        self.random = random.Random(seed)
        self.seconds, self.by_turns, self.over = seconds, by_turns, False
        self.broker = harness.own_broker(shards=self.random.randint(1, 3), overrides=SETTINGS)
        directories = ",".join(self.directory(i) for i in range(DIRECTORIES))
        self.broker.overrides.append(f"log.dirs={directories}")
        self.ours, self.apache = self.broker, harness.Broker(1, self.broker.directory, self.broker.overrides)
        self.apache.peer, self.apache.port = "apache", self.broker.port
        self.apache.controller_port = self.broker.controller_port
        self.plain = [Writer(self, seed * 100 + i, f"w{i}", "plain", False) for i in range(2)]
        self.keyed = [Writer(self, seed * 100 + 10 + i, f"k{i}", "keys", True) for i in range(2)]
        self.transactors = [Transactor(self, seed * 100 + 20 + i, f"t{i}", i % 2 == 0) for i in range(3)]
        self.committers = [Committer(self, seed * 100 + 30 + i, f"g{i}") for i in range(2)]
        self.keepers = [Keeper(self, seed * 100 + 40 + i) for i in range(2)]
        self.workers = [*self.plain, *self.keyed, *self.transactors, *self.committers, *self.keepers]

    def directory(self, index):
        return f"{self.broker.directory}/data{index}"

    def check_open(self):
        if self.over:
            raise Ended

    def play(self):
        pathlib.Path(self.broker.directory, "data").mkdir()  # where Apache Kafka would look for what is formatted
        self.broker.start()
        connection = transactions.reconnect(self.broker)
        for topic in ("plain", "keys", "txn"):
            transactions.make_topic(connection, topic)
        connection.ask("IncrementalAlterConfigs", 1, {"validateOnly": False, "resources": [
            {"resourceType": 2, "resourceName": "keys", "configs": [
                {"name": "cleanup.policy", "configOperation": 0, "value": "compact"}]}]})
        connection.close()
        for worker in self.workers:
            worker.start()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not any(worker.fault for worker in self.workers):
            time.sleep(self.random.random() * 1.2)
            self.strike()
        self.over = True
        for worker in self.workers:
            worker.join(60)
            check(worker.fault, None, "fault of a worker")
            check(worker.is_alive(), False, f"{type(worker).__name__} still waits")

    def strike(self):
        kind = self.random.random()
        # While Apache Kafka 4.3.1 stops it ends transactions without their markers: that of a partition without a
        # leader is left out, as if its topic were gone.
        if kind < 0.6 or self.broker is self.apache:
            self.broker.kill()
            if self.random.random() < 0.4 and not self.by_turns:
                self.tamper()
        elif kind < 0.8:
            check(self.broker.stop(), 0, "status after an end in order")
        else:
            self.broker.process.send_signal(19)
            time.sleep(self.random.random() * 0.3)
            self.broker.process.send_signal(18)
            return
        killed = self.broker
        if self.by_turns:
            self.broker = self.random.choice((self.ours, self.apache))
        try:
            self.broker.start()
        except RuntimeError as why:
            if killed is self.apache and "remove one" in str(why):
                raise harness.Skip("Apache Kafka was killed between the two renames that end a move") from None
            raise


    def tamper(self):
        """What a crash may take, or leave behind."""
        files = sorted(path for i in range(DIRECTORIES) for path in pathlib.Path(self.directory(i)).rglob("*")
                       if path.is_file())
        kind = self.random.choice((".index", ".timeindex", ".snapshot", "-checkpoint", ".log", ".log"))
        found = [path for path in files if path.name.endswith(kind)]
        if kind == ".log":  # the last one of each partition
            found = [path for path in found if path == max(path.parent.glob("*.log"))]
        for path in self.random.sample(found, min(len(found), 3)):
            if kind == ".log":
                with path.open("ab") as file:
                    file.write(self.random.choice((b"\0" * 100, self.random.randbytes(200), path.read_bytes()[:50])))
            else:
                path.unlink()


def read(connection, topic, partition, committed):
    """(offset, key, value) of all that a reader sees, and the log start offset."""
    offset, found, start = 0, [], None
    while True:
        answer = connection.ask("Fetch", 11, {
            "replicaId": -1, "maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, "isolationLevel": int(committed),
            "sessionId": 0, "sessionEpoch": -1, "rackId": "", "forgottenTopicsData": [], "topics": [
                {"topic": topic, "partitions": [{"partition": partition, "currentLeaderEpoch": -1,
                                                 "fetchOffset": offset, "logStartOffset": -1,
                                                 "partitionMaxBytes": 1 << 20}]}]})
        told = answer["responses"][0]["partitions"][0]
        if told["errorCode"] == OFFSET_OUT_OF_RANGE and start is None:
            earliest = connection.ask("ListOffsets", 5, {"replicaId": -1, "isolationLevel": 0, "topics": [
                {"name": topic, "partitions": [{"partitionIndex": partition, "currentLeaderEpoch": -1,
                                                "timestamp": -2}]}]})
            offset = start = earliest["topics"][0]["partitions"][0]["offset"]
            continue
        check(told["errorCode"], 0, f"Fetch of {topic}-{partition} at {offset}")
        start = told["logStartOffset"] if start is None else start
        aborted = sorted((item["firstOffset"], item["producerId"]) for item in told["abortedTransactions"] or [])
        before, opened = offset, set()
        data = told["records"] or b""
        while len(data) >= 61 and len(data) >= 12 + struct.unpack(">i", data[8:12])[0]:
            base, size = struct.unpack(">qi", data[:12])
            attributes, last = struct.unpack(">hi", data[21:27])
            producer = struct.unpack(">q", data[43:51])[0]
            body, count = data[61:12 + size], struct.unpack(">i", data[57:61])[0]
            body = gzip.decompress(body) if attributes & 7 == 1 else body
            while aborted and aborted[0][0] <= base + last:
                opened.add(aborted.pop(0)[1])
            if attributes & 0x20:
                opened.discard(producer)
            elif not (committed and attributes & 0x10 and producer in opened):
                found += [(base + delta, key, value) for delta, key, value in transactions.records_of(body, count)
                          if base + delta >= offset]
            offset = base + last + 1
            data = data[12 + size:]
        if offset == before:
            check(not committed or told["lastStableOffset"] == told["highWatermark"], True, f"{topic} all stable")
            check(offset, told["highWatermark"], f"where {topic}-{partition} ends")
            return found, start


def verify_plain(storm, connection):
    for partition in range(PARTITIONS):
        found, start = read(connection, "plain", partition, False)
        deleted = max(keeper.starts[partition] for keeper in storm.keepers)
        check(start <= deleted, True, f"start {start} of plain-{partition}, deleted up to {deleted}")
        offsets = [offset for offset, _, _ in found]
        check(offsets, list(range(start, start + len(found))), f"offsets of plain-{partition}")
        there = {offset: value for offset, _, value in found}
        for writer in storm.plain:
            for offset, (_, value) in writer.acknowledged[partition].items():
                if offset >= start:
                    check(there.get(offset), value, f"what is acknowledged at {offset} of plain-{partition}")
            mine = [value for _, _, value in found if value.startswith(writer.name.encode() + b"-")]
            order = {value: i for i, (_, value) in enumerate(writer.sent[partition])}
            numbers = [order[value] for value in mine]
            check(numbers, list(range(numbers[0], numbers[0] + len(numbers))) if numbers else [],
                  f"order of {writer.name} in plain-{partition}")


def verify_keys(storm, connection):
    last = {}
    for partition in range(PARTITIONS):
        found, _ = read(connection, "keys", partition, False)
        check(sorted({offset for offset, _, _ in found}), [offset for offset, _, _ in found], "offsets go up")
        for _, key, value in found:
            last[key] = value
    for writer in storm.keyed:
        pending = {}  # the last batch of a partition may be there without an acknowledgement
        for sent in writer.sent:
            for key, value in sent[-5:]:
                pending.setdefault(key, set()).add(value)
        for key, value in writer.last.items():
            check(last.get(key) == value or last.get(key) in pending.get(key, ()), True,
                  f"last value of {key}: {str(last.get(key))[:40]}, acknowledged {str(value)[:40]}")


def verify_transactions(storm, connection):
    found = [[value for _, _, value in read(connection, "txn", partition, True)[0]] for partition in range(PARTITIONS)]
    there = [set(values) for values in found]
    check([len(values) for values in found], [len(values) for values in there], "records once each")
    for transactor in storm.transactors:
        for partition, value in (item for written in transactor.committed for item in written):
            check(value in there[partition], True, f"committed {value[:20]} is there")
        for partition, value in (item for written in transactor.aborted for item in written):
            check(value in there[partition], False, f"aborted {value[:20]} is there")
        for written in transactor.unknown:
            seen = {value in there[partition] for partition, value in written}
            check(len(seen) <= 1, True, f"a transaction is there in part: {written}")


def verify_offsets(storm, connection):
    for committer in storm.committers:
        connection.patiently("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": [committer.group]},
                             lambda answer: [answer["coordinators"][0]["errorCode"]])
        answer = connection.patiently("OffsetFetch", 7, {"groupId": committer.group, "requireStable": False, "topics": [
            {"name": "plain", "partitionIndexes": [0]}]}, transactions.single)
        offset = answer["topics"][0]["partitions"][0]["committedOffset"]
        check(committer.last <= offset <= committer.offset, True,
              f"offset {offset} of {committer.group}, acknowledged {committer.last}")


def finish_transactions(storm, connection):
    """What was left open is ended by somebody who takes the id."""
    for transactor in storm.transactors:
        connection.patiently("InitProducerId", 5, {"transactionalId": transactor.name, "transactionTimeoutMs": 60000,
                                                   "producerId": -1, "producerEpoch": -1}, transactions.single)

    def ended():
        answer = connection.ask("ListTransactions", 0, {"stateFilters": [], "producerIdFilters": []})
        return all(item["transactionState"] in ("Empty", "CompleteCommit", "CompleteAbort")
                   for item in answer["transactionStates"])
    harness.wait_for(ended, what="every transaction to end")


def verify(storm):
    connection = transactions.reconnect(storm.broker)
    finish_transactions(storm, connection)
    verify_plain(storm, connection)
    verify_keys(storm, connection)
    verify_transactions(storm, connection)
    verify_offsets(storm, connection)
    connection.close()


def storm(seed, seconds, by_turns):
    one = Storm(seed, seconds, by_turns)
    kept = True
    try:
        one.play()
        verify(one)
        one.broker.kill()
        one.broker = one.ours
        one.broker.start()
        verify(one)
        one.broker.end_in_order()
        status, out, err = one.broker.tool("scrub", "--log-dirs", ",".join(map(one.directory, range(DIRECTORIES))))
        check(status, 0, f"scrub says {out[-500:]} {err[-500:]}")
        print(f"     seed {seed}: {sum(len(a) for w in one.plain + one.keyed for a in w.acknowledged)} records, "
              f"{sum(len(t.committed) for t in one.transactors)} transactions committed, "
              f"{sum(len(t.aborted) for t in one.transactors)} aborted", flush=True)
        kept = False
    finally:
        if kept and KEEP:
            one.broker.stop()
            print(f"     kept: {one.broker.directory}", flush=True)
        else:
            one.broker.remove()


KEEP = False

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-1")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--by-turns", action="store_true", help="Apache Kafka takes turns with barnabas")
    parser.add_argument("--keep", action="store_true", help="keep the directory of what fails")
    options = parser.parse_args()
    KEEP = options.keep
    first, _, last = options.seeds.partition("-")
    harness.run([(f"storm__seed_{seed}", lambda seed=seed: storm(seed, options.seconds, options.by_turns))
                 for seed in range(int(first), int(last or first) + 1)])
