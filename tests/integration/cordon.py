#!/usr/bin/env python3
"""cordoned.log.dirs (KIP-1066), directories of partitions that are not there yet, and the throttle of moves
between directories. The node and its directories m, a and b are those of faults.py."""
import itertools
import struct
import time

import harness
import wirecodec as wire
from faults import check
from move import KEPT, ask_move, await_place, describe, moving_node

DESCRIBE_LOG_DIRS, INCREMENTAL_ALTER_CONFIGS, CREATE_TOPICS = 35, 44, 19
INVALID_REPLICATION_FACTOR, INVALID_ASSIGNMENT, INVALID_CONFIG, INVALID_REQUEST = 38, 39, 40, 42
UNKNOWN_TOPIC = 3
SETTING = "cordoned.log.dirs"
RATE = "replica.alter.log.dirs.io.max.bytes.per.second"


def alter(client, value, name=SETTING, operation=0, broker="1"):
    """The error of one change of a broker's setting."""
    change = wire.string(name) + struct.pack(">b", operation) + wire.string(value)
    body = wire.array([struct.pack(">b", 4) + wire.string(broker) + wire.array([change])]) + b"\0"
    reader = client.ask(INCREMENTAL_ALTER_CONFIGS, body, 0)
    reader.take("i")
    (found,) = reader.array(lambda: (reader.take("h"), reader.string(), reader.take("b"), reader.string()))
    return found[0]


def uvarint(reader):
    value = shift = 0
    while True:
        byte = reader.take("B")
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def cordoned(client):
    """The names of the directories that are said to be cordoned: DescribeLogDirs v5 of no topic."""
    client.correlation += 1
    header = struct.pack(">hhi", DESCRIBE_LOG_DIRS, 5, client.correlation) + wire.string("wire") + b"\0"
    client.socket.sendall(wire.blob(header + b"\1\0"))
    reader = client.receive()[1]
    reader.take("b"), reader.take("i"), reader.take("h")
    found = []
    for _ in range(uvarint(reader) - 1):
        check(reader.take("h"), 0, "the error of a directory")
        name = bytes(reader.take("B") for _ in range(uvarint(reader) - 1)).decode()
        check(uvarint(reader), 1, "no topics were asked for")
        reader.take("qq")
        if reader.take("?"):
            found.append(name.rsplit("/", 1)[1])
        check(uvarint(reader), 0, "tags")
    return sorted(found)


def await_cordoned(client, names):
    harness.wait_for(lambda: cordoned(client) == names, what=f"{names} to be cordoned")


def places(client, topic):
    return {partition: folder for folder, name, partition in describe(client) if name == topic}


def new_topic(client, name, partitions, assignment=()):
    """The error of a creation, once the partitions are led."""
    given = wire.array([struct.pack(">i", i) + wire.array([struct.pack(">i", 1)])
                        for i in range(len(assignment))])
    body = wire.array([wire.string(name) + struct.pack(">ih", -1 if assignment else partitions,
                                                       -1 if assignment else 1) + given + wire.array([])])
    reader = client.ask(CREATE_TOPICS, body + struct.pack(">i?", 20000, False), 4)
    reader.take("i")
    (found,) = reader.array(lambda: (reader.string(), reader.take("h"), reader.string()))
    if found[1] == 0:
        client.await_leaders(name, partitions)
        harness.wait_for(lambda: len(places(client, name)) == partitions, what="the partitions")
    return found[1]


def path(node, *names):
    return ",".join(str(node.path(name)) for name in names)


def new_logs_stay_out(shards):
    with moving_node(shards) as node, node.connect() as client:
        check(new_topic(client, "before", 6), 0, "a topic of six")
        check(set(places(client, "before").values()), {"m", "a", "b"}, "where they are")
        check(alter(client, path(node, "a", "b")), 0, "the setting")
        await_cordoned(client, ["a", "b"])
        check(new_topic(client, "narrow", 5), 0, "a topic meanwhile")
        check(set(places(client, "narrow").values()), {"m"}, "where it is")
        there = next(number for number, folder in places(client, "before").items() if folder == "m")
        check(ask_move(client, node.path("a"), "before", there), INVALID_ASSIGNMENT, "a move to a")
        check(alter(client, "*"), 0, "all of them")
        await_cordoned(client, ["a", "b", "m"])
        # The controller may hear of it later, and make a topic until then: each has its own name.
        names = (f"none-{i}" for i in itertools.count())
        harness.wait_for(lambda: new_topic(client, next(names), 1) == INVALID_REPLICATION_FACTOR,
                         what="a refusal")
        check(new_topic(client, "by-hand", 1, (1,)), 0, "by hand")
        check(places(client, "by-hand"), {0: "m"}, "the first directory")
        check(client.produce("before", wire.batch([b"x"]), 0)[0], 0, "what is there is written to")
        check(alter(client, None, operation=1), 0, "the setting goes")
        await_cordoned(client, [])
        harness.wait_for(lambda: new_topic(client, "after", 4) in (0, 36), what="a topic again")
        check(set(places(client, "after").values()) <= {"a", "b"}, True, "the emptier ones")


def wrong_values_are_refused():
    with moving_node() as node, node.connect() as client, wire.Connection(node.controller_port) as controller:
        for value, broker, error in ((path(node, "nowhere"), "1", INVALID_REQUEST),
                                     ("*," + path(node, "a"), "1", INVALID_REQUEST),
                                     (path(node, "a"), "", INVALID_REQUEST),
                                     (path(node, "a") + ",", "1", INVALID_REQUEST)):
            check(alter(client, value, broker=broker), error, f"{value} for {broker!r}")
        check(alter(controller, path(node, "a")), INVALID_CONFIG, "what a controller cannot know")
        check(alter(client, path(node, "a", "b")), 0, "the setting")
        await_cordoned(client, ["a", "b"])
        check(alter(controller, "*"), INVALID_CONFIG, "more than there is, at the controller")
        check(alter(controller, path(node, "b")), 0, "less than there is, at the controller")
        await_cordoned(client, ["b"])
        check(alter(controller, path(node, "a"), operation=2), INVALID_CONFIG, "one more, at the controller")
        check(alter(controller, path(node, "b"), operation=3), 0, "one less, at the controller")
        await_cordoned(client, [])


def a_restart_keeps_it():
    with moving_node() as node:
        with node.connect() as client:
            check(alter(client, path(node, "b")), 0, "the setting")
            await_cordoned(client, ["b"])
        check(node.stop(), 0, "the exit status")
        text = node.properties.read_text()
        node.properties.write_text(text + f"{SETTING}={node.path('a')}\n")
        node.start()
        with node.connect() as client:
            await_cordoned(client, ["b"])
            check(new_topic(client, "t", 4), 0, "a topic")
            check(set(places(client, "t").values()), {"m", "a"}, "the dynamic one counts")
            check(alter(client, None, operation=1), 0, "the dynamic one goes")
            await_cordoned(client, ["a"])
            check(new_topic(client, "u", 4), 0, "another topic")
            check("a" in places(client, "u").values(), False, "the static one counts")


def a_directory_is_remembered_for_a_topic_that_comes(shards):
    with moving_node(shards) as node, node.connect() as client:
        for number, name in ((0, "b"), (0, "a"), (2, "b"), (7, "m")):
            check(ask_move(client, node.path(name), "later", number), UNKNOWN_TOPIC, f"later-{number}")
        check(new_topic(client, "full", 12), 0, "a topic that fills the others evenly")
        check(new_topic(client, "later", 3), 0, "the topic")
        found = places(client, "later")
        check((found[0], found[2]), ("a", "b"), "where it is")


def moves_keep_to_the_rate():
    with moving_node() as node, node.connect() as client:
        client.create_topic("t", 1, [*KEPT, ("segment.bytes", "8388608")])
        client.await_leaders("t", 1)
        for _ in range(64):
            check(client.produce("t", wire.batch([b"x" * 100000]))[0], 0, "a produce")
        home = places(client, "t")[0]
        away = "a" if home != "a" else "b"
        check(alter(client, str(2 << 20), RATE, broker=""), 0, "the rate")
        start = time.monotonic()
        check(ask_move(client, node.path(away)), 0, "the move")
        await_place(node, away)
        seconds = time.monotonic() - start
        check(seconds > 2, True, f"six megabytes at two a second took {seconds:.1f} s")
        check(alter(client, "0", RATE, broker=""), 0, "no rate at all")
        check(ask_move(client, node.path(home)), 0, "the move back")

        def folders():
            return sorted(folder for folder, topic, _ in describe(client) if topic == "t")
        harness.wait_for(lambda: folders() == sorted([home, away]), what="a copy")
        time.sleep(1)  # nothing is to happen, so there is nothing to wait for
        check(folders(), sorted([home, away]), "a copy is under way")
        check(alter(client, None, RATE, operation=1, broker=""), 0, "the rate goes")
        await_place(node, home)


if __name__ == "__main__":
    harness.run([*((f"cordon__new_logs_stay_out_with_{n}_shards", lambda n=n: new_logs_stay_out(n)) for n in (1, 3)),
                 ("cordon__wrong_values_are_refused", wrong_values_are_refused),
                 ("cordon__a_restart_keeps_it", a_restart_keeps_it),
                 *((f"cordon__a_directory_is_remembered_with_{n}_shards",
                    lambda n=n: a_directory_is_remembered_for_a_topic_that_comes(n)) for n in (1, 3)),
                 ("cordon__moves_keep_to_the_rate", moves_keep_to_the_rate)])
