#!/usr/bin/env python3
"""Settings whose value reaches the kernel, bounds an answer or what is kept: each is set and then looked for."""
import contextlib
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading

import cordon
import crowd as people
import habits
import harness
import wirecodec as wire
from wirecodec import Connection, batch

CONSUMER_GROUP_HEARTBEAT, DESCRIBE_TOPIC_PARTITIONS = 68, 75
UNSUPPORTED_VERSION, INVALID_REPLICATION_FACTOR = 35, 38
SOCKET_BYTES = 60000


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


@contextlib.contextmanager
def running(*overrides, shards=1):
    broker = harness.own_broker(shards=shards, overrides=overrides)
    try:
        yield broker.start()
        broker.end_in_order()
    finally:
        broker.remove()


def the_session_slots_are_those_of_the_broker(shards=1, slots=4):
    """More clients than slots, which are spread over the shards: so many get a session, and one that
    gives its own up makes room for one on any shard."""
    with running(f"max.incremental.fetch.session.cache.slots={slots}", shards=shards) as broker, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(broker.port)) for _ in range(3 * slots)]
        clients[0].create_topic("t")
        wanted = [("t", 0, 0)]
        sessions = [client.fetch(wanted, epoch=0)[1] for client in clients]
        check(sum(session != 0 for session in sessions), slots, f"sessions with {shards} shards")
        owner = next(i for i, session in enumerate(sessions) if session != 0)
        check(clients[owner].fetch(wanted, session=sessions[owner], epoch=-1)[1], 0, "given up")
        late = [i for i, session in enumerate(sessions) if session == 0]
        again = [clients[i].fetch(wanted, epoch=0)[1] for i in late]
        check(sum(session != 0 for session in again), 1, f"sessions after one, {shards} shards")


def no_slots_means_no_sessions():
    with running("max.incremental.fetch.session.cache.slots=0") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t")
        error, session, found = client.fetch([("t", 0, 0)], epoch=0)
        check((error, session, len(found)), (0, 0, 1), "a full fetch")


def fetch_max_bytes_bounds_what_a_client_asks_for(most=2000):
    with running(f"fetch.max.bytes={most}") as broker, Connection(broker.port) as client:
        client.create_topic("t", 2)
        for partition in (0, 1):
            for _ in range(10):
                check(client.produce("t", batch([b"x" * 400]), partition)[0], 0, "a produce")
        _, _, found = client.fetch([("t", 0, 0), ("t", 1, 0)])
        sizes = [len(records or b"") for _, _, records in found.values()]
        check((max(sizes) > 400, sum(sizes) <= most), (True, True), f"sizes {sizes}")
    with running() as broker, Connection(broker.port) as client:
        client.create_topic("t")
        for _ in range(10):
            check(client.produce("t", batch([b"x" * 400]))[0], 0, "a produce")
        _, _, found = client.fetch([("t", 0, 0)])
        check(len(found["t", 0][2]) > most, True, "without the setting there is more")


def padded(client, size):
    """A request of so many bytes in all, most of them behind its end."""
    return client.frame(wire.API_VERSIONS, bytes(size - len(client.frame(wire.API_VERSIONS)) + 4))


def a_request_is_as_large_as_was_set(most=2000):
    with running(f"socket.request.max.bytes={most}") as broker:
        for size, closed in ((most, False), (most + 1, True)):
            with Connection(broker.port) as client:
                client.socket.sendall(padded(client, size))
                if closed:
                    check(client.closed(), True, "closed by a request that is too large")
                else:
                    check(client.receive()[0], client.correlation, "the answer to the largest")


def third_of_three(at_once, *settings, size=900000):
    """A large request is answered, or not, while two others of its size have come half; these end after it."""
    with running(f"socket.request.max.bytes={size}", "socket.receive.buffer.bytes=20000", *settings) as broker, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(broker.port)) for _ in range(3)]
        frames = [padded(client, size) for client in clients]
        begun, go_on = threading.Event(), threading.Event()

        def come_half(client, frame):
            client.socket.sendall(frame[:size // 2])
            begun.set()  # most of it is with the broker: so much does not lie between
            go_on.wait(harness.PATIENCE_SECONDS)
            client.socket.sendall(frame[size // 2:])
        threads = [threading.Thread(target=come_half, args=pair) for pair in zip(clients[:2], frames)]
        threads.append(threading.Thread(target=clients[2].socket.sendall, args=(frames[2],)))
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20000)
        for thread in threads:
            thread.start()
            thread.join(0.3)
            check(begun.wait(harness.PATIENCE_SECONDS), True, "the half of a request to come")
        answered = not clients[2].silent(harness.PATIENCE_SECONDS if at_once else 1)
        go_on.set()
        for client in clients:
            check(client.receive()[0], client.correlation, "the answer to each in the end")
        for thread in threads:
            thread.join()
        check(answered, at_once, f"whether it is answered beside them, {settings}")


def requests_wait_for_the_memory_that_was_set():
    third_of_three(True)
    third_of_three(False, "queued.max.request.bytes=1000000")


def described_partitions(client, topic, limit):
    """How many partitions of the topic one answer of DescribeTopicPartitions has."""
    name = topic.encode()
    body = b"\0\x02" + bytes([len(name) + 1]) + name + b"\0" + struct.pack(">i", limit) + b"\xff\0"
    reader = client.ask(DESCRIBE_TOPIC_PARTITIONS, body, version=0)
    reader.take("b"), reader.take("i")
    check(reader.take("b"), 2, "one topic")
    check(reader.take("h"), 0, "its error")
    for _ in range(reader.take("b") - 1 + 16 + 1):  # name, id, is_internal
        reader.take("b")
    return reader.take("b") - 1


def a_description_has_no_more_partitions_than_the_limit():
    with running("max.request.partition.size.limit=3") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t", 5)
        check(described_partitions(client, "t", 2), 2, "what the client asks for")
        check(described_partitions(client, "t", 100), 3, "what the broker allows")


def sockets(*options):
    if shutil.which("ss") is None:
        raise harness.Skip("needs ss of iproute2")
    return subprocess.run(["ss", "-tnH", *options], capture_output=True, text=True,
                          check=True).stdout


def buffers_of(broker, client):
    """(receive, send) of the broker's end of a connection, as the kernel has them."""
    port = client.socket.getsockname()[1]
    text = sockets("-m", f"( sport = :{broker.port} and dport = :{port} )")
    found = re.search(r"rb(\d+),t\d+,tb(\d+)", text)
    return int(found[1]), int(found[2])


def sockets_have_the_buffers_that_were_set():
    """Linux doubles what it is given, for its own book-keeping."""
    with running(f"socket.receive.buffer.bytes={SOCKET_BYTES}",
                 f"socket.send.buffer.bytes={SOCKET_BYTES + 10000}") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t")
        check(buffers_of(broker, client), (2 * SOCKET_BYTES, 2 * (SOCKET_BYTES + 10000)),
              "buffers")


def the_backlog_is_the_one_that_was_set(backlog=17):
    """Of a listening socket Send-Q is its backlog."""
    with running(f"socket.listen.backlog.size={backlog}") as broker:
        queues = {line.split()[2] for line in
                  sockets("-l", f"( sport = :{broker.port} )").splitlines()}
        check(queues, {str(backlog)}, "the backlog")


def snapshots(broker):
    folder = pathlib.Path(broker.directory, "data/__cluster_metadata-0")
    return sorted(path.name for path in folder.glob("*.checkpoint") if path.name[:20] != "0" * 20)


def snapshots_after(wanted, *settings, count=6):
    """Awaits what is wanted of the number of snapshots, and of whether the log still has its start, once
    so many were written."""
    with running("metadata.log.max.record.bytes.between.snapshots=1", "internal.metadata.log.segment.bytes=400",
                 *settings) as broker, Connection(broker.port) as client:
        last = ""
        for i in range(count):
            client.create_topic(f"t{i}")
            harness.wait_for(lambda last=last: (snapshots(broker) or [""])[-1] > last, what="a snapshot")
            last = snapshots(broker)[-1]
        start = pathlib.Path(broker.directory, "data/__cluster_metadata-0", "0" * 20 + ".log")
        harness.wait_for(lambda: wanted(len(snapshots(broker)), start.exists()), what=f"snapshots {settings}")


def old_snapshots_stay_for_their_time_and_bytes():
    """And with them the log from the oldest on; two stay in any case."""
    snapshots_after(lambda count, begins: count >= 6 and begins)
    for setting in ("metadata.max.retention.bytes=1", "metadata.max.retention.ms=0"):
        snapshots_after(lambda count, begins: count == 2 and not begins, setting)


def resident_bytes(broker):
    text = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


def give_assignment(client, group, size):
    """A group of one, whose leader's assignment has so many bytes."""
    protocol = wire.string("range") + wire.blob(b"")
    body = wire.string(group) + struct.pack(">ii", 600000, 600000) + wire.string("") + \
        wire.string("consumer") + wire.array([protocol])
    joined = client.ask(people.JOIN_GROUP, body, 2)
    _, error, generation = joined.take("ihi")
    check(error, 0, f"JoinGroup of {group}")
    joined.string()
    member = joined.string()
    assignment = wire.string(member) + wire.blob(bytes(size))
    return client.ask(people.SYNC_GROUP, wire.string(group) + struct.pack(">i", generation) + wire.string(member) +
                      wire.array([assignment]), 1).take("ih")[1]


def await_coordinator(client):
    harness.wait_for(lambda: client.ask(people.FIND_COORDINATOR, wire.string("g") + b"\0",
                                        people.VERSIONS[people.FIND_COORDINATOR]).take("ih")[1] == 0,
                     what="a coordinator")


def a_large_write_buffer_is_kept_as_far_as_was_set(large=8 << 20):
    """An assignment of eight megabytes is put together in a buffer, which is kept for the next write, or
    given back by it once the setting is lowered."""
    name = "group.coordinator.cached.buffer.max.bytes"
    cache = pathlib.Path(harness.BINARY).resolve().parent / "CMakeCache.txt"
    if cache.exists() and re.search(r"^BNB_SANITIZE:STRING=.+$", cache.read_text(), re.M):
        raise harness.Skip("a sanitizer keeps what is freed")
    with running("offsets.topic.num.partitions=1", "group.initial.rebalance.delay.ms=0",
                 f"message.max.bytes={2 * large}", f"{name}={4 * large}") as broker, \
            Connection(broker.port) as client:
        await_coordinator(client)
        check(give_assignment(client, "large", large), 0, "a large assignment")
        check(give_assignment(client, "small", 10), 0, "a small assignment")
        before = resident_bytes(broker)
        check(cordon.alter(client, str(524288), name, broker=""), 0, "the setting is lowered")
        check(give_assignment(client, "another", 10), 0, "a small assignment after that")
        harness.wait_for(lambda: before - resident_bytes(broker) > large * 3 // 4,
                         what=f"{before} bytes to become fewer")


def reads_of(broker):
    text = pathlib.Path(f"/proc/{broker.process.pid}/io").read_text()
    return int(re.search(r"syscr: (\d+)", text)[1])


def loading_reads(setting, commits=400):
    """The reads of a start that loads so many commits."""
    broker = harness.own_broker(overrides=["offsets.topic.num.partitions=1"])
    try:
        broker.start()
        with Connection(broker.port) as client:
            client.create_topic("topic")
            await_coordinator(client)
            check(habits.commit(broker.port, "g", {0: 0}), [0], "the first commit")
            for i in range(1, commits):
                body = people.commit_body("g", {0: i})
                check(people.commit_errors(client.ask(people.OFFSET_COMMIT, body, 7)), [0], "a commit")
        broker.kill()
        broker.overrides.append(setting)
        broker.start()
        check(habits.offsets_of(broker.port, "g", [0]), {0: commits - 1}, "what was loaded")
        return reads_of(broker)
    finally:
        broker.remove()


def a_load_reads_as_much_at_once_as_was_set(commits=400):
    """With room for one batch each commit is a read; with the default all of them are one."""
    few, many = (loading_reads(f"offsets.load.buffer.size={size}", commits) for size in (5242880, 1))
    check(many - few > commits * 3 // 4, True, f"{few} reads, {many} with one batch each")


def heartbeat_error(client):
    """Of a ConsumerGroupHeartbeat v0 with which a member joins."""
    text = b"\2g" + b"\x17" + b"A" * 22 + struct.pack(">i", 0) + b"\0\0" + struct.pack(">i", 60000)
    reader = client.ask(CONSUMER_GROUP_HEARTBEAT, b"\0" + text + b"\2\2t" + b"\0" + b"\1" + b"\0", 0)
    return reader.take("bih")[2]


def a_protocol_of_groups_that_is_not_offered_is_refused():
    for setting, error in (("classic,consumer", 0), ("classic,streams", UNSUPPORTED_VERSION)):
        with running(f"group.coordinator.rebalance.protocols={setting}") as broker, \
                Connection(broker.port) as client:
            await_coordinator(client)
            check(heartbeat_error(client), error, setting)
            check(give_assignment(client, "classic", 10), 0, f"a classic group, {setting}")


def a_default_that_no_topic_can_have_is_refused_by_the_topic():
    """default.replication.factor is any number, also one that no broker can fulfil: the broker starts, and who asks
    for another one is served."""
    for factor in (0, -5, 2147483647, 2):
        with running(f"default.replication.factor={factor}") as broker, Connection(broker.port) as client:
            body = wire.array([wire.string("t") + struct.pack(">ih", 1, -1) + wire.array([]) + wire.array([])])
            reader = client.ask(wire.CREATE_TOPICS, body + struct.pack(">ib", 20000, 0), 4)
            reader.take("i")
            check(reader.array(lambda: (reader.string(), reader.take("h"), reader.string()))[0][1],
                  INVALID_REPLICATION_FACTOR, f"a topic of the default {factor}")
            client.create_topic("t")


if __name__ == "__main__":
    cases = [(f"settings__{function.__name__}", function) for function in (
        no_slots_means_no_sessions, fetch_max_bytes_bounds_what_a_client_asks_for,
        a_request_is_as_large_as_was_set, requests_wait_for_the_memory_that_was_set,
        a_description_has_no_more_partitions_than_the_limit,
        sockets_have_the_buffers_that_were_set, the_backlog_is_the_one_that_was_set,
        old_snapshots_stay_for_their_time_and_bytes, a_load_reads_as_much_at_once_as_was_set,
        a_large_write_buffer_is_kept_as_far_as_was_set, a_protocol_of_groups_that_is_not_offered_is_refused,
        a_default_that_no_topic_can_have_is_refused_by_the_topic)]
    for count in harness.shard_counts():
        cases.append((f"settings__the_session_slots_are_those_of_the_broker_with_{count}_shards",
                      lambda count=count: the_session_slots_are_those_of_the_broker(count)))
    harness.run(cases)
