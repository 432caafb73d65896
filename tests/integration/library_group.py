#!/usr/bin/env python3
"""Groups whose members are programs over our library, alone and together with Apache Kafka's Java
client and librdkafka, against barnabas or (PEER=apache) Apache Kafka."""
import contextlib
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import harness

BUILD = pathlib.Path(harness.BINARY).resolve().parent
HERE = harness.TESTS / "integration" / "library"
INCLUDE = harness.TESTS.parent / "include"
EAGER = "org.apache.kafka.clients.consumer.RangeAssignor"
ROUND_ROBIN = "org.apache.kafka.clients.consumer.RoundRobinAssignor"
STICKY = "org.apache.kafka.clients.consumer.StickyAssignor"
COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
SETTINGS = ["group.min.session.timeout.ms=500", "offsets.topic.num.partitions=4",
            "group.consumer.min.session.timeout.ms=1000",
            "group.consumer.min.heartbeat.interval.ms=100",
            "group.consumer.session.timeout.ms=45000",
            "group.consumer.heartbeat.interval.ms=300"]
SECONDS = harness.PATIENCE_SECONDS
LIFE_SECONDS = 3600
SHORT_SESSION = {"session__timeout__ms": "6000"}  # of a member that will be killed; of the newer protocol:
SHORT_SESSIONS = ["group.consumer.session.timeout.ms=6000"]


@functools.lru_cache(maxsize=None)
def program():
    """member.c with the static library; of a sanitizing build with what that needs."""
    folder = tempfile.mkdtemp(prefix="barnabas-member-")
    archive = BUILD / "libbarnabas.a"
    if not archive.exists():
        raise harness.Skip("libbarnabas.a is not built")
    sanitizers = re.search(r"^BNB_SANITIZE:STRING=(.+)$", (BUILD / "CMakeCache.txt").read_text(),
                           re.M)
    flags = [f"-fsanitize={sanitizers[1]}"] if sanitizers else []
    path = pathlib.Path(folder) / "member"
    done = subprocess.run(["gcc", "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", *flags,
                           f"-I{INCLUDE}", HERE / "member.c", "-o", path, archive, "-lz",
                           "-lsnappy", "-llz4", "-lzstd", "-pthread"], capture_output=True,
                          text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-1000:]
    return path


def command_of(kind):
    if kind == "ours":
        return [str(program())]
    if kind == "java":
        folder = harness.peer("java")
        return ["java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp",
                f"{folder / 'classes'}:{folder / 'lib'}/*", "PlainMember"]
    return [str(harness.peer("python") / "bin/python"), str(harness.TESTS / "peers" / "python" / "group_member.py")]


class Member:
    """A process, and what it has said."""

    def __init__(self, broker, topic, kind="ours", group="g", **settings):
        pairs = {"bootstrap.servers": broker.bootstrap, "group.id": group,
                 "auto.offset.reset": "earliest", "session.timeout.ms": "45000",
                 "heartbeat.interval.ms": "300", "auto.commit.interval.ms": "1000"}
        pairs.update({name.replace("__", "."): value for name, value in settings.items()})
        if pairs.get("group.protocol") == "consumer":
            for name in ("session.timeout.ms", "heartbeat.interval.ms",
                         "partition.assignment.strategy"):
                pairs.pop(name, None)
        if kind == "librdkafka" and "partition.assignment.strategy" in pairs:
            pairs["partition.assignment.strategy"] = {
                EAGER: "range", ROUND_ROBIN: "roundrobin", COOPERATIVE: "cooperative-sticky"}[
                    pairs["partition.assignment.strategy"]]
        self.kind = kind
        self.assigned = set()
        self.records = []  # (topic, partition, offset, value)
        self.lines = []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command_of(kind), topic, str(LIFE_SECONDS),
             *(f"{name}={value}" for name, value in pairs.items())],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            what, _, rest = line.rstrip("\n").partition(" ")
            if what == "record":
                topic, partition, offset, value = rest.split(" ", 3)
                self.records.append((topic, int(partition), int(offset), value))
                continue
            self.lines.append(line.rstrip("\n"))
            names = set(rest.split(",")) - {""}
            if what == "assigned":
                self.assigned |= names
            elif what in ("revoked", "lost"):
                self.assigned -= names

    def values(self):
        return [record[3] for record in self.records]

    def said(self):
        self.errors.seek(0)
        return f"{self.kind}: {self.lines[-20:]} {self.errors.read()[-1500:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(SECONDS)

    def end(self):
        """In order: it closes its consumer."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        assert self.lines and self.lines[-1] == "closed", self.said()
        assert self.kind != "ours" or (self.process.returncode == 0 and
                                       not harness.SANITIZER.search(self.said())), self.said()

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def scene(partitions=6, topic="t", settings=()):
    """A broker with a topic, a list that ends its members, and a way to write records."""
    own = harness.own_broker(overrides=[*SETTINGS, *settings])
    members = []
    try:
        own.start()
        make_topic(own, topic, partitions)
        yield own, members
        own.end_in_order()
    finally:
        for member in members:
            member.remove()
        own.remove()


def make_topic(own, topic, partitions):
    status, out, err = own.tool("topics", "--bootstrap-server", own.bootstrap, "--create",
                                "--topic", topic, "--partitions", str(partitions))
    assert status == 0, out + err


class Writer:
    """Writes numbered records with keys, so that every partition gets some."""

    def __init__(self, own, topic="t"):
        self.count = 0
        self.process = subprocess.Popen(
            [harness.BINARY, "console-producer", "--bootstrap-server", own.bootstrap, "--topic",
             topic, "--reader-property", "parse.key=true", "--command-property", "linger.ms=0"],
            stdin=subprocess.PIPE, text=True)

    def write(self, count):
        for _ in range(count):
            self.process.stdin.write(f"k{self.count}\tv{self.count}\n")
            self.count += 1
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(SECONDS) == 0

    def values(self):
        return {f"v{number}" for number in range(self.count)}


def all_there(members, partitions=6, topic="t"):
    wanted = {f"{topic}-{number}" for number in range(partitions)}
    held = [name for member in members for name in member.assigned]
    shares = [len(member.assigned) for member in members]
    return sorted(held) == sorted(wanted) and min(shares) > 0 and max(shares) - min(shares) <= 1


def settle(members, partitions=6, topic="t", seconds=SECONDS):
    """Every partition has one member, every member its share, for half a second."""
    since = None

    def settled():
        nonlocal since
        since = (since or time.monotonic()) if all_there(members, partitions, topic) else None
        return since is not None and time.monotonic() - since > 0.5
    try:
        harness.wait_for(settled, seconds, "the group")
    except AssertionError as error:
        raise AssertionError(f"{error}: {[member.said() for member in members]}") from error


def wait_for_values(members, values):
    def missing():
        return values - {value for member in members for value in member.values()}
    try:
        harness.wait_for(lambda: not missing(), what="records")
    except AssertionError as error:
        raise AssertionError(f"{error}: {len(missing())} missing, as {sorted(missing())[:5]}; "
                             f"{[member.said() for member in members]}") from error


def protocol(name):
    if name == "consumer":
        return {"group__protocol": "consumer"}
    return {"partition__assignment__strategy": {"eager": EAGER, "round_robin": ROUND_ROBIN, "sticky": STICKY,
                                                "cooperative": COOPERATIVE}[name]}


def members_share(name):
    with scene() as (own, members):
        for count in (1, 2, 3):
            members.append(Member(own, "t", **protocol(name)))
            settle(members)
        assert sorted(len(member.assigned) for member in members) == [2, 2, 2]
        gone = members.pop(1)
        gone.end()
        assert not gone.assigned, gone.said()
        settle(members, seconds=30)  # it has left: nobody waits for its session, which is longer
        # Eager members give everything back, cooperative ones only what moves.
        revoked = [line for member in members for line in member.lines if "revoked" in line]
        assert (name in ("eager", "sticky")) == any(line.count(",") == 5 for line in revoked), revoked


def nothing_is_lost_or_read_twice(name, kinds):
    """Members come and go in order while records flow: each record is read once."""
    with scene() as (own, members):
        writer = Writer(own)
        ended = []
        for kind in kinds:
            members.append(Member(own, "t", kind, **protocol(name)))
            settle(members)
            writer.write(200)
            wait_for_values(ended + members, writer.values())
        while len(members) > 1:
            writer.write(100)
            ended.append(members.pop(0))
            ended[-1].end()
            settle(members)
            writer.write(100)
            wait_for_values(ended + members, writer.values())
        writer.end()
        members[0].end()
        read = sorted(value for member in ended + members for value in member.values())
        assert read == sorted(writer.values()), [
            value for value in set(read) if read.count(value) > 1][:10]


def a_member_is_killed(name):
    with scene(settings=SHORT_SESSIONS) as (own, members):
        writer = Writer(own)
        for _ in range(3):
            members.append(Member(own, "t", **SHORT_SESSION, **protocol(name)))
        settle(members)
        writer.write(100)
        wait_for_values(members, writer.values())
        killed = members.pop(0)
        killed.kill()
        settle(members)
        writer.write(100)
        wait_for_values(members + [killed], writer.values())
        writer.end()


def the_broker_starts_again(name):
    with scene() as (own, members):
        writer = Writer(own)
        for _ in range(2):
            members.append(Member(own, "t", **protocol(name)))
        settle(members)
        writer.write(100)
        wait_for_values(members, writer.values())
        writer.end()
        own.kill()
        own.start()
        again = Writer(own)
        again.count = writer.count
        again.write(100)
        wait_for_values(members, again.values())
        again.end()
        settle(members)
        members.pop(0).end()
        settle(members)


def a_static_member_comes_back(name):
    """Within its session nobody else notices."""
    with scene() as (own, members):
        for number in (1, 2):
            members.append(Member(own, "t", group__instance__id=f"i{number}", **protocol(name)))
        settle(members)
        had = set(members[0].assigned)
        other = list(members[1].lines)
        members[0].end()
        members[0] = Member(own, "t", group__instance__id="i1", **protocol(name))
        settle(members)
        assert members[0].assigned == had, members[0].said()
        assert members[1].lines == other, members[1].said()


def an_expression_finds_new_topics(name):
    with scene(partitions=2, topic="a-one") as (own, members):
        for _ in range(2):
            members.append(Member(own, "^a-.*", metadata__max__age__ms="300", **protocol(name)))
        settle(members, 2, "a-one")
        make_topic(own, "b-no", 2)
        make_topic(own, "a-two", 2)
        wanted = {"a-one-0", "a-one-1", "a-two-0", "a-two-1"}
        try:
            harness.wait_for(lambda: {part for member in members for part in member.assigned} ==
                             wanted, what="the new topic")
        except AssertionError as error:
            raise AssertionError(f"{error}: {[member.said() for member in members]}") from error


def one_that_does_not_poll_loses_its_partitions(name):
    with scene() as (own, members):
        Writer(own).write(20)
        members.append(Member(own, "t", max__poll__interval__ms="1000", max__poll__records="10",
                              **{".linger_ms": "3000"}, **protocol(name)))
        harness.wait_for(lambda: members[0].records, what="a record")
        members.append(Member(own, "t", **protocol(name)))
        harness.wait_for(lambda: any(line.startswith("lost") for line in members[0].lines),
                         what="the slow one to notice")
        wait_for_values(members, {f"v{number}" for number in range(20)})


def one_that_has_lost_its_place_cannot_commit(name):
    """Though the group is empty by then, and would take anybody's offsets."""
    harness.unhurried(functools.partial(cannot_commit, name), 3000, 20000)


def cannot_commit(name, linger_ms):
    """What comes before the group has heard that it is gone is its own, and taken."""
    with scene(partitions=1) as (own, members):
        writer = Writer(own)
        writer.write(1)
        writer.end()
        members.append(Member(own, "t", max__poll__interval__ms="1000", enable__auto__commit="false",
                              **{".commit": "each", ".linger_ms": str(linger_ms)}, **protocol(name)))

        def refused():
            assert not committed(own, "g"), committed(own, "g")
            return any(line.startswith("uncommitted 25 ") for line in members[0].lines)
        harness.wait_for(refused, what="a commit that is refused")
        assert not committed(own, "g"), committed(own, "g")


def committed(broker, group):
    """{(topic, partition): offset} that the group has committed."""
    _, out, _ = broker.tool("consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--group", group)
    rows = re.findall(rf"^{group} +(\S+) +(\d+) +(\d+) ", out, re.M)
    return {(topic, int(partition)): int(offset) for topic, partition, offset in rows}


def group_state(own, group="g"):
    return own.tool("consumer-groups", "--bootstrap-server", own.bootstrap, "--describe",
                    "--group", group, "--state")[1]


def one_that_waits_for_the_others_ends_at_once(name):
    """While a JoinGroup waits for a member that is busy."""
    with scene() as (own, members):
        Writer(own).write(5)
        members.append(Member(own, "t", **{".linger_ms": "60000"}, **protocol(name)))
        harness.wait_for(lambda: members[0].records, what="a record")
        members.append(Member(own, "t", **protocol(name)))
        harness.wait_for(lambda: "PreparingRebalance" in group_state(own), what="a JoinGroup")
        assert not members[1].lines, members[1].said()
        members[1].end()
        assert len(members[0].records) == 1, "the other one is busy no more"


def start_offsets():
    with scene(partitions=1) as (own, members):
        writer = Writer(own)
        writer.write(5)
        writer.end()
        first = Member(own, "t", group="earliest", **{".commit": "each"},
                       enable__auto__commit="false")
        members.append(first)
        wait_for_values([first], writer.values())
        first.end()
        latest = Member(own, "t", group="latest", auto__offset__reset="latest")
        none = Member(own, "t", group="none", auto__offset__reset="none")
        ago = Member(own, "t", group="ago", auto__offset__reset="by_duration:PT1H")
        again = Member(own, "t", group="earliest")
        members += [latest, none, ago, again]
        wait_for_values([ago], writer.values())
        settle([latest], 1)
        settle([again], 1)
        harness.wait_for(lambda: any(line.startswith("error -16 Undefined offset with no reset "
                                                     "policy for partitions: [t-0]")
                                     for line in none.lines), what="an error")
        harness.wait_for(lambda: committed(own, "latest") == {("t", 0): 5}, what="a position at the end")
        more = Writer(own)
        more.count = 5
        more.write(3)
        more.end()
        wait_for_values([latest], {"v5", "v6", "v7"})
        wait_for_values([again], {"v5", "v6", "v7"})
        assert latest.values() == again.values() == ["v5", "v6", "v7"], (latest.values(),
                                                                         again.values())
        assert not none.records


def sticky_members_keep_what_they_had(kinds):
    """Whoever leads, which is the first: the others' memories are read, and its own is told."""
    with scene(partitions=7) as (own, members):
        had = []
        for kind in kinds:
            members.append(Member(own, "t", kind, **protocol("sticky")))
            settle(members, 7)
            for before, member in zip(had, members):
                assert member.assigned <= before, (before, member.said())
            had = [set(member.assigned) for member in members]
        assert sorted(map(len, had)) == [2, 2, 3], had
        members.pop().end()
        settle(members, 7)
        for before, member in zip(had, members):
            assert member.assigned >= before, (before, member.said())


def mixed(name, kind):
    nothing_is_lost_or_read_twice(name, ("ours", kind, "ours", kind))


CASES = []
for NAME in ("eager", "cooperative", "consumer"):
    for function in (members_share, a_member_is_killed, the_broker_starts_again,
                     a_static_member_comes_back, an_expression_finds_new_topics,
                     one_that_does_not_poll_loses_its_partitions,
                     one_that_has_lost_its_place_cannot_commit):
        CASES.append((f"group__{function.__name__}__{NAME}", functools.partial(function, NAME)))
    CASES.append((f"group__nothing_is_lost_or_read_twice__{NAME}", functools.partial(
        nothing_is_lost_or_read_twice, NAME, ("ours",) * 4)))
    for KIND in ("java", "librdkafka"):
        CASES.append((f"group__nothing_is_lost_or_read_twice__{NAME}_with_{KIND}",
                      functools.partial(mixed, NAME, KIND)))
for function in (members_share, a_member_is_killed, a_static_member_comes_back):
    CASES.append((f"group__{function.__name__}__sticky", functools.partial(function, "sticky")))
CASES.append(("group__nothing_is_lost_or_read_twice__sticky_with_java",
              functools.partial(mixed, "sticky", "java")))
CASES.append(("group__nothing_is_lost_or_read_twice__round_robin_with_java_and_librdkafka", functools.partial(
    nothing_is_lost_or_read_twice, "round_robin", ("java", "librdkafka", "ours"))))
for KINDS in (("ours", "ours", "ours"), ("ours", "java", "ours"), ("java", "ours", "java")):
    CASES.append((f"group__sticky_members_keep_what_they_had__{'_'.join(KINDS)}",
                  functools.partial(sticky_members_keep_what_they_had, KINDS)))
CASES.append(("group__one_that_waits_for_the_others_ends_at_once", functools.partial(
    one_that_waits_for_the_others_ends_at_once, "eager")))
CASES.append(("group__start_offsets", start_offsets))

if __name__ == "__main__":
    words = os.environ.get("LIBRARY_GROUP", "").split()
    try:
        harness.run([case for case in CASES if not words or any(word in case[0]
                                                                for word in words)])
    finally:
        if program.cache_info().currsize:
            shutil.rmtree(program().parent, ignore_errors=True)
