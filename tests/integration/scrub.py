#!/usr/bin/env python3
"""barnabas scrub: finds what is damaged in a data directory at rest, says where, and changes nothing."""
import contextlib
import hashlib
import json
import random
import re
import shutil
import struct
import subprocess

import faults
import harness
from faults import check
from wirecodec import batch, crc32c, record

FLIPS_A_FILE = 6
# The head of a batch that no CRC covers, and the text of files without one: not every flip shows.
UNCOVERED_HEAD = 21
EVERY_FLIP_SHOWS = re.compile(r"\.(index|timeindex|snapshot)$")


def scrub(made, *more, names="mab"):
    """(exit status, lines of standard output, standard error)."""
    directories = ",".join(str(made.path(name)) for name in names)
    done = subprocess.run([harness.BINARY, "scrub", "--log-dirs", directories, *more],
                          capture_output=True, text=True, timeout=harness.PATIENCE_SECONDS)
    return done.returncode, done.stdout.splitlines(), done.stderr


def fingerprint(made):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in "mab" for path in made.path(name).rglob("*") if path.is_file()}


def filled(made):
    """A directory with batches enough for indexes, of a producer that has a snapshot."""
    with open(made.properties, "a") as file:
        file.write("metadata.log.max.record.bytes.between.snapshots=600\n")
    made.start()
    with made.connect() as connection:
        faults.create(connection)
        for partition in range(3):
            faults.fill(connection, partition, 20)
            producer_id, epoch = connection.producer_id()
            for i in range(5):
                error, _ = connection.produce("t", batch([b"mine"], producer_id, epoch, i),
                                              partition)
                check(error, 0, "an idempotent produce")
    check(made.stop(), 0, "exit status")


def says_nothing_of_a_sound_directory_and_leaves_it_alone():
    with faults.node() as made:
        filled(made)
        before = fingerprint(made)
        status, lines, errors = scrub(made)
        check((status, errors), (0, ""), f"status {lines}")
        check(lines[-1].endswith(" 0 problems"), True, lines[-1])
        check(fingerprint(made), before, "the files")


def tells_the_file_and_the_byte_of_what_is_damaged():
    with faults.node() as made:
        filled(made)
        chance = random.Random(1)
        files = [path for name in "mab" for path in made.path(name).rglob("*")
                 if EVERY_FLIP_SHOWS.search(path.name) or path.suffix in (".log", ".checkpoint")]
        check(len(files) > 12, True, "there are files of every kind")
        for path in files:
            good = path.read_bytes()
            first = 0 if EVERY_FLIP_SHOWS.search(path.name) else UNCOVERED_HEAD
            for _ in range(FLIPS_A_FILE if len(good) > first else 0):
                at = chance.randrange(first, min(len(good), first + 40))
                if at % {".index": 8, ".timeindex": 12}.get(path.suffix, 1 << 30) in (3, 11):
                    continue  # an entry for a neighbour that has the same facts is a sound one
                faults.spoil(path, at, chance.randrange(8))
                status, lines, _ = scrub(made)
                path.write_bytes(good)
                check((status, any(line.startswith(str(path)) for line in lines)), (1, True),
                      f"{path} at {at}: {lines}")
            if path.suffix in (".log", ".checkpoint"):
                path.write_bytes(good[:-1])
                check(scrub(made)[0], 1, f"{path} is cut")
                path.write_bytes(good)
        check(scrub(made)[0], 0, "all is good again")


def tells_of_zeros_behind_the_entries_of_a_finished_segment():
    """What a broker that died has left in the last one is no fault."""
    with faults.node() as made:
        made.start()
        with made.connect() as connection:
            connection.create_topic("u", configs=[("internal.segment.bytes", "2000"), ("index.interval.bytes", "0")])
            for _ in range(20):
                check(connection.produce("u", batch([b"x" * 200]))[0], 0, "a produce")
        check(made.stop(), 0, "exit status")
        several = sorted(path for name in "mab" for path in made.path(name).rglob("u-0/*.log"))
        check(len(several) > 1, True, "there are finished segments")
        for log, problems in ((several[0], 1), (several[-1], 0)):
            for suffix in (".index", ".timeindex"):
                path = log.with_suffix(suffix)
                good = path.read_bytes()
                path.write_bytes(good + bytes(48))
                status, lines, _ = scrub(made)
                check((status, [line.startswith(f"{path}") for line in lines if str(path) in line]),
                      (problems, [True] * problems), f"{path}: {lines}")
                path.write_bytes(good)


def tells_of_checkpoints_and_properties_that_cannot_be():
    with faults.node() as made:
        filled(made)
        for name, text in (("recovery-point-offset-checkpoint", "0\n1\nt-x\n"),
                           ("recovery-point-offset-checkpoint", f"0\n1\nt {made.place()['b']} 99\n"),
                           ("meta.properties", "version=1\n"),
                           (f"t-{made.place()['b']}/partition.metadata", "nothing")):
            path = made.path(f"b/{name}")
            good = path.read_bytes()
            path.write_text(text)
            check(scrub(made)[0], 1, f"{name}: {text!r}")
            path.write_bytes(good)


def speaks_json_and_of_the_topics_that_are_asked_for():
    with faults.node() as made:
        filled(made)
        log = next(made.path("b").rglob("t-*/*.log"))
        faults.spoil(log, 100, 1)
        status, lines, _ = scrub(made, "--json")
        found = [json.loads(line) for line in lines]
        check(status, 1, "status")
        check((found[0]["path"], found[-1]["problems"] >= 1), (str(log), True), "the lines")
        check(scrub(made, "--topic", "^u$")[0], 0, "another topic")
        check(scrub(made, "--topic", "^t$")[0], 1, "this topic")


def finds(made, text, what):
    status, lines, _ = scrub(made)
    check((status, any(text in line for line in lines)), (1, True), f"{what}: {lines}")


def compares_with_what_the_metadata_says_of_topics():
    """The id of a topic, and whether its cleanup.policy may have taken records out. The topic t does
    not compact; u does, and an offset that is missing there is none that was lost."""
    with faults.node() as made:
        filled(made)
        made.start()
        with made.connect() as connection:
            connection.create_topic("u", 1, [("cleanup.policy", "compact")])
        check(made.stop(), 0, "exit status")
        status, lines, _ = scrub(made)
        check(status, 0, f"all is well: {lines}")
        mine = made.path(f"b/t-{made.place()['b']}")
        metadata = mine / "partition.metadata"
        good = metadata.read_text()
        metadata.write_text("version: 0\ntopic_id: 4L6g3nShT-eMCtK--X86sw")
        finds(made, "the metadata log", "another id")
        metadata.write_text(good)
        compacted = next(path for name in "mab" for path in made.path(name).glob("u-0"))
        for folder, gaps in ((mine, 1), (compacted, 0)):
            log = folder / f"{0:020}.log"
            kept = log.read_bytes() if log.exists() else b""  # none where nothing was written
            for index in folder.glob("*.*index"):
                index.write_bytes(b"")
            for snapshot in folder.glob("*.snapshot"):
                snapshot.unlink()
            log.write_bytes(placed(batch([b"one"]), 0) + placed(batch([b"two"]), 3))
            (folder / "leader-epoch-checkpoint").write_text("0\n0\n")
            missing = [line for line in scrub(made)[1] if "offsets are missing" in line]
            check(len(missing), gaps, f"{folder.name}: {missing}")
            log.write_bytes(kept)


def placed(bytes_of_batch, base_offset):
    return struct.pack(">q", base_offset) + bytes_of_batch[8:]


def abort_marker(producer_id):
    value, key = struct.pack(">hi", 0, 0), struct.pack(">hh", 0, 0)
    body = struct.pack(">hiqqqhii", 0x30, 0, 1, 1, producer_id, 0, -1, 1) + record(0, value, key)
    tail = struct.pack(">ibI", -1, 2, crc32c(body)) + body
    return struct.pack(">qi", 0, len(tail)) + tail


@contextlib.contextmanager
def partition_by_hand():
    """A node that has ended, and the folder of a partition in it that has no segments yet."""
    with faults.node() as made:
        made.start()
        check(made.stop(), 0, "exit status")
        folder = made.path("b/z-0")
        folder.mkdir()
        (folder / "partition.metadata").write_text("version: 0\ntopic_id: 4L6g3nShT-eMCtK--X86sw")
        yield made, folder


def replays_aborted_transactions():
    """A partition by hand: a transaction of producer 9 at offset 0 that a marker at 2 aborts, while
    that of producer 8, from 1 on, is still open; a second segment from 3 on."""
    with partition_by_hand() as (made, folder):
        (folder / f"{0:020}.log").write_bytes(
            placed(batch([b"a"], 9, 0, 0, attributes=0x10), 0) +
            placed(batch([b"b"], 8, 0, 0, attributes=0x10), 1) + placed(abort_marker(9), 2))
        (folder / f"{3:020}.log").write_bytes(placed(batch([b"c"]), 3))
        index = folder / f"{0:020}.txnindex"
        finds(made, "has no entry", "an index without the transaction")
        index.write_bytes(struct.pack(">hqqqq", 0, 9, 0, 2, 1))
        status, lines, _ = scrub(made)
        check(status, 0, f"the right entry: {lines}")
        for wrong in ((9, 1, 2, 1), (8, 0, 2, 1), (9, 0, 2, 3), (9, 0, 1, 1)):
            index.write_bytes(struct.pack(">hqqqq", 0, *wrong))
            finds(made, "does not agree", f"the entry {wrong}")


def follows_appends_of_several_batches():
    """Apache Kafka's followers append many batches at once, and say of the first transaction that they abort what is
    stable behind all of them: here a transaction that begins at 4, where nothing was open at the marker at 1."""
    with partition_by_hand() as (made, folder):
        (folder / f"{0:020}.log").write_bytes(
            placed(batch([b"a"], 9, 0, 0, attributes=0x10), 0) + placed(abort_marker(9), 1) +
            placed(batch([b"b", b"c"]), 2) + placed(batch([b"d"], 8, 0, 0, attributes=0x10), 4))
        index = folder / f"{0:020}.txnindex"
        for stable in (2, 4):
            index.write_bytes(struct.pack(">hqqqq", 0, 9, 0, 1, stable))
            status, lines, _ = scrub(made)
            check(status, 0, f"stable up to {stable}: {lines}")
        index.write_bytes(struct.pack(">hqqqq", 0, 9, 0, 1, 1))
        finds(made, "does not agree", "stable up to the marker itself")


def could_not_run():
    with faults.node() as made:
        made.start()
        check(scrub(made)[0], 2, "a directory in use")
        made.stop()
        check(scrub(made, names="x")[0], 2, "one that is not there")
        check(scrub(made, "--topic", "(")[0], 2, "no regular expression")
        check(scrub(made, "--nonsense")[0], 2, "an option it does not have")
        shutil.rmtree(made.path("b"))
        check(scrub(made)[0], 2, "one that is gone")


CASES = (says_nothing_of_a_sound_directory_and_leaves_it_alone,
         tells_the_file_and_the_byte_of_what_is_damaged,
         tells_of_zeros_behind_the_entries_of_a_finished_segment,
         tells_of_checkpoints_and_properties_that_cannot_be,
         speaks_json_and_of_the_topics_that_are_asked_for,
         compares_with_what_the_metadata_says_of_topics, replays_aborted_transactions,
         follows_appends_of_several_batches,
         could_not_run)

harness.run([(f"scrub__{case.__name__}", case) for case in CASES])
