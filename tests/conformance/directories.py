#!/usr/bin/env python3
"""One data directory under Apache Kafka and barnabas by turns, as each finds what the other left.

A journey is a row of legs. In each a broker opens the directory, shows that it holds what the one
before left, adds to it, and is stopped or killed; then both dump tools read every file. Journeys
start from a directory that either side formatted, and end their legs in order or with SIGKILL;
those that are killed have static voters and the metadata of release 4.0.
"""
import functools
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "directories"), str(HERE / "differential"), str(HERE),
                str(HERE.parent / "integration")]
import codec  # noqa: E402
import dumps  # noqa: E402
import groups  # noqa: E402
import harness  # noqa: E402
import members  # noqa: E402
import nodes  # noqa: E402
import producers  # noqa: E402
import sides  # noqa: E402
import state  # noqa: E402
import torn  # noqa: E402
from nodes import APACHE, OURS  # noqa: E402

SHOWN = 6
OF_EACH_LEG = re.compile(r"\b(kept-simple|round-\d+|had-a-member-\d+|left-open(-by-\w+)?)\b")
# Of Apache Kafka: warnings and errors about what it found on the disk; not those of a slow machine.
WARNING = re.compile(r"^\[.*\] (WARN|ERROR) ("
                     r"org\.apache\.kafka\.(storage|raft|snapshot|image|metadata)"
                     r"|kafka\.(log|cluster|raft|server\.ReplicaManager)"
                     r"|.*(corrupt|sanity|damaged|inconsisten|invalid|rebuil|recover))")
# What this test does: batches out of order.
EXPECTED = re.compile(r"Error processing append operation on partition \S+:sequence-")
# Work that is due only where the one before did not end in order. The log of the metadata is always
# opened this way.
RECOVERY = re.compile(r"Recovering unflushed segment|Recovering \d+ logs|rebuilding index", re.I)
# Of ours: settings that mean nothing here, and the line of a start.
USUAL = re.compile(r"^\S+: without (effect|meaning here): .*$|^barnabas \S+ ready on |^rebalance group=|^$")


def fail_if(lines, what):
    lines = list(lines)
    if lines:
        for line in lines[:40]:
            print(f"     {line[:1000]}", file=sys.stderr)
        raise AssertionError(f"{what}: {len(lines)}, such as {' / '.join(lines[:3])[:600]}")


class Journey:
    def __init__(self, driver, apis, clean):
        self.driver, self.clean = driver, clean
        self.node = nodes.Node(driver, as_before=not clean)
        self.side = sides.Side(apis, self.node)
        self.state = self.reading = self.facts = self.epochs = self.groups = None
        self.producers, self.open, self.torn, self.round = [], None, torn.Torn(), 0
        self.commits = 0
        self.members = members.Members()
        self.broken = False

    def step(self, function, is_needed):
        """One step: those behind a needed one that failed have nothing to stand on."""
        if self.broken:
            raise harness.Skip("an earlier step failed")
        try:
            function()
        except Exception:
            self.broken = is_needed
            raise

    # ---- what a leg may do ----

    def fill_topics(self):
        self.driver.do("topics", self.node.bootstrap)
        self.driver.do("records", self.node.bootstrap, 0)
        self.driver.do("compacted", self.node.bootstrap, 0, 200)
        self.driver.do("compaction", self.node.bootstrap, "off")
        self.producers = [producers.Idempotent(self.side, partition) for partition in (0, 1, 0)]
        self.producers[1].next_epoch(self.side)

    def fill_the_rest(self):
        """What Apache Kafka serves, some of it alone."""
        bootstrap = self.node.bootstrap
        self.driver.do("transactions", bootstrap, "by-turns")
        self.driver.do("groups", bootstrap)
        if not self.node.as_before:
            self.driver.do("share", bootstrap)
        self.driver.do("facts", bootstrap)
        self.open = producers.OpenTransaction(self.side, "left-open")
        self.compact()

    def change_settings(self):
        self.driver.do("settings", self.node.bootstrap)
        harness.wait_for(lambda: state.dynamic(self.side, 4, "").get("log.cleaner.threads"),
                         what="the settings to be in force")

    def compact(self):
        self.driver.do("compaction", self.node.bootstrap, "on")

        def cleaned():
            return any("compact 0 " in (path / "cleaner-offset-checkpoint").read_text()
                       for path in self.node.directories
                       if (path / "cleaner-offset-checkpoint").exists())
        harness.wait_for(cleaned, what="the compaction of a topic")
        self.driver.do("compaction", self.node.bootstrap, "off")

    def add_records(self):
        self.round += 1
        self.driver.do("records", self.node.bootstrap, self.round)
        self.driver.do("compacted", self.node.bootstrap, self.round, 0)
        for partition in (0, 1):
            records = producers.wire.batch([b"beside", b"the", b"open"])
            error, _ = producers.produce(self.side, "transactions", partition, records)
            producers.expect("a record beside the open transaction", error, 0)

    def producers_go_on(self):
        for producer in self.producers:
            producer.goes_on(self.side)

    def commit_offsets(self):
        """A simple group, and one that had a member, in this leg's own words."""
        self.commits += 1
        groups.find(self.side)
        for group in ("kept-simple", f"round-{self.commits}"):
            answer = groups.ask(self.side, "OffsetCommit", groups.commit(group, [
                ("transactions", [(0, self.commits * 10, f"round {self.commits}"), (1, self.commits, None)])])(self.side, 9))
            fail_if([str(answer) for topic in answer["topics"] for partition in topic["partitions"]
                     if partition["errorCode"] != 0], "offsets that are not committed")
        groups.left(self.side, f"had-a-member-{self.commits}")

    def members_go_on(self):
        groups.find(self.side)
        self.members.go_on(self.side, f"static-{len(self.members.known)}" if self.commits % 2
                           else f"member-{len(self.members.known)}")

    def finds_the_members(self):
        groups.find(self.side)
        self.members.find(self.side)

    def open_transaction(self):
        """Begun by whoever has the directory now; the next one finds it open, and ends it."""
        self.open = producers.OpenTransaction(self.side, f"left-open-by-{self.node.peer}")

    def finish_transaction(self):
        before = {p: state.read(self.side, "transactions", p, 0) for p in (0, 1)}
        for partition, found in before.items():
            if found["last stable"] >= found["high watermark"]:
                raise AssertionError(f"transactions-{partition}: no transaction is open")
        (self.open.commit if self.clean else self.open.abort)(self.side)
        harness.wait_for(lambda: all(
            found["last stable"] == found["high watermark"] for found in
            (state.read(self.side, "transactions", p, 0) for p in (0, 1))),
            what="the end of the open transaction")

    # ---- the course of a leg ----

    def opens(self, peer):
        if self.state is None:
            self.node.format(peer)
        self.node.start(peer)
        harness.wait_for(lambda: state.is_led(self.side), what="leaders of all partitions")

    def holds_what_was_left(self):
        if not self.clean:
            self.torn.check(self.side)
        found = state.capture(self.side, self.epochs)
        fail_if(state.same(self.state, found), "differences")

    def reads_as_before(self):
        fail_if(state.same(self.reading, self.read()), "records that differ")

    def knows_the_facts(self):
        fail_if(state.same(self.facts, self.read_facts()), "facts that differ")

    def holds_the_groups(self):
        fail_if(state.same(self.groups, self.read_groups()), "groups that differ")

    def read_groups(self):
        """Every group with its type and its offsets."""
        harness.wait_for(lambda: groups.ask(self.side, "ListGroups", {})["errorCode"] == 0,
                         what="the groups to be loaded")
        found = {}
        for group in groups.ask(self.side, "ListGroups", {})["groups"]:
            told = groups.ask(self.side, "OffsetFetch", groups.fetch(
                (group["groupId"], None), requireStable=False)(self.side, 9))["groups"][0]
            offsets = sorted((topic["name"], partition["partitionIndex"], partition["committedOffset"],
                              partition["committedLeaderEpoch"], partition["metadata"])
                             for topic in told["topics"] for partition in topic["partitions"])
            found[group["groupId"]] = json.dumps([group["groupType"], told["errorCode"], offsets])
        return found

    def read(self):
        found = {}
        for isolation in ("read_uncommitted", "read_committed"):
            file = self.node.root / isolation
            self.driver.do("read", self.node.bootstrap, isolation, file)
            found[isolation] = [line for line in file.read_text().split("\n")
                                if not line.startswith(f"{torn.TOPIC}-0 ")]
        return found

    def read_facts(self):
        file = self.node.root / "facts"
        self.driver.do("facts-of", self.node.bootstrap, file)
        # What commit_offsets and open_transaction make comes with every leg: others know it.
        return [line for line in file.read_text().split("\n") if not OF_EACH_LEG.search(line)]

    def says_nothing_of_repairs(self):
        lines = self.node.log().split("\n")
        if self.node.peer == OURS:
            fail_if([line for line in lines if not USUAL.search(line)], "unusual lines")
            return
        fail_if([line for line in lines if WARNING.search(line) and not EXPECTED.search(line)],
                "warnings")
        if self.clean:
            fail_if([line for line in lines
                     if RECOVERY.search(line) and "__cluster_metadata-0" not in line], "repairs")

    def ends(self):
        self.members_go_on()
        self.epochs = state.epochs_of(self.side)
        self.state = state.capture(self.side, self.epochs)
        self.reading = self.read()
        self.groups = self.read_groups()
        if self.node.peer == APACHE:
            self.facts = self.read_facts()
        self.side.close()
        if self.clean:
            self.node.end(clean=True)
        else:
            self.await_log_start()
            self.torn.until_killed(self.side.apis, self.node)

    def await_log_start(self):
        """Where a log begins is written now and then; who dies before that begins at its first
        segment again."""
        wanted = f"shortened 0 {self.state['shortened'][0]['all']['log start']}\n"
        harness.wait_for(lambda: any(
            wanted in (path / "log-start-offset-checkpoint").read_text()
            for path in self.node.directories
            if (path / "log-start-offset-checkpoint").exists()), what="the start of a log on disk")

    def is_dumped_alike(self):
        found, counts, lines = dumps.compare(self.node)
        print(f"     {lines} lines of {dict(sorted(counts.items()))}", file=sys.stderr)
        fail_if(found, "lines that differ")

    def is_dumped_alike_damaged(self):
        fail_if(dumps.compare_damaged(self.node), "lines that differ")


LEGS = {
    APACHE: [(APACHE, ["fill_topics", "fill_the_rest", "change_settings"]),
             (OURS, ["producers_go_on", "finish_transaction", "open_transaction", "add_records",
                     "commit_offsets"]),
             (APACHE, ["producers_go_on", "finish_transaction", "open_transaction", "add_records",
                       "commit_offsets"]),
             (OURS, ["producers_go_on", "finish_transaction"])],
    OURS: [(OURS, ["fill_topics", "change_settings", "commit_offsets"]),
           (APACHE, ["producers_go_on", "fill_the_rest", "add_records", "commit_offsets"]),
           (OURS, ["producers_go_on", "finish_transaction", "open_transaction", "add_records",
                   "commit_offsets"]),
           (APACHE, ["producers_go_on", "finish_transaction"])],
}


def steps_of(journey, origin):
    """(name, function, whether the next steps need it) of all that happens."""
    visits = {APACHE: 0, OURS: 0}
    for leg, (peer, work) in enumerate(LEGS[origin]):
        visits[peer] += 1
        name = f"{peer}_{visits[peer]}"
        yield f"{name}_opens_it", functools.partial(journey.opens, peer), True
        if leg > 0:
            yield f"{name}_holds_what_was_left", journey.holds_what_was_left, False
            yield f"{name}_reads_as_before", journey.reads_as_before, False
            yield f"{name}_holds_the_groups", journey.holds_the_groups, False
            yield f"{name}_finds_the_members", journey.finds_the_members, False
        if peer == APACHE and visits[peer] > 1:
            yield f"{name}_knows_groups_users_acls_and_quotas", journey.knows_the_facts, False
        for step in work:
            yield f"{name}_{step}", getattr(journey, step), True
        yield f"{name}_ends", journey.ends, True
        yield f"{name}_says_nothing_of_repairs", journey.says_nothing_of_repairs, False
        yield f"{name}_is_dumped_alike", journey.is_dumped_alike, False
        if leg == 0:
            yield f"{name}_is_dumped_alike_damaged", journey.is_dumped_alike_damaged, False


def main():
    words = sys.argv[1:]
    cases, journeys = [], []
    driver = None
    try:
        apis = codec.Apis(harness.peer("java") / "lib")
        driver = nodes.Driver()
    except harness.Skip as reason:
        print(f"SKIP directories: {reason}")
        return
    try:
        for origin in (APACHE, OURS):
            for clean in (True, False):
                name = f"from_{origin}_{'stopped' if clean else 'killed'}"
                if words and name not in words:
                    continue
                journey = Journey(driver, apis, clean)
                journeys.append(journey)
                cases += [(f"{name}__{step}", functools.partial(journey.step, function, is_needed))
                          for step, function, is_needed in steps_of(journey, origin)]
        harness.run(cases)
    finally:
        driver.close()
        for journey in journeys:
            journey.side.close()
            journey.node.remove()


if __name__ == "__main__":
    main()
