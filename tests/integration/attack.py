#!/usr/bin/env python3
"""Bad input and load from the network: what a client may do wrong, or on purpose, and what that costs
the broker and its other clients. Numbers in comments are rows of the list of faults seen in the
field that this project keeps (20, 26, 27, 29, 30)."""
import contextlib
import gzip
import os
import random
import socket
import struct
import threading
import time
import uuid

import harness
import wirecodec as wire
from limits import Clients, check, running
from wirecodec import Connection, array, batch, blob, string

MIB = 1 << 20
PROCESS_BYTES = 32 * MIB
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
FETCH_SECONDS = 60
DESCRIBE_GROUPS, UNREGISTER_BROKER = 15, 64


def memory_kib(broker, what="VmHWM"):
    """Of the process and, for a launcher that stays, of what it runs: ours replaces it."""
    with open(f"/proc/{broker.process.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {what}")


def bound_bytes(available, request_max=100 * MIB, shards=1):
    """What docs/ARCHITECTURE.md promises: what clients can make a broker hold, and what it is itself."""
    available = max(0, available - PROCESS_BYTES)

    def clamp(value, least, most):
        return max(least, min(value, most))
    first = clamp(available // 16, 2 * MIB, 256 * MIB)
    rest = max(clamp(available * 3 // 16, 2 * MIB, 768 * MIB),
               min(request_max, available * 5 // 16))
    work = clamp(available // 4, 8 * MIB, 1024 * MIB)
    scratch = clamp(available // 8 // shards, 2 * MIB, 256 * MIB)
    return first + rest + work + work // 8 + 2 * scratch * shards + PROCESS_BYTES


def sanitized():
    """A sanitizer takes terabytes of addresses, and keeps what was freed."""
    return "asan" in harness.BINARY or "hostile" in harness.BINARY


def new_topic(connection, partitions=1, configs=()):
    name = f"attack-{uuid.uuid4().hex[:10]}"
    connection.create_topic(name, partitions, configs)
    return name


def answers_now(port, seconds=5):
    """Another client is served within the time."""
    def ask():
        with Connection(port) as other:
            check(other.ask(wire.API_VERSIONS).take("h"), 0, "the answer to another client")
    harness.soon(seconds, ask, "the answer to another client")


# ---- one frame (rows 20, 26) ----

def requests_in_two_pieces_at_every_byte(broker):
    with Connection(broker.port) as client:
        topic = new_topic(client)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        records = batch([b"one", b"two"])
        for make in (lambda: client.frame(wire.API_VERSIONS),
                     lambda: client.frame(wire.PRODUCE, wire.produce_body(topic, records)),
                     lambda: client.frame(wire.FETCH, wire.fetch_body([(topic, 0, 0)]))):
            for at in range(1, len(make())):
                frame = make()
                client.socket.sendall(frame[:at])
                time.sleep(0.0005)
                client.socket.sendall(frame[at:])
                check(client.receive()[0], client.correlation, f"an answer, cut at {at}")
        check(client.list_offset(topic, -1)[2] % 2, 0, "whole batches")


def frames_too_short_for_a_header_end_the_connection(broker):
    whole = struct.pack(">hhi", wire.API_VERSIONS, 0, 1) + string("wire")
    for size in range(0, 8):
        with Connection(broker.port) as client:
            client.socket.sendall(blob(whole[:size]))
            check(client.closed(), True, f"closed after a frame of {size} bytes")
    answers_now(broker.port)


def bytes_behind_the_body_are_passed_over(broker):
    with Connection(broker.port) as client:
        client.send(wire.API_VERSIONS, b"garbage behind the end of the request")
        check(client.receive()[1].take("h"), 0, "error")
        client.send(wire.METADATA, struct.pack(">i", 0) + b"\xff" * 30, version=1)
        check(client.receive()[0], client.correlation, "the answer")


def counts_beyond_the_frame_end_the_connection(broker):
    """Row 26: negative counts, huge ones, in each of the arrays that a client sends most."""
    for count in (-2, -(1 << 31), 1 << 20, (1 << 31) - 1):
        number = struct.pack(">i", count)
        for api, body in ((wire.METADATA, number),
                          (wire.PRODUCE, string(None) + struct.pack(">hi", -1, 1000) + number),
                          (wire.FETCH, struct.pack(">iiiibii", -1, 0, 1, 1, 0, 0, -1) + number),
                          (wire.LIST_OFFSETS, struct.pack(">ib", -1, 0) + number),
                          (wire.CREATE_TOPICS, number)):
            with Connection(broker.port) as client:
                client.send(api, body)
                check(client.closed(), True, f"closed by API {api} with {count} elements")
    answers_now(broker.port)


def omitted_and_doubled_partitions_get_answers_of_their_own(broker):
    """Row 26: a topic without partitions, and a partition that is named twice."""
    with Connection(broker.port) as client:
        topic = new_topic(client)
        client.produce(topic, batch([b"x"]))
        asked = [(topic, 0, 0), (topic, 0, 0), (topic, 7, 0)]
        error, _, found = client.fetch(asked)
        check((error, found[topic, 0][0], found[topic, 7][0]), (0, 0, 3), "errors")
        body = struct.pack(">ib", -1, 0) + array([string(topic) + array([])])
        reader = client.ask(wire.LIST_OFFSETS, body)
        check(reader.take("i"), 0, "throttle time")
        answers_now(broker.port)


def a_fetch_inside_a_batch_gives_the_whole_batch(broker):
    """Row 20: else the records of the batch could never be read."""
    with Connection(broker.port) as client:
        topic = new_topic(client)
        for i in range(3):
            client.produce(topic, batch([b"%d-%d" % (i, k) for k in range(5)]))
        for offset in range(15):
            _, _, found = client.fetch([(topic, 0, offset)], partition_bytes=1)
            records = found[topic, 0][2]
            base = struct.unpack(">q", records[:8])[0]
            check(base, offset // 5 * 5, f"first offset of the batch that has {offset}")
            check(wire.values_of(records)[:1], [(base, 5)], "records of it")


def a_failed_request_leaves_no_trace(broker):
    """Row 29: after every kind of refused request the next one is served as if nothing had been."""
    with Connection(broker.port) as client:
        topic = new_topic(client)
        bad = bytearray(batch([b"x" * 100]))
        bad[20] ^= 1
        expected = 0
        for body in (wire.produce_body(topic, bytes(bad)), wire.produce_body("no such topic", b""),
                     wire.produce_body(topic, batch([b"x"])[:40]),
                     wire.produce_body(topic, b"\0" * 70)):
            with Connection(broker.port) as attacker, contextlib.suppress(EOFError, OSError):
                attacker.ask(wire.PRODUCE, body)
            check(client.produce(topic, batch([b"y"])), (0, expected), "a good produce after it")
            expected += 1


def metadata_is_the_newest_after_a_topic_is_made_again(broker):
    """Row 30: same name, new id; what is written after the answer is in the new topic, at 0."""
    with Connection(broker.port) as client, Connection(broker.port) as other:
        topic = f"attack-{uuid.uuid4().hex[:10]}"
        for _ in range(5):
            client.create_topic(topic, 3)
            for partition in range(3):
                check(other.produce(topic, batch([b"new"]), partition), (0, 0), "first offset")
            body = array([string(topic)]) + struct.pack(">i", 20000)
            reader = client.ask(wire.DELETE_TOPICS, body, version=1)
            reader.take("i")
            check(reader.array(lambda: (reader.string(), reader.take("h"))), [(topic, 0)], "deleted")


# ---- clients that do not read, or come back all at once ----

def a_client_that_sends_and_never_reads_is_not_read(broker):
    with Connection(broker.port) as client:
        topic = new_topic(client, 50)
        client.socket.settimeout(1.0)
        frame = client.frame(wire.METADATA, array([string(topic)]), version=1)
        pushed, before = 0, memory_kib(broker, "VmRSS")
        with contextlib.suppress(TimeoutError):
            while pushed < 64 * MIB:
                pushed += client.socket.send(frame * 200)
        if pushed >= 64 * MIB:
            raise AssertionError("the broker reads on although nobody takes its answers")
        answers_now(broker.port)
        grown = memory_kib(broker, "VmRSS") - before
        if grown > 8192 and not sanitized():
            raise AssertionError(f"{grown} KiB for {pushed} bytes of requests")


def readers_that_never_read_cost_nothing_and_hold_nobody_up(broker):
    with Clients(broker.port) as clients:
        first = clients.served()
        topic = new_topic(first)
        for _ in range(16):
            check(first.produce(topic, batch([os.urandom(500_000)]))[0], 0, "produce")
        before = memory_kib(broker, "VmRSS")
        for _ in range(150):
            client = clients.open()
            for _ in range(4):
                client.send(wire.FETCH, wire.fetch_body([(topic, 0, 0)], partition_bytes=1 << 25))
        answers_now(broker.port)
        check(first.produce(topic, batch([b"on"]))[0], 0, "produce beside them")
        grown = memory_kib(broker, "VmRSS") - before
        if grown > 16384 and not sanitized():
            raise AssertionError(f"{grown} KiB for 150 readers that do not read")


def a_storm_of_returning_clients_is_served():
    """Row 27: all clients come back at once after a restart, and none is turned away."""
    broker = harness.own_broker()
    try:
        broker.start()
        for _ in range(2):
            failed = []

            def come():
                try:
                    with Connection(broker.port) as client:
                        for _ in range(5):
                            client.ask(wire.API_VERSIONS)
                            client.ask(wire.METADATA, struct.pack(">i", 0), version=1)
                except (OSError, EOFError) as error:
                    failed.append(error)
            threads = [threading.Thread(target=come) for _ in range(200)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            check(failed, [], "clients that were not served")
            broker.kill()
            broker.start()
        broker.end_in_order()
    finally:
        broker.remove()


# ---- ten thousand that rest ----

def ten_thousand_idle_connections(count=10000):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count * 3 // 2:
        raise harness.Skip(f"{hard} file descriptors are too few for this program and the broker")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with running("socket.listen.backlog.size=1000") as broker, contextlib.ExitStack() as stack:
            answers_now(broker.port)
            before = memory_kib(broker, "VmRSS")
            opened = []
            for i in range(count):
                source = f"127.0.0.{2 + i // 5000}"
                opened.append(stack.enter_context(socket.create_connection(
                    ("127.0.0.1", broker.port), wire.SECONDS, source_address=(source, 0))))
                if i % 10 == 0:
                    opened[-1].sendall(blob(struct.pack(">hhi", wire.API_VERSIONS, 0, i) +
                                            string("idle")))
            for i in range(0, count, 10):
                size, correlation = struct.unpack(">ii", opened[i].recv(8, socket.MSG_WAITALL))
                check(correlation, i, "the answer among many")
                opened[i].recv(size - 4, socket.MSG_WAITALL)
            answers_now(broker.port)
            each = (memory_kib(broker, "VmRSS") - before) * 1024 / count
            print(f"# {count} idle connections take {each:.0f} bytes each", flush=True)
            if each > 1024 and not sanitized():
                raise AssertionError(f"{each:.0f} bytes for a connection that rests")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def an_unregistered_broker_comes_back():
    """Whoever unregisters the only broker takes nothing from the others: it registers again, and gets
    producer ids under its new epoch."""
    with running() as broker, Connection(broker.port) as client:
        topic = new_topic(client)
        answer = client.ask(UNREGISTER_BROKER, b"\0" + struct.pack(">i", 1) + b"\0")
        check(answer.take("bih"), (0, 0, 0), "unregistering it")
        check(client.producer_id()[1], 0, "the epoch of a new producer")
        harness.wait_for(lambda: client.produce(topic, batch([b"x"]))[0] == 0, what="a produce")


def few_descriptors_are_said_and_do_not_stop_the_broker():
    if harness.PEER == "apache":
        raise harness.Skip("a line of ours")
    broker = harness.own_broker(overrides=["max.connections=500"])
    broker.launcher = ("prlimit", "--nofile=200")
    try:
        broker.start()
        lines = [line for line in broker.log().splitlines() if "file descriptors" in line]
        check(len(lines), 1, "lines about descriptors")
        with Clients(broker.port) as clients:
            for _ in range(120):
                clients.open()
        answers_now(broker.port, 10)
        broker.end_in_order()
    finally:
        broker.remove()


def more_partitions_than_descriptors_are_written_and_read(count=400):
    """At once, by one client: no directory is to blame, and all of it comes."""
    if harness.PEER == "apache":
        raise harness.Skip("keeps a file open for each partition")
    broker = harness.own_broker(overrides=["max.connections=20"])
    broker.launcher = ("prlimit", "--nofile=200")
    try:
        broker.start()
        with Connection(broker.port) as client:
            client.create_topic("t", count)
            parts = array([struct.pack(">i", part) + blob(batch([b"x" * 100])) for part in range(count)])
            body = string(None) + struct.pack(">hi", -1, 20000) + array([string("t") + parts])
            for _ in range(2):
                reader = client.ask(wire.PRODUCE, body)
                reader.take("i"), reader.string()
                check({reader.take("ihqqq")[1] for _ in range(reader.take("i"))}, {0}, "errors of a produce")
            left = set(range(count))
            while left:
                found = client.fetch([("t", part, 0) for part in sorted(left)])[2]
                check({code for code, _, _ in found.values()}, {0}, "errors of a fetch")
                came = {part for (_, part), (_, _, records) in found.items() if records}
                check(bool(came), True, "records in a fetch")
                left -= came
        broker.end_in_order()
    finally:
        broker.remove()


# ---- memory ----

def bomb(codec):
    """A compressed payload of about a megabyte that wants to be far more than may be unpacked."""
    if codec == "gzip":
        return gzip.compress(bytes(280 * MIB), 1)
    if codec == "zstd":  # one frame of blocks that repeat one byte, 128 KiB each
        block = struct.pack("<I", 128 * 1024 << 3 | 1 << 1)[:3] + b"x"
        return b"\x28\xb5\x2f\xfd\0\x88" + block * 20_000
    if codec == "lz4":  # blocks of one literal and a match that goes on and on
        content = b"\x1fx\1\0" + b"\xff" * 16_000 + b"\0" + b"\x50abcde"
        block = struct.pack("<I", len(content)) + content
        return b"\x04\x22\x4d\x18\x60\x70\x73" + block * 68
    return b"\xff\xff\xff\xff\x07" + b"\0x" + b"\xfe\1\0" * 300_000  # says 2 GiB


def compressed_batch(codec, payload):
    plain = batch([b"x"])
    body = bytearray(plain[:61])
    struct.pack_into(">h", body, 21, CODECS[codec])
    struct.pack_into(">i", body, 8, 49 + len(payload))
    whole = bytes(body) + payload
    return whole[:17] + struct.pack(">I", wire.crc32c(whole[21:])) + whole[21:]


class Attack:
    """Threads that do one thing again and again, whatever becomes of their connections."""

    def __init__(self, port):
        self.port = port
        self.ended = threading.Event()
        self.threads = []
        self.rounds = {}

    def start(self, function, *arguments, count=1):
        for _ in range(count):
            thread = threading.Thread(target=self._again, args=(function, arguments), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _again(self, function, arguments):
        while not self.ended.is_set():
            with contextlib.suppress(OSError, EOFError, struct.error):
                with Connection(self.port, 3) as client:
                    function(self, client, *arguments)
            name = function.__name__
            self.rounds[name] = self.rounds.get(name, 0) + 1

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)


def half_frames(attack, client, size):
    others = [socket.create_connection(("127.0.0.1", attack.port), 3) for _ in range(40)]
    try:
        for other in others:
            other.setblocking(False)
            other.send(struct.pack(">i", size) + bytes(random.choice((10, 60_000, 300_000))))
        attack.ended.wait(2)
    finally:
        for other in others:
            other.close()


def largest_frames(_, client, size):
    client.send(wire.PRODUCE, wire.produce_body("no-such-topic", bytes(size - 200)))
    client.receive()


def many_elements(_, client, count):
    client.send(wire.FETCH, struct.pack(">iiiibii", -1, 0, 1, 1, 0, 0, -1) +
                struct.pack(">i", count) + bytes(6) * count + array([]) + string(""))
    client.receive()


def metadata_of_many(_, client, count):
    names = b"".join(string(f"no-{i}") for i in range(count))
    client.send(wire.METADATA, struct.pack(">i", count) + names + b"\0", version=4)
    client.receive()


def groups_of_many(_, client, count):
    client.send(DESCRIBE_GROUPS, struct.pack(">i", count) + bytes(2) * count, version=0)
    client.receive()


def sessions_without_end(attack, client, topic):
    body = struct.pack(">iiiibii", -1, 0, 1, 1 << 20, 0, 0, 0) + array(
        [string(topic) + array([struct.pack(">iiqqi", i, -1, 0, -1, 1 << 20)
                                for i in range(5000)])]) + array([]) + string("")
    while not attack.ended.is_set():
        client.send(wire.FETCH, body)
        client.receive()


def fetches_unread(attack, client, topic):
    for _ in range(20):
        client.send(wire.FETCH, wire.fetch_body([(topic, 0, 0)], partition_bytes=1 << 25))
    attack.ended.wait(2)


def waits_for_ever(attack, client, topic):
    client.send(wire.FETCH, wire.fetch_body([(topic, 0, 1 << 40)] + [(topic, 0, 16)] * 3000,
                                            max_wait=1 << 30, min_bytes=1 << 30))
    attack.ended.wait(2)


def bombs(_, client, topic, codec, payload):
    client.produce(topic, compressed_batch(codec, payload))


def each_bomb_is_refused(broker):
    """Row 26: in every codec; the broker unpacks no more than it may."""
    with Connection(broker.port) as client:
        topic = new_topic(client, configs=[("max.message.bytes", str(8 * MIB))])
        for codec in CODECS:
            error = client.produce(topic, compressed_batch(codec, bomb(codec)))[0]
            if error == 0:
                raise AssertionError(f"a bomb in {codec} was taken")
        check(client.produce(topic, batch([b"x"])), (0, 0), "a good produce after them")


def honest(port, topic, rounds, failed):
    """Writes and reads back; every answer must be what it would be on a quiet broker."""
    try:
        with Connection(port, FETCH_SECONDS) as client:
            for i in range(rounds):
                value = b"honest-%d" % i + b"." * 3000
                check(client.produce(topic, batch([value])), (0, i), "produce")
                error, _, found = client.fetch([(topic, 0, i)])
                records = found[topic, 0][2]
                check((error, found[topic, 0][:2], wire.values_of(records), value in records),
                      (0, (0, i + 1), [(i, 1)], True), "fetch")
    except Exception as error:  # told to the main thread
        failed.append(error)


def under_attack(broker, rounds):
    """Attacks a broker in every way while honest clients work: what those met."""
    with Connection(broker.port) as client:
        # The timestamps are years old: retention would be right to take the records.
        keep = ("retention.ms", "-1")
        ours = [new_topic(client, configs=[keep]) for _ in range(2)]
        big = new_topic(client, configs=[("max.message.bytes", str(8 * MIB)), keep])
        for _ in range(16):
            client.produce(big, batch([os.urandom(500_000)]))
    attack = Attack(broker.port)
    attack.start(half_frames, 90 * MIB, count=3)
    attack.start(largest_frames, 90 * MIB, count=2)
    attack.start(many_elements, 3_000_000)
    attack.start(metadata_of_many, 200_000)
    attack.start(groups_of_many, 3_000_000)
    attack.start(sessions_without_end, big, count=2)
    attack.start(fetches_unread, big, count=20)
    attack.start(waits_for_ever, big, count=20)
    for codec in CODECS:
        attack.start(bombs, big, codec, bomb(codec))
    failed = []
    clients = [threading.Thread(target=honest, args=(broker.port, topic, rounds, failed))
               for topic in ours]
    began = time.monotonic()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    while time.monotonic() - began < 6:
        time.sleep(0.1)
    attack.end()
    print(f"# {time.monotonic() - began:.1f} s, attacks: {attack.rounds}", flush=True)
    return failed


def memory_stays_below_the_bound(launcher, shards=1, limit=512 * MIB, rounds=100):
    if sanitized():
        raise harness.Skip("a sanitizer needs more memory than the limit")
    if harness.PEER == "apache":
        raise harness.Skip("its heap is bounded by the JVM")
    broker = harness.own_broker(shards=shards)
    broker.launcher = launcher
    try:
        broker.start()
        failed = under_attack(broker, rounds)
        bound, peak = bound_bytes(limit, shards=shards), memory_kib(broker) * 1024
        print(f"# peak {peak // MIB} MiB of {bound // MIB}", flush=True)
        check(failed, [], "what honest clients met")
        if peak > bound:
            raise AssertionError(f"{peak} bytes, more than {bound}")
        broker.end_in_order()
    finally:
        broker.remove()


def memory_stays_below_the_bound_of_addresses(shards=1, limit=512 * MIB):
    memory_stays_below_the_bound(("prlimit", f"--as={limit}"), shards, limit)


def memory_stays_below_the_bound_in_a_control_group(shards=1, limit=256 * MIB, rounds=15):
    """What the group may hold in all, with the page cache and the kernel's own, is little more."""
    group = harness.ControlGroup(limit)
    try:
        memory_stays_below_the_bound(group.launcher, shards, limit, rounds)
        check(group.killed(), 0, "processes killed for want of memory")
    finally:
        group.remove()


def too_little_memory_for_the_largest_request_is_said():
    if harness.PEER == "apache" or sanitized():
        raise harness.Skip("a line of ours")
    broker = harness.own_broker()
    broker.launcher = ("prlimit", f"--as={200 * MIB}")
    try:
        broker.start()
        lines = [line for line in broker.log().splitlines() if "socket.request.max.bytes" in line]
        check(len(lines), 1, "lines about memory")
        with Connection(broker.port) as client:
            client.socket.sendall(struct.pack(">i", 100 * MIB))
            check(client.closed(), True, "closed by a size that there is no memory for")
        answers_now(broker.port)
        broker.end_in_order()
    finally:
        broker.remove()


def a_start_without_memory_ends_with_a_line():
    """Whatever the limit is: it gets ready, or says in one line beside what it could not hold."""
    if harness.PEER == "apache" or sanitized():
        raise harness.Skip("a line of ours")
    refused = served = 0
    for limit in range(16 * MIB, 44 * MIB, 2 * MIB):
        broker = harness.own_broker(shards=3)
        broker.launcher = ("prlimit", f"--as={limit}")
        try:
            broker.start()
            served += 1
        except RuntimeError:
            lines = [line for line in broker.log().splitlines() if line.startswith("barnabas: ")]
            check((broker.process.wait(harness.PATIENCE_SECONDS), len(lines), "memory" in lines[0]), (1, 1, True),
                  f"the end of a start with {limit} bytes: {broker.log()}")
            refused += 1
        finally:
            broker.remove()
    check((refused > 0, served > 0), (True, True), f"refused {refused}, served {served}")


ON_ONE_BROKER = (
    requests_in_two_pieces_at_every_byte, frames_too_short_for_a_header_end_the_connection,
    bytes_behind_the_body_are_passed_over, counts_beyond_the_frame_end_the_connection,
    omitted_and_doubled_partitions_get_answers_of_their_own,
    a_fetch_inside_a_batch_gives_the_whole_batch, a_failed_request_leaves_no_trace,
    metadata_is_the_newest_after_a_topic_is_made_again,
    a_client_that_sends_and_never_reads_is_not_read,
    readers_that_never_read_cost_nothing_and_hold_nobody_up, each_bomb_is_refused)


def on_one_broker(shards):
    """All cases that leave a broker as they found it, on the same one."""
    failures = []
    with harness.broker(shards=shards) as broker:
        for function in ON_ONE_BROKER:
            began = time.monotonic()
            try:
                function(broker)
                print(f"# {function.__name__}: {time.monotonic() - began:.1f} s", flush=True)
            except (AssertionError, OSError, EOFError) as error:
                failures.append(f"{function.__name__}: {type(error).__name__} {error}")
    if failures:
        raise AssertionError("; ".join(failures))


if __name__ == "__main__":
    cases = [(f"attack__single_clients_with_{n}_shard{'s' if n > 1 else ''}",
              lambda n=n: on_one_broker(n)) for n in harness.shard_counts()]
    cases += [(f"attack__{function.__name__}", function) for function in (
        a_storm_of_returning_clients_is_served, ten_thousand_idle_connections,
        an_unregistered_broker_comes_back,
        few_descriptors_are_said_and_do_not_stop_the_broker,
        more_partitions_than_descriptors_are_written_and_read,
        too_little_memory_for_the_largest_request_is_said, a_start_without_memory_ends_with_a_line,
        memory_stays_below_the_bound_of_addresses,
        memory_stays_below_the_bound_in_a_control_group)]
    cases += [(f"attack__{function.__name__}_with_3_shards", lambda function=function: function(3))
              for function in (memory_stays_below_the_bound_of_addresses,
                               memory_stays_below_the_bound_in_a_control_group)]
    harness.run(cases)
