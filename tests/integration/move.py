#!/usr/bin/env python3
"""Partitions that move between log directories (AlterReplicaLogDirs), written and read meanwhile.

The node and its directories m, a and b are those of faults.py.
"""
import contextlib
import functools
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

import harness
import wirecodec as wire
from faults import Node, check

ALTER_REPLICA_LOG_DIRS, DESCRIBE_LOG_DIRS = 34, 35
UNKNOWN_TOPIC, INVALID_TOPIC, LOG_DIR_NOT_FOUND, STORAGE_ERROR = 3, 17, 57, 56
SECONDS = harness.PATIENCE_SECONDS
# The records of the codec are years old.
KEPT = [("segment.bytes", "1048576"), ("retention.ms", "-1")]


@contextlib.contextmanager
def moving_node(shards=1):
    root = tempfile.mkdtemp(prefix="barnabas-move-")
    node = Node(root)
    try:
        node.format()
        text = node.properties.read_text().replace("barnabas.shards=1", f"barnabas.shards={shards}")
        node.properties.write_text(text + "log.segment.delete.delay.ms=100\n"
                                   "log.cleaner.backoff.ms=100\nlog.initial.task.delay.ms=100\n")
        yield node.start()
        check(node.stop(), 0, f"the exit status: {node.log()[-2000:]}")
    finally:
        if node.process is not None:
            node.process.kill()
            node.process.wait()
        shutil.rmtree(root, ignore_errors=True)


def ask_move(client, path, topic="t", partition=0):
    """The error of the partition."""
    body = wire.array([wire.string(str(path)) + wire.array(
        [wire.string(topic) + wire.array([struct.pack(">i", partition)])])])
    reader = client.ask(ALTER_REPLICA_LOG_DIRS, body, 1)
    reader.take("i")
    (found,) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take("ih"))))
    check((found[0], len(found[1]), found[1][0][0]), (topic, 1, partition), "the answer")
    return found[1][0][1]


def describe(client):
    """{(directory, topic, partition): (size, lag, is future)}"""
    reader = client.ask(DESCRIBE_LOG_DIRS, struct.pack(">i", -1), 1)
    reader.take("i")
    found = {}
    for _ in range(reader.take("i")):
        error, folder = reader.take("h"), reader.string()
        check(error, 0, f"the error of {folder}")
        for _ in range(reader.take("i")):
            topic = reader.string()
            for _ in range(reader.take("i")):
                partition, size, lag, future = reader.take("iqq?")
                found[folder.rsplit("/", 1)[1], topic, partition] = (size, lag, future)
    return found


def await_place(node, name, topic="t", partition=0, seconds=SECONDS):
    """Until the partition lies in that directory and nowhere else, also after what is removed."""
    def there():
        folders = [path.name for other in "mab" for path in node.path(other).glob(f"{topic}-*")]
        return folders == [f"{topic}-{partition}"] and node.path(f"{name}/{folders[0]}").is_dir()
    harness.wait_for(there, seconds, f"{topic}-{partition} to be in {name} alone")


def values_from(client, topic="t"):
    """Every record from the start, as (offset, value)."""
    found, offset = [], 0
    end = client.list_offset(topic, -1)[2]
    while offset < end:
        code, _, records = client.fetch([(topic, 0, offset)])[2][topic, 0]
        check(code, 0, f"a fetch at {offset}")
        before = offset
        for base, count in wire.values_of(records):
            found += range(base, base + count)
            offset = base + count
        if offset == before:
            raise AssertionError(f"nothing at {offset}, and the end is {end}")
    return found


class Writer(threading.Thread):
    """One idempotent producer; each batch is sent twice, and must be appended once."""

    def __init__(self, node, pause=0.0):
        super().__init__()
        self.node, self.pause, self.stopping = node, threading.Event(), False
        self.wait_seconds = pause
        self.acknowledged, self.why = 0, None

    def run(self):
        try:
            with self.node.connect() as client:
                producer = client.producer_id()
                while not self.stopping:
                    records = wire.batch([b"x" * 50] * 5, *producer, self.acknowledged)
                    first, again = client.produce("t", records), client.produce("t", records)
                    check((first, again), ((0, self.acknowledged),) * 2, "the same batch twice")
                    self.acknowledged += 5
                    self.pause.wait(self.wait_seconds)
        except Exception as why:  # told by finish
            self.why = why

    def finish(self):
        self.stopping = True
        self.join(SECONDS)
        if self.why:
            raise self.why
        return self.acknowledged


class Reader(threading.Thread):
    """Follows the end; every offset comes once and in order."""

    def __init__(self, node):
        super().__init__()
        self.node, self.end, self.position, self.why = node, None, 0, None

    def run(self):
        try:
            with self.node.connect() as client:
                while self.end is None or self.position < self.end:
                    found = client.fetch([("t", 0, self.position)], max_wait=50)[2]
                    code, _, records = found["t", 0]
                    check(code, 0, "a fetch")
                    for base, count in wire.values_of(records):
                        check(base <= self.position < base + count, True,
                              f"[{base}, {base + count}) at {self.position}")
                        self.position = base + count
        except Exception as why:  # told by finish
            self.why = why

    def finish(self, end):
        self.end = end
        self.join(SECONDS)
        if self.why:
            raise self.why
        check(self.position, end, "the end of the reader")


def moves_while_written_and_read(shards):
    with moving_node(shards) as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        writer, reader = Writer(node), Reader(node)
        writer.start(), reader.start()
        for name in "abmbam":
            check(ask_move(client, node.path(name)), 0, "the error of a move")
            await_place(node, name)
        count = writer.finish()
        reader.finish(count)
        check(values_from(client), list(range(count)), "the records")
        check(describe(client)["m", "t", 0][1:], (0, False), "what is described")
        for kill in (False, True):
            node.stop(kill)
            node.start()
            with node.connect() as again:
                again.await_leaders("t", 1)
                check(values_from(again), list(range(count)), "the records after a start")


def a_start_goes_on_with_a_move(kill):
    """Ended while a large partition is copied, which goes slowly until then: the copy is made anew, and the move ends.
    An end in order leaves nothing that is not synced in a directory that says so."""
    import cordon  # which is made of this one
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        (name,) = node.place(partitions=1)
        other = "b" if name == "a" else "a"
        body = wire.batch([b"x" * 100000] * 9)
        for _ in range(120):
            client.produce("t", body)
        check(cordon.alter(client, "1000000", cordon.RATE, broker=""), 0, "a low rate")
        check(ask_move(client, node.path(other)), 0, "the error of a move")
        harness.wait_for(lambda: any(node.path(other).glob("t-0.*-future")), SECONDS, "a copy")
        check(harness.wait_for(lambda: describe(client).get((other, "t", 0)), SECONDS, "the copy to be described")[2],
              True, "whether the copy is described as one")
        harness.wait_for(lambda: describe(client)[other, "t", 0][0], SECONDS, "some of it to be copied")
        check(node.stop(kill=kill) == 0, not kill, "the exit status")
        (copy,) = node.path(other).glob("t-0.*-future")
        if not kill:
            check([path.stat().st_size for path in copy.glob("*.log")], [0], "the sizes of what is copied")
            check((copy / "leader-epoch-checkpoint").read_text(), "0\n0\n", "its epochs")
        node.start()
        with node.connect() as again:
            check(cordon.alter(again, None, cordon.RATE, 1, ""), 0, "no rate any more")
            await_place(node, other)
            again.await_leaders("t", 1)
            check(values_from(again), list(range(1080)), "the records")


def a_move_that_nearly_ended_is_ended():
    """Both directories are there, and the one with the mark is the old one: it goes."""
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        client.produce("t", wire.batch([b"a", b"b"]))
        (name,) = node.place(partitions=1)
        other = "b" if name == "a" else "a"
        node.stop()
        shutil.copytree(node.path(f"{name}/t-0"), node.path(f"{other}/t-0"))
        node.path(f"{name}/t-0/.barnabas_moved").write_text("")
        node.start()
        await_place(node, other)
        with node.connect() as again:
            again.await_leaders("t", 1)
            check(values_from(again), [0, 1], "the records")
        node.stop()
        node.path(f"{other}/t-0/.barnabas_moved").write_text("")
        node.start()
        await_place(node, other)
        check(node.path(f"{other}/t-0/.barnabas_moved").exists(), False, "a mark by itself")


def told_directories(node):
    """{(topic id, partition): directory id} as the metadata log ends, and how many records say it."""
    files = ",".join(str(path) for path in sorted(node.path("m/__cluster_metadata-0").glob("*.log")))
    done = subprocess.run([harness.BINARY, "dump-log", "--cluster-metadata-decoder", "--files", files],
                          capture_output=True, text=True, check=True)
    found, count = {}, 0
    for line in re.findall(r'payload: (\{"type":"PARTITION_(?:CHANGE_)?RECORD".*\})$', done.stdout, re.M):
        data = json.loads(line)["data"]
        if "directories" in data:
            found[data["topicId"], data["partitionId"]] = data["directories"]
            count += 1
    return found, count


def directory_id(node, name):
    return re.search(r"directory.id=(\S+)", node.path(f"{name}/meta.properties").read_text())[1]


def the_controller_is_told_where_partitions_lie(shards):
    """Of new ones, and of those that an administrator has carried elsewhere while the node was down; once."""
    with moving_node(shards) as node, node.connect() as client:
        client.create_topic("t", 6)
        ids = {name: directory_id(node, name) for name in "mab"}

        def wanted():
            return sorted((part, ids[name]) for name in "mab" for part in range(6)
                          if node.path(f"{name}/t-{part}").exists())

        def told():
            return sorted((part, names[0]) for (_, part), names in told_directories(node)[0].items())
        harness.wait_for(lambda: told() == wanted(), SECONDS, "the directories of new partitions")
        check(len({place for _, place in wanted()}), 3, "directories with partitions")
        _, before = told_directories(node)
        node.stop()
        (name,) = [name for name in "mab" if node.path(f"{name}/t-0").exists()]
        other = "b" if name == "a" else "a"
        shutil.move(node.path(f"{name}/t-0"), node.path(f"{other}/t-0"))
        node.start()
        harness.wait_for(lambda: told() == wanted(), SECONDS, "the directory of the one that was carried")
        check(told_directories(node)[1], before + 1, "records that say it")


def refuses_what_cannot_be_moved():
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        check(ask_move(client, "/nowhere"), LOG_DIR_NOT_FOUND, "an unknown directory")
        check(ask_move(client, node.path("a"), "unknown"), UNKNOWN_TOPIC, "an unknown topic")
        check(ask_move(client, node.path("a"), "t", 7), UNKNOWN_TOPIC, "an unknown partition")
        (name,) = node.place(partitions=1)
        check(ask_move(client, node.path(name)), 0, "where it is already")
        check(node.place(partitions=1), {name: 0}, "its place")


def a_name_too_long_for_a_copy_is_refused():
    """The copy of a partition has a longer name than it. The last that fits moves, and no directory suffers."""
    with moving_node() as node, node.connect() as client:
        for size, error in ((213, 0), (214, INVALID_TOPIC), (249, INVALID_TOPIC)):
            topic = "n" * size
            client.create_topic(topic, configs=KEPT)
            places = {name for name in "mab" if node.path(f"{name}/{topic}-0").is_dir()}
            other = min(set("mab") - places)
            check(ask_move(client, node.path(other), topic), error, f"the error of a move of {size} bytes")
            if error == 0:
                await_place(node, other, topic)
        check(ask_move(client, "/nowhere", "n" * 249), INVALID_TOPIC, "an unknown directory, too")
        check({name for name, *_ in describe(client)}, set("mab"), "directories that serve")


def a_topic_that_goes_takes_its_copy_along():
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        (name,) = node.place(partitions=1)
        body = wire.batch([b"x" * 100000] * 9)
        for _ in range(60):
            client.produce("t", body)
        check(ask_move(client, node.path("b" if name == "a" else "a")), 0, "the error of a move")
        body = wire.array([wire.string("t")]) + struct.pack(">i", 10000)
        client.ask(wire.DELETE_TOPICS, body, 3)
        harness.wait_for(lambda: not any(any(node.path(other).glob("t-*")) for other in "mab"),
                         SECONDS, "all of it to be gone")


def compaction_goes_on_after_a_move():
    """What was compacted stays so, and the other directory's checkpoint says how far."""
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=[
            ("cleanup.policy", "compact"), ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.01")])
        (name,) = node.place(partitions=1)
        other = "b" if name == "a" else "a"
        record = wire.record(0, b"x" * 50000, b"key")

        def batch():
            body = struct.pack(">hiqqqhii", 0, 0, 1700000000000, 1700000000000, -1, -1, -1, 1)
            tail = struct.pack(">ibI", -1, 2, wire.crc32c(body + record)) + body + record
            return struct.pack(">qi", 0, len(tail)) + tail
        sent = batch()

        def write_and_await(folder, above):
            for _ in range(60):
                check(client.produce("t", sent)[0], 0, "an error of produce")
            path = node.path(f"{folder}/cleaner-offset-checkpoint")

            def cleaned():
                lines = path.read_text().split("\n") if path.exists() else []
                offset = max((int(line.split()[2]) for line in lines if line.startswith("t 0 ")),
                             default=0)
                return offset if offset > above else None
            return harness.wait_for(cleaned, SECONDS, "the compaction")
        offset = write_and_await(name, 0)
        check(ask_move(client, node.path(other)), 0, "the error of a move")
        await_place(node, other)
        check(write_and_await(other, offset) > offset, True, "what is clean")
        size = describe(client)[other, "t", 0][0]
        check(size < 5 << 20, True, f"the size of what is left, {size},")


def retention_takes_everything_on_the_way():
    """The copy has what the log has not any more, and begins anew where the log does."""
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=[("segment.bytes", "1048576")])
        for name in "abm":
            for _ in range(30):
                check(client.produce("t", wire.batch([b"x" * 100000] * 9))[0], 0, "an error")
            check(ask_move(client, node.path(name)), 0, "the error of a move")
            await_place(node, name)
        end = client.list_offset("t", -1)[2]
        check((client.list_offset("t", -2)[2] <= end, end), (True, 810), "the offsets")


def a_log_that_starts_inside_a_batch_moves():
    """Its first batch is copied whole, though half of its records are deleted; its last one, too."""
    with moving_node() as node, node.connect() as client:
        for offset in (5, 15):
            topic = f"from-{offset}"
            client.create_topic(topic, configs=KEPT)
            for _ in range(2):
                check(client.produce(topic, wire.batch([b"x"] * 10))[0], 0, "an error")
            body = wire.array([wire.string(topic) + wire.array([struct.pack(">iq", 0, offset)])])
            client.ask(wire.DELETE_RECORDS, body + struct.pack(">i", SECONDS * 1000))
            check(client.list_offset(topic, -2)[2], offset, "the start")
            for name in "abm":
                check(ask_move(client, node.path(name), topic), 0, "the error of a move")
                await_place(node, name, topic)
                check((client.list_offset(topic, -2)[2], client.list_offset(topic, -1)[2]), (offset, 20), "the offsets")


def apache_kafka_finds_it_where_it_went():
    jars = f"{harness.peer('java') / 'lib'}/*"
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", configs=KEPT)
        client.produce("t", wire.batch([b"a", b"b"]))
        (name,) = node.place(partitions=1)
        other = "b" if name == "a" else "a"
        check(ask_move(client, node.path(other)), 0, "the error of a move")
        await_place(node, other)
        node.stop()
        with open(node.path("apache"), "wb") as output:
            node.process = subprocess.Popen(
                ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.Kafka",
                 str(node.properties)], stdout=output, stderr=output)

        def served():
            try:
                with node.connect() as again:
                    return again.fetch([("t", 0, 0)])[2]["t", 0][0] == 0 and values_from(again)
            except (OSError, EOFError):
                return None
        check(harness.wait_for(served, harness.START_SECONDS["apache"], "Apache Kafka to serve it"), [0, 1], "the records")
        check(node.place(partitions=1), {other: 0}, "its place")
        node.process.terminate()
        node.process.wait(SECONDS)
        log = node.path("apache").read_text(errors="replace")
        check([line for line in log.split("\n") if " ERROR " in line], [], "errors")
        node.process = None
        node.start()


if __name__ == "__main__":
    cases = [(f"move__{function.__name__}", function) for function in (
        refuses_what_cannot_be_moved, a_name_too_long_for_a_copy_is_refused,
        a_move_that_nearly_ended_is_ended, a_topic_that_goes_takes_its_copy_along,
        compaction_goes_on_after_a_move, retention_takes_everything_on_the_way,
        a_log_that_starts_inside_a_batch_moves,
        apache_kafka_finds_it_where_it_went)]
    cases += [(f"move__a_start_goes_on_with_a_move_after_{end}", functools.partial(a_start_goes_on_with_a_move, kill))
              for end, kill in (("a_kill", True), ("an_end_in_order", False))]
    for count in (1, 3):
        cases.append((f"move__the_controller_is_told_where_partitions_lie_with_{count}_shards",
                      functools.partial(the_controller_is_told_where_partitions_lie, count)))
        cases.append((f"move__moves_while_written_and_read_with_{count}_shards",
                      functools.partial(moves_while_written_and_read, count)))
    words = sys.argv[1:]
    harness.run([case for case in cases if not words or any(word in case[0] for word in words)])
