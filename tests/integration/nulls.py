#!/usr/bin/env python3
"""Every answer with null wherever its schema lets it: no tool, and so no call of the library, may end by that.

Tools talk to a broker through a proxy that puts null into one place of one API's answers, each place that a run
has met in turn. They may complain and they may wait, but not crash.

    nulls.py [WORD]...     only the cases whose name contains one of the words
"""
import concurrent.futures
import functools
import importlib.machinery
import importlib.util
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading

import harness
import wirecodec as wire

ROOT = harness.TESTS.parent
API_VERSIONS, FIND_COORDINATOR = 18, 10
RUN_SECONDS, SETUP_SECONDS = 1, harness.PATIENCE_SECONDS
RUNS_AT_ONCE = 4
PLACES_MIN = 20  # fewer: the tools did not get far
SIZES = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}


def schemas():
    """The responses by the key of their API, as dev/gen_protocol reads them."""
    loader = importlib.machinery.SourceFileLoader("gen_protocol", str(ROOT / "dev" / "gen_protocol"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gen_protocol", loader))
    loader.exec_module(module)
    messages = [message for path in (ROOT / "schemas").glob("*.schema") for message in module.read(path)]
    return {message.key: message for message in messages if message.kind == "response"}


def holds(versions, version):
    return versions[0] <= version <= versions[1]


class Rewriter:
    """Copies one response; puts null at a place, names another port, and notes where null may be."""

    def __init__(self, message, version, data, place, ports):
        self.version, self.data, self.at, self.place, self.ports = version, data, 0, place, ports
        self.flexible = version >= message.flexible
        self.places = set()
        self.out = b""
        self.message = message

    def take(self, size):
        assert 0 <= size and self.at + size <= len(self.data), "the answer ends too early"
        self.at += size
        return self.data[self.at - size:self.at]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    @staticmethod
    def of_uvarint(value):
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes(out) + bytes([value])

    def whole(self):
        return self.fields(self.message.fields, "") + self.data[self.at:]

    def fields(self, fields, path):
        out, tagged = b"", {}
        for field in fields:
            if self.flexible and holds(field.tagged, self.version):
                tagged[field.tag] = field
            elif holds(field.versions, self.version):
                out += self.value(field, path)
        if self.flexible:
            count = self.uvarint()
            out += self.of_uvarint(count)
            for _ in range(count):
                tag, size = self.uvarint(), self.uvarint()
                end = self.at + size
                data = self.value(tagged[tag], path) if tag in tagged else self.take(size)
                assert self.at == end, "a tagged field of another size"
                out += self.of_uvarint(tag) + self.of_uvarint(len(data)) + data
        return out

    def value(self, field, path):
        path = f"{path}.{field.name}" if path else field.name
        before = self.at
        out = self.plain_value(field, path)
        if not holds(field.null, self.version) or field.type in SIZES and not field.array:
            return out
        if self.data[before:self.at] != self.null(field):
            self.places.add(path)
        return self.null(field) if path == self.place else out

    def null(self, field):
        if not field.array and field.struct is not None:
            return b"\xff"
        if self.flexible and not field.never_compact:
            return b"\0"
        return b"\xff\xff" if field.type == "string" and not field.array else b"\xff\xff\xff\xff"

    def length(self, field, form):
        """The size, -1 for null, and its bytes."""
        before = self.at
        if self.flexible and not field.never_compact:
            size = self.uvarint() - 1
        else:
            size = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return size, self.data[before:self.at]

    def plain_value(self, field, path):
        if not field.array:
            return self.one(field, path, field.pointer)
        size, out = self.length(field, ">i")
        return out + b"".join(self.one(field, path, False) for _ in range(max(size, 0)))

    def one(self, field, path, pointer):
        if field.struct is not None:
            out = self.take(1) if pointer else b""
            return out if out == b"\xff" else out + self.fields(field.struct.fields, path)
        if field.type in SIZES:
            data = self.take(SIZES[field.type])
            if field.name == "port" and int.from_bytes(data, "big") == self.ports[0]:
                data = self.ports[1].to_bytes(len(data), "big")
            return data
        size, out = self.length(field, ">h" if field.type == "string" else ">i")
        return out + self.take(max(size, 0))


class Proxy:
    """Between a tool and the broker; what it is to make null: (key of the API, path)."""

    def __init__(self, responses, broker_port, place=(None, None)):
        self.responses, self.broker_port, self.place = responses, broker_port, place
        self.seen = set()
        self.faults = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.broker_port))
            asked = {}
            threading.Thread(target=self.carry, args=(client, broker, functools.partial(self.note, asked)),
                             daemon=True).start()
            threading.Thread(target=self.carry, args=(broker, client, functools.partial(self.spoil, asked)),
                             daemon=True).start()

    @staticmethod
    def receive(source, size):
        data = b""
        while len(data) < size:
            piece = source.recv(size - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def carry(self, source, target, change):
        try:
            while True:
                size = struct.unpack(">i", self.receive(source, 4))[0]
                data = change(self.receive(source, size))
                target.sendall(struct.pack(">i", len(data)) + data)
        except (OSError, AssertionError) as error:
            if isinstance(error, AssertionError):
                self.faults.append(str(error))
        finally:
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def note(asked, frame):
        key, version, correlation_id = struct.unpack(">hhi", frame[:8])
        asked[correlation_id] = (key, version)
        return frame

    def spoil(self, asked, frame):
        key, version = asked.pop(struct.unpack(">i", frame[:4])[0])
        message = self.responses[key]
        head = 5 if version >= message.flexible and key != API_VERSIONS else 4
        place = self.place[1] if self.place[0] == key else None
        rewriter = Rewriter(message, version, frame[head:], place, (self.broker_port, self.port))
        data = rewriter.whole()
        self.seen |= {(key, path) for path in rewriter.places}
        return frame[:head] + data


def tool(port, line, text=None, seconds=RUN_SECONDS):
    """Exit status and stderr; None: it did not end in time."""
    words = line.split()
    at = ["--bootstrap-server", f"127.0.0.1:{port}"]
    try:
        done = subprocess.run([harness.BINARY, words[0], *at, *words[1:]], input=text, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stderr


def lines(folder):
    """Each: command line, standard input."""
    deletion = os.path.join(folder, "deletion.json")
    with open(deletion, "w") as file:
        json.dump({"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}, file)
    consumers = "consumer-groups --timeout 800"
    yield "topics --list", None
    yield "topics --describe", None
    yield "topics --describe --topic t", None
    yield "topics --create --topic made --if-not-exists", None
    yield "topics --alter --topic made --partitions 99", None
    yield "topics --delete --topic made", None
    yield "groups --list", None
    yield f"{consumers} --list --state", None
    for group in ("classic", "newer", "idle"):
        for more in ("", " --members --verbose", " --state", " --offsets"):
            yield f"{consumers} --describe --group {group}{more}", None
    yield f"{consumers} --describe --all-groups", None
    yield f"{consumers} --reset-offsets --group idle --topic t --to-earliest --execute", None
    yield f"{consumers} --reset-offsets --group idle --all-topics --to-latest --dry-run", None
    yield f"{consumers} --delete-offsets --group idle --topic t", None
    yield f"{consumers} --delete --group nobody", None
    yield "get-offsets", None
    yield "get-offsets --topic t --time -3", None
    yield f"delete-records --offset-json-file {deletion}", None
    yield "log-dirs --describe", None
    for entity in ("topics --entity-name t", "brokers --entity-name 1", "groups --entity-name idle", "topics"):
        yield f"configs --describe --all --entity-type {entity}", None
    yield "configs --alter --entity-type topics --entity-name t --add-config retention.ms=1000000", None
    yield "broker-api-versions", None
    yield "cluster cluster-id", None
    yield "cluster list-endpoints", None
    yield "features describe", None
    yield "metadata-quorum describe --status", None
    yield "metadata-quorum describe --replication", None
    yield "transactions list", None
    yield "transactions describe --transactional-id id", None
    yield "transactions describe-producers --topic t --partition 0", None
    yield "transactions find-hanging --broker-id 1", None
    perf = "producer-perf-test --topic t --num-records 20 --record-size 10 --throughput -1"
    yield perf, None
    yield "consumer-perf-test --topic t --num-records 10 --timeout 500", None
    yield "console-producer --topic t", "a\nb\n"
    reads = "console-consumer --topic t --from-beginning --max-messages 3 --timeout-ms 500"
    yield reads, None
    yield f"{reads} --partition 0 --isolation-level read_committed", None
    for protocol in ("classic", "consumer"):
        yield f"{reads} --group read-{protocol} --consumer-property group.protocol={protocol}", None


def prepare(broker):
    """Something for each kind of answer to tell of. The members that stay."""
    for line, text in (("topics --create --topic t --partitions 3", None), ("console-producer --topic t", "x\n" * 50),
                       ("console-consumer --topic t --from-beginning --max-messages 50 --group idle", None)):
        status, told = tool(broker.port, line, text, SETUP_SECONDS)
        assert status == 0, f"{line}: {status} {told}"
    with wire.Connection(broker.port) as connection:
        def transact():
            connection.ask(FIND_COORDINATOR, wire.string("id") + b"\1", 1)
            answer = connection.ask(wire.INIT_PRODUCER_ID, wire.string("id") + struct.pack(">i", 60000), 1)
            return answer.take("ih")[1] == 0
        harness.wait_for(transact, what="a transactional id")
    members = [subprocess.Popen([harness.BINARY, "console-consumer", "--bootstrap-server", broker.bootstrap,
                                 "--topic", "t", "--group", group, "--consumer-property",
                                 f"group.protocol={protocol}"], stdout=subprocess.DEVNULL)
               for group, protocol in (("classic", "classic"), ("newer", "consumer"))]
    for group in ("classic", "newer"):
        harness.wait_for(lambda group=group: b"Stable" in subprocess.run(
            [harness.BINARY, "consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--state",
             "--group", group], capture_output=True, timeout=SETUP_SECONDS).stdout, what="its members")
    return members


def run(responses, port, line, text, place):
    """What is wrong with it, or None; and the places that it has met."""
    proxy = Proxy(responses, port, place)
    try:
        status, told = tool(proxy.port, line, text, SETUP_SECONDS if place[0] is None else RUN_SECONDS)
    finally:
        proxy.close()
    wrong = proxy.faults[0] if proxy.faults else None
    if status is not None and status < 0 or harness.SANITIZER.search(told):
        wrong = f"status {status} {told[-300:]}"
    name = f"{responses[place[0]].name}.{place[1]}" if place[0] is not None else "nothing"
    return wrong and f"{line} with null in {name}: {wrong}", proxy.seen


def nothing_ends_by_a_null():
    responses = schemas()
    folder = tempfile.mkdtemp(prefix="barnabas-nulls-")
    with harness.broker(overrides=["offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1"]) as broker:
        members = prepare(broker)
        try:
            with concurrent.futures.ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
                plain = [(line, text, pool.submit(run, responses, broker.port, line, text, (None, None)))
                         for line, text in lines(folder)]
                spoiled = [pool.submit(run, responses, broker.port, line, text, place)
                           for line, text, first in plain for place in sorted(first.result()[1])]
                wrong = [found for one in [first for _, _, first in plain] + spoiled
                         if (found := one.result()[0]) is not None]
            places = set().union(*(first.result()[1] for _, _, first in plain))
            assert len(places) >= PLACES_MIN, f"only {len(places)} places"
            assert not wrong, f"{len(wrong)} of {len(spoiled)} runs: " + "\n".join(wrong[:12])
            print(f"     {len(plain)} command lines, {len(places)} places, {len(spoiled)} runs", flush=True)
        finally:
            for member in members:
                member.kill()
                member.wait()
            os.remove(os.path.join(folder, "deletion.json"))
            os.rmdir(folder)


if __name__ == "__main__":
    harness.run([("nulls__nothing_ends_by_a_null", nothing_ends_by_a_null)])
