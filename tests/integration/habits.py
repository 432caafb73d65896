#!/usr/bin/env python3
"""What applications do with groups: crowds that come and go, many groups on one topic, static members that
bounce, offsets that are set by hand, subscriptions that change, and consumers that forget to poll.

    habits.py [WORD]...     only the cases whose name contains one of the words
"""
import functools
import subprocess
import sys

import crowd as people
import harness
import wirecodec as wire
from crowd import Crowd, Member

MEMBERS = 1000
GROUPS = 500
PARTITIONS = 1200
SETTINGS = ["offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=0"]


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.300}, expected {wanted!r:.300}")


def ask(port, api, body):
    with wire.Connection(port) as connection:
        return connection.ask(api, body, people.VERSIONS[api])


def commit(port, group, offsets, **who):
    """The errors, once the coordinator is there."""
    def errors():
        found = people.commit_errors(ask(port, people.OFFSET_COMMIT, people.commit_body(group, offsets, **who)))
        return None if set(found) & people.SOON else found
    return harness.wait_for(errors, what="the coordinator")


def offsets_of(port, group, partitions):
    def offsets():
        found, error = people.fetched(ask(port, people.OFFSET_FETCH, people.fetch_body(group, partitions)))
        return None if error in people.SOON else (found, error)
    found, error = harness.wait_for(offsets, what="the coordinator")
    check(error, 0, "OffsetFetch")
    return found


def with_crowd(case, partitions=PARTITIONS):
    """A broker with the topic that the groups are about, and a crowd that knows it."""
    for shards in harness.shard_counts():
        with harness.broker(shards=shards, overrides=SETTINGS) as broker:
            with wire.Connection(broker.port) as connection:
                connection.create_topic("topic", 3)
            # It is this that makes the topic of the coordinators.
            harness.wait_for(lambda: ask(broker.port, people.FIND_COORDINATOR,
                                         wire.string("any") + b"\0").take("ih")[1] == 0, what="a coordinator")
            crowd = Crowd(broker.port, partitions)
            try:
                case(broker, crowd)
            finally:
                crowd.close()


def a_thousand_join_and_leave_one_group(broker, crowd):
    """Every generation gives each partition to one member that is there; who leaves has nothing any more."""
    members = [Member(crowd, "crowd") for _ in range(MEMBERS)]
    for member in members:
        member.join()
    generations = [crowd.settle(members)]
    crowd.check_assignments(members)
    gone, stay = members[::2], members[1::2]
    for member in gone:
        member.leave()
    crowd.until(gone, "out")
    generations.append(crowd.settle(stay, generations[-1]))
    crowd.check_assignments(stay)
    for member in gone:
        member.join()
    generations.append(crowd.settle(members, generations[-1]))
    crowd.check_assignments(members)
    for member in members:
        member.leave()
    crowd.until(members, "out")
    check(commit(broker.port, "crowd", {0: 7}), [0], "a commit to the empty group")


def a_killed_broker_finds_a_crowd_again(broker, crowd):
    """After kill -9 members go on with their generation, without joining anew."""
    members = [Member(crowd, "crowd") for _ in range(200)]
    for member in members:
        member.join()
    generation = crowd.settle(members)
    if not hasattr(broker, "kill"):
        raise harness.Skip("needs a broker of its own")
    joins = [member.joins for member in members]
    for member in members:
        member.disconnect()
    broker.kill()
    broker.start()
    crowd.port = broker.port
    for member in members:
        member.connect()

    def all_known():
        for member in members:
            member.heartbeat()
        crowd.until(members, "stable")
        return not any(member.error in people.SOON for member in members)
    harness.wait_for(all_known, what="the group to be loaded")
    check({member.error for member in members}, {0}, "answers to heartbeats")
    check([member.joins for member in members], joins, "joins")
    check(crowd.settle(members), generation, "generation")


def many_groups_read_one_topic(broker, crowd):
    """Each group has its own offsets and generations, whatever the others do."""
    groups = [f"group-{i}" for i in range(GROUPS)]
    members = [Member(crowd, group) for group in groups]
    for member in members:
        member.join()
    crowd.until(members, "stable")
    with wire.Connection(broker.port) as connection:
        for i, member in enumerate(members):
            body = people.commit_body(member.group, {0: i, 1: 2 * i}, member.generation, member.id)
            check(people.commit_errors(connection.ask(people.OFFSET_COMMIT, body, 7)), [0, 0], "a commit")
        for i, group in enumerate(groups):
            found = people.fetched(connection.ask(people.OFFSET_FETCH, people.fetch_body(group, [0, 1, 2]), 5))
            check(found, ({0: i, 1: 2 * i, 2: -1}, 0), f"offsets of {group}")
    joins = [member.joins for member in members]
    for member in members[::2]:
        member.leave()
    crowd.until(members[::2], "out")
    for member in members[1::2]:
        member.heartbeat()
    crowd.until(members[1::2], "stable")
    check({member.error for member in members[1::2]}, {0}, "heartbeats of the others")
    check([member.joins for member in members], joins, "joins")


def static_members_bounce_without_a_rebalance(broker, crowd):
    """Who comes back in time under its name has what it had, and its older self is fenced."""
    members = [Member(crowd, "static", f"instance-{i}") for i in range(20)]
    for member in members:
        member.join()
    generation = crowd.settle(members)
    for _ in range(2):
        for member in members[:10]:
            before, old = member.assigned, member.id
            member.disconnect()
            member.id = ""
            member.join()
            crowd.until([member], "stable")
            check((member.generation, member.assigned), (generation, before), f"{member.instance} that is back")
            check(member.id != old, True, "a new id")
            body = people.commit_body("static", {0: 1}, generation, old, member.instance)
            check(people.commit_errors(ask(broker.port, people.OFFSET_COMMIT, body)), [people.FENCED_INSTANCE],
                  "a commit of its older self")
    check(crowd.settle(members), generation, "generation")


def a_silent_member_loses_its_partitions(broker, crowd):
    """No heartbeat within the session: the others take over, and the late one is unknown."""
    silent = Member(crowd, "session", session_ms=6000)
    members = [Member(crowd, "session") for _ in range(3)]
    for member in [silent, *members]:
        member.join()
    generation = crowd.settle([silent, *members])
    late_id, late_generation = silent.id, silent.generation
    silent.disconnect()
    crowd.settle(members, generation)
    crowd.check_assignments(members)
    body = people.commit_body("session", {0: 1}, late_generation, late_id)
    check(people.commit_errors(ask(broker.port, people.OFFSET_COMMIT, body)), [people.UNKNOWN_MEMBER],
          "a commit of the late one")


def offsets_are_set_by_hand_while_nobody_is_there(broker, crowd):
    """A reset works on an empty group, and is refused while it has members."""
    member = Member(crowd, "reset")
    member.join()
    crowd.settle([member])
    check(commit(broker.port, "reset", {0: 5}, generation=member.generation, member=member.id), [0], "its own")
    check(commit(broker.port, "reset", {0: 0}), [people.UNKNOWN_MEMBER], "a reset while it is there")
    check(offsets_of(broker.port, "reset", [0]), {0: 5}, "the offset")
    member.leave()
    crowd.until([member], "out")
    check(commit(broker.port, "reset", {0: 0}), [0], "a reset of the empty group")
    check(offsets_of(broker.port, "reset", [0]), {0: 0}, "the offset")
    member.join()
    crowd.settle([member])
    check(offsets_of(broker.port, "reset", [0]), {0: 0}, "the offset that it begins with")


def client_habits():
    """A consumer that forgets to poll, and an application that comes back with other topics (librdkafka)."""
    python = harness.peer("python") / "bin" / "python"
    with harness.broker(overrides=SETTINGS) as broker:
        done = subprocess.run([str(python), str(harness.TESTS / "peers" / "python" / "confluent_habits.py"),
                               broker.bootstrap, "habits"], capture_output=True, text=True,
                              timeout=harness.CLIENT_SECONDS)
        lines = [line for line in done.stdout.splitlines() if line.startswith(("PASS", "FAIL"))]
        if done.returncode != 0 or "done" not in done.stdout.split() or any(line.startswith("FAIL") for line in lines):
            raise AssertionError(f"status {done.returncode}: {lines} {done.stderr[-1000:]}")


CROWDS = (a_thousand_join_and_leave_one_group, a_killed_broker_finds_a_crowd_again, many_groups_read_one_topic,
          static_members_bounce_without_a_rebalance, a_silent_member_loses_its_partitions,
          offsets_are_set_by_hand_while_nobody_is_there)
CASES = [(case.__name__, functools.partial(with_crowd, case)) for case in CROWDS]
CASES.append(("a_client_forgets_to_poll_and_changes_its_topics", client_habits))

if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([(f"habits__{name}", case) for name, case in CASES
                 if not words or any(word in name for word in words)])
