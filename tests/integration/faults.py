#!/usr/bin/env python3
"""Disks that are full, fail, are read-only, gone, or hold what nobody wrote: real processes.

A node has three log directories: m with the metadata, a and b. The topic of a case has one partition
in each. Whatever happens to b, what a holds is served on, and what was acknowledged in b is there
again once the directory is. Rows are those of the list of faults that systems of this kind had."""
import contextlib
import os
import pathlib
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import harness
import wirecodec as wire
from wirecodec import Connection, array, batch, string

CORRUPT_MESSAGE, LEADER_NOT_AVAILABLE, NOT_LEADER, STORAGE_ERROR = 2, 5, 6, 56
DESCRIBE_LOG_DIRS = 35
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
EIO, ENOSPC = 5, 28
HERE = pathlib.Path(__file__).resolve().parent
SECONDS = harness.PATIENCE_SECONDS
DAMAGES_A_FILE = 4
# Whose damage may stop the node, with one line: who we are, and what the cluster is.
MAY_REFUSE = re.compile(r"m/(meta\.properties|__cluster_metadata-0/(quorum-state|\d+\.log))|"
                        r"[ab]/meta\.properties")
# Whose damage may cost records, as it does for Apache Kafka: the records themselves (from there on),
# where a log begins, of which topic it is, and which topics there are.
MAY_LOSE = re.compile(r"t-\d/\d+\.log|log-start-offset-checkpoint|partition\.metadata|"
                      r"m/__cluster_metadata-0/\d+\.log|[ab]/meta\.properties")


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.300}, expected {wanted!r:.300}")


class Node:
    """A broker on the directories m, a and b of a folder."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.port, self.controller_port = harness.free_port(), harness.free_port()
        self.properties = self.root / "server.properties"
        self.control = self.root / "control"
        self.process = self.preload = None

    def path(self, name):
        return self.root / name

    def format(self, names="mab", cluster=CLUSTER, node=1):
        self.properties.write_text("\n".join([
            "process.roles=broker,controller", f"node.id={node}",
            "log.dirs=" + ",".join(str(self.path(name)) for name in names),
            f"metadata.log.dir={self.path(names[0])}",
            f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_port}",
            "controller.listener.names=CONTROLLER", "barnabas.shards=1",
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},"
            f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "log.segment.bytes=1048576", "log.index.interval.bytes=64"]) + "\n")
        done = subprocess.run([harness.BINARY, "storage", "format", "--standalone", "-t", cluster,
                               "-c", str(self.properties)], capture_output=True, text=True)
        check(done.returncode, 0, f"format: {done.stderr}")

    def _launch(self):
        environment = dict(os.environ)
        if self.preload:
            environment.update(LD_PRELOAD=str(self.preload), FAULTS_CONTROL=str(self.control),
                               ASAN_OPTIONS="verify_asan_link_order=0")
        self.errors = open(self.path("errors"), "a+")
        self.process = subprocess.Popen(
            [harness.BINARY, "server-start", str(self.properties)], stdout=subprocess.PIPE,
            stderr=self.errors, text=True, env=environment)

    def ready_line(self):
        """What it prints first; nothing when it does not within the time, or ends."""
        readable, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        return self.process.stdout.readline() if readable else ""

    def start(self):
        self._launch()
        line = self.ready_line()
        if "ready" not in line:
            raise AssertionError(f"it does not start: {self.log()[-2000:]}")
        return self

    def refused(self):
        """The lines of a start that must fail."""
        self._launch()
        status = self.process.wait(SECONDS)
        self.process.stdout.close()
        check(status, 1, f"exit status ({self.log()[-500:]})")
        return self.log().splitlines()

    def log(self):
        return self.path("errors").read_text(errors="replace")

    def fail(self, call, part, number=EIO, times=1):
        """From now on so many calls on files whose path has that part fail."""
        fresh = self.path("control.new")
        fresh.write_text(f"{call} {part} {number} {times}\n")
        fresh.rename(self.control)

    def stop(self, kill=False):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        status = self.process.wait(SECONDS)
        self.process.stdout.close()
        self.process = None
        self.errors.close()
        self.control.unlink(missing_ok=True)
        if harness.SANITIZER.search(self.log()):
            raise AssertionError(self.log()[-3000:])
        return status

    def connect(self):
        return Connection(self.port)

    def place(self, topic="t", partitions=3):
        """Which partition lies in which directory."""
        return {name: partition for name in "mab" for partition in range(partitions)
                if self.path(f"{name}/{topic}-{partition}").is_dir()}


@contextlib.contextmanager
def node(mount=None, preload=False):
    """A formatted node; mount: b is a tmpfs of that many bytes; preload: with calls that fail."""
    if harness.PEER != "barnabas" or harness.BOOTSTRAP:
        raise harness.Skip("concerns our own broker")
    root = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-faults-"))
    made = Node(root)
    mounted = False
    try:
        if mount:
            (root / "b").mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mount}", "tmpfs",
                                   str(root / "b")], capture_output=True, text=True)
            if done.returncode != 0:
                raise harness.Skip(f"mounting is not permitted: {done.stderr.strip()[:100]}")
            mounted = True
        made.format()
        if preload:
            build_preload(made)
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait()
            made.process.stdout.close()
        if mounted:
            subprocess.run(["umount", "-l", str(root / "b")], capture_output=True)
        shutil.rmtree(root, ignore_errors=True)


def build_preload(made):
    library = made.path("preload.so")
    done = subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", str(library),
                           str(HERE / "faults" / "preload.c"), "-ldl"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise harness.Skip(f"no C compiler: {done.stderr.strip()[:100]}")
    made.preload = library


def damages(size, random):
    """Places of a file to flip a bit at, and to cut at (negative)."""
    if size == 0:
        return []
    bits = sorted(random.sample(range(size * 8), min(DAMAGES_A_FILE, size * 8)))
    return [(bit // 8, bit % 8) for bit in bits] + [(random.randrange(size), -1)]


def spoil(path, at, bit):
    content = bytearray(path.read_bytes())
    if bit < 0:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    path.write_bytes(content)


def create(connection, configs=()):
    connection.create_topic("t", 3, configs)


def values_in(records):
    """(offset, value) of each record of uncompressed batches whose CRC holds."""
    found = []
    while len(records) >= 61:
        base, size = struct.unpack(">qi", records[:12])
        whole = records[:12 + size]
        if size < 49 or len(records) < 12 + size:
            break
        if wire.crc32c(whole[21:]) == struct.unpack(">I", whole[17:21])[0]:
            reader = wire.Reader(whole[61:])
            for _ in range(struct.unpack(">i", whole[57:61])[0]):
                found.append(_record(reader, base))
        records = records[12 + size:]
    return found


def _varint(reader):
    value = shift = 0
    while True:
        byte = reader.take("B")
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value >> 1 ^ -(value & 1)


def _record(reader, base):
    end = _varint(reader) + reader.at
    reader.take("b"), _varint(reader)
    delta = _varint(reader)
    key_size = _varint(reader)
    reader.at += max(key_size, 0)
    size = _varint(reader)
    value = reader.data[reader.at:reader.at + size]
    reader.at = end
    return base + delta, value


def read_partition(connection, partition, start=0):
    """Everything from an offset on: ({offset: value}, error code at the end)."""
    found, offset = {}, start
    while True:
        _, _, answer = connection.fetch([("t", partition, offset)])
        code, high, records = answer["t", partition]
        got = values_in(records)
        if code != 0 or not got or got[-1][0] < offset:
            return found, code
        found.update(got)
        offset = got[-1][0] + 1


def fill(connection, partition, count, size=100, start=0):
    """Produces and returns what was acknowledged."""
    kept = {}
    for i in range(start, start + count):
        value = f"{partition}-{i}-".encode().ljust(size, b"x")
        error, base = connection.produce("t", batch([value]), partition)
        check(error, 0, f"produce {i} to {partition}")
        kept[base] = value
    return kept


@contextlib.contextmanager
def serving(made, configs=()):
    """Starts it and makes the topic: a connection, and which partition lies in which directory."""
    made.start()
    with made.connect() as connection:
        create(connection, configs)
        yield connection, made.place()


def starts_with(made, kept):
    """Starts, finds what was acknowledged in each partition and takes more, and ends in order."""
    made.start()
    with made.connect() as connection:
        for partition, values in kept.items():
            check(leader_of(connection, partition)[:2], (0, 1), "its leader")
            check(read_partition(connection, partition), (values, 0), "what was acknowledged")
            fill(connection, partition, 3, start=1000)
    check(made.stop(), 0, "exit status")


def others_serve(connection, places):
    for name in "ma":
        error, _ = connection.produce("t", batch([b"still"]), places[name])
        check(error, 0, f"a produce to {name}")


def until_storage_error(connection, partition, size=20000, tries=500):
    """Produces until the disk refuses; what was acknowledged before."""
    kept = {}
    for i in range(tries):
        value = f"big-{i}-".encode().ljust(size, b"y")
        error, base = connection.produce("t", batch([value]), partition)
        if error:
            check(error, STORAGE_ERROR, "the error of a full disk")
            return kept
        kept[base] = value
    raise AssertionError("the disk never filled up")


def leader_of(connection, partition):
    """What Metadata says of it: (error, leader, leader epoch, ISR, offline replicas)."""
    reader = connection.ask(wire.METADATA, array([string("t")]) + b"\0", version=7)
    reader.take("i")
    reader.array(lambda: (reader.take("i"), reader.string(), reader.take("i"), reader.string()))
    reader.string(), reader.take("i")
    reader.take("i"), reader.take("h"), reader.string(), reader.take("b")
    found = {}
    for _ in range(reader.take("i")):
        error, index, leader, epoch = (reader.take(form) for form in "hiii")
        ids = [reader.array(lambda: reader.take("i")) for _ in range(3)]
        found[index] = (error, leader, epoch, ids[1], ids[2])
    return found[partition]


def offline_answers(connection, partition, error=STORAGE_ERROR):
    """A partition in a directory that failed, or was missing at the start: NOT_LEADER_OR_FOLLOWER."""
    check(connection.produce("t", batch([b"x"]), partition)[0], error, "a produce")
    check(connection.fetch([("t", partition, 0)])[2]["t", partition][0], error, "a fetch")
    check(connection.list_offset("t", -1, partition)[0], error, "ListOffsets")
    harness.wait_for(lambda: leader_of(connection, partition) == (LEADER_NOT_AVAILABLE, -1, 1, [], [1]),
                     SECONDS, "that nobody leads it")


def disk_full_takes_one_directory_offline_and_room_brings_it_back():
    """Rows 18 and 31: ENOSPC on append."""
    with node(mount="3m") as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 20)
            filler = made.path("b/filler")
            filler.write_bytes(bytes(2 << 20))
            kept.update(until_storage_error(connection, places["b"]))
            offline_answers(connection, places["b"])
            others_serve(connection, places)
        status, out, _ = harness.Broker.tool(made, "log-dirs", "--describe", "--bootstrap-server",
                                             f"127.0.0.1:{made.port}")
        check((status, "STORAGE_ERROR" in out.upper() or "KafkaStorageException" in out),
              (0, True), f"log-dirs tells: {out[-500:]}")
        check(made.log().count("its partitions are offline"), 1, "one line says so")
        check(made.stop(), 0, "exit status")
        check(made.path("b/.kafka_cleanshutdown").exists(), False, "b was not closed in order")
        filler.unlink()
        starts_with(made, {places["b"]: kept})


def disk_full_at_the_start_leaves_the_others_and_room_brings_it_back():
    """Row 18: an error of the storage that passes is not the end of the node."""
    with node(mount="3m") as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 20)
        made.stop(kill=True)
        for name in os.listdir(made.path(f"b/t-{places['b']}")):
            if name.endswith("index"):
                made.path(f"b/t-{places['b']}/{name}").unlink()
        made.path("b/.barnabas_boot").unlink()
        with contextlib.suppress(OSError), open(made.path("b/filler"), "wb", 0) as filler:
            while True:
                filler.write(bytes(4096))
        made.start()
        with made.connect() as connection:
            others_serve(connection, places)
            code = connection.fetch([("t", places["b"], 0)])[2]["t", places["b"]][0]
            check(code in (0, STORAGE_ERROR), True, f"error {code}")
        check(made.stop(), 0, "exit status")
        made.path("b/filler").unlink()
        starts_with(made, {places["b"]: kept})


def a_failed_sync_is_not_tried_again_as_if_it_had_worked():
    """Rows 17 and 31: the second fsync succeeds, and means nothing."""
    with node(preload=True) as made:
        with serving(made, [("flush.messages", "1")]) as (connection, places):
            kept = fill(connection, places["b"], 20)
            made.fail("sync", f"/b/t-{places['b']}/")
            check(connection.produce("t", batch([b"lost"]), places["b"])[0], STORAGE_ERROR,
                  "the produce whose sync failed")
            offline_answers(connection, places["b"])
            others_serve(connection, places)
        check(made.stop(), 0, "exit status")
        check(made.path("b/.kafka_cleanshutdown").exists(), False, "b was not closed in order")
        check(made.path("b/.barnabas_boot").exists(), False, "what is in memory is not trusted")
        check(made.path("a/.kafka_cleanshutdown").exists(), True, "a was closed in order")
        made.start()
        with made.connect() as connection:
            found, code = read_partition(connection, places["b"])
            check((code, {at: found.get(at) for at in kept}), (0, kept), "what was acknowledged")
        check(made.stop(), 0, "exit status")


def a_failed_sync_at_the_end_leaves_no_mark_of_a_clean_one():
    """Row 31: EIO while the logs are closed."""
    with node(preload=True) as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 5)
        made.fail("sync", f"/b/t-{places['b']}/")
        check(made.stop(), 0, "exit status")
        check(made.path("b/.kafka_cleanshutdown").exists(), False, "b was not closed in order")
        starts_with(made, {places["b"]: kept})


def a_failed_write_takes_the_directory_offline():
    """Row 31: EIO on append; what was written before stays."""
    with node(preload=True) as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 20)
            made.fail("write", f"/b/t-{places['b']}/")
            check(connection.produce("t", batch([b"x"]), places["b"])[0], STORAGE_ERROR, "produce")
            offline_answers(connection, places["b"])
            others_serve(connection, places)
        check(made.stop(), 0, "exit status")
        starts_with(made, {places["b"]: kept})


def a_checkpoint_that_cannot_be_written_takes_the_directory_offline():
    with node(preload=True) as made:
        with open(made.properties, "a") as file:
            file.write("log.flush.offset.checkpoint.interval.ms=100\nlog.initial.task.delay.ms=10\n")
        with serving(made) as (connection, places):
            made.fail("write", "/b/recovery-point-offset-checkpoint", ENOSPC)
            fill(connection, places["b"], 1)
            harness.wait_for(lambda: "its partitions are offline" in made.log(), SECONDS,
                             "the directory to be offline")
            offline_answers(connection, places["b"])
            others_serve(connection, places)
        check(made.stop(), 0, "exit status")


def a_failed_metadata_directory_ends_the_node_with_a_line():
    with node() as made:
        for call in ("sync", "write"):
            build_preload(made)
            made.control.unlink(missing_ok=True)
            made.path("errors").write_text("")
            made.start()
            with made.connect() as connection:
                made.fail(call, "/m/__cluster_metadata-0/")
                with contextlib.suppress(EOFError, OSError, AssertionError):
                    connection.create_topic(f"{call}-fails")
            check(made.process.wait(SECONDS), 1, "exit status")
            made.process.stdout.close()
            lines = [line for line in made.log().splitlines() if line.startswith("barnabas: ")]
            check((len(lines), "metadata log" in lines[0]), (1, True), f"one line: {lines}")
        made.preload = None
        made.start()
        made.stop()


def a_failed_log_beside_the_metadata_ends_the_node():
    """As Apache Kafka: a broker whose metadata directory failed cannot go on."""
    with node(preload=True) as made:
        with serving(made) as (connection, places):
            made.fail("write", f"/m/t-{places['m']}/")
            with contextlib.suppress(EOFError, OSError):
                connection.produce("t", batch([b"x"]), places["m"])
        check(made.process.wait(SECONDS), 1, "exit status")
        check("the metadata log directory" in made.log(), True, made.log())


def a_read_only_remount_takes_the_directory_offline():
    """Row 31."""
    with node(mount="8m") as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 20)
            made.stop()
            remount = ["mount", "-o", "remount,ro", str(made.path("b"))]
            check(subprocess.run(remount, capture_output=True).returncode, 0, "remount")
        made.start()
        with made.connect() as connection:
            offline_answers(connection, places["b"], NOT_LEADER)
            others_serve(connection, places)
        check(made.stop(), 0, "exit status")
        remount[2] = "remount,rw"
        check(subprocess.run(remount, capture_output=True).returncode, 0, "remount")
        starts_with(made, {places["b"]: kept})


def _without_b(spoil, mend):
    with node() as made:
        with serving(made) as (connection, places):
            kept = fill(connection, places["b"], 5)
        made.stop()
        spoil(made.path("b"))
        made.start()
        with made.connect() as connection:
            offline_answers(connection, places["b"], NOT_LEADER)
            others_serve(connection, places)
            connection.create_topic("new", 2)
            for partition in range(2):
                check(connection.produce("new", batch([b"x"]), partition)[0], 0, "a new topic")
        check(made.stop(), 0, "exit status")
        check(len(made.place()), 3 if made.path("b").is_dir() else 2, "nothing stands in for it")
        mend(made.path("b"))
        starts_with(made, {places["b"]: kept})


def a_directory_that_is_a_file_is_left_out():
    def spoil(path):
        path.rename(path.with_name("away"))
        path.write_text("no directory")

    def mend(path):
        path.unlink()
        path.with_name("away").rename(path)

    _without_b(spoil, mend)


def a_directory_with_damaged_properties_is_left_out():
    def spoil(path):
        shutil.copy(path / "meta.properties", path.with_name("properties"))
        (path / "meta.properties").write_text("version=1\n")

    _without_b(spoil, lambda path: shutil.copy(path.with_name("properties"),
                                               path / "meta.properties"))


def an_unreadable_directory_is_left_out():
    if os.geteuid() == 0:
        raise harness.Skip("root may read everything")
    _without_b(lambda path: path.chmod(0), lambda path: path.chmod(0o755))


def a_directory_that_is_gone_or_not_formatted_refuses_the_start():
    with node() as made:
        made.start()
        made.stop()
        for spoil in (lambda: made.path("b").rename(made.path("away")),
                      lambda: made.path("b").mkdir()):
            spoil()
            made.path("errors").write_text("")
            lines = made.refused()
            check((len(lines), "meta.properties" in lines[0] and "/b" in lines[0]), (1, True),
                  f"one line: {lines}")


def a_directory_of_another_cluster_or_node_refuses_the_start():
    with node() as made:
        text = made.path("b/meta.properties").read_text()
        for before, after in ((CLUSTER, "AAAAAAAAAAAAAAAAAAAAAQ"), ("node.id=1", "node.id=2")):
            made.path("b/meta.properties").write_text(text.replace(before, after))
            made.path("errors").write_text("")
            lines = made.refused()
            check((len(lines), "belongs to" in lines[0]), (1, True), f"one line: {lines}")


def a_directory_that_is_not_named_any_more_keeps_its_partitions():
    """No empty log in another directory passes for what lies there: nobody leads it until the directory is named
    again, and then all of it is there."""
    with node() as made:
        named = made.properties.read_text()
        with serving(made) as (connection, places):
            kept = {partition: fill(connection, partition, 3) for partition in range(3)}
        check(made.stop(), 0, "exit status")
        b = made.path("b")
        for _ in range(2):
            made.properties.write_text(named.replace(f",{b}\n", "\n"))
            made.start()
            with made.connect() as connection:
                harness.wait_for(lambda: leader_of(connection, places["b"])[1] == -1, SECONDS, "no leader of what b has")
                check(connection.produce("t", batch([b"x"]), places["b"])[0], NOT_LEADER, "a record for it")
                for name in "ma":
                    check(read_partition(connection, places[name])[0], kept[places[name]], f"the records in {name}")
            check(made.stop(), 0, "exit status")
            check([path.name for name in "ma" for path in made.path(name).glob(f"t-{places['b']}*")], [], "empty logs")
        made.properties.write_text(named)
        starts_with(made, kept)


def metadata_in_another_directory_refuses_the_start():
    """The first of log.dirs has the metadata log unless metadata.log.dir says otherwise. Where the order changes, or
    another one is put in front, a new metadata log would know of no topic, and all partitions would be set aside."""
    with node() as made:
        named = made.properties.read_text().replace(f"metadata.log.dir={made.path('m')}\n", "")
        made.properties.write_text(named)
        with serving(made) as (connection, _):
            kept = {partition: fill(connection, partition, 3) for partition in range(3)}
        check(made.stop(), 0, "exit status")
        before = sorted(str(path) for name in "mab" for path in made.path(name).rglob("*"))
        in_order = ",".join(str(made.path(name)) for name in "mab")
        told = f"barnabas: Found unexpected metadata location in data directory `{made.path('m')}/__cluster_metadata-0` " \
               "(the configured metadata directory is `{}`)."
        made.properties.write_text(named.replace(in_order, ",".join(str(made.path(name)) for name in "amb")))
        check(made.refused()[-1], told.format(made.path("a")), "what is said")
        done = subprocess.run([harness.BINARY, "start", "--directory", str(made.path("new")), "--override",
                               f"log.dirs={made.path('new')},{in_order}"], capture_output=True, text=True, timeout=SECONDS)
        check((done.returncode, done.stderr), (1, told.format(made.path("new")) + "\n"), "of `start`, with a new one")
        check(sorted(str(path) for name in "mab" for path in made.path(name).rglob("*")), before, "files")
        check(made.path("new/meta.properties").exists(), False, "whether the new one is formatted")
        made.properties.write_text(named)
        starts_with(made, kept)


def a_directory_without_the_metadata_leads_nothing():
    """A formatted directory that never was the metadata's has no voters: what Apache Kafka waits in vain for with it
    ends our start, and nothing is set aside."""
    with node() as made:
        named = made.properties.read_text()
        with serving(made) as (connection, _):
            kept = {partition: fill(connection, partition, 3) for partition in range(3)}
        check(made.stop(), 0, "exit status")
        made.properties.write_text(re.sub("log.dirs=.*\n", f"log.dirs={made.path('a')},{made.path('b')}\n",
                                          named.replace(f"metadata.log.dir={made.path('m')}\n", "")))
        check("there are no voters" in made.refused()[-1], True, made.log())
        made.properties.write_text(named)
        starts_with(made, kept)


def two_brokers_on_one_directory():
    with node() as made:
        made.start()
        other = Node(made.root)
        other.control = made.control
        text = made.properties.read_text()
        other.properties = made.root / "other.properties"
        other.properties.write_text(text.replace(str(made.port), str(other.port))
                                    .replace(str(made.controller_port), str(other.controller_port)))
        lines = other.refused()
        other.process = None
        check((len(lines), "another broker uses this directory" in lines[0]), (1, True), lines)
        with made.connect() as connection:
            create(connection)
        check(made.stop(), 0, "exit status")


def what_cannot_be_set_aside_is_never_written_to():
    """A stray directory that could not be renamed at the start was taken for the new topic's of its
    name, whose records were then another topic's at the next start (found by the simulator)."""
    with node(preload=True) as made:
        for number, name in enumerate("mab"): # new partitions go to the emptiest, in this order
            stray = made.path(f"{name}/t-{number}")
            stray.mkdir()
            (stray / "partition.metadata").write_text("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ")
            (stray / f"{0:020d}.log").touch()
        made.fail("rename", "/t-", times=3)
        made.start()
        with made.connect() as connection:
            create(connection)
            kept = [fill(connection, partition, 5) for partition in range(3)]
        made.stop(kill=True)
        starts_with(made, dict(enumerate(kept)))


def _damaged(made, kept, name, at, bit, lost_power):
    """Starts over a data directory of which one file is damaged, and reads everything."""
    what = f"{name} at {at} bit {bit}{' after a loss of power' if lost_power else ''}"
    if lost_power:
        for directory in "mab":
            for mark in (".barnabas_boot", ".kafka_cleanshutdown"):
                made.path(f"{directory}/{mark}").unlink(missing_ok=True)
    if not made.path(name).exists():
        return
    spoil(made.path(name), at, bit)
    made.path("errors").write_text("")
    made._launch()
    line = made.ready_line()
    if "ready" not in line:
        status = made.process.wait(SECONDS)
        made.process.stdout.close()
        told = [line for line in made.log().splitlines() if line.startswith("barnabas: ")]
        check((bool(MAY_REFUSE.search(name)), status, len(told)), (True, 1, 1),
              f"{what}: the end of the start: {made.log()[-300:]}")
        return
    with made.connect() as connection:
        for partition, values in kept.items():
            found, _ = read_partition(connection, partition)
            others = {at: value for at, value in found.items() if values.get(at) != value}
            check(others, {}, f"{what}: records that nobody wrote in {partition}")
            if not MAY_LOSE.search(name):
                check(len(found), len(values), f"{what}: records of {partition}")
    check(made.stop(), 0, f"{what}: exit status: {made.log()[-300:]}")


def any_damaged_file_is_made_good_or_told(seed=1):
    """Row 16: bits flipped and files cut at rest, in every file of a data directory."""
    with node() as made:
        chance = random.Random(seed)
        with open(made.properties, "a") as file:
            file.write("metadata.log.max.record.bytes.between.snapshots=600\n")
        for _ in range(3):  # for snapshots of the metadata
            made.start()
            with made.connect() as connection:
                create(connection)
                producer_id, epoch = connection.producer_id()
                kept = {partition: fill(connection, partition, 10) for partition in range(3)}
                connection.produce("t", batch([b"mine"], producer_id, epoch, 0))
            made.stop()
        made.start()
        with made.connect() as connection:
            kept = {partition: read_partition(connection, partition)[0] for partition in kept}
        check(made.stop(), 0, "exit status")
        good = made.path("good")
        good.mkdir()
        for name in "mab":
            shutil.copytree(made.path(name), good / name)
        files = sorted(str(path.relative_to(good)) for path in good.rglob("*") if path.is_file())
        check(any(".checkpoint" in name and "bootstrap" not in name for name in files), True,
              "there is a snapshot of the metadata")
        for name in files:
            for at, bit in damages((good / name).stat().st_size, chance):
                for directory in "mab":
                    shutil.rmtree(made.path(directory))
                    shutil.copytree(good / directory, made.path(directory))
                _damaged(made, kept, name, at, bit, chance.random() < 0.5)


def a_fetch_does_not_give_a_batch_out_of_order_and_says_so():
    """Row 16: no CRC covers the base offset of a batch; what is damaged at rest must not be read as
    another record, nor answered with nothing for ever."""
    with node() as made, serving(made) as (connection, places):
        kept = fill(connection, places["a"], 3)
        values = sorted(kept.items())
        path = next(made.path("a").glob(f"t-{places['a']}/*.log"))
        size = len(batch([values[0][1]]))

        def fetched(start):
            return read_partition(connection, places["a"], start)

        # Which batch is damaged, the offset that it claims, and who reads up to where.
        for damaged, claims, start, whole in ((0, 1000, 0, 0), (0, -1, 0, 0), (1, 0, 0, 1), (1, 0, 1, 0),
                                              (1, 1000, 1, 0), (2, 1, 0, 2), (2, 1, 2, 0)):
            with open(path, "r+b") as file:
                file.seek(damaged * size)
                file.write(struct.pack(">q", claims))
            check(fetched(start), (dict(values[start:start + whole]), CORRUPT_MESSAGE),
                  f"batch {damaged} that claims offset {claims}, read from {start}")
            with open(path, "r+b") as file:
                file.seek(damaged * size)
                file.write(struct.pack(">q", damaged))
            check(fetched(start), (dict(values[start:]), 0), f"what is mended, from {start}")
        check(made.stop(), 0, "exit status")


def describe_log_dirs(connection, asked):
    """[(topic, partition)] of each directory; asked: (topic, partitions)."""
    body = array([string(topic) + array([struct.pack(">i", part) for part in parts]) for topic, parts in asked])
    reader = connection.ask(DESCRIBE_LOG_DIRS, body, 1)
    reader.take("i")

    def directory():
        reader.take("h")
        name, found = reader.string(), []
        for _ in range(reader.take("i")):
            topic = reader.string()
            found += [(topic, part[0]) for part in reader.array(lambda: reader.take("iqqb"))]
        return pathlib.Path(name).name, found
    return dict(reader.array(directory))


def directories_are_described_of_topics_that_alternate():
    """Row 26: a topic named twice, and between a partition that is in another directory."""
    with node() as made:
        made.start()
        with made.connect() as connection:
            connection.create_topic("one", 60)
            connection.create_topic("two", 3)
            everything = describe_log_dirs(connection, [("one", range(60)), ("two", range(3))])
            for name, found in everything.items():
                mine = [part for topic, part in found if topic == "one"]
                others = [part for part in range(3) if ("two", part) not in found]
                asked = [("one", mine[:1]), ("two", others), ("one", mine[1:])]
                described = describe_log_dirs(connection, asked)
                check(sorted(described[name]), [("one", part) for part in sorted(mine)], f"what {name} has")
                check(sorted(sum(described.values(), [])),
                      sorted([("one", part) for part in mine] + [("two", part) for part in others]), "all")
        check(made.stop(), 0, "exit status")


CASES = (any_damaged_file_is_made_good_or_told,
         directories_are_described_of_topics_that_alternate,
         a_fetch_does_not_give_a_batch_out_of_order_and_says_so,
         disk_full_takes_one_directory_offline_and_room_brings_it_back,
         disk_full_at_the_start_leaves_the_others_and_room_brings_it_back,
         a_failed_sync_is_not_tried_again_as_if_it_had_worked,
         a_failed_sync_at_the_end_leaves_no_mark_of_a_clean_one,
         a_failed_write_takes_the_directory_offline,
         a_checkpoint_that_cannot_be_written_takes_the_directory_offline,
         a_failed_metadata_directory_ends_the_node_with_a_line,
         a_failed_log_beside_the_metadata_ends_the_node,
         a_read_only_remount_takes_the_directory_offline,
         a_directory_that_is_a_file_is_left_out,
         a_directory_with_damaged_properties_is_left_out,
         an_unreadable_directory_is_left_out,
         a_directory_that_is_gone_or_not_formatted_refuses_the_start,
         a_directory_of_another_cluster_or_node_refuses_the_start,
         what_cannot_be_set_aside_is_never_written_to,
         a_directory_that_is_not_named_any_more_keeps_its_partitions,
         metadata_in_another_directory_refuses_the_start,
         a_directory_without_the_metadata_leads_nothing, two_brokers_on_one_directory)

if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([(f"faults__{case.__name__}", case) for case in CASES
                 if not words or any(word in case.__name__ for word in words)])
